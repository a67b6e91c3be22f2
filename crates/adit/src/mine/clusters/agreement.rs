//! How well two labellings of the same rows agree.
//!
//! Enters: two labellings. Leaves: the adjusted Rand index (Hubert and Arabie 1985), the V-measure (Rosenberg and
//! Hirschberg 2007), or the Jaccard index of each cluster with its best match (Hennig 2007). Rows that one of the two
//! leaves out as noise do not count. Cost: the rows, and the sorted cells of the contingency table that are not empty.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// How many rows have which pair of labels.
struct Contingency {
    /// Ascending, none of them empty.
    cells: Vec<((u32, u32), u64)>,
    by_first: BTreeMap<u32, u64>,
    by_second: BTreeMap<u32, u64>,
    n_rows: u64,
}

impl Contingency {
    fn of(first: &[Option<u32>], second: &[Option<u32>]) -> Contingency {
        assert_eq!(
            first.len(),
            second.len(),
            "the labellings are of different rows"
        );
        let mut counts: HashMap<(u32, u32), u64> = HashMap::new();
        for pair in first.iter().zip(second) {
            if let (Some(a), Some(b)) = pair {
                *counts.entry((*a, *b)).or_default() += 1;
            }
        }
        let mut cells: Vec<((u32, u32), u64)> = counts.into_iter().collect();
        cells.sort_unstable();
        let (mut by_first, mut by_second) = (BTreeMap::new(), BTreeMap::new());
        for ((a, b), count) in &cells {
            *by_first.entry(*a).or_default() += count;
            *by_second.entry(*b).or_default() += count;
        }
        Contingency {
            n_rows: cells.iter().map(|(_, count)| count).sum(),
            cells,
            by_first,
            by_second,
        }
    }
}

/// Pairs of `count` rows.
fn pairs(count: u64) -> u128 {
    u128::from(count) * u128::from(count.saturating_sub(1)) / 2
}

/// The adjusted Rand index of two labellings: 1 where they are the same up to names, 0 on average by chance; 1 also
/// where fewer than two rows have both labels.
///
/// # Panics
/// Where the labellings have different lengths.
pub fn adjusted_rand_index(first: &[Option<u32>], second: &[Option<u32>]) -> f64 {
    let table = Contingency::of(first, second);
    let both: u128 = table.cells.iter().map(|(_, count)| pairs(*count)).sum();
    let in_first: u128 = table.by_first.values().map(|&count| pairs(count)).sum();
    let in_second: u128 = table.by_second.values().map(|&count| pairs(count)).sum();
    if both == in_first && both == in_second {
        return 1.0;
    }
    let (in_first, in_second) = (in_first as f64, in_second as f64);
    let expected = in_first * in_second / pairs(table.n_rows) as f64;
    (both as f64 - expected) / ((in_first + in_second) / 2.0 - expected)
}

/// How far clusters and classes determine each other; each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VMeasure {
    /// 1 where each cluster holds rows of one class.
    pub homogeneity: f64,
    /// 1 where the rows of each class lie in one cluster.
    pub completeness: f64,
    /// Harmonic mean of both.
    pub v_measure: f64,
}

/// The V-measure of clusters against classes.
///
/// # Panics
/// Where the labellings have different lengths.
pub fn v_measure(classes: &[Option<u32>], clusters: &[Option<u32>]) -> VMeasure {
    let table = Contingency::of(classes, clusters);
    let n = table.n_rows as f64;
    let entropy = |counts: &BTreeMap<u32, u64>| -> f64 {
        let shares = counts.values().map(|&count| count as f64 / n);
        shares.map(|share| -share * share.ln()).sum()
    };
    let information: f64 = (table.cells.iter())
        .map(|((class, cluster), count)| {
            let count = *count as f64;
            let (rows, columns) = (table.by_first[class], table.by_second[cluster]);
            count / n * (count * n / (rows as f64 * columns as f64)).ln()
        })
        .sum();
    let share = |counts: &BTreeMap<u32, u64>| {
        if counts.len() < 2 {
            1.0
        } else {
            (information / entropy(counts)).clamp(0.0, 1.0)
        }
    };
    let (homogeneity, completeness) = (share(&table.by_first), share(&table.by_second));
    let sum = homogeneity + completeness;
    let v_measure = if sum > 0.0 {
        2.0 * homogeneity * completeness / sum
    } else {
        0.0
    };
    VMeasure {
        homogeneity,
        completeness,
        v_measure,
    }
}

