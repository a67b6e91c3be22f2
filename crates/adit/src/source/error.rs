//! What can go wrong while a table is read.

use std::io;
use std::path::PathBuf;

use crate::engine::EngineError;

use super::{BadRow, BadRowLimit};

/// What can go wrong while a table is read: what, where and why.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The settings name no input.
    #[error("no input was named")]
    NoInput,
    /// Neither a file, a folder nor a glob.
    #[error("{}: no such file or folder", .path.display())]
    NotFound { path: PathBuf },
    /// A glob that matches nothing.
    #[error("{pattern}: no file matches")]
    NoMatch { pattern: String },
    /// A glob that cannot be read.
    #[error("{pattern}: not a valid pattern: {reason}")]
    BadPattern { pattern: String, reason: String },
    /// The system refused a file or folder.
    #[error("{}: cannot be read: {error}", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// The temporary copy of an input could not be written.
    #[error("{}: cannot be copied to a temporary file in {}: {error}", .path.display(), .folder.display())]
    Spool {
        path: PathBuf,
        folder: PathBuf,
        #[source]
        error: io::Error,
    },
    /// A folder without a readable table.
    #[error("{}: the folder holds no table{}", .path.display(), skipped_note(.skipped))]
    EmptyFolder { path: PathBuf, skipped: Vec<String> },
    /// Inputs of more than one kind.
    #[error("the inputs are of more than one kind: {found}")]
    MixedKinds { found: String },
    /// A file without a byte of data.
    #[error("{}: the file is empty", .path.display())]
    Empty { path: PathBuf },
    /// A table with columns but without rows.
    #[error("{}: there are column names but no rows", .path.display())]
    NoRows { path: PathBuf },
    /// A table without columns.
    #[error("{}: there are no columns", .path.display())]
    NoColumns { path: PathBuf },
    /// A file of a kind that is known but not read.
    #[error("{}: this is {what}, which is not read", .path.display())]
    UnknownKind {
        path: PathBuf,
        what: &'static str,
        instead: &'static str,
    },
    /// A compressed or columnar file that ends too early.
    #[error("{}: the {what} data end too early: the file is truncated", .path.display())]
    Truncated { path: PathBuf, what: &'static str },
    /// A file whose bytes are not what they claim to be.
    #[error("{}: the {what} data are damaged: {reason}", .path.display())]
    Corrupt {
        path: PathBuf,
        what: &'static str,
        reason: String,
    },
    /// A setting that cannot be used.
    #[error("{name}: {reason}")]
    BadSetting { name: &'static str, reason: String },
    /// More rows are bad than is borne.
    #[error(
        "{n_bad} of {n_all} rows are bad, more than {limit}; the first is in {} at line {}: {}",
        .first.path.display(), .first.line, .first.reason
    )]
    TooManyBadRows {
        n_bad: u64,
        n_all: u64,
        limit: BadRowLimit,
        first: Box<BadRow>,
    },
    /// Files that do not hold the same columns.
    #[error(
        "{} does not hold the same columns as {}: {difference}",
        .second.display(), .first.display()
    )]
    DifferentColumns {
        first: PathBuf,
        second: PathBuf,
        difference: String,
    },
    /// A column that cannot be read as one of the five types.
    #[error("{}: column '{column}' of type {arrow_type} cannot be read: {reason}", .path.display())]
    UnreadableColumn {
        path: PathBuf,
        column: String,
        arrow_type: String,
        reason: String,
    },
    /// More columns than can be held.
    #[error("{}: more than {limit} columns", .path.display())]
    TooManyColumns { path: PathBuf, limit: usize },
    /// A position past the last column.
    #[error("there is no column {column}: the table has {n_columns}")]
    NoSuchColumn { column: usize, n_columns: usize },
    /// A file that is not the one it was when the table was opened.
    #[error("{}: the file changed while it was read", .path.display())]
    Changed { path: PathBuf },
    /// The rows ended before their number was reached.
    #[error("only {n_read} of {n_rows} rows came back from the engine")]
    Short { n_read: u64, n_rows: u64 },
    /// The engine failed.
    #[error(transparent)]
    Engine(EngineError),
    /// The work was stopped on demand.
    #[error("stopped while reading")]
    Cancelled,
}

fn skipped_note(skipped: &[String]) -> String {
    match skipped {
        [] => String::new(),
        [one] => format!(" (skipped: {one})"),
        [one, rest @ ..] => format!(" (skipped: {one} and {} more)", rest.len()),
    }
}

impl SourceError {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            SourceError::NoInput => "name a file, a folder, a pattern such as 'data/*.csv', or '-'",
            SourceError::NotFound { .. } | SourceError::NoMatch { .. } => {
                "check the spelling, and the folder you are in"
            }
            SourceError::BadPattern { .. } => "patterns know *, ?, [abc] and **",
            SourceError::EmptyFolder { .. } => {
                "put .csv, .tsv, .jsonl, .parquet or .arrow files there (also .gz or .zst), or name a file"
            }
            SourceError::MixedKinds { .. } => {
                "name one kind, for example with a pattern such as '*.csv'"
            }
            SourceError::NoRows { .. } => "if the first row is data, say that there is no header",
            SourceError::UnknownKind { instead, .. } => instead,
            SourceError::Truncated { .. } | SourceError::Corrupt { .. } => {
                "copy or download the file again"
            }
            SourceError::TooManyBadRows { first, .. } if first.reason.contains(" field") => {
                "check delimiter and quote, mend the rows, or bear more with --max-bad-rows"
            }
            SourceError::TooManyBadRows { first, .. } if first.reason.contains("not valid") => {
                "name the right encoding, mend the rows, or bear more with --max-bad-rows"
            }
            SourceError::TooManyBadRows { .. } => "mend the rows, or bear more with --max-bad-rows",
            SourceError::DifferentColumns { .. } => {
                "read them one by one, or give them the same columns"
            }
            SourceError::Spool { .. } => "make room there, or choose another output folder",
            SourceError::Changed { .. } => "run again once nothing writes to the file",
            SourceError::Engine(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_string())
    }
}

impl From<EngineError> for SourceError {
    /// Errors of the readers travel through the engine and come out as they were.
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Scan(inner) => match inner.downcast::<SourceError>() {
                Ok(own) => *own,
                Err(other) => SourceError::Engine(EngineError::Scan(other)),
            },
            other => SourceError::Engine(other),
        }
    }
}
