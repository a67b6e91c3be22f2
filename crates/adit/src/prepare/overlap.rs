//! Rows that stand in the training part and in the test part.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::text::{normalise_text, number_name};
use super::{RowColumn, Rows, Suspicion, Values};

type Fingerprint = [u8; 16];

/// Test rows whose features all equal those of a training row; the two parts may be one [`Rows`].
///
/// Texts are compared after normalising, numbers by value. `None` where there are no such rows.
pub fn shared_rows(
    train_rows: &Rows,
    train: &[usize],
    test_rows: &Rows,
    test: &[usize],
) -> Option<Suspicion> {
    let columns: Vec<(&RowColumn, &RowColumn)> = train_rows
        .columns
        .iter()
        .filter(|column| column.role.is_feature())
        .map(|column| Some((column, test_rows.column(&column.name)?)))
        .collect::<Option<_>>()?;
    if columns.is_empty() {
        return None;
    }
    let (of_train, of_test): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let seen: BTreeSet<Fingerprint> = train
        .iter()
        .map(|&row| fingerprint(&of_train, row))
        .collect();
    let shared: Vec<u64> = test
        .iter()
        .filter(|&&row| seen.contains(&fingerprint(&of_test, row)))
        .map(|&row| test_rows.row_ids[row])
        .collect();
    let first = shared.first()?;
    let share = shared.len() as f64 / test.len() as f64;
    let message = format!(
        "{} of {} test rows ({:.1}%) equal a training row in every feature, the first of them row {first}",
        shared.len(),
        test.len(),
        100.0 * share
    );
    Some(
        Suspicion::new(
            "rows_in_train_and_test",
            None,
            message,
            "kept: scores on them flatter the models",
        )
        .with("rows", shared.len() as f64)
        .with("share", share),
    )
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
