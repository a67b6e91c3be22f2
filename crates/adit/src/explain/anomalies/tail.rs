//! How far out the farthest of many rows lies by chance, and how far two orders agree.

use crate::mine::outliers::surprise::tail_of;

/// Fewest rows whose tail is told.
pub const LEAST_ROWS: usize = 30;
/// Chance that a table without anomalies has a row beyond.
const CHANCE: f64 = 0.05;

/// The score beyond which a table without anomalies has a row in 5 of 100 cases, if its scores fall off as an
/// exponential does from the strangest fifth on, or from farther in where much is flagged; the flagged `share` and as much
/// again are left out, so that anomalies do not shape it. `None` of fewer than [`LEAST_ROWS`] rows.
pub fn farthest_by_chance(scores: &[f64], share: f64) -> Option<f64> {
    let n = scores.len();
    if n < LEAST_ROWS {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (begin, out) = tail_of(share, n);
    let at = |share: f64| sorted[(((1.0 - share) * n as f64) as usize).min(n - 1)];
    let slope = (at(out) - at(begin)) / (begin / out).ln();
    let beyond = (out * n as f64 / CHANCE).ln();
    Some(at(out) + slope * beyond.max(0.0))
}

/// Spearman's rank correlation, ties at their mean rank; 0 where one of both does not vary.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        both += (a - mean) * (b - mean);
        of_a += (a - mean).powi(2);
        of_b += (b - mean).powi(2);
    }
    if of_a > 0.0 && of_b > 0.0 {
        both / (of_a * of_b).sqrt()
    } else {
        0.0
    }
}

/// Ranks from 1, ties at their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&at| ranks[at] = rank);
        start += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between 0 and 1 that look drawn.
    fn drawn(n: usize, seed: u64) -> impl Iterator<Item = f64> {
        let unit = |hash: u64| ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        (0..n as u64).map(move |at| unit(adit_nn::random::mix(seed, at)))
    }

    #[test]
    fn an_exponential_tail_is_passed_as_seldom_as_it_says() {
        let beyond = (0..400)
            .filter(|&seed| {
                let scores: Vec<f64> = drawn(1000, seed).map(|u| -u.ln()).collect();
                let bound = farthest_by_chance(&scores, 0.01).expect("enough rows");
                scores.iter().any(|score| *score > bound)
            })
            .count();
        // 5 of 100, and what estimating the slope from some dozens of rows adds.
        assert!((10..=60).contains(&beyond), "{beyond}");
    }

    #[test]
    fn a_far_row_passes_and_shapes_no_bound() {
        let mut scores: Vec<f64> = drawn(1000, 1).collect();
        let before = farthest_by_chance(&scores, 0.01).expect("enough rows");
        assert!(scores.iter().all(|score| *score < before));
        scores[..5].fill(1e9);
        let after = farthest_by_chance(&scores, 0.01).expect("enough rows");
        assert!(after < 2.0, "{after}");
        assert_eq!(farthest_by_chance(&scores[..29], 0.01), None);
        assert_eq!(farthest_by_chance(&[7.0; 40], 0.01), Some(7.0));
    }

    #[test]
    fn rank_correlations_are_those_of_the_textbook() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(rank_correlation(&a, &[1.0, 4.0, 9.0, 16.0, 25.0]), 1.0);
        assert_eq!(rank_correlation(&a, &[5.0, 4.0, 3.0, 2.0, 1.0]), -1.0);
        // 1 - 6 Σd² / n(n² - 1), with d = 1, 1, 0, 1, 1.
        assert!((rank_correlation(&a, &[2.0, 1.0, 3.0, 5.0, 4.0]) - 0.8).abs() < 1e-12);
        assert_eq!(rank_correlation(&a, &[3.0; 5]), 0.0);
        assert_eq!(ranks(&[2.0, 1.0, 2.0]), [2.5, 1.0, 2.5]);
    }
}
