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
        count => numbers::count(reasons.histories.len() as u64),
        model => reasons.model.as_str(),
        class => reasons.class.as_deref(),
        reads_columns => reasons.reads_columns,
        is_chosen => findings.chosen == reasons.model,
        unit => if reasons.is_log_odds { "the log-odds" } else { "the score" },
        score => if reasons.is_log_odds { "log-odds" } else { "score" },
        histories => histories,
        agreement => match reasons.agreement {
            Some(r) => format!("agree with this at a correlation of {}", numbers::fixed(r, 2)),
            None => "say the same".to_string(),
        },
        incompleteness => format!("{}%", numbers::fixed(100.0 * reasons.incompleteness, 1)),
        models => models,
    })
}

fn card(history: &ExplainedHistory, reasons: &EventReasons) -> Value {
    let mut order: Vec<&ExplainedEvent> = history.events.iter().collect();
    order.sort_by(|a, b| b.occlusion.total_cmp(&a.occlusion));
    let raised = order.iter().filter(|event| event.occlusion > 0.0);
    let lowered = order.iter().rev().filter(|event| event.occlusion < 0.0);
    let message = format!(
        "The {} events of {}, by what they did to the score",
        history.events.len(),
        history.entity
    );
    context! {
        name => if history.entity.is_empty() { format!("row {}", history.row) } else { history.entity.clone() },
        truth => history.truth.as_str(),
        output => score(history.output, reasons),
        baseline => score(history.baseline, reasons),
        chart => drawn(timeline::timeline(&history.events, &message)),
        raised => raised.take(TOLD).map(|event| told(event)).collect::<Vec<_>>(),
        lowered => lowered.take(TOLD).map(|event| told(event)).collect::<Vec<_>>(),
    }
}

fn score(output: f64, reasons: &EventReasons) -> String {
    if reasons.is_log_odds {
        let probability = 1.0 / (1.0 + (-output).exp());
        let percent = numbers::fixed(100.0 * probability, 1);
        return format!("{} ({percent}%)", numbers::fixed(output, 2));
    }
    numbers::plain(output)
}

fn told(event: &ExplainedEvent) -> Value {
    context! {
        effect => numbers::plain(event.occlusion.abs()),
        at => event.at.as_str(),
        words => event.words.as_str(),
    }
}
