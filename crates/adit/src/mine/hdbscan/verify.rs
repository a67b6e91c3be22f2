//! Whether a spanning tree is minimal, and the edges that would make it so.
//!
//! A tree is minimal where no edge is shorter than the longest on the tree's way between its ends. In the order of the leaves of
//! the tree's dendrogram, that longest edge is the largest of the distances between two places, so a block of places bounds it
//! for all of its rows.

use std::ops::Range;

use rayon::prelude::*;

use super::dendrogram::Dendrogram;
use super::forest::Edge;
use crate::mine::MineError;
use crate::mine::neighbours::{Blocks, MOST_ROWS, Scale, Stage, Tile};
use crate::represent::points::Points;

/// Products that are looked at together.
const LANES: usize = 16;

/// A spanning tree's rows in the order of its leaves.
pub(super) struct Verification<'a> {
    blocks: Blocks<'a>,
    scale: Scale,
    /// By place.
    cores: Vec<f64>,
    /// The longest edge on the way from each place to the first of the next block.
    onward: Vec<f64>,
    /// The longest edge on the way to each place from the first of its block.
    inward: Vec<f64>,
    /// The distance at which each place merges with the next; infinite at the end.
    next: Vec<f64>,
}

/// Two blocks that may have shorter edges.
struct Meeting {
    left: usize,
    right: usize,
    /// The longest edge from the end of the left block to the start of the right.
    between: f64,
}

/// The rows of two bunches that may have shorter edges.
struct Active {
    left: Vec<usize>,
    right: Vec<usize>,
}

