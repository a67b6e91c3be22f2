//! Metrics with 95% intervals.
//!
//! Shares (accuracy, micro F1, and the positive class's precision and recall) have Wilson's interval; balanced accuracy
//! and macro recall combine those of the classes' recalls; all other metrics have a BCa bootstrap interval of 2,000
//! resamples of the test rows (fewer where rows times ranked classes pass half a million). With several seeds the value
//! is the mean over seeds of the single models, and the interval covers both the test rows and the seeds: each resample
//! draws rows and, apart, seeds. It is an interval for the mean of the recipe's models, not for one of them.
//!
//! A perfect score says little when the test part is small, and no resample of it is less than perfect; its lower end
//! is then Wilson's for as many hits as the smallest class has rows. An interval always contains its value.

use std::collections::BTreeMap;

use super::Estimate;
use super::metrics::{Measures, Metric, MetricSettings, N_METRICS, Scored, ScoredClasses, n_rows};
use super::proportion::{share, wilson};
use super::resampling::{Resampling, accelerated_interval, draw_seeds};
use crate::mine::Predictions;
use crate::prepare::Target;

/// The metrics of one member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EstimateSet {
    /// The mean over seeds, with its interval.
    pub metrics: BTreeMap<String, Estimate>,
    /// The value for each seed, in seed order.
    pub by_seed: BTreeMap<String, Vec<f64>>,
    /// Sample standard deviation over seeds; empty for one seed.
    pub spread: BTreeMap<String, f64>,
}

/// Every metric that is defined for the rows, with its interval; one entry of `predictions_by_seed` per trained seed.
///
/// Empty where there are no predictions, or where they are not those of these rows.
pub fn estimates(
    truth: &Target,
    predictions_by_seed: &[Predictions],
    settings: &MetricSettings,
    seed: u64,
) -> EstimateSet {
    estimates_by_group(truth, predictions_by_seed, settings, None, seed)
}

/// [`estimates`] for rows that belong together by a group id per row: whole groups are resampled.
pub fn estimates_by_group(
    truth: &Target,
    predictions_by_seed: &[Predictions],
    settings: &MetricSettings,
    groups: Option<&[u64]>,
    seed: u64,
) -> EstimateSet {
    let resampling = Resampling::new(n_rows(truth), groups, seed);
    match score_all(truth, predictions_by_seed, settings) {
        Some(models) => estimate_all(&models, resampling),
        None => EstimateSet::default(),
    }
}

/// Each metric of every single model, in their order, and its sample standard deviation; empty for fewer than two.
pub(crate) fn spread(
    truth: &Target,
    singles: &[Predictions],
    settings: &MetricSettings,
) -> (BTreeMap<String, Vec<f64>>, BTreeMap<String, f64>) {
    let mut by_model = BTreeMap::new();
    let mut deviations = BTreeMap::new();
    let Some(models) = score_all(truth, singles, settings).filter(|models| models.len() > 1) else {
        return (by_model, deviations);
    };
    let all_rows = vec![1; n_rows(truth)];
    let measured: Vec<Measures> = models
        .iter()
        .map(|model| model.measure(&all_rows, true))
        .collect();
    for metric in Metric::ALL {
        let values: Vec<f64> = measured.iter().map(|m| m[metric as usize]).collect();
        if values.iter().any(|value| value.is_nan()) {
            continue;
        }
        if let Some(deviation) = deviation(&values) {
            deviations.insert(metric.name().to_string(), deviation);
        }
        by_model.insert(metric.name().to_string(), values);
    }
    (by_model, deviations)
}

/// Every seed's model; `None` where there is none or one does not fit the rows.
pub(crate) fn score_all<'a>(
    truth: &'a Target,
    predictions: &[Predictions],
    settings: &MetricSettings,
) -> Option<Vec<Scored<'a>>> {
    if predictions.is_empty() || n_rows(truth) == 0 {
        return None;
    }
    predictions
        .iter()
        .map(|predictions| Scored::new(truth, predictions, settings))
        .collect()
}

