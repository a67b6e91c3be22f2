//! Learning rates tried, seeds trained, and how both are told.

use adit_nn::{NumberEmbedding, Products, RowBody};

use crate::explain::{EpochRecord, TrainingHistory};
use crate::mine::MineError;
use crate::mine::training::{Epoch, Trained, TrainingSettings};
use crate::represent::rows::RowTransformerShape;

type Train<'a> = dyn Fn(&TrainingSettings, &str) -> Result<Trained, MineError> + 'a;

/// Most epochs or rounds of a history that are kept.
const MOST_POINTS: usize = 200;

/// Trains the first seed of every candidate; gives the one that was best on validation rows.
pub(super) fn best_of<C: Copy>(
    candidates: &[C],
    (name, seed): (&str, u64),
    train: &dyn Fn(&C, &str) -> Result<Trained, MineError>,
) -> Result<(C, Trained), MineError> {
    let mut best: Option<(C, Trained)> = None;
    for (k, candidate) in candidates.iter().enumerate() {
        let stage = if candidates.len() > 1 {
            format!("{name}: candidate {} of {}", k + 1, candidates.len())
        } else {
            format!("{name}: seed {seed}")
        };
        let trained = match train(candidate, &stage) {
            // What diverges is not a candidate, unless it is the last one.
            Err(MineError::Diverged { .. }) if best.is_some() || k + 1 < candidates.len() => {
                continue;
            }
            other => other?,
        };
        if best
            .as_ref()
            .is_none_or(|(_, b)| trained.best_criterion > b.best_criterion)
        {
            best = Some((*candidate, trained));
        }
    }
    best.ok_or(MineError::NoFeatures)
}

/// As [`best_of`], of learning rates.
pub(super) fn best_rate(
    base: &TrainingSettings,
    rates: &[f64],
    name: &str,
    train: &Train,
) -> Result<(f64, Trained), MineError> {
    best_of(rates, (name, base.seed), &|&rate, stage| {
        let settings = TrainingSettings {
            learning_rate: rate as f32,
            ..*base
        };
        train(&settings, stage)
    })
}

pub(super) fn candidates(given: &[f64], default: &[f64]) -> Vec<f64> {
    if given.is_empty() { default } else { given }.to_vec()
}

/// How much a row transformer may cost: the more cells there are to learn from, the fewer trainings and passes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowBudget {
    pub rates: &'static [f64],
    pub seeds: usize,
    pub epochs: usize,
    pub patience: usize,
}

impl RowBudget {
    /// The budget of attention for a training part of so many rows and columns.
    pub fn of_attention(n_train: usize, n_columns: usize) -> RowBudget {
        let cells = n_train * n_columns;
        let (rates, seeds): (&[f64], usize) = match cells {
            0..=150_000 => (&[3e-4, 1e-3], 3),
            150_001..=600_000 => (&[1e-3], 2),
            _ => (&[1e-3], 1),
        };
        RowBudget {
            rates,
            seeds,
            epochs: passes((400_000, n_train), (50_000_000, cells)).clamp(6, 200),
            patience: patience(n_train),
        }
    }

    /// The same of perceptrons, which cost a fraction of it.
    pub fn of_perceptrons(n_train: usize, n_columns: usize) -> RowBudget {
        let cells = n_train * n_columns;
        let (rates, seeds): (&[f64], usize) = match cells {
            0..=150_000 => (&[1e-3, 3e-3], 2),
            _ => (&[1e-3], 1),
        };
        RowBudget {
            rates,
            seeds,
            epochs: passes((1_000_000, n_train), (80_000_000, cells)).clamp(8, 250),
            patience: patience(n_train),
        }
    }
}

/// Passes that stay within so many rows and so many cells in all.
fn passes((rows, n_rows): (usize, usize), (cells, n_cells): (usize, usize)) -> usize {
    (rows / n_rows.max(1)).min(cells / n_cells.max(1))
}

/// Epochs without gain: the more steps an epoch has, the fewer.
fn patience(n_train: usize) -> usize {
    match n_train {
        0..2_000 => 16,
        2_000..10_000 => 8,
        10_000..40_000 => 5,
        _ => 3,
    }
}

pub(super) fn describe(base: &TrainingSettings, rate: f64) -> Vec<(String, String)> {
    let mut settings = vec![
        ("learning rate".into(), format!("{rate:e}")),
        ("epochs".into(), format!("up to {}", base.epochs)),
        ("patience".into(), format!("{} epochs", base.patience)),
        ("batch".into(), format!("{} rows", base.batch_size)),
        ("weight decay".into(), base.weight_decay.to_string()),
    ];
    if base.products == Products::Bf16 {
        let words = "bf16, weights and sums in f32";
        settings.push(("products".into(), words.into()));
    }
    settings
}

pub(super) fn describe_shape(shape: &RowTransformerShape) -> Vec<(String, String)> {
    let numbers = match shape.numbers {
        NumberEmbedding::PiecewiseLinear => "piecewise-linear",
        NumberEmbedding::Residual => "linear, bent piecewise",
        NumberEmbedding::Periodic { .. } => "periodic",
        NumberEmbedding::Both { .. } => "piecewise-linear and periodic",
    };
    let mut told: Vec<(String, String)> = Vec::new();
    if shape.body == RowBody::Attention {
        told.push(("layers".into(), shape.n_layers.to_string()));
        told.push(("heads".into(), shape.n_heads.to_string()));
    }
    told.push(("token width".into(), shape.d_token.to_string()));
    told.push(("numbers".into(), numbers.into()));
    if let Some(members) = shape.members {
        let words = format!(
            "{} perceptrons that share weights, {} x {}",
            members.count, members.n_layers, members.width
        );
        told.push(("members".into(), words));
    }
    told
}

pub(super) fn histories(model: &str, seed: u64, trained: &[Trained]) -> Vec<TrainingHistory> {
    trained
        .iter()
        .enumerate()
        .map(|(k, t)| history(model, seed + k as u64, t))
        .collect()
}

fn history(model: &str, seed: u64, trained: &Trained) -> TrainingHistory {
    by_round(model, seed, &trained.epochs, trained.best_epoch)
}

/// Losses by epoch or round.
pub(super) fn by_round(
    model: &str,
    seed: u64,
    epochs: &[Epoch],
    best_epoch: usize,
) -> TrainingHistory {
    // More points are not seen, and make a report large.
    let every = epochs.len().div_ceil(MOST_POINTS).max(1);
    TrainingHistory {
        model: model.to_string(),
        seed,
        epochs: epochs
            .iter()
            .filter(|e| {
                let end = e.epoch == 1 || e.epoch == epochs.len();
                end || e.epoch == best_epoch || e.epoch.is_multiple_of(every)
            })
            .map(|e| EpochRecord {
                epoch: e.epoch,
                train_loss: e.train_loss,
                validation_loss: e.validation_loss,
                validation_score: Some(e.validation_score).filter(|score| score.is_finite()),
            })
            .collect(),
        best_epoch,
    }
}
