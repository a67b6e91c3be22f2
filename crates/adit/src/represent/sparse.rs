//! Sparse rows.
//!
//! Products are computed one output cell at a time, each cell summed in f64 in the order of the
//! stored entries. Cells are spread over threads, sums never are, so the bits do not depend on the
//! number of threads.

use rayon::prelude::*;

use super::RepresentError;

/// A matrix of `n_rows` × `n_cols` in compressed sparse row form.
///
/// Columns ascend within a row and appear once; a cell that is not stored is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseMatrix {
    pub n_cols: usize,
    /// `[n_rows + 1]`
    pub row_starts: Vec<usize>,
    pub columns: Vec<u32>,
    pub values: Vec<f32>,
}

impl SparseMatrix {
    /// A matrix without rows, to be filled with [`push_row`](Self::push_row).
    pub fn with_columns(n_cols: usize) -> Self {
        Self {
            n_cols,
            row_starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Appends a row; entries are sorted, entries of one column are added up, zeros are dropped.
    ///
    /// # Errors
    /// [`RepresentError::ColumnOutOfRange`] when an entry lies right of the last column.
    pub fn push_row(&mut self, mut entries: Vec<(u32, f32)>) -> Result<(), RepresentError> {
        if let Some(&(column, _)) = entries.iter().find(|e| e.0 as usize >= self.n_cols) {
            return Err(RepresentError::ColumnOutOfRange {
                column: column as usize,
                n_cols: self.n_cols,
            });
        }
        if self.row_starts.is_empty() {
            self.row_starts.push(0);
        }
        // Stable, so that equal columns are added in the order given.
        entries.sort_by_key(|e| e.0);
        entries.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        for (column, value) in entries {
            if value != 0.0 {
                self.columns.push(column);
                self.values.push(value);
            }
        }
        self.row_starts.push(self.columns.len());
        Ok(())
    }

    /// A matrix from one list of `(column, value)` entries per row.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn from_rows(n_cols: usize, rows: Vec<Vec<(u32, f32)>>) -> Result<Self, RepresentError> {
        let mut matrix = Self::with_columns(n_cols);
        let stored = rows.iter().map(Vec::len).sum();
        matrix.columns.reserve(stored);
        matrix.values.reserve(stored);
        for row in rows {
            matrix.push_row(row)?;
        }
        Ok(matrix)
    }

    /// A matrix from dense rows laid end to end, `[n_rows * n_cols]`; an incomplete last row is dropped.
    pub fn from_dense(n_cols: usize, dense: &[f32]) -> Self {
        let mut matrix = Self::with_columns(n_cols);
        for row in dense.chunks_exact(n_cols.max(1)) {
            for (column, &value) in row.iter().enumerate() {
                if value != 0.0 {
                    matrix.columns.push(column as u32);
                    matrix.values.push(value);
                }
            }
            matrix.row_starts.push(matrix.columns.len());
        }
        matrix
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.row_starts.len().saturating_sub(1)
    }

    /// Number of stored entries.
    pub fn n_stored(&self) -> usize {
        self.columns.len()
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.row_starts[row]..self.row_starts[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// The value of one cell.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        let (columns, values) = self.row(row);
        columns
            .binary_search(&(column as u32))
            .map_or(0.0, |i| values[i])
    }

    /// Inner product of a row with a dense vector of `n_cols` entries.
    pub fn row_dot(&self, row: usize, dense: &[f64]) -> f64 {
        let (columns, values) = self.row(row);
        columns
            .iter()
            .zip(values)
            .map(|(&c, &v)| f64::from(v) * dense[c as usize])
            .sum()
    }

    /// Product with a dense vector: `[n_cols]` in, `[n_rows]` out.
    pub fn times(&self, dense: &[f64]) -> Vec<f64> {
        (0..self.n_rows())
            .into_par_iter()
            .with_min_len(256)
            .map(|row| self.row_dot(row, dense))
            .collect()
    }

    /// The transpose, `[n_cols, n_rows]`.
    pub fn transposed(&self) -> Self {
        let mut row_starts = vec![0usize; self.n_cols + 1];
        for &c in &self.columns {
            row_starts[c as usize + 1] += 1;
        }
        for i in 0..self.n_cols {
            row_starts[i + 1] += row_starts[i];
        }
        let mut next = row_starts.clone();
        let mut columns = vec![0u32; self.columns.len()];
        let mut values = vec![0f32; self.values.len()];
        for row in 0..self.n_rows() {
            let (own_columns, own_values) = self.row(row);
            for (&c, &v) in own_columns.iter().zip(own_values) {
                let at = next[c as usize];
                columns[at] = row as u32;
                values[at] = v;
                next[c as usize] += 1;
            }
        }
        Self {
            n_cols: self.n_rows(),
            row_starts,
            columns,
            values,
        }
    }

    /// The given rows, in the given order.
    ///
    /// # Errors
    /// [`RepresentError::RowOutOfRange`].
    pub fn select(&self, rows: &[usize]) -> Result<Self, RepresentError> {
        let mut out = Self::with_columns(self.n_cols);
        for &row in rows {
            if row >= self.n_rows() {
                return Err(RepresentError::RowOutOfRange {
                    row,
                    n_rows: self.n_rows(),
                });
            }
            let (columns, values) = self.row(row);
            out.columns.extend_from_slice(columns);
            out.values.extend_from_slice(values);
            out.row_starts.push(out.columns.len());
        }
        Ok(out)
    }

    /// Matrices of the same rows side by side.
    ///
    /// # Errors
    /// [`RepresentError::RowsDiffer`] when the numbers of rows differ.
    pub fn hstack(parts: &[&Self]) -> Result<Self, RepresentError> {
        let Some(first) = parts.first() else {
            return Ok(Self::with_columns(0));
        };
        let n_rows = first.n_rows();
        if let Some(other) = parts.iter().find(|p| p.n_rows() != n_rows) {
            return Err(RepresentError::RowsDiffer {
                expected: n_rows,
                found: other.n_rows(),
            });
        }
        let mut out = Self::with_columns(parts.iter().map(|p| p.n_cols).sum());
        let stored = parts.iter().map(|p| p.n_stored()).sum();
        out.columns.reserve(stored);
        out.values.reserve(stored);
        for row in 0..n_rows {
            let mut offset = 0u32;
            for part in parts {
                let (columns, values) = part.row(row);
                out.columns.extend(columns.iter().map(|&c| c + offset));
                out.values.extend_from_slice(values);
                offset += part.n_cols as u32;
            }
            out.row_starts.push(out.columns.len());
        }
        Ok(out)
    }
}

/// Inner product of two sparse rows whose columns ascend.
pub fn sparse_dot(left: (&[u32], &[f32]), right: (&[u32], &[f32])) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < left.0.len() && j < right.0.len() {
        match left.0[i].cmp(&right.0[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += f64::from(left.1[i]) * f64::from(right.1[j]);
                i += 1;
                j += 1;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SparseMatrix {
        SparseMatrix::from_dense(3, &[1.0, 0.0, 2.0, 0.0, 0.0, 0.0, -1.0, 3.0, 0.5])
    }

    #[test]
    fn rows_hold_what_was_pushed_sorted_and_added_up() {
        let mut m = SparseMatrix::with_columns(4);
        m.push_row(vec![(3, 1.0), (0, 2.0), (3, 0.5), (1, 0.0)])
            .unwrap();
        m.push_row(vec![]).unwrap();
        assert_eq!(m.row(0), (&[0u32, 3][..], &[2.0f32, 1.5][..]));
        assert_eq!(m.row(1).0.len(), 0);
        assert_eq!(
            (m.n_rows(), m.n_stored(), m.get(0, 3), m.get(0, 2)),
            (2, 2, 1.5, 0.0)
        );
        assert!(matches!(
            m.push_row(vec![(4, 1.0)]),
            Err(RepresentError::ColumnOutOfRange { .. })
        ));
    }

    #[test]
    fn products_agree_with_the_transpose() {
        let m = example();
        assert_eq!(m.times(&[1.0, 10.0, 100.0]), vec![201.0, 0.0, 79.0]);
        let y = [1.0, 5.0, 2.0];
        assert_eq!(m.transposed().times(&y), vec![-1.0, 6.0, 3.0]);
        assert_eq!(m.transposed().transposed(), m);
    }

    #[test]
    fn stacking_keeps_every_cell() {
        let m = example();
        let both = SparseMatrix::hstack(&[&m, &m]).unwrap();
        assert_eq!(both.n_cols, 6);
        for row in 0..3 {
            for column in 0..6 {
                assert_eq!(both.get(row, column), m.get(row, column % 3));
            }
        }
        let short = m.select(&[2]).unwrap();
        assert!(matches!(
            SparseMatrix::hstack(&[&m, &short]),
            Err(RepresentError::RowsDiffer { .. })
        ));
    }

    #[test]
    fn selection_follows_the_order_given_and_refuses_missing_rows() {
        let m = example();
        let picked = m.select(&[2, 0, 2]).unwrap();
        assert_eq!(picked.row(0), m.row(2));
        assert_eq!(picked.row(1), m.row(0));
        assert!(matches!(
            m.select(&[3]),
            Err(RepresentError::RowOutOfRange { row: 3, n_rows: 3 })
        ));
    }

    #[test]
    fn sparse_dot_is_the_dense_one() {
        let m = example();
        assert_eq!(sparse_dot(m.row(0), m.row(2)), 0.0);
        assert_eq!(sparse_dot(m.row(2), m.row(2)), 10.25);
    }
}
