//! Multiply-adds in registers alone: the most that this machine computes, to hold kernels against.
//!
//! Enters: how often. Leaves: the sum of all lanes, so that nothing can be left out. Not here: a clock.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::hint::black_box;

use super::prepared::{bf16_tile, int8_tile};
use super::simd::{has_avx2, has_avx512};
use crate::precision::Precision;

/// What every lane of the left is; small whole numbers, so that early sums are exact.
const LEFT: i8 = 2;
/// What every lane of the right is.
const RIGHT: i8 = 3;

/// Multiply-adds of one instruction set and one kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peak {
    /// f32 in plain loops.
    Plain,
    /// f32 by FMA on 256 bits.
    Avx2,
    /// f32 by FMA on 512 bits.
    Avx512,
    /// Sums of pairs of bfloat16 on 512 bits.
    Avx512Bf16,
    /// Bytes in plain loops.
    PlainBytes,
    /// Bytes by `vpmaddwd` and an addition on 256 bits.
    Avx2Bytes,
    /// Bytes by `vpdpbusd` on 256 bits.
    AvxVnni,
    /// Bytes by `vpdpbusd` on 512 bits.
    Avx512Vnni,
}

impl Peak {
    /// All of them, by numbers, the best of each last.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Bf16,
        Self::PlainBytes,
        Self::Avx2Bytes,
        Self::AvxVnni,
        Self::Avx512Vnni,
    ];

    /// What kernels compute with on this machine when weights are held in `precision`.
    pub fn of(precision: Precision) -> Self {
        let halves = bf16_tile::Path::best() == bf16_tile::Path::Avx512Bf16;
        match precision {
            Precision::Bf16 if halves => Self::Avx512Bf16,
            Precision::Int8 => Self::of_bytes(int8_tile::Path::best()),
            _ if has_avx512() => Self::Avx512,
            _ if has_avx2() => Self::Avx2,
            _ => Self::Plain,
        }
    }

    fn of_bytes(path: int8_tile::Path) -> Self {
        match path {
            int8_tile::Path::Portable => Self::PlainBytes,
            int8_tile::Path::Avx2 => Self::Avx2Bytes,
            int8_tile::Path::AvxVnni => Self::AvxVnni,
            int8_tile::Path::Avx512Vnni => Self::Avx512Vnni,
        }
    }

    /// True if the machine has the instructions.
    pub fn is_there(self) -> bool {
        match self {
            Self::Plain => true,
            Self::Avx2 => has_avx2(),
            Self::Avx512 => has_avx512(),
            Self::Avx512Bf16 => bf16_tile::Path::best() == bf16_tile::Path::Avx512Bf16,
            Self::PlainBytes => int8_tile::Path::Portable.is_there(),
            Self::Avx2Bytes => int8_tile::Path::Avx2.is_there(),
            Self::AvxVnni => int8_tile::Path::AvxVnni.is_there(),
            Self::Avx512Vnni => int8_tile::Path::Avx512Vnni.is_there(),
        }
    }

    /// The name of the instruction set.
    pub fn instructions(self) -> &'static str {
        match self {
            Self::Plain | Self::PlainBytes => "plain loops",
            Self::Avx2 => "AVX2, FMA",
            Self::Avx512 => "AVX-512",
            Self::Avx512Bf16 => "AVX-512-BF16",
            Self::Avx2Bytes => "AVX2",
            Self::AvxVnni => "AVX-VNNI",
            Self::Avx512Vnni => "AVX-512-VNNI",
        }
    }

    /// What is multiplied: `f32`, `bf16` or `int8`.
    pub fn numbers(self) -> &'static str {
        match self {
            Self::Plain | Self::Avx2 | Self::Avx512 => "f32",
            Self::Avx512Bf16 => "bf16",
            Self::PlainBytes | Self::Avx2Bytes | Self::AvxVnni | Self::Avx512Vnni => "int8",
        }
    }

    /// Sums that a round adds to.
    fn lanes(self) -> u64 {
        match self {
            Self::Plain | Self::PlainBytes => 16,
            Self::Avx2 | Self::AvxVnni => 12 * 8,
            Self::Avx2Bytes => 8 * 8,
            Self::Avx512 | Self::Avx512Bf16 | Self::Avx512Vnni => 24 * 16,
        }
    }

    /// Products that a round adds to one sum.
    fn products(self) -> u64 {
        match self {
            Self::Plain | Self::Avx2 | Self::Avx512 | Self::PlainBytes => 1,
            Self::Avx512Bf16 | Self::Avx2Bytes => 2,
            Self::AvxVnni | Self::Avx512Vnni => 4,
        }
    }

    /// Multiplications and additions of a round.
    pub fn operations(self) -> u64 {
        2 * self.lanes() * self.products()
    }

    /// Computes `rounds` rounds on this thread; gives the sum of all lanes.
    ///
    /// Panics when the machine lacks the instructions.
    pub fn run(self, rounds: u64) -> f64 {
        assert!(self.is_there(), "the machine lacks {self:?}");
        match self {
            // SAFETY: the features were found, here and in what follows.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2(rounds) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512(rounds) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => unsafe { avx512_bf16(rounds) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Bytes => unsafe { avx2_bytes(rounds) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => unsafe { avx_vnni(rounds) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512_vnni(rounds) },
            Self::PlainBytes => plain_bytes(rounds),
            _ => plain(rounds),
        }
    }
}

fn plain(rounds: u64) -> f64 {
    let (left, right) = black_box((f32::from(LEFT), f32::from(RIGHT)));
    let mut sums: [f32; 16] = std::array::from_fn(|at| at as f32);
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = left.mul_add(right, *sum);
        }
    }
    sums.into_iter().map(f64::from).sum()
}

