//! Principal components: the few directions in which vectors differ most.

use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::points::Points;

/// Vectors that components are fitted on, at most; more are taken at even distances.
const MOST_VECTORS: usize = 20_000;
/// Points that one thread projects at once.
const CHUNK_ROWS: usize = 1_024;
/// Directions with less than this share of the first one's variance are rounding.
const LEAST_VARIANCE: f64 = 1e-9;

/// Directions of most variance, fitted on training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// `[width]`
    mean: Vec<f32>,
    /// Each divided by the standard deviation along it, so that what leaves has deviation 1. `[n_components][width]`
    axes: Vec<Vec<f32>>,
    /// Standard deviation along each.
    #[serde(default)]
    deviations: Vec<f32>,
    /// Share of the variance that they have together.
    #[serde(default)]
    kept: f64,
}

impl Components {
    /// At most `n_components` directions of the vectors of some rows, those of most variance first; fewer where the
    /// vectors do not differ in more. `vectors`: `[n_rows, width]`, row-major.
    pub fn fit(vectors: &[f32], width: usize, rows: &[usize], n_components: usize) -> Components {
        let step = rows.len().div_ceil(MOST_VECTORS).max(1);
        let some: Vec<&[f32]> = rows
            .iter()
            .step_by(step)
            .map(|&row| &vectors[row * width..][..width])
            .collect();
        let n = some.len().max(1) as f64;
        let mut mean = vec![0f64; width];
        for vector in &some {
            let pairs = mean.iter_mut().zip(*vector);
            pairs.for_each(|(sum, &x)| *sum += f64::from(x) / n);
        }
        let mut centred = DMatrix::<f64>::zeros(width, some.len());
        for (at, vector) in some.iter().enumerate() {
            for (k, (&x, mean)) in vector.iter().zip(&mean).enumerate() {
                centred[(k, at)] = f64::from(x) - mean;
            }
        }
        let covariance = &centred * centred.transpose() / n;
        let found = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..width).collect();
        let variance = |at: usize| found.eigenvalues[at].max(0.0);
        order.sort_by(|&a, &b| variance(b).total_cmp(&variance(a)));
        // Vectors that are all alike differ by rounding.
        let square = mean.iter().map(|m| m * m).sum::<f64>();
        let most = order
            .first()
            .map_or(0.0, |&at| variance(at).max(LEAST_VARIANCE * square));
        let all: f64 = order.iter().map(|&at| variance(at)).sum();
        let places: Vec<usize> = order
            .into_iter()
            .take(n_components)
            .filter(|&at| variance(at) > LEAST_VARIANCE * most)
            .collect();
        let axes = places
            .iter()
            .map(|&at| axis(found.eigenvectors.column(at).iter(), variance(at).sqrt()))
            .collect();
        let own: f64 = places.iter().map(|&at| variance(at)).sum();
        Components {
            mean: mean.into_iter().map(|m| m as f32).collect(),
            axes,
            deviations: places
                .iter()
                .map(|&at| variance(at).sqrt() as f32)
                .collect(),
            kept: if all > 0.0 { own / all } else { 1.0 },
        }
    }

    /// Number of components.
    pub fn len(&self) -> usize {
        self.axes.len()
    }

    /// True where the vectors were all the same.
    pub fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    /// Length of a vector.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Share of the variance that the components have together, 0 to 1.
    pub fn kept(&self) -> f64 {
        self.kept
    }

    /// Where points lie along the components, in the points' own unit. `[n_points, len]`
    pub fn projected(&self, points: Points) -> Vec<f32> {
        let place = |row: usize| {
            let of = move |at: usize| self.place(points.row(row), at) * self.deviations[at];
            (0..self.len()).map(of)
        };
        let rows: Vec<usize> = (0..points.len()).collect();
        let chunks = rows.par_chunks(CHUNK_ROWS);
        let found: Vec<Vec<f32>> = chunks
            .map(|rows| rows.iter().flat_map(|&row| place(row)).collect())
            .collect();
        found.concat()
    }

    /// Where a vector lies along a component, in standard deviations of the training rows.
    pub fn place(&self, vector: &[f32], component: usize) -> f32 {
        let centred = vector.iter().zip(&self.mean).map(|(x, mean)| x - mean);
        let along = centred.zip(&self.axes[component]);
        along
            .map(|(x, axis)| f64::from(x) * f64::from(*axis))
            .sum::<f64>() as f32
    }
}

