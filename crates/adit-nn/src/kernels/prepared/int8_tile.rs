//! The innermost loops over bytes: the same integers on every machine.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::NR;
use crate::kernels::matmul::tile::{MR, Shape};
#[cfg(target_arch = "x86_64")]
use crate::kernels::simd::by_rows;
use crate::kernels::simd::{has_avx2, has_avx512};

/// Rows are filled up to a multiple of so many bytes.
pub const GROUP: usize = 4;
/// Sums of the largest tile of any machine.
pub const SUMS: usize = 2 * MR * NR;

/// How far ahead panels are fetched, in bytes.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 32 * NR * GROUP;

/// A way to compute a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Plain loops.
    Portable,
    /// `vpmaddwd` on widened bytes.
    Avx2,
    /// `vpdpbusd` on 256 bits.
    AvxVnni,
    /// `vpdpbusd` on 512 bits.
    Avx512Vnni,
}

impl Path {
    /// All ways, the best last.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// True if the machine has the instructions.
    #[inline]
    pub fn is_there(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::AvxVnni => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")
            }
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
            }
        };
        #[cfg(not(target_arch = "x86_64"))]
        return self == Self::Portable;
    }

    /// Neighbours in `k` that one instruction sums up, and that lie together in a panel.
    pub fn together(self) -> usize {
        if self == Self::Avx2 { 2 } else { GROUP }
    }

    /// The largest tile.
    pub fn shape(self) -> Shape {
        if self == Self::Avx512Vnni {
            Shape::WIDE
        } else {
            Shape::NARROW
        }
    }

    /// The best way that the machine has.
    #[inline]
    pub fn best() -> Self {
        // Other loops run beside a tile, so that a machine must have what those need too.
        let fits = |path: &Self| match path {
            Self::Portable => true,
            Self::Avx2 | Self::AvxVnni => has_avx2() && path.is_there(),
            Self::Avx512Vnni => has_avx512() && path.is_there(),
        };
        let found = Self::ALL.into_iter().rev().find(fits);
        found.unwrap_or(Self::Portable)
    }
}

/// Two bytes in two lanes of 16 bits.
#[inline(always)]
pub fn spread(pair: [u8; 2]) -> u32 {
    u32::from(pair[0]) | u32::from(pair[1]) << 16
}

/// Where the weight of input `p` and column `col` lies in a panel.
pub fn place(path: Path, p: usize, col: usize) -> usize {
    let together = path.together();
    (p / together * NR + col) * together + p % together
}

/// `a · b` for some rows of bytes and one or two panels.
pub struct Tile<'a> {
    /// Rows of `groups · GROUP` bytes.
    pub a: &'a [u8],
    /// The same, two bytes in 32 bits, for [`Path::Avx2`].
    pub spread: &'a [u32],
    /// Panels one after the other, each `[k / together, NR, together]`.
    pub b: &'a [i8],
    /// How many groups there are.
    pub groups: usize,
    /// How the panel was laid out and is computed.
    pub path: Path,
}

