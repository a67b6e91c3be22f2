//! What a person may decide about reading; everything left out is detected.

use serde::{Deserialize, Serialize};

/// The format of an input, compressed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    Tsv,
    JsonLines,
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
}

impl Format {
    /// The name a person knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::JsonLines => "JSON Lines",
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow",
        }
    }

    /// True for formats made of lines of text.
    pub fn is_text(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::JsonLines)
    }
}

/// How many bad rows are borne before reading fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRowLimit {
    /// At most so many rows.
    Count(u64),
    /// At most this share of all rows, 0 to 1.
    Share(f64),
}

impl Default for BadRowLimit {
    fn default() -> Self {
        BadRowLimit::Share(0.01)
    }
}

impl BadRowLimit {
    /// True when `n_bad` of `n_all` rows are borne.
    pub fn allows(self, n_bad: u64, n_all: u64) -> bool {
        match self {
            BadRowLimit::Count(limit) => n_bad <= limit,
            BadRowLimit::Share(limit) => n_bad == 0 || n_bad as f64 <= limit * n_all as f64,
        }
    }
}

impl std::fmt::Display for BadRowLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadRowLimit::Count(limit) => write!(f, "{limit}"),
            BadRowLimit::Share(limit) => write!(f, "{}%", limit * 100.0),
        }
    }
}

/// What to read and how; `None` is detected from the bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// Files, globs, folders, or `-` for standard input.
    pub inputs: Vec<String>,
    pub format: Option<Format>,
    /// One ASCII byte between the fields of a line.
    pub delimiter: Option<u8>,
    /// The ASCII byte around fields that hold delimiters.
    pub quote: Option<u8>,
    /// Whether the first row holds the names of the columns.
    pub header: Option<bool>,
    /// A label of the WHATWG encoding standard, such as `utf-8` or `windows-1252`.
    pub encoding: Option<String>,
    pub max_bad_rows: BadRowLimit,
}
