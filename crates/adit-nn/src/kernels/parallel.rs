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

/// Runs `work(first_row, rows, others)` over blocks of `block` rows of `cols` values of `data`, and
/// of `other_step` values of `other`, which may be empty.
pub fn two_rows_mut(
    data: &mut [f32],
    other: &mut [f32],
    (cols, other_step, block): (usize, usize, usize),
    work: impl Fn(usize, &mut [f32], &mut [f32]) + Sync + Send,
) {
    let step = (block * cols).max(1);
    if other.is_empty() {
        return rows_mut(data, cols, block, |first, data| work(first, data, &mut []));
    }
    let n_blocks = data.len().div_ceil(step);
    assert_eq!(
        other.len().div_ceil(other_step.max(1)),
        n_blocks,
        "blocks differ"
    );
    if n_blocks == 1 {
        return work(0, data, other);
    }
    data.par_chunks_mut(step)
        .zip(other.par_chunks_mut(other_step))
        .enumerate()
        .for_each(|(at, (data, other))| work(at * block, data, other));
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
    sum_parts(&partial, len)
}

/// The sum of parts of `len` values, in their order, in f64.
pub fn sum_parts(partial: &[f32], len: usize) -> Vec<f32> {
    let mut total = vec![0.0f64; len];
    for part in partial.chunks(len.max(1)) {
        for (sum, &value) in total.iter_mut().zip(part) {
            *sum += f64::from(value);
        }
    }
    total.into_iter().map(|v| v as f32).collect()
}
