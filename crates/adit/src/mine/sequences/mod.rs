//! Sequential patterns: what often happens after what, with limits on gaps and on the whole.
//!
//! Enters: [`Sequences`]. Leaves: [`SequencePatterns`] with exact counts of sequences. Not here: whether a pattern says more
//! than its items.
//!
//! Patterns are grown event by event over projections, which are places and no copies (Pei et al. 2004, "Mining
//! sequential patterns by pattern-growth"). For every place at which a pattern can end, the latest place at which it
//! can have begun is kept, which is all that limits need.

mod chance;
mod contrast;
mod estimate;
mod kept;
mod order;
mod places;
mod rules;
mod single;
#[cfg(test)]
mod tests;

pub use order::{PrefixCounts, holding};
pub use places::Limits;
pub use rules::{
    Question, RuleCounts, SequenceRule, SequenceRuleSettings, SequenceRules, shuffled_order,
};

use rayon::prelude::*;

use super::MineError;
use super::bar::{Bar, Budget, Shortage, by_size};
use crate::represent::sequences::Sequences;

/// Items of a pattern, at most: longer ones say nothing more to a person.
pub const MOST_ITEMS: usize = 32;
/// Bytes of a pattern besides its elements.
const BYTES_OF_PATTERN: u64 = 40;
/// Bytes of an element besides its items, as it is allocated.
const BYTES_OF_ELEMENT: u64 = 40;
/// Bytes of an item.
const BYTES_OF_ITEM: u64 = 4;

/// Which patterns are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All frequent ones.
    Frequent,
    /// Those that no larger one with the same count contains; without limits on gaps and windows.
    Closed,
    /// Those that no larger frequent one contains; without limits on gaps and windows.
    Maximal,
}

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceSettings {
    pub kind: Kind,
    /// Sequences that hold a pattern, at least; 1 or more.
    pub min_count: u32,
    /// Items of a pattern over all its elements, at most.
    pub max_items: usize,
    pub limits: Limits,
    /// Only so many of the most frequent ones, where given; of equally frequent ones the shorter, then the earlier.
    pub top: Option<usize>,
    /// Memory for what is found, in bytes. Where it is too little, the least count is raised until the rest fits.
    pub memory: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencePatterns {
    pub patterns: Vec<SequencePattern>,
    /// Where memory was too little.
    pub shortage: Option<Shortage>,
}

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequencePattern {
    /// Sorted codes of each element.
    pub elements: Vec<Vec<u32>>,
    /// Sequences that hold it.
    pub count: u32,
    /// Those of them with the label; 0 where there are no labels.
    pub labelled: u32,
}

impl SequencePattern {
    /// Items over all elements.
    pub fn n_items(&self) -> usize {
        self.elements.iter().map(Vec::len).sum()
    }

    fn bytes(&self) -> u64 {
        BYTES_OF_PATTERN
            + BYTES_OF_ELEMENT * self.elements.len() as u64
            + BYTES_OF_ITEM * self.n_items() as u64
    }
}

/// As [`without_item`]; `None` where a sequence can hold the whole and not the rest, because what is left lies further
/// apart than the limits allow.
fn part_without(elements: &[Vec<u32>], place: usize, limits: &Limits) -> Option<Vec<Vec<u32>>> {
    let mut before = 0;
    for (k, element) in elements.iter().enumerate() {
        if before == place && element.len() == 1 {
            let is_within = k > 0 && k + 1 < elements.len();
            if is_within && limits.gap.is_some() {
                return None;
            }
        }
        before += element.len();
    }
    Some(without_item(elements, place))
}

/// The elements without the item at a place, counted over all of them.
fn without_item(elements: &[Vec<u32>], place: usize) -> Vec<Vec<u32>> {
    let mut seen = 0;
    let mut rest = Vec::with_capacity(elements.len());
    for element in elements {
        let own = place.checked_sub(seen).filter(|&at| at < element.len());
        seen += element.len();
        let mut element = element.clone();
        if let Some(at) = own {
            element.remove(at);
        }
        if !element.is_empty() {
            rest.push(element);
        }
    }
    rest
}

/// A way in which a pattern lies in a sequence.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Latest element at which it begins, for this end.
    begin: u32,
    end: u32,
}

