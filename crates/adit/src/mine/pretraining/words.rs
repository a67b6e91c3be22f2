//! A text encoder learns to predict hidden words.

use adit_nn::random::mix;
use adit_nn::{MaskedLm, Params, Session, Tape, Var};

use super::{Objective, in_order_of, judged, mean_of};
use crate::mine::MineError;
use crate::represent::masking::Masking;
use crate::represent::text::{WordTokens, batches_in_order};

/// Keeps the masks of held-out texts apart from those of training.
const HELD_OUT: u64 = 0x6865_6c64;

/// Texts to learn from and texts to judge by, as indices.
#[derive(Clone, Copy, Debug)]
pub struct PretrainingTexts<'a> {
    pub texts: &'a [WordTokens],
    pub train: &'a [usize],
    pub held_out: &'a [usize],
}

/// Hidden words of texts.
#[derive(Clone, Copy)]
pub struct MaskedWords<'a> {
    pub model: &'a MaskedLm,
    pub data: PretrainingTexts<'a>,
    pub masking: Masking,
    /// Tokens a step, about.
    pub batch_tokens: usize,
}

impl Objective for MaskedWords<'_> {
    fn batches(&self, key: u64) -> Vec<Vec<usize>> {
        self.cut(in_order_of(key, self.useful(self.data.train)))
    }

    fn loss(&self, tape: &mut Tape, batch: &[usize], key: u64) -> Result<Var, MineError> {
        let masked = self.masking.apply(self.data.texts, batch, key);
        let asked = (&masked.places[..], &masked.words[..]);
        Ok(self.model.loss(tape, &masked.tokens, asked)?)
    }

    fn held_out(&self, params: &Params, seed: u64) -> Result<(f64, f64), MineError> {
        let batches = self.cut(self.useful(self.data.held_out));
        let key = mix(seed, HELD_OUT);
        let parts = Session::new(params).run_all(&batches, |tape, batch| {
            let masked = self.masking.apply(self.data.texts, batch, key);
            let logits = self.model.logits(tape, &masked.tokens, &masked.places)?;
            let logits = tape.take(logits);
            let mut found = (0.0, 0usize, masked.words.len());
            for (row, &word) in masked.words.iter().enumerate() {
                let (loss, is_right) = judged(logits.row(row), word);
                found.0 += loss;
                found.1 += usize::from(is_right);
            }
            Ok(found)
        })?;
        Ok(mean_of(&parts))
    }
}

impl MaskedWords<'_> {
    fn cut(&self, order: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
        let length = |text: usize| self.data.texts[text].tokens.ids.len();
        batches_in_order(order, length, self.batch_tokens)
    }

    /// Texts that have a word to predict.
    fn useful<'b>(&'b self, texts: &'b [usize]) -> impl Iterator<Item = usize> + 'b {
        let has_words = |&text: &usize| self.data.texts[text].words.iter().any(Option::is_some);
        texts.iter().copied().filter(has_words)
    }
}
