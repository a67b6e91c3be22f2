//! Clusters that were found: labels, and how new rows get theirs.

use adit_nn::random::mix;
use serde::{Deserialize, Serialize};

use super::Hdbscan;
use super::condensed::{CondensedCluster, CondensedTree};
use super::dendrogram::Dendrogram;
use super::spanning::Spanning;
use crate::mine::MineError;
use crate::mine::neighbours::{Stage, check_finite, nearest_keys};
use crate::represent::points::Points;

/// Layout of a saved model.
const VERSION: u32 = 1;

/// The cluster of a row, none of noise, and how surely it belongs there, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Membership {
    pub label: Option<u32>,
    pub probability: f32,
}

/// The clusters of some rows; 0 is the largest.
///
/// The rows themselves are not in it: who labels new rows gives them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HdbscanModel {
    version: u32,
    settings: Hdbscan,
    width: usize,
    /// A hash of the rows.
    fingerprint: u64,
    /// `[n_rows]`
    cores: Vec<f64>,
    tree: CondensedTree,
    /// The condensed cluster of each label. `[n_clusters]`
    selected: Vec<u32>,
    /// `[n_rows]`
    labels: Vec<Option<u32>>,
    /// `[n_rows]`
    probabilities: Vec<f32>,
    /// `[n_clusters]`
    persistence: Vec<f64>,
}

impl HdbscanModel {
    pub(super) fn new(settings: &Hdbscan, points: Points, spanning: Spanning) -> HdbscanModel {
        let n = points.len();
        let Spanning { edges, cores } = spanning;
        let tree = CondensedTree::new(&Dendrogram::new(n, &edges), settings.min_cluster_size);
        drop(edges);
        let allow_root = settings.allow_single_cluster && n >= settings.min_cluster_size;
        let enough = cores.len() == n;
        let selected = settings.selection.take(&tree, allow_root && enough);
        let mut model = HdbscanModel {
            version: VERSION,
            settings: *settings,
            width: points.width(),
            fingerprint: fingerprint(points),
            cores,
            tree,
            selected,
            labels: Vec::new(),
            probabilities: Vec::new(),
            persistence: Vec::new(),
        };
        model.label();
        model
    }

    /// Labels all rows and orders the clusters by size.
    fn label(&mut self) {
        let owners = self.owners();
        let memberships: Vec<Membership> = (0..self.tree.row_clusters.len())
            .map(|row| {
                let (cluster, density) = (self.tree.row_clusters[row], self.tree.density(row));
                self.membership(&owners, cluster, (density, density))
            })
            .collect();
        let n = self.selected.len();
        let mut sizes = vec![0usize; n];
        let mut firsts = vec![usize::MAX; n];
        for (row, member) in memberships.iter().enumerate() {
            if let Some(label) = member.label {
                sizes[label as usize] += 1;
                firsts[label as usize] = firsts[label as usize].min(row);
            }
        }
        let mut order: Vec<usize> = (0..n).filter(|&label| sizes[label] > 0).collect();
        order.sort_by_key(|&label| (std::cmp::Reverse(sizes[label]), firsts[label]));
        let mut renamed = vec![0u32; n];
        for (new, &old) in order.iter().enumerate() {
            renamed[old] = new as u32;
        }
        let rename = |member: &Membership| member.label.map(|label| renamed[label as usize]);
        self.labels = memberships.iter().map(rename).collect();
        self.probabilities = memberships.iter().map(|m| m.probability).collect();
        let densest = self
            .tree
            .clusters
            .iter()
            .map(|c| c.death)
            .fold(0.0, f64::max);
        self.persistence = (order.iter())
            .map(|&label| {
                let cluster = &self.tree.clusters[self.selected[label] as usize];
                let most = densest * sizes[label] as f64;
                if most > 0.0 {
                    (cluster.stability / most).min(1.0)
                } else {
                    1.0
                }
            })
            .collect();
        self.selected = order.iter().map(|&label| self.selected[label]).collect();
    }

    /// The label whose cluster holds each condensed cluster.
    fn owners(&self) -> Vec<Option<u32>> {
        let mut owners: Vec<Option<u32>> = vec![None; self.tree.clusters.len()];
        for (label, &cluster) in self.selected.iter().enumerate() {
            owners[cluster as usize] = Some(label as u32);
        }
        for at in 1..owners.len() {
            if let (None, Some(parent)) = (owners[at], self.tree.clusters[at].parent) {
                owners[at] = owners[parent as usize];
            }
        }
        owners
    }

