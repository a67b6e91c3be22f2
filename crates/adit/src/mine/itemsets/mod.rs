//! Sets of items that occur together often: all of them, the closed ones, the maximal ones.
//!
//! Enters: [`Transactions`]. Leaves: [`Itemsets`] with exact counts. Not here: whether a set says anything that its parts
//! do not (see `rules`).
//!
//! Items are taken from the rarest to the most frequent. For each, one pass over its baskets counts all items beside it
//! (occurrence deliver: Uno, Kiyomi and Arimura 2004, "LCM ver. 2"); those that stay frequent become bit sets over
//! these baskets only, and sets are grown by intersecting bits (Zaki 2000, "Scalable algorithms for association
//! mining"). Where baskets hold many of the items, frequent sets are grown from bits over all baskets at once. Items in all baskets of a set are not searched but added to what is found. Closed sets are told from their
//! doubles by the items that were taken before (Lucchese, Orlando and Perego 2006, "Fast and memory efficient mining of
//! frequent closed itemsets").

mod closed;
mod estimate;
mod found;
mod frequent;
mod parts;
mod ranked;
#[cfg(test)]
mod tests;

pub use estimate::estimate_frequent;
pub use found::Itemsets;
pub use parts::PartSearch;

use rayon::prelude::*;

use self::found::Kept;
use self::ranked::{Ranked, Ranks};
use super::MineError;
use super::bar::{Bar, Budget, by_size};
use crate::represent::transactions::Transactions;

/// Which sets are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All frequent ones.
    Frequent,
    /// Those that no larger set with the same count contains.
    Closed,
    /// Those that no larger frequent set contains.
    Maximal,
}

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemsetSettings {
    pub kind: Kind,
    /// Baskets that a set is in, at least; 1 or more.
    pub min_count: u32,
    /// Items of a set, at most.
    pub max_items: usize,
    /// Only so many of the most frequent sets, where given; of equally frequent ones the shorter, then the earlier.
    pub top: Option<usize>,
    /// Memory for what is found, in bytes. Where it is too little, the least count is raised until the rest fits.
    pub memory: u64,
}

impl ItemsetSettings {
    /// All frequent sets of this count.
    pub fn frequent(min_count: u32) -> Self {
        Self {
            kind: Kind::Frequent,
            min_count,
            max_items: usize::MAX,
            top: None,
            memory: 1 << 30,
        }
    }

    /// The sets of some baskets, in an order that depends on nothing but the baskets.
    ///
    /// # Errors
    /// `Setting` where the least count, the number of items or `top` is 0; `Cancelled`.
    pub fn mine(
        &self,
        transactions: &Transactions,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Itemsets, MineError> {
        self.check()?;
        let (Some(top), Kind::Frequent) = (self.top, self.kind) else {
            return self.mine_once(transactions, goes_on);
        };
        let mine = |max_items: usize, min_count: u32| {
            let settings = Self {
                max_items,
                min_count,
                ..*self
            };
            settings.mine_once(transactions, goes_on)
        };
        let counts = |found: &Itemsets| {
            let last = found.len().checked_sub(1);
            (found.len(), last.map(|last| found.count(last)))
        };
        by_size((top, self.max_items), self.min_count, mine, counts)
    }

    fn mine_once(
        &self,
        transactions: &Transactions,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Itemsets, MineError> {
        let ranks = Ranks::new(transactions, self.min_count);
        let budget = match self.top {
            Some(top) => Budget::Enough(top as u64),
            None => Budget::Bytes(self.memory),
        };
        let bar = Bar::new(self.min_count, budget, transactions.len());
        let n = ranks.len();
        let is_dense = self.kind == Kind::Frequent && ranks.are_dense(transactions.len());
        let dense = is_dense.then(|| ranks.sets(transactions));
        let ranked = dense.is_none().then(|| Ranked::new(transactions, &ranks));
        let below = |item: usize| match (&dense, &ranked, self.kind) {
            (Some(all), ..) => frequent::within(all, item, self.max_items, &bar),
            (None, Some(ranked), Kind::Frequent) => {
                frequent::below(ranked, item, self.max_items, &bar)
            }
            (None, Some(ranked), Kind::Closed) => {
                closed::below(ranked, item, self.max_items, None, &bar)
            }
            (None, Some(ranked), Kind::Maximal) => {
                closed::below(ranked, item, self.max_items, Some(self.min_count), &bar)
            }
            (None, None, _) => Kept::new(),
        };
        // The rarest items have the most before them, so they come first.
        let found: Vec<Option<Kept>> = (0..n)
            .into_par_iter()
            .with_max_len(1)
            .map(|item| {
                if !goes_on(item, n) {
                    return None;
                }
                let mut kept = below(item);
                kept.name(&ranks.code);
                Some(kept)
            })
            .collect();
        let found: Option<Vec<Kept>> = found.into_iter().collect();
        let found = found.ok_or(MineError::Cancelled)?;
        Ok(Itemsets::gathered(found, self, &bar, transactions.len()))
    }

    fn check(&self) -> Result<(), MineError> {
        let zero = |setting: &'static str| MineError::Setting {
            setting,
            value: "0".into(),
            reason: "it is at least 1",
        };
        match (self.min_count, self.max_items, self.top) {
            (0, ..) => Err(zero("min_count")),
            (_, 0, _) => Err(zero("max_items")),
            (.., Some(0)) => Err(zero("top")),
            _ => Ok(()),
        }
    }
}
