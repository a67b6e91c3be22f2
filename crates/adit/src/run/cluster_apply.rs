//! Puts new rows into the clusters of a finished search.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array};

use super::apply::{Output, batch_of};
use super::clusters::{KNOWN, SAVED, SavedClusters, VERSION, label_columns};
use super::saved::from_json;
use super::{Context, PredictJob, PredictOutcome, RunError};
use crate::prepare::{Role, Values};
use crate::represent::points::Points;
use crate::store::npy_values;

/// Whether a run is a search for clusters.
pub(super) fn is_cluster_run(run: &Path) -> bool {
    run.join(SAVED).is_file()
}

/// Writes `row` (or the entity), `cluster`, `name` and `margin`.
///
/// # Errors
/// A damaged run, columns that are not there, or whatever is wrong with the data or the disk; no output is left behind.
pub(super) fn assign(job: &PredictJob, context: &Context) -> Result<PredictOutcome, RunError> {
    let mut saved: SavedClusters = from_json(&job.run.join(SAVED))?;
    let fail = |reason: String| RunError::NotARun {
        path: job.run.clone(),
        reason,
    };
    if saved.version != VERSION {
        return Err(fail(format!(
            "its clusters have format {}, but this program reads format {VERSION}",
            saved.version
        )));
    }
    if let Some(member) = &job.member {
        return Err(fail(format!("clusters have no member `{member}`")));
    }
    saved.points.read_weights(&job.run)?;
    let spool = super::spool()?;
    let (rows, values, n_bad_rows) = saved.points.read(&job.source, spool.path(), context)?;
    let points = Points::new(&values, saved.points.width);
    let (labels, margins) = match &saved.model {
        Some(model) => {
            let known = known(&job.run, model.needs_known(), saved.points.width)?;
            let known = known
                .as_deref()
                .map(|values| Points::new(values, saved.points.width));
            model.assign(points, known)?
        }
        None => (vec![None; points.len()], vec![0.0; points.len()]),
    };
    if labels
        .iter()
        .flatten()
        .any(|&label| label as usize >= saved.names.len())
    {
        return Err(fail("its clusters are damaged: a name is missing".into()));
    }
    let mut columns: Vec<(String, ArrayRef)> = vec![(
        "row".into(),
        Arc::new(UInt64Array::from(rows.row_ids.clone())),
    )];
    if let (true, Some(first)) = (saved.points.is_of_entities(), rows.columns.first())
        && let (Role::Id, Values::Strings(ids)) = (first.role, &first.values)
    {
        columns.push((first.name.clone(), Arc::new(StringArray::from(ids.clone()))));
    }
    columns.extend(label_columns(&labels, &margins, &saved.names));
    let mut output = Output::open(&job.output, job.overwrite)?;
    output.write(&batch_of(columns, "clusters")?)?;
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    output.commit()?;
    Ok(PredictOutcome {
        output: job.output.clone(),
        rows: rows.n_rows() as u64,
        member: "clusters".into(),
        n_bad_rows,
    })
}

/// The points that clusters were found in, where they are needed.
fn known(run: &Path, is_needed: bool, width: usize) -> Result<Option<Vec<f32>>, RunError> {
    if !is_needed {
        return Ok(None);
    }
    let path = run.join(KNOWN);
    let fail = |reason: &str| RunError::ModelFile {
        path: path.clone(),
        reason: reason.into(),
    };
    let bytes = std::fs::read(&path).map_err(|e| fail(&format!("cannot be read: {e}")))?;
    match npy_values(&bytes) {
        Some((_, cols, values)) if cols == width => Ok(Some(values)),
        _ => Err(fail("is damaged")),
    }
}
