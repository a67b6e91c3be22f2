//! `adit profile`.

use std::process::ExitCode;

use adit::prepare::{ColumnRole, RoleSettings};
use adit::run::{self, ProfileOutcome};
use adit::source::{ColumnProfile, ColumnType};

use super::{CliError, Session, role_map, ruled_table, source_settings};
use crate::args::ProfileArgs;

/// Eighths of a character cell.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub fn profile(args: &ProfileArgs, session: &Session) -> Result<ExitCode, CliError> {
    let source = source_settings(&args.inputs, &args.source)?;
    let roles = RoleSettings {
        task: None,
        target: args.target.clone(),
        texts: Vec::new(),
        given: role_map(&args.roles)?,
    };
    let outcome = run::inspect(&source, &roles, &session.context())?;
    session.progress.finish();
    if args.json {
        let text = serde_json::to_string_pretty(&outcome).unwrap_or_default();
        println!("{text}");
    } else {
        show(&outcome);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(outcome: &ProfileOutcome) {
    for origin in &outcome.origins {
        println!(
            "{}: {} rows, {}",
            origin.path.display(),
            origin.rows,
            origin.read_as
        );
    }
    println!();
    let mut table = ruled_table();
    table.set_header([
        "column",
        "type",
        "role",
        "missing",
        "distinct",
        "values",
        "histogram",
        "examples",
    ]);
    for (column, role) in outcome.profile.columns.iter().zip(&outcome.roles) {
        table.add_row(row(column, role, outcome.profile.n_rows));
    }
    println!("{table}");
    println!();
    if outcome.warnings.is_empty() {
        println!("nothing looks wrong");
    }
    for warning in &outcome.warnings {
        println!("warning: {} ({})", warning.message, warning.action);
    }
}

fn row(column: &ColumnProfile, role: &ColumnRole, n_rows: u64) -> [String; 8] {
    let approx = if column.distinct_is_exact { "" } else { "~" };
    [
        column.name.clone(),
        type_name(column.column_type).to_string(),
        format!("{:?}", role.role).to_lowercase(),
        percent(column.missing, n_rows),
        format!("{approx}{}", column.distinct),
        values(column, n_rows),
        histogram(column),
        column
            .examples
            .iter()
            .take(3)
            .map(|e| e.chars().take(24).collect::<String>())
            .collect::<Vec<_>>()
            .join(", "),
    ]
}

fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer => "integer",
        ColumnType::Float => "number",
        ColumnType::Time => "time",
        ColumnType::Text => "text",
    }
}

fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) => "–".to_string(),
        (part, whole) => format!("{part} ({:.1}%)", 100.0 * part as f64 / whole.max(1) as f64),
    }
}

/// The range of numbers, the most frequent of few texts, the lengths of many.
fn values(column: &ColumnProfile, n_rows: u64) -> String {
    match (column.column_type, column.min, column.max) {
        (ColumnType::Time, ..) => column.examples.first().cloned().unwrap_or_default(),
        (_, Some(low), Some(high)) => format!("{} to {}", short(low), short(high)),
        _ if column.distinct <= 20 => column
            .top_values
            .iter()
            .take(2)
            .map(|(value, n)| {
                let value: String = value.chars().take(16).collect();
                format!("{value} {:.0}%", 100.0 * *n as f64 / n_rows.max(1) as f64)
            })
            .collect::<Vec<_>>()
            .join(", "),
        _ => format!(
            "{:.0} characters, at most {}",
            column.mean_chars, column.max_chars
        ),
    }
}

/// Up to six significant figures, without trailing zeros.
fn short(value: f64) -> String {
    let digits = 5 - (value.abs().max(1.0).log10().floor() as i32).min(5);
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

fn histogram(column: &ColumnProfile) -> String {
    let counts: Vec<u64> = if column.histogram.is_empty() {
        column.top_values.iter().take(12).map(|(_, n)| *n).collect()
    } else {
        column.histogram.clone()
    };
    let top = counts.iter().copied().max().unwrap_or(0).max(1);
    counts
        .iter()
        .map(|&n| match n {
            0 => ' ',
            n => BARS[((n * 8).div_ceil(top) as usize - 1).min(7)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short_but_whole() {
        assert_eq!(short(1_799_909.0), "1799909");
        assert_eq!(short(0.125), "0.125");
        assert_eq!(short(12.5), "12.5");
        assert_eq!(short(-3.0), "-3");
    }
}
