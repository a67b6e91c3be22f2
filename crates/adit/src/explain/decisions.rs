//! How decisions fare on the test rows: coverage, thresholds, budgets of alerts, abstention.

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::proportion::share;
use super::resampling::{Resampling, accelerated_interval};
use crate::mine::Predictions;
use crate::mine::decide::{Aim, Alerts, Conformal, Decisions, confidences, counts_at, top_share};
use crate::prepare::Target;

/// Shares of the rows that a budget of alerts is shown for.
const BUDGETS: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];
/// Shares of the rows at which the error rate is shown.
const ANSWERED: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Decisions of the recommended member, measured on the test rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DecisionFindings {
    /// Rows come in entities, and intervals are over these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_grouped: bool,
    /// How its probabilities were calibrated; absent where they were left as they are.
    pub calibrated: Option<String>,
    pub conformal: Option<Coverage>,
    pub rule: Option<RuleFound>,
    /// What deciding by costs brings, where every mistake has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<CostsFound>,
    /// Two classes: what the most probable rows hold.
    pub budgets: Vec<Budget>,
    /// Classes: the error rate among the most confident rows, by share.
    pub answered: Vec<Answered>,
    pub abstain: Option<Abstention>,
}

/// How often sets or intervals held the truth.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Coverage {
    pub level: f64,
    /// Share of the test rows whose set or interval holds the truth.
    pub coverage: Estimate,
    /// Classes in a set, or the width of an interval.
    pub mean_size: f64,
    /// Shares of the sets that hold no class, one, and several; absent for numbers.
    pub empty_single_several: Option<[f64; 3]>,
    /// Held-out rows that the limit was fitted on.
    pub fitted_on: u64,
}

/// A threshold and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleFound {
    /// In words.
    pub aim: String,
    pub threshold: f64,
    /// Whether the aim was reached on the held-out rows.
    pub reached: bool,
    pub held_out: Alerts,
    pub test: Alerts,
    /// On the test rows.
    pub precision: Estimate,
    pub recall: Estimate,
    /// Mean cost a row on held-out and on test rows, where costs were given.
    pub costs: Option<(f64, f64)>,
}

/// Mean costs a row on the test rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CostsFound {
    /// Of the class of least expected cost, which is decided for.
    pub decided: Estimate,
    /// Of the most probable class.
    pub most_probable: f64,
    /// By how much deciding by costs is cheaper than that.
    pub saved: Estimate,
    /// The one class that would cost least if it were said of every row, and its mean cost.
    pub constant: (String, f64),
    /// Rows for which another class than the most probable one is decided for.
    pub changed: u64,
}

/// What is found among the most probable rows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Budget {
    pub share: f64,
    pub rows: u64,
    pub precision: f64,
    pub recall: f64,
}

/// The error rate where only the most confident rows are answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Answered {
    pub share: f64,
    pub error: Estimate,
}

/// What abstaining does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Abstention {
    pub max_error: f64,
    pub confidence: f64,
    /// Share of the test rows that are answered, and their error rate.
    pub answered: f64,
    pub error: Option<Estimate>,
}

/// Measures decisions on calibrated predictions of the test rows; `groups` tells whose each row is, where several belong
/// together and bear one another out.
pub fn measure_decisions(
    decisions: &Decisions,
    (test, groups): (&Predictions, Option<&[u64]>),
    truth: &Target,
    positive: Option<usize>,
) -> DecisionFindings {
    let n_rows = match truth {
        Target::Classes { codes, .. } => codes.len(),
        Target::Numbers(values) => values.len(),
    };
    let rows = Resampling::new(n_rows, groups, 0);
    let mut found = DecisionFindings {
        is_grouped: rows.groups().is_some(),
        calibrated: decisions.calibration_words(),
        conformal: decisions
            .conformal
            .as_ref()
            .and_then(|c| coverage(c, test, truth, &rows)),
        ..DecisionFindings::default()
    };
    let Target::Classes { codes, names } = truth else {
        return found;
    };
    found.costs = costs(decisions, test, (codes, names), &rows);
    if let Some((positive, chances)) = positive.and_then(|p| Some((p, test.class(p)?))) {
        let is_positive: Vec<bool> = codes.iter().map(|&c| c as usize == positive).collect();
        found.budgets = budgets(&chances, &is_positive);
        found.rule = decisions.rule.map(|rule| {
            let counts = counts_at(&chances, &is_positive, rule.threshold);
            let alerted = |row: usize| f64::from(chances[row]) >= rule.threshold;
            RuleFound {
                aim: aim_words(rule.aim),
                threshold: rule.threshold,
                reached: rule.reached,
                held_out: rule.held_out,
                test: counts,
                precision: share(&rows, 1, |_, row| alerted(row).then(|| is_positive[row])),
                recall: share(&rows, 1, |_, row| is_positive[row].then(|| alerted(row))),
                costs: match rule.aim {
                    Aim::Costs {
                        false_positive,
                        false_negative,
                    } => Some((
                        rule.held_out.cost(false_positive, false_negative),
                        counts.cost(false_positive, false_negative),
                    )),
                    _ => None,
                },
            }
        });
    }
    let decided = decisions.decided(test, positive).unwrap_or_default();
    let confidence = confidences(test, &decided);
    let right: Vec<bool> = decided.iter().zip(codes).map(|(d, c)| d == c).collect();
    found.answered = answered(&confidence, &right, &rows);
    found.abstain = decisions.abstain.map(|rule| {
        let is_kept = |row: usize| f64::from(confidence[row]) >= rule.confidence;
        let n = (0..right.len()).filter(|&row| is_kept(row)).count() as f64;
        Abstention {
            max_error: rule.max_error,
            confidence: rule.confidence,
            answered: n / right.len().max(1) as f64,
            error: (n > 0.0).then(|| share(&rows, 1, |_, row| is_kept(row).then(|| !right[row]))),
        }
    });
    found
}

