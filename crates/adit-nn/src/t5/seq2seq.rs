//! Encoder and decoder together, as Hugging Face's `T5ForConditionalGeneration`.

use crate::error::NnError;
use crate::parameter_source::{ParameterSource, name_in};
use crate::params::{ParamId, Params};
use crate::t5::config::T5Config;
use crate::t5::decoder::Decoder;
use crate::t5::encoder::{PREFIXES, T5Encoder};
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// The parameters of a T5, and how it computes.
#[derive(Clone, Debug)]
pub struct T5 {
    encoder: T5Encoder,
    pub(super) decoder: Decoder,
    /// The last map; absent where it is the words' vectors.
    last: Option<ParamId>,
}

impl T5 {
    /// The name of the last map, where it is not the words' vectors.
    pub const LAST_MAP: &str = "lm_head.weight";

    /// A T5 with weights drawn from `seed` as Hugging Face draws them, added to `params`.
    pub fn new(config: &T5Config, params: &mut Params, seed: u64) -> Self {
        Self::add(config, &mut ParameterSource::drawn(params, seed))
    }

    /// The T5 of `files`.
    ///
    /// Its last map is its own where the files hold one that differs from the words' vectors,
    /// whatever the configuration says, as in Hugging Face.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type.
    pub fn load(
        config: &T5Config,
        files: &WeightFiles,
        params: &mut Params,
    ) -> Result<Self, NnError> {
        config.check()?;
        let mut config = config.clone();
        config.tie_word_embeddings = is_tied(&config, files)?;
        let mut source = ParameterSource::read(params, files, PREFIXES, 0);
        let model = Self::add(&config, &mut source);
        source.finish()?;
        Ok(model)
    }

    fn add(config: &T5Config, source: &mut ParameterSource<'_>) -> Self {
        let size = [config.vocab_size, config.d_model];
        let std = config.initializer_factor;
        Self {
            encoder: T5Encoder::add(config, source),
            decoder: Decoder::add(config, source),
            last: (!config.tie_word_embeddings)
                .then(|| source.matrix(&[Self::LAST_MAP], size, std)),
        }
    }

    /// The configuration; it tells whether the last map is the words' vectors.
    pub fn config(&self) -> &T5Config {
        self.encoder.config()
    }

    /// The encoder.
    pub fn encoder(&self) -> &T5Encoder {
        &self.encoder
    }

    /// The logits of the token after each of `inputs`, `[sum_inputs, vocab]`; `inputs` are what the
    /// decoder reads, for each sequence of `source` one.
    ///
    /// Errors: [`NnError::Tokens`] when tokens do not fit the model, or there are not as many
    /// sequences of `inputs` as of `source`.
    pub fn logits(
        &self,
        tape: &mut Tape<'_>,
        source: &PackedTokens,
        inputs: &PackedTokens,
    ) -> Result<Var, NnError> {
        let (n, m) = (source.n_sequences(), inputs.n_sequences());
        inputs.check(self.config().vocab_size, usize::MAX, usize::MAX)?;
        if n != m {
            let reason = format!("{n} source texts, but {m} target texts");
            return Err(NnError::Tokens { reason });
        }
        let mark = tape.mark();
        let memory = self.encoder.hidden(tape, source)?;
        let x = self.embed(tape, &inputs.ids);
        let memory = (memory, source.offsets.as_slice());
        let targets = [inputs.offsets.as_slice(); 2];
        let states = self.decoder.states(tape, x, targets, memory, self.config());
        let logits = self.last_map(tape, states);
        tape.release(mark, &[logits]);
        Ok(logits)
    }

    /// The mean over all target tokens of `-log p(token)`, each given its source and the target
    /// tokens before it; a scalar.
    ///
    /// Targets should end with the token that ends texts, as the model is to learn where to stop.
    ///
    /// Errors: as [`T5::logits`].
    pub fn loss(
        &self,
        tape: &mut Tape<'_>,
        source: &PackedTokens,
        target: &PackedTokens,
    ) -> Result<Var, NnError> {
        // Before they are shifted, so that the last token of each is checked too.
        target.check(self.config().vocab_size, usize::MAX, usize::MAX)?;
        let logits = self.logits(tape, source, &self.shifted(target))?;
        Ok(tape.cross_entropy(logits, &target.ids, None))
    }

    /// What the decoder reads to predict `target`: the start token, then all but the last.
    pub(super) fn shifted(&self, target: &PackedTokens) -> PackedTokens {
        let mut inputs = target.clone();
        for range in target.offsets.windows(2) {
            let (from, to) = (range[0], range[1]);
            inputs.ids.copy_within(from..to - 1, from + 1);
            inputs.ids[from] = self.config().decoder_start_token_id;
        }
        inputs
    }

    /// The words' vectors, `[n, d_model]`.
    pub(super) fn embed(&self, tape: &mut Tape<'_>, ids: &[u32]) -> Var {
        let words = tape.param(self.encoder.words());
        tape.embedding_sum(vec![(words, ids.to_vec())])
    }

    /// The logits of states of the decoder.
    pub(super) fn last_map(&self, tape: &mut Tape<'_>, states: Var) -> Var {
        let mut states = states;
        if self.config().scale_decoder_outputs {
            let root = (self.config().d_model as f64).powf(-0.5) as f32;
            states = tape.scale(states, root);
        }
        let last = tape.param(self.last.unwrap_or(self.encoder.words()));
        tape.linear(states, last, None)
    }
}

/// True when the last map of files is the words' vectors.
fn is_tied(config: &T5Config, files: &WeightFiles) -> Result<bool, NnError> {
    let find = |name: &str| name_in(files, name, PREFIXES);
    let own = find(T5::LAST_MAP);
    let (Some(last), Some(words)) = (&own, find("shared.weight")) else {
        return Ok(own.is_none());
    };
    let shape = [config.vocab_size, config.d_model];
    Ok(files.read(last, &shape)? == files.read(&words, &shape)?)
}
