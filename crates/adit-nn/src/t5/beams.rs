//! Beam search for one source: which continuations are kept, and when to stop.
//!
//! The rules are those of Hugging Face's `generate(num_beams=k, do_sample=False)`, so that the same
//! logits give the same tokens. Scores are sums of log-probabilities in f64.

use crate::t5::generate::{EarlyStopping, Generated, GenerationSettings};

/// A text that is being continued.
#[derive(Clone, Debug)]
struct Open {
    ids: Vec<u32>,
    score: f64,
}

/// A possible continuation.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    parent: usize,
    token: u32,
    score: f64,
}

/// The beams of one source.
pub(super) struct Beams<'a> {
    settings: &'a GenerationSettings,
    ends: &'a [u32],
    open: Vec<Open>,
    /// Finished texts, best first; at most as many as there are beams.
    finished: Vec<Generated>,
}

impl<'a> Beams<'a> {
    /// One empty text; the tokens `ends` finish a text.
    pub fn new(settings: &'a GenerationSettings, ends: &'a [u32]) -> Self {
        let empty = Open {
            ids: Vec::new(),
            score: 0.0,
        };
        Self {
            settings,
            ends,
            open: vec![empty],
            finished: Vec::new(),
        }
    }

    /// Continues all open texts by a token; `logits` holds the `vocab` logits of each.
    ///
    /// Gives the parent and last token of every text that is open now; none when the search is over.
    pub fn advance(&mut self, logits: &[f32], vocab: usize) -> Vec<(usize, u32)> {
        let n = self.settings.n_beams.get();
        // With one candidate more a beam than tokens that end a text, as many stay open as there are beams.
        let candidates = self.best(logits, vocab, n * (1 + self.ends.len()).max(2));
        let length = self.open[0].ids.len() + 1;
        let full = length >= self.settings.max_new_tokens.get();
        let mut next = Vec::with_capacity(n);
        for (rank, candidate) in candidates.iter().enumerate() {
            if full || self.ends.contains(&candidate.token) {
                // Those beyond are only there to keep as many beams open.
                if rank < n {
                    self.finish(candidate, length);
                }
            } else if next.len() < n {
                next.push(*candidate);
            }
        }
        if next.is_empty() || self.is_over(next[0].score, length) {
            self.open.clear();
            return Vec::new();
        }
        self.open = next.iter().map(|c| self.continued(c)).collect();
        next.into_iter().map(|c| (c.parent, c.token)).collect()
    }

    fn continued(&self, candidate: &Candidate) -> Open {
        let mut ids = self.open[candidate.parent].ids.clone();
        ids.push(candidate.token);
        let score = candidate.score;
        Open { ids, score }
    }

    fn finish(&mut self, candidate: &Candidate, length: usize) {
        let Open { ids, score } = self.continued(candidate);
        let score = score / (length as f64).powf(self.settings.length_penalty);
        // Of equal scores the older stays first.
        let place = self.finished.partition_point(|other| other.score >= score);
        self.finished.insert(place, Generated { ids, score });
        self.finished.truncate(self.settings.n_beams.get());
    }

    /// True when no open text can become better than the finished ones, or none is wanted.
    fn is_over(&self, best_open: f64, length: usize) -> bool {
        let n = self.settings.n_beams.get();
        let worst = match self.finished.last() {
            Some(worst) if self.finished.len() == n => worst.score,
            _ => return false,
        };
        let penalty = self.settings.length_penalty;
        let length = match self.settings.early_stopping {
            // One beam is greedy search: its first end is the end.
            _ if n == 1 => return true,
            EarlyStopping::WhenFull => return true,
            EarlyStopping::Never if penalty > 0.0 => self.settings.max_new_tokens.get(),
            EarlyStopping::Never | EarlyStopping::Guess => length,
        };
        best_open / (length as f64).powf(penalty) <= worst
    }

