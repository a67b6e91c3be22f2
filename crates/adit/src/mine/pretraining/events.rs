//! An encoder of events learns what comes next, and which slices are of one history.

use adit_nn::random::mix;
use adit_nn::{EventEncoder, Params, Session, Tape, Var};

use super::{Objective, in_order_of, judged, mean_of};
use crate::mine::MineError;
use crate::prepare::Span;
use crate::represent::event_tokens::CodedEvents;
use crate::represent::text::batches_in_order;

/// Histories with fewer events are not cut into slices.
const LEAST_EVENTS: usize = 4;
/// Keeps the streams of windows and slices apart.
const WINDOW: u64 = 0x7769_6e64;
const SLICE: u64 = 0x736c_6963;

/// How slices of one history are told from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlicesSettings {
    /// By which cosines are divided.
    pub temperature: f32,
    /// What the loss counts beside that of the next event.
    pub weight: f32,
}

/// The next event of histories, and slices of them.
pub struct EventObjective<'a> {
    pub encoder: &'a EventEncoder,
    pub events: &'a CodedEvents<'a>,
    /// Histories to learn from.
    pub train: &'a [Span],
    /// Histories to judge by.
    pub held_out: &'a [Span],
    /// Events that are looked at together, at most; of longer histories a window is drawn.
    pub window: usize,
    /// Tokens a step, about.
    pub batch_tokens: usize,
    pub slices: SlicesSettings,
}

impl Objective for EventObjective<'_> {
    fn batches(&self, key: u64) -> Vec<Vec<usize>> {
        let useful = (0..self.train.len()).filter(|&at| self.train[at].len() > 1);
        // Of a longer history as many windows are drawn as it has.
        let windows = useful.flat_map(|at| {
            let n = self.train[at].len().div_ceil(self.window);
            (0..n).map(move |k| at + k * self.train.len())
        });
        let length = |place: usize| self.window_of(place).len().min(self.window) + 1;
        batches_in_order(in_order_of(key, windows), length, self.batch_tokens)
    }

    fn loss(&self, tape: &mut Tape, batch: &[usize], key: u64) -> Result<Var, MineError> {
        let mut spans = Vec::with_capacity(3 * batch.len());
        for &place in batch {
            let own = mix(mix(key, WINDOW), place as u64);
            spans.push(drawn(self.window_of(place), self.window, own));
        }
        let n_whole = spans.len();
        for (k, &place) in batch.iter().enumerate() {
            // A history that is there twice would be taken for two.
            let is_first = place < self.train.len();
            let whole = spans[k];
            if is_first && whole.len() >= LEAST_EVENTS {
                for side in 0..2 {
                    let own = mix(mix(key, SLICE + side), place as u64);
                    spans.push(slice(whole, own));
                }
            }
        }
        if spans.len() - n_whole < 4 {
            spans.truncate(n_whole);
        }
        let input = self.events.batch(&spans);
        let states = self.encoder.states(tape, &input)?;
        let followed = input.followed();
        let scores = self.encoder.next_scores(tape, states.tokens, &followed);
        let classes = self.events.classes(&spans);
        let next = self.encoder.next_event_loss(tape, scores, &classes)?;
        if spans.len() == n_whole {
            return Ok(next);
        }
        let slices: Vec<usize> = (n_whole..spans.len()).collect();
        let vectors = tape.select_rows(states.histories, &slices);
        let told = self
            .encoder
            .slices_loss(tape, vectors, self.slices.temperature)?;
        let told = tape.scale(told, self.slices.weight);
        Ok(tape.add(next, told))
    }

    fn held_out(&self, params: &Params, _: u64) -> Result<(f64, f64), MineError> {
        let latest = self.held_out.iter().map(|span| span.latest(self.window));
        let spans: Vec<Span> = latest.filter(|span| span.len() > 1).collect();
        let length = |at: usize| spans[at].len() + 1;
        let batches = batches_in_order(0..spans.len(), length, self.batch_tokens);
        let parts = Session::new(params).run_all(&batches, |tape, batch| {
            let own: Vec<Span> = batch.iter().map(|&at| spans[at]).collect();
            let input = self.events.batch(&own);
            let states = self.encoder.states(tape, &input)?;
            let scores = self
                .encoder
                .next_scores(tape, states.tokens, &input.followed());
            let scores = tape.take(scores);
            Ok(self.judge(&scores.data, &self.events.classes(&own)))
        })?;
        Ok(mean_of(&parts))
    }
}

impl EventObjective<'_> {
    /// The history that a place of a batch means.
    fn window_of(&self, place: usize) -> Span {
        self.train[place % self.train.len().max(1)]
    }

    fn judge(&self, scores: &[f32], classes: &[u32]) -> (f64, usize, usize) {
        let config = self.encoder.config();
        let sizes = &config.targets;
        let mut found = (0.0, 0usize, classes.len());
        let rows = scores.chunks_exact(config.n_classes());
        for (row, classes) in rows.zip(classes.chunks_exact(sizes.len())) {
            let mut rest = row;
            for (&size, &class) in sizes.iter().zip(classes) {
                let (own, after) = rest.split_at(size as usize);
                rest = after;
                let (loss, is_right) = judged(own, class);
                found.0 += loss;
                found.1 += usize::from(is_right);
            }
        }
        found
    }
}

/// At most `window` events of a history, from where the key says.
fn drawn(span: Span, window: usize, key: u64) -> Span {
    let spare = span.len().saturating_sub(window) as u64;
    let start = span.start + (key % (spare + 1)) as usize;
    Span {
        start,
        end: start + span.len().min(window),
        until: None,
    }
}

/// A slice of a history, of a length and place by the key: a quarter of it at least, three quarters at most.
fn slice(span: Span, key: u64) -> Span {
    let n = span.len() as u64;
    let (least, most) = ((n / 4).max(2), (3 * n / 4).max(2));
    let length = least + mix(key, 1) % (most - least + 1);
    let start = span.start + (mix(key, 2) % (n - length + 1)) as usize;
    Span {
        start,
        end: start + length as usize,
        until: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_windows_lie_within_their_history() {
        let span = Span {
            start: 10,
            end: 33,
            until: Some(4.0),
        };
        for key in 0..2_000 {
            for part in [slice(span, key), drawn(span, 7, key)] {
                assert!(
                    part.start >= 10 && part.end <= 33 && part.len() >= 2,
                    "{part:?}"
                );
                assert_eq!(part.until, None);
            }
            assert_eq!(drawn(span, 7, key).len(), 7);
            assert_eq!(drawn(span, 70, key).len(), 23);
        }
    }
}
