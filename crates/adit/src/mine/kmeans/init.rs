//! The first centres: greedy k-means++.
//!
//! Each centre is the best of `2 + ln k` rows drawn with probabilities that rise with the squared distance to the
//! nearest centre so far (Arthur and Vassilvitskii 2007): the one that leaves the rows nearest to a centre. Of many
//! rows a sample is drawn from and judged by. It is itself drawn by squared distance and weighted, so that its sums are
//! those of all rows in expectation (much as in Bachem, Lucic and Krause 2018, "Scalable k-means clustering via
//! lightweight coresets"), and drawn anew from all rows once it says that their distances have shrunk by half.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::nearest::{AHEAD, BLOCK, Block, Centers, Frame, squared};
use crate::represent::points::Points;

/// Rows in a sample, per centre.
const SAMPLE_PER_CENTER: usize = 128;
/// Rows in a sample, at least.
const LEAST_SAMPLE: usize = 4096;
/// A sample of at most this part of the rows is copied.
const COPIED: usize = 8;
/// A sample is drawn anew once its sum falls below this share of what it was.
const RENEWAL: f64 = 0.5;
/// Distances that are less than so many times what rounding may cost are computed in f64.
const SURE: f32 = 64.0;

/// Rows that stand for all of them.
struct Sample {
    rows: Vec<usize>,
    /// How many rows each stands for.
    weights: Vec<f64>,
    /// Squared distances to the nearest centre, in the frame.
    nearest: Vec<f32>,
    /// The rows in the frame; empty where they would take much memory. `[rows.len(), width]`
    framed: Vec<f32>,
    /// Their squared lengths there; empty as well.
    squares: Vec<f32>,
    /// The weighted sum of the distances when the sample was drawn.
    whole: f64,
}

impl Sample {
    /// The weighted sums of the distances by blocks, and their sum.
    fn sums(&self) -> (Vec<f64>, f64) {
        let parts = self.weights.chunks(BLOCK).zip(self.nearest.chunks(BLOCK));
        let sums: Vec<f64> = parts
            .map(|(weights, nearest)| {
                let values = weights.iter().zip(nearest);
                values.map(|(w, &d)| w * f64::from(d)).sum()
            })
            .collect();
        let whole = sums.iter().sum();
        (sums, whole)
    }

    /// The place where the weighted sum passes `target`; one with a distance above 0.
    fn place(&self, sums: &[f64], mut target: f64) -> Option<usize> {
        let mut last = None;
        for (block, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
            last = Some(block);
            if target < *sum {
                break;
            }
            target -= sum;
        }
        let from = last? * BLOCK;
        let mut found = None;
        for at in from..self.rows.len().min(from + BLOCK) {
            let value = self.weights[at] * f64::from(self.nearest[at]);
            if value > 0.0 {
                found = Some(at);
                if target < value {
                    break;
                }
                target -= value;
            }
        }
        found
    }
}

/// The search for first centres.
pub struct Search<'a> {
    points: Points<'a>,
    frame: &'a Frame,
    k: usize,
    rng: ChaCha8Rng,
    /// Rows that became centres.
    chosen: Vec<usize>,
    /// Squared distances of all rows to the nearest of the first centres, in the frame. `[n]`
    nearest: Vec<f32>,
    /// How many centres these are.
    known: usize,
}

