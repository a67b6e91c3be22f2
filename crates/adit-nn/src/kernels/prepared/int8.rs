//! Weights and inputs of 8 bits, sums that are exact integers.
//!
//! A weight is `w ≈ q · scale` with one scale an output and `q` in `-127..=127`. An input row is
//! `x ≈ (q - zero) · scale` with one scale and zero a row and `q` in `0..=255`, so a row does not
//! depend on its neighbours. No instruction saturates: AVX2 multiplies bytes that were widened to 16
//! bits, since `vpmaddubsw` would need one bit less, which costs more cosine than time.

use super::int8_tile::{GROUP, Path, SUMS, Tile, place, spread};
use super::{Finish, NR, Place};
use crate::kernels::finish::Gelu;
use crate::kernels::matmul::tile::Shape;
use crate::kernels::simd::{LANES, halved, into_lanes, larger, smaller, sum_of, vectorised};
use std::cell::Cell;
use std::ops::Range;

/// The largest weight.
const TOP: f32 = 127.0;
/// Inputs beyond this could overflow 32-bit sums.
pub const LONGEST: usize = 1 << 16;

/// Panels of `NR` columns of `weightᵀ`, the inputs of one instruction beside each other.
#[derive(Debug)]
pub struct Bytes {
    path: Path,
    values: Vec<i8>,
    /// By which a column's integers are multiplied.
    scales: Vec<f32>,
    /// The sum of each column's integers.
    sums: Vec<i32>,
    n: usize,
    k: usize,
}

/// Input rows as integers.
#[derive(Debug, Default)]
pub struct Rows {
    /// `[m, k]`, each row filled up with zeros to a multiple of four.
    values: Vec<u8>,
    /// The values once more, two in 32 bits, for the path that wants them so.
    spread: Vec<u32>,
    /// Scale and zero of every row.
    steps: Vec<(f32, i32)>,
}

thread_local! {
    /// Taken out while in use.
    static ROWS: Cell<Rows> = const { Cell::new(Rows { values: Vec::new(), spread: Vec::new(), steps: Vec::new() }) };
}

vectorised! {
    /// The smallest and the largest value of a row, and zero; both NaN for a row that is not finite.
    fn extremes(row: &[f32]) -> (f32, f32) {
        let (mut low, mut high, mut odd) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        into_lanes(&mut low, row, smaller);
        into_lanes(&mut high, row, larger);
        into_lanes(&mut odd, row, |odd, v| odd + v * 0.0);
        let odd = sum_of(odd);
        let low = halved(low, smaller);
        let high = halved(high, larger);
        (low + odd, high + odd)
    }
}

/// Rounds a float below 2²² to an integer when added, in the lowest bits.
const MAGIC: f32 = 12_582_912.0;

vectorised! {
    /// Gives the integer that stands for zero.
    fn to_bytes(out: &mut [u8], row: &[f32], factor: f32, low: f32) -> i32 {
        let integer = |v: f32| v.mul_add(factor, MAGIC).to_bits() as i32;
        let zero = integer(-low).wrapping_sub(MAGIC.to_bits() as i32);
        let shift = zero.wrapping_sub(MAGIC.to_bits() as i32);
        for (out, &v) in out.iter_mut().zip(row) {
            *out = integer(v).wrapping_add(shift).clamp(0, 255) as u8;
        }
        zero
    }
}

vectorised! {
    fn spread_block(out: &mut [u32], values: &[u8]) {
        for (out, pair) in out.iter_mut().zip(values.chunks_exact(2)) {
            *out = spread([pair[0], pair[1]]);
        }
    }
}

impl Rows {
    /// Quantises the rows of `x` `[m, k]`.
    pub fn fill(&mut self, x: &[f32], k: usize, path: Path) {
        let wide = k.next_multiple_of(GROUP);
        let m = x.len() / k;
        self.values.resize(m * wide, 0);
        self.steps.clear();
        for (row, out) in x.chunks_exact(k).zip(self.values.chunks_exact_mut(wide)) {
            let (low, high) = extremes(row);
            let width = high - low;
            // A row of zeros, and rows whose steps would not be normal numbers, count as zeros.
            let factor = 255.0 / width;
            let factor = if factor.is_finite() { factor } else { 0.0 };
            let zero = to_bytes(&mut out[..k], row, factor, low);
            out[k..].fill(0);
            self.steps.push((width / 255.0, zero));
        }
        if path == Path::Avx2 {
            self.spread.resize(m * wide / 2, 0);
            spread_block(&mut self.spread, &self.values);
        }
    }
}

