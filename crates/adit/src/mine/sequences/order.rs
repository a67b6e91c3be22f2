//! Whether the order of a pattern says more than its events: each of its elements is put at random among the others.
//!
//! For an element of the pattern, the elements of a sequence that hold it are dealt out anew to all places, while the
//! others keep their order. How probable it is that the sequence then holds the pattern is exact without limits, as
//! the share of places or step by step, and within limits by all ways to place them, or by 256 drawn ones where there
//! are more. The number of sequences that hold the pattern is compared with these chances, and the largest p-value
//! over the elements of the pattern counts: each has to say something by its place.

use adit_nn::random::mix;
use rayon::prelude::*;

use super::chance::tail;
use super::places::{Limits, contains, holds};
use crate::represent::sequences::Sequences;

/// Ways to place elements that are all looked at, and that are drawn where there are more.
const WAYS: u64 = 256;

/// In which sequences each item is.
pub(super) struct Index {
    of_item: Vec<Vec<u32>>,
}

impl Index {
    pub fn new(sequences: &Sequences) -> Index {
        let mut of_item: Vec<Vec<u32>> = vec![Vec::new(); sequences.n_items()];
        for at in 0..sequences.len() {
            for element in 0..sequences.n_elements(at) {
                for &item in sequences.element(at, element) {
                    let places = &mut of_item[item as usize];
                    if places.last() != Some(&(at as u32)) {
                        places.push(at as u32);
                    }
                }
            }
        }
        Index { of_item }
    }

    /// Sequences that hold all items of a pattern, in whatever order.
    pub fn with_items(&self, elements: &[Vec<u32>]) -> Vec<u32> {
        let mut items: Vec<u32> = elements.concat();
        items.sort_unstable();
        items.dedup();
        items.sort_by_key(|&item| self.of_item[item as usize].len());
        let Some((first, rest)) = items.split_first() else {
            return Vec::new();
        };
        let mut own = self.of_item[*first as usize].clone();
        for item in rest {
            keep_shared(&mut own, &self.of_item[*item as usize]);
        }
        own
    }
}

/// Keeps what another ascending list holds as well; both are walked once, the longer by leaps.
fn keep_shared(own: &mut Vec<u32>, other: &[u32]) {
    let mut rest = other;
    own.retain(|&at| {
        let mut leap = 1;
        while leap < rest.len() && rest[leap] < at {
            leap *= 2;
        }
        let near = &rest[..rest.len().min(leap + 1)];
        rest = &rest[near.partition_point(|&next| next < at)..];
        rest.first() == Some(&at)
    });
}

/// Sequences and where their items are.
pub(super) struct Searched<'a> {
    pub sequences: &'a Sequences,
    pub index: Index,
    pub limits: Limits,
    pub seed: u64,
    is_of_single_items: bool,
}

/// How many sequences hold the beginnings of patterns.
pub struct PrefixCounts<'a>(Searched<'a>);

impl<'a> PrefixCounts<'a> {
    /// For patterns of these sequences.
    pub fn new(sequences: &'a Sequences, limits: Limits) -> PrefixCounts<'a> {
        PrefixCounts(Searched::new(sequences, limits, 0))
    }

    /// Sequences that hold the first element, the first two, and so on. `[n_elements]`
    pub fn of(&self, pattern: &[Vec<u32>]) -> Vec<u64> {
        let count = |n: usize| self.0.holding(&pattern[..n]).len() as u64;
        (1..=pattern.len()).map(count).collect()
    }
}

/// The sequences that hold each of some patterns, in order. `[n_patterns]`
pub fn holding(sequences: &Sequences, patterns: &[Vec<Vec<u32>>], limits: Limits) -> Vec<Vec<u32>> {
    let searched = Searched::new(sequences, limits, 0);
    patterns.par_iter().map(|p| searched.holding(p)).collect()
}

/// A pattern against random order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ordered {
    /// Sequences that hold it.
    pub count: u64,
    /// Sequences that could hold it wherever its last element is.
    pub at_risk: u64,
    /// Sequences of these that would hold it if the place of its last element were random.
    pub expected: f64,
    /// The largest over its elements.
    pub p_value: f64,
}

