//! Metrics of one model's predictions.
//!
//! A truth and predictions of the same rows enter; named numbers leave. Intervals are not made here.
//!
//! Decisions are the most probable class (the first of equals), or, in a two-class task with a threshold, the positive
//! class where its probability reaches it. Sums are f64 in row order. Conventions, where texts differ, are those of
//! scikit-learn: precision without decided rows is 0; macro means run over the classes that are true or decided
//! somewhere; balanced accuracy over the true ones; MCC of constant decisions is 0; log loss clips probabilities to
//! `[2.2e-16, 1 - 2.2e-16]`. A metric that the rows leave undefined is absent instead of being 0 or NaN: ROC AUC,
//! average precision and MCC where only one class is true (for many classes, the first two are means over the classes
//! that are true somewhere but not everywhere), positive-class metrics where the positive class is not true anywhere,
//! R² where all true numbers are equal.

mod classes;
mod metric;
mod numbers;
mod ranking;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use classes::ScoredClasses;
pub(crate) use metric::{Metric, N_METRICS};
pub(crate) use numbers::ScoredNumbers;
pub(crate) use ranking::Ranking;

use crate::mine::Predictions;
use crate::prepare::Target;

/// How class probabilities become decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MetricSettings {
    /// Index of the positive class of a two-class task; the second where absent.
    pub positive: Option<usize>,
    /// Probability from which the positive class is decided on; the most probable class where absent.
    pub threshold: Option<f64>,
}

/// All metrics by [`Metric`]; NaN is absent and never leaves this room.
pub(crate) type Measures = [f64; N_METRICS];

/// The positive class of a two-class task.
pub(crate) fn positive_class(n_classes: usize, settings: &MetricSettings) -> Option<usize> {
    (n_classes == 2).then(|| settings.positive.filter(|&class| class < 2).unwrap_or(1))
}

/// The positive class of a two-class target: the given one, else the second; `None` for other targets.
pub fn positive_of(target: &Target, given: Option<usize>) -> Option<usize> {
    let settings = MetricSettings {
        positive: given,
        threshold: None,
    };
    match target {
        Target::Classes { names, .. } => positive_class(names.len(), &settings),
        Target::Numbers(_) => None,
    }
}

/// One model's predictions beside the truth, ready to be measured under any weighting of the rows.
pub(crate) enum Scored<'a> {
    Classes(ScoredClasses<'a>),
    Numbers(ScoredNumbers),
}

impl<'a> Scored<'a> {
    /// `None` where the predictions are not those of these rows.
    pub fn new(
        truth: &'a Target,
        predictions: &Predictions,
        settings: &MetricSettings,
    ) -> Option<Self> {
        match truth {
            Target::Classes { codes, names } => {
                ScoredClasses::new(codes, names.len(), predictions, settings).map(Self::Classes)
            }
            Target::Numbers(truth) => ScoredNumbers::new(truth, predictions).map(Self::Numbers),
        }
    }

    /// Every metric when row `i` counts `weights[i]` times; `ranks` false leaves out the areas under curves.
    pub fn measure(&self, weights: &[u32], ranks: bool) -> Measures {
        match self {
            Self::Classes(scored) => scored.measure(weights, ranks),
            Self::Numbers(scored) => scored.measure(weights),
        }
    }

    /// The scored classes; `None` for numbers.
    pub fn classes(&self) -> Option<&ScoredClasses<'a>> {
        match self {
            Self::Classes(scored) => Some(scored),
            Self::Numbers(_) => None,
        }
    }

    /// How many rankings a measurement walks over.
    pub fn n_rankings(&self) -> usize {
        match self {
            Self::Classes(scored) => scored.n_rankings(),
            Self::Numbers(_) => 0,
        }
    }
}

/// Number of rows of a target.
pub(crate) fn n_rows(truth: &Target) -> usize {
    match truth {
        Target::Classes { codes, .. } => codes.len(),
        Target::Numbers(values) => values.len(),
    }
}

/// Every metric that is defined for the rows, by its name in `result.json`.
///
/// Empty where there is no row, or where the predictions are not those of these rows:
/// [`Predictions::check`] says what is wrong with them.
pub fn evaluate(
    truth: &Target,
    predictions: &Predictions,
    settings: &MetricSettings,
) -> BTreeMap<String, f64> {
    let weights = vec![1; n_rows(truth)];
    let measures = match Scored::new(truth, predictions, settings) {
        Some(scored) => scored.measure(&weights, true),
        None => [f64::NAN; N_METRICS],
    };
    let named = |metric: Metric| (metric.name().to_string(), measures[metric as usize]);
    Metric::ALL
        .into_iter()
        .map(named)
        .filter(|(_, value)| !value.is_nan())
        .collect()
}
