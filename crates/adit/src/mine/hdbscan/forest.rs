//! Edges by length, and forests of the shortest.

use std::cmp::Ordering;

/// Edges a row that are gathered before the forest is made anew.
const GATHERED: usize = 8;
/// The least number of them.
const FEWEST: usize = 1 << 16;

/// Two rows and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    /// The mutual reachability distance.
    pub(super) weight: f64,
    /// The distance itself.
    distance: f64,
    pub(super) a: u32,
    pub(super) b: u32,
}

impl Edge {
    /// The edge between two rows of these core distances.
    pub(super) fn new(distance: f64, cores: [f64; 2], [a, b]: [u32; 2]) -> Edge {
        Edge {
            weight: distance.max(cores[0]).max(cores[1]),
            distance,
            a: a.min(b),
            b: a.max(b),
        }
    }

    /// The same edge between rows of other names.
    pub(super) fn renamed(&self, name: impl Fn(u32) -> u32) -> Edge {
        Edge {
            a: name(self.a).min(name(self.b)),
            b: name(self.a).max(name(self.b)),
            ..*self
        }
    }

    /// By weight, then by distance, as a core distance is the weight of many edges; then by the rows.
    pub(super) fn order(&self, other: &Edge) -> Ordering {
        let weights = self.weight.total_cmp(&other.weight);
        weights
            .then(self.distance.total_cmp(&other.distance))
            .then((self.a, self.b).cmp(&(other.a, other.b)))
    }
}

/// Sets of rows that are joined.
pub(super) struct Sets(Vec<u32>);

impl Sets {
    pub(super) fn new(n: usize) -> Sets {
        Sets((0..n as u32).collect())
    }

    /// The name of the set of a row.
    pub(super) fn find(&mut self, row: u32) -> u32 {
        let mut at = row as usize;
        while self.0[at] as usize != at {
            self.0[at] = self.0[self.0[at] as usize];
            at = self.0[at] as usize;
        }
        at as u32
    }

    /// Joins two sets under the name of the first.
    pub(super) fn join(&mut self, keeps: u32, goes: u32) {
        self.0[goes as usize] = keeps;
    }
}

/// The minimum spanning forest of the edges given so far (Kruskal 1956).
pub(super) struct Forest {
    n: usize,
    /// Those kept at first, then those not yet looked at.
    edges: Vec<Edge>,
    n_kept: usize,
}

impl Forest {
    pub(super) fn new(n: usize) -> Forest {
        Forest {
            n,
            edges: Vec::new(),
            n_kept: 0,
        }
    }

    pub(super) fn add(&mut self, edge: Edge) {
        self.edges.push(edge);
        if self.edges.len() - self.n_kept > (self.n * GATHERED).max(FEWEST) {
            self.thin();
        }
    }

    /// Drops edges that close a circle; those kept are in order of their length.
    fn thin(&mut self) {
        self.edges.sort_unstable_by(Edge::order);
        let (mut sets, mut sizes) = (Sets::new(self.n), vec![1u32; self.n]);
        self.edges.retain(|edge| {
            let (a, b) = (sets.find(edge.a), sets.find(edge.b));
            if a == b {
                return false;
            }
            let (keeps, goes) = if sizes[a as usize] < sizes[b as usize] {
                (b, a)
            } else {
                (a, b)
            };
            sets.join(keeps, goes);
            sizes[keeps as usize] += sizes[goes as usize];
            true
        });
        self.n_kept = self.edges.len();
    }

    /// The edges of the forest, shortest first.
    pub(super) fn edges(&mut self) -> &[Edge] {
        if self.n_kept < self.edges.len() {
            self.thin();
        }
        &self.edges
    }

    /// The number of each row's tree; trees are numbered in the order of their first rows.
    pub(super) fn trees(&mut self) -> (Vec<u32>, usize) {
        let mut sets = Sets::new(self.n);
        for edge in self.edges() {
            let (a, b) = (sets.find(edge.a), sets.find(edge.b));
            sets.join(a.min(b), a.max(b));
        }
        let (mut numbers, mut n_trees) = (vec![0u32; self.n], 0);
        for row in 0..self.n {
            let first = sets.find(row as u32) as usize;
            numbers[row] = if first == row {
                n_trees += 1;
                n_trees - 1
            } else {
                numbers[first]
            };
        }
        (numbers, n_trees as usize)
    }
}
