//! Random parts that keep the share of every class.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Rows of each class, in the order of class names.
pub(super) fn strata(classes: &[String]) -> Vec<Vec<usize>> {
    let mut by_class: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, class) in classes.iter().enumerate() {
        by_class.entry(class).or_default().push(row);
    }
    by_class.into_values().collect()
}

/// Draws `fraction` of the rows, of every stratum its share to within one row, and leaves every
/// stratum one row at least.
pub(super) fn part(
    strata: Vec<Vec<usize>>,
    fraction: f64,
    seed: u64,
) -> (Vec<Vec<usize>>, Vec<usize>) {
    let counts: Vec<usize> = strata.iter().map(Vec::len).collect();
    let shares = shares(&counts, fraction);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = Vec::new();
    let mut rest = Vec::with_capacity(strata.len());
    for (mut rows, share) in strata.into_iter().zip(shares) {
        rows.shuffle(&mut rng);
        let mut left = rows.split_off(share);
        left.sort_unstable();
        drawn.append(&mut rows);
        rest.push(left);
    }
    (rest, drawn)
}

/// Rows to draw from each stratum: the largest-remainder method, one row at least left behind.
fn shares(counts: &[usize], fraction: f64) -> Vec<usize> {
    let n: usize = counts.iter().sum();
    let wanted = ((n as f64 * fraction).round() as usize).max(1);
    let quota = |count: usize| count as f64 * fraction;
    let most = |count: usize| count.saturating_sub(1);
    let mut shares: Vec<usize> = counts
        .iter()
        .map(|&count| (quota(count).floor() as usize).min(most(count)))
        .collect();
    let mut by_remainder: Vec<usize> = (0..counts.len())
        .filter(|&i| shares[i] < most(counts[i]))
        .collect();
    let remainder = |i: usize| quota(counts[i]) - shares[i] as f64;
    by_remainder.sort_by(|&a, &b| {
        let larger = counts[b].cmp(&counts[a]);
        remainder(b)
            .total_cmp(&remainder(a))
            .then(larger)
            .then(a.cmp(&b))
    });
    let given: usize = shares.iter().sum();
    for i in by_remainder.into_iter().take(wanted.saturating_sub(given)) {
        shares[i] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_the_fraction_and_leave_every_class_a_row() {
        assert_eq!(shares(&[560, 240], 0.15), [84, 36]);
        assert_eq!(shares(&[50, 30, 3, 2, 1], 0.2), [10, 6, 1, 0, 0]);
        assert_eq!(shares(&[2, 2], 0.9), [1, 1]);
        assert_eq!(shares(&[1, 1], 0.5), [0, 0]);
        assert_eq!(shares(&[3, 3], 0.01), [1, 0]);
    }
}
