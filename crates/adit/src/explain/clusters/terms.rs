//! The terms that tell the texts of a cluster apart from all others.
//!
//! Enters: texts and labels. Leaves: terms by class-based TF-IDF (Grootendorst 2022, BERTopic, equation 2), of which only
//! those are told that significantly more texts of the cluster hold than of the rest: so words that are everywhere need
//! no list, in any language. Not here: which texts belong together.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::explain::proportion::Z;

/// Deviations by which the logarithm of the odds has to lie above zero.
const LEAST_Z: f64 = 3.0;
/// What the lower end of its 95% interval has to reach: the odds at least doubled.
const LEAST_ODDS: f64 = std::f64::consts::LN_2;
/// Terms that fewer texts hold say little.
const LEAST_TEXTS: u32 = 3;
/// Words of a text that are looked at, at most.
const MOST_WORDS: usize = 400;
/// Texts that are counted together; a fixed number, so that sums repeat.
const CHUNK: usize = 2_048;

/// A term of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    pub term: String,
    /// Class-based TF-IDF.
    pub weight: f64,
    /// Share of the cluster's texts that hold it.
    pub inside: f64,
    /// Share of all other texts that do.
    pub outside: f64,
}

/// How often a term occurs, in how many texts.
#[derive(Clone, Copy, Default)]
struct Count {
    times: u32,
    texts: u32,
}

/// At most `n_terms` terms of each cluster, those first whose weight times the lower end of their log odds is largest; a
/// word that stands in a pair told before is left out.
pub fn terms(
    texts: &[&str],
    labels: &[Option<u32>],
    n_clusters: usize,
    n_terms: usize,
) -> Vec<Vec<Term>> {
    let count_of = counted(texts, labels);
    let mut n_texts = vec![0f64; n_clusters + 1];
    labels
        .iter()
        .for_each(|label| n_texts[label.map_or(n_clusters, |l| l as usize)] += 1.0);
    let all: f64 = n_texts.iter().sum();
    let mut words = vec![0f64; n_clusters + 1];
    for by_label in count_of.values() {
        by_label.iter().for_each(|(label, count)| {
            words[(*label as usize).min(n_clusters)] += f64::from(count.times)
        });
    }
    let mean_words = words[..n_clusters].iter().sum::<f64>() / n_clusters.max(1) as f64;
    let mut found: Vec<Vec<(f64, Term)>> = vec![Vec::new(); n_clusters];
    for (term, by_label) in &count_of {
        let times: f64 = by_label
            .iter()
            .map(|(_, count)| f64::from(count.times))
            .sum();
        let holding: f64 = by_label
            .iter()
            .map(|(_, count)| f64::from(count.texts))
            .sum();
        for (label, count) in by_label {
            let cluster = *label as usize;
            if cluster >= n_clusters || count.texts < LEAST_TEXTS {
                continue;
            }
            let (a, n_in) = (f64::from(count.texts), n_texts[cluster]);
            let (c, n_out) = (holding - a, all - n_in);
            let (odds, deviation) = log_odds(a, n_in, c, n_out);
            let low = odds - Z * deviation;
            if odds < LEAST_Z * deviation || low < LEAST_ODDS {
                continue;
            }
            let frequency = f64::from(count.times) / words[cluster];
            let term = Term {
                term: term.clone(),
                weight: frequency * (1.0 + mean_words / times).ln(),
                inside: a / n_in,
                outside: if n_out > 0.0 { c / n_out } else { 0.0 },
            };
            found[cluster].push((low, term));
        }
    }
    found
        .into_iter()
        .map(|terms| told(terms, n_terms))
        .collect()
}

/// The logarithm of the odds ratio with its standard deviation; half a text more in every cell (Haldane, Anscombe).
fn log_odds(a: f64, n_in: f64, c: f64, n_out: f64) -> (f64, f64) {
    let cells = [a, n_in - a, c, n_out - c].map(|x| x + 0.5);
    let odds = (cells[0] * cells[3] / (cells[1] * cells[2])).ln();
    (odds, cells.iter().map(|x| 1.0 / x).sum::<f64>().sqrt())
}

