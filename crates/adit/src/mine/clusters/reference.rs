//! Clouds without clusters that look like given points in all else.
//!
//! Enters: points. Leaves: their places along at most 50 principal axes, and drawn clouds.
//!
//! The covariance of Gaussian and even clouds is made the same to the last digit, not on average only. Of Gaussian
//! points with a known sample covariance, the places along axes that follow from it are, once divided by their
//! deviations, spread evenly over all orthonormal columns; what is drawn here is spread so, too. A test against it is
//! exact, also where points are fewer than columns, and for axes that are principal ones only nearly.

use adit_nn::kernels::matmul::{nn, tn};
use adit_nn::random::{mix, normal_at};
use nalgebra::{DMatrix, SymmetricEigen};

use super::distances::Placed;
use super::one_mode::Shapes;
use crate::represent::points::Points;

/// Axes that are kept, at most.
const MOST_AXES: usize = 50;
/// Directions that are tried for these axes; narrower points are taken as they are.
const TRIED: usize = 60;
/// Rounds in which the directions are turned towards the principal axes.
const ROUNDS: usize = 6;
/// An axis with less than this share of the first one's variance is rounding.
const LEAST_VARIANCE: f64 = 1e-9;
/// The directions begin anywhere, but always there.
const BEGIN: u64 = 0x5eed;

/// What a cloud without clusters is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    /// One Gaussian.
    Gaussian,
    /// Evenly from a box along the principal axes.
    Uniform,
    /// With the shapes of the columns, but one mode each; of more than 60 columns, those of the places along the axes.
    OneMode,
}

/// Points along their principal axes.
pub(super) struct Axes {
    /// Around 0. `[n_points, deviations.len()]`
    pub(super) places: Vec<f32>,
    /// Standard deviations along the axes, falling; empty where all points are the same.
    pub(super) deviations: Vec<f64>,
    n_points: usize,
    shapes: Shapes,
    /// From what has the shapes to the places. `[n_columns, deviations.len()]`
    turning: Vec<f32>,
}

impl Axes {
    /// The places of points along at most 50 principal axes.
    pub(super) fn of(points: Points) -> Axes {
        let (n, width) = (points.len(), points.width());
        let mut values = Placed::of(points).values().to_vec();
        center(&mut values, width);
        let wide = width > TRIED;
        let (along, tried) = if wide {
            (turned(&values, n, width), TRIED)
        } else {
            (values, width)
        };
        let found = SymmetricEigen::new(covariance(&along, tried));
        let variance = |at: usize| found.eigenvalues[at].max(0.0);
        let mut order: Vec<usize> = (0..tried).collect();
        order.sort_by(|&a, &b| variance(b).total_cmp(&variance(a)));
        let least = LEAST_VARIANCE * order.first().map_or(0.0, |&at| variance(at));
        order.retain(|&at| variance(at) > least);
        order.truncate(MOST_AXES.min(n.saturating_sub(1)));
        let axes: Vec<f32> = (0..tried)
            .flat_map(|from| order.iter().map(move |&to| (from, to)))
            .map(|at| found.eigenvectors[at] as f32)
            .collect();
        let kept = order.len();
        let mut places = vec![0.0; n * kept];
        nn((n, kept, tried), &mut places, &along, &axes, false);
        let (shapes, turning) = if wide {
            let same = (0..kept * kept).map(|at| f32::from(u8::from(at % (kept + 1) == 0)));
            (Shapes::of(&places, kept), same.collect())
        } else {
            (Shapes::of(&along, width), axes)
        };
        Axes {
            shapes,
            turning,
            places,
            deviations: order.iter().map(|&at| variance(at).sqrt()).collect(),
            n_points: n,
        }
    }

    /// A cloud of as many points along the same axes. `[n_points, deviations.len()]`
    pub(super) fn drawn(&self, cloud: Cloud, seed: u64) -> Vec<f32> {
        match cloud {
            Cloud::Gaussian => self.spread(|at| normal_at(seed, at, 1.0)),
            Cloud::Uniform => self.spread(|at| (mix(seed, at) >> 40) as f32 / (1u32 << 24) as f32),
            Cloud::OneMode => {
                let mut values = self.shapes.drawn(seed);
                let (n, kept) = (self.n_points, self.deviations.len());
                let width = self.turning.len() / kept.max(1);
                center(&mut values, width);
                let mut out = vec![0.0; n * kept];
                nn((n, kept, width), &mut out, &values, &self.turning, false);
                out
            }
        }
    }

