//! In how many baskets a set of items is.

use std::collections::HashMap;

use adit_nn::kernels::bits;

use crate::mine::itemsets::Itemsets;
use crate::represent::transactions::Transactions;

/// Counts sets of items.
pub(super) trait Counts: Sync {
    /// All baskets.
    fn n_baskets(&self) -> u64;
    /// Baskets that hold all of some sorted items; `None` where that is not known.
    fn count(&self, items: &[u32]) -> Option<u64>;
}

/// Frequent sets, to be looked up.
pub(super) struct Known<'a> {
    itemsets: &'a Itemsets,
    /// Places of the sets, in the order of their items.
    order: Vec<u32>,
}

impl<'a> Known<'a> {
    pub fn new(itemsets: &'a Itemsets) -> Self {
        let mut order: Vec<u32> = (0..itemsets.len() as u32).collect();
        order.sort_unstable_by_key(|&at| itemsets.items(at as usize));
        Self { itemsets, order }
    }
}

impl Counts for Known<'_> {
    fn n_baskets(&self) -> u64 {
        self.itemsets.n_baskets() as u64
    }

    fn count(&self, items: &[u32]) -> Option<u64> {
        if items.is_empty() {
            return Some(self.n_baskets());
        }
        let key = |&at: &u32| self.itemsets.items(at as usize);
        let place = self.order.binary_search_by_key(&items, key).ok()?;
        Some(u64::from(self.itemsets.count(self.order[place] as usize)))
    }
}

/// Baskets of single items as bits, to be intersected.
pub(super) struct Columns {
    n_baskets: usize,
    columns: HashMap<u32, Vec<u64>>,
}

impl Columns {
    /// Of the items that are asked for only.
    pub fn new(transactions: &Transactions, wanted: impl Iterator<Item = u32>) -> Self {
        let n_baskets = transactions.len();
        let n_words = n_baskets.div_ceil(64);
        let mut columns: HashMap<u32, Vec<u64>> =
            wanted.map(|item| (item, vec![0; n_words])).collect();
        for (at, basket) in transactions.baskets().enumerate() {
            for item in basket {
                if let Some(words) = columns.get_mut(item) {
                    words[at / 64] |= 1 << (at % 64);
                }
            }
        }
        Self { n_baskets, columns }
    }

    /// The baskets of an item.
    pub fn column(&self, item: u32) -> Option<&[u64]> {
        self.columns.get(&item).map(Vec::as_slice)
    }

    /// Baskets that hold all of some items and not another one.
    pub fn count_without(&self, items: &[u32], other: u32) -> Option<u64> {
        let column = self.column(other)?;
        let all = self.count(items)?;
        let both = match items {
            [] => bits::count_shared(column, column),
            _ => bits::count_shared(&self.cover(items)?, column),
        };
        Some(all - both)
    }

    /// The baskets that hold all of some items.
    pub fn cover(&self, items: &[u32]) -> Option<Vec<u64>> {
        let (first, rest) = items.split_first()?;
        let mut cover = self.column(*first)?.to_vec();
        for item in rest {
            let column = self.column(*item)?;
            cover.iter_mut().zip(column).for_each(|(a, b)| *a &= b);
        }
        Some(cover)
    }
}

impl Counts for Columns {
    fn n_baskets(&self) -> u64 {
        self.n_baskets as u64
    }

    fn count(&self, items: &[u32]) -> Option<u64> {
        match items {
            [] => Some(self.n_baskets as u64),
            [one] => self
                .column(*one)
                .map(|words| bits::count_shared(words, words)),
            [rest @ .., last] => Some(bits::count_shared(&self.cover(rest)?, self.column(*last)?)),
        }
    }
}
