//! Isolation forest: rows that random cuts part from the others early are strange (Liu, Ting and Zhou 2008).
//!
//! Enters: points of numbers. Leaves: an [`IsolationForestModel`]. Each tree cuts a small sample again and again, at a
//! random place of a random column; a row's score follows from the mean number of cuts until it is alone. Not here:
//! categories and missing values, which come as numbers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::check_finite;
use crate::mine::MineError;
use crate::represent::points::Points;

/// What harmonic numbers lie above logarithms in the end.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
/// Trees that are grown between two questions whether to go on.
const GROUP_TREES: usize = 16;
/// Rows that one thread is asked at once.
const CHUNK_ROWS: usize = 256;

/// How the forest is grown; by default as in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsolationForest {
    pub n_trees: usize,
    /// Rows that each tree is grown of, drawn without putting back; all rows where they are fewer.
    pub sample: usize,
    pub seed: u64,
}

impl Default for IsolationForest {
    fn default() -> Self {
        IsolationForest {
            n_trees: 100,
            sample: 256,
            seed: 0,
        }
    }
}

/// A grown forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsolationForestModel {
    width: usize,
    /// Rows that each tree was grown of.
    sample: usize,
    trees: Vec<Tree>,
}

/// A tree in preorder: the left child is the next node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tree {
    /// The right child; 0 at a leaf. `[n_nodes]`
    right: Vec<u32>,
    /// The column that is asked. `[n_nodes]`
    column: Vec<u32>,
    /// Values below go left. `[n_nodes]`
    threshold: Vec<f32>,
    /// Sampled rows that came here. `[n_nodes]`
    n_rows: Vec<u32>,
}

impl IsolationForest {
    /// Grows the forest on `points`.
    ///
    /// # Errors
    /// Settings out of range; no rows; values that are not finite; `Cancelled`.
    pub fn fit(
        &self,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<IsolationForestModel, MineError> {
        self.check()?;
        if points.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        check_finite(points)?;
        let sample = self.sample.min(points.len());
        let mut trees = Vec::new();
        while trees.len() < self.n_trees {
            if !goes_on(trees.len(), self.n_trees) {
                return Err(MineError::Cancelled);
            }
            let group = trees.len()..(trees.len() + GROUP_TREES).min(self.n_trees);
            let grown: Vec<Tree> = group
                .into_par_iter()
                .map(|at| Tree::grow(points, sample, adit_nn::random::mix(self.seed, at as u64)))
                .collect();
            trees.extend(grown);
        }
        Ok(IsolationForestModel {
            width: points.width(),
            sample,
            trees,
        })
    }

    fn check(&self) -> Result<(), MineError> {
        let most = u32::MAX as usize / 2;
        let checks = [("n_trees", self.n_trees), ("sample", self.sample)];
        match checks.into_iter().find(|(_, n)| *n == 0 || *n > most) {
            Some((setting, value)) => Err(MineError::Setting {
                setting,
                value: value.to_string(),
                reason: "it lies outside of what it can be",
            }),
            None => Ok(()),
        }
    }
}

impl Tree {
    fn grow(points: Points, sample: usize, seed: u64) -> Tree {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = rand::seq::index::sample(&mut rng, points.len(), sample).into_vec();
        let mut growing = Growing {
            points,
            rng,
            columns: (0..points.width() as u32).collect(),
            tree: Tree::default(),
        };
        // As many levels as a balanced tree of as many leaves has.
        let depth = usize::BITS - (sample.max(2) - 1).leading_zeros();
        growing.node(&mut rows, 0, depth);
        growing.tree
    }
}

struct Growing<'a> {
    points: Points<'a>,
    rng: ChaCha8Rng,
    /// In random order, those first that do not change among the rows of a node.
    columns: Vec<u32>,
    tree: Tree,
}