fn plain_bytes(rounds: u64) -> f64 {
    let right = black_box([RIGHT; 16]);
    let mut sums: [i32; 16] = std::array::from_fn(|at| at as i32);
    for _ in 0..rounds {
        // Unknown in every round, lest all of them become one multiplication.
        let left = i32::from(black_box(LEFT));
        for (sum, right) in sums.iter_mut().zip(right) {
            *sum = sum.wrapping_add(left * i32::from(right));
        }
    }
    sums.into_iter().map(f64::from).sum()
}

/// Defines a loop over registers full of sums; two of the registers that are left hold the factors.
#[cfg(target_arch = "x86_64")]
macro_rules! in_registers {
    ($name:ident, $features:literal, [$lane:ty; $lanes:literal], $registers:literal,
     $start:ident, $factors:expr, $step:ident) => {
        #[target_feature(enable = $features)]
        fn $name(rounds: u64) -> f64 {
            let (left, right) = black_box($factors);
            let mut sums = [$start(0 as $lane); $registers];
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum = $start(at as $lane);
            }
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = $step(*sum, left, right);
                }
            }
            // SAFETY: registers are lanes one after another, and any bits are a lane.
            let lanes: [$lane; $lanes * $registers] = unsafe { std::mem::transmute(sums) };
            lanes.into_iter().map(f64::from).sum()
        }
    };
}

#[cfg(target_arch = "x86_64")]
in_registers!(
    avx2,
    "avx2,fma",
    [f32; 8],
    12,
    _mm256_set1_ps,
    (_mm256_set1_ps(LEFT.into()), _mm256_set1_ps(RIGHT.into())),
    add_product_256
);
#[cfg(target_arch = "x86_64")]
in_registers!(
    avx512,
    "avx512f",
    [f32; 16],
    24,
    _mm512_set1_ps,
    (_mm512_set1_ps(LEFT.into()), _mm512_set1_ps(RIGHT.into())),
    add_product_512
);
#[cfg(target_arch = "x86_64")]
in_registers!(
    avx512_bf16,
    "avx512f,avx512bw,avx512vl,avx512bf16",
    [f32; 16],
    24,
    _mm512_set1_ps,
    (halves(LEFT), halves(RIGHT)),
    _mm512_dpbf16_ps
);
#[cfg(target_arch = "x86_64")]
in_registers!(
    avx_vnni,
    "avx2,avxvnni",
    [i32; 8],
    12,
    _mm256_set1_epi32,
    (_mm256_set1_epi8(LEFT), _mm256_set1_epi8(RIGHT)),
    _mm256_dpbusd_avx_epi32
);
#[cfg(target_arch = "x86_64")]
in_registers!(
    avx512_vnni,
    "avx512f,avx512vnni",
    [i32; 16],
    24,
    _mm512_set1_epi32,
    (_mm512_set1_epi8(LEFT), _mm512_set1_epi8(RIGHT)),
    _mm512_dpbusd_epi32
);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_product_256(sum: __m256, left: __m256, right: __m256) -> __m256 {
    _mm256_fmadd_ps(left, right, sum)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn add_product_512(sum: __m512, left: __m512, right: __m512) -> __m512 {
    _mm512_fmadd_ps(left, right, sum)
}

/// A register of one bfloat16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
fn halves(value: i8) -> __m512bh {
    let wide = _mm512_set1_ps(value.into());
    _mm512_cvtne2ps_pbh(wide, wide)
}

/// Products are apart from sums here, so every sum has a product of its own.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2_bytes(rounds: u64) -> f64 {
    let right = black_box([_mm256_set1_epi16(RIGHT.into()); 2]);
    let mut left = [_mm256_set1_epi16(LEFT.into()); 4];
    let mut sums = [_mm256_setzero_si256(); 8];
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum = _mm256_set1_epi32(at as i32);
    }
    for _ in 0..rounds {
        for (left, sums) in left.iter_mut().zip(sums.as_chunks_mut::<2>().0) {
            // SAFETY: no instruction at all; the value counts as changed, so that the product is computed
            // in every round.
            unsafe {
                std::arch::asm!(
                    "/* {0} */",
                    inout(ymm_reg) * left,
                    options(nomem, nostack, preserves_flags)
                );
            }
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(*left, right));
            }
        }
    }
    // SAFETY: registers are lanes one after another, and any bits are a lane.
    let lanes: [i32; 8 * 8] = unsafe { std::mem::transmute(sums) };
    lanes.into_iter().map(f64::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loop_adds_every_product_once_a_round() {
        for peak in Peak::ALL {
            if !peak.is_there() {
                println!("skipped: this machine lacks {peak:?}");
                continue;
            }
            let lanes = peak.lanes();
            let registers = match peak {
                Peak::Plain | Peak::PlainBytes => 16,
                Peak::Avx512 | Peak::Avx512Bf16 | Peak::Avx512Vnni => lanes / 16,
                _ => lanes / 8,
            };
            // Every lane starts at the number of its register.
            let start = lanes / registers * (registers * (registers - 1) / 2);
            for rounds in [0, 1, 2, 1001] {
                let product = f64::from(LEFT) * f64::from(RIGHT);
                let added = (rounds * lanes * peak.products()) as f64 * product;
                assert_eq!(peak.run(rounds), start as f64 + added, "{peak:?}, {rounds}");
            }
            assert_eq!(peak.operations(), 2 * lanes * peak.products());
        }
    }

    #[test]
    fn every_precision_has_a_peak_that_is_there() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let peak = Peak::of(precision);
            assert!(peak.is_there(), "{precision:?}: {peak:?}");
            let best = Peak::ALL
                .into_iter()
                .rev()
                .find(|other| other.is_there() && other.numbers() == peak.numbers());
            assert_eq!(best, Some(peak), "{precision:?}");
        }
    }
}
