//! The data in the words of the report.

use std::path::Path;

use super::Job;
use super::data::Loaded;
use super::plan::Plan;
use crate::explain::{ColumnSummary, DataSummary};
use crate::prepare::{Role, Rows, Target, Values};
use crate::source::{ColumnProfile, ColumnType};

/// What the data is.
pub fn data(job: &Job, loaded: &Loaded, plan: &Plan, target: &Target) -> DataSummary {
    let split = &loaded.split;
    // Where rows are held out in turn, there is no validation part that nothing learns from.
    let (train, validation, how) = match plan.words(job.task) {
        Some(words) => (
            plan.held_out.len(),
            0,
            format!("{}; {words}", split.test_how()),
        ),
        None => (split.train.len(), split.validation.len(), split.how.clone()),
    };
    let roles = loaded.roles.iter().zip(&loaded.profile.columns);
    DataSummary {
        rows: loaded.rows.row_ids.len() as u64,
        train: train as u64,
        validation: validation as u64,
        test: split.test.len() as u64,
        split: how,
        sources: loaded
            .origins
            .iter()
            .map(|o| format!("{}: {} rows, {}", file_name(&o.path), o.rows, o.read_as))
            .collect(),
        target: job.data.target.clone(),
        classes: classes(target, &loaded.fit_rows(), &split.test),
        columns: roles
            .map(|(role, column)| ColumnSummary {
                name: column.name.clone(),
                column_type: type_name(column.column_type).into(),
                role: format!("{:?}", role.role).to_lowercase(),
                reason: role.reason.clone(),
                missing: column.missing,
                distinct: column.distinct,
                range: range(column),
                histogram: if column.histogram.is_empty() {
                    column.top_values.iter().map(|(_, n)| *n).collect()
                } else {
                    column.histogram.clone()
                },
            })
            .collect(),
    }
}

/// Command lines that repeat and apply a run.
pub fn run_again(out: &Path) -> Vec<String> {
    let run = out.display();
    vec![
        format!("adit run {run}/job.toml"),
        format!("adit predict {run} NEW.csv -o predictions.parquet"),
    ]
}

/// A row's cells as text, in column order.
pub fn cells(rows: &Rows, at: usize) -> Vec<(String, String)> {
    rows.columns
        .iter()
        .filter(|column| column.role != Role::History)
        .map(|column| {
            let text = match &column.values {
                Values::Numbers(v) if v[at].is_nan() => String::new(),
                Values::Numbers(v) => v[at].to_string(),
                Values::Strings(v) => v[at].clone().unwrap_or_default(),
                Values::Times(v) => v[at]
                    .and_then(chrono::DateTime::from_timestamp_millis)
                    .map_or(String::new(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string()),
                Values::Histories(_) => String::new(),
            };
            (column.name.clone(), text)
        })
        .collect()
}

fn classes(target: &Target, train: &[usize], test: &[usize]) -> Vec<(String, u64, u64)> {
    let Target::Classes { codes, names } = target else {
        return Vec::new();
    };
    let count = |rows: &[usize], class: usize| {
        rows.iter().filter(|&&i| codes[i] as usize == class).count() as u64
    };
    names
        .iter()
        .enumerate()
        .map(|(class, name)| (name.clone(), count(train, class), count(test, class)))
        .collect()
}

fn range(column: &ColumnProfile) -> String {
    match (column.column_type, column.min, column.max) {
        (ColumnType::Time, Some(low), Some(high)) => {
            let day = |ms: f64| {
                chrono::DateTime::from_timestamp_millis(ms as i64)
                    .map_or(String::new(), |t| t.format("%Y-%m-%d").to_string())
            };
            format!("{} – {}", day(low), day(high))
        }
        (_, Some(low), Some(high)) => format!("{low} – {high}"),
        _ => column
            .top_values
            .iter()
            .take(3)
            .map(|(value, _)| value.chars().take(40).collect::<String>())
            .collect::<Vec<_>>()
            .join(", "),
    }
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

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}
