//! A least count that rises as patterns are found, to the same value whatever the order in which they were.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The least count of a share of `n`, rounded up; at least 1.
pub fn least_count(share: f64, n: usize) -> u32 {
    // A product such as 0.07 * 100 lies a rounding above the whole number that was meant.
    ((share * n as f64 - 1e-9).ceil() as u32).max(1)
}

/// Memory was too little for all patterns of the least count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The least count that was asked for.
    pub asked: u32,
    /// The least count at which everything fits: all patterns of this count were found.
    pub fits: u32,
}

/// What is kept at most.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    /// So many patterns are enough.
    Enough(u64),
    /// No more bytes than these.
    Bytes(u64),
}

/// The `top` most frequent patterns, sought among those of one item, of two and so on, `most_items` at most: of equally
/// frequent ones the shorter count, however many longer ones there are. `mine` finds them among patterns of so many items
/// at most and of a least count; `counts` gives the number of those found and the least of their counts.
pub(super) fn by_size<F: PartialEq, E>(
    (top, most_items): (usize, usize),
    min_count: u32,
    mine: impl Fn(usize, u32) -> Result<F, E>,
    counts: impl Fn(&F) -> (usize, Option<u32>),
) -> Result<F, E> {
    let mut best = mine(1, min_count)?;
    for n_items in 2..=most_items {
        let least = match counts(&best) {
            (n, Some(least)) if n == top => least.max(min_count),
            _ => min_count,
        };
        let found = mine(n_items, least)?;
        // Where none of one item more is among them, none of more items is: their parts are as frequent.
        if found == best {
            break;
        }
        best = found;
    }
    Ok(best)
}

/// The least count.
pub(super) struct Bar {
    least: AtomicU32,
    budget: Budget,
    /// What was found so far, by count. `[n + 1]`
    found: Vec<AtomicU64>,
    /// The sum of it all; the bar can rise only once that is over the budget.
    sum: AtomicU64,
}

impl Bar {
    /// A bar at `least`, for patterns that at most `n` of anything hold.
    pub fn new(least: u32, budget: Budget, n: usize) -> Bar {
        Bar {
            least: AtomicU32::new(least),
            budget,
            found: (0..=n).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// The least count now.
    pub fn least(&self) -> u32 {
        self.least.load(Ordering::Relaxed)
    }

    /// Tells of patterns that were found: the count and the bytes of each.
    pub fn tell(&self, found: impl Iterator<Item = (u32, u64)>) {
        let mut new = 0;
        for (count, bytes) in found {
            let weight = match self.budget {
                Budget::Enough(_) => 1,
                Budget::Bytes(_) => bytes,
            };
            self.found[count as usize].fetch_add(weight, Ordering::Relaxed);
            new += weight;
        }
        self.sum.fetch_add(new, Ordering::Relaxed);
        self.raise();
    }

    /// The least count when all patterns were told of, which no longer rises.
    pub fn settled(&self) -> u32 {
        self.raise();
        self.least()
    }

    /// Raises the least count as far as what was found demands. All patterns of the final count are found whatever the
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
