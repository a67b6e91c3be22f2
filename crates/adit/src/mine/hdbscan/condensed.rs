//! The condensed tree: which clusters live at which density, and where rows leave them.

use serde::{Deserialize, Serialize};

use super::dendrogram::Dendrogram;

/// A cluster from the density at which it parts from its parent; densities are 1 / distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CondensedCluster {
    /// None of the root.
    pub parent: Option<u32>,
    /// The density at which it begins; 0 of the root.
    pub birth: f64,
    /// The highest finite density at which it loses a row or parts; its birth where there is none.
    pub death: f64,
    /// Rows at its birth.
    pub size: u32,
    /// Density gained since birth, summed over its rows; `f64::MAX` where duplicates make it infinite.
    pub stability: f64,
}

/// Clusters, parents before their children, and where each row leaves its last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CondensedTree {
    /// The root is the first.
    pub clusters: Vec<CondensedCluster>,
    /// The last cluster that each row is in. `[n_rows]`
    pub row_clusters: Vec<u32>,
    /// The distance at which each row leaves it; 0 of duplicates that stay together. `[n_rows]`
    pub row_distances: Vec<f64>,
}

impl CondensedTree {
    /// The tree over a dendrogram: a part of fewer than `min_cluster_size` rows leaves, two larger ones are new clusters.
    pub(super) fn new(dendrogram: &Dendrogram, min_cluster_size: usize) -> CondensedTree {
        let n = dendrogram.n;
        let mut tree = CondensedTree {
            clusters: Vec::new(),
            row_clusters: vec![0; n],
            row_distances: vec![0.0; n],
        };
        tree.begin(None, 0.0, n);
        let mut rows = Vec::new();
        let mut open: Vec<(u32, u32)> = dendrogram
            .root()
            .map(|node| (node, 0))
            .into_iter()
            .collect();
        while let Some((node, cluster)) = open.pop() {
            let distance = dendrogram.distance(node);
            let parts = dendrogram.parts(node).unwrap_or_default();
            // Rows at distance 0 are at one place, which cannot part.
            let stays = |part: u32| distance > 0.0 && dendrogram.size(part) >= min_cluster_size;
            let splits = parts.iter().all(|&part| stays(part));
            for part in parts {
                if splits {
                    let size = dendrogram.size(part);
                    open.push((part, tree.begin(Some(cluster), 1.0 / distance, size)));
                } else if stays(part) {
                    open.push((part, cluster));
                } else {
                    dendrogram.rows(part, &mut rows);
                    for &row in &rows {
                        tree.row_clusters[row as usize] = cluster;
                        tree.row_distances[row as usize] = distance;
                    }
                }
            }
        }
        tree.measure();
        tree
    }

    fn begin(&mut self, parent: Option<u32>, birth: f64, size: usize) -> u32 {
        self.clusters.push(CondensedCluster {
            parent,
            birth,
            death: birth,
            size: size as u32,
            stability: 0.0,
        });
        (self.clusters.len() - 1) as u32
    }

    /// Sums what each cluster's rows and children gained while they were in it.
    fn measure(&mut self) {
        for at in 1..self.clusters.len() {
            let CondensedCluster {
                parent,
                birth,
                size,
                ..
            } = self.clusters[at];
            if let Some(parent) = parent {
                self.lose(parent, birth, size);
            }
        }
        for row in 0..self.row_clusters.len() {
            self.lose(self.row_clusters[row], 1.0 / self.row_distances[row], 1);
        }
        for cluster in &mut self.clusters {
            cluster.stability = cluster.stability.min(f64::MAX);
        }
    }

    fn lose(&mut self, cluster: u32, density: f64, size: u32) {
        let cluster = &mut self.clusters[cluster as usize];
        cluster.stability += (density - cluster.birth) * f64::from(size);
        if density.is_finite() {
            cluster.death = cluster.death.max(density);
        }
    }

    /// The density at which a row leaves its last cluster; infinite of duplicates that stay together.
    pub fn density(&self, row: usize) -> f64 {
        1.0 / self.row_distances[row]
    }
}