    /// Independent values with the same deviations along the axes, and uncorrelated to the last digit.
    ///
    /// The sides of the box follow from the deviations, not from the ranges: a few outliers would stretch these, and
    /// the box would be of another shape than the points.
    fn spread(&self, value: impl Fn(u64) -> f32) -> Vec<f32> {
        let (n, width) = (self.n_points, self.deviations.len());
        let mut values: Vec<f32> = (0..(n * width) as u64).map(value).collect();
        center(&mut values, width);
        let whitening = covariance(&values, width)
            .cholesky()
            .and_then(|found| found.l().try_inverse());
        let mut scaling = vec![0.0; width * width];
        for from in 0..width {
            for to in 0..width {
                let whitened = match &whitening {
                    Some(inverse) => inverse[(to, from)],
                    None => f64::from(u8::from(from == to)),
                };
                scaling[from * width + to] = (whitened * self.deviations[to]) as f32;
            }
        }
        let mut out = vec![0.0; n * width];
        nn((n, width, width), &mut out, &values, &scaling, false);
        out
    }
}

/// Places along [`TRIED`] orthonormal directions of nearly the most variance, by subspace iteration (Halko, Martinsson
/// and Tropp 2011, algorithm 4.4). They follow from the covariance alone, which the exactness rests on.
fn turned(values: &[f32], n: usize, width: usize) -> Vec<f32> {
    let mut directions: Vec<f32> = (0..(width * TRIED) as u64)
        .map(|at| normal_at(BEGIN, at, 1.0))
        .collect();
    let mut along = vec![0.0; n * TRIED];
    for _ in 0..ROUNDS {
        orthonormalise(&mut directions);
        nn((n, TRIED, width), &mut along, values, &directions, false);
        tn((width, TRIED, n), &mut directions, values, &along, false);
    }
    orthonormalise(&mut directions);
    nn((n, TRIED, width), &mut along, values, &directions, false);
    along
}

/// Gram and Schmidt's method, twice; a direction that the earlier ones hold becomes 0. `[width, TRIED]`
fn orthonormalise(directions: &mut [f32]) {
    let width = directions.len() / TRIED;
    let mut columns: Vec<Vec<f64>> = (0..TRIED)
        .map(|column| {
            let values = directions.iter().skip(column).step_by(TRIED);
            values.map(|&x| f64::from(x)).collect()
        })
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for at in 0..TRIED {
        let (earlier, rest) = columns.split_at_mut(at);
        let column = &mut rest[0];
        let before = dot(column, column).sqrt();
        for _ in 0..2 {
            for other in earlier.iter() {
                let along = dot(column, other);
                (column.iter_mut().zip(other)).for_each(|(x, other)| *x -= along * other);
            }
        }
        let length = dot(column, column).sqrt();
        let factor = if length > 1e-6 * before && length > 0.0 {
            1.0 / length
        } else {
            0.0
        };
        column.iter_mut().for_each(|x| *x *= factor);
    }
    for row in 0..width {
        for (column, values) in columns.iter().enumerate() {
            directions[row * TRIED + column] = values[row] as f32;
        }
    }
}

/// Takes the mean of each column away.
fn center(values: &mut [f32], width: usize) {
    if width == 0 {
        return;
    }
    let n = (values.len() / width).max(1) as f64;
    let mut means = vec![0f64; width];
    for row in values.chunks(width) {
        let pairs = means.iter_mut().zip(row);
        pairs.for_each(|(sum, &x)| *sum += f64::from(x));
    }
    for row in values.chunks_mut(width) {
        let pairs = row.iter_mut().zip(&means);
        pairs.for_each(|(x, sum)| *x = (f64::from(*x) - sum / n) as f32);
    }
}

/// The covariance of columns around 0. `[width, width]`
pub(super) fn covariance(values: &[f32], width: usize) -> DMatrix<f64> {
    let mut sums = vec![0f64; width * width];
    for row in values.chunks(width.max(1)) {
        for (at, &x) in row.iter().enumerate() {
            let x = f64::from(x);
            let pairs = sums[at * width..=at * width + at].iter_mut().zip(row);
            pairs.for_each(|(sum, &y)| *sum += x * f64::from(y));
        }
    }
    let n = (values.len() / width.max(1)).max(1) as f64;
    DMatrix::from_fn(width, width, |a, b| sums[a.max(b) * width + a.min(b)] / n)
}

