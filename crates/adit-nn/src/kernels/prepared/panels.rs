//! Weights in f32.

use super::{Finish, NR, Place, each_part};
use crate::kernels::matmul::depth;
use crate::kernels::matmul::tile::{Shape, Tile};
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
    pub fn run(&self, x: &[f32], cols: Range<usize>, mut place: Place<'_>, finish: Finish<'_>) {
        let (n, k, step) = (self.n, self.k, place.step);
        let m = x.len() / k;
        let (part, most) = (depth(k), Shape::best());
        let block = |from: usize, panel: usize, place: &mut Place<'_>| {
            let len = part.min(k - from);
            let end = cols.end.min(panel + most.panels);
            let width = n.min(end * NR) - panel * NR;
            let b = &self.values[(panel * k + from) * NR..((end - 1) * k + from + len) * NR];
            let lines = finish.lines(panel * NR, width, false);
            let last = lines.as_ref().filter(|_| from + len == k);
            for row in (0..m).step_by(most.rows) {
                let tile = Tile {
                    a: &x[row * k + from..],
                    row_step: k,
                    col_step: 1,
                    b,
                    panel_step: k * NR,
                    len,
                    c_step: step,
                    add: from > 0,
                    last,
                };
                let height = most.rows.min(m - row);
                let c = &mut place.c[row * step + (panel - cols.start) * NR..];
                tile.run((height, width), c);
            }
        };
        let panels = cols.clone().step_by(most.panels);
        each_part(
            (0..k).step_by(part),
            panels,
            m <= most.rows,
            |from, panel| {
                block(from, panel, &mut place);
            },
        );
    }
}
