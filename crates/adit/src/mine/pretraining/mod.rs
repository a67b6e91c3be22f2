//! Pre-training: an encoder learns from data without labels, step by step, and can go on where it was stopped.

mod cells;
mod events;
mod words;

use adit_nn::optim::{AdamW, AdamWState, Update, clip_factor, linear_warmup_decay};
use adit_nn::random::mix;
use adit_nn::watch::Watch;
use adit_nn::{Mode, Params, Products, Tape, Var, Workspace};
use serde::{Deserialize, Serialize};

use super::MineError;
pub use cells::MaskedCells;
pub use events::{EventObjective, SlicesSettings};
pub use words::{MaskedWords, PretrainingTexts};

/// How an encoder is pre-trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PretrainingSettings {
    pub learning_rate: f32,
    pub epochs: usize,
    /// Share of all steps over which the learning rate rises.
    pub warmup: f32,
    pub weight_decay: f32,
    pub clip_norm: f32,
    pub seed: u64,
    /// In which numbers linear maps multiply; weights and sums are in f32.
    pub products: Products,
}

/// What is learned.
pub trait Objective {
    /// What the steps of an epoch look at, by the epoch's key.
    fn batches(&self, key: u64) -> Vec<Vec<usize>>;

    /// The loss of one batch, a scalar; what is drawn is drawn by the step's key.
    ///
    /// # Errors
    /// A batch that the encoder cannot read.
    fn loss(&self, tape: &mut Tape, batch: &[usize], key: u64) -> Result<Var, MineError>;

    /// Mean loss, and the share of right guesses, where nothing is learned from; the same guesses whenever asked.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn held_out(&self, params: &Params, seed: u64) -> Result<(f64, f64), MineError>;
}

/// What was measured at the end of an epoch; epoch 0 is before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    pub epoch: usize,
    /// Mean over the steps of the epoch; absent before the first.
    pub train_loss: Option<f64>,
    /// Mean loss a guess of what is held out.
    pub loss: f64,
    /// Share of these guesses that are right.
    pub accuracy: f64,
}

/// Everything that the next step depends on.
#[derive(Clone, Debug, Default)]
pub struct PretrainingState {
    pub params: Params,
    pub optimiser: AdamWState,
    pub progress: Progress,
}

/// How far a pre-training is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub step: usize,
    /// Sum of the losses of the present epoch's steps.
    pub loss_sum: f64,
    pub held_out: Vec<HeldOut>,
}

/// What stays the same from step to step.
#[derive(Clone, Copy)]
pub struct Pretraining<'a> {
    pub objective: &'a dyn Objective,
    pub settings: &'a PretrainingSettings,
    /// Stage name for progress.
    pub name: &'a str,
}

impl Pretraining<'_> {
    /// Trains from `state` to the end of the last epoch; `keep` is called after every step and may
    /// write the state down. Going on from a state that was kept gives the same bits as not having
    /// stopped.
    ///
    /// # Errors
    /// `Cancelled`, a loss that is no longer finite, or what `keep` says.
    pub fn run<E: From<MineError>>(
        &self,
        state: &mut PretrainingState,
        watch: &dyn Watch,
        mut keep: impl FnMut(&PretrainingState) -> Result<(), E>,
    ) -> Result<(), E> {
        let epochs = self.settings.epochs;
        let plan: Vec<Vec<Vec<usize>>> = (1..=epochs as u64)
            .map(|epoch| self.objective.batches(mix(self.settings.seed, epoch)))
            .collect();
        let total: usize = plan.iter().map(Vec::len).sum();
        let workspace = Workspace::new();
        if state.progress.held_out.is_empty() {
            let found = self.held_out(state, (0, None))?;
            state.progress.held_out.push(found);
        }
        let mut first = 0;
        for (epoch, batches) in (1..).zip(&plan) {
            let after = first + batches.len();
            while state.progress.step < after {
                if watch.cancelled() {
                    return Err(MineError::Cancelled.into());
                }
                let step = state.progress.step;
                let loss = self.learn(state, &workspace, &batches[step - first], total)?;
                if !loss.is_finite() {
                    return Err(self.diverged(epoch).into());
                }
                state.progress.loss_sum += loss;
                let note = format!("epoch {epoch}/{epochs} loss {loss:.3}");
                watch.progress(self.name, step as u64 + 1, total as u64, &note);
                if state.progress.step == after {
                    let mean = state.progress.loss_sum / batches.len().max(1) as f64;
                    let found = self.held_out(state, (epoch, Some(mean)))?;
                    state.progress.held_out.push(found);
                    state.progress.loss_sum = 0.0;
                }
                keep(state)?;
            }
            first = after;
        }
        Ok(())
    }

    fn diverged(&self, epoch: usize) -> MineError {
        MineError::Diverged {
            model: "the encoder".into(),
            epoch,
            learning_rate: self.settings.learning_rate,
        }
    }

    /// One step of `total`; gives the loss before it.
    fn learn(
        &self,
        state: &mut PretrainingState,
        workspace: &Workspace,
        batch: &[usize],
        total: usize,
    ) -> Result<f64, MineError> {
        let (settings, step) = (self.settings, state.progress.step);
        let key = mix(settings.seed, step as u64);
        let (loss, gradients) = {
            let mode = Mode::Train { seed: key };
            let mut tape = Tape::with_workspace(&state.params, mode, workspace)
                .with_products(settings.products);
            let loss = self.objective.loss(&mut tape, batch, key)?;
            let value = f64::from(tape.value(loss).item());
            let gradients = tape.backward(loss);
            workspace.reclaim(tape);
            (value, gradients)
        };
        let warmup = (total as f32 * settings.warmup).ceil() as usize;
        let rate = settings.learning_rate * linear_warmup_decay(step, total, warmup);
        let update = Update {
            factor: clip_factor(gradients.global_norm(), f64::from(settings.clip_norm)),
            ..Update::new(rate)
        };
        let optimiser = AdamW {
            weight_decay: settings.weight_decay,
            ..AdamW::default()
        };
        optimiser.apply(&mut state.params, &gradients, &mut state.optimiser, &update);
        workspace.reclaim_gradients(gradients);
        state.progress.step += 1;
        Ok(loss)
    }

    fn held_out(
        &self,
        state: &PretrainingState,
        (epoch, train_loss): (usize, Option<f64>),
    ) -> Result<HeldOut, MineError> {
        let seed = self.settings.seed;
        let (loss, accuracy) = self.objective.held_out(&state.params, seed)?;
        Ok(HeldOut {
            epoch,
            train_loss,
            loss,
            accuracy,
        })
    }
}

/// Items in an order of the key's own.
fn in_order_of(key: u64, items: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    let mut order: Vec<(u64, usize)> = items.map(|item| (mix(key, item as u64), item)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, item)| item)
}

/// Minus the log-probability of `class` among the scores of one guess, and whether it is the likeliest.
pub(super) fn judged(scores: &[f32], class: u32) -> (f64, bool) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|v| f64::from(v - top).exp()).sum();
    let own = scores[class as usize];
    (sum.ln() - f64::from(own - top), own >= top)
}

/// Mean loss and share of right guesses of parts: sums of losses, right guesses, guesses.
fn mean_of(parts: &[(f64, usize, usize)]) -> (f64, f64) {
    let n = parts.iter().map(|p| p.2).sum::<usize>().max(1) as f64;
    let loss: f64 = parts.iter().map(|p| p.0).sum();
    let right: usize = parts.iter().map(|p| p.1).sum();
    (loss / n, right as f64 / n)
}
