//! Weights in bfloat16: half the memory of f32.
//!
//! Machines with AVX-512-BF16 round the inputs too and multiply pairs of bfloat16; all others widen
//! the weights on the way to the multiplier and compute what f32 computes with rounded weights.
//! The two agree within 2⁻⁸ of the sum of the products' sizes.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::cell::Cell;
use std::ops::Range;

use super::{Finish, NR, Place};
use crate::kernels::matmul::depth;
use crate::kernels::matmul::tile::MR;
use crate::kernels::simd::{has_avx2, vectorised};

/// Panels of `NR` columns of `weightᵀ` in pairs of rows, `[n / NR, k / 2, NR, 2]`.
#[derive(Debug)]
pub struct Halves {
    values: Vec<u16>,
    n: usize,
    k: usize,
}

/// A way to compute a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Portable,
    Avx2,
    Avx512Bf16,
}

/// The nearest bfloat16, ties to even.
#[inline(always)]
fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    let nan = value.is_nan();
    let up = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    ((if nan { bits | 0x0040_0000 } else { up }) >> 16) as u16
}

fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

thread_local! {
    /// Taken out while in use.
    static ROWS: Cell<Vec<u16>> = const { Cell::new(Vec::new()) };
}

vectorised! {
    fn round_block(out: &mut [u16], values: &[f32]) {
        for (out, &v) in out.iter_mut().zip(values) {
            *out = round(v);
        }
    }
}

impl Path {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
            return Self::Avx512Bf16;
        }
        if has_avx2() {
            Self::Avx2
        } else {
            Self::Portable
        }
    }
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
        place: Place<'_>,
        finish: Finish<'_>,
    ) {
        let (n, k, step) = (self.n, self.k, place.step);
        let (m, pairs, wide) = (x.len() / k, k.div_ceil(2), k.next_multiple_of(2));
        let mut rounded = ROWS.take();
        if path == Path::Avx512Bf16 {
            rounded.resize(m * wide, 0);
            for (out, row) in rounded.chunks_exact_mut(wide).zip(x.chunks_exact(k)) {
                round_block(&mut out[..k], row);
                out[k..].fill(0);
            }
        }
        let part = depth(k).next_multiple_of(2);
        for from in (0..k).step_by(part) {
            let len = part.min(k - from);
            for panel in cols.clone() {
                let b = &self.values[(panel * pairs + from / 2) * NR * 2..];
                let (col, width) = (panel * NR, NR.min(n - panel * NR));
                for row in (0..m).step_by(MR) {
                    let height = MR.min(m - row);
                    let c = &mut place.c[row * step + (panel - cols.start) * NR..];
                    let tile = Tile { b, len };
                    let mut sums = [0.0f32; MR * NR];
                    match path {
                        Path::Avx512Bf16 => {
                            tile.pairs(&rounded[row * wide + from..], wide, height, &mut sums);
                        }
                        _ => tile.run(path, (&x[row * k + from..], k), height, &mut sums),
                    }
                    for (c, sums) in c.chunks_mut(step).zip(sums.chunks_exact(NR)).take(height) {
                        for (c, &sum) in c.iter_mut().zip(&sums[..width]) {
                            *c = if from > 0 { *c + sum } else { sum };
                        }
                    }
                    if from + len == k {
                        finish.apply(c, (height, step), (col, width));
                    }
                }
            }
        }
        ROWS.set(rounded);
    }
}

/// One part of `k` of one panel.
struct Tile<'a> {
    /// `[len / 2, NR, 2]`.
    b: &'a [u16],
    len: usize,
}

/// Calls `$run` with the number of rows as a constant.
#[cfg(target_arch = "x86_64")]
macro_rules! by_rows {
    ($rows:expr, $tile:ident.$run:ident($($arg:expr),*)) => {
        // SAFETY: callers have seen that the features are there and that the sizes fit.
        unsafe {
            match $rows {
                1 => $tile.$run::<1>($($arg),*),
                2 => $tile.$run::<2>($($arg),*),
                3 => $tile.$run::<3>($($arg),*),
                4 => $tile.$run::<4>($($arg),*),
                5 => $tile.$run::<5>($($arg),*),
                _ => $tile.$run::<MR>($($arg),*),
            }
        }
    };
}