/// Sample standard deviation; `None` for fewer than two values.
pub(crate) fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The measures of a resample: the mean over as many seeds as were drawn.
pub(crate) fn mean_measures(
    models: &[Scored],
    weights: &[u32],
    seeds: &[u32],
    ranks: bool,
) -> Measures {
    let mut means = [0.0; N_METRICS];
    let drawn: u32 = seeds.iter().sum();
    for (model, &count) in models.iter().zip(seeds).filter(|(_, count)| **count != 0) {
        let measures = model.measure(weights, ranks);
        means
            .iter_mut()
            .zip(measures)
            .for_each(|(mean, value)| *mean += f64::from(count) * value);
    }
    means.map(|sum| sum / f64::from(drawn))
}

fn estimate_all(models: &[Scored], resampling: Resampling) -> EstimateSet {
    let resampling = resampling.for_model(&models[0]);
    let all_rows = vec![1; resampling.n_rows()];
    let measured: Vec<Measures> = models
        .iter()
        .map(|model| model.measure(&all_rows, true))
        .collect();
    let resampled = resampling.map(|weights, rng| {
        let seeds = draw_seeds(rng, models.len());
        mean_measures(models, weights, &seeds, true)
    });
    let each_seed = vec![1; models.len()];
    let without =
        resampling.without_each_block(|weights| mean_measures(models, weights, &each_seed, true));
    let smallest_class = match &models[0] {
        Scored::Classes(scored) => smallest_class(scored),
        Scored::Numbers(_) => 0,
    };
    let mut set = EstimateSet::default();
    for metric in Metric::ALL {
        let values: Vec<f64> = measured
            .iter()
            .map(|measures| measures[metric as usize])
            .collect();
        if values.iter().any(|value| value.is_nan()) {
            continue;
        }
        let value = values.iter().sum::<f64>() / values.len() as f64;
        let estimate = share_of(metric, models, &resampling).unwrap_or_else(|| {
            let column = resampled.iter().map(|measures| measures[metric as usize]);
            let left_out = without.iter().map(|measures| measures[metric as usize]);
            let interval = accelerated_interval(column, value, left_out, resampling.n_units());
            around(metric, value, interval, smallest_class)
        });
        // The share's own mean may differ from this one in the last bit.
        let low = estimate.low.min(value);
        set.metrics.insert(
            metric.name().to_string(),
            Estimate {
                value,
                low,
                high: estimate.high.max(value),
            },
        );
        if let Some(deviation) = deviation(&values) {
            set.spread.insert(metric.name().to_string(), deviation);
        }
        set.by_seed.insert(metric.name().to_string(), values);
    }
    set
}

/// An estimate that contains its value, stays in the metric's bounds, and does not call a perfect score certain.
fn around(
    metric: Metric,
    value: f64,
    interval: Option<(f64, f64)>,
    smallest_class: u64,
) -> Estimate {
    let (lowest, highest) = metric.bounds();
    let (low, high) = interval.unwrap_or((
        lowest.max(value - value.abs()),
        highest.min(value + value.abs()),
    ));
    let mut low = low.min(value);
    if value == 1.0 && smallest_class != 0 && metric.more_is_better() {
        let certain = wilson(1.0, smallest_class as f64).low;
        low = low.min(lowest + certain * (1.0 - lowest));
    }
    Estimate {
        value,
        low,
        high: high.max(value),
    }
}

fn smallest_class(scored: &ScoredClasses) -> u64 {
    let mut counts = vec![0u64; scored.n_classes];
    scored
        .truth
        .iter()
        .for_each(|&class| counts[class as usize] += 1);
    counts
        .into_iter()
        .filter(|&count| count != 0)
        .min()
        .unwrap_or(0)
}

/// The interval of a metric that is a share of rows; `None` for other metrics.
fn share_of(metric: Metric, models: &[Scored], resampling: &Resampling) -> Option<Estimate> {
    let classes: Vec<&ScoredClasses> = models.iter().filter_map(Scored::classes).collect();
    if classes.len() != models.len() {
        return None;
    }
    let positive = classes[0].positive;
    match metric {
        Metric::Accuracy | Metric::F1Micro => {
            Some(share(resampling, classes.len(), |seed, row| {
                Some(classes[seed].is_hit(row))
            }))
        }
        Metric::BalancedAccuracy => Some(mean_recall(&classes, resampling)),
        Metric::RecallMacro => Some(macro_recall(&classes, resampling)),
        Metric::Precision => Some(precision(&classes, positive?, resampling)),
        Metric::Recall => Some(recall(&classes, positive?, resampling)),
        _ => None,
    }
}

