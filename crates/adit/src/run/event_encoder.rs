//! Encoders of events: pre-trained on histories, kept in a folder, and their vectors beside the rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use adit_nn::random::mix;
use adit_nn::{Params, Products};
use serde::{Deserialize, Serialize};

use super::data::Loaded;
use super::plan::Plan;
use super::saved::{from_json, read_weights, to_json};
use super::{Job, RunError};
use crate::Watch;
use crate::mine::MineError;
use crate::mine::event_transformer::{EventModel, EventShape};
use crate::mine::next_events::Temperatures;
use crate::mine::pretraining::{
    EventObjective, HeldOut, Pretraining, PretrainingSettings, PretrainingState, SlicesSettings,
};
use crate::prepare::{Dataset, Histories, HistoryCells, Span};
use crate::represent::event_tokens::EventFields;
use crate::represent::event_vectors;
use crate::store::RunFolder;

/// Files of an encoder of events, in its folder or in a run's `model`.
const MODEL: &str = "events.json";
const WEIGHTS: &str = "events.safetensors";

/// Tokens that a pre-training may see, about, over all its epochs.
const TOKENS: usize = 6_000_000;
/// Tokens of a step, about.
pub(super) const BATCH_TOKENS: usize = 4096;
pub(super) const LEARNING_RATE: f64 = 1e-3;
/// Share of the histories that are only judged on.
pub(super) const HELD_OUT: f64 = 0.1;

/// Format of the folder; raised when an old one can no longer be read.
const VERSION: u32 = 1;

/// An encoder of events with its weights.
#[derive(Clone, Debug)]
pub struct EventEncoderFolder {
    pub about: AboutEvents,
    pub params: Params,
}

/// All of an encoder of events but its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AboutEvents {
    version: u32,
    /// Columns of the events that it was pre-trained on.
    pub histories: Histories,
    pub model: EventModel,
    /// Absent where no history was held out that says.
    pub temperatures: Option<Temperatures>,
}

/// Vectors of the histories of all rows, made once for all members.
pub struct EventVectors {
    pub encoder: EventEncoderFolder,
    /// The rows with a column a value of their vector.
    pub dataset: Dataset,
    /// What was measured while it was pre-trained; empty where it came from elsewhere.
    pub held_out: Vec<HeldOut>,
    pub seconds: f64,
}

/// Whether `name` is a folder that holds an encoder of events.
pub fn is_event_encoder(name: &str) -> bool {
    EventEncoderFolder::is_one(Path::new(name))
}

impl EventEncoderFolder {
    /// Whether a folder holds an encoder of events.
    pub fn is_one(folder: &Path) -> bool {
        folder.join(MODEL).is_file()
    }

    /// Reads the encoder of a folder.
    ///
    /// # Errors
    /// Names the file that is absent or damaged.
    pub fn open(folder: &Path) -> Result<EventEncoderFolder, RunError> {
        let about: AboutEvents = from_json(&folder.join(MODEL))?;
        if about.version != VERSION {
            return Err(RunError::ModelFile {
                path: folder.join(MODEL),
                reason: format!(
                    "has format {}, but this program reads format {VERSION}",
                    about.version
                ),
            });
        }
        let n_fields = about.model.fields.targets().len();
        let is_whole = |t: &Temperatures| {
            let are_sizes = t.by_field.iter().all(|t| t.is_finite() && *t > 0.0);
            t.by_field.len() == n_fields && are_sizes
        };
        if !about.temperatures.as_ref().is_none_or(is_whole) {
            return Err(RunError::ModelFile {
                path: folder.join(MODEL),
                reason: "is damaged: its temperatures are not those of its fields".into(),
            });
        }
        let drawn = about.model.encoder(0).map(|(_, drawn)| drawn);
        let params = read_weights(&folder.join(WEIGHTS), drawn)?;
        Ok(EventEncoderFolder { about, params })
    }