fn costs(
    decisions: &Decisions,
    test: &Predictions,
    (codes, names): (&[u32], &[String]),
    rows: &Resampling,
) -> Option<CostsFound> {
    let matrix = decisions.costs.as_ref()?;
    let (decided, probable) = (matrix.decide(test)?, test.argmax()?);
    let own = matrix.of_rows(codes, &decided);
    let other = matrix.of_rows(codes, &probable);
    let saved: Vec<f64> = own.iter().zip(&other).map(|(a, b)| b - a).collect();
    let constant = matrix.best_constant(codes);
    let constants = vec![constant; codes.len()];
    Some(CostsFound {
        decided: mean_estimate(&own, rows),
        most_probable: mean_estimate(&other, rows).value,
        saved: mean_estimate(&saved, rows),
        constant: (
            names.get(constant as usize)?.clone(),
            mean_estimate(&matrix.of_rows(codes, &constants), rows).value,
        ),
        changed: decided
            .iter()
            .zip(&probable)
            .filter(|(a, b)| a != b)
            .count() as u64,
    })
}

/// A mean with a bootstrap interval.
fn mean_estimate(values: &[f64], resampling: &Resampling) -> Estimate {
    let mean = |weights: &[u32]| {
        let n: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let weighted = values.iter().zip(weights);
        weighted.map(|(v, &w)| v * f64::from(w)).sum::<f64>() / n.max(1) as f64
    };
    let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let resampled = resampling.map(|weights, _| mean(weights));
    let without = resampling.without_each_block(mean);
    let (low, high) = accelerated_interval(
        resampled.into_iter(),
        value,
        without.into_iter(),
        resampling.n_units(),
    )
    .unwrap_or((value, value));
    Estimate { value, low, high }
}

fn coverage(
    conformal: &Conformal,
    test: &Predictions,
    truth: &Target,
    rows: &Resampling,
) -> Option<Coverage> {
    let (held, sizes): (Vec<bool>, Vec<f64>) = match (test, truth) {
        (Predictions::Probabilities { n_classes, values }, Target::Classes { codes, .. }) => {
            let of = |(row, &code): (&[f32], &u32)| {
                let set = conformal.set(row);
                (set.contains(&(code as usize)), set.len() as f64)
            };
            values.chunks_exact(*n_classes).zip(codes).map(of).unzip()
        }
        (Predictions::Numbers(found), Target::Numbers(truth)) => {
            let of = |(&found, &truth): (&f64, &f64)| {
                let (low, high) = conformal.interval(found)?;
                Some((low <= truth && truth <= high, high - low))
            };
            let pairs: Option<Vec<(bool, f64)>> = found.iter().zip(truth).map(of).collect();
            pairs?.into_iter().unzip()
        }
        _ => return None,
    };
    let n = held.len() as f64;
    if n == 0.0 {
        return None;
    }
    let share_of =
        |keep: &dyn Fn(f64) -> bool| sizes.iter().filter(|s| keep(**s)).count() as f64 / n;
    let is_sets = matches!(truth, Target::Classes { .. });
    Some(Coverage {
        level: conformal.level,
        coverage: share(rows, 1, |_, row| Some(held[row])),
        mean_size: sizes.iter().sum::<f64>() / n,
        empty_single_several: is_sets.then(|| {
            [
                share_of(&|s| s == 0.0),
                share_of(&|s| s == 1.0),
                share_of(&|s| s > 1.0),
            ]
        }),
        fitted_on: conformal.n as u64,
    })
}

