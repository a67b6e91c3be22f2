//! One source, three machines: the same loops compiled for AVX-512, for AVX2 with FMA, and for the base
//! line.
//!
//! Loops use `mul_add` and explicit lanes, so all compilations give the same bits.

#[cfg(test)]
pub use forced::{Level, at_most};

/// True when the machine has AVX2 and FMA.
#[inline]
pub fn has_avx2() -> bool {
    #[cfg(test)]
    if forced::forbids(Level::Avx2) {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// True when the machine has AVX-512 with vectors of all lengths and lanes.
#[inline]
pub fn has_avx512() -> bool {
    #[cfg(test)]
    if forced::forbids(Level::Avx512) {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    {
        has_avx2()
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512dq")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Lanes of a sum, whose order is thereby the same on every machine.
pub const LANES: usize = 16;

/// Takes every value into its lane.
#[inline(always)]
pub fn into_lanes(lanes: &mut [f32; LANES], values: &[f32], of: impl Fn(f32, f32) -> f32) {
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for at in 0..LANES {
            lanes[at] = of(lanes[at], chunk[at]);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane = of(*lane, v);
    }
}

/// The larger of two; the first where they cannot be compared.
#[inline(always)]
pub fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// The smaller of two; the first where they cannot be compared.
#[inline(always)]
pub fn smaller(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

/// The sum of all lanes, by halves.
#[inline(always)]
pub fn sum_of(lanes: [f32; LANES]) -> f32 {
    halved(lanes, |a, b| a + b)
}

/// All lanes as one, by halves.
#[inline(always)]
pub fn halved(lanes: [f32; LANES], of: impl Fn(f32, f32) -> f32) -> f32 {
    use std::array::from_fn;
    let eight: [f32; 8] = from_fn(|at| of(lanes[at], lanes[at + 8]));
    let four: [f32; 4] = from_fn(|at| of(eight[at], eight[at + 4]));
    let two: [f32; 2] = from_fn(|at| of(four[at], four[at + 2]));
    of(two[0], two[1])
}

/// Defines a function whose body is compiled three times and chosen at run time.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2,fma")]
                fn fast($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn fastest($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                if crate::kernels::simd::has_avx512() {
                    // SAFETY: the features that `fastest` is compiled for were just found.
                    return unsafe { fastest($($arg),*) };
                }
                if crate::kernels::simd::has_avx2() {
                    // SAFETY: the features that `fast` is compiled for were just found.
                    return unsafe { fast($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use vectorised;

/// Evaluates `$call` with the number of rows as the constant `$R`.
#[cfg(target_arch = "x86_64")]
macro_rules! by_rows {
    ($rows:expr, [$($n:literal)*], $R:ident => $call:expr) => {
        match $rows {
            $($n => {
                const $R: usize = $n;
                $call
            })*
            _ => unreachable!("no such tile"),
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use by_rows;

/// In tests: the kernels of lesser machines.
#[cfg(test)]
mod forced {
    use std::cell::Cell;

    /// How much of a machine kernels may use.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Level {
        /// Plain loops.
        Portable,
        /// AVX2 with FMA, and AVX-VNNI where it is there.
        Avx2,
        /// All that is there.
        Avx512,
    }

    impl Level {
        /// Those that differ on this machine, the least first.
        pub fn all() -> Vec<Self> {
            let mut levels = vec![Self::Portable];
            for (level, found) in [
                (Self::Avx2, super::has_avx2()),
                (Self::Avx512, super::has_avx512()),
            ] {
                if found {
                    levels.push(level);
                } else {
                    println!("skipped: this machine lacks {level:?}");
                }
            }
            levels
        }
    }

    thread_local! {
        static MOST: Cell<Level> = const { Cell::new(Level::Avx512) };
    }

    pub fn forbids(level: Level) -> bool {
        MOST.get() < level
    }

    /// Runs `work` on one thread of its own that has nothing above `level`.
    pub fn at_most<T: Send>(level: Level, work: impl FnOnce() -> T + Send) -> T {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("a thread").install(|| {
            MOST.set(level);
            work()
        })
    }
}
