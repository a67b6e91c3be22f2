//! The time that clustering takes on drawn points, reading apart.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use crate::mine::hdbscan::Hdbscan;
use crate::mine::kmeans::KMeans;
use crate::mine::neighbours::{Search, nearest};
use crate::represent::points::Points;
use crate::run::{Context, RunError, limits};

/// Centres that points are drawn around.
const CENTERS: usize = 200;
/// Share of the points that lie about no centre.
const FREE: f32 = 0.1;
/// Rows drawn by one random number generator.
const CHUNK: usize = 4_096;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterWork {
    /// One start of so many clusters.
    Kmeans { k: usize },
    Hdbscan {
        min_cluster_size: usize,
        min_samples: usize,
    },
    /// Nearest neighbours, so many a point.
    Neighbours { k: usize },
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterBench {
    pub n: usize,
    pub width: usize,
    pub work: ClusterWork,
    pub seed: u64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterSpeed {
    pub n: usize,
    pub width: usize,
    pub seconds: f64,
    pub peak_bytes: u64,
    /// Of k-means: sum of the squared distances to the centres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inertia: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_clusters: Option<usize>,
    /// Of neighbours: the share of the true ones, measured on a sample; 1 where all were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
}

/// Draws points around centres and clusters them once.
///
/// # Errors
/// A setting that cannot be; `Interrupted`.
pub fn bench_clusters(bench: &ClusterBench, context: &Context) -> Result<ClusterSpeed, RunError> {
    context.limits.apply(|| {
        let values = drawn(bench.n, bench.width, bench.seed);
        let points = Points::new(&values, bench.width);
        let goes_on = |_: usize, _: usize| !context.watch.cancelled();
        let mut speed = ClusterSpeed {
            n: bench.n,
            width: bench.width,
            seconds: 0.0,
            peak_bytes: 0,
            inertia: None,
            n_clusters: None,
            recall: None,
        };
        let started = Instant::now();
        match bench.work {
            ClusterWork::Kmeans { k } => {
                let settings = KMeans {
                    n_clusters: k,
                    n_init: 1,
                    seed: bench.seed,
                    ..KMeans::default()
                };
                let found = settings.fit(points, &goes_on)?;
                speed.inertia = Some(found.model.inertia);
                speed.n_clusters = Some(found.model.centers.len() / bench.width);
            }
            ClusterWork::Hdbscan {
                min_cluster_size,
                min_samples,
            } => {
                let settings = Hdbscan {
                    min_cluster_size,
                    min_samples,
                    ..Hdbscan::default()
                };
                speed.n_clusters = Some(settings.fit(points, &goes_on)?.n_clusters());
            }
            ClusterWork::Neighbours { k } => {
                let found = nearest(points, k, bench.seed, &goes_on)?;
                speed.recall = Some(match found.search {
                    Search::Exact => 1.0,
                    Search::Approximate { recall, .. } => recall,
                });
            }
        }
        speed.seconds = started.elapsed().as_secs_f64();
        speed.peak_bytes = limits::peak_rss_bytes();
        Ok(speed)
    })
}

/// Nine of ten points lie about a centre: the numbers of centres are normal of deviation 1, those of a point are its centre's and
/// another such. The centre is the whole part of 200 u², `u` even between 0 and 1, so the first have the most points. Points of no
/// centre are normal of deviation √2, as wide as all others together.
fn drawn(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centers: Vec<f32> = (0..CENTERS * width).map(|_| gaussian(&mut rng)).collect();
    let mut values = vec![0f32; n * width];
    let chunks = values.par_chunks_mut((CHUNK * width).max(1)).enumerate();
    chunks.for_each(|(chunk, values)| {
        let mut rng = ChaCha8Rng::seed_from_u64(adit_nn::random::mix(seed, chunk as u64));
        for row in values.chunks_mut(width) {
            if rng.random::<f32>() < FREE {
                row.iter_mut()
                    .for_each(|x| *x = std::f32::consts::SQRT_2 * gaussian(&mut rng));
                continue;
            }
            let at = (CENTERS as f32 * rng.random::<f32>().powi(2)) as usize;
            let center = &centers[at.min(CENTERS - 1) * width..][..width];
            for (x, c) in row.iter_mut().zip(center) {
                *x = c + gaussian(&mut rng);
            }
        }
    });
    values
}

/// Box and Muller (1958).
fn gaussian(rng: &mut ChaCha8Rng) -> f32 {
    let (a, b): (f32, f32) = (rng.random_range(f32::MIN_POSITIVE..1.0), rng.random());
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}