impl<'a> Searched<'a> {
    pub fn new(sequences: &'a Sequences, limits: Limits, seed: u64) -> Searched<'a> {
        Searched {
            sequences,
            index: Index::new(sequences),
            limits,
            seed,
            is_of_single_items: sequences.is_of_single_items(),
        }
    }

    /// Which elements of the pattern each element of a sequence holds, as bits.
    fn masks(&self, sequence: u32, pattern: &[Vec<u32>], masks: &mut Vec<u32>) {
        let sequence = sequence as usize;
        masks.clear();
        if self.is_of_single_items {
            let of_item = |item: &u32| {
                (pattern.iter().enumerate()).fold(0u32, |mask, (k, items)| {
                    mask | u32::from(items[..] == [*item]) << k
                })
            };
            masks.extend(self.sequences.items(sequence).iter().map(of_item));
            return;
        }
        masks.extend((0..self.sequences.n_elements(sequence)).map(|at| {
            let element = self.sequences.element(sequence, at);
            (pattern.iter().enumerate())
                .filter(|(_, items)| contains(element, items))
                .fold(0u32, |mask, (k, _)| mask | 1 << k)
        }));
    }

    /// Sequences that hold a pattern.
    pub fn holding(&self, pattern: &[Vec<u32>]) -> Vec<u32> {
        let (mut masks, mut begins) = (Vec::new(), Vec::new());
        let mut own = self.index.with_items(pattern);
        own.retain(|&at| {
            self.masks(at, pattern, &mut masks);
            holds(
                masks.iter().copied(),
                pattern.len(),
                &self.limits,
                &mut begins,
            )
        });
        own
    }

    /// The test of a pattern of two elements or more.
    pub fn test(&self, pattern: &[Vec<u32>]) -> Ordered {
        let n = pattern.len();
        let mut chances: Vec<Vec<f64>> = vec![Vec::new(); n];
        let mut work = Work::default();
        let mut count = 0;
        let mut masks = Vec::new();
        for at in self.index.with_items(pattern) {
            self.masks(at, pattern, &mut masks);
            let all = masks.iter().fold(0, |all, mask| all | mask);
            if all + 1 != 1 << n || masks.len() < n {
                continue;
            }
            count += u64::from(holds(
                masks.iter().copied(),
                n,
                &self.limits,
                &mut work.begins,
            ));
            for (k, chances) in chances.iter_mut().enumerate() {
                let is_double = pattern[..k].contains(&pattern[k]);
                if is_double && k + 1 < n {
                    continue;
                }
                let seed = mix(self.seed, u64::from(at) << 6 | k as u64);
                let chance = work.chance(&masks, n, k, &self.limits, seed);
                if chance > 0.0 {
                    chances.push(chance);
                }
            }
        }
        let tested = (0..n).filter(|&k| !pattern[..k].contains(&pattern[k]));
        let mut p_value: f64 = 0.0;
        for k in tested {
            p_value = p_value.max(tail(&chances[k], count as usize));
            if p_value >= 1.0 {
                break;
            }
        }
        let last = &chances[n - 1];
        Ordered {
            count,
            at_risk: last.len() as u64,
            expected: last.iter().sum(),
            p_value,
        }
    }
}

/// Memory to work with.
#[derive(Default)]
struct Work {
    begins: Vec<(i64, i64)>,
    others: Vec<u32>,
    marked: Vec<u32>,
    arranged: Vec<u32>,
    states: Vec<f64>,
    next: Vec<f64>,
}

impl Work {
    /// How probable it is that the pattern holds where elements that hold its `k`-th are placed at random.
    fn chance(&mut self, masks: &[u32], n: usize, k: usize, limits: &Limits, seed: u64) -> f64 {
        self.others.clear();
        self.marked.clear();
        for &mask in masks {
            if mask >> k & 1 == 1 {
                self.marked.push(mask);
            } else {
                self.others.push(mask);
            }
        }
        let are_alike = self.marked.iter().all(|mask| *mask == self.marked[0]);
        if !limits.are_none() || !are_alike {
            self.by_ways(n, limits, seed)
        } else if self.marked[0] == 1 << k {
            self.by_share(n, k)
        } else {
            self.by_steps(n)
        }
    }

