//! Probabilities that mean what they say.
//!
//! Candidates: as they are; one temperature (Guo et al. 2017, section 4.2); for two classes also a slope and a shift
//! of the logit (Platt 1999) and a rising step function (Zadrozny and Elkan 2002). The one that validates is taken.

use serde::{Deserialize, Serialize};

use crate::mine::{MineError, Predictions};
use crate::prepare::Target;

/// Fewer held-out rows than this calibrate nothing.
const ENOUGH_ROWS: usize = 100;
/// A step function needs as many rows, and as many of the rarer class.
const ENOUGH_FOR_STEPS: (usize, usize) = (1_000, 100);
/// Parts in which candidates are compared.
const PARTS: usize = 5;
/// No calibrated probability is nearer to 0 or 1.
const LEAST: f64 = 1e-6;
/// Logits are stretched or shrunk by four at most.
const MOST_LOG_T: f64 = 1.4;
/// How much of the uncalibrated probability is kept by steps, so that the order within a step stays.
const KEPT: f64 = 0.01;

/// A map from probabilities to better ones; it never changes the order of rows for two classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibrator {
    #[default]
    None,
    /// Logits are divided by this.
    Temperature(f64),
    /// Two classes: the logit of the second is multiplied and shifted.
    Sigmoid { slope: f64, shift: f64 },
    /// Two classes: the probability of the second at these knots, straight lines between; both rise.
    Steps { at: Vec<f64>, to: Vec<f64> },
}

/// What was chosen, and what it won.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    pub calibrator: Calibrator,
    /// Mean log loss of the probabilities as they are and of the chosen ones, on rows that each was not fitted on.
    pub log_loss: Option<(f64, f64)>,
}

impl Calibrator {
    /// Fits all candidates and keeps the one of the least cross-validated log loss, if it beats the probabilities as
    /// they are by more than a standard error of the difference.
    ///
    /// # Errors
    /// `WrongTarget` where the predictions are not those of the target's rows.
    pub fn fit(held_out: &Predictions, target: &Target) -> Result<Fitted, MineError> {
        let none = Fitted {
            calibrator: Calibrator::None,
            log_loss: None,
        };
        let (Predictions::Probabilities { n_classes, values }, Target::Classes { codes, .. }) =
            (held_out, target)
        else {
            return Ok(none);
        };
        if values.len() != codes.len() * n_classes {
            return Err(MineError::WrongTarget);
        }
        if codes.len() < ENOUGH_ROWS || *n_classes < 2 {
            return Ok(none);
        }
        let data = Held {
            n_classes: *n_classes,
            values,
            codes,
        };
        let all: Vec<usize> = (0..codes.len()).collect();
        let before: Vec<f64> = all
            .iter()
            .map(|&row| data.loss(&Calibrator::None, row))
            .collect();
        let mut best: Option<(Kind, f64, f64)> = None;
        for kind in data.candidates() {
            let after = data.crossed(kind);
            let (gain, error) = paired(&before, &after);
            if gain > error && best.is_none_or(|(_, most, _)| gain > most) {
                best = Some((kind, gain, mean(&after)));
            }
        }
        Ok(match best {
            Some((kind, _, after)) => Fitted {
                calibrator: data.fitted(kind, &all),
                log_loss: Some((mean(&before), after)),
            },
            None => none,
        })
    }

    /// Calibrated predictions; numbers stay as they are.
    pub fn apply(&self, predictions: &Predictions) -> Predictions {
        match predictions {
            Predictions::Probabilities { n_classes, values } if *self != Calibrator::None => {
                let mut values = values.clone();
                for row in values.chunks_exact_mut(*n_classes) {
                    self.apply_row(row);
                }
                Predictions::Probabilities {
                    n_classes: *n_classes,
                    values,
                }
            }
            other => other.clone(),
        }
    }

    fn apply_row(&self, row: &mut [f32]) {
        match (self, row.len()) {
            (Calibrator::None, _) => {}
            (Calibrator::Temperature(t), _) => {
                let logits: Vec<f64> = row.iter().map(|&p| logarithm(p) / t).collect();
                let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|l| (l - top).exp()).sum();
                for (p, logit) in row.iter_mut().zip(&logits) {
                    *p = ((logit - top).exp() / sum).clamp(LEAST, 1.0 - LEAST) as f32;
                }
            }
            (two, 2) => {
                let p = two.second(f64::from(row[1]));
                row[1] = p as f32;
                row[0] = (1.0 - p) as f32;
            }
            _ => {}
        }
    }

    /// The calibrated probability of the second of two classes.
    fn second(&self, p: f64) -> f64 {
        let found = match self {
            Calibrator::Sigmoid { slope, shift } => {
                1.0 / (1.0 + (-(slope * logit(p) + shift)).exp())
            }
            Calibrator::Steps { at, to } => (1.0 - KEPT) * interpolated(at, to, p) + KEPT * p,
            _ => p,
        };
        found.clamp(LEAST, 1.0 - LEAST)
    }

    /// What it is called in settings.
    pub fn words(&self) -> Option<String> {
        match self {
            Calibrator::None => None,
            Calibrator::Temperature(t) => Some(format!("by temperature {t:.2}")),
            Calibrator::Sigmoid { slope, shift } => {
                Some(format!("by a sigmoid, slope {slope:.2}, shift {shift:.2}"))
            }
            Calibrator::Steps { at, .. } => Some(format!("by isotonic steps, {} knots", at.len())),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Temperature,
    Sigmoid,
    Steps,
}

/// Held-out probabilities and the truth.
struct Held<'a> {
    n_classes: usize,
    values: &'a [f32],
    codes: &'a [u32],
}

