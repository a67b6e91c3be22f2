//! Pre-trains an encoder on a table of events, for many targets, and turns histories into its vectors.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_nn::Products;
use arrow::array::{ArrayRef, StringArray, UInt64Array};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::apply::{Output, batch_of};
use super::embed::{EmbedOutcome, as_columns};
use super::event_encoder::{self, EventCourse, EventEncoderFolder, of_entities};
use super::pretrain::{checkpoint_of, keep, resume};
use super::{Context, RunError, event_stream};
use crate::mine::MineError;
use crate::mine::event_transformer::{EventModel, EventShape, MOST_EVENTS};
use crate::mine::next_events::Temperatures;
use crate::mine::pretraining::{HeldOut, PretrainingSettings};
use crate::prepare::{HistoryCells, Span};
use crate::source::SourceSettings;
use crate::store::{RunFolder, remove_checkpoint};

/// What is pre-trained on, and how.
#[derive(Clone, Debug)]
pub struct EventPretrainJob {
    pub source: SourceSettings,
    /// Column that tells whose an event is.
    pub entity: String,
    /// Times, or numbers that give the order.
    pub time: String,
    /// A folder that is made.
    pub output: PathBuf,
    pub shape: EventShape,
    /// By the number of events where absent.
    pub epochs: Option<usize>,
    pub learning_rate: Option<f64>,
    /// Share of the histories that are held out.
    pub held_out: f64,
    pub seed: u64,
    /// Goes on from an interrupted pre-training.
    pub resume: bool,
    /// Seconds between two checkpoints.
    pub checkpoint_seconds: f64,
    /// In which numbers linear maps multiply.
    pub products: Products,
    /// Bytes for the events.
    pub memory: u64,
}

/// What was pre-trained.
#[derive(Clone, Debug)]
pub struct EventPretrainOutcome {
    pub output: PathBuf,
    pub events: usize,
    pub histories: usize,
    pub held_out_histories: usize,
    pub held_out: Vec<HeldOut>,
    /// Names of the fields that are predicted, in the order of the temperatures.
    pub fields: Vec<String>,
    pub temperatures: Option<Temperatures>,
    pub seconds: f64,
}

/// What is turned into vectors and where they go.
#[derive(Clone, Debug)]
pub struct EventEmbedJob {
    pub source: SourceSettings,
    /// A folder that `pretrain` made.
    pub encoder: PathBuf,
    pub output: PathBuf,
    pub overwrite: bool,
    /// Bytes in which events are brought into their order.
    pub memory: u64,
}

/// Trains an encoder of events without labels, and writes it to a folder that `adit classify --encoder`, `adit embed` and
/// `adit predict` read.
///
/// The state is kept beside the output as `OUTPUT.checkpoint` while it runs, as of texts.
///
/// # Errors
/// Whatever is wrong with the events or the disk; a checkpoint of another work; [`RunError::Paused`] on Ctrl-C, with
/// the state kept.
pub fn pretrain_events(
    job: &EventPretrainJob,
    context: &Context,
) -> Result<EventPretrainOutcome, RunError> {
    context.limits.apply(|| pretrain(job, context))
}

