//! What looks wrong with the data, with the numbers that show it.

use std::collections::BTreeMap;

use super::leaks::leaks;
use super::near_copy::Truth;
use super::overlap::shared_rows;
use super::target::class_cells;
use super::{ColumnRole, Role, RowColumn, Rows, Split, Task};
use crate::source::{ColumnProfile, ColumnType, Profile};

/// A column with a larger share of missing cells is pointed out.
const MANY_MISSING: f64 = 0.5;
/// A class rarer than this is pointed out …
const RARE_CLASS: f64 = 0.05;
/// … as is a class of fewer training rows than this.
const TINY_CLASS: usize = 10;
/// Names shown in one message.
const SHOWN: usize = 5;

/// Something that looks wrong, or is worth knowing before a score is believed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Suspicion {
    /// `constant_column`, `all_missing`, `duplicate_rows`, `id_like`, `blanks_in_number`,
    /// `not_a_number`, `many_missing`, `copy_of_target`, `near_copy_of_target`, `filled_after_event`,
    /// `time_after_cut`, `id_encodes_order`, `rows_in_train_and_test`, `near_rows_in_train_and_test`,
    /// `imbalance`, `tiny_class`, `class_not_in_training`.
    pub kind: &'static str,
    pub column: Option<String>,
    pub message: String,
    /// The numbers in the message, named.
    pub evidence: Vec<(&'static str, f64)>,
    /// What was done about it.
    pub action: &'static str,
    /// True for a column that is not to be learned from.
    pub leave_out: bool,
    /// True where scores with and without it are to be shown.
    pub is_leak: bool,
}

