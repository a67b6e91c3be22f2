//! Clouds with clusters, and clouds without.

use super::*;

/// `rows` turned by a random orthogonal matrix.
fn turned(values: &[f32], width: usize, seed: u64) -> Vec<f32> {
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for at in 0..width {
        let mut axis: Vec<f64> = (0..width)
            .map(|k| f64::from(normal_at(seed, (at * width + k) as u64, 1.0)))
            .collect();
        for other in &axes {
            let along: f64 = axis.iter().zip(other).map(|(a, b)| a * b).sum();
            axis.iter_mut()
                .zip(other)
                .for_each(|(a, b)| *a -= along * b);
        }
        let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
        axis.iter_mut().for_each(|a| *a /= length);
        axes.push(axis);
    }
    let dot = |row: &[f32], axis: &[f64]| -> f32 {
        row.iter()
            .zip(axis)
            .map(|(x, a)| f64::from(*x) * a)
            .sum::<f64>() as f32
    };
    let rows = values.chunks(width);
    rows.flat_map(|row| axes.iter().map(move |axis| dot(row, axis)))
        .collect()
}

/// Evenly from a cube.
pub(in super::super) fn cube(n: usize, width: usize, seed: u64) -> Vec<f32> {
    (0..(n * width) as u64)
        .map(|at| unit(seed, at) as f32)
        .collect()
}

/// Evenly from a ball.
pub(in super::super) fn ball(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values: Vec<f32> = (0..(n * width) as u64)
        .map(|at| normal_at(seed, at, 1.0))
        .collect();
    for (at, row) in values.chunks_mut(width).enumerate() {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let radius = unit(!seed, at as u64).powf(1.0 / width as f64) as f32;
        row.iter_mut().for_each(|x| *x *= radius / length);
    }
    values
}

/// Evenly from a box with unequal sides that lies along no column.
pub(in super::super) fn turned_box(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values = cube(n, width, seed);
    for row in values.chunks_mut(width) {
        for (at, x) in row.iter_mut().enumerate() {
            *x *= 1.0 + 2.0 * unit(mix(seed, 1), at as u64) as f32;
        }
    }
    turned(&values, width, mix(seed, 2))
}

/// One Gaussian whose columns correlate.
pub(in super::super) fn gaussian(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values: Vec<f32> = (0..(n * width) as u64)
        .map(|at| normal_at(seed, at, 1.0))
        .collect();
    for row in values.chunks_mut(width) {
        for (at, x) in row.iter_mut().enumerate() {
            *x *= 0.5 + 2.0 * unit(mix(seed, 1), at as u64) as f32;
        }
    }
    turned(&values, width, mix(seed, 2))
}

/// Blobs of deviation 1 whose centres lie at least so far apart, as close together as fits; some rows are noise from
/// the box around all.
pub(in super::super) struct Blobs {
    pub(in super::super) n: usize,
    pub(in super::super) width: usize,
    pub(in super::super) n_blobs: usize,
    pub(in super::super) apart: f64,
    /// Rows of the largest blob to one of the smallest.
    pub(in super::super) unbalance: f64,
    pub(in super::super) noise: f64,
}

impl Blobs {
    pub(in super::super) fn centers(&self, seed: u64) -> Vec<Vec<f32>> {
        let mut side = self.apart / (self.width as f64).sqrt();
        let mut at = 0;
        loop {
            let mut centers: Vec<Vec<f32>> = Vec::new();
            for _ in 0..200 {
                let center: Vec<f32> = (0..self.width as u64)
                    .map(|k| (side * unit(seed, at + k)) as f32)
                    .collect();
                at += self.width as u64;
                let far = |other: &Vec<f32>| {
                    let square: f32 = center.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
                    f64::from(square.sqrt()) >= self.apart
                };
                if centers.iter().all(far) {
                    centers.push(center);
                }
                if centers.len() == self.n_blobs {
                    return centers;
                }
            }
            side *= 1.1;
        }
    }