impl Held<'_> {
    fn candidates(&self) -> Vec<Kind> {
        if self.n_classes > 2 {
            return vec![Kind::Temperature];
        }
        let positives = self.codes.iter().filter(|code| **code == 1).count();
        let rarer = positives.min(self.codes.len() - positives);
        let mut kinds = vec![Kind::Temperature];
        if rarer > 0 {
            kinds.push(Kind::Sigmoid);
        }
        if self.codes.len() >= ENOUGH_FOR_STEPS.0 && rarer >= ENOUGH_FOR_STEPS.1 {
            kinds.push(Kind::Steps);
        }
        kinds
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.n_classes..(row + 1) * self.n_classes]
    }

    fn loss(&self, calibrator: &Calibrator, row: usize) -> f64 {
        let mut chances = self.row(row).to_vec();
        calibrator.apply_row(&mut chances);
        -logarithm(chances[self.codes[row] as usize])
    }

    /// The loss of every row by a candidate that was fitted on the other parts.
    fn crossed(&self, kind: Kind) -> Vec<f64> {
        let n = self.codes.len();
        let mut losses = vec![0.0; n];
        for part in 0..PARTS {
            // Rows of a part are drawn by a hash of their place: tables are often sorted.
            let is_held =
                |row: usize| adit_nn::random::mix(17, row as u64) % PARTS as u64 == part as u64;
            let others: Vec<usize> = (0..n).filter(|&row| !is_held(row)).collect();
            let fitted = self.fitted(kind, &others);
            for row in (0..n).filter(|&row| is_held(row)) {
                losses[row] = self.loss(&fitted, row);
            }
        }
        losses
    }

    fn fitted(&self, kind: Kind, rows: &[usize]) -> Calibrator {
        match kind {
            Kind::Temperature => {
                let loss = |log_t: f64| {
                    let calibrator = Calibrator::Temperature(log_t.exp());
                    let loss: f64 = rows.iter().map(|&row| self.loss(&calibrator, row)).sum();
                    // A weak pull to leaving things as they are: rows that are all right would have no end.
                    loss + log_t * log_t
                };
                Calibrator::Temperature(least(&loss, -MOST_LOG_T, MOST_LOG_T).exp())
            }
            Kind::Sigmoid => {
                let pairs: Vec<(f64, f64)> = rows
                    .iter()
                    .map(|&row| {
                        (
                            logit(f64::from(self.row(row)[1])),
                            f64::from(self.codes[row]),
                        )
                    })
                    .collect();
                sigmoid(&pairs)
            }
            Kind::Steps => {
                let pairs: Vec<(f64, f64)> = rows
                    .iter()
                    .map(|&row| (f64::from(self.row(row)[1]), f64::from(self.codes[row])))
                    .collect();
                steps(pairs)
            }
        }
    }
}

/// Newton's method on the log loss of a logit's slope and shift; a slope that is not positive is none.
fn sigmoid(pairs: &[(f64, f64)]) -> Calibrator {
    let (mut slope, mut shift) = (1.0f64, 0.0f64);
    // A weak pull to leaving things as they are, so that separable rows do not run away.
    let ridge = 1.0;
    for _ in 0..50 {
        let (mut g0, mut g1) = (ridge * (slope - 1.0), ridge * shift);
        let (mut h00, mut h01, mut h11) = (ridge, 0.0, ridge);
        for &(z, y) in pairs {
            let p = 1.0 / (1.0 + (-(slope * z + shift)).exp());
            let (r, w) = (p - y, p * (1.0 - p));
            g0 += r * z;
            g1 += r;
            h00 += w * z * z;
            h01 += w * z;
            h11 += w;
        }
        let determinant = h00 * h11 - h01 * h01;
        if determinant <= 0.0 || !determinant.is_finite() {
            break;
        }
        let (d0, d1) = (
            (h11 * g0 - h01 * g1) / determinant,
            (h00 * g1 - h01 * g0) / determinant,
        );
        let step = 1.0 / (1.0 + (d0.abs() + d1.abs()) / 4.0);
        slope -= step * d0;
        shift -= step * d1;
        if d0.abs() + d1.abs() < 1e-9 {
            break;
        }
    }
    if slope > 0.0 && slope.is_finite() && shift.is_finite() {
        let most = MOST_LOG_T.exp();
        Calibrator::Sigmoid {
            slope: slope.clamp(1.0 / most, most),
            shift,
        }
    } else {
        Calibrator::None
    }
}

