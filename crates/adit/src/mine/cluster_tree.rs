//! Clusters that come together when fewer are wanted.

use crate::represent::points::Points;

/// Two that come together: below the number of clusters a cluster, from there on an earlier merge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joined {
    pub first: usize,
    pub second: usize,
    /// Mean distance of the centres of one to those of the other, weighted by size.
    pub height: f64,
}

/// Average linkage over the centres of clusters, the nearest two first; of equally near ones the first.
///
/// `sizes`: `[n_clusters]`
pub fn joined(centers: Points, sizes: &[u64]) -> Vec<Joined> {
    let n = centers.len();
    let mut apart = vec![vec![0f64; 2 * n]; 2 * n];
    let mut weight: Vec<f64> = sizes.iter().map(|&size| size as f64).collect();
    for (a, line) in apart.iter_mut().enumerate().take(n) {
        for (b, distance) in line.iter_mut().enumerate().take(n) {
            let pairs = centers.row(a).iter().zip(centers.row(b));
            let square: f64 = pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum();
            *distance = square.sqrt();
        }
    }
    let mut open: Vec<usize> = (0..n).collect();
    let mut merges = Vec::new();
    while open.len() > 1 {
        let mut best = (f64::INFINITY, 0, 0);
        for (at, &a) in open.iter().enumerate() {
            for &b in &open[at + 1..] {
                if apart[a][b] < best.0 {
                    best = (apart[a][b], a, b);
                }
            }
        }
        let (height, first, second) = best;
        let new = n + merges.len();
        open.retain(|&o| o != first && o != second);
        let both = weight[first] + weight[second];
        for &other in &open {
            let mean = (weight[first] * apart[first][other]
                + weight[second] * apart[second][other])
                / both;
            (apart[new][other], apart[other][new]) = (mean, mean);
        }
        weight.push(both);
        open.push(new);
        merges.push(Joined {
            first,
            second,
            height,
        });
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_together_first_and_heights_are_means() {
        let centers = [0.0, 10.0, 1.0, 14.0];
        let merges = joined(Points::new(&centers, 1), &[1, 1, 1, 3]);
        let expected = [(0, 2, 1.0), (1, 3, 4.0), (4, 5, 12.5)];
        for (merge, (first, second, height)) in merges.iter().zip(expected) {
            assert_eq!((merge.first, merge.second), (first, second));
            assert!((merge.height - height).abs() < 1e-9, "{}", merge.height);
        }
        assert!(joined(Points::new(&centers[..1], 1), &[4]).is_empty());
    }
}
