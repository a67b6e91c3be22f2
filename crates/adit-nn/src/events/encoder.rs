//! The blocks of an encoder of events.

use crate::error::NnError;
use crate::events::{EventBatch, EventEncoderConfig};
use crate::layers::{LayerNorm, Linear};
use crate::ops::{AttentionMask, AttentionSettings, RotaryAngles};
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

const EPS: f32 = 1e-5;
/// Base of the rotary angles, as for texts.
const BASE: f64 = 10_000.0;

/// The parameters of an encoder of events, and how it computes.
#[derive(Clone, Debug)]
pub struct EventEncoder {
    config: EventEncoderConfig,
    /// Of components.
    input: Linear,
    /// Codes of all categories one after another, then the kind of the token: an event, or the history's own.
    table: ParamId,
    blocks: Vec<Block>,
    final_norm: LayerNorm,
    /// Of a history's own state, the mean and the most of all its states, to its vector.
    pool: Linear,
    /// Of a state to the classes of the next event's fields.
    pub(super) next: Linear,
}

#[derive(Clone, Debug)]
struct Block {
    attention_norm: LayerNorm,
    qkv: Linear,
    attention_output: Linear,
    ffn_norm: LayerNorm,
    ffn_in: Linear,
    ffn_out: Linear,
}

/// What a batch of histories became.
#[derive(Clone, Copy, Debug)]
pub struct EventStates {
    /// The state of every token, `[n_tokens, d_model]`; an event's knows what came before it, and itself.
    pub tokens: Var,
    /// A vector of every history, `[n, d_model]`.
    pub histories: Var,
}

impl Block {
    fn new(config: &EventEncoderConfig, params: &mut Params, at: usize, init: &mut Init) -> Self {
        let (d, wide) = (config.d_model, config.ffn_hidden);
        let name = |part: &str| format!("events.blocks.{at}.{part}");
        let mut linear = |params: &mut Params, part: &str, size| {
            Linear::uniform(params, &name(part), size, init)
        };
        Self {
            attention_norm: LayerNorm::new(params, &name("attention_norm"), d, EPS),
            qkv: linear(params, "qkv", (d, 3 * d)),
            attention_output: linear(params, "attention_output", (d, d)),
            ffn_norm: LayerNorm::new(params, &name("ffn_norm"), d, EPS),
            ffn_in: linear(params, "ffn_in", (d, wide)),
            ffn_out: linear(params, "ffn_out", (wide, d)),
        }
    }

    fn apply(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        (offsets, angles): (&[usize], &RotaryAngles),
        config: &EventEncoderConfig,
    ) -> Var {
        let d = config.d_model;
        let normal = self.attention_norm.apply(tape, x, None);
        let qkv = self.qkv.apply(tape, normal);
        let query = tape.rotary(qkv, 0..d, angles);
        let key = tape.rotary(qkv, d..2 * d, angles);
        let value = tape.columns(qkv, 2 * d..3 * d);
        let settings = AttentionSettings {
            mask: AttentionMask::Causal,
            dropout: config.dropout,
            ..AttentionSettings::new(config.n_heads)
        };
        let attended = tape.attend([query, key, value], offsets, offsets, &settings);
        let mixed = self.attention_output.apply(tape, attended);
        let mixed = tape.dropout(mixed, config.dropout);
        let x = tape.add(x, mixed);
        let normal = self.ffn_norm.apply(tape, x, None);
        let wide = self.ffn_in.apply_gelu(tape, normal);
        let narrow = self.ffn_out.apply(tape, wide);
        let narrow = tape.dropout(narrow, config.dropout);
        tape.add(x, narrow)
    }
}

impl EventEncoder {
    /// An encoder with weights drawn from `seed`, added to `params` under the prefix `events.`.
    ///
    /// Errors: [`NnError::Config`] when the configuration does not fit itself.
    pub fn new(
        config: EventEncoderConfig,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        config.check()?;
        let mut init = Init::new(seed);
        let d = config.d_model;
        let input = Linear::uniform(params, "events.input", (config.n_components, d), &mut init);
        let codes: usize = config.cardinalities.iter().map(|&n| n as usize).sum();
        let drawn = init.normal(&[codes + 2, d], 1.0 / (d as f32).sqrt());
        let table = params.add("events.categories.weight", drawn);
        let blocks = (0..config.n_layers)
            .map(|at| Block::new(&config, params, at, &mut init))
            .collect();
        let final_norm = LayerNorm::new(params, "events.final_norm", d, EPS);
        let pool = Linear::uniform(params, "events.pool", (3 * d, d), &mut init);
        let next = Linear::uniform(params, "events.next", (d, config.n_classes()), &mut init);
        Ok(Self {
            config,
            input,
            table,
            blocks,
            final_norm,
            pool,
            next,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &EventEncoderConfig {
        &self.config
    }

    /// Tokens before the blocks, `[n_tokens, d_model]`: each the sum of what its fields are embedded as.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the fields.
    pub fn embed_tokens(&self, tape: &mut Tape<'_>, batch: &EventBatch) -> Result<Var, NnError> {
        batch.check(&self.config)?;
        let (n, n_fields) = (batch.n_tokens(), self.config.cardinalities.len());
        let components = tape.constant(Tensor {
            shape: vec![n, self.config.n_components],
            data: batch.components.clone(),
        });
        let numbers = self.input.apply(tape, components);
        let table = tape.param(self.table);
        let mut parts = Vec::with_capacity(n_fields + 1);
        let mut first = 0;
        for (field, cardinality) in self.config.cardinalities.iter().enumerate() {
            let codes = batch.codes.iter().skip(field).step_by(n_fields);
            parts.push((table, codes.map(|code| first + code).collect()));
            first += cardinality;
        }
        let mut kinds = vec![first; n];
        for own in batch.own_tokens() {
            kinds[own] = first + 1;
        }
        parts.push((table, kinds));
        let categories = tape.embedding_sum(parts);
        Ok(tape.add(numbers, categories))
    }

    /// States of tokens that stand as [`EventEncoder::embed_tokens`] gave them, or changed.
    pub fn states_of(&self, tape: &mut Tape<'_>, tokens: Var, offsets: &[usize]) -> EventStates {
        let mark = tape.mark();
        let head = self.config.d_model / self.config.n_heads;
        let angles = RotaryAngles::new(offsets, head, BASE);
        let mut x = tokens;
        for block in &self.blocks {
            x = block.apply(tape, x, (offsets, &angles), &self.config);
            tape.release(mark, &[x]);
        }
        let tokens = self.final_norm.apply(tape, x, None);
        let own: Vec<usize> = offsets.iter().skip(1).map(|end| end - 1).collect();
        let own = tape.select_rows(tokens, &own);
        let mean = tape.mean_pool(tokens, offsets);
        let most = tape.max_pool(tokens, offsets);
        let all = tape.concat_columns(&[own, mean, most]);
        let histories = self.pool.apply(tape, all);
        tape.release(mark, &[tokens, histories]);
        EventStates { tokens, histories }
    }

    /// The states of a batch.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the fields.
    pub fn states(&self, tape: &mut Tape<'_>, batch: &EventBatch) -> Result<EventStates, NnError> {
        let tokens = self.embed_tokens(tape, batch)?;
        Ok(self.states_of(tape, tokens, &batch.offsets))
    }
}
