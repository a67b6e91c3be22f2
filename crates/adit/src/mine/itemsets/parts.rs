//! Baskets that are too many to be held at once: searched part by part, then counted part by part (Savasere, Omiecinski and
//! Navathe 1995, "An efficient algorithm for mining association rules in large databases").
//!
//! A set that is frequent in all baskets is frequent in one of the parts at least.

use std::collections::HashMap;
use std::ops::Range;

use adit_nn::kernels::bits;
use rayon::prelude::*;

use super::found::Itemsets;
use super::{ItemsetSettings, Kind};
use crate::mine::MineError;
use crate::mine::bar::{Shortage, least_count};
use crate::represent::transactions::Transactions;

/// Sets that are frequent in a part, with their counts over the parts that were counted.
pub struct PartSearch {
    settings: ItemsetSettings,
    /// Share of the baskets that hold a set, at least; it rises where memory is too little.
    share: f64,
    asked: f64,
    /// The largest share whose sets were let go of, all of them.
    above: Option<f64>,
    /// Sorted, each once.
    sets: Vec<Vec<u32>>,
    /// The largest share of a part that holds each.
    shares: Vec<f64>,
    counts: Vec<u64>,
}

/// Bytes of a set besides its items: its share, its count, and what it takes to hold it.
const BYTES_OF_SET: u64 = 56;
/// Bytes of an item.
const BYTES_OF_ITEM: u64 = 4;

