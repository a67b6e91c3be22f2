//! Rows that stand in the training part and in the test part, exactly or nearly.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::text::{normalise_text, number_name};
use super::{RowColumn, Rows, Split, Suspicion, Values};

type Fingerprint = [u8; 16];

/// Numbers that differ by less than this share of their column's range may be called nearly equal.
const NEAR: f64 = 0.02;
/// Rows that are compared with all others, and the others; evenly spaced where there are more.
const MOST_ASKED: usize = 500;
const MOST_TRAINING: usize = 20_000;
/// With fewer number columns, rows are near to each other by nature.
const ENOUGH_NUMBERS: usize = 3;
/// A share of near rows below this is no finding …
const FEW: f64 = 0.01;
/// … nor is one that is not so many times that among the training rows themselves.
const TIMES: f64 = 3.0;

/// Test rows whose features, `ignored` ones left out, all equal those of a row that is learned from, or nearly; with how
/// often that happens among these themselves. `None` where there are no such rows.
pub(super) fn shared_rows(rows: &Rows, split: &Split, ignored: &[&str]) -> Option<Suspicion> {
    let columns = features(rows, ignored);
    let learned = learned(split);
    if columns.is_empty() || split.test.is_empty() {
        return None;
    }
    let exact = shared_by(&|row| fingerprint(&columns, row), (&learned, &split.test));
    if let Some(&first) = exact.rows.first() {
        let message = format!(
            "{} of {} test rows ({:.1}%) equal a training row in every feature, the first of them row {}; \
             among the training rows {:.1}% equal another",
            exact.rows.len(),
            split.test.len(),
            100.0 * exact.share,
            rows.row_ids[first],
            100.0 * exact.within
        );
        let action = "kept: the score without them stands beside the score";
        return Some(found("rows_in_train_and_test", message, action, &exact));
    }
    let numbers = columns
        .iter()
        .filter(|c| matches!(c.values, Values::Numbers(_)))
        .count();
    if numbers < ENOUGH_NUMBERS {
        return None;
    }
    let near = Near::new(&columns, &learned).shared(&learned, &split.test);
    let first = *near.rows.first()?;
    if near.share < FEW || near.share < TIMES * near.within {
        return None;
    }
    let message = format!(
        "{:.1}% of the test rows nearly equal a training row (numbers within {:.0}% of their range), the first of \
         them row {}; among the training rows {:.1}% nearly equal another",
        100.0 * near.share,
        100.0 * NEAR,
        rows.row_ids[first],
        100.0 * near.within
    );
    let action = "kept: copies with noise make models look better than they are; find out where they come from";
    Some(found("near_rows_in_train_and_test", message, action, &near))
}

fn found(kind: &'static str, message: String, action: &'static str, shared: &Shared) -> Suspicion {
    Suspicion {
        is_leak: true,
        ..Suspicion::new(kind, None, message, action)
            .with("rows", shared.rows.len() as f64)
            .with("share", shared.share)
            .with("share_within_training", shared.within)
    }
}

/// Which test rows equal a training or validation row in every feature but the `ignored` ones.
pub fn rows_also_in_training(rows: &Rows, split: &Split, ignored: &[&str]) -> Vec<bool> {
    let columns = features(rows, ignored);
    let learned = learned(split);
    let shared = shared_by(&|row| fingerprint(&columns, row), (&learned, &split.test));
    let shared: BTreeSet<usize> = shared.rows.into_iter().collect();
    split.test.iter().map(|row| shared.contains(row)).collect()
}

fn features<'a>(rows: &'a Rows, ignored: &[&str]) -> Vec<&'a RowColumn> {
    rows.columns
        .iter()
        .filter(|c| c.role.is_feature() && !ignored.contains(&c.name.as_str()))
        .collect()
}

/// The rows that members learn from in the end.
fn learned(split: &Split) -> Vec<usize> {
    let mut rows = [&split.train[..], &split.validation].concat();
    rows.sort_unstable();
    rows
}

