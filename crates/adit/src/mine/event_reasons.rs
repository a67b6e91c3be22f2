//! Which events of a history raised and lowered what a fine-tuned encoder of events says.
//!
//! Three measures stand side by side: how the output changed when an event came, all later ones being unknown; what changes
//! when it alone is taken out (occlusion); and integrated gradients over the events' embeddings (Sundararajan et al. 2017),
//! whose sum must be the whole change from a history that says nothing.

use adit_nn::watch::Watch;
use adit_nn::{Mode, NnError, Params, Session, Tape, Tensor, Var};

use super::MineError;
use super::event_transformer::{EventNetwork, EventTransformerModel};
use super::training::OutputMeaning;
use crate::prepare::{Dataset, Span};
use crate::represent::text::batches_in_order;

/// Steps between a history that says nothing and the history itself: the nearer to the first the smaller, since what is
/// normalised turns most where it is small.
const STEPS: usize = 64;
/// Four times as many are taken, and again, while the attributions are off by more than this share of the change, …
const COMPLETE: f64 = 0.02;
/// … but no more than these.
const MOST_STEPS: usize = 1024;
/// Histories that the average event is taken of.
const AVERAGED: usize = 64;
/// Histories without one event that are computed together, on one thread.
const TOKENS: usize = 4096;

/// One event's part in an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventReason {
    /// Place in the table of events.
    pub event: usize,
    /// The output once it had come, as if the cut-off were just before the next.
    pub after: f64,
    /// By how much the output is higher with the event than without it.
    pub occlusion: f64,
    /// Its integrated gradient.
    pub attribution: f64,
}

/// What the events of one row did to its output.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryReasons {
    pub row: usize,
    /// Of classes, the score of the class over the mean of the others'; of a number, the number.
    pub output: f64,
    /// The same before the first of these events.
    pub before: f64,
    /// The same of a history of events that say nothing.
    pub baseline: f64,
    pub events: Vec<EventReason>,
}

impl HistoryReasons {
    /// How far the attributions are from summing up to the change that they explain.
    pub fn incompleteness(&self) -> f64 {
        let sum: f64 = self.events.iter().map(|event| event.attribution).sum();
        (sum - (self.output - self.baseline)).abs()
    }
}

/// How one row's output went as its events came.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Places in the table of events.
    pub events: std::ops::Range<usize>,
    /// The output before the first of them, and after each.
    pub outputs: Vec<f64>,
}

impl EventTransformerModel {
    /// How the outputs of some rows went as their events came, for one class (of numbers: for the number).
    ///
    /// # Errors
    /// `Cancelled`; `NoFeatures` without histories.
    pub fn courses(
        &self,
        dataset: &Dataset,
        params: &Params,
        (rows, class): (&[usize], usize),
        watch: &dyn Watch,
    ) -> Result<Vec<Course>, MineError> {
        let network = self.network(dataset, &mut Params::new(), 0)?;
        let asked = Asked {
            network: &network,
            params,
            weights: self.meaning.weights_of(class),
        };
        let mut found = Vec::with_capacity(rows.len());
        for (k, &row) in rows.iter().enumerate() {
            if watch.cancelled() {
                return Err(MineError::Cancelled);
            }
            let span = network.spans[row];
            found.push(Course {
                events: span.start..span.end,
                outputs: asked.after_each(row, span)?,
            });
            watch.progress("reasons", k as u64 + 1, rows.len() as u64, "");
        }
        Ok(found)
    }

