//! Products of matrices that are rounded to bfloat16 on the way, with sums in f32.
//!
//! Machines without AVX-512-BF16 multiply the rounded values in f32; the two differ by the rounding of
//! sums alone.

use rayon::prelude::*;

use super::tile::NR;
use super::turn::turn_square;
use super::{ALONE, View, check, in_rows};
use crate::kernels::parallel::is_by_itself;
use crate::kernels::prepared::bf16_tile::{
    Left, Path, Tile, round, round_row, round_square, to_pairs, widen,
};
use crate::kernels::scratch::with_halves;

/// `c (+)= a · b`, then `finish(first_row, rows)` on every block of rows of `c`.
pub fn tasks(
    (m, n, k): (usize, usize, usize),
    c: &mut [f32],
    a: View<'_>,
    b: View<'_>,
    add: bool,
    finish: &(impl Fn(usize, &mut [f32]) + Sync),
) {
    if m == 0 || n == 0 {
        return;
    }
    check((m, n, k), c, n, a, b);
    if k == 0 || Path::best() != Path::Avx512Bf16 {
        let (a, b) = (rounded(a, m, k), rounded(b, k, n));
        let (a, b) = (View::new(&a, k, 1), View::new(&b, n, 1));
        return super::tasks((m, n, k), c, a, b, add, finish);
    }
    let c = &mut c[..m * n];
    let alone = m * n * k < ALONE || is_by_itself();
    let panel = k.next_multiple_of(2) * NR;
    with_halves(n.div_ceil(NR) * panel, |packed| {
        let fill = |(at, out): (usize, &mut [u16])| fill(out, b, (at * NR, n), k);
        if alone {
            packed.chunks_exact_mut(panel).enumerate().for_each(fill);
        } else {
            let panels = packed.par_chunks_exact_mut(panel).enumerate();
            panels.with_min_len(4).for_each(fill);
        }
        let packed = &*packed;
        let run = |c: &mut [f32], a: View<'_>| rows((c.len() / n, n, k), c, a, packed, add);
        in_rows((m, n), (c, a), alone, run, finish);
    });
}

/// A dense copy of rounded values.
fn rounded(of: View<'_>, n_rows: usize, n_cols: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(n_rows * n_cols);
    let mut line = vec![0u16; n_cols];
    for row in 0..n_rows {
        let value = |col: usize| of.data[row * of.row_step + col * of.col_step];
        let values: Vec<f32> = (0..n_cols).map(value).collect();
        round_row(&mut line, &values);
        out.extend(line.iter().map(|&half| widen(half)));
    }
    out
}

/// The rows of one task.
fn rows((m, n, k): (usize, usize, usize), c: &mut [f32], a: View<'_>, packed: &[u16], add: bool) {
    let path = Path::Avx512Bf16;
    let (part, most) = (path.depth(k), path.shape());
    let (panels, even) = (n.div_ceil(NR), k.next_multiple_of(2));
    with_halves(m * part.next_multiple_of(2), |own| {
        for from in (0..k).step_by(part) {
            let len = part.min(k - from);
            let step = len.next_multiple_of(2);
            round_rows(own, a, (from, len), m);
            for panel in (0..panels).step_by(most.panels) {
                let end = panels.min(panel + most.panels);
                let cols = n.min(end * NR) - panel * NR;
                let tile = Tile {
                    b: &packed[(panel * even + from) * NR..((end - 1) * even + from + step) * NR],
                    panel_step: even * NR,
                    len,
                    c_step: n,
                    add: add || from > 0,
                    last: None,
                };
                for row in (0..m).step_by(most.rows) {
                    let left = Left::Rounded(&own[row * step..], step);
                    let size = (most.rows.min(m - row), cols);
                    tile.run(path, left, size, &mut c[row * n + panel * NR..]);
                }
            }
        }
    });
}

/// Fills `out` with the values `from..from + len` of `m` rows, each filled up to an even length.
fn round_rows(out: &mut [u16], a: View<'_>, (from, len): (usize, usize), m: usize) {
    let step = len.next_multiple_of(2);
    if a.col_step == 1 {
        for (row, out) in out.chunks_exact_mut(step).take(m).enumerate() {
            round_row(&mut out[..len], &a.data[row * a.row_step + from..][..len]);
            out[len..].fill(0);
        }
        return;
    }
    let mut square = [0.0f32; NR * NR];
    for first in (0..m).step_by(NR) {
        for at in (0..len).step_by(NR) {
            let width = NR.min(len - at);
            let start = first * a.row_step + (from + at) * a.col_step;
            let out = &mut out[first * step + at..];
            if a.row_step == 1
                && first + NR <= m
                && turn_square(&mut square, &a.data[start..], a.col_step, width)
            {
                round_square(out, step, width, &square);
                continue;
            }
            for row in 0..NR.min(m - first) {
                for p in 0..width {
                    let value = a.data[start + row * a.row_step + p * a.col_step];
                    out[row * step + p] = round(value);
                }
            }
        }
    }
    if step > len {
        let rows = out.chunks_exact_mut(step).take(m);
        rows.for_each(|row| row[len..].fill(0));
    }
}

/// Fills a panel `[k / 2, NR, 2]` with the columns from `first` on of `b`, which has `n`.
fn fill(out: &mut [u16], b: View<'_>, (first, n): (usize, usize), k: usize) {
    let width = NR.min(n - first);
    if b.col_step == 1 {
        return to_pairs(out, &b.data[first..], (k, b.row_step), width);
    }
    let mut square = [0.0f32; NR * NR];
    for (at, out) in out.chunks_mut(NR * NR).enumerate() {
        let start = first * b.col_step + at * NR * b.row_step;
        let n_rows = NR.min(k - at * NR);
        let turned = b.row_step == 1
            && n_rows == NR
            && turn_square(&mut square, &b.data[start..], b.col_step, width);
        if !turned {
            for (i, v) in square.iter_mut().enumerate() {
                let (row, col) = (i / NR, i % NR);
                *v = if row < n_rows && col < width {
                    b.data[start + row * b.row_step + col * b.col_step]
                } else {
                    0.0
                };
            }
        }
        to_pairs(out, &square, (n_rows, NR), NR);
    }
}
