//! One training loop for every transformer: AdamW, warm-up, linear decay, clipping, early stopping.

use adit_nn::optim::{AdamW, AdamWState, Update, clip_factor, linear_warmup_decay};
use adit_nn::random::mix;
use adit_nn::watch::Watch;
use adit_nn::{Mode, NnError, Params, Products, Session, Tape, Var, Workspace};
use serde::{Deserialize, Serialize};

use super::{MineError, Predictions};
use crate::prepare::Target;

/// Batches between two looks at the watch in inference.
const BATCHES_AT_ONCE: usize = 32;

/// A network over rows that can be trained and asked.
pub trait Network: Sync {
    /// Raw outputs of the given rows on the tape, of each row one after another those of its members.
    /// `[rows.len() * n_members, n_outputs]`
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError>;

    /// How many members inside the network answer for each row.
    fn n_members(&self) -> usize {
        1
    }

    /// The loss of the given rows, which is learned from; a scalar. Of members it is the mean of their
    /// losses, not the loss of their mean, so that each learns by itself (Gorishniy et al. 2025).
    fn loss(&self, tape: &mut Tape, goal: Goal, rows: &[usize]) -> Result<Var, MineError> {
        let outputs = self.outputs(tape, rows)?;
        let n_members = self.n_members();
        if n_members == 1 {
            return goal.loss(tape, outputs, rows);
        }
        let repeated: Vec<usize> = rows
            .iter()
            .flat_map(|&row| std::iter::repeat_n(row, n_members))
            .collect();
        goal.loss(tape, outputs, &repeated)
    }

    /// Number of rows that can be asked for.
    fn n_rows(&self) -> usize;

    /// Rows that are asked for together in inference; every row once.
    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>>;
}

/// What a network's raw outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMeaning {
    /// Logits of the classes.
    Classes { n_classes: usize },
    /// The target in units of `scale` around `center`.
    Numbers { center: f64, scale: f64 },
}

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingSettings {
    pub learning_rate: f32,
    pub epochs: usize,
    /// Epochs without a better validation score after which training stops.
    pub patience: usize,
    pub batch_size: usize,
    /// Share of all steps over which the learning rate rises.
    pub warmup: f32,
    /// Whether the learning rate falls to zero over the epochs, or stays.
    pub decay: bool,
    pub weight_decay: f32,
    /// Largest norm of all gradients together.
    pub clip_norm: f32,
    pub seed: u64,
    /// In which numbers linear maps multiply; weights and sums are in f32.
    pub products: Products,
}

impl TrainingSettings {
    /// Share of the learning rate at `step` of `total`.
    fn factor(&self, step: usize, total: usize, warmup: usize) -> f32 {
        if self.decay {
            linear_warmup_decay(step, total, warmup)
        } else {
            ((step + 1) as f32 / (warmup + 1) as f32).min(1.0)
        }
    }
}

/// One epoch as it went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    pub train_loss: f64,
    pub validation_loss: f64,
    pub validation_score: f64,
}

/// A trained network's weights and how it got there.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Weights of the best epoch.
    pub params: Params,
    pub epochs: Vec<Epoch>,
    /// From 1.
    pub best_epoch: usize,
    /// The monitor's criterion there.
    pub best_criterion: f64,
}

/// The target, and what the outputs mean for it.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    pub meaning: OutputMeaning,
    /// One entry a row of the network's data.
    pub target: &'a Target,
    /// How much a row counts, by its class; each counts 1 where there are none.
    pub class_weights: Option<&'a [f32]>,
}

/// Rows to learn from and rows to stop by.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    pub train: &'a [usize],
    pub validation: &'a [usize],
}

/// One way through the training rows, epoch by epoch.
struct Course<'a> {
    network: &'a dyn Network,
    goal: Goal<'a>,
    settings: &'a TrainingSettings,
    name: &'a str,
    watch: &'a dyn Watch,
    optimiser: AdamW,
    state: AdamWState,
    workspace: Workspace,
    step: usize,
    /// Steps over all epochs of the settings, by which the learning rate falls.
    total: usize,
    warmup: usize,
}

