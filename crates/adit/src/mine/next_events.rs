//! What comes next in a history, and how surprising each event is, by an encoder that was pre-trained on histories.

use adit_nn::watch::Watch;
use adit_nn::{EventBatch, Params, Session};
use serde::{Deserialize, Serialize};

use super::MineError;
use super::event_transformer::EventModel;
use crate::prepare::{HistoryCells, Span};
use crate::represent::event_tokens::CodedEvents;
use crate::represent::text::batches_in_order;

/// Tokens computed together, on one thread.
const TOKENS: usize = 2048;
const BATCHES_AT_ONCE: usize = 64;
/// Events of held-out histories that temperatures are fitted and judged on, about.
const MOST_GUESSED: usize = 50_000;
/// Guesses that temperatures are fitted and judged on, at least.
const LEAST_GUESSES: usize = 100;
/// Temperatures that are tried, around 1 and by equal factors.
const STEPS: i32 = 40;
const FACTOR: f64 = 1.04;

/// By what the scores of each field are divided, so that its probabilities are right on histories held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperatures {
    /// `[n_fields]`
    pub by_field: Vec<f64>,
    /// Mean of minus the log-probability of what came next a field, before and after, on events that they were not fitted on.
    pub loss: [f64; 2],
    /// Expected calibration error of the likeliest value a field, before and after, on the same events: `[n_fields]`
    pub errors: Vec<[f64; 2]>,
    /// Events that were guessed.
    pub n_events: usize,
}

/// Probabilities of the fields of one event, side by side.
pub type Probabilities = Vec<f32>;

