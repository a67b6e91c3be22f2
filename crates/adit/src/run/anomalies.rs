//! A search for anomalies: the whole way from rows to report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use serde::{Deserialize, Serialize};

use super::anomaly_cards::Told;
use super::anomaly_detectors::{CELLS, FittedDetectors, JudgeSettings, JudgedRows, NEAREST};
use super::anomaly_job::{AnomalyJob, SHARE};
use super::anomaly_series::SavedSeries;
use super::apply::batch_of;
use super::clusters::data_of;
use super::learned_cells::LearnedCells;
use super::pattern_data::warning;
use super::points::{self, FittedPoints, LoadedPoints, Shaping};
use super::{
    Context, RunError, anomaly_cards, anomaly_known_rows, anomaly_labels, anomaly_series, limits,
};
use crate::explain::{
    AnomalyFindings, AnomalySearch, ClusterData, Cost, DetectorLine, ScoreHistogram, Warning,
    anomaly_verdict, farthest_by_chance, rank_correlation,
};
use crate::mine::outliers::{Rarity, threshold_of_alerts};
use crate::prepare::{Rows, Values};
use crate::report;
use crate::represent::row_points::PointUse;
use crate::store::{RunFolder, npy_bytes};

/// Where a search keeps what it learned.
pub(super) const SAVED: &str = "model/anomalies.json";
/// The points that new ones are compared with.
pub(super) const KNOWN: &str = "model/known.npy";
/// Format of the file; raised when an old one can no longer be read.
pub(super) const VERSION: u32 = 1;
/// Rows that rank correlations are taken of, at most.
const CORRELATION_ROWS: usize = 20_000;
/// Bars of the histogram.
const BARS: usize = 50;

/// A finished search.
#[derive(Debug)]
pub struct AnomalyOutcome {
    pub folder: PathBuf,
    pub findings: AnomalyFindings,
    pub cost: Cost,
    /// What `result.json` holds.
    pub result_json: String,
}

