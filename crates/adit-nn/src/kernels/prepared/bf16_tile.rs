//! The innermost loops over bfloat16.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::NR;
use crate::kernels::finish::Lines;
use crate::kernels::matmul::depth;
#[cfg(target_arch = "x86_64")]
use crate::kernels::matmul::tile::MR;
#[cfg(target_arch = "x86_64")]
use crate::kernels::matmul::tile::put;
use crate::kernels::matmul::tile::{NARROW_ROWS, Shape};
use crate::kernels::simd::has_avx2;
#[cfg(target_arch = "x86_64")]
use crate::kernels::simd::{by_rows, has_avx512};

/// The longest part of `k` that is summed in registers by pairs; a packed panel of it stays in L1, and two of
/// MiniLM's width do.
#[cfg(target_arch = "x86_64")]
const DEPTH: usize = 768;

/// How far ahead panels are fetched, in values.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 32 * 2 * NR;

/// A way to compute a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Plain loops over widened weights.
    Portable,
    /// Widened weights.
    Avx2,
    /// Sums of pairs of bfloat16.
    Avx512Bf16,
}

impl Path {
    /// The best way that the machine has.
    #[inline]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if has_avx512() && is_x86_feature_detected!("avx512bf16") {
            return Self::Avx512Bf16;
        }
        if has_avx2() {
            Self::Avx2
        } else {
            Self::Portable
        }
    }

    /// The largest tile.
    pub fn shape(self) -> Shape {
        if self == Self::Avx512Bf16 {
            Shape::WIDE
        } else {
            Shape::NARROW
        }
    }

    /// The length of the parts in which a sum over `k` is computed; even, but for the last.
    pub fn depth(self, k: usize) -> usize {
        #[cfg(target_arch = "x86_64")]
        if self == Self::Avx512Bf16 {
            return k.div_ceil(k.div_ceil(DEPTH)).next_multiple_of(2);
        }
        depth(k).next_multiple_of(2)
    }
}

/// The nearest bfloat16, ties to even.
#[inline(always)]
pub fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    let nan = value.is_nan();
    let up = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    ((if nan { bits | 0x0040_0000 } else { up }) >> 16) as u16
}

/// The value of a bfloat16.
#[inline(always)]
pub fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// [`round`] of every value of a row, but that values below 2⁻¹²⁶ become zero.
pub fn round_row(out: &mut [u16], row: &[f32]) {
    assert_eq!(out.len(), row.len(), "rows differ in length");
    #[cfg(target_arch = "x86_64")]
    if Path::best() == Path::Avx512Bf16 {
        // SAFETY: the features were found, and the lengths are equal.
        unsafe { round_avx512(out, row) };
        return;
    }
    for (out, &v) in out.iter_mut().zip(row) {
        *out = if v.abs() < f32::MIN_POSITIVE {
            0
        } else {
            round(v)
        };
    }
}

/// # Safety
/// AVX-512-BF16 must be there, and the lengths must be equal.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn round_avx512(out: &mut [u16], row: &[f32]) {
    for at in (0..row.len()).step_by(NR) {
        let width = NR.min(row.len() - at);
        let real = (u32::MAX >> (32 - width)) as __mmask16;
        // SAFETY: `width` values lie inside both from `at` on.
        unsafe {
            let values = _mm512_maskz_loadu_ps(real, row.as_ptr().add(at));
            let halves = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values));
            _mm256_mask_storeu_epi16(out.as_mut_ptr().add(at).cast(), real, halves);
        }
    }
}

/// Rounds the first `width` columns of a square into rows of `out` that lie `step` apart.
pub fn round_square(out: &mut [u16], step: usize, width: usize, square: &[f32; NR * NR]) {
    assert!(
        (1..=NR).contains(&width) && (NR - 1) * step + width <= out.len(),
        "the square does not fit"
    );
    #[cfg(target_arch = "x86_64")]
    if Path::best() == Path::Avx512Bf16 {
        for (row, line) in square.as_chunks::<NR>().0.iter().enumerate() {
            // SAFETY: the features were found, and the lengths are equal.
            unsafe { round_avx512(&mut out[row * step..][..width], &line[..width]) };
        }
        return;
    }
    for (row, line) in square.as_chunks::<NR>().0.iter().enumerate() {
        round_row(&mut out[row * step..][..width], &line[..width]);
    }
}

