//! The attention of T5: maps without biases, scores that are not scaled.

use crate::ops::{AttentionMask, AttentionSettings};
use crate::parameter_source::ParameterSource;
use crate::projections::Projection;
use crate::t5::config::T5Config;
use crate::tape::{Tape, Var};

/// The maps of one attention.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    query: Projection,
    key: Projection,
    value: Projection,
    output: Projection,
}

/// Which queries attend to which keys.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    /// Where each sequence of queries starts, and the end.
    pub queries: &'a [usize],
    /// Where each sequence of keys starts, and the end.
    pub keys: &'a [usize],
    /// The position of each sequence's first query among its keys.
    pub first_query: usize,
    /// Which keys a query sees.
    pub mask: AttentionMask,
    /// The bias by distance, if there is one.
    pub bias: Option<Var>,
}

impl<'a> Reach<'a> {
    /// Every query sees all keys of its sequence.
    pub fn all(queries: &'a [usize], keys: &'a [usize]) -> Self {
        Self {
            queries,
            keys,
            first_query: 0,
            mask: AttentionMask::Full,
            bias: None,
        }
    }
}

impl Attention {
    pub fn add(config: &T5Config, source: &mut ParameterSource<'_>, name: &str) -> Self {
        let (model, inner, factor) = (config.d_model, config.inner(), config.initializer_factor);
        let root = |n: usize| factor / (n as f32).sqrt();
        let mut map =
            |part: &str, size, std| source.projection(&format!("{name}.{part}"), size, false, std);
        Self {
            query: map("q", (model, inner), root(model * config.d_kv)),
            key: map("k", (model, inner), root(model)),
            value: map("v", (model, inner), root(model)),
            output: map("o", (inner, model), root(inner)),
        }
    }

    /// Keys and values of states, each `[rows, inner]`.
    pub fn keys_values(&self, tape: &mut Tape<'_>, states: Var) -> [Var; 2] {
        [self.key, self.value].map(|map| map.apply(tape, states))
    }

    /// What the states `x` `[rows, d_model]` take from keys and values: `[rows, d_model]`.
    pub fn apply(
        &self,
        tape: &mut Tape<'_>,
        x: Var,
        [key, value]: [Var; 2],
        reach: Reach<'_>,
        config: &T5Config,
    ) -> Var {
        let query = self.query.apply(tape, x);
        let settings = AttentionSettings {
            scale: Some(1.0),
            dropout: config.dropout_rate,
            mask: reach.mask,
            bias: reach.bias,
            first_query: reach.first_query,
            ..AttentionSettings::new(config.num_heads)
        };
        let found = tape.attend([query, key, value], reach.queries, reach.keys, &settings);
        self.output.apply(tape, found)
    }
}