/// What turns the integers of a panel into floats.
struct Columns<'a> {
    sums: &'a [i32; NR],
    scales: &'a [f32; NR],
    bias: [f32; NR],
    width: usize,
    gelu: Gelu,
}

vectorised! {
    /// `(sum - zero · sum of the column) · scales + bias`, and GELU of it.
    fn to_floats(c: &mut [f32], step: usize, sums: &[i32], rows: &[(f32, i32)], columns: &Columns<'_>) {
        let rows = c.chunks_mut(step).zip(sums.chunks_exact(NR)).zip(rows);
        // Whole lines have a loop of their own: a length that the compiler knows is copied without a call.
        if columns.width == NR {
            for ((row, sums), &step) in rows {
                if let (Some(row), Some(sums)) = (row.first_chunk_mut::<NR>(), sums.first_chunk()) {
                    *row = columns.floats(sums, step);
                }
            }
        } else {
            for ((row, sums), &step) in rows {
                if let Some(sums) = sums.first_chunk() {
                    row[..columns.width].copy_from_slice(&columns.floats(sums, step)[..columns.width]);
                }
            }
        }
    }
}

impl Columns<'_> {
    #[inline(always)]
    fn floats(&self, sums: &[i32; NR], (scale, zero): (f32, i32)) -> [f32; NR] {
        let mut line = [0.0f32; NR];
        for at in 0..NR {
            let sum = sums[at].wrapping_sub(zero.wrapping_mul(self.sums[at]));
            line[at] = sum as f32 * (scale * self.scales[at]) + self.bias[at];
        }
        self.gelu.of(line)
    }
}

impl Bytes {
    pub fn new(path: Path, (n, k): (usize, usize), weight: &[f32]) -> Self {
        assert!(k > 0 && k <= LONGEST, "the weight is too wide for integers");
        let (panels, groups) = (n.div_ceil(NR), k.div_ceil(GROUP));
        let mut values = vec![0i8; panels * groups * NR * GROUP];
        let (mut scales, mut sums) = (vec![0.0f32; panels * NR], vec![0i32; panels * NR]);
        for (col, row) in weight.chunks_exact(k).enumerate() {
            let top = row.iter().fold(0.0f32, |top, v| top.max(v.abs()));
            let factor = TOP / top;
            let factor = if factor.is_finite() { factor } else { 0.0 };
            scales[col] = top / TOP;
            let panel = &mut values[(col / NR) * groups * NR * GROUP..];
            for (p, &v) in row.iter().enumerate() {
                let q = (v * factor).round_ties_even().clamp(-TOP, TOP) as i32;
                panel[place(path, p, col % NR)] = q as i8;
                sums[col] += q;
            }
        }
        Self {
            path,
            values,
            scales,
            sums,
            n,
            k,
        }
    }

    /// The block of all rows of `x` and of the panels `cols`.
    pub fn run(&self, x: &[f32], cols: Range<usize>, place: Place<'_>, finish: Finish<'_>) {
        let mut rows = ROWS.take();
        rows.fill(x, self.k, self.path);
        self.run_rows(&rows, cols, place, finish);
        ROWS.set(rows);
    }

