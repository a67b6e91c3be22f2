//! Element by element: activations, dropout, sums, products.

use super::maths;
use super::parallel::{BLOCK, block_rows, rows_mut, sum_blocks, sum_parts, two_rows_mut};
use super::simd::{LANES, sum_of, vectorised};

/// Rows that are summed in f32 before sums go on in f64.
const SUM_ROWS: usize = 128;

vectorised! {
    fn add_block(out: &mut [f32], other: &[f32]) {
        for (a, b) in out.iter_mut().zip(other) {
            *a += b;
        }
    }
}

vectorised! {
    fn axpy_block(out: &mut [f32], other: &[f32], factor: f32) {
        for (a, b) in out.iter_mut().zip(other) {
            *a = b.mul_add(factor, *a);
        }
    }
}

vectorised! {
    fn scale_block(out: &mut [f32], factor: f32) {
        for a in out {
            *a *= factor;
        }
    }
}

vectorised! {
    fn mul_block(out: &mut [f32], other: &[f32]) {
        for (a, b) in out.iter_mut().zip(other) {
            *a *= b;
        }
    }
}

vectorised! {
    fn gelu_block(out: &mut [f32]) {
        for a in out {
            *a = maths::gelu(*a);
        }
    }
}

vectorised! {
    fn gelu_from_block(out: &mut [f32], x: &[f32]) {
        for (a, &x) in out.iter_mut().zip(x) {
            *a = maths::gelu(x);
        }
    }
}

vectorised! {
    fn sum_block(out: &mut [f32], a: &[f32], b: &[f32]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a + b;
        }
    }
}

vectorised! {
    fn gelu_back_block(grad: &mut [f32], x: &[f32]) {
        for (g, &x) in grad.iter_mut().zip(x) {
            *g *= maths::gelu_slope(x);
        }
    }
}

vectorised! {
    fn gelu_tanh_block(out: &mut [f32]) {
        for a in out {
            *a = maths::gelu_tanh(*a);
        }
    }
}

vectorised! {
    fn gelu_tanh_back_block(grad: &mut [f32], x: &[f32]) {
        for (g, &x) in grad.iter_mut().zip(x) {
            *g *= maths::gelu_tanh_slope(x);
        }
    }
}

vectorised! {
    fn tanh_block(out: &mut [f32]) {
        for a in out {
            *a = maths::tanh(*a);
        }
    }
}

vectorised! {
    fn squares_block(values: &[f32]) -> f64 {
        let mut lanes = [0.0f64; 8];
        squares_in_lanes(&mut lanes, values);
        let rest = values.chunks_exact(8).remainder();
        lanes.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>()
    }
}

/// Adds the squares of whole groups of eight to eight sums.
#[inline(always)]
fn squares_in_lanes(lanes: &mut [f64; 8], values: &[f32]) {
    for chunk in values.chunks_exact(8) {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(v) * f64::from(v);
        }
    }
}

vectorised! {
    /// [`squares_block`] of a block that is zero outside `parts` of it.
    fn squares_of_parts(block: &[f32], parts: &[(usize, usize)]) -> f64 {
        let whole = block.len() / 8 * 8;
        let (mut lanes, mut rest) = ([0.0f64; 8], 0.0f64);
        for &(from, to) in parts {
            let first = from.next_multiple_of(8).min(to);
            let last = (to.min(whole) / 8 * 8).max(first);
            let mut single = |at: usize, lanes: &mut [f64; 8]| {
                let square = f64::from(block[at]) * f64::from(block[at]);
                if at < whole { lanes[at % 8] += square } else { rest += square }
            };
            (from..first).for_each(|at| single(at, &mut lanes));
            squares_in_lanes(&mut lanes, &block[first..last]);
            (last..to).for_each(|at| single(at, &mut lanes));
        }
        lanes.iter().sum::<f64>() + rest
    }
}

vectorised! {
    /// The dot product of two rows, in fixed lanes.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0f32; LANES];
        let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest = left.remainder().iter().zip(right.remainder());
        for (x, y) in left.zip(right) {
            for lane in 0..LANES {
                lanes[lane] = x[lane].mul_add(y[lane], lanes[lane]);
            }
        }
        for (lane, (x, y)) in lanes.iter_mut().zip(rest) {
            *lane = x.mul_add(*y, *lane);
        }
        sum_of(lanes)
    }
}