    /// Writes it below `folder`, in `place` (with its slash) or at the top.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, folder: &RunFolder, place: &str) -> Result<(), RunError> {
        folder.write(&format!("{place}{MODEL}"), &to_json(MODEL, &self.about)?)?;
        let weights = self.params.to_safetensors_bytes();
        folder.write(&format!("{place}{WEIGHTS}"), &weights)?;
        Ok(())
    }

    /// Adds the vectors of a dataset's histories to its columns.
    ///
    /// # Errors
    /// `NoFeatures` without histories.
    pub fn add_vectors(&self, dataset: &mut Dataset, watch: &dyn Watch) -> Result<(), RunError> {
        let cells = dataset.histories.as_ref().ok_or(MineError::NoFeatures)?;
        let model = &self.about.model;
        let vectors = model.embed(&self.params, cells, watch)?;
        let columns = event_vectors::columns(&vectors, model.shape.width);
        dataset.numbers.extend(columns);
        Ok(())
    }

    /// Checks that a table of events has a field that the encoder reads, and none of another kind.
    ///
    /// # Errors
    /// Names the fields that it reads, where none is there.
    pub fn check(&self, cells: &HistoryCells, folder: &str) -> Result<(), RunError> {
        let fields = &self.about.model.fields;
        let fail = |reason: String| {
            Err(RunError::JobFile {
                path: folder.into(),
                reason,
            })
        };
        if let Some(fault) = fields.fault(&cells.events) {
            return fail(format!(
                "this encoder was pre-trained on other events: {fault}"
            ));
        }
        let is_there = |name: &str| cells.events.column(name).is_some();
        if fields.names().next().is_none() || fields.names().any(is_there) {
            return Ok(());
        }
        let names: Vec<&str> = fields.names().collect();
        fail(format!(
            "this encoder reads the columns {} of events, and none of them is there",
            names.join(", ")
        ))
    }
}

impl EventVectors {
    /// Pre-trains an encoder on the histories of the rows that may be learned from, or takes the one given, and adds
    /// its vectors to all rows.
    ///
    /// # Errors
    /// Those of pre-training; an encoder of other events.
    pub fn of(
        job: &Job,
        (loaded, plan): (&Loaded, &Plan),
        given: Option<EventEncoderFolder>,
        watch: &dyn Watch,
    ) -> Result<Option<EventVectors>, RunError> {
        let Some(cells) = &loaded.dataset.histories else {
            return Ok(None);
        };
        let started = Instant::now();
        let (encoder, held_out) = match given {
            Some(encoder) => {
                let folder = job.transformer.encoder.as_deref().unwrap_or_default();
                encoder.check(cells, folder)?;
                (encoder, Vec::new())
            }
            None => {
                let mut judged = plan.held_out.clone();
                judged.extend(&loaded.split.test);
                let spans = of_entities(cells, &loaded.fit_rows(), &judged);
                // One event after another is what there is to learn.
                if spans.iter().all(|span| span.len() < 2) {
                    return Ok(None);
                }
                let settings = {
                    let products = job.transformer.training_precision.unwrap_or_default();
                    settings(job.seed, epochs(&spans), LEARNING_RATE, products)
                };
                let course = EventCourse::new(cells, &spans, HELD_OUT, EventShape::default());
                let mut state = course.begin(job.seed)?;
                course.run(&settings, &mut state, watch, |_| Ok(()))?;
                let histories = loaded.preparation.histories().cloned();
                course.end(histories.ok_or(MineError::NoFeatures)?, state, watch)?
            }
        };
        let mut dataset = loaded.dataset.clone();
        encoder.add_vectors(&mut dataset, watch)?;
        Ok(Some(EventVectors {
            encoder,
            dataset,
            held_out,
            seconds: started.elapsed().as_secs_f64(),
        }))
    }
}

/// One pre-training on some histories.
pub(super) struct EventCourse<'a> {
    model: EventModel,
    cells: &'a HistoryCells,
    train: Vec<Span>,
    held_out: Vec<Span>,
}

