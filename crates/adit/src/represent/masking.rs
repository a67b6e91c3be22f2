//! Hides tokens of texts, for a model to predict (Devlin et al., 2019, section 3.1).

use adit_nn::PackedTokens;
use adit_nn::random::mix;

use super::text::{Tokens, WordTokens, pack};

/// How tokens are hidden.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Masking {
    /// Share of the tokens (or words) that are to be predicted.
    pub share: f64,
    /// Whether all tokens of a word are hidden together.
    pub whole_words: bool,
    /// The token that stands for a hidden one.
    pub mask: u32,
    pub vocab_size: u32,
}

/// Packed texts with hidden tokens, and what was there.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked {
    pub tokens: PackedTokens,
    /// Places to be predicted, among all tokens.
    pub places: Vec<usize>,
    /// The tokens that were there.
    pub words: Vec<u32>,
}

/// A hash as a number in [0, 1).
fn unit(key: u64, at: u64) -> f64 {
    (mix(key, at) >> 11) as f64 / (1u64 << 53) as f64
}

impl Masking {
    /// Hides tokens of the chosen texts; which ones follows from `key`, the text's number and the place.
    ///
    /// Of the chosen tokens eight in ten become the mask, one in ten a random token, and one in ten
    /// stays. In every text that has a word, one at least is chosen.
    pub fn apply(&self, texts: &[WordTokens], chosen: &[usize], key: u64) -> Masked {
        let mut hidden = Vec::with_capacity(chosen.len());
        let (mut places, mut words) = (Vec::new(), Vec::new());
        let mut start = 0;
        for &text in chosen {
            let key = mix(key, text as u64);
            let mut tokens: Tokens = texts[text].tokens.clone();
            for at in self.places(&texts[text].words, mix(key, 0)) {
                places.push(start + at);
                words.push(tokens.ids[at]);
                let drawn = unit(mix(key, 1), at as u64);
                if drawn < 0.8 {
                    tokens.ids[at] = self.mask;
                } else if drawn < 0.9 {
                    let other = unit(mix(key, 2), at as u64) * f64::from(self.vocab_size);
                    tokens.ids[at] = (other as u32).min(self.vocab_size.saturating_sub(1));
                }
            }
            start += tokens.ids.len();
            hidden.push(tokens);
        }
        let all: Vec<usize> = (0..hidden.len()).collect();
        Masked {
            tokens: pack(&hidden, &all),
            places,
            words,
        }
    }

    /// The chosen places of one text, rising.
    fn places(&self, words: &[Option<u32>], key: u64) -> Vec<usize> {
        let drawn = |at: usize, word: u32| {
            let of = if self.whole_words {
                u64::from(word)
            } else {
                at as u64
            };
            unit(key, of)
        };
        let draws: Vec<(usize, f64)> = words
            .iter()
            .enumerate()
            .filter_map(|(at, word)| word.map(|word| (at, drawn(at, word))))
            .collect();
        let least = draws.iter().map(|&(_, d)| d).fold(f64::INFINITY, f64::min);
        let limit = self.share.max(least);
        draws
            .into_iter()
            .filter(|&(_, draw)| draw < self.share || draw <= limit && least >= self.share)
            .map(|(at, _)| at)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[Option<u32>]) -> WordTokens {
        let ids: Vec<u32> = (0..words.len() as u32).map(|i| 10 + i).collect();
        WordTokens {
            tokens: Tokens {
                type_ids: vec![0; ids.len()],
                ids,
            },
            words: words.to_vec(),
        }
    }

    fn masking(whole_words: bool) -> Masking {
        Masking {
            share: 0.15,
            whole_words,
            mask: 4,
            vocab_size: 500,
        }
    }

    fn long() -> WordTokens {
        let inside = (0..2000).map(|i| Some(i / 2));
        text(
            &std::iter::once(None)
                .chain(inside)
                .chain([None])
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn the_stated_shares_are_hidden_and_special_tokens_never() {
        let texts = [long()];
        let found = masking(false).apply(&texts, &[0], 7);
        let n = found.places.len() as f64;
        assert!((n / 2000.0 - 0.15).abs() < 0.03, "{n} of 2000");
        let masks = found.places.iter().filter(|&&at| found.tokens.ids[at] == 4);
        let share = masks.count() as f64 / n;
        assert!((share - 0.8).abs() < 0.08, "{share} are masks");
        assert!(!found.places.contains(&0) && !found.places.contains(&2001));
        for (&place, &word) in found.places.iter().zip(&found.words) {
            assert_eq!(word, texts[0].tokens.ids[place]);
        }
        let kept = |at: &usize| !found.places.contains(at);
        for at in (0..2002).filter(kept) {
            assert_eq!(found.tokens.ids[at], texts[0].tokens.ids[at]);
        }
        assert_eq!(found, masking(false).apply(&texts, &[0], 7));
        assert_ne!(found.places, masking(false).apply(&texts, &[0], 8).places);
    }

    #[test]
    fn whole_words_are_hidden_together() {
        let texts = [long()];
        let found = masking(true).apply(&texts, &[0], 7);
        assert!(!found.places.is_empty());
        for &place in &found.places {
            let partner = if place % 2 == 1 { place + 1 } else { place - 1 };
            assert!(found.places.contains(&partner), "{place} without {partner}");
        }
    }

    #[test]
    fn every_text_with_a_word_has_something_to_predict() {
        let texts = [
            text(&[None, Some(0), None]),
            text(&[None, None]),
            text(&[Some(0), Some(1)]),
        ];
        for key in 0..50 {
            for (at, least) in [(0, 1), (1, 0), (2, 1)] {
                let found = masking(key % 2 == 0).apply(&texts, &[at], key);
                assert!(found.places.len() >= least, "text {at}");
                assert!(at != 1 || found.places.is_empty());
            }
        }
    }
}
