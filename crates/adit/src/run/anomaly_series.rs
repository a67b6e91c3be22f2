//! Anomalies in series: readings that their own past did not foretell.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use serde::{Deserialize, Serialize};

use super::anomalies::{SAVED, SavedAnomalies, SavedJudge, VERSION, begun};
use super::anomaly_detectors::threshold;
use super::anomaly_job::AnomalyJob;
use super::anomaly_series_data::{self as data, Columns, Readings, Series};
use super::apply::batch_of;
use super::pattern_data::warning;
use super::patterns::sources;
use super::{Context, RunError};
use crate::explain::{
    AnomalyFindings, ClusterData, SeriesEvent, SeriesFound, farthest_by_chance, series_verdict,
    short_number,
};
use crate::mine::outliers::season::season;
use crate::mine::outliers::series::{JudgedSeries, SeriesForecast, Window, windows};
use crate::mine::outliers::threshold_of_alerts;
use crate::source::SourceSettings;
use crate::store::RunFolder;

/// Events that are told, at most.
const MOST_EVENTS: usize = 50;
/// Series that are drawn, at most: those with the strangest events.
const MOST_DRAWN: usize = 12;

/// How new readings are judged.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedSeries {
    columns: Columns,
    /// As given; found where absent.
    season: Option<usize>,
    /// The season of each series that was seen; that of the only one has no name.
    seasons: BTreeMap<String, usize>,
    threshold: f64,
}

/// A series and what its past says of it.
struct Judged {
    series: Series,
    season: usize,
    forecast: SeriesForecast,
    judged: JudgedSeries,
}

impl Judged {
    /// The score of a reading; NaN where its past is too short.
    fn score(&self, reading: usize) -> f64 {
        self.judged.scores[self.series.places[reading]]
    }
}

/// Judges series; leaves the score of each reading and what new ones are judged by.
///
/// # Errors
/// Columns that are not there or hold no numbers; whatever is wrong with the files; `Interrupted`.
pub(super) fn search(
    job: &AnomalyJob,
    out: &Path,
    folder: &RunFolder,
    context: &Context,
) -> Result<AnomalyFindings, RunError> {
    let spool = super::spool()?;
    let source = job.data.source_settings();
    let columns = data::columns(job, spool.path(), context)?;
    let readings = data::load(&columns, &source, spool.path(), context)?;
    let n = readings.values.len();
    if n == 0 {
        return Err(RunError::NoRows);
    }
    let judged = judge(&readings, &|_| job.anomalies.season, context)?;
    let scores = pooled(&judged);
    let threshold = match job.anomalies.alerts {
        Some(n_events) => threshold_of_events(&judged, &scores, n_events),
        None => threshold(&scores, job.n_alerts(scores.len().max(1))),
    };
    let read = ClusterData {
        sources: sources(&readings.origins),
        of: "readings".into(),
        n: n as u64,
        columns: vec![columns.value.clone()],
        width: 1,
        ..ClusterData::default()
    };
    let words = ("Strange readings", "NEW");
    let mut findings = begun(job, read, words, readings.warnings.clone(), out);
    findings.search.threshold = threshold;
    let above = scores.iter().filter(|score| **score > threshold).count();
    findings.n_flagged = above as u64;
    findings.search.once_in = (above > 0).then(|| scores.len() as f64 / above as f64);
    let share = above as f64 / scores.len().max(1) as f64;
    let bound = farthest_by_chance(&scores, share);
    findings.is_told = bound.is_some();
    tell(
        &readings,
        &judged,
        (threshold, bound.unwrap_or(f64::INFINITY)),
        &mut findings,
    );
    findings.verdict = series_verdict(&findings, judged.len() as u64, scores.len() as u64);
    notes(&judged, &readings, scores.len(), &mut findings);
    let batch = table(&columns, &readings, &judged, threshold)?;
    folder.write("anomalies.parquet", &crate::store::parquet_bytes(&batch)?)?;
    super::saved::write_bad_rows(folder, &readings.bad_rows)?;
    let name = |judged: &Judged| {
        (
            judged.series.entity.clone().unwrap_or_default(),
            judged.season,
        )
    };
    let saved = SavedAnomalies {
        version: VERSION,
        judge: SavedJudge::Series(SavedSeries {
            season: job.anomalies.season,
            seasons: judged.iter().map(name).collect(),
            columns,
            threshold,
        }),
    };
    folder.write(SAVED, &super::saved::to_json(SAVED, &saved)?)?;
    Ok(findings)
}

/// Judges the series of another file as those of the search were.
///
/// # Errors
/// Columns that are not there, or whatever is wrong with the files.
pub(super) fn judge_new(
    saved: &SavedSeries,
    source: &SourceSettings,
    spool: &Path,
    context: &Context,
) -> Result<(RecordBatch, u64), RunError> {
    let readings = data::load(&saved.columns, source, spool, context)?;
    let season = |entity: Option<&str>| {
        let known = saved.seasons.get(entity.unwrap_or_default());
        known.copied().or(saved.season)
    };
    let judged = judge(&readings, &season, context)?;
    let batch = table(&saved.columns, &readings, &judged, saved.threshold)?;
    Ok((batch, readings.n_bad_rows))
}

