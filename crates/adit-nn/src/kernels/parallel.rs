//! Fixed partitions over rayon: what is computed together never depends on the number of threads.

use rayon::prelude::*;

/// Below so many values, work is done on the calling thread.
const ALONE: usize = 1 << 14;

/// Values per block of element-wise work.
pub const BLOCK: usize = 1 << 14;

/// Rows per block of `cols` values each, near [`BLOCK`] values.
pub fn block_rows(cols: usize) -> usize {
    (BLOCK / cols.max(1)).clamp(1, 1024)
}

/// Runs `work(first_row, rows)` over blocks of `block` rows of `cols` values.
pub fn rows_mut(
    data: &mut [f32],
    cols: usize,
    block: usize,
    work: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let step = (block * cols).max(1);
    if data.len() <= ALONE.min(step) {
        if !data.is_empty() {
            work(0, data);
        }
        return;
    }
    data.par_chunks_mut(step)
        .enumerate()
        .for_each(|(at, chunk)| work(at * block, chunk));
}

/// Sums `work(first, count)` over blocks of `block` of `n` items; each gives a vector of `len` values.
///
/// The partial sums are added in the order of the blocks.
pub fn sum_blocks(
    n: usize,
    block: usize,
    len: usize,
    work: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let n_blocks = n.div_ceil(block.max(1));
    let mut partial = vec![0.0f32; n_blocks * len];
    if len == 0 {
        return partial;
    }
    let run = |(at, out): (usize, &mut [f32])| work(at * block, block.min(n - at * block), out);
    if n_blocks <= 1 {
        partial.chunks_mut(len).enumerate().for_each(run);
    } else {
        partial.par_chunks_mut(len).enumerate().for_each(run);
    }
    let mut total = vec![0.0f64; len];
    for part in partial.chunks(len) {
        for (sum, &value) in total.iter_mut().zip(part) {
            *sum += f64::from(value);
        }
    }
    total.into_iter().map(|v| v as f32).collect()
}