    /// The share of the places between the others at which one of the marked completes the pattern.
    fn by_share(&self, n: usize, k: usize) -> f64 {
        let n_others = self.others.len();
        // The first place after which everything before is there, and the last before which everything after still comes.
        let (mut done, mut first) = (0, 0);
        while done < k {
            if first == n_others {
                return 0.0;
            }
            done += usize::from(self.others[first] >> done & 1 == 1);
            first += 1;
        }
        let (mut left, mut last) = (n, n_others);
        while left > k + 1 {
            if last == 0 {
                return 0.0;
            }
            last -= 1;
            left -= usize::from(self.others[last] >> (left - 1) & 1 == 1);
        }
        if last < first {
            return 0.0;
        }
        let (all, good) = (n_others as f64, (last - first + 1) as f64);
        let none: f64 = (1..=self.marked.len())
            .map(|i| (all - good + i as f64) / (all + i as f64))
            .product();
        1.0 - none
    }

    /// Where the marked match several elements of the pattern: from the first place to the last, over how many of the
    /// marked are placed and how much of the pattern is there.
    fn by_steps(&mut self, n: usize) -> f64 {
        let (n_others, n_marked) = (self.others.len(), self.marked.len());
        let width = n + 1;
        let marked = self.marked[0];
        let step = |done: usize, mask: u32| done + usize::from(done < n && mask >> done & 1 == 1);
        self.states.clear();
        self.states.resize((n_marked + 1) * width, 0.0);
        self.states[0] = 1.0;
        for t in 0..=n_others {
            self.next.clear();
            self.next.resize((n_marked + 1) * width, 0.0);
            for u in 0..=n_marked {
                let left = (n_others - t + n_marked - u) as f64;
                if left == 0.0 {
                    break;
                }
                let is_marked = (n_marked - u) as f64 / left;
                for done in 0..width {
                    let p = self.states[u * width + done];
                    if p == 0.0 {
                        continue;
                    }
                    if u < n_marked {
                        self.states[(u + 1) * width + step(done, marked)] += p * is_marked;
                    }
                    if t < n_others {
                        self.next[u * width + step(done, self.others[t])] += p * (1.0 - is_marked);
                    }
                }
            }
            if t < n_others {
                std::mem::swap(&mut self.states, &mut self.next);
            }
        }
        self.states[n_marked * width + n].min(1.0)
    }

    /// All ways to place the marked, or drawn ones; the marked keep their own order.
    fn by_ways(&mut self, n: usize, limits: &Limits, seed: u64) -> f64 {
        let (n_all, n_marked) = (self.others.len() + self.marked.len(), self.marked.len());
        match ways(n_all as u64, n_marked as u64) {
            Some(n_ways) => {
                let mut places: Vec<usize> = (0..n_marked).collect();
                let mut hits = 0u64;
                loop {
                    hits += u64::from(self.holds_at(&places, n, limits));
                    // The next combination in order.
                    let movable = (0..n_marked).rev();
                    let Some(k) = movable
                        .into_iter()
                        .find(|&k| places[k] < n_all - n_marked + k)
                    else {
                        break;
                    };
                    places[k] += 1;
                    for later in k + 1..n_marked {
                        places[later] = places[later - 1] + 1;
                    }
                }
                hits as f64 / n_ways as f64
            }
            None => {
                let mut places = Vec::with_capacity(n_marked);
                let mut hits = 0u64;
                for way in 0..WAYS {
                    places.clear();
                    let seed = mix(seed, way);
                    for place in 0..n_all {
                        let wanted = (n_marked - places.len()) as u64;
                        let drawn = mix(seed, place as u64) % (n_all - place) as u64;
                        if drawn < wanted {
                            places.push(place);
                        }
                    }
                    hits += u64::from(self.holds_at(&places, n, limits));
                }
                // The real order is one more drawing, so that drawing few of them is never in favour of a pattern.
                if hits == 0 {
                    1.0 / (WAYS + 1) as f64
                } else {
                    (hits + 1) as f64 / (WAYS + 1) as f64
                }
            }
        }
    }

