//! Applies a finished run to new rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray, UInt64Array,
};
use arrow::datatypes::{Field, Schema};

use super::event_encoder::EventEncoderFolder;
use super::saved::Predictor;
use super::{Context, RunError, event_reasons};
use crate::engine::Session;
use crate::mine::Predictions;
use crate::mine::decide::confidences;
use crate::prepare::{self, Rows, Target};
use crate::source::{SourceSettings, Table};
use crate::store::{AtomicFile, StoreError, TableFormat, TableWriter};

/// Rows predicted together; a fixed number, so that memory is bounded and bytes repeat.
const CHUNK_ROWS: usize = 8_192;

/// What is predicted and where it goes.
#[derive(Clone, Debug)]
pub struct PredictJob {
    /// A finished run.
    pub run: PathBuf,
    pub source: SourceSettings,
    /// Files of events, for a run that reads such.
    pub events: Vec<String>,
    /// `.parquet`, `.csv` or `.jsonl`.
    pub output: PathBuf,
    /// Of a run that reads events: adds which of them raised and lowered the score of each row.
    pub reasons: bool,
    /// Of an encoder of events: how surprising each event is, rather than what comes next.
    pub surprise: bool,
    /// Another member than the recommended one.
    pub member: Option<String>,
    pub overwrite: bool,
}

/// What was predicted.
#[derive(Clone, Debug)]
pub struct PredictOutcome {
    pub output: PathBuf,
    pub rows: u64,
    pub member: String,
    pub n_bad_rows: u64,
}

/// Predicts every row of the source, streamed.
///
/// # Errors
/// A folder that is no run, columns that do not fit (by name), or whatever is wrong with the data
/// or the disk; no output is left behind.
pub fn predict(job: &PredictJob, context: &Context) -> Result<PredictOutcome, RunError> {
    context.limits.apply(|| {
        if super::pattern_marks::is_pattern_run(&job.run) {
            return super::pattern_marks::mark(job, context);
        }
        if super::cluster_apply::is_cluster_run(&job.run) {
            return super::cluster_apply::assign(job, context);
        }
        if super::anomaly_apply::is_anomaly_run(&job.run) {
            return super::anomaly_apply::score(job, context);
        }
        if EventEncoderFolder::is_one(&job.run) {
            if job.reasons || job.member.is_some() || !job.events.is_empty() {
                return Err(RunError::JobFile {
                    path: job.run.clone(),
                    reason: "is an encoder of events and has no members: `--member`, `--events` and `--reasons` are for a \
                             run"
                        .into(),
                });
            }
            return super::next_events::next_events(job, context);
        }
        if job.surprise {
            return Err(RunError::NotARun {
                path: job.run.clone(),
                reason:
                    "how surprising events are is told by an encoder of events, which this is not"
                        .into(),
            });
        }
        predict_inner(job, context)
    })
}

fn predict_inner(job: &PredictJob, context: &Context) -> Result<PredictOutcome, RunError> {
    let predictor = Predictor::open(&job.run, job.member.as_deref())?;
    let spool = super::spool()?;
    let session =
        Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
    let table = Table::open(&job.source, spool.path(), &session, context.watch)?;
    predictor.preparation.check_schema(table.schema())?;
    let roles = predictor.preparation.roles_for(table.schema(), false);
    let mut writer = Output::open(&job.output, job.overwrite)?;
    // Events are looked up anew for every part, and these rows are in memory all together.
    let at_once = match predictor.preparation.histories() {
        Some(_) => usize::MAX,
        None => CHUNK_ROWS,
    };
    let mut pending: Option<Rows> = None;
    let mut done = 0u64;
    // Windows need all rows of an entity, which may lie anywhere.
    let source: Box<dyn Iterator<Item = Result<Rows, prepare::PrepareError>>> =
        match predictor.preparation.windows() {
            Some(windows) => {
                let mut rows = prepare::load(&table, &roles)?;
                windows.extend(&mut rows)?;
                Box::new(chunks(&rows).into_iter().map(Ok))
            }
            None if predictor.preparation.histories().is_some() => {
                let rows = with_events(job, &predictor, &table, &roles, spool.path(), context)?;
                Box::new(chunks(&rows).into_iter().map(Ok))
            }
            None => Box::new(prepare::stream(&table, &roles)?),
        };
    for rows in source {
        let rows = rows?;
        let mut buffer = match pending.take() {
            Some(mut earlier) => {
                earlier.append(rows)?;
                earlier
            }
            None => rows,
        };
        while buffer.row_ids.len() >= at_once {
            let (chunk, rest) = buffer.split_at(at_once);
            done += write_chunk((&predictor, job.reasons), &chunk, &mut writer, context)?;
            context.watch.progress("predict", done, table.n_rows(), "");
            buffer = rest;
        }
        pending = Some(buffer);
    }
    if let Some(rest) = pending.filter(|r| !r.row_ids.is_empty() || done == 0) {
        done += write_chunk((&predictor, job.reasons), &rest, &mut writer, context)?;
        context.watch.progress("predict", done, table.n_rows(), "");
    }
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    writer.commit()?;
    Ok(PredictOutcome {
        output: job.output.clone(),
        rows: done,
        member: job.member.clone().unwrap_or(predictor.manifest.chosen),
        n_bad_rows: table.n_bad_rows(),
    })
}

