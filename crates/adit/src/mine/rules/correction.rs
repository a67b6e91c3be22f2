//! What is left after paying for the whole space that was searched.

use super::fisher::Together;

/// Which p-values pass Holm's step-down procedure (1979) at a family-wise error rate of `level`.
pub fn holm(p_values: &[f64], level: f64) -> Vec<bool> {
    let order = ascending(p_values);
    let mut passes = vec![false; p_values.len()];
    for (place, &at) in order.iter().enumerate() {
        if p_values[at] > level / (p_values.len() - place) as f64 {
            break;
        }
        passes[at] = true;
    }
    passes
}

/// Which p-values pass the step-up procedure of Benjamini and Hochberg (1995) at a false discovery rate of `level`.
pub fn benjamini_hochberg(p_values: &[f64], level: f64) -> Vec<bool> {
    let order = ascending(p_values);
    let n = p_values.len() as f64;
    let is_below = |place: &usize| p_values[order[*place]] <= level * (place + 1) as f64 / n;
    let last = (0..order.len()).rev().find(is_below);
    let mut passes = vec![false; p_values.len()];
    if let Some(last) = last {
        order[..=last].iter().for_each(|&at| passes[at] = true);
    }
    passes
}

/// The level of a single test after Westfall and Young (1993): p-values at most this large are kept. `least`: the least
/// p-value of all tests, for every time that what there is was dealt out anew.
pub fn westfall_young(mut least: Vec<f64>, level: f64) -> f64 {
    least.sort_by(f64::total_cmp);
    // The p-values themselves are one more drawing; `at` of them may lie as low by chance.
    let at = (level * (least.len() + 1) as f64).floor() as usize;
    at.checked_sub(1).map_or(0.0, |at| least[at].next_down())
}

fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

/// What LAMP finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Testable {
    /// Sets of fewer baskets cannot be significant, whatever their labels.
    pub least_count: u32,
    /// Sets of at least that many, which are all that has to be paid for.
    pub n: u64,
    /// The level of a single test.
    pub level: f64,
}

impl Testable {
    /// Whether a set of so many baskets passes: one of fewer than was paid for does not, whatever its p-value.
    pub fn passes(&self, p_value: f64, count: u64) -> bool {
        p_value <= self.level && count >= u64::from(self.least_count)
    }
}

/// The correction of Terada, Okada-Hatakeyama, Tsuda and Sese (2013, "Statistical significance of combinatorial
/// regulations"): the least count at which the sets that could be significant are few enough to be paid for.
///
/// `counts`: of each set; `with_label` of `n` baskets have the label.
pub fn lamp(counts: &[u32], (n, with_label): (u64, u64), level: f64) -> Testable {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let at_least = |count: u32| (sorted.len() - sorted.partition_point(|&c| c < count)) as u64;
    let least_p = |count: u32| {
        // Beyond as many baskets as have the label, more of them would make it larger again.
        let one = u64::from(count).min(with_label);
        Together {
            n,
            one,
            other: with_label,
            both: one,
        }
        .least_p_value()
    };
    // The least p-value falls with the count while the number of sets does too.
    let mut least_count = 1;
    loop {
        let paid = at_least(least_count).max(1);
        if least_p(least_count) <= level / paid as f64 || u64::from(least_count) > with_label {
            return Testable {
                least_count,
                n: paid,
                level: level / paid as f64,
            };
        }
        least_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procedures_give_what_their_authors_say() {
        let p = [0.01, 0.04, 0.03, 0.005];
        assert_eq!(holm(&p, 0.05), [true, false, false, true]);
        assert_eq!(benjamini_hochberg(&p, 0.05), [true, true, true, true]);
        assert_eq!(benjamini_hochberg(&[0.2, 0.04], 0.05), [false, false]);
        assert!(holm(&[], 0.05).is_empty() && benjamini_hochberg(&[], 0.05).is_empty());
    }

    #[test]
    fn sets_that_were_not_paid_for_do_not_pass() {
        // Of 40 baskets 20 are labelled: eight of eight have .00164 at best, which a hundred and one cannot pay.
        let counts = [vec![8; 100], vec![9; 1]].concat();
        let found = lamp(&counts, (40, 20), 0.05);
        assert_eq!((found.least_count, found.n, found.level), (9, 1, 0.05));
        assert!(!found.passes(0.022, 8) && found.passes(0.022, 9));
        assert!(!found.passes(0.06, 9));
    }

    #[test]
    fn sets_that_cannot_be_significant_are_not_paid_for() {
        // 20 baskets, 8 labelled: a set of 3 has 8·7·6/(20·19·18) = .049 at best, one of 5 has .0036.
        let counts = [vec![1; 500], vec![3; 40], vec![5; 9], vec![6; 4]].concat();
        let found = lamp(&counts, (20, 8), 0.05);
        assert_eq!((found.least_count, found.n), (5, 13));
        assert_eq!(found.level, 0.05 / 13.0);
        assert_eq!(lamp(&[], (20, 8), 0.05).n, 1);
    }
}
