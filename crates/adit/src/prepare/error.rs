//! What can go wrong while data is prepared.

use thiserror::Error;

/// A failure of the prepare room; rows are counted from 0, as row ids are.
#[derive(Debug, Error)]
pub enum PrepareError {
    #[error(transparent)]
    Source(#[from] crate::source::SourceError),

    #[error("column `{column}` of the first table is {found} in another one")]
    ColumnsDiffer { column: String, found: &'static str },

    #[error("there is no column `{name}` for the {what}; the columns are {}", names(.columns))]
    UnknownColumn {
        what: &'static str,
        name: String,
        columns: Vec<String>,
        nearest: Option<String>,
    },

    #[error("column `{column}` is not {wanted}")]
    NotAMoment {
        column: String,
        wanted: &'static str,
    },

    #[error("two columns are given as the target: `{first}` and `{second}`")]
    TwoTargets { first: String, second: String },

    #[error("column `{column}` is given two roles: {first} and {second}")]
    TwoRoles {
        column: String,
        first: &'static str,
        second: &'static str,
    },

    #[error("column `{column}` cannot be used as a {role}: it is read as {found}")]
    WrongType {
        column: String,
        role: &'static str,
        found: &'static str,
    },

    #[error("column `{column}` should hold numbers, but {count} of its cells do not: {}", cells(.examples))]
    NotNumbers {
        column: String,
        count: u64,
        /// `(row, cell)`, at most five.
        examples: Vec<(u64, String)>,
        is_target: bool,
    },

    #[error(
        "column `{column}` tells entities apart, but its ids were read as numbers, of which different ones may be one: {cell} in row {row}"
    )]
    IdsAreNumbers {
        column: String,
        row: u64,
        cell: String,
    },

    #[error("no target is given")]
    NoTarget,

    #[error("no row has a value in the target column `{column}`")]
    TargetMissingEverywhere { column: String },

    #[error("the target column `{column}` has no value in row {row}")]
    TargetMissing { column: String, row: u64 },

    #[error(
        "the target column `{column}` holds one class only, `{class}`, in all {rows} training rows"
    )]
    OneClass {
        column: String,
        class: String,
        rows: usize,
    },

    #[error(
        "the target column `{column}` holds one value only, {value}, in all {rows} training rows"
    )]
    OneValue {
        column: String,
        value: f64,
        rows: usize,
    },

    #[error(
        "the target column `{column}` has {classes} classes; at most {limit} can be told apart"
    )]
    TooManyClasses {
        column: String,
        classes: usize,
        limit: usize,
        numeric: bool,
    },

    #[error(
        "the target column `{column}` has {distinct} distinct values in {rows} rows, too many to be classes"
    )]
    NotClasses {
        column: String,
        distinct: usize,
        rows: usize,
        numeric: bool,
    },

    #[error("row {row} has the class `{class}` in the target column `{column}`, which no training row has; the classes are {}", names(.known))]
    UnknownClass {
        column: String,
        row: u64,
        class: String,
        known: Vec<String>,
    },

    #[error("the positive class `{class}` is not among the classes {}", names(.known))]
    UnknownPositiveClass { class: String, known: Vec<String> },

    #[error("no column is left to learn from beside the target `{target}`")]
    NoFeatures { target: String },

    #[error("the {what} must be above 0 and below 1, and it is {value}")]
    BadFraction { what: &'static str, value: f64 },

    #[error("{rows} rows are too few to be split: {needed} are needed")]
    TooFewRows { rows: usize, needed: usize },

    #[error("column `{column}` holds {groups} entities, too few to be split: {needed} are needed")]
    TooFewGroups {
        column: String,
        groups: usize,
        needed: usize,
    },

    #[error(
        "the split by `{column}` needs a time in every row, and {count} rows have none, the first of them row {row}"
    )]
    MissingTimes {
        column: String,
        count: usize,
        row: u64,
    },

    #[error("the split by `{column}` needs {needed} different times, and there are {found}")]
    TooFewTimes {
        column: String,
        found: usize,
        needed: usize,
    },

    #[error("the columns do not fit the model: {}", mismatch(.missing, .wrong))]
    Schema {
        missing: Vec<String>,
        /// `(column, what it should be, what it is)`
        wrong: Vec<(String, &'static str, &'static str)>,
    },

    #[error("row index {index} is outside the {rows} loaded rows")]
    RowOutOfRange { index: usize, rows: usize },

    #[error(
        "the preparation was saved by version {found}, and this program reads version {supported}"
    )]
    Version { found: u32, supported: u32 },
}