impl Suspicion {
    pub(super) fn new(
        kind: &'static str,
        column: Option<&str>,
        message: String,
        action: &'static str,
    ) -> Self {
        Self {
            kind,
            column: column.map(String::from),
            message,
            evidence: Vec::new(),
            action,
            leave_out: false,
            is_leak: false,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.evidence.push((name, value));
        self
    }
}

/// Everything that looks wrong: the table first, then its columns in order, then target and split.
///
/// `time` is the column by which the rows are divided, if any.
pub fn suspicions(
    profile: &Profile,
    roles: &[ColumnRole],
    rows: &Rows,
    split: &Split,
    (task, time): (Task, Option<&str>),
) -> Vec<Suspicion> {
    let mut found = Vec::new();
    found.extend(duplicates(profile));
    for (column, role) in profile.columns.iter().zip(roles) {
        of_column(column, role, profile.n_rows, &mut found);
    }
    let truth = Truth::of(rows, &split.train, task);
    found.extend(leaks(rows, split, truth.as_ref(), time));
    if task == Task::Classify {
        of_classes(rows, split, &mut found);
    }
    // What divides the rows is not learned from, and may differ between copies.
    let ignored: Vec<&str> = time.into_iter().collect();
    found.extend(shared_rows(rows, split, &ignored));
    found
}

fn duplicates(profile: &Profile) -> Option<Suspicion> {
    let count = profile.duplicate_rows;
    if count == 0 {
        return None;
    }
    let share = count as f64 / profile.n_rows.max(1) as f64;
    let about = if profile.duplicate_rows_is_exact {
        ""
    } else {
        "about "
    };
    let message = format!(
        "{about}{count} of {} rows ({:.1}%) repeat an earlier row in every column",
        profile.n_rows,
        100.0 * share
    );
    Some(
        Suspicion::new("duplicate_rows", None, message, "kept")
            .with("rows", count as f64)
            .with("share", share),
    )
}

fn of_column(column: &ColumnProfile, role: &ColumnRole, n_rows: u64, found: &mut Vec<Suspicion>) {
    let name = Some(column.name.as_str());
    let by_rule = role.reason != "given";
    let ignored = role.role == Role::Ignore;
    let left_out = if ignored { "not learned from" } else { "kept" };
    if n_rows > 0 && column.missing >= n_rows {
        let message = format!("`{}` has no value in any of {n_rows} rows", column.name);
        found.push(
            Suspicion::new("all_missing", name, message, left_out).with("rows", n_rows as f64),
        );
        return;
    }
    if column.distinct == 1 && column.missing == 0 {
        let message = format!(
            "`{}` holds the same value in all {n_rows} rows",
            column.name
        );
        found.push(
            Suspicion::new("constant_column", name, message, left_out).with("rows", n_rows as f64),
        );
        return;
    }
    if role.role == Role::Id && by_rule {
        let message = format!(
            "`{}` looks like an id: {} ({} distinct values in {n_rows} rows)",
            column.name, role.reason, column.distinct
        );
        let action = "not learned from; give it another role to use it";
        found.push(
            Suspicion::new("id_like", name, message, action)
                .with("distinct", column.distinct as f64),
        );
    }
    of_cells(column, role.role, n_rows, found);
}

/// Blanks, words among numbers, and missing cells.
fn of_cells(column: &ColumnProfile, role: Role, n_rows: u64, found: &mut Vec<Suspicion>) {
    let name = Some(column.name.as_str());
    let numeric = matches!(column.column_type, ColumnType::Integer | ColumnType::Float);
    if column.blanks > 0 && (numeric || role == Role::Number) {
        let message = format!(
            "`{}` is a number column and {} of {n_rows} cells are blank",
            column.name, column.blanks
        );
        found.push(
            Suspicion::new("blanks_in_number", name, message, "read as missing")
                .with("cells", column.blanks as f64),
        );
    }
    if !column.non_numeric.is_empty() && (numeric || role == Role::Number) {
        let cells: Vec<String> = column
            .non_numeric
            .iter()
            .take(SHOWN)
            .map(|(row, cell)| {
                format!(
                    "row {row} holds `{}`",
                    cell.chars().take(40).collect::<String>()
                )
            })
            .collect();
        let message = format!(
            "`{}` is a number column with cells that are not numbers: {}",
            column.name,
            cells.join(", ")
        );
        found.push(
            Suspicion::new("not_a_number", name, message, "read as missing")
                .with("cells_shown", cells.len() as f64),
        );
    }
    let share = column.missing as f64 / n_rows.max(1) as f64;
    if share > MANY_MISSING && role.is_feature() {
        let message = format!(
            "`{}` is missing in {} of {n_rows} rows ({:.0}%)",
            column.name,
            column.missing,
            100.0 * share
        );
        found.push(
            Suspicion::new(
                "many_missing",
                name,
                message,
                "kept, with a mark where it is missing",
            )
            .with("share", share),
        );
    }
}

/// Tiny, rare and unseen classes.
fn of_classes(rows: &Rows, split: &Split, found: &mut Vec<Suspicion>) {
    let Some(target) = rows.target() else { return };
    let name = Some(target.name.as_str());
    let train = class_counts(target, &split.train);
    let tiny: Vec<_> = train.iter().filter(|(_, n)| **n < TINY_CLASS).collect();
    if !tiny.is_empty() {
        let message = format!(
            "{} of {} classes have fewer than {TINY_CLASS} training rows: {}",
            tiny.len(),
            train.len(),
            listed(&tiny)
        );
        let action = "kept: nothing can be said about how well they are told apart";
        found.push(
            Suspicion::new("tiny_class", name, message, action).with("classes", tiny.len() as f64),
        );
    }
    found.extend(imbalance(name, &train));
    for (part, which) in [(&split.validation, "validation"), (&split.test, "test")] {
        let counts = class_counts(target, part);
        let unseen: Vec<_> = counts
            .iter()
            .filter(|(class, _)| !train.contains_key(*class))
            .collect();
        if !unseen.is_empty() {
            let message = format!(
                "classes of the {which} rows that no training row has: {}",
                listed(&unseen)
            );
            found.push(
                Suspicion::new("class_not_in_training", name, message, "cannot be learned")
                    .with("classes", unseen.len() as f64),
            );
        }
    }
}

fn imbalance(name: Option<&str>, train: &BTreeMap<String, usize>) -> Option<Suspicion> {
    let total: usize = train.values().sum();
    let (class, n) = train.iter().min_by_key(|(_, n)| **n)?;
    let share = *n as f64 / total as f64;
    // Among many classes each is rare; what counts is the distance from an even share.
    let limit = match train.len() {
        2 => RARE_CLASS,
        classes => RARE_CLASS.min(0.25 / classes as f64),
    };
    if share >= limit {
        return None;
    }
    let message = format!(
        "the rarest class, `{class}`, has {n} of {total} training rows ({:.1}%): accuracy says little here",
        100.0 * share
    );
    let action = "kept as it is; look at the average precision and the recall of each class";
    Some(Suspicion::new("imbalance", name, message, action).with("share", share))
}

fn class_counts(target: &RowColumn, part: &[usize]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for class in class_cells(target, part).unwrap_or_default() {
        *counts.entry(class).or_default() += 1;
    }
    counts
}

/// `` `rare` (3), `other` (7) ``, the first five.
fn listed(classes: &[(&String, &usize)]) -> String {
    let mut shown: Vec<String> = classes
        .iter()
        .take(SHOWN)
        .map(|(class, n)| format!("`{class}` ({n})"))
        .collect();
    if classes.len() > SHOWN {
        shown.push(format!("and {} more", classes.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests;
