//! All frequent sets.

use rayon::prelude::*;

use super::found::Kept;
use super::ranked::{Ranked, Sets};
use crate::mine::bar::Bar;

/// Branches that may be worth a task each lie so near the root.
const TASKS_BELOW: usize = 3;
/// Words that the next level looks at, below which it is no work for several threads.
const MUCH_WORK: usize = 1 << 20;

/// What one branch of the search goes by.
struct Search<'a> {
    max_items: usize,
    bar: &'a Bar,
}

/// A set that is being grown.
#[derive(Clone)]
struct Grown {
    /// Ranks that it was grown by.
    ranks: Vec<u32>,
    /// Ranks that are in all its baskets besides; each subset of them makes one more set of the same count.
    always: Vec<u32>,
}

/// All frequent sets whose rarest item is `item`.
pub(super) fn below(ranked: &Ranked, item: usize, max_items: usize, bar: &Bar) -> Kept {
    let mut kept = Kept::new();
    let least = bar.least();
    if ranked.by.count[item] < least {
        return kept;
    }
    let Some(beside) = ranked.beside(item, least, false) else {
        return kept;
    };
    let search = Search { max_items, bar };
    let mut grown = Grown {
        ranks: vec![item as u32],
        always: beside.always,
    };
    search.tell(&grown, beside.n, &mut kept);
    search.grow(&mut grown, &beside.after, &mut kept, &mut Vec::new());
    kept.tell(bar);
    kept
}

/// The same, of items as sets over all baskets in the order of their ranks.
pub(super) fn within(all: &Sets, item: usize, max_items: usize, bar: &Bar) -> Kept {
    let mut kept = Kept::new();
    let mut grown = Grown {
        ranks: Vec::new(),
        always: Vec::new(),
    };
    let order: Vec<u32> = (item as u32..all.len() as u32).collect();
    let search = Search { max_items, bar };
    search.branch(&mut grown, (all, &order), &mut kept, &mut Vec::new());
    kept.tell(bar);
    kept
}

impl Search<'_> {
    /// Grows a set by each of the others that it meets in `beside`.
    fn grow(&self, grown: &mut Grown, beside: &Sets, kept: &mut Kept, spare: &mut Vec<Sets>) {
        if beside.is_empty() || grown.ranks.len() >= self.max_items {
            return;
        }
        let order = beside.rarest_first();
        let work = order.len() * order.len() * beside.n_words / 2;
        if grown.ranks.len() <= TASKS_BELOW && work >= MUCH_WORK {
            let parts: Vec<Kept> = (0..order.len())
                .into_par_iter()
                .with_max_len(1)
                .map(|k| {
                    let (mut own, mut spare) = (Kept::new(), Vec::new());
                    self.branch(
                        &mut grown.clone(),
                        (beside, &order[k..]),
                        &mut own,
                        &mut spare,
                    );
                    own.tell(self.bar);
                    own
                })
                .collect();
            kept.tell(self.bar);
            parts.into_iter().for_each(|part| kept.append(part));
            return;
        }
        for k in 0..order.len() {
            self.branch(grown, (beside, &order[k..]), kept, spare);
        }
    }

    /// All sets with the first of `order` and any of those after it.
    fn branch(
        &self,
        grown: &mut Grown,
        (beside, order): (&Sets, &[u32]),
        kept: &mut Kept,
        spare: &mut Vec<Sets>,
    ) {
        let first = order[0] as usize;
        let n = beside.counts[first];
        let least = self.bar.least();
        if n < least {
            return;
        }
        let n_always = grown.always.len();
        let mut within = spare.pop().unwrap_or_default();
        within.clear(beside.baskets_within(n));
        let own = beside.words(first);
        for &other in &order[1..] {
            let shared = within.add_shared((beside, other as usize), (own, n), least);
            if shared == n {
                grown.always.push(beside.ranks[other as usize]);
            }
        }
        grown.ranks.push(beside.ranks[first]);
        self.tell(grown, n, kept);
        self.grow(grown, &within, kept, spare);
        grown.ranks.pop();
        grown.always.truncate(n_always);
        spare.push(within);
    }

    /// Keeps a set with every subset of what is always beside it.
    fn tell(&self, grown: &Grown, count: u32, kept: &mut Kept) {
        if grown.ranks.len() > self.max_items {
            return;
        }
        kept.push((&grown.ranks, &[]), count, self.bar);
        // Without calls of itself: a basket of many thousand items has sets as long.
        let (mut chosen, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        loop {
            let may_grow = at < grown.always.len()
                && grown.ranks.len() + chosen.len() < self.max_items
                && count >= self.bar.least();
            if may_grow {
                chosen.push(grown.always[at]);
                places.push(at);
                kept.push((&grown.ranks, &chosen), count, self.bar);
                at += 1;
            } else if let Some(last) = places.pop() {
                chosen.pop();
                at = last + 1;
            } else {
                return;
            }
        }
    }
}