/// The Jaccard index of each cluster with that cluster of another labelling that gives the largest; none for a cluster
/// without rows. `rows`: the rows that `other` labels, in its order. `[n_clusters]`
///
/// Rows that `other` leaves out as noise still count as rows of the cluster.
///
/// # Panics
/// Where `rows` and `other` have different lengths, or a row or label does not exist.
pub fn best_match(
    labels: &[Option<u32>],
    n_clusters: usize,
    rows: &[usize],
    other: &[Option<u32>],
) -> Vec<Option<f64>> {
    let shared: Vec<Option<u32>> = rows.iter().map(|&row| labels[row]).collect();
    let sizes = sizes(&shared);
    let others = self::sizes(other);
    let mut best: Vec<Option<f64>> = vec![None; n_clusters];
    sizes
        .keys()
        .for_each(|&label| best[label as usize] = Some(0.0));
    for ((label, match_), both) in Contingency::of(&shared, other).cells {
        let either = sizes[&label] + others[&match_] - both;
        let jaccard = both as f64 / either as f64;
        let best = &mut best[label as usize];
        *best = best.map(|best| best.max(jaccard));
    }
    best
}

/// Rows of each label.
fn sizes(labels: &[Option<u32>]) -> BTreeMap<u32, u64> {
    let mut sizes = BTreeMap::new();
    for label in labels.iter().flatten() {
        *sizes.entry(*label).or_default() += 1;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use adit_nn::random::mix;

    use super::*;

    fn labels(codes: &[i64]) -> Vec<Option<u32>> {
        codes.iter().map(|&code| u32::try_from(code).ok()).collect()
    }

    fn hashed(n: usize, n_labels: u64, seed: u64) -> Vec<Option<u32>> {
        let code = |row| match mix(seed, row as u64) % (n_labels + 1) {
            0 => None,
            code => Some(code as u32 - 1),
        };
        (0..n).map(code).collect()
    }

    /// The index by all pairs of rows.
    fn rand_by_pairs(first: &[Option<u32>], second: &[Option<u32>]) -> f64 {
        let rows: Vec<usize> = (0..first.len())
            .filter(|&row| first[row].is_some() && second[row].is_some())
            .collect();
        let mut counts = [[0f64; 2]; 2];
        for (at, &i) in rows.iter().enumerate() {
            for &j in &rows[at + 1..] {
                let (a, b) = (first[i] == first[j], second[i] == second[j]);
                counts[usize::from(a)][usize::from(b)] += 1.0;
            }
        }
        let [[neither, only_b], [only_a, both]] = counts;
        if only_a == 0.0 && only_b == 0.0 {
            return 1.0;
        }
        2.0 * (both * neither - only_a * only_b)
            / ((both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither))
    }

    #[test]
    fn agreement_has_the_values_of_scikit_learn() {
        // adjusted_rand_score and homogeneity_completeness_v_measure, scikit-learn.
        type Case<'a> = (&'a [i64], &'a [i64], f64, [f64; 3]);
        let v = 0.44270128334605;
        let cases: [Case; 4] = [
            (
                &[0, 0, 1, 1],
                &[0, 0, 1, 2],
                4.0 / 7.0,
                [1.0, 2.0 / 3.0, 0.8],
            ),
            (
                &[0, 0, 0, 1, 1, 1, 2, 2, 2, 2],
                &[0, 0, 1, 1, 1, 2, 2, 2, 0, 2],
                0.20454545454545456,
                [v, v, v],
            ),
            (&[0, 0, 0, 0], &[0, 1, 2, 3], 0.0, [1.0, 0.0, 0.0]),
            (
                &[0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 0, 1],
                &[1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 0, 1],
                0.5105067985166872,
                [0.5912491517818366, 0.7451148814515746, 0.6593241522256987],
            ),
        ];
        for (first, second, rand, [h, c, v]) in cases {
            let (first, second) = (labels(first), labels(second));
            let found = v_measure(&first, &second);
            assert!((adjusted_rand_index(&first, &second) - rand).abs() < 1e-12);
            assert!((found.homogeneity - h).abs() < 1e-12, "{found:?}");
            assert!((found.completeness - c).abs() < 1e-12, "{found:?}");
            assert!((found.v_measure - v).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn agreement_by_hand() {
        // 6 rows, cells 2, 1 | 1, 2: 2 pairs in both, 6 in each, 15 in all; (2 - 2.4) / (6 - 2.4).
        let (first, second) = (labels(&[0, 0, 0, 1, 1, 1]), labels(&[0, 0, 1, 0, 1, 1]));
        assert!((adjusted_rand_index(&first, &second) + 1.0 / 9.0).abs() < 1e-15);
        // Each class is split in two: the clusters are pure, half of their entropy tells the class.
        let (classes, clusters) = (labels(&[0, 0, 1, 1]), labels(&[0, 1, 2, 3]));
        let found = v_measure(&classes, &clusters);
        assert!(
            (found.homogeneity - 1.0).abs() < 1e-15 && (found.completeness - 0.5).abs() < 1e-15
        );
        assert!((found.v_measure - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn the_index_is_that_of_all_pairs() {
        for seed in 0..60 {
            let n = (mix(seed, 1) % 40) as usize;
            let first = hashed(n, 1 + seed % 5, mix(seed, 2));
            let second = hashed(n, 1 + seed % 3, mix(seed, 3));
            let found = adjusted_rand_index(&first, &second);
            assert!((found - rand_by_pairs(&first, &second)).abs() < 1e-12);
            assert_eq!(found, adjusted_rand_index(&second, &first));
            let (a, b) = (v_measure(&first, &second), v_measure(&second, &first));
            assert!((a.homogeneity - b.completeness).abs() < 1e-12);
        }
    }

    #[test]
    fn names_of_labels_do_not_matter_and_few_rows_agree() {
        let first = hashed(500, 7, 1);
        let renamed: Vec<Option<u32>> = (first.iter())
            .map(|label| label.map(|label| u32::MAX - 3 * label))
            .collect();
        assert_eq!(adjusted_rand_index(&first, &renamed), 1.0);
        assert!((v_measure(&first, &renamed).v_measure - 1.0).abs() < 1e-12);
        for few in [&[][..], &[None], &[Some(3)]] {
            assert_eq!(adjusted_rand_index(few, few), 1.0);
            assert_eq!(v_measure(few, few).v_measure, 1.0);
        }
    }

    #[test]
    fn by_chance_the_index_is_0() {
        let (first, second) = (hashed(20_000, 6, 5), hashed(20_000, 9, 6));
        assert!(adjusted_rand_index(&first, &second).abs() < 2e-3);
    }

    #[test]
    fn best_matches_are_those_of_all_pairs_of_sets() {
        for seed in 0..40 {
            let n = 30 + (mix(seed, 1) % 40) as usize;
            let first = hashed(n, 4, mix(seed, 2));
            let rows: Vec<usize> = (0..n)
                .filter(|&row| !mix(seed, row as u64).is_multiple_of(3))
                .collect();
            let other = hashed(rows.len(), 5, mix(seed, 3));
            let found = best_match(&first, 5, &rows, &other);
            for label in 0..5u32 {
                let inside = |at: usize| first[rows[at]] == Some(label);
                let jaccard = |match_: u32| {
                    let (mut both, mut either) = (0.0, 0.0);
                    for (at, other) in other.iter().enumerate() {
                        let (a, b) = (inside(at), *other == Some(match_));
                        both += f64::from(u8::from(a && b));
                        either += f64::from(u8::from(a || b));
                    }
                    both / either
                };
                let wanted = (0..rows.len()).any(inside).then(|| {
                    (0..5)
                        .map(jaccard)
                        .filter(|j| j.is_finite())
                        .fold(0.0, f64::max)
                });
                assert_eq!(found[label as usize], wanted);
            }
        }
    }

    #[test]
    fn a_best_match_by_hand() {
        let first = labels(&[0, 0, 0, 0, 1, 1, -1]);
        // Rows 0 to 2 lie in cluster 7, row 4 beside them; row 6 was noise.
        let found = best_match(&first, 3, &[0, 1, 2, 4, 6], &labels(&[7, 7, 7, 7, 2]));
        assert_eq!(found, [Some(0.75), Some(0.25), None]);
        // What the other labelling calls noise is no match, but still a row of the cluster.
        let found = best_match(&first, 2, &[0, 1, 4, 5], &labels(&[3, -1, -1, -1]));
        assert_eq!(found, [Some(0.5), Some(0.0)]);
    }
}
