//! Weighted counts of words and word pairs.
//!
//! Enters: texts. Leaves: sparse rows of term weights. The weighting is that of Salton and Buckley
//! (1988), "Term-weighting approaches in automatic text retrieval", with the smooth inverse document
//! frequency ln((1 + n) / (1 + df)) + 1. Not here: stop words, stemming, character n-grams.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::RepresentError;
use super::sparse::SparseMatrix;

/// What counts as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPattern {
    /// Runs of two or more letters, digits or underscores.
    Words,
    /// Runs of one or more of them, and every other visible character by itself, because `!` and
    /// `£` say much in short texts; Han characters and kana count one by one.
    WordsAndMarks,
}

/// How texts are counted and weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TfidfSettings {
    pub pattern: TokenPattern,
    /// Also count pairs of neighbouring words.
    pub bigrams: bool,
    /// Weigh a count as 1 + ln(count).
    pub sublinear: bool,
    /// Terms in fewer texts are left out.
    pub min_df: u32,
    /// At most so many terms are kept: the most frequent, ties in alphabetical order.
    pub max_features: usize,
}

impl Default for TfidfSettings {
    fn default() -> Self {
        Self {
            pattern: TokenPattern::WordsAndMarks,
            bigrams: true,
            sublinear: true,
            min_df: 2,
            max_features: 50_000,
        }
    }
}

/// A fitted vocabulary with its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "SavedTfidf", into = "SavedTfidf")]
pub struct Tfidf {
    settings: TfidfSettings,
    /// In alphabetical order of their words; the position is the column.
    terms: Vec<String>,
    idf: Vec<f32>,
    lookup: Lookup,
}

impl PartialEq for Tfidf {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && self.terms == other.terms && self.idf == other.idf
    }
}

#[derive(Serialize, Deserialize)]
struct SavedTfidf {
    settings: TfidfSettings,
    terms: Vec<String>,
    idf: Vec<f32>,
}

impl From<Tfidf> for SavedTfidf {
    fn from(fitted: Tfidf) -> Self {
        Self {
            settings: fitted.settings,
            terms: fitted.terms,
            idf: fitted.idf,
        }
    }
}

impl TryFrom<SavedTfidf> for Tfidf {
    type Error = RepresentError;

    fn try_from(saved: SavedTfidf) -> Result<Self, RepresentError> {
        let damaged = |reason: String| Err(RepresentError::DamagedVocabulary { reason });
        if saved.terms.len() != saved.idf.len() {
            return damaged(format!(
                "{} terms but {} weights",
                saved.terms.len(),
                saved.idf.len()
            ));
        }
        if let Some(weight) = saved.idf.iter().find(|w| !w.is_finite() || **w < 0.0) {
            return damaged(format!("weight {weight}"));
        }
        let lookup = Lookup::new(&saved.terms);
        if lookup.unigrams.len() + lookup.bigrams.len() != saved.terms.len() {
            return damaged("a term stands twice or has more than two words".to_owned());
        }
        Ok(Self {
            settings: saved.settings,
            terms: saved.terms,
            idf: saved.idf,
            lookup,
        })
    }
}

/// Finds the column of a word or of a pair of words.
#[derive(Clone, Debug, Default)]
struct Lookup {
    /// Every word of any term.
    words: HashMap<String, u32>,
    unigrams: HashMap<u32, u32>,
    bigrams: HashMap<(u32, u32), u32>,
}

impl Lookup {
    fn new(terms: &[String]) -> Self {
        let mut lookup = Self::default();
        for (column, term) in terms.iter().enumerate() {
            let mut words = term.split(' ').map(|word| {
                let next = lookup.words.len() as u32;
                *lookup.words.entry(word.to_owned()).or_insert(next)
            });
            match (words.next(), words.next(), words.next()) {
                (Some(word), None, _) => lookup.unigrams.insert(word, column as u32),
                (Some(a), Some(b), None) => lookup.bigrams.insert((a, b), column as u32),
                _ => None,
            };
        }
        lookup
    }
}

