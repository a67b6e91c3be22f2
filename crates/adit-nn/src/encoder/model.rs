//! Any encoder behind one set of methods.

use std::ops::Range;

use crate::bert_like::BertLike;
use crate::encoder::EncoderConfig;
use crate::error::NnError;
use crate::modern_bert::ModernBert;
use crate::params::Params;
use crate::t5::T5Encoder;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// A text encoder of any family.
#[derive(Clone, Debug)]
pub struct Encoder {
    config: EncoderConfig,
    model: Model,
}

/// How the family computes.
#[derive(Clone, Debug)]
enum Model {
    BertLike(BertLike),
    ModernBert(ModernBert),
    T5(T5Encoder),
}

impl Encoder {
    /// An encoder with weights drawn from `seed` (normal, with the family's deviations), added to
    /// `params`.
    ///
    /// Parameters have Hugging Face's full names, so that [`Params::to_safetensors_bytes`] beside
    /// `config.json` is a directory that Hugging Face loads.
    pub fn new(config: &EncoderConfig, params: &mut Params, seed: u64) -> Self {
        let model = match config {
            EncoderConfig::BertLike(config) => Model::BertLike(BertLike::new(config, params, seed)),
            EncoderConfig::ModernBert(config) => {
                Model::ModernBert(ModernBert::new(config, params, seed))
            }
            EncoderConfig::T5(config) => Model::T5(T5Encoder::new(config, params, seed)),
        };
        Self {
            config: config.clone(),
            model,
        }
    }

    /// An encoder with the weights of `files`, whose names may lack the model's prefix.
    ///
    /// A pooler that is not in the files is drawn from seed 0. Old names of layer norms (`gamma`,
    /// `beta`) are understood.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type.
    pub fn load(
        config: &EncoderConfig,
        files: &WeightFiles,
        params: &mut Params,
    ) -> Result<Self, NnError> {
        Self::load_drawing(config, files, params, 0)
    }

    /// As [`Encoder::load`]; what may be absent is drawn from `seed`.
    pub(crate) fn load_drawing(
        config: &EncoderConfig,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let model = match config {
            EncoderConfig::BertLike(config) => {
                Model::BertLike(BertLike::load(config, files, params, seed)?)
            }
            EncoderConfig::ModernBert(config) => {
                Model::ModernBert(ModernBert::load(config, files, params, seed)?)
            }
            EncoderConfig::T5(config) => Model::T5(T5Encoder::load(config, files, params)?),
        };
        Ok(Self {
            config: config.clone(),
            model,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The width of a hidden state.
    pub fn hidden_size(&self) -> usize {
        self.config.hidden_size()
    }

    /// How many layers a token passes.
    pub fn n_layers(&self) -> usize {
        self.config.n_layers()
    }

    /// The longest sequence, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.config.max_tokens()
    }

    /// How many different tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.config.vocab_size()
    }

    /// The hidden states of the last layer, `[sum_len, hidden]`.
    ///
    /// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let mark = tape.mark();
        let embedded = self.embed_tokens(tape, tokens)?;
        let hidden = self.layers(tape, embedded, tokens, 0..self.n_layers());
        tape.release(mark, &[hidden]);
        Ok(hidden)
    }

    /// The first layer's input, `[sum_len, hidden]`.
    ///
    /// Errors: as [`Encoder::hidden`].
    pub fn embed_tokens(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        match &self.model {
            Model::BertLike(model) => model.embed_tokens(tape, tokens),
            Model::ModernBert(model) => model.embed_tokens(tape, tokens),
            Model::T5(model) => model.embed_tokens(tape, tokens),
        }
    }

    /// The hidden states after the layers of `range`, given those before, `x`: `[sum_len, hidden]`.
    ///
    /// The layers of `0..a` and then of `a..n` give the bits of all at once, so that states below
    /// layers that are trained can be kept. Panics when `range` is not within the layers or `x` is
    /// not as long as the tokens, which is a fault of the caller.
    pub fn layers(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        tokens: &PackedTokens,
        range: Range<usize>,
    ) -> Var {
        match &self.model {
            Model::BertLike(model) => model.layers(tape, x, tokens, range),
            Model::ModernBert(model) => model.layers(tape, x, tokens, range),
            Model::T5(model) => model.layers(tape, x, tokens, range),
        }
    }

    /// Freezes the embeddings and the layers below `layer`; says how many parameters those are.
    ///
    /// Errors: [`NnError::Config`] when layers share their weights (ALBERT), so that none can be frozen
    /// alone, or there is no such layer.
    pub fn freeze_below(&self, params: &mut Params, layer: usize) -> Result<usize, NnError> {
        let reason = if layer > self.n_layers() {
            format!("there is no layer {layer}, only {}", self.n_layers())
        } else if self.config.shares_layers() && (1..self.n_layers()).contains(&layer) {
            "its layers share their weights; train all of them or none".to_string()
        } else {
            return Ok(params.freeze(|name| stands_below(name, layer)));
        };
        Err(NnError::Config { reason })
    }

    /// The pooled vector of every sequence, `[n, hidden]`: what the family's classifier computes from
    /// the first token (or, of a ModernBERT that says so, from the mean), without dropout; of T5,
    /// whose classifier needs a decoder, the mean.
    pub fn pooled(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        match &self.model {
            Model::BertLike(model) => model.pooled(tape, hidden, tokens),
            Model::ModernBert(model) => model.pooled(tape, hidden, tokens),
            Model::T5(model) => model.pooled(tape, hidden, tokens),
        }
    }

    /// As [`Encoder::pooled`], with the dropout of the family's classifier: what enters its last map.
    pub(crate) fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        match &self.model {
            Model::BertLike(model) => model.features(tape, hidden, tokens),
            Model::ModernBert(model) => model.features(tape, hidden, tokens),
            Model::T5(model) => model.features(tape, hidden, tokens),
        }
    }
}

/// True for what the states before `layer` depend on, by the name of the parameter.
fn stands_below(name: &str, layer: usize) -> bool {
    let number = name.split('.').find_map(|part| part.parse::<usize>().ok());
    let table = ["embed", "shared.", "attention_bias"];
    table.iter().any(|part| name.contains(part)) || number.is_some_and(|at| at < layer)
}
