//! Where to act: the threshold of two classes, by costs, by a wanted precision or recall, or by a budget of alerts;
//! and below which confidence to abstain.

use serde::{Deserialize, Serialize};

use crate::mine::MineError;

/// A precision of fewer alerts on held-out rows than this is not relied on.
const FEW_ALERTS: u64 = 10;

/// What a threshold is chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The least mean cost of errors.
    Costs {
        false_positive: f64,
        false_negative: f64,
    },
    /// The most recall at this precision at least.
    Precision(f64),
    /// The most precision at this recall at least.
    Recall(f64),
    /// Only so large a share of the rows is alerted to.
    Alerts(f64),
}

/// A threshold on the probability of the positive class, and how it was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub aim: Aim,
    /// Rows of at least this probability are alerted to.
    pub threshold: f64,
    /// False where the aim could not be reached on the held-out rows and the nearest was taken.
    pub reached: bool,
    pub held_out: Alerts,
}

/// What happens at a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerts {
    pub true_positives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
    pub true_negatives: u64,
}

impl Alerts {
    /// Rows alerted to.
    pub fn n_alerts(&self) -> u64 {
        self.true_positives + self.false_positives
    }

    /// All rows.
    pub fn n_rows(&self) -> u64 {
        self.n_alerts() + self.false_negatives + self.true_negatives
    }

    /// Share of the alerts that are right; 1 where there is none.
    pub fn precision(&self) -> f64 {
        ratio(self.true_positives, self.n_alerts())
    }