    /// The `count` best continuations of all open texts, best first; of equal ones the first.
    fn best(&self, logits: &[f32], vocab: usize, count: usize) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = Vec::with_capacity(count + 1);
        for (parent, (text, row)) in self.open.iter().zip(logits.chunks_exact(vocab)).enumerate() {
            let base = text.score - log_sum(row);
            for (token, &logit) in row.iter().enumerate() {
                let score = base + f64::from(logit);
                if best.len() == count && best[count - 1].score >= score {
                    continue;
                }
                let place = best.partition_point(|other| other.score >= score);
                let token = token as u32;
                best.insert(
                    place,
                    Candidate {
                        parent,
                        token,
                        score,
                    },
                );
                best.truncate(count);
            }
        }
        best
    }

    /// The best finished text.
    pub fn into_best(self) -> Generated {
        let nothing = Generated {
            ids: Vec::new(),
            score: f64::NEG_INFINITY,
        };
        self.finished.into_iter().next().unwrap_or(nothing)
    }
}

/// The logarithm of the sum of exponentials.
pub(super) fn log_sum(row: &[f32]) -> f64 {
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|&v| (f64::from(v) - top).exp()).sum();
    sum.ln() + top
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    const END: u32 = 0;

    /// A toy language: the logarithms of the probabilities of (end, 1, 2) after each text.
    fn after(ids: &[u32]) -> [f32; 3] {
        let p: [f32; 3] = match ids {
            [] => [0.01, 0.54, 0.45],
            [1] => [0.02, 0.5, 0.48],
            [2] => [0.9, 0.06, 0.04],
            _ => [0.6, 0.25, 0.15],
        };
        p.map(f32::ln)
    }

    fn search(n_beams: usize, penalty: f64, early: EarlyStopping, most: usize) -> Generated {
        let settings = GenerationSettings {
            n_beams: NonZeroUsize::new(n_beams).unwrap(),
            max_new_tokens: NonZeroUsize::new(most).unwrap(),
            length_penalty: penalty,
            early_stopping: early,
        };
        let mut beams = Beams::new(&settings, &[END]);
        let mut texts: Vec<Vec<u32>> = vec![Vec::new()];
        while !texts.is_empty() {
            let logits: Vec<f32> = texts.iter().flat_map(|ids| after(ids)).collect();
            texts = beams
                .advance(&logits, 3)
                .into_iter()
                .map(|(parent, token)| {
                    let mut ids = texts[parent].clone();
                    ids.push(token);
                    ids
                })
                .collect();
        }
        beams.into_best()
    }

    #[test]
    fn one_beam_takes_the_likeliest_token_each_time() {
        let found = search(1, 1.0, EarlyStopping::Guess, 9);
        assert_eq!(found.ids, [1, 1, END]);
        let score = (0.54f64 * 0.5 * 0.6).ln() / 3.0;
        assert!((found.score - score).abs() < 1e-6, "{}", found.score);
    }

    #[test]
    fn two_beams_find_a_likelier_text_than_the_greedy_one() {
        for early in [
            EarlyStopping::Guess,
            EarlyStopping::WhenFull,
            EarlyStopping::Never,
        ] {
            let found = search(2, 1.0, early, 9);
            assert_eq!(found.ids, [2, END], "{early:?}");
            assert!((found.score - (0.45f64 * 0.9).ln() / 2.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_text_stops_at_the_most_tokens_without_an_end() {
        let found = search(1, 1.0, EarlyStopping::Guess, 2);
        assert_eq!(found.ids, [1, 1]);
        assert_eq!(search(2, 1.0, EarlyStopping::Guess, 1).ids, [1]);
    }

    #[test]
    fn a_penalty_on_short_texts_makes_texts_longer() {
        let short = search(2, 0.0, EarlyStopping::Never, 6);
        let long = search(2, 4.0, EarlyStopping::Never, 6);
        assert!(short.ids.len() < long.ids.len(), "{short:?} {long:?}");
    }
}
