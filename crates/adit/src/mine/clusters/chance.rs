//! Are there clusters at all?
//!
//! Enters: points and a procedure. Leaves: how well apart the best clusters are, the same of clouds that have none, and
//! whether the points stand out. Not here: which number of clusters is right (see `choice`).
//!
//! The statistic is the largest mean silhouette over a grid of numbers of clusters, or the largest strength that the
//! procedure states itself; the search over the grid is done for each drawn cloud as well, so it is paid for. Clouds
//! are drawn from one Gaussian and evenly from a box, with the covariance of the points (Sarle 1983, "Cubic clustering
//! criterion"; Tibshirani, Walther and Hastie 2001, the gap statistic), and with the shapes of the columns but one mode
//! each: a skewed column or a far outlier is no cluster. Procedures see the points along at most 50 principal axes, and
//! at most some thousand of them.
//!
//! A kind of cloud is done with as soon as so many of its clouds reached the points that there can be no clusters any
//! more (Besag and Clifford 1991, "Sequential Monte Carlo p-values").

use adit_nn::random::mix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distances::Placed;
use super::reference::{Axes, Cloud};
use super::silhouette::{mean_silhouette, silhouettes};
use super::{Procedure, check_finite, check_goes_on, check_setting, clustered, grid, thinned};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Clouds of each kind in the first batch; batches double.
const FIRST_BATCH: usize = 2;
/// Kinds of clouds without clusters.
const KINDS: [Cloud; 3] = [Cloud::Gaussian, Cloud::Uniform, Cloud::OneMode];
/// What is drawn has seeds of its own.
const DRAWN: u64 = 0xd4a3_17c9_0b52_6e8f;

/// How clusters are told from chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChanceSettings {
    /// Numbers of clusters that are tried; the grid of the points that are looked at where empty.
    pub counts: Vec<usize>,
    /// Clouds drawn of each kind, at most.
    pub n_draws: usize,
    /// There are clusters where chance alone does as well with no larger probability.
    pub level: f64,
    /// Points that are looked at, at most.
    pub most_rows: usize,
    pub seed: u64,
}

impl Default for ChanceSettings {
    fn default() -> Self {
        ChanceSettings {
            counts: Vec::new(),
            n_draws: 49,
            level: 0.02,
            most_rows: 1000,
            seed: 0,
        }
    }
}

/// Whether there are clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// The statistic of the points; 0 where all are the same or fewer than three.
    pub seen: f64,
    /// The statistic of the Gaussian clouds that were drawn.
    pub gaussian: Vec<f64>,
    /// The statistic of the evenly filled boxes that were drawn.
    pub uniform: Vec<f64>,
    /// The statistic of the clouds with the shapes of the columns but one mode each.
    pub one_mode: Vec<f64>,
    /// The probability of so large a statistic without clusters: the largest of the three kinds; where drawing ended
    /// early, that of the kind that ended it.
    pub p_value: f64,
    /// True where it is at most the level.
    pub is_there: bool,
}

