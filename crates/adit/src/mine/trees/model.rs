//! A trained set of trees.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Column;
use super::tree::{Node, Tree};
use crate::mine::training::softmax;
use crate::mine::{MineError, Predictions};

/// Rows that one thread is asked at once.
const CHUNK_ROWS: usize = 512;

/// What the sum of the trees means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Meaning {
    /// Logits: one for two classes, else one a class.
    Classes { n_classes: usize },
    /// The target in units of `scale` around `center`.
    Numbers { center: f64, scale: f64 },
}

/// Gradient-boosted trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreesModel {
    pub(super) meaning: Meaning,
    pub(super) n_columns: usize,
    /// Where each sum begins. `[n_outputs]`
    pub(super) begin: Vec<f64>,
    /// Round by round, one an output. `[n_rounds * n_outputs]`
    pub(super) trees: Vec<Tree>,
}

impl TreesModel {
    /// Sums of the trees for a row a class, or a number.
    pub(super) fn n_outputs(&self) -> usize {
        self.begin.len()
    }

    /// How many rounds were kept.
    pub fn n_rounds(&self) -> usize {
        self.trees.len() / self.n_outputs().max(1)
    }

    /// Raw sums of the given rows, row-major. `[rows.len(), n_outputs]`
    pub(super) fn raw(&self, columns: &[Column], rows: &[usize]) -> Vec<f64> {
        let width = self.n_outputs();
        let mut out = vec![0.0; rows.len() * width];
        out.par_chunks_mut(CHUNK_ROWS * width)
            .zip(rows.par_chunks(CHUNK_ROWS))
            .for_each(|(out, rows)| {
                for (out, &row) in out.chunks_exact_mut(width).zip(rows) {
                    out.copy_from_slice(&self.begin);
                    for (k, tree) in self.trees.iter().enumerate() {
                        out[k % width] += f64::from(tree.value(columns, row));
                    }
                }
            });
        out
    }

    /// Predictions of the given rows, in their order.
    ///
    /// # Errors
    /// `FeaturesDiffer` where the columns are not as many as in training; `DamagedModel`; `RowOutOfRange`.
    pub fn predict(&self, columns: &[Column], rows: &[usize]) -> Result<Predictions, MineError> {
        self.check()?;
        if columns.len() != self.n_columns {
            return Err(MineError::FeaturesDiffer {
                expected: self.n_columns,
                found: columns.len(),
            });
        }
        let n_rows = columns.iter().map(Column::len).min().unwrap_or(0);
        if let Some(&row) = rows.iter().find(|row| **row >= n_rows) {
            return Err(MineError::RowOutOfRange { row, n_rows });
        }
        Ok(self.meaning.predictions(&self.raw(columns, rows)))
    }

    /// A loaded model may say anything.
    fn check(&self) -> Result<(), MineError> {
        let fits = match self.meaning {
            Meaning::Classes { n_classes: 2 } | Meaning::Numbers { .. } => self.begin.len() == 1,
            Meaning::Classes { n_classes } => n_classes > 0 && self.begin.len() == n_classes,
        };
        let sound = self.trees.iter().all(|tree| tree.is_sound(self.n_columns));
        if fits && sound && self.begin.iter().all(|b| b.is_finite()) {
            Ok(())
        } else {
            Err(MineError::DamagedModel {
                reason: "its trees do not fit together".into(),
            })
        }
    }

    /// The total gain of each column's splits, as shares of all; zeros where no tree splits.
    pub fn importance(&self) -> Vec<f64> {
        let mut gains = vec![0.0; self.n_columns];
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            if let Node::Ask { column, gain, .. } = node {
                gains[*column as usize] += f64::from(*gain);
            }
        }
        let total: f64 = gains.iter().sum();
        if total > 0.0 {
            gains.iter_mut().for_each(|gain| *gain /= total);
        }
        gains
    }
}

impl Meaning {
    /// Raw sums as probabilities or numbers.
    pub fn predictions(self, raw: &[f64]) -> Predictions {
        match self {
            Meaning::Numbers { center, scale } => {
                Predictions::Numbers(raw.iter().map(|v| v * scale + center).collect())
            }
            Meaning::Classes { n_classes: 2 } => {
                let pair = |&logit: &f64| {
                    let p = 1.0 / (1.0 + (-logit).exp());
                    [(1.0 - p) as f32, p as f32]
                };
                Predictions::Probabilities {
                    n_classes: 2,
                    values: raw.iter().flat_map(pair).collect(),
                }
            }
            Meaning::Classes { n_classes } => {
                let mut values: Vec<f32> = raw.iter().map(|&v| v as f32).collect();
                values.chunks_exact_mut(n_classes).for_each(softmax);
                Predictions::Probabilities { n_classes, values }
            }
        }
    }
}
