//! The confusion matrix and the scores of every class.

use minijinja::{Value, context};

use super::{drawn, folded};
use crate::explain::{ClassScore, Confusion, Estimate, Findings};
use crate::report::metric::Metric;
use crate::report::{escape, numbers, svg};

/// More classes than this become a heat map and a list of pairs.
const TABLE_CLASSES: usize = 12;
/// Pairs of classes in the list.
const PAIRS: usize = 15;
/// Class scores shown before the rest is folded.
const SHOWN: usize = 12;

/// Confusion and class scores of the chosen member; `None` without either.
pub(super) fn section(findings: &Findings) -> Option<Value> {
    if findings.confusion.is_none() && findings.class_scores.is_empty() {
        return None;
    }
    Some(context! {
        chosen => findings.chosen.as_str(),
        confusion => findings.confusion.as_ref().map(confusion),
        scores => scores(findings),
    })
}

fn confusion(confusion: &Confusion) -> Value {
    let rows = confusion.counts.iter().flatten().sum::<u64>();
    let right = confusion
        .counts
        .iter()
        .enumerate()
        .filter_map(|(i, row)| row.get(i))
        .sum::<u64>();
    let summary = format!(
        "{} of {} predicted right",
        numbers::count(right),
        numbers::counted(rows, "test row", "test rows")
    );
    if confusion.classes.len() <= TABLE_CLASSES {
        context! { summary => summary, classes => confusion.classes.iter().map(|name| folded(name, 40)).collect::<Vec<_>>(), rows => cells(confusion) }
    } else {
        let message = format!(
            "Confusion matrix of {} classes: {summary}",
            confusion.classes.len()
        );
        context! {
            summary => summary,
            pairs => pairs(confusion),
            class_count => numbers::count(confusion.classes.len() as u64),
            map => drawn(svg::heat::map(confusion, &message)),
        }
    }
}

fn cells(confusion: &Confusion) -> Vec<Value> {
    let named = confusion.classes.iter().zip(&confusion.counts).enumerate();
    named
        .map(|(truth, (name, counts))| {
            let total = counts.iter().sum::<u64>();
            let cells: Vec<Value> = counts
                .iter()
                .enumerate()
                .map(|(predicted, &count)| {
                    let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
                    let level = (share * 9.0).round() as usize;
                    context! {
                        count => numbers::count(count),
                        share => numbers::share(count as f64, total as f64),
                        class => format!("{} h{}", if predicted == truth { "right" } else { "wrong" }, if count > 0 { level.max(1) } else { 0 }),
                    }
                })
                .collect();
            context! { name => folded(name, 40), cells => cells, total => numbers::count(total) }
        })
        .collect()
}

/// The pairs that were mistaken most often.
fn pairs(confusion: &Confusion) -> Vec<Value> {
    let mut pairs: Vec<(u64, f64, usize, usize)> = Vec::new();
    for (truth, counts) in confusion.counts.iter().enumerate() {
        let total = counts.iter().sum::<u64>() as f64;
        for (predicted, &count) in counts
            .iter()
            .enumerate()
            .filter(|(predicted, count)| *predicted != truth && **count > 0)
        {
            pairs.push((count, count as f64 / total, truth, predicted));
        }
    }
    pairs.sort_by(|a, b| {
        b.0.cmp(&a.0)
            .then(b.1.total_cmp(&a.1))
            .then((a.2, a.3).cmp(&(b.2, b.3)))
    });
    let name = |i: usize| folded(confusion.classes.get(i).map_or("?", String::as_str), 60);
    pairs
        .into_iter()
        .take(PAIRS)
        .map(|(count, share, truth, predicted)| {
            context! {
                truth => name(truth),
                predicted => name(predicted),
                count => numbers::count(count),
                share => numbers::share(share, 1.0),
                width => format!("{:.1}", share * 100.0),
            }
        })
        .collect()
}

fn scores(findings: &Findings) -> Option<Value> {
    let mut order: Vec<&ClassScore> = findings.class_scores.iter().collect();
    if order.is_empty() {
        return None;
    }
    let many = order.len() > SHOWN + 3;
    if many {
        // Of many classes the weak ones are what a reader looks for.
        order.sort_by(|a, b| a.f1.value.total_cmp(&b.f1.value));
    }
    let estimates = findings
        .class_scores
        .iter()
        .flat_map(|score| [&score.precision, &score.recall, &score.f1]);
    let domain = svg::interval::domain(estimates);
    let domain = (domain.0.max(-0.02), domain.1.min(1.02));
    let mut rows: Vec<Value> = order
        .into_iter()
        .map(|score| {
            context! {
                name => folded(&score.class, 60),
                positive => findings.positive_class.as_deref() == Some(score.class.as_str()),
                support => numbers::count(score.support),
                cells => vec![
                    cell(score, "precision", &score.precision, domain),
                    cell(score, "recall", &score.recall, domain),
                    cell(score, "f1", &score.f1, domain),
                ],
            }
        })
        .collect();
    let rest = if many {
        rows.split_off(SHOWN)
    } else {
        Vec::new()
    };
    let foot = drawn(svg::interval::foot(
        domain,
        "Scale of precision, recall and F1",
    ));
    Some(context! { rows => rows, more => rest, many => many, foot => foot })
}

fn cell(score: &ClassScore, name: &str, estimate: &Estimate, domain: (f64, f64)) -> Value {
    let metric = Metric::named(name);
    let message = format!(
        "{}: {} {}, 95% interval {}",
        escape::shorten(&score.class, 60),
        metric.in_sentence(),
        metric.show(estimate.value),
        metric.interval(estimate)
    );
    let drawing = svg::interval::Cell {
        estimate,
        seeds: &[],
        reference: None,
        class: "s0",
    };
    context! {
        value => metric.show(estimate.value),
        interval => metric.interval(estimate),
        chart => drawn(svg::interval::cell(&drawing, domain, &message)),
    }
}