impl<'a> Course<'a> {
    fn new(
        network: &'a dyn Network,
        goal: Goal<'a>,
        n_rows: usize,
        settings: &'a TrainingSettings,
        (name, watch): (&'a str, &'a dyn Watch),
    ) -> Course<'a> {
        let total = n_rows.div_ceil(settings.batch_size) * settings.epochs;
        Course {
            network,
            goal,
            settings,
            name,
            watch,
            optimiser: AdamW {
                weight_decay: settings.weight_decay,
                ..AdamW::default()
            },
            state: AdamWState::default(),
            workspace: Workspace::new(),
            step: 0,
            total,
            warmup: (total as f32 * settings.warmup).ceil() as usize,
        }
    }

    /// One pass over `rows` in an order of its own; gives the mean training loss.
    fn epoch(
        &mut self,
        params: &mut Params,
        rows: &[usize],
        epoch: usize,
    ) -> Result<f64, MineError> {
        let settings = self.settings;
        let mut loss_sum = 0.0;
        for rows in shuffled(rows, settings.seed, epoch).chunks(settings.batch_size) {
            if self.watch.cancelled() {
                return Err(MineError::Cancelled);
            }
            let loss = self.learn(params, rows)?;
            if !loss.is_finite() {
                return Err(MineError::Diverged {
                    model: self.name.to_string(),
                    epoch,
                    learning_rate: settings.learning_rate,
                });
            }
            loss_sum += loss * rows.len() as f64;
            self.watch.progress(
                self.name,
                self.step as u64,
                self.total as u64,
                &format!("epoch {epoch}/{} loss {loss:.3}", settings.epochs),
            );
        }
        Ok(loss_sum / rows.len() as f64)
    }

    /// One step on one batch; gives its loss before the step.
    fn learn(&mut self, params: &mut Params, rows: &[usize]) -> Result<f64, MineError> {
        let settings = self.settings;
        let seed = step_seed(settings.seed, self.step);
        let (loss, gradients) = {
            let mode = Mode::Train { seed };
            let mut tape = Tape::with_workspace(params, mode, &self.workspace)
                .with_products(settings.products);
            let loss = self.network.loss(&mut tape, self.goal, rows)?;
            let value = f64::from(tape.value(loss).item());
            let gradients = tape.backward(loss);
            self.workspace.reclaim(tape);
            (value, gradients)
        };
        let rate = settings.learning_rate * settings.factor(self.step, self.total, self.warmup);
        let update = Update {
            factor: clip_factor(gradients.global_norm(), f64::from(settings.clip_norm)),
            ..Update::new(rate)
        };
        self.optimiser
            .apply(params, &gradients, &mut self.state, &update);
        self.workspace.reclaim_gradients(gradients);
        self.step += 1;
        Ok(loss)
    }
}

/// The seed of one step's dropout masks.
fn step_seed(seed: u64, step: usize) -> u64 {
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ step as u64
}

/// The rows in the order of one epoch: by a hash of seed, epoch and place, which another program can
/// follow (`tests/reference/mrpc_torch.py` does).
fn shuffled(rows: &[usize], seed: u64, epoch: usize) -> Vec<usize> {
    let key = mix(seed, epoch as u64);
    let mut order: Vec<(u64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(place, &row)| (mix(key, place as u64), row))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

/// Trains on `parts.train` and keeps the weights of the epoch with the best criterion (more is
/// better, then the smaller loss) of the predictions for `parts.validation`, in that order.
///
/// # Errors
/// `Cancelled`, or a loss that is no longer finite.
pub fn train(
    network: &dyn Network,
    mut params: Params,
    goal: Goal,
    parts: Parts,
    settings: &TrainingSettings,
    monitor: &Monitor,
) -> Result<Trained, MineError> {
    let seen = (monitor.name, monitor.watch);
    let mut course = Course::new(network, goal, parts.train.len(), settings, seen);
    let mut best: Option<Trained> = None;
    let mut best_loss = f64::INFINITY;
    let mut epochs = Vec::new();
    for epoch in 1..=settings.epochs {
        let train_loss = course.epoch(&mut params, parts.train, epoch)?;
        let predictions = predict(
            network,
            &params,
            &goal.meaning,
            parts.validation,
            monitor.watch,
        )?;
        let record = Epoch {
            epoch,
            train_loss,
            validation_loss: goal.loss_of(&predictions, parts.validation),
            validation_score: (monitor.score)(&predictions),
        };
        epochs.push(record);
        let criterion = (monitor.criterion)(&predictions);
        // Of equal criteria the smaller loss: a ranking is soon perfect, the probabilities later.
        let better = best.as_ref().is_none_or(|b| {
            criterion > b.best_criterion
                || (criterion == b.best_criterion && record.validation_loss < best_loss)
        });
        if better {
            best_loss = record.validation_loss;
            best = Some(Trained {
                params: params.clone(),
                epochs: Vec::new(),
                best_epoch: epoch,
                best_criterion: criterion,
            });
        }
        if best
            .as_ref()
            .is_some_and(|b| epoch - b.best_epoch >= settings.patience)
        {
            break;
        }
    }
    let mut best = best.ok_or(MineError::Diverged {
        model: monitor.name.to_string(),
        epoch: 0,
        learning_rate: settings.learning_rate,
    })?;
    best.epochs = epochs;
    Ok(best)
}

/// Trains on all of `rows` for the first `n_epochs` of the settings' epochs, and keeps the last weights;
/// progress is told to `seen`, under its name.
///
/// # Errors
/// As [`train`].
pub fn refit(
    network: &dyn Network,
    mut params: Params,
    goal: Goal,
    (rows, n_epochs): (&[usize], usize),
    settings: &TrainingSettings,
    seen: (&str, &dyn Watch),
) -> Result<Params, MineError> {
    let mut course = Course::new(network, goal, rows.len(), settings, seen);
    for epoch in 1..=n_epochs.min(settings.epochs) {
        course.epoch(&mut params, rows, epoch)?;
    }
    Ok(params)
}

/// Who looks on while a network is trained.
pub struct Monitor<'a> {
    /// Stage name for progress.
    pub name: &'a str,
    pub watch: &'a dyn Watch,
    /// What the best epoch is chosen by, from the predictions for the validation rows; more is better.
    pub criterion: &'a dyn Fn(&Predictions) -> f64,
    /// The score that people are shown, from the same predictions.
    pub score: &'a dyn Fn(&Predictions) -> f64,
}

