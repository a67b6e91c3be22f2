//! Texts and text pairs as tokens, and tokens as packed batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use adit_nn::PackedTokens;
use rayon::prelude::*;
use tokenizers::utils::truncation::truncate_encodings;
use tokenizers::{Encoding, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy};

use super::RepresentError;
use crate::prepare::TextColumn;

/// Of a text so many times longer than the cut, the rest is not even tokenised.
const CHARACTERS_PER_TOKEN: usize = 1000;

/// The tokens of one text or pair, special tokens included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
}

impl Tokens {
    /// Makes an empty text one that ends at once, as a model cannot read nothing.
    pub fn end_if_empty(&mut self, ends: &[u32]) {
        if self.ids.is_empty() {
            self.ids.push(ends.first().copied().unwrap_or_default());
            self.type_ids.push(0);
        }
    }
}

/// The tokens of one text, and which word each belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordTokens {
    pub tokens: Tokens,
    /// None for special tokens.
    pub words: Vec<Option<u32>>,
}

/// A Hugging Face tokenizer that cuts at a length and never pads.
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    inner: Tokenizer,
    max_tokens: usize,
}

impl TextTokenizer {
    /// Opens a tokenizer.json; sequences are cut at `max_tokens`, special tokens included.
    ///
    /// # Errors
    /// Names the file that cannot be read or is no tokenizer.
    pub fn open(path: &Path, max_tokens: usize) -> Result<TextTokenizer, RepresentError> {
        let fail = |reason: String| RepresentError::Encoder {
            path: path.to_path_buf(),
            reason,
        };
        let bytes =
            std::fs::read(path).map_err(|e| fail(format!("cannot read the tokenizer: {e}")))?;
        let unread = |e: String| fail(format!("not a tokenizer.json that can be read: {e}"));
        let read = without_panic(|| Tokenizer::from_bytes(&bytes)).map_err(unread)?;
        let mut inner = read.map_err(|e| unread(e.to_string()))?;
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|e| fail(format!("cannot be used without its own truncation: {e}")))?;
        let special = |pair| {
            inner
                .get_post_processor()
                .map_or(0, |p| p.added_tokens(pair))
        };
        if max_tokens <= special(true) {
            return Err(fail(format!(
                "{max_tokens} tokens leave no room beside {} special ones",
                special(true)
            )));
        }
        let tokenizer = TextTokenizer { inner, max_tokens };
        // Some damage shows only when words are looked up and special tokens put around them. An error
        // here is of these words, which the vocabulary may lack.
        let (a, b) = ("A word.", "Zwei Wörter, 二 😀");
        for pair in [None, Some(b)] {
            if let Err(reason) = without_panic(|| tokenizer.tokenized(a, pair)) {
                return Err(fail(format!("not a tokenizer.json that works: {reason}")));
            }
        }
        Ok(tokenizer)
    }

    /// Longest sequence in tokens.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Tokenises texts, in order. `[n_texts]`
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Tokens>, RepresentError> {
        texts.par_iter().map(|text| self.one(text, None)).collect()
    }

    /// Tokenises pairs, the second text with type id 1; the longer one is cut first. `[n_pairs]`
    pub fn encode_pairs(&self, pairs: &[(&str, &str)]) -> Result<Vec<Tokens>, RepresentError> {
        pairs
            .par_iter()
            .map(|(a, b)| self.one(a, Some(b)))
            .collect()
    }

    /// Tokenises the rows of text columns: one column as it is, two as a pair, more joined by
    /// spaces. `[n_rows]`
    pub fn encode_columns(&self, columns: &[TextColumn]) -> Result<Vec<Tokens>, RepresentError> {
        match columns {
            [one] => self.encode(&one.values.iter().map(String::as_str).collect::<Vec<_>>()),
            [a, b] => self.encode_pairs(
                &a.values
                    .iter()
                    .zip(&b.values)
                    .map(|(a, b)| (a.as_str(), b.as_str()))
                    .collect::<Vec<_>>(),
            ),
            many => {
                let n_rows = many.first().map_or(0, |c| c.values.len());
                let joined: Vec<String> = (0..n_rows)
                    .map(|i| {
                        let cells: Vec<&str> = many.iter().map(|c| c.values[i].as_str()).collect();
                        cells.join(" ")
                    })
                    .collect();
                self.encode(&joined.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
    }

    /// Tokenises texts with the word of every token. `[n_texts]`
    pub fn encode_words(&self, texts: &[&str]) -> Result<Vec<WordTokens>, RepresentError> {
        texts
            .par_iter()
            .map(|text| {
                let done = self.encoding(text, None)?;
                Ok(WordTokens {
                    words: done.get_word_ids().to_vec(),
                    tokens: Tokens {
                        ids: done.get_ids().to_vec(),
                        type_ids: done.get_type_ids().to_vec(),
                    },
                })
            })
            .collect()
    }

    /// The token that stands for a masked one, where the tokenizer has it.
    pub fn mask_token(&self) -> Option<u32> {
        ["[MASK]", "<mask>"]
            .iter()
            .find_map(|word| self.inner.token_to_id(word))
    }

    /// The token that stands for what the vocabulary does not have, where the tokenizer says so.
    pub fn unknown_token(&self) -> Option<u32> {
        // The field of a unigram model is open to its own crate alone, so it is read from its JSON.
        let model = serde_json::to_value(self.inner.get_model()).ok()?;
        let number = model["unk_id"].as_u64().and_then(|id| id.try_into().ok());
        number.or_else(|| self.inner.token_to_id(model["unk_token"].as_str()?))
    }

    /// The text of tokens, special ones left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String, RepresentError> {
        let done = self.inner.decode(ids, true);
        done.map_err(|e| RepresentError::Tokenize {
            reason: e.to_string(),
        })
    }

    /// Cuts after both texts were tokenised whole, as Hugging Face does: which of the two is the
    /// longer one is not known before.
    fn encoding(&self, text: &str, pair: Option<&str>) -> Result<Encoding, RepresentError> {
        let fail = |reason: String| RepresentError::Tokenize { reason };
        let done = without_panic(|| self.tokenized(text, pair)).map_err(fail)?;
        done.map_err(|e| fail(e.to_string()))
    }

    fn tokenized(&self, text: &str, pair: Option<&str>) -> tokenizers::Result<Encoding> {
        let sequence = |text: &str| {
            let start = beginning(text, self.max_tokens);
            self.inner.encode(start, false)
        };
        let first = sequence(text)?;
        let second = pair.map(sequence).transpose()?;
        let processor = self.inner.get_post_processor();
        let special = processor.map_or(0, |p| p.added_tokens(second.is_some()));
        let cut = TruncationParams {
            max_length: self.max_tokens.saturating_sub(special),
            strategy: TruncationStrategy::LongestFirst,
            ..Default::default()
        };
        let (first, second) = truncate_encodings(first, second, &cut)?;
        self.inner.post_process(first, second, true)
    }

    fn one(&self, text: &str, pair: Option<&str>) -> Result<Tokens, RepresentError> {
        let done = self.encoding(text, pair)?;
        Ok(Tokens {
            ids: done.get_ids().to_vec(),
            type_ids: done.get_type_ids().to_vec(),
        })
    }
}

/// Runs a part of the library, which panics on some damaged files where it should give an error.
fn without_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        said.unwrap_or("its parts do not fit together").to_string()
    })
}