/// The mean of the true classes' recalls: its distances to the ends are the root of the summed squares of theirs
/// (Zou and Donner 2008), so that a small class found whole is not taken for certain.
fn mean_recall(models: &[&ScoredClasses], resampling: &Resampling) -> Estimate {
    let is_true = |class: &usize| {
        models[0]
            .truth
            .iter()
            .any(|&truth| truth as usize == *class)
    };
    let recalls: Vec<Estimate> = (0..models[0].n_classes)
        .filter(is_true)
        .map(|class| recall(models, class, resampling))
        .collect();
    let n = recalls.len().max(1) as f64;
    let root = |distance: &dyn Fn(&Estimate) -> f64| {
        recalls
            .iter()
            .map(|recall| distance(recall).powi(2))
            .sum::<f64>()
            .sqrt()
            / n
    };
    let value = recalls.iter().map(|recall| recall.value).sum::<f64>() / n;
    let low = value - root(&|recall| recall.value - recall.low);
    let high = value + root(&|recall| recall.high - recall.value);
    Estimate {
        value,
        low: low.max(0.0),
        high: high.min(1.0),
    }
}

/// Macro recall spreads the sum of the recalls over classes that are decided but never true as well.
fn macro_recall(models: &[&ScoredClasses], resampling: &Resampling) -> Estimate {
    let mean = mean_recall(models, resampling);
    let all_rows = vec![1; resampling.n_rows()];
    let scale = |model: &&ScoredClasses| {
        let measures = model.measure(&all_rows, false);
        let balanced = measures[Metric::BalancedAccuracy as usize];
        if balanced > 0.0 {
            measures[Metric::RecallMacro as usize] / balanced
        } else {
            1.0
        }
    };
    let scale = models.iter().map(scale).sum::<f64>() / models.len() as f64;
    Estimate {
        value: mean.value * scale,
        low: mean.low * scale,
        high: mean.high * scale,
    }
}

/// Of the rows decided to be of the class, the share that is.
pub(crate) fn precision(
    models: &[&ScoredClasses],
    class: usize,
    resampling: &Resampling,
) -> Estimate {
    share(resampling, models.len(), |seed, row| {
        (models[seed].decisions[row] as usize == class).then(|| models[seed].is_hit(row))
    })
}

/// Of the rows of the class, the share that was decided to be.
pub(crate) fn recall(models: &[&ScoredClasses], class: usize, resampling: &Resampling) -> Estimate {
    share(resampling, models.len(), |seed, row| {
        (models[seed].truth[row] as usize == class).then(|| models[seed].is_hit(row))
    })
}

