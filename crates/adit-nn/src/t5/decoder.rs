//! The decoder: all tokens at once, or one more token of every row.

use crate::ops::AttentionMask;
use crate::parameter_source::ParameterSource;
use crate::projections::ScaleNorm;
use crate::t5::attention::Reach;
use crate::t5::blocks::{DistanceBias, FeedForward, Looking};
use crate::t5::cache::Cache;
use crate::t5::config::T5Config;
use crate::tape::{Tape, Var};

/// The parameters of a T5 decoder, and how it computes.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    bias: DistanceBias,
    layers: Vec<Layer>,
    final_norm: ScaleNorm,
}

#[derive(Clone, Debug)]
struct Layer {
    own: Looking,
    cross: Looking,
    feed: FeedForward,
}

/// Whom the tokens of one pass see.
#[derive(Clone, Copy)]
struct Sight<'a> {
    own: Reach<'a>,
    sources: Reach<'a>,
    /// The keys and values of the sources.
    cross: [Var; 2],
}

/// One more token of every row.
pub(super) struct Rows<'a> {
    /// Which row of the step before each continues.
    pub parents: &'a [usize],
    /// The rows of every source, `[n_sources + 1]`.
    pub of_source: &'a [usize],
    /// The tokens of every source, `[n_sources + 1]`.
    pub sources: &'a [usize],
    /// The biases, which reach at least as far as the tokens decoded so far.
    pub bias: Var,
}

impl Layer {
    fn add(config: &T5Config, source: &mut ParameterSource<'_>, at: usize) -> Self {
        let name = |part: usize| format!("decoder.block.{at}.layer.{part}");
        Self {
            own: Looking::add(config, source, &name(0), "SelfAttention"),
            cross: Looking::add(config, source, &name(1), "EncDecAttention"),
            feed: FeedForward::add(config, source, &name(2)),
        }
    }

    /// `held` turns the keys and values of `x` into those that `x` sees.
    fn apply(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        sight: Sight<'_>,
        config: &T5Config,
        held: impl FnOnce(&mut Tape<'_>, [Var; 2]) -> [Var; 2],
    ) -> Var {
        let normal = self.own.normalise(tape, x);
        let fresh = self.own.attention.keys_values(tape, normal);
        let seen = held(tape, fresh);
        let x = self.own.apply(tape, [x, normal], seen, sight.own, config);
        let normal = self.cross.normalise(tape, x);
        let x = self
            .cross
            .apply(tape, [x, normal], sight.cross, sight.sources, config);
        self.feed.apply(tape, x, config.dropout_rate)
    }
}

impl Decoder {
    pub fn add(config: &T5Config, source: &mut ParameterSource<'_>) -> Self {
        let eps = config.layer_norm_epsilon;
        Self {
            bias: DistanceBias::add(config, source, "decoder"),
            layers: (0..config.num_decoder_layers)
                .map(|at| Layer::add(config, source, at))
                .collect(),
            final_norm: source.scale_norm("decoder.final_layer_norm", config.d_model, eps),
        }
    }

    /// The biases of distances below `reach`.
    pub fn biases(&self, tape: &mut Tape<'_>, reach: usize) -> Var {
        self.bias.apply(tape, reach)
    }

    /// The states of all tokens, `[sum_target, d_model]`, from their embeddings `x` and the states
    /// `memory` of the sources, `[sum_source, d_model]`.
    ///
    /// `targets` says where each text starts, and the end; `of_source` where those of each source do.
    pub fn states(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        [targets, of_source]: [&[usize]; 2],
        (memory, sources): (Var, &[usize]),
        config: &T5Config,
    ) -> Var {
        let longest = targets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let own = Reach {
            mask: AttentionMask::Causal,
            bias: Some(self.bias.apply(tape, longest)),
            ..Reach::all(targets, targets)
        };
        let mark = tape.mark();
        let mut x = tape.dropout(x, config.dropout_rate);
        for layer in &self.layers {
            let sight = Sight {
                own,
                sources: Reach::all(of_source, sources),
                cross: layer.cross.attention.keys_values(tape, memory),
            };
            x = layer.apply(tape, x, sight, config, |_, fresh| fresh);
            tape.release(mark, &[x]);
        }
        let x = self.finish(tape, x, config);
        tape.release(mark, &[x]);
        x
    }

    /// The keys and values of the sources in every layer.
    pub fn cross(&self, tape: &mut Tape<'_>, memory: Var) -> Vec<[Var; 2]> {
        let layers = self.layers.iter();
        layers
            .map(|layer| layer.cross.attention.keys_values(tape, memory))
            .collect()
    }

    /// The states of one more token of every row, `[rows, d_model]`, from its embedding `x`.
    pub fn step(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        rows: &Rows<'_>,
        cache: &mut Cache,
        config: &T5Config,
    ) -> Var {
        let n = rows.parents.len();
        let length = cache.length();
        let queries: Vec<usize> = (0..=n).collect();
        let keys: Vec<usize> = (0..=n).map(|row| row * (length + 1)).collect();
        let own = Reach {
            first_query: length,
            bias: Some(rows.bias),
            ..Reach::all(&queries, &keys)
        };
        let mut x = x;
        for (at, layer) in self.layers.iter().enumerate() {
            let sight = Sight {
                own,
                sources: Reach::all(rows.of_source, rows.sources),
                cross: cache.cross(at),
            };
            x = layer.apply(tape, x, sight, config, |tape, fresh| {
                cache.extend(tape, at, fresh, rows.parents)
            });
        }
        cache.grow();
        self.finish(tape, x, config)
    }

    fn finish(&self, tape: &mut Tape<'_>, x: Var, config: &T5Config) -> Var {
        let normal = self.final_norm.apply(tape, x);
        tape.dropout(normal, config.dropout_rate)
    }
}
