//! Evidence about clusters: whether there are any, how many, how well apart, and which of them would be found again.
//!
//! Enters: [`Points`] and a [`Procedure`] that clusters them. Leaves: [`Chance`] (are there clusters at all?),
//! [`Choice`] (how many?), [`Silhouette`]s and [`Margin`]s (how well apart?), [`ClusterStability`] (found again?) and
//! measures of agreement between two labellings. Not here: the procedures themselves, and what the clusters mean.
//!
//! No matrix of all distances is kept: they are taken block by block, of few rows at a time. Every row that is left
//! out, every resample and every drawn value comes from a hash of the seed and its place, so the bytes depend on
//! nothing else.

mod agreement;
mod chance;
mod choice;
mod distances;
mod one_mode;
mod reference;
mod silhouette;
mod stability;
#[cfg(test)]
mod tests;

pub use agreement::{VMeasure, adjusted_rand_index, best_match, v_measure};
pub use chance::{Chance, ChanceSettings};
pub use choice::{Candidate, Choice, ChoiceSettings, grid};
pub use silhouette::{Margin, Silhouette, margins, silhouette};
pub use stability::{ClusterStability, StabilitySettings, Verdict};

use adit_nn::random::mix;

use super::MineError;
use crate::represent::points::Points;

/// What a procedure found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The cluster of each point, below `n_clusters`; none for noise. `[n_points]`
    pub labels: Vec<Option<u32>>,
    /// Number of clusters; some may be empty.
    pub n_clusters: usize,
    /// Centres, where a point belongs to the cluster with the nearest one. `[n_clusters, width]`
    pub centers: Option<Vec<f32>>,
    /// How strong the clusters are by the procedure's own measure (more is stronger); without one, the mean silhouette
    /// counts.
    pub strength: Option<f64>,
}

impl Found {
    /// The same, where it fits points of this number and width.
    fn checked(self, n_points: usize, width: usize) -> Result<Found, MineError> {
        let damaged = |reason: &str| {
            Err(MineError::DamagedModel {
                reason: reason.to_owned(),
            })
        };
        if self.labels.len() != n_points {
            return damaged("there is not one cluster label a point");
        }
        if (self.labels.iter().flatten()).any(|&label| label as usize >= self.n_clusters) {
            return damaged("a cluster label is not below the number of clusters");
        }
        match &self.centers {
            Some(centers) if centers.len() != self.n_clusters * width => {
                damaged("there is not one centre a cluster")
            }
            _ => Ok(self),
        }
    }
}

/// A way to cluster points; any function of points, number of clusters and seed is one.
pub trait Procedure: Sync {
    /// Clusters the points; a procedure that finds the number of clusters itself may ignore `n_clusters`.
    ///
    /// # Errors
    /// The procedure's own.
    fn cluster(&self, points: Points, n_clusters: usize, seed: u64) -> Result<Found, MineError>;
}

impl<F> Procedure for F
where
    F: Fn(Points<'_>, usize, u64) -> Result<Found, MineError> + Sync,
{
    fn cluster(&self, points: Points, n_clusters: usize, seed: u64) -> Result<Found, MineError> {
        self(points, n_clusters, seed)
    }
}

/// What a procedure finds, checked.
fn clustered(
    procedure: &dyn Procedure,
    points: Points,
    n_clusters: usize,
    seed: u64,
) -> Result<Found, MineError> {
    procedure
        .cluster(points, n_clusters, seed)?
        .checked(points.len(), points.width())
}

/// All rows, or `most` of them chosen by hash; ascending.
fn thinned(n_rows: usize, most: usize, seed: u64) -> Vec<usize> {
    let rows: Vec<usize> = (0..n_rows).collect();
    chosen(rows, most, seed)
}

/// At most `most` of these rows, chosen by hash; ascending.
fn chosen(mut rows: Vec<usize>, most: usize, seed: u64) -> Vec<usize> {
    if rows.len() > most {
        rows.select_nth_unstable_by_key(most, |&row| (mix(seed, row as u64), row));
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}

fn check_finite(points: Points) -> Result<(), MineError> {
    match points.values().iter().position(|value| !value.is_finite()) {
        Some(at) => Err(MineError::FeatureNotFinite {
            row: at / points.width(),
            column: at % points.width(),
        }),
        None => Ok(()),
    }
}

/// An error where a setting does not fit.
fn check_setting(setting: &'static str, fits: bool, value: f64) -> Result<(), MineError> {
    if fits {
        return Ok(());
    }
    Err(MineError::Setting {
        setting,
        value: value.to_string(),
        reason: "it lies outside of what it can be",
    })
}

fn check_goes_on(goes_on: bool) -> Result<(), MineError> {
    if goes_on {
        Ok(())
    } else {
        Err(MineError::Cancelled)
    }
}
