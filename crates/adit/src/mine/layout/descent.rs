//! Stochastic gradient descent of the cross-entropy between the graph of the data and that of the picture.
//!
//! One thread: every step moves what the next one reads.

use adit_nn::random::mix;

use super::curve::Forces;
use super::graph::Edge;
use crate::mine::MineError;

/// No step is longer than this along an axis, times the rate.
const MOST: f32 = 4.0;

/// How the places are moved.
pub struct Course {
    pub n_epochs: usize,
    pub negative_samples: usize,
    pub seed: u64,
}

impl Course {
    /// Moves the places along the edges, heavy ones more often; the rate falls evenly to 0.
    pub fn descend(
        &self,
        edges: &[Edge],
        forces: &Forces,
        places: &mut [[f32; 2]],
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<(), MineError> {
        let heaviest = edges.iter().map(|edge| edge.weight).fold(0.0, f32::max);
        let period = |edge: &Edge| f64::from(heaviest) / f64::from(edge.weight);
        let mut due: Vec<f64> = edges.iter().map(period).collect();
        let mut drawn = 0u64;
        for epoch in 0..self.n_epochs {
            if !goes_on(epoch, self.n_epochs) {
                return Err(MineError::Cancelled);
            }
            let rate = 1.0 - epoch as f32 / self.n_epochs as f32;
            for (edge, due) in edges.iter().zip(&mut due) {
                if *due > epoch as f64 {
                    continue;
                }
                *due += period(edge);
                let head = edge.head as usize;
                let mut place = pull(places, edge, forces, rate);
                for _ in 0..self.negative_samples {
                    drawn += 1;
                    let other = pick(mix(self.seed, drawn), places.len());
                    if other != head {
                        push(&mut place, places[other], forces, rate);
                    }
                }
                places[head] = place;
            }
        }
        if goes_on(self.n_epochs, self.n_epochs) {
            Ok(())
        } else {
            Err(MineError::Cancelled)
        }
    }
}

/// Draws both ends of an edge together and gives where its head comes to lie.
fn pull(places: &mut [[f32; 2]], edge: &Edge, forces: &Forces, rate: f32) -> [f32; 2] {
    let (mut place, mut other) = (places[edge.head as usize], places[edge.tail as usize]);
    let (way, squared) = way(place, other);
    if squared > 0.0 {
        let force = forces.attraction(squared);
        for axis in 0..2 {
            let step = (force * way[axis]).clamp(-MOST, MOST) * rate;
            place[axis] += step;
            other[axis] -= step;
        }
        places[edge.tail as usize] = other;
    }
    place
}

fn push(place: &mut [f32; 2], other: [f32; 2], forces: &Forces, rate: f32) {
    let (way, squared) = way(*place, other);
    if squared > 0.0 {
        let force = forces.repulsion(squared);
        for axis in 0..2 {
            place[axis] += (force * way[axis]).clamp(-MOST, MOST) * rate;
        }
    }
}

/// From `other` to `place`, and the square of its length.
fn way(place: [f32; 2], other: [f32; 2]) -> ([f32; 2], f32) {
    let way = [place[0] - other[0], place[1] - other[1]];
    (way, way[0] * way[0] + way[1] * way[1])
}

/// A number below `n` from random bits.
fn pick(bits: u64, n: usize) -> usize {
    ((u128::from(bits) * n as u128) >> 64) as usize
}
