//! Metrics of class probabilities.

use super::metric::{Metric, N_METRICS};
use super::ranking::Ranking;
use super::{Measures, MetricSettings, positive_class};
use crate::mine::Predictions;

/// One model's class probabilities, worked out row by row so that any weighting of the rows is quick to measure.
pub(crate) struct ScoredClasses<'a> {
    pub truth: &'a [u32],
    pub n_classes: usize,
    /// The positive class of a two-class task.
    pub positive: Option<usize>,
    /// The class decided on for each row.
    pub decisions: Vec<u32>,
    /// Surprise at the true class, in nats. `[n_rows]`
    pub log_losses: Vec<f64>,
    briers: Vec<f64>,
    /// Of the positive class, or of every class that can be ranked.
    rankings: Vec<Ranking>,
    truth_is_constant: bool,
}

/// Weighted counts of each class.
struct Counts {
    hits: Vec<u64>,
    truths: Vec<u64>,
    decided: Vec<u64>,
    total: u64,
}

impl<'a> ScoredClasses<'a> {
    /// `None` where the predictions are not those of these rows and classes.
    pub fn new(
        truth: &'a [u32],
        n_classes: usize,
        predictions: &Predictions,
        settings: &MetricSettings,
    ) -> Option<Self> {
        let Predictions::Probabilities {
            n_classes: found,
            values,
        } = predictions
        else {
            return None;
        };
        let is_known = truth.iter().all(|&code| (code as usize) < n_classes);
        if *found != n_classes
            || n_classes == 0
            || values.len() != truth.len() * n_classes
            || !is_known
        {
            return None;
        }
        let positive = positive_class(n_classes, settings);
        let log_losses = truth
            .iter()
            .enumerate()
            .map(|(row, &code)| surprise(values[row * n_classes + code as usize]));
        let ranked: Vec<usize> = match positive {
            Some(class) => vec![class],
            None => (0..n_classes).collect(),
        };
        let rank = |&class: &usize| {
            let scores = predictions.class(class)?;
            Ranking::new(&scores, |row| truth[row] as usize == class)
        };
        Some(Self {
            truth,
            n_classes,
            positive,
            decisions: decide(predictions, positive, settings.threshold)?,
            log_losses: log_losses.collect(),
            briers: values
                .chunks_exact(n_classes)
                .zip(truth)
                .map(|(chances, &code)| brier(chances, code, positive))
                .collect(),
            rankings: ranked.iter().filter_map(rank).collect(),
            truth_is_constant: truth.iter().all(|code| code == &truth[0]),
        })
    }

    /// Every metric when row `i` counts `weights[i]` times; `ranks` false leaves out the areas under curves.
    pub fn measure(&self, weights: &[u32], ranks: bool) -> Measures {
        let mut measures = [f64::NAN; N_METRICS];
        let counts = self.count(weights);
        if counts.total == 0 {
            return measures;
        }
        counts.write(&mut measures, self.truth_is_constant);
        if let Some(class) = self.positive.filter(|&class| counts.truths[class] != 0) {
            let [precision, recall, f1] = counts.of_class(class);
            measures[Metric::Precision as usize] = precision;
            measures[Metric::Recall as usize] = recall;
            measures[Metric::F1 as usize] = f1;
        }
        let mean = |losses: &[f64]| weighted_sum(losses, weights) / counts.total as f64;
        measures[Metric::LogLoss as usize] = mean(&self.log_losses);
        measures[Metric::Brier as usize] = mean(&self.briers);
        if ranks {
            let (mut roc_auc, mut average_precision, mut n_ranked) = (0.0, 0.0, 0usize);
            for areas in self.rankings.iter().map(|ranking| ranking.areas(weights)) {
                if !areas.roc_auc.is_nan() {
                    roc_auc += areas.roc_auc;
                    average_precision += areas.average_precision;
                    n_ranked += 1;
                }
            }
            if n_ranked != 0 {
                measures[Metric::RocAuc as usize] = roc_auc / n_ranked as f64;
                measures[Metric::AveragePrecision as usize] = average_precision / n_ranked as f64;
            }
        }
        measures
    }

    /// F1 of every class when row `i` counts `weights[i]` times.
    pub fn class_f1(&self, weights: &[u32]) -> Vec<f64> {
        let counts = self.count(weights);
        (0..self.n_classes)
            .map(|class| counts.of_class(class)[2])
            .collect()
    }

    /// Whether the row was decided right.
    pub fn is_hit(&self, row: usize) -> bool {
        self.truth[row] == self.decisions[row]
    }

    /// How many rankings a measurement walks over.
    pub fn n_rankings(&self) -> usize {
        self.rankings.len()
    }

    fn count(&self, weights: &[u32]) -> Counts {
        let zeros = || vec![0u64; self.n_classes];
        let mut counts = Counts {
            hits: zeros(),
            truths: zeros(),
            decided: zeros(),
            total: 0,
        };
        for ((&truth, &decision), &weight) in self.truth.iter().zip(&self.decisions).zip(weights) {
            let weight = u64::from(weight);
            counts.total += weight;
            counts.truths[truth as usize] += weight;
            counts.decided[decision as usize] += weight;
            counts.hits[truth as usize] += weight * u64::from(truth == decision);
        }
        counts
    }
}