impl ChanceSettings {
    /// Compares the clusters of the points with those of clouds that have none.
    ///
    /// # Errors
    /// Settings out of range; a value that is not finite; an error of the procedure; `Cancelled`.
    pub fn test(
        &self,
        points: Points,
        procedure: &dyn Procedure,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Chance, MineError> {
        self.check()?;
        check_finite(points)?;
        let rows = thinned(points.len(), self.most_rows, self.seed);
        let values = points.gathered(&rows);
        let axes = Axes::of(Points::new(&values, points.width()));
        let mut counts = self.counts.clone();
        if counts.is_empty() {
            counts = grid(rows.len(), None);
        }
        counts.retain(|&count| count < rows.len());
        if axes.deviations.is_empty() || counts.is_empty() {
            return Ok(Chance {
                seen: 0.0,
                gaussian: Vec::new(),
                uniform: Vec::new(),
                one_mode: Vec::new(),
                p_value: 1.0,
                is_there: false,
            });
        }
        let statistic = |places: &[f32], seed: u64| {
            let points = Points::new(places, axes.deviations.len());
            statistic(points, &counts, procedure, mix(self.seed, seed))
        };
        let steps = KINDS.len() * self.n_draws + 1;
        check_goes_on(goes_on(0, steps))?;
        let seen = statistic(&axes.places, 0)?;
        check_goes_on(goes_on(1, steps))?;
        let drawn = |kind: usize, draw: usize| {
            let cloud = KINDS[kind];
            let seed = 1 + (KINDS.len() * draw + kind) as u64;
            let places = axes.drawn(cloud, mix(self.seed ^ DRAWN, seed));
            statistic(&places, seed)
        };
        self.compared(seen, &drawn, goes_on)
    }

    fn check(&self) -> Result<(), MineError> {
        let draws = self.n_draws as f64;
        check_setting("n_draws", self.n_draws > 0, draws)?;
        // Less could never be reached.
        let reached = self.level >= 1.0 / (draws + 1.0) - 1e-12 && self.level < 1.0;
        check_setting("level", reached, self.level)?;
        check_setting("most_rows", self.most_rows > 2, self.most_rows as f64)?;
        let least = self.counts.iter().min().copied().unwrap_or(2);
        check_setting("counts", least > 0, least as f64)
    }

    /// Draws clouds, batch by batch, until the outcome is certain.
    fn compared(
        &self,
        seen: f64,
        drawn: &(dyn Fn(usize, usize) -> Result<f64, MineError> + Sync),
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Chance, MineError> {
        // With so many of one kind that reach what was seen, there are no clusters.
        let allowed = (self.level * (self.n_draws + 1) as f64 + 1e-9) as usize;
        let n_kinds = KINDS.len();
        let mut values = KINDS.map(|_| Vec::new());
        let mut p_value = None;
        let mut batch = FIRST_BATCH;
        while p_value.is_none() && values[0].len() < self.n_draws {
            let from = values[0].len();
            let to = (from + batch).min(self.n_draws);
            let found: Result<Vec<f64>, MineError> = (n_kinds * from..n_kinds * to)
                .into_par_iter()
                .map(|at| drawn(at % n_kinds, at / n_kinds))
                .collect();
            for (at, value) in found?.into_iter().enumerate() {
                values[at % n_kinds].push(value);
            }
            batch *= 2;
            check_goes_on(goes_on(n_kinds * to + 1, n_kinds * self.n_draws + 1))?;
            p_value = (values.iter())
                .filter_map(|values| self.ended(values, seen, allowed))
                .reduce(f64::max);
        }
        let p_value = p_value.unwrap_or_else(|| {
            let reached = |values: &Vec<f64>| values.iter().filter(|v| **v >= seen).count();
            let most = values.iter().map(reached).max().unwrap_or(0);
            (1 + most) as f64 / (self.n_draws + 1) as f64
        });
        let [gaussian, uniform, one_mode] = values;
        Ok(Chance {
            seen,
            gaussian,
            uniform,
            one_mode,
            p_value,
            is_there: p_value <= self.level + 1e-12,
        })
    }

    /// The p-value where the `allowed`-th value that reaches `seen` ended the drawing; always above the level.
    fn ended(&self, values: &[f64], seen: f64, allowed: usize) -> Option<f64> {
        let reached = (0..values.len()).filter(|&at| values[at] >= seen);
        let last = reached.skip(allowed - 1).min()?;
        let least = (allowed + 1) as f64 / (self.n_draws + 1) as f64;
        Some((allowed as f64 / (last + 1) as f64).max(least))
    }
}

/// The largest mean silhouette, or strength, over the numbers of clusters.
fn statistic(
    points: Points,
    counts: &[usize],
    procedure: &dyn Procedure,
    seed: u64,
) -> Result<f64, MineError> {
    let mut labellings = Vec::new();
    let mut best = f64::NEG_INFINITY;
    for &count in counts {
        let found = clustered(procedure, points, count, mix(seed, count as u64))?;
        match found.strength {
            Some(strength) => best = best.max(strength),
            None => labellings.push(found.labels),
        }
    }
    if !labellings.is_empty() {
        let labellings: Vec<&[Option<u32>]> = labellings.iter().map(Vec::as_slice).collect();
        let found = silhouettes(&Placed::of(points), &labellings);
        for (silhouettes, labels) in found.iter().zip(labellings) {
            best = best.max(mean_silhouette(silhouettes, labels));
        }
    }
    // A strength may be no number.
    Ok(if best.is_finite() { best } else { 0.0 })
}
