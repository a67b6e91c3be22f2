//! Histories as sequences of events: what happened after what.
//!
//! Enters: names of items, element by element. Leaves: codes in one flat array. Not here: where events come from.

use super::names::Names;

/// Sequences of elements, each a set of items that happened at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// By code, in the order in which they were first seen.
    names: Vec<String>,
    /// Of all elements one after another; sorted within an element, each code once.
    codes: Vec<u32>,
    /// Where each element ends in `codes`.
    element_ends: Vec<usize>,
    /// Where each sequence ends in `element_ends`.
    ends: Vec<usize>,
}

impl Sequences {
    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there is no sequence.
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

    /// Elements of a sequence.
    pub fn n_elements(&self, sequence: usize) -> usize {
        self.ends[sequence] - self.start(sequence)
    }

    /// The sorted codes of an element.
    #[inline]
    pub fn element(&self, sequence: usize, at: usize) -> &[u32] {
        let element = self.start(sequence) + at;
        let start = if element == 0 {
            0
        } else {
            self.element_ends[element - 1]
        };
        &self.codes[start..self.element_ends[element]]
    }

    /// The items of all elements of a sequence, one after another.
    #[inline]
    pub fn items(&self, sequence: usize) -> &[u32] {
        let first = self.start(sequence);
        let from = if first == 0 {
            0
        } else {
            self.element_ends[first - 1]
        };
        let to = match self.ends[sequence] {
            0 => 0,
            end => self.element_ends[end - 1],
        };
        &self.codes[from..to]
    }

    /// True where no element holds more than one item.
    pub fn is_of_single_items(&self) -> bool {
        self.codes.len() <= self.element_ends.len()
    }

    #[inline]
    fn start(&self, sequence: usize) -> usize {
        if sequence == 0 {
            0
        } else {
            self.ends[sequence - 1]
        }
    }

    /// Sequences of codes that are named otherwise; elements are sorted and their doubles and empty ones dropped.
    pub fn from_codes(names: Vec<String>, sequences: impl Iterator<Item = Vec<Vec<u32>>>) -> Self {
        let mut made = Self {
            names,
            ..Self::default()
        };
        for sequence in sequences {
            for element in sequence {
                made.push_element(element);
            }
            made.ends.push(made.element_ends.len());
        }
        made
    }

    /// The sequences at `which`, with the same codes.
    pub fn select(&self, which: &[usize]) -> Self {
        let mut made = Self {
            names: self.names.clone(),
            ..Self::default()
        };
        for &sequence in which {
            for at in 0..self.n_elements(sequence) {
                made.codes.extend_from_slice(self.element(sequence, at));
                made.element_ends.push(made.codes.len());
            }
            made.ends.push(made.element_ends.len());
        }
        made
    }

    fn push_element(&mut self, mut element: Vec<u32>) {
        element.sort_unstable();
        element.dedup();
        if !element.is_empty() {
            self.codes.extend(element);
            self.element_ends.push(self.codes.len());
        }
    }
}

/// Gathers sequences of names.
#[derive(Debug, Default)]
pub struct SequencesBuilder {
    made: Sequences,
    names: Names,
}

impl SequencesBuilder {
    /// Adds an element to the sequence that is being gathered.
    pub fn element<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let codes = names.map(|name| self.names.code(name)).collect();
        self.made.push_element(codes);
    }

    /// Ends the sequence.
    pub fn end(&mut self) {
        self.made.ends.push(self.made.element_ends.len());
    }

    /// All sequences.
    pub fn finish(self) -> Sequences {
        Sequences {
            names: self.names.finish(),
            ..self.made
        }
    }
}
