//! Pre-trains an encoder on a table of events, for many targets, and turns histories into its vectors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_nn::Products;
use arrow::array::{ArrayRef, StringArray, UInt64Array};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::apply::{Output, batch_of};
use super::embed::{EmbedOutcome, as_columns};
use super::event_encoder::{self, EventCourse, EventEncoderFolder, of_entities};
use super::pretrain::{checkpoint_of, keep, resume};
use super::{Context, RunError, event_data};
use crate::engine::Session;
use crate::mine::MineError;
use crate::mine::event_transformer::{EventModel, EventShape, MOST_EVENTS};
use crate::mine::next_events::Temperatures;
use crate::mine::pretraining::{HeldOut, PretrainingSettings};
use crate::prepare::{ColumnRole, EventOrder, Histories, HistoryCells, Role, SortedEvents};
use crate::source::{SourceSettings, Table};
use crate::store::{RunFolder, remove_checkpoint};

/// Bytes of an event that is held: its moment, its row, …
const BYTES_OF_EVENT: u64 = 16;
/// … and each field, as it was read and as it is learned from.
const BYTES_OF_FIELD: u64 = 12;
/// Bytes for events where no one asks.
const MEMORY: u64 = 4 << 30;
/// Events whose histories are turned into vectors together.
const EVENTS_AT_ONCE: usize = 200_000;

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

/// Entities with all that they did.
pub(super) struct LoadedHistories {
    pub histories: Histories,
    pub names: Vec<String>,
    pub cells: HistoryCells,
    pub n_bad_rows: u64,
}

/// A table of events that is open, and what its columns are.
struct OpenEvents {
    table: Table,
    roles: Vec<ColumnRole>,
    entity: String,
    time: String,
    spool: TempDir,
}

impl OpenEvents {
    /// Opens a table of events, with the columns of `known` histories where these are.
    fn open(
        source: &SourceSettings,
        (entity, time): (&String, &String),
        known: Option<&Histories>,
        context: &Context,
    ) -> Result<OpenEvents, RunError> {
        let spool = super::spool()?;
        let session =
            Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
        let table = Table::open(source, spool.path(), &session, context.watch)?;
        let of = event_data::Known {
            histories: known,
            outcome: None,
        };
        Ok(OpenEvents {
            roles: event_data::roles(&table, (entity, time), of, context.watch)?,
            entity: entity.clone(),
            time: time.clone(),
            table,
            spool,
        })
    }

    fn sorted(&self, memory: u64) -> Result<SortedEvents, RunError> {
        let order = EventOrder {
            entity: &self.entity,
            time: &self.time,
            memory,
            folder: self.spool.path(),
        };
        Ok(SortedEvents::open(&self.table, &self.roles, &order)?)
    }

    /// Bytes that all events take in memory at the most, about.
    fn bytes(&self) -> u64 {
        let is_field = |role: &&ColumnRole| matches!(role.role, Role::Number | Role::Category);
        let fields = self.roles.iter().filter(is_field).count() as u64;
        self.table.n_rows() * (BYTES_OF_EVENT + BYTES_OF_FIELD * fields)
    }
}

/// Reads a table of events, the columns of `known` histories where these are.
pub(super) fn load(
    source: &SourceSettings,
    of: (&String, &String),
    known: Option<&Histories>,
    (memory, context): (u64, &Context),
) -> Result<LoadedHistories, RunError> {
    let events = OpenEvents::open(source, of, known, context)?;
    let wanted = events.bytes();
    if wanted > memory {
        return Err(RunError::TooManyEvents {
            events: events.table.n_rows(),
            mib: (wanted >> 20) + 1,
        });
    }
    let found = events
        .sorted(memory - wanted)?
        .next(usize::MAX, context.watch)?;
    let (names, cells) = found.ok_or(RunError::NoRows)?;
    let histories = match known {
        Some(known) => known.clone(),
        None => Histories::of_table(&cells.events, (of.0, of.1)),
    };
    Ok(LoadedHistories {
        histories,
        names,
        cells,
        n_bad_rows: events.table.n_bad_rows(),
    })
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
    let loaded = load(&job.source, of, None, (job.memory, context))?;
    let all: Vec<usize> = (0..loaded.cells.spans.len()).collect();
    let spans = of_entities(&loaded.cells, &all, &[]);
    if spans.iter().all(|span| span.len() < 2) {
        return Err(RunError::Mine(MineError::NoTrainingRows));
    }
    let epochs = job.epochs.unwrap_or_else(|| event_encoder::epochs(&spans));
    let rate = job.learning_rate.unwrap_or(event_encoder::LEARNING_RATE);
    let settings = event_encoder::settings(job.seed, epochs, rate, job.products);
    let course = EventCourse::new(&loaded.cells, &spans, job.held_out, job.shape);
    let (histories, held_out_histories) = course.n_histories();
    if held_out_histories == 0 {
        return Err(RunError::Mine(MineError::NoTrainingRows));
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

/// Opens the folder of an encoder and the events it is to read.
pub(super) fn open(
    folder: &Path,
    source: &SourceSettings,
    context: &Context,
) -> Result<(EventEncoderFolder, LoadedHistories), RunError> {
    let encoder = EventEncoderFolder::open(folder)?;
    let known = &encoder.about.histories;
    let of = (&known.entity, &known.time);
    let loaded = load(source, of, Some(known), (MEMORY, context))?;
    encoder.check(&loaded.cells, &folder.to_string_lossy())?;
    Ok((encoder, loaded))
}

/// A vector of every entity, by its events.
///
/// # Errors
/// A folder that is no encoder of events, events that lack its columns, or what is wrong with the disk.
pub fn embed_events(job: &EventEmbedJob, context: &Context) -> Result<EmbedOutcome, RunError> {
    context.limits.apply(|| {
        let mut writer = Output::open(&job.output, job.overwrite)?;
        let encoder = EventEncoderFolder::open(&job.encoder)?;
        let known = &encoder.about.histories;
        let of = (&known.entity, &known.time);
        let events = OpenEvents::open(&job.source, of, Some(known), context)?;
        let model = &encoder.about.model;
        let (width, mut rows) = (model.shape.width, 0);
        let mut sorted = events.sorted(job.memory)?;
        while let Some((names, cells)) = sorted.next(EVENTS_AT_ONCE, context.watch)? {
            encoder.check(&cells, &job.encoder.to_string_lossy())?;
            let vectors = model.embed(&encoder.params, &cells, context.watch)?;
            let counts = cells.spans.iter().map(|span| span.len() as u64);
            let mut columns: Vec<(String, ArrayRef)> = vec![
                (
                    known.entity.clone(),
                    Arc::new(StringArray::from_iter_values(&names)),
                ),
                (
                    "events".into(),
                    Arc::new(UInt64Array::from_iter_values(counts)),
                ),
            ];
            columns.extend(as_columns("embedding", vectors, width, writer.format));
            writer.write(&batch_of(columns, "embeddings")?)?;
            rows += names.len() as u64;
        }
        if rows == 0 {
            return Err(RunError::NoRows);
        }
        writer.commit()?;
        Ok(EmbedOutcome {
            output: job.output.clone(),
            rows,
            columns: vec![known.entity.clone()],
            width,
            n_bad_rows: events.table.n_bad_rows(),
            precision: adit_nn::Precision::F32,
            choice: None,
        })
    })
}
