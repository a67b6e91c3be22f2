//! The metrics a report may show: their names, their direction and what they mean.

use super::numbers;
use crate::explain::Estimate;

/// The scale a metric is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Bounded scores such as accuracy: three decimals.
    Score,
    /// Errors in the unit of the target, or losses: three significant digits.
    Free,
}

/// A metric as the report shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Metric {
    pub label: String,
    pub more_is_better: bool,
    pub scale: Scale,
    /// One plain sentence for the glossary.
    pub meaning: Option<&'static str>,
}

impl Metric {
    /// Looks a metric up by the name it has in the findings; unknown ones are shown by that name.
    pub fn named(name: &str) -> Self {
        match KNOWN.iter().find(|known| known.0 == name) {
            Some(&(_, label, more_is_better, scale, meaning)) => Self {
                label: label.to_string(),
                more_is_better,
                scale,
                meaning: Some(meaning),
            },
            None => Self {
                label: name.replace('_', " "),
                more_is_better: true,
                scale: Scale::Free,
                meaning: None,
            },
        }
    }

    /// The label inside a sentence: `Accuracy` becomes `accuracy`, `ROC AUC` stays.
    pub fn in_sentence(&self) -> String {
        let mut letters = self.label.chars();
        match (letters.next(), letters.next()) {
            (Some(first), Some(second)) if second.is_lowercase() => first
                .to_lowercase()
                .chain(self.label.chars().skip(1))
                .collect(),
            _ => self.label.clone(),
        }
    }

    /// A value with the digits that its size asks for.
    pub fn show(&self, value: f64) -> String {
        match self.scale {
            Scale::Score => numbers::fixed(value, 3),
            Scale::Free => numbers::plain(value),
        }
    }

    /// `low to high`, with as many digits as the value has.
    pub fn interval(&self, estimate: &Estimate) -> String {
        format!(
            "{} to {}",
            self.show(estimate.low),
            self.show(estimate.high)
        )
    }

    /// A difference with its sign.
    pub fn signed(&self, value: f64) -> String {
        let shown = self.show(value);
        let is_positive = value > 0.0 && shown.chars().any(|c| c.is_ascii_digit() && c != '0');
        if is_positive {
            format!("+{shown}")
        } else {
            shown
        }
    }
}

/// Name, label, more is better, scale, meaning; in the order in which reports show them.
type Known = (&'static str, &'static str, bool, Scale, &'static str);

const KNOWN: &[Known] = &[
    (
        "roc_auc",
        "ROC AUC",
        true,
        Scale::Score,
        "The chance that a random row of the positive class is scored above a random other row; 0.5 is guessing, 1 is perfect.",
    ),
    (
        "accuracy",
        "Accuracy",
        true,
        Scale::Score,
        "The share of rows whose class was predicted right.",
    ),
    (
        "balanced_accuracy",
        "Balanced accuracy",
        true,
        Scale::Score,
        "The mean over the classes of the share of their rows that was found, so that rare classes count as much as common ones.",
    ),
    (
        "f1",
        "F1",
        true,
        Scale::Score,
        "The harmonic mean of precision and recall of the positive class.",
    ),
    (
        "f1_macro",
        "F1 (macro)",
        true,
        Scale::Score,
        "The mean of the F1 of all classes, each class counting the same.",
    ),
    (
        "f1_micro",
        "F1 (micro)",
        true,
        Scale::Score,
        "F1 over all decisions pooled; with one class per row it equals accuracy.",
    ),
    (
        "precision",
        "Precision",
        true,
        Scale::Score,
        "Of the rows predicted positive, the share that is positive.",
    ),
    (
        "precision_macro",
        "Precision (macro)",
        true,
        Scale::Score,
        "The mean of the precision of all classes, each class counting the same.",
    ),
    (
        "recall",
        "Recall",
        true,
        Scale::Score,
        "Of the positive rows, the share that was found.",
    ),
    (
        "recall_macro",
        "Recall (macro)",
        true,
        Scale::Score,
        "The mean of the recall of all classes, each class counting the same.",
    ),
    (
        "mcc",
        "MCC",
        true,
        Scale::Score,
        "The correlation between true and predicted classes (Matthews); 0 is guessing, 1 is perfect, −1 is always wrong.",
    ),
    (
        "average_precision",
        "Average precision",
        true,
        Scale::Score,
        "The area under the precision–recall curve; guessing gives the share of positive rows.",
    ),
    (
        "log_loss",
        "Log loss",
        false,
        Scale::Score,
        "The mean surprise, in nats, at the true class under the predicted probabilities; lower is better.",
    ),
    (
        "brier",
        "Brier score",
        false,
        Scale::Score,
        "The mean squared distance between predicted probabilities and what happened; lower is better.",
    ),
    (
        "rmse",
        "RMSE",
        false,
        Scale::Free,
        "The square root of the mean squared error, in the unit of the target; large errors weigh more; lower is better.",
    ),
    (
        "mae",
        "MAE",
        false,
        Scale::Free,
        "The mean absolute error, in the unit of the target; lower is better.",
    ),
    (
        "r2",
        "R²",
        true,
        Scale::Score,
        "The share of the target's variance that is predicted; 0 is as good as always saying the mean, 1 is perfect.",
    ),
];

/// Where a metric stands among all; unknown ones come last.
pub(super) fn order(name: &str) -> usize {
    KNOWN
        .iter()
        .position(|known| known.0 == name)
        .unwrap_or(KNOWN.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_capitals_inside_sentences() {
        let inside = |name| Metric::named(name).in_sentence();
        assert_eq!(
            [
                inside("accuracy"),
                inside("roc_auc"),
                inside("f1_macro"),
                inside("r2"),
                inside("log_loss")
            ],
            ["accuracy", "ROC AUC", "F1 (macro)", "R²", "log loss"]
        );
    }

    #[test]
    fn differences_carry_their_sign() {
        let accuracy = Metric::named("accuracy");
        assert_eq!(
            [
                accuracy.signed(0.0431),
                accuracy.signed(-0.01),
                accuracy.signed(0.000_01)
            ],
            ["+0.043", "−0.010", "0.000"]
        );
    }

    #[test]
    fn unknown_metrics_are_shown_by_their_name() {
        let metric = Metric::named("top_3_hits");
        assert_eq!(
            (metric.label.as_str(), metric.meaning),
            ("top 3 hits", None)
        );
    }
}