impl<'a> Verification<'a> {
    /// Verifies the tree `edges` over the rows `rows` of `points`, at least 2.
    pub(super) fn new(
        points: Points<'a>,
        rows: &[u32],
        cores: &[f64],
        edges: &[Edge],
    ) -> Verification<'a> {
        let (ids, mut next) = Dendrogram::new(rows.len(), edges).leaves();
        next.push(f64::INFINITY);
        let starts = cuts(&next);
        let mut onward = next.clone();
        let mut inward = vec![0.0f64; next.len()];
        for block in starts.windows(2) {
            for place in (block[0]..block[1] - 1).rev() {
                onward[place] = onward[place].max(onward[place + 1]);
            }
            for place in block[0] + 1..block[1] {
                inward[place] = inward[place - 1].max(next[place - 1]);
            }
        }
        Verification {
            cores: ids.iter().map(|&id| cores[id as usize]).collect(),
            blocks: Blocks::new(points, rows, ids, starts),
            scale: Scale::new(&[points]),
            onward,
            inward,
            next,
        }
    }

    /// Finds every edge that is shorter than the longest on the way between its ends.
    pub(super) fn shorter(
        &self,
        stage: Stage,
        found: &mut dyn FnMut(Edge),
    ) -> Result<(), MineError> {
        let bunches = self.blocks.bunches();
        for (at, left) in bunches.iter().enumerate() {
            stage.tell(at, bunches.len())?;
            let edges: Vec<Vec<Edge>> = (self.onward_from(at).par_iter())
                .map_init(Tile::default, |tile, (right, between)| {
                    self.of_bunches(tile, left, right, *between)
                })
                .collect();
            edges.into_iter().flatten().for_each(&mut *found);
        }
        Ok(())
    }

    /// A bunch and those after it, and the longest edge on the way from the end of the first to the start of each.
    fn onward_from(&self, first: usize) -> Vec<(&Range<usize>, f64)> {
        let mut between = 0.0f64;
        let mut all = Vec::new();
        for (at, bunch) in self.blocks.bunches().iter().enumerate().skip(first) {
            all.push((bunch, between));
            if at > first {
                between = between.max(self.longest(bunch));
            }
        }
        all
    }

    /// Of all pairs of blocks that are near enough, the places between them and the longest edge there.
    #[cfg(test)]
    pub(super) fn ways(&self) -> Vec<(Range<usize>, f64)> {
        let mut ways = Vec::new();
        for (at, left) in self.blocks.bunches().iter().enumerate() {
            for (right, between) in self.onward_from(at) {
                for meeting in self.meetings(left, right, between) {
                    if meeting.left < meeting.right {
                        let from = self.blocks.places(meeting.left).end;
                        let to = self.blocks.places(meeting.right).start;
                        ways.push((from..to, meeting.between));
                    }
                }
            }
        }
        ways
    }

    /// The longest edge on the way through some blocks and on to the next.
    fn longest(&self, blocks: &Range<usize>) -> f64 {
        let starts = blocks.clone().map(|block| self.blocks.places(block).start);
        starts.map(|start| self.onward[start]).fold(0.0, f64::max)
    }

    /// The shorter edges between two bunches, or within one; `between` is the longest edge from one to the other.
    fn of_bunches(
        &self,
        tile: &mut Tile,
        left: &Range<usize>,
        right: &Range<usize>,
        between: f64,
    ) -> Vec<Edge> {
        let meetings = self.meetings(left, right, between);
        if meetings.is_empty() {
            return Vec::new();
        }
        let active = self.active(left, right, &meetings);
        if active.left.is_empty() || active.right.is_empty() {
            return Vec::new();
        }
        let rows = |places: &[usize]| -> Vec<u32> {
            let row = |&place: &usize| self.blocks.rows(place..place + 1)[0];
            places.iter().map(row).collect()
        };
        let points = self.blocks.points();
        let (left_rows, right_rows) = (rows(&active.left), rows(&active.right));
        let centre = self.blocks.centre(left.start);
        tile.load(
            (points, &left_rows),
            (points, &right_rows),
            self.scale,
            centre,
        );
        let mut edges = Vec::new();
        for meeting in &meetings {
            let part = |places: &[usize], block: usize| {
                let span = self.blocks.places(block);
                let at = |place: usize| places.partition_point(|&other| other < place);
                at(span.start)..at(span.end)
            };
            let [from, to] = [
                part(&active.left, meeting.left),
                part(&active.right, meeting.right),
            ];
            tile.multiply(from.clone(), to.clone());
            let (from, to) = (&active.left[from], &active.right[to]);
            if meeting.left == meeting.right {
                self.within(tile, from, to, &mut edges);
            } else {
                self.across(tile, (from, to), meeting.between, &mut edges);
            }
        }
        edges
    }

    /// The pairs of blocks that are not too far apart.
    fn meetings(&self, left: &Range<usize>, right: &Range<usize>, between: f64) -> Vec<Meeting> {
        let mut meetings = Vec::new();
        for x in left.clone() {
            for y in right.clone().filter(|&y| y >= x) {
                let between = if left == right {
                    self.longest(&(x + 1..y.max(x + 1)))
                } else {
                    let after = self.longest(&(x + 1..left.end));
                    between.max(after).max(self.longest(&(right.start..y)))
                };
                let [x_places, y_places] = [x, y].map(|block| self.blocks.places(block));
                let longest = if x == y {
                    self.inward[y_places.end - 1]
                } else {
                    let inward = self.inward[y_places.end - 1];
                    self.onward[x_places.start].max(between).max(inward)
                };
                if x == y || self.blocks.gap(x, &self.blocks, y) < longest {
                    meetings.push(Meeting {
                        left: x,
                        right: y,
                        between,
                    });
                }
            }
        }
        meetings
    }

    /// The rows whose core distance is shorter than the way to some row they may have an edge with.
    fn active(&self, left: &Range<usize>, right: &Range<usize>, meetings: &[Meeting]) -> Active {
        let mut active = Active {
            left: Vec::new(),
            right: Vec::new(),
        };
        for block in left.clone() {
            let ways = meetings.iter().filter(|meeting| meeting.left == block);
            let way = ways.map(|meeting| {
                let inward = self.inward[self.blocks.places(meeting.right).end - 1];
                meeting.between.max(inward)
            });
            if let Some(way) = way.reduce(f64::max) {
                let near = |&place: &usize| self.cores[place] < way.max(self.onward[place]);
                active.left.extend(self.blocks.places(block).filter(near));
            }
        }
        for block in right.clone() {
            let ways = meetings.iter().filter(|meeting| meeting.right == block);
            let way = ways.map(|meeting| {
                let onward = self.onward[self.blocks.places(meeting.left).start];
                meeting.between.max(onward)
            });
            if let Some(way) = way.reduce(f64::max) {
                let near = |&place: &usize| self.cores[place] < way.max(self.inward[place]);
                active.right.extend(self.blocks.places(block).filter(near));
            }
        }
        active
    }

    /// The edge between two places where it is shorter than the way.
    fn edge(&self, a: usize, b: usize, way: f64) -> Option<Edge> {
        let cores = [self.cores[a], self.cores[b]];
        if cores[0].max(cores[1]) >= way {
            return None;
        }
        let distance = self.blocks.squared(a, &self.blocks, b).sqrt();
        let id = |place: usize| self.blocks.ids(place..place + 1)[0];
        let edge = Edge::new(distance, cores, [id(a), id(b)]);
        (edge.weight < way).then_some(edge)
    }

    /// Half of a squared distance in the units of the products.
    fn limit(&self, distance: f64) -> f32 {
        self.scale.limit(distance * distance)
    }

    fn across(
        &self,
        tile: &Tile,
        (left, right): (&[usize], &[usize]),
        between: f64,
        edges: &mut Vec<Edge>,
    ) {
        let halves = tile.right_halves();
        let inward: Vec<f32> = right
            .iter()
            .map(|&place| self.limit(self.inward[place]))
            .collect();
        for (row, (&place, &half)) in left.iter().zip(tile.left_halves()).enumerate() {
            let way = self.onward[place].max(between);
            let limit = self.limit(way);
            let products = tile.products(row);
            let near =
                |product: f32, other: f32, inward: f32| product - other + limit.max(inward) >= half;
            for from in (0..right.len()).step_by(LANES) {
                let part = from..right.len().min(from + LANES);
                let others = products[part.clone()].iter().zip(&halves[part.clone()]);
                let terms = others.zip(&inward[part.clone()]);
                let any = terms.fold(false, |any, ((&product, &other), &inward)| {
                    any | near(product, other, inward)
                });
                if any {
                    for at in part.filter(|&at| near(products[at], halves[at], inward[at])) {
                        edges.extend(self.edge(place, right[at], way.max(self.inward[right[at]])));
                    }
                }
            }
        }
    }

    fn within(&self, tile: &Tile, left: &[usize], right: &[usize], edges: &mut Vec<Edge>) {
        let halves = tile.right_halves();
        for (row, (&place, &half)) in left.iter().zip(tile.left_halves()).enumerate() {
            let products = tile.products(row);
            let (mut way, mut limit, mut reached) = (0.0f64, 0.0f32, place);
            for (at, &other) in right
                .iter()
                .enumerate()
                .filter(|(_, other)| **other > place)
            {
                while reached < other {
                    if self.next[reached] > way {
                        way = self.next[reached];
                        limit = self.limit(way);
                    }
                    reached += 1;
                }
                if products[at] - halves[at] + limit >= half {
                    edges.extend(self.edge(place, other, way));
                }
            }
        }
    }
}

/// Where blocks of at most [`MOST_ROWS`] places start, best where the tree is longest.
fn cuts(next: &[f64]) -> Vec<usize> {
    let n = next.len();
    let most = n.div_ceil(32).clamp(64, MOST_ROWS);
    let mut starts = vec![0];
    let mut from = 0;
    while n - from > most {
        let ends = from + most / 2..from + most;
        let longest = |a: &usize, b: &usize| next[*a].total_cmp(&next[*b]);
        let last = ends.max_by(longest).unwrap_or(from + most - 1);
        from = last + 1;
        starts.push(from);
    }
    starts.push(n);
    starts
}
