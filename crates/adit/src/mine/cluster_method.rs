//! The ways to cluster behind one doorway.
//!
//! Enters: points and a number of clusters. Leaves: labels, and a model that puts new points into the same clusters. Not
//! here: whether the clusters are any.

use serde::{Deserialize, Serialize};

use super::MineError;
use super::clusters::{Found, Procedure, margins};
use super::hdbscan::{Hdbscan, HdbscanModel};
use super::kmeans::{KMeans, KMeansModel};
use super::mixture::{Covariance, GaussianMixture, MixtureModel};
use crate::represent::points::Points;

/// Wider points have Gaussians without covariances: there would be more of these than rows.
const WIDE: usize = 32;
/// Rows that make a place dense, at most.
const MOST_SAMPLES: usize = 10;
/// Starts where a clustering is one of many.
const QUICK_STARTS: usize = 2;
/// Multiplications that all starts together may take; fewer are made of large data.
const MOST_WORK: f64 = 2e11;
/// Rounds that a start is taken to need.
const ROUNDS: f64 = 20.0;

/// What clusters look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Around centres.
    Round,
    /// Gaussians with a covariance each.
    Gaussian,
    /// Denser than their surroundings.
    Dense { min_cluster_size: usize },
}

/// How points are clustered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    pub shape: Shape,
    /// Starts of which the best is kept, at most.
    pub n_starts: usize,
}

/// What new points are put into clusters by.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub enum ClusterModel {
    Kmeans {
        model: KMeansModel,
    },
    Mixture {
        model: MixtureModel,
        /// The cluster of each component: clusters are ordered by size.
        order: Vec<u32>,
        centers: Vec<f32>,
    },
    Hdbscan {
        model: HdbscanModel,
    },
}

type GoesOn<'a> = &'a (dyn Fn(usize, usize) -> bool + Sync);

impl Method {
    /// The same with fewer starts.
    pub fn quick(&self) -> Method {
        Method {
            n_starts: QUICK_STARTS.min(self.n_starts),
            ..*self
        }
    }

    /// Clusters points; `n_clusters` plays no part where clusters are dense regions.
    ///
    /// # Errors
    /// A setting out of range; a value that is not finite; `Cancelled`.
    pub fn fit(
        &self,
        points: Points,
        n_clusters: usize,
        seed: u64,
        goes_on: GoesOn,
    ) -> Result<(ClusterModel, Found), MineError> {
        match self.shape {
            Shape::Round => {
                let settings = KMeans {
                    n_init: self.starts(points, n_clusters),
                    seed,
                    n_clusters,
                    ..KMeans::default()
                };
                let done = settings.fit(points, goes_on)?;
                let found = Found {
                    labels: done.labels.into_iter().map(Some).collect(),
                    n_clusters: done.model.centers.len() / points.width(),
                    centers: Some(done.model.centers.clone()),
                    strength: None,
                };
                Ok((ClusterModel::Kmeans { model: done.model }, found))
            }
            Shape::Gaussian => self.mixture(points, n_clusters, seed, goes_on),
            Shape::Dense { min_cluster_size } => {
                let settings = Hdbscan {
                    min_cluster_size,
                    min_samples: min_cluster_size.min(MOST_SAMPLES),
                    ..Hdbscan::default()
                };
                let model = settings.fit(points, goes_on)?;
                let found = Found {
                    n_clusters: model.n_clusters(),
                    strength: Some(strength(model.labels(), model.persistence())),
                    labels: model.labels().to_vec(),
                    centers: None,
                };
                Ok((ClusterModel::Hdbscan { model }, found))
            }
        }
    }

