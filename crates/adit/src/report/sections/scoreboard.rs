//! The scoreboard: members by metrics, each value with its interval.

use minijinja::{Value, context};

use super::{Colours, drawn, ranked, role_name};
use crate::explain::{Estimate, Findings, Member, MemberRole};
use crate::report::metric::{self, Metric};
use crate::report::{numbers, svg};

/// Metrics that get a column of their own.
const MAIN: usize = 3;

/// The table, or `None` without members.
pub(super) fn section(findings: &Findings, colours: &Colours) -> Option<Value> {
    let members = ranked(findings);
    if members.is_empty() {
        return None;
    }
    let columns: Vec<Column<'_>> = main_metrics(findings)
        .into_iter()
        .map(|name| Column::of(name, &members))
        .collect();
    let rows: Vec<Value> = members
        .iter()
        .map(|member| row(findings, member, &columns, colours))
        .collect();
    let heads: Vec<Value> = columns
        .iter()
        .map(|column| {
            context! {
                label => column.metric.label.as_str(),
                sorted => column.name == findings.selection_metric,
                arrow => if column.metric.more_is_better { "↑" } else { "↓" },
                better => if column.metric.more_is_better { "more is better" } else { "less is better" },
                foot => drawn(svg::interval::foot(column.domain, &format!("Scale of {}", column.metric.in_sentence()))),
            }
        })
        .collect();
    let has_reference = columns.iter().any(|column| column.reference.is_some());
    Some(context! {
        heads => heads,
        rows => rows,
        has_reference => has_reference,
        has_seeds => members.iter().any(|member| member.seeds > 1),
        selection => Metric::named(&findings.selection_metric).in_sentence(),
        all => all(&members),
    })
}

/// A metric with the scale of its column.
struct Column<'a> {
    name: &'a str,
    metric: Metric,
    domain: (f64, f64),
    /// The best value of a member that is no transformer.
    reference: Option<f64>,
}

impl<'a> Column<'a> {
    fn of(name: &'a str, members: &[&Member]) -> Self {
        let metric = Metric::named(name);
        let estimates = |baseline: bool| {
            let part = members
                .iter()
                .filter(move |member| (member.role == MemberRole::Baseline) == baseline);
            part.filter_map(|member| member.metrics.get(name))
        };
        let simple = members
            .iter()
            .filter(|member| !matches!(member.role, MemberRole::Transformer | MemberRole::Blend))
            .filter_map(|member| member.metrics.get(name))
            .map(|estimate| estimate.value)
            .filter(|value| value.is_finite());
        let reference = simple.reduce(|best, value| {
            if metric.more_is_better {
                best.max(value)
            } else {
                best.min(value)
            }
        });
        Self {
            name,
            domain: svg::interval::focused(estimates(false), estimates(true)),
            reference,
            metric,
        }
    }
}

/// The selection metric, then the first others that a reader expects for the task.
fn main_metrics(findings: &Findings) -> Vec<&str> {
    let wished: &[&str] = if findings.task == "regress" {
        &["rmse", "mae", "r2"]
    } else {
        &[
            "accuracy",
            "f1",
            "f1_macro",
            "roc_auc",
            "balanced_accuracy",
            "log_loss",
        ]
    };
    let mut names = vec![findings.selection_metric.as_str()];
    for &name in wished {
        let is_known = findings
            .scoreboard
            .iter()
            .any(|member| member.metrics.contains_key(name));
        if is_known && !names.contains(&name) && names.len() < MAIN {
            names.push(name);
        }
    }
    names
}

