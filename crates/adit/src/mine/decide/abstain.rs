//! Below which confidence to give no answer.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

use crate::mine::MineError;

/// Shares of answered rows that are tested.
const STEPS: usize = 10;
/// How sure each bound is, so that all of them hold together with 95% (Bonferroni).
const SURE: f64 = 1.0 - 0.05 / STEPS as f64;

/// Rows of less confidence than this get no answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Abstain {
    /// The error rate among answered rows that is not to be passed.
    pub max_error: f64,
    /// Probability of the predicted class; above 1 where no row may be answered.
    pub confidence: f64,
    /// Share of the held-out rows that are answered, and their error rate.
    pub answered: f64,
    pub error: f64,
}

impl Abstain {
    /// The lowest confidence at which the error rate of answered rows is at most `max_error` with 95% certainty, by
    /// exact bounds (Clopper and Pearson 1934) at ten shares of answered rows, corrected for their number.
    ///
    /// # Errors
    /// `NoTrainingRows` without rows; a rate outside 0 to 1.
    pub fn fit(
        max_error: f64,
        confidence: &[f32],
        is_right: &[bool],
    ) -> Result<Abstain, MineError> {
        if !(max_error > 0.0 && max_error < 1.0) {
            return Err(MineError::Setting {
                setting: "max_error",
                value: max_error.to_string(),
                reason: "an error rate lies between 0 and 1",
            });
        }
        let n = confidence.len();
        if n == 0 || n != is_right.len() {
            return Err(MineError::NoTrainingRows);
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        let mut found = Abstain {
            max_error,
            confidence: 2.0,
            answered: 0.0,
            error: 0.0,
        };
        let (mut taken, mut wrong) = (0, 0);
        for step in 1..=STEPS {
            let mut end = (n * step).div_ceil(STEPS);
            // Rows of equal confidence are answered together.
            while end < n && confidence[order[end]] == confidence[order[end - 1]] {
                end += 1;
            }
            wrong += order[taken.min(end)..end]
                .iter()
                .filter(|&&row| !is_right[row])
                .count();
            taken = taken.max(end);
            if upper_bound(wrong as f64, taken as f64) > max_error {
                continue;
            }
            found.confidence = f64::from(confidence[order[taken - 1]]);
            found.answered = taken as f64 / n as f64;
            found.error = wrong as f64 / taken as f64;
        }
        Ok(found)
    }
}

/// The one-sided upper end of the exact interval of a rate.
fn upper_bound(wrong: f64, n: f64) -> f64 {
    if wrong >= n {
        return 1.0;
    }
    let Ok(beta) = Beta::new(wrong + 1.0, n - wrong) else {
        return 1.0;
    };
    // By halving: the library's own inverse loses its way for large counts.
    let (mut low, mut high) = (wrong / n, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if beta.cdf(middle) < SURE {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_bound_is_that_of_clopper_and_pearson() {
        // scipy.stats.beta.ppf(.995, 4, 97), and 1 - .005 ** (1 / 50)
        assert!((upper_bound(3.0, 100.0) - 0.105_481_3).abs() < 1e-6);
        assert!((upper_bound(0.0, 50.0) - 0.100_545_1).abs() < 1e-6);
        // scipy.stats.beta.ppf(.995, 6, 195)
        assert!((upper_bound(5.0, 200.0) - 0.069_145_6).abs() < 1e-6);
        assert_eq!(upper_bound(5.0, 5.0), 1.0);
    }

    #[test]
    fn the_promised_rate_is_seldom_passed_on_new_rows() {
        let (mut passed, mut silent) = (0, 0);
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut draw = |n: usize| -> (Vec<f32>, Vec<bool>) {
                (0..n)
                    .map(|_| {
                        let p: f32 = rng.random_range(0.5..1.0);
                        (p, rng.random::<f32>() < p)
                    })
                    .unzip()
            };
            let (confidence, right) = draw(2_000);
            let rule = Abstain::fit(0.1, &confidence, &right).unwrap();
            // True error rate among rows of confidence c and above: 1 - (c + 1) / 2.
            let rate = (1.0 - rule.confidence.min(1.0)) / 2.0;
            passed += usize::from(rate > 0.1);
            silent += usize::from(rule.answered == 0.0);
        }
        assert!(passed <= 10, "{passed} of 200");
        assert!(silent <= 5, "{silent} of 200");
    }

    #[test]
    fn where_no_answer_is_sure_enough_none_is_given() {
        let rule = Abstain::fit(0.01, &[0.9; 20], &[true; 20]).unwrap();
        assert!(rule.confidence > 1.0 && rule.answered == 0.0);
        assert!(Abstain::fit(0.0, &[0.9], &[true]).is_err());
        assert!(Abstain::fit(0.1, &[], &[]).is_err());
    }
}
