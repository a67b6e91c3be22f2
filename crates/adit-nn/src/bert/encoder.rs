//! The encoder: embeddings, layers, pooler.

use crate::bert::config::BertConfig;
use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weights::WeightFile;

/// The parameters of a BERT encoder, and how it computes.
#[derive(Clone, Debug)]
pub struct Bert {
    config: BertConfig,
    words: ParamId,
    positions: ParamId,
    types: ParamId,
    norm: LayerNorm,
    layers: Vec<Layer>,
    pooler: Linear,
}

#[derive(Clone, Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

impl Layer {
    fn new(config: &BertConfig, params: &mut Params, name: &str, init: &mut Init) -> Self {
        let (hidden, wide, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let mut linear = |params: &mut Params, part: &str, size| {
            Linear::normal(params, &format!("{name}.{part}"), size, init, 0.02)
        };
        let norm = |params: &mut Params, part: &str| {
            LayerNorm::new(params, &format!("{name}.{part}"), hidden, eps)
        };
        Self {
            query: linear(params, "attention.self.query", (hidden, hidden)),
            key: linear(params, "attention.self.key", (hidden, hidden)),
            value: linear(params, "attention.self.value", (hidden, hidden)),
            attention_output: linear(params, "attention.output.dense", (hidden, hidden)),
            attention_norm: norm(params, "attention.output.LayerNorm"),
            intermediate: linear(params, "intermediate.dense", (hidden, wide)),
            output: linear(params, "output.dense", (wide, hidden)),
            output_norm: norm(params, "output.LayerNorm"),
        }
    }

    fn apply(&self, tape: &mut Tape<'_>, x: Var, offsets: &[usize], config: &BertConfig) -> Var {
        let qkv = [self.query, self.key, self.value].map(|part| part.apply(tape, x));
        let heads = config.num_attention_heads;
        let attended = tape.attention(qkv, offsets, heads, config.attention_probs_dropout_prob);
        let mixed = self.attention_output.apply(tape, attended);
        let mixed = tape.dropout(mixed, config.hidden_dropout_prob);
        let x = self.attention_norm.apply(tape, mixed, Some(x));
        let wide = self.intermediate.apply_gelu(tape, x);
        let narrow = self.output.apply(tape, wide);
        let narrow = tape.dropout(narrow, config.hidden_dropout_prob);
        self.output_norm.apply(tape, narrow, Some(x))
    }
}

impl Bert {
    /// A BERT with weights drawn from `init_seed` (normal, deviation 0.02), added to `params`.
    ///
    /// Names are Hugging Face's with the prefix `bert.`.
    pub fn new(config: &BertConfig, params: &mut Params, init_seed: u64) -> Self {
        Self::build(config, params, &mut Init::new(init_seed))
    }

    fn build(config: &BertConfig, params: &mut Params, init: &mut Init) -> Self {
        let hidden = config.hidden_size;
        let mut table = |params: &mut Params, name: &str, size: usize| {
            params.add(
                format!("bert.embeddings.{name}.weight"),
                init.normal(&[size, hidden], 0.02),
            )
        };
        let words = table(params, "word_embeddings", config.vocab_size);
        let positions = table(
            params,
            "position_embeddings",
            config.max_position_embeddings,
        );
        let types = table(params, "token_type_embeddings", config.type_vocab_size);
        let norm = LayerNorm::new(
            params,
            "bert.embeddings.LayerNorm",
            hidden,
            config.layer_norm_eps,
        );
        let layers = (0..config.num_hidden_layers)
            .map(|at| Layer::new(config, params, &format!("bert.encoder.layer.{at}"), init))
            .collect();
        let pooler = Linear::normal(params, "bert.pooler.dense", (hidden, hidden), init, 0.02);
        Self {
            config: config.clone(),
            words,
            positions,
            types,
            norm,
            layers,
            pooler,
        }
    }

    /// A BERT with the weights of `file`, whose names may lack the prefix `bert.`.
    ///
    /// A pooler that is not in the file keeps weights drawn from seed 0. Old names of layer norms
    /// (`gamma`, `beta`) are understood.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type.
    pub fn load(
        config: &BertConfig,
        file: &WeightFile,
        params: &mut Params,
    ) -> Result<Self, NnError> {
        config.check()?;
        let first = params.len();
        let bert = Self::build(config, params, &mut Init::zeros());
        let names: Vec<(ParamId, String)> = params
            .iter()
            .skip(first)
            .map(|(id, name, _)| (id, name.to_string()))
            .collect();
        for (id, name) in names {
            let Some(found) = name_in(file, &name) else {
                if name == "bert.pooler.dense.weight" {
                    let drawn = Init::new(0).normal(&params.get(id).shape, 0.02);
                    *params.get_mut(id) = drawn;
                }
                if name.starts_with("bert.pooler.") {
                    continue;
                }
                let expected = params.get(id).shape.clone();
                return Err(NnError::MissingTensor {
                    path: file.path().into(),
                    name,
                    expected,
                });
            };
            let tensor = file.read(&found, &params.get(id).shape)?;
            *params.get_mut(id) = tensor;
        }
        Ok(bert)
    }

    /// The configuration.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The hidden states of the last layer, `[sum_len, hidden]`.
    ///
    /// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let config = &self.config;
        tokens.check(
            config.vocab_size,
            config.type_vocab_size,
            config.max_position_embeddings,
        )?;
        let positions = tokens
            .offsets
            .windows(2)
            .flat_map(|w| 0..(w[1] - w[0]) as u32)
            .collect();
        let mark = tape.mark();
        let parts = vec![
            (tape.param(self.words), tokens.ids.clone()),
            (tape.param(self.positions), positions),
            (tape.param(self.types), tokens.type_ids.clone()),
        ];
        let sum = tape.embedding_sum(parts);
        let normal = self.norm.apply(tape, sum, None);
        let mut x = tape.dropout(normal, config.hidden_dropout_prob);
        tape.release(mark, &[x]);
        for layer in &self.layers {
            x = layer.apply(tape, x, &tokens.offsets, config);
            tape.release(mark, &[x]);
        }
        Ok(x)
    }

    /// The pooled vector of every sequence, `[n, hidden]`: tanh of a linear map of its first token.
    pub fn pooled(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let firsts = tape.select_rows(hidden, &tokens.offsets[..tokens.n_sequences()]);
        let dense = self.pooler.apply(tape, firsts);
        tape.tanh(dense)
    }
}

/// The name under which a file holds the parameter `name`.
pub(super) fn name_in(file: &WeightFile, name: &str) -> Option<String> {
    let bare = name.strip_prefix("bert.").unwrap_or(name);
    let old = |name: &str| {
        let stem = name
            .strip_suffix("LayerNorm.weight")
            .map(|stem| format!("{stem}LayerNorm.gamma"));
        stem.or_else(|| {
            name.strip_suffix("LayerNorm.bias")
                .map(|stem| format!("{stem}LayerNorm.beta"))
        })
    };
    let candidates = [
        Some(name.to_string()),
        Some(bare.to_string()),
        old(name),
        old(bare),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|candidate| file.shape(candidate).is_some())
}
