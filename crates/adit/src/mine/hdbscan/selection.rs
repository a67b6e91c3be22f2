//! Which clusters of the condensed tree are taken.

use serde::{Deserialize, Serialize};

use super::condensed::CondensedTree;

/// A rule by which clusters are taken; no cluster lies within another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those whose stabilities sum to the most.
    #[default]
    ExcessOfMass,
    /// Those that have no children: more and finer ones.
    Leaf,
}

impl Selection {
    /// The clusters taken, ascending.
    pub(super) fn take(self, tree: &CondensedTree, allow_root: bool) -> Vec<u32> {
        match self {
            Selection::ExcessOfMass => excess_of_mass(tree, allow_root),
            Selection::Leaf => leaves(tree),
        }
    }
}

/// Campello et al. 2013, algorithm 3.
fn excess_of_mass(tree: &CondensedTree, allow_root: bool) -> Vec<u32> {
    let n = tree.clusters.len();
    let mut below = vec![0.0f64; n];
    let mut taken = vec![false; n];
    let first = usize::from(!allow_root);
    for at in (first..n).rev() {
        let cluster = &tree.clusters[at];
        taken[at] = below[at] <= cluster.stability;
        let best = below[at].max(cluster.stability);
        if let Some(parent) = cluster.parent {
            let sum = &mut below[parent as usize];
            *sum = (*sum + best).min(f64::MAX);
        }
    }
    // Of clusters within each other, the outermost counts.
    let mut inside = vec![false; n];
    for at in 0..n {
        if let Some(parent) = tree.clusters[at].parent {
            inside[at] = inside[parent as usize] || taken[parent as usize];
        }
    }
    (0..n as u32)
        .filter(|&at| taken[at as usize] && !inside[at as usize])
        .collect()
}

/// Clusters without children; the root is none.
fn leaves(tree: &CondensedTree) -> Vec<u32> {
    let mut is_parent = vec![false; tree.clusters.len()];
    for parent in tree.clusters.iter().filter_map(|cluster| cluster.parent) {
        is_parent[parent as usize] = true;
    }
    (1..tree.clusters.len() as u32)
        .filter(|&at| !is_parent[at as usize])
        .collect()
}