    fn mixture(
        &self,
        points: Points,
        n_clusters: usize,
        seed: u64,
        goes_on: GoesOn,
    ) -> Result<(ClusterModel, Found), MineError> {
        let settings = GaussianMixture {
            covariance: if points.width() > WIDE {
                Covariance::Diagonal
            } else {
                Covariance::Full
            },
            n_init: self.starts(points, n_clusters).min(3),
            seed,
            ..GaussianMixture::new(n_clusters.min(points.len()))
        };
        let model = settings.fit(points, goes_on)?;
        let labels = model.labels(points)?;
        let n_components = model.n_components();
        let mut sizes = vec![0usize; n_components];
        labels.iter().for_each(|label| sizes[*label as usize] += 1);
        let mut by_size: Vec<usize> = (0..n_components).filter(|at| sizes[*at] > 0).collect();
        by_size.sort_by_key(|&at| (std::cmp::Reverse(sizes[at]), at));
        // A component that nobody belongs to most is told as the last.
        let mut order = vec![by_size.len().saturating_sub(1) as u32; n_components];
        for (cluster, &at) in by_size.iter().enumerate() {
            order[at] = cluster as u32;
        }
        let centers: Vec<f32> = by_size.iter().flat_map(|&at| model.mean(at)).collect();
        let found = Found {
            labels: labels
                .into_iter()
                .map(|label| Some(order[label as usize]))
                .collect(),
            n_clusters: by_size.len(),
            centers: None,
            strength: None,
        };
        Ok((
            ClusterModel::Mixture {
                model,
                order,
                centers,
            },
            found,
        ))
    }

    fn starts(&self, points: Points, n_clusters: usize) -> usize {
        let work = points.values().len() as f64 * n_clusters as f64 * ROUNDS;
        ((MOST_WORK / work) as usize).clamp(1, self.n_starts)
    }
}

impl Procedure for Method {
    fn cluster(&self, points: Points, n_clusters: usize, seed: u64) -> Result<Found, MineError> {
        let k = n_clusters.min(points.len());
        self.fit(points, k, seed, &|_, _| true)
            .map(|(_, found)| found)
    }
}

/// Mean over all points of the persistence of the cluster that they lie in; 0 of noise.
fn strength(labels: &[Option<u32>], persistence: &[f64]) -> f64 {
    let of = labels
        .iter()
        .map(|label| label.map_or(0.0, |label| persistence[label as usize]));
    of.sum::<f64>() / labels.len().max(1) as f64
}

impl ClusterModel {
    /// Whether new points are compared with all of the old ones.
    pub fn needs_known(&self) -> bool {
        matches!(self, ClusterModel::Hdbscan { .. })
    }

    /// The cluster of each point, and how far it is from belonging to another: 1 in the middle, 0 on the border. `known`
    /// are the points that the clusters were found in, where they are needed.
    ///
    /// # Errors
    /// Points of another width; a value that is not finite.
    pub fn assign(
        &self,
        points: Points,
        known: Option<Points>,
    ) -> Result<(Vec<Option<u32>>, Vec<f32>), MineError> {
        match self {
            ClusterModel::Kmeans { model } => {
                let found = margins(points, Points::new(&model.centers, model.width))?;
                let labels = found.iter().map(|m| Some(m.nearest)).collect();
                Ok((labels, found.iter().map(|m| m.margin).collect()))
            }
            ClusterModel::Mixture {
                model,
                order,
                centers,
            } => {
                let labels = model.labels(points)?;
                let found = margins(points, Points::new(centers, points.width()))?;
                let labels = labels
                    .into_iter()
                    .map(|label| order.get(label as usize).copied());
                Ok((labels.collect(), found.iter().map(|m| m.margin).collect()))
            }
            ClusterModel::Hdbscan { model } => {
                let absent = || MineError::DamagedModel {
                    reason: "the points that the clusters were found in are not there".into(),
                };
                let known = known.ok_or_else(absent)?;
                let found = model.predict(known, points, &|_, _| true)?;
                let labels = found.iter().map(|m| m.label).collect();
                Ok((labels, found.iter().map(|m| m.probability).collect()))
            }
        }
    }
}