impl PartSearch {
    /// A search for sets that a share of all baskets hold. The settings' least count and `top` play no part.
    pub fn new(settings: ItemsetSettings, share: f64) -> PartSearch {
        PartSearch {
            settings,
            share,
            asked: share,
            above: None,
            sets: Vec::new(),
            shares: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// Searches a part.
    ///
    /// # Errors
    /// As [`ItemsetSettings::mine`].
    pub fn search(
        &mut self,
        part: &Transactions,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<(), MineError> {
        if part.is_empty() {
            return Ok(());
        }
        let of_all = ItemsetSettings {
            kind: Kind::Frequent,
            min_count: self.min_count(part.len()),
            // Whether a set is closed is told by those with one item more.
            max_items: self.longest(),
            top: None,
            ..self.settings
        };
        let found = of_all.mine(part, goes_on)?;
        if let Some(shortage) = found.shortage() {
            self.share = self.share.max(f64::from(shortage.fits) / part.len() as f64);
        }
        self.merge(&found, part.len());
        self.fit();
        Ok(())
    }

    /// Adds what was found in a part of `n` baskets.
    fn merge(&mut self, found: &Itemsets, n: usize) {
        let old = std::mem::take(&mut self.sets).into_iter();
        let mut all: Vec<(Vec<u32>, f64)> = old.zip(std::mem::take(&mut self.shares)).collect();
        let share = |count: u32| f64::from(count) / n as f64;
        all.extend(
            found
                .iter()
                .map(|(items, count)| (items.to_vec(), share(count))),
        );
        all.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        // Of doubles the first has the largest share.
        all.dedup_by(|later, first| later.0 == first.0);
        (self.sets, self.shares) = all.into_iter().unzip();
    }

    /// Raises the share until the sets of all parts fit into memory. A set of this share of all baskets has it in one of
    /// the parts, so none that counts is lost.
    fn fit(&mut self) {
        let bytes = |set: &Vec<u32>| BYTES_OF_SET + BYTES_OF_ITEM * set.len() as u64;
        let all: u64 = self.sets.iter().map(bytes).sum();
        if all <= self.settings.memory {
            return;
        }
        let mut by_share: Vec<(f64, u64)> = self
            .shares
            .iter()
            .copied()
            .zip(self.sets.iter().map(bytes))
            .collect();
        by_share.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut sum = 0;
        let first_too_much = by_share.iter().position(|(_, bytes)| {
            sum += bytes;
            sum > self.settings.memory
        });
        if let Some(at) = first_too_much {
            // All sets above the share of the first that is too much; those of the same share go with it.
            self.above = Some(self.above.unwrap_or(0.0).max(by_share[at].0));
        }
        let (least, above) = (self.share, self.above);
        let stays = |share: &f64| *share >= least && above.is_none_or(|above| *share > above);
        let mut keeps = self.shares.iter().map(stays);
        self.sets.retain(|_| keeps.next().unwrap_or(false));
        self.shares.retain(stays);
    }

    fn longest(&self) -> usize {
        let more = usize::from(self.settings.kind != Kind::Frequent);
        self.settings.max_items.saturating_add(more)
    }

    /// The least count in `n` baskets of what is left.
    fn min_count(&self, n: usize) -> u32 {
        let above = self
            .above
            .map_or(0, |above| (above * n as f64 + 1e-9).floor() as u32 + 1);
        least_count(self.share, n).max(above)
    }

    /// Counts a part, after all were searched.
    pub fn count(&mut self, part: &Transactions) {
        self.counts.resize(self.sets.len(), 0);
        let n_items = self.sets.iter().filter(|set| set.len() == 1).count().max(1);
        // As many baskets at a time as have their bits in the memory that there is.
        let words = (self.settings.memory as usize / 8 / n_items).max(64);
        for start in (0..part.len()).step_by(words * 64) {
            let range = start..part.len().min(start + words * 64);
            self.count_slice(part, range);
        }
    }

    fn count_slice(&mut self, part: &Transactions, range: Range<usize>) {
        let columns = Columns::new(part, range, &self.sets);
        let ends = ends_of_firsts(&self.sets);
        let starts = [0].into_iter().chain(ends.iter().copied());
        let mut rest = &mut self.counts[..];
        let mut ranges = Vec::new();
        for (start, &end) in starts.zip(&ends) {
            let (own, later) = rest.split_at_mut(end - start);
            ranges.push((&self.sets[start..end], own));
            rest = later;
        }
        ranges
            .into_par_iter()
            .for_each(|(sets, counts)| columns.add(sets, counts));
    }

    /// The sets that so many baskets as asked for hold, of `n` in all parts.
    pub fn finish(self, n: usize) -> Itemsets {
        let min_count = u64::from(self.min_count(n));
        let mut keeps: Vec<bool> = self
            .counts
            .iter()
            .map(|&count| count >= min_count)
            .collect();
        if self.settings.kind != Kind::Frequent {
            self.drop_inner(&mut keeps);
        }
        let sets = self.sets.iter().zip(&self.counts).zip(keeps);
        let kept = sets.filter(|(_, keep)| *keep).map(|(set, _)| set);
        let own = kept.filter(|(items, _)| items.len() <= self.settings.max_items);
        let asked = least_count(self.asked, n);
        let shortage = (min_count > u64::from(asked)).then_some(Shortage {
            asked,
            fits: min_count as u32,
        });
        Itemsets::of(
            own.map(|(items, &count)| (items.as_slice(), count as u32)),
            n,
            shortage,
        )
    }

    /// Lets go of sets that a frequent one with an item more contains, of the same count where closed ones are wanted.
    fn drop_inner(&self, keeps: &mut [bool]) {
        let place_of: HashMap<&[u32], usize> = (self.sets.iter().enumerate())
            .filter(|(at, _)| keeps[*at])
            .map(|(at, set)| (set.as_slice(), at))
            .collect();
        let mut part = Vec::new();
        let mut gone = Vec::new();
        for (&set, &at) in &place_of {
            for k in 0..set.len() {
                part.clear();
                part.extend_from_slice(&set[..k]);
                part.extend_from_slice(&set[k + 1..]);
                if let Some(&inner) = place_of.get(part.as_slice())
                    && (self.settings.kind == Kind::Maximal
                        || self.counts[inner] == self.counts[at])
                {
                    gone.push(inner);
                }
            }
        }
        gone.into_iter().for_each(|at| keeps[at] = false);
    }
}

/// Where the sets of each first item end.
fn ends_of_firsts(sets: &[Vec<u32>]) -> Vec<usize> {
    let mut ends: Vec<usize> = (1..sets.len())
        .filter(|&at| sets[at].first() != sets[at - 1].first())
        .collect();
    if !sets.is_empty() {
        ends.push(sets.len());
    }
    ends
}

/// Baskets of the items of some sets, as bits.
struct Columns {
    n_words: usize,
    of_item: HashMap<u32, Vec<u64>>,
}

impl Columns {
    fn new(part: &Transactions, range: Range<usize>, sets: &[Vec<u32>]) -> Columns {
        let n_words = range.len().div_ceil(64);
        // Every item of a frequent set is a frequent set.
        let single = sets.iter().filter(|set| set.len() == 1);
        let mut of_item: HashMap<u32, Vec<u64>> =
            single.map(|set| (set[0], vec![0; n_words])).collect();
        for (at, place) in range.enumerate() {
            for item in part.basket(place) {
                if let Some(words) = of_item.get_mut(item) {
                    words[at / 64] |= 1 << (at % 64);
                }
            }
        }
        Columns { n_words, of_item }
    }

    /// Adds the counts of sorted sets, whose beginnings are among them.
    fn add(&self, sets: &[Vec<u32>], counts: &mut [u64]) {
        let none = vec![0u64; self.n_words];
        let column = |item: u32| self.of_item.get(&item).unwrap_or(&none);
        // The baskets of each beginning of the set at hand.
        let mut covers: Vec<(u32, Vec<u64>)> = Vec::new();
        for (set, count) in sets.iter().zip(counts) {
            let Some((&last, beginning)) = set.split_last() else {
                continue;
            };
            let shared = covers
                .iter()
                .zip(beginning)
                .take_while(|(c, item)| c.0 == **item);
            let n_shared = shared.count();
            covers.truncate(n_shared);
            for &item in &beginning[n_shared..] {
                let mut cover = column(item).clone();
                if let Some((_, before)) = covers.last() {
                    cover.iter_mut().zip(before).for_each(|(a, b)| *a &= b);
                }
                covers.push((item, cover));
            }
            let own = column(last);
            *count += match covers.last() {
                Some((_, cover)) => bits::count_shared(cover, own),
                None => bits::count_shared(own, own),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn in_order(found: &Itemsets) -> Vec<(Vec<u32>, u32)> {
        let mut sets: Vec<(Vec<u32>, u32)> = found
            .iter()
            .map(|(items, count)| (items.to_vec(), count))
            .collect();
        sets.sort();
        sets
    }

    #[test]
    fn parts_find_what_the_whole_finds() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..2_000 {
            let n_items = rng.random_range(1..9u32);
            let n = rng.random_range(1..60);
            let baskets: Vec<Vec<u32>> = (0..n)
                .map(|at| {
                    // Parts differ, so that a set can be frequent in one only.
                    let share = if at % 20 < 10 { 0.3 } else { 0.6 };
                    (0..n_items).filter(|_| rng.random_bool(share)).collect()
                })
                .collect();
            let names: Vec<String> = (0..n_items).map(|k| k.to_string()).collect();
            let of = |baskets: &[Vec<u32>]| {
                Transactions::from_codes(names.clone(), baskets.iter().cloned())
            };
            let share = [0.07, 0.2, 0.5][round % 3];
            let settings = ItemsetSettings {
                kind: [Kind::Frequent, Kind::Closed, Kind::Maximal][round / 3 % 3],
                max_items: if round % 7 == 0 { 2 } else { usize::MAX },
                ..ItemsetSettings::frequent(least_count(share, n))
            };
            let whole = settings.mine(&of(&baskets), &|_, _| true).unwrap();
            let mut search = PartSearch::new(settings, share);
            let parts: Vec<Transactions> = baskets.chunks(13).map(of).collect();
            for part in &parts {
                search.search(part, &|_, _| true).unwrap();
            }
            for part in &parts {
                search.count(part);
            }
            let found = search.finish(n);
            assert_eq!(in_order(&found), in_order(&whole), "{round}");
            assert!(found.shortage().is_none());
        }
    }

    #[test]
    fn what_was_let_go_of_is_not_said_to_be_there() {
        // The same part twice: what does not fit has the same share in both, and in all.
        let rng = &mut ChaCha8Rng::seed_from_u64(31);
        let part: Vec<Vec<u32>> = (0..200)
            .map(|_| (0..12u32).filter(|_| rng.random_bool(0.6)).collect())
            .collect();
        let names: Vec<String> = (0..12).map(|k| k.to_string()).collect();
        let of = |times: usize| {
            let baskets = std::iter::repeat_n(part.clone(), times).flatten();
            Transactions::from_codes(names.clone(), baskets)
        };
        let settings = ItemsetSettings {
            memory: 20_000,
            ..ItemsetSettings::frequent(1)
        };
        let mut search = PartSearch::new(settings, 0.05);
        (0..2).for_each(|_| search.search(&of(1), &|_, _| true).unwrap());
        (0..2).for_each(|_| search.count(&of(1)));
        let found = search.finish(400);
        let fits = found.shortage().expect("too little memory").fits;
        let whole = ItemsetSettings::frequent(fits)
            .mine(&of(2), &|_, _| true)
            .unwrap();
        assert!(found.len() > 20);
        let sorted = |of: &Itemsets| {
            let mut sets: Vec<(Vec<u32>, u32)> = of.iter().map(|(i, n)| (i.to_vec(), n)).collect();
            sets.sort();
            sets
        };
        assert_eq!(sorted(&found), sorted(&whole));
    }

    #[test]
    fn too_little_memory_raises_the_share_for_all_parts() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let baskets: Vec<Vec<u32>> = (0..400)
            .map(|_| (0..18).filter(|_| rng.random_bool(0.7)).collect())
            .collect();
        let names: Vec<String> = (0..18).map(|k| k.to_string()).collect();
        let of = |b: &[Vec<u32>]| Transactions::from_codes(names.clone(), b.iter().cloned());
        let settings = ItemsetSettings {
            memory: 100_000,
            ..ItemsetSettings::frequent(1)
        };
        let mut search = PartSearch::new(settings, 0.02);
        let parts: Vec<Transactions> = baskets.chunks(150).map(of).collect();
        for part in &parts {
            search.search(part, &|_, _| true).unwrap();
        }
        for part in &parts {
            search.count(part);
        }
        let found = search.finish(400);
        let shortage = found.shortage().unwrap();
        assert_eq!(shortage.asked, 8);
        assert!(found.len() * 60 < 100_000, "all parts together fit");
        let all = ItemsetSettings::frequent(shortage.fits);
        let whole = all.mine(&of(&baskets), &|_, _| true).unwrap();
        assert_eq!(in_order(&found), in_order(&whole));
    }
}
