//! A transformer over the events of a history: its frozen vectors, and fine-tuned as a member of the scoreboard.

use adit_nn::random::{mix, normal_at};
use adit_nn::watch::Watch;
use adit_nn::{
    EventEncoder, EventEncoderConfig, NnError, NumberEmbedding, ParamId, Params, RowTransformer,
    Session, Tape, Tensor, Var,
};
use serde::{Deserialize, Serialize};

use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::{Dataset, HistoryCells, Span};
use crate::represent::event_tokens::{CodedEvents, EventFields};
use crate::represent::rows::{RowFeatures, RowTransformerShape};
use crate::represent::text::batches_by_length;

/// Tokens computed together in inference, on one thread.
const INFERENCE_TOKENS: usize = 2048;
/// Batches between two looks at the watch.
const BATCHES_AT_ONCE: usize = 64;
/// Keeps the stream of a head apart from the encoder's.
const HEAD: u64 = 0x6576_6864;
const HEAD_SPREAD: f64 = 0.02;
/// Dropout of a history's vector before the head.
const HEAD_DROPOUT: f32 = 0.1;

/// Events that a window may hold.
pub const MOST_EVENTS: usize = 1 << 20;

/// Sizes of an encoder of events.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventShape {
    /// Values a token, and a vector.
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub ffn_hidden: usize,
    pub dropout: f32,
    /// The latest events of a history that are read, at most.
    pub window: usize,
}

impl Default for EventShape {
    fn default() -> Self {
        EventShape {
            width: 64,
            n_layers: 2,
            n_heads: 4,
            ffn_hidden: 128,
            dropout: 0.1,
            window: 256,
        }
    }
}

/// An encoder of events, weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventModel {
    pub fields: EventFields,
    pub shape: EventShape,
}

impl EventModel {
    /// Freshly drawn weights, to be trained or overwritten by stored ones.
    ///
    /// # Errors
    /// Sizes that do not fit each other.
    pub fn encoder(&self, seed: u64) -> Result<(EventEncoder, Params), MineError> {
        let mut params = Params::new();
        let encoder = self.add_encoder(&mut params, seed)?;
        Ok((encoder, params))
    }

    fn add_encoder(&self, params: &mut Params, seed: u64) -> Result<EventEncoder, MineError> {
        // A model may come from a damaged file.
        self.fields.check()?;
        if !(2..=MOST_EVENTS).contains(&self.shape.window) {
            return Err(MineError::DamagedModel {
                reason: format!("it reads {} events at once", self.shape.window),
            });
        }
        let config = EventEncoderConfig {
            n_components: self.fields.n_components(),
            cardinalities: self.fields.cardinalities(),
            targets: self.fields.targets(),
            d_model: self.shape.width,
            n_layers: self.shape.n_layers,
            n_heads: self.shape.n_heads,
            ffn_hidden: self.shape.ffn_hidden,
            dropout: self.shape.dropout,
        };
        Ok(EventEncoder::new(config, params, seed)?)
    }

    /// A vector of every history, `[n, width]`.
    ///
    /// # Errors
    /// `Cancelled`, or weights of other fields.
    pub fn embed(
        &self,
        params: &Params,
        cells: &HistoryCells,
        watch: &dyn Watch,
    ) -> Result<Vec<f32>, MineError> {
        let (encoder, _) = self.encoder(0)?;
        let coded = self.fields.code(&cells.events);
        let spans: Vec<Span> = (cells.spans.iter())
            .map(|span| span.latest(self.shape.window))
            .collect();
        let lengths: Vec<usize> = spans.iter().map(|span| span.len() + 1).collect();
        let batches = batches_by_length(&lengths, INFERENCE_TOKENS);
        let width = self.shape.width;
        let mut out = vec![0.0; spans.len() * width];
        let session = Session::new(params);
        let mut done = 0;
        for some in batches.chunks(BATCHES_AT_ONCE) {
            if watch.cancelled() {
                return Err(MineError::Cancelled);
            }
            let found = session.run_all(some, |tape, batch| {
                let own: Vec<Span> = batch.iter().map(|&row| spans[row]).collect();
                let states = encoder.states(tape, &coded.batch(&own))?;
                Ok(tape.take(states.histories))
            })?;
            for (batch, vectors) in some.iter().zip(&found) {
                for (at, &row) in batch.iter().enumerate() {
                    out[row * width..][..width].copy_from_slice(vectors.row(at));
                }
                done += batch.len() as u64;
            }
            watch.progress("embed histories", done, spans.len() as u64, "");
        }
        if out.iter().any(|v| !v.is_finite()) {
            return Err(MineError::NotFinite { rows: spans.len() });
        }
        Ok(out)
    }
}

/// An encoder of events that is fine-tuned, weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventTransformerModel {
    pub events: EventModel,
    /// Columns of the rows that are read beside the events, where they are.
    pub row: Option<(RowFeatures, RowTransformerShape)>,
    pub meaning: OutputMeaning,
}

/// The network of a batch of rows.
pub(super) struct EventNetwork<'a> {
    dataset: &'a Dataset,
    /// The latest events of each row, as many as are read together.
    pub spans: Vec<Span>,
    /// Where the events of each row begin, those before its span too.
    pub starts: Vec<usize>,
    /// Events that are read together, at most.
    pub window: usize,
    pub coded: CodedEvents<'a>,
    pub meaning: OutputMeaning,
    pub head_dropout: f32,
    row: Option<(&'a RowFeatures, RowTransformer)>,
    pub encoder: EventEncoder,
    weight: ParamId,
    bias: ParamId,
}

