//! How far a picture can be trusted: whether what is near in it is near in the data.

use rayon::prelude::*;

use super::{check_finite, thinned};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Rows that are asked about their neighbours, at most.
const MOST_ROWS: usize = 2_000;
/// Differences of two coordinates that may be taken; wide data are judged by fewer rows, but not by fewer than
/// [`LEAST_ROWS`].
const WORK: usize = 2_000_000_000;
const LEAST_ROWS: usize = 200;
/// Rows that one thread takes at once.
const CHUNK_ROWS: usize = 8;
/// Sums of squares that are taken side by side.
const LANES: usize = 8;

/// How far a picture can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Trust {
    /// 1 where all that is near in the picture is near in the data, about 1/2 where it is there by chance.
    /// Venna and Kaski 2001.
    pub trustworthiness: f64,
    /// Of a point's `k` nearest in the picture, the mean share that are among its `k` nearest in the data.
    pub kept: f64,
    /// Neighbours that were looked at.
    pub k: usize,
    /// Rows whose neighbours were looked at: all, or some that a hash chose.
    pub n_rows: usize,
}

/// Judges a picture of the points, by Euclidean distances in both; `None` below 4 points.
///
/// `positions`: `[n, 2]`. At most (n - 1) / 2 neighbours are looked at: the measure has no meaning beyond. Points as near
/// as another in the data share the better rank.
///
/// # Errors
/// Values that are not finite.
///
/// # Panics
/// Where there is not one position a point.
pub fn trust(points: Points, positions: &[f32], k: usize) -> Result<Option<Trust>, MineError> {
    let n = points.len();
    assert_eq!(positions.len(), 2 * n, "one position a point");
    check_finite(points.values(), points.width())?;
    check_finite(positions, 2)?;
    let k = k.min(n.saturating_sub(1) / 2);
    if k == 0 || n < 4 {
        return Ok(None);
    }
    let affordable = (WORK / n.saturating_mul(points.width()).max(1)).max(LEAST_ROWS);
    let rows = thinned(&vec![(); n], MOST_ROWS.min(affordable), 0);
    let picture = Points::new(positions, 2);
    // Whole numbers: the order in which they are added plays no part.
    let (beyond, kept) = rows
        .par_chunks(CHUNK_ROWS)
        .map(|rows| {
            let mut distances = vec![0.0; n];
            let mut order = vec![0; n];
            rows.iter().fold((0u128, 0u64), |(beyond, kept), &row| {
                measure(picture, row, &mut distances);
                let near = nearest(&distances, row, k, &mut order);
                measure(points, row, &mut distances);
                let ranks = near.iter().map(|&at| rank(&distances, row, at));
                ranks.fold((beyond, kept), |(beyond, kept), rank| {
                    let over = rank.saturating_sub(k) as u128;
                    (beyond + over, kept + u64::from(rank <= k))
                })
            })
        })
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let asked = (rows.len() * k) as f64;
    let worst = (2 * n - 3 * k - 1) as f64 / 2.0;
    Ok(Some(Trust {
        trustworthiness: 1.0 - beyond as f64 / (asked * worst),
        kept: kept as f64 / asked,
        k,
        n_rows: rows.len(),
    }))
}

/// Squared distances from one point to all. `[n]`
fn measure(points: Points, row: usize, distances: &mut [f64]) {
    let from = points.row(row);
    for (at, distance) in distances.iter_mut().enumerate() {
        let (from, to) = (
            from.as_chunks::<LANES>(),
            points.row(at).as_chunks::<LANES>(),
        );
        let square = |a: &f32, b: &f32| (f64::from(*a) - f64::from(*b)).powi(2);
        let mut lanes = [0f64; LANES];
        for (a, b) in from.0.iter().zip(to.0) {
            for lane in 0..LANES {
                lanes[lane] += square(&a[lane], &b[lane]);
            }
        }
        let rest: f64 = from.1.iter().zip(to.1).map(|(a, b)| square(a, b)).sum();
        *distance = lanes.iter().sum::<f64>() + rest;
    }
}

/// The `k` nearest to a point, itself left out; of equally near ones the first.
fn nearest<'a>(distances: &[f64], row: usize, k: usize, order: &'a mut Vec<usize>) -> &'a [usize] {
    order.clear();
    order.extend((0..distances.len()).filter(|at| *at != row));
    let by = |a: &usize, b: &usize| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b));
    order.select_nth_unstable_by(k - 1, by);
    &order[..k]
}

/// 1 for the nearest point of the data, and so on.
fn rank(distances: &[f64], row: usize, at: usize) -> usize {
    let distance = distances[at];
    let nearer = distances.iter().filter(|other| **other < distance).count();
    // The point itself is nearer, but where the two are the same.
    nearer + 1 - usize::from(distances[row] < distance)
}
