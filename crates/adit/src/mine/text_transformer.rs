//! A pretrained text encoder, fine-tuned whole, as a member of the scoreboard.

use adit_nn::random::{mix, normal_at};
use adit_nn::watch::Watch;
use adit_nn::{Encoder, EncoderConfig, NnError, PackedTokens, ParamId, Params, Tape, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::training::{
    self, Goal, Monitor, Network, OutputMeaning, Parts, Trained, TrainingSettings,
};
use super::{MineError, Predictions};
use crate::prepare::{Target, TextColumn};
use crate::represent::encoder::EncoderDirectory;
use crate::represent::text::{TextTokenizer, Tokens, batches_by_length, pack};

/// Tokens computed together in inference.
const INFERENCE_TOKENS: usize = 4096;

/// Standard deviation of a fresh head's weights, as in BERT.
const HEAD_SPREAD: f64 = 0.02;

/// Keeps the head's stream apart from the others of a seed.
const HEAD: u64 = 0x6865_6164;

/// How sequence vectors become outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextHead {
    /// First token through the map that the encoder's family has for it (Devlin et al. 2019).
    Cls,
    /// Mean of the token vectors.
    Mean,
    /// The two texts encoded apart, means u and v: `[u, v, |u − v|, u·v]` (Conneau et al. 2017).
    Match,
}

/// A row's texts as tokens: one sequence, or two for [`TextHead::Match`].
#[derive(Clone, Debug)]
pub struct TextRows {
    pub first: Vec<Tokens>,
    pub second: Option<Vec<Tokens>>,
}

/// What is needed to rebuild a fine-tuned encoder, weights and tokenizer aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextTransformerModel {
    pub encoder: String,
    pub head: TextHead,
    pub max_tokens: usize,
    pub head_dropout: f32,
    pub meaning: OutputMeaning,
}

struct TextNetwork<'a> {
    rows: &'a TextRows,
    encoder: &'a Encoder,
    head: Head,
    kind: TextHead,
    dropout: f32,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    weight: ParamId,
    bias: ParamId,
}

impl TextNetwork<'_> {
    fn sequences(&self, tape: &mut Tape, packed: &PackedTokens) -> Result<Var, NnError> {
        let hidden = self.encoder.hidden(tape, packed)?;
        Ok(match self.kind {
            TextHead::Cls => self.encoder.pooled(tape, hidden, packed),
            TextHead::Mean | TextHead::Match => tape.mean_pool(hidden, &packed.offsets),
        })
    }
}

impl Network for TextNetwork<'_> {
    fn outputs(&self, tape: &mut Tape, rows: &[usize]) -> Result<Var, NnError> {
        let u = self.sequences(tape, &pack(&self.rows.first, rows))?;
        let mut features = match &self.rows.second {
            None => u,
            Some(second) => {
                let v = self.sequences(tape, &pack(second, rows))?;
                let difference = tape.abs_diff(u, v);
                let product = tape.product(u, v);
                tape.concat_columns(&[u, v, difference, product])
            }
        };
        features = tape.dropout(features, self.dropout);
        let weight = tape.param(self.head.weight);
        let bias = tape.param(self.head.bias);
        Ok(tape.linear(features, weight, Some(bias)))
    }

    fn n_rows(&self) -> usize {
        self.rows.first.len()
    }

    fn inference_batches(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        let length = |i: usize| {
            let second = self.rows.second.as_ref().map_or(0, |s| s[i].ids.len());
            self.rows.first[i].ids.len() + second
        };
        let lengths: Vec<usize> = rows.iter().map(|&i| length(i)).collect();
        batches_by_length(&lengths, INFERENCE_TOKENS)
            .into_iter()
            .map(|batch| batch.into_iter().map(|k| rows[k]).collect())
            .collect()
    }
}

