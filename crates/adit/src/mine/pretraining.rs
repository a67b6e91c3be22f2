//! Pre-training: a text encoder learns to predict hidden words of texts without labels.

use adit_nn::optim::{AdamW, AdamWState, Update, clip_factor, linear_warmup_decay};
use adit_nn::random::mix;
use adit_nn::watch::Watch;
use adit_nn::{MaskedLm, Mode, Params, Products, Session, Tape, Workspace};
use serde::{Deserialize, Serialize};

use super::MineError;
use crate::represent::masking::Masking;
use crate::represent::text::{WordTokens, batches_in_order};

/// Keeps the masks of held-out texts apart from those of training.
const HELD_OUT: u64 = 0x6865_6c64;

/// How an encoder is pre-trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PretrainingSettings {
    pub masking: Masking,
    pub learning_rate: f32,
    pub epochs: usize,
    /// Tokens a step, about.
    pub batch_tokens: usize,
    /// Share of all steps over which the learning rate rises.
    pub warmup: f32,
    pub weight_decay: f32,
    pub clip_norm: f32,
    pub seed: u64,
    /// In which numbers linear maps multiply; weights and sums are in f32.
    pub products: Products,
}

/// What was measured at the end of an epoch; epoch 0 is before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    pub epoch: usize,
    /// Mean over the steps of the epoch; absent before the first.
    pub train_loss: Option<f64>,
    /// Mean loss a hidden token of the held-out texts.
    pub loss: f64,
    /// Share of the hidden tokens whose likeliest word is right.
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

/// Texts to learn from and texts to judge by, as indices.
#[derive(Clone, Copy, Debug)]
pub struct PretrainingTexts<'a> {
    pub texts: &'a [WordTokens],
    pub train: &'a [usize],
    pub held_out: &'a [usize],
}

/// What stays the same from step to step.
#[derive(Clone, Copy)]
pub struct Pretraining<'a> {
    pub model: &'a MaskedLm,
    pub data: PretrainingTexts<'a>,
    pub settings: &'a PretrainingSettings,
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
        let plan: Vec<Vec<Vec<usize>>> = (1..=epochs).map(|epoch| self.batches(epoch)).collect();
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
                watch.progress("pretrain", step as u64 + 1, total as u64, &note);
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
        let masked = settings.masking.apply(self.data.texts, batch, key);
        let (loss, gradients) = {
            let mode = Mode::Train { seed: key };
            let mut tape = Tape::with_workspace(&state.params, mode, workspace)
                .with_products(settings.products);
            let asked = (&masked.places[..], &masked.words[..]);
            let loss = self.model.loss(&mut tape, &masked.tokens, asked)?;
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

    /// The batches of an epoch: texts in an order of its own, cut by tokens.
    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let key = mix(self.settings.seed, epoch as u64);
        let train = self.useful(self.data.train);
        let mut order: Vec<(u64, usize)> =
            train.map(|text| (mix(key, text as u64), text)).collect();
        order.sort_unstable();
        self.cut(order.into_iter().map(|(_, text)| text))
    }

    fn cut(&self, order: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
        let length = |text: usize| self.data.texts[text].tokens.ids.len();
        batches_in_order(order, length, self.settings.batch_tokens)
    }

    /// Texts that have a word to predict.
    fn useful<'b>(&'b self, texts: &'b [usize]) -> impl Iterator<Item = usize> + 'b {
        let has_words = |&text: &usize| self.data.texts[text].words.iter().any(Option::is_some);
        texts.iter().copied().filter(has_words)
    }

    /// Loss and accuracy on the held-out texts, whose masks are always the same.
    fn held_out(
        &self,
        state: &PretrainingState,
        (epoch, train_loss): (usize, Option<f64>),
    ) -> Result<HeldOut, MineError> {
        let (texts, settings) = (self.data.texts, self.settings);
        let batches = self.cut(self.useful(self.data.held_out));
        let key = mix(settings.seed, HELD_OUT);
        let parts = Session::new(&state.params).run_all(&batches, |tape, batch| {
            let masked = settings.masking.apply(texts, batch, key);
            let logits = self.model.logits(tape, &masked.tokens, &masked.places)?;
            let logits = tape.take(logits);
            let mut found = (0.0, 0usize, masked.words.len());
            for (row, &word) in masked.words.iter().enumerate() {
                let row = logits.row(row);
                let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|v| f64::from(v - top).exp()).sum();
                found.0 += sum.ln() - f64::from(row[word as usize] - top);
                found.1 += usize::from(row[word as usize] >= top);
            }
            Ok(found)
        })?;
        let n = parts.iter().map(|p| p.2).sum::<usize>().max(1) as f64;
        Ok(HeldOut {
            epoch,
            train_loss,
            loss: parts.iter().map(|p| p.0).sum::<f64>() / n,
            accuracy: parts.iter().map(|p| p.1).sum::<usize>() as f64 / n,
        })
    }
}