fn pretrain(job: &EventPretrainJob, context: &Context) -> Result<EventPretrainOutcome, RunError> {
    let started = Instant::now();
    check(job)?;
    let folder = RunFolder::create(&job.output, false)?;
    let checkpoint = checkpoint_of(&job.output);
    if checkpoint.exists() && !job.resume {
        return Err(RunError::CheckpointThere { path: checkpoint });
    }
    let of = (&job.entity, &job.time);
    let loaded = event_stream::load(&job.source, of, None, (Some(job.memory), context))?;
    let all: Vec<usize> = (0..loaded.cells.spans.len()).collect();
    let spans = of_entities(&loaded.cells, &all, &[]);
    if spans.iter().all(|span| span.len() < 2) {
        return Err(too_few(&loaded.cells, &spans));
    }
    let epochs = job.epochs.unwrap_or_else(|| event_encoder::epochs(&spans));
    let rate = job.learning_rate.unwrap_or(event_encoder::LEARNING_RATE);
    let settings = event_encoder::settings(job.seed, epochs, rate, job.products);
    let course = EventCourse::new(&loaded.cells, &spans, job.held_out, job.shape);
    let (histories, held_out_histories) = course.n_histories();
    if held_out_histories == 0 {
        return Err(too_few(&loaded.cells, &spans));
    }
    let mut state = course.begin(job.seed)?;
    let fingerprint = fingerprint(&settings, (course.model(), job.held_out), &loaded.cells);
    if job.resume && checkpoint.exists() {
        resume(&mut state, &checkpoint, &fingerprint)?;
    }
    let every = Duration::from_secs_f64(job.checkpoint_seconds);
    let mut last = Instant::now();
    let ended = course.run(&settings, &mut state, context.watch, |state| {
        if last.elapsed() < every {
            return Ok(());
        }
        last = Instant::now();
        keep(state, &checkpoint, &fingerprint)
    });
    if let Err(RunError::Interrupted) = ended {
        keep(&state, &checkpoint, &fingerprint)?;
        return Err(RunError::Paused { path: checkpoint });
    }
    ended?;
    let steps = state.progress.step;
    // What comes now can be interrupted, too.
    keep(&state, &checkpoint, &fingerprint)?;
    let ended = course.end(loaded.histories, state, context.watch);
    if let Err(RunError::Interrupted) = ended {
        return Err(RunError::Paused { path: checkpoint });
    }
    let (encoder, held_out) = ended?;
    encoder.write(&folder, "")?;
    let told = json!({
        "adit": env!("CARGO_PKG_VERSION"),
        "seed": job.seed,
        "epochs": epochs,
        "steps": steps,
        "held_out": held_out,
    });
    folder.write("pretraining.json", told.to_string().as_bytes())?;
    let output = folder.commit()?;
    remove_checkpoint(&checkpoint);
    let fields = encoder.about.model.fields.predicted();
    Ok(EventPretrainOutcome {
        output,
        events: loaded.cells.events.n_events(),
        histories,
        held_out_histories,
        held_out,
        fields: fields.iter().map(ToString::to_string).collect(),
        temperatures: encoder.about.temperatures.clone(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn check(job: &EventPretrainJob) -> Result<(), RunError> {
    let wrong = |setting: &'static str, value: String, reason: &'static str| {
        Err(RunError::Mine(MineError::Setting {
            setting,
            value,
            reason,
        }))
    };
    if !(job.held_out > 0.0 && job.held_out < 1.0) {
        let value = job.held_out.to_string();
        return wrong("held-out", value, "it must lie between 0 and 1");
    }
    if let Some(rate) = job
        .learning_rate
        .filter(|rate| !(*rate > 0.0 && *rate < 1.0))
    {
        return wrong(
            "learning-rate",
            rate.to_string(),
            "it must lie between 0 and 1",
        );
    }
    if job.epochs == Some(0) {
        return wrong("epochs", "0".into(), "it must be at least 1");
    }
    if !(job.checkpoint_seconds >= 0.0 && job.checkpoint_seconds <= 1e9) {
        let value = job.checkpoint_seconds.to_string();
        return wrong("checkpoint-seconds", value, "it must be a length of time");
    }
    let shape = &job.shape;
    if !(2..=MOST_EVENTS).contains(&shape.window) {
        return wrong(
            "window",
            shape.window.to_string(),
            "it must be at least 2 events",
        );
    }
    if shape.width == 0 || !shape.width.is_multiple_of(2 * shape.n_heads) {
        let reason = "it must be a multiple of 8, twice the number of heads of attention";
        return wrong("hidden-size", shape.width.to_string(), reason);
    }
    Ok(())
}

/// What a checkpoint belongs to: settings, fields, and the events themselves.
fn fingerprint(
    settings: &PretrainingSettings,
    (model, held_out): (&EventModel, f64),
    cells: &HistoryCells,
) -> String {
    let mut hash = Sha256::new();
    hash.update(format!(
        "{settings:?} {model:?} {held_out} {:?}",
        cells.spans
    ));
    for time in &cells.events.times {
        hash.update(time.to_le_bytes());
    }
    for column in &cells.events.columns {
        hash.update(format!("{column:?}"));
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// A vector of every entity, by its events.
///
/// # Errors
/// A folder that is no encoder of events, events that lack its columns, or what is wrong with the disk.
pub fn embed_events(job: &EventEmbedJob, context: &Context) -> Result<EmbedOutcome, RunError> {
    context.limits.apply(|| {
        let mut writer = Output::open(&job.output, job.overwrite)?;
        let encoder = EventEncoderFolder::open(&job.encoder)?;
        let model = &encoder.about.model;
        let entity = &encoder.about.histories.entity;
        let (width, format) = (model.shape.width, writer.format);
        let of = (&job.source, job.memory);
        let folder = (&encoder, job.encoder.as_path());
        let (rows, n_bad_rows) =
            event_stream::write_each(folder, of, &mut writer, context, |names, cells| {
                let vectors = model.embed(&encoder.params, cells, context.watch)?;
                let counts = cells.spans.iter().map(|span| span.len() as u64);
                let mut columns: Vec<(String, ArrayRef)> = vec![
                    (
                        entity.clone(),
                        Arc::new(StringArray::from_iter_values(names)),
                    ),
                    (
                        "events".into(),
                        Arc::new(UInt64Array::from_iter_values(counts)),
                    ),
                ];
                columns.extend(as_columns("embedding", vectors, width, format));
                batch_of(columns, "embeddings")
            })?;
        writer.commit()?;
        Ok(EmbedOutcome {
            output: job.output.clone(),
            rows,
            columns: vec![entity.clone()],
            width,
            n_bad_rows,
            precision: adit_nn::Precision::F32,
            choice: None,
        })
    })
}

fn too_few(cells: &HistoryCells, spans: &[Span]) -> RunError {
    RunError::TooFewHistories {
        entities: cells.spans.len(),
        enough: spans.iter().filter(|span| span.len() > 1).count(),
    }
}