/// The sequences that hold a pattern, and where.
#[derive(Default)]
struct Projection {
    sequences: Vec<u32>,
    /// Where the places of each sequence end.
    ends: Vec<usize>,
    places: Vec<Place>,
}

impl Projection {
    fn of(&self, at: usize) -> &[Place] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.places[start..self.ends[at]]
    }

    /// Adds a sequence, where there is a place.
    fn close(&mut self, sequence: u32) {
        let before = self.ends.last().copied().unwrap_or(0);
        if self.places.len() > before {
            self.sequences.push(sequence);
            self.ends.push(self.places.len());
        }
    }
}

struct Search<'a> {
    sequences: &'a Sequences,
    labels: Option<&'a [bool]>,
    max_items: usize,
    limits: Limits,
    bar: &'a Bar,
    /// Without limits and with single items, the first place is enough.
    first_only: bool,
}

/// How often each item could come next, by sequences.
struct Counter {
    counts: Vec<u32>,
    seen_in: Vec<u32>,
    touched: Vec<u32>,
}

impl Counter {
    fn new(n_items: usize) -> Self {
        Self {
            counts: vec![0; n_items],
            seen_in: vec![u32::MAX; n_items],
            touched: Vec::new(),
        }
    }

    fn see(&mut self, item: u32, sequence: u32) {
        let at = item as usize;
        if self.seen_in[at] != sequence {
            if self.counts[at] == 0 {
                self.touched.push(item);
            }
            self.seen_in[at] = sequence;
            self.counts[at] += 1;
        }
    }

    /// Items that were seen often enough, in order; all counts are 0 again.
    fn take(&mut self, min_count: u32) -> Vec<(u32, u32)> {
        let mut items = Vec::new();
        for &item in &self.touched {
            let count = std::mem::take(&mut self.counts[item as usize]);
            self.seen_in[item as usize] = u32::MAX;
            if count >= min_count {
                items.push((item, count));
            }
        }
        self.touched.clear();
        items.sort_unstable();
        items
    }
}

impl SequenceSettings {
    /// All patterns of this count.
    pub fn frequent(min_count: u32) -> Self {
        Self {
            kind: Kind::Frequent,
            min_count,
            max_items: usize::MAX,
            limits: Limits::default(),
            top: None,
            memory: 1 << 30,
        }
    }

