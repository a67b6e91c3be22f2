//! What may give the target away, with the scores with and without it.

use minijinja::{Value, context};

use crate::explain::Findings;
use crate::report::metric::Metric;

/// `None` where nothing is suspected.
pub(super) fn section(findings: &Findings) -> Option<Value> {
    if findings.leaks.is_empty() {
        return None;
    }
    let metric = Metric::named(&findings.selection_metric);
    let rows: Vec<Value> = findings
        .leaks
        .iter()
        .map(|check| {
            let change = check
                .with
                .zip(check.without)
                .map(|(with, without)| with - without);
            context! {
                what => check.column.as_deref().unwrap_or("rows in training and test"),
                is_column => check.column.is_some(),
                evidence => check.evidence.as_str(),
                action => if check.left_out { "left out" } else { "kept" },
                with => check.with.map(|score| metric.show(score)),
                without => check.without.map(|score| metric.show(score)),
                change => change.map(|change| metric.signed(change)),
            }
        })
        .collect();
    Some(context! {
        metric => metric.in_sentence(),
        rows => rows,
        any_column => findings.leaks.iter().any(|check| check.column.is_some()),
        any_rows => findings.leaks.iter().any(|check| check.column.is_none()),
    })
}
