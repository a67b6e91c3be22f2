//! How to run it again, and the words used.

use minijinja::{Value, context};

use crate::explain::Findings;
use crate::report::metric::{self, Metric};

/// Command lines; `None` without any.
pub(super) fn run_again(findings: &Findings) -> Option<Value> {
    let commands: Vec<Value> = findings.run_again.iter().map(Value::from).collect();
    if commands.is_empty() {
        None
    } else {
        Some(Value::from(commands))
    }
}

/// Every metric that the page shows, each in one sentence, and the words around them.
pub(super) fn glossary(findings: &Findings) -> Vec<Value> {
    let mut names: Vec<&str> = findings
        .scoreboard
        .iter()
        .flat_map(|member| member.metrics.keys().map(String::as_str))
        .collect();
    names.push(&findings.selection_metric);
    names.sort_by_key(|name| (metric::order(name), *name));
    names.dedup();
    let metrics = names.into_iter().filter_map(|name| {
        let metric = Metric::named(name);
        metric
            .meaning
            .map(|meaning| context! { word => metric.label, meaning => meaning })
    });
    let mut words: Vec<(&str, &str)> = vec![
        (
            "95% interval",
            "A range made so that it holds the true value in 95 of 100 repetitions with other test rows from the same source.",
        ),
        (
            "Baseline",
            "A model that ignores the inputs: it always says the most frequent class or the mean.",
        ),
    ];
    if findings.paired_test.is_some() {
        words.push(("p-value", "How often chance alone would give a difference at least as large if both models were equally good."));
    }
    if findings.scoreboard.iter().any(|member| member.seeds > 1) {
        words.push((
            "Spread",
            "The standard deviation of a metric over trainings that differ only in their seed.",
        ));
    }
    if findings.calibration.is_some() {
        words.push(("Calibration error", "How far predicted probabilities lie from observed shares, on average over the bins weighted by their rows (ECE)."));
    }
    let words = words
        .into_iter()
        .map(|(word, meaning)| context! { word => word, meaning => meaning });
    metrics.chain(words).collect()
}
