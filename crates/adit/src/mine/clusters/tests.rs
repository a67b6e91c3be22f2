//! Clouds with and without clusters, a simple procedure, and what the room says about them.

use adit_nn::kernels::matmul::nt;
use adit_nn::random::normal_at;

use super::*;

/// What `work` gives, which must be the same with 1, 2 and 5 threads.
pub(super) fn in_pools<T: PartialEq + std::fmt::Debug + Send>(work: impl Fn() -> T + Sync) -> T {
    let mut found = [1, 2, 5].map(|n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        pool.build().expect("a pool").install(&work)
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    let [first, ..] = &mut found;
    std::mem::replace(first, work())
}

fn unit(seed: u64, at: u64) -> f64 {
    (mix(seed, at) >> 11) as f64 / (1u64 << 53) as f64
}

/// Points around centres in turn, with deviation 1 along each column.
pub(super) fn planted(
    n: usize,
    width: usize,
    centers: &[impl AsRef<[f32]>],
    seed: u64,
) -> (Vec<f32>, Vec<Option<u32>>) {
    let labels: Vec<usize> = (0..n).map(|row| row % centers.len()).collect();
    let at = |at: usize| {
        normal_at(seed, at as u64, 1.0) + centers[labels[at / width]].as_ref()[at % width]
    };
    let values = (0..n * width).map(at).collect();
    let labels = labels.iter().map(|&label| Some(label as u32));
    (values, labels.collect())
}

/// Lloyd's k-means from centres chosen as k-means++ does.
pub(super) fn reference_k_means(
    points: Points,
    n_clusters: usize,
    seed: u64,
) -> Result<Found, MineError> {
    let (n, width) = (points.len(), points.width());
    let square = |row: usize, center: &[f32]| -> f64 {
        let pairs = points.row(row).iter().zip(center);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let mut centers: Vec<f32> = points.row((mix(seed, 0) % n as u64) as usize).to_vec();
    let mut least = vec![f64::INFINITY; n];
    for center in 1..n_clusters {
        let last = &centers[(center - 1) * width..];
        (least.iter_mut().enumerate())
            .for_each(|(row, least)| *least = least.min(square(row, last)));
        let mut left = least.iter().sum::<f64>() * unit(seed, center as u64);
        let beyond = |least: &f64| {
            left -= least;
            left < 0.0
        };
        let next = least.iter().position(beyond).unwrap_or(n - 1);
        centers.extend_from_slice(points.row(next));
    }
    let mut labels = vec![0usize; n];
    let mut products = vec![0f32; n * n_clusters];
    for _ in 0..30 {
        nt(
            (n, n_clusters, width),
            &mut products,
            points.values(),
            &centers,
            false,
        );
        let squares: Vec<f32> = centers
            .chunks(width)
            .map(|c| c.iter().map(|x| x * x).sum())
            .collect();
        let mut changed = false;
        for (label, products) in labels.iter_mut().zip(products.chunks(n_clusters)) {
            let mut best = (f32::INFINITY, 0);
            for (at, (product, square)) in products.iter().zip(&squares).enumerate() {
                let less = square - 2.0 * product;
                best = if less < best.0 { (less, at) } else { best };
            }
            changed |= *label != best.1;
            *label = best.1;
        }
        let mut sums = vec![0f64; n_clusters * width];
        let mut sizes = vec![0f64; n_clusters];
        for (row, &label) in labels.iter().enumerate() {
            sizes[label] += 1.0;
            let sums = sums[label * width..][..width].iter_mut();
            sums.zip(points.row(row))
                .for_each(|(sum, &x)| *sum += f64::from(x));
        }
        for (at, (center, sum)) in centers.iter_mut().zip(&sums).enumerate() {
            if sizes[at / width] > 0.0 {
                *center = (sum / sizes[at / width]) as f32;
            }
        }
        if !changed {
            break;
        }
    }
    Ok(Found {
        labels: labels.into_iter().map(|label| Some(label as u32)).collect(),
        n_clusters,
        centers: Some(centers),
        strength: None,
    })
}

/// The best of some runs of k-means by the squares that it makes small.
pub(super) fn repeated_k_means(
    points: Points,
    n_clusters: usize,
    seed: u64,
) -> Result<Found, MineError> {
    let mut best = (f64::INFINITY, Found::default());
    for start in 0..4 {
        let found = reference_k_means(points, n_clusters, mix(seed, start))?;
        let centers = found.centers.as_deref().unwrap_or_default();
        let squares = (0..points.len()).map(|row| {
            let center = found.labels[row].unwrap_or_default() as usize * points.width();
            let pairs = points.row(row).iter().zip(&centers[center..]);
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        });
        let squares = squares.sum();
        if squares < best.0 {
            best = (squares, found);
        }
    }
    Ok(best.1)
}

pub(super) mod clouds;
mod verdicts;
