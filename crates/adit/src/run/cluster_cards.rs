//! What is told of each cluster: names, examples, differences.

use std::collections::BTreeMap;

use super::RunError;
use super::cluster_job::ClusterJob;
use super::clusters::FoundClusters;
use super::points::LoadedPoints;
use crate::explain::{
    Cluster, ClusterFindings, ColumnOfClusters, Compared, Difference, Example, Holds, OverTime,
    Term, ToldBy, condition_words, name_of_differences, share_estimate, terms,
};
use crate::mine::clusters::Verdict;
use crate::prepare::{Role, RowColumn, Values};
use crate::represent::baskets::cell;

/// Differences of a cluster that are told, at most.
const DIFFERENCES: usize = 6;
/// Columns that are compared over all clusters, at most.
const COLUMNS: usize = 40;
/// Smaller effects are not worth a line.
const LEAST_EFFECT: f64 = 0.1;
const EXAMPLES: usize = 4;
/// Cells of an example.
const CELLS: usize = 8;
/// Terms of a cluster of texts.
const TERMS: usize = 10;
/// Texts whose words are counted, at most: pairs of words grow with them as fast as they do.
const TEXTS_COUNTED: usize = 100_000;
/// Terms in a name.
const NAME_TERMS: usize = 4;
/// Periods of a time line, at most.
const PERIODS: usize = 24;

/// Tells every cluster.
///
/// # Errors
/// None of its own.
pub(super) fn tell(
    job: &ClusterJob,
    loaded: &LoadedPoints,
    (found, told): (&FoundClusters, Vec<Option<ToldBy>>),
    findings: &mut ClusterFindings,
) -> Result<(), RunError> {
    let (labels, n_clusters) = (&found.found.labels, found.found.n_clusters);
    let n = labels.len() as u64;
    let compared: Vec<Compared> = loaded.own_columns().filter_map(Compared::of).collect();
    let by_column: Vec<Vec<Option<Difference>>> = compared
        .iter()
        .map(|c| c.differences(labels, n_clusters))
        .collect();
    findings.columns = columns(&compared, &by_column);
    let of_texts = terms_of(loaded, labels, n_clusters);
    let members = members(labels, n_clusters);
    for (at, (told_by, terms)) in told.into_iter().zip(of_texts).enumerate() {
        let size = found.sizes[at];
        let withheld = size < job.cluster.min_people;
        let differences = largest(&by_column, at);
        // Where no resample held any of it, nothing is known.
        let stability = (found.stability.get(at)).filter(|s| s.n_resamples > 0);
        let mut cluster = Cluster {
            number: at as u64 + 1,
            name: String::new(),
            told_by,
            terms,
            size,
            share: share_estimate(size, n),
            stability: stability.map(|s| s.mean),
            holds: stability.map_or(Holds::NotTold, |s| match s.verdict {
                Verdict::Holds => Holds::Holds,
                Verdict::Doubtful => Holds::Doubtful,
                Verdict::DoesNotHold => Holds::DoesNotHold,
            }),
            silhouette: found.silhouettes.get(at).copied().flatten(),
            withheld,
            differences,
            typical: Vec::new(),
            borderline: Vec::new(),
        };
        cluster.name = name(&cluster);
        if withheld {
            (cluster.told_by, cluster.terms, cluster.differences) = (None, Vec::new(), Vec::new());
        } else if loaded.of != "entities" {
            // Rows of entities are persons.
            let (typical, borderline) = examples(found, &members[at]);
            let tell = |rows: Vec<usize>| rows.into_iter().map(|row| member(loaded, row)).collect();
            (cluster.typical, cluster.borderline) = (tell(typical), tell(borderline));
        }
        findings.clusters.push(cluster);
    }
    Ok(())
}

