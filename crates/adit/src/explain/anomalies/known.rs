//! How well scores tell labelled rows apart.

use super::KnownScore;
use crate::explain::metrics::{MetricSettings, Ranking};
use crate::explain::{Estimate, estimates};
use crate::mine::Predictions;
use crate::prepare::Target;

/// ROC AUC and average precision of scores from 0 on, with bootstrap intervals; `None` where the rows are all of one
/// kind.
pub fn judged(scores: &[f64], is_anomaly: &[bool], seed: u64) -> Option<KnownScore> {
    let truth = Target::Classes {
        codes: is_anomaly.iter().map(|&is| u32::from(is)).collect(),
        names: vec!["usual".into(), "anomaly".into()],
    };
    let pair = |score: &f64| {
        // Whatever keeps their order.
        let score = (score / (1.0 + score)) as f32;
        [1.0 - score, score]
    };
    let predictions = Predictions::Probabilities {
        n_classes: 2,
        values: scores.iter().flat_map(pair).collect(),
    };
    let settings = MetricSettings {
        positive: Some(1),
        threshold: None,
    };
    let found = estimates(&truth, &[predictions], &settings, seed);
    let of = |name: &str| -> Option<Estimate> { found.metrics.get(name).copied() };
    Some(KnownScore {
        roc_auc: of("roc_auc")?,
        average_precision: of("average_precision")?,
    })
}

/// ROC AUC and average precision; `None` where the rows are all of one kind.
pub fn areas(scores: &[f64], is_anomaly: &[bool]) -> Option<(f64, f64)> {
    let scores: Vec<f32> = scores.iter().map(|&score| score as f32).collect();
    let ranking = Ranking::new(&scores, |row| is_anomaly[row])?;
    let areas = ranking.areas(&vec![1; scores.len()]);
    Some((areas.roc_auc, areas.average_precision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_areas() {
        let scores: Vec<f64> = (0..200)
            .map(|at| f64::from(at * 37 % 200) / 201.0)
            .collect();
        let truth: Vec<bool> = scores.iter().map(|s| *s > 0.9 || *s < 0.02).collect();
        let found = judged(&scores, &truth, 1).expect("both kinds");
        let (auc, ap) = areas(&scores, &truth).expect("both kinds");
        assert!(
            (found.roc_auc.value - auc).abs() < 1e-9
                && (found.average_precision.value - ap).abs() < 1e-9
        );
        assert!(found.roc_auc.low < auc && auc < found.roc_auc.high);
        assert!(found.average_precision.low < ap && ap < found.average_precision.high);
        assert!(
            judged(&scores, &[true; 200], 1).is_none() && areas(&scores, &[false; 200]).is_none()
        );
    }
}
