//! The table that leaves the room.

use std::path::PathBuf;

/// The type of a column after inference; every Arrow type is read as one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `Boolean` in Arrow.
    Boolean,
    /// `Int64` in Arrow.
    Integer,
    /// `Float64` in Arrow.
    Float,
    /// `Timestamp(Millisecond, None)` in Arrow, UTC.
    Time,
    /// `Utf8` in Arrow.
    Text,
}

/// A column's name and type, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ColumnSchema {
    pub name: String,
    pub column_type: ColumnType,
}

/// Where rows came from and how they were read.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    pub path: PathBuf,
    pub bytes: u64,
    /// Hex SHA-256 of the file's bytes as they lie on disk.
    pub sha256: String,
    /// For example `csv (gzip), delimiter ',', UTF-8, header`.
    pub read_as: String,
    /// Good rows read from this file.
    pub rows: u64,
}

/// A row that could not be read and was kept aside.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadRow {
    pub path: PathBuf,
    /// 1-based line at which the row starts.
    pub line: u64,
    pub reason: String,
    /// The raw text, lossily decoded, at most 1,000 characters.
    pub raw: String,
}

/// Rows of one Arrow batch with their ids.
#[derive(Clone, Debug)]
pub struct Batch {
    /// 0-based position of the batch's first row among the table's good rows.
    pub first_row: u64,
    /// Columns in schema order (or as projected), types as in [`ColumnType`].
    pub columns: arrow::array::RecordBatch,
}
