//! Decisions on the test rows, and what more rows to learn from would bring.

use minijinja::{Value, context};

use crate::explain::{CostsFound, Coverage, Estimate, Findings, RuleFound};
use crate::report::metric::Metric;
use crate::report::numbers;

/// Sets and intervals, the threshold, budgets of alerts, abstention; `None` where nothing was decided.
pub(super) fn section(findings: &Findings) -> Option<Value> {
    let decisions = findings.decisions.as_ref()?;
    let budgets: Vec<Value> = decisions
        .budgets
        .iter()
        .map(|budget| {
            context! {
                share => percent(budget.share),
                rows => numbers::count(budget.rows),
                precision => percent(budget.precision),
                recall => percent(budget.recall),
            }
        })
        .collect();
    let answered: Vec<Value> = decisions
        .answered
        .iter()
        .map(|point| {
            context! {
                share => percent(point.share),
                error => percent(point.error.value),
                interval => interval(&point.error),
            }
        })
        .collect();
    Some(context! {
        chosen => findings.chosen.as_str(),
        positive => findings.positive_class.as_deref(),
        calibrated => decisions.calibrated.as_deref(),
        is_grouped => decisions.is_grouped,
        conformal => decisions.conformal.as_ref().map(|found| conformal(found, findings)),
        rule => decisions.rule.as_ref().map(rule),
        costs => decisions.costs.as_ref().map(costs),
        budgets => budgets,
        answered => answered,
        abstain => decisions.abstain.map(|found| context! {
            max_error => percent(found.max_error),
            confidence => (found.confidence <= 1.0).then(|| numbers::fixed(found.confidence, 3)),
            answered => percent(found.answered),
            error => found.error.map(|error| percent(error.value)),
            interval => found.error.as_ref().map(interval),
        }),
    })
}

fn conformal(found: &Coverage, findings: &Findings) -> Value {
    let is_number = found.empty_single_several.is_none();
    context! {
        is_number => is_number,
        level => percent(found.level),
        coverage => percent(found.coverage.value),
        interval => interval(&found.coverage),
        size => if is_number { numbers::plain(found.mean_size) } else { numbers::fixed(found.mean_size, 2) },
        target => findings.data.target.as_str(),
        empty => found.empty_single_several.map(|shares| percent(shares[0])),
        single => found.empty_single_several.map(|shares| percent(shares[1])),
        several => found.empty_single_several.map(|shares| percent(shares[2])),
        fitted_on => numbers::count(found.fitted_on),
        reading => reading(found),
    }
}

/// Whether what was promised lies in what was measured.
fn reading(found: &Coverage) -> &'static str {
    if found.coverage.high < found.level {
        "That is less than promised: the test rows are not like those that the limit was fitted on."
    } else if found.coverage.low > found.level {
        "That is more than promised: they are wider than they need be."
    } else {
        "That agrees with what was promised."
    }
}

fn rule(found: &RuleFound) -> Value {
    context! {
        aim => found.aim.as_str(),
        threshold => numbers::fixed(found.threshold, 4),
        reached => found.reached,
        precision => percent(found.precision.value),
        precision_interval => interval(&found.precision),
        recall => percent(found.recall.value),
        recall_interval => interval(&found.recall),
        alerts => numbers::count(found.test.n_alerts()),
        rows => numbers::count(found.test.n_rows()),
        held_precision => percent(found.held_out.precision()),
        held_recall => percent(found.held_out.recall()),
        held_cost => found.costs.map(|(held, _)| numbers::plain(held)),
        cost => found.costs.map(|(_, test)| numbers::plain(test)),
    }
}

fn costs(found: &CostsFound) -> Value {
    let between = |estimate: &Estimate| {
        format!(
            "{} to {}",
            numbers::plain(estimate.low),
            numbers::plain(estimate.high)
        )
    };
    context! {
        decided => numbers::plain(found.decided.value),
        decided_interval => between(&found.decided),
        most_probable => numbers::plain(found.most_probable),
        saved => numbers::plain(found.saved.value),
        saved_interval => between(&found.saved),
        constant => found.constant.0.as_str(),
        constant_cost => numbers::plain(found.constant.1),
        changed => numbers::count(found.changed),
        is_dearer_than_constant => found.constant.1 < found.decided.value,
        is_beyond_chance => found.saved.low > 0.0,
    }
}

/// The score by the number of rows learned from.
pub(super) fn row_curve(findings: &Findings) -> Option<Value> {
    let curve = findings.row_curve.as_ref()?;
    let metric = Metric::named(&findings.selection_metric);
    let points: Vec<Value> = curve
        .points
        .iter()
        .map(|point| {
            context! {
                rows => numbers::count(point.rows),
                score => metric.show(point.score),
                error => point.error.map(|error| metric.show(error)),
            }
        })
        .collect();
    Some(context! {
        model => curve.model.as_str(),
        metric => metric.in_sentence(),
        points => points,
        next => curve.next_doubling.map(|gain| metric.signed(gain)),
    })
}

fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn interval(estimate: &Estimate) -> String {
    format!("{} to {}", percent(estimate.low), percent(estimate.high))
}