/// Terms of each cluster of texts; of many texts by some of them.
fn terms_of(loaded: &LoadedPoints, labels: &[Option<u32>], n_clusters: usize) -> Vec<Vec<Term>> {
    if loaded.fitted.texts.is_none() {
        return vec![Vec::new(); n_clusters];
    }
    let step = labels.len().div_ceil(TEXTS_COUNTED).max(1);
    let rows = || (0..labels.len()).step_by(step);
    let texts: Vec<String> = rows().map(|row| loaded.text_of(row)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let labels: Vec<Option<u32>> = rows().map(|row| labels[row]).collect();
    terms(&texts, &labels, n_clusters, TERMS)
}

fn name(cluster: &Cluster) -> String {
    if cluster.withheld {
        return "a small group".into();
    }
    if let Some(told) = &cluster.told_by {
        return condition_words(&told.conditions);
    }
    if !cluster.terms.is_empty() {
        let some: Vec<&str> = cluster
            .terms
            .iter()
            .take(NAME_TERMS)
            .map(|t| t.term.as_str())
            .collect();
        return some.join(", ");
    }
    match name_of_differences(&cluster.differences) {
        name if name.is_empty() => "no condition tells it apart".into(),
        name => name,
    }
}

fn largest(by_column: &[Vec<Option<Difference>>], cluster: usize) -> Vec<Difference> {
    let mut own: Vec<Difference> = (by_column.iter())
        .filter_map(|of| of[cluster].clone())
        .filter(|d| d.effect.value.abs() >= LEAST_EFFECT)
        .collect();
    own.sort_by(|a, b| b.effect.value.abs().total_cmp(&a.effect.value.abs()));
    own.truncate(DIFFERENCES);
    own
}

/// Columns by the largest effect that any cluster has in them.
fn columns(compared: &[Compared], by_column: &[Vec<Option<Difference>>]) -> Vec<ColumnOfClusters> {
    let largest = |of: &[Option<Difference>]| {
        let sizes = of.iter().flatten().map(|d| d.effect.value.abs());
        sizes.fold(0.0, f64::max)
    };
    let mut order: Vec<usize> = (0..compared.len()).collect();
    order.sort_by(|&a, &b| largest(&by_column[b]).total_cmp(&largest(&by_column[a])));
    let column = |at: usize| ColumnOfClusters {
        column: compared[at].name().to_string(),
        by_cluster: by_column[at].clone(),
    };
    order.into_iter().take(COLUMNS).map(column).collect()
}

/// The rows of each cluster.
fn members(labels: &[Option<u32>], n_clusters: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); n_clusters];
    for (row, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            members[*label as usize].push(row);
        }
    }
    members
}

/// Of the members those farthest from any border, and those nearest to one.
fn examples(found: &FoundClusters, members: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut own = members.to_vec();
    own.sort_by(|&a, &b| {
        let by_margin = found.margins[b].total_cmp(&found.margins[a]);
        by_margin.then(a.cmp(&b))
    });
    let typical: Vec<usize> = own.iter().take(EXAMPLES).copied().collect();
    let rest = own.len().saturating_sub(typical.len());
    let borderline = own.iter().rev().take(EXAMPLES.min(rest)).copied().collect();
    // A single cluster has no border.
    (
        typical,
        if found.found.n_clusters > 1 {
            borderline
        } else {
            Vec::new()
        },
    )
}

fn member(loaded: &LoadedPoints, row: usize) -> Example {
    let mut cells: Vec<(String, String)> = Vec::new();
    if loaded.fitted.texts.is_some() {
        cells.push((String::new(), loaded.text_of(row)));
    }
    cells.extend(row_cells(loaded.own_columns(), row).take(CELLS));
    Example {
        row: loaded.rows.row_ids[row],
        cells,
    }
}

/// Names and values of a row's cells, texts left out.
pub(super) fn row_cells<'a>(
    columns: impl Iterator<Item = &'a RowColumn> + 'a,
    row: usize,
) -> impl Iterator<Item = (String, String)> + 'a {
    columns
        .filter(|c| c.role != Role::Text)
        .filter_map(move |c| Some((c.name.clone(), cell(&c.values, row)?)))
}

/// Share of each cluster by period, where a column of times was held out.
pub(super) fn over_time(
    loaded: &LoadedPoints,
    labels: &[Option<u32>],
    n_clusters: usize,
) -> Option<OverTime> {
    let column = loaded
        .held_columns()
        .find(|c| matches!(c.values, Values::Times(_)))?;
    let Values::Times(times) = &column.values else {
        return None;
    };
    let mut form = "%Y-%m-%d";
    for wider in ["%Y-%m-%d", "%Y-%m", "%Y"] {
        form = wider;
        if periods(times, wider).len() <= PERIODS {
            break;
        }
    }
    let periods = periods(times, form);
    if periods.len() < 2 || periods.len() > 4 * PERIODS {
        return None;
    }
    let place_of: BTreeMap<&str, usize> = periods
        .iter()
        .enumerate()
        .map(|(at, p)| (p.as_str(), at))
        .collect();
    let mut n = vec![0u64; periods.len()];
    let mut counts = vec![vec![0u64; periods.len()]; n_clusters];
    for (time, label) in times.iter().zip(labels) {
        let period = time.and_then(|time| period(time, form));
        if let Some(&at) = period.as_deref().and_then(|p| place_of.get(p)) {
            n[at] += 1;
            if let Some(label) = label {
                counts[*label as usize][at] += 1;
            }
        }
    }
    let share = |of: &Vec<u64>| {
        of.iter()
            .zip(&n)
            .map(|(c, n)| *c as f64 / (*n).max(1) as f64)
            .collect()
    };
    Some(OverTime {
        column: column.name.clone(),
        shares: counts.iter().map(share).collect(),
        periods,
        n,
    })
}

fn period(time: i64, form: &str) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_millis(time)?;
    Some(time.format(form).to_string())
}

fn periods(times: &[Option<i64>], form: &str) -> Vec<String> {
    let all = times
        .iter()
        .flatten()
        .filter_map(|time| period(*time, form));
    let all: std::collections::BTreeSet<String> = all.collect();
    all.into_iter().collect()
}