    /// The events behind the outputs of some rows for one class (of numbers: for the number), by one model's weights;
    /// average events are those of the histories of `train`.
    ///
    /// # Errors
    /// `Cancelled`; `NoFeatures` without histories.
    pub fn reasons(
        &self,
        dataset: &Dataset,
        params: &Params,
        (rows, class, train): (&[usize], usize, &[usize]),
        watch: &dyn Watch,
    ) -> Result<Vec<HistoryReasons>, MineError> {
        let mut still = self.clone();
        still.events.shape.dropout = 0.0;
        let mut network = still.network(dataset, &mut Params::new(), 0)?;
        network.head_dropout = 0.0;
        let asked = Asked {
            network: &network,
            params,
            weights: self.meaning.weights_of(class),
        };
        let neutral = asked.neutral(train)?;
        let mut found = Vec::with_capacity(rows.len());
        for (k, &row) in rows.iter().enumerate() {
            if watch.cancelled() {
                return Err(MineError::Cancelled);
            }
            found.push(asked.reasons(row, &neutral)?);
            watch.progress("reasons", k as u64 + 1, rows.len() as u64, "");
        }
        Ok(found)
    }
}

impl OutputMeaning {
    /// What the raw outputs are multiplied by, so that their sum is what is explained.
    fn weights_of(&self, class: usize) -> Vec<f32> {
        match *self {
            OutputMeaning::Classes { n_classes } => (0..n_classes)
                .map(|k| match k == class {
                    true => 1.0,
                    false => -1.0 / (n_classes.max(2) - 1) as f32,
                })
                .collect(),
            OutputMeaning::Numbers { scale, .. } => vec![scale as f32],
        }
    }

    /// What is added to that.
    fn offset(&self) -> f64 {
        match *self {
            OutputMeaning::Classes { .. } => 0.0,
            OutputMeaning::Numbers { center, .. } => center,
        }
    }
}

/// What events are replaced by where they are to say nothing.
struct Neutral {
    /// The average event of some histories, and no event at all.
    tokens: [Vec<f32>; 2],
    /// The mean output of these histories.
    usual: f64,
}

/// A network, its weights, and what of its outputs is asked for.
struct Asked<'a> {
    network: &'a EventNetwork<'a>,
    params: &'a Params,
    weights: Vec<f32>,
}

