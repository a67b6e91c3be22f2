//! One source, three machines: the same loops compiled for AVX-512, for AVX2 with FMA, and for the base
//! line.
//!
//! Loops use `mul_add` and explicit lanes, so all compilations give the same bits.

/// True when the machine has AVX2 and FMA.
#[inline]
pub fn has_avx2() -> bool {
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
