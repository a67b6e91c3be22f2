//! Clusters as normal distributions: Gaussian mixtures.
//!
//! Enters: points. Leaves: a [`MixtureModel`], which tells the density of a point and how likely it came from each
//! component. By expectation maximisation (Dempster, Laird and Rubin 1977), from the clusters of k-means. Not here: how
//! many components there are; [`MixtureModel::bic`] compares. The defaults, and the results from equal starts, are
//! scikit-learn's.

mod density;
mod em;
mod triangle;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::density::Density;
use self::em::Course;
use super::MineError;
use super::kmeans::KMeans;
use crate::represent::points::Points;

/// What the covariances of the components may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Covariance {
    /// Every component has its own matrix.
    Full,
    /// All components share one matrix.
    Tied,
    /// Every component has its own variance of each column.
    Diagonal,
    /// Every component has one variance.
    Spherical,
}

/// How a mixture is fitted; by default as scikit-learn does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianMixture {
    /// Most components; there are fewer where fewer points differ.
    pub n_components: usize,
    pub covariance: Covariance,
    /// Runs from different clusters; the one with the highest lower bound is kept.
    pub n_init: usize,
    /// Most iterations of a run.
    pub max_iterations: usize,
    /// A run ends once the mean log density of the points changes by less.
    pub tolerance: f64,
    /// Added to variances. It counts for columns whose variance within the first clusters is at most 1e6, and grows
    /// with the variance beyond; a covariance that is still not positive definite gets more of it.
    pub regularisation: f64,
    pub seed: u64,
}

/// A mixture of normal distributions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixtureModel {
    width: usize,
    covariance: Covariance,
    /// `[k]`
    weights: Vec<f64>,
    /// `[k, width]`
    means: Vec<f64>,
    /// Cholesky factors of the covariances: lower triangles by row for `Full` (one a component) and `Tied` (one),
    /// standard deviations for `Diagonal` `[k, width]` and `Spherical` `[k]`.
    factors: Vec<f64>,
    lower_bound: f64,
    n_iterations: usize,
    converged: bool,
}

impl GaussianMixture {
    /// The default settings for a number of components.
    pub fn new(n_components: usize) -> GaussianMixture {
        GaussianMixture {
            n_components,
            covariance: Covariance::Full,
            n_init: 1,
            max_iterations: 100,
            tolerance: 1e-3,
            regularisation: 1e-6,
            seed: 0,
        }
    }

    fn check(&self, points: Points) -> Result<(), MineError> {
        let refused = |setting, value: String, reason| {
            Err(MineError::Setting {
                setting,
                value,
                reason,
            })
        };
        let counts = [
            ("n_components", self.n_components),
            ("n_init", self.n_init),
            ("max_iterations", self.max_iterations),
        ];
        let fits = |count: usize| (1..u32::MAX as usize).contains(&count);
        if let Some((setting, value)) = counts.into_iter().find(|(_, count)| !fits(*count)) {
            return refused(setting, value.to_string(), "it must be at least 1");
        }
        let amounts = [
            ("tolerance", self.tolerance),
            ("regularisation", self.regularisation),
        ];
        let fits = |amount: f64| amount >= 0.0 && amount.is_finite();
        if let Some((setting, value)) = amounts.into_iter().find(|(_, amount)| !fits(*amount)) {
            let reason = "it must be a finite number of at least 0";
            return refused(setting, value.to_string(), reason);
        }
        if points.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        if self.n_components > points.len() {
            let value = self.n_components.to_string();
            return refused("n_components", value, "there are fewer points");
        }
        check_finite(points)
    }

