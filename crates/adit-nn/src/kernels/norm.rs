//! Layer normalisation over rows (Ba, Kiros and Hinton, 2016).

use super::parallel::{block_rows, rows_mut, sum_blocks};
use super::simd::vectorised;

/// Sums in sixteen fixed lanes.
#[inline(always)]
fn sum_lanes(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = row.chunks_exact(16);
    let tail: f32 = chunks.remainder().iter().map(|&v| term(v)).sum();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += term(v);
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// The mean of a row and one over its standard deviation.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum_lanes(row, |v| v) / n;
    let variance = sum_lanes(row, |v| (v - mean) * (v - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

vectorised! {
    fn forward_block(out: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
        for row in out.chunks_exact_mut(gamma.len()) {
            let (mean, rstd) = moments(row, eps);
            for ((v, g), b) in row.iter_mut().zip(gamma).zip(beta) {
                *v = ((*v - mean) * rstd).mul_add(*g, *b);
            }
        }
    }
}

vectorised! {
    fn sum_block(out: &mut [f32], x: &[f32], residual: &[f32], gamma: &[f32], beta: &[f32], eps: f32) {
        let cols = gamma.len();
        let rows = x.chunks_exact(cols).zip(residual.chunks_exact(cols));
        for (out, (x, residual)) in out.chunks_exact_mut(cols).zip(rows) {
            for ((v, x), r) in out.iter_mut().zip(x).zip(residual) {
                *v = x + r;
            }
            let (mean, rstd) = moments(out, eps);
            for ((v, g), b) in out.iter_mut().zip(gamma).zip(beta) {
                *v = ((*v - mean) * rstd).mul_add(*g, *b);
            }
        }
    }
}

vectorised! {
    fn backward_block(grad: &mut [f32], x: &[f32], gamma: &[f32], eps: f32) {
        let cols = gamma.len();
        for (g, x) in grad.chunks_exact_mut(cols).zip(x.chunks_exact(cols)) {
            let (mean, rstd) = moments(x, eps);
            let (mut sum, mut dot) = ([0.0f32; 8], [0.0f32; 8]);
            let whole = cols / 8 * 8;
            for at in (0..whole).step_by(8) {
                let (g, x, w) = (&g[at..at + 8], &x[at..at + 8], &gamma[at..at + 8]);
                for lane in 0..8 {
                    let d = g[lane] * w[lane];
                    sum[lane] += d;
                    dot[lane] = d.mul_add((x[lane] - mean) * rstd, dot[lane]);
                }
            }
            let (mut sum, mut dot) = (sum.iter().sum::<f32>(), dot.iter().sum::<f32>());
            for at in whole..cols {
                let d = g[at] * gamma[at];
                sum += d;
                dot += d * (x[at] - mean) * rstd;
            }
            let (a, b) = (sum / cols as f32, dot / cols as f32);
            for ((g, &x), &w) in g.iter_mut().zip(x).zip(gamma) {
                let normal = (x - mean) * rstd;
                *g = rstd * (g.mul_add(w, -a) - normal * b);
            }
        }
    }
}

vectorised! {
    fn params_block(out: &mut [f32], grad: &[f32], x: &[f32], eps: f32) {
        let cols = out.len() / 2;
        let (d_gamma, d_beta) = out.split_at_mut(cols);
        for (g, x) in grad.chunks_exact(cols).zip(x.chunks_exact(cols)) {
            let (mean, rstd) = moments(x, eps);
            for ((dg, &g), &x) in d_gamma.iter_mut().zip(g).zip(x) {
                *dg = g.mul_add((x - mean) * rstd, *dg);
            }
            for (db, &g) in d_beta.iter_mut().zip(g) {
                *db += g;
            }
        }
    }
}

/// Normalises every row of `data` in place: `(x - mean) / sqrt(var + eps) · gamma + beta`.
pub fn layer_norm(data: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
    let cols = gamma.len();
    rows_mut(data, cols, block_rows(cols), |_, block| {
        forward_block(block, gamma, beta, eps)
    });
}

/// Fills `out` with [`layer_norm`] of `x + residual`, in one pass over memory.
pub fn layer_norm_sum(
    out: &mut [f32],
    [x, residual]: [&[f32]; 2],
    [gamma, beta]: [&[f32]; 2],
    eps: f32,
) {
    let cols = gamma.len();
    rows_mut(out, cols, block_rows(cols), |first, block| {
        let own = first * cols..first * cols + block.len();
        sum_block(block, &x[own.clone()], &residual[own], gamma, beta, eps);
    });
}

/// Turns the gradient of the output into the gradient of the input `x`, in place.
pub fn layer_norm_back(grad: &mut [f32], x: &[f32], gamma: &[f32], eps: f32) {
    let cols = gamma.len();
    rows_mut(grad, cols, block_rows(cols), |first, block| {
        let start = first * cols;
        backward_block(block, &x[start..start + block.len()], gamma, eps);
    });
}

/// The gradients of `gamma` and `beta`, each `[cols]`.
pub fn layer_norm_params_back(
    grad: &[f32],
    x: &[f32],
    cols: usize,
    eps: f32,
) -> (Vec<f32>, Vec<f32>) {
    let rows = grad.len() / cols.max(1);
    let mut both = sum_blocks(rows, 128, 2 * cols, |first, count, out| {
        let range = first * cols..(first + count) * cols;
        params_block(out, &grad[range.clone()], &x[range], eps);
    });
    let d_beta = both.split_off(cols);
    (both, d_beta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_mean_zero_and_deviation_one() {
        for cols in [1, 3, 16, 37, 384] {
            let mut data: Vec<f32> = (0..5 * cols)
                .map(|i| ((i * 7919) % 1013) as f32 * 0.01 - 3.0)
                .collect();
            let want: Vec<f32> = data
                .chunks(cols)
                .flat_map(|row| {
                    let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / cols as f64;
                    let var = row
                        .iter()
                        .map(|&v| (f64::from(v) - mean).powi(2))
                        .sum::<f64>()
                        / cols as f64;
                    row.iter()
                        .map(move |&v| {
                            ((f64::from(v) - mean) / (var + 1e-5).sqrt() * 2.0 + 0.5) as f32
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
            layer_norm(&mut data, &vec![2.0; cols], &vec![0.5; cols], 1e-5);
            for (got, want) in data.iter().zip(&want) {
                assert!((got - want).abs() < 2e-5, "{cols} columns: {got} {want}");
            }
        }
    }
}
