//! What every member of the scoreboard leaves.

/// Predictions of one model for some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// Class probabilities, row-major `[n_rows, n_classes]`; each row sums to 1.
    Probabilities { n_classes: usize, values: Vec<f32> },
    /// In the target's own unit. `[n_rows]`
    Numbers(Vec<f64>),
}

/// How far a row's probabilities may be from summing to 1: what f32 softmax and averaging lose, with room.
const SUM_TOLERANCE: f64 = 1e-3;

/// Why predictions cannot be those of the rows they are said to be of.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PredictionsError {
    #[error("{found} rows are predicted, expected {expected}")]
    Rows { found: usize, expected: usize },
    #[error("{values} probabilities do not make whole rows of {n_classes} classes")]
    Ragged { values: usize, n_classes: usize },
    #[error("probabilities of {found} classes are predicted, expected {expected}")]
    Classes { found: usize, expected: usize },
    #[error("numbers are predicted, expected class probabilities")]
    NotProbabilities,
    #[error("class probabilities are predicted, expected numbers")]
    NotNumbers,
    #[error("row {row}, class {class}: {value} is not a probability")]
    OutOfRange {
        row: usize,
        class: usize,
        value: f32,
    },
    #[error("row {row}: the probabilities sum to {sum}, expected 1")]
    Sum { row: usize, sum: f64 },
    #[error("row {row}: the predicted number is {value}")]
    NotFinite { row: usize, value: f64 },
}

impl PredictionsError {
    /// How to mend it, where there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OutOfRange { .. } | Self::NotFinite { .. } => {
                Some("the model diverged: train with a lower learning rate".to_string())
            }
            _ => None,
        }
    }
}