/// All rows with what the events of their entities say.
fn with_events(
    job: &PredictJob,
    predictor: &Predictor,
    table: &Table,
    roles: &[prepare::ColumnRole],
    spool: &Path,
    context: &Context,
) -> Result<Rows, RunError> {
    let Some(histories) = predictor.preparation.histories() else {
        return Ok(prepare::load(table, roles)?);
    };
    if job.events.is_empty() {
        return Err(RunError::NoEvents {
            run: job.run.clone(),
        });
    }
    let settings = SourceSettings {
        inputs: job.events.clone(),
        ..job.source.clone()
    };
    let session =
        Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
    let columns = (&histories.entity, &histories.time);
    let at = (spool, &session);
    let known = super::event_data::Known {
        histories: Some(histories),
        is_whole: true,
        ..super::event_data::Known::default()
    };
    let loaded = super::event_data::load(&settings, columns, known, at, context.watch)?;
    let mut rows = prepare::load(table, roles)?;
    histories.extend(&mut rows, &histories.events(&loaded.rows)?)?;
    Ok(rows)
}

fn write_chunk(
    (predictor, with_reasons): (&Predictor, bool),
    rows: &Rows,
    writer: &mut Output,
    context: &Context,
) -> Result<u64, RunError> {
    let predictions = predictor.predict(rows, context.watch)?;
    let batch = prediction_batch(&rows.row_ids, &predictions, predictor, None)?;
    writer.write(&if with_reasons {
        event_reasons::with_reasons(&batch, predictor, rows, context.watch)?
    } else {
        batch
    })?;
    Ok(rows.row_ids.len() as u64)
}

/// The output file, begun with the first batch.
pub(super) struct Output {
    path: PathBuf,
    pub(super) format: TableFormat,
    writer: Option<TableWriter<AtomicFile>>,
}