/// What new rows are judged by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedAnomalies {
    pub version: u32,
    pub judge: SavedJudge,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SavedJudge {
    Rows(Box<SavedRows>),
    Series(SavedSeries),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedRows {
    pub points: FittedPoints,
    pub detectors: FittedDetectors,
    /// Known rows that are strange themselves, ascending; usual values are not taken of them.
    pub strange: Vec<usize>,
    pub min_people: u64,
}

/// Searches and leaves a run folder at `out`.
///
/// # Errors
/// Whatever is wrong with the job, the data or the disk; nothing half-written stays.
pub fn mine_anomalies(
    job: &AnomalyJob,
    out: &Path,
    overwrite: bool,
    context: &Context,
) -> Result<AnomalyOutcome, RunError> {
    job.check()?;
    let started = Instant::now();
    let folder = RunFolder::create(out, overwrite)?;
    let (findings, cost, result_json) = context.limits.apply(|| {
        let findings = match job.anomalies.series {
            Some(_) => anomaly_series::search(job, out, &folder, context)?,
            None => search(job, out, &folder, context)?,
        };
        let cost = Cost {
            seconds: started.elapsed().as_secs_f64(),
            peak_rss_bytes: limits::peak_rss_bytes(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let result_json = report::anomaly_json(&findings, &cost, version)?;
        folder.write("result.json", result_json.as_bytes())?;
        folder.write(
            "report.html",
            report::anomaly_html(&findings, &cost, version)?.as_bytes(),
        )?;
        folder.write("job.toml", job.to_toml()?.as_bytes())?;
        Ok((findings, cost, result_json))
    })?;
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    Ok(AnomalyOutcome {
        folder: folder.commit()?,
        findings,
        cost,
        result_json,
    })
}

/// Judges rows; leaves their scores and what new ones are judged by.
fn search(
    job: &AnomalyJob,
    out: &Path,
    folder: &RunFolder,
    context: &Context,
) -> Result<AnomalyFindings, RunError> {
    let spool = super::spool()?;
    let section = job.section();
    let shaping = Shaping::of_use(PointUse::Outliers);
    let loaded = points::load(&section, &shaping, spool.path(), context)?;
    let n_alerts = job.n_alerts(loaded.rows.n_rows());
    let settings = JudgeSettings {
        clean: job.anomalies.clean,
        n_alerts,
        masked_cells: job.anomalies.masked_cells,
        seed: job.seed,
    };
    let mut judged = super::anomaly_detectors::judge(
        loaded.points(),
        &loaded.fitted.cells.column_of(),
        settings,
        context,
    )?;
    let words = match loaded.of {
        "texts" => ("Strange texts", "NEW"),
        "entities" => ("Strange entities", "NEW_EVENTS"),
        _ => ("Strange rows", "NEW"),
    };
    let mut findings = begun(
        job,
        data_of(&job.data, &loaded),
        words,
        loaded.warnings.clone(),
        out,
    );
    anomaly_labels::learn(job, &loaded, &mut judged, &mut findings)?;
    let flagged = judged.flagged();
    let standing = standing_out(&judged, &flagged, n_alerts);
    findings.n_flagged = flagged.iter().filter(|is| **is).count() as u64;
    findings.n_standing_out = standing.iter().flatten().filter(|is| **is).count() as u64;
    findings.search.threshold = judged.fitted.threshold;
    findings.search.once_in =
        (findings.n_flagged > 0).then(|| flagged.len() as f64 / findings.n_flagged as f64);
    findings
        .detectors
        .splice(.., lines(&judged, &flagged, &findings.detectors));
    findings.histogram = histogram(&judged.scores[NEAREST], &flagged);
    let strange = strange(&judged, n_alerts);
    let told = Told {
        job,
        loaded: &loaded,
        judged: &judged,
        flagged: &flagged,
        standing: standing.as_deref(),
        strange: &strange,
    };
    let reasons = anomaly_cards::tell(&told, &mut findings, context)?;
    let labels: Vec<Option<u32>> = flagged.iter().map(|is| is.then_some(0)).collect();
    findings.map = super::cluster_map::map_of(&loaded, (&labels, &|_| true), job.seed, context)?;
    findings.is_told = standing.is_some();
    findings.verdict = anomaly_verdict(&findings);
    notes(job, &loaded, n_alerts, &mut findings);
    let own = OwnColumns::of(&loaded.rows, loaded.of == "entities");
    let table = table(&own, (&judged.joined, &judged.fitted), &flagged, &reasons)?;
    folder.write("anomalies.parquet", &crate::store::parquet_bytes(&table)?)?;
    super::saved::write_bad_rows(folder, &loaded.bad_rows)?;
    save(job, loaded, judged, strange, folder)?;
    Ok(findings)
}

fn save(
    job: &AnomalyJob,
    loaded: LoadedPoints,
    judged: JudgedRows,
    strange: Vec<usize>,
    folder: &RunFolder,
) -> Result<(), RunError> {
    let (n, width) = (loaded.rows.n_rows(), loaded.fitted.width);
    folder.write(KNOWN, &npy_bytes(n, width, &loaded.points))?;
    if let Some(bytes) = anomaly_known_rows::bytes(&loaded)? {
        folder.write(anomaly_known_rows::FILE, &bytes)?;
    }
    loaded.fitted.write_weights(folder)?;
    if let Some(cells) = &judged.fitted.cells {
        cells.write(folder)?;
    }
    let saved = SavedAnomalies {
        version: VERSION,
        judge: SavedJudge::Rows(Box::new(SavedRows {
            points: loaded.fitted,
            detectors: judged.fitted,
            // Rows that are said to be free of anomalies are all usual.
            strange: if job.anomalies.clean {
                Vec::new()
            } else {
                strange
            },
            min_people: job.anomalies.min_people,
        })),
    };
    folder.write(SAVED, &super::saved::to_json(SAVED, &saved)?)?;
    Ok(())
}

/// Findings before anything is found.
pub(super) fn begun(
    job: &AnomalyJob,
    data: ClusterData,
    (title, new): (&str, &str),
    warnings: Vec<Warning>,
    out: &Path,
) -> AnomalyFindings {
    let a = &job.anomalies;
    AnomalyFindings {
        task: "anomalies".into(),
        title: job.title.clone().unwrap_or_else(|| title.into()),
        verdict: String::new(),
        data,
        search: AnomalySearch {
            kind: if a.series.is_some() { "series" } else { "rows" }.into(),
            clean: a.clean,
            share: a.alerts.is_none().then(|| a.share.unwrap_or(SHARE)),
            alerts: a.alerts.map(|n| n as u64),
            threshold: 0.0,
            once_in: None,
            neighbours: 0,
            min_people: a.min_people,
            seed: job.seed,
        },
        n_flagged: 0,
        n_standing_out: 0,
        is_told: false,
        n_standing_events: None,
        n_findings: 0,
        findings: Vec::new(),
        detectors: Vec::new(),
        known: None,
        series: Vec::new(),
        events: Vec::new(),
        histogram: None,
        map: None,
        warnings,
        run_again: vec![
            format!("adit run {}/job.toml", out.display()),
            format!("adit predict {} {new} -o scores.parquet", out.display()),
        ],
    }
}

/// Which flagged rows lie farther out than chance explains; `None` where there are too few rows to tell.
fn standing_out(judged: &JudgedRows, flagged: &[bool], n_alerts: usize) -> Option<Vec<bool>> {
    let share = n_alerts as f64 / flagged.len().max(1) as f64;
    let bound = farthest_by_chance(&judged.joined, share)?;
    let stands = |(is, score): (&bool, &f64)| *is && *score > bound;
    Some(flagged.iter().zip(&judged.joined).map(stands).collect())
}

/// Rows that usual values are not taken of: the flagged ones, and those that nearly are, because strange rows that are
/// like each other are not all flagged where they are more than what was asked for.
fn strange(judged: &JudgedRows, n_alerts: usize) -> Vec<usize> {
    const TIMES: usize = 3;
    const LEAST: f64 = 0.05;
    let n = judged.joined.len();
    let wanted = (TIMES * n_alerts)
        .max((LEAST * n as f64) as usize)
        .min(n / 2);
    let bar = threshold_of_alerts(&judged.joined, wanted).min(judged.fitted.threshold);
    (0..n).filter(|&row| judged.joined[row] > bar).collect()
}

/// The detectors, and how far they agree; what labels say of them is kept.
fn lines(judged: &JudgedRows, flagged: &[bool], known: &[DetectorLine]) -> Vec<DetectorLine> {
    let step = flagged.len().div_ceil(CORRELATION_ROWS).max(1);
    let thinned = |scores: &[f64]| -> Vec<f64> { scores.iter().copied().step_by(step).collect() };
    let some: Vec<Vec<f64>> = judged.scores.iter().map(|scores| thinned(scores)).collect();
    let n_flagged = flagged.iter().filter(|is| **is).count();
    let agreed = |scores: &[f64]| {
        let threshold = threshold_of_alerts(scores, n_flagged);
        let agrees = |(score, is): (&f64, &bool)| *is && *score > threshold;
        scores
            .iter()
            .zip(flagged)
            .filter(|pair| agrees(*pair))
            .count() as u64
    };
    let line = |(at, name): (usize, &str)| DetectorLine {
        name: name.into(),
        weight: judged.fitted.surprise.weights()[at],
        correlations: some
            .iter()
            .map(|other| rank_correlation(&some[at], other))
            .collect(),
        n_agreed: agreed(&judged.scores[at]),
        known: known.get(at).and_then(|line| line.known),
        held_out: (judged.fitted.cells.as_ref())
            .filter(|_| at == CELLS)
            .map(LearnedCells::held_out),
    };
    judged
        .fitted
        .names()
        .into_iter()
        .enumerate()
        .map(line)
        .collect()
}

/// How far rows lie from their nearest: how often each distance occurs.
fn histogram(distances: &[f64], flagged: &[bool]) -> Option<ScoreHistogram> {
    let most = distances.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let mut counts = vec![0; BARS];
    let mut of_flagged = vec![0; BARS];
    for (distance, is) in distances.iter().zip(flagged) {
        let bar = ((distance / most * BARS as f64) as usize).min(BARS - 1);
        counts[bar] += 1;
        of_flagged[bar] += u64::from(*is);
    }
    Some(ScoreHistogram {
        label: "Distance to the nearest rows".into(),
        from: 0.0,
        to: most,
        counts,
        flagged: of_flagged,
    })
}

/// What a person should know before building on it.
fn notes(job: &AnomalyJob, loaded: &LoadedPoints, n_alerts: usize, findings: &mut AnomalyFindings) {
    let n_flagged = findings.n_flagged as usize;
    let of = loaded.of;
    let mut note = |kind: &str, message: String, action: &str| {
        findings.warnings.push(warning(kind, message, action))
    };
    if n_flagged > n_alerts {
        let message =
            format!("{n_flagged} {of} are equally strange, but {n_alerts} were to be flagged");
        note("ties", message, "all of them are flagged");
    } else if n_flagged < n_alerts && n_flagged > 0 {
        let message =
            format!("{n_alerts} {of} were to be flagged, but some are equally strange as the next");
        note("ties", message, &format!("{n_flagged} are flagged"));
    }
    if of == "entities" {
        let message = "entities may be persons".to_string();
        let action = "only flagged ones are named, and no other is shown beside them";
        note("persons", message, action);
    }
    if job.anomalies.clean && !loaded.fitted.cells.constant.is_empty() {
        let message = "columns that never change were left out, so new rows are not judged by them"
            .to_string();
        note(
            "constant_columns",
            message,
            "check them by a rule of your own",
        );
    }
}

/// What stands beside each row in the tables.
pub(super) struct OwnColumns {
    pub row_ids: Vec<u64>,
    /// Name of the column of entities, and their names.
    pub entities: Option<(String, Vec<Option<String>>)>,
}

impl OwnColumns {
    /// Of rows that may be entities, whose names then stand in the first column.
    pub fn of(rows: &Rows, is_of_entities: bool) -> OwnColumns {
        let entities = match rows.columns.first() {
            Some(first) if is_of_entities => match &first.values {
                Values::Strings(ids) => Some((first.name.clone(), ids.clone())),
                _ => None,
            },
            _ => None,
        };
        OwnColumns {
            row_ids: rows.row_ids.clone(),
            entities,
        }
    }
}

/// Columns `row`, the entity where there is one, `score`, `rank_quantile` (the share of the searched rows that are less
/// strange), `flagged` and `reasons`.
pub(super) fn table(
    own: &OwnColumns,
    (joined, fitted): (&[f64], &FittedDetectors),
    flagged: &[bool],
    reasons: &[String],
) -> Result<RecordBatch, RunError> {
    let mut columns: Vec<(String, ArrayRef)> = vec![(
        "row".into(),
        Arc::new(UInt64Array::from(own.row_ids.clone())),
    )];
    if let Some((name, ids)) = &own.entities {
        columns.push((name.clone(), Arc::new(StringArray::from(ids.clone()))));
    }
    let quantiles: Vec<f64> = joined
        .iter()
        .map(|score| fitted.surprise.quantile(*score))
        .collect();
    columns.push((
        "score".into(),
        Arc::new(Float64Array::from(joined.to_vec())),
    ));
    columns.push((
        "rank_quantile".into(),
        Arc::new(Float64Array::from(quantiles)),
    ));
    columns.push((
        "flagged".into(),
        Arc::new(BooleanArray::from(flagged.to_vec())),
    ));
    columns.push((
        "reasons".into(),
        Arc::new(StringArray::from_iter_values(reasons)),
    ));
    batch_of(columns, "anomalies")
}

/// How often a row is met that is as strange as one with this score, itself counted.
pub(super) fn rarity(fitted: &FittedDetectors, joined: f64) -> Rarity {
    fitted.surprise.rarity(joined)
}