fn judge(
    readings: &Readings,
    given: &dyn Fn(Option<&str>) -> Option<usize>,
    context: &Context,
) -> Result<Vec<Judged>, RunError> {
    let mut all = Vec::new();
    let found = readings.series();
    let n_series = found.len();
    for (at, series) in found.into_iter().enumerate() {
        if context.watch.cancelled() {
            return Err(RunError::Interrupted);
        }
        context
            .watch
            .progress("judge series", at as u64, n_series as u64, "");
        let length = given(series.entity.as_deref())
            .unwrap_or_else(|| season(&series.steps).map_or(0, |season| season.length));
        let forecast = SeriesForecast::of_season(length);
        all.push(Judged {
            judged: forecast.judge(&series.steps)?,
            forecast,
            season: length,
            series,
        });
    }
    Ok(all)
}

/// The scores of all readings that have one.
fn pooled(judged: &[Judged]) -> Vec<f64> {
    let of = |judged: &Judged| -> Vec<f64> {
        let all = (0..judged.series.rows.len()).map(|reading| judged.score(reading));
        all.filter(|score| !score.is_nan()).collect()
    };
    judged.iter().flat_map(of).collect()
}

/// Events of all series above a threshold: which series, and where; the strangest first.
fn events(judged: &[Judged], threshold: f64) -> Vec<(usize, Window)> {
    let mut all: Vec<(usize, Window)> = Vec::new();
    for (at, one) in judged.iter().enumerate() {
        let found = windows(&one.judged.scores, threshold, one.forecast.level_window);
        all.extend(found.into_iter().map(|window| (at, window)));
    }
    all.sort_by(|a, b| {
        b.1.score
            .total_cmp(&a.1.score)
            .then(a.0.cmp(&b.0))
            .then(a.1.start.cmp(&b.1.start))
    });
    all
}

/// A threshold above which there are so many events at most; more only where they tie at the top.
fn threshold_of_events(judged: &[Judged], scores: &[f64], n_events: usize) -> f64 {
    let mut n = (scores.len() / 100).saturating_add(n_events);
    loop {
        let threshold = threshold_of_alerts(scores, n);
        let found = events(judged, threshold);
        if let Some((_, next)) = found.get(n_events) {
            // A higher threshold may split events in two, so that there are too many again.
            let mut threshold = next.score;
            while let Some((_, next)) = events(judged, threshold).get(n_events) {
                threshold = next.score;
            }
            // Where too many are equally strange, all of them are told rather than none.
            return match events(judged, threshold).is_empty() {
                true => threshold.next_down(),
                false => threshold,
            };
        }
        if n >= scores.len() / 2 {
            return threshold;
        }
        n *= 2;
    }
}

fn tell(
    readings: &Readings,
    judged: &[Judged],
    (threshold, bound): (f64, f64),
    findings: &mut AnomalyFindings,
) {
    let events = events(judged, threshold);
    findings.n_findings = events.len() as u64;
    let mut standing = 0;
    for one in judged {
        let out = (0..one.series.rows.len()).filter(|&reading| {
            let score = one.score(reading);
            score > threshold && score > bound
        });
        standing += out.count() as u64;
    }
    findings.n_standing_out = standing;
    let stands_out = |event: &&(usize, Window)| event.1.score > bound;
    findings.n_standing_events = Some(events.iter().filter(stands_out).count() as u64);
    for (number, (at, window)) in events.iter().take(MOST_EVENTS).enumerate() {
        let mut event = event(readings, &judged[*at], window, threshold);
        event.number = number as u64 + 1;
        event.stands_out = window.score > bound;
        findings.events.push(event);
    }
    let mut drawn: Vec<usize> = Vec::new();
    for (at, _) in &events {
        if !drawn.contains(at) && drawn.len() < MOST_DRAWN {
            drawn.push(*at);
        }
    }
    if drawn.is_empty() {
        drawn.extend(0..judged.len().min(1));
    }
    for at in drawn {
        let n_events = events.iter().filter(|(series, _)| *series == at).count();
        findings.series.push(found(readings, &judged[at], n_events));
    }
}

