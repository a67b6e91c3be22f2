//! How well apart clusters are, and which of their members lie well inside.
//!
//! Enters: points with their clusters, or with centres. Leaves: silhouettes (Rousseeuw 1987) of all clusters and of
//! each, and the margins of the points between their nearest two centres. Distances are Euclidean.
//!
//! The silhouette of a point is `(b - a) / max(a, b)`: `a` is its mean distance to the other points of its cluster,
//! `b` the least mean distance to the points of another. It is 0 for a point that is alone in its cluster. Noise is
//! left out. Of more than 2,000 points that many are drawn, from each cluster in proportion to its size but not fewer
//! than a few; the mean counts each cluster by its size.

use adit_nn::random::mix;
use serde::{Deserialize, Serialize};

use super::distances::{BLOCK_ROWS, Frame, Placed};
use super::{check_finite, chosen};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Points that are compared, at most.
const MOST_ROWS: usize = 2000;
/// Points drawn from each cluster, at least, where there are so many and clusters are few.
const FEWEST_ROWS: usize = 10;
/// Points whose sums are taken side by side.
const LANES: usize = 8;

/// How well apart clusters are: from -1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silhouette {
    /// Mean of the points in clusters; 0 where there are fewer than two clusters.
    pub mean: f64,
    /// Mean of each cluster; none where it is empty or none of its points was drawn. `[n_clusters]`
    pub by_cluster: Vec<Option<f64>>,
    /// Points that were compared.
    pub n_rows: usize,
}

/// The silhouettes of clusters. `labels`: below `n_clusters`, none for noise. `[n_points]`
///
/// # Errors
/// A value that is not finite.
///
/// # Panics
/// Where there is not one label a point, or a label is not below `n_clusters`.
pub fn silhouette(
    points: Points,
    labels: &[Option<u32>],
    n_clusters: usize,
    seed: u64,
) -> Result<Silhouette, MineError> {
    check_finite(points)?;
    assert_eq!(points.len(), labels.len(), "there is not one label a point");
    let mut sizes = vec![0usize; n_clusters];
    (labels.iter().flatten()).for_each(|&label| sizes[label as usize] += 1);
    let rows = stratified(labels, &sizes, seed);
    let gathered = points.gathered(&rows);
    let drawn: Vec<Option<u32>> = rows.iter().map(|&row| labels[row]).collect();
    let placed = Placed::of(Points::new(&gathered, points.width()));
    let silhouettes = silhouettes(&placed, &[&drawn]).remove(0);
    let mut sums = vec![(0.0, 0usize); n_clusters];
    for (label, silhouette) in drawn.iter().zip(&silhouettes) {
        if let Some(label) = label {
            sums[*label as usize].0 += silhouette;
            sums[*label as usize].1 += 1;
        }
    }
    let by_cluster: Vec<Option<f64>> = (sums.iter())
        .map(|&(sum, n)| (n > 0).then(|| sum / n as f64))
        .collect();
    let (mut sum, mut weight) = (0.0, 0.0);
    for (mean, size) in by_cluster.iter().zip(&sizes) {
        if let Some(mean) = mean {
            sum += mean * *size as f64;
            weight += *size as f64;
        }
    }
    Ok(Silhouette {
        mean: if weight > 0.0 { sum / weight } else { 0.0 },
        by_cluster,
        n_rows: rows.len(),
    })
}

/// The rows of clusters that are compared; ascending.
fn stratified(labels: &[Option<u32>], sizes: &[usize], seed: u64) -> Vec<usize> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); sizes.len()];
    for (row, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            members[*label as usize].push(row);
        }
    }
    let n_rows: usize = sizes.iter().sum();
    let fewest = FEWEST_ROWS.min(MOST_ROWS / sizes.len().max(1));
    let rest = MOST_ROWS - fewest * sizes.len().min(MOST_ROWS);
    let mut rows: Vec<usize> = Vec::new();
    for (cluster, members) in members.into_iter().enumerate() {
        let size = members.len();
        let wanted = if n_rows <= MOST_ROWS {
            size
        } else {
            size.min(fewest + (size as u128 * rest as u128 / n_rows as u128) as usize)
        };
        // One row of several would look as if it were alone.
        if wanted > 1 || size == 1 {
            rows.extend(chosen(members, wanted, mix(seed, cluster as u64)));
        }
    }
    rows.sort_unstable();
    rows
}