impl Tfidf {
    /// Learns vocabulary and weights from texts.
    ///
    /// No usable word at all gives an empty vocabulary, not an error.
    pub fn fit<S: AsRef<str> + Sync>(texts: &[S], settings: TfidfSettings) -> Self {
        let corpus = Corpus::read(texts, settings);
        let mut counted = corpus.count_terms(settings);
        if counted.len() > settings.max_features {
            counted.sort_by(|a, b| {
                b.occurrences
                    .cmp(&a.occurrences)
                    .then_with(|| corpus.order(a, b))
            });
            counted.truncate(settings.max_features);
        }
        counted.sort_by(|a, b| corpus.order(a, b));
        let n_texts = texts.len() as f64;
        let idf = counted
            .iter()
            .map(|term| (((1.0 + n_texts) / (1.0 + f64::from(term.texts))).ln() + 1.0) as f32)
            .collect();
        let terms: Vec<String> = counted.iter().map(|term| corpus.spell(term.key)).collect();
        let lookup = Lookup::new(&terms);
        Self {
            settings,
            terms,
            idf,
            lookup,
        }
    }

    /// The terms, in column order.
    pub fn terms(&self) -> &[String] {
        &self.terms
    }

    /// Inverse document frequencies, in column order.
    pub fn idf(&self) -> &[f32] {
        &self.idf
    }

    /// Weighs texts: `[n_texts, n_terms]`, rows of Euclidean length 1 or all zero.
    pub fn transform<S: AsRef<str> + Sync>(&self, texts: &[S]) -> SparseMatrix {
        let rows: Vec<Vec<(u32, f32)>> = texts
            .par_iter()
            .with_min_len(16)
            .map(|text| self.weigh(text.as_ref()))
            .collect();
        let mut matrix = SparseMatrix::with_columns(self.terms.len());
        for row in rows {
            for (column, value) in row {
                matrix.columns.push(column);
                matrix.values.push(value);
            }
            matrix.row_starts.push(matrix.columns.len());
        }
        matrix
    }

    fn weigh(&self, text: &str) -> Vec<(u32, f32)> {
        let mut columns: Vec<u32> = Vec::new();
        let mut last: Option<u32> = None;
        for_each_token(text, self.settings.pattern, |token| {
            let word = self.lookup.words.get(token).copied();
            if let Some(word) = word {
                columns.extend(self.lookup.unigrams.get(&word));
                if let Some(last) = last {
                    columns.extend(self.lookup.bigrams.get(&(last, word)));
                }
            }
            last = word;
        });
        columns.sort_unstable();
        let mut row: Vec<(u32, f64)> = Vec::new();
        for same in columns.chunk_by(|a, b| a == b) {
            let count = same.len() as f64;
            let tf = if self.settings.sublinear {
                1.0 + count.ln()
            } else {
                count
            };
            row.push((same[0], tf * f64::from(self.idf[same[0] as usize])));
        }
        let length = row.iter().map(|(_, w)| w * w).sum::<f64>().sqrt();
        row.into_iter()
            .map(|(column, weight)| (column, (weight / length) as f32))
            .collect()
    }
}