impl Predictions {
    /// Number of predicted rows.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Probabilities { n_classes, values } => values.len() / (*n_classes).max(1),
            Self::Numbers(values) => values.len(),
        }
    }

    /// Number of classes; absent for numbers.
    pub fn n_classes(&self) -> Option<usize> {
        match self {
            Self::Probabilities { n_classes, .. } => Some(*n_classes),
            Self::Numbers(_) => None,
        }
    }

    /// Checks that there are `n_rows` rows, probabilities of `n_classes` classes or numbers where that is `None`,
    /// that all are finite, and that each row's probabilities lie in 0 to 1 and sum to 1 within 0.001.
    pub fn check(&self, n_rows: usize, n_classes: Option<usize>) -> Result<(), PredictionsError> {
        match (self, n_classes) {
            (
                Self::Probabilities {
                    n_classes: found,
                    values,
                },
                Some(expected),
            ) => {
                if *found != expected || expected == 0 {
                    return Err(PredictionsError::Classes {
                        found: *found,
                        expected,
                    });
                }
                if !values.len().is_multiple_of(expected) {
                    return Err(PredictionsError::Ragged {
                        values: values.len(),
                        n_classes: expected,
                    });
                }
                check_rows(values.len() / expected, n_rows)?;
                values
                    .chunks_exact(expected)
                    .enumerate()
                    .try_for_each(|(row, chances)| check_chances(row, chances))
            }
            (Self::Numbers(values), None) => {
                check_rows(values.len(), n_rows)?;
                match values.iter().position(|value| !value.is_finite()) {
                    Some(row) => Err(PredictionsError::NotFinite {
                        row,
                        value: values[row],
                    }),
                    None => Ok(()),
                }
            }
            (Self::Numbers(_), Some(_)) => Err(PredictionsError::NotProbabilities),
            (Self::Probabilities { .. }, None) => Err(PredictionsError::NotNumbers),
        }
    }

    /// Probabilities of rows as they come, from those of a model that learned from rows weighted by class:
    /// divided by the weights, and scaled to a sum of 1 (Elkan 2001, "The Foundations of Cost-Sensitive Learning").
    pub fn unweighted(self, class_weights: &[f32]) -> Self {
        let Self::Probabilities {
            n_classes,
            mut values,
        } = self
        else {
            return self;
        };
        for row in values.chunks_exact_mut(n_classes) {
            let part = |(&p, &w): (&f32, &f32)| f64::from(p) / f64::from(w);
            let sum: f64 = row.iter().zip(class_weights).map(part).sum();
            if sum > 0.0 {
                for (p, w) in row.iter_mut().zip(class_weights) {
                    *p = (part((p, w)) / sum) as f32;
                }
            }
        }
        Self::Probabilities { n_classes, values }
    }

    /// The mean of several models' predictions of the same rows, summed in f64 in the given order.
    ///
    /// `None` when there is no model or their shapes differ.
    pub fn mean(models: &[Self]) -> Option<Self> {
        let first = models.first()?;
        if models.len() == 1 {
            return Some(first.clone());
        }
        let share = 1.0 / models.len() as f64;
        match first {
            Self::Probabilities { n_classes, values } => {
                let mut sums = vec![0.0f64; values.len()];
                for model in models {
                    let Self::Probabilities {
                        n_classes: classes,
                        values,
                    } = model
                    else {
                        return None;
                    };
                    if classes != n_classes || values.len() != sums.len() {
                        return None;
                    }
                    sums.iter_mut()
                        .zip(values)
                        .for_each(|(sum, &value)| *sum += f64::from(value));
                }
                let values = sums.iter().map(|sum| (sum * share) as f32).collect();
                Some(Self::Probabilities {
                    n_classes: *n_classes,
                    values,
                })
            }
            Self::Numbers(values) => {
                let mut sums = vec![0.0f64; values.len()];
                for model in models {
                    let Self::Numbers(values) = model else {
                        return None;
                    };
                    if values.len() != sums.len() {
                        return None;
                    }
                    sums.iter_mut()
                        .zip(values)
                        .for_each(|(sum, value)| *sum += value);
                }
                Some(Self::Numbers(sums.iter().map(|sum| sum * share).collect()))
            }
        }
    }

    /// The predictions of several pieces of rows as one; `None` when there is no piece or they differ in kind.
    pub fn concat(pieces: &[Self]) -> Option<Self> {
        let mut all = pieces.first()?.clone();
        for piece in &pieces[1..] {
            match (&mut all, piece) {
                (
                    Self::Probabilities { n_classes, values },
                    Self::Probabilities {
                        n_classes: classes,
                        values: more,
                    },
                ) if classes == n_classes => values.extend_from_slice(more),
                (Self::Numbers(values), Self::Numbers(more)) => values.extend_from_slice(more),
                _ => return None,
            }
        }
        Some(all)
    }

    /// How many values differ in at least one bit; all of them when the shapes differ.
    pub fn count_different(&self, other: &Self) -> usize {
        match (self, other) {
            (Self::Probabilities { values: a, .. }, Self::Probabilities { values: b, .. })
                if a.len() == b.len() =>
            {
                a.iter()
                    .zip(b)
                    .filter(|(a, b)| a.to_bits() != b.to_bits())
                    .count()
            }
            (Self::Numbers(a), Self::Numbers(b)) if a.len() == b.len() => a
                .iter()
                .zip(b)
                .filter(|(a, b)| a.to_bits() != b.to_bits())
                .count(),
            _ => self.n_rows(),
        }
    }

    /// The most probable class of each row, the first of equals; absent for numbers. `[n_rows]`
    pub fn argmax(&self) -> Option<Vec<u32>> {
        let Self::Probabilities { n_classes, values } = self else {
            return None;
        };
        let winner = |chances: &[f32]| {
            let mut best = 0;
            for class in 1..chances.len() {
                if chances[class] > chances[best] {
                    best = class;
                }
            }
            best as u32
        };
        Some(
            values
                .chunks_exact((*n_classes).max(1))
                .map(winner)
                .collect(),
        )
    }

    /// The probability of one class for each row; absent for numbers or an unknown class. `[n_rows]`
    pub fn class(&self, class: usize) -> Option<Vec<f32>> {
        match self {
            Self::Probabilities { n_classes, values } if class < *n_classes => Some(
                values
                    .iter()
                    .skip(class)
                    .step_by(*n_classes)
                    .copied()
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The first `n` rows, and the others.
    pub fn split_at(&self, n: usize) -> (Self, Self) {
        let rows: Vec<usize> = (0..self.n_rows()).collect();
        (self.select(&rows[..n]), self.select(&rows[n..]))
    }

    /// The predictions of the given rows, in the given order; rows that are not there are left out.
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Probabilities { n_classes, values } => {
                let of = |&row: &usize| values.get(row * n_classes..(row + 1) * n_classes);
                let values = rows.iter().filter_map(of).flatten().copied().collect();
                Self::Probabilities {
                    n_classes: *n_classes,
                    values,
                }
            }
            Self::Numbers(values) => Self::Numbers(
                rows.iter()
                    .filter_map(|&row| values.get(row))
                    .copied()
                    .collect(),
            ),
        }
    }
}