/// Fills `out` `[n_rows / 2, NR, 2]` with `width` columns of `n_rows` rows that lie `step` apart, and with
/// zeros.
pub fn to_pairs(out: &mut [u16], from: &[f32], (n_rows, step): (usize, usize), width: usize) {
    assert!(
        (1..=NR).contains(&width)
            && n_rows > 0
            && (n_rows - 1) * step + width <= from.len()
            && n_rows.div_ceil(2) * 2 * NR <= out.len(),
        "the rows do not fit"
    );
    #[cfg(target_arch = "x86_64")]
    if Path::best() == Path::Avx512Bf16 {
        // SAFETY: the features were found, and the assert keeps every access inside.
        unsafe { pairs_avx512(out, from, (n_rows, step), width) };
        return;
    }
    for (pair, out) in out
        .chunks_exact_mut(2 * NR)
        .take(n_rows.div_ceil(2))
        .enumerate()
    {
        for (at, out) in out.iter_mut().enumerate() {
            let (row, col) = (2 * pair + at % 2, at / 2);
            let real = row < n_rows && col < width;
            *out = if real {
                round(from[row * step + col])
            } else {
                0
            };
        }
    }
}

/// # Safety
/// AVX-512-BF16 must be there, and the sizes must fit as `to_pairs` asserts.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn pairs_avx512(
    out: &mut [u16],
    from: &[f32],
    (n_rows, step): (usize, usize),
    width: usize,
) {
    let real = ((1u32 << width) - 1) as __mmask16;
    for pair in 0..n_rows.div_ceil(2) {
        // SAFETY: `width` values of each row lie in `from`, and `2 · NR` of each pair in `out`.
        unsafe {
            let row = |at: usize| {
                if at >= n_rows {
                    return _mm512_setzero_si512();
                }
                let values = _mm512_maskz_loadu_ps(real, from.as_ptr().add(at * step));
                let halves = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(values));
                _mm512_cvtepu16_epi32(halves)
            };
            let both = _mm512_or_si512(row(2 * pair), _mm512_slli_epi32::<16>(row(2 * pair + 1)));
            _mm512_storeu_si512(out.as_mut_ptr().add(pair * 2 * NR).cast(), both);
        }
    }
}

/// Rows of the left-hand side, and how far they lie apart.
#[derive(Clone, Copy)]
pub enum Left<'a> {
    /// In f32.
    Whole(&'a [f32], usize),
    /// In bfloat16, each row filled up to an even length.
    Rounded(&'a [u16], usize),
}

/// One part of `k` of one or two panels.
pub struct Tile<'a> {
    /// Panels, each `[len / 2, NR, 2]`.
    pub b: &'a [u16],
    /// From the start of one panel to that of the next.
    pub panel_step: usize,
    /// The length of this part of `k`; at least 1.
    pub len: usize,
    /// From one row of the result to the next.
    pub c_step: usize,
    /// Whether the result is added to.
    pub add: bool,
    /// What is done to the result at last, if anything.
    pub last: Option<&'a Lines>,
}

