//! The speed of an encoder of events: a step of pre-training, and vectors of histories.

use std::time::Instant;

use adit_nn::optim::{AdamW, AdamWState, Update, clip_factor};
use adit_nn::random::mix;
use adit_nn::{
    EventBatch, EventEncoder, EventEncoderConfig, Mode, NnError, Params, Products, Session, Tape,
    Workspace,
};
use serde::Serialize;

use super::timing::{median, step, with_peak_memory};
use crate::mine::MineError;
use crate::run::{Context, RunError};

/// Sizes of the drawn events: those of `benches/peers_events.py`.
const COMPONENTS: usize = 32;
const CARDINALITIES: [u32; 4] = [16, 8, 32, 8];
const TARGETS: [u32; 6] = [16, 8, 32, 8, 17, 17];
const LENGTHS: [usize; 2] = [50, 150];
const TEMPERATURE: f32 = 0.2;
const LEARNING_RATE: f32 = 1e-3;
const SEED: u64 = 7;

/// What is measured.
#[derive(Clone, Debug)]
pub struct EventBench {
    /// Histories a step, each read whole and as two slices of half its length.
    pub histories: usize,
    pub width: usize,
    pub n_layers: usize,
    pub ffn_hidden: usize,
    /// Medians over so many steps, after one that warms up.
    pub rounds: usize,
    pub products: Vec<Products>,
}

/// Events a second, slices included.
#[derive(Clone, Debug, Serialize)]
pub struct EventSpeed {
    pub products: Products,
    pub step_ms: f64,
    pub events_per_second: f64,
    /// Of vectors, in f32, histories alone.
    pub embedded_per_second: f64,
    /// The most memory that the process held while it learned, in bytes, where the system says.
    pub peak_memory: Option<u64>,
}

/// Measures both objectives of pre-training together, and the vectors of the same histories.
///
/// # Errors
/// Sizes that do not fit each other, or `Interrupted`.
pub fn bench_events(bench: &EventBench, context: &Context) -> Result<Vec<EventSpeed>, RunError> {
    context.limits.apply(|| {
        let config = EventEncoderConfig {
            n_components: COMPONENTS,
            cardinalities: CARDINALITIES.to_vec(),
            targets: TARGETS.to_vec(),
            d_model: bench.width,
            n_layers: bench.n_layers,
            n_heads: bench.width / 16,
            ffn_hidden: bench.ffn_hidden,
            dropout: 0.0,
        };
        let mut speeds = Vec::new();
        for &products in &bench.products {
            let mut params = Params::new();
            let encoder =
                EventEncoder::new(config.clone(), &mut params, SEED).map_err(MineError::from)?;
            speeds.push(speed(bench, (&encoder, &mut params), products, context)?);
        }
        Ok(speeds)
    })
}

fn speed(
    bench: &EventBench,
    (encoder, params): (&EventEncoder, &mut Params),
    products: Products,
    context: &Context,
) -> Result<EventSpeed, RunError> {
    let n_steps = bench.rounds.max(1) + 1;
    let steps: Vec<Step> = (0..n_steps as u64)
        .map(|at| Step::drawn(bench, at))
        .collect();
    let (seconds, peak_memory) = with_peak_memory(|| {
        let (workspace, mut state) = (Workspace::new(), AdamWState::default());
        let mut seconds = Vec::new();
        for (at, of) in steps.iter().enumerate() {
            step(context, "pre-training steps", (at, n_steps), "")?;
            let started = Instant::now();
            learn(encoder, params, (&mut state, &workspace), of, products)
                .map_err(MineError::from)?;
            if at > 0 {
                seconds.push(of.n_events() as f64 / started.elapsed().as_secs_f64());
            }
        }
        Ok(seconds)
    })?;
    let mut rates = seconds.iter().copied();
    let rate = median(seconds.len(), || Ok(rates.next().unwrap_or(f64::NAN)))?;
    let whole: Vec<EventBatch> = (0..16)
        .map(|at| batch(&lengths(bench, 1_000 + at), at))
        .collect();
    let n_whole: usize = whole.iter().map(|b| b.n_tokens() - b.n_histories()).sum();
    let embed = || -> Result<f64, RunError> {
        let started = Instant::now();
        let session = Session::new(params);
        let vectors = session.run_all(&whole, |tape, batch| {
            let states = encoder.states(tape, batch)?;
            Ok::<_, NnError>(tape.take(states.histories))
        });
        vectors.map_err(MineError::from)?;
        Ok(n_whole as f64 / started.elapsed().as_secs_f64())
    };
    embed()?;
    let events = steps.iter().map(Step::n_events).sum::<usize>() as f64 / n_steps as f64;
    Ok(EventSpeed {
        products,
        step_ms: 1e3 * events / rate,
        events_per_second: rate,
        embedded_per_second: median(bench.rounds, embed)?,
        peak_memory,
    })
}

