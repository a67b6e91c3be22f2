//! How many frequent sequences there are, by probes down the tree of all sequences (Knuth 1975, "Estimating the efficiency
//! of backtrack programs").

use adit_nn::random::mix;
use rayon::prelude::*;

use super::{Budget, Counter, MOST_ITEMS, Projection, Search, SequenceSettings};
use crate::mine::bar::Bar;
use crate::represent::sequences::Sequences;

/// Estimates, of which the one in the middle is told: one probe into an unlikely branch weighs much.
const PARTS: usize = 7;
/// Probes of an estimate, at most, and at least; where so few take too long, there is no estimate.
const PROBES: std::ops::RangeInclusive<usize> = 40..=4_000;
/// Events that all probes look at, at most: seconds.
const MOST_WORK: usize = 4_000_000_000;
/// Times that a probe looks at all events, about.
const LOOKS: usize = 4;

impl SequenceSettings {
    /// About how many frequent sequences there are; `None` where finding out takes too long. It is right on average, and
    /// seldom wrong by a factor of two.
    pub fn estimate(&self, sequences: &Sequences, seed: u64) -> Option<f64> {
        let bar = Bar::new(self.min_count, Budget::Bytes(u64::MAX), sequences.len());
        let search = Search {
            sequences,
            labels: None,
            max_items: self.max_items.min(MOST_ITEMS),
            limits: self.limits,
            bar: &bar,
            first_only: self.limits.are_none() && sequences.is_of_single_items(),
        };
        let events: usize = (0..sequences.len())
            .map(|at| sequences.items(at).len())
            .sum();
        let n_probes = MOST_WORK / (PARTS * LOOKS * events.max(1));
        if n_probes < *PROBES.start() {
            return None;
        }
        let n_probes = n_probes.min(*PROBES.end());
        let firsts: Vec<Child> = search
            .firsts()
            .into_iter()
            .map(|(item, count)| Child {
                within: false,
                item,
                count,
            })
            .collect();
        let probes: Vec<f64> = (0..PARTS * n_probes)
            .into_par_iter()
            .map_init(
                || Counter::new(sequences.n_items()),
                |counter, k| search.probe(&firsts, counter, mix(seed, k as u64)),
            )
            .collect();
        let means = probes
            .chunks(n_probes)
            .map(|part| part.iter().sum::<f64>() / n_probes as f64);
        let mut means: Vec<f64> = means.collect();
        means.sort_by(f64::total_cmp);
        Some(means[PARTS / 2])
    }
}

/// A way in which a sequence can grow.
#[derive(Clone, Copy)]
struct Child {
    /// Into its last element, or by a new one.
    within: bool,
    item: u32,
    count: u32,
}

impl Search<'_> {
    /// Walks down at random and gives the number of sequences that there are if all branches are like the one walked.
    fn probe(&self, firsts: &[Child], counter: &mut Counter, mut state: u64) -> f64 {
        let (mut weight, mut sum) = (1.0, firsts.len() as f64);
        let mut children = firsts.to_vec();
        let mut places: Option<Projection> = None;
        for _ in 1..self.max_items {
            if children.is_empty() {
                break;
            }
            state = mix(state, 1);
            let (chosen, share) = drawn(&children, state);
            weight /= share;
            let Child { within, item, .. } = children[chosen];
            let grown = match &places {
                None => self.first_places(item),
                Some(places) if within => self.places_within(places, item),
                Some(places) => self.places_after(places, item),
            };
            let of = |within: bool| {
                move |(item, count): (u32, u32)| Child {
                    within,
                    item,
                    count,
                }
            };
            children.clear();
            children.extend(
                self.next_within(&grown, item, counter)
                    .into_iter()
                    .map(of(true)),
            );
            children.extend(self.next_after(&grown, counter).into_iter().map(of(false)));
            sum += weight * children.len() as f64;
            places = Some(grown);
        }
        sum
    }
}

/// One of the children and the chance with which it is drawn: more grows below what more sequences hold, so half of the
/// time it is drawn by the square of its count.
fn drawn(children: &[Child], state: u64) -> (usize, f64) {
    let n = children.len();
    let square = |child: &Child| f64::from(child.count).powi(2);
    let all: f64 = children.iter().map(square).sum();
    // 52 bits, below 1.
    let uniform = (mix(state, 2) >> 12) as f64 / (1u64 << 52) as f64;
    let chosen = if state >> 63 == 0 {
        (uniform * n as f64) as usize
    } else {
        let mut left = uniform * all;
        let is_reached = |child: &Child| {
            left -= square(child);
            left < 0.0
        };
        children.iter().position(is_reached).unwrap_or(n - 1)
    };
    let share = 0.5 / n as f64 + 0.5 * square(&children[chosen]) / all;
    (chosen, share)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::mine::sequences::Limits;

    #[test]
    fn estimates_are_near_what_there_is() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (round, single) in [(0, true), (1, false), (2, true), (3, false)] {
            let drawn: Vec<Vec<Vec<u32>>> = (0..150)
                .map(|_| {
                    let of_kind = rng.random_bool(0.4);
                    let length = rng.random_range(6..14);
                    let mut element = |at: u32| {
                        let n = if single { 1 } else { rng.random_range(1..4) };
                        let mut draw = || match of_kind && rng.random_bool(0.5) {
                            true => at % 6,
                            false => (rng.random::<f64>().powi(2) * 12.0) as u32,
                        };
                        (0..n).map(|_| draw()).collect()
                    };
                    (0..length).map(&mut element).collect()
                })
                .collect();
            let names = (0..12).map(|k| k.to_string()).collect();
            let sequences = Sequences::from_codes(names, drawn.into_iter());
            let limited = Limits {
                gap: Some(2),
                window: Some(6),
            };
            for limits in [Limits::default(), limited] {
                for max_items in [1, 3, usize::MAX] {
                    let settings = SequenceSettings {
                        max_items,
                        limits,
                        ..SequenceSettings::frequent(12)
                    };
                    let found = settings.mine(&sequences, None, &|_, _| true).unwrap();
                    let found = found.patterns.len() as f64;
                    let near = settings.estimate(&sequences, 1).unwrap();
                    assert!(
                        near / found > 0.6 && near / found < 1.6,
                        "{round} {limits:?} {max_items}: {near} {found}"
                    );
                    if max_items == 1 {
                        assert_eq!(near, found);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_frequent_is_told_and_what_takes_too_long_has_no_estimate() {
        let none = Sequences::from_codes(Vec::new(), std::iter::empty());
        assert_eq!(SequenceSettings::frequent(1).estimate(&none, 1), Some(0.0));
        let long = vec![vec![0u32]; 100_000];
        let long = Sequences::from_codes(vec!["a".into()], vec![long; 40].into_iter());
        assert_eq!(SequenceSettings::frequent(1).estimate(&long, 1), None);
    }
}