    /// Share of the positive rows that are alerted to; 1 where there is none.
    pub fn recall(&self) -> f64 {
        ratio(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// Mean cost a row.
    pub fn cost(&self, false_positive: f64, false_negative: f64) -> f64 {
        let sum = self.false_positives as f64 * false_positive
            + self.false_negatives as f64 * false_negative;
        sum / self.n_rows().max(1) as f64
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// Counts where rows of at least `threshold` are alerted to.
pub fn counts_at(chances: &[f32], is_positive: &[bool], threshold: f64) -> Alerts {
    let mut counts = Alerts::default();
    for (&p, &positive) in chances.iter().zip(is_positive) {
        let alerted = f64::from(p) >= threshold;
        *match (alerted, positive) {
            (true, true) => &mut counts.true_positives,
            (true, false) => &mut counts.false_positives,
            (false, true) => &mut counts.false_negatives,
            (false, false) => &mut counts.true_negatives,
        } += 1;
    }
    counts
}

/// Expected counts among the `k` most probable rows; of rows that tie at the end, each is as likely to be in.
/// Gives `(true positives, positives)`.
pub fn top_share(chances: &[f32], is_positive: &[bool], k: usize) -> (f64, f64) {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[b].total_cmp(&chances[a]));
    let hits = |rows: &[usize]| rows.iter().filter(|&&row| is_positive[row]).count() as f64;
    let positives = hits(&order);
    let mut left = k.min(order.len());
    let mut found = 0.0;
    for tied in order.chunk_by(|&a, &b| chances[a] == chances[b]) {
        let taken = left.min(tied.len());
        found += hits(tied) * taken as f64 / tied.len() as f64;
        left -= taken;
        if left == 0 {
            break;
        }
    }
    (found, positives)
}

impl Rule {
    /// Looks at every threshold that tells rows apart; of equal ones the highest is taken, which alerts least.
    ///
    /// # Errors
    /// `NoTrainingRows` without rows; a setting that cannot be.
    pub fn fit(aim: Aim, chances: &[f32], is_positive: &[bool]) -> Result<Rule, MineError> {
        aim.check()?;
        if chances.is_empty() || chances.len() != is_positive.len() {
            return Err(MineError::NoTrainingRows);
        }
        let mut order: Vec<usize> = (0..chances.len()).collect();
        order.sort_by(|&a, &b| chances[b].total_cmp(&chances[a]));
        let positives = is_positive.iter().filter(|p| **p).count() as u64;
        let mut counts = Alerts {
            false_negatives: positives,
            true_negatives: chances.len() as u64 - positives,
            ..Alerts::default()
        };
        // Above every probability: nobody is alerted to.
        let mut best = (
            aim.worth(&counts),
            f64::from(chances[order[0]]).next_up().max(1.0),
            counts,
        );
        for (place, tied) in
            order
                .chunk_by(|&a, &b| chances[a] == chances[b])
                .scan(0, |end, tied| {
                    *end += tied.len();
                    Some((*end, tied))
                })
        {
            for &row in tied {
                if is_positive[row] {
                    counts.true_positives += 1;
                    counts.false_negatives -= 1;
                } else {
                    counts.false_positives += 1;
                    counts.true_negatives -= 1;
                }
            }
            let worth = aim.worth(&counts);
            if worth > best.0 {
                let here = f64::from(chances[tied[0]]);
                // Between this probability and the next lower one, so that rounding moves no row.
                let next = order.get(place).map_or(0.0, |&row| f64::from(chances[row]));
                best = (worth, (here + next) / 2.0, counts);
            }
        }
        Ok(Rule {
            aim,
            threshold: best.1,
            reached: best.0.0,
            held_out: best.2,
        })
    }
}

impl Aim {
    fn check(&self) -> Result<(), MineError> {
        let (setting, value, fits) = match *self {
            Aim::Costs {
                false_positive,
                false_negative,
            } => {
                let fits = |cost: f64| cost >= 0.0 && cost.is_finite();
                let sum = false_positive + false_negative;
                (
                    "costs",
                    sum,
                    fits(false_positive) && fits(false_negative) && sum > 0.0,
                )
            }
            Aim::Precision(x) => ("precision", x, x > 0.0 && x <= 1.0),
            Aim::Recall(x) => ("recall", x, x > 0.0 && x <= 1.0),
            Aim::Alerts(x) => ("alerts", x, x > 0.0 && x <= 1.0),
        };
        if fits {
            return Ok(());
        }
        Err(MineError::Setting {
            setting,
            value: value.to_string(),
            reason: "costs are not negative and one is positive; shares lie above 0 and at most at 1",
        })
    }

    /// Whether the aim is reached, then what is more of; compared in this order.
    fn worth(&self, counts: &Alerts) -> (bool, f64, f64) {
        match *self {
            Aim::Costs {
                false_positive,
                false_negative,
            } => (true, -counts.cost(false_positive, false_negative), 0.0),
            Aim::Precision(least) => {
                // Of a few alerts all are right by luck; of none they are, and it helps nobody.
                let enough = counts.n_alerts() >= FEW_ALERTS;
                let precision = counts.precision();
                match (enough && precision >= least, counts.n_alerts()) {
                    (true, _) => (true, counts.recall(), precision),
                    (false, 0) => (false, -2.0, 0.0),
                    (false, _) if enough => (false, precision, counts.recall()),
                    (false, _) => (false, precision - 1.0, counts.recall()),
                }
            }
            Aim::Recall(least) => {
                let reached = counts.recall() >= least;
                if reached {
                    (true, counts.precision(), counts.recall())
                } else {
                    (false, counts.recall(), 0.0)
                }
            }
            Aim::Alerts(most) => {
                let share = counts.n_alerts() as f64 / counts.n_rows().max(1) as f64;
                if share <= most {
                    (true, share, 0.0)
                } else {
                    (false, -share, 0.0)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn drawn(seed: u64) -> (Vec<f32>, Vec<bool>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = rng.random_range(1..60);
        let chances: Vec<f32> = (0..n)
            .map(|_| rng.random_range(0..12) as f32 / 12.0)
            .collect();
        let positive = chances.iter().map(|&p| rng.random::<f32>() < p).collect();
        (chances, positive)
    }

    #[test]
    fn no_threshold_is_better_than_the_one_that_is_found() {
        for seed in 0..300 {
            let (chances, positive) = drawn(seed);
            let aims = [
                Aim::Costs {
                    false_positive: 1.0,
                    false_negative: 4.0,
                },
                Aim::Precision(0.8),
                Aim::Recall(0.7),
                Aim::Alerts(0.2),
            ];
            for aim in aims {
                let rule = Rule::fit(aim, &chances, &positive).unwrap();
                assert_eq!(
                    rule.held_out,
                    counts_at(&chances, &positive, rule.threshold)
                );
                for step in 0..=26 {
                    let other = counts_at(&chances, &positive, f64::from(step) / 24.0 - 0.02);
                    assert!(
                        aim.worth(&other) <= aim.worth(&rule.held_out),
                        "{seed} {aim:?} {rule:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn calibrated_probabilities_give_the_threshold_that_costs_imply() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let chances: Vec<f32> = (0..40_000).map(|_| rng.random()).collect();
        let positive: Vec<bool> = chances.iter().map(|&p| rng.random::<f32>() < p).collect();
        let aim = Aim::Costs {
            false_positive: 1.0,
            false_negative: 4.0,
        };
        let rule = Rule::fit(aim, &chances, &positive).unwrap();
        assert!((rule.threshold - 0.2).abs() < 0.03, "{}", rule.threshold);
    }

    #[test]
    fn one_lucky_alert_reaches_no_precision() {
        let chances: Vec<f32> = (0..100).map(|i| 1.0 - i as f32 / 100.0).collect();
        let positive: Vec<bool> = (0..100).map(|i| i == 0 || i % 2 == 1).collect();
        let rule = Rule::fit(Aim::Precision(0.9), &chances, &positive).unwrap();
        assert!(
            !rule.reached && rule.held_out.n_alerts() >= FEW_ALERTS,
            "{rule:?}"
        );
        let rule = Rule::fit(Aim::Precision(0.5), &chances, &positive).unwrap();
        assert!(rule.reached && rule.held_out.n_alerts() == 100, "{rule:?}");
    }

    #[test]
    fn what_cannot_be_reached_is_said() {
        let chances = [0.9f32, 0.8, 0.7];
        let rule = Rule::fit(Aim::Precision(0.9), &chances, &[false, true, false]).unwrap();
        assert!(!rule.reached);
        assert_eq!(rule.held_out.precision(), 0.5);
        assert!(Rule::fit(Aim::Recall(1.5), &chances, &[false, true, false]).is_err());
        assert!(Rule::fit(Aim::Recall(0.5), &[], &[]).is_err());
    }

    #[test]
    fn ties_at_the_end_of_a_budget_count_by_their_chance() {
        let chances = [0.9f32, 0.5, 0.5, 0.5, 0.1];
        let positive = [true, true, false, false, true];
        assert_eq!(top_share(&chances, &positive, 1), (1.0, 3.0));
        let (found, all) = top_share(&chances, &positive, 2);
        assert!((found - (1.0 + 1.0 / 3.0)).abs() < 1e-12 && all == 3.0);
        assert_eq!(top_share(&chances, &positive, 99), (3.0, 3.0));
    }
}
