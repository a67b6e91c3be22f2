//! The minimum spanning tree of the mutual reachability distances.

use super::distinct::Distinct;
use super::forest::{Edge, Forest};
use super::verify::Verification;
use crate::mine::MineError;
use crate::mine::neighbours::{Lists, Stage, self_lists};
use crate::represent::points::Points;

/// Neighbours whose edges make the first tree; more leave fewer edges to be found later.
const LINKS: usize = 15;
/// The same, of a sample.
const SAMPLE_LINKS: usize = 6;
/// One row in so many is in the sample.
const SAMPLE_SHARE: usize = 8;

/// A spanning tree of all rows.
pub(super) struct Spanning {
    /// Shortest first. `[n - 1]`, or none where there are too few rows for core distances.
    pub(super) edges: Vec<Edge>,
    /// Distances within which each row has `min_samples` rows. `[n]`
    pub(super) cores: Vec<f64>,
}

/// The spanning tree of least weight.
pub(super) fn minimum(
    points: Points,
    min_samples: usize,
    stage: Stage,
) -> Result<Spanning, MineError> {
    if points.len() < min_samples {
        return Ok(Spanning {
            edges: Vec::new(),
            cores: Vec::new(),
        });
    }
    let distinct = Distinct::new(points);
    let k = LINKS.max(min_samples - 1);
    let lists = self_lists(points, &distinct.rows, k, stage.part(0.0, 0.5))?;
    let cores = cores(&lists, &distinct.counts, min_samples);
    let rows = Rows {
        points,
        rows: &distinct.rows,
        cores: &cores,
    };
    let mut forest = rows.forest(lists, stage.part(0.5, 1.0))?;
    Ok(with_copies(forest.edges(), &distinct, &cores))
}

/// The distance within which each distinct row has `min_samples` rows, itself and copies counted.
fn cores(lists: &Lists, counts: &[u32], min_samples: usize) -> Vec<f64> {
    let core = |(row, &own): (usize, &u32)| {
        let mut n = own as usize;
        if n >= min_samples {
            return 0.0;
        }
        let (keys, ids) = lists.of(row);
        for (key, &id) in keys.iter().zip(ids) {
            n += counts[id as usize] as usize;
            if n >= min_samples {
                return key.sqrt();
            }
        }
        f64::MAX
    };
    counts.iter().enumerate().map(core).collect()
}

/// Rows that all differ.
struct Rows<'a> {
    points: Points<'a>,
    rows: &'a [u32],
    cores: &'a [f64],
}

impl Rows<'_> {
    /// The minimum spanning tree, by places.
    ///
    /// Edges to the nearest neighbours and the minimum tree of a sample make a tree; few edges are shorter than the way between
    /// their ends in such a tree (Karger, Klein and Tarjan 1995), and the minimum tree is among them all.
    fn forest(&self, lists: Lists, stage: Stage) -> Result<Forest, MineError> {
        let n = self.rows.len();
        let mut forest = Forest::new(n);
        for row in 0..n {
            self.add_nearest(&mut forest, &lists, row);
        }
        let complete = lists.k() + 1 >= n;
        drop(lists);
        if complete {
            return Ok(forest);
        }
        self.add_sampled(&mut forest, stage.part(0.0, 0.1))?;
        let verification = Verification::new(self.points, self.rows, self.cores, forest.edges());
        verification.shorter(stage.part(0.1, 1.0), &mut |edge| forest.add(edge))?;
        Ok(forest)
    }

    /// Adds the edges from a row to its nearest neighbours.
    fn add_nearest(&self, forest: &mut Forest, lists: &Lists, row: usize) {
        if lists.k() == 0 {
            return;
        }
        let (keys, ids) = lists.of(row);
        for (key, &id) in keys.iter().zip(ids) {
            let other = id as usize;
            // An edge that both ends list is added by the first.
            if other > row || !lists.of(other).1.contains(&(row as u32)) {
                let cores = [self.cores[row], self.cores[other]];
                forest.add(Edge::new(key.sqrt(), cores, [row as u32, id]));
            }
        }
    }

    /// Adds the minimum spanning tree of some rows of every tree there is, which joins the trees.
    fn add_sampled(&self, forest: &mut Forest, stage: Stage) -> Result<(), MineError> {
        let (trees, n_trees) = forest.trees();
        let mut seen = vec![0usize; n_trees];
        let mut places = Vec::new();
        for (place, &tree) in (0u32..).zip(&trees) {
            let seen = &mut seen[tree as usize];
            if seen.is_multiple_of(SAMPLE_SHARE) {
                places.push(place);
            }
            *seen += 1;
        }
        let rows: Vec<u32> = places.iter().map(|&at| self.rows[at as usize]).collect();
        let cores: Vec<f64> = places.iter().map(|&at| self.cores[at as usize]).collect();
        let sample = Rows {
            points: self.points,
            rows: &rows,
            cores: &cores,
        };
        let lists = self_lists(self.points, &rows, SAMPLE_LINKS, stage.part(0.0, 0.5))?;
        for edge in sample.forest(lists, stage.part(0.5, 1.0))?.edges() {
            forest.add(edge.renamed(|at| places[at as usize]));
        }
        Ok(())
    }
}

/// The tree of the distinct rows with their copies hung on.
fn with_copies(edges: &[Edge], distinct: &Distinct, cores: &[f64]) -> Spanning {
    let row = |at: u32| distinct.rows[at as usize];
    let mut all: Vec<Edge> = edges.iter().map(|edge| edge.renamed(row)).collect();
    for (copy, &at) in distinct.of.iter().enumerate() {
        let first = row(at);
        if first as usize != copy {
            let core = cores[at as usize];
            all.push(Edge::new(0.0, [core, core], [first, copy as u32]));
        }
    }
    all.sort_unstable_by(Edge::order);
    Spanning {
        edges: all,
        cores: distinct.of.iter().map(|&at| cores[at as usize]).collect(),
    }
}
