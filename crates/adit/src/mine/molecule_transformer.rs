//! A transformer over the atoms and bonds of molecules, as a member of the scoreboard.
//!
//! A small encoder of BERT's line begun from drawn weights. In training every step sees a molecule written in another
//! way; what is predicted is the mean over several ways.

use adit_nn::random::{mix, normal_at};
use adit_nn::watch::Watch;
use adit_nn::{
    Encoder, EncoderConfig, Mode, NnError, PackedTokens, ParamId, Params, Tape, Tensor, Var,
};
use serde::{Deserialize, Serialize};

use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::Dataset;
use crate::represent::molecule_tokens::{MoleculeRows, MoleculeTokens};

/// Ways of writing a molecule that a prediction is the mean of.
const WAYS: usize = 8;
/// Tokens computed together in inference, on one thread.
const INFERENCE_TOKENS: usize = 1024;
/// Keeps the streams of inference and of the head apart from the others of a seed.
const INFERENCE: u64 = 0x6d6f_6c65;
const HEAD: u64 = 0x6d68_6561;
/// Standard deviation of a fresh head's weights, as in BERT.
const HEAD_SPREAD: f64 = 0.02;

/// What is needed to rebuild a trained molecule transformer, weights aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoleculeTransformerModel {
    tokens: MoleculeTokens,
    pub n_layers: usize,
    /// Values a token, a multiple of 32.
    pub width: usize,
    pub meaning: OutputMeaning,
}

struct MoleculeNetwork<'a> {
    rows: MoleculeRows<'a>,
    n_rows: usize,
    ways: usize,
    built: Built,
}

struct Built {
    encoder: Encoder,
    weight: ParamId,
    bias: ParamId,
}

impl Network for MoleculeNetwork<'_> {
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError> {
        let key = match tape.mode() {
            Mode::Train { seed } => mix(INFERENCE, seed),
            Mode::Inference => INFERENCE,
        };
        let mut ids = Vec::new();
        let mut offsets = vec![0];
        for &row in rows {
            for way in 0..self.ways {
                // In training the row is part of the key: a step shows no two rows from one end only.
                let own = match tape.mode() {
                    Mode::Train { .. } => mix(key, row as u64),
                    Mode::Inference => mix(key, way as u64),
                };
                ids.extend(self.rows.ids(row, own));
                offsets.push(ids.len());
            }
        }
        let type_ids = vec![0; ids.len()];
        let packed = PackedTokens::new(ids, type_ids, offsets)?;
        let hidden = self.built.encoder.hidden(tape, &packed)?;
        let pooled = tape.mean_pool(hidden, &packed.offsets);
        let pooled = tape.dropout(pooled, 0.1);
        let (weight, bias) = (tape.param(self.built.weight), tape.param(self.built.bias));
        Ok(tape.linear(pooled, weight, Some(bias)))
    }

    fn n_members(&self) -> usize {
        self.ways
    }

    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        // About as long as written; the exact number differs from way to way.
        let length = |&row: &usize| self.ways * (2 + 2 * self.rows.n_atoms(row));
        let lengths: Vec<usize> = rows.iter().map(length).collect();
        crate::represent::text::batches_by_length(&lengths, INFERENCE_TOKENS)
            .into_iter()
            .map(|batch| batch.into_iter().map(|k| rows[k]).collect())
            .collect()
    }
}