impl Tile<'_> {
    /// Fills the first `rows` rows of `sums` with widened weights; rows of `a` lie `step` apart.
    fn run(&self, path: Path, (a, step): (&[f32], usize), rows: usize, sums: &mut [f32; MR * NR]) {
        assert!(
            (1..=MR).contains(&rows)
                && (rows - 1) * step + self.len <= a.len()
                && self.b.len() >= self.len.div_ceil(2) * 2 * NR,
            "no such tile"
        );
        #[cfg(target_arch = "x86_64")]
        if path == Path::Avx2 {
            assert!(has_avx2(), "the machine lacks AVX2");
            by_rows!(rows, self.avx2(a, step, sums));
            return;
        }
        let _ = path;
        for (row, sums) in sums.chunks_exact_mut(NR).take(rows).enumerate() {
            for (p, &left) in a[row * step..][..self.len].iter().enumerate() {
                let b = &self.b[(p / 2) * 2 * NR + p % 2..];
                for (sum, &b) in sums.iter_mut().zip(b.iter().step_by(2)) {
                    *sum = left.mul_add(widen(b), *sum);
                }
            }
        }
    }

    /// Fills the first `rows` rows of `sums` with sums of pairs of bfloat16.
    fn pairs(&self, a: &[u16], step: usize, rows: usize, sums: &mut [f32; MR * NR]) {
        let pairs = self.len.div_ceil(2);
        assert!(
            (1..=MR).contains(&rows)
                && (rows - 1) * step + 2 * pairs <= a.len()
                && self.b.len() >= pairs * 2 * NR
                && rounds_inputs(),
            "no such tile"
        );
        #[cfg(target_arch = "x86_64")]
        by_rows!(rows, self.avx512(a, step, sums));
        #[cfg(not(target_arch = "x86_64"))]
        let _ = sums;
    }

    /// # Safety
    /// AVX2 and FMA must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const R: usize>(&self, a: &[f32], step: usize, out: &mut [f32; MR * NR]) {
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        let upper = _mm256_set1_epi32(0xffff_0000u32 as i32);
        for p in 0..self.len {
            // SAFETY: `b` holds a whole pair for every two of `len`, and `a` `len` values of each row.
            unsafe {
                let at = self.b.as_ptr().add((p / 2) * 2 * NR).cast::<__m256i>();
                let both = [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))];
                let right = both.map(|both| {
                    _mm256_castsi256_ps(if p % 2 == 0 {
                        _mm256_slli_epi32::<16>(both)
                    } else {
                        _mm256_and_si256(both, upper)
                    })
                });
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = _mm256_broadcast_ss(&*a.as_ptr().add(row * step + p));
                    sums[0] = _mm256_fmadd_ps(left, right[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(left, right[1], sums[1]);
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(NR)) {
            // SAFETY: a row of `out` holds sixteen values.
            unsafe {
                _mm256_storeu_ps(out.as_mut_ptr(), sums[0]);
                _mm256_storeu_ps(out.as_mut_ptr().add(8), sums[1]);
            }
        }
    }

    /// # Safety
    /// AVX-512-BF16 must be there, and the sizes must fit as `pairs` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn avx512<const R: usize>(&self, a: &[u16], step: usize, out: &mut [f32; MR * NR]) {
        // Two sums a row hide the latency of the instruction.
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        for pair in 0..self.len.div_ceil(2) {
            // SAFETY: `b` holds `2 · NR` values a pair, and `a` two of each row.
            unsafe {
                let right = _mm512_loadu_si512(self.b.as_ptr().add(pair * 2 * NR).cast());
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = a.as_ptr().add(row * step + 2 * pair).cast::<i32>();
                    let left = _mm512_set1_epi32(left.read_unaligned());
                    // Both types are 512 bits without invalid values.
                    let (left, right) = (
                        std::mem::transmute::<__m512i, __m512bh>(left),
                        std::mem::transmute::<__m512i, __m512bh>(right),
                    );
                    sums[pair % 2] = _mm512_dpbf16_ps(sums[pair % 2], left, right);
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(NR)) {
            // SAFETY: a row of `out` holds sixteen values.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(sums[0], sums[1])) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Activation;
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + seed * 31) % 2003) as f32 * 0.001 - 1.0)
            .collect()
    }

    #[test]
    fn rounding_is_to_the_nearest_and_ties_are_even() {
        for (value, want) in [
            (1.0f32, 0x3f80u16),
            (1.003_906_3, 0x3f80), // halfway, down to even
            (1.011_718_8, 0x3f82), // halfway, up to even
            (-1.004, 0xbf81),
            (f32::INFINITY, 0x7f80),
            (f32::MAX, 0x7f80),
        ] {
            assert_eq!(round(value), want, "{value}");
        }
        assert!(widen(round(f32::NAN)).is_nan());
    }

    #[test]
    fn every_path_is_near_the_product_with_rounded_weights() {
        for (m, n, k) in [(1, 1, 1), (7, 37, 70), (13, 33, 301), (6, 16, 600)] {
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