fn budgets(chances: &[f32], is_positive: &[bool]) -> Vec<Budget> {
    let n = chances.len();
    let mut last = 0;
    let of = |share: f64| {
        let rows = ((n as f64 * share).round() as usize).max(1);
        // Small test parts have fewer budgets.
        let is_new = rows > std::mem::replace(&mut last, rows);
        let (found, positives) = top_share(chances, is_positive, rows);
        (is_new && positives > 0.0).then(|| Budget {
            share,
            rows: rows as u64,
            precision: found / rows as f64,
            recall: found / positives,
        })
    };
    BUDGETS.into_iter().filter_map(of).collect()
}

fn answered(confidence: &[f32], is_right: &[bool], of: &Resampling) -> Vec<Answered> {
    let mut order: Vec<usize> = (0..confidence.len()).collect();
    order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
    let mut place = vec![0; order.len()];
    (order.iter().enumerate()).for_each(|(at, &row)| place[row] = at);
    let at = |part: f64| {
        let rows = (order.len() as f64 * part).round() as usize;
        (rows > 0).then(|| Answered {
            share: part,
            error: share(of, 1, |_, row| (place[row] < rows).then(|| !is_right[row])),
        })
    };
    ANSWERED.into_iter().filter_map(at).collect()
}

fn aim_words(aim: Aim) -> String {
    let percent = |share: f64| {
        let text = format!("{:.2}", share * 100.0);
        format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match aim {
        Aim::Costs {
            false_positive,
            false_negative,
        } => {
            format!("least cost, a false alarm at {false_positive} and a miss at {false_negative}")
        }
        Aim::Precision(least) => {
            format!("most recall at a precision of {} at least", percent(least))
        }
        Aim::Recall(least) => format!("most precision at a recall of {} at least", percent(least)),
        Aim::Alerts(most) => format!("alerts for at most {} of the rows", percent(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mine::decide::{Limits, Rule};

    fn two(p: &[f32]) -> Predictions {
        Predictions::Probabilities {
            n_classes: 2,
            values: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    fn sets() -> Decisions {
        Decisions {
            conformal: Some(Conformal {
                level: 0.9,
                limits: Limits::Classes { least: 0.55 },
                n: 100,
            }),
            ..Decisions::default()
        }
    }

    fn classes(codes: &[u32]) -> Target {
        Target::Classes {
            codes: codes.to_vec(),
            names: vec!["no".into(), "yes".into()],
        }
    }

    #[test]
    fn sets_are_counted_and_so_are_those_that_hold_nothing() {
        let decisions = sets();
        let found = measure_decisions(
            &decisions,
            (&two(&[0.9, 0.5, 0.2, 0.6]), None),
            &classes(&[1, 1, 0, 0]),
            Some(1),
        );
        let coverage = found.conformal.unwrap();
        assert_eq!(coverage.coverage.value, 0.5);
        assert_eq!(coverage.empty_single_several, Some([0.25, 0.75, 0.0]));
        assert_eq!(coverage.mean_size, 0.75);
        assert_eq!(found.answered.last().unwrap().error.value, 0.5);
    }

    #[test]
    fn rows_of_one_entity_are_no_more_than_one_row_where_they_are_all_alike() {
        let decisions = sets();
        // Ten entities of fifty rows each; of three of them all are wrong.
        let entities: Vec<u64> = (0..500).map(|row| row / 50).collect();
        let codes: Vec<u32> = entities.iter().map(|e| u32::from(*e >= 3)).collect();
        let test = two(&[0.9; 500]);
        let of = |groups: Option<&[u64]>| {
            let found = measure_decisions(&decisions, (&test, groups), &classes(&codes), Some(1));
            found.conformal.unwrap().coverage
        };
        let (rows, whole) = (of(None), of(Some(&entities)));
        assert_eq!((rows.value, whole.value), (0.7, 0.7));
        assert!(rows.high - rows.low < 0.09, "{rows:?}");
        assert!(whole.high - whole.low > 0.4, "{whole:?}");
    }

    #[test]
    fn a_rule_is_measured_on_the_test_rows() {
        let aim = Aim::Costs {
            false_positive: 1.0,
            false_negative: 5.0,
        };
        let held = [0.9f32, 0.6, 0.3, 0.1];
        let rule = Rule::fit(aim, &held, &[true, false, true, false]).unwrap();
        let decisions = Decisions {
            rule: Some(rule),
            ..Decisions::default()
        };
        let found = measure_decisions(
            &decisions,
            (&two(&[0.8, 0.4, 0.25, 0.05]), None),
            &classes(&[1, 0, 1, 0]),
            Some(1),
        );
        let rule = found.rule.unwrap();
        assert_eq!((rule.precision.value, rule.recall.value), (2.0 / 3.0, 1.0));
        assert_eq!(rule.costs, Some((0.25, 0.25)));
        assert!(rule.aim.contains("a miss at 5"));
    }
}