impl Growing<'_> {
    /// Grows the node of `rows`, where the first `n_constant` columns are known not to change.
    fn node(&mut self, rows: &mut [usize], n_constant: usize, depth: u32) {
        let at = self.tree.right.len();
        self.tree.right.push(0);
        self.tree.column.push(0);
        self.tree.threshold.push(0.0);
        self.tree.n_rows.push(rows.len() as u32);
        if depth == 0 || rows.len() < 2 {
            return;
        }
        let Some((column, threshold, n_constant)) = self.cut(rows, n_constant) else {
            return;
        };
        let points = self.points;
        let n_left = part(rows, |row| points.row(row)[column as usize] < threshold);
        let (left, right) = rows.split_at_mut(n_left);
        self.tree.column[at] = column;
        self.tree.threshold[at] = threshold;
        self.node(left, n_constant, depth - 1);
        self.tree.right[at] = self.tree.right.len() as u32;
        self.node(right, n_constant, depth - 1);
    }

    /// A random place of a random column that changes among `rows`, and how many columns are now known not to; none
    /// where no column changes.
    fn cut(&mut self, rows: &[usize], mut n_constant: usize) -> Option<(u32, f32, usize)> {
        while n_constant < self.columns.len() {
            let drawn = self.rng.random_range(n_constant..self.columns.len());
            let column = self.columns[drawn];
            let mut values = rows
                .iter()
                .map(|&row| self.points.row(row)[column as usize]);
            let first = values.next()?;
            let (least, most) = values.fold((first, first), |(a, b), v| (a.min(v), b.max(v)));
            if least < most {
                let (from, to) = (f64::from(least), f64::from(most));
                let place = (from + self.rng.random::<f64>() * (to - from)) as f32;
                // Rounding may bring the place to the least value, below which nothing lies.
                let place = if place > least { place } else { most };
                return Some((column, place, n_constant));
            }
            self.columns.swap(drawn, n_constant);
            n_constant += 1;
        }
        None
    }
}

/// Brings the rows of which `test` holds to the front; how many they are.
fn part(rows: &mut [usize], test: impl Fn(usize) -> bool) -> usize {
    let mut n = 0;
    for at in 0..rows.len() {
        if test(rows[at]) {
            rows.swap(at, n);
            n += 1;
        }
    }
    n
}

/// Mean cuts until a row is alone among `n`: those of an unsuccessful search in a binary tree.
fn mean_path_length(n: u32) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let before = f64::from(n - 1);
    let harmonic = if n <= 100 {
        (1..n).map(|k| 1.0 / f64::from(k)).sum()
    } else {
        // Euler and Maclaurin; the next term is below 1e-10.
        before.ln() + EULER_GAMMA + 0.5 / before - 1.0 / (12.0 * before * before)
    };
    2.0 * harmonic - 2.0 * before / f64::from(n)
}

/// A node as rows walk through it; at a leaf both ways lead back to it.
struct Step {
    left: u32,
    right: u32,
    column: u32,
    threshold: f32,
    /// Cuts that a sampled row which comes here takes in all, on average.
    path: f64,
}

/// A tree as rows walk through it.
struct Steps {
    steps: Vec<Step>,
    depth: u32,
}

impl Tree {
    fn check(&self, width: usize, sample: usize) -> bool {
        let n = self.right.len();
        if n == 0
            || [self.column.len(), self.threshold.len(), self.n_rows.len()] != [n; 3]
            || self.n_rows[0] as usize != sample
        {
            return false;
        }
        (0..n).all(|at| {
            let right = self.right[at] as usize;
            let fits = |child: usize| child < n && self.n_rows[child] < self.n_rows[at];
            let leaf = right == 0;
            leaf || (right > at + 1
                && (self.column[at] as usize) < width
                && fits(at + 1)
                && fits(right)
                && self.n_rows[at] - self.n_rows[at + 1] == self.n_rows[right])
        })
    }

    fn steps(&self) -> Steps {
        let n = self.right.len();
        let mut depths = vec![0u32; n];
        for at in 0..n {
            if self.right[at] > 0 {
                depths[at + 1] = depths[at] + 1;
                depths[self.right[at] as usize] = depths[at] + 1;
            }
        }
        let mut paths = vec![0.0; n];
        for at in (0..n).rev() {
            let right = self.right[at] as usize;
            paths[at] = if right == 0 {
                f64::from(depths[at]) + mean_path_length(self.n_rows[at])
            } else {
                let share = |child: usize| f64::from(self.n_rows[child]) * paths[child];
                (share(at + 1) + share(right)) / f64::from(self.n_rows[at])
            };
        }
        let step = |(at, path): (usize, f64)| {
            let is_leaf = self.right[at] == 0;
            let this = at as u32;
            Step {
                left: if is_leaf { this } else { this + 1 },
                right: if is_leaf { this } else { self.right[at] },
                column: if is_leaf { 0 } else { self.column[at] },
                threshold: self.threshold[at],
                path,
            }
        };
        Steps {
            steps: paths.into_iter().enumerate().map(step).collect(),
            depth: depths.into_iter().max().unwrap_or(0),
        }
    }
}

