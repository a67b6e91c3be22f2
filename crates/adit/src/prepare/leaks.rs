//! Columns that know what could not be known when a prediction is wanted.

use super::near_copy::{Truth, near_copy, order_tells};
use super::{Role, RowColumn, Rows, Split, Suspicion, Values};

/// A column that tells this much of the target alone is as good as a copy of it.
const COPY: f64 = 0.9995;
/// Present in so large a share of the training rows …
const USUALLY_THERE: f64 = 0.5;
/// … and in so small a share of the test rows: filled in later.
const HARDLY_THERE: f64 = 0.05;
/// Test rows that a share needs to mean something.
const ENOUGH_ROWS: usize = 20;
/// Cells of training rows that may lie after the cut by mistake.
const FEW_LATE: f64 = 0.01;
/// A dense run of whole numbers fills this share of its range.
const DENSE: f64 = 0.5;

/// Every column that may give the target away, with the evidence and what is done about it.
///
/// `time` is the column by which the rows are divided.
pub(super) fn leaks(
    rows: &Rows,
    split: &Split,
    truth: Option<&Truth>,
    time: Option<&str>,
) -> Vec<Suspicion> {
    let mut found = Vec::new();
    for column in rows.columns.iter().filter(|c| c.role.is_feature()) {
        if time == Some(column.name.as_str()) {
            continue;
        }
        let told = truth.and_then(|truth| copy(column, split, truth));
        let by_time = || time.and_then(|time| late(column, rows.column(time)?, split));
        let by_order = || truth.and_then(|truth| numbered(column, split, truth));
        found.extend(
            told.or_else(by_time)
                .or_else(|| vanished(column, split))
                .or_else(by_order),
        );
    }
    found
}

fn copy(column: &RowColumn, split: &Split, truth: &Truth) -> Option<Suspicion> {
    let told = near_copy(column, &split.train, truth)?;
    let n = split.train.len();
    let (kind, what, action) = if told.by_presence {
        (
            "filled_after_event",
            "whether a value is there",
            Action::LeftOut,
        )
    } else if told.value >= COPY {
        ("copy_of_target", "its values", Action::LeftOut)
    } else {
        ("near_copy_of_target", "its values", Action::Kept)
    };
    let message = format!(
        "`{}` alone tells the target of {n} training rows almost exactly, by {what}: {} {:.3}; \
         is it known at the time of prediction?",
        column.name, told.measure, told.value
    );
    Some(
        action
            .on(kind, column, message)
            .with(told.measure, told.value)
            .with("rows", n as f64),
    )
}

/// Times of training rows that lie after the first test row, or after their own row.
fn late(column: &RowColumn, time: &RowColumn, split: &Split) -> Option<Suspicion> {
    let (Values::Times(own), Values::Times(of_row)) = (&column.values, &time.values) else {
        return None;
    };
    let there: Vec<usize> = split
        .train
        .iter()
        .copied()
        .filter(|&row| own[row].is_some())
        .collect();
    if there.len() < ENOUGH_ROWS {
        return None;
    }
    let n = there.len() as f64;
    let after_row = there.iter().filter(|&&row| own[row] > of_row[row]).count() as f64 / n;
    let cut = split.test.iter().filter_map(|&row| of_row[row]).min();
    let after_cut = cut.map_or(0.0, |cut| {
        there.iter().filter(|&&row| own[row] >= Some(cut)).count() as f64 / n
    });
    if after_cut > FEW_LATE {
        let message = format!(
            "`{}` lies after the first test row in {:.1}% of the training rows: it was written when the future was known",
            column.name,
            100.0 * after_cut
        );
        let found = Action::LeftOut.on("time_after_cut", column, message);
        return Some(found.with("share", after_cut));
    }
    if after_row > USUALLY_THERE {
        let message = format!(
            "`{}` lies after `{}` of its own row in {:.0}% of the training rows: it is filled in later",
            column.name,
            time.name,
            100.0 * after_row
        );
        let found = Action::LeftOut.on("filled_after_event", column, message);
        return Some(found.with("share", after_row));
    }
    None
}

/// Filled in most training rows and in hardly a test row.
fn vanished(column: &RowColumn, split: &Split) -> Option<Suspicion> {
    if split.test.len() < ENOUGH_ROWS {
        return None;
    }
    let there = |part: &[usize]| {
        let n = part
            .iter()
            .filter(|&&row| !column.values.is_missing(row))
            .count();
        n as f64 / part.len().max(1) as f64
    };
    let (in_train, in_test) = (there(&split.train), there(&split.test));
    if in_train < USUALLY_THERE || in_test > HARDLY_THERE {
        return None;
    }
    let message = format!(
        "`{}` has a value in {:.0}% of the training rows and in {:.0}% of the test rows: it is filled in after the event",
        column.name,
        100.0 * in_train,
        100.0 * in_test
    );
    let found = Action::LeftOut.on("filled_after_event", column, message);
    Some(
        found
            .with("train_share", in_train)
            .with("test_share", in_test),
    )
}

/// Whole numbers that never repeat and leave few gaps count rows; where they tell the target, the table was
/// sorted by it once.
fn numbered(column: &RowColumn, split: &Split, truth: &Truth) -> Option<Suspicion> {
    let (Role::Number, Values::Numbers(values)) = (column.role, &column.values) else {
        return None;
    };
    let mut seen: Vec<f64> = split.train.iter().map(|&row| values[row]).collect();
    if seen.len() < ENOUGH_ROWS || seen.iter().any(|x| !x.is_finite() || x.fract() != 0.0) {
        return None;
    }
    let told = order_tells(&seen, truth)?;
    seen.sort_unstable_by(f64::total_cmp);
    let range = seen[seen.len() - 1] - seen[0] + 1.0;
    let repeats = seen.windows(2).any(|pair| pair[0] == pair[1]);
    if repeats || (seen.len() as f64) < DENSE * range {
        return None;
    }
    let message = format!(
        "`{}` numbers the rows, and its order tells the target ({} {:.3}): the table was sorted once",
        column.name, told.measure, told.value
    );
    let found = Action::LeftOut.on("id_encodes_order", column, message);
    Some(found.with(told.measure, told.value))
}

/// What is done about a suspect.
enum Action {
    LeftOut,
    Kept,
}

impl Action {
    fn on(&self, kind: &'static str, column: &RowColumn, message: String) -> Suspicion {
        let action = match self {
            Action::LeftOut => {
                "not learned from; `--keep-suspects`, or a role given by hand, keeps it"
            }
            Action::Kept => "kept: look at the scores with and without it before you trust any",
        };
        Suspicion {
            leave_out: matches!(self, Action::LeftOut),
            is_leak: true,
            ..Suspicion::new(kind, Some(&column.name), message, action)
        }
    }
}

#[cfg(test)]
mod tests;
