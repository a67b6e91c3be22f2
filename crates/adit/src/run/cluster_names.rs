//! The conditions that tell each cluster apart: rules that lead to it, paid for like any others.

use super::{Context, RunError};
use crate::explain::{ToldBy, share_estimate};
use crate::mine::rules::{Guard, JudgedRule, RuleSettings, Together, searched_half};
use crate::prepare::{self, Role, RowColumn, Rows, Values};
use crate::represent::baskets;
use crate::represent::cutting::{Classes, Cutting};

use super::patterns::MIB;

/// Rows that rules are searched in, at most.
const MOST_ROWS: usize = 20_000;
/// Parts that numbers are cut into where clusters do not say where.
const PARTS: usize = 4;
/// Columns up to which four conditions are tried together, else three.
const FEW_COLUMNS: usize = 12;
/// A rule has to hold of so large a share of the smallest cluster.
const LEAST_RECALL: f64 = 0.3;
/// A longer rule has to be better by this.
const WORTH: f64 = 0.02;
/// The column of clusters, which no file has.
const COLUMN: &str = "(cluster)";

/// What tells each cluster apart; `None` where no rule to it survives.
///
/// # Errors
/// `Interrupted`.
pub(super) fn conditions(
    rows: &Rows,
    columns: &[&RowColumn],
    (labels, n_clusters): (&[Option<u32>], usize),
    seed: u64,
    context: &Context,
) -> Result<Vec<Option<ToldBy>>, RunError> {
    let names: Vec<&str> = (columns.iter())
        .filter(|c| matches!(c.role, Role::Number | Role::Category))
        .map(|c| c.name.as_str())
        .collect();
    let nothing = vec![None; n_clusters];
    if names.is_empty() || n_clusters < 2 {
        return Ok(nothing);
    }
    let step = rows.n_rows().div_ceil(MOST_ROWS).max(1);
    let some: Vec<usize> = (0..rows.n_rows()).step_by(step).collect();
    let mut thinned = prepare::subset(rows, &some);
    thinned.columns.retain(|c| names.contains(&c.name.as_str()));
    let of_row: Vec<Option<u32>> = some.iter().map(|&row| labels[row]).collect();
    let name_of = |label: &Option<u32>| label.map(|label| format!("c{label}"));
    thinned.columns.push(RowColumn {
        name: COLUMN.into(),
        role: Role::Category,
        values: Values::Strings(of_row.iter().map(name_of).collect()),
    });
    let columns: Vec<&RowColumn> = thinned.columns.iter().collect();
    let half = searched_half(some.len(), seed);
    let classes = Classes {
        of_row: &of_row,
        column: COLUMN,
        rows: &half,
    };
    let cutting = Cutting::of(&columns, PARTS, Some(classes));
    let baskets = baskets::of_rows(&thinned, &columns, cutting);
    let transactions = &baskets.transactions;
    let target_of = |cluster: usize| {
        let wanted = format!("{COLUMN} = c{cluster}");
        let place = transactions.names().iter().position(|name| *name == wanted);
        place.map(|place| place as u32)
    };
    let targets: Vec<Option<u32>> = (0..n_clusters).map(target_of).collect();
    let size = |cluster: usize| {
        of_row
            .iter()
            .filter(|l| **l == Some(cluster as u32))
            .count()
    };
    let smallest = (0..n_clusters)
        .map(size)
        .filter(|n| *n > 0)
        .min()
        .unwrap_or(1);
    let share = smallest as f64 / some.len() as f64;
    let settings = RuleSettings {
        min_support: (share * LEAST_RECALL).max(2.0 / some.len() as f64).min(1.0),
        min_confidence: 0.0,
        max_items: if names.len() <= FEW_COLUMNS { 5 } else { 4 },
        targets: Some(targets.iter().flatten().copied().collect()),
        groups: Vec::new(),
        top: None,
        guard: Guard::Holdout,
        level: 0.05,
        seed,
        memory: 512 * MIB,
    };
    let goes_on = |_: usize, _: usize| !context.watch.cancelled();
    let found = settings.mine(transactions, None, &goes_on)?;
    let told = |target: &Option<u32>| {
        let own = found
            .kept
            .iter()
            .filter(|j| Some(j.rule.consequent) == *target);
        best(own).map(|judged| told_by(judged, transactions.names()))
    };
    Ok(targets.iter().map(told).collect())
}

/// The rule that says most of who is in and who is not on the rows that were searched, so that the others judge it as any;
/// of nearly equal ones the shortest.
fn best<'a>(rules: impl Iterator<Item = &'a JudgedRule>) -> Option<&'a JudgedRule> {
    let mut best: Option<(&JudgedRule, f64)> = None;
    let mut all: Vec<&JudgedRule> = rules.collect();
    all.sort_by(|a, b| {
        let by_length = a.rule.antecedent.len().cmp(&b.rule.antecedent.len());
        by_length.then_with(|| a.rule.antecedent.cmp(&b.rule.antecedent))
    });
    for judged in all {
        let value = f1(judged);
        let longer =
            best.is_some_and(|(b, _)| judged.rule.antecedent.len() > b.rule.antecedent.len());
        let bar = best.map_or(0.0, |(_, v)| v + if longer { WORTH } else { 0.0 });
        if value > bar {
            best = Some((judged, value));
        }
    }
    best.map(|(judged, _)| judged)
}

/// Harmonic mean of precision and recall, on the rows that were searched.
fn f1(judged: &JudgedRule) -> f64 {
    let all = &judged.rule.counts;
    let held = judged.held_out.as_ref().map(|rule| &rule.counts);
    let of = |count: fn(&Together) -> u64| count(all) - held.map_or(0, count).min(count(all));
    2.0 * of(|t| t.both) as f64 / (of(|t| t.one) + of(|t| t.other)).max(1) as f64
}

fn told_by(judged: &JudgedRule, names: &[String]) -> ToldBy {
    let rule = judged.held_out.as_ref().unwrap_or(&judged.rule);
    let t = &rule.counts;
    ToldBy {
        conditions: (rule
            .antecedent
            .iter()
            .map(|&item| names[item as usize].clone()))
        .collect(),
        precision: share_estimate(t.both, t.one),
        recall: share_estimate(t.both, t.other),
        p_value: judged.p_value(),
    }
}
