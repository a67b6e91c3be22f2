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
/// Points of a dense region among some of all, at least.
const FEWEST: usize = 10;
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

    /// The same for `some` of `all` points, among which a dense region has as many fewer; it keeps some.
    pub fn thinned(&self, all: usize, some: usize) -> Method {
        let shape = match self.shape {
            Shape::Dense { min_cluster_size } if some < all => {
                let share = (min_cluster_size as f64 * some as f64 / all as f64).round() as usize;
                Shape::Dense {
                    min_cluster_size: share.max(min_cluster_size.min(FEWEST)),
                }
            }
            shape => shape,
        };
        Method { shape, ..*self }
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

    /// How far each of the points that the clusters were found in is from belonging to another, as [`Self::assign`] has it.
    ///
    /// # Errors
    /// Points of another width; a value that is not finite.
    pub fn margins(&self, points: Points) -> Result<Vec<f32>, MineError> {
        match self {
            ClusterModel::Hdbscan { model } => Ok(model.probabilities().to_vec()),
            _ => Ok(self.assign(points, None)?.1),
        }
    }

    /// The cluster of each point, and how far it is from belonging to another: 1 in the middle, 0 on the border; of dense
    /// regions how dense its place is beside the densest of its cluster. `known` are the points that the clusters were
    /// found in, where they are needed.
    ///
    /// # Errors
    /// Points of another width; a value that is not finite; a model that does not fit together.
    pub fn assign(
        &self,
        points: Points,
        known: Option<Points>,
    ) -> Result<(Vec<Option<u32>>, Vec<f32>), MineError> {
        match self {
            ClusterModel::Kmeans { model } => {
                model.check()?;
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
                let fits = !centers.is_empty()
                    && centers.len().is_multiple_of(points.width())
                    && order.len() == model.n_components();
                if !fits {
                    return Err(MineError::DamagedModel {
                        reason: "its centres do not fit its components".into(),
                    });
                }
                let found = margins(points, Points::new(centers, points.width()))?;
                let labels: Vec<u32> = (labels.into_iter())
                    .map(|label| order[label as usize])
                    .collect();
                // Nearer to the centre of another one it lies beyond the border.
                let margin =
                    (found.iter().zip(&labels)).map(|(m, label)| match m.nearest == *label {
                        true => m.margin,
                        false => 0.0,
                    });
                let margins = margin.collect();
                Ok((labels.into_iter().map(Some).collect(), margins))
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

#[cfg(test)]
mod tests {
    use adit_nn::random::normal_at;

    use super::*;
    use crate::mine::clusters::ChanceSettings;

    fn method(shape: Shape) -> Method {
        Method { shape, n_starts: 3 }
    }

    #[test]
    fn regions_of_few_rows_are_seen_among_some_of_many() {
        // Twenty groups of 5% each: fifty rows of a thousand, where a group of all rows has a hundred at least.
        let at = |at: u64| {
            let group = (at / 2 % 20) as f32;
            let center = [30.0 * (group % 5.0), 30.0 * (group / 5.0).floor()];
            normal_at(3, at, 1.0) + center[(at % 2) as usize]
        };
        let values: Vec<f32> = (0..12_000).map(at).collect();
        let points = Points::new(&values, 2);
        let settings = ChanceSettings {
            counts: vec![2],
            n_draws: 49,
            ..ChanceSettings::default()
        };
        let whole = method(Shape::Dense {
            min_cluster_size: 100,
        });
        let some = whole.thinned(points.len(), settings.most_rows);
        assert_eq!(
            some.shape,
            Shape::Dense {
                min_cluster_size: 17
            }
        );
        let found = (settings.test(points, &some, &|_, _| true)).expect("runs");
        assert!(found.is_there && found.seen > 0.0, "{found:?}");
        // Fewer than ten rows are no region, and with all of them nothing changes.
        let rare = whole.thinned(100_000, 1_000);
        assert_eq!(
            rare.shape,
            Shape::Dense {
                min_cluster_size: 10
            }
        );
        assert_eq!(whole.thinned(900, 1_000), whole);
    }

    #[test]
    fn a_member_that_lies_nearer_to_another_centre_has_no_margin() {
        // One broad Gaussian around 0, a narrow one at 5.
        let values: Vec<f32> = (0..600)
            .map(|at| match at % 3 {
                0 => normal_at(5, at, 0.1) + 5.0,
                _ => normal_at(5, at, 3.0),
            })
            .collect();
        let points = Points::new(&values, 1);
        let (model, found) = method(Shape::Gaussian)
            .fit(points, 2, 1, &|_, _| true)
            .expect("fits");
        let ClusterModel::Mixture { centers, .. } = &model else {
            panic!("no mixture");
        };
        let (labels, margins) = model.assign(points, None).expect("assigns");
        assert_eq!(labels, found.labels);
        assert_eq!(margins, model.margins(points).expect("margins"));
        let mut n_beyond = 0;
        for (row, margin) in margins.iter().enumerate() {
            let own = labels[row].expect("a cluster") as usize;
            let apart = |at: usize| (values[row] - centers[at]).abs();
            if apart(own) > apart(1 - own) {
                n_beyond += 1;
                assert_eq!(*margin, 0.0, "{}", values[row]);
            } else {
                assert!(*margin >= 0.0);
            }
        }
        assert!(n_beyond > 10, "{n_beyond}");
    }

    #[test]
    fn damaged_centres_are_an_error() {
        let values: Vec<f32> = (0..40).map(|at| normal_at(1, at, 1.0)).collect();
        let points = Points::new(&values, 2);
        for shape in [Shape::Round, Shape::Gaussian] {
            let fitted = method(shape).fit(points, 2, 1, &|_, _| true).expect("fits");
            let mut model = fitted.0;
            match &mut model {
                ClusterModel::Kmeans { model } => drop(model.centers.pop()),
                ClusterModel::Mixture { centers, .. } => drop(centers.pop()),
                ClusterModel::Hdbscan { .. } => {}
            }
            let error = model.assign(points, None).expect_err("damaged");
            assert!(matches!(error, MineError::DamagedModel { .. }), "{error}");
        }
    }
}
