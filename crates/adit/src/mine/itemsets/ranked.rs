//! Frequent items, the rarest first, and where each occurs: as baskets of ranks, or as bits over all baskets.

use adit_nn::kernels::ahead::prefetch;
use adit_nn::kernels::bits;

use crate::represent::transactions::Transactions;

/// Ends a basket.
const END: u32 = u32::MAX;

/// Places are asked for so many before they are read: those of one item lie far apart.
const AHEAD: usize = 12;
/// Items are bits over all baskets where one in so many of these is set: fewer words than places, and no sorting.
const DENSE: usize = 16;

/// Frequent items by rank, 0 the rarest.
pub(super) struct Ranks {
    /// The item of each rank.
    pub code: Vec<u32>,
    /// Baskets of each rank.
    pub count: Vec<u32>,
    /// The rank of each item, `END` where it is not frequent.
    of_code: Vec<u32>,
}

/// Baskets of frequent items by rank, and where each item occurs.
pub(super) struct Ranked<'a> {
    pub by: &'a Ranks,
    /// Sorted ranks of the baskets, an `END` after each and one before all.
    ranks: Vec<u32>,
    /// Places in `ranks` of each item, one item after another.
    places: Vec<u32>,
    /// Where those of each item begin, and the end of all. `[n_items + 1]`
    starts: Vec<usize>,
}

/// Items beside another one, as sets over its baskets.
pub(super) struct Beside {
    /// Baskets of the item.
    pub n: u32,
    /// Rarer items, in order.
    pub before: Sets,
    /// More frequent items.
    pub after: Sets,
    /// More frequent items that all its baskets hold.
    pub always: Vec<u32>,
}

/// Sets of baskets as bits, one a rank.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    pub n_words: usize,
    pub ranks: Vec<u32>,
    pub counts: Vec<u32>,
    /// `[n_sets][n_words]`
    words: Vec<u64>,
}

impl Ranks {
    pub fn new(transactions: &Transactions, min_count: u32) -> Ranks {
        let counts = transactions.counts();
        let mut code: Vec<u32> = (0..counts.len() as u32)
            .filter(|&c| counts[c as usize] >= min_count)
            .collect();
        code.sort_unstable_by_key(|&c| (counts[c as usize], c));
        let mut of_code = vec![END; counts.len()];
        for (rank, &c) in (0u32..).zip(&code) {
            of_code[c as usize] = rank;
        }
        let count = code.iter().map(|&c| counts[c as usize]).collect();
        Ranks {
            code,
            count,
            of_code,
        }
    }

    /// Number of frequent items.
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// True where baskets hold many of the items.
    pub fn are_dense(&self, n_baskets: usize) -> bool {
        let held: usize = self.count.iter().map(|&count| count as usize).sum();
        held >= (self.len() * n_baskets).div_ceil(DENSE)
    }

    /// All items as sets over all baskets, the rarest first.
    pub fn sets(&self, transactions: &Transactions) -> Sets {
        let mut sets = Sets::new(transactions.len() as u32);
        for (rank, &count) in (0u32..).zip(&self.count) {
            sets.add(rank, count);
        }
        for (at, basket) in transactions.baskets().enumerate() {
            for &code in basket {
                sets.mark(self.of_code[code as usize], at);
            }
        }
        sets
    }
}