/// What one step reads.
struct Step {
    input: EventBatch,
    n_whole: usize,
    classes: Vec<u32>,
}

impl Step {
    fn drawn(bench: &EventBench, at: u64) -> Step {
        let mut all = lengths(bench, at);
        let n_whole = all.len();
        for k in 0..n_whole {
            all.extend([all[k] / 2; 2]);
        }
        let input = batch(&all, at);
        let key = mix(SEED, at);
        // Of the whole histories alone, as in the peer.
        let n_followed: usize = all[..n_whole].iter().map(|n| n - 1).sum();
        let classes = (0..n_followed * TARGETS.len()).map(|k| {
            let size = u64::from(TARGETS[k % TARGETS.len()]);
            (mix(key, k as u64) % size) as u32
        });
        Step {
            classes: classes.collect(),
            input,
            n_whole,
        }
    }

    fn n_events(&self) -> usize {
        self.input.n_tokens() - self.input.n_histories()
    }
}

fn lengths(bench: &EventBench, at: u64) -> Vec<usize> {
    let [least, most] = LENGTHS;
    let key = mix(SEED, at);
    (0..bench.histories as u64)
        .map(|k| least + (mix(key, k) % (most - least + 1) as u64) as usize)
        .collect()
}

fn batch(lengths: &[usize], at: u64) -> EventBatch {
    let mut offsets = vec![0];
    for n in lengths {
        offsets.push(offsets[offsets.len() - 1] + n + 1);
    }
    let n = offsets[offsets.len() - 1];
    let key = mix(SEED, at ^ 0xe0);
    let unit = |k: usize| (mix(key, k as u64) >> 40) as f32 / (1u32 << 24) as f32;
    let code = |k: usize| {
        let size = u64::from(CARDINALITIES[k % CARDINALITIES.len()]);
        (mix(key, k as u64) % size) as u32
    };
    EventBatch {
        components: (0..n * COMPONENTS).map(unit).collect(),
        codes: (0..n * CARDINALITIES.len()).map(code).collect(),
        offsets,
    }
}

fn learn(
    encoder: &EventEncoder,
    params: &mut Params,
    (state, workspace): (&mut AdamWState, &Workspace),
    of: &Step,
    products: Products,
) -> Result<(), NnError> {
    let mode = Mode::Train { seed: SEED };
    let mut tape = Tape::with_workspace(params, mode, workspace).with_products(products);
    let states = encoder.states(&mut tape, &of.input)?;
    let ends = of.input.offsets[of.n_whole];
    let followed: Vec<usize> = (of.input.followed().into_iter())
        .take_while(|&token| token < ends)
        .collect();
    let scores = encoder.next_scores(&mut tape, states.tokens, &followed);
    let next = encoder.next_event_loss(&mut tape, scores, &of.classes)?;
    let slices: Vec<usize> = (of.n_whole..of.input.n_histories()).collect();
    let vectors = tape.select_rows(states.histories, &slices);
    let told = encoder.slices_loss(&mut tape, vectors, TEMPERATURE)?;
    let loss = tape.add(next, told);
    let gradients = tape.backward(loss);
    workspace.reclaim(tape);
    let update = Update {
        factor: clip_factor(gradients.global_norm(), 1.0),
        ..Update::new(LEARNING_RATE)
    };
    AdamW::default().apply(params, &gradients, state, &update);
    workspace.reclaim_gradients(gradients);
    Ok(())
}
