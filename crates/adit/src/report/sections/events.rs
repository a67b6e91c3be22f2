//! Histories with the events that raised and lowered their scores.

use minijinja::{Value, context};

use super::drawn;
use crate::explain::{EventReasons, ExplainedEvent, ExplainedHistory, Findings};
use crate::report::numbers;
use crate::report::svg::timeline;

/// Events that are told of each kind.
const TOLD: usize = 4;

/// One card per history; `None` where no histories were read.
pub(super) fn section(findings: &Findings) -> Option<Value> {
    let reasons = findings.event_reasons.as_ref()?;
    if reasons.histories.is_empty() {
        return None;
    }
    let histories: Vec<Value> = (reasons.histories.iter())
        .map(|history| card(history, reasons))
        .collect();
    let models = match reasons.models {
        0 | 1 => String::new(),
        n => format!("The member is the mean of {n} models; the first of them is explained here."),
    };
    Some(context! {
        highest => numbers::count(reasons.histories.len() as u64 - reasons.lowest.min(reasons.histories.len() as u64)),
        lowest => (reasons.lowest > 0).then(|| numbers::count(reasons.lowest)),
        model => reasons.model.as_str(),
        class => reasons.class.as_deref(),
        reads_columns => reasons.reads_columns,
        is_chosen => findings.chosen == reasons.model,
        is_log_odds => reasons.is_log_odds,
        histories => histories,
        agreement => reasons.agreement.map(|r| numbers::fixed(r, 2)),
        incompleteness => format!("{}%", numbers::fixed(100.0 * reasons.incompleteness, 1)),
        models => models,
    })
}

fn card(history: &ExplainedHistory, reasons: &EventReasons) -> Value {
    let mut steps: Vec<Step> = steps(history);
    steps.sort_by(|a, b| b.change().total_cmp(&a.change()));
    let raised = steps.iter().filter(|step| step.change() > 0.0);
    let lowered = steps.iter().rev().filter(|step| step.change() < 0.0);
    let name = match history.entity.as_str() {
        "" => format!("row {}", history.row),
        name => name.to_string(),
    };
    let message = format!(
        "The score of {name} as its {} events came, from {} to {}",
        history.events.len(),
        score(history.before, reasons),
        score(history.output, reasons)
    );
    let told = |step: &Step| {
        context! {
            before => score(step.before, reasons),
            after => score(step.event.after, reasons),
            at => step.event.at.as_str(),
            words => step.event.words.as_str(),
            occlusion => signed(step.event.occlusion),
        }
    };
    context! {
        name => name,
        truth => history.truth.as_str(),
        output => score(history.output, reasons),
        before => score(history.before, reasons),
        chart => drawn(timeline::timeline(history, &|output| score(output, reasons), &message)),
        raised => raised.take(TOLD).map(told).collect::<Vec<_>>(),
        lowered => lowered.take(TOLD).map(told).collect::<Vec<_>>(),
    }
}

/// An event and the output before it came.
struct Step<'a> {
    event: &'a ExplainedEvent,
    before: f64,
}

impl Step<'_> {
    fn change(&self) -> f64 {
        self.event.after - self.before
    }
}

fn steps(history: &ExplainedHistory) -> Vec<Step<'_>> {
    let mut before = history.before;
    let step = |event| {
        let step = Step { event, before };
        before = step.event.after;
        step
    };
    history.events.iter().map(step).collect()
}

fn score(output: f64, reasons: &EventReasons) -> String {
    if !reasons.is_log_odds {
        return numbers::plain(output);
    }
    let probability = 1.0 / (1.0 + (-output).exp());
    format!("{}%", numbers::fixed(100.0 * probability, 1))
}

fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{}", numbers::plain(value.abs()))
}