/// The terms that say most: weighty ones that are rare elsewhere.
fn told(mut terms: Vec<(f64, Term)>, n_terms: usize) -> Vec<Term> {
    terms.sort_by(|a, b| {
        let by_size = (b.0 * b.1.weight).total_cmp(&(a.0 * a.1.weight));
        by_size.then_with(|| a.1.term.cmp(&b.1.term))
    });
    let mut kept: Vec<Term> = Vec::new();
    for (_, term) in terms {
        if kept.len() == n_terms {
            break;
        }
        let shares_words = |other: &Term| {
            let mut words = term.term.split(' ');
            words.any(|word| other.term.split(' ').any(|known| known == word))
        };
        if !kept.iter().any(shares_words) {
            kept.push(term);
        }
    }
    kept
}

/// Counts by term and label; texts of no cluster have the label `u32::MAX`.
fn counted(texts: &[&str], labels: &[Option<u32>]) -> HashMap<String, Vec<(u32, Count)>> {
    let chunks: Vec<HashMap<(String, u32), Count>> =
        (texts.par_chunks(CHUNK).zip(labels.par_chunks(CHUNK)))
            .map(|(texts, labels)| {
                let mut counts: HashMap<(String, u32), Count> = HashMap::new();
                for (text, label) in texts.iter().zip(labels) {
                    let mut own: HashMap<String, u32> = HashMap::new();
                    for term in terms_of(text) {
                        *own.entry(term).or_insert(0) += 1;
                    }
                    for (term, times) in own {
                        let count = counts.entry((term, label.unwrap_or(u32::MAX))).or_default();
                        count.times += times;
                        count.texts += 1;
                    }
                }
                counts
            })
            .collect();
    let mut all: HashMap<String, Vec<(u32, Count)>> = HashMap::new();
    for ((term, label), count) in chunks.into_iter().flatten() {
        let by_label = all.entry(term).or_default();
        match by_label.iter_mut().find(|(known, _)| *known == label) {
            Some((_, known)) => {
                known.times += count.times;
                known.texts += count.texts;
            }
            None => by_label.push((label, count)),
        }
    }
    all
}

/// Words of two letters or more in lower case, and pairs of neighbours.
pub fn terms_of(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '\'';
    let words: Vec<String> = text
        .split(|c| !is_part(c))
        .map(|word| word.trim_matches('\''))
        .filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2)
        .take(MOST_WORDS)
        .map(str::to_lowercase)
        .collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let mut terms: Vec<String> = pairs.collect();
    terms.extend(words);
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_a_cluster_apart_is_told_and_what_is_everywhere_is_not() {
        let mut texts = Vec::new();
        let mut labels = Vec::new();
        for k in 0..60u32 {
            let filler = ["one", "two", "three"][(k % 3) as usize];
            let text = match k % 2 {
                0 => format!("the lost card of {filler} was blocked, please"),
                _ => format!("the exchange rate of {filler} is wrong, please"),
            };
            texts.push(text);
            labels.push(Some(k % 2));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = terms(&texts, &labels, 2, 4);
        let names = |at: usize| {
            found[at]
                .iter()
                .map(|t| t.term.as_str())
                .collect::<Vec<_>>()
        };
        assert!(
            names(0).iter().any(|t| t.contains("card")),
            "{:?}",
            names(0)
        );
        assert!(
            names(1).iter().any(|t| t.contains("rate")),
            "{:?}",
            names(1)
        );
        for common in ["the", "of", "please", "one"] {
            assert!(
                !found.iter().flatten().any(|t| t.term == common),
                "{common}"
            );
        }
        assert!(
            found
                .iter()
                .flatten()
                .all(|t| t.inside == 1.0 && t.outside == 0.0)
        );
    }

    #[test]
    fn no_words_and_few_texts_are_no_terms() {
        assert!(terms(&["1 2 3", "", "!"], &[Some(0), Some(0), None], 1, 5)[0].is_empty());
        assert_eq!(terms_of("Ünal's 'card'"), ["ünal's card", "ünal's", "card"]);
    }

    #[test]
    fn the_weight_is_that_of_the_formula() {
        let texts = vec!["aa bb"; 12]
            .into_iter()
            .chain(vec!["cc dd"; 12])
            .collect::<Vec<_>>();
        let labels: Vec<Option<u32>> = (0..24).map(|k| Some(u32::from(k >= 12))).collect();
        let found = terms(&texts, &labels, 2, 1);
        // Twelve of the 36 terms of the cluster (two words and the pair, twelve times); 36 terms a cluster on average.
        assert!((found[0][0].weight - (12.0 / 36.0) * (1.0f64 + 36.0 / 12.0).ln()).abs() < 1e-12);
    }
}