vectorised! {
    fn dropout_block(data: &mut [f32], first: u64, key: u64, keep: f32) {
        // 32-bit counters vectorise; a block never crosses 2³² because blocks are short.
        let start = first as u32;
        let key = crate::random::mix(key, first >> 32);
        let (salt, pepper) = (key as u32, (key >> 32) as u32);
        let limit = (f64::from(keep) * 4_294_967_296.0).min(4_294_967_295.0) as u32;
        let factor = 1.0 / keep;
        for (at, value) in data.iter_mut().enumerate() {
            let mut h = start.wrapping_add(at as u32) ^ salt;
            h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
            h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
            h = (h ^ (h >> 16)).wrapping_add(pepper);
            h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
            h = h ^ (h >> 15);
            let factor = if h < limit { factor } else { 0.0 };
            *value *= factor;
        }
    }
}

/// The numbers of one AdamW step.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// What gradients are multiplied by first.
    pub factor: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// The rate over the correction of the first moment.
    pub rate: f32,
    /// One over the root of the correction of the second moment.
    pub root: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// The share of the weights that weight decay leaves.
    pub shrink: f32,
}

vectorised! {
    /// One AdamW step on a block of weights; on this thread.
    pub fn adam_block(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], step: AdamStep) {
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * step.factor;
            *m = m.mul_add(step.beta1, (1.0 - step.beta1) * g);
            *v = v.mul_add(step.beta2, (1.0 - step.beta2) * g * g);
            let change = *m / v.sqrt().mul_add(step.root, step.eps);
            *p = p.mul_add(step.shrink, -step.rate * change);
        }
    }
}

vectorised! {
    fn reglu_block(out: &mut [f32], x: &[f32], half: usize) {
        for (out, x) in out.chunks_exact_mut(half).zip(x.chunks_exact(2 * half)) {
            let (a, b) = x.split_at(half);
            for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                *out = a * b.max(0.0);
            }
        }
    }
}

vectorised! {
    fn reglu_back_block(out: &mut [f32], x: &[f32], grad: &[f32], half: usize) {
        let rows = out.chunks_exact_mut(2 * half).zip(x.chunks_exact(2 * half));
        for ((out, x), grad) in rows.zip(grad.chunks_exact(half)) {
            let ((da, db), (a, b)) = (out.split_at_mut(half), x.split_at(half));
            for ((da, &g), &b) in da.iter_mut().zip(grad).zip(b) {
                *da = g * b.max(0.0);
            }
            for (((db, &g), &a), &b) in db.iter_mut().zip(grad).zip(a).zip(b) {
                *db = if b > 0.0 { g * a } else { 0.0 };
            }
        }
    }
}

/// The first half of each row of `x` `[n, 2 · half]` times the ReLU of the second, into `out` `[n, half]`.
pub fn reglu_rows(out: &mut [f32], x: &[f32], half: usize) {
    rows_mut(out, half, block_rows(half), |first, out| {
        reglu_block(out, &x[2 * half * first..], half)
    });
}

/// The gradient of [`reglu_rows`] in `x`, into `out` `[n, 2 · half]`.
pub fn reglu_rows_back(out: &mut [f32], x: &[f32], grad: &[f32], half: usize) {
    rows_mut(out, 2 * half, block_rows(2 * half), |first, out| {
        reglu_back_block(out, &x[2 * half * first..], &grad[half * first..], half);
    });
}

/// `out = other`.
pub fn copy(out: &mut [f32], other: &[f32]) {
    rows_mut(out, 1, BLOCK, |first, out| {
        out.copy_from_slice(&other[first..first + out.len()])
    });
}

/// `out = a + b`.
pub fn sum(out: &mut [f32], a: &[f32], b: &[f32]) {
    rows_mut(out, 1, BLOCK, |first, out| {
        let own = first..first + out.len();
        sum_block(out, &a[own.clone()], &b[own])
    });
}

/// `out += other`.
pub fn add_assign(out: &mut [f32], other: &[f32]) {
    rows_mut(out, 1, BLOCK, |first, out| {
        add_block(out, &other[first..first + out.len()])
    });
}

/// `out += factor · other` on this thread; for rows.
pub fn axpy(out: &mut [f32], other: &[f32], factor: f32) {
    axpy_block(out, other, factor);
}

