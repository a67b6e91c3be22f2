//! The encoder, alone an embedder.

use std::ops::Range;

use crate::error::NnError;
use crate::parameter_source::ParameterSource;
use crate::params::{ParamId, Params};
use crate::projections::ScaleNorm;
use crate::t5::attention::Reach;
use crate::t5::blocks::{DistanceBias, FeedForward, Looking};
use crate::t5::config::T5Config;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// What stands before all names in models with a classifier.
pub(super) const PREFIXES: &[&str] = &["transformer."];

/// The parameters of a T5 encoder, and how it computes.
#[derive(Clone, Debug)]
pub struct T5Encoder {
    config: T5Config,
    words: ParamId,
    bias: DistanceBias,
    layers: Vec<(Looking, FeedForward)>,
    final_norm: ScaleNorm,
}

impl T5Encoder {
    /// An encoder with weights drawn from `seed` as Hugging Face draws them, added to `params`.
    pub fn new(config: &T5Config, params: &mut Params, seed: u64) -> Self {
        Self::add(config, &mut ParameterSource::drawn(params, seed))
    }

    /// The encoder of `files`, which may hold a decoder too.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type.
    pub fn load(
        config: &T5Config,
        files: &WeightFiles,
        params: &mut Params,
    ) -> Result<Self, NnError> {
        config.check()?;
        let mut source = ParameterSource::read(params, files, PREFIXES, 0);
        let model = Self::add(config, &mut source);
        source.finish()?;
        Ok(model)
    }

    pub(super) fn add(config: &T5Config, source: &mut ParameterSource<'_>) -> Self {
        let words = [
            "shared.weight",
            "encoder.embed_tokens.weight",
            "decoder.embed_tokens.weight",
        ];
        let size = [config.vocab_size, config.d_model];
        let words = source.matrix(&words, size, config.initializer_factor);
        let layer = |source: &mut ParameterSource<'_>, at: usize| {
            let name = |part: usize| format!("encoder.block.{at}.layer.{part}");
            let looking = Looking::add(config, source, &name(0), "SelfAttention");
            (looking, FeedForward::add(config, source, &name(1)))
        };
        let eps = config.layer_norm_epsilon;
        Self {
            config: config.clone(),
            words,
            bias: DistanceBias::add(config, source, "encoder"),
            layers: (0..config.num_layers).map(|at| layer(source, at)).collect(),
            final_norm: source.scale_norm("encoder.final_layer_norm", config.d_model, eps),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// The width of a hidden state.
    pub fn hidden_size(&self) -> usize {
        self.config.d_model
    }

    /// How many layers a token passes.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// The length of the texts that the model was trained on, in tokens; it reads longer ones too.
    pub fn max_tokens(&self) -> usize {
        self.config.n_positions
    }

    /// How many different tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    /// The table of the words' vectors.
    pub(super) fn words(&self) -> ParamId {
        self.words
    }

    /// The hidden states of the last layer after the final norm, `[sum_len, d_model]`.
    ///
    /// Errors: [`NnError::Tokens`] when the tokens do not fit the model.
    pub fn hidden(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let mark = tape.mark();
        let x = self.embed_tokens(tape, tokens)?;
        let hidden = self.layers(tape, x, tokens, 0..self.n_layers());
        tape.release(mark, &[hidden]);
        Ok(hidden)
    }

    /// The first layer's input, `[sum_len, d_model]`; segments are not told apart.
    ///
    /// Errors: as [`T5Encoder::hidden`].
    pub fn embed_tokens(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        tokens.check(self.vocab_size(), usize::MAX, usize::MAX)?;
        let words = tape.param(self.words);
        let x = tape.embedding_sum(vec![(words, tokens.ids.clone())]);
        Ok(tape.dropout(x, self.config.dropout_rate))
    }

    /// The states after the layers of `range`, given those before, `x`: `[sum_len, d_model]`.
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
        let last = !range.is_empty() && range.end == self.n_layers();
        let bias = self.bias.apply(tape, tokens.longest());
        let reach = Reach {
            bias: Some(bias),
            ..Reach::all(&tokens.offsets, &tokens.offsets)
        };
        let mark = tape.mark();
        let mut x = x;
        for (looking, feed) in &self.layers[range] {
            let normal = looking.normalise(tape, x);
            let keys_values = looking.attention.keys_values(tape, normal);
            x = looking.apply(tape, [x, normal], keys_values, reach, &self.config);
            x = feed.apply(tape, x, self.config.dropout_rate);
            tape.release(mark, &[x]);
        }
        if last {
            x = self.final_norm.apply(tape, x);
            x = tape.dropout(x, self.config.dropout_rate);
            tape.release(mark, &[x]);
        }
        x
    }

    /// The mean of the states of every sequence, `[n, d_model]`; see [`crate::Encoder::pooled`].
    pub fn pooled(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        tape.mean_pool(hidden, &tokens.offsets)
    }

    /// The pooled vector with the dropout of hidden states.
    pub(crate) fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let pooled = self.pooled(tape, hidden, tokens);
        tape.dropout(pooled, self.config.dropout_rate)
    }
}
