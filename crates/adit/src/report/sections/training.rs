//! Learning curves of every model that was trained over epochs.

use minijinja::{Value, context};

use super::drawn;
use crate::explain::{Findings, TrainingHistory};
use crate::report::metric::Metric;
use crate::report::svg::learning::{Series, chart};

/// One pair of charts per model; `None` when nothing was recorded.
pub(super) fn section(findings: &Findings) -> Option<Value> {
    let mut models: Vec<&str> = Vec::new();
    for history in &findings.histories {
        if !models.contains(&history.model.as_str()) {
            models.push(&history.model);
        }
    }
    let parts: Vec<Value> = models
        .into_iter()
        .filter_map(|model| part(findings, model))
        .collect();
    if parts.is_empty() {
        None
    } else {
        Some(context! { models => parts })
    }
}

fn part(findings: &Findings, model: &str) -> Option<Value> {
    let histories: Vec<&TrainingHistory> = findings
        .histories
        .iter()
        .filter(|history| history.model == model)
        .collect();
    let metric = Metric::named(&findings.selection_metric);
    let losses = [
        Series {
            name: "training loss",
            class: "s1",
            value: |record| record.train_loss,
            ringed: false,
        },
        Series {
            name: "validation loss",
            class: "s0",
            value: |record| record.validation_loss,
            ringed: true,
        },
    ];
    let loss = chart(
        &histories,
        &losses,
        "Loss",
        &format!("Training and validation loss of {model} over epochs"),
    )?;
    let name = format!("validation {}", metric.in_sentence());
    let scores = [Series {
        name: &name,
        class: "s0",
        value: |record| record.validation_score.unwrap_or(f64::NAN),
        ringed: true,
    }];
    let label = format!("Validation {}", metric.in_sentence());
    let score = chart(
        &histories,
        &scores,
        &label,
        &format!("{label} of {model} over epochs"),
    );
    let rows: Vec<Value> = histories
        .iter()
        .map(|history| row(history, &metric))
        .collect();
    Some(context! {
        model => model,
        loss => drawn(loss),
        score => score.map(drawn),
        metric => metric.in_sentence(),
        many => histories.len() > 1,
        rows => rows,
    })
}

fn row(history: &TrainingHistory, metric: &Metric) -> Value {
    let kept = history
        .epochs
        .iter()
        .find(|record| record.epoch == history.best_epoch);
    context! {
        seed => history.seed.to_string(),
        // Of long histories some epochs are left out.
        epochs => history.epochs.last().map_or(0, |last| last.epoch).to_string(),
        kept => history.best_epoch.to_string(),
        train_loss => kept.map(|record| crate::report::numbers::plain(record.train_loss)),
        validation_loss => kept.map(|record| crate::report::numbers::plain(record.validation_loss)),
        score => kept.and_then(|record| record.validation_score).map(|score| metric.show(score)),
    }
}