/// `out += factor · other`.
pub fn add_scaled(out: &mut [f32], other: &[f32], factor: f32) {
    rows_mut(out, 1, BLOCK, |first, out| {
        axpy_block(out, &other[first..first + out.len()], factor)
    });
}

/// `out *= factor`.
pub fn scale(out: &mut [f32], factor: f32) {
    rows_mut(out, 1, BLOCK, |_, out| scale_block(out, factor));
}

/// `out *= factor` on this thread; for rows.
pub fn scale_in(out: &mut [f32], factor: f32) {
    scale_block(out, factor);
}

/// `out *= other`.
pub fn mul_assign(out: &mut [f32], other: &[f32]) {
    rows_mut(out, 1, BLOCK, |first, out| {
        mul_block(out, &other[first..first + out.len()])
    });
}

/// Adds `bias` to every row of `block`; on this thread.
pub fn bias_rows(block: &mut [f32], bias: &[f32]) {
    for row in block.chunks_exact_mut(bias.len().max(1)) {
        add_block(row, bias);
    }
}

/// GELU in place; on this thread.
pub fn gelu_in(block: &mut [f32]) {
    gelu_block(block);
}

/// GELU in place.
pub fn gelu(out: &mut [f32]) {
    rows_mut(out, 1, BLOCK, |_, out| gelu_block(out));
}

/// `out = gelu(x)`.
pub fn gelu_from(out: &mut [f32], x: &[f32]) {
    rows_mut(out, 1, BLOCK, |first, out| {
        gelu_from_block(out, &x[first..first + out.len()])
    });
}

/// `grad *= gelu'(x)`; gives the sum over rows, `[cols]`, as [`sum_rows`] does.
pub fn gelu_back_sum(grad: &mut [f32], x: &[f32], cols: usize) -> Vec<f32> {
    assert_eq!(grad.len(), x.len(), "gelu: lengths differ");
    let mut partial = vec![0.0; grad.len().div_ceil((SUM_ROWS * cols).max(1)) * cols];
    two_rows_mut(
        grad,
        &mut partial,
        (cols, cols, SUM_ROWS),
        |first, grad, sums| {
            let x = &x[first * cols..];
            for (row, x) in grad.chunks_exact_mut(cols).zip(x.chunks_exact(cols)) {
                gelu_back_block(row, x);
                add_block(sums, row);
            }
        },
    );
    sum_parts(&partial, cols)
}

/// `grad *= gelu'(x)`.
pub fn gelu_back(grad: &mut [f32], x: &[f32]) {
    rows_mut(grad, 1, BLOCK, |first, grad| {
        gelu_back_block(grad, &x[first..first + grad.len()])
    });
}

/// GELU with a hyperbolic tangent, in place.
pub fn gelu_tanh(out: &mut [f32]) {
    rows_mut(out, 1, BLOCK, |_, out| gelu_tanh_block(out));
}

/// `grad *= gelu_tanh'(x)`.
pub fn gelu_tanh_back(grad: &mut [f32], x: &[f32]) {
    rows_mut(grad, 1, BLOCK, |first, grad| {
        gelu_tanh_back_block(grad, &x[first..first + grad.len()])
    });
}

/// The hyperbolic tangent in place.
pub fn tanh(out: &mut [f32]) {
    rows_mut(out, 1, BLOCK, |_, out| tanh_block(out));
}

/// Dropout in place: keeps each value with probability `keep`, scaled by `1/keep`.
///
/// The mask is a function of `key` and the position alone, so the same call on a gradient applies
/// the same mask.
pub fn dropout(data: &mut [f32], key: u64, keep: f32) {
    rows_mut(data, 1, BLOCK, |first, block| {
        dropout_at(block, first as u64, key, keep)
    });
}

/// `out` gets `x` with dropout, as [`dropout`] in place does.
pub fn dropout_from(out: &mut [f32], x: &[f32], key: u64, keep: f32) {
    rows_mut(out, 1, BLOCK, |first, block| {
        block.copy_from_slice(&x[first..first + block.len()]);
        dropout_at(block, first as u64, key, keep)
    });
}

/// [`dropout`] of a block that starts at position `first`; on this thread.
pub fn dropout_at(block: &mut [f32], first: u64, key: u64, keep: f32) {
    dropout_block(block, first, key, keep);
}