impl Step {
    fn next(&self, row: &[f32]) -> u32 {
        if row[self.column as usize] < self.threshold {
            self.left
        } else {
            self.right
        }
    }
}

impl IsolationForestModel {
    /// Columns of the rows that the forest was grown of.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The score of each point, between 0 and 1: the higher, the stranger; half where nothing sets it apart.
    /// `[n_points]`
    ///
    /// # Errors
    /// `FeaturesDiffer`, `FeatureNotFinite`, `DamagedModel`.
    pub fn scores(&self, points: Points) -> Result<Vec<f64>, MineError> {
        let trees = self.ready(points)?;
        let whole = mean_path_length(self.sample as u32);
        let mut scores = vec![0.5; points.len()];
        if whole == 0.0 {
            return Ok(scores);
        }
        (scores.par_chunks_mut(CHUNK_ROWS).enumerate()).for_each(|(chunk, scores)| {
            scores.fill(0.0);
            let mut places = [0u32; CHUNK_ROWS];
            for Steps { steps, depth } in &trees {
                places.fill(0);
                // Level by level, so that no row waits for the memory that another asks for.
                for _ in 0..*depth {
                    for (at, place) in places[..scores.len()].iter_mut().enumerate() {
                        let row = points.row(chunk * CHUNK_ROWS + at);
                        *place = steps[*place as usize].next(row);
                    }
                }
                for (score, &place) in scores.iter_mut().zip(&places) {
                    *score += steps[place as usize].path;
                }
            }
            for score in scores {
                *score = (-*score / trees.len() as f64 / whole).exp2();
            }
        });
        Ok(scores)
    }

    /// By how many cuts each column brought each point's path below that of a sampled row, on average over the
    /// trees. A row's parts add up to the mean path of the sample less its own. `[n_points, width]`
    ///
    /// # Errors
    /// As [`IsolationForestModel::scores`].
    pub fn contributions(&self, points: Points) -> Result<Vec<f64>, MineError> {
        let trees = self.ready(points)?;
        let mut parts = vec![0.0; points.values().len()];
        let chunk_values = CHUNK_ROWS * self.width;
        (parts.par_chunks_mut(chunk_values).enumerate()).for_each(|(chunk, parts)| {
            for (at, parts) in parts.chunks_exact_mut(self.width).enumerate() {
                let row = points.row(chunk * CHUNK_ROWS + at);
                for Steps { steps, .. } in &trees {
                    let mut step = &steps[0];
                    while step.left != step.right {
                        let next = &steps[step.next(row) as usize];
                        parts[step.column as usize] += step.path - next.path;
                        step = next;
                    }
                }
                parts.iter_mut().for_each(|p| *p /= trees.len() as f64);
            }
        });
        Ok(parts)
    }

    /// The trees as rows walk through them, once model and points are found to fit.
    fn ready(&self, points: Points) -> Result<Vec<Steps>, MineError> {
        let sound = self.width > 0 && !self.trees.is_empty();
        if !sound || !self.trees.iter().all(|t| t.check(self.width, self.sample)) {
            return Err(MineError::DamagedModel {
                reason: "an isolation tree's nodes do not fit together".to_owned(),
            });
        }
        if points.width() != self.width {
            return Err(MineError::FeaturesDiffer {
                expected: self.width,
                found: points.width(),
            });
        }
        check_finite(points)?;
        Ok(self.trees.iter().map(Tree::steps).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_path_lengths_are_those_of_the_recurrence() {
        // A cut leaves a row among k of its n with a chance of 2 k / (n (n - 1)).
        let mut lengths = vec![0.0, 0.0];
        let mut before = 0.0;
        for n in 2..400u32 {
            before += f64::from(n - 1) * lengths[n as usize - 1];
            lengths.push(1.0 + 2.0 * before / (f64::from(n) * f64::from(n - 1)));
        }
        for (n, length) in lengths.iter().enumerate() {
            let found = mean_path_length(n as u32);
            assert!(
                (found - length).abs() < 1e-9,
                "{n}: {found} is not {length}"
            );
        }
    }
}
