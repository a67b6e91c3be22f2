//! The doorway to matrix products in f32; all matrices are row-major.

use gemm::Parallelism;
use rayon::prelude::*;

/// Rows of the result that one block computes.
const ROWS: usize = 256;

/// A product of fewer multiplications is computed on the calling thread.
const ALONE: usize = 1 << 16;

/// A matrix inside a slice: element `(r, c)` lies at `start + r · row_step + c · col_step`.
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
    assert!(
        (m - 1) * c_step + n <= c.len() && n <= c_step.max(n),
        "the result does not fit its slice"
    );
    assert!(m == 1 || c_step >= n, "rows of the result overlap");
    assert!(
        a.holds(m, k) && b.holds(k, n),
        "a matrix does not fit its slice"
    );
    // SAFETY: the asserts above keep every access inside the slices, and rows of `c` do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            c_step as isize,
            add,
            a.data.as_ptr(),
            a.col_step as isize,
            a.row_step as isize,
            b.data.as_ptr(),
            b.col_step as isize,
            b.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn blocks(
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
    let run = |(at, c): (usize, &mut [f32])| {
        let rows = c.len() / n;
        let start = at * ROWS * a.row_step;
        let a = View {
            data: a.data.get(start..).unwrap_or_default(),
            ..a
        };
        product((rows, n, k), c, n, a, b, add);
        finish(at * ROWS, c);
    };
    if m <= ROWS || m * n * k < ALONE {
        c.chunks_mut(ROWS * n).enumerate().for_each(run);
    } else {
        c.par_chunks_mut(ROWS * n).enumerate().for_each(run);
    }
}

/// `c (+)= a · bᵀ`, then `finish(first_row, rows)` on every block of rows of `c`.
///
/// `c` is `[m, n]`, `a` `[m, k]`, `b` `[n, k]`.
pub fn nt_then(
    size: (usize, usize, usize),
    c: &mut [f32],
    a: &[f32],
    b: &[f32],
    add: bool,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) {
    let k = size.2;
    blocks(
        size,
        c,
        View::new(a, k, 1),
        View::new(b, 1, k),
        add,
        &finish,
    );
}

/// `c (+)= a · bᵀ`: `c` is `[m, n]`, `a` `[m, k]`, `b` `[n, k]`.
pub fn nt(size: (usize, usize, usize), c: &mut [f32], a: &[f32], b: &[f32], add: bool) {
    nt_then(size, c, a, b, add, |_, _| {});
}

/// `c (+)= a · b`: `c` is `[m, n]`, `a` `[m, k]`, `b` `[k, n]`.
pub fn nn(size: (usize, usize, usize), c: &mut [f32], a: &[f32], b: &[f32], add: bool) {
    let (_, n, k) = size;
    blocks(
        size,
        c,
        View::new(a, k, 1),
        View::new(b, n, 1),
        add,
        &|_, _| {},
    );
}

/// `c (+)= aᵀ · b`: `c` is `[m, n]`, `a` `[k, m]`, `b` `[k, n]`.
pub fn tn(size: (usize, usize, usize), c: &mut [f32], a: &[f32], b: &[f32], add: bool) {
    let (m, n, _) = size;
    blocks(
        size,
        c,
        View::new(a, 1, m),
        View::new(b, n, 1),
        add,
        &|_, _| {},
    );
}