impl<'a> Search<'a> {
    /// A search for `k` centres.
    pub fn new(points: Points<'a>, frame: &'a Frame, k: usize, seed: u64) -> Search<'a> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = rng.random_range(0..points.len());
        Search {
            points,
            frame,
            k,
            rng,
            chosen: vec![first],
            nearest: vec![f32::INFINITY; points.len()],
            known: 0,
        }
    }

    /// The rows that become centres: `k`, or fewer where there are fewer different rows; none where `goes_on` with
    /// the number found so far is false.
    pub fn run(mut self, goes_on: &dyn Fn(usize) -> bool) -> Option<Vec<usize>> {
        let n_candidates = 2 + (self.k as f64).ln() as usize;
        let mut sample = self.sample();
        while self.chosen.len() < self.k {
            if !goes_on(self.chosen.len()) {
                return None;
            }
            let (mut sums, mut whole) = sample.sums();
            if whole < RENEWAL * sample.whole {
                sample = self.sample();
                (sums, whole) = sample.sums();
            }
            let candidates: Vec<usize> = (0..n_candidates)
                .filter_map(|_| {
                    let target = self.rng.random::<f64>() * whole;
                    sample.place(&sums, target)
                })
                .collect();
            if candidates.is_empty() {
                break;
            }
            self.choose(&mut sample, &candidates);
        }
        Some(self.chosen)
    }

    /// Takes the candidate that leaves the least sum of distances.
    fn choose(&mut self, sample: &mut Sample, candidates: &[usize]) {
        let rows: Vec<usize> = candidates.iter().map(|&at| sample.rows[at]).collect();
        let centers = self.centers(&rows);
        let k = centers.len();
        let mut apart = vec![0.0f32; sample.rows.len() * k];
        let parts = apart.par_chunks_mut(BLOCK * k).enumerate();
        let sums = parts.map_init(
            || Block::new(self.points.width(), 0),
            |block, (at, apart)| self.judge(sample, (&centers, at * BLOCK), apart, block),
        );
        let sums: Vec<Vec<f64>> = sums.collect();
        let total = |at: usize| sums.iter().map(|sums| sums[at]).sum::<f64>();
        let totals: Vec<f64> = (0..k).map(total).collect();
        let best = (0..k).min_by(|&a, &b| totals[a].total_cmp(&totals[b]));
        let best = best.unwrap_or(0);
        for (nearest, apart) in sample.nearest.iter_mut().zip(apart.chunks_exact(k)) {
            *nearest = apart[best];
        }
        self.chosen.push(rows[best]);
    }

    /// The distances of a block of the sample if each candidate became a centre, and their weighted sums. `[k]`
    fn judge(
        &self,
        sample: &Sample,
        (candidates, first): (&Centers, usize),
        apart: &mut [f32],
        block: &mut Block,
    ) -> Vec<f64> {
        let k = candidates.len();
        let own = first..first + apart.len() / k;
        let rows = &sample.rows[own.clone()];
        if sample.framed.is_empty() {
            self.apart(candidates, (rows, block), apart);
        } else {
            let width = self.points.width();
            candidates.compare(&sample.framed[own.start * width..own.end * width], apart);
            self.whole(candidates, (rows, &sample.squares[own.clone()]), apart);
        }
        let mut sums = vec![0.0; k];
        let known = sample.weights[own.clone()].iter().zip(&sample.nearest[own]);
        for ((weight, nearest), apart) in known.zip(apart.chunks_exact_mut(k)) {
            for (sum, apart) in sums.iter_mut().zip(apart) {
                *apart = apart.min(*nearest);
                *sum += weight * f64::from(*apart);
            }
        }
        sums
    }

    fn centers(&self, rows: &[usize]) -> Centers {
        let values = rows.iter().flat_map(|&row| self.points.row(row));
        Centers::new(self.frame, values.map(|&x| f64::from(x)).collect())
    }

    /// A sample by the distances of all rows to the centres so far.
    fn sample(&mut self) -> Sample {
        self.renew();
        let n = self.points.len();
        let size = (SAMPLE_PER_CENTER * self.k).max(LEAST_SAMPLE);
        if n <= 2 * size {
            return Sample {
                rows: (0..n).collect(),
                weights: vec![1.0; n],
                nearest: self.nearest.clone(),
                framed: Vec::new(),
                squares: Vec::new(),
                // Nothing is gained by drawing all rows anew.
                whole: 0.0,
            };
        }
        let mut sample = self.drawn(size);
        if size <= n / COPIED {
            let width = self.points.width();
            sample.framed = vec![0.0; sample.rows.len() * width];
            let rows = sample
                .rows
                .iter()
                .zip(sample.framed.chunks_exact_mut(width));
            let squares = rows.map(|(&row, out)| self.frame.put(self.points.row(row), out));
            sample.squares = squares.collect();
        }
        sample
    }

    /// About `size` rows, each by its share of the sum of the distances.
    fn drawn(&mut self, size: usize) -> Sample {
        let whole: f64 = self.nearest.iter().map(|&d| f64::from(d)).sum();
        // Every `step` of the sum a row, from a random start.
        let step = whole / size as f64;
        let (mut sum, mut next) = (0.0, self.rng.random::<f64>() * step);
        let (mut rows, mut weights, mut nearest) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &apart) in self.nearest.iter().enumerate() {
            sum += f64::from(apart);
            let mut times = 0.0;
            while next < sum && step > 0.0 {
                times += 1.0;
                next += step;
            }
            if times > 0.0 {
                rows.push(row);
                weights.push(times * step / f64::from(apart));
                nearest.push(apart);
            }
        }
        Sample {
            rows,
            weights,
            nearest,
            framed: Vec::new(),
            squares: Vec::new(),
            whole,
        }
    }

    /// Brings the distances of all rows up to date.
    fn renew(&mut self) {
        let centers = self.centers(&self.chosen[self.known..]);
        self.known = self.chosen.len();
        let k = centers.len();
        let mut nearest = std::mem::take(&mut self.nearest);
        let blocks = nearest.par_chunks_mut(BLOCK).enumerate().with_min_len(8);
        blocks.for_each_init(
            || (Block::new(self.points.width(), 0), vec![0.0; BLOCK * k]),
            |(block, apart), (at, nearest)| {
                let first = at * BLOCK;
                let rows: Vec<usize> = (first..first + nearest.len()).collect();
                let apart = &mut apart[..rows.len() * k];
                self.apart(&centers, (&rows, block), apart);
                for (nearest, apart) in nearest.iter_mut().zip(apart.chunks_exact(k)) {
                    *nearest = apart
                        .iter()
                        .fold(*nearest, |a, &b| if b < a { b } else { a });
                }
            },
        );
        self.nearest = nearest;
    }

    /// Squared distances from at most `BLOCK` rows to all centres, in the frame. `[rows.len(), k]`
    fn apart(&self, centers: &Centers, (rows, block): (&[usize], &mut Block), out: &mut [f32]) {
        for (part, rows) in rows.chunks(AHEAD).enumerate() {
            for (at, &row) in rows.iter().enumerate() {
                block.fetch(at, self.points.row(row));
            }
            for at in 0..rows.len() {
                block.put_fetched(at, part * AHEAD + at, self.frame);
            }
        }
        centers.compare(block.rows(rows.len()), out);
        self.whole(centers, (rows, &block.squares), out);
    }

    /// Makes squared distances of what the products left; small ones anew in f64, so that a row is at distance 0 from
    /// its like.
    fn whole(&self, centers: &Centers, (rows, squares): (&[usize], &[f32]), out: &mut [f32]) {
        let k = centers.len();
        let scale = f64::from(self.frame.scale);
        for ((&row, &square), out) in rows.iter().zip(squares).zip(out.chunks_exact_mut(k)) {
            let sure = SURE * centers.margin(square);
            for (center, out) in out.iter_mut().enumerate() {
                *out += square;
                if *out < sure {
                    let exact = squared(self.points.row(row), centers.center(center));
                    *out = (exact * scale * scale) as f32;
                }
            }
        }
    }
}
