//! Nearest neighbours by Euclidean distance, exact or nearly so.
//!
//! Enters: rows as [`Points`]. Leaves: a [`Neighbourhood`], the nearest points of each. Rows are ordered by a coarse
//! k-means and cut into blocks; products of two blocks bound all of their distances, and what may be among the nearest is
//! measured again by differences in f64, so that which points are the nearest, and in which order, is exact. Blocks that lie
//! too far apart are never multiplied. Above [`EXACT_ROWS`] rows, a row looks into the nearest blocks only (an inverted file,
//! Jégou et al. 2011), into as many as hold the neighbours of a sample. Not here: other distances, and trees.

mod approximate;
mod blocks;
mod cells;
mod exact;
mod lists;
mod pairs;
mod space;

pub(in crate::mine) use blocks::{Blocks, MOST_ROWS};
pub(in crate::mine) use exact::{nearest_keys, self_lists};
pub(in crate::mine) use lists::Lists;
pub(in crate::mine) use space::{Scale, Tile, check_finite};

use serde::{Deserialize, Serialize};

use super::MineError;
use crate::represent::points::Points;

/// Most rows whose neighbours [`nearest`] finds exactly.
pub const EXACT_ROWS: usize = 100_000;
/// The share of true neighbours that [`nearest`] finds at least.
pub const LEAST_RECALL: f64 = 0.95;

/// How many neighbours are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// At least 1.
    pub k: usize,
}

/// The nearest points of each, nearest first; of equal distances the lower index comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbourhood {
    /// Neighbours of each point: what was asked for, or all there are where those are fewer.
    pub k: usize,
    /// `[n, k]`
    pub indices: Vec<u32>,
    /// `[n, k]`
    pub distances: Vec<f32>,
}

impl Neighbourhood {
    /// The neighbours of one point and how far off they are. `[k]` each
    pub fn of(&self, at: usize) -> (&[u32], &[f32]) {
        let part = at * self.k..(at + 1) * self.k;
        (&self.indices[part.clone()], &self.distances[part])
    }
}

/// How neighbours were found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Search {
    /// All of them are right.
    Exact,
    /// Each row looked into the `probes` nearest blocks; `recall` was measured on a sample.
    Approximate { probes: usize, recall: f64 },
}

/// Neighbours, and how they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    pub neighbours: Neighbourhood,
    pub search: Search,
}

/// The `k` nearest of each point, the point itself left out: exact up to [`EXACT_ROWS`] rows, else nearly so.
///
/// # Errors
/// As [`Neighbours::exact`].
pub fn nearest(
    points: Points,
    k: usize,
    seed: u64,
    goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Nearest, MineError> {
    let settings = Neighbours { k };
    if points.len() > EXACT_ROWS {
        return settings.approximate(points, seed, goes_on);
    }
    Ok(Nearest {
        neighbours: settings.exact(points, None, goes_on)?,
        search: Search::Exact,
    })
}

impl Neighbours {
    fn check(&self) -> Result<(), MineError> {
        if self.k > 0 {
            return Ok(());
        }
        Err(MineError::Setting {
            setting: "k",
            value: self.k.to_string(),
            reason: "there must be a neighbour to look for",
        })
    }
}

/// A share of a longer work, and who is told of it.
#[derive(Clone, Copy)]
pub(in crate::mine) struct Stage<'a> {
    goes_on: &'a (dyn Fn(usize, usize) -> bool + Sync),
    from: usize,
    to: usize,
}

impl<'a> Stage<'a> {
    /// Steps of a whole work.
    const STEPS: usize = 1000;

    pub(in crate::mine) fn whole(goes_on: &'a (dyn Fn(usize, usize) -> bool + Sync)) -> Stage<'a> {
        Stage {
            goes_on,
            from: 0,
            to: Self::STEPS,
        }
    }

    /// The part of this stage from one share of it to another.
    pub(in crate::mine) fn part(&self, from: f64, to: f64) -> Stage<'a> {
        let at = |share: f64| self.from + ((self.to - self.from) as f64 * share) as usize;
        Stage {
            goes_on: self.goes_on,
            from: at(from),
            to: at(to),
        }
    }

    /// Tells how much is done.
    pub(in crate::mine) fn tell(&self, done: usize, of: usize) -> Result<(), MineError> {
        let step = self.from + (self.to - self.from) * done / of.max(1);
        if (self.goes_on)(step, Self::STEPS) {
            Ok(())
        } else {
            Err(MineError::Cancelled)
        }
    }
}

#[cfg(test)]
mod tests;