/// Calls `found` with every token of the lower-cased text, in order.
pub(super) fn for_each_token(text: &str, pattern: TokenPattern, mut found: impl FnMut(&str)) {
    let lower = text.to_lowercase();
    let min_chars = if pattern == TokenPattern::Words { 2 } else { 1 };
    // (start of the running word, characters in it)
    let mut run: Option<(usize, usize)> = None;
    for (at, c) in lower.char_indices() {
        let alone = pattern == TokenPattern::WordsAndMarks && stands_alone(c);
        if is_word(c) && !alone {
            let (start, chars) = run.unwrap_or((at, 0));
            run = Some((start, chars + 1));
            continue;
        }
        if let Some((start, chars)) = run.take()
            && chars >= min_chars
        {
            found(&lower[start..at]);
        }
        let visible = !c.is_whitespace() && !c.is_control();
        if pattern == TokenPattern::WordsAndMarks && visible {
            found(&lower[at..at + c.len_utf8()]);
        }
    }
    if let Some((start, chars)) = run
        && chars >= min_chars
    {
        found(&lower[start..]);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Scripts written without spaces in which one character already carries meaning.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// A term as counted: a word, or two neighbouring ones.
struct CountedTerm {
    key: u64,
    texts: u32,
    occurrences: u64,
}

/// Marks a key as a single word; no second word has this number.
const SINGLE: u64 = u32::MAX as u64;

/// Texts as word numbers.
struct Corpus {
    words: Vec<String>,
    texts: Vec<Vec<u32>>,
}

impl Corpus {
    fn read<S: AsRef<str> + Sync>(texts: &[S], settings: TfidfSettings) -> Self {
        let mut words = Vec::new();
        let mut number_of: HashMap<String, u32> = HashMap::new();
        let mut numbered = Vec::with_capacity(texts.len());
        // Blocks bound the memory held by spelled-out tokens.
        for block in texts.chunks(1024) {
            let tokens: Vec<Vec<String>> = block
                .par_iter()
                .map(|text| {
                    let mut tokens = Vec::new();
                    for_each_token(text.as_ref(), settings.pattern, |t| {
                        tokens.push(t.to_owned())
                    });
                    tokens
                })
                .collect();
            for text in tokens {
                let mut numbers = Vec::with_capacity(text.len());
                for token in text {
                    let number = number_of.get(&token).copied().unwrap_or_else(|| {
                        let next = words.len() as u32;
                        words.push(token.clone());
                        number_of.insert(token, next);
                        next
                    });
                    numbers.push(number);
                }
                numbered.push(numbers);
            }
        }
        Self {
            words,
            texts: numbered,
        }
    }

    /// Terms in at least `min_df` texts, in the order of their keys.
    fn count_terms(&self, settings: TfidfSettings) -> Vec<CountedTerm> {
        let singles = self.count(
            |text| text.iter().map(|&w| single(w)).collect(),
            settings.min_df,
        );
        if !settings.bigrams {
            return singles;
        }
        // A pair is never in more texts than either of its words.
        let mut frequent = vec![false; self.words.len()];
        for term in &singles {
            frequent[(term.key >> 32) as usize] = true;
        }
        let pairs = self.count(
            |text| {
                text.windows(2)
                    .filter(|pair| frequent[pair[0] as usize] && frequent[pair[1] as usize])
                    .map(|pair| (u64::from(pair[0]) << 32) | u64::from(pair[1]))
                    .collect()
            },
            settings.min_df,
        );
        singles.into_iter().chain(pairs).collect()
    }

    fn count(&self, keys_of: impl Fn(&[u32]) -> Vec<u64> + Sync, min_df: u32) -> Vec<CountedTerm> {
        let per_text: Vec<Vec<(u64, u32)>> = self
            .texts
            .par_iter()
            .with_min_len(64)
            .map(|text| {
                let mut keys = keys_of(text);
                keys.sort_unstable();
                keys.chunk_by(|a, b| a == b)
                    .map(|same| (same[0], same.len() as u32))
                    .collect()
            })
            .collect();
        let mut all: Vec<(u64, u32)> = per_text.into_iter().flatten().collect();
        all.par_sort_unstable();
        all.chunk_by(|a, b| a.0 == b.0)
            .filter(|same| same.len() as u64 >= u64::from(min_df))
            .map(|same| CountedTerm {
                key: same[0].0,
                texts: same.len() as u32,
                occurrences: same.iter().map(|s| u64::from(s.1)).sum(),
            })
            .collect()
    }

    fn words_of(&self, key: u64) -> (&str, Option<&str>) {
        let second = key & SINGLE;
        let second = (second != SINGLE).then(|| self.words[second as usize].as_str());
        (&self.words[(key >> 32) as usize], second)
    }

    fn order(&self, a: &CountedTerm, b: &CountedTerm) -> std::cmp::Ordering {
        self.words_of(a.key).cmp(&self.words_of(b.key))
    }

    fn spell(&self, key: u64) -> String {
        match self.words_of(key) {
            (first, None) => first.to_owned(),
            (first, Some(second)) => format!("{first} {second}"),
        }
    }
}

fn single(word: u32) -> u64 {
    (u64::from(word) << 32) | SINGLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn tokens(text: &str, pattern: TokenPattern) -> Vec<String> {
        let mut out = Vec::new();
        for_each_token(text, pattern, |t| out.push(t.to_owned()));
        out
    }

    #[test]
    fn scikit_learn_weighs_the_same() {
        let recorded = include_str!("../../../../tests/reference/linear.json");
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        let strings = |v: &Value| -> Vec<String> { serde_json::from_value(v.clone()).unwrap() };
        let texts = strings(&recorded["texts"]);
        let both = [texts.clone(), strings(&recorded["unseen"])].concat();
        for case in recorded["vocabularies"].as_array().unwrap() {
            let settings = TfidfSettings {
                pattern: TokenPattern::Words,
                bigrams: case["bigrams"].as_bool().unwrap(),
                sublinear: case["sublinear"].as_bool().unwrap(),
                min_df: case["min_df"].as_u64().unwrap() as u32,
                max_features: case["max_features"]
                    .as_u64()
                    .map_or(usize::MAX, |n| n as usize),
            };
            let fitted = Tfidf::fit(&texts, settings);
            assert_eq!(fitted.terms(), strings(&case["terms"]));
            let idf: Vec<f64> = serde_json::from_value(case["idf"].clone()).unwrap();
            for (found, expected) in fitted.idf().iter().zip(&idf) {
                assert!((f64::from(*found) - expected).abs() < 1e-6);
            }
            let weights: Vec<Vec<f64>> = serde_json::from_value(case["weights"].clone()).unwrap();
            let found = fitted.transform(&both);
            assert_eq!(found.n_rows(), weights.len());
            for (row, expected) in weights.iter().enumerate() {
                for (column, expected) in expected.iter().enumerate() {
                    let found = f64::from(found.get(row, column));
                    assert!(
                        (found - expected).abs() < 1e-6,
                        "{row} {column}: {found} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn marks_and_han_characters_count_one_by_one() {
        assert_eq!(
            tokens("Don't! £5_a", TokenPattern::WordsAndMarks),
            ["don", "'", "t", "!", "£", "5_a"]
        );
        assert_eq!(tokens("Don't! £5_a", TokenPattern::Words), ["don", "5_a"]);
        assert_eq!(
            tokens("機械 OK", TokenPattern::WordsAndMarks),
            ["機", "械", "ok"]
        );
        assert_eq!(
            tokens("\u{0}\u{1f600} ", TokenPattern::WordsAndMarks),
            ["\u{1f600}"]
        );
    }

    #[test]
    fn rows_have_length_one_or_nothing() {
        let texts = ["one two two!", "two three", "", "nobody else says this"];
        let fitted = Tfidf::fit(&texts, TfidfSettings::default());
        let weights = fitted.transform(&texts);
        for row in 0..4 {
            let (_, values) = weights.row(row);
            let square: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert!(values.is_empty() || (square - 1.0).abs() < 1e-6);
        }
        assert_eq!(fitted.terms(), ["two"]);
    }

    #[test]
    fn no_usable_word_gives_an_empty_vocabulary() {
        let fitted = Tfidf::fit(&["", " "], TfidfSettings::default());
        let weights = fitted.transform(&["word"]);
        assert_eq!(
            (weights.n_rows(), weights.n_cols, weights.n_stored()),
            (1, 0, 0)
        );
        let none: [&str; 0] = [];
        assert!(
            Tfidf::fit(&none, TfidfSettings::default())
                .terms()
                .is_empty()
        );
    }

    #[test]
    fn a_saved_vocabulary_weighs_the_same_and_a_damaged_one_is_refused() {
        let texts = ["a b a", "b a c", "c a b !"];
        let fitted = Tfidf::fit(&texts, TfidfSettings::default());
        let text = serde_json::to_string(&fitted).unwrap();
        let back: Tfidf = serde_json::from_str(&text).unwrap();
        assert_eq!(back.transform(&texts), fitted.transform(&texts));
        let damaged = text.replacen("\"idf\":[", "\"idf\":[1.0,", 1);
        assert!(serde_json::from_str::<Tfidf>(&damaged).is_err());
    }
}
