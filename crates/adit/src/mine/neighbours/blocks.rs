//! Rows in blocks of near ones, and how far blocks lie apart at least.

use std::ops::Range;

use rayon::prelude::*;

use super::space::squared_distance;
use crate::represent::points::Points;

/// Most rows of a block.
pub(in crate::mine) const MOST_ROWS: usize = 256;
/// Most rows of a bunch.
const BUNCH_ROWS: usize = 1024;
/// Where there are rows enough, there are at least so many bunches, so that all threads have some.
const BUNCHES: usize = 24;

/// Some rows, block after block; a row's id is its place among those that were given.
pub(in crate::mine) struct Blocks<'a> {
    points: Points<'a>,
    /// Ids, block after block.
    ids: Vec<u32>,
    /// The row of the points that each id stands for, in the order of `ids`.
    rows: Vec<u32>,
    /// Where blocks start, and the end. `[n_blocks + 1]`
    starts: Vec<usize>,
    /// Blocks that are read together, one after another.
    bunches: Vec<Range<usize>>,
    /// Means of the rows. `[n_blocks, width]`
    centres: Vec<f64>,
    /// The longest distance from the centre to a row. `[n_blocks]`
    radii: Vec<f64>,
}

impl<'a> Blocks<'a> {
    /// Blocks of the rows `rows` of `points`, in the order `ids` (places in `rows`), cut at `starts`.
    pub(in crate::mine) fn new(
        points: Points<'a>,
        rows: &[u32],
        ids: Vec<u32>,
        starts: Vec<usize>,
    ) -> Blocks<'a> {
        let rows: Vec<u32> = ids.iter().map(|&id| rows[id as usize]).collect();
        let parts: Vec<(Vec<f64>, f64)> = starts
            .par_windows(2)
            .map(|part| middle(points, &rows[part[0]..part[1]]))
            .collect();
        let radii = parts.iter().map(|(_, radius)| *radius).collect();
        Blocks {
            points,
            ids,
            rows,
            bunches: bunches(&starts),
            starts,
            centres: parts.into_iter().flat_map(|(centre, _)| centre).collect(),
            radii,
        }
    }

    /// The points that the rows belong to.
    pub(in crate::mine) fn points(&self) -> Points<'a> {
        self.points
    }

    /// Number of blocks.
    pub(in crate::mine) fn len(&self) -> usize {
        self.radii.len()
    }

    /// Blocks that are read together.
    pub(in crate::mine) fn bunches(&self) -> &[Range<usize>] {
        &self.bunches
    }

    /// The places of the rows of some blocks, one after another.
    pub(in crate::mine) fn span(&self, blocks: &Range<usize>) -> Range<usize> {
        self.starts[blocks.start]..self.starts[blocks.end]
    }

    /// The places of a block's rows in the order of all.
    pub(in crate::mine) fn places(&self, block: usize) -> Range<usize> {
        self.starts[block]..self.starts[block + 1]
    }

    /// The ids at some places.
    pub(in crate::mine) fn ids(&self, places: Range<usize>) -> &[u32] {
        &self.ids[places]
    }

    /// The rows of the points at some places.
    pub(in crate::mine) fn rows(&self, places: Range<usize>) -> &[u32] {
        &self.rows[places]
    }

    /// The mean of a block's rows. `[width]`
    pub(in crate::mine) fn centre(&self, block: usize) -> &[f64] {
        let width = self.points.width();
        &self.centres[block * width..][..width]
    }

    /// No row of a block is nearer than this to a row of a block of `other`.
    pub(in crate::mine) fn gap(&self, block: usize, other: &Blocks, at: usize) -> f64 {
        let terms = self.centre(block).iter().zip(other.centre(at));
        let between = terms.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        let radii = self.radii[block] + other.radii[at];
        (between * (1.0 - 1e-9) - radii * (1.0 + 1e-9)).max(0.0)
    }

    /// The squared distance of the row at a place from one of `other`.
    pub(in crate::mine) fn squared(&self, place: usize, other: &Blocks, at: usize) -> f64 {
        let row = self.points.row(self.rows[place] as usize);
        squared_distance(row, other.points.row(other.rows[at] as usize))
    }
}

/// The squared distance of a row from a centre.
fn away(centre: &[f64], row: &[f32]) -> f64 {
    let terms = centre.iter().zip(row);
    terms.map(|(c, &v)| (c - f64::from(v)).powi(2)).sum()
}

/// The mean of some rows, and the longest distance from it.
fn middle(points: Points, rows: &[u32]) -> (Vec<f64>, f64) {
    let mut centre = vec![0.0f64; points.width()];
    let each = || rows.iter().map(|&row| points.row(row as usize));
    for row in each() {
        let terms = centre.iter_mut().zip(row);
        terms.for_each(|(sum, &v)| *sum += f64::from(v));
    }
    centre.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
    let radius = each().map(|row| away(&centre, row)).fold(0.0, f64::max);
    (centre, radius.sqrt())
}

/// Neighbouring blocks together, up to a number of rows that leaves enough bunches.
fn bunches(starts: &[usize]) -> Vec<Range<usize>> {
    let n = starts.last().copied().unwrap_or(0);
    let most = (n / BUNCHES).clamp(1, BUNCH_ROWS);
    let mut bunches: Vec<Range<usize>> = Vec::new();
    for block in 0..starts.len() - 1 {
        match bunches.last_mut() {
            Some(last) if starts[block + 1] - starts[last.start] <= most => last.end = block + 1,
            _ => bunches.push(block..block + 1),
        }
    }
    bunches
}