/// Pool-adjacent-violators (Ayer et al. 1955): the rising function of least squared error.
fn steps(mut pairs: Vec<(f64, f64)>) -> Calibrator {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    // (sum of x, sum of y, rows, first x, last x); equal x are one block.
    let mut blocks: Vec<[f64; 5]> = Vec::new();
    for tied in pairs.chunk_by(|a, b| a.0 == b.0) {
        let n = tied.len() as f64;
        let y: f64 = tied.iter().map(|(_, y)| y).sum();
        let mut block = [tied[0].0 * n, y, n, tied[0].0, tied[0].0];
        while let Some(last) = blocks
            .last()
            .filter(|last| last[1] / last[2] >= block[1] / block[2])
        {
            block = [
                last[0] + block[0],
                last[1] + block[1],
                last[2] + block[2],
                last[3],
                block[4],
            ];
            blocks.pop();
        }
        blocks.push(block);
    }
    let (mut at, mut to) = (Vec::new(), Vec::new());
    for [_, y, n, first, last] in blocks {
        at.push(first);
        to.push(y / n);
        if last > first {
            at.push(last);
            to.push(y / n);
        }
    }
    if at.len() < 2 {
        return Calibrator::None;
    }
    Calibrator::Steps { at, to }
}

fn interpolated(at: &[f64], to: &[f64], x: f64) -> f64 {
    let k = at.partition_point(|&a| a <= x);
    match (k.checked_sub(1), at.get(k)) {
        (None, _) => to.first().copied().unwrap_or(x),
        (Some(low), Some(&right)) => {
            let share = (x - at[low]) / (right - at[low]);
            to[low] + share * (to[k] - to[low])
        }
        (Some(low), None) => to[low],
    }
}

