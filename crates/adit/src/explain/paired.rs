//! Whether one member is better than another on the same test rows.
//!
//! One seed each and accuracy: McNemar's exact test. Otherwise the paired bootstrap: both members are measured on the
//! same resamples of the rows, and each member's seeds are drawn anew. `p` is two-sided, with one added to the count
//! and to the number of resamples (Davison and Hinkley 1997, section 4.2), so it is never 0.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::intervals::{mean_measures, score_all};
use super::metrics::{Metric, MetricSettings, Scored, ScoredClasses, n_rows};
use super::resampling::{Resampling, draw_seeds, percentile_interval};
use super::wording::whole;
use super::{Estimate, PairedTest};
use crate::mine::Predictions;
use crate::prepare::Target;

/// Two members to be compared by one metric.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    pub metric: &'a str,
    pub truth: &'a Target,
    /// Per seed.
    pub a: &'a [Predictions],
    pub b: &'a [Predictions],
    pub names: (&'a str, &'a str),
    pub settings: MetricSettings,
    pub groups: Option<&'a [u64]>,
    pub seed: u64,
}

/// The paired test of `a` against `b`; `None` where the metric is unknown or undefined for the rows.
pub fn paired_test(
    metric: &str,
    truth: &Target,
    a: &[Predictions],
    b: &[Predictions],
    names: (&str, &str),
    seed: u64,
) -> Option<PairedTest> {
    let settings = MetricSettings::default();
    Comparison {
        metric,
        truth,
        a,
        b,
        names,
        settings,
        groups: None,
        seed,
    }
    .test()
}

impl Comparison<'_> {
    /// The paired test; `better` is `a` where neither has the better value.
    pub fn test(&self) -> Option<PairedTest> {
        let metric = Metric::named(self.metric)?;
        let a = score_all(self.truth, self.a, &self.settings)?;
        let b = score_all(self.truth, self.b, &self.settings)?;
        let resampling =
            Resampling::new(n_rows(self.truth), self.groups, self.seed).for_model(&a[0]);
        let value = |models: &[Scored]| {
            let (rows, seeds) = (vec![1; resampling.n_rows()], vec![1; models.len()]);
            mean_measures(models, &rows, &seeds, metric.ranks())[metric as usize]
        };
        let sign = if metric.more_is_better() { 1.0 } else { -1.0 };
        let difference = sign * (value(&a) - value(&b));
        if !difference.is_finite() {
            return None;
        }
        let resampled: Vec<f64> = resampling.map(|weights, rng| {
            let mut measure = |models: &[Scored]| {
                let seeds = draw_seeds(rng, models.len());
                mean_measures(models, weights, &seeds, metric.ranks())[metric as usize]
            };
            sign * (measure(&a) - measure(&b))
        });
        let (low, high) = percentile_interval(resampled.iter().copied(), resampling.n_units())?;
        let (p_value, test) = match (a.as_slice(), b.as_slice()) {
            ([Scored::Classes(a)], [Scored::Classes(b)])
                if metric == Metric::Accuracy && self.groups.is_none() =>
            {
                (mcnemar(a, b), "McNemar exact".to_string())
            }
            _ => {
                let resamples = whole(resampling.resamples() as u64);
                let what = if resampling.groups().is_some() {
                    " of groups"
                } else {
                    ""
                };
                (
                    bootstrap_p(&resampled),
                    format!("paired bootstrap, {resamples} resamples{what}"),
                )
            }
        };
        let estimate = Estimate {
            value: difference,
            low: low.min(difference),
            high: high.max(difference),
        };
        Some(self.oriented(estimate, p_value, test))
    }

    fn oriented(&self, difference: Estimate, p_value: f64, test: String) -> PairedTest {
        let (a, b) = (self.names.0.to_string(), self.names.1.to_string());
        let metric = self.metric.to_string();
        if difference.value >= 0.0 {
            return PairedTest {
                better: a,
                worse: b,
                metric,
                difference,
                p_value,
                test,
            };
        }
        let turned = Estimate {
            value: -difference.value,
            low: -difference.high,
            high: -difference.low,
        };
        PairedTest {
            better: b,
            worse: a,
            metric,
            difference: turned,
            p_value,
            test,
        }
    }
}

/// Two-sided share of resampled differences that do not favour the observed side.
fn bootstrap_p(differences: &[f64]) -> f64 {
    let defined: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|difference| !difference.is_nan())
        .collect();
    let not_above = defined
        .iter()
        .filter(|&&difference| difference <= 0.0)
        .count();
    let not_below = defined
        .iter()
        .filter(|&&difference| difference >= 0.0)
        .count();
    (2.0 * (not_above.min(not_below) + 1) as f64 / (defined.len() + 1) as f64).min(1.0)
}

