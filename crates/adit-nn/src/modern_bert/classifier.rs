//! A ModernBERT with a head, as Hugging Face's `ModernBertForSequenceClassification`.

use crate::error::NnError;
use crate::modern_bert::encoder::PREFIXES;
use crate::modern_bert::{ClassifierPooling, ModernBert, ModernBertConfig};
use crate::params::Params;
use crate::projections::{CentredNorm, ParameterSource, Projection, name_in};
use crate::random::mix;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// Pooling, a dense map with GELU and a norm: what the classifier's last map reads.
#[derive(Clone, Debug)]
pub struct ModernBertHead {
    dense: Projection,
    norm: CentredNorm,
}

impl ModernBertHead {
    /// A head drawn from `seed`.
    pub fn new(config: &ModernBertConfig, params: &mut Params, seed: u64) -> Self {
        Self::add(config, &mut ParameterSource::drawn(params, mix(seed, 1)))
    }

    /// The head of `files`, drawn from `seed` where they have none.
    ///
    /// Files of the masked-word model hold it too.
    ///
    /// Errors: a tensor of another shape or an unread type.
    pub fn load(
        config: &ModernBertConfig,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        if name_in(files, "head.dense.weight", PREFIXES).is_none() {
            return Ok(Self::new(config, params, seed));
        }
        let mut source = ParameterSource::read(params, files, PREFIXES);
        let head = Self::add(config, &mut source);
        source.finish()?;
        Ok(head)
    }

    fn add(config: &ModernBertConfig, source: &mut ParameterSource<'_>) -> Self {
        let hidden = config.hidden_size;
        let size = (hidden, hidden);
        let std = 0.02 / (2.0 * config.num_hidden_layers.max(1) as f32).sqrt();
        Self {
            dense: source.projection("head.dense", size, config.classifier_bias, std),
            norm: source.centred_norm("head.norm", hidden, config.norm_bias, config.norm_eps),
        }
    }

    /// One vector a sequence, `[n, hidden]`.
    pub fn pooled(
        &self,
        config: &ModernBertConfig,
        tape: &mut Tape<'_>,
        hidden: Var,
        tokens: &PackedTokens,
    ) -> Var {
        let pooled = match config.classifier_pooling {
            ClassifierPooling::Cls => {
                tape.select_rows(hidden, &tokens.offsets[..tokens.n_sequences()])
            }
            ClassifierPooling::Mean => tape.mean_pool(hidden, &tokens.offsets),
        };
        let dense = self.dense.apply(tape, pooled);
        let active = tape.gelu(dense);
        self.norm.apply(tape, active)
    }
}

/// Encoder, head, dropout, linear map.
#[derive(Clone, Debug)]
pub struct ModernBertClassifier {
    /// The encoder.
    pub encoder: ModernBert,
    /// Pooling and the dense map.
    pub head: ModernBertHead,
    /// From `hidden` to the number of outputs.
    pub classifier: Projection,
}

impl ModernBertClassifier {
    /// A classifier (or, with one output, a regressor) with weights drawn from `seed`.
    pub fn new(
        config: &ModernBertConfig,
        n_outputs: usize,
        params: &mut Params,
        seed: u64,
    ) -> Self {
        let encoder = ModernBert::new(config, params, seed);
        let head = ModernBertHead::new(config, params, seed);
        let mut source = ParameterSource::drawn(params, mix(seed, 2));
        let classifier = add_classifier(config, n_outputs, &mut source);
        Self {
            encoder,
            head,
            classifier,
        }
    }

    /// An encoder from `files` with its head; what they lack of the head is drawn from `seed`.
    ///
    /// Errors: as [`ModernBert::load`]; a head of another size is a wrong shape.
    pub fn load(
        config: &ModernBertConfig,
        n_outputs: usize,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let encoder = ModernBert::load(config, files, params)?;
        let head = ModernBertHead::load(config, files, params, seed)?;
        let mut source = if name_in(files, "classifier.weight", PREFIXES).is_some() {
            ParameterSource::read(params, files, PREFIXES)
        } else {
            ParameterSource::drawn(params, mix(seed, 2))
        };
        let classifier = add_classifier(config, n_outputs, &mut source);
        source.finish()?;
        Ok(Self {
            encoder,
            head,
            classifier,
        })
    }

    /// What enters the last map, `[n, hidden]`.
    pub fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let config = self.encoder.config();
        let pooled = self.head.pooled(config, tape, hidden, tokens);
        tape.dropout(pooled, config.classifier_dropout)
    }

    /// The outputs of every sequence, `[n, n_outputs]`.
    ///
    /// Errors: as [`ModernBert::hidden`].
    pub fn logits(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let mark = tape.mark();
        let hidden = self.encoder.hidden(tape, tokens)?;
        let features = self.features(tape, hidden, tokens);
        let logits = self.classifier.apply(tape, features);
        tape.release(mark, &[logits]);
        Ok(logits)
    }
}

fn add_classifier(
    config: &ModernBertConfig,
    n_outputs: usize,
    source: &mut ParameterSource<'_>,
) -> Projection {
    let std = 1.0 / (config.hidden_size as f32).sqrt();
    source.projection("classifier", (config.hidden_size, n_outputs), true, std)
}
