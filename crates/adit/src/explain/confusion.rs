//! Which classes are taken for which, and how well each one is found.

use super::intervals::{precision, recall};
use super::metrics::ScoredClasses;
use super::resampling::{Resampling, accelerated_interval};
use super::{ClassScore, Confusion, Estimate};

/// Counts of rows by true and decided class.
pub(crate) fn confusion(scored: &ScoredClasses, names: &[String]) -> Confusion {
    let mut counts = vec![vec![0u64; names.len()]; names.len()];
    for (&truth, &decision) in scored.truth.iter().zip(&scored.decisions) {
        counts[truth as usize][decision as usize] += 1;
    }
    Confusion {
        classes: names.to_vec(),
        counts,
    }
}

/// Precision and recall with Wilson's interval and F1 with a bootstrap interval, for every class in order.
pub(crate) fn class_scores(
    scored: &ScoredClasses,
    names: &[String],
    resampling: &Resampling,
) -> Vec<ClassScore> {
    let f1 = scored.class_f1(&vec![1; resampling.n_rows()]);
    let resampled = resampling.map(|weights, _| scored.class_f1(weights));
    let without = resampling.without_each_block(|weights| scored.class_f1(weights));
    let score = |(class, name): (usize, &String)| {
        let values = resampled.iter().map(|f1| f1[class]);
        let left_out = without.iter().map(|f1| f1[class]);
        let (low, high) = accelerated_interval(values, f1[class], left_out, resampling.n_units())
            .unwrap_or((0.0, 1.0));
        let (precision, recall) = (
            precision(&[scored], class, resampling),
            recall(&[scored], class, resampling),
        );
        ClassScore {
            class: name.clone(),
            support: scored
                .truth
                .iter()
                .filter(|&&truth| truth as usize == class)
                .count() as u64,
            precision,
            recall,
            f1: f1_estimate(f1[class], (low, high), &precision, &recall),
        }
    };
    names.iter().enumerate().map(score).collect()
}

/// Resamples of an F1 of 0 or 1 are all the same; what its precision and recall allow is then the honest interval.
fn f1_estimate(
    value: f64,
    (low, high): (f64, f64),
    precision: &Estimate,
    recall: &Estimate,
) -> Estimate {
    let f1 = |precision: f64, recall: f64| {
        if precision + recall == 0.0 {
            0.0
        } else {
            2.0 * precision * recall / (precision + recall)
        }
    };
    let (mut low, mut high) = (low.min(value), high.max(value));
    if value == 1.0 {
        low = low.min(f1(precision.low, recall.low));
    }
    if value == 0.0 {
        high = high.max(f1(precision.high, recall.high));
    }
    Estimate { value, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::metrics::MetricSettings;
    use crate::mine::Predictions;

    fn names() -> Vec<String> {
        ["a", "b", "c"].map(String::from).to_vec()
    }

    fn decided(classes: &[usize]) -> Predictions {
        let row = |&class: &usize| (0..3).map(move |at| if at == class { 0.8 } else { 0.1 });
        Predictions::Probabilities {
            n_classes: 3,
            values: classes.iter().flat_map(row).collect(),
        }
    }

    #[test]
    fn counts_stand_at_truth_and_decision() {
        let truth = [0, 0, 1, 1, 1];
        let predictions = decided(&[0, 1, 1, 1, 0]);
        let scored =
            ScoredClasses::new(&truth, 3, &predictions, &MetricSettings::default()).expect("fits");
        assert_eq!(
            confusion(&scored, &names()).counts,
            [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
        );
    }

    #[test]
    fn scores_of_each_class_contain_their_values_and_never_look_certain() {
        let truth = [0, 0, 0, 1, 1, 1, 2];
        let predictions = decided(&[0, 0, 0, 1, 1, 0, 1]);
        let scored =
            ScoredClasses::new(&truth, 3, &predictions, &MetricSettings::default()).expect("fits");
        let scores = class_scores(&scored, &names(), &Resampling::new(7, None, 1));
        for score in &scores {
            for estimate in [score.precision, score.recall, score.f1] {
                assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
                assert!(estimate.high - estimate.low > 0.2, "{score:?}");
            }
        }
        assert_eq!(
            (
                scores[0].precision.value,
                scores[0].recall.value,
                scores[2].f1.value
            ),
            (0.75, 1.0, 0.0)
        );
        assert_eq!(
            scores.iter().map(|score| score.support).collect::<Vec<_>>(),
            [3, 3, 1]
        );
    }
}
