//! What is told of each finding: reasons, cells, the nearest usual rows.

use super::anomalies::rarity;
use super::anomaly_detectors::JudgedRows;
use super::anomaly_groups::{Group, groups};
use super::anomaly_job::AnomalyJob;
use super::anomaly_reasons::{Asked, Explained, Explaining, Known, value_words};
use super::points::LoadedPoints;
use super::{Context, RunError};
use crate::explain::{Anomaly, AnomalyFindings, Example, rarity_words};
use crate::mine::outliers::Rows as Kind;
use crate::prepare::{Role, Values};
use crate::represent::points::Points;

/// Findings that are told, at most.
const MOST: usize = 50;
/// Rows of a finding that are listed, at most.
const MOST_ROWS: usize = 20;
/// Cells of a row that are shown.
const CELLS: usize = 12;
/// Usual rows beside a strange one.
const NEIGHBOURS: usize = 3;

/// What is told, and from what.
pub(super) struct Told<'a> {
    pub job: &'a AnomalyJob,
    pub loaded: &'a LoadedPoints,
    pub judged: &'a JudgedRows,
    pub flagged: &'a [bool],
    /// Absent where it cannot be said.
    pub standing: Option<&'a [bool]>,
    /// Rows that usual values are not taken of.
    pub strange: &'a [usize],
}

/// Tells the findings; leaves why each flagged row is one, and nothing for the others. `[n_rows]`
///
/// # Errors
/// `Interrupted`.
pub(super) fn tell(
    told: &Told,
    findings: &mut AnomalyFindings,
    context: &Context,
) -> Result<Vec<String>, RunError> {
    let loaded = told.loaded;
    let rows: Vec<usize> = (0..told.flagged.len())
        .filter(|&row| told.flagged[row])
        .collect();
    let mut reasons = vec![String::new(); told.flagged.len()];
    if rows.is_empty() {
        return Ok(reasons);
    }
    let values = loaded.points().gathered(&rows);
    let points = Points::new(&values, loaded.fitted.width);
    let mut is_normal = vec![true; told.flagged.len()];
    told.strange.iter().for_each(|&row| is_normal[row] = false);
    let known = Known {
        rows: &loaded.rows,
        points: loaded.points(),
        normal: (0..is_normal.len()).filter(|&row| is_normal[row]).collect(),
    };
    let explaining = Explaining {
        detectors: &told.judged.fitted,
        fitted: &loaded.fitted,
        min_people: told.job.anomalies.min_people,
    };
    findings.search.neighbours = explaining.n_neighbours() as u64;
    let asked = Asked {
        rows: &loaded.rows,
        at: &rows,
        points,
        kind: Kind::Training,
    };
    let explained = explaining.explain(&asked, &known, context)?;
    let scores: Vec<f64> = rows.iter().map(|&row| told.judged.joined[row]).collect();
    let mut found = groups(loaded, &rows, points, &scores, &explained, context)?;
    // What stands out comes first; the order is by score already.
    let stands = |row: usize| told.standing.is_some_and(|standing| standing[row]);
    found.sort_by_key(|group| !group.members.iter().any(|&at| stands(rows[at])));
    findings.n_findings = found.len() as u64;
    for (number, group) in found.iter().take(MOST).enumerate() {
        let mut anomaly = card(told, group, &rows, &explained);
        anomaly.number = number as u64 + 1;
        findings.findings.push(anomaly);
    }
    for (&row, explained) in rows.iter().zip(&explained) {
        reasons[row] = explained.words();
    }
    Ok(reasons)
}

fn card(told: &Told, group: &Group, rows: &[usize], explained: &[Explained]) -> Anomaly {
    let loaded = told.loaded;
    let own: Vec<usize> = group.members.iter().map(|&at| rows[at]).collect();
    let (first, why) = (own[0], &explained[group.members[0]]);
    let ids = |row: &usize| loaded.rows.row_ids[*row];
    let listed: Vec<usize> = own.iter().take(MOST_ROWS).copied().collect();
    let is_of_persons = loaded.of == "entities";
    let score = told.judged.joined[first];
    let named: Vec<&str> = why
        .reasons
        .iter()
        .map(|reason| reason.column.as_str())
        .collect();
    let neighbours = why
        .neighbours
        .iter()
        .take(if is_of_persons { 0 } else { NEIGHBOURS });
    Anomaly {
        number: 0,
        n_rows: own.len() as u64,
        first_row: own.iter().map(ids).min().unwrap_or(0),
        last_row: own.iter().map(ids).max().unwrap_or(0),
        rows: listed.iter().map(ids).collect(),
        together: group.together.map(String::from),
        entities: entities(loaded, &listed),
        score,
        rarity: rarity_words(rarity(&told.judged.fitted, score), loaded.of),
        stands_out: told
            .standing
            .is_some_and(|standing| own.iter().any(|&row| standing[row])),
        reasons: why.reasons.clone(),
        cells: cells(loaded, first, &named),
        neighbours: neighbours
            .map(|&row| Example {
                row: loaded.rows.row_ids[row],
                cells: cells(loaded, row, &named),
            })
            .collect(),
    }
}

fn entities(loaded: &LoadedPoints, rows: &[usize]) -> Vec<String> {
    match loaded.rows.columns.first().map(|first| &first.values) {
        Some(Values::Strings(ids)) if loaded.of == "entities" => rows
            .iter()
            .map(|&row| ids[row].clone().unwrap_or_default())
            .collect(),
        _ => Vec::new(),
    }
}

/// Names and values of a row's cells: first those that are `named`, then the others, and an id before all.
fn cells(loaded: &LoadedPoints, row: usize, named: &[&str]) -> Vec<(String, String)> {
    let place = |name: &str| {
        named
            .iter()
            .position(|other| *other == name)
            .unwrap_or(named.len())
    };
    let mut columns: Vec<_> = loaded.rows.columns.iter().collect();
    columns.sort_by_key(|column| (column.role != Role::Id, place(&column.name)));
    columns
        .into_iter()
        .filter_map(|column| Some((column.name.clone(), value_words(&column.values, row)?)))
        .take(CELLS)
        .collect()
}