    pub(in super::super) fn drawn(&self, seed: u64) -> Vec<f32> {
        let centers = self.centers(mix(seed, 1));
        let step = self.unbalance.ln() / (self.n_blobs - 1).max(1) as f64;
        let shares: Vec<f64> = (0..self.n_blobs)
            .map(|at| (-step * at as f64).exp())
            .collect();
        let sum: f64 = shares.iter().sum();
        let mut values = Vec::with_capacity(self.n * self.width);
        for row in 0..self.n {
            let mut left = unit(mix(seed, 2), row as u64) * sum;
            let beyond = |share: &f64| {
                left -= share;
                left < 0.0
            };
            let blob = shares.iter().position(beyond).unwrap_or(0);
            for (column, center) in centers[blob].iter().enumerate() {
                let at = (row * self.width + column) as u64;
                values.push(center + normal_at(mix(seed, 3), at, 1.0));
            }
        }
        let mut bounds = vec![(f32::INFINITY, f32::NEG_INFINITY); self.width];
        for row in values.chunks(self.width) {
            let pairs = bounds.iter_mut().zip(row);
            pairs.for_each(|((low, high), &x)| (*low, *high) = (low.min(x), high.max(x)));
        }
        for (row, values) in values.chunks_mut(self.width).enumerate() {
            if unit(mix(seed, 4), row as u64) < self.noise {
                for (column, x) in values.iter_mut().enumerate() {
                    let (low, high) = bounds[column];
                    let at = (row * self.width + column) as u64;
                    *x = low + (high - low) * unit(mix(seed, 5), at) as f32;
                }
            }
        }
        values
    }
}

/// Unit vectors around random directions, as embeddings of texts on so many subjects are.
pub(in super::super) fn directions(
    n: usize,
    width: usize,
    n_directions: usize,
    noise: f64,
    seed: u64,
) -> Vec<f32> {
    let direction = |at: usize, k: usize| normal_at(mix(seed, 1), (at * width + k) as u64, 1.0);
    let mut values = Vec::with_capacity(n * width);
    for row in 0..n {
        let at = (mix(mix(seed, 2), row as u64) % n_directions as u64) as usize;
        let part = (0..width)
            .map(|k| direction(at, k) + normal_at(mix(seed, 3), (row * width + k) as u64, noise));
        let row: Vec<f32> = part.collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.extend(row.iter().map(|x| x / length));
    }
    values
}

/// Independent values, each made from a normal number and one between 0 and 1.
fn changed(n: usize, width: usize, seed: u64, change: impl Fn(f64, f64) -> f64) -> Vec<f32> {
    (0..(n * width) as u64)
        .map(|at| change(f64::from(normal_at(seed, at, 1.0)), unit(!seed, at)) as f32)
        .collect()
}

/// Skewed in every column.
pub(in super::super) fn exponential(n: usize, width: usize, seed: u64) -> Vec<f32> {
    changed(n, width, seed, |_, share| -(1.0 - share).ln())
}

/// Skewed in every column, with a skewness of 1.75.
pub(in super::super) fn log_normal(n: usize, width: usize, seed: u64) -> Vec<f32> {
    changed(n, width, seed, |x, _| (0.5 * x).exp())
}

/// Normal, but for the first column, which is log-normal.
pub(in super::super) fn one_skewed(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values = changed(n, width, seed, |x, _| x);
    values.iter_mut().step_by(width).for_each(|x| *x = x.exp());
    values
}

/// Normal, but for one row.
pub(in super::super) fn one_outlier(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values = changed(n, width, seed, |x, _| x);
    values[0] = 100.0;
    values
}

/// Long tails in every direction: Student's t with 5 degrees of freedom.
pub(in super::super) fn t_5(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values = changed(n, width, seed, |x, _| x);
    for (at, row) in values.chunks_mut(width).enumerate() {
        let square: f32 = (0..5)
            .map(|k| normal_at(mix(seed, 1), (at * 5 + k) as u64, 1.0).powi(2))
            .sum();
        row.iter_mut().for_each(|x| *x /= (square / 5.0).sqrt());
    }
    values
}

/// The second column follows the square of the first.
pub(in super::super) fn bent(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut values = changed(n, width, seed, |x, _| x);
    values
        .chunks_mut(width)
        .for_each(|row| row[1] = 0.3 * row[1] + row[0] * row[0]);
    values
}