    fn run_rows(&self, rows: &Rows, cols: Range<usize>, place: Place<'_>, finish: Finish<'_>) {
        let (groups, most) = (self.k.div_ceil(GROUP), self.path.shape());
        let (m, step) = (rows.steps.len(), place.step);
        let mut sums = [0i32; SUMS];
        for panel in cols.clone().step_by(most.panels) {
            let panels = most.panels.min(cols.end - panel);
            let size = groups * NR * GROUP;
            let b = &self.values[panel * size..][..panels * size];
            let columns: [Columns<'_>; 2] =
                std::array::from_fn(|at| self.columns(panel + at.min(panels - 1), finish));
            for row in (0..m).step_by(most.rows) {
                let height = most.rows.min(m - row);
                let tile = Tile {
                    a: &rows.values[row * groups * GROUP..],
                    spread: rows.spread.get(row * groups * 2..).unwrap_or_default(),
                    b,
                    groups,
                    path: self.path,
                };
                let shape = Shape {
                    rows: height,
                    panels,
                };
                tile.run(shape, &mut sums);
                let steps = &rows.steps[row..row + height];
                for (at, columns) in columns.iter().enumerate().take(panels) {
                    let start = row * step + (panel + at - cols.start) * NR;
                    let c = &mut place.c[start..][..(height - 1) * step + columns.width];
                    let sums = &sums[at * height * NR..];
                    to_floats(c, step, sums, steps, columns);
                }
            }
        }
    }

    /// What finishes a panel.
    fn columns(&self, panel: usize, finish: Finish<'_>) -> Columns<'_> {
        let (col, width) = (panel * NR, NR.min(self.n - panel * NR));
        Columns {
            sums: self.sums[col..].first_chunk().expect("a whole panel"),
            scales: self.scales[col..].first_chunk().expect("a whole panel"),
            bias: finish.bias_of(col, width),
            width,
            gelu: finish.gelu(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Activation;
    use super::*;

    fn row(k: usize, seed: usize) -> Vec<f32> {
        (0..k)
            .map(|i| ((i * 7919 + seed * 31) % 1009) as f32 * 0.01 - 3.0)
            .collect()
    }

    #[test]
    fn a_row_comes_back_within_half_a_step() {
        for k in [1, 3, 16, 70, 384] {
            let x = row(k, k);
            let mut rows = Rows::default();
            rows.fill(&x, k, Path::best());
            let (scale, zero) = rows.steps[0];
            for (v, &q) in x.iter().zip(&rows.values) {
                let back = (i32::from(q) - zero) as f32 * scale;
                // The zero is rounded too, so the ends of the range may lie half a step further.
                assert!((v - back).abs() <= 1.01 * scale, "{v} {back} {scale}");
            }
        }
    }

    #[test]
    fn rows_of_zeros_and_tiny_values_are_zeros_and_odd_ones_are_not_a_number() {
        let mut rows = Rows::default();
        rows.fill(
            &[0.0, 0.0, 1e-44, -1e-44, f32::NAN, 1.0, f32::INFINITY, 1.0],
            2,
            Path::Portable,
        );
        assert_eq!(rows.steps[0], (0.0, 0));
        assert!(rows.steps[1].0.abs() < 1e-40);
        assert!(rows.steps[2].0.is_nan() && rows.steps[3].0.is_nan());
    }

    #[test]
    fn products_equal_those_of_the_rounded_values() {
        let (m, n, k) = (7, 37, 70);
        let (x, w) = (row(m * k, 1), row(n * k, 2));
        let mut rows = Rows::default();
        rows.fill(&x, k, Path::best());
        let run = |path| {
            let mut out = vec![0.0f32; m * n];
            let place = Place {
                c: &mut out,
                step: n,
            };
            let finish = Finish {
                bias: None,
                activation: Activation::None,
            };
            Bytes::new(path, (n, k), &w).run(&x, 0..n.div_ceil(NR), place, finish);
            out
        };
        let out = run(Path::Portable);
        for path in Path::ALL.into_iter().filter(|path| path.is_there()) {
            assert_eq!(run(path), out, "{path:?}");
        }
        let wide = k.next_multiple_of(GROUP);
        for i in 0..m {
            for j in 0..n {
                let (scale, zero) = rows.steps[i];
                let top = w[j * k..][..k].iter().fold(0.0f32, |t, v| t.max(v.abs()));
                let sum: i64 = (0..k)
                    .map(|p| {
                        let q = (w[j * k + p] * (TOP / top)).round_ties_even() as i64;
                        q * (i64::from(rows.values[i * wide + p]) - i64::from(zero))
                    })
                    .sum();
                let want = sum as f32 * (scale * (top / TOP));
                assert_eq!(out[i * n + j].to_bits(), want.to_bits(), "{i} {j}");
            }
        }
    }
}
