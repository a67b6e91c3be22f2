//! Gated linear units with GELU (Shazeer, 2020): `gelu(a) · b`.

use rayon::prelude::*;

use super::maths;
use super::parallel::{block_rows, rows_mut};
use super::simd::vectorised;

/// Which GELU (Hendrycks and Gimpel, 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// x·Φ(x), with the error function.
    Exact,
    /// The approximation with the hyperbolic tangent, which Hugging Face calls `gelu_new`.
    Tanh,
}

vectorised! {
    fn exact_row(out: &mut [f32], a: &[f32], b: &[f32]) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = maths::gelu(a) * b;
        }
    }
}

vectorised! {
    fn tanh_row(out: &mut [f32], a: &[f32], b: &[f32]) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = maths::gelu_tanh(a) * b;
        }
    }
}

vectorised! {
    fn exact_row_back(da: &mut [f32], db: &mut [f32], a: &[f32], b: &[f32], grad: &[f32]) {
        for ((((da, db), &a), &b), &g) in da.iter_mut().zip(db).zip(a).zip(b).zip(grad) {
            *da = g * b * maths::gelu_slope(a);
            *db = g * maths::gelu(a);
        }
    }
}

vectorised! {
    fn tanh_row_back(da: &mut [f32], db: &mut [f32], a: &[f32], b: &[f32], grad: &[f32]) {
        for ((((da, db), &a), &b), &g) in da.iter_mut().zip(db).zip(a).zip(b).zip(grad) {
            *da = g * b * maths::gelu_tanh_slope(a);
            *db = g * maths::gelu_tanh(a);
        }
    }
}

impl Gelu {
    fn row(self, out: &mut [f32], a: &[f32], b: &[f32]) {
        match self {
            Self::Exact => exact_row(out, a, b),
            Self::Tanh => tanh_row(out, a, b),
        }
    }

    fn row_back(self, [da, db]: [&mut [f32]; 2], [a, b, grad]: [&[f32]; 3]) {
        match self {
            Self::Exact => exact_row_back(da, db, a, b, grad),
            Self::Tanh => tanh_row_back(da, db, a, b, grad),
        }
    }
}

/// `gelu` of the first half of each row of `x` `[n, 2 · half]` times the second, into `out` `[n, half]`.
pub fn halves(kind: Gelu, out: &mut [f32], x: &[f32], half: usize) {
    rows_mut(out, half, block_rows(half), |first, out| {
        let x = &x[2 * half * first..];
        for (out, x) in out.chunks_exact_mut(half).zip(x.chunks_exact(2 * half)) {
            let (a, b) = x.split_at(half);
            kind.row(out, a, b);
        }
    });
}

/// The gradient of [`halves`] in `x`, into `dx` `[n, 2 · half]`.
pub fn halves_back(kind: Gelu, dx: &mut [f32], x: &[f32], grad: &[f32], half: usize) {
    let cols = 2 * half;
    rows_mut(dx, cols, block_rows(cols), |first, dx| {
        let (x, grad) = (&x[cols * first..], &grad[half * first..]);
        let rows = dx.chunks_exact_mut(cols).zip(x.chunks_exact(cols));
        for ((dx, x), grad) in rows.zip(grad.chunks_exact(half)) {
            let ((da, db), (a, b)) = (dx.split_at_mut(half), x.split_at(half));
            kind.row_back([da, db], [a, b, grad]);
        }
    });
}

/// `gelu(a) · b` element by element, into `out`.
pub fn pair(kind: Gelu, out: &mut [f32], a: &[f32], b: &[f32]) {
    rows_mut(out, 1, BLOCK, |first, out| {
        let range = first..first + out.len();
        kind.row(out, &a[range.clone()], &b[range]);
    });
}

/// Values per block of [`pair`]; each value is computed by itself, so the size changes no bit.
const BLOCK: usize = 1 << 13;

/// The gradients of [`pair`] in `a` and `b`, into `da` and `db`.
pub fn pair_back(kind: Gelu, [da, db]: [&mut [f32]; 2], [a, b, grad]: [&[f32]; 3]) {
    da.par_chunks_mut(BLOCK)
        .zip(db.par_chunks_mut(BLOCK))
        .enumerate()
        .for_each(|(at, (da, db))| {
            let range = at * BLOCK..at * BLOCK + da.len();
            let parts = [&a[range.clone()], &b[range.clone()], &grad[range]];
            kind.row_back([da, db], parts);
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_pairs_agree() {
        let (n, half) = (if cfg!(miri) { 20 } else { 700 }, 37);
        let x: Vec<f32> = (0..n * 2 * half)
            .map(|i| ((i * 7919) % 1013) as f32 * 0.006 - 3.0)
            .collect();
        let part = |from: usize| -> Vec<f32> {
            x.chunks(2 * half)
                .flat_map(|row| row[from..from + half].to_vec())
                .collect()
        };
        let (a, b) = (part(0), part(half));
        for kind in [Gelu::Exact, Gelu::Tanh] {
            let (mut one, mut two) = (vec![0.0; n * half], vec![0.0; n * half]);
            halves(kind, &mut one, &x, half);
            pair(kind, &mut two, &a, &b);
            assert_eq!(one, two, "{kind:?}");
        }
    }
}
