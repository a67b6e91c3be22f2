//! How much of the target a single column tells.

use std::collections::BTreeMap;

use super::fit::names;
use super::number::mean_and_deviation;
use super::target::{class_cells, target_numbers};
use super::text::{normalise_text, number_name};
use super::{Role, RowColumn, Rows, Task, Values};

/// A category that fewer training rows share is no evidence.
const SUPPORT: u64 = 5;
/// Fewer rows than this show nothing.
const ENOUGH_ROWS: usize = 20;
const NEAR: f64 = 0.98;

/// What a column tells of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    /// `ROC-AUC`, `R²`, `share of rows`.
    pub measure: &'static str,
    pub value: f64,
    /// True where it is the presence of a value that tells.
    pub by_presence: bool,
}

/// The target of the training rows.
pub(super) enum Truth {
    /// Class codes and the number of classes.
    Classes(Vec<usize>, usize),
    Numbers(Vec<f64>),
}

impl Truth {
    /// `None` where the target cannot be read.
    pub fn of(rows: &Rows, train: &[usize], task: Task) -> Option<Self> {
        let column = rows.target()?;
        match task {
            Task::Classify => {
                let cells = class_cells(column, train).ok()?;
                let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
                for cell in &cells {
                    let next = codes.len();
                    codes.entry(cell).or_insert(next);
                }
                let n = codes.len();
                Some(Self::Classes(
                    cells.iter().map(|cell| codes[cell.as_str()]).collect(),
                    n,
                ))
            }
            Task::Regress => {
                let all = target_numbers(column, &rows.row_ids).ok()?;
                Some(Self::Numbers(train.iter().map(|&row| all[row]).collect()))
            }
        }
    }
}

/// Whether one column alone tells nearly all of the target in the training rows.
pub(super) fn near_copy(column: &RowColumn, train: &[usize], truth: &Truth) -> Option<Told> {
    if train.len() < ENOUGH_ROWS {
        return None;
    }
    let present: Vec<bool> = train
        .iter()
        .map(|&row| !column.values.is_missing(row))
        .collect();
    let told = |measure, value, by_presence| {
        let told = Told {
            measure,
            value,
            by_presence,
        };
        (value >= NEAR).then_some(told)
    };
    if present.contains(&false) && present.contains(&true) {
        let groups: Vec<usize> = present.iter().map(|&there| usize::from(there)).collect();
        let by_presence = match truth {
            Truth::Classes(codes, n) => told("share of rows", purity(&groups, codes, *n), true),
            Truth::Numbers(y) => told("R²", between_groups(&groups, y), true),
        };
        if by_presence.is_some() {
            return by_presence;
        }
    }
    let there: Vec<usize> = (0..train.len()).filter(|&i| present[i]).collect();
    if there.len() * 2 < train.len() || there.len() < ENOUGH_ROWS {
        return None;
    }
    let of = |values: &[f64]| there.iter().map(|&i| values[i]).collect::<Vec<f64>>();
    match (numeric(column, train), truth) {
        (Some(x), Truth::Numbers(y)) => told("R²", monotone(&of(&x), &of(y)), false),
        (Some(x), Truth::Classes(codes, 2)) => {
            let labels: Vec<bool> = there.iter().map(|&i| codes[i] == 1).collect();
            told("ROC-AUC", auc(&of(&x), &labels), false)
        }
        (number, truth) => {
            let groups = match number {
                Some(x) => groups_of(of(&x).iter().map(|x| number_name(*x))),
                None if column.role == Role::Category => {
                    let cells = names(column, train).ok()?;
                    let cell = |&i: &usize| normalise_text(cells[i].as_deref().unwrap_or_default());
                    groups_of(there.iter().map(cell))
                }
                None => return None,
            };
            match truth {
                Truth::Numbers(y) => told("R²", between_groups(&groups, &of(y)), false),
                Truth::Classes(codes, n) => {
                    let codes: Vec<usize> = there.iter().map(|&i| codes[i]).collect();
                    told("share of rows", purity(&groups, &codes, *n), false)
                }
            }
        }
    }
}

/// Whether the order of numbers tells the target far beyond chance: four standard errors and a tenth of what can be told.
pub(super) fn order_tells(x: &[f64], truth: &Truth) -> Option<Told> {
    let n = x.len() as f64;
    let told = |measure, value, enough: bool| {
        enough.then_some(Told {
            measure,
            value,
            by_presence: false,
        })
    };
    match truth {
        Truth::Classes(codes, n_classes) => {
            let of_class = |class: usize| {
                let labels: Vec<bool> = codes.iter().map(|&code| code == class).collect();
                let positives = labels.iter().filter(|label| **label).count() as f64;
                let error = ((n + 1.0) / (12.0 * positives * (n - positives))).sqrt();
                let area = auc(x, &labels);
                (area, (area - 0.5) / error)
            };
            let best = (0..*n_classes)
                .map(of_class)
                .max_by(|a, b| a.1.total_cmp(&b.1))?;
            told("ROC-AUC", best.0, best.1 > 4.0 && best.0 > 0.6)
        }
        Truth::Numbers(y) => {
            let r2 = squared_correlation(&ranks(x), &ranks(y));
            told("R²", r2, r2 * n > 16.0 && r2 > 0.1)
        }
    }
}