    /// The patterns of some sequences, of 32 items at most, in an order that depends on nothing but the sequences. `labels` tells of every
    /// sequence whether it has the label.
    ///
    /// # Errors
    /// `Setting` where a limit is 0, or closed or maximal patterns are wanted within limits; `Cancelled`.
    pub fn mine(
        &self,
        sequences: &Sequences,
        labels: Option<&[bool]>,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<SequencePatterns, MineError> {
        self.check()?;
        let (Some(top), Kind::Frequent) = (self.top, self.kind) else {
            return self.mine_once(sequences, labels, goes_on);
        };
        let mine = |max_items: usize, min_count: u32| {
            let settings = Self {
                max_items,
                min_count,
                ..*self
            };
            settings.mine_once(sequences, labels, goes_on)
        };
        let counts = |found: &SequencePatterns| {
            let last = found.patterns.last();
            (found.patterns.len(), last.map(|last| last.count))
        };
        let most = (top, self.max_items.min(MOST_ITEMS));
        by_size(most, self.min_count, mine, counts)
    }

    fn mine_once(
        &self,
        sequences: &Sequences,
        labels: Option<&[bool]>,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<SequencePatterns, MineError> {
        let budget = match self.top {
            Some(top) => Budget::Enough(top as u64),
            None => Budget::Bytes(self.memory),
        };
        let bar = Bar::new(self.min_count, budget, sequences.len());
        let is_all = self.kind == Kind::Frequent;
        let search = Search {
            sequences,
            labels,
            // Whether a pattern is closed is told by those with one item more.
            max_items: self.max_items.min(MOST_ITEMS) + usize::from(!is_all),
            limits: self.limits,
            bar: &bar,
            first_only: self.limits.are_none() && sequences.is_of_single_items(),
        };
        let firsts = search.firsts();
        let n = firsts.len();
        let flat = (search.first_only)
            .then(|| single::Flat::new(sequences, &firsts))
            .flatten();
        let found: Vec<Option<Vec<SequencePattern>>> = firsts
            .into_par_iter()
            .enumerate()
            .with_max_len(1)
            .map(|(k, (item, count))| {
                if !goes_on(k, n) {
                    return None;
                }
                if let Some(flat) = &flat {
                    let mut kept = flat.below(&search, k as u32);
                    kept.tell(&bar);
                    return Some(kept.patterns);
                }
                let mut kept = kept::Kept::default();
                let mut counter = Counter::new(sequences.n_items());
                let places = search.first_places(item);
                let mut pattern = SequencePattern {
                    elements: vec![vec![item]],
                    count,
                    labelled: search.labelled(&places),
                };
                search.grow(&mut pattern, &places, &mut counter, &mut kept);
                kept.tell(&bar);
                Some(kept.patterns)
            })
            .collect();
        let found: Option<Vec<Vec<SequencePattern>>> = found.into_iter().collect();
        let found = found.ok_or(MineError::Cancelled)?;
        let least = bar.settled();
        let mut all: Vec<SequencePattern> = (found.into_iter().flatten())
            .filter(|pattern| pattern.count >= least)
            .collect();
        if !is_all {
            all = kept::outermost(all, self.kind, self.max_items.min(MOST_ITEMS));
        }
        if let Some(top) = self.top {
            all.sort_by(|a, b| {
                let by_count = b.count.cmp(&a.count).then(a.n_items().cmp(&b.n_items()));
                by_count.then_with(|| a.elements.cmp(&b.elements))
            });
            all.truncate(top);
        }
        let is_short = self.top.is_none() && least > self.min_count;
        Ok(SequencePatterns {
            patterns: all,
            shortage: is_short.then_some(Shortage {
                asked: self.min_count,
                fits: least,
            }),
        })
    }

    fn check(&self) -> Result<(), MineError> {
        let fail = |setting: &'static str, value: &str, reason: &'static str| {
            Err(MineError::Setting {
                setting,
                value: value.into(),
                reason,
            })
        };
        if self.min_count == 0 {
            return fail("min_count", "0", "it is at least 1");
        }
        if self.max_items == 0 || self.top == Some(0) {
            return fail("max_items", "0", "it and `top` are at least 1");
        }
        if self.limits.gap == Some(0) || self.limits.window == Some(0) {
            return fail("max_gap", "0", "limits are at least 1");
        }
        if self.kind != Kind::Frequent && !self.limits.are_none() {
            let reason =
                "within limits a larger pattern does not hold all that a smaller one holds";
            return fail("kind", "closed or maximal", reason);
        }
        if self.kind != Kind::Frequent && self.top.is_some() {
            return fail("top", "given", "it is for all frequent patterns");
        }
        Ok(())
    }
}

impl Search<'_> {
    fn firsts(&self) -> Vec<(u32, u32)> {
        let mut counter = Counter::new(self.sequences.n_items());
        for sequence in 0..self.sequences.len() {
            for at in 0..self.sequences.n_elements(sequence) {
                for &item in self.sequences.element(sequence, at) {
                    counter.see(item, sequence as u32);
                }
            }
        }
        counter.take(self.bar.least())
    }

    fn labelled(&self, places: &Projection) -> u32 {
        let Some(labels) = self.labels else {
            return 0;
        };
        let own = places.sequences.iter();
        own.filter(|&&at| labels[at as usize]).count() as u32
    }

    fn first_places(&self, item: u32) -> Projection {
        let mut found = Projection::default();
        for sequence in 0..self.sequences.len() {
            for at in 0..self.sequences.n_elements(sequence) {
                if self
                    .sequences
                    .element(sequence, at)
                    .binary_search(&item)
                    .is_ok()
                {
                    let at = at as u32;
                    found.places.push(Place { begin: at, end: at });
                    if self.first_only {
                        break;
                    }
                }
            }
            found.close(sequence as u32);
        }
        found
    }

    /// Elements in which a pattern that ends at a place may go on.
    fn next_elements(&self, place: Place, n_elements: usize) -> std::ops::Range<usize> {
        let from = place.end as usize + 1;
        let mut to = n_elements;
        if let Some(gap) = self.limits.gap {
            to = to.min(place.end as usize + gap + 1);
        }
        if let Some(window) = self.limits.window {
            to = to.min(place.begin as usize + window + 1);
        }
        from..to.max(from)
    }

    fn grow(
        &self,
        pattern: &mut SequencePattern,
        places: &Projection,
        counter: &mut Counter,
        found: &mut kept::Kept,
    ) {
        found.push(pattern.clone(), self.bar);
        if pattern.n_items() >= self.max_items {
            return;
        }
        let last_item = pattern
            .elements
            .last()
            .and_then(|e| e.last())
            .copied()
            .unwrap_or(0);
        for (within, items) in [
            (true, self.next_within(places, last_item, counter)),
            (false, self.next_after(places, counter)),
        ] {
            for (item, count) in items {
                // The bar may have risen since the items were counted.
                if count < self.bar.least() {
                    continue;
                }
                let outer = (pattern.count, pattern.labelled);
                let grown = if within {
                    if let Some(last) = pattern.elements.last_mut() {
                        last.push(item);
                    }
                    self.places_within(places, item)
                } else {
                    pattern.elements.push(vec![item]);
                    self.places_after(places, item)
                };
                (pattern.count, pattern.labelled) = (count, self.labelled(&grown));
                self.grow(pattern, &grown, counter, found);
                (pattern.count, pattern.labelled) = outer;
                if within {
                    if let Some(last) = pattern.elements.last_mut() {
                        last.pop();
                    }
                } else {
                    pattern.elements.pop();
                }
            }
        }
    }

    /// Items that can join the last element.
    fn next_within(
        &self,
        places: &Projection,
        last: u32,
        counter: &mut Counter,
    ) -> Vec<(u32, u32)> {
        if self.first_only {
            return Vec::new();
        }
        for (at, &sequence) in places.sequences.iter().enumerate() {
            for place in places.of(at) {
                let element = self
                    .sequences
                    .element(sequence as usize, place.end as usize);
                let from = element.partition_point(|&item| item <= last);
                element[from..]
                    .iter()
                    .for_each(|&item| counter.see(item, sequence));
            }
        }
        counter.take(self.bar.least())
    }

    /// Items that can come in a later element.
    fn next_after(&self, places: &Projection, counter: &mut Counter) -> Vec<(u32, u32)> {
        for (at, &sequence) in places.sequences.iter().enumerate() {
            let n_elements = self.sequences.n_elements(sequence as usize);
            // Each element once, though several places may lead to it.
            let mut from = 0;
            for &place in places.of(at) {
                let next = self.next_elements(place, n_elements);
                for element in next.start.max(from)..next.end {
                    for &item in self.sequences.element(sequence as usize, element) {
                        counter.see(item, sequence);
                    }
                }
                from = from.max(next.end);
            }
        }
        counter.take(self.bar.least())
    }

    fn places_within(&self, places: &Projection, item: u32) -> Projection {
        let mut found = Projection::default();
        for (at, &sequence) in places.sequences.iter().enumerate() {
            for &place in places.of(at) {
                let element = self
                    .sequences
                    .element(sequence as usize, place.end as usize);
                if element.binary_search(&item).is_ok() {
                    found.places.push(place);
                }
            }
            found.close(sequence);
        }
        found
    }

    fn places_after(&self, places: &Projection, item: u32) -> Projection {
        let mut found = Projection::default();
        let mut begins: Vec<Option<u32>> = Vec::new();
        for (at, &sequence) in places.sequences.iter().enumerate() {
            let n_elements = self.sequences.n_elements(sequence as usize);
            begins.clear();
            begins.resize(n_elements, None);
            // Without limits whatever comes after any place comes after the first, and where it began plays no part.
            let n_places = if self.limits.are_none() {
                1
            } else {
                usize::MAX
            };
            for &place in places.of(at).iter().take(n_places) {
                for element in self.next_elements(place, n_elements) {
                    let items = self.sequences.element(sequence as usize, element);
                    if items.binary_search(&item).is_ok() {
                        begins[element] = begins[element].max(Some(place.begin));
                        if self.first_only {
                            break;
                        }
                    }
                }
            }
            for (end, begin) in (0u32..).zip(&begins) {
                if let &Some(begin) = begin {
                    found.places.push(Place { begin, end });
                }
            }
            found.close(sequence);
        }
        found
    }
}
