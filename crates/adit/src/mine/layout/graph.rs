//! From neighbour lists to a graph: how surely two points belong together.

use rayon::prelude::*;

use super::check_finite;
use crate::mine::MineError;

/// Halvings of the interval that a bandwidth lies in.
const HALVINGS: usize = 64;
/// A bandwidth is at least this share of the mean distance to the neighbours.
const LEAST_BANDWIDTH: f64 = 1e-3;
/// Rows that one thread weighs at once.
const CHUNK_ROWS: usize = 128;

/// Neighbour lists of equal length.
pub struct Lists<'a> {
    indices: &'a [u32],
    distances: &'a [f32],
    k: usize,
}

/// One direction of an edge. Edges lie in the order of their heads, then of their tails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    pub head: u32,
    pub tail: u32,
    /// 0 < weight <= 1
    pub weight: f32,
}

impl<'a> Lists<'a> {
    pub fn new(indices: &'a [u32], distances: &'a [f32], n: usize) -> Result<Lists<'a>, MineError> {
        assert_eq!(indices.len(), distances.len(), "one distance an index");
        let k = indices.len().checked_div(n).unwrap_or(0);
        assert_eq!(k * n, indices.len(), "{n} lists of equal length");
        let outside = indices.iter().find(|index| **index as usize >= n);
        assert!(outside.is_none(), "{outside:?} is none of {n} points");
        check_finite(distances, k.max(1))?;
        Ok(Lists {
            indices,
            distances,
            k,
        })
    }

    /// How surely each neighbour belongs to its point, by the point's own measure of distance. `[n, k]`
    fn weights(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.distances.len()];
        if self.k == 0 {
            return weights;
        }
        let sum: f64 = self.distances.iter().map(|d| f64::from(*d)).sum();
        let mean = sum / self.distances.len() as f64;
        let chunk = CHUNK_ROWS * self.k;
        (weights.par_chunks_mut(chunk))
            .zip(self.distances.par_chunks(chunk))
            .for_each(|(weights, distances)| {
                let rows = weights.chunks_exact_mut(self.k);
                (rows.zip(distances.chunks_exact(self.k)))
                    .for_each(|(weights, distances)| weigh(distances, mean, weights));
            });
        weights
    }
}

/// exp(-(d - nearest) / bandwidth) with the bandwidth by which they add up to log2(k): section 3.1 of the paper.
fn weigh(distances: &[f32], mean_of_all: f64, weights: &mut [f32]) {
    let k = distances.len() as f64;
    let away = || distances.iter().map(|d| f64::from(*d)).filter(|d| *d > 0.0);
    let nearest = away().fold(f64::INFINITY, f64::min);
    let nearest = if nearest.is_finite() { nearest } else { 0.0 };
    let beyond: Vec<f64> = (distances.iter())
        .map(|d| (f64::from(*d) - nearest).max(0.0))
        .collect();
    let farthest = beyond.iter().copied().fold(0.0, f64::max);
    if farthest == 0.0 {
        weights.fill(1.0);
        return;
    }
    let mean = if nearest > 0.0 {
        away().sum::<f64>() / k
    } else {
        mean_of_all
    };
    let bandwidth = bandwidth(&beyond, farthest).max(LEAST_BANDWIDTH * mean);
    for (weight, d) in weights.iter_mut().zip(&beyond) {
        *weight = (-d / bandwidth).exp() as f32;
    }
}

/// By bisection; next to 0 where even that leaves too much weight.
fn bandwidth(beyond: &[f64], farthest: f64) -> f64 {
    let k = beyond.len() as f64;
    let target = k.log2();
    let sum = |width: f64| beyond.iter().map(|d| (-d / width).exp()).sum::<f64>();
    let (mut low, mut high) = (0.0, farthest);
    // At 4 k times the farthest distance all weights are near 1, so this ends.
    while sum(high) < target {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if sum(middle) > target {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The union of what both ends of an edge say of it: w + w' - w w'; both directions of every edge.
pub fn fuzzy_union(lists: &Lists) -> Vec<Edge> {
    let weights = lists.weights();
    let mut said: Vec<(u32, u32, bool, f32)> = Vec::with_capacity(2 * weights.len());
    for (at, (&tail, &weight)) in lists.indices.iter().zip(&weights).enumerate() {
        let head = (at / lists.k) as u32;
        if head != tail && weight > 0.0 {
            said.push((head, tail, false, weight));
            said.push((tail, head, true, weight));
        }
    }
    said.sort_unstable_by_key(|&(head, tail, is_answer, weight)| {
        (head, tail, is_answer, weight.to_bits())
    });
    let of_one_edge = said.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let edges = of_one_edge.map(|said| {
        let (head, tail, ..) = said[0];
        let weight = |of: bool| {
            let of = said.iter().filter(|(_, _, is_answer, _)| *is_answer == of);
            of.map(|said| said.3).fold(0.0, f32::max)
        };
        let (there, back) = (weight(false), weight(true));
        Edge {
            head,
            tail,
            weight: there + back - there * back,
        }
    });
    edges.collect()
}

/// Without the edges that are too weak to be drawn once in so many epochs.
pub fn sampled(mut edges: Vec<Edge>, n_epochs: usize) -> Vec<Edge> {
    let heaviest = edges.iter().map(|edge| edge.weight).fold(0.0, f32::max);
    edges.retain(|edge| edge.weight >= heaviest / n_epochs as f32);
    edges
}
