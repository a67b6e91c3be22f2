//! A picture of many-dimensional points in the plane.
//!
//! Enters: every point's nearest neighbours with their distances, and places to start from. Leaves: a place in the plane
//! for every point, near where points are near; and a number that says how far such a picture can be trusted. Uniform
//! manifold approximation and projection, McInnes, Healy and Melville 2018. Not here: the search for neighbours,
//! principal components, clusters, drawing.

mod curve;
mod descent;
mod graph;
mod thin;
mod trust;

pub use thin::thinned;
pub use trust::{Trust, trust};

use serde::{Deserialize, Serialize};

use super::MineError;
use adit_nn::random::mix;

/// Up to so many points are given [`MANY_EPOCHS`].
const FEW_POINTS: usize = 10_000;
const MANY_EPOCHS: usize = 500;
const FEW_EPOCHS: usize = 200;
/// How far from the middle the outermost point starts.
const REACH: f32 = 10.0;
/// Points at one place are parted by about this much: forces between them have no direction.
const JITTER: f32 = 1e-4;

/// How points are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Rounds over the edges; `None` is 500 up to 10,000 points and 200 above.
    pub n_epochs: Option<usize>,
    /// How near each other points may lie, from 0 to `spread`.
    pub min_dist: f64,
    /// The scale of the picture.
    pub spread: f64,
    /// Points that each point is pushed away from whenever it is pulled to a neighbour.
    pub negative_samples: usize,
    pub seed: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Layout {
            n_epochs: None,
            min_dist: 0.1,
            spread: 1.0,
            negative_samples: 5,
            seed: 0,
        }
    }
}

impl Layout {
    /// Places in the plane, around their mean. `[n, 2]`
    ///
    /// `neighbours` are the indices and the distances of each point's nearest ones, itself left out, `[n, k]` both (k = 15 is
    /// usual); `initial` is where points start, `[n, 2]`: two principal components keep the large distances. Memory grows
    /// with n · k.
    ///
    /// # Errors
    /// Settings out of range; distances or initial places that are not finite; `Cancelled`.
    ///
    /// # Panics
    /// Where the lengths do not go together, or a neighbour is not among the points.
    pub fn fit(
        &self,
        (indices, distances): (&[u32], &[f32]),
        initial: &[f32],
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<f32>, MineError> {
        self.check()?;
        let lists = graph::Lists::new(indices, distances, initial.len() / 2)?;
        let mut places = self.start(initial)?;
        let n_epochs = self.n_epochs.unwrap_or(if places.len() <= FEW_POINTS {
            MANY_EPOCHS
        } else {
            FEW_EPOCHS
        });
        let edges = graph::sampled(graph::fuzzy_union(&lists), n_epochs);
        let forces = curve::Forces::new(curve::fitted(self.min_dist, self.spread));
        let course = descent::Course {
            n_epochs,
            negative_samples: self.negative_samples,
            seed: mix(self.seed, 1),
        };
        course.descend(&edges, &forces, &mut places, goes_on)?;
        centre(&mut places);
        Ok(places.into_flattened())
    }

    fn check(&self) -> Result<(), MineError> {
        let checks = [
            (
                "n_epochs",
                self.n_epochs != Some(0),
                self.n_epochs.unwrap_or(0) as f64,
            ),
            (
                "spread",
                self.spread > 0.0 && self.spread.is_finite(),
                self.spread,
            ),
            (
                "min_dist",
                (0.0..=self.spread).contains(&self.min_dist),
                self.min_dist,
            ),
            (
                "negative_samples",
                self.negative_samples > 0,
                self.negative_samples as f64,
            ),
        ];
        match checks.into_iter().find(|(_, fits, _)| !fits) {
            Some((setting, _, value)) => Err(MineError::Setting {
                setting,
                value: value.to_string(),
                reason: "it lies outside of what it can be",
            }),
            None => Ok(()),
        }
    }

    /// The initial places around their mean, scaled to [`REACH`], no two of them the same.
    fn start(&self, initial: &[f32]) -> Result<Vec<[f32; 2]>, MineError> {
        let (pairs, rest) = initial.as_chunks::<2>();
        assert!(rest.is_empty(), "{} values are no pairs", initial.len());
        check_finite(initial, 2)?;
        let n = pairs.len().max(1) as f64;
        let mean = |axis: usize| pairs.iter().map(|p| f64::from(p[axis])).sum::<f64>() / n;
        let middle = [mean(0), mean(1)];
        let off = |place: &[f32; 2], axis: usize| f64::from(place[axis]) - middle[axis];
        let reach = pairs
            .iter()
            .flat_map(|p| [off(p, 0).abs(), off(p, 1).abs()])
            .fold(0.0, f64::max);
        let scale = if reach > 0.0 {
            f64::from(REACH) / reach
        } else {
            0.0
        };
        let noise = mix(self.seed, 0);
        let jitter = |at: usize| {
            let unit = (mix(noise, at as u64) >> 40) as f32 / (1u32 << 24) as f32;
            (2.0 * unit - 1.0) * JITTER
        };
        let places = pairs.iter().enumerate().map(|(row, place)| {
            [0, 1].map(|axis| (off(place, axis) * scale) as f32 + jitter(2 * row + axis))
        });
        Ok(places.collect())
    }
}

fn centre(places: &mut [[f32; 2]]) {
    let n = places.len().max(1) as f64;
    for axis in 0..2 {
        let mean = places.iter().map(|p| f64::from(p[axis])).sum::<f64>() / n;
        (places.iter_mut()).for_each(|place| place[axis] = (f64::from(place[axis]) - mean) as f32);
    }
}

/// Refuses the first value that is not finite among rows of `width` values.
fn check_finite(values: &[f32], width: usize) -> Result<(), MineError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(MineError::FeatureNotFinite {
            row: at / width,
            column: at % width,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
