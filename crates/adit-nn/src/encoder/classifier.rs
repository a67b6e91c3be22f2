//! An encoder with a linear head, as Hugging Face's classes `…ForSequenceClassification`.

use crate::encoder::{Encoder, EncoderConfig};
use crate::error::NnError;
use crate::layers::Linear;
use crate::parameter_source::name_in;
use crate::params::Params;
use crate::random::{Init, mix};
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weight_files::WeightFiles;

/// Encoder, pooler, dropout, linear head.
#[derive(Clone, Debug)]
pub struct EncoderClassifier {
    /// The encoder.
    pub encoder: Encoder,
    /// The head, from `hidden` to the number of outputs.
    pub head: Linear,
}

impl EncoderClassifier {
    /// A classifier (or, with one output, a regressor) with weights drawn from `seed`.
    pub fn new(config: &EncoderConfig, n_outputs: usize, params: &mut Params, seed: u64) -> Self {
        let encoder = Encoder::new(config, params, seed);
        Self::on(encoder, n_outputs, params, seed)
    }

    /// A new head, drawn from `seed` (normal, deviation 0.02), on an encoder that is in `params`.
    pub fn on(encoder: Encoder, n_outputs: usize, params: &mut Params, seed: u64) -> Self {
        let mut init = Init::new(mix(seed, 1));
        let size = (encoder.hidden_size(), n_outputs);
        let name = encoder.config().head_name();
        let head = Linear::normal(params, name, size, &mut init, 0.02);
        Self { encoder, head }
    }

    /// An encoder from `files` with its head; pooler and head are drawn from `seed` where absent.
    ///
    /// Errors: as [`Encoder::load`]; a head of another size is a wrong shape.
    pub fn load(
        config: &EncoderConfig,
        n_outputs: usize,
        files: &WeightFiles,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let encoder = Encoder::load_drawing(config, files, params, mix(seed, 2))?;
        let model = Self::on(encoder, n_outputs, params, seed);
        for id in [model.head.weight, model.head.bias] {
            let name = params.name(id).to_string();
            if let Some(found) = name_in(files, &name, &[config.prefix()]) {
                let tensor = files.read(&found, &params.get(id).shape)?;
                *params.get_mut(id) = tensor;
            }
        }
        Ok(model)
    }

    /// How many outputs the head in `files` has; none where there is no head.
    pub fn n_outputs_in(config: &EncoderConfig, files: &WeightFiles) -> Option<usize> {
        let name = format!("{}.weight", config.head_name());
        files.shape(&name)?.first().copied()
    }

    /// What goes into the last linear map, `[n, hidden]`, given the hidden states of the last layer.
    pub fn features(&self, tape: &mut Tape<'_>, hidden: Var, tokens: &PackedTokens) -> Var {
        self.encoder.features(tape, hidden, tokens)
    }

    /// The outputs of every sequence, `[n, n_outputs]`.
    ///
    /// Errors: as [`Encoder::hidden`].
    pub fn logits(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let mark = tape.mark();
        let hidden = self.encoder.hidden(tape, tokens)?;
        let features = self.features(tape, hidden, tokens);
        let logits = self.head.apply(tape, features);
        tape.release(mark, &[logits]);
        Ok(logits)
    }
}
