//! Texts that a pretrained T5 writes for texts.

use adit_nn::t5::GenerationSettings;
use adit_nn::watch::Watch;
use adit_nn::{Params, Session, T5};

use super::RepresentError;
use super::encoder::EncoderDirectory;
use super::text::{TextTokenizer, Tokens, batches_by_length, pack};

/// Source tokens of a batch, each text that is followed counting as [`A_BEAM`].
const TOKENS: usize = 1024;
/// What a text that is followed costs beside its source: a vocabulary of logits at every step.
const A_BEAM: usize = 16;
/// Batches between two looks at the watch.
const BATCHES_AT_ONCE: usize = 32;

/// A pretrained T5 with its weights, ready to write.
pub struct TextGenerator {
    model: T5,
    params: Params,
    tokenizer: TextTokenizer,
    folder: std::path::PathBuf,
}

/// A text that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub text: String,
    /// Sum of the tokens' log-probabilities over the length to the power of the penalty.
    pub score: f64,
}

impl EncoderDirectory {
    /// Reads weights and tokenizer; sources are cut at `max_tokens`, or at the length that the model
    /// was made for.
    ///
    /// # Errors
    /// As [`EncoderDirectory::load_t5`].
    pub fn text_generator(
        &self,
        max_tokens: Option<usize>,
    ) -> Result<TextGenerator, RepresentError> {
        let mut params = Params::new();
        Ok(TextGenerator {
            model: self.load_t5(&mut params)?,
            params,
            tokenizer: self.tokenizer(max_tokens.unwrap_or(self.max_tokens()))?,
            folder: self.path().to_path_buf(),
        })
    }
}

impl TextGenerator {
    /// The best text for every source, in order; a text does not depend on those beside it.
    ///
    /// `told` is given the number of texts that are done, now and then.
    ///
    /// # Errors
    /// `Cancelled`, settings that make no sense, or weights that give no numbers.
    pub fn write(
        &self,
        sources: &[String],
        settings: &GenerationSettings,
        watch: &dyn Watch,
        told: &dyn Fn(usize),
    ) -> Result<Vec<Written>, RepresentError> {
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let mut tokens = self.tokenizer.encode(&sources)?;
        let ends = &self.model.config().eos_token_id;
        tokens.iter_mut().for_each(|text| text.end_if_empty(ends));
        let cost = |text: &Tokens| text.ids.len() + A_BEAM * settings.n_beams.get();
        let lengths: Vec<usize> = tokens.iter().map(cost).collect();
        let mut batches = batches_by_length(&lengths, TOKENS);
        batches.reverse();
        let session = Session::new(&self.params);
        let mut written = vec![None; tokens.len()];
        let mut n_done = 0;
        for some in batches.chunks(BATCHES_AT_ONCE) {
            if watch.cancelled() {
                return Err(RepresentError::Cancelled);
            }
            let done = session.run_all(some, |tape, batch| {
                self.model.generate(tape, &pack(&tokens, batch), settings)
            })?;
            for (&place, found) in some.iter().flatten().zip(done.into_iter().flatten()) {
                if !found.score.is_finite() {
                    return Err(RepresentError::Encoder {
                        path: self.folder.clone(),
                        reason: "its weights give scores that are not finite numbers".to_owned(),
                    });
                }
                written[place] = Some(Written {
                    text: self.tokenizer.decode(&found.ids)?,
                    score: found.score,
                });
                n_done += 1;
            }
            told(n_done);
        }
        Ok(written.into_iter().flatten().collect())
    }
}
