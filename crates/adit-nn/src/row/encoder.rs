//! From rows to states of their cells: tokens and blocks.

use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::ops::RowTokenVars;
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::row::config::{RowBody, RowTransformerConfig};
use crate::row::encoding::RowBatch;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// Tokens and blocks of a row transformer, without what reads them.
#[derive(Clone, Debug)]
pub(super) struct RowEncoder {
    pub config: RowTransformerConfig,
    cls: Option<ParamId>,
    frequencies: Option<ParamId>,
    number_weight: ParamId,
    number_bias: ParamId,
    missing: ParamId,
    table: ParamId,
    table_bias: ParamId,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Attention(Vec<Block>, LayerNorm),
    Columns,
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
        (config, last): (&RowTransformerConfig, bool),
    ) -> Var {
        let normal = self
            .attention_norm
            .map_or(x, |norm| norm.apply(tape, x, None));
        let qkv = [self.query, self.key, self.value].map(|part| part.apply(tape, normal));
        let mut attended = tape.attention(qkv, offsets, config.n_heads, config.attention_dropout);
        let mut x = x;
        if last {
            // Of the last block only the row's own token is read.
            let own = &offsets[..offsets.len() - 1];
            attended = tape.select_rows(attended, own);
            x = tape.select_rows(x, own);
        }
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

impl RowEncoder {
    /// Weights drawn by `init`, added to `params` under the prefix `row.`.
    ///
    /// Errors: [`NnError::Config`] when the configuration does not fit itself.
    pub fn new(
        config: RowTransformerConfig,
        params: &mut Params,
        init: &mut Init,
    ) -> Result<Self, NnError> {
        config.check()?;
        let d = config.d_token;
        let limit = 1.0 / (d as f32).sqrt();
        let total: usize = config.cardinalities.iter().map(|&n| n as usize).sum();
        let mut table = |params: &mut Params, name: &str, shape: &[usize]| {
            params.add(format!("row.{name}"), init.uniform(shape, limit))
        };
        let cls = config.has_own_token().then(|| table(params, "cls", &[d]));
        let n_components: usize = (0..config.n_numbers)
            .map(|at| config.n_components(at))
            .sum();
        let number_weight = table(params, "numbers.weight", &[n_components, d]);
        if config.numbers.has_itself() {
            flatten(params.get_mut(number_weight), &config);
        }
        let number_bias = table(params, "numbers.bias", &[config.n_numbers, d]);
        let missing = table(params, "numbers.missing", &[config.n_numbers, d]);
        let table_bias = table(params, "categories.bias", &[config.cardinalities.len(), d]);
        let table = table(params, "categories.weight", &[total, d]);
        let waves = config.numbers.frequencies();
        let frequencies = (waves > 0).then(|| {
            let drawn = init.normal(&[config.n_numbers, waves], config.numbers.spread());
            params.add("row.numbers.frequencies", drawn)
        });
        let body = match config.body {
            RowBody::Columns => Body::Columns,
            RowBody::Attention => Body::Attention(
                (0..config.n_layers)
                    .map(|at| Block::new(&config, params, at, init))
                    .collect(),
                LayerNorm::new(params, "row.final_norm", d, EPS),
            ),
        };
        Ok(Self {
            config,
            cls,
            frequencies,
            number_weight,
            number_bias,
            missing,
            table,
            table_bias,
            body,
        })
    }

    /// The state of each row's own token after the last norm and ReLU, `[n, d_token]`; without blocks all tokens
    /// side by side, `[n, n_tokens · d_token]`.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        self.read(tape, batch, false)
    }

    /// The state of every token after the last norm and ReLU, `[n · n_tokens, d_token]`, the row's own first.
    ///
    /// Errors: as [`RowEncoder::hidden`].
    pub fn states(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        self.read(tape, batch, true)
    }

    fn read(&self, tape: &mut Tape<'_>, batch: &RowBatch, all: bool) -> Result<Var, NnError> {
        let tokens = batch.encode(&self.config)?;
        let (n, n_tokens) = (tokens.n, tokens.n_tokens());
        let vars = RowTokenVars {
            cls: match self.cls {
                Some(id) => tape.param(id),
                None => tape.constant(Tensor::zeros(&[0])),
            },
            frequencies: self.frequencies.map(|id| tape.param(id)),
            weight: tape.param(self.number_weight),
            bias: tape.param(self.number_bias),
            missing: tape.param(self.missing),
            table: tape.param(self.table),
            table_bias: tape.param(self.table_bias),
        };
        let mark = tape.mark();
        let mut x = tape.row_tokens(tokens, vars);
        let Body::Attention(blocks, final_norm) = &self.body else {
            return Ok(x);
        };
        let offsets: Vec<usize> = (0..=n).map(|row| row * n_tokens).collect();
        for (at, block) in blocks.iter().enumerate() {
            let last = !all && at + 1 == blocks.len();
            x = block.apply(tape, x, &offsets, (&self.config, last));
            tape.release(mark, &[x]);
        }
        if blocks.is_empty() && !all {
            x = tape.select_rows(x, &offsets[..n]);
        }
        let normal = final_norm.apply(tape, x, None);
        let hidden = tape.relu(normal);
        tape.release(mark, &[hidden]);
        Ok(hidden)
    }
}

/// Sets the weights of all shares of bins to zero.
fn flatten(weight: &mut Tensor, config: &RowTransformerConfig) {
    let (mut first, d) = (0, config.d_token);
    for number in 0..config.n_numbers {
        weight.data[first * d..][..config.n_shares(number) * d].fill(0.0);
        first += config.n_components(number);
    }
}