fn event(readings: &Readings, judged: &Judged, window: &Window, threshold: f64) -> SeriesEvent {
    let series = &judged.series;
    let within: Vec<usize> = (0..series.rows.len())
        .filter(|&reading| (window.start..window.end).contains(&series.places[reading]))
        .collect();
    let peak = within
        .iter()
        .copied()
        .find(|&reading| series.places[reading] == window.peak)
        .unwrap_or(0);
    let first = within.first().copied().unwrap_or(peak);
    let last = within.last().copied().unwrap_or(peak);
    let ids = || {
        within
            .iter()
            .map(|&reading| readings.row_ids[series.rows[reading]])
    };
    let (value, expected) = (
        series.steps[window.peak],
        judged.judged.forecasts[window.peak],
    );
    let time = |reading: usize| readings.time_words(series.rows[reading]);
    let range = (value - expected).abs();
    let when = if first == last {
        format!("at {}", time(first))
    } else {
        format!("from {} to {}", time(first), time(last))
    };
    SeriesEvent {
        number: 0,
        entity: series.entity.clone(),
        start: time(first),
        end: time(last),
        peak: time(peak),
        first_row: ids().min().unwrap_or(0),
        last_row: ids().max().unwrap_or(0),
        peak_row: readings.row_ids[series.rows[peak]],
        n_readings: within
            .iter()
            .filter(|&&reading| judged.score(reading) > threshold)
            .count() as u64,
        value,
        expected,
        score: window.score,
        stands_out: false,
        words: format!(
            "{} where {} was expected, {} the usual error, {when}",
            short_number(value, range),
            short_number(expected, range),
            times_words(window.score),
        ),
        span: (
            readings.clock(series.rows[first]),
            readings.clock(series.rows[last]),
        ),
        peak_at: readings.clock(series.rows[peak]),
    }
}

/// How many times the usual error.
fn times_words(score: f64) -> String {
    if score >= 1e6 {
        return "a million times or more".into();
    }
    format!("{} times", short_number(score, score))
}

fn found(readings: &Readings, judged: &Judged, n_events: usize) -> SeriesFound {
    let series = &judged.series;
    let points = series
        .rows
        .iter()
        .map(|&row| (readings.clock(row), readings.values[row]));
    SeriesFound {
        entity: series.entity.clone(),
        n: series.rows.len() as u64,
        n_missing: series.steps.iter().filter(|value| value.is_nan()).count() as u64,
        season: judged.season as u64,
        step: series.step.map(|step| readings.span_words(step)),
        n_events: n_events as u64,
        points: points.collect(),
        is_of_times: readings.is_of_times,
    }
}

fn notes(judged: &[Judged], readings: &Readings, n_judged: usize, findings: &mut AnomalyFindings) {
    let mut note = |kind: &str, message: String, action: &str| {
        findings.warnings.push(warning(kind, message, action))
    };
    let irregular = judged
        .iter()
        .filter(|one| one.series.step.is_none() && one.series.rows.len() > 1)
        .count();
    if irregular > 0 {
        let message = match judged.len() {
            1 => "the readings have no regular step".to_string(),
            n => format!("the readings of {irregular} of {n} series have no regular step"),
        };
        note(
            "irregular_series",
            message,
            "taken one after another, whatever the time between them",
        );
    }
    let unjudged = readings.values.len() - n_judged;
    if unjudged > 0 {
        let message = format!(
            "{unjudged} readings have no score: they are empty, or the past before them is too short"
        );
        note("not_judged", message, "left empty in the table");
    }
}

/// Columns `row`, the entity where there is one, the value under its name, `expected`, `score`, `flagged` and `reasons`, in
/// the order of the file.
fn table(
    columns: &Columns,
    readings: &Readings,
    judged: &[Judged],
    threshold: f64,
) -> Result<RecordBatch, RunError> {
    let n = readings.values.len();
    let (mut expected, mut scores) = (vec![f64::NAN; n], vec![f64::NAN; n]);
    for one in judged {
        for (reading, &row) in one.series.rows.iter().enumerate() {
            expected[row] = one.judged.forecasts[one.series.places[reading]];
            scores[row] = one.score(reading);
        }
    }
    let flagged: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
    let reasons = (0..n).map(|row| {
        if !flagged[row] {
            return String::new();
        }
        let range = (readings.values[row] - expected[row]).abs();
        let (value, expected) = (
            short_number(readings.values[row], range),
            short_number(expected[row], range),
        );
        format!("{} {value} where {expected} was expected", columns.value)
    });
    let some = |values: &[f64]| -> ArrayRef {
        let known = values.iter().map(|x| Some(*x).filter(|x| !x.is_nan()));
        Arc::new(known.collect::<Float64Array>())
    };
    let mut made: Vec<(String, ArrayRef)> = vec![(
        "row".into(),
        Arc::new(UInt64Array::from(readings.row_ids.clone())),
    )];
    if let (Some(name), Some(entities)) = (&columns.entity, &readings.entities) {
        made.push((name.clone(), Arc::new(StringArray::from(entities.clone()))));
    }
    made.push(("value".into(), some(&readings.values)));
    made.push(("expected".into(), some(&expected)));
    made.push(("score".into(), some(&scores)));
    made.push((
        "flagged".into(),
        Arc::new(BooleanArray::from(flagged.clone())),
    ));
    made.push((
        "reasons".into(),
        Arc::new(StringArray::from_iter_values(reasons)),
    ));
    batch_of(made, "anomalies")
}