impl Asked<'_> {
    fn value(&self, outputs: &[f32]) -> f64 {
        let pairs = outputs.iter().zip(&self.weights);
        let sum: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        sum + self.network.meaning.offset()
    }

    fn neutral(&self, rows: &[usize]) -> Result<Neutral, MineError> {
        let every = rows.len().div_ceil(AVERAGED).max(1);
        let rows: Vec<usize> = rows.iter().copied().step_by(every).collect();
        let spans: Vec<Span> = rows.iter().map(|&row| self.network.spans[row]).collect();
        let batch = self.network.coded.batch(&spans);
        let (tokens, outputs) = Session::new(self.params).run(|tape| {
            let tokens = self.network.encoder.embed_tokens(tape, &batch)?;
            let states = self.network.encoder.states_of(tape, tokens, &batch.offsets);
            let outputs = self.network.head(tape, states.histories, &rows)?;
            Ok::<_, NnError>((tape.value(tokens).clone(), tape.take(outputs)))
        })?;
        let usual = (0..outputs.rows()).map(|k| self.value(outputs.row(k)));
        let usual = usual.sum::<f64>() / outputs.rows().max(1) as f64;
        let mut sums = vec![0f64; tokens.cols()];
        let mut n = 0;
        for history in batch.offsets.windows(2) {
            for token in history[0]..history[1] - 1 {
                let row = tokens.row(token).iter();
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, v)| *sum += f64::from(*v));
                n += 1;
            }
        }
        let n = f64::from(n.max(1));
        let average: Vec<f32> = sums.into_iter().map(|sum| (sum / n) as f32).collect();
        let nothing = vec![0.0; average.len()];
        Ok(Neutral {
            tokens: [average, nothing],
            usual,
        })
    }

    fn reasons(&self, row: usize, neutral: &Neutral) -> Result<HistoryReasons, MineError> {
        let span = self.network.spans[row];
        let tokens = Session::new(self.params).run(|tape| {
            let batch = self.network.coded.batch(&[span]);
            let tokens = self.network.encoder.embed_tokens(tape, &batch)?;
            Ok::<_, NnError>(tape.take(tokens))
        })?;
        // Of the two ways to say nothing, the one whose output is nearer to the usual.
        let froms = neutral.tokens.each_ref().map(|token| {
            let mut from = tokens.clone();
            for at in 0..span.len() {
                from.data[at * token.len()..][..token.len()].copy_from_slice(token);
            }
            from
        });
        let baselines = self.of_tokens(&[&froms[0], &froms[1]], row)?;
        let far = |at: usize| (baselines[at] - neutral.usual).abs();
        let nearer = usize::from(far(1) < far(0));
        let (from, baseline) = (&froms[nearer], baselines[nearer]);
        let output = self.of_tokens(&[&tokens], row)?[0];
        let attributions = self.attributions(row, &tokens, from, output - baseline)?;
        let without = self.without_each(row, span)?;
        let after = self.after_each(row, span)?;
        let events = (span.start..span.end)
            .zip(attributions)
            .zip(without)
            .zip(&after[1..]);
        Ok(HistoryReasons {
            row,
            output,
            before: after[0],
            baseline,
            events: events
                .map(|(((event, attribution), without), &after)| EventReason {
                    event,
                    after,
                    occlusion: output - without,
                    attribution,
                })
                .collect(),
        })
    }

    /// Outputs of histories of tokens, all of one row.
    fn of_tokens(&self, histories: &[&Tensor], row: usize) -> Result<Vec<f64>, MineError> {
        let outputs = Session::new(self.params).run(|tape| {
            let (tokens, offsets) = joined(histories);
            let tokens = tape.constant(tokens);
            let outputs = self.outputs(tape, tokens, &offsets, row)?;
            Ok::<_, NnError>(tape.take(outputs))
        })?;
        Ok((0..outputs.rows())
            .map(|k| self.value(outputs.row(k)))
            .collect())
    }

    fn outputs(
        &self,
        tape: &mut Tape,
        tokens: Var,
        offsets: &[usize],
        row: usize,
    ) -> Result<Var, NnError> {
        let states = self.network.encoder.states_of(tape, tokens, offsets);
        let rows = vec![row; offsets.len() - 1];
        self.network.head(tape, states.histories, &rows)
    }

    /// Integrated gradients of every event along the straight line from `from`, which is to explain `change`.
    fn attributions(
        &self,
        row: usize,
        tokens: &Tensor,
        from: &Tensor,
        change: f64,
    ) -> Result<Vec<f64>, MineError> {
        let mut n_steps = STEPS;
        loop {
            let mut found = vec![0.0; tokens.rows() - 1];
            for first in (0..n_steps).step_by(STEPS) {
                let middles: Vec<f32> = (first..first + STEPS)
                    .map(|step| (step as f32 + 0.5) / n_steps as f32)
                    .collect();
                let part = self.slopes(row, tokens, from, &middles)?;
                let sums = found.iter_mut().zip(part);
                sums.for_each(|(sum, part)| *sum += part / n_steps as f64);
            }
            let off = (found.iter().sum::<f64>() - change).abs();
            if off <= COMPLETE * change.abs() || n_steps >= MOST_STEPS {
                return Ok(found);
            }
            n_steps *= 4;
        }
    }

    /// The change of the output by every event at the shares `t³` of the line, summed over some `t`.
    fn slopes(
        &self,
        row: usize,
        tokens: &Tensor,
        from: &Tensor,
        middles: &[f32],
    ) -> Result<Vec<f64>, MineError> {
        let between: Vec<Tensor> = middles
            .iter()
            .map(|middle| {
                let share = middle.powi(3);
                let pairs = from.data.iter().zip(&tokens.data);
                Tensor {
                    shape: tokens.shape.clone(),
                    data: pairs.map(|(a, b)| a + share * (b - a)).collect(),
                }
            })
            .collect();
        let (inputs, offsets) = joined(&between.iter().collect::<Vec<_>>());
        // The tokens are made a parameter, so that their gradient is kept.
        let mut params = self.params.clone();
        params.freeze(|_| true);
        let id = params.add("tokens", inputs);
        let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
        let inputs = tape.param(id);
        let outputs = self.outputs(&mut tape, inputs, &offsets, row)?;
        let weights: Vec<f32> = middles.iter().flat_map(|_| self.weights.clone()).collect();
        let sum = tape.weighted_sum(outputs, &weights);
        let gradients = tape.backward(sum);
        let Some(gradient) = gradients.get(id) else {
            return Ok(Vec::new());
        };
        let n = tokens.rows();
        let of_event = |event: usize| {
            let mut sum = 0f64;
            for (step, &middle) in middles.iter().enumerate() {
                let slope = gradient.row(step * n + event);
                let weight = 3.0 * f64::from(middle).powi(2);
                let changes = tokens.row(event).iter().zip(from.row(event));
                for (slope, (to, from)) in slope.iter().zip(changes) {
                    sum += weight * f64::from(*slope) * f64::from(to - from);
                }
            }
            sum
        };
        Ok((0..n - 1).map(of_event).collect())
    }

    /// The output before the events of a span, and after each of them: at each the model reads the latest events until
    /// then, as it would have at that time.
    fn after_each(&self, row: usize, span: Span) -> Result<Vec<f64>, MineError> {
        let times = self.network.coded.times();
        let until = |end: usize| Span {
            start: self.network.starts[row],
            end,
            until: match end < span.end {
                true => span.until.map(|_| times[end]),
                false => span.until,
            },
        };
        let prefixes: Vec<Span> = (span.start..=span.end)
            .map(|end| until(end).latest(self.network.window))
            .collect();
        let lengths: Vec<usize> = prefixes.iter().map(|p| p.len() + 1).collect();
        let batches = batches_in_order(0..prefixes.len(), |at| lengths[at], TOKENS);
        let found = Session::new(self.params).run_all(&batches, |tape, batch| {
            let own: Vec<Span> = batch.iter().map(|&at| prefixes[at]).collect();
            let states = self
                .network
                .encoder
                .states(tape, &self.network.coded.batch(&own))?;
            let rows = vec![row; batch.len()];
            let outputs = self.network.head(tape, states.histories, &rows)?;
            Ok(tape.take(outputs))
        })?;
        let outputs = found
            .iter()
            .flat_map(|part| (0..part.rows()).map(|k| part.row(k)));
        Ok(outputs.map(|row| self.value(row)).collect())
    }

    /// The output of a row's history without each of its events.
    fn without_each(&self, row: usize, span: Span) -> Result<Vec<f64>, MineError> {
        let at_once = (TOKENS / (span.len() + 1)).max(1);
        let events: Vec<usize> = (0..span.len()).collect();
        let batches: Vec<&[usize]> = events.chunks(at_once).collect();
        let found = Session::new(self.params).run_all(&batches, |tape, batch| {
            let input = self.network.coded.without(span, batch);
            let states = self.network.encoder.states(tape, &input)?;
            let rows = vec![row; batch.len()];
            let outputs = self.network.head(tape, states.histories, &rows)?;
            Ok(tape.take(outputs))
        })?;
        let outputs = found
            .iter()
            .flat_map(|part| (0..part.rows()).map(|k| part.row(k)));
        Ok(outputs.map(|row| self.value(row)).collect())
    }
}

/// Histories one after another.
fn joined(histories: &[&Tensor]) -> (Tensor, Vec<usize>) {
    let cols = histories.first().map_or(0, |history| history.cols());
    let mut offsets = vec![0];
    let mut data = Vec::new();
    for history in histories {
        data.extend_from_slice(&history.data);
        offsets.push(data.len() / cols.max(1));
    }
    let shape = vec![data.len() / cols.max(1), cols];
    (Tensor { shape, data }, offsets)
}
