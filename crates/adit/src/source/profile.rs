//! The description of a table that a person looks at first.

use serde::{Deserialize, Serialize};

use super::ColumnType;

/// The description of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Good rows.
    pub n_rows: u64,
    /// Rows that repeat an earlier one in every column.
    pub duplicate_rows: u64,
    /// False when `duplicate_rows` was estimated from a part of the rows.
    pub duplicate_rows_is_exact: bool,
    /// In the order of the table.
    pub columns: Vec<ColumnProfile>,
}

/// The description of one column; missing values count nowhere but in `missing`.
///
/// Quantiles, histogram, top values and `distinct` are exact while a column has no more distinct
/// values than are kept: 100,000, less where a table has more than 40 columns. Beyond that,
/// quantiles and histogram come from a uniform sample of the rows, `distinct` is an estimate (its
/// standard error is 1.2 by the root of the number kept), and top values are the exact counts of
/// the values seen first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    pub name: String,
    pub column_type: ColumnType,
    /// Rows without a value, blanks included.
    pub missing: u64,
    /// Cells that are empty or spaces only.
    pub blanks: u64,
    /// First cells that are no numbers in a column that is almost one of numbers:
    /// `(row, cell)`, rows from 0 among the good rows, at most 20.
    pub non_numeric: Vec<(u64, String)>,
    pub distinct: u64,
    pub distinct_is_exact: bool,
    /// Numbers, and times in milliseconds since 1970-01-01 UTC; `None` for others.
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    /// Of the sample (divisor `n - 1`); `None` below two values.
    pub standard_deviation: Option<f64>,
    /// `(p, value)` for p = .05, .25, .5, .75, .95, linear between neighbours.
    pub quantiles: Vec<(f64, f64)>,
    /// Values in 20 equal bins from `min` to `max`; empty for others than numbers and times.
    pub histogram: Vec<u64>,
    /// Up to 20 values and their rows, most frequent first, then by value; at most 200 characters.
    pub top_values: Vec<(String, u64)>,
    /// The first five distinct values, at most 60 characters each.
    pub examples: Vec<String>,
    /// Characters and words of text columns; 0 for others.
    pub mean_chars: f64,
    pub max_chars: u64,
    pub mean_words: f64,
    /// True when every number is whole.
    pub whole_numbers: bool,
    /// True when numbers or times grow strictly from row to row and none is missing.
    pub increasing: bool,
}
