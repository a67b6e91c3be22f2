//! The rows that the chosen member got most wrong.

use minijinja::{Value, context};

use super::folded;
use crate::explain::{Findings, WorstError};
use crate::report::numbers;

/// Rows before the rest is folded.
const ROWS: usize = 10;
/// Cells of a row before the rest is folded.
const CELLS: usize = 8;
/// Characters of a cell before the rest is folded.
const CELL: usize = 240;

/// One card per row; `None` without errors.
pub(super) fn section(findings: &Findings) -> Option<Value> {
    if findings.worst_errors.is_empty() {
        return None;
    }
    let regress = findings.task == "regress";
    let mut rows: Vec<Value> = findings
        .worst_errors
        .iter()
        .map(|error| card(error, regress))
        .collect();
    let more = if rows.len() > ROWS + 2 {
        rows.split_off(ROWS)
    } else {
        Vec::new()
    };
    Some(
        context! { chosen => findings.chosen.as_str(), rows => rows, more => more, regress => regress },
    )
}

fn card(error: &WorstError, regress: bool) -> Value {
    let mut cells: Vec<Value> = error
        .cells
        .iter()
        .take(500)
        .map(|(name, value)| {
            context! { name => folded(name, 60), value => folded(value, CELL), empty => value.is_empty() }
        })
        .collect();
    let more = if cells.len() > CELLS + 2 {
        cells.split_off(CELLS)
    } else {
        Vec::new()
    };
    let is_long = error
        .cells
        .iter()
        .any(|(_, value)| value.chars().nth(80).is_some());
    let score = if regress {
        let sign = if error.score > 0.0 { "+" } else { "" };
        format!("{sign}{}", numbers::plain(error.score))
    } else {
        numbers::fixed(error.score, 3)
    };
    context! {
        row => error.row.to_string(),
        truth => folded(&error.truth, 60),
        predicted => folded(&error.predicted, 60),
        score => score,
        width => (!regress && error.score.is_finite()).then(|| format!("{:.1}", error.score.clamp(0.0, 1.0) * 100.0)),
        cells => cells,
        more_count => numbers::count(more.len() as u64),
        more => more,
        wide => is_long,
    }
}