fn logarithm(p: f32) -> f64 {
    f64::from(p).max(LEAST).ln()
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(LEAST, 1.0 - LEAST);
    (p / (1.0 - p)).ln()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The mean of how much less the second is, and its standard error.
fn paired(before: &[f64], after: &[f64]) -> (f64, f64) {
    let gains: Vec<f64> = before.iter().zip(after).map(|(b, a)| b - a).collect();
    let gain = mean(&gains);
    let squares: f64 = gains.iter().map(|g| (g - gain).powi(2)).sum();
    let n = gains.len() as f64;
    (gain, (squares / (n - 1.0).max(1.0) / n).sqrt())
}

/// Where a function with one valley is least, by golden sections.
fn least(f: &dyn Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let mut inner = [high - ratio * (high - low), low + ratio * (high - low)];
    let mut values = [f(inner[0]), f(inner[1])];
    while high - low > 1e-4 {
        if values[0] <= values[1] {
            high = inner[1];
            inner = [high - ratio * (high - low), inner[0]];
            values = [f(inner[0]), values[0]];
        } else {
            low = inner[0];
            inner = [inner[1], low + ratio * (high - low)];
            values = [values[1], f(inner[1])];
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn drawn(n: usize, told: &dyn Fn(f64) -> f64) -> (Predictions, Target) {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut values = Vec::new();
        let mut codes = Vec::new();
        for _ in 0..n {
            let p: f64 = rng.random_range(0.02..0.98);
            codes.push(u32::from(rng.random::<f64>() < p));
            let q = told(p) as f32;
            values.extend([1.0 - q, q]);
        }
        let target = Target::Classes {
            codes,
            names: vec!["a".into(), "b".into()],
        };
        (
            Predictions::Probabilities {
                n_classes: 2,
                values,
            },
            target,
        )
    }

    fn second(predictions: &Predictions) -> Vec<f32> {
        predictions.class(1).unwrap()
    }

    #[test]
    fn overconfident_probabilities_are_cooled_and_honest_ones_left_alone() {
        let hot = |p: f64| 1.0 / (1.0 + (-3.0 * logit(p)).exp());
        let (told, target) = drawn(3_000, &hot);
        let fitted = Calibrator::fit(&told, &target).unwrap();
        let (before, after) = fitted.log_loss.unwrap();
        assert!(after < before - 0.05, "{before} {after}");
        let back = fitted.calibrator.apply(&told);
        let (told, back) = (second(&told), second(&back));
        let off = told.iter().zip(back).map(|(&q, p)| {
            let true_p = 1.0 / (1.0 + (-logit(f64::from(q)) / 3.0).exp());
            (true_p - f64::from(p)).abs()
        });
        assert!(off.fold(0.0, f64::max) < 0.1);
        let (told, target) = drawn(3_000, &|p| p);
        assert_eq!(
            Calibrator::fit(&told, &target).unwrap().calibrator,
            Calibrator::None
        );
    }

    #[test]
    fn a_crooked_curve_takes_steps_and_the_order_of_rows_stays() {
        let crooked = |p: f64| if p < 0.5 { 0.2 * p } else { 0.9 + 0.1 * p };
        let (told, target) = drawn(8_000, &crooked);
        let fitted = Calibrator::fit(&told, &target).unwrap();
        assert!(
            matches!(fitted.calibrator, Calibrator::Steps { .. }),
            "{fitted:?}"
        );
        let (before, after) = (second(&told), second(&fitted.calibrator.apply(&told)));
        let mut order: Vec<usize> = (0..before.len()).collect();
        order.sort_by(|&a, &b| before[a].total_cmp(&before[b]));
        assert!(order.windows(2).all(|w| after[w[0]] <= after[w[1]]));
        assert!(after.iter().all(|&p| p > 0.0 && p < 1.0));
    }

    #[test]
    fn steps_are_those_of_scikit_learn() {
        // IsotonicRegression().fit([.1,.2,.3,.4,.5,.6,.6,.9], [0,1,0,0,1,1,0,1]).predict([.2,.35,.55,.95])
        let pairs = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.9]
            .into_iter()
            .zip([0., 1., 0., 0., 1., 1., 0., 1.]);
        let Calibrator::Steps { at, to } = steps(pairs.collect()) else {
            panic!()
        };
        let found: Vec<f64> = [0.2, 0.35, 0.55, 0.9]
            .iter()
            .map(|&x| interpolated(&at, &to, x))
            .collect();
        for (f, e) in found.iter().zip([1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]) {
            assert!((f - e).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn many_classes_take_a_temperature_and_rows_still_sum_to_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut values = Vec::new();
        let mut codes = Vec::new();
        for _ in 0..2_000 {
            let logits: Vec<f64> = (0..4).map(|_| rng.random_range(-1.5..1.5)).collect();
            let soft = |scale: f64| {
                let e: Vec<f64> = logits.iter().map(|l| (l * scale).exp()).collect();
                let sum: f64 = e.iter().sum();
                e.into_iter().map(|x| x / sum).collect::<Vec<f64>>()
            };
            let mut u: f64 = rng.random();
            let truth = soft(1.0)
                .iter()
                .position(|p| {
                    u -= p;
                    u < 0.0
                })
                .unwrap_or(3);
            codes.push(truth as u32);
            values.extend(soft(2.5).into_iter().map(|p| p as f32));
        }
        let names = (0..4).map(|k: i32| k.to_string()).collect();
        let told = Predictions::Probabilities {
            n_classes: 4,
            values,
        };
        let fitted = Calibrator::fit(&told, &Target::Classes { codes, names }).unwrap();
        let Calibrator::Temperature(t) = fitted.calibrator else {
            panic!("{fitted:?}")
        };
        assert!((t - 2.5).abs() < 0.3, "{t}");
        assert!(fitted.calibrator.apply(&told).check(2_000, Some(4)).is_ok());
    }

    #[test]
    fn rows_that_are_all_right_do_not_run_away() {
        let (told, _) = drawn(400, &|p| p);
        let codes = second(&told).iter().map(|&p| u32::from(p > 0.5)).collect();
        let names = vec!["a".into(), "b".into()];
        let fitted = Calibrator::fit(&told, &Target::Classes { codes, names }).unwrap();
        match fitted.calibrator {
            Calibrator::Temperature(t) => assert!(t > 0.24, "{t}"),
            Calibrator::Sigmoid { slope, .. } => assert!(slope < 4.1, "{slope}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn few_rows_one_class_and_numbers_are_left_alone() {
        let (told, target) = drawn(60, &|p| p * p);
        assert_eq!(
            Calibrator::fit(&told, &target).unwrap().calibrator,
            Calibrator::None
        );
        let numbers = Predictions::Numbers(vec![1.0]);
        assert!(Calibrator::fit(&numbers, &Target::Numbers(vec![1.0])).is_ok());
        let (told, _) = drawn(300, &|p| p);
        let ones = Target::Classes {
            codes: vec![1; 300],
            names: vec!["a".into(), "b".into()],
        };
        let fitted = Calibrator::fit(&told, &ones).unwrap();
        assert!(fitted.calibrator.apply(&told).check(300, Some(2)).is_ok());
        assert!(
            Calibrator::fit(
                &told,
                &Target::Classes {
                    codes: vec![0],
                    names: vec!["a".into(), "b".into()]
                }
            )
            .is_err()
        );
    }
}
