//! Sets as bits: what two sets share, and how much.

/// Writes what `a` and `b` share into `out` and counts it; the shortest of the three is looked at.
#[inline]
pub fn intersect(a: &[u64], b: &[u64], out: &mut [u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if counts_wide() {
            // SAFETY: the machine has what the function was compiled for.
            return unsafe { x86::intersect_wide(a, b, out) };
        }
        if std::arch::is_x86_feature_detected!("popcnt")
            && std::arch::is_x86_feature_detected!("avx2")
        {
            // SAFETY: as above.
            return unsafe { x86::intersect_plain(a, b, out) };
        }
    }
    intersect_body(a, b, out)
}

/// Counts what `a` and `b` share; the shorter of the two is looked at.
#[inline]
pub fn count_shared(a: &[u64], b: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if counts_wide() {
            // SAFETY: the machine has what the function was compiled for.
            return unsafe { x86::count_wide(a, b) };
        }
        if std::arch::is_x86_feature_detected!("popcnt")
            && std::arch::is_x86_feature_detected!("avx2")
        {
            // SAFETY: as above.
            return unsafe { x86::count_plain(a, b) };
        }
    }
    count_body(a, b)
}

/// Writes the bits of `a` at the places of the bits of `mask`, without gaps, into `out`, which is zero and long enough.
pub fn gather(a: &[u64], mask: &[u64], out: &mut [u64]) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the machine has what the function was compiled for.
            unsafe { x86::gather_fast(a, mask, out) };
            return;
        }
    }
    gather_body(a, mask, out, |word, mask| {
        let (mut rest, mut found) = (mask, 0u64);
        for at in 0..mask.count_ones() {
            found |= ((word >> rest.trailing_zeros()) & 1) << at;
            rest &= rest - 1;
        }
        found
    });
}

#[inline(always)]
fn gather_body(a: &[u64], mask: &[u64], out: &mut [u64], of_word: impl Fn(u64, u64) -> u64) {
    let mut at = 0usize;
    for (&word, &mask) in a.iter().zip(mask) {
        if mask == 0 {
            continue;
        }
        let found = of_word(word, mask);
        let (place, shift) = (at / 64, at % 64);
        out[place] |= found << shift;
        let n = mask.count_ones() as usize;
        if shift + n > 64 {
            out[place + 1] |= found >> (64 - shift);
        }
        at += n;
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counts_wide() -> bool {
    super::simd::has_avx512() && std::arch::is_x86_feature_detected!("avx512vpopcntdq")
}

#[inline(always)]
fn intersect_body(a: &[u64], b: &[u64], out: &mut [u64]) -> u64 {
    let mut n = 0u64;
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = a & b;
        n += u64::from(out.count_ones());
    }
    n
}

#[inline(always)]
fn count_body(a: &[u64], b: &[u64]) -> u64 {
    let shared = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from((a & b).count_ones()));
    shared.sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    macro_rules! compiled_for {
        ($features:literal, $intersect:ident, $count:ident) => {
            #[target_feature(enable = $features)]
            pub fn $intersect(a: &[u64], b: &[u64], out: &mut [u64]) -> u64 {
                super::intersect_body(a, b, out)
            }

            #[target_feature(enable = $features)]
            pub fn $count(a: &[u64], b: &[u64]) -> u64 {
                super::count_body(a, b)
            }
        };
    }
    #[target_feature(enable = "popcnt,bmi2")]
    pub fn gather_fast(a: &[u64], mask: &[u64], out: &mut [u64]) {
        super::gather_body(a, mask, out, |word, mask| {
            std::arch::x86_64::_pext_u64(word, mask)
        });
    }

    compiled_for!("popcnt,avx2", intersect_plain, count_plain);
    compiled_for!(
        "popcnt,avx512f,avx512vl,avx512bw,avx512vpopcntdq",
        intersect_wide,
        count_wide
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::{Level, at_most};

    #[test]
    fn every_machine_counts_the_same() {
        for len in [0usize, 1, 3, 8, 17, 100] {
            let word = |k: usize, salt: u64| (k as u64 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let a: Vec<u64> = (0..len).map(|k| word(k, 1)).collect();
            let b: Vec<u64> = (0..len).map(|k| word(k, 77)).collect();
            let mut expected = vec![0; len];
            let n = intersect_body(&a, &b, &mut expected);
            let both = || {
                let mut out = vec![0; len];
                let found = (intersect(&a, &b, &mut out), count_shared(&a, &b));
                assert_eq!((found, &out), ((n, n), &expected));
            };
            both();
            at_most(Level::Avx2, both);
        }
    }

    #[test]
    fn bits_are_gathered_in_order() {
        let word = |k: u64| k.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let a: Vec<u64> = (1..40).map(word).collect();
        let mask: Vec<u64> = (1..40)
            .map(|k| word(k + 5) & (word(k + 9) * (k % 3)))
            .collect();
        let bit = |set: &[u64], at: usize| (set[at / 64] >> (at % 64)) & 1 == 1;
        let places = (0..39 * 64).filter(|&at| bit(&mask, at));
        let expected: Vec<bool> = places.map(|at| bit(&a, at)).collect();
        let mut out = vec![0; expected.len().div_ceil(64)];
        gather(&a, &mask, &mut out);
        for (at, &expected) in expected.iter().enumerate() {
            assert_eq!(bit(&out, at), expected, "{at}");
        }
    }
}