fn check_rows(found: usize, expected: usize) -> Result<(), PredictionsError> {
    if found == expected {
        Ok(())
    } else {
        Err(PredictionsError::Rows { found, expected })
    }
}

fn check_chances(row: usize, chances: &[f32]) -> Result<(), PredictionsError> {
    // A row of averaged f32 probabilities may stand a rounding above 1.
    let is_chance = |value: &f32| *value >= 0.0 && f64::from(*value) <= 1.0 + SUM_TOLERANCE;
    if let Some(class) = chances.iter().position(|value| !is_chance(value)) {
        return Err(PredictionsError::OutOfRange {
            row,
            class,
            value: chances[class],
        });
    }
    let sum: f64 = chances.iter().map(|&value| f64::from(value)).sum();
    if (sum - 1.0).abs() <= SUM_TOLERANCE {
        Ok(())
    } else {
        Err(PredictionsError::Sum { row, sum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(values: &[f32]) -> Predictions {
        Predictions::Probabilities {
            n_classes: 2,
            values: values.to_vec(),
        }
    }

    #[test]
    fn weights_of_classes_are_taken_back() {
        // Odds of 4 to 1 among rows of which the second class counts four times are even odds.
        let found = two(&[0.2, 0.8, 1.0, 0.0]).unweighted(&[1.0, 4.0]);
        assert_eq!(found, two(&[0.5, 0.5, 1.0, 0.0]));
        let numbers = Predictions::Numbers(vec![3.0]);
        assert_eq!(numbers.clone().unweighted(&[1.0, 4.0]), numbers);
    }

    #[test]
    fn shapes_and_values_are_checked() {
        assert_eq!(two(&[0.2, 0.8]).check(1, Some(2)), Ok(()));
        assert_eq!(
            two(&[0.2, 0.8]).check(2, Some(2)),
            Err(PredictionsError::Rows {
                found: 1,
                expected: 2
            })
        );
        assert_eq!(
            two(&[0.2, 0.8]).check(1, Some(3)),
            Err(PredictionsError::Classes {
                found: 2,
                expected: 3
            })
        );
        assert_eq!(
            two(&[0.2]).check(1, Some(2)),
            Err(PredictionsError::Ragged {
                values: 1,
                n_classes: 2
            })
        );
        assert_eq!(
            two(&[0.2, 0.8]).check(1, None),
            Err(PredictionsError::NotNumbers)
        );
        assert_eq!(
            Predictions::Numbers(vec![1.0]).check(1, Some(2)),
            Err(PredictionsError::NotProbabilities)
        );
        assert!(matches!(
            two(&[0.2, 0.7]).check(1, Some(2)),
            Err(PredictionsError::Sum { row: 0, .. })
        ));
        assert!(matches!(
            two(&[f32::NAN, 0.7]).check(1, Some(2)),
            Err(PredictionsError::OutOfRange { class: 0, .. })
        ));
        let numbers = Predictions::Numbers(vec![1.0, f64::INFINITY]);
        assert!(matches!(
            numbers.check(2, None),
            Err(PredictionsError::NotFinite { row: 1, .. })
        ));
    }

    #[test]
    fn the_mean_of_models_is_taken_row_by_row_and_refuses_other_shapes() {
        let mean = Predictions::mean(&[two(&[0.25, 0.75, 1.0, 0.0]), two(&[0.5, 0.5, 0.5, 0.5])]);
        assert_eq!(mean, Some(two(&[0.375, 0.625, 0.75, 0.25])));
        assert_eq!(Predictions::mean(&[]), None);
        assert_eq!(
            Predictions::mean(&[two(&[0.2, 0.8]), Predictions::Numbers(vec![1.0])]),
            None
        );
        assert_eq!(
            Predictions::mean(&[two(&[0.2, 0.8]), two(&[0.2, 0.8, 0.2, 0.8])]),
            None
        );
    }

    #[test]
    fn the_first_of_equal_classes_wins() {
        assert_eq!(two(&[0.5, 0.5, 0.4, 0.6]).argmax(), Some(vec![0, 1]));
    }

    #[test]
    fn rows_are_selected_in_the_given_order() {
        let three = two(&[0.1, 0.9, 0.2, 0.8, 0.3, 0.7]);
        assert_eq!(three.select(&[2, 0, 9]), two(&[0.3, 0.7, 0.1, 0.9]));
        assert_eq!(three.class(1), Some(vec![0.9, 0.8, 0.7]));
        assert_eq!(
            (three.class(2), three.n_rows(), three.n_classes()),
            (None, 3, Some(2))
        );
    }
}
