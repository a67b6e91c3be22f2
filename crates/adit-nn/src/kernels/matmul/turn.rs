//! Columns that run along memory become rows of a panel.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::tile::NR;
use crate::kernels::simd::has_avx512;

/// A square of a panel.
const SQUARE: usize = NR * NR;

/// Fills `out` `[NR, NR]` with the `width` columns of `NR` values that start `step` apart in `from`, and
/// with zeros; false where the machine has no fast way, and then `out` is as it was.
pub fn turn_square(out: &mut [f32; SQUARE], from: &[f32], step: usize, width: usize) -> bool {
    assert!(
        (1..=NR).contains(&width) && (width - 1) * step + NR <= from.len(),
        "no such columns"
    );
    if !has_avx512() {
        return false;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = out;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the features were found, and the assert keeps every column inside.
    unsafe {
        avx512(out, from, step, width);
    }
    true
}

/// # Safety
/// AVX-512 must be there, and the columns must lie inside `from`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(out: &mut [f32; SQUARE], from: &[f32], step: usize, width: usize) {
    let mut cols = [_mm512_setzero_ps(); NR];
    for (at, col) in cols.iter_mut().enumerate().take(width) {
        // SAFETY: as the caller says.
        *col = unsafe { _mm512_loadu_ps(from.as_ptr().add(at * step)) };
    }
    // Pairs of columns, then fours: each 128-bit part of `fours[4 · j + m]` holds one row of the columns
    // `4 · j..4 · j + 4`.
    let mut pairs = [_mm512_setzero_ps(); NR];
    for at in (0..NR).step_by(2) {
        pairs[at] = _mm512_unpacklo_ps(cols[at], cols[at + 1]);
        pairs[at + 1] = _mm512_unpackhi_ps(cols[at], cols[at + 1]);
    }
    let mut fours = [_mm512_setzero_ps(); NR];
    let low = |a, b| _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    let high =
        |a, b| _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    for at in (0..NR).step_by(4) {
        fours[at] = low(pairs[at], pairs[at + 2]);
        fours[at + 1] = high(pairs[at], pairs[at + 2]);
        fours[at + 2] = low(pairs[at + 1], pairs[at + 3]);
        fours[at + 3] = high(pairs[at + 1], pairs[at + 3]);
    }
    for m in 0..4 {
        let [a, b, c, d] = [fours[m], fours[4 + m], fours[8 + m], fours[12 + m]];
        let even = [
            _mm512_shuffle_f32x4::<0x88>(a, b),
            _mm512_shuffle_f32x4::<0x88>(c, d),
        ];
        let odd = [
            _mm512_shuffle_f32x4::<0xdd>(a, b),
            _mm512_shuffle_f32x4::<0xdd>(c, d),
        ];
        for (row, value) in [
            (m, _mm512_shuffle_f32x4::<0x88>(even[0], even[1])),
            (4 + m, _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1])),
            (8 + m, _mm512_shuffle_f32x4::<0xdd>(even[0], even[1])),
            (12 + m, _mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1])),
        ] {
            // SAFETY: a row of `out` holds sixteen values.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(row * NR), value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_turned() {
        let from: Vec<f32> = (0..20 * NR).map(|i| i as f32).collect();
        for width in 1..=NR {
            let mut out = [7.0f32; SQUARE];
            if !turn_square(&mut out, &from, 18, width) {
                println!("skipped: this machine lacks AVX-512");
                return;
            }
            for (at, &v) in out.iter().enumerate() {
                let (row, col) = (at / NR, at % NR);
                let want = if col < width {
                    from[col * 18 + row]
                } else {
                    0.0
                };
                assert_eq!(v, want, "row {row}, column {col} of {width}");
            }
        }
    }
}
