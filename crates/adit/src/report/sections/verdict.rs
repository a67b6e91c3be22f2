//! The verdict, the key difference, and the paired test in words.

use minijinja::{Value, context};

use super::drawn;
use crate::explain::{Cost, Estimate, Findings, Member, PairedTest};
use crate::report::metric::Metric;
use crate::report::{numbers, svg};

/// The head of the page.
pub(super) fn section(findings: &Findings, cost: &Cost) -> Value {
    let chosen = findings
        .scoreboard
        .iter()
        .find(|member| member.model == findings.chosen);
    context! {
        sentence => findings.verdict.as_str(),
        better => findings.transformer_is_better,
        task => if findings.task == "regress" { "regression" } else { "classification" },
        target => findings.data.target.as_str(),
        difference => findings.paired_test.as_ref().map(difference),
        facts => facts(findings, chosen, cost),
    }
}

fn facts(findings: &Findings, chosen: Option<&Member>, cost: &Cost) -> Vec<Value> {
    let metric = Metric::named(&findings.selection_metric);
    let mut facts = vec![context! {
        name => "Chosen",
        value => findings.chosen.as_str(),
        note => chosen.map(|member| format!("{}, chosen on held-out rows", super::role_name(member.role))),
    }];
    if let Some(estimate) = chosen.and_then(|member| member.metrics.get(&findings.selection_metric))
    {
        facts.push(context! {
            name => format!("{} on test rows", metric.label),
            value => metric.show(estimate.value),
            note => format!("95% interval {}", metric.interval(estimate)),
        });
    }
    let data = &findings.data;
    facts.push(context! {
        name => "Rows",
        value => numbers::count(data.rows),
        note => format!(
            "{} train, {} validation, {} test",
            numbers::count(data.train),
            numbers::count(data.validation),
            numbers::count(data.test)
        ),
    });
    facts.push(context! {
        name => "Cost",
        value => numbers::duration(cost.seconds),
        note => format!("{} of memory at the peak", numbers::bytes(cost.peak_rss_bytes)),
    });
    facts
}

fn difference(test: &PairedTest) -> Value {
    let metric = Metric::named(&test.metric);
    let estimate = &test.difference;
    let shown = Oriented::of(&metric, estimate);
    let message = format!(
        "{} in {} of {} over {}: {}, 95% interval {}, {}",
        shown.noun,
        metric.in_sentence(),
        test.better,
        test.worse,
        shown.value,
        shown.interval,
        numbers::p_value(test.p_value)
    );
    let sides = ("← worse", "better →");
    let label = format!("{} in {}", shown.noun, metric.in_sentence());
    context! {
        value => if metric.more_is_better { shown.value } else { metric.show(estimate.value.abs()) },
        metric => if metric.more_is_better { metric.in_sentence() } else { format!("{} {}", shown.direction, metric.in_sentence()) },
        better => test.better.as_str(),
        worse => test.worse.as_str(),
        interval => shown.interval,
        p => numbers::p_value(test.p_value),
        chart => drawn(svg::interval::difference(estimate, sides, &label, &message)),
    }
}

/// The paired test in three sentences.
pub(super) fn paired(findings: &Findings) -> Option<Value> {
    let test = findings.paired_test.as_ref()?;
    let metric = Metric::named(&test.metric);
    let estimate = &test.difference;
    let shown = Oriented::of(&metric, estimate);
    Some(context! {
        rows => numbers::counted(findings.data.test, "test row", "test rows"),
        better => test.better.as_str(),
        worse => test.worse.as_str(),
        metric => metric.in_sentence(),
        size => metric.show(estimate.value.abs()),
        direction => shown.direction,
        noun => shown.noun,
        interval => shown.interval,
        p => numbers::p_value(test.p_value),
        test => test.test.as_str(),
        reading => reading(estimate),
        chance => chance(test.p_value),
    })
}

/// A difference that is positive where the first model is better, in words: for an error, less
/// is better, so a positive difference is an improvement rather than a higher value.
struct Oriented {
    value: String,
    interval: String,
    noun: &'static str,
    direction: &'static str,
}

impl Oriented {
    fn of(metric: &Metric, difference: &Estimate) -> Self {
        Self {
            value: metric.signed(difference.value),
            interval: format!(
                "{} to {}",
                metric.signed(difference.low),
                metric.signed(difference.high)
            ),
            noun: if metric.more_is_better {
                "difference"
            } else {
                "improvement"
            },
            direction: if metric.more_is_better == (difference.value >= 0.0) {
                "higher"
            } else {
                "lower"
            },
        }
    }
}

fn reading(difference: &Estimate) -> &'static str {
    if difference.low > 0.0 {
        "The whole interval lies above zero: chance alone does not explain the difference."
    } else if difference.high < 0.0 {
        "The whole interval lies below zero: chance alone does not explain the difference."
    } else {
        "The interval holds zero: these test rows do not show that one is better than the other."
    }
}

fn chance(p: f64) -> Option<String> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    let often = if p < 0.001 {
        "fewer than 1 of 1,000".to_string()
    } else if p < 0.095 {
        format!("about {} of 1,000", (p * 1000.0).round())
    } else {
        format!("about {} of 100", (p * 100.0).round())
    };
    Some(format!(
        "If both were equally good, a difference at least this large would come up in {often} such tests."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reading_follows_the_interval_not_the_value() {
        let read = |low, high| {
            reading(&Estimate {
                value: 0.1,
                low,
                high,
            })
        };
        assert!(read(0.01, 0.2).contains("above zero"));
        assert!(read(-0.01, 0.2).contains("holds zero"));
        assert!(read(-0.2, -0.1).contains("below zero"));
    }

    #[test]
    fn chance_is_told_in_counts() {
        assert!(chance(0.004).is_some_and(|text| text.contains("about 4 of 1,000")));
        assert!(chance(0.3).is_some_and(|text| text.contains("about 30 of 100")));
        assert_eq!(chance(f64::NAN), None);
    }
}
