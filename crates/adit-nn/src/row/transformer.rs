//! The blocks of a row transformer.

use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::ops::RowTokenVars;
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::row::config::RowTransformerConfig;
use crate::row::encoding::RowBatch;
use crate::tape::{Tape, Var};

/// The parameters of a row transformer, and how it computes.
#[derive(Clone, Debug)]
pub struct RowTransformer {
    config: RowTransformerConfig,
    cls: ParamId,
    number_weight: ParamId,
    number_bias: ParamId,
    missing: ParamId,
    table: ParamId,
    table_bias: ParamId,
    blocks: Vec<Block>,
    final_norm: LayerNorm,
    head: Linear,
}

#[derive(Clone, Debug)]
struct Block {
    /// Absent in the first block, which is easier to train without it (Gorishniy et al., 2021).
    attention_norm: Option<LayerNorm>,
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    ffn_norm: LayerNorm,
    ffn_in: Linear,
    ffn_out: Linear,
}

const EPS: f32 = 1e-5;

impl Block {
    fn new(config: &RowTransformerConfig, params: &mut Params, at: usize, init: &mut Init) -> Self {
        let (d, wide) = (config.d_token, config.ffn_hidden);
        let name = |part: &str| format!("row.blocks.{at}.{part}");
        let mut linear = |params: &mut Params, part: &str, size| {
            Linear::uniform(params, &name(part), size, init)
        };
        Self {
            attention_norm: (at > 0)
                .then(|| LayerNorm::new(params, &name("attention_norm"), d, EPS)),
            query: linear(params, "query", (d, d)),
            key: linear(params, "key", (d, d)),
            value: linear(params, "value", (d, d)),
            attention_output: linear(params, "attention_output", (d, d)),
            ffn_norm: LayerNorm::new(params, &name("ffn_norm"), d, EPS),
            ffn_in: linear(params, "ffn_in", (d, 2 * wide)),
            ffn_out: linear(params, "ffn_out", (wide, d)),
        }
    }

    fn apply(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        offsets: &[usize],
        config: &RowTransformerConfig,
    ) -> Var {
        let normal = self
            .attention_norm
            .map_or(x, |norm| norm.apply(tape, x, None));
        let qkv = [self.query, self.key, self.value].map(|part| part.apply(tape, normal));
        let attended = tape.attention(qkv, offsets, config.n_heads, config.attention_dropout);
        let mixed = self.attention_output.apply(tape, attended);
        let mixed = tape.dropout(mixed, config.residual_dropout);
        let x = tape.add(x, mixed);
        let normal = self.ffn_norm.apply(tape, x, None);
        let wide = self.ffn_in.apply(tape, normal);
        let wide = tape.reglu(wide);
        let wide = tape.dropout(wide, config.ffn_dropout);
        let narrow = self.ffn_out.apply(tape, wide);
        let narrow = tape.dropout(narrow, config.residual_dropout);
        tape.add(x, narrow)
    }
}

impl RowTransformer {
    /// A row transformer with weights drawn from `seed`, added to `params` under the prefix `row.`.
    ///
    /// Errors: [`NnError::Config`] when the configuration does not fit itself.
    pub fn new(
        config: RowTransformerConfig,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        config.check()?;
        let mut init = Init::new(seed);
        let d = config.d_token;
        let limit = 1.0 / (d as f32).sqrt();
        let total: usize = config.cardinalities.iter().map(|&n| n as usize).sum();
        let mut table = |params: &mut Params, name: &str, shape: &[usize]| {
            params.add(format!("row.{name}"), init.uniform(shape, limit))
        };
        let cls = table(params, "cls", &[d]);
        let number_weight = table(params, "numbers.weight", &[config.n_bins(), d]);
        let number_bias = table(params, "numbers.bias", &[config.n_numbers, d]);
        let missing = table(params, "numbers.missing", &[config.n_numbers, d]);
        let table_bias = table(params, "categories.bias", &[config.cardinalities.len(), d]);
        let table = table(params, "categories.weight", &[total, d]);
        let blocks = (0..config.n_layers)
            .map(|at| Block::new(&config, params, at, &mut init))
            .collect();
        let final_norm = LayerNorm::new(params, "row.final_norm", d, EPS);
        let head = Linear::uniform(params, "row.head", (d, config.n_outputs), &mut init);
        Ok(Self {
            config,
            cls,
            number_weight,
            number_bias,
            missing,
            table,
            table_bias,
            blocks,
            final_norm,
            head,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &RowTransformerConfig {
        &self.config
    }

    /// The state of each row's own token after the last norm and ReLU, `[n, d_token]`.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        let tokens = batch.encode(&self.config)?;
        let (n, n_tokens) = (tokens.n, tokens.n_tokens());
        let offsets: Vec<usize> = (0..=n).map(|row| row * n_tokens).collect();
        let vars = RowTokenVars {
            cls: tape.param(self.cls),
            weight: tape.param(self.number_weight),
            bias: tape.param(self.number_bias),
            missing: tape.param(self.missing),
            table: tape.param(self.table),
            table_bias: tape.param(self.table_bias),
        };
        let mark = tape.mark();
        let mut x = tape.row_tokens(tokens, vars);
        for block in &self.blocks {
            x = block.apply(tape, x, &offsets, &self.config);
            tape.release(mark, &[x]);
        }
        let own = tape.select_rows(x, &offsets[..n]);
        let normal = self.final_norm.apply(tape, own, None);
        let hidden = tape.relu(normal);
        tape.release(mark, &[hidden]);
        Ok(hidden)
    }

    /// The outputs of every row, `[n, n_outputs]`.
    ///
    /// Errors: as [`RowTransformer::hidden`].
    pub fn outputs(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        let hidden = self.hidden(tape, batch)?;
        Ok(self.head.apply(tape, hidden))
    }
}
