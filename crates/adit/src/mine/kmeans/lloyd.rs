//! Lloyd's iterations: every row to its nearest centre, every centre to the mean of its rows.

use rayon::prelude::*;

use super::bounds::{Bounds, Step, n_pieces};
use super::nearest::{BLOCK, Centers, Frame, squared};
use crate::represent::points::Points;

/// One run, from its first centres to its last.
pub struct Course<'a> {
    points: Points<'a>,
    frame: &'a Frame,
    pub bounds: Bounds,
    /// Of equally near centres, the one of the lowest rank has the row. `[k]`
    rank: Vec<u32>,
    pub centers: Centers,
    /// Of the rows of each centre. `[k, width]`
    sums: Vec<f64>,
    pub counts: Vec<usize>,
}

impl<'a> Course<'a> {
    /// Starts at `centers` `[k, width]`.
    pub fn new(points: Points<'a>, frame: &'a Frame, centers: Vec<f64>) -> Course<'a> {
        let k = centers.len() / points.width();
        Course {
            points,
            frame,
            bounds: Bounds::new(points.len(), k),
            rank: (0..k as u32).collect(),
            sums: vec![0.0; centers.len()],
            centers: Centers::new(frame, centers),
            counts: vec![0; k],
        }
    }

    /// Gives every row its nearest centre.
    pub fn assign(&mut self) -> Step {
        let centers = &self.centers;
        let changes = (self.bounds).assign(self.points, self.frame, centers, &self.rank);
        let width = self.points.width();
        let sums = self.sums.par_chunks_exact_mut(width).enumerate();
        sums.for_each(|(center, sums)| {
            for part in changes.iter().filter_map(|c| c.sums[center].as_ref()) {
                sums.iter_mut()
                    .zip(part)
                    .for_each(|(sum, part)| *sum += part);
            }
        });
        let mut step = Step::default();
        for part in changes {
            for (count, change) in self.counts.iter_mut().zip(&part.counts) {
                *count = count.saturating_add_signed(*change);
            }
            step.changed += part.step.changed;
            step.compared += part.step.compared;
        }
        step
    }

    /// Moves every centre that has rows to their mean; the sum of the squared ways, in the units of the data.
    pub fn update(&mut self) -> f64 {
        let width = self.points.width();
        let mut next = self.centers.exact.clone();
        for (center, next) in next.chunks_exact_mut(width).enumerate() {
            let count = self.counts[center] as f64;
            if count > 0.0 {
                let sums = &self.sums[center * width..][..width];
                next.iter_mut()
                    .zip(sums)
                    .for_each(|(c, sum)| *c = sum / count);
            }
        }
        self.go_to(next)
    }

    /// Moves the centres; the sum of the squared ways, in the units of the data.
    fn go_to(&mut self, next: Vec<f64>) -> f64 {
        let width = self.points.width();
        let old = self.centers.exact.chunks_exact(width);
        let squares = old
            .zip(next.chunks_exact(width))
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum());
        let squares: Vec<f64> = squares.collect();
        // A little more than the way, for the rounding of f64.
        let longer = f64::from(self.frame.scale) * (1.0 + 1e-9);
        let ways: Vec<f64> = squares
            .iter()
            .map(|square| square.sqrt() * longer)
            .collect();
        self.bounds.moved(&ways);
        self.centers = Centers::new(self.frame, next);
        squares.iter().sum()
    }

    /// Iterates until no row changes its centre or the squared ways sum to at most `tolerance`; how often, or none
    /// where `goes_on` says so.
    pub fn run(
        &mut self,
        max_iterations: usize,
        tolerance: f64,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        for iteration in 1..=max_iterations {
            if !goes_on(iteration) {
                return None;
            }
            let step = self.assign();
            let settled = !self.refill() && step.changed == 0;
            if (self.update() <= tolerance || settled) && self.renew() <= tolerance {
                return Some(iteration);
            }
        }
        Some(max_iterations)
    }

    /// Sums all rows anew and moves the centres by what that changes, as [`Course::update`] does.
    ///
    /// A row that came and left again can have cost the sum the digits of all the others, if it is as large as that.
    fn renew(&mut self) -> f64 {
        let (n, k, width) = (self.points.len(), self.centers.len(), self.points.width());
        let size = n.div_ceil(n_pieces(n, k));
        let rows = self.points.values().par_chunks(size * width);
        let parts: Vec<Vec<f64>> = (rows.zip(self.bounds.labels.par_chunks(size)))
            .map(|(rows, labels)| {
                let mut sums = vec![0.0; k * width];
                for (row, &label) in rows.chunks_exact(width).zip(labels) {
                    let sums = sums[label as usize * width..][..width].iter_mut();
                    sums.zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
                }
                sums
            })
            .collect();
        self.sums.fill(0.0);
        for part in parts {
            let sums = self.sums.iter_mut().zip(&part);
            sums.for_each(|(sum, part)| *sum += part);
        }
        self.update()
    }

    /// Gives every centre without rows the row that lies farthest from its own; true where there was one.
    pub fn refill(&mut self) -> bool {
        let empty: Vec<usize> = (0..self.counts.len())
            .filter(|&center| self.counts[center] == 0)
            .collect();
        if empty.is_empty() {
            return false;
        }
        let width = self.points.width();
        let mut far = self.farthest(empty.len()).into_iter();
        let mut refilled = false;
        for center in empty {
            let Some(row) = far.find(|&row| self.counts[self.bounds.labels[row] as usize] > 1)
            else {
                break;
            };
            let old = self.bounds.labels[row] as usize;
            self.bounds.hand_over(row, center as u32);
            for (at, &x) in self.points.row(row).iter().enumerate() {
                self.sums[old * width + at] -= f64::from(x);
                self.sums[center * width + at] = f64::from(x);
            }
            self.counts[old] -= 1;
            self.counts[center] = 1;
            refilled = true;
        }
        refilled
    }

    /// The rows that lie farthest from their own centre, the farthest first; none that lies on it.
    fn farthest(&self, n_wanted: usize) -> Vec<usize> {
        let n = self.points.len();
        let apart: Vec<f64> = (0..n)
            .into_par_iter()
            .with_min_len(BLOCK)
            .map(|row| {
                let center = self.centers.center(self.bounds.labels[row] as usize);
                squared(self.points.row(row), center)
            })
            .collect();
        let mut rows: Vec<usize> = (0..n).filter(|&row| apart[row] > 0.0).collect();
        let order = |a: &usize, b: &usize| apart[*b].total_cmp(&apart[*a]).then(a.cmp(b));
        if rows.len() > 4 * n_wanted {
            rows.select_nth_unstable_by(4 * n_wanted, order);
            rows.truncate(4 * n_wanted);
        }
        rows.sort_unstable_by(order);
        rows
    }

    /// The centres in f32, the one with the most rows first, and the number there of every row's. `[k, width]`, `[n]`
    ///
    /// Centres that no row has are left out.
    pub fn finish(mut self) -> (Vec<f32>, Vec<u32>) {
        let rounded = self.centers.exact.iter().map(|&c| f64::from(c as f32));
        self.go_to(rounded.collect());
        // Rounding and a new order can change which of two equally near centres has a row, and that the order.
        for _ in 0..4 {
            self.rank = self.ranks();
            self.assign();
            if self.rank == self.ranks() {
                break;
            }
        }
        self.rank = self.ranks();
        let k = self.counts.iter().filter(|count| **count > 0).count();
        let width = self.points.width();
        let mut centers = vec![0.0; k * width];
        for (center, &rank) in self.rank.iter().enumerate() {
            if self.counts[center] > 0 {
                let out = centers.chunks_exact_mut(width).nth(rank as usize);
                let values = out.into_iter().flatten().zip(self.centers.center(center));
                values.for_each(|(out, &c)| *out = c as f32);
            }
        }
        let rank = &self.rank;
        let labels = &mut self.bounds.labels;
        (labels.par_iter_mut()).for_each(|label| *label = rank[*label as usize]);
        (centers, self.bounds.labels)
    }

    /// The place of every centre where those with more rows come first, and of equal ones that with the first row.
    fn ranks(&self) -> Vec<u32> {
        let k = self.counts.len();
        let mut first = vec![usize::MAX; k];
        for (row, &label) in self.bounds.labels.iter().enumerate().rev() {
            first[label as usize] = row;
        }
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by_key(|&center| (std::cmp::Reverse(self.counts[center]), first[center]));
        let mut rank = vec![0; k];
        for (place, center) in order.into_iter().enumerate() {
            rank[center] = place as u32;
        }
        rank
    }
}
