//! The time of a training step: forward, backward, AdamW.

use std::time::Instant;

use adit_nn::optim::{AdamW, AdamWState, Update, clip_factor};
use adit_nn::{EncoderClassifier, Mode, NnError, PackedTokens, Params, Products, Tape, Workspace};
use serde::Serialize;

use super::model::{BenchModel, Opened, SEED};
use super::timing::{median, step, with_peak_memory};
use crate::mine::MineError;
use crate::run::{Context, RunError};

/// The classes of the head that is trained with the encoder.
const CLASSES: u32 = 2;
/// The usual clip of the gradients' norm.
const MAX_NORM: f64 = 1.0;
const LEARNING_RATE: f32 = 1e-4;

/// What is measured.
#[derive(Clone, Debug)]
pub struct TrainBench {
    pub model: BenchModel,
    /// Texts a step.
    pub batch: usize,
    /// Tokens a text.
    pub length: usize,
    /// Medians over so many steps, after one that warms up.
    pub rounds: usize,
    pub products: Vec<Products>,
}

/// What was measured of a model, in every precision.
#[derive(Clone, Debug, Serialize)]
pub struct TrainSpeeds {
    pub model: String,
    /// Texts a step.
    pub batch: usize,
    /// Tokens a text.
    pub length: usize,
    pub threads: usize,
    pub steps: Vec<StepSpeed>,
}

/// The time of a step in one precision; medians, of the whole and of each part alone.
#[derive(Clone, Debug, Serialize)]
pub struct StepSpeed {
    pub products: Products,
    pub median_ms: f64,
    pub forward_ms: f64,
    pub backward_ms: f64,
    /// The clip and AdamW.
    pub update_ms: f64,
    pub tokens_per_second: f64,
    /// The most memory that the process held, in bytes, where the system says.
    pub peak_memory: Option<u64>,
}

/// Trains an encoder with a head for two classes, on tokens without meaning and without dropout.
///
/// # Errors
/// An encoder that cannot be read, texts longer than it reads, or `Interrupted`.
pub fn bench_train(bench: &TrainBench, context: &Context) -> Result<TrainSpeeds, RunError> {
    context.limits.apply(|| {
        let opened = bench.model.open(bench.length, context)?;
        opened.reads(bench.length)?;
        let tokens = tokens(&opened, bench)?;
        let Opened {
            name,
            encoder,
            mut params,
        } = opened;
        let model = EncoderClassifier::on(encoder, CLASSES as usize, &mut params, SEED);
        let mut steps = Vec::new();
        for (at, &products) in bench.products.iter().enumerate() {
            let trainer = Trainer {
                model: &model,
                tokens: &tokens,
                labels: (0..bench.batch as u32).map(|i| i % CLASSES).collect(),
                products,
            };
            let place = (
                at * (bench.rounds + 1),
                bench.products.len() * (bench.rounds + 1),
            );
            let (parts, peak_memory) =
                with_peak_memory(|| trainer.rounds(&mut params, bench.rounds, place, context))?;
            steps.push(speed(&parts, bench, products, peak_memory)?);
        }
        Ok(TrainSpeeds {
            model: name,
            batch: bench.batch,
            length: bench.length,
            threads: context.limits.threads,
            steps,
        })
    })
}

fn tokens(opened: &Opened, bench: &TrainBench) -> Result<PackedTokens, RunError> {
    let n = bench.batch * bench.length;
    let offsets = (0..=bench.batch).map(|i| i * bench.length).collect();
    Ok(PackedTokens::new(opened.ids(n), vec![0; n], offsets).map_err(MineError::from)?)
}

fn speed(
    parts: &[[f64; 3]],
    bench: &TrainBench,
    products: Products,
    peak_memory: Option<u64>,
) -> Result<StepSpeed, RunError> {
    let of = |value: &dyn Fn(&[f64; 3]) -> f64| {
        let mut rounds = parts.iter();
        median(parts.len(), || Ok(rounds.next().map_or(f64::NAN, value)))
    };
    let whole = of(&|parts| parts.iter().sum())?;
    let tokens = (bench.batch * bench.length) as f64;
    Ok(StepSpeed {
        products,
        median_ms: 1e3 * whole,
        forward_ms: 1e3 * of(&|parts| parts[0])?,
        backward_ms: 1e3 * of(&|parts| parts[1])?,
        update_ms: 1e3 * of(&|parts| parts[2])?,
        tokens_per_second: tokens / whole,
        peak_memory,
    })
}

struct Trainer<'a> {
    model: &'a EncoderClassifier,
    tokens: &'a PackedTokens,
    labels: Vec<u32>,
    products: Products,
}

impl Trainer<'_> {
    /// Seconds of forward, backward and update, of every step but the first.
    fn rounds(
        &self,
        params: &mut Params,
        rounds: usize,
        (done, total): (usize, usize),
        context: &Context,
    ) -> Result<Vec<[f64; 3]>, RunError> {
        let workspace = Workspace::new();
        let mut state = AdamWState::default();
        let mut parts = Vec::new();
        for round in 0..=rounds {
            step(context, "training steps", (done + round, total), "")?;
            let of = self.one(params, &mut state, &workspace, round as u64);
            let of = of.map_err(MineError::from)?;
            if round > 0 {
                parts.push(of);
            }
        }
        Ok(parts)
    }

    fn one(
        &self,
        params: &mut Params,
        state: &mut AdamWState,
        workspace: &Workspace,
        seed: u64,
    ) -> Result<[f64; 3], NnError> {
        let started = Instant::now();
        let mut tape = Tape::with_workspace(params, Mode::Train { seed }, workspace)
            .with_products(self.products);
        let logits = self.model.logits(&mut tape, self.tokens)?;
        let loss = tape.cross_entropy(logits, &self.labels, None);
        let forward = Instant::now();
        let gradients = tape.backward(loss);
        let backward = Instant::now();
        workspace.reclaim(tape);
        let update = Update {
            factor: clip_factor(gradients.global_norm(), MAX_NORM),
            ..Update::new(LEARNING_RATE)
        };
        AdamW::default().apply(params, &gradients, state, &update);
        workspace.reclaim_gradients(gradients);
        let ended = Instant::now();
        Ok([(started, forward), (forward, backward), (backward, ended)]
            .map(|(from, to)| (to - from).as_secs_f64()))
    }
}
