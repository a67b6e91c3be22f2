//! The innermost loop: a tile of the result held in registers.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use crate::kernels::finish::Lines;
#[cfg(target_arch = "x86_64")]
use crate::kernels::finish::{Gelu, gelu_lines};
use crate::kernels::simd::has_avx512;
#[cfg(target_arch = "x86_64")]
use crate::kernels::simd::{by_rows, has_avx2};

/// Columns of a panel.
pub const NR: usize = 16;
/// Rows of the largest tile of any machine.
pub const MR: usize = 12;
/// Rows of a tile without AVX-512.
pub const NARROW_ROWS: usize = 6;
/// Panels of the largest tile of any machine.
pub const PANELS: usize = 2;

/// How far ahead panels are fetched, in values; about the time that memory takes.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 32 * NR;

/// How large a tile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the result.
    pub rows: usize,
    /// Panels of `NR` columns.
    pub panels: usize,
}

impl Shape {
    /// With AVX-512: 12 · 32 values fill twenty-four of the thirty-two registers.
    pub const WIDE: Self = Self {
        rows: MR,
        panels: PANELS,
    };
    /// Without: 6 · 16 values fill twelve of the sixteen AVX2 registers.
    pub const NARROW: Self = Self {
        rows: NARROW_ROWS,
        panels: 1,
    };

    /// The largest tile that this machine's registers hold.
    #[inline]
    pub fn best() -> Self {
        if has_avx512() {
            Self::WIDE
        } else {
            Self::NARROW
        }
    }
}

/// `c (+)= a · b` for one tile and one part of `k`.
pub struct Tile<'a> {
    /// Element `(r, p)` of the left-hand matrix lies at `r · row_step + p · col_step`.
    pub a: &'a [f32],
    /// See `a`.
    pub row_step: usize,
    /// See `a`.
    pub col_step: usize,
    /// Packed panels, each `[len, NR]`.
    pub b: &'a [f32],
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
    /// Computes `rows` by `cols` values of the result, at most [`Shape::best`], from the start of `c`.
    #[inline]
    pub fn run(&self, size: (usize, usize), c: &mut [f32]) {
        self.check(Shape::best(), size, c);
        #[cfg(target_arch = "x86_64")]
        {
            let (rows, cols) = size;
            if has_avx512() {
                // SAFETY: the features were found, and `check` keeps every access inside.
                unsafe {
                    if cols > NR {
                        by_rows!(rows, [1 2 3 4 5 6 7 8 9 10 11 12], R => self.avx512::<R, 2>(cols, c));
                    } else {
                        by_rows!(rows, [1 2 3 4 5 6 7 8 9 10 11 12], R => self.avx512::<R, 1>(cols, c));
                    }
                }
                return;
            }
            if has_avx2() {
                // SAFETY: as above.
                unsafe { self.narrow(size, c) };
                self.finish(size, c);
                return;
            }
        }
        self.portable(size, c);
        self.finish(size, c);
    }

    fn finish(&self, (rows, cols): (usize, usize), c: &mut [f32]) {
        if let Some(last) = self.last {
            last.apply(&mut c[..(rows - 1) * self.c_step + cols], self.c_step, cols);
        }
    }

    fn check(&self, most: Shape, (rows, cols): (usize, usize), c: &[f32]) {
        assert!(
            (1..=most.rows).contains(&rows)
                && (1..=most.panels * NR).contains(&cols)
                && self.len > 0,
            "no such tile"
        );
        assert!(
            (rows - 1) * self.row_step + (self.len - 1) * self.col_step < self.a.len(),
            "the left side is short"
        );
        assert!(
            (cols - 1) / NR * self.panel_step + self.len * NR <= self.b.len(),
            "the right side is short"
        );
        assert!(
            (rows - 1) * self.c_step + cols <= c.len(),
            "the result is short"
        );
    }

    /// # Safety
    /// AVX-512 must be there, and the sizes must fit as `check` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn avx512<const R: usize, const P: usize>(&self, cols: usize, c: &mut [f32]) {
        let mut sums = [[_mm512_setzero_ps(); P]; R];
        // Rows in threes share a pointer, so that all addresses fit the registers.
        let mut a: [*const f32; MR / 3] =
            std::array::from_fn(|three| self.a.as_ptr().wrapping_add(3 * three * self.row_step));
        let mut b = self.b.as_ptr();
        for _ in 0..self.len {
            // SAFETY: a panel holds `len · NR` values, and `a` `len` columns of `R` rows.
            unsafe {
                let mut right = [_mm512_setzero_ps(); P];
                for (panel, right) in right.iter_mut().enumerate() {
                    let at = b.add(panel * self.panel_step);
                    *right = _mm512_loadu_ps(at);
                    _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD).cast());
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let left = _mm512_set1_ps(*a[row / 3].add(row % 3 * self.row_step));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = _mm512_fmadd_ps(left, right, *sum);
                    }
                }
                b = b.add(NR);
                a = a.map(|a| a.wrapping_add(self.col_step));
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

    /// # Safety
    /// As of `avx2`; at most six rows and one panel.
    #[cfg(target_arch = "x86_64")]
    unsafe fn narrow(&self, (rows, cols): (usize, usize), c: &mut [f32]) {
        // SAFETY: as the caller says.
        unsafe { by_rows!(rows, [1 2 3 4 5 6], R => self.avx2::<R>(cols, c)) }
    }

    /// # Safety
    /// AVX2 and FMA must be there, and the sizes must fit as `check` asserts.
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
            for (panel, c) in c[row * self.c_step..][..cols].chunks_mut(NR).enumerate() {
                let mut line = [0.0f32; NR];
                let b = &self.b[panel * self.panel_step..];
                for (p, b) in b.chunks_exact(NR).take(self.len).enumerate() {
                    let left = self.a[row * self.row_step + p * self.col_step];
                    for (sum, &b) in line.iter_mut().zip(b) {
                        *sum = left.mul_add(b, *sum);
                    }
                }
                self.put(&line[..c.len()], c);
            }
        }
    }

    fn put(&self, line: &[f32], c: &mut [f32]) {
        for (c, &sum) in c.iter_mut().zip(line) {
            *c = if self.add { *c + sum } else { sum };
        }
    }
}