/// The silhouette of every point by each of several labellings; 0 for noise. `[n_labellings][n_points]`
pub(super) fn silhouettes(points: &Placed, labellings: &[&[Option<u32>]]) -> Vec<Vec<f64>> {
    let strata: Vec<Strata> = labellings.iter().map(|labels| Strata::of(labels)).collect();
    let n = points.len();
    // Of each block of rows: all labellings, one after another.
    let blocks = points.by_blocks(points, |rows, squares| {
        squares
            .iter_mut()
            .for_each(|square| *square = square.sqrt());
        let mut out = vec![0.0; strata.len() * rows.len()];
        let mut lanes = vec![[0f32; LANES]; n];
        for first in (0..rows.len()).step_by(LANES) {
            let taken = LANES.min(rows.len() - first);
            for lane in 0..taken {
                let distances = &squares[(first + lane) * n..][..n];
                let pairs = lanes.iter_mut().zip(distances);
                pairs.for_each(|(lanes, &distance)| lanes[lane] = distance);
            }
            for (strata, out) in strata.iter().zip(out.chunks_mut(rows.len())) {
                let sums = strata.sums(&lanes);
                for lane in 0..taken {
                    out[first + lane] = strata.silhouette(rows.start + first + lane, &sums, lane);
                }
            }
        }
        out
    });
    let mut silhouettes = vec![Vec::with_capacity(n); labellings.len()];
    let mut rest = blocks.as_slice();
    for first in (0..n).step_by(BLOCK_ROWS) {
        let rows = BLOCK_ROWS.min(n - first);
        for out in &mut silhouettes {
            let (block, others) = rest.split_at(rows);
            out.extend_from_slice(block);
            rest = others;
        }
    }
    silhouettes
}

/// The mean silhouette of the points that are no noise; 0 where there is none.
pub(super) fn mean_silhouette(silhouettes: &[f64], labels: &[Option<u32>]) -> f64 {
    let n = labels.iter().flatten().count();
    silhouettes.iter().sum::<f64>() / n.max(1) as f64
}

/// Points by cluster.
struct Strata {
    /// The cluster of each point; noise is one behind the last.
    slots: Vec<usize>,
    /// Points of each cluster, without noise.
    sizes: Vec<usize>,
}

impl Strata {
    fn of(labels: &[Option<u32>]) -> Strata {
        // Labels are numbered anew, so that a large one costs nothing.
        let mut names: Vec<u32> = labels.iter().flatten().copied().collect();
        names.sort_unstable();
        names.dedup();
        let slot = |label: &Option<u32>| match label {
            Some(label) => names.binary_search(label).unwrap_or(names.len()),
            None => names.len(),
        };
        let slots: Vec<usize> = labels.iter().map(slot).collect();
        let mut sizes = vec![0; names.len() + 1];
        slots.iter().for_each(|&slot| sizes[slot] += 1);
        sizes.truncate(names.len());
        Strata { slots, sizes }
    }

    /// Sums of distances to each cluster, for several points side by side. `lanes`: `[n_points]`
    fn sums(&self, lanes: &[[f32; LANES]]) -> Vec<[f64; LANES]> {
        let mut sums = vec![[0f64; LANES]; self.sizes.len() + 1];
        for (slot, lanes) in self.slots.iter().zip(lanes) {
            let pairs = sums[*slot].iter_mut().zip(lanes);
            pairs.for_each(|(sum, &distance)| *sum += f64::from(distance));
        }
        sums
    }

    fn silhouette(&self, row: usize, sums: &[[f64; LANES]], lane: usize) -> f64 {
        let own = self.slots[row];
        if own == self.sizes.len() || self.sizes[own] < 2 || self.sizes.len() < 2 {
            return 0.0;
        }
        let inside = sums[own][lane] / (self.sizes[own] - 1) as f64;
        let others = (0..self.sizes.len()).filter(|&slot| slot != own);
        let outside = others
            .map(|slot| sums[slot][lane] / self.sizes[slot] as f64)
            .fold(f64::INFINITY, f64::min);
        let larger = inside.max(outside);
        if larger > 0.0 {
            (outside - inside) / larger
        } else {
            0.0
        }
    }
}

/// Where a point lies between centres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Margin {
    /// The nearest centre; of equally near ones the first.
    pub nearest: u32,
    /// Distance to the second nearest centre less that to the nearest, over the second: 1 at the centre itself
    /// (typical), 0 half way (borderline). 1 where there is no second.
    pub margin: f32,
}

/// The margins of points between centres. `centers`: `[n_clusters, width]`
///
/// # Errors
/// No centres, or of another width; a value that is not finite.
pub fn margins(points: Points, centers: Points) -> Result<Vec<Margin>, MineError> {
    if centers.is_empty() {
        return Err(MineError::DamagedModel {
            reason: "there are no centres".to_owned(),
        });
    }
    if centers.width() != points.width() {
        return Err(MineError::FeaturesDiffer {
            expected: centers.width(),
            found: points.width(),
        });
    }
    check_finite(points)?;
    check_finite(centers)?;
    let frame = Frame::new(centers, points);
    let (points, centers) = (frame.place(points), frame.place(centers));
    Ok(between(&points, &centers))
}