impl Network for EventNetwork<'_> {
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError> {
        let spans: Vec<Span> = rows.iter().map(|&row| self.spans[row]).collect();
        let batch = self.coded.batch(&spans);
        let states = self.encoder.states(tape, &batch)?;
        self.head(tape, states.histories, rows)
    }

    fn n_rows(&self) -> usize {
        self.dataset.n_rows()
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        let lengths: Vec<usize> = rows.iter().map(|&row| self.spans[row].len() + 1).collect();
        batches_by_length(&lengths, INFERENCE_TOKENS)
            .into_iter()
            .map(|batch| batch.into_iter().map(|at| rows[at]).collect())
            .collect()
    }
}

impl EventNetwork<'_> {
    /// What the vectors of histories, and the columns of their rows, say.
    pub fn head(&self, tape: &mut Tape, histories: Var, rows: &[usize]) -> Result<Var, NnError> {
        let bent = tape.gelu(histories);
        let bent = tape.dropout(bent, self.head_dropout);
        let (weight, bias) = (tape.param(self.weight), tape.param(self.bias));
        let of_events = tape.linear(bent, weight, Some(bias));
        match &self.row {
            Some((features, network)) => {
                let of_row = network.outputs(tape, &features.batch(self.dataset, rows))?;
                Ok(tape.add(of_events, of_row))
            }
            None => Ok(of_events),
        }
    }
}

impl EventTransformerModel {
    /// The scale of the target; with the rows' own columns where there are any and `with_columns` says so.
    ///
    /// # Errors
    /// `WrongTarget` without a target.
    pub fn fit(
        dataset: &Dataset,
        train: &[usize],
        (events, with_columns): (EventModel, bool),
    ) -> Result<Self, MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        let features = RowFeatures::fit(dataset, train);
        let has_columns = features.n_columns() > 0;
        let row = (with_columns && has_columns).then(|| {
            let mut shape = RowTransformerShape::perceptrons(NumberEmbedding::Residual);
            if let Some(members) = &mut shape.members {
                (members.count, members.width) = (1, 128);
            }
            (features, shape)
        });
        Ok(Self {
            events,
            row,
            meaning: OutputMeaning::of(target, train),
        })
    }

    /// Trains weights for one seed, from those of a pre-trained encoder where there are any.
    ///
    /// # Errors
    /// As [`training::train`]; `NoFeatures` without histories.
    pub fn train(
        &self,
        dataset: &Dataset,
        pretrained: Option<&Params>,
        (parts, class_weights): (Parts, Option<&[f32]>),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        let mut params = Params::new();
        let network = self.network(dataset, &mut params, settings.seed)?;
        if let Some(pretrained) = pretrained {
            for (_, name, tensor) in pretrained.iter() {
                if let Some(id) = params.by_name(name) {
                    *params.get_mut(id) = tensor.clone();
                }
            }
        }
        let goal = Goal {
            meaning: self.meaning,
            target,
            class_weights,
        };
        training::train(&network, params, goal, parts, settings, monitor)
    }

    /// Predicts all rows of a dataset with trained weights.
    ///
    /// # Errors
    /// `Cancelled`; `NoFeatures` without histories.
    pub fn predict(
        &self,
        dataset: &Dataset,
        params: &Params,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError> {
        let network = self.network(dataset, &mut Params::new(), 0)?;
        training::predict_all(&network, params, &self.meaning, watch)
    }

    /// Freshly drawn weights, to be overwritten by stored ones.
    ///
    /// # Errors
    /// Sizes that do not fit each other.
    pub fn blank_params(&self) -> Result<Params, MineError> {
        let mut params = Params::new();
        self.add(&mut params, 0)?;
        Ok(params)
    }

    /// Events that one pass over the rows reads.
    pub fn n_tokens(&self, cells: &HistoryCells, rows: &[usize]) -> usize {
        let window = self.events.shape.window;
        rows.iter()
            .map(|&row| cells.spans[row].len().min(window) + 1)
            .sum()
    }

    pub(super) fn network<'a>(
        &'a self,
        dataset: &'a Dataset,
        params: &mut Params,
        seed: u64,
    ) -> Result<EventNetwork<'a>, MineError> {
        let cells = dataset.histories.as_ref().ok_or(MineError::NoFeatures)?;
        let (encoder, head, row) = self.add(params, seed)?;
        let features = self.row.as_ref().map(|(features, _)| features);
        Ok(EventNetwork {
            dataset,
            spans: (cells.spans.iter())
                .map(|span| span.latest(self.events.shape.window))
                .collect(),
            starts: cells.spans.iter().map(|span| span.start).collect(),
            window: self.events.shape.window,
            coded: self.events.fields.code(&cells.events),
            meaning: self.meaning,
            head_dropout: HEAD_DROPOUT,
            row: features.zip(row),
            encoder,
            weight: head[0],
            bias: head[1],
        })
    }

    #[allow(clippy::type_complexity, reason = "three parts of one network")]
    fn add(
        &self,
        params: &mut Params,
        seed: u64,
    ) -> Result<(EventEncoder, [ParamId; 2], Option<RowTransformer>), MineError> {
        let encoder = self.events.add_encoder(params, seed)?;
        let (n, width) = (self.meaning.n_outputs(), self.events.shape.width);
        let key = mix(seed, HEAD);
        let data = (0..(n * width) as u64).map(|at| normal_at(key, at, HEAD_SPREAD));
        let weight = Tensor {
            shape: vec![n, width],
            data: data.collect(),
        };
        let weight = params.add("head.weight", weight);
        let bias = params.add("head.bias", Tensor::zeros(&[n]));
        let row = match &self.row {
            Some((features, shape)) => {
                let config = features.config(shape, n);
                Some(RowTransformer::new(config, params, mix(key, 1))?)
            }
            None => None,
        };
        Ok((encoder, [weight, bias], row))
    }
}
