//! Grows one tree, leaf by leaf: the leaf that gains most is parted next.

use rayon::prelude::*;

use super::TreeSettings;
use super::bins::{Binned, Cut};
use super::histogram::{Histograms, Sums, histograms, subtract};
use super::split::{Route, Split, best_split};
use super::tree::{Node, Question, Tree};

/// Rows of a tree while it grows, with what is kept from one tree to the next.
pub(super) struct Grower<'a> {
    columns: &'a [Binned],
    settings: &'a TreeSettings,
    /// Rows, so that those of one leaf stand together.
    rows: Vec<u32>,
    spare: Vec<u32>,
    /// Gradient and hessian of the rows of the leaf at hand.
    of_rows: Vec<[f32; 2]>,
}

/// A leaf that may be parted.
struct Leaf {
    node: usize,
    start: usize,
    len: usize,
    sums: Sums,
    /// Penalty by which its value is shrunk.
    l2: f64,
    histograms: Histograms,
    split: Option<Split>,
}

/// A grown tree and the rows of each of its leaves.
pub(super) struct Grown<'a> {
    pub tree: Tree,
    /// `(value, rows)`
    pub leaves: Vec<(f32, &'a [u32])>,
}

impl<'a> Grower<'a> {
    pub fn new(columns: &'a [Binned], settings: &'a TreeSettings) -> Grower<'a> {
        Grower {
            columns,
            settings,
            rows: Vec::new(),
            spare: Vec::new(),
            of_rows: Vec::new(),
        }
    }

    /// Grows a tree over `rows` by the columns that are `used`; `gradients` has an entry for every row of the table.
    pub fn grow(&mut self, rows: &[u32], gradients: &[[f32; 2]], used: &[bool]) -> Grown<'_> {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        let mut tree = Tree::default();
        tree.nodes.push(leaf_node(0.0, rows.len()));
        let sums = self.gather(0, rows.len(), gradients);
        let found = histograms(self.columns, used, &self.rows, &self.of_rows);
        let root = self.leaf((0, 0, rows.len()), (sums, self.settings.l2), found);
        let mut leaves = vec![root];
        while leaves.len() < self.settings.n_leaves {
            let gain = |leaf: &Leaf| leaf.split.as_ref().map_or(0.0, |split| split.gain);
            let mut best: Option<usize> = None;
            for at in 0..leaves.len() {
                if gain(&leaves[at]) > best.map_or(0.0, |b| gain(&leaves[b])) {
                    best = Some(at);
                }
            }
            let Some(at) = best else { break };
            let leaf = leaves.swap_remove(at);
            if let Some((left, right)) = self.part(leaf, &mut tree, gradients, used) {
                leaves.push(left);
                leaves.push(right);
            }
        }
        leaves.sort_by_key(|leaf| leaf.node);
        let rate = self.settings.learning_rate;
        let answered = leaves.iter().map(|leaf| {
            let value = (-rate * leaf.sums.gradient / (leaf.sums.hessian + leaf.l2)) as f32;
            let value = if value.is_finite() { value } else { 0.0 };
            tree.nodes[leaf.node] = leaf_node(value, leaf.len);
            (value, &self.rows[leaf.start..leaf.start + leaf.len])
        });
        let leaves = answered.collect();
        Grown { tree, leaves }
    }

    /// Collects the gradients of a run of rows; gives their sums.
    fn gather(&mut self, start: usize, len: usize, gradients: &[[f32; 2]]) -> Sums {
        let rows = &self.rows[start..start + len];
        self.of_rows.clear();
        self.of_rows
            .extend(rows.iter().map(|&row| gradients[row as usize]));
        let mut sums = Sums::default();
        for &[gradient, hessian] in &self.of_rows {
            sums.gradient += f64::from(gradient);
            sums.hessian += f64::from(hessian);
        }
        sums.n = len as u32;
        sums
    }

    fn leaf(
        &self,
        (node, start, len): (usize, usize, usize),
        (sums, l2): (Sums, f64),
        histograms: Histograms,
    ) -> Leaf {
        let enough = len >= 2 * self.settings.min_rows_in_leaf.max(1);
        let split = if enough {
            self.search(&histograms, sums)
        } else {
            None
        };
        Leaf {
            node,
            start,
            len,
            sums,
            l2,
            histograms,
            split,
        }
    }

    /// The best split over all columns; the first column of equals.
    fn search(&self, histograms: &Histograms, all: Sums) -> Option<Split> {
        let of_column = |at: usize| {
            let sums = &histograms[at];
            (!sums.is_empty())
                .then(|| best_split((at, &self.columns[at]), sums, all, self.settings))?
        };
        let better = |a: Option<Split>, b: Option<Split>| match (a, b) {
            (Some(a), Some(b)) => Some(if b.gain > a.gain { b } else { a }),
            (a, b) => a.or(b),
        };
        let n = self.columns.len();
        if n < 32 {
            return (0..n).map(of_column).fold(None, better);
        }
        let found: Vec<Option<Split>> = (0..n).into_par_iter().map(of_column).collect();
        found.into_iter().fold(None, better)
    }

    /// Parts a leaf by its split; the smaller side's histograms are counted, the other's are what is left.
    fn part(
        &mut self,
        leaf: Leaf,
        tree: &mut Tree,
        gradients: &[[f32; 2]],
        used: &[bool],
    ) -> Option<(Leaf, Leaf)> {
        let split = leaf.split?;
        let column = &self.columns[split.column];
        let n_left = self.partition(leaf.start, leaf.len, column, &split.route);
        let (left_node, right_node) = (tree.nodes.len(), tree.nodes.len() + 1);
        tree.nodes[leaf.node] = Node::Ask {
            column: split.column as u32,
            question: question(&split.route, &column.cut),
            left: left_node as u32,
            right: right_node as u32,
            gain: split.gain as f32,
            n: leaf.len as u32,
        };
        tree.nodes.push(leaf_node(0.0, 0));
        tree.nodes.push(leaf_node(0.0, 0));
        let right_sums = leaf.sums.minus(split.left);
        let (left, right) = (
            (left_node, leaf.start, n_left),
            (right_node, leaf.start + n_left, leaf.len - n_left),
        );
        let left_is_small = 2 * n_left <= leaf.len;
        let (_, start, len) = if left_is_small { left } else { right };
        self.gather(start, len, gradients);
        let small = histograms(
            self.columns,
            used,
            &self.rows[start..start + len],
            &self.of_rows,
        );
        let mut large = leaf.histograms;
        subtract(&mut large, &small);
        let (of_left, of_right) = if left_is_small {
            (small, large)
        } else {
            (large, small)
        };
        Some((
            self.leaf(left, (split.left, split.l2), of_left),
            self.leaf(right, (right_sums, split.l2), of_right),
        ))
    }

    /// Brings the rows that go left to the front, each side in its order; gives how many those are.
    fn partition(&mut self, start: usize, len: usize, column: &Binned, route: &Route) -> usize {
        let missing = column.cut.missing_bin();
        let mut goes_left = [false; 256];
        for (bin, left) in goes_left.iter_mut().enumerate() {
            *left = route.goes_left(bin as u8, missing);
        }
        let rows = &mut self.rows[start..start + len];
        self.spare.clear();
        self.spare.resize(len, 0);
        let (mut n_left, mut n_right) = (0, 0);
        for at in 0..len {
            let row = rows[at];
            let left = goes_left[usize::from(column.bins[row as usize])];
            // Both are written, one is kept: no branch that depends on the data.
            rows[n_left] = row;
            self.spare[n_right] = row;
            n_left += usize::from(left);
            n_right += usize::from(!left);
        }
        rows[n_left..].copy_from_slice(&self.spare[..n_right]);
        n_left
    }
}

fn leaf_node(value: f32, n: usize) -> Node {
    Node::Leaf { value, n: n as u32 }
}

/// A route in terms of values rather than bins.
fn question(route: &Route, cut: &Cut) -> Question {
    match (route, cut) {
        (Route::UpTo { bin, missing_left }, Cut::Numbers { upper }) => Question::UpTo {
            value: upper
                .get(usize::from(*bin))
                .copied()
                .unwrap_or(Question::ALL),
            missing_left: *missing_left,
        },
        (route, cut) => {
            let mut codes: Vec<u32> = (0..=255u8)
                .filter(|&bin| route.goes_left(bin, None))
                .flat_map(|bin| cut.codes(bin).collect::<Vec<_>>())
                .collect();
            codes.sort_unstable();
            Question::Among(codes)
        }
    }
}
