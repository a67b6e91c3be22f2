//! What can go wrong in this room.

use std::path::PathBuf;

use adit_nn::NnError;

/// Why a dataset could not be represented.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepresentError {
    #[error("column `{column}`, row {row}: the value is not a finite number")]
    NotFinite { column: String, row: u64 },
    #[error("column `{column}`: expected {expected} values, found {found}")]
    ColumnLength {
        column: String,
        expected: usize,
        found: usize,
    },
    #[error("column `{column}` was expected at this place, found `{found}`")]
    OtherColumn { column: String, found: String },
    #[error("column `{column}` of the training rows is not there")]
    MissingColumn { column: String },
    #[error("{kind} columns: expected {expected}, found {found}")]
    OtherColumns {
        kind: &'static str,
        expected: usize,
        found: usize,
    },
    #[error("column `{column}`, row {row}: code {code} is not below {cardinality}")]
    CodeOutOfRange {
        column: String,
        row: u64,
        code: u32,
        cardinality: u32,
    },
    #[error("matrix column {column} does not exist: there are {n_cols}")]
    ColumnOutOfRange { column: usize, n_cols: usize },
    #[error("row {row} does not exist: there are {n_rows}")]
    RowOutOfRange { row: usize, n_rows: usize },
    #[error("matrices side by side need equal numbers of rows: {expected} and {found}")]
    RowsDiffer { expected: usize, found: usize },
    #[error("no training rows")]
    NoTrainingRows,
    #[error("saved text features are damaged: {reason}")]
    DamagedVocabulary { reason: String },
    #[error("{}: {reason}", path.display())]
    Encoder { path: PathBuf, reason: String },
    #[error("{source}")]
    Weights { path: PathBuf, source: NnError },
    #[error(transparent)]
    Network(#[from] NnError),
    #[error("{}: an encoder of the kind `{family}` writes no text", path.display())]
    WritesNoText { path: PathBuf, family: String },
    #[error("the prompt `{template}` {reason}")]
    Template {
        template: String,
        reason: &'static str,
    },
    #[error(
        "the prompt names the column `{column}`, but the text columns are {}",
        columns.join(", ")
    )]
    PromptColumn {
        column: String,
        columns: Vec<String>,
    },
    #[error("a text cannot be tokenised: {reason}")]
    Tokenize { reason: String },
    #[error("stopped on request")]
    Cancelled,
}

impl RepresentError {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { column, .. } => Some(format!(
                "impute `{column}` before it is represented, or leave it out"
            )),
            Self::OtherColumn { .. }
            | Self::OtherColumns { .. }
            | Self::ColumnLength { .. }
            | Self::CodeOutOfRange { .. } => Some(
                "prepare the rows with the preparation that was saved with the model".to_owned(),
            ),
            Self::Encoder { .. } => Some(
                "an encoder is a folder with config.json, model.safetensors and tokenizer.json; \
                 `adit model list` shows those in the store"
                    .to_owned(),
            ),
            Self::WritesNoText { .. } => {
                Some("name a folder that holds a T5 or a Flan-T5 with `--encoder`".to_owned())
            }
            Self::Template { .. } => Some(
                "write a column's name in braces where its text belongs, as in \
                 `summarize: {article}`; `{{` and `}}` stand for braces"
                    .to_owned(),
            ),
            Self::PromptColumn { .. } => Some(
                "name one of these columns, or make the other a text column with `--text COL`"
                    .to_owned(),
            ),
            Self::Weights { source, .. } | Self::Network(source) => source.hint(),
            Self::NoTrainingRows => Some("give more rows, or a smaller test part".to_owned()),
            Self::DamagedVocabulary { .. } => Some("train the model again".to_owned()),
            _ => None,
        }
    }
}
