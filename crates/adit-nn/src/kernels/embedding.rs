//! Rows taken from a table by id, and gradients put back.

use super::elementwise::axpy;
use super::parallel::{block_rows, rows_mut};

/// Adds row `ids[i]` of `table` to row `i` of `out`.
pub fn gather_add(out: &mut [f32], table: &[f32], ids: &[u32], cols: usize) {
    rows_mut(out, cols, block_rows(cols), |first, block| {
        for (row, &id) in block.chunks_exact_mut(cols).zip(&ids[first..]) {
            let start = id as usize * cols;
            axpy(row, &table[start..start + cols], 1.0);
        }
    });
}

/// Adds row `i` of `grad` to row `ids[i]` of `table`, in the order of the rows.
pub fn scatter_add(table: &mut [f32], grad: &[f32], ids: &[u32], cols: usize) {
    for (row, &id) in grad.chunks_exact(cols).zip(ids) {
        let start = id as usize * cols;
        axpy(&mut table[start..start + cols], row, 1.0);
    }
}