/// Number and time columns as numbers.
fn numeric(column: &RowColumn, train: &[usize]) -> Option<Vec<f64>> {
    match (&column.role, &column.values) {
        (Role::Number, Values::Numbers(values)) => {
            Some(train.iter().map(|&row| values[row]).collect())
        }
        (Role::Time, Values::Times(values)) => Some(
            train
                .iter()
                .map(|&row| values[row].map_or(f64::NAN, |time| time as f64))
                .collect(),
        ),
        _ => None,
    }
}

fn groups_of(cells: impl Iterator<Item = String>) -> Vec<usize> {
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    cells
        .map(|cell| {
            let next = codes.len();
            *codes.entry(cell).or_insert(next)
        })
        .collect()
}

/// Share of rows whose class is the most frequent one of their group.
///
/// Groups below the support count as wrong. Zero unless nine in ten of the errors of always
/// saying the most frequent class are gone: with rare classes a high share alone is nothing.
fn purity(groups: &[usize], codes: &[usize], n_classes: usize) -> f64 {
    let mut counts: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    let mut totals = vec![0u64; n_classes];
    for (&group, &code) in groups.iter().zip(codes) {
        counts.entry(group).or_insert_with(|| vec![0; n_classes])[code] += 1;
        totals[code] += 1;
    }
    let n = codes.len() as f64;
    let right: u64 = counts
        .values()
        .filter(|counts| counts.iter().sum::<u64>() >= SUPPORT)
        .filter_map(|counts| counts.iter().max())
        .sum();
    let share = right as f64 / n;
    let majority = totals.iter().max().copied().unwrap_or(0) as f64 / n;
    if majority < 1.0 && 1.0 - share <= 0.1 * (1.0 - majority) {
        share
    } else {
        0.0
    }
}

/// Share of the variance of `y` that lies between groups of enough support.
fn between_groups(groups: &[usize], y: &[f64]) -> f64 {
    let mut by_group: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (&group, &value) in groups.iter().zip(y) {
        by_group.entry(group).or_default().push(value);
    }
    let (mean, deviation) = mean_and_deviation(y);
    let total = deviation.powi(2) * y.len() as f64;
    let between: f64 = by_group
        .values()
        .filter(|values| values.len() as u64 >= SUPPORT)
        .map(|values| values.len() as f64 * (mean_and_deviation(values).0 - mean).powi(2))
        .sum();
    if total > 0.0 && total.is_finite() {
        between / total
    } else {
        0.0
    }
}

/// The larger of the squared correlations of values and of ranks.
fn monotone(x: &[f64], y: &[f64]) -> f64 {
    squared_correlation(x, y).max(squared_correlation(&ranks(x), &ranks(y)))
}

fn squared_correlation(x: &[f64], y: &[f64]) -> f64 {
    let (mean_x, deviation_x) = mean_and_deviation(x);
    let (mean_y, deviation_y) = mean_and_deviation(y);
    let n = x.len() as f64;
    let products = x
        .iter()
        .zip(y)
        .map(|(a, b)| (a - mean_x) * (b - mean_y) / n);
    let r = products.sum::<f64>() / (deviation_x * deviation_y);
    if r.is_finite() { r * r } else { 0.0 }
}

/// Area under the ROC curve of `x`, or of `−x` where that is larger.
fn auc(x: &[f64], labels: &[bool]) -> f64 {
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return 0.0;
    }
    let ranks = ranks(x);
    let sum: f64 = ranks
        .iter()
        .zip(labels)
        .filter(|(_, label)| **label)
        .map(|(rank, _)| rank)
        .sum();
    let area = (sum - positives * (positives + 1.0) / 2.0) / (positives * negatives);
    area.max(1.0 - area)
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for &i in tied {
            ranks[i] = mean;
        }
        first += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_agrees_with_scikit_learn() {
        // roc_auc_score([0, 0, 1, 1, 0, 1], [.1, .4, .35, .8, .35, .35])
        let x = [0.1, 0.4, 0.35, 0.8, 0.35, 0.35];
        let labels = [false, false, true, true, false, true];
        assert!((auc(&x, &labels) - 6.0 / 9.0).abs() < 1e-12);
        assert_eq!(ranks(&[3.0, 1.0, 3.0]), [2.5, 1.0, 2.5]);
    }

    #[test]
    fn a_monotone_image_of_the_target_is_a_copy_and_noise_is_not() {
        let y: Vec<f64> = (0..50).map(f64::from).collect();
        let cubed: Vec<f64> = y.iter().map(|y| -y.powi(3)).collect();
        assert!(monotone(&cubed, &y) > 0.999);
        let turned: Vec<f64> = (0..50).map(|i| f64::from(i * 17 % 50)).collect();
        assert!(monotone(&turned, &y) < 0.5);
        assert!(squared_correlation(&[1.0; 50], &y) < 1e-9);
    }

    #[test]
    fn a_rare_class_needs_more_than_a_high_share() {
        let codes: Vec<usize> = (0..200).map(|i| usize::from(i % 25 == 0)).collect();
        let useless = vec![0; 200];
        assert_eq!(purity(&useless, &codes, 2), 0.0);
        assert_eq!(purity(&codes, &codes, 2), 1.0);
        let copy: Vec<usize> = (0..200).map(|i| i % 3).collect();
        assert_eq!(purity(&copy, &copy, 3), 1.0);
    }

    #[test]
    fn groups_explain_what_lies_between_them() {
        let groups = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let y = [1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0, 3.0];
        assert!((between_groups(&groups, &y) - 1.0).abs() < 1e-12);
    }
}
