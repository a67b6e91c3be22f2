//! What can go wrong in this room.

/// Why nothing could be learned or predicted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MineError {
    #[error("no training rows")]
    NoTrainingRows,
    #[error("row {row} does not exist: there are {n_rows}")]
    RowOutOfRange { row: usize, n_rows: usize },
    #[error("{features} rows of features but {target} of the target")]
    RowsDiffer { features: usize, target: usize },
    #[error("all training rows are of one class, `{class}`")]
    OneClass { class: String },
    #[error("row {row}: class code {code} is not below {n_classes}")]
    UnknownClass {
        row: usize,
        code: u32,
        n_classes: usize,
    },
    #[error("row {row}: the target is not a finite number")]
    TargetNotFinite { row: usize },
    #[error("feature {column}, row {row}: the value is not a finite number")]
    FeatureNotFinite { row: usize, column: usize },
    #[error("the model was trained on {expected} features, these rows have {found}")]
    FeaturesDiffer { expected: usize, found: usize },
    #[error("setting `{setting}` is {value}: {reason}")]
    Setting {
        setting: &'static str,
        value: String,
        reason: &'static str,
    },
    #[error("the saved model is damaged: {reason}")]
    DamagedModel { reason: String },
    #[error("stopped on request")]
    Cancelled,
}

impl MineError {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoTrainingRows => "give more rows, or a smaller test part",
            Self::OneClass { .. } => "give rows of at least two classes, or another target",
            Self::TargetNotFinite { .. } => "leave out rows without a target",
            Self::FeatureNotFinite { .. } => "impute missing values before training",
            Self::FeaturesDiffer { .. } => {
                "represent the rows with the features that were saved with the model"
            }
            Self::DamagedModel { .. } => "train the model again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
