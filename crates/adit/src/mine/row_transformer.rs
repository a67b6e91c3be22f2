//! Networks over column tokens as members of the scoreboard: attention, or an ensemble of perceptrons.
//!
//! Feature tokens with piecewise-linear number embeddings (Gorishniy et al. 2021 and 2022), members that share most
//! weights (Gorishniy et al. 2025), trained from scratch on the training rows, stopped early on the validation rows.

use std::borrow::Cow;

use adit_nn::watch::Watch;
use adit_nn::{MemberConfig, NnError, NumberEmbedding, Params, RowBody, RowTransformer, Tape, Var};
use serde::{Deserialize, Serialize};

use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::Dataset;
use crate::represent::rows::{RowFeatures, RowTransformerShape};
use crate::represent::target_statistics::StatisticColumns;

/// Rows asked for together in inference; a fixed number, so that results do not depend on the data's size.
const INFERENCE_ROWS: usize = 256;

/// What is needed to rebuild a trained row transformer, weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTransformerModel {
    pub features: RowFeatures,
    pub shape: RowTransformerShape,
    pub meaning: OutputMeaning,
    /// What the target was for the training rows of each category, read as further numbers.
    #[serde(default)]
    pub statistics: Option<StatisticColumns>,
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

    fn n_members(&self) -> usize {
        self.transformer.config().n_members()
    }

    fn n_rows(&self) -> usize {
        self.dataset.n_rows()
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        rows.chunks(INFERENCE_ROWS).map(<[usize]>::to_vec).collect()
    }
}

impl RowTransformerShape {
    /// Attention of a size that suits the number of columns and training rows.
    pub fn attention(n_columns: usize, n_train: usize) -> RowTransformerShape {
        let wide = n_train >= 4_000 && n_columns <= 40;
        let base = RowTransformerShape {
            d_token: 64,
            n_layers: 2,
            n_heads: 4,
            ffn_hidden: 128,
            attention_dropout: 0.0,
            ffn_dropout: 0.1,
            numbers: NumberEmbedding::PiecewiseLinear,
            body: RowBody::Attention,
            members: None,
        };
        // Attention over very many cells would take hours; a smaller network learns them in minutes.
        if n_train * n_columns > 1_500_000 {
            return base;
        }
        RowTransformerShape {
            d_token: if wide { 96 } else { 64 },
            n_layers: if n_columns > 200 { 2 } else { 3 },
            n_heads: if wide { 6 } else { 4 },
            ffn_hidden: if wide { 192 } else { 128 },
            attention_dropout: 0.1,
            ..base
        }
    }

    /// The same, read by members that share its tokens and blocks; a number's token begins linear.
    pub fn with_members(self) -> RowTransformerShape {
        RowTransformerShape {
            numbers: NumberEmbedding::Residual,
            members: Some(MemberConfig {
                count: 8,
                width: 2 * self.d_token,
                n_layers: 1,
                dropout: 0.1,
            }),
            ..self
        }
    }

    /// Perceptrons that read the tokens side by side and share most weights.
    pub fn perceptrons(numbers: NumberEmbedding) -> RowTransformerShape {
        RowTransformerShape {
            d_token: 12,
            n_layers: 0,
            n_heads: 1,
            ffn_hidden: 1,
            attention_dropout: 0.0,
            ffn_dropout: 0.0,
            numbers,
            body: RowBody::Columns,
            members: Some(MemberConfig {
                count: 16,
                width: 192,
                n_layers: 2,
                dropout: 0.1,
            }),
        }
    }
}

impl RowTransformerModel {
    /// Fits bin edges, statistics of the target and the target's scale, and gives the rows as they are learned from;
    /// weights are trained by [`RowTransformerModel::train`].
    ///
    /// `train` are rows whose targets may be looked at, all of them where nothing is held out of them later: else
    /// there are no statistics of the target. `groups` tells whose each row of the dataset is, where rows of one entity
    /// stay together.
    ///
    /// # Errors
    /// `NoFeatures` without number or category columns.
    pub fn fit<'a>(
        dataset: &'a Dataset,
        shape: RowTransformerShape,
        (train, groups): (&[usize], Option<&[u64]>),
        with_statistics: bool,
    ) -> Result<(RowTransformerModel, Cow<'a, Dataset>), MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        let fitted = if with_statistics {
            StatisticColumns::fit(dataset, target, (train, groups))?
        } else {
            None
        };
        let (statistics, learned) = match fitted {
            Some((statistics, with)) => (Some(statistics), Cow::Owned(with)),
            None => (None, Cow::Borrowed(dataset)),
        };
        let features = RowFeatures::fit(&learned, train);
        if features.n_columns() == 0 {
            return Err(MineError::NoFeatures);
        }
        let model = RowTransformerModel {
            features,
            shape,
            meaning: OutputMeaning::of(target, train),
            statistics,
        };
        Ok((model, learned))
    }

    /// Trains weights from scratch for one seed, on rows as [`RowTransformerModel::fit`] gave them.
    pub fn train(
        &self,
        learned: &Dataset,
        (parts, class_weights): (Parts, Option<&[f32]>),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let target = learned.target.as_ref().ok_or(MineError::WrongTarget)?;
        let (transformer, params) = self.network(settings.seed)?;
        let network = RowNetwork {
            dataset: learned,
            features: &self.features,
            transformer,
        };
        let goal = Goal {
            meaning: self.meaning,
            target,
            class_weights,
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
        let with = match &self.statistics {
            Some(statistics) => Cow::Owned(statistics.add(dataset)?),
            None => Cow::Borrowed(dataset),
        };
        self.predict_learned(&with, params, watch)
    }

    /// The same of rows as [`RowTransformerModel::fit`] gave them: a training row is predicted by statistics that do
    /// not hold its own target, other rows as by [`RowTransformerModel::predict`].
    pub fn predict_learned(
        &self,
        learned: &Dataset,
        params: &Params,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError> {
        let (transformer, _) = self.network(0)?;
        let network = RowNetwork {
            dataset: learned,
            features: &self.features,
            transformer,
        };
        training::predict_all(&network, params, &self.meaning, watch)
    }

    /// Freshly initialised weights, for instance to be overwritten by stored ones.
    pub fn network(&self, seed: u64) -> Result<(RowTransformer, Params), MineError> {
        let mut params = Params::new();
        let config = self.features.config(&self.shape, self.meaning.n_outputs());
        let transformer = RowTransformer::new(config, &mut params, seed)?;
        Ok((transformer, params))
    }
}
