//! Fixed partitions over rayon: what is computed together never depends on the number of threads.

use std::cell::Cell;

use rayon::prelude::*;

thread_local! {
    static BY_ITSELF: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on this thread without handing parts of it to others; no result depends on it.
///
/// Where batches already fill all cores, cutting each of them up again only costs.
pub fn by_itself<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            BY_ITSELF.set(self.0);
        }
    }
    let _restore = Restore(BY_ITSELF.replace(true));
    work()
}

/// True inside [`by_itself`], and where there is one thread only.
pub fn is_by_itself() -> bool {
    BY_ITSELF.get() || rayon::current_num_threads() == 1
}

/// Runs `work(at)` for every `at` below `n`, on all threads unless inside [`by_itself`].
pub fn each(n: usize, work: impl Fn(usize) + Sync + Send) {
    if n <= 1 || is_by_itself() {
        (0..n).for_each(work);
    } else {
        (0..n).into_par_iter().for_each(work);
    }
}

/// A matrix that tasks share; each writes its own rows and columns only.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    start: *mut f32,
    len: usize,
    lifetime: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: the tasks of one call write disjoint parts (see `put`).
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares `data` for as long as it is borrowed.
    pub fn new(data: &'a mut [f32]) -> Self {
        Self {
            start: data.as_mut_ptr(),
            len: data.len(),
            lifetime: std::marker::PhantomData,
        }
    }

    /// Copies the dense `[rows, cols]` block to the columns `col..` of the rows `row..` of width `width`.
    ///
    /// # Safety
    /// No other task may touch the same rows and columns.
    pub unsafe fn put(self, from: &[f32], (row, col): (usize, usize), cols: usize, width: usize) {
        for (at, line) in from.chunks_exact(cols).enumerate() {
            let start = (row + at) * width + col;
            assert!(start + cols <= self.len, "a block does not fit");
            let (lines, rest) = line.as_chunks::<16>();
            // SAFETY: inside the slice by the assert; nobody else writes there by the contract.
            unsafe {
                let mut to = self.start.add(start);
                // Lengths that the compiler knows are copied without a call.
                for line in lines {
                    to.cast::<[f32; 16]>().write_unaligned(*line);
                    to = to.add(16);
                }
                std::ptr::copy_nonoverlapping(rest.as_ptr(), to, rest.len());
            }
        }
    }
}

/// Below so many values, work is done on the calling thread.
const ALONE: usize = BLOCK;

/// Values per block of element-wise work.
pub const BLOCK: usize = 1 << if cfg!(miri) { 9 } else { 14 };

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
    let run = |(at, chunk): (usize, &mut [f32])| work(at * block, chunk);
    if is_by_itself() {
        data.chunks_mut(step).enumerate().for_each(run);
    } else {
        data.par_chunks_mut(step).enumerate().for_each(run);
    }
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
    if is_by_itself() {
        let parts = data.chunks_mut(step).zip(other.chunks_mut(other_step));
        for (at, (data, other)) in parts.enumerate() {
            work(at * block, data, other);
        }
        return;
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
    if n_blocks <= 1 || is_by_itself() {
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
