//! Baskets: what was bought, seen or true together, as sorted codes of items.
//!
//! Enters: names of items, basket by basket. Leaves: codes in one flat array. Not here: where baskets come from.

use super::names::Names;

/// Baskets of items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transactions {
    /// By code, in the order in which they were first seen.
    names: Vec<String>,
    /// Of all baskets one after another; each sorted, each code once a basket.
    codes: Vec<u32>,
    /// Where each basket ends in `codes`.
    ends: Vec<usize>,
}

impl Transactions {
    /// Number of baskets.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there is no basket.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Names of the items, by code.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of different items.
    pub fn n_items(&self) -> usize {
        self.names.len()
    }

    /// Items over all baskets.
    pub fn n_entries(&self) -> usize {
        self.codes.len()
    }

    /// The sorted codes of a basket.
    pub fn basket(&self, at: usize) -> &[u32] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.codes[start..self.ends[at]]
    }

    /// All baskets in order.
    pub fn baskets(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|at| self.basket(at))
    }

    /// In how many baskets each item is. `[n_items]`
    pub fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.names.len()];
        self.codes
            .iter()
            .for_each(|&code| counts[code as usize] += 1);
        counts
    }

    /// Baskets of codes that are named otherwise; each is sorted and its doubles are dropped.
    pub fn from_codes(names: Vec<String>, baskets: impl Iterator<Item = Vec<u32>>) -> Self {
        let mut made = Self {
            names,
            ..Self::default()
        };
        for mut basket in baskets {
            made.push_codes(&mut basket);
        }
        made
    }

    /// The baskets at `which`, with the same codes.
    pub fn select(&self, which: &[usize]) -> Self {
        let mut made = Self {
            names: self.names.clone(),
            ..Self::default()
        };
        for &at in which {
            made.codes.extend_from_slice(self.basket(at));
            made.ends.push(made.codes.len());
        }
        made
    }

    fn push_codes(&mut self, basket: &mut Vec<u32>) {
        basket.sort_unstable();
        basket.dedup();
        self.codes.extend_from_slice(basket);
        self.ends.push(self.codes.len());
    }
}

/// Gathers baskets of names.
#[derive(Debug, Default)]
pub struct TransactionsBuilder {
    made: Transactions,
    names: Names,
    basket: Vec<u32>,
    doubles: u64,
}

impl TransactionsBuilder {
    /// The code of an item.
    pub fn code(&mut self, name: &str) -> u32 {
        self.names.code(name)
    }

    /// Adds a basket; an item that is named twice is in it once.
    pub fn push<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let mut basket = std::mem::take(&mut self.basket);
        basket.clear();
        basket.extend(names.map(|name| self.code(name)));
        self.push_codes(&mut basket);
        self.basket = basket;
    }

    /// Adds a basket of codes that [`TransactionsBuilder::code`] gave.
    pub fn push_codes(&mut self, basket: &mut Vec<u32>) {
        let before = basket.len();
        self.made.push_codes(basket);
        self.doubles += (before - basket.len()) as u64;
    }

    /// Items that were named again in their basket.
    pub fn doubles(&self) -> u64 {
        self.doubles
    }

    /// Baskets so far.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// True where there is no basket yet.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Items over all baskets so far.
    pub fn n_entries(&self) -> usize {
        self.made.codes.len()
    }

    /// The baskets since the last part; codes of their items go on to hold.
    pub fn part(&mut self) -> Transactions {
        Transactions {
            names: self.names.so_far().to_vec(),
            ..std::mem::take(&mut self.made)
        }
    }

    /// All baskets.
    pub fn finish(self) -> Transactions {
        Transactions {
            names: self.names.finish(),
            ..self.made
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baskets_are_sorted_and_hold_an_item_once() {
        let mut builder = TransactionsBuilder::default();
        builder.push(["milk", "bread", "milk"].into_iter());
        builder.push([].into_iter());
        builder.push(["butter", "bread"].into_iter());
        assert_eq!(builder.doubles(), 1);
        let made = builder.finish();
        assert_eq!(made.names(), ["milk", "bread", "butter"]);
        let baskets: Vec<&[u32]> = made.baskets().collect();
        assert_eq!(baskets, [&[0, 1][..], &[], &[1, 2]]);
        assert_eq!(made.counts(), [1, 2, 1]);
        assert_eq!(made.select(&[2, 0]).basket(0), [1, 2]);
    }
}