impl Counts {
    /// Precision, recall and F1 of one class; 0 where there is nothing to divide by, as in scikit-learn.
    fn of_class(&self, class: usize) -> [f64; 3] {
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                0.0
            } else {
                part as f64 / whole as f64
            }
        };
        let hits = self.hits[class];
        let (truths, decided) = (self.truths[class], self.decided[class]);
        [
            share(hits, decided),
            share(hits, truths),
            share(2 * hits, truths + decided),
        ]
    }

    fn write(&self, measures: &mut Measures, truth_is_constant: bool) {
        let total = self.total as f64;
        let hits: u64 = self.hits.iter().sum();
        let (mut sums, mut n_seen, mut n_true) = ([0.0; 3], 0usize, 0usize);
        for class in 0..self.truths.len() {
            // Classes that are neither true nor decided anywhere are left out, as in scikit-learn.
            if self.truths[class] + self.decided[class] == 0 {
                continue;
            }
            let scores = self.of_class(class);
            sums.iter_mut()
                .zip(scores)
                .for_each(|(sum, score)| *sum += score);
            n_seen += 1;
            n_true += usize::from(self.truths[class] != 0);
        }
        measures[Metric::Accuracy as usize] = hits as f64 / total;
        measures[Metric::F1Micro as usize] = hits as f64 / total;
        measures[Metric::PrecisionMacro as usize] = sums[0] / n_seen as f64;
        measures[Metric::RecallMacro as usize] = sums[1] / n_seen as f64;
        measures[Metric::F1Macro as usize] = sums[2] / n_seen as f64;
        // The recall of a class without true rows is 0, so the sum is that of the true classes.
        measures[Metric::BalancedAccuracy as usize] = sums[1] / n_true as f64;
        if !truth_is_constant && n_true > 1 {
            measures[Metric::Mcc as usize] = self.mcc(hits as f64, total);
        }
    }

    /// Correlation of decisions and truth (Gorodkin 2004); 0 where all decisions are the same.
    fn mcc(&self, hits: f64, total: f64) -> f64 {
        let dot = |a: &[u64], b: &[u64]| {
            a.iter()
                .zip(b)
                .map(|(&x, &y)| x as f64 * y as f64)
                .sum::<f64>()
        };
        let covariance = hits * total - dot(&self.truths, &self.decided);
        let of_truths = total * total - dot(&self.truths, &self.truths);
        let of_decided = total * total - dot(&self.decided, &self.decided);
        let scale = of_truths * of_decided;
        // Rounding must not carry a perfect correlation past 1.
        if scale > 0.0 {
            (covariance / scale.sqrt()).clamp(-1.0, 1.0)
        } else {
            0.0
        }
    }
}

/// `Σ weights[i] · values[i]`, in row order.
pub(super) fn weighted_sum(values: &[f64], weights: &[u32]) -> f64 {
    // Four chains in a fixed order: as reproducible as one, and not held up by the adder's latency.
    let mut sums = [0.0f64; 4];
    let (heads, tail) = values.as_chunks::<4>();
    let (weight_heads, weight_tail) = weights.as_chunks::<4>();
    for (four, weights) in heads.iter().zip(weight_heads) {
        for lane in 0..4 {
            sums[lane] += four[lane] * f64::from(weights[lane]);
        }
    }
    for (value, &weight) in tail.iter().zip(weight_tail) {
        sums[0] += value * f64::from(weight);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The positive class where its probability reaches the threshold, else the other; without a threshold the most
/// probable class, the first of equals.
fn decide(
    predictions: &Predictions,
    positive: Option<usize>,
    threshold: Option<f64>,
) -> Option<Vec<u32>> {
    match (positive, threshold) {
        (Some(positive), Some(threshold)) => {
            let decide = |score: &f32| {
                if f64::from(*score) >= threshold {
                    positive as u32
                } else {
                    1 - positive as u32
                }
            };
            Some(predictions.class(positive)?.iter().map(decide).collect())
        }
        _ => predictions.argmax(),
    }
}

/// `-ln p` with `p` clipped to `[2.2e-16, 1 - 2.2e-16]`, as scikit-learn does with f64 probabilities.
fn surprise(probability: f32) -> f64 {
    -f64::from(probability)
        .clamp(f64::EPSILON, 1.0 - f64::EPSILON)
        .ln()
}

/// Squared error of the positive class's probability, or its sum over all classes.
fn brier(chances: &[f32], truth: u32, positive: Option<usize>) -> f64 {
    let error = |class: usize| {
        let happened = if truth as usize == class { 1.0 } else { 0.0 };
        (f64::from(chances[class]) - happened).powi(2)
    };
    match positive {
        Some(class) => error(class),
        None => (0..chances.len()).map(error).sum(),
    }
}
