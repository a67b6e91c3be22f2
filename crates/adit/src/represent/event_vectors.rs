//! Vectors of histories as columns, and as a matrix.

use super::RepresentError;
use super::sparse::SparseMatrix;
use crate::prepare::{Dataset, NumberColumn};

/// What the names of the columns begin with; no column of a file is taken for one of them.
const PREFIX: &str = "events, vector ";

/// A column a value of the vectors `[n_rows, width]`.
pub fn columns(vectors: &[f32], width: usize) -> Vec<NumberColumn> {
    let n_rows = vectors.len() / width.max(1);
    let column = |at: usize| NumberColumn {
        name: format!("{PREFIX}{}", at + 1),
        values: vectors.iter().skip(at).step_by(width).copied().collect(),
        missing: vec![false; n_rows],
    };
    (0..width).map(column).collect()
}

/// Whether a column is one of them.
pub fn is_column(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The vectors that stand in a dataset's columns.
///
/// # Errors
/// `MissingColumn` where there are none.
pub fn matrix(dataset: &Dataset) -> Result<SparseMatrix, RepresentError> {
    let own: Vec<&NumberColumn> = (dataset.numbers.iter())
        .filter(|column| is_column(&column.name))
        .collect();
    if own.is_empty() {
        return Err(RepresentError::MissingColumn {
            column: format!("{PREFIX}1"),
        });
    }
    let row = |row: usize| own.iter().map(move |column| column.values[row]);
    let dense: Vec<f32> = (0..dataset.n_rows()).flat_map(row).collect();
    Ok(SparseMatrix::from_dense(own.len(), &dense))
}
