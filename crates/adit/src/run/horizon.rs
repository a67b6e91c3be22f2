//! Labels made of the events themselves: does something happen within a while after a cut-off?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::job::EventsSection;
use super::{Job, RunError};
use crate::prepare::{Histories, Rows, Values, number_name};

/// Cut-offs that are made, at most.
const MOST_CUTOFFS: usize = 6;
/// And at least: one to be judged on, one to stop by, one to learn from.
const LEAST_CUTOFFS: usize = 3;
const YES: &str = "yes";
const NO: &str = "no";

/// A length of time such as `90d`, in milliseconds, or a number without a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Horizon {
    Time(f64),
    Number(f64),
}

impl Horizon {
    /// Reads `90d`, `12h`, `6w`, `30min`, `10s`, or a number.
    pub fn parse(text: &str) -> Option<Horizon> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let number: f64 = number
            .parse()
            .ok()
            .filter(|x: &f64| *x > 0.0 && x.is_finite())?;
        let seconds = match unit.trim() {
            "" => return Some(Horizon::Number(number)),
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 7.0 * 86_400.0,
            _ => return None,
        };
        Some(Horizon::Time(1e3 * number * seconds))
    }
}

/// A table of labels as CSV: every entity that has done something before a cut-off, the cut-off, and whether the outcome
/// comes within the horizon after it.
///
/// Cut-offs lie a horizon apart, the last one a horizon before the last event, so that no two look ahead at the same
/// events.
///
/// # Errors
/// A horizon of another kind than the times, an outcome that is nowhere, or events that span too few horizons.
pub(super) fn labels(job: &Job, section: &EventsSection, rows: &Rows) -> Result<String, RunError> {
    let fail = |reason: String| RunError::JobFile {
        path: "the horizon".into(),
        reason,
    };
    let (Some(horizon), Some(outcome)) = (&section.horizon, &section.outcome) else {
        return Err(fail("needs `events.horizon` and `events.outcome`".into()));
    };
    let cutoff = section.cutoff.as_deref().unwrap_or("cutoff");
    let Some(column) = rows.column(&outcome.column) else {
        return Err(RunError::NoSuchColumn {
            column: outcome.column.clone(),
            columns: rows.columns.iter().map(|c| c.name.clone()).collect(),
        });
    };
    let is_outcome = |row: usize| match &column.values {
        Values::Strings(cells) => cells[row].as_deref().map(str::trim) == Some(&outcome.value),
        _ => false,
    };
    let columns = (section.entity.as_str(), section.time.as_str());
    let fitted = Histories::fit(rows, columns, None, None)?;
    let (names, cells) = Histories::whole(&fitted.events(rows)?);
    let table = &cells.events;
    let place: BTreeMap<u64, usize> = (rows.row_ids.iter().copied()).zip(0..).collect();
    let happened: BTreeSet<usize> = (0..table.n_events())
        .filter(|&at| {
            place
                .get(&table.rows[at])
                .is_some_and(|&row| is_outcome(row))
        })
        .collect();
    if happened.is_empty() {
        return Err(fail(format!(
            "no event has `{}` = `{}`",
            outcome.column, outcome.value
        )));
    }
    let width = match (Horizon::parse(horizon), table.is_of_times) {
        (Some(Horizon::Time(width)), true) | (Some(Horizon::Number(width)), false) => width,
        (_, true) => {
            return Err(fail(format!(
                "`{horizon}` is no length of time such as `90d`"
            )));
        }
        (_, false) => {
            let reason = format!("`{horizon}` is no number, but the times of the events are");
            return Err(fail(reason));
        }
    };
    let first = table.times.iter().copied().fold(f64::INFINITY, f64::min);
    let last = table
        .times
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let n = (((last - first) / width) as usize).min(MOST_CUTOFFS);
    if n < LEAST_CUTOFFS {
        let reason = format!(
            "`{horizon}` fits {n} times into the time of the events, but must {LEAST_CUTOFFS} times"
        );
        return Err(fail(reason));
    }
    let mut text = String::new();
    let head = [&section.entity, cutoff, &job.data.target].map(cell);
    let _ = writeln!(text, "{}", head.join(","));
    // The earliest first.
    for k in (1..=n).rev() {
        let moment = last - k as f64 * width;
        let until = match table.is_of_times {
            true => time_name(moment),
            false => number_name(moment),
        };
        for (name, span) in names.iter().zip(&cells.spans) {
            let times = &table.times[span.start..span.end];
            let begins = span.start + times.partition_point(|at| *at < moment);
            // Of the last cut-off the very last event is still ahead.
            let ends = match k {
                1 => span.end,
                _ => span.start + times.partition_point(|at| *at < moment + width),
            };
            if begins > span.start {
                let comes = happened.range(begins..ends).next().is_some();
                let told = if comes { YES } else { NO };
                let _ = writeln!(text, "{},{until},{told}", cell(name));
            }
        }
    }
    Ok(text)
}

fn time_name(ms: f64) -> String {
    chrono::DateTime::from_timestamp_millis(ms as i64).map_or(String::new(), |t| {
        t.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    })
}

/// A cell of CSV.
fn cell(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_nothing_else() {
        assert_eq!(Horizon::parse("90d"), Some(Horizon::Time(90.0 * 86_400e3)));
        assert_eq!(Horizon::parse(" 1.5 h "), Some(Horizon::Time(5_400e3)));
        assert_eq!(Horizon::parse("12"), Some(Horizon::Number(12.0)));
        for odd in ["", "d", "-3d", "0d", "3 months", "1e400", "NaN"] {
            assert_eq!(Horizon::parse(odd), None, "{odd}");
        }
    }
}