/// Predictions of the given rows, in their order.
pub fn predict(
    network: &dyn Network,
    params: &Params,
    meaning: &OutputMeaning,
    rows: &[usize],
    watch: &dyn Watch,
) -> Result<Predictions, MineError> {
    let mut place = vec![usize::MAX; network.n_rows()];
    for (at, &row) in rows.iter().enumerate() {
        place[row] = at;
    }
    let width = meaning.n_outputs();
    let mut out = vec![0f32; rows.len() * width];
    let session = Session::new(params);
    for batches in network.inference_batches(rows).chunks(BATCHES_AT_ONCE) {
        if watch.cancelled() {
            return Err(MineError::Cancelled);
        }
        let found = session.run_all(batches, |tape, batch| {
            let outputs = network.outputs(tape, batch)?;
            let values = tape.value(outputs).data.clone();
            Ok(meaning.mean_of_members(values, network.n_members()))
        })?;
        for (batch, values) in batches.iter().zip(&found) {
            for (&row, values) in batch.iter().zip(values.chunks_exact(width)) {
                let at = place[row] * width;
                out[at..at + width].copy_from_slice(values);
            }
        }
    }
    if out.iter().any(|v| !v.is_finite()) {
        return Err(MineError::NotFinite { rows: rows.len() });
    }
    Ok(meaning.predictions(out))
}

/// Predictions of all rows.
///
/// # Errors
/// As [`predict`].
pub fn predict_all(
    network: &dyn Network,
    params: &Params,
    meaning: &OutputMeaning,
    watch: &dyn Watch,
) -> Result<Predictions, MineError> {
    let rows: Vec<usize> = (0..network.n_rows()).collect();
    predict(network, params, meaning, &rows, watch)
}

impl OutputMeaning {
    /// Classes as they are; numbers around the mean of the training rows, in standard deviations.
    pub fn of(target: &Target, train: &[usize]) -> OutputMeaning {
        match target {
            Target::Classes { names, .. } => OutputMeaning::Classes {
                n_classes: names.len(),
            },
            Target::Numbers(values) => {
                let n = train.len().max(1) as f64;
                let center = train.iter().map(|&i| values[i]).sum::<f64>() / n;
                let variance = train
                    .iter()
                    .map(|&i| (values[i] - center).powi(2))
                    .sum::<f64>()
                    / n;
                let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
                OutputMeaning::Numbers { center, scale }
            }
        }
    }

    /// Width of the network's outputs.
    pub fn n_outputs(&self) -> usize {
        match self {
            OutputMeaning::Classes { n_classes } => *n_classes,
            OutputMeaning::Numbers { .. } => 1,
        }
    }