/// The values of a tile, for what needs them in memory.
#[cfg(target_arch = "x86_64")]
#[repr(C, align(64))]
struct Values([f32; MR * PANELS * NR]);

/// Leaves `cols` columns of the sums of a tile at `c`, whose rows lie `step` apart.
///
/// # Safety
/// AVX-512 must be there, and `cols` values of `R` rows must lie at `c`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
pub unsafe fn put<const R: usize, const P: usize>(
    (c, step): (*mut f32, usize),
    mut sums: [[__m512; P]; R],
    add: bool,
    cols: usize,
    last: Option<&Lines>,
) {
    // SAFETY: as the caller says; `last` holds a bias for every column of two panels.
    unsafe {
        let at = |row: usize, panel: usize| c.add(row * step + panel * NR);
        let real = |panel: usize| ((1u32 << NR.min(cols - panel * NR)) - 1) as __mmask16;
        let whole = cols == P * NR;
        if add {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (panel, sum) in sums.iter_mut().enumerate() {
                    let before = _mm512_maskz_loadu_ps(real(panel), at(row, panel));
                    *sum = _mm512_add_ps(before, *sum);
                }
            }
        }
        if let Some(last) = last {
            for (panel, bias) in last.bias.as_chunks::<NR>().0.iter().enumerate().take(P) {
                let bias = _mm512_loadu_ps(bias.as_ptr());
                for sums in &mut sums {
                    sums[panel] = _mm512_add_ps(sums[panel], bias);
                }
            }
            if last.gelu != Gelu::Not {
                let mut values = Values([0.0; MR * PANELS * NR]);
                let start = values.0.as_mut_ptr();
                for (row, sums) in sums.iter().enumerate() {
                    for (panel, &sum) in sums.iter().enumerate() {
                        _mm512_store_ps(start.add((row * P + panel) * NR), sum);
                    }
                }
                gelu_lines(&mut values.0[..R * P * NR], last.gelu);
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (panel, sum) in sums.iter_mut().enumerate() {
                        *sum = _mm512_load_ps(values.0.as_ptr().add((row * P + panel) * NR));
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (panel, &sum) in sums.iter().enumerate() {
                // A load cannot take its value from a store with a mask that is still under way.
                if whole {
                    _mm512_storeu_ps(at(row, panel), sum);
                } else {
                    _mm512_mask_storeu_ps(at(row, panel), real(panel), sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finish::Gelu;

    fn values(n: usize, factor: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * factor) % 1009) as f32 * 0.003 - 1.5)
            .collect()
    }

    #[test]
    fn every_path_gives_the_bits_of_the_plain_loops() {
        let (len, panel_step, c_step) = (if cfg!(miri) { 3 } else { 70 }, 80 * NR, 40);
        let a = values(MR * len, 7919);
        let b = values(panel_step + len * NR, 104_729);
        let lines = |gelu| Lines {
            bias: std::array::from_fn(|i| i as f32 * 0.1 - 1.0),
            gelu,
        };
        let [plain, exact, near] = [Gelu::Not, Gelu::Exact, Gelu::Near].map(lines);
        for (row_step, col_step, add, last) in [
            (len, 1, false, None),
            (1, MR, true, None),
            (1, MR, false, Some(&plain)),
            (len, 1, true, Some(&exact)),
            (len, 1, true, Some(&near)),
        ] {
            let tile = Tile {
                a: &a,
                row_step,
                col_step,
                b: &b,
                panel_step,
                len,
                c_step,
                add,
                last,
            };
            let run = |work: &dyn Fn(&mut [f32])| {
                let mut c = vec![0.3f32; MR * c_step];
                work(&mut c);
                c
            };
            for rows in (1..=MR).step_by(if cfg!(miri) { 5 } else { 1 }) {
                for cols in [1, 7, 8, 15, 16, 17, 24, 31, 32] {
                    let size = (rows, cols);
                    let plain = run(&|c| {
                        tile.portable(size, c);
                        tile.finish(size, c);
                    });
                    let untouched = |(i, &v)| v == 0.3 || (i / c_step < rows && i % c_step < cols);
                    assert!(plain.iter().enumerate().all(untouched));
                    let most = Shape::best();
                    if rows <= most.rows && cols <= most.panels * NR {
                        assert_eq!(run(&|c| tile.run(size, c)), plain, "{size:?}");
                    }
                    #[cfg(target_arch = "x86_64")]
                    if has_avx2() && rows <= NARROW_ROWS && cols <= NR {
                        let narrow = run(&|c| {
                            // SAFETY: AVX2 was found, and the sizes fit.
                            unsafe { tile.narrow(size, c) };
                            tile.finish(size, c);
                        });
                        assert_eq!(narrow, plain, "{size:?} with AVX2");
                    }
                }
            }
        }
        if Shape::best().rows < MR {
            println!("skipped: this machine lacks AVX-512");
        }
    }
}
