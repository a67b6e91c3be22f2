//! Sequential patterns: what often happens after what, with limits on gaps and on the whole.
//!
//! Enters: [`Sequences`]. Leaves: [`SequencePatterns`] with exact counts of sequences. Not here: whether a pattern says more
//! than its items.
//!
//! Patterns are grown event by event over projections, which are places and no copies (Pei et al. 2004, "Mining
//! sequential patterns by pattern-growth"). For every place at which a pattern can end, the latest place at which it
//! can have begun is kept, which is all that limits need.

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::MineError;
use crate::represent::sequences::Sequences;

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceSettings {
    /// Sequences that hold a pattern, at least; 1 or more.
    pub min_count: u32,
    /// Items of a pattern over all its elements, at most.
    pub max_items: usize,
    /// Elements from one of the pattern to its next, at most: 1 is the very next.
    pub max_gap: Option<usize>,
    /// Elements from the first of the pattern to its last, at most.
    pub max_window: Option<usize>,
    /// Only patterns that no larger one with the same count contains; without limits on gaps and windows.
    pub closed: bool,
}

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequencePattern {
    /// Sorted codes of each element.
    pub elements: Vec<Vec<u32>>,
    /// Sequences that hold it.
    pub count: u32,
}

impl SequencePattern {
    /// Items over all elements.
    pub fn n_items(&self) -> usize {
        self.elements.iter().map(Vec::len).sum()
    }

    /// Whether the pattern lies in another one: its elements, in order, within elements of the other.
    fn is_within(&self, other: &SequencePattern) -> bool {
        let mut rest = other.elements.iter();
        self.elements.iter().all(|element| {
            rest.any(|larger| {
                element
                    .iter()
                    .all(|item| larger.binary_search(item).is_ok())
            })
        })
    }
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
    settings: SequenceSettings,
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
            min_count,
            max_items: usize::MAX,
            max_gap: None,
            max_window: None,
            closed: false,
        }
    }

    /// The patterns of some sequences, in an order that depends on nothing but the sequences.
    ///
    /// # Errors
    /// `Setting` where a limit is 0, or closed patterns are wanted within limits; `Cancelled`.
    pub fn mine(
        &self,
        sequences: &Sequences,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<SequencePattern>, MineError> {
        self.check()?;
        let is_free = self.max_gap.is_none() && self.max_window.is_none();
        let search = Search {
            sequences,
            settings: *self,
            first_only: is_free && sequences.is_of_single_items(),
        };
        let firsts = search.firsts();
        let n = firsts.len();
        let found: Vec<Option<Vec<SequencePattern>>> = firsts
            .into_par_iter()
            .enumerate()
            .with_max_len(1)
            .map(|(k, (item, count))| {
                if !goes_on(k, n) {
                    return None;
                }
                let mut found = Vec::new();
                let mut pattern = SequencePattern {
                    elements: vec![vec![item]],
                    count,
                };
                let mut counter = Counter::new(sequences.n_items());
                let places = search.first_places(item);
                search.grow(&mut pattern, &places, &mut counter, &mut found);
                Some(found)
            })
            .collect();
        let found: Option<Vec<Vec<SequencePattern>>> = found.into_iter().collect();
        let all = found.ok_or(MineError::Cancelled)?.concat();
        Ok(if self.closed { closed(all) } else { all })
    }

    fn check(&self) -> Result<(), MineError> {
        let fail = |setting: &'static str, reason: &'static str| {
            Err(MineError::Setting {
                setting,
                value: "0".into(),
                reason,
            })
        };
        if self.min_count == 0 {
            return fail("min_count", "it is at least 1");
        }
        if self.max_items == 0 {
            return fail("max_items", "it is at least 1");
        }
        if self.max_gap == Some(0) || self.max_window == Some(0) {
            return fail("max_gap", "limits are at least 1");
        }
        if self.closed && (self.max_gap.is_some() || self.max_window.is_some()) {
            return Err(MineError::Setting {
                setting: "closed",
                value: "true".into(),
                reason: "within limits a larger pattern does not hold all that a smaller one holds",
            });
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
        counter.take(self.settings.min_count)
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
        if let Some(gap) = self.settings.max_gap {
            to = to.min(place.end as usize + gap + 1);
        }
        if let Some(window) = self.settings.max_window {
            to = to.min(place.begin as usize + window + 1);
        }
        from..to.max(from)
    }

    fn grow(
        &self,
        pattern: &mut SequencePattern,
        places: &Projection,
        counter: &mut Counter,
        found: &mut Vec<SequencePattern>,
    ) {
        found.push(pattern.clone());
        if pattern.n_items() >= self.settings.max_items {
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
                let outer = pattern.count;
                let grown = if within {
                    if let Some(last) = pattern.elements.last_mut() {
                        last.push(item);
                    }
                    self.places_within(places, item)
                } else {
                    pattern.elements.push(vec![item]);
                    self.places_after(places, item)
                };
                pattern.count = count;
                self.grow(pattern, &grown, counter, found);
                pattern.count = outer;
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
        counter.take(self.settings.min_count)
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
        counter.take(self.settings.min_count)
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
            for &place in places.of(at) {
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

/// Patterns that no larger one with the same count contains.
fn closed(all: Vec<SequencePattern>) -> Vec<SequencePattern> {
    let mut by_count: Vec<usize> = (0..all.len()).collect();
    by_count.sort_by_key(|&at| (all[at].count, all[at].n_items()));
    let groups: Vec<&[usize]> = by_count
        .chunk_by(|&a, &b| all[a].count == all[b].count)
        .collect();
    let mut keeps = vec![true; all.len()];
    let fallen: Vec<Vec<usize>> = groups
        .into_par_iter()
        .map(|group| {
            let is_held = |k: usize| {
                let own = &all[group[k]];
                let larger = group[k + 1..].iter().map(|&at| &all[at]);
                larger
                    .filter(|other| other.n_items() > own.n_items())
                    .any(|other| own.is_within(other))
            };
            (0..group.len())
                .filter(|&k| is_held(k))
                .map(|k| group[k])
                .collect()
        })
        .collect();
    fallen
        .into_iter()
        .flatten()
        .for_each(|at| keeps[at] = false);
    all.into_iter()
        .zip(keeps)
        .filter(|(_, keep)| *keep)
        .map(|(pattern, _)| pattern)
        .collect()
}