/// McNemar's exact two-sided test on the rows that only one of the two got right.
fn mcnemar(a: &ScoredClasses, b: &ScoredClasses) -> f64 {
    let only = |x: &ScoredClasses, y: &ScoredClasses| {
        (0..x.truth.len())
            .filter(|&row| x.is_hit(row) && !y.is_hit(row))
            .count() as u64
    };
    let (only_a, only_b) = (only(a, b), only(b, a));
    match Binomial::new(0.5, only_a + only_b) {
        Ok(coin) if only_a + only_b != 0 => (2.0 * coin.cdf(only_a.min(only_b))).min(1.0),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use rand::RngCore;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    /// Rows of which the first model knows `a` and the second `b` in a thousand; ties of both are independent.
    fn models(n: usize, a: u32, b: u32, seed: u64) -> (Target, Predictions, Predictions) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let codes: Vec<u32> = (0..n).map(|_| rng.next_u32() % 2).collect();
        let mut predict = |known: u32| {
            let chances = codes.iter().flat_map(|&code| {
                let right = rng.next_u32() % 1000 < known;
                let chance = 0.55 + (rng.next_u32() % 400) as f32 / 1000.0;
                let of_true = if right { chance } else { 1.0 - chance };
                if code == 0 {
                    [of_true, 1.0 - of_true]
                } else {
                    [1.0 - of_true, of_true]
                }
            });
            Predictions::Probabilities {
                n_classes: 2,
                values: chances.collect(),
            }
        };
        let (first, second) = (predict(a), predict(b));
        (
            Target::Classes {
                codes,
                names: vec!["a".into(), "b".into()],
            },
            first,
            second,
        )
    }

    #[test]
    fn a_plainly_better_member_is_found_whichever_stands_first() {
        let (truth, good, poor) = models(400, 900, 700, 1);
        let (good, poor) = ([good], [poor]);
        for metric in ["accuracy", "roc_auc", "log_loss"] {
            let forth =
                paired_test(metric, &truth, &good, &poor, ("good", "poor"), 5).expect("defined");
            let back =
                paired_test(metric, &truth, &poor, &good, ("poor", "good"), 5).expect("defined");
            assert_eq!(
                (forth.better.as_str(), back.better.as_str()),
                ("good", "good")
            );
            assert!(
                forth.p_value < 0.01 && forth.difference.low > 0.0,
                "{forth:?}"
            );
            assert_eq!(forth.p_value, back.p_value);
            assert!((forth.difference.value - back.difference.value).abs() < 1e-12);
        }
    }

    #[test]
    fn equal_members_are_told_apart_in_about_one_of_twenty_data_sets() {
        let of = |metric: &str| {
            let is_found = |seed: &u64| {
                let (truth, a, b) = models(150, 800, 800, 100 + seed);
                paired_test(metric, &truth, &[a], &[b], ("a", "b"), 9)
                    .expect("defined")
                    .p_value
                    < 0.05
            };
            (0..200u64).filter(is_found).count()
        };
        // Binomial(200, .05) stays within 3 to 20 with 99.7%; McNemar's test is on the careful side.
        assert!((3..=20).contains(&of("roc_auc")));
        assert!(of("accuracy") <= 20);
    }

    #[test]
    fn a_member_is_not_better_than_itself() {
        let (truth, a, _) = models(50, 800, 800, 3);
        let test = paired_test(
            "roc_auc",
            &truth,
            std::slice::from_ref(&a),
            std::slice::from_ref(&a),
            ("x", "y"),
            1,
        );
        let test = test.expect("defined");
        assert_eq!(
            (test.p_value, test.difference),
            (
                1.0,
                Estimate {
                    value: 0.0,
                    low: 0.0,
                    high: 0.0
                }
            )
        );
        assert_eq!(test.test, "paired bootstrap, 2,000 resamples");
    }

    #[test]
    fn mcnemar_agrees_with_a_recorded_value() {
        // scipy.stats.binomtest(3, 13).pvalue
        let codes = vec![0u32; 20];
        let truth = Target::Classes {
            codes,
            names: vec!["a".into(), "b".into(), "c".into()],
        };
        let predict = |right: std::ops::Range<usize>| {
            let row = |row: usize| {
                if right.contains(&row) {
                    [1.0f32, 0.0, 0.0]
                } else {
                    [0.0, 1.0, 0.0]
                }
            };
            Predictions::Probabilities {
                n_classes: 3,
                values: (0..20).flat_map(row).collect(),
            }
        };
        let test = paired_test(
            "accuracy",
            &truth,
            &[predict(0..15)],
            &[predict(10..18)],
            ("a", "b"),
            1,
        );
        let test = test.expect("defined");
        assert!((test.p_value - 0.092285156250).abs() < 1e-12, "{test:?}");
        assert_eq!(test.test, "McNemar exact");
    }

    #[test]
    fn an_undefined_metric_is_not_tested() {
        let (_, a, b) = models(20, 800, 800, 4);
        let (a, b) = ([a], [b]);
        let truth = Target::Classes {
            codes: vec![1; 20],
            names: vec!["a".into(), "b".into()],
        };
        assert!(paired_test("roc_auc", &truth, &a, &b, ("a", "b"), 1).is_none());
        assert!(paired_test("no such metric", &truth, &a, &b, ("a", "b"), 1).is_none());
    }
}
