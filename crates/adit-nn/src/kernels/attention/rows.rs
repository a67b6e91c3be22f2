//! What happens to rows of scores: scale, bias, softmax, and the way back.

use crate::kernels::maths;
use crate::kernels::simd::{LANES, halved, into_lanes, larger, sum_of, vectorised};

/// A shift of this size is rounded by so much that all weights of a row could vanish, or none.
const FAR: f32 = 16_777_216.0;

/// What is still to be added to every scaled score: `shift`, unless that is too large to be added after the
/// product; then the scores are brought near zero first.
#[inline(always)]
fn brought_near(row: &mut [f32], top: f32, shift: f32) -> f32 {
    if shift.abs() <= FAR {
        return shift;
    }
    row.iter_mut().for_each(|v| *v -= top);
    0.0
}

vectorised! {
    /// Softmax of scaled scores in place, in lines that are filled up with negative infinity, which becomes
    /// 0. Gives the sum and what was added to every scaled score before its exponential.
    fn softmax_lines(row: &mut [[f32; LANES]], scale: f32) -> (f32, f32) {
        let mut tops = [f32::NEG_INFINITY; LANES];
        for line in &*row {
            for (top, &v) in tops.iter_mut().zip(line) {
                *top = larger(*top, v);
            }
        }
        let top = halved(tops, larger);
        let shift = -top * scale;
        let rest = brought_near(row.as_flattened_mut(), top, shift);
        let mut lanes = [0.0f32; LANES];
        for line in &mut *row {
            for (v, lane) in line.iter_mut().zip(&mut lanes) {
                *v = maths::exp(v.mul_add(scale, rest));
                *lane += *v;
            }
        }
        let sum = sum_of(lanes);
        let factor = 1.0 / sum;
        for v in row.as_flattened_mut() {
            *v *= factor;
        }
        (sum, shift)
    }
}

vectorised! {
    /// The same of a row of any length, with the same bits.
    fn softmax_part(row: &mut [f32], scale: f32) -> (f32, f32) {
        let mut tops = [f32::NEG_INFINITY; LANES];
        into_lanes(&mut tops, row, larger);
        let top = halved(tops, larger);
        let shift = -top * scale;
        let rest = brought_near(row, top, shift);
        for v in row.iter_mut() {
            *v = maths::exp(v.mul_add(scale, rest));
        }
        let mut lanes = [0.0f32; LANES];
        into_lanes(&mut lanes, row, |lane, v| lane + v);
        let sum = sum_of(lanes);
        let factor = 1.0 / sum;
        for v in row {
            *v *= factor;
        }
        (sum, shift)
    }
}

vectorised! {
    /// As [`softmax_lines`], but left undivided by the sum; gives one over it.
    fn powers_lines(row: &mut [[f32; LANES]], scale: f32) -> f32 {
        let mut tops = [f32::NEG_INFINITY; LANES];
        for line in &*row {
            for (top, &v) in tops.iter_mut().zip(line) {
                *top = larger(*top, v);
            }
        }
        let scale = scale * std::f32::consts::LOG2_E;
        let top = halved(tops, larger);
        let shift = -top * scale;
        let rest = brought_near(row.as_flattened_mut(), top, shift);
        let mut lanes = [0.0f32; LANES];
        for line in row {
            for (v, lane) in line.iter_mut().zip(&mut lanes) {
                *v = maths::exp2_near(v.mul_add(scale, rest));
                *lane += *v;
            }
        }
        1.0 / sum_of(lanes)
    }
}

/// Softmax of the first `cols` scaled scores of rows of whole lines, `step` values, but for `factors`, by
/// which a row is still to be multiplied; within 1e-5 of each weight.
pub fn softmax_near(scores: &mut [f32], step: usize, cols: usize, factors: &mut [f32], scale: f32) {
    assert!(step.is_multiple_of(LANES), "rows of whole lines");
    for (row, factor) in scores.chunks_exact_mut(step).zip(factors) {
        row[cols..].fill(f32::NEG_INFINITY);
        *factor = powers_lines(row.as_chunks_mut::<LANES>().0, scale);
    }
}

/// Softmax of the first `cols` scaled scores of rows that lie `step` apart, in place; leaves the logarithm
/// of each row's sum in `lse`, unless that is empty.
///
/// Where `step` is a multiple of [`LANES`], what lies between rows becomes 0, and no loop has a rest.
pub fn softmax(scores: &mut [f32], step: usize, cols: usize, lse: &mut [f32], scale: f32) {
    for (at, row) in scores.chunks_exact_mut(step).enumerate() {
        let (sum, shift) = if let (lines, []) = row.as_chunks_mut::<LANES>() {
            lines.as_flattened_mut()[cols..].fill(f32::NEG_INFINITY);
            softmax_lines(lines, scale)
        } else {
            softmax_part(&mut row[..cols], scale)
        };
        if let Some(lse) = lse.get_mut(at) {
            *lse = sum.ln() - shift;
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
