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
    #[error(
        "all of the data belongs to one customer or entity, so that none of it can be held out to test on"
    )]
    OneUnit,
    #[error("setting `{setting}` is {value}: {reason}")]
    Setting {
        setting: &'static str,
        value: String,
        reason: &'static str,
    },
    #[error("the saved model is damaged: {reason}")]
    DamagedModel { reason: String },
    #[error(
        "{model} diverged in epoch {epoch}: its loss is not finite at learning rate {learning_rate:e}"
    )]
    Diverged {
        model: String,
        epoch: usize,
        learning_rate: f32,
    },
    #[error("a network left values that are not finite for some of {rows} rows")]
    NotFinite { rows: usize },
    #[error("the rows have no target of the kind that was asked for")]
    WrongTarget,
    #[error("there are no number or category columns to learn from")]
    NoFeatures,
    #[error("the head `match` compares two text columns, but there are {columns}")]
    NeedsPair { columns: usize },
    #[error("the text `{text}` of class `{class}` {reason}")]
    ClassText {
        class: String,
        text: String,
        reason: String,
    },
    #[error("a text is given for the class `{class}`, but the classes are {}", classes.join(", "))]
    NoSuchClass { class: String, classes: Vec<String> },
    #[error("a cost is given for the class `{class}`, but the classes are {}", classes.join(", "))]
    NoSuchClassToCost { class: String, classes: Vec<String> },
    #[error(transparent)]
    Network(#[from] adit_nn::NnError),
    #[error(transparent)]
    Represent(crate::represent::RepresentError),
    #[error("stopped on request")]
    Cancelled,
}

impl MineError {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::OneUnit => "`--guard permutation`, `exploratory` or `none` need no second half",
            Self::NoTrainingRows => "give more rows, or a smaller test part",
            Self::OneClass { .. } => "give rows of at least two classes, or another target",
            Self::TargetNotFinite { .. } => "leave out rows without a target",
            Self::FeatureNotFinite { .. } => "impute missing values before training",
            Self::FeaturesDiffer { .. } => {
                "represent the rows with the features that were saved with the model"
            }
            Self::DamagedModel { .. } => "train the model again",
            Self::Diverged { .. } => "give a lower learning rate",
            Self::NeedsPair { .. } => "name two text columns, or another head",
            Self::ClassText { .. } => {
                "give another text with `--label-text CLASS=TEXT`, or `transformer.label_texts` in a job file"
            }
            Self::NoSuchClass { .. } => "give texts for the values of the target column",
            Self::NoSuchClassToCost { .. } => {
                "write the classes as the target column has them: `--cost TRUE,SAID,COST`"
            }
            Self::Network(e) => return e.hint(),
            Self::Represent(e) => return e.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<crate::represent::RepresentError> for MineError {
    fn from(error: crate::represent::RepresentError) -> Self {
        match error {
            crate::represent::RepresentError::Cancelled => Self::Cancelled,
            other => Self::Represent(other),
        }
    }
}