/// As much of a text as can matter to its first `max_tokens` tokens; steps whose cost grows faster than
/// the text see no more of it.
fn beginning(text: &str, max_tokens: usize) -> &str {
    let most = max_tokens.saturating_mul(CHARACTERS_PER_TOKEN);
    match text.char_indices().nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Packs the chosen sequences one after another, without padding.
pub fn pack(tokens: &[Tokens], chosen: &[usize]) -> PackedTokens {
    let total = chosen.iter().map(|&i| tokens[i].ids.len()).sum();
    let mut packed = PackedTokens {
        ids: Vec::with_capacity(total),
        type_ids: Vec::with_capacity(total),
        offsets: Vec::with_capacity(chosen.len() + 1),
    };
    packed.offsets.push(0);
    for &i in chosen {
        packed.ids.extend_from_slice(&tokens[i].ids);
        packed.type_ids.extend_from_slice(&tokens[i].type_ids);
        packed.offsets.push(packed.ids.len());
    }
    packed
}

/// Batches of at most `token_budget` tokens, sequences of like length together; every index once.
///
/// A sequence longer than the budget is a batch of its own.
pub fn batches_by_length(lengths: &[usize], token_budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| (lengths[i], i));
    batches_in_order(order, |i| lengths[i], token_budget)
}

/// Consecutive sequences of at most `token_budget` tokens together.
///
/// A sequence longer than the budget is a batch of its own.
pub fn batches_in_order(
    order: impl IntoIterator<Item = usize>,
    length: impl Fn(usize) -> usize,
    token_budget: usize,
) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut filled = 0;
    for i in order {
        let length = length(i);
        match batches.last_mut() {
            Some(batch) if filled + length <= token_budget => {
                batch.push(i);
                filled += length;
            }
            _ => {
                batches.push(vec![i]);
                filled = length;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lengths(lengths: &[usize]) -> Vec<Tokens> {
        lengths
            .iter()
            .map(|&n| Tokens {
                ids: vec![1; n],
                type_ids: vec![0; n],
            })
            .collect()
    }

    #[test]
    fn batches_hold_every_index_once_and_keep_the_budget() {
        let lengths = [5, 1, 9, 3, 3, 30, 2];
        let batches = batches_by_length(&lengths, 10);
        let mut seen: Vec<usize> = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
        for batch in &batches {
            let sum: usize = batch.iter().map(|&i| lengths[i]).sum();
            assert!(
                sum <= 10 || batch.len() == 1,
                "{batch:?} holds {sum} tokens"
            );
        }
    }

    #[test]
    fn no_more_of_a_text_is_tokenised_than_can_matter() {
        for (part, max_tokens) in [("a", 16), ("😀", 16), ("e\u{301}", 7), ("words and ", 300)] {
            let most = max_tokens * CHARACTERS_PER_TOKEN;
            for bytes in [2 << 20, 8 << 20] {
                let text = part.repeat(bytes / part.len());
                let start = beginning(&text, max_tokens);
                assert!(text.starts_with(start));
                assert_eq!(start.chars().count(), most, "{part} of {bytes} bytes");
            }
            let short = part.repeat(most / part.chars().count());
            assert_eq!(beginning(&short, max_tokens), short);
        }
        assert_eq!(beginning("", 3), "");
        assert_eq!(beginning("all of it", usize::MAX), "all of it");
    }

    #[test]
    fn packing_keeps_order_and_offsets() {
        let packed = pack(&of_lengths(&[2, 4, 1]), &[2, 0]);
        assert_eq!(packed.offsets, [0, 1, 3]);
        assert_eq!(packed.ids.len(), 3);
    }
}
