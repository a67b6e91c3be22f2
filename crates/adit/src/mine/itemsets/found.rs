//! What is found, kept within a budget.

use super::ItemsetSettings;
use crate::mine::bar::{Bar, Shortage};

/// Sets between two looks at the budget.
const AT_ONCE: usize = 4096;
/// Bytes of a set besides its items: its count and where it ends.
const BYTES_OF_SET: u64 = 12;
/// Bytes of an item.
const BYTES_OF_ITEM: u64 = 4;

/// Sets of items with their counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Itemsets {
    /// Codes of all sets, one set after another, each sorted.
    items: Vec<u32>,
    /// Where each set ends in `items`.
    ends: Vec<usize>,
    /// Baskets that hold each set.
    counts: Vec<u32>,
    n_baskets: usize,
    shortage: Option<Shortage>,
}

impl Itemsets {
    /// Number of sets.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// True where no set was found.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The sorted codes of a set.
    pub fn items(&self, at: usize) -> &[u32] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.items[start..self.ends[at]]
    }

    /// Baskets that hold a set.
    pub fn count(&self, at: usize) -> u32 {
        self.counts[at]
    }

    /// All sets with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&[u32], u32)> {
        (0..self.len()).map(|at| (self.items(at), self.counts[at]))
    }

    /// Baskets that were searched.
    pub fn n_baskets(&self) -> usize {
        self.n_baskets
    }

    /// Where memory was too little.
    pub fn shortage(&self) -> Option<Shortage> {
        self.shortage
    }

    /// Number of sets by their number of items, from one item on.
    pub fn by_size(&self) -> Vec<u64> {
        let mut sizes = Vec::new();
        for (items, _) in self.iter() {
            if sizes.len() < items.len() {
                sizes.resize(items.len(), 0);
            }
            sizes[items.len() - 1] += 1;
        }
        sizes
    }

    /// Sets with their counts, in their order.
    pub(super) fn of<'a>(
        sets: impl Iterator<Item = (&'a [u32], u32)>,
        n_baskets: usize,
        shortage: Option<Shortage>,
    ) -> Itemsets {
        let mut all = Itemsets {
            items: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
            n_baskets,
            shortage,
        };
        for (items, count) in sets {
            all.items.extend_from_slice(items);
            all.ends.push(all.items.len());
            all.counts.push(count);
        }
        all
    }

    pub(super) fn gathered(
        parts: Vec<Kept>,
        settings: &ItemsetSettings,
        bar: &Bar,
        n_baskets: usize,
    ) -> Itemsets {
        let least = bar.settled();
        let (mut n_items, mut n_sets) = (0, 0);
        for part in parts.iter().filter(|part| part.is_clean(least)) {
            n_items += part.items.len();
            n_sets += part.counts.len();
        }
        let mut all = Itemsets {
            items: Vec::with_capacity(n_items),
            ends: Vec::with_capacity(n_sets),
            counts: Vec::with_capacity(n_sets),
            n_baskets,
            shortage: (settings.top.is_none() && least > settings.min_count).then_some(Shortage {
                asked: settings.min_count,
                fits: least,
            }),
        };
        for part in parts {
            let mut start = 0;
            for (&end, &count) in part.ends.iter().zip(&part.counts) {
                if count >= least {
                    all.items.extend_from_slice(&part.items[start..end]);
                    all.ends.push(all.items.len());
                    all.counts.push(count);
                }
                start = end;
            }
        }
        match settings.top {
            Some(top) => all.top(top),
            None => all,
        }
    }

    /// The most frequent sets, those first.
    fn top(&self, top: usize) -> Itemsets {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&at| {
            let items = self.items(at);
            (std::cmp::Reverse(self.counts[at]), items.len(), items)
        });
        order.truncate(top);
        let mut kept = Itemsets {
            items: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
            ..*self
        };
        for at in order {
            kept.items.extend_from_slice(self.items(at));
            kept.ends.push(kept.items.len());
            kept.counts.push(self.counts[at]);
        }
        kept
    }
}

/// Sets of one branch of the search.
pub(super) struct Kept {
    /// Ranks of all sets, one set after another; codes once they are named.
    items: Vec<u32>,
    ends: Vec<usize>,
    counts: Vec<u32>,
    /// Sets that the bar was not told of yet begin here.
    untold: usize,
    /// No set of a smaller count is among those that the bar was told of.
    least: u32,
}

impl Kept {
    pub fn new() -> Kept {
        Kept {
            items: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
            untold: 0,
            least: 0,
        }
    }

    /// Whether every set has so high a count.
    fn is_clean(&self, least: u32) -> bool {
        self.least >= least || self.counts.iter().all(|count| *count >= least)
    }

    /// Keeps a set of two parts.
    #[inline]
    pub fn push(&mut self, (one, other): (&[u32], &[u32]), count: u32, bar: &Bar) {
        self.items.extend_from_slice(one);
        self.items.extend_from_slice(other);
        self.ends.push(self.items.len());
        self.counts.push(count);
        if self.counts.len() - self.untold >= AT_ONCE {
            self.tell(bar);
        }
    }

    /// Keeps what another branch found.
    pub fn append(&mut self, other: Kept) {
        debug_assert_eq!(other.untold, other.counts.len());
        debug_assert_eq!(self.untold, self.counts.len());
        let shift = self.items.len();
        self.least = self.least.min(other.least);
        self.items.extend(other.items);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
        self.counts.extend(other.counts);
        self.untold = self.counts.len();
    }

    /// Puts codes in place of ranks, sorted within each set.
    pub fn name(&mut self, code: &[u32]) {
        let mut start = 0;
        for &end in &self.ends {
            let set = &mut self.items[start..end];
            set.iter_mut().for_each(|item| *item = code[*item as usize]);
            set.sort_unstable();
            start = end;
        }
    }

    /// Tells the bar of what is new, and lets go of what no longer counts.
    pub fn tell(&mut self, bar: &Bar) {
        let start_of = |at: usize| if at == 0 { 0 } else { self.ends[at - 1] };
        let new = (self.untold..self.counts.len()).map(|at| {
            let n_items = (self.ends[at] - start_of(at)) as u64;
            (self.counts[at], BYTES_OF_SET + BYTES_OF_ITEM * n_items)
        });
        bar.tell(new);
        self.untold = self.counts.len();
        // Others may have raised it since.
        let least = bar.least();
        if least > self.least {
            self.drop_below(least);
            self.least = least;
        }
    }

    fn drop_below(&mut self, least: u32) {
        let (mut start, mut n_sets, mut n_items) = (0, 0, 0);
        for at in 0..self.counts.len() {
            let end = self.ends[at];
            if self.counts[at] >= least {
                self.items.copy_within(start..end, n_items);
                n_items += end - start;
                (self.ends[n_sets], self.counts[n_sets]) = (n_items, self.counts[at]);
                n_sets += 1;
            }
            start = end;
        }
        self.items.truncate(n_items);
        self.ends.truncate(n_sets);
        self.counts.truncate(n_sets);
        self.untold = n_sets;
    }
}
