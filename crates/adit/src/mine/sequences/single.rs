//! The search where every element is one item and nothing limits gaps and windows: the first place of each item is
//! enough, rare items can be left out beforehand, and the places of all next items are found in one pass.

use super::kept::Kept;
use super::{Search, SequencePattern};
use crate::represent::sequences::Sequences;

/// Sequences without their rare items.
pub(super) struct Flat {
    /// Items of all sequences, one after another, by their places in `code_of`.
    items: Vec<u32>,
    /// Where each sequence ends in `items`.
    ends: Vec<u32>,
    /// Codes of the items, ascending.
    code_of: Vec<u32>,
}

/// Sequences that hold a pattern, each with the place after its first end.
type Places = Vec<(u32, u32)>;

impl Flat {
    /// The sequences with these items only; `None` where they are too many to be counted by 32 bits.
    pub fn new(sequences: &Sequences, frequent: &[(u32, u32)]) -> Option<Flat> {
        let mut rank_of = vec![u32::MAX; sequences.n_items()];
        for (rank, &(code, _)) in (0u32..).zip(frequent) {
            rank_of[code as usize] = rank;
        }
        let mut items = Vec::new();
        let mut ends = Vec::with_capacity(sequences.len());
        for sequence in 0..sequences.len() {
            let own = sequences.items(sequence).iter();
            items.extend(
                own.map(|&code| rank_of[code as usize])
                    .filter(|&rank| rank != u32::MAX),
            );
            ends.push(u32::try_from(items.len()).ok()?);
        }
        Some(Flat {
            items,
            ends,
            code_of: frequent.iter().map(|&(code, _)| code).collect(),
        })
    }

    /// All patterns that begin with an item.
    pub fn below(&self, search: &Search, first: u32) -> Kept {
        let mut kept = Kept::default();
        let mut work = Work {
            stamp: 0,
            seen: vec![0; self.code_of.len()],
            counts: vec![0; self.code_of.len()],
            bucket_of: vec![u32::MAX; self.code_of.len()],
        };
        let mut places = Places::new();
        let mut start = 0;
        for (sequence, &end) in (0u32..).zip(&self.ends) {
            let own = &self.items[start as usize..end as usize];
            if let Some(at) = own.iter().position(|&item| item == first) {
                places.push((sequence, start + at as u32 + 1));
            }
            start = end;
        }
        let mut pattern = SequencePattern {
            elements: vec![vec![self.code_of[first as usize]]],
            count: places.len() as u32,
            labelled: 0,
        };
        self.grow(search, &mut pattern, &places, &mut work, &mut kept);
        kept
    }

    fn grow(
        &self,
        search: &Search,
        pattern: &mut SequencePattern,
        places: &Places,
        work: &mut Work,
        kept: &mut Kept,
    ) {
        pattern.labelled = search.labels.map_or(0, |labels| {
            places.iter().filter(|p| labels[p.0 as usize]).count() as u32
        });
        kept.push(pattern.clone(), search.bar);
        if pattern.elements.len() >= search.max_items {
            return;
        }
        for (item, next) in self.next(places, search.bar.least(), work) {
            // The bar may have risen since the items were counted.
            if (next.len() as u32) < search.bar.least() {
                continue;
            }
            let outer = (pattern.count, pattern.labelled);
            pattern.count = next.len() as u32;
            pattern.elements.push(vec![self.code_of[item as usize]]);
            self.grow(search, pattern, &next, work, kept);
            pattern.elements.pop();
            (pattern.count, pattern.labelled) = outer;
        }
    }

    /// Items that come later in enough sequences, ascending, with the places after their first ones.
    fn next(&self, places: &Places, least: u32, work: &mut Work) -> Vec<(u32, Places)> {
        let mut touched = Vec::new();
        self.firsts(places, work, |work, item, _, _| {
            let count = &mut work.counts[item as usize];
            if *count == 0 {
                touched.push(item);
            }
            *count += 1;
        });
        touched.sort_unstable();
        let mut found: Vec<(u32, Places)> = Vec::new();
        for item in touched {
            let count = std::mem::take(&mut work.counts[item as usize]);
            if count >= least {
                work.bucket_of[item as usize] = found.len() as u32;
                found.push((item, Places::with_capacity(count as usize)));
            }
        }
        if !found.is_empty() {
            self.firsts(places, work, |work, item, sequence, after| {
                if let Some((_, next)) = found.get_mut(work.bucket_of[item as usize] as usize) {
                    next.push((sequence, after));
                }
            });
        }
        for (item, _) in &found {
            work.bucket_of[*item as usize] = u32::MAX;
        }
        found
    }

    /// Every item that is left in a sequence, once, with the place after its first one there.
    #[inline]
    fn firsts(
        &self,
        places: &Places,
        work: &mut Work,
        mut each: impl FnMut(&mut Work, u32, u32, u32),
    ) {
        for &(sequence, from) in places {
            work.next_stamp();
            for at in from..self.ends[sequence as usize] {
                let item = self.items[at as usize];
                let seen = &mut work.seen[item as usize];
                if *seen != work.stamp {
                    *seen = work.stamp;
                    each(work, item, sequence, at + 1);
                }
            }
        }
    }
}

/// Memory to work with, an entry an item.
struct Work {
    /// What `seen` holds of items that were met in the sequence at hand.
    stamp: u32,
    seen: Vec<u32>,
    counts: Vec<u32>,
    bucket_of: Vec<u32>,
}

impl Work {
    fn next_stamp(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.seen.fill(0);
            self.stamp = 1;
        }
    }
}