/// A direction divided by the deviation along it; the sign, which is free, makes its largest entry positive.
fn axis<'a>(direction: impl Iterator<Item = &'a f64> + Clone, deviation: f64) -> Vec<f32> {
    let mut largest = 0f64;
    for &x in direction.clone() {
        if x.abs() > largest.abs() + 1e-12 {
            largest = x;
        }
    }
    let scale = largest.signum() / deviation;
    direction.map(|x| (x * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Vectors that differ along two known directions, and hardly along the others.
    fn drawn(n: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut vectors = Vec::new();
        for _ in 0..n {
            let (a, b): (f32, f32) = (rng.random_range(-3.0..3.0), rng.random_range(-1.0..1.0));
            let noise: f32 = rng.random_range(-0.01..0.01);
            vectors.extend([2.0 + 0.6 * a, 0.8 * a, b + noise, -b + noise, 7.0]);
        }
        vectors
    }

    #[test]
    fn known_directions_are_found_and_scaled() {
        let vectors = drawn(3000);
        let rows: Vec<usize> = (0..3000).collect();
        let components = Components::fit(&vectors, 5, &rows, 2);
        assert_eq!((components.len(), components.width()), (2, 5));
        let first = &components.axes[0];
        assert!((first[1] / first[0] - 0.8 / 0.6).abs() < 0.02, "{first:?}");
        assert!(first[2].abs() < 0.02 && first[4].abs() < 1e-6);
        let second = &components.axes[1];
        assert!((second[2] / second[3] + 1.0).abs() < 0.05, "{second:?}");
        for k in 0..2 {
            let places: Vec<f64> = vectors
                .chunks_exact(5)
                .map(|v| f64::from(components.place(v, k)))
                .collect();
            let mean = places.iter().sum::<f64>() / 3000.0;
            let square = places.iter().map(|p| p * p).sum::<f64>() / 3000.0;
            assert!(
                mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-3,
                "{mean} {square}"
            );
        }
    }

    #[test]
    fn what_is_projected_keeps_distances_where_all_components_are_kept() {
        let vectors = drawn(50);
        let rows: Vec<usize> = (0..50).collect();
        let components = Components::fit(&vectors, 5, &rows, 5);
        let places = components.projected(Points::new(&vectors, 5));
        let width = components.len();
        assert!((components.kept() - 1.0).abs() < 1e-6);
        let apart = |values: &[f32], width: usize, a: usize, b: usize| -> f32 {
            let pair = values[a * width..][..width]
                .iter()
                .zip(&values[b * width..][..width]);
            pair.map(|(x, y)| (x - y) * (x - y)).sum()
        };
        for (a, b) in [(0, 1), (3, 40), (7, 8)] {
            let (before, after) = (apart(&vectors, 5, a, b), apart(&places, width, a, b));
            assert!((before - after).abs() < 1e-3 * before, "{before} {after}");
        }
    }

    #[test]
    fn vectors_that_do_not_differ_have_no_component() {
        let rows: Vec<usize> = (0..10).collect();
        let all_the_same = Components::fit(&[1.5; 30], 3, &rows, 2);
        assert!(all_the_same.is_empty());
        // Three rows span two directions at most.
        let few = Components::fit(&drawn(3), 5, &[0, 1, 2], 4);
        assert!(few.len() <= 2, "{}", few.len());
    }
}
