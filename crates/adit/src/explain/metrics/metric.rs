//! The names of the metrics.

/// A metric of the scoreboard; its place indexes [`Measures`](super::Measures).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Metric {
    Accuracy,
    BalancedAccuracy,
    PrecisionMacro,
    RecallMacro,
    F1Macro,
    F1Micro,
    Precision,
    Recall,
    F1,
    Mcc,
    RocAuc,
    AveragePrecision,
    LogLoss,
    Brier,
    Rmse,
    Mae,
    R2,
}

pub(crate) const N_METRICS: usize = Metric::R2 as usize + 1;

impl Metric {
    pub const ALL: [Self; N_METRICS] = [
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::PrecisionMacro,
        Self::RecallMacro,
        Self::F1Macro,
        Self::F1Micro,
        Self::Precision,
        Self::Recall,
        Self::F1,
        Self::Mcc,
        Self::RocAuc,
        Self::AveragePrecision,
        Self::LogLoss,
        Self::Brier,
        Self::Rmse,
        Self::Mae,
        Self::R2,
    ];

    /// The name in `result.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::PrecisionMacro => "precision_macro",
            Self::RecallMacro => "recall_macro",
            Self::F1Macro => "f1_macro",
            Self::F1Micro => "f1_micro",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::Mcc => "mcc",
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
        }
    }

    /// The name inside a sentence.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced accuracy",
            Self::PrecisionMacro => "macro precision",
            Self::RecallMacro => "macro recall",
            Self::F1Macro => "macro F1",
            Self::F1Micro => "micro F1",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "F1",
            Self::Mcc => "MCC",
            Self::RocAuc => "ROC AUC",
            Self::AveragePrecision => "average precision",
            Self::LogLoss => "log loss",
            Self::Brier => "Brier score",
            Self::Rmse => "RMSE",
            Self::Mae => "MAE",
            Self::R2 => "R²",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    pub fn more_is_better(self) -> bool {
        !matches!(self, Self::LogLoss | Self::Brier | Self::Rmse | Self::Mae)
    }

    /// The smallest and the largest value the metric can take.
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Mcc => (-1.0, 1.0),
            Self::LogLoss | Self::Rmse | Self::Mae => (0.0, f64::INFINITY),
            Self::Brier => (0.0, 2.0),
            Self::R2 => (f64::NEG_INFINITY, 1.0),
            _ => (0.0, 1.0),
        }
    }

    /// True for metrics that need the rows in the order of their scores.
    pub fn ranks(self) -> bool {
        matches!(self, Self::RocAuc | Self::AveragePrecision)
    }
}