impl Output {
    pub(super) fn open(path: &Path, overwrite: bool) -> Result<Output, StoreError> {
        if !overwrite && path.is_file() {
            return Err(StoreError::Exists {
                path: path.to_path_buf(),
            });
        }
        Ok(Output {
            path: path.to_path_buf(),
            format: TableFormat::of(path)?,
            writer: None,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty => {
                let file = AtomicFile::create(&self.path)?;
                empty.insert(TableWriter::new(
                    file,
                    self.format,
                    batch.schema(),
                    &self.path,
                )?)
            }
        };
        writer.write(batch)
    }

    pub(super) fn commit(self) -> Result<(), StoreError> {
        match self.writer {
            Some(writer) => writer.finish()?.commit(),
            None => Ok(()),
        }
    }
}

/// The pieces in which rows are predicted.
pub fn chunks(rows: &Rows) -> Vec<Rows> {
    let n = rows.row_ids.len();
    (0..n)
        .step_by(CHUNK_ROWS)
        .map(|start| {
            let range: Vec<usize> = (start..n.min(start + CHUNK_ROWS)).collect();
            prepare::subset(rows, &range)
        })
        .collect()
}

/// Columns `row`, `truth` (where known), `predicted`; for classes `probability_<class>`, `set` (the classes that
/// conformal prediction cannot rule out, with a bar between) and `answered` where rows may be left unanswered; for
/// numbers the ends `low` and `high` of the interval.
pub fn prediction_batch(
    row_ids: &[u64],
    predictions: &Predictions,
    predictor: &Predictor,
    truth: Option<&Target>,
) -> Result<RecordBatch, RunError> {
    let mut columns: Vec<(String, ArrayRef)> =
        vec![("row".into(), Arc::new(UInt64Array::from(row_ids.to_vec())))];
    match truth {
        Some(Target::Classes { codes, names }) => {
            let named = codes.iter().map(|&c| names[c as usize].as_str());
            columns.push((
                "truth".into(),
                Arc::new(StringArray::from_iter_values(named)),
            ));
        }
        Some(Target::Numbers(values)) => {
            columns.push(("truth".into(), Arc::new(Float64Array::from(values.clone()))));
        }
        None => {}
    }
    let (decisions, class_names) = (&predictor.decisions, predictor.preparation.class_names());
    match predictions {
        Predictions::Numbers(values) => {
            columns.push((
                "predicted".into(),
                Arc::new(Float64Array::from(values.clone())),
            ));
            let ends = |&value: &f64| decisions.conformal.as_ref()?.interval(value);
            let ends: Option<Vec<(f64, f64)>> = values.iter().map(ends).collect();
            if let Some(ends) = ends {
                let (low, high): (Vec<f64>, Vec<f64>) = ends.into_iter().unzip();
                columns.push(("low".into(), Arc::new(Float64Array::from(low))));
                columns.push(("high".into(), Arc::new(Float64Array::from(high))));
            }
        }
        Predictions::Probabilities { n_classes, values } => {
            let positive = predictor.preparation.positive_class();
            let positive = positive.or((*n_classes == 2).then_some(1));
            let winners = decisions.decided(predictions, positive).unwrap_or_default();
            let named = winners.iter().map(|&c| class_names[c as usize].as_str());
            columns.push((
                "predicted".into(),
                Arc::new(StringArray::from_iter_values(named)),
            ));
            for (class, name) in class_names.iter().enumerate() {
                let of_class = values.iter().skip(class).step_by(*n_classes).copied();
                columns.push((
                    format!("probability_{name}"),
                    Arc::new(Float32Array::from_iter_values(of_class)),
                ));
            }
            if let Some(conformal) = &decisions.conformal {
                let set = |row: &[f32]| {
                    let classes = conformal.set(row).into_iter();
                    let named: Vec<&str> = classes.map(|c| class_names[c].as_str()).collect();
                    named.join(" | ")
                };
                let sets = values.chunks_exact(*n_classes).map(set);
                columns.push(("set".into(), Arc::new(StringArray::from_iter_values(sets))));
            }
            if let Some(rule) = &decisions.abstain {
                let sure = confidences(predictions, &winners).into_iter();
                let answered = sure.map(|p| Some(f64::from(p) >= rule.confidence));
                columns.push((
                    "answered".into(),
                    Arc::new(BooleanArray::from_iter(answered)),
                ));
            }
        }
    }
    batch_of(columns, "predictions.parquet")
}

/// Columns without missing values, side by side; `file` is what errors call them.
pub(super) fn batch_of(
    columns: Vec<(String, ArrayRef)>,
    file: &str,
) -> Result<RecordBatch, RunError> {
    batch_with(columns, file, |array| array.null_count() > 0)
}

/// Columns of which any may lack a value in other batches of the file.
pub(super) fn nullable_batch_of(
    columns: Vec<(String, ArrayRef)>,
    file: &str,
) -> Result<RecordBatch, RunError> {
    batch_with(columns, file, |_| true)
}

fn batch_with(
    columns: Vec<(String, ArrayRef)>,
    file: &str,
    is_nullable: impl Fn(&ArrayRef) -> bool,
) -> Result<RecordBatch, RunError> {
    let field = |(name, array): &(String, ArrayRef)| {
        Field::new(name, array.data_type().clone(), is_nullable(array))
    };
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| RunError::ModelFile {
        path: PathBuf::from(file),
        reason: e.to_string(),
    })
}