#[cfg(test)]
mod tests {
    use super::super::tests::in_pools;
    use super::*;

    /// Points with a few strong directions in many columns.
    fn drawn(n: usize, width: usize, n_strong: usize) -> Vec<f32> {
        let mut values: Vec<f32> = (0..(n * width) as u64)
            .map(|at| normal_at(1, at, 0.1))
            .collect();
        for (row, values) in values.chunks_mut(width).enumerate() {
            for strong in 0..n_strong {
                let along = normal_at(
                    2,
                    (row * n_strong + strong) as u64,
                    3.0 / (1 + strong) as f64,
                );
                for (column, x) in values.iter_mut().enumerate() {
                    *x += along * normal_at(3, (strong * width + column) as u64, 1.0);
                }
            }
        }
        values
    }

    fn distance(values: &[f32], width: usize, a: usize, b: usize) -> f64 {
        let (a, b) = (&values[a * width..][..width], &values[b * width..][..width]);
        let square: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        square.sqrt()
    }

    #[test]
    fn axes_keep_distances_up_to_one_unit() {
        for (width, n_strong, error) in [(1, 1, 1e-5), (7, 2, 1e-5), (400, 4, 0.2)] {
            let values = drawn(300, width, n_strong);
            let axes = Axes::of(Points::new(&values, width));
            let kept = axes.deviations.len();
            assert_eq!(kept, width.min(MOST_AXES));
            let unit = distance(&axes.places, kept, 0, 1) / distance(&values, width, 0, 1);
            for other in 2..300 {
                let ratio = distance(&axes.places, kept, 0, other)
                    / (unit * distance(&values, width, 0, other));
                assert!((ratio - 1.0).abs() < error, "{ratio} of {width}");
            }
            assert!(axes.deviations.is_sorted_by(|a, b| a >= b));
        }
    }

    #[test]
    fn clouds_have_the_deviations_of_the_points() {
        for (n, width) in [(300, 7), (300, 400), (20, 400), (51, 60)] {
            let values = drawn(n, width, 3);
            let axes = Axes::of(Points::new(&values, width));
            let kept = axes.deviations.len();
            for cloud in [Cloud::Gaussian, Cloud::Uniform] {
                let drawn = axes.drawn(cloud, 5);
                for values in [&axes.places, &drawn] {
                    let found = covariance(values, kept);
                    for a in 0..kept {
                        for b in 0..kept {
                            let (deviation, other) = (axes.deviations[a], axes.deviations[b]);
                            let wanted = if a == b { 1.0 } else { 0.0 };
                            let found = found[(a, b)] / (deviation * other);
                            assert!((found - wanted).abs() < 2e-3, "{a} {b}: {found} of {n}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_box_has_sides_and_a_gaussian_has_tails() {
        let values = drawn(2000, 3, 1);
        let axes = Axes::of(Points::new(&values, 3));
        let largest = |cloud| {
            let values = axes.drawn(cloud, 8);
            let places = values.iter().step_by(3).map(|x| f64::from(x.abs()));
            places.fold(0.0, f64::max) / axes.deviations[0]
        };
        assert!((largest(Cloud::Uniform) - 3f64.sqrt()).abs() < 0.05);
        assert!(largest(Cloud::Gaussian) > 2.8);
    }

    #[test]
    fn points_that_do_not_differ_have_no_axis() {
        assert!(Axes::of(Points::new(&[2.5; 40], 4)).deviations.is_empty());
        assert!(Axes::of(Points::new(&[], 4)).deviations.is_empty());
        assert!(
            Axes::of(Points::new(&[2.5; 100], 100))
                .deviations
                .is_empty()
        );
        let line: Vec<f32> = (0..600).map(|at| (at / 200) as f32).collect();
        assert_eq!(Axes::of(Points::new(&line, 200)).deviations.len(), 1);
    }

    #[test]
    fn threads_do_not_change_the_axes() {
        let values = drawn(300, 100, 3);
        let bits = in_pools(|| {
            let axes = Axes::of(Points::new(&values, 100));
            let drawn = axes.drawn(Cloud::Uniform, 3);
            let bits = axes.places.iter().chain(&drawn).map(|x| x.to_bits());
            bits.collect::<Vec<u32>>()
        });
        assert_eq!(bits.len(), 2 * 300 * 50);
    }
}
