//! One layer: attention, feed-forward part, a norm after each.

use crate::bert_like::BertLikeConfig;
use crate::layers::{LayerNorm, Linear};
use crate::ops::AttentionSettings;
use crate::parameter_source::ParameterSource;
use crate::tape::{Tape, Var};

#[derive(Clone, Debug)]
pub(super) struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// What all layers of one run share.
pub(super) struct Run<'a> {
    pub config: &'a BertLikeConfig,
    pub offsets: &'a [usize],
    /// What distances add to the scores.
    pub bias: Option<Var>,
}

impl Layer {
    pub fn build(config: &BertLikeConfig, name: &str, source: &mut ParameterSource<'_>) -> Self {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let eps = config.layer_norm_eps;
        let parts = config.family.traits().parts;
        let full = |part: &str| format!("{name}.{part}");
        Self {
            query: source.linear(&full(parts.query), (hidden, hidden)),
            key: source.linear(&full(parts.key), (hidden, hidden)),
            value: source.linear(&full(parts.value), (hidden, hidden)),
            attention_output: source.linear(&full(parts.attention_output), (hidden, hidden)),
            attention_norm: source.norm(&full(parts.attention_norm), hidden, eps),
            intermediate: source.linear(&full(parts.intermediate), (hidden, wide)),
            output: source.linear(&full(parts.output), (wide, hidden)),
            output_norm: source.norm(&full(parts.output_norm), hidden, eps),
        }
    }

    pub fn apply(&self, tape: &mut Tape<'_>, x: Var, run: &Run<'_>) -> Var {
        let (config, traits) = (run.config, run.config.family.traits());
        let qkv = [self.query, self.key, self.value].map(|part| part.apply(tape, x));
        let attended = attend(tape, qkv, run);
        let mut mixed = self.attention_output.apply(tape, attended);
        if traits.drops_attention {
            mixed = tape.dropout(mixed, config.hidden_dropout_prob);
        }
        let x = self.attention_norm.apply(tape, mixed, Some(x));
        let wide = config.hidden_act.of_linear(tape, &self.intermediate, x);
        let mut narrow = self.output.apply(tape, wide);
        if traits.drops_output {
            narrow = tape.dropout(narrow, config.hidden_dropout_prob);
        }
        self.output_norm.apply(tape, narrow, Some(x))
    }
}

fn attend(tape: &mut Tape<'_>, qkv: [Var; 3], run: &Run<'_>) -> Var {
    let settings = AttentionSettings {
        dropout: run.config.attention_probs_dropout_prob,
        bias: run.bias,
        ..AttentionSettings::new(run.config.num_attention_heads)
    };
    tape.attend(qkv, run.offsets, run.offsets, &settings)
}
