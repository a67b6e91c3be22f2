//! The encoder: embeddings, layers, pooler.

use std::ops::Range;

use crate::bert_like::BertLikeConfig;
use crate::bert_like::family::PoolerActivation;
use crate::bert_like::layer::{Layer, Run};
use crate::bert_like::positions::distance_kind;
use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::parameter_source::ParameterSource;
use crate::params::{ParamId, Params};
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// The parameters of an encoder of BERT's line, and how it computes.
#[derive(Clone, Debug)]
pub struct BertLike {
    config: BertLikeConfig,
    words: ParamId,
    positions: ParamId,
    types: Option<ParamId>,
    norm: LayerNorm,
    projection: Option<Linear>,
    distances: Option<ParamId>,
    /// Layers with weights of their own.
    layers: Vec<Layer>,
    /// Which of them a token passes, one after the other.
    order: Vec<usize>,
    pooler: Linear,
}

impl BertLike {
    /// An encoder with weights drawn from `seed`; see [`crate::Encoder::new`].
    pub fn new(config: &BertLikeConfig, params: &mut Params, seed: u64) -> Self {
        Self::build(config, &mut ParameterSource::drawn(params, seed))
    }

    /// An encoder with the weights of `files`; see [`crate::Encoder::load`].
    ///
    /// Errors: a configuration that contradicts itself; a tensor that is missing, or has another
    /// shape or an unread type.
    pub fn load(
        config: &BertLikeConfig,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        config.check()?;
        let prefixes = std::slice::from_ref(&config.family.traits().prefix);
        let mut source = ParameterSource::read(params, files, prefixes, seed);
        let model = Self::build(config, &mut source);
        source.finish()?;
        Ok(model)
    }

