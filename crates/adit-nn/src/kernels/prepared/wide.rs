//! A tile of f32 that is two panels wide, for AVX-512; the bits are those of the narrow tile.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::NR;
use crate::kernels::matmul::tile::MR;

/// True when the machine has AVX-512.
#[inline]
pub fn is_there() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// `c (+)= a · b` for two whole panels and one part of `k`.
pub struct Wide<'a> {
    /// Rows `steps[0]` apart.
    pub a: &'a [f32],
    /// Two packed panels, each `[len, NR]`.
    pub b: [&'a [f32]; 2],
    /// The length of this part of `k`.
    pub len: usize,
    /// From one row to the next of `a` and of the result.
    pub steps: [usize; 2],
}

impl Wide<'_> {
    /// Computes `rows` rows of `2 · NR` values from the start of `c`.
    pub fn run(&self, rows: usize, c: &mut [f32], add: bool) {
        let [a_step, c_step] = self.steps;
        assert!(is_there(), "the machine lacks AVX-512");
        assert!(
            (1..=MR).contains(&rows)
                && (rows - 1) * a_step + self.len <= self.a.len()
                && (rows - 1) * c_step + 2 * NR <= c.len()
                && self.b.iter().all(|b| b.len() >= self.len * NR),
            "no such tile"
        );
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the features were found, and the asserts above keep every access inside.
        unsafe {
            match rows {
                1 => self.avx512::<1>(c, add),
                2 => self.avx512::<2>(c, add),
                3 => self.avx512::<3>(c, add),
                4 => self.avx512::<4>(c, add),
                5 => self.avx512::<5>(c, add),
                _ => self.avx512::<MR>(c, add),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (add, c_step);
    }

    /// # Safety
    /// AVX-512 must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512<const R: usize>(&self, c: &mut [f32], add: bool) {
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        let [a_step, c_step] = self.steps;
        for p in 0..self.len {
            // SAFETY: each panel holds `len · NR` values, and `a` `len` values of each row.
            unsafe {
                let right = self.b.map(|b| _mm512_loadu_ps(b.as_ptr().add(p * NR)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = _mm512_set1_ps(*self.a.as_ptr().add(row * a_step + p));
                    sums[0] = _mm512_fmadd_ps(left, right[0], sums[0]);
                    sums[1] = _mm512_fmadd_ps(left, right[1], sums[1]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (half, &sum) in sums.iter().enumerate() {
                // SAFETY: thirty-two values of each of the `R` rows lie inside `c`.
                unsafe {
                    let at = c.as_mut_ptr().add(row * c_step + half * NR);
                    let before = if add {
                        _mm512_loadu_ps(at)
                    } else {
                        _mm512_setzero_ps()
                    };
                    _mm512_storeu_ps(at, if add { _mm512_add_ps(before, sum) } else { sum });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::matmul::tile::Tile;

    #[test]
    fn the_wide_tile_gives_the_bits_of_the_narrow_one() {
        if !is_there() {
            println!("skipped: this machine lacks AVX-512");
            return;
        }
        let len = 70;
        let values = |n: usize, seed: usize| -> Vec<f32> {
            (0..n)
                .map(|i| ((i * 7919 + seed) % 1009) as f32 * 0.003 - 1.5)
                .collect()
        };
        let (a, b) = (values(MR * 80, 1), values(2 * len * NR, 2));
        for rows in 1..=MR {
            for add in [false, true] {
                let (mut wide, mut narrow) = (vec![0.3f32; MR * 40], vec![0.3f32; MR * 40]);
                let halves = [&b[..len * NR], &b[len * NR..]];
                let (b, steps) = (halves, [80, 40]);
                Wide {
                    a: &a,
                    b,
                    len,
                    steps,
                }
                .run(rows, &mut wide, add);
                for (half, b) in halves.into_iter().enumerate() {
                    let tile = Tile {
                        a: &a,
                        row_step: 80,
                        col_step: 1,
                        b,
                        len,
                        c_step: 40,
                        add,
                    };
                    tile.run((rows, NR), &mut narrow[half * NR..]);
                }
                assert_eq!(wide, narrow, "{rows} rows");
            }
        }
    }
}
