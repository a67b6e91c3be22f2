//! Layer normalisation over rows (Ba, Kiros and Hinton, 2016).

use super::parallel::{block_rows, sum_parts, two_rows_mut};
use super::simd::{LANES, into_lanes, sum_of, vectorised};

/// Rows over which the gradients of scales and shifts are summed in f32.
const BACK: usize = 128;

/// Sums in fixed lanes.
#[inline(always)]
fn sum_lanes(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    into_lanes(&mut lanes, row, |lane, v| lane + term(v));
    sum_of(lanes)
}

/// The mean of a row and one over its standard deviation.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum_lanes(row, |v| v) / n;
    let variance = sum_lanes(row, |v| (v - mean) * (v - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// Turns the gradient of a row's output into that of its input `x`.
#[inline(always)]
fn row_back(g: &mut [f32], x: &[f32], gamma: &[f32], (mean, rstd): (f32, f32)) {
    let cols = gamma.len();
    let (mut sum, mut dot) = ([0.0f32; LANES], [0.0f32; LANES]);
    let whole = cols / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let own = at..at + LANES;
        let (g, x, w) = (&g[own.clone()], &x[own.clone()], &gamma[own]);
        for lane in 0..LANES {
            let d = g[lane] * w[lane];
            sum[lane] += d;
            dot[lane] = d.mul_add((x[lane] - mean) * rstd, dot[lane]);
        }
    }
    for at in whole..cols {
        let d = g[at] * gamma[at];
        sum[at - whole] += d;
        dot[at - whole] = d.mul_add((x[at] - mean) * rstd, dot[at - whole]);
    }
    let (sum, dot) = (sum_of(sum), sum_of(dot));
    let (a, b) = (sum / cols as f32, dot / cols as f32);
    for ((g, &x), &w) in g.iter_mut().zip(x).zip(gamma) {
        let normal = (x - mean) * rstd;
        *g = rstd * (g.mul_add(w, -a) - normal * b);
    }
}

vectorised! {
    /// `sum` gets `x + residual` where it is not empty; so may `residual` be.
    fn forward_block(out: &mut [f32], sum: &mut [f32], x: &[f32], residual: &[f32], affine: (&[f32], &[f32], f32)) {
        let (gamma, beta, eps) = affine;
        let cols = gamma.len();
        for (at, row) in out.chunks_exact_mut(cols).enumerate() {
            let own = at * cols..(at + 1) * cols;
            let x = &x[own.clone()];
            if residual.is_empty() {
                row.copy_from_slice(x);
            } else {
                for ((v, x), r) in row.iter_mut().zip(x).zip(&residual[own.clone()]) {
                    *v = x + r;
                }
            }
            if !sum.is_empty() {
                sum[own].copy_from_slice(row);
            }
            let (mean, rstd) = moments(row, eps);
            for ((v, g), b) in row.iter_mut().zip(gamma).zip(beta) {
                *v = ((*v - mean) * rstd).mul_add(*g, *b);
            }
        }
    }
}

vectorised! {
    /// `sums` holds the gradients of gamma and beta, or nothing; `inputs` says whether `grad` changes.
    fn backward_block(grad: &mut [f32], x: &[f32], affine: (&[f32], f32), sums: &mut [f32], inputs: bool) {
        let (gamma, eps) = affine;
        let cols = gamma.len();
        let (d_gamma, d_beta) = sums.split_at_mut(sums.len() / 2);
        for (g, x) in grad.chunks_exact_mut(cols).zip(x.chunks_exact(cols)) {
            let (mean, rstd) = moments(x, eps);
            for ((dg, &g), &x) in d_gamma.iter_mut().zip(&*g).zip(x) {
                *dg = g.mul_add((x - mean) * rstd, *dg);
            }
            for (db, &g) in d_beta.iter_mut().zip(&*g) {
                *db += g;
            }
            if inputs {
                row_back(g, x, gamma, (mean, rstd));
            }
        }
    }
}

/// The scales, shifts and epsilon of a layer norm.
#[derive(Clone, Copy)]
pub struct Affine<'a> {
    /// Scales, `[cols]`.
    pub gamma: &'a [f32],
    /// Shifts, `[cols]`.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// Normalises every row of `x + residual`: `(v - mean) / sqrt(var + eps) · gamma + beta`, into `out`.
///
/// The sums before go into `sum`. `residual` and `sum` may be empty.
pub fn layer_norm(
    out: &mut [f32],
    sum: &mut [f32],
    x: &[f32],
    residual: &[f32],
    affine: Affine<'_>,
) {
    let cols = affine.gamma.len();
    let fits = |len: usize| len == 0 || len == out.len();
    assert!(
        x.len() == out.len()
            && fits(residual.len())
            && fits(sum.len())
            && affine.beta.len() == cols,
        "layer norm: lengths differ"
    );
    let part = |from: &'_ [f32], first: usize, len: usize| -> std::ops::Range<usize> {
        if from.is_empty() {
            0..0
        } else {
            first..first + len
        }
    };
    let affine = (affine.gamma, affine.beta, affine.eps);
    let block = block_rows(cols);
    two_rows_mut(out, sum, (cols, block * cols, block), |first, out, sum| {
        let start = first * cols;
        let residual = &residual[part(residual, start, out.len())];
        forward_block(out, sum, &x[start..start + out.len()], residual, affine)
    });
}

/// Turns the gradient of the output into the gradient of the input `x`, in place, if `inputs`; gives
/// the gradients of `gamma` and `beta`, each `[cols]`, if `params`, else nothing.
pub fn layer_norm_back(
    grad: &mut [f32],
    x: &[f32],
    (gamma, eps): (&[f32], f32),
    inputs: bool,
    params: bool,
) -> Option<(Vec<f32>, Vec<f32>)> {
    let cols = gamma.len();
    assert_eq!(grad.len(), x.len(), "layer norm: lengths differ");
    let n_blocks = x.len().div_ceil((BACK * cols).max(1));
    let width = if params { 2 * cols } else { 0 };
    let mut partial = vec![0.0f32; n_blocks * width];
    two_rows_mut(
        grad,
        &mut partial,
        (cols, width, BACK),
        |first, grad, sums| {
            let start = first * cols;
            let x = &x[start..start + grad.len()];
            backward_block(grad, x, (gamma, eps), sums, inputs);
        },
    );
    params.then(|| {
        let mut both = sum_parts(&partial, width);
        let d_beta = both.split_off(cols);
        (both, d_beta)
    })
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
            let affine = Affine {
                gamma: &vec![2.0; cols],
                beta: &vec![0.5; cols],
                eps: 1e-5,
            };
            let x = data.clone();
            layer_norm(&mut data, &mut [], &x, &[], affine);
            for (got, want) in data.iter().zip(&want) {
                assert!((got - want).abs() < 2e-5, "{cols} columns: {got} {want}");
            }
        }
    }
}