impl TextRows {
    /// Tokenises text columns for a head.
    ///
    /// # Errors
    /// `NeedsPair` when [`TextHead::Match`] is not given exactly two columns.
    pub fn new(
        tokenizer: &TextTokenizer,
        columns: &[TextColumn],
        head: TextHead,
    ) -> Result<TextRows, MineError> {
        if head != TextHead::Match {
            return Ok(TextRows {
                first: tokenizer.encode_columns(columns)?,
                second: None,
            });
        }
        let [first, second] = columns else {
            return Err(MineError::NeedsPair {
                columns: columns.len(),
            });
        };
        Ok(TextRows {
            first: tokenizer.encode_columns(std::slice::from_ref(first))?,
            second: Some(tokenizer.encode_columns(std::slice::from_ref(second))?),
        })
    }
}

/// Parameters of an encoder with a head over it.
struct Built {
    encoder: Encoder,
    head: Head,
}

impl TextTransformerModel {
    /// Fine-tunes a copy of the pretrained weights, all layers, for one seed.
    pub fn train(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        (target, parts): (&Target, Parts),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Trained, MineError> {
        let (built, params) = self.pretrained(encoder, settings.seed)?;
        let network = self.network(rows, &built.encoder, built.head);
        let goal = self.goal(target);
        training::train(&network, params, goal, parts, settings, monitor)
    }

    /// As [`TextTransformerModel::train`], on all `chosen` rows for so many epochs, without validation.
    pub fn refit(
        &self,
        encoder: &EncoderDirectory,
        rows: &TextRows,
        (target, chosen, n_epochs): (&Target, &[usize], usize),
        settings: &TrainingSettings,
        monitor: &Monitor,
    ) -> Result<Params, MineError> {
        let (built, params) = self.pretrained(encoder, settings.seed)?;
        let network = self.network(rows, &built.encoder, built.head);
        let goal = self.goal(target);
        training::refit(
            &network,
            params,
            goal,
            (chosen, n_epochs),
            settings,
            monitor,
        )
    }

    fn goal<'a>(&self, target: &'a Target) -> Goal<'a> {
        Goal {
            meaning: self.meaning,
            target,
        }
    }

    fn pretrained(
        &self,
        encoder: &EncoderDirectory,
        seed: u64,
    ) -> Result<(Built, Params), MineError> {
        let mut params = Params::new();
        let model = encoder.load(&mut params)?;
        let head = self.add_head(encoder.config(), &mut params, seed);
        let built = Built {
            encoder: model,
            head,
        };
        Ok((built, params))
    }

    /// Predicts all rows with trained weights.
    pub fn predict(
        &self,
        config: &EncoderConfig,
        weights: &Params,
        rows: &TextRows,
        watch: &dyn Watch,
    ) -> Result<Predictions, MineError> {
        let Built { encoder, head } = self.built(config)?.0;
        let network = self.network(rows, &encoder, head);
        let all: Vec<usize> = (0..rows.first.len()).collect();
        training::predict(&network, weights, &self.meaning, &all, watch)
    }

    /// Parameters with the names and shapes of a trained model, to be overwritten by stored ones.
    pub fn blank_params(&self, config: &EncoderConfig) -> Result<Params, MineError> {
        Ok(self.built(config)?.1)
    }

    fn built(&self, config: &EncoderConfig) -> Result<(Built, Params), MineError> {
        let mut params = Params::new();
        let encoder = Encoder::new(config, &mut params, 0);
        let head = self.add_head(config, &mut params, 0);
        Ok((Built { encoder, head }, params))
    }

    fn add_head(&self, config: &EncoderConfig, params: &mut Params, seed: u64) -> Head {
        let width = match self.head {
            TextHead::Cls | TextHead::Mean => config.hidden_size(),
            TextHead::Match => 4 * config.hidden_size(),
        };
        let n = self.meaning.n_outputs();
        let key = mix(seed, HEAD);
        let weight: Vec<f32> = (0..(n * width) as u64)
            .map(|at| normal_at(key, at, HEAD_SPREAD))
            .collect();
        Head {
            weight: params.add(
                "head.weight",
                Tensor {
                    shape: vec![n, width],
                    data: weight,
                },
            ),
            bias: params.add("head.bias", Tensor::zeros(&[n])),
        }
    }

    fn network<'a>(&self, rows: &'a TextRows, encoder: &'a Encoder, head: Head) -> TextNetwork<'a> {
        TextNetwork {
            rows,
            encoder,
            head,
            kind: self.head,
            dropout: self.head_dropout,
        }
    }
}