impl PrepareError {
    /// How to mend it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownColumn {
                nearest: Some(name),
                ..
            } => format!("did you mean `{name}`?"),
            Self::UnknownColumn { .. } => {
                "names are matched exactly, capitals and spaces included".into()
            }
            Self::ColumnsDiffer { column, .. } => format!(
                "give `{column}` in every file, with the same kind of values, or ignore it"
            ),
            Self::TwoTargets { .. } => "run once for each target and set the other to `ignore`".into(),
            Self::TwoRoles { .. } => "give each column one role".into(),
            Self::NotAMoment { .. } => {
                "name a column of times or numbers; `adit profile` shows what each column is read as".into()
            }
            Self::WrongType { column, .. } => {
                format!("give `{column}` another role, or `ignore`")
            }
            Self::NotNumbers { is_target: true, .. } => {
                "classes are told apart with `adit classify`".into()
            }
            Self::NotNumbers { .. } => {
                "leave the cells blank where the number is not known, or give the column the role `category`".into()
            }
            Self::IdsAreNumbers { .. } => {
                "put a letter before each id, in all files alike, so that they are read as text".into()
            }
            Self::NoTarget => "name the column to predict with `--target COLUMN`".into(),
            Self::TargetMissingEverywhere { .. } | Self::TargetMissing { .. } => {
                "rows without a target can be predicted, not learned from".into()
            }
            Self::OneClass { .. } | Self::OneValue { .. } => {
                "there is nothing to tell apart: check the target and the split".into()
            }
            Self::TooManyClasses { numeric: true, .. } | Self::NotClasses { numeric: true, .. } => {
                "numbers are predicted with `adit regress`".into()
            }
            Self::TooManyClasses { .. } | Self::NotClasses { .. } => {
                "choose another target, or merge its rare classes".into()
            }
            Self::UnknownClass { .. } => {
                "remove such rows from the test part, or split at random so that training sees every class".into()
            }
            Self::NoFeatures { .. } => {
                "give a column a role such as `number`, `category` or `text`".into()
            }
            Self::TooFewGroups { .. } | Self::TooFewTimes { .. } => {
                "split at random, or give a test file".into()
            }
            Self::MissingTimes { .. } => "remove these rows, or split at random".into(),
            Self::Schema { .. } => {
                "the new rows need the columns that the model was trained on, under the same names".into()
            }
            Self::Version { .. } => "train again, or use the version that made the run".into(),
            Self::Source(_)
            | Self::UnknownPositiveClass { .. }
            | Self::BadFraction { .. }
            | Self::TooFewRows { .. }
            | Self::RowOutOfRange { .. } => return None,
        };
        Some(hint)
    }
}

/// Names in backquotes, the first twenty.
fn names(all: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    if all.len() > SHOWN {
        text.push(format!("and {} more", all.len() - SHOWN));
    }
    text.join(", ")
}

fn cells(examples: &[(u64, String)]) -> String {
    examples
        .iter()
        .map(|(row, cell)| {
            let short: String = cell.chars().take(40).collect();
            format!("row {row} holds `{short}`")
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn mismatch(missing: &[String], wrong: &[(String, &'static str, &'static str)]) -> String {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing: {}", names(missing)));
    }
    for (column, expected, found) in wrong.iter().take(20) {
        parts.push(format!("`{column}` should be {expected} and is {found}"));
    }
    if wrong.len() > 20 {
        parts.push(format!("and {} more", wrong.len() - 20));
    }
    parts.join("; ")
}
