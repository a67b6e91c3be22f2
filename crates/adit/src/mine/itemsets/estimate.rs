//! How many frequent sets there are, by probes down the tree of all sets (Knuth 1975, "Estimating the efficiency of
//! backtrack programs").

use adit_nn::kernels::bits;
use adit_nn::random::mix;
use rayon::prelude::*;

use crate::represent::transactions::Transactions;

/// Probes over all first items, for each of several estimates.
const PROBES: usize = 2_000;
/// Words that all probes look at, at most: seconds.
const MOST_WORK: f64 = 2e10;
/// Estimates, of which the one in the middle is told.
const PARTS: usize = 7;
/// Words of bits that are looked at, at most; beyond, there is no estimate.
const MOST_WORDS: usize = 1 << 25;

/// About how many sets of at most `max_items` items are in `min_count` baskets or more; `None` where finding out takes
/// too long. It is right on average, and seldom wrong by a factor of two.
pub fn estimate_frequent(
    transactions: &Transactions,
    min_count: u32,
    max_items: usize,
    seed: u64,
) -> Option<f64> {
    let counts = transactions.counts();
    let frequent: Vec<usize> = (0..counts.len())
        .filter(|&item| counts[item] >= min_count)
        .collect();
    let n_words = transactions.len().div_ceil(64);
    if frequent.len().saturating_mul(n_words) > MOST_WORDS {
        return None;
    }
    let mut place_of = vec![usize::MAX; counts.len()];
    for (place, &item) in frequent.iter().enumerate() {
        place_of[item] = place;
    }
    let mut columns = vec![vec![0u64; n_words]; frequent.len()];
    for (at, basket) in transactions.baskets().enumerate() {
        for &item in basket {
            if let Some(column) = columns.get_mut(place_of[item as usize]) {
                column[at / 64] |= 1 << (at % 64);
            }
        }
    }
    let least = u64::from(min_count);
    let n_probes = (PROBES / frequent.len().max(1)).clamp(1, 400);
    // The first step of a probe looks at half of the others on average, later ones at few.
    let work =
        PARTS as f64 * n_probes as f64 * (frequent.len() as f64).powi(2) / 2.0 * n_words as f64;
    if work > MOST_WORK {
        return None;
    }
    let below = |first: usize, part: usize| -> f64 {
        let probe = |k: usize| {
            let mut cover = columns[first].clone();
            let mut open: Vec<usize> = (0..first).collect();
            let (mut weight, mut sum, mut n_items) = (1.0, 1.0, 1);
            let mut state = mix(
                seed,
                ((part * frequent.len() + first) * n_probes + k) as u64,
            );
            while n_items < max_items {
                open.retain(|&item| bits::count_shared(&cover, &columns[item]) >= least);
                if open.is_empty() {
                    break;
                }
                state = mix(state, 1);
                let (chosen, share) = drawn(open.len(), state);
                weight /= share;
                sum += weight;
                let column = &columns[open[chosen]];
                cover.iter_mut().zip(column).for_each(|(a, b)| *a &= b);
                open.truncate(chosen);
                n_items += 1;
            }
            sum
        };
        (0..n_probes).map(probe).sum::<f64>() / n_probes as f64
    };
    // A single probe into an unlikely branch weighs so much that the median of some estimates is nearer than their mean.
    let of_part = |part: usize| -> f64 {
        let firsts = (0..frequent.len()).into_par_iter();
        let sums: Vec<f64> = firsts.map(|first| below(first, part)).collect();
        sums.iter().sum()
    };
    let mut parts: Vec<f64> = (0..PARTS).map(of_part).collect();
    parts.sort_by(f64::total_cmp);
    Some(parts[PARTS / 2])
}

/// One of `n` places and the chance with which it is drawn. More can follow an item the more stand before it, so half of
/// the time later ones are taken more often.
fn drawn(n: usize, state: u64) -> (usize, f64) {
    let all = n * (n + 1) * (2 * n + 1) / 6;
    let square = |at: usize| (at + 1) * (at + 1);
    let chosen = if state >> 63 == 0 {
        (state % n as u64) as usize
    } else {
        let mut left = (state % all as u64) as usize;
        let mut at = n - 1;
        while at > 0 && left >= square(at) {
            left -= square(at);
            at -= 1;
        }
        at
    };
    let share = 0.5 / n as f64 + 0.5 * square(chosen) as f64 / all as f64;
    (chosen, share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mine::itemsets::ItemsetSettings;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn estimates_are_near_what_there_is() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..9 {
            let n_items = 20 + round;
            let share = 0.3 + 0.03 * f64::from(round);
            let baskets: Vec<Vec<u32>> = (0..300)
                .map(|_| {
                    let of_kind = rng.random_bool(0.4);
                    let share = if of_kind { share + 0.25 } else { share };
                    (0..n_items).filter(|_| rng.random_bool(share)).collect()
                })
                .collect();
            let names = (0..n_items).map(|k| k.to_string()).collect();
            let transactions = Transactions::from_codes(names, baskets.into_iter());
            for max_items in [3, usize::MAX] {
                let settings = ItemsetSettings {
                    max_items,
                    ..ItemsetSettings::frequent(20)
                };
                let found = settings.mine(&transactions, &|_, _| true).unwrap().len() as f64;
                let near = estimate_frequent(&transactions, 20, max_items, 1).unwrap();
                assert!(
                    near / found > 0.5 && near / found < 2.0,
                    "{round}: {near} {found}"
                );
            }
        }
    }

    #[test]
    fn what_takes_too_long_has_no_estimate() {
        let baskets = (0..20_000).map(|_| (0..2_000u32).step_by(7).collect());
        let names = (0..2_000).map(|k| k.to_string()).collect();
        let wide = Transactions::from_codes(names, baskets);
        assert!(estimate_frequent(&wide, 1, 3, 1).is_some());
        let baskets = (0..2_200_000).map(|k: u32| vec![k % 1_000]);
        let names = (0..1_000).map(|k| k.to_string()).collect();
        let long = Transactions::from_codes(names, baskets);
        assert!(estimate_frequent(&long, 1, 3, 1).is_none());
    }
}
