//! Clouds whose columns have the shapes of given ones, skew and tails included, but one mode each.
//!
//! Enters: points. Leaves: drawn points. The distribution of each column is that with one mode which is nearest to
//! the seen one: convex below the mode, concave above it, as in the dip test (Hartigan and Hartigan 1985). Columns
//! correlate as the seen ones do by their ranks (a Gaussian copula; Cario and Nelson 1997, "Modeling and generating
//! random vectors with arbitrary marginal distributions and correlation matrix").

use adit_nn::kernels::matmul::nn;
use adit_nn::random::normal_at;
use nalgebra::DMatrix;
use statrs::distribution::{ContinuousCDF, Normal};

use super::reference::covariance;

/// Steps between the places where a mode is tried, in shares of the points.
const MODES: usize = 32;
/// Added to the variances, so that columns that follow from others do no harm.
const RIDGE: f64 = 1e-6;

/// Where clouds are drawn from.
pub(super) struct Shapes {
    shapes: Vec<OneMode>,
    /// Makes independent normal numbers correlate. `[width, width]`
    mixing: Vec<f32>,
    n_points: usize,
}

impl Shapes {
    /// The shapes of points. `values`: `[n_points, width]`
    pub(super) fn of(values: &[f32], width: usize) -> Shapes {
        let n = values.len() / width.max(1);
        let mut scores = vec![0f32; n * width];
        let mut shapes = Vec::with_capacity(width);
        for column in 0..width {
            let mut places: Vec<(f32, usize)> =
                (values.iter().skip(column).step_by(width).copied())
                    .zip(0..)
                    .collect();
            places.sort_by(|a, b| a.0.total_cmp(&b.0));
            for alike in places.chunk_by(|a, b| a.0 == b.0) {
                let below = places.partition_point(|place| place.0 < alike[0].0);
                let share = (below as f64 + 0.5 * alike.len() as f64) / n as f64;
                let score = Normal::standard().inverse_cdf(share) as f32;
                (alike.iter()).for_each(|(_, row)| scores[row * width + column] = score);
            }
            let sorted: Vec<f64> = places.iter().map(|place| f64::from(place.0)).collect();
            shapes.push(OneMode::nearest(&sorted));
        }
        Shapes {
            shapes,
            mixing: mixing(&scores, width),
            n_points: n,
        }
    }

    /// A cloud of as many points. `[n_points, width]`
    pub(super) fn drawn(&self, seed: u64) -> Vec<f32> {
        let (n, width) = (self.n_points, self.shapes.len());
        let normal: Vec<f32> = (0..(n * width) as u64)
            .map(|at| normal_at(seed, at, 1.0))
            .collect();
        let mut out = vec![0.0; n * width];
        nn((n, width, width), &mut out, &normal, &self.mixing, false);
        for row in out.chunks_mut(width.max(1)) {
            for (x, shape) in row.iter_mut().zip(&self.shapes) {
                *x = shape.at(Normal::standard().cdf(f64::from(*x))) as f32;
            }
        }
        out
    }
}

/// The transposed Cholesky factor of the correlation of columns.
fn mixing(scores: &[f32], width: usize) -> Vec<f32> {
    let found = covariance(scores, width);
    let correlation = DMatrix::from_fn(width, width, |a, b| {
        let scale = (found[(a, a)] * found[(b, b)]).sqrt();
        match (a == b, scale > 0.0) {
            (true, _) => 1.0 + RIDGE,
            (false, true) => found[(a, b)] / scale,
            (false, false) => 0.0,
        }
    });
    let factor = correlation
        .cholesky()
        .map_or_else(|| DMatrix::identity(width, width), |found| found.l());
    // Column by column, which is the transposed matrix row by row.
    factor.iter().map(|&x| x as f32).collect()
}

/// A distribution with one mode.
#[derive(Debug)]
struct OneMode {
    /// Place and share of what lies below, both rising; straight lines in between.
    knots: Vec<(f64, f64)>,
}

impl OneMode {
    /// The one that is nearest to places, which are sorted, by the largest difference of shares; of several modes that
    /// are tried.
    fn nearest(places: &[f64]) -> OneMode {
        let n = places.len();
        let share = |at: usize| (at as f64 + 0.5) / n as f64;
        let points: Vec<(f64, f64)> = (0..n).map(|at| (places[at], share(at))).collect();
        let mut best = (f64::INFINITY, Vec::new());
        for step in 0..=MODES {
            let mode = step * n.saturating_sub(1) / MODES;
            let mut knots = hull(&points[..n.min(mode + 1)], 1.0);
            knots.extend(hull(&points[mode..], -1.0).into_iter().skip(1));
            let difference = difference(&knots, &points);
            if difference < best.0 {
                best = (difference, knots);
            }
        }
        OneMode { knots: best.1 }
    }

    /// The place below which this share lies.
    fn at(&self, share: f64) -> f64 {
        let next = self.knots.partition_point(|knot| knot.1 < share);
        let next = next.clamp(1, (self.knots.len() - 1).max(1));
        let (Some(a), Some(b)) = (self.knots.get(next - 1), self.knots.get(next)) else {
            return self.knots.first().map_or(0.0, |knot| knot.0);
        };
        let part = ((share - a.1) / (b.1 - a.1)).clamp(0.0, 1.0);
        a.0 + part * (b.0 - a.0)
    }
}