struct Shared {
    /// Test rows that equal a training row.
    rows: Vec<usize>,
    share: f64,
    /// Share of the training rows that equal another training row.
    within: f64,
}

fn shared_by(key: &dyn Fn(usize) -> Fingerprint, (learned, test): (&[usize], &[usize])) -> Shared {
    let mut counts: BTreeMap<Fingerprint, u64> = BTreeMap::new();
    for &row in learned {
        *counts.entry(key(row)).or_default() += 1;
    }
    let rows: Vec<usize> = (test.iter().copied())
        .filter(|&row| counts.contains_key(&key(row)))
        .collect();
    let repeated: u64 = counts.values().filter(|n| **n > 1).sum();
    Shared {
        share: rows.len() as f64 / test.len().max(1) as f64,
        within: repeated as f64 / learned.len().max(1) as f64,
        rows,
    }
}

/// Compares rows cell by cell, numbers with a tolerance.
struct Near<'a> {
    columns: &'a [&'a RowColumn],
    /// Of numbers; 0 for other columns.
    tolerance: Vec<f64>,
}

impl<'a> Near<'a> {
    fn new(columns: &'a [&'a RowColumn], train: &[usize]) -> Self {
        let of = |column: &&RowColumn| {
            let Values::Numbers(values) = &column.values else {
                return 0.0;
            };
            let seen = train
                .iter()
                .map(|&row| values[row])
                .filter(|x| x.is_finite());
            let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            });
            let width = (high - low) * NEAR;
            if width.is_finite() { width } else { 0.0 }
        };
        Near {
            columns,
            tolerance: columns.iter().map(of).collect(),
        }
    }

    /// Looks for a near training row of some test rows, and of as many training rows.
    fn shared(&self, learned: &[usize], test: &[usize]) -> Shared {
        let train = spaced(learned, MOST_TRAINING);
        let has_near = |row: usize| {
            train
                .iter()
                .any(|&other| other != row && self.are_near(row, other))
        };
        let asked = spaced(test, MOST_ASKED);
        let rows: Vec<usize> = asked.iter().copied().filter(|&row| has_near(row)).collect();
        let own = spaced(&train, MOST_ASKED);
        let within = own.iter().filter(|&&row| has_near(row)).count();
        Shared {
            share: rows.len() as f64 / asked.len().max(1) as f64,
            within: within as f64 / own.len().max(1) as f64,
            rows,
        }
    }

    fn are_near(&self, a: usize, b: usize) -> bool {
        self.columns
            .iter()
            .zip(&self.tolerance)
            .all(|(column, tolerance)| {
                let values = &column.values;
                match (values.is_missing(a), values.is_missing(b)) {
                    (true, true) => return true,
                    (false, false) => {}
                    _ => return false,
                }
                match values {
                    Values::Numbers(values) => (values[a] - values[b]).abs() <= *tolerance,
                    Values::Strings(values) => values[a] == values[b],
                    Values::Times(values) => values[a] == values[b],
                    Values::Histories(cells) => cells.spans[a] == cells.spans[b],
                }
            })
    }
}

/// At most `most` of the rows, evenly spaced.
fn spaced(rows: &[usize], most: usize) -> Vec<usize> {
    rows.iter()
        .copied()
        .step_by(rows.len().div_ceil(most).max(1))
        .collect()
}

fn fingerprint(columns: &[&RowColumn], row: usize) -> Fingerprint {
    let mut hash = Sha256::new();
    for column in columns {
        if column.values.is_missing(row) {
            hash.update([0]);
            continue;
        }
        let cell = match &column.values {
            Values::Numbers(values) => number_name(values[row]),
            Values::Strings(values) => normalise_text(values[row].as_deref().unwrap_or_default()),
            Values::Times(values) => values[row].unwrap_or_default().to_string(),
            Values::Histories(cells) => format!("{:?}", cells.spans[row]),
        };
        hash.update([1]);
        hash.update((cell.len() as u64).to_le_bytes());
        hash.update(cell.as_bytes());
    }
    let mut short = Fingerprint::default();
    for (to, from) in short.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    short
}
