//! `MODEL_CARD.md`: what a model is for, what it was trained on and how well it does.

use std::fmt::Write as _;

use super::metric::{self, Metric};
use super::{escape, fingerprint, numbers};
use crate::explain::{DecisionFindings, Findings, Member};

/// Columns that the card lists; the rest is in `result.json`.
const COLUMNS: usize = 200;

/// Renders the model card of the chosen member as Markdown.
pub fn model_card(findings: &Findings, adit_version: &str) -> String {
    let mut out = String::new();
    let chosen = findings
        .scoreboard
        .iter()
        .find(|member| member.model == findings.chosen);
    head(&mut out, findings);
    use_and_limits(&mut out, findings);
    data(&mut out, findings);
    scores(&mut out, findings);
    if let Some(member) = chosen {
        settings(&mut out, member);
    }
    warnings(&mut out, findings);
    let _ = write!(
        out,
        "## Origin\n\nMade by Adit {}. Fingerprint of the findings: `{}`.\n",
        escape::markdown(adit_version),
        fingerprint(findings)
    );
    out
}

fn head(out: &mut String, findings: &Findings) {
    let _ = write!(
        out,
        "# {}\n\n{}\n\n",
        escape::markdown(&findings.title),
        escape::markdown(&findings.verdict)
    );
    let task = if findings.task == "regress" {
        "Regression"
    } else {
        "Classification"
    };
    let _ = write!(
        out,
        "| | |\n|---|---|\n| Task | {task} of {} |\n| Model | {} |\n| Chosen by | {}, on held-out rows |\n",
        escape::markdown(&findings.data.target),
        escape::markdown(&findings.chosen),
        escape::markdown(&Metric::named(&findings.selection_metric).in_sentence())
    );
    if let Some(class) = &findings.positive_class {
        let _ = writeln!(out, "| Positive class | {} |", escape::markdown(class));
    }
    out.push('\n');
}

fn use_and_limits(out: &mut String, findings: &Findings) {
    let _ = write!(
        out,
        "## Use and limits\n\n- It predicts {} for rows that have the columns below and come from the same source as \
         the training rows. Scores on other data are unknown.\n- It was judged on {} that it was not trained on.\n",
        escape::markdown(&findings.data.target),
        numbers::counted(findings.data.test, "test row", "test rows")
    );
    if !findings.transformer_is_better {
        out.push_str("- The transformer was not shown to be better than the best baseline.\n");
    }
    if let Some(calibration) = &findings.calibration {
        let _ = writeln!(
            out,
            "- Its probabilities are off by {} on average (expected calibration error).",
            numbers::fixed(calibration.expected_calibration_error.value, 3)
        );
    }
    if let Some(decisions) = &findings.decisions {
        promises(out, decisions);
    }
    out.push_str("- Nobody has examined it for fairness between groups of people.\n\n");
}

/// What its decisions were measured to do.
fn promises(out: &mut String, decisions: &DecisionFindings) {
    if let Some(conformal) = &decisions.conformal {
        let what = match conformal.empty_single_several {
            Some(_) => "sets of classes",
            None => "intervals",
        };
        let _ = writeln!(
            out,
            "- Its {} {what} held the truth in {} of the test rows.",
            numbers::share(conformal.level, 1.0),
            numbers::share(conformal.coverage.value, 1.0)
        );
    }
    if let Some(rule) = &decisions.rule {
        let missed = if rule.reached {
            ""
        } else {
            ", which was not reached on held-out rows"
        };
        let _ = writeln!(
            out,
            "- It decides for the positive class at a probability of {} or more ({}{missed}): on the test rows \
             {} of its alerts were right, and it found {} of the positive rows.",
            numbers::fixed(rule.threshold, 3),
            escape::markdown(&rule.aim),
            numbers::share(rule.precision.value, 1.0),
            numbers::share(rule.recall.value, 1.0)
        );
    }
}

fn data(out: &mut String, findings: &Findings) {
    let data = &findings.data;
    let _ = write!(
        out,
        "## Data\n\n{} rows: {} training, {} validation, {} test. Split: {}.\n\n",
        numbers::count(data.rows),
        numbers::count(data.train),
        numbers::count(data.validation),
        numbers::count(data.test),
        escape::markdown(&data.split)
    );
    for source in &data.sources {
        let _ = writeln!(out, "- {}", escape::markdown(source));
    }
    if !data.sources.is_empty() {
        out.push('\n');
    }
    out.push_str(
        "| Column | Role | Type | Missing | Distinct | Range |\n|---|---|---|---:|---:|---|\n",
    );
    for column in data.columns.iter().take(COLUMNS) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            escape::markdown(&escape::shorten(&column.name, 80)),
            escape::markdown(&column.role),
            escape::markdown(&column.column_type),
            numbers::share(column.missing as f64, data.rows as f64),
            numbers::count(column.distinct),
            escape::markdown(&escape::shorten(&column.range, 120))
        );
    }
    if data.columns.len() > COLUMNS {
        let _ = write!(
            out,
            "\nAnd {} more columns.\n",
            numbers::count((data.columns.len() - COLUMNS) as u64)
        );
    }
    out.push('\n');
}

/// Members by metrics, with intervals.
fn scores(out: &mut String, findings: &Findings) {
    let mut names: Vec<&str> = findings
        .scoreboard
        .iter()
        .flat_map(|member| member.metrics.keys().map(String::as_str))
        .collect();
    names.sort_by_key(|name| (metric::order(name), *name));
    names.dedup();
    if names.is_empty() {
        return;
    }
    out.push_str("## Scores on the test rows\n\nValue and 95% interval.\n\n| Metric |");
    for member in &findings.scoreboard {
        let _ = write!(out, " {} |", escape::markdown(&member.model));
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(findings.scoreboard.len()));
    out.push('\n');
    for name in names {
        let metric = Metric::named(name);
        let _ = write!(out, "| {} |", escape::markdown(&metric.label));
        for member in &findings.scoreboard {
            match member.metrics.get(name) {
                Some(estimate) => {
                    let _ = write!(
                        out,
                        " {} ({}) |",
                        metric.show(estimate.value),
                        metric.interval(estimate)
                    );
                }
                None => {
                    let _ = write!(out, " {} |", numbers::NOTHING);
                }
            }
        }
        out.push('\n');
    }
    out.push('\n');
}

fn settings(out: &mut String, member: &Member) {
    let _ = write!(
        out,
        "## Training\n\nTrained with {}.\n\n",
        numbers::counted(member.seeds as u64, "seed", "seeds")
    );
    for (name, value) in &member.settings {
        let _ = writeln!(
            out,
            "- {}: {}",
            escape::markdown(name),
            escape::markdown(value)
        );
    }
    if !member.settings.is_empty() {
        out.push('\n');
    }
}

fn warnings(out: &mut String, findings: &Findings) {
    if findings.warnings.is_empty() {
        return;
    }
    out.push_str("## What was wrong with the data\n\n");
    for warning in &findings.warnings {
        let _ = writeln!(
            out,
            "- {} → {}",
            escape::markdown(&warning.message),
            escape::markdown(&warning.action)
        );
    }
    out.push('\n');
}
