//! The doorway to matrix products in f32; all results are row-major.
//!
//! Every value of a result is the same chain of fused multiply-adds over `k`, in parts of a length
//! that depends on `k` alone. So its bits depend neither on the number of threads, nor on the other
//! rows and columns, nor on the machine. (The `gemm` crate's bits depend on all three.)

mod half;
mod pack;
pub(super) mod tile;
pub(super) mod turn;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::parallel::is_by_itself;
use super::scratch::with_scratch;
use pack::{Packed, pack_rows};
use tile::{MR, NR, Shape, Tile};

/// Rows of the result that one task computes, at most; a multiple of the rows of a tile.
pub(super) const ROWS: usize = 8 * MR;

/// The longest part of `k` that is summed in registers; a packed panel of it stays in the L1 cache.
const DEPTH: usize = 384;

/// A product of fewer multiplications is computed on the calling thread.
const ALONE: usize = 1 << if cfg!(miri) { 10 } else { 17 };

/// Below so many values, a matrix that is read against its grain is not copied first.
const SMALL: usize = 1 << if cfg!(miri) { 8 } else { 13 };

/// A matrix inside a slice: element `(r, c)` lies at `r · row_step + c · col_step`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    row_step: usize,
    col_step: usize,
}

impl<'a> View<'a> {
    /// A view whose element (0, 0) is the first of `data`.
    pub fn new(data: &'a [f32], row_step: usize, col_step: usize) -> Self {
        Self {
            data,
            row_step,
            col_step,
        }
    }

    fn holds(&self, rows: usize, cols: usize) -> bool {
        rows == 0
            || cols == 0
            || (rows - 1) * self.row_step + (cols - 1) * self.col_step < self.data.len()
    }
}

/// The length of the parts in which a sum over `k` is computed.
pub(super) fn depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1)
}

/// `c (+)= a · b` on this thread: `c` is `[m, n]` with rows `c_step` apart, `a` `[m, k]`, `b` `[k, n]`.
///
/// Panics when a matrix does not fit its slice.
pub fn product(
    (m, n, k): (usize, usize, usize),
    c: &mut [f32],
    c_step: usize,
    a: View<'_>,
    b: View<'_>,
    add: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    check((m, n, k), c, c_step, a, b);
    with_scratch(Packed::len(n, k), |memory| {
        let packed = Packed::new(memory, n, k);
        // SAFETY: one panel after the other, before any is read.
        (0..packed.n_panels()).for_each(|panel| unsafe { packed.fill(panel, b) });
        rows((m, n, k), c, c_step, a, &packed, add);
    });
}

fn check((m, n, k): (usize, usize, usize), c: &[f32], c_step: usize, a: View<'_>, b: View<'_>) {
    assert!(m == 1 || c_step >= n, "rows of the result overlap");
    assert!(
        (m - 1) * c_step + n <= c.len(),
        "the result does not fit its slice"
    );
    assert!(
        a.holds(m, k) && b.holds(k, n),
        "a matrix does not fit its slice"
    );
}

/// The rows of one task; the sizes were checked.
fn rows(
    (m, n, k): (usize, usize, usize),
    c: &mut [f32],
    c_step: usize,
    a: View<'_>,
    packed: &Packed<'_>,
    add: bool,
) {
    if k == 0 {
        if !add {
            c.chunks_mut(c_step.max(1))
                .for_each(|row| row[..n].fill(0.0));
        }
        return;
    }
    let (step, most) = (depth(k), Shape::best());
    let copy = a.col_step != 1 && m * k > SMALL;
    let need = if copy {
        m.next_multiple_of(most.rows) * step
    } else {
        0
    };
    with_scratch(need, |own| {
        for from in (0..k).step_by(step) {
            let len = step.min(k - from);
            if copy {
                pack_rows(own, a, (m, most.rows), from, len);
            }
            for panel in (0..packed.n_panels()).step_by(most.panels) {
                let cols = (most.panels * NR).min(n - panel * NR);
                let b = packed.panels(panel, cols.div_ceil(NR), from, len);
                for row in (0..m).step_by(most.rows) {
                    let (a, row_step, col_step) = if copy {
                        (&own[row * len..], 1, most.rows)
                    } else {
                        (
                            &a.data[row * a.row_step + from * a.col_step..],
                            a.row_step,
                            a.col_step,
                        )
                    };
                    let tile = Tile {
                        a,
                        row_step,
                        col_step,
                        b,
                        panel_step: k * NR,
                        len,
                        c_step,
                        add: add || from > 0,
                        last: None,
                    };
                    let height = most.rows.min(m - row);
                    tile.run((height, cols), &mut c[row * c_step + panel * NR..]);
                }
            }
        }
    });
}