impl<'a> EventCourse<'a> {
    /// Fits the fields on the histories, some of which are then held out.
    pub fn new(
        cells: &'a HistoryCells,
        spans: &[Span],
        held_out: f64,
        shape: EventShape,
    ) -> EventCourse<'a> {
        // By a hash of the history's place, so that no order of the file matters; those of one event say nothing.
        let useful = |at: &usize| spans[*at].len() > 1;
        let n_useful = (0..spans.len()).filter(useful).count();
        let n_held = ((n_useful as f64 * held_out).round() as usize)
            .max(1)
            .min(n_useful / 2);
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&at| (useful(&at), mix(0, spans[at].start as u64), at));
        let mut held: Vec<usize> = order.split_off(spans.len() - n_held);
        order.sort_unstable();
        held.sort_unstable();
        let of = |places: Vec<usize>| places.into_iter().map(|at| spans[at]).collect::<Vec<_>>();
        let (train, held_out) = (of(order), of(held));
        let fields = EventFields::fit(cells, &train);
        EventCourse {
            model: EventModel { fields, shape },
            cells,
            train,
            held_out,
        }
    }

    /// What is trained.
    pub fn model(&self) -> &EventModel {
        &self.model
    }

    /// Histories to learn from, and those that are held out.
    pub fn n_histories(&self) -> (usize, usize) {
        (self.train.len(), self.held_out.len())
    }

    /// The state before the first step.
    ///
    /// # Errors
    /// Sizes that do not fit each other.
    pub fn begin(&self, seed: u64) -> Result<PretrainingState, RunError> {
        let (_, params) = self.model.encoder(seed)?;
        Ok(PretrainingState {
            params,
            ..PretrainingState::default()
        })
    }

    /// As [`Pretraining::run`].
    ///
    /// # Errors
    /// `Cancelled`, a loss that is no longer finite, or what `keep` says.
    pub fn run(
        &self,
        settings: &PretrainingSettings,
        state: &mut PretrainingState,
        watch: &dyn Watch,
        keep: impl FnMut(&PretrainingState) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let (encoder, _) = self.model.encoder(0)?;
        let events = self.model.fields.code(&self.cells.events);
        let objective = EventObjective {
            encoder: &encoder,
            events: &events,
            train: &self.train,
            held_out: &self.held_out,
            window: self.model.shape.window,
            batch_tokens: BATCH_TOKENS,
            slices: SlicesSettings {
                temperature: 0.2,
                weight: 0.5,
            },
        };
        let work = Pretraining {
            objective: &objective,
            settings,
            name: "pre-train on events",
        };
        work.run(state, watch, keep)
    }

    /// What was learned, and what was measured on the way.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn end(
        self,
        histories: Histories,
        state: PretrainingState,
        watch: &dyn Watch,
    ) -> Result<(EventEncoderFolder, Vec<HeldOut>), RunError> {
        let held = &self.held_out;
        let temperatures = match self
            .model
            .temperatures(&state.params, self.cells, held, watch)
        {
            Err(MineError::NoTrainingRows) => None,
            other => Some(other?),
        };
        let about = AboutEvents {
            version: VERSION,
            histories,
            model: self.model,
            temperatures,
        };
        let params = state.params;
        let encoder = EventEncoderFolder { about, params };
        Ok((encoder, state.progress.held_out))
    }
}

/// The usual number of passes over some histories.
pub(super) fn epochs(spans: &[Span]) -> usize {
    let n_events: usize = spans.iter().map(Span::len).sum();
    // Slices are read beside the histories.
    (TOKENS / (2 * n_events).max(1)).clamp(3, 40)
}

/// The usual settings of a pre-training on events.
pub(super) fn settings(
    seed: u64,
    epochs: usize,
    learning_rate: f64,
    products: Products,
) -> PretrainingSettings {
    PretrainingSettings {
        learning_rate: learning_rate as f32,
        epochs,
        warmup: 0.1,
        weight_decay: 1e-2,
        clip_norm: 1.0,
        seed,
        products,
    }
}

/// The longest history of each entity among some rows, in their order; without those that have no event.
///
/// Of an entity that has a row among `judged` too, what comes after the earliest of these rows' cut-offs is left out: it
/// would be known when that row is judged.
pub(super) fn of_entities(cells: &HistoryCells, rows: &[usize], judged: &[usize]) -> Vec<Span> {
    let mut least: BTreeMap<usize, usize> = BTreeMap::new();
    for span in judged.iter().map(|&row| cells.spans[row]) {
        let end = least.entry(span.start).or_insert(span.end);
        *end = span.end.min(*end);
    }
    let clipped = rows.iter().map(|&row| {
        let span = cells.spans[row];
        let end = least
            .get(&span.start)
            .map_or(span.end, |end| span.end.min(*end));
        Span { end, ..span }
    });
    let mut spans: Vec<Span> = clipped.filter(|span| !span.is_empty()).collect();
    spans.sort_by_key(|span| (span.start, span.end));
    let mut longest: Vec<Span> = Vec::new();
    for span in spans {
        match longest.last_mut() {
            Some(last) if last.start == span.start => *last = span,
            _ => longest.push(span),
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::prepare::EventTable;

    #[test]
    fn what_a_judged_row_may_not_see_is_not_pre_trained_on() {
        let span = |start, end| Span {
            start,
            end,
            until: None,
        };
        let cells = HistoryCells {
            events: Arc::new(EventTable::default()),
            // Two rows of one entity, of which the earlier is judged; another that is not; one without events before it.
            spans: vec![
                span(0, 9),
                span(0, 4),
                span(9, 20),
                span(9, 15),
                span(20, 20),
            ],
        };
        let ends = |rows: &[usize], judged: &[usize]| -> Vec<usize> {
            of_entities(&cells, rows, judged)
                .iter()
                .map(|s| s.end)
                .collect()
        };
        assert_eq!(ends(&[0, 2, 3, 4], &[1]), [4, 20]);
        assert_eq!(ends(&[0, 2, 3, 4], &[]), [9, 20]);
        assert_eq!(ends(&[2, 3], &[3]), [15]);
    }
}
