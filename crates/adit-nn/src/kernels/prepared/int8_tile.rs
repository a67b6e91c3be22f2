//! The innermost loops over bytes: the same integers on every machine.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::NR;

/// Rows are filled up to a multiple of so many bytes.
pub const GROUP: usize = 4;
/// Rows of a tile; 6 · 16 sums fill twelve of the sixteen AVX2 registers.
pub const TILE_ROWS: usize = 6;

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

    /// The best way that the machine has.
    #[inline]
    pub fn best() -> Self {
        let found = Self::ALL.into_iter().rev().find(|path| path.is_there());
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

/// `a · b` for at most `TILE_ROWS` rows of bytes and one panel.
pub struct Tile<'a> {
    /// Rows of `groups · GROUP` bytes.
    pub a: &'a [u8],
    /// The same, two bytes in 32 bits, for [`Path::Avx2`].
    pub spread: &'a [u32],
    /// A panel, `[k / together, NR, together]`.
    pub b: &'a [i8],
    /// How many groups there are.
    pub groups: usize,
    /// How the panel was laid out and is computed.
    pub path: Path,
}

impl Tile<'_> {
    /// Fills the first `rows` rows of `sums` `[TILE_ROWS, NR]`.
    #[inline]
    pub fn run(&self, rows: usize, sums: &mut [i32; TILE_ROWS * NR]) {
        let path = self.path;
        assert!(
            (1..=TILE_ROWS).contains(&rows)
                && self.b.len() >= self.groups * NR * GROUP
                && rows * self.groups * GROUP <= self.a.len()
                && (path != Path::Avx2 || rows * self.groups * 2 <= self.spread.len()),
            "no such tile"
        );
        assert!(path.is_there(), "the machine lacks {path:?}");
        macro_rules! by_rows {
            ($run:ident) => {
                // SAFETY: the features were found, and the assert above keeps every access inside.
                unsafe {
                    match rows {
                        1 => self.$run::<1>(sums),
                        2 => self.$run::<2>(sums),
                        3 => self.$run::<3>(sums),
                        4 => self.$run::<4>(sums),
                        5 => self.$run::<5>(sums),
                        _ => self.$run::<TILE_ROWS>(sums),
                    }
                }
            };
        }
        match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => by_rows!(avx2),
            #[cfg(target_arch = "x86_64")]
            Path::AvxVnni => by_rows!(avx_vnni),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512Vnni => by_rows!(avx512_vnni),
            _ => self.portable(rows, sums),
        }
    }

    fn portable(&self, rows: usize, sums: &mut [i32; TILE_ROWS * NR]) {
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
    unsafe fn avx2<const R: usize>(&self, sums: &mut [i32; TILE_ROWS * NR]) {
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
    unsafe fn avx_vnni<const R: usize>(&self, sums: &mut [i32; TILE_ROWS * NR]) {
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
    unsafe fn avx512_vnni<const R: usize>(&self, sums: &mut [i32; TILE_ROWS * NR]) {
        // Two sums a row hide the latency of the instruction, which six chains would not fill.
        let mut own = [[_mm512_setzero_si512(); 2]; R];
        let (a, b) = (self.a.as_ptr(), self.b.as_ptr());
        for group in 0..self.groups {
            // SAFETY: `b` runs over `groups · 64` bytes, `a` over `groups · 4` bytes of `R` rows.
            unsafe {
                let right = _mm512_loadu_si512(b.add(group * NR * GROUP).cast());
                for (row, own) in own.iter_mut().enumerate() {
                    let at = a.add((row * self.groups + group) * GROUP);
                    let left = _mm512_set1_epi32(at.cast::<i32>().read_unaligned());
                    own[group % 2] = _mm512_dpbusd_epi32(own[group % 2], left, right);
                }
            }
        }
        for (own, sums) in own.iter().zip(sums.chunks_exact_mut(NR)) {
            let sum = _mm512_add_epi32(own[0], own[1]);
            // SAFETY: a row of `sums` holds sixteen values.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_gives_the_same_integers() {
        for groups in [1, 2, 5, 96] {
            let wide = groups * GROUP;
            // The largest values come often, where instructions that saturate would go wrong.
            let a: Vec<u8> = (0..TILE_ROWS * wide)
                .map(|i| {
                    if i % 3 == 0 {
                        255
                    } else {
                        (i * 7919 % 256) as u8
                    }
                })
                .collect();
            let b: Vec<i8> = (0..groups * NR * GROUP)
                .map(|i| match i % 5 {
                    0 | 1 => 127,
                    2 => -127,
                    _ => ((i * 104_729) % 255) as u8 as i8,
                })
                .collect();
            let spread: Vec<u32> = a.chunks_exact(2).map(|p| spread([p[0], p[1]])).collect();
            for rows in 1..=TILE_ROWS {
                let mut want = [7i32; TILE_ROWS * NR];
                for (i, sums) in want.chunks_exact_mut(NR).take(rows).enumerate() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let product =
                            |p: usize| i32::from(a[i * wide + p]) * i32::from(b[p * NR + j]);
                        *sum = (0..wide).map(product).sum();
                    }
                }
                for path in Path::ALL {
                    if !path.is_there() {
                        println!("skipped: this machine lacks {path:?}");
                        continue;
                    }
                    let at = |p: usize, j: usize| place(path, p, j);
                    let mut laid = vec![0i8; b.len()];
                    (0..b.len()).for_each(|i| laid[at(i / NR, i % NR)] = b[i]);
                    let tile = Tile {
                        a: &a,
                        spread: &spread,
                        b: &laid,
                        groups,
                        path,
                    };
                    let mut got = [7i32; TILE_ROWS * NR];
                    tile.run(rows, &mut got);
                    assert_eq!(got, want, "{path:?}, {rows} rows, {groups} groups");
                }
            }
        }
    }
}
