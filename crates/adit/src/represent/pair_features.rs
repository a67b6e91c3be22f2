//! Cheap measures of how alike two texts are.
//!
//! Enters: two texts a row and their weighted terms. Leaves: a few dense numbers per row. Overlaps of
//! word and character n-grams follow Wan et al. (2006), "Using dependency-based features to take the
//! para-farce out of paraphrase", without the dependencies.

use rayon::prelude::*;

use super::sparse::{SparseMatrix, sparse_dot};
use super::tfidf::{TokenPattern, for_each_token};

/// Names of the measures, in the order of [`pair_measures`].
pub(super) const PAIR_MEASURES: [&str; 20] = [
    "cosine",
    "shared words (jaccard)",
    "shared words of the shorter",
    "shared words of the longer",
    "shared word pairs (jaccard)",
    "shared word pairs of the shorter",
    "shared word pairs of the longer",
    "shared word triples (jaccard)",
    "shared word triples of the shorter",
    "shared word triples of the longer",
    "shared 4-grams (jaccard)",
    "shared 4-grams of the shorter",
    "shared 4-grams of the longer",
    "length difference",
    "relative length difference",
    "total length",
    "shared figures (jaccard)",
    "figures are equal",
    "figures of one contain the other's",
    "no figures",
];

/// Measures of every pair, `[n_rows][PAIR_MEASURES]`.
pub(super) fn pair_measures(
    texts: [&[String]; 2],
    weighted: [&SparseMatrix; 2],
) -> Vec<[f64; PAIR_MEASURES.len()]> {
    (0..texts[0].len())
        .into_par_iter()
        .with_min_len(16)
        .map(|row| {
            let cosine = sparse_dot(weighted[0].row(row), weighted[1].row(row));
            measure(&texts[0][row], &texts[1][row], cosine)
        })
        .collect()
}

fn measure(left: &str, right: &str, cosine: f64) -> [f64; PAIR_MEASURES.len()] {
    let (left, right) = (Parts::of(left), Parts::of(right));
    let mut out = [0.0; PAIR_MEASURES.len()];
    out[0] = cosine;
    for n in 1..=3 {
        let shared = overlap(
            distinct(left.words.windows(n)),
            distinct(right.words.windows(n)),
        );
        out[3 * n - 2..3 * n + 1].copy_from_slice(&shared);
    }
    let shared = overlap(
        distinct(left.letters.windows(4)),
        distinct(right.letters.windows(4)),
    );
    out[10..13].copy_from_slice(&shared);
    let (n, m) = (left.words.len() as f64, right.words.len() as f64);
    out[13] = (n - m).abs();
    out[14] = (n - m).abs() / n.max(m).max(1.0);
    out[15] = n + m;
    let figures = (
        distinct(left.figures.iter()),
        distinct(right.figures.iter()),
    );
    let none = figures.0.is_empty() && figures.1.is_empty();
    let same = figures.0 == figures.1;
    let [jaccard, contained, _] = overlap(figures.0, figures.1);
    out[16] = if none { 1.0 } else { jaccard };
    out[17] = f64::from(same);
    out[18] = f64::from(same || contained == 1.0);
    out[19] = f64::from(none);
    out
}

/// A text cut in the ways that are compared.
struct Parts {
    words: Vec<String>,
    /// Words joined and framed by blanks.
    letters: Vec<char>,
    figures: Vec<String>,
}

impl Parts {
    fn of(text: &str) -> Self {
        let (mut words, mut letters) = (Vec::new(), vec![' ']);
        for_each_token(text, TokenPattern::WordsAndMarks, |token| {
            if token.chars().next().is_some_and(char::is_alphanumeric) {
                letters.extend(token.chars());
                letters.push(' ');
                words.push(token.to_owned());
            }
        });
        Self {
            words,
            letters,
            figures: figures(text),
        }
    }
}

/// Numbers as written, `1,250.5` being one.
fn figures(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_numeric() && c != '.' && c != ',')
        .map(|run| run.trim_matches(['.', ',']))
        .filter(|run| !run.is_empty())
        .map(str::to_owned)
        .collect()
}

fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// Shared items over those of both, of the smaller set, of the larger set; 0 where that is empty.
fn overlap<T: Ord>(left: Vec<T>, right: Vec<T>) -> [f64; 3] {
    let shared = left
        .iter()
        .filter(|item| right.binary_search(item).is_ok())
        .count();
    let (n, m) = (left.len(), right.len());
    let of = |total: usize| shared as f64 / total.max(1) as f64;
    [of(n + m - shared), of(n.min(m)), of(n.max(m))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_everything() {
        let m = measure("It cost 1,250.5 pounds.", "It cost 1,250.5 pounds.", 1.0);
        for at in (0..13).chain(16..19) {
            assert_eq!(m[at], 1.0, "{}", PAIR_MEASURES[at]);
        }
        assert_eq!((m[13], m[14], m[19]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn measures_are_those_counted_by_hand() {
        let m = measure("the cat sat", "a cat sat there 3", 0.25);
        assert_eq!(m[0], 0.25);
        // {the, cat, sat} and {a, cat, sat, there, 3}
        assert_eq!(m[1..4], [2.0 / 6.0, 2.0 / 3.0, 2.0 / 5.0]);
        assert_eq!(m[4..7], [1.0 / 5.0, 1.0 / 2.0, 1.0 / 4.0]);
        assert_eq!(m[7..10], [0.0; 3]);
        assert_eq!(m[13..16], [2.0, 0.4, 8.0]);
        assert_eq!(m[16..20], [0.0; 4]);
    }

    #[test]
    fn measures_do_not_depend_on_which_text_comes_first() {
        let (a, b) = (
            "Profit rose 5.1 per cent",
            "In 2003 profits fell, by 5.1 per cent!",
        );
        assert_eq!(measure(a, b, 0.5), measure(b, a, 0.5));
    }

    #[test]
    fn empty_texts_give_finite_measures() {
        assert!(measure("", "", 0.0).iter().all(|v| v.is_finite()));
        assert!(measure("", "word 7", 0.0).iter().all(|v| v.is_finite()));
    }
}
