//! The baseline that looks at no feature.
//!
//! Enters: the target of the training rows. Leaves: class priors or the mean, for every row.

use serde::{Deserialize, Serialize};

use super::{MineError, Predictions};
use crate::prepare::Target;

/// What is predicted for every row alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrivialModel {
    /// Share of each class among the training rows; the most probable is the majority class.
    Priors(Vec<f64>),
    /// Mean of the training rows, in the target's own unit.
    Mean(f64),
}

impl TrivialModel {
    /// Counts classes, or takes the mean, over the training rows `train`.
    ///
    /// # Errors
    /// [`MineError::NoTrainingRows`], [`MineError::RowOutOfRange`], [`MineError::UnknownClass`],
    /// [`MineError::TargetNotFinite`].
    pub fn fit(target: &Target, train: &[usize]) -> Result<Self, MineError> {
        if train.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        let n_train = train.len() as f64;
        match target {
            Target::Classes { codes, names } => {
                let mut counts = vec![0u64; names.len()];
                for &row in train {
                    let &code = codes.get(row).ok_or(MineError::RowOutOfRange {
                        row,
                        n_rows: codes.len(),
                    })?;
                    let n_classes = names.len();
                    *counts
                        .get_mut(code as usize)
                        .ok_or(MineError::UnknownClass {
                            row,
                            code,
                            n_classes,
                        })? += 1;
                }
                Ok(Self::Priors(
                    counts.into_iter().map(|n| n as f64 / n_train).collect(),
                ))
            }
            Target::Numbers(values) => {
                // Shifted by the first value, so that large equal values give exactly themselves.
                let mut sum = 0.0;
                let mut shift = None;
                for &row in train {
                    let &value = values.get(row).ok_or(MineError::RowOutOfRange {
                        row,
                        n_rows: values.len(),
                    })?;
                    if !value.is_finite() {
                        return Err(MineError::TargetNotFinite { row });
                    }
                    sum += value - *shift.get_or_insert(value);
                }
                Ok(Self::Mean(shift.unwrap_or(0.0) + sum / n_train))
            }
        }
    }

    /// `majority` or `mean`, as on the scoreboard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Priors(_) => "majority",
            Self::Mean(_) => "mean",
        }
    }

    /// The same prediction for `n_rows` rows.
    pub fn predict(&self, n_rows: usize) -> Predictions {
        match self {
            Self::Priors(priors) => {
                let row: Vec<f32> = priors.iter().map(|&p| p as f32).collect();
                Predictions::Probabilities {
                    n_classes: row.len(),
                    values: row.repeat(n_rows),
                }
            }
            Self::Mean(mean) => Predictions::Numbers(vec![*mean; n_rows]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priors_are_counted_on_the_training_rows_only() {
        let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let target = Target::Classes {
            codes: vec![0, 1, 1, 1, 2, 2],
            names,
        };
        let model = TrivialModel::fit(&target, &[0, 1, 2, 3]).unwrap();
        assert_eq!(model, TrivialModel::Priors(vec![0.25, 0.75, 0.0]));
        let values = vec![0.25, 0.75, 0.0, 0.25, 0.75, 0.0];
        assert_eq!(
            model.predict(2),
            Predictions::Probabilities {
                n_classes: 3,
                values
            }
        );
    }

    #[test]
    fn the_mean_of_equal_values_is_that_value() {
        let target = Target::Numbers(vec![0.1; 7]);
        let model = TrivialModel::fit(&target, &[0, 3, 4, 5, 6]).unwrap();
        assert_eq!(model.predict(1), Predictions::Numbers(vec![0.1]));
        let target = Target::Numbers(vec![1.0, 2.0, 6.0, 100.0]);
        assert_eq!(
            TrivialModel::fit(&target, &[0, 1, 2]).unwrap(),
            TrivialModel::Mean(3.0)
        );
    }

    #[test]
    fn bad_targets_are_refused_with_their_row() {
        let target = Target::Numbers(vec![1.0, f64::NAN]);
        let error = TrivialModel::fit(&target, &[0, 1]).unwrap_err();
        assert!(matches!(error, MineError::TargetNotFinite { row: 1 }));
        assert!(matches!(
            TrivialModel::fit(&target, &[]),
            Err(MineError::NoTrainingRows)
        ));
        assert!(matches!(
            TrivialModel::fit(&target, &[2]),
            Err(MineError::RowOutOfRange { row: 2, n_rows: 2 })
        ));
    }
}