fn row(findings: &Findings, member: &Member, columns: &[Column<'_>], colours: &Colours) -> Value {
    let class = colours.class(&member.model);
    let cells: Vec<Value> = columns
        .iter()
        .map(|column| cell(member, column, class))
        .collect();
    let metric = Metric::named(&findings.selection_metric);
    let spread = member
        .spread
        .get(&findings.selection_metric)
        .map(|spread| metric.show(*spread));
    let settings: Vec<Value> = member
        .settings
        .iter()
        .map(|(name, value)| context! { name => name.as_str(), value => value.as_str() })
        .collect();
    context! {
        model => member.model.as_str(),
        role => role_name(member.role),
        class => class,
        chosen => member.model == findings.chosen,
        cells => cells,
        seeds => numbers::counted(member.seeds as u64, "model", "models"),
        spread => spread,
        train => member.train_score.map(|score| metric.show(score)),
        validation => member.validation_score.map(|score| metric.show(score)),
        gap => gap(member, &metric),
        time => numbers::duration(member.seconds),
        memory => (member.peak_bytes > 0).then(|| numbers::bytes(member.peak_bytes)),
        folds => folds(member, &metric),
        settings => settings,
    }
}

/// The lowest and the highest score over folds, where rows were held out in turn.
fn folds(member: &Member, metric: &Metric) -> Option<String> {
    let scores = member.fold_scores.iter().copied();
    let low = scores.clone().reduce(f64::min)?;
    let high = scores.reduce(f64::max)?;
    let n = member.fold_scores.len();
    (n > 1).then(|| {
        format!(
            "{} to {} over {n} folds",
            metric.show(low),
            metric.show(high)
        )
    })
}

/// How much worse the validation rows are than the training rows.
fn gap(member: &Member, metric: &Metric) -> Option<String> {
    let difference = member.validation_score? - member.train_score?;
    Some(metric.signed(difference))
}

fn cell(member: &Member, column: &Column<'_>, class: &str) -> Value {
    let Some(estimate) = member.metrics.get(column.name) else {
        return context! {};
    };
    let metric = &column.metric;
    let seeds = member
        .by_seed
        .get(column.name)
        .map_or(&[][..], Vec::as_slice);
    let message = format!(
        "{}: {} {}, 95% interval {}",
        member.model,
        metric.in_sentence(),
        metric.show(estimate.value),
        metric.interval(estimate)
    );
    let seeds = if seeds.len() > 1 { seeds } else { &[] };
    let drawing = svg::interval::Cell {
        estimate,
        seeds,
        reference: column.reference,
        class,
    };
    context! {
        value => metric.show(estimate.value),
        interval => metric.interval(estimate),
        chart => drawn(svg::interval::cell(&drawing, column.domain, &message)),
    }
}

/// Every metric of every member.
fn all(members: &[&Member]) -> Value {
    let mut names: Vec<&str> = members
        .iter()
        .flat_map(|member| member.metrics.keys().map(String::as_str))
        .collect();
    names.sort_by_key(|name| (metric::order(name), *name));
    names.dedup();
    let rows: Vec<Value> = names
        .iter()
        .map(|name| {
            let metric = Metric::named(name);
            let best = best(members, name, &metric);
            let cells: Vec<Value> = members
                .iter()
                .map(|member| match member.metrics.get(*name) {
                    None => context! {},
                    Some(estimate) => context! {
                        value => metric.show(estimate.value),
                        interval => metric.interval(estimate),
                        spread => member.spread.get(*name).map(|spread| metric.show(*spread)),
                        best => best == Some(metric.show(estimate.value)),
                    },
                })
                .collect();
            context! {
                label => metric.label.as_str(),
                arrow => if metric.more_is_better { "↑" } else { "↓" },
                cells => cells,
            }
        })
        .collect();
    let models: Vec<Value> = members
        .iter()
        .map(|member| Value::from(&member.model))
        .collect();
    context! { models => models, rows => rows }
}

/// The best value of a metric as it is shown, so that equal looks are equally marked.
fn best(members: &[&Member], name: &str, metric: &Metric) -> Option<String> {
    let values = members
        .iter()
        .filter_map(|member| member.metrics.get(name))
        .map(|e: &Estimate| e.value);
    let best = values
        .filter(|value| value.is_finite())
        .reduce(|best, value| {
            if metric.more_is_better {
                best.max(value)
            } else {
                best.min(value)
            }
        });
    best.map(|value| metric.show(value))
}
