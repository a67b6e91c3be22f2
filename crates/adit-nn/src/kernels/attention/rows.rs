//! What happens to rows of scores: scale, bias, softmax, and the way back.

use crate::kernels::maths;
use crate::kernels::simd::vectorised;

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut tops = [f32::NEG_INFINITY; 8];
    let mut chunks = row.chunks_exact(8);
    for chunk in &mut chunks {
        for (top, &v) in tops.iter_mut().zip(chunk) {
            *top = if v > *top { v } else { *top };
        }
    }
    let rest = chunks.remainder().iter().chain(&tops);
    rest.fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// The first `cols` values of a row; those after it, which fill it up, are left with no meaning.
#[inline(always)]
fn softmax_row(row: &mut [f32], cols: usize, scale: f32) -> f32 {
    let shift = -largest(&row[..cols]) * scale;
    for v in row.iter_mut() {
        *v = maths::exp(v.mul_add(scale, shift));
    }
    let mut lanes = [0.0f32; 8];
    let chunks = row[..cols].chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += *v;
        }
    }
    let sum = rest
        .iter()
        .fold(lanes.iter().sum::<f32>(), |sum, v| sum + v);
    let factor = 1.0 / sum;
    for v in row.iter_mut() {
        *v *= factor;
    }
    sum.ln() - shift
}

/// Rows are filled up to a multiple of so many values, so that no loop has a rest.
pub const FULL: usize = 16;

vectorised! {
    /// Softmax of the first `cols` scaled scores of rows that lie `step` apart, in place; leaves the
    /// logarithm of each row's sum in `lse`.
    pub fn softmax(scores: &mut [f32], step: usize, cols: usize, lse: &mut [f32], scale: f32) {
        if step.is_multiple_of(FULL) {
            for (row, lse) in scores.chunks_exact_mut(step).zip(lse) {
                // Known to be whole lines.
                let (lines, _) = row.as_chunks_mut::<FULL>();
                *lse = softmax_row(lines.as_flattened_mut(), cols, scale);
            }
        } else {
            for (row, lse) in scores.chunks_exact_mut(step).zip(lse) {
                *lse = softmax_row(row, cols, scale);
            }
        }
    }
}

vectorised! {
    /// `row · scale + bias` in place.
    pub fn biased(row: &mut [f32], bias: &[f32], scale: f32) {
        for (v, &b) in row.iter_mut().zip(bias) {
            *v = v.mul_add(scale, b);
        }
    }
}

vectorised! {
    /// The weights again, from scores and the logarithms of the rows' sums.
    pub fn softmax_again(scores: &mut [f32], cols: usize, lse: &[f32], scale: f32) {
        for (row, &lse) in scores.chunks_exact_mut(cols).zip(lse) {
            for v in row {
                *v = maths::exp(v.mul_add(scale, -lse));
            }
        }
    }
}

vectorised! {
    /// The gradient of the scores, `p · (dp - d) · scale`, into `dp`.
    pub fn softmax_back(dp: &mut [f32], p: &[f32], cols: usize, d: &[f32], scale: f32) {
        for ((dp, p), &d) in dp.chunks_exact_mut(cols).zip(p.chunks_exact(cols)).zip(d) {
            for (dp, &p) in dp.iter_mut().zip(p) {
                *dp = p * (*dp - d) * scale;
            }
        }
    }
}

vectorised! {
    /// `out += row`.
    pub fn add_to(out: &mut [f32], row: &[f32]) {
        for (out, &v) in out.iter_mut().zip(row) {
            *out += v;
        }
    }
}