    /// Where a row belongs that is in `cluster`, dense as `density`, and leaves it at `leaves`.
    fn membership(
        &self,
        owners: &[Option<u32>],
        cluster: u32,
        (density, leaves): (f64, f64),
    ) -> Membership {
        let noise = Membership {
            label: None,
            probability: 0.0,
        };
        let Some(label) = owners[cluster as usize] else {
            return noise;
        };
        let death = self.tree.clusters[self.selected[label as usize] as usize].death;
        // Were all rows one cluster, none would be noise: only its core is.
        if cluster == 0 && leaves < death {
            return noise;
        }
        let share = if death > 0.0 {
            density.min(death) / death
        } else {
            1.0
        };
        Membership {
            label: Some(label),
            probability: share as f32,
        }
    }

    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        self.selected.len()
    }

    /// The cluster of each row, none of noise; 0 is the largest cluster. `[n_rows]`
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }

    /// How surely each row belongs to its cluster, 0 of noise. `[n_rows]`
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Stability as a share of what it could be, of each cluster, 0 to 1. `[n_clusters]`
    pub fn persistence(&self) -> &[f64] {
        &self.persistence
    }

    /// Stability of each cluster. `[n_clusters]`
    pub fn stabilities(&self) -> Vec<f64> {
        let stability = |&at: &u32| self.tree.clusters[at as usize].stability;
        self.selected.iter().map(stability).collect()
    }

    /// The condensed tree, and the condensed cluster of each label. `[n_clusters]`
    pub fn tree(&self) -> (&CondensedTree, &[u32]) {
        (&self.tree, &self.selected)
    }

    /// The distance within which each row has `min_samples` rows, itself among them; empty where there are too few. `[n_rows]`
    pub fn core_distances(&self) -> &[f64] {
        &self.cores
    }

    /// Labels new rows as if each were added alone: by the row of `known`, those that the clusters were found in, to which
    /// its mutual reachability distance is shortest (as `approximate_predict` of the package hdbscan does).
    ///
    /// # Errors
    /// [`MineError::FeaturesDiffer`], [`MineError::FeatureNotFinite`], [`MineError::DamagedModel`] where `known` is not what
    /// the model learned from, [`MineError::Cancelled`].
    pub fn predict(
        &self,
        known: Points,
        points: Points,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<Membership>, MineError> {
        self.check(known)?;
        if points.width() != self.width {
            return Err(MineError::FeaturesDiffer {
                expected: self.width,
                found: points.width(),
            });
        }
        check_finite(points)?;
        let noise = Membership {
            label: None,
            probability: 0.0,
        };
        if self.cores.is_empty() {
            return Ok(vec![noise; points.len()]);
        }
        let k = 2 * self.settings.min_samples;
        let lists = nearest_keys(known, points, k, Stage::whole(goes_on))?;
        let owners = self.owners();
        let of = |row: usize| {
            let (keys, ids) = lists.of(row);
            let own_core = keys[self.settings.min_samples - 1].sqrt();
            let reach = |at: usize| {
                let core = self.cores[ids[at] as usize];
                keys[at].sqrt().max(own_core).max(core)
            };
            // The first of equal ones, as they lie nearer.
            let nearest = (1..keys.len()).fold((0, reach(0)), |best, at| {
                let distance = reach(at);
                if distance < best.1 {
                    (at, distance)
                } else {
                    best
                }
            });
            self.join(&owners, ids[nearest.0] as usize, 1.0 / nearest.1)
        };
        Ok((0..points.len()).map(of).collect())
    }

    /// Where a new row belongs that reaches the row `known` at `density`.
    fn join(&self, owners: &[Option<u32>], known: usize, density: f64) -> Membership {
        let mut cluster = self.tree.row_clusters[known];
        let leaves = self.tree.density(known);
        if leaves > density {
            while let CondensedCluster {
                parent: Some(parent),
                birth,
                ..
            } = self.tree.clusters[cluster as usize]
                && birth >= density
            {
                cluster = parent;
            }
        }
        self.membership(owners, cluster, (density, leaves.min(density)))
    }

    fn check(&self, known: Points) -> Result<(), MineError> {
        if known.width() != self.width {
            return Err(MineError::FeaturesDiffer {
                expected: self.width,
                found: known.width(),
            });
        }
        let n = known.len();
        let n_clusters = self.tree.clusters.len() as u32;
        let parents_before = (1u32..)
            .zip(self.tree.clusters.iter().skip(1))
            .all(|(at, cluster)| cluster.parent.is_some_and(|parent| parent < at));
        let fits = self.version == VERSION
            && self.settings.min_samples > 0
            && (self.cores.is_empty() || self.settings.min_samples <= n)
            && (self.cores.len() == n || self.cores.is_empty())
            && self.tree.row_clusters.len() == n
            && self.tree.row_distances.len() == n
            && self.tree.row_clusters.iter().all(|&at| at < n_clusters)
            && self.selected.iter().all(|&at| at < n_clusters)
            && parents_before;
        if !fits {
            return Err(MineError::DamagedModel {
                reason: "its clusters do not fit its rows".to_owned(),
            });
        }
        if fingerprint(known) != self.fingerprint {
            return Err(MineError::DamagedModel {
                reason: "its clusters were found in other rows".to_owned(),
            });
        }
        Ok(())
    }
}

/// A hash of rows and their order.
fn fingerprint(points: Points) -> u64 {
    let hash = |hash, v: &f32| mix(hash, u64::from(v.to_bits()));
    points.values().iter().fold(points.len() as u64, hash)
}
