//! Judges new rows, or series, by a finished search for anomalies.

use std::path::Path;

use super::anomalies::{
    KNOWN, OwnColumns, SAVED, SavedAnomalies, SavedJudge, SavedRows, VERSION, table,
};
use super::anomaly_reasons::{Asked, Explaining, Known};
use super::apply::Output;
use super::saved::from_json;
use super::{Context, PredictJob, PredictOutcome, RunError, anomaly_known_rows, anomaly_series};
use crate::mine::outliers::Rows as Kind;
use crate::prepare::Rows;
use crate::represent::points::Points;
use crate::store::npy_values;

/// Whether a run is a search for anomalies.
pub(super) fn is_anomaly_run(run: &Path) -> bool {
    run.join(SAVED).is_file()
}

/// Writes `row`, the entity where there is one, `score`, `rank_quantile`, `flagged` and `reasons`; of series the columns
/// that their search wrote.
///
/// # Errors
/// A damaged run, columns that are not there, or whatever is wrong with the data or the disk; no output is left behind.
pub(super) fn score(job: &PredictJob, context: &Context) -> Result<PredictOutcome, RunError> {
    let fail = |reason: String| RunError::NotARun {
        path: job.run.clone(),
        reason,
    };
    let mut saved: SavedAnomalies = from_json(&job.run.join(SAVED))?;
    if saved.version != VERSION {
        return Err(fail(format!(
            "its anomalies have format {}, but this program reads format {VERSION}",
            saved.version
        )));
    }
    if let Some(member) = &job.member {
        return Err(fail(format!("anomalies have no member `{member}`")));
    }
    let spool = super::spool()?;
    let (batch, n_bad_rows) = match &mut saved.judge {
        SavedJudge::Series(series) => {
            anomaly_series::judge_new(series, &job.source, spool.path(), context)?
        }
        SavedJudge::Rows(saved) => {
            if let Some(cells) = &mut saved.detectors.cells {
                cells.read(&job.run)?;
            }
            saved.points.read_weights(&job.run)?;
            let (rows, values, n_bad_rows) =
                saved.points.read(&job.source, spool.path(), context)?;
            (
                judge_rows(saved, &job.run, (&rows, &values), context)?,
                n_bad_rows,
            )
        }
    };
    let mut output = Output::open(&job.output, job.overwrite)?;
    output.write(&batch)?;
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    output.commit()?;
    Ok(PredictOutcome {
        output: job.output.clone(),
        rows: batch.num_rows() as u64,
        member: "anomalies".into(),
        n_bad_rows,
    })
}

fn judge_rows(
    saved: &SavedRows,
    run: &Path,
    (rows, values): (&Rows, &[f32]),
    context: &Context,
) -> Result<arrow::array::RecordBatch, RunError> {
    let width = saved.points.width;
    let points = Points::new(values, width);
    let known_values = known_values(run, width)?;
    let known_points = Points::new(&known_values, width);
    let scores = saved.detectors.new_scores(known_points, points, context)?;
    let flagged: Vec<bool> = scores
        .iter()
        .map(|score| *score > saved.detectors.threshold)
        .collect();
    let known_rows =
        anomaly_known_rows::read(run, known_points.len(), saved.points.cells.width() > 0)?;
    let mut is_normal = vec![true; known_points.len()];
    for &row in &saved.strange {
        // A damaged file may name a row that is not there.
        is_normal
            .get_mut(row)
            .into_iter()
            .for_each(|is| *is = false);
    }
    let known = Known {
        rows: &known_rows,
        points: known_points,
        normal: (0..is_normal.len()).filter(|&row| is_normal[row]).collect(),
    };
    let at: Vec<usize> = (0..flagged.len()).filter(|&row| flagged[row]).collect();
    let own = points.gathered(&at);
    let asked = Asked {
        rows,
        at: &at,
        points: Points::new(&own, width),
        kind: Kind::New,
    };
    let explaining = Explaining {
        detectors: &saved.detectors,
        fitted: &saved.points,
        min_people: saved.min_people,
    };
    let explained = explaining.explain(&asked, &known, context)?;
    let mut reasons = vec![String::new(); flagged.len()];
    for (row, explained) in at.iter().zip(&explained) {
        reasons[*row] = explained.words();
    }
    let own = OwnColumns::of(rows, saved.points.is_of_entities());
    table(&own, (&scores, &saved.detectors), &flagged, &reasons)
}

/// The points that new ones are compared with.
fn known_values(run: &Path, width: usize) -> Result<Vec<f32>, RunError> {
    let path = run.join(KNOWN);
    let fail = |reason: &str| RunError::ModelFile {
        path: path.clone(),
        reason: reason.into(),
    };
    let bytes = std::fs::read(&path).map_err(|e| fail(&format!("cannot be read: {e}")))?;
    match npy_values(&bytes) {
        Some((_, cols, values)) if cols == width && width > 0 => Ok(values),
        _ => Err(fail("is damaged")),
    }
}
