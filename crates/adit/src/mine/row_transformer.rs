//! The row transformer as a member of the scoreboard.
//!
//! Feature tokens with piecewise-linear number embeddings (Gorishniy et al. 2021 and 2022),
//! trained from scratch on the training rows, stopped early on the validation rows.

use adit_nn::watch::Watch;
use adit_nn::{NnError, Params, RowTransformer, Tape, Var};
use serde::{Deserialize, Serialize};

use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::Dataset;
use crate::represent::rows::{RowFeatures, RowTransformerShape};

/// Rows asked for together in inference; a fixed number, so that results do not depend on the data's size.
const INFERENCE_ROWS: usize = 256;

/// What is needed to rebuild a trained row transformer, weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTransformerModel {
    pub features: RowFeatures,
    pub shape: RowTransformerShape,
    pub meaning: OutputMeaning,
}

struct RowNetwork<'a> {
    dataset: &'a Dataset,
    features: &'a RowFeatures,
    transformer: RowTransformer,
}

impl Network for RowNetwork<'_> {
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError> {
        self.transformer
            .outputs(tape, &self.features.batch(self.dataset, rows))
    }

    fn n_rows(&self) -> usize {
        self.dataset.n_rows()
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        rows.chunks(INFERENCE_ROWS).map(<[usize]>::to_vec).collect()
    }
}

impl RowTransformerShape {
    /// A shape that suits the number of columns and training rows.
    pub fn suited(n_columns: usize, n_train: usize) -> RowTransformerShape {
        let wide = n_train >= 4_000 && n_columns <= 40;
        // Attention over very many cells would take hours; a smaller network learns them in minutes.
        if n_train * n_columns > 1_500_000 {
            return RowTransformerShape {
                d_token: 64,
                n_layers: 2,
                n_heads: 4,
                ffn_hidden: 128,
                attention_dropout: 0.0,
                ffn_dropout: 0.1,
            };
        }
        RowTransformerShape {
            d_token: if wide { 96 } else { 64 },
            n_layers: if n_columns > 200 { 2 } else { 3 },
            n_heads: if wide { 6 } else { 4 },
            ffn_hidden: if wide { 192 } else { 128 },
            attention_dropout: 0.1,
            ffn_dropout: 0.1,
        }
    }
}

impl RowTransformerModel {
    /// Fits bin edges and the target's scale; weights are trained by [`RowTransformerModel::train`].
    ///
    /// # Errors
    /// `NoFeatures` without number or category columns.
    pub fn fit(
        dataset: &Dataset,
        shape: Option<RowTransformerShape>,
        parts: Parts,
    ) -> Result<RowTransformerModel, MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        let features = RowFeatures::fit(dataset, parts.train);
        if features.n_columns() == 0 {
            return Err(MineError::NoFeatures);
        }
        let shape = shape.unwrap_or_else(|| {
            RowTransformerShape::suited(features.n_columns(), parts.train.len())
        });
        Ok(RowTransformerModel {
            features,
            shape,
            meaning: OutputMeaning::of(target, parts.train),
        })
    }

    /// Trains weights from scratch for one seed.
    pub fn train(
        &self,
        dataset: &Dataset,
        parts: Parts,
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        let (transformer, params) = self.network(settings.seed)?;
        let network = RowNetwork {
            dataset,
            features: &self.features,
            transformer,
        };
        let goal = Goal {
            meaning: self.meaning,
            target,
        };
        training::train(&network, params, goal, parts, settings, monitor)
    }

    /// Predicts all rows of a dataset with trained weights.
    pub fn predict(
        &self,
        dataset: &Dataset,
        params: &Params,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError> {
        let (transformer, _) = self.network(0)?;
        let network = RowNetwork {
            dataset,
            features: &self.features,
            transformer,
        };
        let rows: Vec<usize> = (0..dataset.n_rows()).collect();
        training::predict(&network, params, &self.meaning, &rows, watch)
    }

    /// Freshly initialised weights, for instance to be overwritten by stored ones.
    pub fn network(&self, seed: u64) -> Result<(RowTransformer, Params), MineError> {
        let mut params = Params::new();
        let config = self.features.config(&self.shape, self.meaning.n_outputs());
        let transformer = RowTransformer::new(config, &mut params, seed)?;
        Ok((transformer, params))
    }
}