impl Ranked<'_> {
    pub fn new<'a>(transactions: &Transactions, by: &'a Ranks) -> Ranked<'a> {
        let mut starts = vec![0usize; by.len() + 1];
        for (rank, &n) in by.count.iter().enumerate() {
            starts[rank + 1] = starts[rank] + n as usize;
        }
        let total = starts[by.len()];
        let mut ranks = Vec::with_capacity(total + transactions.len() + 1);
        let mut places = vec![0u32; total];
        let mut next = starts.clone();
        ranks.push(END);
        for basket in transactions.baskets() {
            let first = ranks.len();
            ranks.extend(
                basket
                    .iter()
                    .map(|&c| by.of_code[c as usize])
                    .filter(|&r| r != END),
            );
            if ranks.len() == first {
                continue;
            }
            ranks[first..].sort_unstable();
            for (at, &rank) in (first..).zip(&ranks[first..]) {
                places[next[rank as usize]] = at as u32;
                next[rank as usize] += 1;
            }
            ranks.push(END);
        }
        Ranked {
            by,
            ranks,
            places,
            starts,
        }
    }

    fn places(&self, item: usize) -> &[u32] {
        &self.places[self.starts[item]..self.starts[item + 1]]
    }

    /// The places of an item, with each basket asked for before its turn.
    fn visited<'a>(&'a self, places: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let next = places.iter().skip(AHEAD).map(|&place| place as usize);
        let next = next.chain(std::iter::repeat(usize::MAX));
        places.iter().zip(next).map(|(&place, next)| {
            prefetch(&self.ranks, next);
            place
        })
    }

    /// The ranks after a place in its basket.
    fn after(&self, place: u32) -> impl Iterator<Item = u32> + '_ {
        let rest = &self.ranks[place as usize + 1..];
        rest.iter().copied().take_while(|&rank| rank != END)
    }

    /// The ranks before a place in its basket, backwards.
    fn before(&self, place: u32) -> impl Iterator<Item = u32> + '_ {
        let rest = &self.ranks[..place as usize];
        rest.iter().rev().copied().take_while(|&rank| rank != END)
    }

    /// The items beside `item` that are in at least `min_count` of its baskets; rarer ones only where asked for.
    /// `None` where a rarer one is in all of them.
    pub fn beside(&self, item: usize, min_count: u32, with_rarer: bool) -> Option<Beside> {
        let places = self.places(item);
        let n = places.len() as u32;
        let mut counts = vec![0u32; self.by.len()];
        for place in self.visited(places) {
            self.after(place)
                .for_each(|rank| counts[rank as usize] += 1);
            if with_rarer {
                self.before(place)
                    .for_each(|rank| counts[rank as usize] += 1);
            }
        }
        if counts[..item].contains(&n) {
            return None;
        }
        let mut of_rank: Vec<u32> = vec![END; self.by.len()];
        let mut before = Sets::new(n);
        let mut after = Sets::new(n);
        let mut always = Vec::new();
        for (rank, &count) in counts.iter().enumerate() {
            if count == n && rank > item {
                always.push(rank as u32);
            } else if count >= min_count {
                let sets = if rank < item { &mut before } else { &mut after };
                of_rank[rank] = sets.add(rank as u32, count);
            }
        }
        if !before.is_empty() || !after.is_empty() {
            for (at, place) in self.visited(places).enumerate() {
                self.after(place)
                    .for_each(|rank| after.mark(of_rank[rank as usize], at));
                if with_rarer {
                    self.before(place)
                        .for_each(|rank| before.mark(of_rank[rank as usize], at));
                }
            }
        }
        Some(Beside {
            n,
            before,
            after,
            always,
        })
    }
}

impl Sets {
    /// None yet, of `n` baskets.
    pub fn new(n: u32) -> Sets {
        Sets {
            n_words: n.div_ceil(64) as usize,
            ..Sets::default()
        }
    }

    /// Lets go of all sets; those to come are of `n` baskets.
    pub fn clear(&mut self, n: u32) {
        self.n_words = n.div_ceil(64) as usize;
        self.ranks.clear();
        self.counts.clear();
        self.words.clear();
    }

    pub fn len(&self) -> usize {
        self.ranks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// Adds a set without members yet and gives its place.
    fn add(&mut self, rank: u32, count: u32) -> u32 {
        self.ranks.push(rank);
        self.counts.push(count);
        self.words.resize(self.words.len() + self.n_words, 0);
        self.ranks.len() as u32 - 1
    }

    fn mark(&mut self, set: u32, basket: usize) {
        if set != END {
            self.words[set as usize * self.n_words + basket / 64] |= 1 << (basket % 64);
        }
    }

    pub fn words(&self, set: usize) -> &[u64] {
        &self.words[set * self.n_words..(set + 1) * self.n_words]
    }

    /// Places of the sets, the rarest first.
    pub fn rarest_first(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by_key(|&at| (self.counts[at as usize], self.ranks[at as usize]));
        order
    }

    /// Adds what a set of `from` shares with `own`, whose count is `n`, where that is at least `min_count`; gives the
    /// count of what they share.
    pub fn add_shared(
        &mut self,
        (from, at): (&Sets, usize),
        (own, n): (&[u64], u32),
        min_count: u32,
    ) -> u32 {
        let other = from.words(at);
        let first = self.words.len();
        if self.n_words == from.n_words {
            self.words.resize(first + self.n_words, 0);
            let count = bits::intersect(own, other, &mut self.words[first..]) as u32;
            if count < min_count || count == n {
                self.words.truncate(first);
            } else {
                self.ranks.push(from.ranks[at]);
                self.counts.push(count);
            }
            return count;
        }
        let count = bits::count_shared(own, other) as u32;
        if count >= min_count && count < n {
            self.words.resize(first + self.n_words, 0);
            bits::gather(other, own, &mut self.words[first..]);
            self.ranks.push(from.ranks[at]);
            self.counts.push(count);
        }
        count
    }

    /// How many words sets within one of `n` baskets get: as many as these have, or fewer where that is much less.
    pub fn baskets_within(&self, n: u32) -> u32 {
        if self.n_words >= 16 && n.div_ceil(64) as usize * 4 <= self.n_words {
            n
        } else {
            self.n_words as u32 * 64
        }
    }
}
