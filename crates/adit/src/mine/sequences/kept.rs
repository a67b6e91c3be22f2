//! What is found, kept within a budget; and what of it no larger pattern speaks for.

use std::collections::HashMap;

use super::{Kind, SequencePattern, without_item};
use crate::mine::bar::Bar;

/// Patterns between two looks at the budget.
const AT_ONCE: usize = 4096;

/// Patterns of one branch of the search.
#[derive(Default)]
pub(super) struct Kept {
    pub patterns: Vec<SequencePattern>,
    /// Patterns that the bar was not told of yet begin here.
    untold: usize,
    /// No pattern of a smaller count is among those that the bar was told of.
    least: u32,
}

impl Kept {
    pub fn push(&mut self, pattern: SequencePattern, bar: &Bar) {
        self.patterns.push(pattern);
        if self.patterns.len() - self.untold >= AT_ONCE {
            self.tell(bar);
        }
    }

    /// Tells the bar of what is new, and lets go of what no longer counts.
    pub fn tell(&mut self, bar: &Bar) {
        let new = self.patterns[self.untold..].iter();
        bar.tell(new.map(|p| (p.count, p.bytes())));
        // Others may have raised it since.
        let least = bar.least();
        if least > self.least {
            self.patterns.retain(|p| p.count >= least);
            self.least = least;
        }
        self.untold = self.patterns.len();
    }
}

/// Of all frequent patterns those that no larger one contains, of the same count where closed ones are wanted. A
/// pattern with more items lies around one with one item more, so only these are looked for.
pub(super) fn outermost(
    all: Vec<SequencePattern>,
    kind: Kind,
    max_items: usize,
) -> Vec<SequencePattern> {
    let place_of: HashMap<&[Vec<u32>], usize> = all
        .iter()
        .enumerate()
        .map(|(at, p)| (p.elements.as_slice(), at))
        .collect();
    let mut keeps: Vec<bool> = all.iter().map(|p| p.n_items() <= max_items).collect();
    for larger in &all {
        for place in 0..larger.n_items() {
            let smaller = without_item(&larger.elements, place);
            if let Some(&at) = place_of.get(smaller.as_slice())
                && (kind == Kind::Maximal || all[at].count == larger.count)
            {
                keeps[at] = false;
            }
        }
    }
    drop(place_of);
    let mut keeps = keeps.into_iter();
    let mut all = all;
    all.retain(|_| keeps.next().unwrap_or(false));
    all
}