impl EventModel {
    /// Probabilities of the fields of the event after each history; none where nothing has happened yet.
    ///
    /// # Errors
    /// `Cancelled`, or weights of other fields.
    pub fn next(
        &self,
        params: &Params,
        cells: &HistoryCells,
        temperatures: &[f64],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Probabilities>>, MineError> {
        let window = self.shape.window;
        let spans: Vec<Span> = cells.spans.iter().map(|s| s.latest(window)).collect();
        let mut out = vec![None; spans.len()];
        let some: Vec<usize> = (0..spans.len())
            .filter(|&at| !spans[at].is_empty())
            .collect();
        let own: Vec<Span> = some.iter().map(|&at| spans[at]).collect();
        let last = |batch: &EventBatch| batch.own_tokens().iter().map(|own| own - 1).collect();
        let coded = self.fields.code(&cells.events);
        self.scores(
            (params, &coded),
            &own,
            &last,
            watch,
            &mut |at, mut scores| {
                self.to_probabilities(&mut scores, temperatures);
                out[some[at]] = Some(scores);
            },
        )?;
        Ok(out)
    }

    /// Minus the log-probability of every field of every event but the first of each history, `[n_fields]` each, by
    /// the event's place in the table; empty where an event was not judged.
    ///
    /// Long histories are read in windows that overlap by half, so that what is judged has at least half a window
    /// before it, or all there is.
    ///
    /// # Errors
    /// `Cancelled`, or weights of other fields.
    pub fn surprise(
        &self,
        params: &Params,
        cells: &HistoryCells,
        temperatures: &[f64],
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<f32>>, MineError> {
        let mut out = vec![Vec::new(); cells.events.n_events()];
        let coded = self.fields.code(&cells.events);
        let (windows, judged): (Vec<Span>, Vec<usize>) = (cells.spans.iter())
            .flat_map(|span| windows(*span, self.shape.window))
            .unzip();
        let followed = |batch: &EventBatch| batch.followed();
        let mut at_window = (0, 0);
        let sizes = self.fields.targets();
        let mut classes = coded.classes(&windows[..windows.len().min(1)]);
        self.scores(
            (params, &coded),
            &windows,
            &followed,
            watch,
            &mut |_, mut scores| {
                // Scores come in the order of the windows and their events.
                while at_window.1 + 1 >= windows[at_window.0].len() {
                    at_window = (at_window.0 + 1, 0);
                    classes = coded.classes(&windows[at_window.0..at_window.0 + 1]);
                }
                let (window, k) = at_window;
                let event = windows[window].start + k + 1;
                at_window.1 += 1;
                if event < judged[window] {
                    return;
                }
                self.to_probabilities(&mut scores, temperatures);
                let mut rest = &scores[..];
                let own = &classes[k * sizes.len()..(k + 1) * sizes.len()];
                out[event] = (sizes.iter().zip(own))
                    .map(|(&size, &class)| {
                        let (field, after) = rest.split_at(size as usize);
                        rest = after;
                        -field[class as usize].max(1e-12).ln()
                    })
                    .collect();
            },
        )?;
        Ok(out)
    }

    /// Fits a temperature a field on histories that were held out.
    ///
    /// # Errors
    /// `NoTrainingRows` where no event follows another.
    pub fn temperatures(
        &self,
        params: &Params,
        cells: &HistoryCells,
        held_out: &[Span],
        watch: &dyn Watch,
    ) -> Result<Temperatures, MineError> {
        let window = self.shape.window;
        let n_events: usize = held_out.iter().map(Span::len).sum();
        let every = n_events.div_ceil(MOST_GUESSED).max(1);
        let spans: Vec<Span> = (held_out.iter().step_by(every))
            .map(|span| span.latest(window))
            .collect();
        let coded = self.fields.code(&cells.events);
        let classes = coded.classes(&spans);
        let mut all: Vec<Vec<f32>> = Vec::new();
        let followed = |batch: &EventBatch| batch.followed();
        self.scores(
            (params, &coded),
            &spans,
            &followed,
            watch,
            &mut |_, scores| {
                all.push(scores);
            },
        )?;
        // A temperature of a few guesses runs to an end of what is tried.
        if all.len() < LEAST_GUESSES {
            return Err(MineError::NoTrainingRows);
        }
        let sizes = self.fields.targets();
        let mut fitted = Temperatures {
            by_field: Vec::new(),
            loss: [0.0; 2],
            errors: Vec::new(),
            n_events: all.len(),
        };
        let mut first = 0;
        for (field, &size) in sizes.iter().enumerate() {
            let range = first..first + size as usize;
            first = range.end;
            // Fitted on every other guess, judged on those between.
            let guess = |k: usize| (&all[k][range.clone()], classes[k * sizes.len() + field]);
            let guesses: Vec<(&[f32], u32)> = (0..all.len()).step_by(2).map(guess).collect();
            let between: Vec<(&[f32], u32)> = (1..all.len()).step_by(2).map(guess).collect();
            let (mut best, mut least) = (1.0, loss_at(&guesses, 1.0));
            for step in -STEPS..=STEPS {
                let temperature = FACTOR.powi(step);
                let loss = loss_at(&guesses, temperature);
                if loss < least {
                    (best, least) = (temperature, loss);
                }
            }
            fitted.loss[0] += loss_at(&between, 1.0);
            fitted.loss[1] += loss_at(&between, best);
            fitted.by_field.push(best);
            let error = |temperature| calibration_error(&between, temperature);
            fitted.errors.push([error(1.0), error(best)]);
        }
        for loss in &mut fitted.loss {
            *loss /= sizes.len().max(1) as f64;
        }
        Ok(fitted)
    }

    /// Raw scores of the next event after the tokens that `asked` names, in the order of histories and tokens.
    fn scores(
        &self,
        (params, coded): (&Params, &CodedEvents),
        spans: &[Span],
        asked: &(dyn Fn(&EventBatch) -> Vec<usize> + Sync),
        watch: &dyn Watch,
        take: &mut dyn FnMut(usize, Vec<f32>),
    ) -> Result<(), MineError> {
        let (encoder, _) = self.encoder(0)?;
        let length = |at: usize| spans[at].len() + 1;
        let batches = batches_in_order(0..spans.len(), length, TOKENS);
        let session = Session::new(params);
        let (mut n_taken, mut n_done) = (0, 0);
        for some in batches.chunks(BATCHES_AT_ONCE) {
            if watch.cancelled() {
                return Err(MineError::Cancelled);
            }
            let found = session.run_all(some, |tape, batch| {
                let own: Vec<Span> = batch.iter().map(|&at| spans[at]).collect();
                let input = coded.batch(&own);
                let states = encoder.states(tape, &input)?;
                let scores = encoder.next_scores(tape, states.tokens, &asked(&input));
                Ok(tape.take(scores))
            })?;
            for scores in &found {
                for row in 0..scores.rows() {
                    take(n_taken, scores.row(row).to_vec());
                    n_taken += 1;
                }
            }
            n_done += some.iter().map(Vec::len).sum::<usize>() as u64;
            watch.progress("next events", n_done, spans.len() as u64, "");
        }
        Ok(())
    }

    fn to_probabilities(&self, scores: &mut [f32], temperatures: &[f64]) {
        let mut rest = scores;
        for (field, size) in self.fields.targets().into_iter().enumerate() {
            let (own, after) = rest.split_at_mut(size as usize);
            rest = after;
            let temperature = temperatures.get(field).copied().unwrap_or(1.0);
            own.iter_mut()
                .for_each(|score| *score /= temperature as f32);
            super::training::softmax(own);
        }
    }
}

/// Windows over a history, each with the first of its events that it judges.
fn windows(span: Span, window: usize) -> Vec<(Span, usize)> {
    let half = (window / 2).max(1);
    let mut all = Vec::new();
    let mut judged = span.start + 1;
    let mut start = span.start;
    while judged < span.end {
        let end = start.saturating_add(window).min(span.end);
        all.push((
            Span {
                start,
                end,
                until: None,
            },
            judged,
        ));
        judged = end;
        start = end.saturating_sub(half).max(span.start);
    }
    all
}

fn loss_at(guesses: &[(&[f32], u32)], temperature: f64) -> f64 {
    let losses = guesses.iter().map(|(scores, class)| {
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let of = |score: f32| f64::from(score - top) / temperature;
        let sum: f64 = scores.iter().map(|&score| of(score).exp()).sum();
        sum.ln() - of(scores[*class as usize])
    });
    losses.sum::<f64>() / guesses.len().max(1) as f64
}

/// How far the share of right guesses lies from the probability of the likeliest value, over ten equal parts of the
/// guesses (Naeini et al. 2015).
fn calibration_error(guesses: &[(&[f32], u32)], temperature: f64) -> f64 {
    let mut told: Vec<(f64, bool)> = (guesses.iter())
        .map(|(scores, class)| {
            let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let of = |score: f32| (f64::from(score - top) / temperature).exp();
            let sum: f64 = scores.iter().map(|&score| of(score)).sum();
            (1.0 / sum, scores[*class as usize] >= top)
        })
        .collect();
    // Equal ones stay in the order of the events, not in that of being right.
    told.sort_by(|a, b| a.0.total_cmp(&b.0));
    let part = told.len().div_ceil(10).max(1);
    let errors = told.chunks(part).map(|part| {
        let mean = part.iter().map(|(p, _)| p).sum::<f64>();
        let right = part.iter().filter(|(_, right)| *right).count() as f64;
        (mean - right).abs()
    });
    errors.sum::<f64>() / told.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_judge_every_event_but_the_first_once() {
        for n in 0..40 {
            let span = Span {
                start: 5,
                end: 5 + n,
                until: None,
            };
            let mut judged = Vec::new();
            for (window, first) in windows(span, 8) {
                assert!(window.start >= 5 && window.end <= span.end && window.len() <= 8);
                assert!(first > window.start);
                judged.extend(first..window.end);
            }
            assert_eq!(judged, (6..span.end.max(6)).collect::<Vec<_>>(), "{n}");
        }
    }

    #[test]
    fn too_sure_scores_are_right_after_division_by_their_temperature() {
        // Of two values the first is right three times of four; the scores say .998.
        let scores = [6.0f32, 0.0];
        let guesses: Vec<(&[f32], u32)> = (0..400)
            .map(|k| (&scores[..], u32::from(k % 4 == 0)))
            .collect();
        assert!((calibration_error(&guesses, 1.0) - 0.2475).abs() < 1e-3);
        let right = 6.0 / 3f64.ln();
        assert!(calibration_error(&guesses, right) < 1e-6);
        assert!(loss_at(&guesses, right) < loss_at(&guesses, 1.0));
    }
}