#[cfg(test)]
mod tests {
    use rand::RngCore;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn uniform(rng: &mut ChaCha8Rng) -> f64 {
        (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
    }

    fn gauss(rng: &mut ChaCha8Rng) -> f64 {
        (-2.0 * uniform(rng).ln()).sqrt() * (std::f64::consts::TAU * uniform(rng)).cos()
    }

    fn two_classes(codes: Vec<u32>) -> Target {
        Target::Classes {
            codes,
            names: vec!["no".to_string(), "yes".to_string()],
        }
    }

    fn chances(scores: impl Iterator<Item = f64>) -> Predictions {
        let chance = |score: f64| (1.0 / (1.0 + (-score).exp())) as f32;
        let values = scores
            .flat_map(|score| [1.0 - chance(score), chance(score)])
            .collect();
        Predictions::Probabilities {
            n_classes: 2,
            values,
        }
    }

    /// Two classes with scores one apart; `shift` per seed moves all scores of that seed's model.
    fn sample(n: usize, shifts: &[f64], seed: u64) -> (Target, Vec<Predictions>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let codes: Vec<u32> = (0..n).map(|_| u32::from(uniform(&mut rng) < 0.4)).collect();
        let scores: Vec<f64> = codes
            .iter()
            .map(|&code| f64::from(code) - 0.5 + gauss(&mut rng))
            .collect();
        let predictions = shifts
            .iter()
            .map(|shift| chances(scores.iter().map(|score| score + shift)));
        (two_classes(codes), predictions.collect())
    }

    fn default_estimates(truth: &Target, predictions: &[Predictions]) -> EstimateSet {
        estimates(truth, predictions, &MetricSettings::default(), 3)
    }

    #[test]
    fn intervals_contain_their_value_and_stay_in_bounds() {
        for (n, shifts) in [
            (1, vec![0.0]),
            (7, vec![0.0, 1.0]),
            (80, vec![-3.0]),
            (300, vec![0.0, 0.2, -0.4]),
        ] {
            let (truth, predictions) = sample(n, &shifts, n as u64);
            let set = default_estimates(&truth, &predictions);
            assert!(set.metrics.contains_key("accuracy"));
            for (name, estimate) in &set.metrics {
                let (low, high) = Metric::named(name).expect("a known metric").bounds();
                assert!(
                    low <= estimate.low && estimate.low <= estimate.value,
                    "{name} {estimate:?}"
                );
                assert!(
                    estimate.value <= estimate.high && estimate.high <= high,
                    "{name} {estimate:?}"
                );
                assert_eq!(set.by_seed[name].len(), shifts.len());
                assert_eq!(set.spread.contains_key(name), shifts.len() > 1);
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let (truth, predictions) = sample(120, &[0.0, 0.3, -0.2], 5);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            pool.install(|| default_estimates(&truth, &predictions))
        };
        assert_eq!(run(1), run(4));
    }

    /// Of 300 samples, how many have an interval that covers the value of endless rows, for each metric.
    fn covered<const N: usize>(
        expected: [(&str, f64); N],
        sample: impl Fn(u64) -> EstimateSet,
    ) -> [usize; N] {
        let sets: Vec<EstimateSet> = (0..300u64).map(sample).collect();
        expected.map(|(metric, value)| {
            let covers = |set: &&EstimateSet| {
                let estimate = set.metrics[metric];
                estimate.low <= value && value <= estimate.high
            };
            sets.iter().filter(covers).count()
        })
    }

    // Of 300 intervals that cover with 95%, 273 to 296 do with 99.9%.
    const COVERED: std::ops::RangeInclusive<usize> = 270..=297;

    #[test]
    fn intervals_of_class_metrics_cover_about_95_percent() {
        let draw = |seed: u64| {
            let (truth, predictions) = sample(100, &[0.0], 1_000 + seed);
            default_estimates(&truth, &predictions)
        };
        // Φ(1 / √2) and Φ(1 / 2).
        let covered = covered(
            [("roc_auc", 0.760_249_938_9), ("accuracy", 0.691_462_461_3)],
            draw,
        );
        assert!(
            covered.iter().all(|count| COVERED.contains(count)),
            "{covered:?} of 300"
        );
    }

    #[test]
    fn intervals_cover_where_a_small_class_is_almost_always_found() {
        let draw = |seed: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(20_000 + seed);
            let codes: Vec<u32> = (0..100)
                .map(|_| u32::from(uniform(&mut rng) < 0.2))
                .collect();
            let score = |&code: &u32| 2.5 * (f64::from(code) - 0.5) + gauss(&mut rng);
            let scores: Vec<f64> = codes.iter().map(score).collect();
            default_estimates(&two_classes(codes), &[chances(scores.into_iter())])
        };
        // Φ(2.5 / √2) and Φ(1.25); plain percentiles cover 88% and 87% here.
        let covered = covered(
            [
                ("roc_auc", 0.961_450_064_1),
                ("balanced_accuracy", 0.894_350_226_3),
            ],
            draw,
        );
        assert!(
            covered.iter().all(|count| COVERED.contains(count)),
            "{covered:?} of 300"
        );
    }

    #[test]
    fn intervals_of_errors_cover_about_95_percent() {
        let draw = |seed: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(7_000 + seed);
            let truth: Vec<f64> = (0..60).map(|_| gauss(&mut rng)).collect();
            let predicted = truth
                .iter()
                .map(|value| value + 0.5 * gauss(&mut rng))
                .collect();
            default_estimates(&Target::Numbers(truth), &[Predictions::Numbers(predicted)])
        };
        let [covered_rmse] = covered([("rmse", 0.5)], draw);
        assert!(
            (264..=297).contains(&covered_rmse),
            "rmse: {covered_rmse} of 300"
        );
    }

