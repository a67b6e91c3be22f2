//! HDBSCAN*: clusters of any shape and density, and noise.
//!
//! Enters: rows as [`Points`], Euclidean. Leaves: an [`HdbscanModel`] with a label or none a row, how surely each belongs, the
//! condensed tree and how stable its clusters are; it labels new rows too. As in Campello, Moulavi and Sander 2013 and in
//! McInnes and Healy 2017, with the conventions of scikit-learn: a row counts among its own `min_samples`.
//!
//! The spanning tree is exact. A tree of each row's nearest neighbours is nearly minimal; one pass over pairs of blocks
//! finds every edge that is shorter than the longest on the way between its ends, and with those the tree is minimal. Many edges
//! are as long as a core distance; of those the rows' own distance decides, so the order of the rows changes no cluster (it
//! does in scikit-learn, which leaves it to the order of its sort). Not here: other distances.

mod condensed;
mod dendrogram;
mod distinct;
mod forest;
mod model;
mod selection;
mod spanning;
mod verify;

pub use condensed::{CondensedCluster, CondensedTree};
pub use model::{HdbscanModel, Membership};
pub use selection::Selection;

use serde::{Deserialize, Serialize};

use super::MineError;
use super::neighbours::{Stage, check_finite};
use crate::represent::points::Points;

/// How clusters are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hdbscan {
    /// Fewer rows are no cluster; at least 2.
    pub min_cluster_size: usize,
    /// Rows, itself among them, that must lie near a row for it to be in a dense place; at least 1.
    pub min_samples: usize,
    /// Whether all rows may be one cluster.
    pub allow_single_cluster: bool,
    /// Which clusters of the condensed tree are taken.
    pub selection: Selection,
}

impl Default for Hdbscan {
    fn default() -> Self {
        Hdbscan {
            min_cluster_size: 5,
            min_samples: 5,
            allow_single_cluster: false,
            selection: Selection::ExcessOfMass,
        }
    }
}

impl Hdbscan {
    fn check(&self) -> Result<(), MineError> {
        let checks = [
            ("min_cluster_size", self.min_cluster_size, 2),
            ("min_samples", self.min_samples, 1),
        ];
        match checks.into_iter().find(|(_, value, least)| value < least) {
            Some((setting, value, _)) => Err(MineError::Setting {
                setting,
                value: value.to_string(),
                reason: "it is too small",
            }),
            None => Ok(()),
        }
    }

    /// Finds the clusters of some rows; rows fewer than `min_samples` are all noise.
    ///
    /// # Errors
    /// [`MineError::Setting`], [`MineError::NoTrainingRows`], [`MineError::FeatureNotFinite`], [`MineError::Cancelled`].
    pub fn fit(
        &self,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<HdbscanModel, MineError> {
        self.check()?;
        if points.is_empty() {
            return Err(MineError::NoTrainingRows);
        }
        check_finite(points)?;
        let spanning = spanning::minimum(points, self.min_samples, Stage::whole(goes_on))?;
        Ok(HdbscanModel::new(self, points, spanning))
    }
}

#[cfg(test)]
mod tests;