    fn build(config: &BertLikeConfig, source: &mut ParameterSource<'_>) -> Self {
        let traits = config.family.traits();
        let (narrow, hidden) = (config.embedding_size, config.hidden_size);
        let full = |part: &str| format!("{}{part}", traits.prefix);
        let words = full("embeddings.word_embeddings");
        let positions = full("embeddings.position_embeddings");
        let types = full("embeddings.token_type_embeddings");
        // ALBERT has its projection whatever the widths, ELECTRA only where they differ.
        let projection = traits
            .projection
            .filter(|_| narrow != hidden || traits.model_type == "albert");
        Self {
            config: config.clone(),
            words: source.table(&words, config.vocab_size, narrow),
            positions: source.table(&positions, config.max_position_embeddings, narrow),
            types: traits
                .has_types
                .then(|| source.table(&types, config.type_vocab_size, narrow)),
            norm: source.norm(&full("embeddings.LayerNorm"), narrow, config.layer_norm_eps),
            projection: projection.map(|name| source.linear(&full(name), (narrow, hidden))),
            distances: traits.has_distances.then(|| {
                source.table(
                    &full("encoder.relative_attention_bias"),
                    config.relative_attention_num_buckets,
                    config.num_attention_heads,
                )
            }),
            layers: layer_names(config)
                .iter()
                .map(|name| Layer::build(config, &full(name), source))
                .collect(),
            order: layer_order(config),
            pooler: source.linear_or_drawn(traits.pooler, (hidden, hidden)),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &BertLikeConfig {
        &self.config
    }

    /// The table of the words' vectors.
    pub(crate) fn words(&self) -> ParamId {
        self.words
    }

    /// The first layer's input; see [`crate::Encoder::embed_tokens`].
    ///
    /// Families with one kind of segment take every token as of that kind, as Hugging Face's
    /// tokenizers of these families give no kinds.
    pub fn embed_tokens(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let config = &self.config;
        let kinds = if config.type_vocab_size > 1 {
            config.type_vocab_size
        } else {
            usize::MAX
        };
        tokens.check(config.vocab_size, kinds, config.max_tokens())?;
        let first = config.first_position() as u32;
        let positions = tokens
            .offsets
            .windows(2)
            .flat_map(|w| first..first + (w[1] - w[0]) as u32)
            .collect();
        let mark = tape.mark();
        let mut parts = vec![
            (tape.param(self.words), tokens.ids.clone()),
            (tape.param(self.positions), positions),
        ];
        if let Some(types) = self.types {
            let ids = if config.type_vocab_size > 1 {
                tokens.type_ids.clone()
            } else {
                vec![0; tokens.ids.len()]
            };
            parts.push((tape.param(types), ids));
        }
        let sum = tape.embedding_sum(parts);
        let normal = self.norm.apply(tape, sum, None);
        let dropped = tape.dropout(normal, config.hidden_dropout_prob);
        let x = match &self.projection {
            Some(projection) => projection.apply(tape, dropped),
            None => dropped,
        };
        tape.release(mark, &[x]);
        Ok(x)
    }

    /// Some of the layers; see [`crate::Encoder::layers`].
    pub fn layers(
        &self,
        tape: &mut Tape<'_>,
        mut x: Var,
        tokens: &PackedTokens,
        range: Range<usize>,
    ) -> Var {
        assert!(
            range.start <= range.end && range.end <= self.order.len(),
            "layers {range:?} of {}",
            self.order.len()
        );
        let mark = tape.mark();
        let bias = self.bias(tape, tokens);
        let run = Run {
            config: &self.config,
            offsets: &tokens.offsets,
            bias,
        };
        for &at in &self.order[range] {
            x = self.layers[at].apply(tape, x, &run);
            let keep: Vec<Var> = [Some(x), bias].into_iter().flatten().collect();
            tape.release(mark, &keep);
        }
        tape.release(mark, &[x]);
        x
    }

    /// What distances add to the scores, the same in all layers: `[heads, 2 · longest - 1]`.
    fn bias(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Option<Var> {
        let table = tape.param(self.distances?);
        Some(tape.relative_bias(table, tokens.longest(), distance_kind))
    }

    /// The pooled vector of every sequence; see [`crate::Encoder::pooled`].
    pub fn pooled(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let firsts = tape.select_rows(hidden, &tokens.offsets[..tokens.n_sequences()]);
        self.pool(tape, firsts)
    }

    fn pool(&self, tape: &mut Tape<'_>, firsts: Var) -> Var {
        match self.config.family.traits().pooler_activation {
            PoolerActivation::Gelu => self.pooler.apply_gelu(tape, firsts),
            PoolerActivation::Tanh => {
                let dense = self.pooler.apply(tape, firsts);
                tape.tanh(dense)
            }
            PoolerActivation::Relu => {
                let dense = self.pooler.apply(tape, firsts);
                tape.relu(dense)
            }
        }
    }

    /// The pooled vector with the dropout of the family's classifier.
    pub(crate) fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let rate = self.config.classifier_dropout;
        let mut firsts = tape.select_rows(hidden, &tokens.offsets[..tokens.n_sequences()]);
        if self.config.family.traits().drops_before_pooler {
            firsts = tape.dropout(firsts, rate);
        }
        let pooled = self.pool(tape, firsts);
        tape.dropout(pooled, rate)
    }
}

/// The names of the layers that have weights of their own.
fn layer_names(config: &BertLikeConfig) -> Vec<String> {
    let traits = config.family.traits();
    if traits.model_type == "albert" {
        let inner = config.inner_group_num;
        return (0..config.num_hidden_groups * inner)
            .map(|at| {
                format!(
                    "{}.{}.albert_layers.{}",
                    traits.layers,
                    at / inner,
                    at % inner
                )
            })
            .collect();
    }
    (0..config.num_hidden_layers)
        .map(|at| format!("{}.{at}", traits.layers))
        .collect()
}

/// Which of the layers with weights of their own a token passes, one after the other.
fn layer_order(config: &BertLikeConfig) -> Vec<usize> {
    if config.family.traits().model_type != "albert" {
        return (0..config.num_hidden_layers).collect();
    }
    let inner = config.inner_group_num;
    // As Hugging Face divides: in f64, rounded down.
    let per_group = config.num_hidden_layers as f64 / config.num_hidden_groups as f64;
    (0..config.num_hidden_layers)
        .flat_map(|at| {
            let group = (at as f64 / per_group) as usize;
            (0..inner).map(move |part| group * inner + part)
        })
        .collect()
}
