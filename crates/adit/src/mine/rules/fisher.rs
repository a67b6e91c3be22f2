//! Fisher's exact test of two things in the same baskets, one-sided: more often together than chance has it.
//!
//! Probabilities are those of the hypergeometric distribution by Loader's saddle-point expansion (2000, "Fast and
//! accurate computation of binomial probabilities"), which keeps its digits where factorials lose them.

use std::f64::consts::TAU;

/// Terms below this share of the sum add nothing.
const NEGLIGIBLE: f64 = 1e-17;

/// Baskets by two things that each may be in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    /// All baskets.
    pub n: u64,
    /// With the one.
    pub one: u64,
    /// With the other.
    pub other: u64,
    /// With both.
    pub both: u64,
}

impl Together {
    /// The probability of `both` or more if the two had nothing to do with each other; 1 where the counts cannot be.
    pub fn p_value(&self) -> f64 {
        let (least, most) = self.bounds();
        if self.both <= least || self.both > most {
            return 1.0;
        }
        let mean = self.one as f64 * self.other as f64 / self.n as f64;
        if (self.both as f64) > mean {
            // Smaller than any number is not 0.
            self.tail(self.both, most, true).max(f64::MIN_POSITIVE)
        } else {
            // The other tail is the shorter way, and nothing small is taken from something large.
            1.0 - self.tail(self.both - 1, least, false)
        }
    }

    /// The least p-value that these two counts could have.
    pub fn least_p_value(&self) -> f64 {
        let (_, most) = self.bounds();
        Together {
            both: most,
            ..*self
        }
        .p_value()
    }

    /// Least and most baskets that could hold both.
    fn bounds(&self) -> (u64, u64) {
        let least = (self.one + self.other).saturating_sub(self.n);
        (least, self.one.min(self.other))
    }

    /// The sum of the probabilities from `from` up or down to `to`, which fall on the way.
    fn tail(&self, from: u64, to: u64, up: bool) -> f64 {
        let (n, one, other) = (self.n as f64, self.one as f64, self.other as f64);
        let mut term = self.probability(from);
        let mut sum = 0.0;
        let mut at = from;
        loop {
            sum += term;
            if at == to || term <= sum * NEGLIGIBLE {
                return sum.min(1.0);
            }
            let k = at as f64;
            if up {
                term *= (one - k) * (other - k) / ((k + 1.0) * (n - one - other + k + 1.0));
                at += 1;
            } else {
                term *= k * (n - one - other + k) / ((one - k + 1.0) * (other - k + 1.0));
                at -= 1;
            }
        }
    }

    /// The probability that exactly `both` baskets hold both.
    fn probability(&self, both: u64) -> f64 {
        let share = self.other as f64 / self.n as f64;
        if self.other == self.n {
            return f64::from(u8::from(both == self.one));
        }
        let with = ln_binomial(both, self.one, share);
        let without = ln_binomial(self.other - both, self.n - self.one, share);
        let whole = ln_binomial(self.other, self.n, share);
        (with + without - whole).exp()
    }
}

/// The logarithm of the binomial probability of `k` of `n` at the chance `p`, 0 < p < 1.
fn ln_binomial(k: u64, n: u64, p: f64) -> f64 {
    let (kf, nf, q) = (k as f64, n as f64, 1.0 - p);
    if k == 0 {
        return nf * (-p).ln_1p();
    }
    if k == n {
        return nf * p.ln();
    }
    let rest = nf - kf;
    let exponent = stirling_error(nf)
        - stirling_error(kf)
        - stirling_error(rest)
        - deviance(kf, nf * p)
        - deviance(rest, nf * q);
    exponent + 0.5 * (nf / (TAU * kf * rest)).ln()
}

/// `ln n!` less Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let ln_factorial: f64 = (2..=n as u64).map(|k| (k as f64).ln()).sum();
        return ln_factorial - ((n + 0.5) * n.ln() - n + 0.5 * TAU.ln());
    }
    let s = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / s) / s) / s) / s)
        / n
}

/// `x ln(x / m) + m - x`, without loss where the two are near each other.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() < 0.1 * (x + m) {
        let v = (x - m) / (x + m);
        let mut sum = (x - m) * v;
        let mut term = 2.0 * x * v;
        for j in 1..1000 {
            term *= v * v;
            let next = sum + term / f64::from(2 * j + 1);
            if next == sum {
                break;
            }
            sum = next;
        }
        return sum;
    }
    x * (x / m).ln() + m - x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By adding up products of fractions, which is exact enough for small numbers.
    fn counted(t: &Together) -> f64 {
        let choose =
            |n: u64, k: u64| -> f64 { (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product() };
        let (least, most) = t.bounds();
        (t.both.max(least)..=most)
            .map(|k| choose(t.one, k) * choose(t.n - t.one, t.other - k) / choose(t.n, t.other))
            .sum()
    }

    #[test]
    fn small_tables_agree_with_counting() {
        for n in 1..14u64 {
            for one in 0..=n {
                for other in 0..=n {
                    for both in 0..=one.min(other) {
                        let table = Together {
                            n,
                            one,
                            other,
                            both,
                        };
                        if both < table.bounds().0 {
                            continue;
                        }
                        let (found, expected) = (table.p_value(), counted(&table).min(1.0));
                        assert!(
                            (found - expected).abs() <= 1e-12 * expected,
                            "{table:?}: {found} {expected}"
                        );
                        assert!(table.least_p_value() <= found * (1.0 + 1e-12));
                    }
                }
            }
        }
    }

    #[test]
    fn large_tables_agree_with_sums_of_many_digits() {
        let tables: Vec<(u64, u64, u64, u64, f64)> =
            serde_json::from_str(include_str!("../../../../../tests/reference/fisher.json"))
                .unwrap();
        assert!(tables.len() > 300);
        for (n, one, other, both, expected) in tables {
            let table = Together {
                n,
                one,
                other,
                both,
            };
            let found = table.p_value();
            assert!(
                (found - expected).abs() <= 1e-9 * expected,
                "{table:?}: {found} {expected}"
            );
        }
    }
}
