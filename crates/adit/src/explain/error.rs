//! What can go wrong while judging.

use crate::mine::PredictionsError;

/// Why findings cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExplainError {
    #[error("there are no test rows to judge on")]
    NoTestRows,
    #[error("there is no member to judge")]
    NoMembers,
    #[error("the task is {task}, but the target of the test rows holds {found}")]
    Task {
        task: &'static str,
        found: &'static str,
    },
    #[error("test row {row}: class {code} is not among the {n_classes} known classes")]
    UnknownClass {
        row: usize,
        code: u32,
        n_classes: usize,
    },
    #[error("test row {row}: the target is {value}")]
    NotFinite { row: usize, value: f64 },
    #[error("{what}: {found} entries, expected one for each of the {expected} test rows")]
    Rows {
        what: &'static str,
        found: usize,
        expected: usize,
    },
    #[error("positive class {positive} is not among the {n_classes} known classes")]
    Positive { positive: usize, n_classes: usize },
    #[error("two members are called '{member}'")]
    SameName { member: String },
    #[error("member '{member}', seed {seed}: {cause}")]
    Predictions {
        member: String,
        seed: usize,
        cause: PredictionsError,
    },
}

impl ExplainError {
    /// How to mend it, where there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTestRows => Some("name a test file, or leave a larger part of the rows for testing".to_string()),
            Self::UnknownClass { .. } => {
                Some("the test rows hold a class that the training rows do not: split anew or drop those rows".to_string())
            }
            Self::NotFinite { .. } => Some("drop the rows whose target is missing".to_string()),
            Self::SameName { .. } => Some("give each member of the scoreboard its own name".to_string()),
            Self::Predictions { cause, .. } => cause.hint(),
            _ => None,
        }
    }
}