impl Tile<'_> {
    /// Fills `sums` `[panels, rows, NR]`; at most [`Path::shape`].
    #[inline]
    pub fn run(&self, Shape { rows, panels }: Shape, sums: &mut [i32; SUMS]) {
        let (path, most) = (self.path, self.path.shape());
        assert!(
            (1..=most.rows).contains(&rows)
                && (1..=most.panels).contains(&panels)
                && self.b.len() >= panels * self.groups * NR * GROUP
                && rows * self.groups * GROUP <= self.a.len()
                && (path != Path::Avx2 || rows * self.groups * 2 <= self.spread.len()),
            "no such tile"
        );
        assert!(path.is_there(), "the machine lacks {path:?}");
        match path {
            // SAFETY: the features were found, and the assert above keeps every access inside.
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => unsafe { by_rows!(rows, [1 2 3 4 5 6], R => self.avx2::<R>(sums)) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::AvxVnni => unsafe {
                by_rows!(rows, [1 2 3 4 5 6], R => self.avx_vnni::<R>(sums));
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Path::Avx512Vnni => unsafe {
                if panels == 2 {
                    by_rows!(rows, [1 2 3 4 5 6 7 8 9 10 11 12], R => self.avx512_vnni::<R, 2>(sums));
                } else {
                    by_rows!(rows, [1 2 3 4 5 6 7 8 9 10 11 12], R => self.avx512_vnni::<R, 1>(sums));
                }
            },
            _ => self.portable(rows, sums),
        }
    }

    fn portable(&self, rows: usize, sums: &mut [i32; SUMS]) {
        for (row, sums) in sums.chunks_exact_mut(NR).take(rows).enumerate() {
            sums.fill(0);
            let a = &self.a[row * self.groups * GROUP..][..self.groups * GROUP];
            for (a, b) in a.chunks_exact(GROUP).zip(self.b.chunks_exact(NR * GROUP)) {
                for (sum, b) in sums.iter_mut().zip(b.chunks_exact(GROUP)) {
                    for (&a, &b) in a.iter().zip(b) {
                        *sum += i32::from(a) * i32::from(b);
                    }
                }
            }
        }
    }

    /// # Safety
    /// AVX2 must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn avx2<const R: usize>(&self, sums: &mut [i32; SUMS]) {
        let mut own = [[_mm256_setzero_si256(); 2]; R];
        let (mut a, mut b) = (self.spread.as_ptr(), self.b.as_ptr());
        for _ in 0..2 * self.groups {
            // SAFETY: `b` runs over `groups · 64` bytes, `a` over `groups · 2` values of `R` rows.
            unsafe {
                let right = [
                    _mm256_cvtepi8_epi16(_mm_loadu_si128(b.cast())),
                    _mm256_cvtepi8_epi16(_mm_loadu_si128(b.add(16).cast())),
                ];
                for (row, own) in own.iter_mut().enumerate() {
                    let left = _mm256_set1_epi32(*a.add(row * 2 * self.groups) as i32);
                    own[0] = _mm256_add_epi32(own[0], _mm256_madd_epi16(left, right[0]));
                    own[1] = _mm256_add_epi32(own[1], _mm256_madd_epi16(left, right[1]));
                }
                a = a.add(1);
                b = b.add(NR * 2);
            }
        }
        for (own, sums) in own.iter().zip(sums.chunks_exact_mut(NR)) {
            // SAFETY: a row of `sums` holds sixteen values.
            unsafe {
                _mm256_storeu_si256(sums.as_mut_ptr().cast(), own[0]);
                _mm256_storeu_si256(sums.as_mut_ptr().add(8).cast(), own[1]);
            }
        }
    }

    /// # Safety
    /// AVX-VNNI must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn avx_vnni<const R: usize>(&self, sums: &mut [i32; SUMS]) {
        let mut own = [[_mm256_setzero_si256(); 2]; R];
        let (mut a, mut b) = (self.a.as_ptr(), self.b.as_ptr());
        for _ in 0..self.groups {
            // SAFETY: `b` runs over `groups · 64` bytes, `a` over `groups · 4` bytes of `R` rows.
            unsafe {
                let right = [
                    _mm256_loadu_si256(b.cast()),
                    _mm256_loadu_si256(b.add(32).cast()),
                ];
                for (row, own) in own.iter_mut().enumerate() {
                    let left = a
                        .add(row * self.groups * GROUP)
                        .cast::<i32>()
                        .read_unaligned();
                    let left = _mm256_set1_epi32(left);
                    own[0] = _mm256_dpbusd_avx_epi32(own[0], left, right[0]);
                    own[1] = _mm256_dpbusd_avx_epi32(own[1], left, right[1]);
                }
                a = a.add(GROUP);
                b = b.add(NR * GROUP);
            }
        }
        for (own, sums) in own.iter().zip(sums.chunks_exact_mut(NR)) {
            // SAFETY: a row of `sums` holds sixteen values.
            unsafe {
                _mm256_storeu_si256(sums.as_mut_ptr().cast(), own[0]);
                _mm256_storeu_si256(sums.as_mut_ptr().add(8).cast(), own[1]);
            }
        }
    }

    /// # Safety
    /// AVX-512-VNNI must be there, and the sizes must fit as `run` asserts.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn avx512_vnni<const R: usize, const P: usize>(&self, sums: &mut [i32; SUMS]) {
        let mut own = [[_mm512_setzero_si512(); P]; R];
        let (a_step, b_step) = (self.groups * GROUP, self.groups * NR * GROUP);
        // Rows in threes share a pointer, so that all addresses fit the registers.
        let mut a: [*const u8; MR / 3] =
            std::array::from_fn(|three| self.a.as_ptr().wrapping_add(3 * three * a_step));
        let mut b = self.b.as_ptr();
        for _ in 0..self.groups {
            // SAFETY: a panel runs over `groups · 64` bytes, `a` over `groups · 4` bytes of `R` rows.
            unsafe {
                let right: [__m512i; P] = std::array::from_fn(|panel| {
                    let at = b.add(panel * b_step);
                    _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD).cast());
                    _mm512_loadu_si512(at.cast())
                });
                for (row, own) in own.iter_mut().enumerate() {
                    let left = a[row / 3].add(row % 3 * a_step).cast::<i32>();
                    let left = _mm512_set1_epi32(left.read_unaligned());
                    for (own, right) in own.iter_mut().zip(right) {
                        *own = _mm512_dpbusd_epi32(*own, left, right);
                    }
                }
                a = a.map(|a| a.wrapping_add(GROUP));
                b = b.add(NR * GROUP);
            }
        }
        for (row, own) in own.iter().enumerate() {
            for (panel, &own) in own.iter().enumerate() {
                let sums = &mut sums[(panel * R + row) * NR..][..NR];
                // SAFETY: a row of `sums` holds sixteen values.
                unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), own) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_chosen_by_what_the_machine_has() {
        use crate::kernels::simd::{Level, at_most};
        assert_eq!(at_most(Level::Portable, Path::best), Path::Portable);
        let narrow = at_most(Level::Avx2, Path::best);
        assert!(!matches!(narrow, Path::Avx512Vnni));
        if Path::AvxVnni.is_there() {
            assert_eq!(narrow, Path::AvxVnni);
        } else {
            println!("skipped: this machine lacks AVX-VNNI");
        }
    }

    #[test]
    fn every_path_gives_the_same_integers() {
        let groups: &[usize] = if cfg!(miri) { &[1, 2] } else { &[1, 2, 5, 96] };
        for &groups in groups {
            let wide = groups * GROUP;
            let panel = wide * NR;
            // The largest values come often, where instructions that saturate would go wrong.
            let a: Vec<u8> = (0..MR * wide)
                .map(|i| {
                    if i % 3 == 0 {
                        255
                    } else {
                        (i * 7919 % 256) as u8
                    }
                })
                .collect();
            let b: Vec<i8> = (0..2 * panel)
                .map(|i| match i % 5 {
                    0 | 1 => 127,
                    2 => -127,
                    _ => ((i * 104_729) % 255) as u8 as i8,
                })
                .collect();
            let spread: Vec<u32> = a.chunks_exact(2).map(|p| spread([p[0], p[1]])).collect();
            for path in Path::ALL {
                if !path.is_there() {
                    println!("skipped: this machine lacks {path:?}");
                    continue;
                }
                let mut laid = vec![0i8; b.len()];
                for (i, &value) in b.iter().enumerate() {
                    let (from, p, j) = (i / panel * panel, i % panel / NR, i % NR);
                    laid[from + place(path, p, j)] = value;
                }
                let tile = Tile {
                    a: &a,
                    spread: &spread,
                    b: &laid,
                    groups,
                    path,
                };
                let most = path.shape();
                for rows in 1..=most.rows {
                    for panels in 1..=most.panels {
                        let mut want = [7i32; SUMS];
                        for (at, sum) in want.iter_mut().enumerate().take(panels * rows * NR) {
                            let (from, i, j) = (at / (rows * NR) * panel, at / NR % rows, at % NR);
                            let product = |p: usize| {
                                i32::from(a[i * wide + p]) * i32::from(b[from + p * NR + j])
                            };
                            *sum = (0..wide).map(product).sum();
                        }
                        let mut got = [7i32; SUMS];
                        tile.run(Shape { rows, panels }, &mut got);
                        assert_eq!(got, want, "{path:?}, {rows} rows, {groups} groups");
                    }
                }
            }
        }
    }
}
