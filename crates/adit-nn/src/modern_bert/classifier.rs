//! A ModernBERT with a head, as Hugging Face's `ModernBertForSequenceClassification`.

use crate::error::NnError;
use crate::modern_bert::encoder::PREFIXES;
use crate::modern_bert::{ClassifierPooling, ModernBert, ModernBertConfig};
use crate::params::Params;
use crate::projections::{CentredNorm, ParameterSource, Projection, name_in};
use crate::random::mix;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weights::WeightFile;

/// Pooling, a dense map with GELU and a norm, dropout, linear head.
#[derive(Clone, Debug)]
pub struct ModernBertClassifier {
    /// The encoder.
    pub encoder: ModernBert,
    /// The dense map of the head.
    pub dense: Projection,
    /// The norm of the head.
    pub norm: CentredNorm,
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
        Self::on(encoder, n_outputs, params, seed)
    }

    /// A new head, drawn from `seed`, on an encoder that is in `params`.
    pub fn on(encoder: ModernBert, n_outputs: usize, params: &mut Params, seed: u64) -> Self {
        let mut source = ParameterSource::drawn(params, mix(seed, 1));
        let (dense, norm) = add_head(encoder.config(), &mut source);
        let classifier = add_classifier(encoder.config(), n_outputs, &mut source);
        Self {
            encoder,
            dense,
            norm,
            classifier,
        }
    }

    /// An encoder from `file` with its head; what the file lacks of the head is drawn from `seed`.
    ///
    /// A file of the masked-word model holds the dense map and its norm, but no classifier.
    ///
    /// Errors: as [`ModernBert::load`]; a head of another size is a wrong shape.
    pub fn load(
        config: &ModernBertConfig,
        n_outputs: usize,
        file: &WeightFile,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let encoder = ModernBert::load(config, file, params)?;
        let mut model = Self::on(encoder, n_outputs, params, seed);
        let mut source = ParameterSource::read(params, file, PREFIXES);
        if name_in(file, "head.dense.weight", PREFIXES).is_some() {
            (model.dense, model.norm) = add_head(config, &mut source);
        }
        if name_in(file, "classifier.weight", PREFIXES).is_some() {
            model.classifier = add_classifier(config, n_outputs, &mut source);
        }
        source.finish()?;
        Ok(model)
    }

    /// What enters the last map, `[n, hidden]`.
    pub fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        let config = self.encoder.config();
        let pooled = match config.classifier_pooling {
            ClassifierPooling::Cls => {
                tape.select_rows(hidden, &tokens.offsets[..tokens.n_sequences()])
            }
            ClassifierPooling::Mean => tape.mean_pool(hidden, &tokens.offsets),
        };
        let dense = self.dense.apply(tape, pooled);
        let active = tape.gelu(dense);
        let normal = self.norm.apply(tape, active);
        tape.dropout(normal, config.classifier_dropout)
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

fn add_head(
    config: &ModernBertConfig,
    source: &mut ParameterSource<'_>,
) -> (Projection, CentredNorm) {
    let hidden = config.hidden_size;
    let size = (hidden, hidden);
    let std = 0.02 / (2.0 * config.num_hidden_layers.max(1) as f32).sqrt();
    let dense = source.projection("head.dense", size, config.classifier_bias, std);
    let norm = source.centred_norm("head.norm", hidden, config.norm_bias, config.norm_eps);
    (dense, norm)
}

fn add_classifier(
    config: &ModernBertConfig,
    n_outputs: usize,
    source: &mut ParameterSource<'_>,
) -> Projection {
    let std = 1.0 / (config.hidden_size as f32).sqrt();
    source.projection("classifier", (config.hidden_size, n_outputs), true, std)
}
