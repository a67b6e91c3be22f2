//! The encoder: embeddings and layers that normalise first.

use std::ops::Range;

use crate::error::NnError;
use crate::modern_bert::config::{LayerType, ModernBertConfig};
use crate::ops::{AttentionMask, AttentionSettings, Gelu, RotaryAngles};
use crate::params::{ParamId, Params};
use crate::projections::{CentredNorm, ParameterSource, Projection};
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// What stands before the names of an encoder's parameters in models with a head.
pub(super) const PREFIXES: &[&str] = &["model."];

/// The deviation of drawn weights.
const SPREAD: f32 = 0.02;

/// The parameters of a ModernBERT encoder, and how it computes.
#[derive(Clone, Debug)]
pub struct ModernBert {
    config: ModernBertConfig,
    words: ParamId,
    norm: CentredNorm,
    layers: Vec<Layer>,
    final_norm: CentredNorm,
}

#[derive(Clone, Debug)]
struct Layer {
    kind: LayerType,
    /// The first layer has none: its input is normalised already.
    attention_norm: Option<CentredNorm>,
    qkv: Projection,
    attention_output: Projection,
    mlp_norm: CentredNorm,
    wide: Projection,
    narrow: Projection,
}

impl Layer {
    fn add(config: &ModernBertConfig, source: &mut ParameterSource<'_>, at: usize) -> Self {
        let (hidden, wide, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.norm_eps,
        );
        let name = |part: &str| format!("model.layers.{at}.{part}");
        let out = SPREAD / (2.0 * config.num_hidden_layers as f32).sqrt();
        let (bias, mlp) = (config.attention_bias, config.mlp_bias);
        Self {
            kind: config.layer_types[at],
            attention_norm: (at > 0)
                .then(|| source.centred_norm(&name("attn_norm"), hidden, config.norm_bias, eps)),
            qkv: source.projection(&name("attn.Wqkv"), (hidden, 3 * hidden), bias, SPREAD),
            attention_output: source.projection(&name("attn.Wo"), (hidden, hidden), bias, out),
            mlp_norm: source.centred_norm(&name("mlp_norm"), hidden, config.norm_bias, eps),
            wide: source.projection(&name("mlp.Wi"), (hidden, 2 * wide), mlp, SPREAD),
            narrow: source.projection(&name("mlp.Wo"), (wide, hidden), mlp, out),
        }
    }

    fn apply(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        offsets: &[usize],
        angles: &RotaryAngles,
        config: &ModernBertConfig,
    ) -> Var {
        let hidden = config.hidden_size;
        let normal = self.attention_norm.map_or(x, |norm| norm.apply(tape, x));
        let qkv = self.qkv.apply(tape, normal);
        let q = tape.rotary(qkv, 0..hidden, angles);
        let k = tape.rotary(qkv, hidden..2 * hidden, angles);
        let v = tape.columns(qkv, 2 * hidden..3 * hidden);
        let settings = AttentionSettings {
            dropout: config.attention_dropout,
            mask: match self.kind {
                LayerType::FullAttention => AttentionMask::Full,
                LayerType::SlidingAttention => AttentionMask::Window(config.local_attention / 2),
            },
            ..AttentionSettings::new(config.num_attention_heads)
        };
        let attended = tape.attend([q, k, v], offsets, offsets, &settings);
        let mixed = self.attention_output.apply(tape, attended);
        let mixed = tape.dropout(mixed, config.attention_dropout);
        let x = tape.add(x, mixed);
        let normal = self.mlp_norm.apply(tape, x);
        let wide = self.wide.apply(tape, normal);
        let gated = tape.geglu(wide, Gelu::Exact);
        let gated = tape.dropout(gated, config.mlp_dropout);
        let narrow = self.narrow.apply(tape, gated);
        tape.add(x, narrow)
    }
}

impl ModernBert {
    /// A ModernBERT with weights drawn from `seed` (normal, as deep as its layers), added to `params`.
    ///
    /// Names are Hugging Face's with the prefix `model.`.
    pub fn new(config: &ModernBertConfig, params: &mut Params, seed: u64) -> Self {
        Self::add(config, &mut ParameterSource::drawn(params, seed))
    }

    /// A ModernBERT with the weights of `files`, whose names may lack the prefix `model.`.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type.
    pub fn load(
        config: &ModernBertConfig,
        files: &WeightFiles,
        params: &mut Params,
    ) -> Result<Self, NnError> {
        config.check()?;
        let mut source = ParameterSource::read(params, files, PREFIXES);
        let model = Self::add(config, &mut source);
        source.finish()?;
        Ok(model)
    }

    fn add(config: &ModernBertConfig, source: &mut ParameterSource<'_>) -> Self {
        let (hidden, eps) = (config.hidden_size, config.norm_eps);
        let words = ["model.embeddings.tok_embeddings.weight"];
        Self {
            config: config.clone(),
            words: source.matrix(&words, [config.vocab_size, hidden], SPREAD),
            norm: source.centred_norm("model.embeddings.norm", hidden, config.norm_bias, eps),
            layers: (0..config.num_hidden_layers)
                .map(|at| Layer::add(config, source, at))
                .collect(),
            final_norm: source.centred_norm("model.final_norm", hidden, config.norm_bias, eps),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &ModernBertConfig {
        &self.config
    }

    /// The width of a hidden state.
    pub fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    /// How many layers a token passes.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// The longest sequence, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// How many different tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    /// The hidden states of the last layer after the final norm, `[sum_len, hidden]`.
    ///
    /// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let mark = tape.mark();
        let x = self.embed_tokens(tape, tokens)?;
        let hidden = self.layers(tape, x, tokens, 0..self.n_layers());
        tape.release(mark, &[hidden]);
        Ok(hidden)
    }

    /// The first layer's input, `[sum_len, hidden]`; segments are not told apart.
    ///
    /// Errors: as [`ModernBert::hidden`].
    pub fn embed_tokens(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        tokens.check(self.vocab_size(), usize::MAX, self.max_tokens())?;
        let mark = tape.mark();
        let words = tape.param(self.words);
        let words = tape.embedding_sum(vec![(words, tokens.ids.clone())]);
        let normal = self.norm.apply(tape, words);
        let x = tape.dropout(normal, self.config.embedding_dropout);
        tape.release(mark, &[x]);
        Ok(x)
    }

    /// The states after the layers of `range`, given those before, `x`: `[sum_len, hidden]`.
    ///
    /// After the last layer comes the final norm. Panics when `range` is not within the layers or `x`
    /// is not as long as the tokens, which is a fault of the caller.
    pub fn layers(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        tokens: &PackedTokens,
        range: Range<usize>,
    ) -> Var {
        let (offsets, ropes) = (&tokens.offsets, &self.config.rope_parameters);
        let angles = |base: f64| RotaryAngles::new(offsets, self.config.head(), base);
        let full = angles(ropes.full_attention.rope_theta);
        let sliding = angles(ropes.sliding_attention.rope_theta);
        let last = range.end == self.n_layers();
        let mark = tape.mark();
        let mut x = x;
        for layer in &self.layers[range] {
            let angles = match layer.kind {
                LayerType::FullAttention => &full,
                LayerType::SlidingAttention => &sliding,
            };
            x = layer.apply(tape, x, offsets, angles, &self.config);
            tape.release(mark, &[x]);
        }
        if last {
            x = self.final_norm.apply(tape, x);
            tape.release(mark, &[x]);
        }
        x
    }
}