    /// Probabilities, or numbers in units of the scale, from raw outputs; the mean over members where
    /// there are several. Outputs that are not finite leave values that are not.
    fn mean_of_members(&self, mut outputs: Vec<f32>, n_members: usize) -> Vec<f32> {
        if outputs.iter().any(|v| !v.is_finite()) {
            outputs.fill(f32::NAN);
        }
        let width = self.n_outputs();
        if let OutputMeaning::Classes { .. } = self {
            outputs.chunks_exact_mut(width).for_each(softmax);
        }
        if n_members == 1 {
            return outputs;
        }
        let of_row = |row: &[f32]| -> Vec<f32> {
            let mut sums = vec![0f64; width];
            for member in row.chunks_exact(width) {
                let own = sums.iter_mut().zip(member);
                own.for_each(|(sum, &value)| *sum += f64::from(value));
            }
            let mean = |sum: f64| (sum / n_members as f64) as f32;
            sums.into_iter().map(mean).collect()
        };
        let rows = outputs.chunks_exact(width * n_members);
        rows.flat_map(of_row).collect()
    }

    /// What [`OutputMeaning::mean_of_members`] gave, as predictions in their own unit.
    fn predictions(&self, outputs: Vec<f32>) -> Predictions {
        match *self {
            OutputMeaning::Classes { n_classes } => Predictions::Probabilities {
                n_classes,
                values: outputs,
            },
            OutputMeaning::Numbers { center, scale } => Predictions::Numbers(
                outputs
                    .iter()
                    .map(|v| f64::from(*v) * scale + center)
                    .collect(),
            ),
        }
    }
}

impl Goal<'_> {
    fn loss(&self, tape: &mut Tape, outputs: Var, rows: &[usize]) -> Result<Var, MineError> {
        Ok(match (&self.meaning, self.target) {
            (OutputMeaning::Numbers { center, scale }, Target::Numbers(values)) => {
                let wanted: Vec<f32> = rows
                    .iter()
                    .map(|&i| ((values[i] - center) / scale) as f32)
                    .collect();
                tape.mean_squared_error(outputs, &wanted)
            }
            (OutputMeaning::Classes { .. }, Target::Classes { codes, .. }) => {
                let labels: Vec<u32> = rows.iter().map(|&i| codes[i]).collect();
                tape.cross_entropy(outputs, &labels, self.class_weights)
            }
            _ => return Err(MineError::WrongTarget),
        })
    }

    /// Mean log loss, weighted by class, or mean squared error in units of the scale, of predictions for `rows`.
    pub fn loss_of(&self, predictions: &Predictions, rows: &[usize]) -> f64 {
        let mut total = rows.len().max(1) as f64;
        let sum: f64 = match (&self.meaning, predictions, self.target) {
            (
                OutputMeaning::Classes { n_classes },
                Predictions::Probabilities { values, .. },
                Target::Classes { codes, .. },
            ) => {
                let weight = |row: usize| {
                    let weights = self.class_weights;
                    weights.map_or(1.0, |w| f64::from(w[codes[row] as usize]))
                };
                if self.class_weights.is_some() {
                    total = rows.iter().map(|&row| weight(row)).sum();
                }
                let places = rows.iter().enumerate();
                let loss = places.map(|(k, &row)| {
                    let p = values[k * n_classes + codes[row] as usize];
                    -f64::from(p).max(1e-15).ln() * weight(row)
                });
                loss.sum()
            }
            (
                OutputMeaning::Numbers { scale, .. },
                Predictions::Numbers(found),
                Target::Numbers(values),
            ) => rows
                .iter()
                .zip(found)
                .map(|(&i, f)| ((f - values[i]) / scale).powi(2))
                .sum(),
            _ => f64::NAN,
        };
        sum / total
    }
}

pub(super) fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0f64;
    for v in row.iter_mut() {
        *v = (*v - top).exp();
        sum += f64::from(*v);
    }
    for v in row.iter_mut() {
        *v = (f64::from(*v) / sum) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_an_order_of_its_own_that_the_reference_script_knows() {
        let rows: Vec<usize> = (0..10).collect();
        // As `order(10, 1, 2)` of tests/reference/adit_random.py prints it.
        assert_eq!(shuffled(&rows, 1, 2), [3, 8, 5, 9, 1, 7, 0, 2, 6, 4]);
        let mut other = shuffled(&rows, 1, 3);
        assert_ne!(other, shuffled(&rows, 1, 2));
        other.sort_unstable();
        assert_eq!(other, rows);
    }
}
