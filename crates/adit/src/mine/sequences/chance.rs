//! How often chance alone gives as many hits: the sum of trials that each have a chance of their own.

use std::f64::consts::TAU;

/// Sums of up to so many trials are added up term by term.
const EXACT: usize = 400;
/// Steps of Newton's method, at most.
const STEPS: usize = 200;

/// The probability of `hits` or more of independent trials with these chances (the Poisson binomial distribution); 1
/// where `hits` is no more than expected.
///
/// Exact up to 400 trials; beyond by the saddle point of Lugannani and Rice (1980, "Saddle point approximation for the
/// distribution of the sum of independent random variables") with Daniels' correction for whole numbers.
pub(super) fn tail(chances: &[f64], hits: usize) -> f64 {
    let uncertain: Vec<f64> = chances.iter().copied().filter(|p| *p < 1.0).collect();
    let hits = hits.saturating_sub(chances.len() - uncertain.len());
    let mean: f64 = uncertain.iter().sum();
    if hits as f64 <= mean || hits == 0 {
        return 1.0;
    }
    if hits > uncertain.len() {
        return 0.0;
    }
    if hits == uncertain.len() {
        let all: f64 = uncertain.iter().map(|p| p.ln()).sum();
        return all.exp().max(f64::MIN_POSITIVE);
    }
    let p = if uncertain.len() <= EXACT {
        by_terms(&uncertain, hits)
    } else {
        by_saddle_point(&uncertain, hits as f64)
    };
    p.clamp(f64::MIN_POSITIVE, 1.0)
}

/// The distribution trial by trial; everything from `hits` on is one state, so nothing small is taken from something large.
fn by_terms(chances: &[f64], hits: usize) -> f64 {
    let mut states = vec![0.0; hits + 1];
    states[0] = 1.0;
    for (k, p) in chances.iter().enumerate() {
        let top = hits.min(k + 1);
        if top == hits {
            states[hits] += states[hits - 1] * p;
        }
        for at in (1..=top.min(hits - 1)).rev() {
            states[at] = states[at] * (1.0 - p) + states[at - 1] * p;
        }
        states[0] *= 1.0 - p;
    }
    states[hits]
}

fn by_saddle_point(chances: &[f64], hits: f64) -> f64 {
    // The cumulant generating function with its first two derivatives.
    let at = |t: f64| {
        let grown = t.exp_m1();
        let mut sums = (0.0, 0.0, 0.0);
        for p in chances {
            let tilted = p * (grown + 1.0) / (1.0 + p * grown);
            sums.0 += (p * grown).ln_1p();
            sums.1 += tilted;
            sums.2 += tilted * (1.0 - tilted);
        }
        sums
    };
    // Newton's method between bounds: the first derivative grows with `t`.
    let (mut low, mut high, mut t) = (0.0, 700.0, 0.0);
    let mut sums = at(t);
    for _ in 0..STEPS {
        if sums.1 < hits {
            low = t;
        } else {
            high = t;
        }
        let step = (hits - sums.1) / sums.2;
        let next = t + step;
        let next = if next > low && next < high {
            next
        } else {
            (low + high) / 2.0
        };
        let moved = (next - t).abs();
        t = next;
        sums = at(t);
        if moved <= 1e-12 * t {
            break;
        }
    }
    let w = (2.0 * (t * hits - sums.0)).max(0.0).sqrt();
    let u = -(-t).exp_m1() * sums.2.sqrt();
    if w < 1e-6 || u < 1e-6 {
        return 0.5;
    }
    let density = (-w * w / 2.0).exp() / TAU.sqrt();
    upper_normal(w) + density * (1.0 / u - 1.0 / w)
}

/// The share of the standard normal distribution above `x`, 0 or more.
fn upper_normal(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / TAU.sqrt();
    if x < 2.5 {
        // The series of the distribution function around 0.
        let (mut term, mut sum) = (x, x);
        for k in 1..100 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // Laplace's continued fraction.
    let mut fraction = x;
    for k in (1..=60).rev() {
        fraction = x + f64::from(k) / fraction;
    }
    density / fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_normal_distribution_is_that_of_tables() {
        for (x, above) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (2.4, 0.008_197_535_924_596_13),
            (3.0, 0.001_349_898_031_630_094_6),
            (8.0, 6.220_960_574_271_785e-16),
        ] {
            assert!((upper_normal(x) / above - 1.0).abs() < 1e-9, "{x}");
        }
        assert!((upper_normal(2.5) - upper_normal(2.499_999_999)).abs() < 1e-10);
    }

    #[test]
    fn every_outcome_is_counted() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..2_000 {
            let n = rng.random_range(1..11usize);
            let chances: Vec<f64> = (0..n)
                .map(|_| {
                    if rng.random_bool(0.1) {
                        1.0
                    } else {
                        rng.random::<f64>()
                    }
                })
                .collect();
            let hits = rng.random_range(0..=n);
            let of = |mask: u32| -> f64 {
                let all = chances.iter().enumerate();
                all.map(|(k, p)| if mask >> k & 1 == 1 { *p } else { 1.0 - p })
                    .product()
            };
            let truth: f64 = (0..1u32 << n)
                .filter(|mask| mask.count_ones() as usize >= hits)
                .map(of)
                .sum();
            let mean: f64 = chances.iter().sum();
            let expected = if hits as f64 <= mean { 1.0 } else { truth };
            let found = tail(&chances, hits);
            assert!(
                (found - expected).abs() <= 1e-12 + 1e-9 * expected,
                "{found} {expected} {chances:?} {hits}"
            );
        }
        assert_eq!(tail(&[], 0), 1.0);
        assert_eq!(tail(&[0.0, 0.5], 2), f64::MIN_POSITIVE);
    }

    #[test]
    fn the_saddle_point_agrees_with_the_terms() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for n in [401usize, 1500] {
            for scale in [0.01, 0.3, 1.0] {
                let chances: Vec<f64> = (0..n).map(|_| rng.random::<f64>() * scale).collect();
                let mean: f64 = chances.iter().sum();
                let spread: f64 = chances.iter().map(|p| p * (1.0 - p)).sum::<f64>().sqrt();
                for z in [1.0, 2.0, 4.0, 8.0] {
                    let hits = ((mean + z * spread).ceil() as usize).min(n - 1);
                    let (near, exact) = (
                        by_saddle_point(&chances, hits as f64),
                        by_terms(&chances, hits),
                    );
                    assert!(
                        (near / exact - 1.0).abs() < 0.02,
                        "{n} {scale} {z}: {near} {exact}"
                    );
                }
            }
        }
    }
}
