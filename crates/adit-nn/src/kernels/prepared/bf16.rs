//! Weights in bfloat16: half the memory of f32.
//!
//! Machines with AVX-512-BF16 round the inputs too and multiply pairs of bfloat16; all others widen
//! the weights on the way to the multiplier and compute what f32 computes with rounded weights.
//! The two agree within 2⁻⁸ of the sum of the products' sizes.

use std::cell::Cell;
use std::ops::Range;

use super::bf16_tile::{Left, Path, Tile, round, round_row};
use super::{Finish, NR, Place, each_part};

/// Panels of `NR` columns of `weightᵀ` in pairs of rows, `[n / NR, k / 2, NR, 2]`.
#[derive(Debug)]
pub struct Halves {
    values: Vec<u16>,
    n: usize,
    k: usize,
}

thread_local! {
    /// Taken out while in use.
    static ROWS: Cell<Vec<u16>> = const { Cell::new(Vec::new()) };
}

/// True where inputs are rounded to bfloat16 too.
pub fn rounds_inputs() -> bool {
    Path::best() == Path::Avx512Bf16
}

impl Halves {
    pub fn new((n, k): (usize, usize), weight: &[f32]) -> Self {
        let (panels, pairs) = (n.div_ceil(NR), k.div_ceil(2));
        let mut values = vec![0u16; panels * pairs * NR * 2];
        for (col, row) in weight.chunks_exact(k.max(1)).enumerate() {
            let start = (col / NR) * pairs * NR * 2 + (col % NR) * 2;
            for (p, &v) in row.iter().enumerate() {
                values[start + (p / 2) * NR * 2 + p % 2] = round(v);
            }
        }
        Self { values, n, k }
    }

    /// The block of all rows of `x` and of the panels `cols`.
    pub fn run(&self, x: &[f32], cols: Range<usize>, place: Place<'_>, finish: Finish<'_>) {
        self.run_on(Path::best(), (x, cols), place, finish);
    }

    fn run_on(
        &self,
        path: Path,
        (x, cols): (&[f32], Range<usize>),
        mut place: Place<'_>,
        finish: Finish<'_>,
    ) {
        let (n, k, step) = (self.n, self.k, place.step);
        let (m, wide) = (x.len() / k, k.next_multiple_of(2));
        let mut rounded = ROWS.take();
        if path == Path::Avx512Bf16 {
            rounded.resize(m * wide, 0);
            for (out, row) in rounded.chunks_exact_mut(wide).zip(x.chunks_exact(k)) {
                round_row(&mut out[..k], row);
                out[k..].fill(0);
            }
        }
        let rounds = path == Path::Avx512Bf16;
        let (part, most) = (path.depth(k), path.shape());
        let block = |from: usize, panel: usize, place: &mut Place<'_>| {
            let len = part.min(k - from);
            let end = cols.end.min(panel + most.panels);
            let width = n.min(end * NR) - panel * NR;
            let lines = finish.lines(panel * NR, width, rounds);
            let tile = Tile {
                b: &self.values[(panel * wide + from) * NR..end * wide * NR],
                panel_step: wide * NR,
                len,
                c_step: step,
                add: from > 0,
                last: lines.as_ref().filter(|_| from + len == k),
            };
            for row in (0..m).step_by(most.rows) {
                let height = most.rows.min(m - row);
                let c = &mut place.c[row * step + (panel - cols.start) * NR..];
                let left = if rounds {
                    Left::Rounded(&rounded[row * wide + from..], wide)
                } else {
                    Left::Whole(&x[row * k + from..], k)
                };
                tile.run(path, left, (height, width), c);
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
        ROWS.set(rounded);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Activation;
    use super::super::bf16_tile::widen;
    use super::*;
    use crate::kernels::simd::has_avx2;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + seed * 31) % 2003) as f32 * 0.001 - 1.0)
            .collect()
    }

    #[test]
    fn every_path_is_near_the_product_with_rounded_weights() {
        let sizes = [
            (1, 1, 1),
            (7, 37, 70),
            (13, 33, 301),
            (6, 16, 600),
            (25, 65, 1301),
        ];
        for (m, n, k) in sizes.into_iter().take(if cfg!(miri) { 2 } else { 5 }) {
            let (x, w) = (values(m * k, 1), values(n * k, 2));
            let halves = Halves::new((n, k), &w);
            let run = |path| {
                let mut out = vec![0.0f32; m * n];
                let place = Place {
                    c: &mut out,
                    step: n,
                };
                let finish = Finish {
                    bias: None,
                    activation: Activation::None,
                };
                halves.run_on(path, (&x, 0..n.div_ceil(NR)), place, finish);
                out
            };
            let portable = run(Path::Portable);
            if has_avx2() {
                assert_eq!(run(Path::Avx2), portable);
            } else {
                println!("skipped: this machine lacks AVX2");
            }
            let pairs = rounds_inputs().then(|| run(Path::Avx512Bf16));
            if pairs.is_none() {
                println!("skipped: this machine lacks AVX-512-BF16");
            }
            for at in 0..m * n {
                let terms = (0..k).map(|p| {
                    f64::from(x[at / n * k + p]) * f64::from(widen(round(w[at % n * k + p])))
                });
                let (sum, size) = terms.fold((0.0, 0.0), |(s, a), t| (s + t, a + f64::abs(t)));
                assert!((f64::from(portable[at]) - sum).abs() <= 1e-6 * size, "{at}");
                if let Some(pairs) = &pairs {
                    assert!((f64::from(pairs[at]) - sum).abs() <= size / 256.0, "{at}");
                }
            }
        }
    }
}
