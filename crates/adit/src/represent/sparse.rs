//! Sparse rows.

/// A matrix of `n_rows` × `n_cols` in compressed sparse row form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseMatrix {
    pub n_cols: usize,
    /// `[n_rows + 1]`
    pub row_starts: Vec<usize>,
    pub columns: Vec<u32>,
    pub values: Vec<f32>,
}
