//! Single linkage: which parts merge at which distance.

use super::forest::{Edge, Sets};

/// A binary tree of merges: nodes below `n` are rows, node `n + m` is the `m`-th merge; the last is the root.
pub(super) struct Dendrogram {
    pub(super) n: usize,
    merges: Vec<Merge>,
}

#[derive(Clone, Copy)]
struct Merge {
    /// The larger part first.
    parts: [u32; 2],
    distance: f64,
    size: u32,
}

impl Dendrogram {
    /// Merges `n` rows along the edges of a spanning tree, shortest first.
    pub(super) fn new(n: usize, edges: &[Edge]) -> Dendrogram {
        let mut merges: Vec<Merge> = Vec::with_capacity(edges.len());
        let mut sets = Sets::new(n);
        let mut nodes: Vec<u32> = (0..n as u32).collect();
        for edge in edges {
            let (a, b) = (sets.find(edge.a), sets.find(edge.b));
            let size = |set: u32| match (nodes[set as usize] as usize).checked_sub(n) {
                Some(merge) => merges[merge].size,
                None => 1,
            };
            let (n_a, n_b) = (size(a), size(b));
            let (keeps, goes) = if n_a < n_b { (b, a) } else { (a, b) };
            let merge = Merge {
                parts: [nodes[keeps as usize], nodes[goes as usize]],
                distance: edge.weight,
                size: n_a + n_b,
            };
            sets.join(keeps, goes);
            nodes[keeps as usize] = (n + merges.len()) as u32;
            merges.push(merge);
        }
        Dendrogram { n, merges }
    }

    /// The node of all rows; none where there are no merges.
    pub(super) fn root(&self) -> Option<u32> {
        let last = self.merges.len().checked_sub(1)?;
        Some((self.n + last) as u32)
    }

    fn merge(&self, node: u32) -> Option<&Merge> {
        self.merges.get((node as usize).checked_sub(self.n)?)
    }

    /// Rows of a node.
    pub(super) fn size(&self, node: u32) -> usize {
        self.merge(node).map_or(1, |merge| merge.size as usize)
    }

    /// The distance at which a node's parts merge; 0 of a row.
    pub(super) fn distance(&self, node: u32) -> f64 {
        self.merge(node).map_or(0.0, |merge| merge.distance)
    }

    /// The two parts of a node; none of a row.
    pub(super) fn parts(&self, node: u32) -> Option<[u32; 2]> {
        self.merge(node).map(|merge| merge.parts)
    }

    /// The rows of a node.
    pub(super) fn rows(&self, node: u32, rows: &mut Vec<u32>) {
        rows.clear();
        let mut open = vec![node];
        while let Some(next) = open.pop() {
            match self.merge(next) {
                Some(merge) => open.extend(merge.parts.iter().rev()),
                None => rows.push(next),
            }
        }
    }

    /// All rows in the order of the tree, larger parts first, and the distance at which each merges with the next.
    ///
    /// The longest edge on the way between two rows is the largest of the distances between their places.
    pub(super) fn leaves(&self) -> (Vec<u32>, Vec<f64>) {
        let (mut rows, mut distances) = (Vec::with_capacity(self.n), Vec::new());
        // A node, and the distance from the row before it.
        let mut open: Vec<(u32, f64)> = self.root().map(|root| (root, 0.0)).into_iter().collect();
        while let Some((node, before)) = open.pop() {
            match self.merge(node) {
                Some(merge) => {
                    open.push((merge.parts[1], merge.distance));
                    open.push((merge.parts[0], before));
                }
                None => {
                    if !rows.is_empty() {
                        distances.push(before);
                    }
                    rows.push(node);
                }
            }
        }
        (rows, distances)
    }
}
