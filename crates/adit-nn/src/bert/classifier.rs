//! A BERT with a linear head, as Hugging Face's `BertForSequenceClassification`.

use crate::bert::encoder::name_in;
use crate::bert::{Bert, BertConfig};
use crate::error::NnError;
use crate::layers::Linear;
use crate::params::Params;
use crate::random::{Init, mix};
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;
use crate::weights::WeightFile;

/// Pooler, dropout, linear head.
#[derive(Clone, Debug)]
pub struct BertClassifier {
    /// The encoder.
    pub bert: Bert,
    /// The head, from `hidden` to the number of outputs.
    pub head: Linear,
}

impl BertClassifier {
    /// A classifier (or, with one output, a regressor) with weights drawn from `seed`.
    pub fn new(config: &BertConfig, n_outputs: usize, params: &mut Params, seed: u64) -> Self {
        let bert = Bert::new(config, params, seed);
        Self::on(bert, n_outputs, params, seed)
    }

    /// A new head, drawn from `seed` (normal, deviation 0.02), on an encoder that is in `params`.
    pub fn on(bert: Bert, n_outputs: usize, params: &mut Params, seed: u64) -> Self {
        let mut init = Init::new(mix(seed, 1));
        let size = (bert.config().hidden_size, n_outputs);
        let head = Linear::normal(params, "classifier", size, &mut init, 0.02);
        Self { bert, head }
    }

    /// An encoder from `file` with its head, or with a head drawn from `seed` where it has none.
    ///
    /// Errors: as [`Bert::load`]; a head of another size is a wrong shape.
    pub fn load(
        config: &BertConfig,
        n_outputs: usize,
        file: &WeightFile,
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let bert = Bert::load(config, file, params)?;
        let model = Self::on(bert, n_outputs, params, seed);
        for id in [model.head.weight, model.head.bias] {
            let name = params.name(id).to_string();
            if let Some(found) = name_in(file, &name) {
                let tensor = file.read(&found, &params.get(id).shape)?;
                *params.get_mut(id) = tensor;
            }
        }
        Ok(model)
    }

    /// The outputs of every sequence, `[n, n_outputs]`.
    ///
    /// Errors: as [`Bert::hidden`].
    pub fn logits(&self, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Var, NnError> {
        let mark = tape.mark();
        let hidden = self.bert.hidden(tape, tokens)?;
        let pooled = self.bert.pooled(tape, hidden, tokens);
        let dropped = tape.dropout(pooled, self.bert.config().head_dropout());
        let logits = self.head.apply(tape, dropped);
        tape.release(mark, &[logits]);
        Ok(logits)
    }
}
