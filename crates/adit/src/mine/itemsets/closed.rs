//! Closed and maximal sets.

use super::found::Kept;
use super::ranked::{Ranked, Sets};
use crate::mine::bar::Bar;

/// What one branch of the search goes by.
struct Search<'a> {
    max_items: usize,
    /// Only sets that no other one of this count contains.
    maximal: Option<u32>,
    bar: &'a Bar,
}

/// All closed sets whose rarest item is `item`; only the maximal ones where asked for.
pub(super) fn below(
    ranked: &Ranked,
    item: usize,
    max_items: usize,
    maximal: Option<u32>,
    bar: &Bar,
) -> Kept {
    let mut kept = Kept::new();
    if ranked.by.count[item] < bar.least() {
        return kept;
    }
    // What is maximal must not depend on how far the bar has risen.
    let least = maximal.unwrap_or_else(|| bar.least());
    // Whatever a rarer item always goes with was found with that one.
    let Some(beside) = ranked.beside(item, least, true) else {
        return kept;
    };
    let search = Search {
        max_items,
        maximal,
        bar,
    };
    let mut ranks = vec![item as u32];
    ranks.extend(&beside.always);
    search.visit(
        &mut ranks,
        beside.n,
        (&beside.after, &beside.before),
        &mut kept,
    );
    kept.tell(bar);
    kept
}

impl Search<'_> {
    /// A closed set, what it may be grown by, and what was taken before; all within its baskets.
    fn visit(
        &self,
        ranks: &mut Vec<u32>,
        count: u32,
        (after, before): (&Sets, &Sets),
        kept: &mut Kept,
    ) {
        let is_wanted = self.maximal.is_none() || (after.is_empty() && before.is_empty());
        if is_wanted && ranks.len() <= self.max_items {
            kept.push((ranks, &[]), count, self.bar);
        }
        if ranks.len() >= self.max_items {
            return;
        }
        let order = after.rarest_first();
        for (k, &at) in order.iter().enumerate() {
            let at = at as usize;
            let n = after.counts[at];
            if n < self.bar.least() {
                continue;
            }
            let least = self.maximal.unwrap_or_else(|| self.bar.least());
            let own = (after.words(at), n);
            let mut taken = Sets::new(after.baskets_within(n));
            let earlier = (0..before.len()).map(|b| (before, b));
            let siblings = order[..k].iter().map(|&b| (after, b as usize));
            // A set that goes wherever an earlier item goes was found with that item.
            let is_double = earlier
                .chain(siblings)
                .any(|(sets, b)| taken.add_shared((sets, b), own, least) == n);
            if is_double {
                continue;
            }
            let n_ranks = ranks.len();
            ranks.push(after.ranks[at]);
            let mut within = Sets::new(after.baskets_within(n));
            for &other in &order[k + 1..] {
                let other = other as usize;
                if within.add_shared((after, other), own, least) == n {
                    ranks.push(after.ranks[other]);
                }
            }
            self.visit(ranks, n, (&within, &taken), kept);
            ranks.truncate(n_ranks);
        }
    }
}
