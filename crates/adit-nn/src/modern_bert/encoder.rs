//! The encoder: embeddings and layers that normalise first.

use std::ops::Range;

use crate::error::NnError;
use crate::modern_bert::config::{ClassifierPooling, LayerType, ModernBertConfig, SPREAD};
use crate::ops::{AttentionMask, AttentionSettings, Gelu, RotaryAngles};
use crate::parameter_source::{ParameterSource, name_in};
use crate::params::{ParamId, Params};
use crate::projections::{CentredNorm, Projection};
use crate::random::mix;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// What stands before the names of an encoder's parameters in models with a head.
const PREFIXES: &[&str] = &["model."];

/// The parameters of a ModernBERT encoder, and how it computes.
#[derive(Clone, Debug)]
pub struct ModernBert {
    config: ModernBertConfig,
    encoder: Encoder,
    head: Head,
}

#[derive(Clone, Debug)]
struct Encoder {
    words: ParamId,
    norm: CentredNorm,
    layers: Vec<Layer>,
    final_norm: CentredNorm,
}

impl Encoder {
    fn add(config: &ModernBertConfig, source: &mut ParameterSource<'_>) -> Self {
        let (hidden, eps, bias) = (config.hidden_size, config.norm_eps, config.norm_bias);
        let words = ["model.embeddings.tok_embeddings.weight"];
        Self {
            words: source.matrix(&words, [config.vocab_size, hidden], SPREAD),
            norm: source.centred_norm("model.embeddings.norm", hidden, bias, eps),
            layers: (0..config.num_hidden_layers)
                .map(|at| Layer::add(config, source, at))
                .collect(),
            final_norm: source.centred_norm("model.final_norm", hidden, bias, eps),
        }
    }
}

/// What a classifier does before its last map: a dense map with GELU and a norm.
#[derive(Clone, Copy, Debug)]
struct Head {
    dense: Projection,
    norm: CentredNorm,
}

impl Head {
    fn add(config: &ModernBertConfig, source: &mut ParameterSource<'_>) -> Self {
        let (hidden, eps) = (config.hidden_size, config.norm_eps);
        let (size, bias) = ((hidden, hidden), config.classifier_bias);
        Self {
            dense: source.projection("head.dense", size, bias, config.deep_spread()),
            norm: source.centred_norm("head.norm", hidden, config.norm_bias, eps),
        }
    }
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
        let out = config.deep_spread();
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
    /// A ModernBERT with weights drawn from `seed` (normal, the narrower the more layers), added to
    /// `params`.
    ///
    /// Names are Hugging Face's; those of the encoder have the prefix `model.`.
    pub fn new(config: &ModernBertConfig, params: &mut Params, seed: u64) -> Self {
        let mut source = ParameterSource::drawn(params, seed);
        let encoder = Encoder::add(config, &mut source);
        let head = Head::add(config, &mut source);
        Self::of(config, encoder, head)
    }

    /// A ModernBERT with the weights of `files`, whose names may lack the prefix `model.`.
    ///
    /// What a classifier does before its last map is drawn from `seed` where the files lack it.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type.
    pub fn load(
        config: &ModernBertConfig,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        config.check()?;
        let mut source = ParameterSource::read(params, files, PREFIXES, 0);
        let encoder = Encoder::add(config, &mut source);
        source.finish()?;
        let mut source = match name_in(files, "head.dense.weight", PREFIXES) {
            Some(_) => ParameterSource::read(params, files, PREFIXES, 0),
            None => ParameterSource::drawn(params, mix(seed, 3)),
        };
        let head = Head::add(config, &mut source);
        source.finish()?;
        Ok(Self::of(config, encoder, head))
    }

    fn of(config: &ModernBertConfig, encoder: Encoder, head: Head) -> Self {
        Self {
            config: config.clone(),
            encoder,
            head,
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
        self.encoder.layers.len()
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
        let words = tape.param(self.encoder.words);
        let words = tape.embedding_sum(vec![(words, tokens.ids.clone())]);
        let normal = self.encoder.norm.apply(tape, words);
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
        let last = !range.is_empty() && range.end == self.n_layers();
        let mark = tape.mark();
        let mut x = x;
        for layer in &self.encoder.layers[range] {
            let angles = match layer.kind {
                LayerType::FullAttention => &full,
                LayerType::SlidingAttention => &sliding,
            };
            x = layer.apply(tape, x, offsets, angles, &self.config);
            tape.release(mark, &[x]);
        }
        if last {
            x = self.encoder.final_norm.apply(tape, x);
            tape.release(mark, &[x]);
        }
        x
    }

    /// The pooled vector of every sequence, `[n, hidden]`; see [`crate::Encoder::pooled`].
    pub fn pooled(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let pooled = match self.config.classifier_pooling {
            ClassifierPooling::Cls => {
                tape.select_rows(hidden, &tokens.offsets[..tokens.n_sequences()])
            }
            ClassifierPooling::Mean => tape.mean_pool(hidden, &tokens.offsets),
        };
        let dense = self.head.dense.apply(tape, pooled);
        let active = tape.gelu(dense);
        self.head.norm.apply(tape, active)
    }

    /// The pooled vector with the dropout of the classifier.
    pub(crate) fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let pooled = self.pooled(tape, hidden, tokens);
        tape.dropout(pooled, self.config.classifier_dropout)
    }
}
