//! What an encoder of events learns without labels: the next event, and which slices are of one history.

use crate::error::NnError;
use crate::events::EventEncoder;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// So low a score that it has no share in a softmax.
const NEVER: f32 = -1e4;

impl EventEncoder {
    /// Scores of the classes of all fields of the event after each of `tokens`, `[tokens.len(), n_classes]`; the
    /// fields side by side, in the order of the configuration.
    pub fn next_scores(&self, tape: &mut Tape<'_>, states: Var, tokens: &[usize]) -> Var {
        let chosen = tape.select_rows(states, tokens);
        self.next.apply(tape, chosen)
    }

    /// The mean over fields of the cross-entropy of what came next; a scalar.
    ///
    /// `scores` are those of [`EventEncoder::next_scores`], `classes` `[n, n_fields]`.
    ///
    /// Errors: [`NnError::Rows`] when nothing is predicted, or a class is out of range.
    pub fn next_event_loss(
        &self,
        tape: &mut Tape<'_>,
        scores: Var,
        classes: &[u32],
    ) -> Result<Var, NnError> {
        let sizes = &self.config().targets;
        let n = tape.value(scores).rows();
        let refuse = |reason: String| Err(NnError::Rows { reason });
        if n == 0 || sizes.is_empty() || classes.len() != n * sizes.len() {
            return refuse(format!(
                "{} classes for {n} events of {} fields",
                classes.len(),
                sizes.len()
            ));
        }
        let mut first = 0;
        let mut sum = None;
        for (field, &size) in sizes.iter().enumerate() {
            let of_field = classes.iter().skip(field).step_by(sizes.len());
            let labels: Vec<u32> = of_field.copied().collect();
            if let Some(label) = labels.iter().find(|&&label| label >= size) {
                return refuse(format!(
                    "class {label} of field {field} is not below {size}"
                ));
            }
            let own = tape.columns(scores, first..first + size as usize);
            let loss = tape.cross_entropy(own, &labels, None);
            sum = Some(match sum {
                None => loss,
                Some(sum) => tape.add(sum, loss),
            });
            first += size as usize;
        }
        match sum {
            Some(sum) => Ok(tape.scale(sum, 1.0 / sizes.len() as f32)),
            None => refuse("no field is predicted".into()),
        }
    }

    /// How badly the two slices of each history are told from those of others; a scalar.
    ///
    /// `vectors` are `[2 n, d_model]`, the slices of history `i` at `2 i` and `2 i + 1`; the cross-entropy of a
    /// slice's partner among all other slices, by their cosine over `temperature` (Babaev et al., 2022, with the
    /// loss of Chen et al., 2020).
    ///
    /// Errors: [`NnError::Rows`] when there are not at least two histories, or the temperature is below 0.001.
    pub fn slices_loss(
        &self,
        tape: &mut Tape<'_>,
        vectors: Var,
        temperature: f32,
    ) -> Result<Var, NnError> {
        let n = tape.value(vectors).rows();
        if n < 4 || !n.is_multiple_of(2) {
            let reason = format!("{n} slices are not two each of at least two histories");
            return Err(NnError::Rows { reason });
        }
        // Below that, a slice's own score would no longer be out of the way.
        if !(1e-3..=1e3).contains(&temperature) {
            let reason = format!("temperature {temperature} does not lie between 0.001 and 1000");
            return Err(NnError::Rows { reason });
        }
        let unit = tape.l2_normalise(vectors);
        let cosines = tape.linear(unit, unit, None);
        let scores = tape.scale(cosines, 1.0 / temperature);
        let mut itself = Tensor::zeros(&[n, n]);
        (0..n).for_each(|at| itself.data[at * n + at] = NEVER);
        let itself = tape.constant(itself);
        let scores = tape.add(scores, itself);
        let partners: Vec<u32> = (0..n as u32).map(|at| at ^ 1).collect();
        Ok(tape.cross_entropy(scores, &partners, None))
    }
}
