//! Weights in f32, by tiles one panel wide, or two with AVX-512.

use super::wide::{self, Wide};
use super::{Finish, NR, Place};
use crate::kernels::matmul::depth;
use crate::kernels::matmul::tile::{MR, Tile};
use std::ops::Range;

/// Panels of `NR` columns of `weightᵀ`, `[n / NR, k, NR]`; the last is filled up with zeros.
#[derive(Debug)]
pub struct Panels {
    values: Vec<f32>,
    n: usize,
    k: usize,
}

impl Panels {
    pub fn new((n, k): (usize, usize), weight: &[f32]) -> Self {
        let mut values = vec![0.0f32; n.next_multiple_of(NR) * k];
        for (panel, out) in values.chunks_exact_mut((NR * k).max(1)).enumerate() {
            for (col, row) in weight[panel * NR * k..]
                .chunks_exact(k)
                .take(NR)
                .enumerate()
            {
                for (out, &value) in out[col..].iter_mut().step_by(NR).zip(row) {
                    *out = value;
                }
            }
        }
        Self { values, n, k }
    }

    /// The block of all rows of `x` and of the panels `cols`.
    pub fn run(&self, x: &[f32], cols: Range<usize>, place: Place<'_>, finish: Finish<'_>) {
        let (n, k, step) = (self.n, self.k, place.step);
        let m = x.len() / k;
        let part = depth(k);
        for from in (0..k).step_by(part) {
            let len = part.min(k - from);
            let last = from + len == k;
            let mut panel = cols.start;
            while panel < cols.end {
                let b = |panel: usize| &self.values[(panel * k + from) * NR..][..len * NR];
                let two = wide::is_there() && panel + 2 <= cols.end && (panel + 2) * NR <= n;
                let width = if two { 2 * NR } else { NR.min(n - panel * NR) };
                for row in (0..m).step_by(MR) {
                    let height = MR.min(m - row);
                    let c = &mut place.c[row * step + (panel - cols.start) * NR..];
                    let a = &x[row * k + from..];
                    if two {
                        let (b, steps) = ([b(panel), b(panel + 1)], [k, step]);
                        Wide { a, b, len, steps }.run(height, c, from > 0);
                    } else {
                        let tile = Tile {
                            a,
                            row_step: k,
                            col_step: 1,
                            b: b(panel),
                            len,
                            c_step: step,
                            add: from > 0,
                        };
                        tile.run((height, width), c);
                    }
                    for at in (0..width).step_by(NR).filter(|_| last) {
                        let columns = (panel * NR + at, NR.min(width - at));
                        finish.apply(&mut c[at..], (height, step), columns);
                    }
                }
                panel += if two { 2 } else { 1 };
            }
        }
    }
}
