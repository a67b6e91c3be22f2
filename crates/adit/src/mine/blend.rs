//! A weighted mean of other members' predictions.
//!
//! Enters: predictions of rows that no member learned from. Leaves: weights that sum to 1, found by greedy
//! selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble Selection from Libraries of
//! Models"), which seldom over-fits and leaves weak members out. Not here: training of members.

use super::{MineError, Predictions};
use crate::prepare::Target;

/// Steps of the greedy selection: weights are multiples of one over this.
const STEPS: usize = 25;
/// Probabilities below this count as this in the loss.
const LEAST: f64 = 1e-7;

/// Weights of `members`, in their order, that make the mean log loss or squared error on `rows` least.
///
/// # Errors
/// `WrongTarget` where there is no member, or predictions are not those of the target's rows.
pub fn blend_weights(
    members: &[&Predictions],
    target: &Target,
    rows: &[usize],
) -> Result<Vec<f64>, MineError> {
    let losses = Losses::new(members, target)?;
    let mut counts = vec![0usize; members.len()];
    let mut sum = vec![0.0; rows.len()];
    for step in 1..=STEPS {
        let share = 1.0 / step as f64;
        let mut best: Option<(usize, f64)> = None;
        for member in 0..members.len() {
            let loss = losses.with(&sum, member, share, rows);
            // The first of equals, so that simpler members are preferred.
            if best.is_none_or(|(_, least)| loss < least) {
                best = Some((member, loss));
            }
        }
        let (member, _) = best.ok_or(MineError::WrongTarget)?;
        counts[member] += 1;
        losses.add(&mut sum, member, rows);
    }
    Ok(counts.iter().map(|&n| n as f64 / STEPS as f64).collect())
}

/// Blended predictions of all rows, for each part by the weights that the other parts chose; the rows of `parts` are
/// all rows, once each.
///
/// # Errors
/// As [`blend_weights`].
pub fn cross_blended(
    members: &[&Predictions],
    target: &Target,
    parts: &[Vec<usize>],
) -> Result<Predictions, MineError> {
    let n_rows = members.first().map_or(0, |member| member.n_rows());
    let mut rows = Vec::with_capacity(n_rows);
    let mut blended = Vec::with_capacity(parts.len());
    for part in parts {
        let mut is_held = vec![false; n_rows];
        part.iter().for_each(|&row| is_held[row] = true);
        let others: Vec<usize> = (0..n_rows).filter(|&row| !is_held[row]).collect();
        let weights = blend_weights(members, target, &others)?;
        let own: Vec<Predictions> = members.iter().map(|member| member.select(part)).collect();
        let own: Vec<&Predictions> = own.iter().collect();
        blended.push(weighted_mean(&own, &weights)?);
        rows.extend_from_slice(part);
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&at| rows[at]);
    let all = Predictions::concat(&blended).ok_or(MineError::WrongTarget)?;
    Ok(all.select(&order))
}

/// The mean of members' predictions of the same rows, each with its weight; members of weight 0 are not looked at.
///
/// # Errors
/// `WrongTarget` where there is no member, or they differ in shape.
pub fn weighted_mean(members: &[&Predictions], weights: &[f64]) -> Result<Predictions, MineError> {
    let first = members.first().ok_or(MineError::WrongTarget)?;
    let mut sum: Option<Vec<f64>> = None;
    for (member, &weight) in members.iter().zip(weights).filter(|(_, w)| **w > 0.0) {
        let values: Vec<f64> = match (first, member) {
            (Predictions::Numbers(_), Predictions::Numbers(values)) => values.clone(),
            (
                Predictions::Probabilities { n_classes: a, .. },
                Predictions::Probabilities {
                    n_classes: b,
                    values,
                },
            ) if a == b => values.iter().map(|&p| f64::from(p)).collect(),
            _ => return Err(MineError::WrongTarget),
        };
        let sum = sum.get_or_insert_with(|| vec![0.0; values.len()]);
        if sum.len() != values.len() {
            return Err(MineError::WrongTarget);
        }
        sum.iter_mut()
            .zip(values)
            .for_each(|(s, v)| *s += weight * v);
    }
    let sum = sum.ok_or(MineError::WrongTarget)?;
    Ok(match first {
        Predictions::Numbers(_) => Predictions::Numbers(sum),
        Predictions::Probabilities { n_classes, .. } => Predictions::Probabilities {
            n_classes: *n_classes,
            values: sum.into_iter().map(|p| p as f32).collect(),
        },
    })
}

/// Losses of means of members: of classes only the probability of the true one is looked at.
struct Losses<'a> {
    /// Of the true class, or the number. `[n_members][n_rows]`
    of_truth: Vec<Vec<f64>>,
    numbers: Option<&'a [f64]>,
}

