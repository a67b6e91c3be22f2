//! Products of two sets of rows as lower bounds of their distances.

use std::ops::Range;

use adit_nn::kernels::matmul::{View, product};

use crate::mine::MineError;
use crate::represent::points::Points;

/// Half of an f32's last place, relative.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
/// What sums of squares lose where they leave the range of f32, in scaled units.
const UNDERFLOW: f32 = 1e-30;
/// Values that are summed side by side.
const LANES: usize = 8;

/// The first value that is not a finite number is an error.
pub(in crate::mine) fn check_finite(points: Points) -> Result<(), MineError> {
    match points.values().iter().position(|v| !v.is_finite()) {
        Some(at) => Err(MineError::FeatureNotFinite {
            row: at / points.width(),
            column: at % points.width(),
        }),
        None => Ok(()),
    }
}

/// The squared distance of two rows, by differences: 0 for equal rows, the same in both directions.
pub(in crate::mine) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; LANES];
    let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.0.iter().zip(b.0) {
        for lane in 0..LANES {
            let difference = f64::from(a[lane]) - f64::from(b[lane]);
            sums[lane] += difference * difference;
        }
    }
    for (lane, (&a, &b)) in a.1.iter().zip(b.1).enumerate() {
        let difference = f64::from(a) - f64::from(b);
        sums[lane] += difference * difference;
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// The unit in which rows are multiplied, so that no square leaves the range of f32.
#[derive(Clone, Copy)]
pub(in crate::mine) struct Scale {
    /// A power of two.
    factor: f32,
    /// Share of a squared length by which a distance from products may be too large.
    margin: f64,
}

impl Scale {
    /// The unit for these points; the widths are equal.
    pub(in crate::mine) fn new(parts: &[Points]) -> Scale {
        let width = parts.first().map_or(1, Points::width);
        let n: usize = parts.iter().map(Points::len).sum();
        let mut means = vec![0.0f64; width];
        let rows = || parts.iter().flat_map(|p| p.values().chunks_exact(width));
        for row in rows() {
            let terms = means.iter_mut().zip(row);
            terms.for_each(|(mean, &v)| *mean += f64::from(v) / n as f64);
        }
        let (mut most, mut largest) = (0.0f64, 0.0f64);
        for row in rows() {
            for (&v, mean) in row.iter().zip(&means) {
                most = most.max((f64::from(v) - mean).abs());
                largest = largest.max(f64::from(v).abs());
            }
        }
        let places = |v: f64| {
            if v > 0.0 {
                -v.log2().ceil()
            } else {
                f64::INFINITY
            }
        };
        let power = places(most).min(places(largest) + 100.0);
        Scale {
            factor: power.clamp(-126.0, 100.0).exp2() as f32,
            margin: ROUNDING * (2 * width + 80) as f64,
        }
    }

    /// Half of a squared distance in scaled units, rounded up.
    pub(in crate::mine) fn limit(&self, squared: f64) -> f32 {
        let scaled = squared * f64::from(self.factor).powi(2) * (0.5 * (1.0 + 1e-6));
        scaled as f32 + UNDERFLOW
    }

    /// A distance in scaled units.
    fn scaled(&self, value: f64) -> f32 {
        (value * f64::from(self.factor)) as f32
    }
}

/// Rows, centred and scaled.
#[derive(Default)]
struct Side {
    /// `[n, width]`
    values: Vec<f32>,
    /// Half of each squared length, rounded down by the margin. `[n]`
    halves: Vec<f32>,
}

impl Side {
    fn load(&mut self, points: Points, rows: &[u32], scale: Scale, centre: &[f32]) {
        let width = points.width();
        self.values.resize(rows.len() * width, 0.0);
        self.halves.clear();
        for (&row, out) in rows.iter().zip(self.values.chunks_exact_mut(width)) {
            let from = points.row(row as usize);
            let length = f64::from(place(out, from, scale.factor, centre));
            let half = 0.5 * length * (1.0 - scale.margin);
            self.halves.push(half as f32 - UNDERFLOW);
        }
    }
}

/// Writes a row around the centre; gives its squared length.
fn place(out: &mut [f32], from: &[f32], factor: f32, centre: &[f32]) -> f32 {
    let mut sums = [0.0f32; 2 * LANES];
    let (outs, out_rest) = out.as_chunks_mut::<{ 2 * LANES }>();
    let (froms, from_rest) = from.as_chunks::<{ 2 * LANES }>();
    let (centres, centre_rest) = centre.as_chunks::<{ 2 * LANES }>();
    for ((out, from), centre) in outs.iter_mut().zip(froms).zip(centres) {
        for lane in 0..2 * LANES {
            let value = from[lane] * factor - centre[lane];
            sums[lane] += value * value;
            out[lane] = value;
        }
    }
    for (lane, out) in out_rest.iter_mut().enumerate() {
        *out = from_rest[lane] * factor - centre_rest[lane];
        sums[lane] += *out * *out;
    }
    sums.iter().sum()
}

/// Two sets of rows around one centre, and the products of parts of one with parts of the other.
///
/// `half(left) + half(right) - product` is never above half of the squared distance, in the units of [`Scale::limit`].
#[derive(Default)]
pub(in crate::mine) struct Tile {
    width: usize,
    centre: Vec<f32>,
    left: Side,
    right: Side,
    /// What was multiplied last. `[left_part, right_part]`
    products: Vec<f32>,
    left_part: Range<usize>,
    right_part: Range<usize>,
}

impl Tile {
    /// Takes these rows; the nearer they lie to the centre, the closer the bound.
    pub(in crate::mine) fn load(
        &mut self,
        (left, left_rows): (Points, &[u32]),
        (right, right_rows): (Points, &[u32]),
        scale: Scale,
        centre: &[f64],
    ) {
        self.width = left.width();
        self.centre.clear();
        self.centre.extend(centre.iter().map(|&c| scale.scaled(c)));
        self.left.load(left, left_rows, scale, &self.centre);
        self.right.load(right, right_rows, scale, &self.centre);
    }

    /// Multiplies some rows of the left with some of the right.
    pub(in crate::mine) fn multiply(&mut self, left: Range<usize>, right: Range<usize>) {
        let (m, n, k) = (left.len(), right.len(), self.width);
        self.products.resize(m * n, 0.0);
        let a = View::new(&self.left.values[left.start * k..], k, 1);
        let b = View::new(&self.right.values[right.start * k..], 1, k);
        product((m, n, k), &mut self.products, n, a, b, false);
        (self.left_part, self.right_part) = (left, right);
    }

    /// The products of one row of the left part. `[right_part]`
    pub(in crate::mine) fn products(&self, row: usize) -> &[f32] {
        &self.products[row * self.right_part.len()..][..self.right_part.len()]
    }

    /// Half of the squared lengths of the left part. `[left_part]`
    pub(in crate::mine) fn left_halves(&self) -> &[f32] {
        &self.left.halves[self.left_part.clone()]
    }

    /// Half of the squared lengths of the right part. `[right_part]`
    pub(in crate::mine) fn right_halves(&self) -> &[f32] {
        &self.right.halves[self.right_part.clone()]
    }
}