    fn holds_at(&mut self, places: &[usize], n: usize, limits: &Limits) -> bool {
        self.arranged.clear();
        let (mut others, mut marked) = (self.others.iter(), self.marked.iter());
        let mut places = places.iter().peekable();
        for at in 0..self.others.len() + self.marked.len() {
            let from = if places.next_if_eq(&&at).is_some() {
                &mut marked
            } else {
                &mut others
            };
            self.arranged.extend(from.next());
        }
        holds(self.arranged.iter().copied(), n, limits, &mut self.begins)
    }
}

/// The number of ways to choose `k` of `n`, where it is at most [`WAYS`].
fn ways(n: u64, k: u64) -> Option<u64> {
    let k = k.min(n - k);
    let mut ways = 1u64;
    for i in 0..k {
        ways = ways * (n - i) / (i + 1);
        if ways > WAYS {
            return None;
        }
    }
    Some(ways)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The share of all ways to place the marked elements at which the pattern holds, told apart from one another.
    fn every_way(masks: &[u32], n: usize, k: usize, limits: &Limits) -> f64 {
        let marked: Vec<u32> = masks.iter().copied().filter(|m| m >> k & 1 == 1).collect();
        let others: Vec<u32> = masks.iter().copied().filter(|m| m >> k & 1 == 0).collect();
        let (mut hits, mut all) = (0u32, 0u32);
        for chosen in 0..1u32 << masks.len() {
            if chosen.count_ones() as usize != marked.len() {
                continue;
            }
            let (mut marked, mut others) = (marked.iter(), others.iter());
            let arranged: Vec<u32> = (0..masks.len())
                .map(|at| {
                    let from = if chosen >> at & 1 == 1 {
                        &mut marked
                    } else {
                        &mut others
                    };
                    *from.next().unwrap()
                })
                .collect();
            all += 1;
            hits += u32::from(found_by_trying(&arranged, n, limits, 0, None, None));
        }
        f64::from(hits) / f64::from(all)
    }

    fn found_by_trying(
        masks: &[u32],
        n: usize,
        limits: &Limits,
        k: usize,
        first: Option<usize>,
        last: Option<usize>,
    ) -> bool {
        if k == n {
            return true;
        }
        (last.map_or(0, |last| last + 1)..masks.len()).any(|at| {
            masks[at] >> k & 1 == 1
                && last.is_none_or(|last| limits.gap.is_none_or(|gap| at - last <= gap))
                && first.is_none_or(|first| limits.window.is_none_or(|w| at - first <= w))
                && found_by_trying(masks, n, limits, k + 1, first.or(Some(at)), Some(at))
        })
    }

    #[test]
    fn chances_are_shares_of_all_ways_to_place_an_element() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut work = Work::default();
        for round in 0..2000 {
            let n = rng.random_range(1..4);
            let limits = Limits {
                gap: (round % 3 == 0).then(|| rng.random_range(1..4)),
                window: (round % 4 == 0).then(|| rng.random_range(1..5)),
            };
            // Now elements that match one of the pattern, now some that match several alike, now any.
            let kinds: Vec<u32> = match round % 3 {
                0 => (0..1 << n).collect(),
                1 => vec![0, 1, 2, 4]
                    .into_iter()
                    .filter(|m| *m < 1 << n)
                    .collect(),
                _ => vec![0, 5 & ((1 << n) - 1), 2 & ((1 << n) - 1)],
            };
            let masks: Vec<u32> = (0..rng.random_range(1..9))
                .map(|_| kinds[rng.random_range(0..kinds.len())])
                .collect();
            let k = rng.random_range(0..n);
            let mut begins = Vec::new();
            let tried = found_by_trying(&masks, n, &limits, 0, None, None);
            let held = holds(masks.iter().copied(), n, &limits, &mut begins);
            assert_eq!(held, tried, "{masks:?} {limits:?}");
            if masks.iter().all(|mask| mask >> k & 1 == 0) {
                continue;
            }
            let found = work.chance(&masks, n, k, &limits, 1);
            let expected = every_way(&masks, n, k, &limits);
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} {expected} {masks:?} {n} {k} {limits:?}"
            );
        }
    }

    #[test]
    fn drawn_ways_are_near_the_share_of_all() {
        let mut work = Work::default();
        // Sixteen elements, six of them marked: 8,008 ways.
        let masks = [1, 0, 2, 0, 1, 0, 0, 1, 2, 1, 0, 1, 0, 0, 1, 0];
        let limits = Limits {
            gap: Some(1),
            window: None,
        };
        let exact = every_way(&masks, 2, 0, &limits);
        let mean: f64 = (0..200)
            .map(|seed| work.chance(&masks, 2, 0, &limits, seed))
            .sum::<f64>()
            / 200.0;
        assert!((mean - exact).abs() < 0.01, "{mean} {exact}");
    }
}
