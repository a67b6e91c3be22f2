//! How the recommended member is chosen: on validation rows, never on test rows.
//!
//! Members are compared by ROC AUC for two classes (it needs no threshold and does not reward always answering the
//! larger class), by accuracy for more classes, and by RMSE for numbers. The best validation score wins; of equal
//! scores the simpler member does: baseline, then linear model, trees, transformer, blend.

use std::cmp::Ordering;

use super::MemberRole;
use super::metrics::Metric;
use crate::prepare::Target;

/// The metric that members are chosen by: `roc_auc`, `accuracy` or `rmse`.
pub fn selection_metric(target: &Target) -> &'static str {
    match target {
        Target::Classes { names, .. } if names.len() == 2 => Metric::RocAuc.name(),
        Target::Classes { .. } => Metric::Accuracy.name(),
        Target::Numbers(_) => Metric::Rmse.name(),
    }
}

/// Whether a larger value of the metric is a better one; unknown metrics are taken to be scores.
pub fn more_is_better(metric: &str) -> bool {
    Metric::named(metric).is_none_or(Metric::more_is_better)
}

/// The value turned so that less is better: itself for errors, its negative for scores.
pub fn loss_of(metric: &str, value: f64) -> f64 {
    if more_is_better(metric) {
        -value
    } else {
        value
    }
}

/// What a choice may know of a member.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub role: MemberRole,
    /// The selection metric on the validation rows.
    pub validation_score: Option<f64>,
}

/// The index of the best candidate by its validation score; `None` where there is no candidate.
///
/// Candidates without a (finite) score come last; where none has one, the simplest wins, and among equals the first.
pub fn choose(metric: &str, candidates: &[Candidate]) -> Option<usize> {
    let loss = |candidate: &Candidate| {
        let score = candidate.validation_score.filter(|score| score.is_finite());
        score.map_or(f64::INFINITY, |score| loss_of(metric, score))
    };
    let better = |a: &Candidate, b: &Candidate| -> Ordering {
        loss(a)
            .total_cmp(&loss(b))
            .then(simplicity(a.role).cmp(&simplicity(b.role)))
    };
    (0..candidates.len()).min_by(|&a, &b| better(&candidates[a], &candidates[b]).then(a.cmp(&b)))
}

fn simplicity(role: MemberRole) -> u8 {
    match role {
        MemberRole::Baseline => 0,
        MemberRole::Linear => 1,
        MemberRole::Trees => 2,
        MemberRole::Perceptrons => 3,
        MemberRole::Transformer => 4,
        MemberRole::Blend => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(role: MemberRole, score: f64) -> Candidate {
        Candidate {
            role,
            validation_score: score.is_finite().then_some(score),
        }
    }

    #[test]
    fn the_best_validation_score_wins_in_the_metrics_own_direction() {
        let candidates = [
            candidate(MemberRole::Baseline, 0.5),
            candidate(MemberRole::Linear, 0.8),
            candidate(MemberRole::Transformer, 0.9),
        ];
        assert_eq!(choose("roc_auc", &candidates), Some(2));
        assert_eq!(choose("rmse", &candidates), Some(0));
        assert_eq!(choose("rmse", &[]), None);
    }

    #[test]
    fn the_simpler_of_equals_wins_and_a_missing_score_never_beats_a_present_one() {
        let (transformer, linear) = (
            candidate(MemberRole::Transformer, 0.8),
            candidate(MemberRole::Linear, 0.8),
        );
        assert_eq!(choose("accuracy", &[transformer, linear]), Some(1));
        let unscored = candidate(MemberRole::Baseline, f64::NAN);
        assert_eq!(choose("accuracy", &[unscored, transformer]), Some(1));
        assert_eq!(
            choose("accuracy", &[transformer, unscored, unscored]),
            Some(0)
        );
    }

    #[test]
    fn losses_fall_as_members_get_better() {
        assert!(loss_of("roc_auc", 0.9) < loss_of("roc_auc", 0.8));
        assert!(loss_of("rmse", 1.0) < loss_of("rmse", 2.0));
        assert_eq!(
            [
                more_is_better("f1"),
                more_is_better("log_loss"),
                more_is_better("r2")
            ],
            [true, false, true]
        );
    }
}