impl MoleculeTransformerModel {
    /// The vocabulary of the training molecules and the target's scale; weights are trained by
    /// [`MoleculeTransformerModel::train`].
    ///
    /// # Errors
    /// `NoFeatures` without a column of molecules.
    pub fn fit(dataset: &Dataset, train: &[usize]) -> Result<Self, MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        if dataset.molecules.is_empty() {
            return Err(MineError::NoFeatures);
        }
        Ok(Self {
            tokens: MoleculeTokens::fit(dataset, train),
            n_layers: 3,
            width: 128,
            meaning: OutputMeaning::of(target, train),
        })
    }

    /// Tokens of the rows, written in one way.
    ///
    /// # Errors
    /// `MissingColumn`.
    pub fn n_tokens(&self, dataset: &Dataset, rows: &[usize]) -> Result<usize, MineError> {
        let molecules = self.tokens.rows(dataset)?;
        let length = |&row: &usize| molecules.ids(row, INFERENCE).len();
        Ok(rows.iter().map(length).sum())
    }

    /// Number of different tokens.
    pub fn n_ids(&self) -> usize {
        self.tokens.n_ids()
    }

    /// Trains weights from scratch for one seed.
    ///
    /// # Errors
    /// As [`training::train`].
    pub fn train(
        &self,
        dataset: &Dataset,
        (parts, class_weights): (Parts, Option<&[f32]>),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let target = dataset.target.as_ref().ok_or(MineError::WrongTarget)?;
        let (built, params) = self.built(settings.seed)?;
        let network = self.network(dataset, built, 1)?;
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
    /// `MissingColumn`, `Cancelled`.
    pub fn predict(
        &self,
        dataset: &Dataset,
        params: &Params,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError> {
        let (built, _) = self.built(0)?;
        let network = self.network(dataset, built, WAYS)?;
        training::predict_all(&network, params, &self.meaning, watch)
    }

    /// Freshly drawn weights, to be overwritten by stored ones.
    ///
    /// # Errors
    /// Sizes that no encoder has.
    pub fn blank_params(&self) -> Result<Params, MineError> {
        Ok(self.built(0)?.1)
    }

    fn network<'a>(
        &'a self,
        dataset: &'a Dataset,
        built: Built,
        ways: usize,
    ) -> Result<MoleculeNetwork<'a>, MineError> {
        Ok(MoleculeNetwork {
            rows: self.tokens.rows(dataset)?,
            n_rows: dataset.n_rows(),
            ways,
            built,
        })
    }

    fn built(&self, seed: u64) -> Result<(Built, Params), MineError> {
        let config = serde_json::json!({
            "model_type": "bert",
            "vocab_size": self.tokens.n_ids(),
            "hidden_size": self.width,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.width / 32,
            "intermediate_size": 2 * self.width,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": MoleculeTokens::most_tokens(),
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
        });
        let config = EncoderConfig::from_json(&config.to_string())?;
        let mut params = Params::new();
        let encoder = Encoder::new(&config, &mut params, seed);
        let n = self.meaning.n_outputs();
        let key = mix(seed, HEAD);
        let data = (0..(n * self.width) as u64).map(|at| normal_at(key, at, HEAD_SPREAD));
        let weight = params.add(
            "head.weight",
            Tensor {
                shape: vec![n, self.width],
                data: data.collect(),
            },
        );
        let bias = params.add("head.bias", Tensor::zeros(&[n]));
        let built = Built {
            encoder,
            weight,
            bias,
        };
        Ok((built, params))
    }
}

#[cfg(test)]
mod tests {
    use adit_nn::Products;
    use adit_nn::watch::Silent;

    use super::*;
    use crate::prepare::{self, Target};

    /// Chains of carbon with alcohols on them, written in any order; the target is how many.
    fn alcohols(n: usize) -> Dataset {
        let mut smiles = Vec::new();
        let mut values = Vec::new();
        for i in 0..n as u64 {
            let mut text = String::from("C");
            let mut hydroxyls = 0;
            for k in 0..4 + i % 5 {
                let here = mix(mix(7, i), k).is_multiple_of(3);
                text.push_str(if here { "C(O)" } else { "C" });
                hydroxyls += u32::from(here);
            }
            smiles.push(Some(text));
            values.push(f64::from(hydroxyls));
        }
        Dataset {
            row_ids: (0..n as u64).collect(),
            numbers: Vec::new(),
            categories: Vec::new(),
            texts: Vec::new(),
            molecules: vec![prepare::molecule_column("m", &smiles)],
            histories: None,
            target: Some(Target::Numbers(values)),
        }
    }

    #[test]
    fn how_often_a_group_occurs_is_learned_from_atoms_and_bonds() {
        let data = alcohols(240);
        let (train, held): (Vec<usize>, Vec<usize>) = (0..240).partition(|row| row % 4 > 0);
        let model = MoleculeTransformerModel {
            n_layers: 1,
            width: 32,
            ..MoleculeTransformerModel::fit(&data, &train).unwrap()
        };
        let settings = TrainingSettings {
            learning_rate: 3e-3,
            epochs: 25,
            patience: 25,
            batch_size: 16,
            warmup: 0.1,
            decay: true,
            weight_decay: 1e-2,
            clip_norm: 1.0,
            seed: 1,
            products: Products::F32,
        };
        let parts = Parts {
            train: &train,
            validation: &held,
        };
        let monitor = Monitor {
            name: "molecules",
            watch: &Silent,
            criterion: &|_| 0.0,
            score: &|_| 0.0,
        };
        let trained = model
            .train(&data, (parts, None), &settings, &monitor)
            .unwrap();
        let found = model.predict(&data, &trained.params, &Silent).unwrap();
        let (Predictions::Numbers(found), Some(Target::Numbers(truth))) = (found, &data.target)
        else {
            panic!()
        };
        let error = |guess: &dyn Fn(usize) -> f64| {
            let squares = held.iter().map(|&row| (guess(row) - truth[row]).powi(2));
            squares.sum::<f64>() / held.len() as f64
        };
        let mean = truth.iter().sum::<f64>() / truth.len() as f64;
        let (ours, guess) = (error(&|row| found[row]), error(&|_| mean));
        assert!(ours < 0.2 * guess, "{ours} {guess}");
    }
}