impl<'a> Losses<'a> {
    fn new(members: &[&Predictions], target: &'a Target) -> Result<Self, MineError> {
        let of = |member: &&Predictions| match (member, target) {
            (Predictions::Numbers(values), Target::Numbers(truth)) => {
                (values.len() == truth.len()).then(|| values.clone())
            }
            (Predictions::Probabilities { n_classes, values }, Target::Classes { codes, .. }) => {
                let chance = |(row, &code): (usize, &u32)| {
                    values
                        .get(row * n_classes + code as usize)
                        .map(|&p| f64::from(p))
                };
                let fits = values.len() == codes.len() * n_classes;
                fits.then(|| codes.iter().enumerate().map(chance).collect())?
            }
            _ => None,
        };
        let of_truth: Option<Vec<Vec<f64>>> = members.iter().map(of).collect();
        Ok(Losses {
            of_truth: of_truth.ok_or(MineError::WrongTarget)?,
            numbers: match target {
                Target::Numbers(values) => Some(values),
                Target::Classes { .. } => None,
            },
        })
    }

    /// The summed loss of the mean of what was added and one more member.
    fn with(&self, sum: &[f64], member: usize, share: f64, rows: &[usize]) -> f64 {
        let values = &self.of_truth[member];
        let means = rows
            .iter()
            .zip(sum)
            .map(|(&row, s)| (row, (s + values[row]) * share));
        match self.numbers {
            Some(truth) => means.map(|(row, mean)| (mean - truth[row]).powi(2)).sum(),
            None => means.map(|(_, mean)| -mean.max(LEAST).ln()).sum(),
        }
    }

    fn add(&self, sum: &mut [f64], member: usize, rows: &[usize]) {
        let values = &self.of_truth[member];
        sum.iter_mut()
            .zip(rows)
            .for_each(|(s, &row)| *s += values[row]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> Predictions {
        Predictions::Numbers(values.to_vec())
    }

    #[test]
    fn two_members_that_err_apart_share_the_weight_and_a_useless_one_gets_none() {
        let truth: Vec<f64> = (0..200).map(|i| f64::from(i % 17)).collect();
        let shifted = |by: &dyn Fn(usize) -> f64| {
            numbers(
                &truth
                    .iter()
                    .enumerate()
                    .map(|(i, t)| t + by(i))
                    .collect::<Vec<_>>(),
            )
        };
        let above = shifted(&|i| if i % 2 == 0 { 1.0 } else { -1.0 });
        let below = shifted(&|i| if i % 2 == 0 { -1.0 } else { 1.0 });
        let useless = numbers(&vec![100.0; 200]);
        let target = Target::Numbers(truth.clone());
        let rows: Vec<usize> = (0..200).collect();
        let weights = blend_weights(&[&useless, &above, &below], &target, &rows).unwrap();
        assert_eq!(weights[0], 0.0);
        assert!((weights[1] - 0.5).abs() < 0.03, "{weights:?}");
        let blended = weighted_mean(&[&useless, &above, &below], &weights).unwrap();
        let Predictions::Numbers(found) = blended else {
            panic!()
        };
        let worst = found
            .iter()
            .zip(&truth)
            .map(|(f, t)| (f - t).abs())
            .fold(0.0, f64::max);
        assert!(worst < 0.05, "{worst}");
    }

    #[test]
    fn the_weights_of_a_part_never_see_it() {
        let target = Target::Classes {
            codes: vec![0, 1, 0, 1, 0, 1],
            names: vec!["a".into(), "b".into()],
        };
        let two = |p: &[f32]| Predictions::Probabilities {
            n_classes: 2,
            values: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        };
        let good = two(&[0.1, 0.9, 0.1, 0.9, 0.1, 0.9]);
        let bad = two(&[0.9, 0.1, 0.9, 0.1, 0.2, 0.7]);
        let parts = vec![vec![4, 5], vec![0, 1, 2, 3]];
        let mut other = target.clone();
        if let Target::Classes { codes, .. } = &mut other {
            codes[4] = 1;
            codes[5] = 0;
        }
        let one = cross_blended(&[&good, &bad], &target, &parts).unwrap();
        let two = cross_blended(&[&good, &bad], &other, &parts).unwrap();
        // The part whose labels changed is blended as before; the other one is not.
        assert_eq!(one.select(&[4, 5]), two.select(&[4, 5]));
        assert_ne!(one, two);
        assert_eq!(one.n_rows(), 6);
    }

    #[test]
    fn shapes_that_differ_are_refused() {
        let target = Target::Numbers(vec![1.0, 2.0]);
        assert!(blend_weights(&[], &target, &[0]).is_err());
        assert!(blend_weights(&[&numbers(&[1.0])], &target, &[0]).is_err());
        let (a, b) = (numbers(&[1.0]), numbers(&[1.0, 2.0]));
        assert!(weighted_mean(&[&a, &b], &[0.5, 0.5]).is_err());
        assert!(weighted_mean(&[&a], &[0.0]).is_err());
    }
}
