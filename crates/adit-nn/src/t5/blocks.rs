//! What encoder and decoder are built of: attention and feed-forward parts that normalise first.

use crate::ops::Gelu;
use crate::parameter_source::ParameterSource;
use crate::params::ParamId;
use crate::projections::{Projection, ScaleNorm};
use crate::t5::attention::{Attention, Reach};
use crate::t5::bucket::Buckets;
use crate::t5::config::{FeedForwardKind, T5Config};
use crate::tape::{Tape, Var};

/// A norm and the attention after it.
#[derive(Clone, Debug)]
pub(super) struct Looking {
    norm: ScaleNorm,
    pub attention: Attention,
}

impl Looking {
    pub fn add(
        config: &T5Config,
        source: &mut ParameterSource<'_>,
        name: &str,
        kind: &str,
    ) -> Self {
        let attention = Attention::add(config, source, &format!("{name}.{kind}"));
        Self {
            norm: norm(config, source, name),
            attention,
        }
    }

    pub fn normalise(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        self.norm.apply(tape, x)
    }

    /// `x` plus what its normalised form `normal` takes from keys and values.
    pub fn apply(
        &self,
        tape: &mut Tape<'_>,
        [x, normal]: [Var; 2],
        keys_values: [Var; 2],
        reach: Reach<'_>,
        config: &T5Config,
    ) -> Var {
        let found = self
            .attention
            .apply(tape, normal, keys_values, reach, config);
        let found = tape.dropout(found, config.dropout_rate);
        tape.add(x, found)
    }
}

/// A norm and the feed-forward part after it.
#[derive(Clone, Debug)]
pub(super) struct FeedForward {
    norm: ScaleNorm,
    wide: Projection,
    gate: Option<Projection>,
    narrow: Projection,
}

impl FeedForward {
    pub fn add(config: &T5Config, source: &mut ParameterSource<'_>, name: &str) -> Self {
        let (model, wide, factor) = (config.d_model, config.d_ff, config.initializer_factor);
        let mut map = |part: &str, size: (usize, usize)| {
            let std = factor / (size.0 as f32).sqrt();
            source.projection(&format!("{name}.DenseReluDense.{part}"), size, false, std)
        };
        let (into, gate) = match config.feed_forward_proj {
            FeedForwardKind::Relu => (map("wi", (model, wide)), None),
            FeedForwardKind::GatedGelu => {
                let into = map("wi_0", (model, wide));
                (into, Some(map("wi_1", (model, wide))))
            }
        };
        let narrow = map("wo", (wide, model));
        Self {
            norm: norm(config, source, name),
            wide: into,
            gate,
            narrow,
        }
    }

    /// `x` plus what the part makes of it.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var, dropout: f32) -> Var {
        let normal = self.norm.apply(tape, x);
        let wide = self.wide.apply(tape, normal);
        let bent = match self.gate {
            None => tape.relu(wide),
            Some(gate) => {
                let gate = gate.apply(tape, normal);
                tape.gated_gelu(wide, gate, Gelu::Tanh)
            }
        };
        let bent = tape.dropout(bent, dropout);
        let narrow = self.narrow.apply(tape, bent);
        let narrow = tape.dropout(narrow, dropout);
        tape.add(x, narrow)
    }
}

fn norm(config: &T5Config, source: &mut ParameterSource<'_>, name: &str) -> ScaleNorm {
    let eps = config.layer_norm_epsilon;
    source.scale_norm(&format!("{name}.layer_norm"), config.d_model, eps)
}

/// The bias by distance, which all layers of a stack share.
#[derive(Clone, Copy, Debug)]
pub(super) struct DistanceBias {
    table: ParamId,
    buckets: Buckets,
}

impl DistanceBias {
    /// The table of the stack `name`, which lies in its first layer.
    pub fn add(config: &T5Config, source: &mut ParameterSource<'_>, name: &str) -> Self {
        let table = format!("{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        let shape = [config.relative_attention_num_buckets, config.num_heads];
        let std = config.initializer_factor / (config.d_model as f32).sqrt();
        Self {
            table: source.matrix(&[&table], shape, std),
            buckets: Buckets::of(config, name == "encoder"),
        }
    }

    /// The biases of distances below `reach`.
    pub fn apply(&self, tape: &mut Tape<'_>, reach: usize) -> Var {
        let (table, buckets) = (tape.param(self.table), self.buckets);
        tape.relative_bias(table, reach, |distance| buckets.of_distance(distance))
    }
}
