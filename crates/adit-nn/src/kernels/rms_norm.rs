//! Root-mean-square normalisation over rows (Zhang and Sennrich, 2019, equation 4).

use super::parallel::{block_rows, rows_mut, sum_blocks};
use super::simd::{LANES, into_lanes, sum_of, vectorised};

/// One over the root of the mean square of a row, in fixed lanes.
#[inline(always)]
fn inverse_root(row: &[f32], eps: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    into_lanes(&mut lanes, row, |lane, v| v.mul_add(v, lane));
    let mean = sum_of(lanes) / row.len() as f32;
    1.0 / (mean + eps).sqrt()
}

vectorised! {
    fn forward_block(out: &mut [f32], gamma: &[f32], eps: f32) {
        for row in out.chunks_exact_mut(gamma.len()) {
            let factor = inverse_root(row, eps);
            for (v, g) in row.iter_mut().zip(gamma) {
                *v = *v * factor * *g;
            }
        }
    }
}

vectorised! {
    fn backward_block(grad: &mut [f32], x: &[f32], gamma: &[f32], eps: f32) {
        let cols = gamma.len();
        for (g, x) in grad.chunks_exact_mut(cols).zip(x.chunks_exact(cols)) {
            let factor = inverse_root(x, eps);
            let mut lanes = [0.0f32; LANES];
            let whole = cols / LANES * LANES;
            for at in (0..whole).step_by(LANES) {
                let own = at..at + LANES;
                let (g, x, w) = (&g[own.clone()], &x[own.clone()], &gamma[own]);
                for lane in 0..LANES {
                    lanes[lane] = (g[lane] * w[lane]).mul_add(x[lane] * factor, lanes[lane]);
                }
            }
            for at in whole..cols {
                let lane = &mut lanes[at - whole];
                *lane = (g[at] * gamma[at]).mul_add(x[at] * factor, *lane);
            }
            let dot = sum_of(lanes);
            let along = dot / cols as f32;
            for ((g, &x), &w) in g.iter_mut().zip(x).zip(gamma) {
                *g = factor * g.mul_add(w, -(x * factor * along));
            }
        }
    }
}

vectorised! {
    fn gamma_block(d_gamma: &mut [f32], grad: &[f32], x: &[f32], eps: f32) {
        let cols = d_gamma.len();
        for (g, x) in grad.chunks_exact(cols).zip(x.chunks_exact(cols)) {
            let factor = inverse_root(x, eps);
            for ((sum, &g), &x) in d_gamma.iter_mut().zip(g).zip(x) {
                *sum = g.mul_add(x * factor, *sum);
            }
        }
    }
}

/// Normalises every row of `data` in place: `x / sqrt(mean(x²) + eps) · gamma`.
pub fn rms_norm(data: &mut [f32], gamma: &[f32], eps: f32) {
    let cols = gamma.len();
    rows_mut(data, cols, block_rows(cols), |_, block| {
        forward_block(block, gamma, eps);
    });
}

/// Turns the gradient of the output into the gradient of the input `x`, in place.
pub fn rms_norm_back(grad: &mut [f32], x: &[f32], gamma: &[f32], eps: f32) {
    let cols = gamma.len();
    rows_mut(grad, cols, block_rows(cols), |first, block| {
        let start = first * cols;
        backward_block(block, &x[start..start + block.len()], gamma, eps);
    });
}

/// The gradient of `gamma`, `[cols]`.
pub fn rms_norm_gamma_back(grad: &[f32], x: &[f32], cols: usize, eps: f32) -> Vec<f32> {
    let rows = grad.len() / cols.max(1);
    sum_blocks(rows, 128, cols, |first, count, out| {
        let range = first * cols..(first + count) * cols;
        gamma_block(out, &grad[range.clone()], &x[range], eps);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_the_root_mean_square_of_gamma() {
        for cols in [1, 3, 8, 37, 512] {
            let mut data: Vec<f32> = (0..5 * cols)
                .map(|i| ((i * 7919) % 1013) as f32 * 0.01 - 3.0)
                .collect();
            let want: Vec<f32> = data
                .chunks(cols)
                .flat_map(|row| {
                    let square = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
                    let root = (square / cols as f64 + 1e-6).sqrt();
                    row.iter()
                        .map(move |&v| (f64::from(v) / root * 2.0) as f32)
                        .collect::<Vec<_>>()
                })
                .collect();
            rms_norm(&mut data, &vec![2.0; cols], 1e-6);
            for (got, want) in data.iter().zip(&want) {
                assert!((got - want).abs() < 2e-5, "{cols} columns: {got} {want}");
            }
        }
    }
}
