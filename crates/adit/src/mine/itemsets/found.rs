//! What is found, kept within a budget: where it is too small, the least count rises, to the same value whatever the
//! order in which sets were found.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::ItemsetSettings;
use super::ranked::Ranked;

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

/// Memory was too little for all sets of the least count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The least count that was asked for.
    pub asked: u32,
    /// The least count at which everything fits: all sets of this count were found.
    pub fits: u32,
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

    pub(super) fn gathered(
        parts: Vec<Kept>,
        settings: &ItemsetSettings,
        bar: &Bar,
        ranked: &Ranked,
        n_baskets: usize,
    ) -> Itemsets {
        let least = bar.least();
        let mut all = Itemsets {
            items: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
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
                    let first = all.items.len();
                    let codes = part.ranks[start..end].iter();
                    all.items
                        .extend(codes.map(|&rank| ranked.code[rank as usize]));
                    all.items[first..].sort_unstable();
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

/// The least count, which rises as sets are found.
pub(super) struct Bar {
    least: AtomicU32,
    budget: Budget,
    /// What was found so far, by count. `[n_baskets + 1]`
    found: Vec<AtomicU64>,
    /// The sum of it all; the bar can rise only once that is over the budget.
    sum: AtomicU64,
}

#[derive(Clone, Copy)]
enum Budget {
    /// So many sets are enough.
    Enough(u64),
    /// No more bytes than these.
    Bytes(u64),
}

impl Bar {
    pub fn new(settings: &ItemsetSettings, n_baskets: usize) -> Bar {
        Bar {
            least: AtomicU32::new(settings.min_count),
            budget: match settings.top {
                Some(top) => Budget::Enough(top as u64),
                None => Budget::Bytes(settings.memory),
            },
            found: (0..=n_baskets).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// The least count now.
    pub fn least(&self) -> u32 {
        self.least.load(Ordering::Relaxed)
    }

    fn weight(&self, n_items: usize) -> u64 {
        match self.budget {
            Budget::Enough(_) => 1,
            Budget::Bytes(_) => BYTES_OF_SET + BYTES_OF_ITEM * n_items as u64,
        }
    }

    /// Raises the least count as far as what was found demands. All sets of the final count are found whatever the
    /// order, so the last look sees the same numbers on every run.
    fn raise(&self) {
        let (Budget::Enough(budget) | Budget::Bytes(budget)) = self.budget;
        if self.sum.load(Ordering::Relaxed) < budget {
            return;
        }
        let mut sum = 0;
        let least = self.least() as usize;
        for count in (least..self.found.len()).rev() {
            sum += self.found[count].load(Ordering::Relaxed);
            let risen = match self.budget {
                Budget::Enough(enough) if sum >= enough => count,
                Budget::Bytes(bytes) if sum > bytes => count + 1,
                _ => continue,
            };
            self.least.fetch_max(risen as u32, Ordering::Relaxed);
            return;
        }
    }
}

/// Sets of one branch of the search.
pub(super) struct Kept {
    ranks: Vec<u32>,
    ends: Vec<usize>,
    counts: Vec<u32>,
    /// Sets that the bar was not told of yet begin here.
    untold: usize,
}

impl Kept {
    pub fn new() -> Kept {
        Kept {
            ranks: Vec::new(),
            ends: Vec::new(),
            counts: Vec::new(),
            untold: 0,
        }
    }

    /// Keeps a set of two parts.
    #[inline]
    pub fn push(&mut self, (one, other): (&[u32], &[u32]), count: u32, bar: &Bar) {
        self.ranks.extend_from_slice(one);
        self.ranks.extend_from_slice(other);
        self.ends.push(self.ranks.len());
        self.counts.push(count);
        if self.counts.len() - self.untold >= AT_ONCE {
            self.tell(bar);
        }
    }

    /// Keeps what another branch found.
    pub fn append(&mut self, other: Kept) {
        debug_assert_eq!(other.untold, other.counts.len());
        debug_assert_eq!(self.untold, self.counts.len());
        let shift = self.ranks.len();
        self.ranks.extend(other.ranks);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
        self.counts.extend(other.counts);
        self.untold = self.counts.len();
    }

    /// Tells the bar of what is new, and lets go of what no longer counts.
    pub fn tell(&mut self, bar: &Bar) {
        let mut start = if self.untold == 0 {
            0
        } else {
            self.ends[self.untold - 1]
        };
        let mut new = 0;
        for at in self.untold..self.counts.len() {
            let end = self.ends[at];
            let weight = bar.weight(end - start);
            bar.found[self.counts[at] as usize].fetch_add(weight, Ordering::Relaxed);
            new += weight;
            start = end;
        }
        bar.sum.fetch_add(new, Ordering::Relaxed);
        self.untold = self.counts.len();
        let before = bar.least();
        bar.raise();
        if bar.least() > before {
            self.drop_below(bar.least());
        }
    }

    fn drop_below(&mut self, least: u32) {
        let (mut start, mut n_sets, mut n_ranks) = (0, 0, 0);
        for at in 0..self.counts.len() {
            let end = self.ends[at];
            if self.counts[at] >= least {
                self.ranks.copy_within(start..end, n_ranks);
                n_ranks += end - start;
                (self.ends[n_sets], self.counts[n_sets]) = (n_ranks, self.counts[at]);
                n_sets += 1;
            }
            start = end;
        }
        self.ranks.truncate(n_ranks);
        self.ends.truncate(n_sets);
        self.counts.truncate(n_sets);
        self.untold = n_sets;
    }
}