impl Tile<'_> {
    /// Computes `rows` by `cols` values of the result, at most [`Path::shape`], from the start of `c`.
    pub fn run(&self, path: Path, left: Left<'_>, (rows, cols): (usize, usize), c: &mut [f32]) {
        let (most, pairs) = (path.shape(), self.len.div_ceil(2));
        let fits = match left {
            Left::Whole(a, step) => (rows - 1) * step + self.len <= a.len(),
            Left::Rounded(a, step) => (rows - 1) * step + 2 * pairs <= a.len(),
        };
        assert!(
            (1..=most.rows).contains(&rows)
                && (1..=most.panels * NR).contains(&cols)
                && self.len > 0
                && fits
                && (cols - 1) / NR * self.panel_step + 2 * pairs * NR <= self.b.len()
                && (rows - 1) * self.c_step + cols <= c.len(),
            "no such tile"
        );
        match left {
            Left::Whole(a, step) => self.widened(path, (a, step), (rows, cols), c),
            #[cfg(target_arch = "x86_64")]
            Left::Rounded(a, step) => {
                assert!(
                    path == Path::Avx512Bf16 && path == Path::best(),
                    "the machine lacks AVX-512-BF16"
                );
                // SAFETY: the features were found, and the asserts above keep every access inside.
                unsafe {
                    if cols > NR {
                        by_rows!(rows, [1 2 3 4 5 6 7 8 9 10 11 12], R => self.pairs::<R, 2>(a, step, cols, c));
                    } else {
                        by_rows!(rows, [1 2 3 4 5 6 7 8 9 10 11 12], R => self.pairs::<R, 1>(a, step, cols, c));
                    }
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            Left::Rounded(..) => unreachable!("inputs are rounded for AVX-512-BF16 alone"),
        }
    }

    fn widened(
        &self,
        path: Path,
        (a, step): (&[f32], usize),
        (rows, cols): (usize, usize),
        c: &mut [f32],
    ) {
        let mut sums = [0.0f32; NARROW_ROWS * NR];
        match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => {
                assert!(has_avx2(), "the machine lacks AVX2");
                // SAFETY: the features were found, and `run` has seen that the sizes fit.
                unsafe { by_rows!(rows, [1 2 3 4 5 6], R => self.avx2::<R>(a, step, &mut sums)) }
            }
            _ => {
                for (row, sums) in sums.chunks_exact_mut(NR).take(rows).enumerate() {
                    for (p, &left) in a[row * step..][..self.len].iter().enumerate() {
                        let b = &self.b[(p / 2) * 2 * NR + p % 2..];
                        for (sum, &b) in sums.iter_mut().zip(b.iter().step_by(2)) {
                            *sum = left.mul_add(widen(b), *sum);
                        }
                    }
                }
            }
        }
        let lines = c.chunks_mut(self.c_step.max(1)).zip(sums.chunks_exact(NR));
        for (c, sums) in lines.take(rows) {
            for (c, &sum) in c.iter_mut().zip(&sums[..cols]) {
                *c = if self.add { *c + sum } else { sum };
            }
        }
        if let Some(last) = self.last {
            last.apply(&mut c[..(rows - 1) * self.c_step + cols], self.c_step, cols);
        }
    }

    /// # Safety
    /// AVX2 and FMA must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const R: usize>(
        &self,
        a: &[f32],
        step: usize,
        out: &mut [f32; NARROW_ROWS * NR],
    ) {
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
    /// AVX-512-BF16 must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn pairs<const R: usize, const P: usize>(
        &self,
        a: &[u16],
        step: usize,
        cols: usize,
        c: &mut [f32],
    ) {
        let mut sums = [[_mm512_setzero_ps(); P]; R];
        // Rows in threes share a pointer, so that all addresses fit the registers.
        let mut a: [*const u16; MR / 3] =
            std::array::from_fn(|three| a.as_ptr().wrapping_add(3 * three * step));
        let mut b = self.b.as_ptr();
        for _ in 0..self.len.div_ceil(2) {
            // SAFETY: a panel holds `2 · NR` values a pair, and `a` two of each row. All types are 512
            // bits without invalid values.
            unsafe {
                let right: [__m512bh; P] = std::array::from_fn(|panel| {
                    let at = b.add(panel * self.panel_step);
                    _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD).cast());
                    std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(at.cast()))
                });
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = a[row / 3].add(row % 3 * step).cast::<i32>();
                    let left = _mm512_set1_epi32(left.read_unaligned());
                    let left = std::mem::transmute::<__m512i, __m512bh>(left);
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm512_dpbf16_ps(*sum, left, right);
                    }
                }
                b = b.add(2 * NR);
                a = a.map(|a| a.wrapping_add(2));
            }
        }
        // SAFETY: `cols` values of each of the `R` rows lie inside `c`.
        unsafe {
            put(
                (c.as_mut_ptr(), self.c_step),
                sums,
                self.add,
                cols,
                self.last,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn rows_are_rounded_as_values_are() {
        let row: Vec<f32> = (0..37)
            .map(|i| (i as f32 - 17.0) * 1.003_7)
            .chain([f32::INFINITY, f32::MAX, 1e-40, -0.0])
            .collect();
        let mut out = vec![7u16; row.len()];
        round_row(&mut out, &row);
        for (&v, &half) in row.iter().zip(&out) {
            let want = if v.abs() < f32::MIN_POSITIVE {
                0
            } else {
                round(v)
            };
            assert_eq!(half & 0x7fff, want & 0x7fff, "{v}");
            assert!(v.abs() < f32::MIN_POSITIVE || half == want, "{v}");
        }
        round_row(&mut out[..1], &[f32::NAN]);
        assert!(widen(out[0]).is_nan());
    }
}