fn tasks(
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
    let c = &mut c[..m * n];
    let alone = m * n * k < ALONE || is_by_itself();
    with_scratch(Packed::len(n, k), |memory| {
        let packed = Packed::new(memory, n, k);
        if alone || n * k < SMALL {
            // SAFETY: one panel after the other, before any is read.
            (0..packed.n_panels()).for_each(|panel| unsafe { packed.fill(panel, b) });
        } else {
            // SAFETY: each panel is filled by one task, and all are filled before any is read.
            (0..packed.n_panels())
                .into_par_iter()
                .with_min_len(4)
                .for_each(|panel| unsafe { packed.fill(panel, b) });
        }
        let run = |c: &mut [f32], a: View<'_>| rows((c.len() / n, n, k), c, n, a, &packed, add);
        in_rows((m, n), (c, a), alone, run, finish);
    });
}

/// Runs `rows(c, a)` and then `finish` on blocks of rows of `c` `[m, n]` and `a`.
fn in_rows(
    (m, n): (usize, usize),
    (c, a): (&mut [f32], View<'_>),
    alone: bool,
    rows: impl Fn(&mut [f32], View<'_>) + Sync,
    finish: &(impl Fn(usize, &mut [f32]) + Sync),
) {
    let size = m.div_ceil(m.div_ceil(ROWS)).next_multiple_of(MR);
    let run = |(at, c): (usize, &mut [f32])| {
        let a = View {
            data: a.data.get(at * size * a.row_step..).unwrap_or_default(),
            ..a
        };
        rows(c, a);
        finish(at * size, c);
    };
    if alone || m <= size {
        c.chunks_mut(size * n).enumerate().for_each(run);
    } else {
        c.par_chunks_mut(size * n).enumerate().for_each(run);
    }
}

/// In which numbers products are computed; sums are in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Products {
    /// As they are.
    #[default]
    F32,
    /// Both sides rounded to bfloat16.
    Bf16,
}

impl Products {
    fn run(
        self,
        size: (usize, usize, usize),
        c: &mut [f32],
        [a, b]: [View<'_>; 2],
        add: bool,
        finish: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        match self {
            Self::F32 => tasks(size, c, a, b, add, &finish),
            Self::Bf16 => half::tasks(size, c, a, b, add, &finish),
        }
    }

    /// `c (+)= a · bᵀ`, then `finish(first_row, rows)` on every block of rows of `c`.
    ///
    /// `c` is `[m, n]`, `a` `[m, k]`, `b` `[n, k]`.
    pub fn nt_then(
        self,
        size: (usize, usize, usize),
        c: &mut [f32],
        [a, b]: [&[f32]; 2],
        add: bool,
        finish: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let k = size.2;
        self.run(
            size,
            c,
            [View::new(a, k, 1), View::new(b, 1, k)],
            add,
            finish,
        );
    }

    /// `c (+)= a · b`: `c` is `[m, n]`, `a` `[m, k]`, `b` `[k, n]`.
    pub fn nn(self, size: (usize, usize, usize), c: &mut [f32], [a, b]: [&[f32]; 2], add: bool) {
        let (_, n, k) = size;
        self.run(
            size,
            c,
            [View::new(a, k, 1), View::new(b, n, 1)],
            add,
            |_, _| {},
        );
    }

    /// `c (+)= aᵀ · b`: `c` is `[m, n]`, `a` `[k, m]`, `b` `[k, n]`.
    pub fn tn(self, size: (usize, usize, usize), c: &mut [f32], [a, b]: [&[f32]; 2], add: bool) {
        let (m, n, _) = size;
        self.run(
            size,
            c,
            [View::new(a, 1, m), View::new(b, n, 1)],
            add,
            |_, _| {},
        );
    }
}

/// [`Products::nt_then`] in f32.
pub fn nt_then(
    size: (usize, usize, usize),
    c: &mut [f32],
    a: &[f32],
    b: &[f32],
    add: bool,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) {
    Products::F32.nt_then(size, c, [a, b], add, finish);
}

/// `c (+)= a · bᵀ` in f32: `c` is `[m, n]`, `a` `[m, k]`, `b` `[n, k]`.
pub fn nt(size: (usize, usize, usize), c: &mut [f32], a: &[f32], b: &[f32], add: bool) {
    nt_then(size, c, a, b, add, |_, _| {});
}

/// [`Products::nn`] in f32.
pub fn nn(size: (usize, usize, usize), c: &mut [f32], a: &[f32], b: &[f32], add: bool) {
    Products::F32.nn(size, c, [a, b], add);
}

/// [`Products::tn`] in f32.
pub fn tn(size: (usize, usize, usize), c: &mut [f32], a: &[f32], b: &[f32], add: bool) {
    Products::F32.tn(size, c, [a, b], add);
}