/// The sum of squares in f64, in a fixed order.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    use rayon::prelude::*;
    let parts: Vec<f64> = values.par_chunks(4 * BLOCK).map(squares_block).collect();
    parts.iter().sum()
}

/// [`sum_of_squares`] of a matrix that is zero outside `rows`, which rise; the same bits.
pub fn sum_of_squares_in_rows(values: &[f32], cols: usize, rows: &[u32]) -> f64 {
    const SIZE: usize = 4 * BLOCK;
    let (mut sum, mut block, mut parts) = (0.0, 0, Vec::new());
    let mut close = |block: usize, parts: &mut Vec<(usize, usize)>| {
        let end = values.len().min((block + 1) * SIZE);
        sum += squares_of_parts(&values[block * SIZE..end], parts);
        parts.clear();
    };
    for &row in rows {
        let (mut from, to) = (row as usize * cols, (row as usize + 1) * cols);
        while from < to {
            if from / SIZE != block {
                close(block, &mut parts);
                block = from / SIZE;
            }
            let end = to.min((block + 1) * SIZE);
            parts.push((from - block * SIZE, end - block * SIZE));
            from = end;
        }
    }
    close(block, &mut parts);
    sum
}

/// The sum over rows, `[cols]`.
pub fn sum_rows(data: &[f32], cols: usize) -> Vec<f32> {
    let rows = data.len() / cols.max(1);
    sum_blocks(rows, SUM_ROWS, cols, |first, count, out| {
        for row in data[first * cols..(first + count) * cols].chunks_exact(cols) {
            add_block(out, row);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(
        miri,
        ignore = "counts a quarter of a million draws; nothing is unsafe there"
    )]
    fn dropout_keeps_the_stated_share_and_the_mean() {
        let mut data = vec![1.0f32; 1 << 18];
        dropout(&mut data, 7, 0.9);
        let kept = data.iter().filter(|&&v| v != 0.0).count() as f64 / data.len() as f64;
        assert!((kept - 0.9).abs() < 0.003, "{kept}");
        let mean = data.iter().map(|&v| f64::from(v)).sum::<f64>() / data.len() as f64;
        assert!((mean - 1.0).abs() < 0.004, "{mean}");
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "counts a hundred thousand draws; nothing is unsafe there"
    )]
    fn dropout_masks_of_two_keys_are_unrelated() {
        let draw = |key| {
            let mut data = vec![1.0f32; 1 << 16];
            dropout(&mut data, key, 0.5);
            data
        };
        let (a, b) = (
            draw(crate::random::mix(1, 1)),
            draw(crate::random::mix(1, 2)),
        );
        let same = a.iter().zip(&b).filter(|(x, y)| x == y).count() as f64 / a.len() as f64;
        assert!((same - 0.5).abs() < 0.01, "{same}");
        assert_eq!(a, draw(crate::random::mix(1, 1)));
        let runs = a.windows(2).filter(|w| w[0] == w[1]).count() as f64 / a.len() as f64;
        assert!((runs - 0.5).abs() < 0.01, "neighbours are related: {runs}");
    }

    #[test]
    fn a_dropout_block_equals_its_part_of_the_whole() {
        let (n, from) = if cfg!(miri) {
            (1800, 700)
        } else {
            (70_000, 40_000)
        };
        let mut whole = vec![1.0f32; n];
        dropout(&mut whole, 3, 0.7);
        let mut part = vec![1.0f32; 1000];
        dropout_at(&mut part, from as u64, 3, 0.7);
        assert_eq!(part, whole[from..from + 1000]);
    }

    #[test]
    fn sums_equal_the_plain_loop() {
        let data: Vec<f32> = (0..300 * 7)
            .map(|i| ((i * 37) % 101) as f32 - 50.0)
            .collect();
        let got = sum_rows(&data, 7);
        for (col, got) in got.iter().enumerate() {
            let want: f32 = data.iter().skip(col).step_by(7).sum();
            assert_eq!(*got, want);
        }
        let want: f64 = data.iter().map(|&v| f64::from(v * v)).sum();
        assert_eq!(sum_of_squares(&data), want);
        assert_eq!(
            dot(&data[..21], &data[21..42]),
            (0..21).map(|i| data[i] * data[21 + i]).sum::<f32>()
        );
    }
}
