//! Sets and intervals that hold the truth in a stated share of cases.
//!
//! Split conformal prediction (Vovk, Gammerman and Shafer 2005; Lei et al. 2018): rows that no model learned from say
//! how far predictions lie from the truth. A class is in a row's set where its probability is not much lower than true
//! classes had (Sadinle, Lei and Wasserman 2019). Where held-out rows are those of cross-validation, residuals of all
//! folds are pooled, which errs on the wide side: fold models have learned from fewer rows.

use serde::{Deserialize, Serialize};

use crate::mine::{MineError, Predictions};
use crate::prepare::Target;

/// What holds the truth in `level` of the cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// 0 < level < 1.
    pub level: f64,
    pub limits: Limits,
    /// Held-out rows that it was fitted on.
    pub n: usize,
}

/// How far is far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// Classes of at least this probability are in the set.
    Classes { least: f64 },
    /// The interval reaches as far to either side.
    Numbers { half_width: f64 },
}

impl Conformal {
    /// Fits the limit at rank ceil((n + 1) level) of the held-out rows; `None` where they are too few for the level.
    ///
    /// # Errors
    /// `WrongTarget` where the predictions are not those of the target's rows.
    pub fn fit(
        held_out: &Predictions,
        target: &Target,
        level: f64,
    ) -> Result<Option<Conformal>, MineError> {
        let mut scores: Vec<f64> = match (held_out, target) {
            (Predictions::Probabilities { n_classes, values }, Target::Classes { codes, .. })
                if values.len() == codes.len() * n_classes =>
            {
                let of = |(row, &code): (usize, &u32)| {
                    1.0 - f64::from(values[row * n_classes + code as usize])
                };
                codes.iter().enumerate().map(of).collect()
            }
            (Predictions::Numbers(found), Target::Numbers(truth)) if found.len() == truth.len() => {
                found
                    .iter()
                    .zip(truth)
                    .map(|(f, t)| (f - t).abs())
                    .collect()
            }
            _ => return Err(MineError::WrongTarget),
        };
        let n = scores.len();
        let rank = ((n + 1) as f64 * level).ceil() as usize;
        if rank == 0 || rank > n {
            return Ok(None);
        }
        scores.sort_unstable_by(f64::total_cmp);
        let limit = scores[rank - 1];
        let limits = match target {
            Target::Classes { .. } => Limits::Classes { least: 1.0 - limit },
            Target::Numbers(_) => Limits::Numbers { half_width: limit },
        };
        Ok(Some(Conformal { level, limits, n }))
    }

    /// Classes in the set of a row with these probabilities; none where no class is probable enough.
    pub fn set(&self, chances: &[f32]) -> Vec<usize> {
        let Limits::Classes { least } = self.limits else {
            return Vec::new();
        };
        (0..chances.len())
            .filter(|&class| f64::from(chances[class]) >= least)
            .collect()
    }

    /// The ends of the interval around a predicted number.
    pub fn interval(&self, predicted: f64) -> Option<(f64, f64)> {
        match self.limits {
            Limits::Numbers { half_width } => {
                Some((predicted - half_width, predicted + half_width))
            }
            Limits::Classes { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The mean over repeats of the share of new rows that are held, which theory puts at 90% and a little more.
    fn coverage(classes: bool) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let (repeats, n_fit, n_new) = (300, 99, 100);
        let mut hits = 0;
        for _ in 0..repeats {
            let row = |rng: &mut ChaCha8Rng| {
                let p: f32 = rng.random_range(0.0..1.0);
                let y = u32::from(rng.random::<f32>() < p);
                (p, y, f64::from(p) + rng.random_range(-1.0f64..1.0).powi(3))
            };
            let fit: Vec<_> = (0..n_fit).map(|_| row(&mut rng)).collect();
            let (held, truth) = if classes {
                (
                    Predictions::Probabilities {
                        n_classes: 2,
                        values: fit.iter().flat_map(|r| [1.0 - r.0, r.0]).collect(),
                    },
                    Target::Classes {
                        codes: fit.iter().map(|r| r.1).collect(),
                        names: vec!["a".into(), "b".into()],
                    },
                )
            } else {
                (
                    Predictions::Numbers(fit.iter().map(|r| f64::from(r.0)).collect()),
                    Target::Numbers(fit.iter().map(|r| r.2).collect()),
                )
            };
            let conformal = Conformal::fit(&held, &truth, 0.9).unwrap().unwrap();
            for _ in 0..n_new {
                let (p, y, number) = row(&mut rng);
                hits += usize::from(if classes {
                    conformal.set(&[1.0 - p, p]).contains(&(y as usize))
                } else {
                    let (low, high) = conformal.interval(f64::from(p)).unwrap();
                    low <= number && number <= high
                });
            }
        }
        hits as f64 / (repeats * n_new) as f64
    }

    #[test]
    fn exchangeable_rows_are_covered_as_often_as_was_promised() {
        // 90 of 100 ranks: .900; the standard error over 300 repeats is .0025.
        for classes in [true, false] {
            let found = coverage(classes);
            assert!((found - 0.9).abs() < 0.01, "{found}");
        }
    }

    #[test]
    fn too_few_rows_for_the_level_promise_nothing() {
        let numbers = |n: usize| {
            let values: Vec<f64> = (0..n).map(|i| i as f64).collect();
            (Predictions::Numbers(vec![0.0; n]), Target::Numbers(values))
        };
        let (held, truth) = numbers(8);
        assert_eq!(Conformal::fit(&held, &truth, 0.9).unwrap(), None);
        let (held, truth) = numbers(9);
        let conformal = Conformal::fit(&held, &truth, 0.9).unwrap().unwrap();
        assert_eq!(conformal.limits, Limits::Numbers { half_width: 8.0 });
        assert!(Conformal::fit(&held, &Target::Numbers(vec![1.0]), 0.9).is_err());
    }
}
