//! The innermost loop: a tile of the result held in registers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_setzero_ps, _mm256_storeu_ps,
};

/// Rows of a tile; 6 · 16 values fill twelve of the sixteen AVX2 registers.
pub const MR: usize = 6;
/// Columns of a tile.
pub const NR: usize = 16;

/// `c (+)= a · b` for one tile and one part of `k`.
pub struct Tile<'a> {
    /// Element `(r, p)` of the left-hand matrix lies at `r · row_step + p · col_step`.
    pub a: &'a [f32],
    /// See `a`.
    pub row_step: usize,
    /// See `a`.
    pub col_step: usize,
    /// A packed panel, `[len, NR]`.
    pub b: &'a [f32],
    /// The length of this part of `k`; at least 1.
    pub len: usize,
    /// From one row of the result to the next.
    pub c_step: usize,
    /// Whether the result is added to.
    pub add: bool,
}

impl Tile<'_> {
    /// Computes `rows` by `cols` values of the result, at most `MR` by `NR`, from the start of `c`.
    pub fn run(&self, (rows, cols): (usize, usize), c: &mut [f32]) {
        assert!(
            (1..=MR).contains(&rows) && (1..=NR).contains(&cols) && self.len > 0,
            "no such tile"
        );
        assert!(
            (rows - 1) * self.row_step + (self.len - 1) * self.col_step < self.a.len(),
            "the left side is short"
        );
        assert!(self.b.len() >= self.len * NR, "the right side is short");
        assert!(
            (rows - 1) * self.c_step + cols <= c.len(),
            "the result is short"
        );
        #[cfg(target_arch = "x86_64")]
        if crate::kernels::simd::has_avx2() {
            // SAFETY: the features were found, and the asserts above keep every access inside.
            unsafe {
                match rows {
                    1 => self.avx2::<1>(cols, c),
                    2 => self.avx2::<2>(cols, c),
                    3 => self.avx2::<3>(cols, c),
                    4 => self.avx2::<4>(cols, c),
                    5 => self.avx2::<5>(cols, c),
                    _ => self.avx2::<MR>(cols, c),
                }
            }
            return;
        }
        self.portable((rows, cols), c);
    }

    /// # Safety
    /// AVX2 and FMA must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const R: usize>(&self, cols: usize, c: &mut [f32]) {
        let zero = _mm256_setzero_ps();
        let mut sums: [[__m256; 2]; R] = [[zero; 2]; R];
        let (mut a, mut b) = (self.a.as_ptr(), self.b.as_ptr());
        for _ in 0..self.len {
            // SAFETY: `b` runs over `len · NR` values, and `a` over `len` columns of `R` rows.
            unsafe {
                let right = [_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8))];
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = _mm256_broadcast_ss(&*a.add(row * self.row_step));
                    sums[0] = _mm256_fmadd_ps(left, right[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(left, right[1], sums[1]);
                }
                b = b.add(NR);
                a = a.wrapping_add(self.col_step);
            }
        }
        if cols == NR {
            for (row, sums) in sums.iter().enumerate() {
                // SAFETY: sixteen values of each of the `R` rows lie inside `c`.
                unsafe {
                    let at = c.as_mut_ptr().add(row * self.c_step);
                    for (half, &sum) in sums.iter().enumerate() {
                        let at = at.add(8 * half);
                        let sum = if self.add {
                            _mm256_add_ps(_mm256_loadu_ps(at), sum)
                        } else {
                            sum
                        };
                        _mm256_storeu_ps(at, sum);
                    }
                }
            }
            return;
        }
        for (row, sums) in sums.iter().enumerate() {
            let mut line = [0.0f32; NR];
            // SAFETY: `line` holds sixteen values.
            unsafe {
                _mm256_storeu_ps(line.as_mut_ptr(), sums[0]);
                _mm256_storeu_ps(line.as_mut_ptr().add(8), sums[1]);
            }
            self.put(&line[..cols], &mut c[row * self.c_step..]);
        }
    }

    /// The same sums in plain loops, for machines without AVX2.
    fn portable(&self, (rows, cols): (usize, usize), c: &mut [f32]) {
        for row in 0..rows {
            let mut line = [0.0f32; NR];
            for (p, b) in self.b.chunks_exact(NR).take(self.len).enumerate() {
                let left = self.a[row * self.row_step + p * self.col_step];
                for (sum, &b) in line.iter_mut().zip(b) {
                    *sum = left.mul_add(b, *sum);
                }
            }
            self.put(&line[..cols], &mut c[row * self.c_step..]);
        }
    }

    fn put(&self, line: &[f32], c: &mut [f32]) {
        for (c, &sum) in c.iter_mut().zip(line) {
            *c = if self.add { *c + sum } else { sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_tile_gives_the_bits_of_the_plain_one() {
        let a: Vec<f32> = (0..MR * 70)
            .map(|i| ((i * 7919) % 1009) as f32 * 0.003 - 1.5)
            .collect();
        let b: Vec<f32> = (0..70 * NR)
            .map(|i| ((i * 104_729) % 997) as f32 * 0.002 - 1.0)
            .collect();
        for rows in 1..=MR {
            for cols in [1, 7, 8, 15, 16] {
                for add in [false, true] {
                    for (row_step, col_step) in [(70, 1), (1, MR)] {
                        let tile = Tile {
                            a: &a,
                            row_step,
                            col_step,
                            b: &b,
                            len: 70,
                            c_step: 20,
                            add,
                        };
                        let (mut fast, mut plain) = (vec![0.3f32; MR * 20], vec![0.3f32; MR * 20]);
                        tile.run((rows, cols), &mut fast);
                        tile.portable((rows, cols), &mut plain);
                        assert_eq!(fast, plain, "{rows} rows, {cols} columns");
                        assert!(
                            fast.iter()
                                .enumerate()
                                .all(|(i, &v)| v == 0.3 || (i / 20 < rows && i % 20 < cols))
                        );
                    }
                }
            }
        }
    }
}
