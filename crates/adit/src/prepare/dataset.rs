//! The dataset that leaves the room.

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Classify,
    Regress,
}

/// Raw typed values of one column of [`Rows`]; all have `n_rows` entries.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// NaN is missing; never infinite.
    Numbers(Vec<f64>),
    /// Categories and texts before encoding.
    Strings(Vec<Option<String>>),
    /// Milliseconds since 1970-01-01 UTC.
    Times(Vec<Option<i64>>),
}

/// One loaded column.
#[derive(Clone, Debug, PartialEq)]
pub struct RowColumn {
    pub name: String,
    pub role: super::Role,
    pub values: Values,
}

/// A loaded table before anything was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Positions of the rows in their table.
    pub row_ids: Vec<u64>,
    /// Every column whose role is not `Ignore`, the target included.
    pub columns: Vec<RowColumn>,
}

/// Indices into [`Rows`] (train and validation disjoint; test may live in its own `Rows`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
    /// In words: `given test file; validation: 15% of the training rows, stratified, seed 1`.
    pub how: String,
}

/// A number column after imputing and robust scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberColumn {
    pub name: String,
    /// Imputed and scaled, finite. `[n_rows]`
    pub values: Vec<f32>,
    /// True where the value was missing. `[n_rows]`
    pub missing: Vec<bool>,
}

/// A category column after encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryColumn {
    pub name: String,
    /// `0` = unknown bucket, `1` = missing, then the categories of the training rows. `[n_rows]`
    pub codes: Vec<u32>,
    /// Number of codes, the two special ones included.
    pub cardinality: u32,
}

/// A text column after normalisation; missing texts are empty.
#[derive(Clone, Debug, PartialEq)]
pub struct TextColumn {
    pub name: String,
    pub values: Vec<String>,
}

/// The target of every row.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `codes[i]` indexes `names`; names are sorted (numbers by value), the positive class of a
    /// two-class target is the second unless it was chosen. `[n_rows]`
    Classes { codes: Vec<u32>, names: Vec<String> },
    /// In the target's own unit. `[n_rows]`
    Numbers(Vec<f64>),
}

/// Encoded rows, ready to be represented.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub row_ids: Vec<u64>,
    pub numbers: Vec<NumberColumn>,
    pub categories: Vec<CategoryColumn>,
    pub texts: Vec<TextColumn>,
    /// Absent when rows to be predicted bring none.
    pub target: Option<Target>,
}

impl Dataset {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.row_ids.len()
    }
}