/// The margins of points between centres of the same frame.
pub(super) fn between(points: &Placed, centers: &Placed) -> Vec<Margin> {
    points.by_blocks(centers, |rows, squares| {
        let n = centers.len();
        let margin = |(row, squares): (usize, &[f32])| {
            let (first, second) = nearest_two(squares);
            let Some(second) = second else {
                return Margin {
                    nearest: 0,
                    margin: 1.0,
                };
            };
            // The two are compared without the rounding of products.
            let near = (points.square(row, centers, first), first);
            let far = (points.square(row, centers, second), second);
            let (near, far) = if near <= far {
                (near, far)
            } else {
                (far, near)
            };
            let margin = if far.0 > 0.0 {
                1.0 - (near.0 / far.0).sqrt()
            } else {
                0.0
            };
            Margin {
                nearest: near.1 as u32,
                margin: margin as f32,
            }
        };
        rows.zip(squares.chunks(n)).map(margin).collect()
    })
}

/// Places of the least and the next value.
fn nearest_two(values: &[f32]) -> (usize, Option<usize>) {
    let (mut first, mut second) = (0, None);
    for (at, value) in values.iter().enumerate().skip(1) {
        if *value < values[first] {
            second = Some(first);
            first = at;
        } else if second.is_none_or(|second: usize| *value < values[second]) {
            second = Some(at);
        }
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use adit_nn::random::normal_at;

    use super::super::tests::{in_pools, planted};
    use super::*;

    /// By the definition, point by point.
    fn by_definition(points: Points, labels: &[Option<u32>]) -> Vec<f64> {
        let distance = |i: usize, j: usize| {
            let pairs = points.row(i).iter().zip(points.row(j));
            let square: f64 = pairs
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum();
            square.sqrt()
        };
        let mean = |i: usize, label: u32| {
            let others: Vec<usize> = (0..points.len())
                .filter(|&j| j != i && labels[j] == Some(label))
                .collect();
            let sum: f64 = others.iter().map(|&j| distance(i, j)).sum();
            (!others.is_empty()).then(|| sum / others.len() as f64)
        };
        let silhouette = |i: usize| {
            let Some(own) = labels[i] else { return 0.0 };
            let Some(a) = mean(i, own) else { return 0.0 };
            let others = (0..50).filter(|&label| label != own);
            let b = (others.filter_map(|label| mean(i, label))).fold(f64::INFINITY, f64::min);
            if b.is_finite() && a.max(b) > 0.0 {
                (b - a) / a.max(b)
            } else {
                0.0
            }
        };
        (0..points.len()).map(silhouette).collect()
    }

    #[test]
    fn silhouettes_have_the_values_of_scikit_learn() {
        // silhouette_samples and silhouette_score, scikit-learn 1.9.
        let mut values = Vec::new();
        let mut labels = Vec::new();
        for i in 0..20u32 {
            values.extend([(i * 37 % 23) as f32, (i * i % 17) as f32]);
            labels.push(Some(if i == 19 { 3 } else { i % 3 }));
        }
        let clusters = [
            -0.34155239996461667,
            -0.2211448056617428,
            -0.3251141293134943,
            0.0,
        ];
        let points = Points::new(&values, 2);
        let found = silhouette(points, &labels, 4, 0).expect("finite");
        assert!((found.mean + 0.28342102048018697).abs() < 1e-6, "{found:?}");
        for (found, wanted) in found.by_cluster.iter().zip(clusters) {
            assert!((found.expect("full") - wanted).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn silhouettes_are_those_of_the_definition() {
        for seed in 0..20u64 {
            let n = 3 + (mix(seed, 1) % 150) as usize;
            let width = 1 + (mix(seed, 2) % 6) as usize;
            let values: Vec<f32> = (0..(n * width) as u64)
                .map(|at| normal_at(seed, at, 3.0) + 7.0)
                .collect();
            let points = Points::new(&values, width);
            let label = |row: usize, salt: u64| match mix(salt, row as u64) % 5 {
                0 => None,
                code => Some(if row == 2 { 40 } else { code as u32 }),
            };
            let [one, two] =
                [3, 4].map(|salt| (0..n).map(|row| label(row, salt)).collect::<Vec<_>>());
            let found = silhouettes(&Placed::of(points), &[&one, &two]);
            for (found, labels) in found.iter().zip([&one, &two]) {
                let wanted = by_definition(points, labels);
                for (found, wanted) in found.iter().zip(&wanted) {
                    assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
                }
            }
            let whole = silhouette(points, &one, 41, 0).expect("finite");
            let wanted = mean_silhouette(&found[0], &one);
            assert!((whole.mean - wanted).abs() < 1e-5);
        }
    }

    #[test]
    fn a_draw_of_many_rows_tells_nearly_what_all_would() {
        let (values, labels) = planted(12_000, 3, &[[0.0; 3], [5.0; 3], [9.0; 3]], 5);
        // One cluster in a hundred times fewer rows.
        let rows: Vec<usize> = (0..12_000)
            .filter(|&row| labels[row] != Some(2) || mix(1, row as u64).is_multiple_of(100))
            .collect();
        let values = Points::new(&values, 3).gathered(&rows);
        let labels: Vec<Option<u32>> = rows.iter().map(|&row| labels[row]).collect();
        let points = Points::new(&values, 3);
        let all = silhouettes(&Placed::of(points), &[&labels]).remove(0);
        let found = silhouette(points, &labels, 3, 9).expect("finite");
        assert!(found.n_rows <= MOST_ROWS && found.n_rows > MOST_ROWS - 3);
        assert!((found.mean - mean_silhouette(&all, &labels)).abs() < 0.01);
        for label in 0..3u32 {
            let inside = (0..rows.len()).filter(|&row| labels[row] == Some(label));
            let (mut sum, mut n) = (0.0, 0.0);
            inside.for_each(|row| (sum, n) = (sum + all[row], n + 1.0));
            let found = found.by_cluster[label as usize].expect("full");
            assert!((found - sum / n).abs() < 0.05, "{label}: {found}");
        }
        let one = in_pools(|| silhouette(points, &labels, 3, 9).expect("finite"));
        assert_eq!(one, found);
    }

    #[test]
    fn many_clusters_of_few_rows_are_drawn_within_bounds() {
        let labels: Vec<Option<u32>> = (0..9000).map(|row| Some(row / 2)).collect();
        let values: Vec<f32> = (0..9000).map(|row| (row / 2) as f32).collect();
        let found = silhouette(Points::new(&values, 1), &labels, 4500, 0).expect("finite");
        assert!(found.n_rows <= MOST_ROWS, "{found:?}");
        let labels: Vec<Option<u32>> = (0..9000).map(|row| Some(row / 10)).collect();
        let found = silhouette(Points::new(&values, 1), &labels, 900, 0).expect("finite");
        assert!(found.n_rows <= MOST_ROWS && found.by_cluster.iter().all(Option::is_some));
    }

    #[test]
    fn margins_are_those_of_the_definition() {
        let values: Vec<f32> = (0..700 * 4).map(|at| normal_at(3, at, 2.0)).collect();
        let centers: Vec<f32> = (0..9 * 4).map(|at| normal_at(4, at, 2.0)).collect();
        let (points, centers) = (Points::new(&values, 4), Points::new(&centers, 4));
        let found = margins(points, centers).expect("finite");
        for (row, found) in found.iter().enumerate() {
            let distance = |center: usize| {
                let pairs = points.row(row).iter().zip(centers.row(center));
                let square: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
                square.sqrt()
            };
            let mut order: Vec<usize> = (0..9).collect();
            order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            let wanted = 1.0 - distance(order[0]) / distance(order[1]);
            assert_eq!(found.nearest as usize, order[0]);
            assert!((f64::from(found.margin) - wanted).abs() < 1e-5);
        }
        assert_eq!(
            in_pools(|| margins(points, centers).expect("finite")),
            found
        );
    }

    #[test]
    fn margins_by_hand() {
        let centers = Points::new(&[0.0, 10.0, 10.0], 1);
        let found = margins(Points::new(&[0.0, 5.0, 10.0, 4.0], 1), centers).expect("finite");
        let told: Vec<(u32, f32)> = found.iter().map(|m| (m.nearest, m.margin)).collect();
        assert_eq!(told[..3], [(0, 1.0), (0, 0.0), (1, 0.0)]);
        assert!((told[3].1 - 1.0 / 3.0).abs() < 1e-6);
        let one = margins(Points::new(&[3.0], 1), Points::new(&[1.0], 1)).expect("finite");
        assert_eq!((one[0].nearest, one[0].margin), (0, 1.0));
        assert!(matches!(
            margins(Points::new(&[3.0], 1), Points::new(&[1.0, 2.0], 2)),
            Err(MineError::FeaturesDiffer {
                expected: 2,
                found: 1
            })
        ));
        assert!(margins(Points::new(&[3.0], 1), Points::new(&[], 1)).is_err());
    }
}