/// The convex hull of points from below (`side` 1) or above (-1); by Andrew's monotone chain.
fn hull(points: &[(f64, f64)], side: f64) -> Vec<(f64, f64)> {
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for &point in points {
        while let [.., a, b] = hull[..] {
            let turn = (b.0 - a.0) * (point.1 - a.1) - (b.1 - a.1) * (point.0 - a.0);
            if side * turn > 0.0 {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The largest difference between the shares of points and those of the lines between knots.
fn difference(knots: &[(f64, f64)], points: &[(f64, f64)]) -> f64 {
    let (mut at, mut largest) = (0, 0f64);
    for &(place, share) in points {
        while at + 2 < knots.len() && knots[at + 1].0 < place {
            at += 1;
        }
        if let [a, b, ..] = knots[at..]
            && b.0 > a.0
        {
            let there = a.1 + (b.1 - a.1) * (place - a.0) / (b.0 - a.0);
            largest = largest.max((there - share).abs());
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `at`-th of independent normal numbers.
    fn normal(seed: u64, n: usize) -> Vec<f64> {
        let mut values: Vec<f64> = (0..n as u64)
            .map(|at| f64::from(normal_at(seed, at, 1.0)))
            .collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn slopes(shape: &OneMode) -> Vec<f64> {
        let pairs = shape.knots.windows(2);
        pairs
            .map(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0))
            .collect()
    }

    /// True where slopes rise to the largest and fall from there.
    fn has_one_mode(slopes: &[f64]) -> bool {
        let top = (0..slopes.len()).max_by(|&a, &b| slopes[a].total_cmp(&slopes[b]));
        let (rising, falling) = slopes.split_at(top.unwrap_or(0));
        rising.is_sorted_by(|a, b| a <= b) && falling.is_sorted_by(|a, b| a >= b)
    }

    #[test]
    fn a_shape_with_one_mode_is_kept() {
        let exponential = |x: f64| -Normal::standard().sf(x).ln();
        let shapes: [&dyn Fn(f64) -> f64; 3] = [&|x| x, &exponential, &|x| x.powi(3)];
        for change in shapes {
            let places: Vec<f64> = normal(1, 2000).into_iter().map(change).collect();
            let shape = OneMode::nearest(&places);
            assert!(has_one_mode(&slopes(&shape)));
            for share in [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98] {
                let found = places.partition_point(|&x| x < shape.at(share)) as f64 / 2000.0;
                assert!((found - share).abs() < 0.02, "{share}: {found}");
            }
        }
    }

    #[test]
    fn two_modes_become_one() {
        let mut places = normal(2, 1000);
        places.iter_mut().skip(500).for_each(|x| *x += 8.0);
        places.sort_by(f64::total_cmp);
        let shape = OneMode::nearest(&places);
        assert!(has_one_mode(&slopes(&shape)));
        // Of what lay between 3 and 5, which is nothing, there is now a good deal.
        let between = |x: f64| shape.knots.partition_point(|knot| knot.0 < x);
        assert_eq!(
            places.partition_point(|&x| x < 5.0),
            places.partition_point(|&x| x < 3.5)
        );
        let (a, b) = (shape.knots[between(3.5) - 1], shape.knots[between(5.0)]);
        assert!(b.1 - a.1 > 0.15, "{a:?} {b:?}");
    }

    #[test]
    fn values_that_are_alike_do_no_harm() {
        assert_eq!(OneMode::nearest(&[3.0; 10]).at(0.3), 3.0);
        assert_eq!(OneMode::nearest(&[3.0]).at(0.3), 3.0);
        assert_eq!(OneMode::nearest(&[]).at(0.3), 0.0);
        let coin = OneMode::nearest(&[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert!(
            (0.1..0.9).contains(&coin.at(0.4)) || (0.1..0.9).contains(&coin.at(0.6)),
            "{coin:?}"
        );
        let shapes = Shapes::of(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], 2);
        assert_eq!(shapes.drawn(1), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    }

    #[test]
    fn clouds_have_the_shapes_and_ranks_of_the_points() {
        let n = 2000;
        let mut values = Vec::new();
        for row in 0..n {
            let [a, b] = [0, 1].map(|at| f64::from(normal_at(5, 2 * row + at, 1.0)));
            // A skewed column, one that falls with it, and one that is a copy.
            values.extend([a.exp() as f32, (0.6 * b - 0.8 * a) as f32, a.exp() as f32]);
        }
        let drawn = Shapes::of(&values, 3).drawn(9);
        let column = |values: &[f32], at: usize| -> Vec<f32> {
            let mut column: Vec<f32> = values.iter().skip(at).step_by(3).copied().collect();
            column.sort_by(f32::total_cmp);
            column
        };
        for at in 0..3 {
            let (seen, found) = (column(&values, at), column(&drawn, at));
            let below = |x: f32| found.partition_point(|&y| y < x) as f64 / n as f64;
            for share in [200, 600, 1000, 1400, 1800] {
                let found = below(seen[share]) * n as f64;
                assert!((found - share as f64).abs() < 80.0, "{at}: {share} {found}");
            }
        }
        let logs: Vec<f32> = drawn
            .chunks(3)
            .flat_map(|row| [row[0].ln(), row[1], row[2].ln()])
            .collect();
        let found = covariance(&logs, 3);
        let correlation =
            |a: usize, b: usize| found[(a, b)] / (found[(a, a)] * found[(b, b)]).sqrt();
        assert!(
            (correlation(0, 1) + 0.8).abs() < 0.05,
            "{}",
            correlation(0, 1)
        );
        assert!(correlation(0, 2) > 0.99);
    }
}