    /// Fits a mixture, from clusters of k-means; `goes_on` is asked before every iteration.
    ///
    /// # Errors
    /// Settings out of range, more components than points, no points, a value that is not finite, a covariance that no
    /// regularisation makes positive definite; `Cancelled`.
    pub fn fit(
        &self,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<MixtureModel, MineError> {
        self.check(points)?;
        let of = self.n_init.saturating_mul(self.max_iterations);
        let mut best: Option<MixtureModel> = None;
        for run in 0..self.n_init {
            let before = run * self.max_iterations;
            let clusters = KMeans {
                n_clusters: self.n_components,
                n_init: 1,
                seed: adit_nn::random::mix(self.seed, run as u64),
                ..KMeans::default()
            };
            let labels = clusters.fit(points, &|_, _| goes_on(before, of))?.labels;
            let (labels, k) = numbered(&labels);
            let course = Course::new(self, points, &labels, k)?;
            let found = course.run(&|iteration| goes_on(before + iteration, of))?;
            let better = |best: &MixtureModel| found.lower_bound > best.lower_bound;
            if best.as_ref().is_none_or(better) {
                best = Some(found);
            }
        }
        best.ok_or(MineError::NoTrainingRows)
    }

    /// Fits a mixture in one run, each point starting in the component of its label. `labels`: `[n_points]`
    ///
    /// # Errors
    /// As [`GaussianMixture::fit`]; also labels that are not one a point, not below `n_components`, or that leave a
    /// component without points.
    pub fn fit_from(
        &self,
        points: Points,
        labels: &[u32],
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<MixtureModel, MineError> {
        self.check(points)?;
        let k = self.n_components;
        let refused = |value: usize, reason| {
            Err(MineError::Setting {
                setting: "labels",
                value: value.to_string(),
                reason,
            })
        };
        if labels.len() != points.len() {
            return refused(labels.len(), "there must be one label a point");
        }
        let mut taken = vec![false; k];
        for &label in labels {
            match taken.get_mut(label as usize) {
                Some(taken) => *taken = true,
                None => return refused(label as usize, "it is not below n_components"),
            }
        }
        if let Some(empty) = taken.iter().position(|taken| !taken) {
            return refused(empty, "no point starts in this component");
        }
        let course = Course::new(self, points, labels, k)?;
        course.run(&|iteration| goes_on(iteration, self.max_iterations))
    }
}

/// Labels without gaps, in their order, and how many there are.
fn numbered(labels: &[u32]) -> (Vec<u32>, usize) {
    let mut names: BTreeMap<u32, u32> = labels.iter().map(|&label| (label, 0)).collect();
    (names.values_mut().zip(0..)).for_each(|(name, next)| *name = next);
    let labels = labels.iter().map(|label| names[label]).collect();
    (labels, names.len())
}

fn check_finite(points: Points) -> Result<(), MineError> {
    let Some(at) = points.values().iter().position(|x| !x.is_finite()) else {
        return Ok(());
    };
    Err(MineError::FeatureNotFinite {
        row: at / points.width(),
        column: at % points.width(),
    })
}

impl MixtureModel {
    /// Number of components.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// Values a point.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The share of each component; they sum to 1. `[k]`
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The mean of one component. `[width]`
    pub fn mean(&self, at: usize) -> Vec<f32> {
        self.center(at).iter().map(|&x| x as f32).collect()
    }

    fn center(&self, at: usize) -> &[f64] {
        &self.means[at * self.width..][..self.width]
    }

    /// The mean log density of the training points before the last step.
    pub fn lower_bound(&self) -> f64 {
        self.lower_bound
    }

    /// Iterations of the run that was kept.
    pub fn n_iterations(&self) -> usize {
        self.n_iterations
    }

    /// True where the last iteration changed less than the tolerance.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// The most likely component of every point; of equally likely ones the first. `[n_points]`
    ///
    /// # Errors
    /// `FeaturesDiffer`, `FeatureNotFinite`, `DamagedModel`.
    pub fn labels(&self, points: Points) -> Result<Vec<u32>, MineError> {
        self.check()?;
        if points.width() != self.width {
            return Err(MineError::FeaturesDiffer {
                expected: self.width,
                found: points.width(),
            });
        }
        check_finite(points)?;
        Ok(Density::new(self).labels(points))
    }

    /// How likely each point came from each component; a row sums to 1. `[n_points, k]`
    ///
    /// # Panics
    /// Where the points have another width, or the model was damaged; [`MixtureModel::labels`] tells which.
    pub fn responsibilities(&self, points: Points) -> Vec<f64> {
        self.density(points).responsibilities(points).0
    }

    /// The logarithm of the mixture's density at every point. `[n_points]`
    ///
    /// # Panics
    /// As [`MixtureModel::responsibilities`].
    pub fn log_density(&self, points: Points) -> Vec<f64> {
        self.density(points).log_density(points)
    }

    /// The Bayesian information criterion on these points; lower is better.
    ///
    /// # Panics
    /// As [`MixtureModel::responsibilities`].
    pub fn bic(&self, points: Points) -> f64 {
        let log_likelihood: f64 = self.log_density(points).iter().sum();
        let n = points.len().max(1) as f64;
        self.n_parameters() as f64 * n.ln() - 2.0 * log_likelihood
    }

    /// Number of free parameters.
    pub fn n_parameters(&self) -> usize {
        let (k, width) = (self.n_components(), self.width);
        factor_len(self.covariance, k, width) + k * width + k.saturating_sub(1)
    }

    fn density(&self, points: Points) -> Density<'_> {
        assert!(
            points.width() == self.width && self.check().is_ok(),
            "points of {} values do not fit a mixture over {}",
            points.width(),
            self.width
        );
        Density::new(self)
    }

    fn check(&self) -> Result<(), MineError> {
        let (k, width) = (self.n_components(), self.width);
        let whole = k > 0 && width > 0 && k.checked_mul(width) == Some(self.means.len());
        let positive = |x: &f64| *x > 0.0 && x.is_finite();
        let reason = if !whole || self.factors.len() != factor_len(self.covariance, k, width) {
            "its parts do not fit each other"
        } else if !self.weights.iter().all(positive) {
            "a weight is not positive"
        } else if !(self.means.iter().chain(&self.factors)).all(|x| x.is_finite()) {
            "a mean or covariance is not finite"
        } else if !(0..k).all(|at| self.deviations(at).all(|x| positive(&x))) {
            "a covariance is not positive definite"
        } else {
            return Ok(());
        };
        Err(MineError::DamagedModel {
            reason: reason.to_owned(),
        })
    }

    /// The part of the factors that belongs to a component.
    fn factor(&self, at: usize) -> &[f64] {
        let len = match self.covariance {
            Covariance::Tied => return &self.factors,
            Covariance::Full => triangle::len(self.width),
            Covariance::Diagonal => self.width,
            Covariance::Spherical => 1,
        };
        &self.factors[at * len..][..len]
    }

    /// The diagonal of a component's factor. `[width]`
    fn deviations(&self, at: usize) -> impl Iterator<Item = f64> {
        let factor = self.factor(at);
        (0..self.width).map(move |column| match self.covariance {
            Covariance::Full | Covariance::Tied => factor[triangle::len(column + 1) - 1],
            Covariance::Diagonal => factor[column],
            Covariance::Spherical => factor[0],
        })
    }
}

/// Numbers that the covariances of `k` components have.
fn factor_len(covariance: Covariance, k: usize, width: usize) -> usize {
    match covariance {
        Covariance::Full => k * triangle::len(width),
        Covariance::Tied => triangle::len(width),
        Covariance::Diagonal => k * width,
        Covariance::Spherical => k,
    }
}

#[cfg(test)]
mod tests;
