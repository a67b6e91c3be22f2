//! Token ids of a batch, packed without padding.

use crate::error::NnError;

/// The token ids of `n` sequences, one after the other, without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedTokens {
    /// Word-piece ids, `[sum_len]`.
    pub ids: Vec<u32>,
    /// Segment ids (0 for the first text, 1 for the second of a pair), `[sum_len]`.
    pub type_ids: Vec<u32>,
    /// Where each sequence starts, and the end: `[n + 1]`, from 0 to `sum_len`.
    pub offsets: Vec<usize>,
}

impl PackedTokens {
    /// Packed tokens over checked parts.
    ///
    /// Errors: [`NnError::Tokens`] when lengths disagree, offsets do not rise from 0 to the number of
    /// ids, or a sequence is empty.
    pub fn new(ids: Vec<u32>, type_ids: Vec<u32>, offsets: Vec<usize>) -> Result<Self, NnError> {
        let refuse = |reason: String| Err(NnError::Tokens { reason });
        if ids.len() != type_ids.len() {
            return refuse(format!("{} ids but {} type ids", ids.len(), type_ids.len()));
        }
        if offsets.len() < 2 || offsets[0] != 0 || offsets.last() != Some(&ids.len()) {
            return refuse(format!(
                "offsets do not run from 0 to {} in at least one step",
                ids.len()
            ));
        }
        if let Some(at) = offsets.windows(2).position(|w| w[0] >= w[1]) {
            return refuse(format!("sequence {at} is empty"));
        }
        Ok(Self {
            ids,
            type_ids,
            offsets,
        })
    }

    /// Packs sequences of `(ids, type_ids)`.
    ///
    /// Errors: as [`PackedTokens::new`].
    pub fn pack<'a>(
        sequences: impl IntoIterator<Item = (&'a [u32], &'a [u32])>,
    ) -> Result<Self, NnError> {
        let (mut ids, mut type_ids, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
        for (at, (id, kind)) in sequences.into_iter().enumerate() {
            if id.len() != kind.len() {
                let reason = format!(
                    "sequence {at} has {} ids but {} type ids",
                    id.len(),
                    kind.len()
                );
                return Err(NnError::Tokens { reason });
            }
            ids.extend_from_slice(id);
            type_ids.extend_from_slice(kind);
            offsets.push(ids.len());
        }
        Self::new(ids, type_ids, offsets)
    }

    /// How many sequences there are.
    pub fn n_sequences(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The number of tokens of the longest sequence.
    pub fn longest(&self) -> usize {
        self.offsets
            .windows(2)
            .map(|w| w[1] - w[0])
            .max()
            .unwrap_or(0)
    }

    /// Checks the tokens against a model's vocabulary, segment kinds and maximum length.
    ///
    /// Errors: [`NnError::Tokens`] naming the first token or sequence that does not fit.
    pub fn check(
        &self,
        vocab_size: usize,
        type_vocab_size: usize,
        max_len: usize,
    ) -> Result<(), NnError> {
        // The fields are public, so the structure is checked again here.
        let refuse = |reason: String| Err(NnError::Tokens { reason });
        if self.ids.len() != self.type_ids.len() {
            return refuse(format!(
                "{} ids but {} type ids",
                self.ids.len(),
                self.type_ids.len()
            ));
        }
        if self.offsets.len() < 2
            || self.offsets[0] != 0
            || self.offsets.last() != Some(&self.ids.len())
        {
            return refuse(format!(
                "offsets do not run from 0 to {} in at least one step",
                self.ids.len()
            ));
        }
        for (at, w) in self.offsets.windows(2).enumerate() {
            if w[0] >= w[1] {
                return refuse(format!("sequence {at} is empty"));
            }
            if w[1] - w[0] > max_len {
                return refuse(format!(
                    "sequence {at} has {} tokens, the model reads {max_len}",
                    w[1] - w[0]
                ));
            }
        }
        if let Some(at) = self.ids.iter().position(|&id| id as usize >= vocab_size) {
            return refuse(format!(
                "id {} at token {at} is outside the vocabulary of {vocab_size}",
                self.ids[at]
            ));
        }
        if let Some(at) = self
            .type_ids
            .iter()
            .position(|&id| id as usize >= type_vocab_size)
        {
            return refuse(format!(
                "type id {} at token {at} is not below {type_vocab_size}",
                self.type_ids[at]
            ));
        }
        Ok(())
    }
}