    #[test]
    fn intervals_over_seeds_cover_the_recipe_and_not_its_models() {
        // The recipe's models err by a random bias: the mean squared error of endless models and rows is 1 + 0.25.
        let draw = |seed: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(9_000 + seed);
            let truth: Vec<f64> = (0..200).map(|_| gauss(&mut rng)).collect();
            let models: Vec<Predictions> = (0..8)
                .map(|_| {
                    let bias = gauss(&mut rng);
                    Predictions::Numbers(truth.iter().map(|value| value + bias).collect())
                })
                .collect();
            default_estimates(&Target::Numbers(truth), &models)
        };
        // The mean of |bias|.
        let [covered_mae] = covered([("mae", (2.0 / std::f64::consts::PI).sqrt())], draw);
        // Eight seeds are few; without drawing seeds the interval would be a point.
        assert!(covered_mae > 250, "mae: {covered_mae} of 300");
    }

    #[test]
    fn rows_of_one_group_count_as_one_story() {
        let (truth, predictions) = sample(40, &[0.0], 11);
        let Target::Classes { codes, names } = &truth else {
            unreachable!()
        };
        let copies: Vec<usize> = (0..40).flat_map(|row| [row; 5]).collect();
        let copied = Target::Classes {
            codes: copies.iter().map(|&row| codes[row]).collect(),
            names: names.clone(),
        };
        let predicted = [predictions[0].select(&copies)];
        let ids: Vec<u64> = copies.iter().map(|&row| row as u64).collect();
        let settings = MetricSettings::default();
        let single = estimates(&truth, &predictions, &settings, 3);
        let grouped = estimates_by_group(&copied, &predicted, &settings, Some(&ids), 3);
        let careless = estimates(&copied, &predicted, &settings, 3);
        let width =
            |set: &EstimateSet, metric: &str| set.metrics[metric].high - set.metrics[metric].low;
        for metric in ["roc_auc", "log_loss", "accuracy", "recall"] {
            assert!(
                (width(&grouped, metric) / width(&single, metric) - 1.0).abs() < 0.05,
                "{metric}"
            );
            assert!(
                width(&careless, metric) < 0.6 * width(&single, metric),
                "{metric}"
            );
        }
    }

    #[test]
    fn a_perfect_score_is_not_certain() {
        let codes: Vec<u32> = (0..30).map(|row| u32::from(row < 10)).collect();
        let predictions = [chances(
            codes.iter().map(|&code| 4.0 * f64::from(code) - 2.0),
        )];
        let set = default_estimates(&two_classes(codes), &predictions);
        assert_eq!(
            set.metrics["roc_auc"],
            Estimate {
                low: wilson(1.0, 10.0).low,
                value: 1.0,
                high: 1.0
            }
        );
        assert!(set.metrics["mcc"].low < 0.6 && set.metrics["accuracy"].low < 0.9);
    }

    #[test]
    fn no_predictions_no_estimates() {
        let (truth, predictions) = sample(10, &[0.0], 1);
        assert_eq!(default_estimates(&truth, &[]), EstimateSet::default());
        assert_eq!(
            default_estimates(&truth, &[predictions[0].select(&[0, 1])]),
            EstimateSet::default()
        );
    }

    #[test]
    #[ignore = "a timing: 20,000 rows"]
    fn many_rows_take_seconds() {
        let (truth, predictions) = sample(20_000, &[0.0], 1);
        assert_eq!(default_estimates(&truth, &predictions).metrics.len(), 14);
    }
}
