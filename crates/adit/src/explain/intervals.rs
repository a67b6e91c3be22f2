//! Metrics with 95% intervals.
//!
//! Shares (accuracy, micro F1, and the positive class's precision and recall) have Wilson's interval; all other
//! metrics a percentile bootstrap of 2,000 resamples of the test rows (fewer where rows times classes pass a
//! million). With several seeds the value is the mean over seeds of the single models, and the interval covers both
//! the test rows and the seeds: each resample draws rows and, apart, seeds. It is an interval for the recipe trained
//! once more and tested on new rows' average, not for one of its models.
//!
//! A perfect score says little when the test part is small, and no resample of it is less than perfect; its lower end
//! is then Wilson's for as many hits as the smallest class has rows. An interval always contains its value.

use std::collections::BTreeMap;

use super::Estimate;
use super::metrics::{Measures, Metric, MetricSettings, N_METRICS, Scored, ScoredClasses, n_rows};
use super::proportion::{share, wilson};
use super::resampling::{Resampling, draw_seeds, percentile_interval};
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
            let interval = percentile_interval(column, resampling.n_units());
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
        Metric::Precision => Some(precision(&classes, positive?, resampling)),
        Metric::Recall => Some(recall(&classes, positive?, resampling)),
        _ => None,
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
