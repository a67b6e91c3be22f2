//! What of a tile may belong to the nearest is measured.

use super::blocks::Blocks;
use super::exact::Meeting;
use super::lists::Lists;
use super::space::{Scale, Tile};

/// Products that are looked at together.
const LANES: usize = 16;

/// How near two rows seem, and the place of one.
type Seeming = (f32, usize);

/// The `n` least of some values, in no order.
fn least(seeming: &mut [Seeming], n: usize) -> &[Seeming] {
    if n >= seeming.len() {
        return seeming;
    }
    seeming.select_nth_unstable_by(n, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    &seeming[..n]
}

/// Rows that look for neighbours among others; the tile was multiplied.
pub(super) struct Rows<'a> {
    pub(super) tile: &'a Tile,
    pub(super) scale: Scale,
    /// The places of the rows of the tile's left part.
    pub(super) left: (&'a Blocks<'a>, &'a [u32]),
    /// The place that the lists start with.
    pub(super) first: usize,
    /// Where the rows of its right part start.
    pub(super) right: (&'a Blocks<'a>, usize),
}

impl Rows<'_> {
    /// Measures every distance that may belong to the nearest of a row; `may` tells of a row's place and another's number
    /// whether they may be neighbours.
    pub(super) fn look(&self, lists: &mut Lists, may: impl Fn(usize, usize) -> bool) {
        let ((left, places), (right, start)) = (self.left, self.right);
        let halves = self.tile.right_halves();
        let ids = right.ids(start..start + halves.len());
        let mut seeming: Vec<Seeming> = Vec::new();
        for (row, &half) in self.tile.left_halves().iter().enumerate() {
            let (products, place) = (self.tile.products(row), places[row] as usize);
            let slot = place - self.first;
            let offer = |lists: &mut Lists, at: usize| {
                let key = left.squared(place, right, start + at);
                lists.offer(slot, key, ids[at])
            };
            let missing = lists.missing(slot);
            if missing > 0 {
                // Those that seem nearest come first, so that few are measured after them.
                let others = (0..halves.len()).filter(|&at| may(place, at));
                seeming.clear();
                seeming.extend(others.map(|at| (halves[at] - products[at], at)));
                for &(_, at) in least(&mut seeming, missing) {
                    offer(lists, at);
                }
            }
            let floor = |lists: &Lists| half - self.scale.limit(lists.worst(slot));
            let mut lowest = floor(lists);
            for from in (0..halves.len()).step_by(LANES) {
                let part = from..halves.len().min(from + LANES);
                let mut terms = products[part.clone()].iter().zip(&halves[part.clone()]);
                if !terms.any_of(|(product, half)| product - half >= lowest) {
                    continue;
                }
                for at in part {
                    let near = products[at] - halves[at] >= lowest;
                    if near && may(place, at) && offer(lists, at) {
                        lowest = floor(lists);
                    }
                }
            }
        }
    }
}

/// Two sets of rows that are neighbours to each other; the tile was multiplied.
pub(super) struct Pair<'a> {
    pub(super) meeting: &'a Meeting<'a>,
    pub(super) tile: &'a Tile,
    /// Where the rows of both parts start.
    pub(super) places: [usize; 2],
    pub(super) ids: [&'a [u32]; 2],
    /// The places of the first rows in their lists.
    pub(super) firsts: [usize; 2],
}

impl Pair<'_> {
    fn squared(&self, row: usize, at: usize) -> f64 {
        let ([left, right], blocks) = (self.places, self.meeting.blocks);
        blocks.squared(left + row, blocks, right + at)
    }

    /// Fills lists that lack neighbours with those that seem nearest, so that few are measured after them.
    pub(super) fn begin(&self, left: &mut Lists, right: &mut Lists) {
        let (tile, mut seeming) = (self.tile, Vec::new());
        let [n_left, n_right] = self.ids.map(<[u32]>::len);
        for row in 0..n_left {
            let missing = left.missing(self.firsts[0] + row);
            if missing > 0 {
                let others = 0..n_right;
                let off = |at: usize| tile.right_halves()[at] - tile.products(row)[at];
                seeming.clear();
                seeming.extend(others.map(|at| (off(at), at)));
                for &(_, at) in least(&mut seeming, missing) {
                    left.offer(self.firsts[0] + row, self.squared(row, at), self.ids[1][at]);
                }
            }
        }
        for at in 0..n_right {
            let missing = right.missing(self.firsts[1] + at);
            if missing > 0 {
                let others = 0..n_left;
                let off = |row: usize| tile.left_halves()[row] - tile.products(row)[at];
                seeming.clear();
                seeming.extend(others.map(|row| (off(row), row)));
                for &(_, row) in least(&mut seeming, missing) {
                    right.offer(self.firsts[1] + at, self.squared(row, at), self.ids[0][row]);
                }
            }
        }
    }

    /// Measures every distance that may belong to the nearest of either end.
    pub(super) fn look(&self, left: &mut Lists, right: &mut Lists) {
        let (tile, scale, firsts) = (self.tile, self.meeting.scale, self.firsts);
        let [left_halves, right_halves] = [tile.left_halves(), tile.right_halves()];
        let floor = |half: f32, lists: &Lists, row: usize| half - scale.limit(lists.worst(row));
        let mut floors: Vec<f32> = (right_halves.iter().enumerate())
            .map(|(at, &half)| floor(half, right, firsts[1] + at))
            .collect();
        for (row, &half) in left_halves.iter().enumerate() {
            let products = tile.products(row);
            let mut lowest = floor(half, left, firsts[0] + row);
            for from in (0..products.len()).step_by(LANES) {
                let part = from..products.len().min(from + LANES);
                let others = products[part.clone()]
                    .iter()
                    .zip(&right_halves[part.clone()]);
                let mut terms = others.zip(&floors[part.clone()]);
                let near = |((product, other), floor): ((&f32, &f32), &f32)| {
                    (product - other >= lowest) | (product - half >= *floor)
                };
                if !terms.any_of(near) {
                    continue;
                }
                for at in part {
                    let to_left = products[at] - right_halves[at] >= lowest;
                    let to_right = products[at] - half >= floors[at];
                    if !(to_left || to_right) {
                        continue;
                    }
                    let key = self.squared(row, at);
                    if to_left && left.offer(firsts[0] + row, key, self.ids[1][at]) {
                        lowest = floor(half, left, firsts[0] + row);
                    }
                    if to_right && right.offer(firsts[1] + at, key, self.ids[0][row]) {
                        floors[at] = floor(right_halves[at], right, firsts[1] + at);
                    }
                }
            }
        }
    }
}

/// Whether anything fits, found without a branch for each.
trait AnyOf: Iterator + Sized {
    fn any_of(&mut self, fits: impl Fn(Self::Item) -> bool) -> bool {
        self.fold(false, |any, item| any | fits(item))
    }
}

impl<I: Iterator> AnyOf for I {}
