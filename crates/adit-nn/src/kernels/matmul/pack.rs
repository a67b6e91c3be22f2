//! Matrices copied into the order in which tiles read them.

use super::View;
use super::tile::{MR, NR};

/// The right-hand matrix `[k, n]` in panels of `NR` columns; inside a panel, row after row.
///
/// The last panel is filled up with zeros.
pub struct Packed<'a> {
    memory: *mut f32,
    n: usize,
    k: usize,
    lifetime: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: panels lie apart, and each is filled by one task before any task reads it.
unsafe impl Sync for Packed<'_> {}

impl<'a> Packed<'a> {
    /// How many values the packed matrix needs.
    pub fn len(n: usize, k: usize) -> usize {
        n.next_multiple_of(NR) * k
    }

    /// A packed matrix in `memory`, to be filled panel by panel.
    pub fn new(memory: &'a mut [f32], n: usize, k: usize) -> Self {
        assert!(
            memory.len() >= Self::len(n, k),
            "the packed matrix does not fit its memory"
        );
        Self {
            memory: memory.as_mut_ptr(),
            n,
            k,
            lifetime: std::marker::PhantomData,
        }
    }

    /// The number of panels.
    pub fn n_panels(&self) -> usize {
        self.n.div_ceil(NR)
    }

    /// How many columns of a panel are real.
    pub fn width(&self, panel: usize) -> usize {
        NR.min(self.n - panel * NR)
    }

    /// The rows `from..from + len` of a panel that was filled.
    pub fn panel(&self, panel: usize, from: usize, len: usize) -> &[f32] {
        assert!(
            panel < self.n_panels() && from + len <= self.k,
            "no such part of a panel"
        );
        // SAFETY: inside the memory by the asserts; nobody writes once filling is over.
        unsafe {
            std::slice::from_raw_parts(self.memory.add((panel * self.k + from) * NR), len * NR)
        }
    }

    /// Copies one panel from `b`.
    ///
    /// # Safety
    /// While a panel is filled, no other task may fill or read it.
    pub unsafe fn fill(&self, panel: usize, b: View<'_>) {
        assert!(panel < self.n_panels(), "no such panel");
        // SAFETY: inside the memory by the assert; nobody else uses this panel by the contract.
        let out = unsafe {
            std::slice::from_raw_parts_mut(self.memory.add(panel * self.k * NR), self.k * NR)
        };
        let (first, width) = (panel * NR, self.width(panel));
        if b.col_step == 1 {
            for (row, out) in out.chunks_exact_mut(NR).enumerate() {
                let from = row * b.row_step + first;
                // A length that the compiler knows is copied without a call.
                if width == NR {
                    out.copy_from_slice(&b.data[from..from + NR]);
                    continue;
                }
                out[..width].copy_from_slice(&b.data[from..from + width]);
                out[width..].fill(0.0);
            }
        } else {
            if width < NR {
                out.fill(0.0);
            }
            turn(out, b, first, width);
        }
    }
}

/// Copies the columns `first..first + width` of `b`, each of which runs along memory.
fn turn(out: &mut [f32], b: View<'_>, first: usize, width: usize) {
    // Blocks of sixteen rows keep both sides in the L1 cache.
    for (block, out) in out.chunks_mut(16 * NR).enumerate() {
        let n_rows = out.len() / NR;
        for col in 0..width {
            let from = (first + col) * b.col_step + block * 16 * b.row_step;
            if b.row_step == 1 {
                for (row, &value) in b.data[from..from + n_rows].iter().enumerate() {
                    out[row * NR + col] = value;
                }
            } else {
                for row in 0..n_rows {
                    out[row * NR + col] = b.data[from + row * b.row_step];
                }
            }
        }
    }
}

/// Copies the columns `from..from + len` of `a` `[m, ..]` into groups of `MR` rows, column after column.
pub fn pack_rows(out: &mut [f32], a: View<'_>, m: usize, from: usize, len: usize) {
    for (group, out) in out
        .chunks_exact_mut(MR * len)
        .take(m.div_ceil(MR))
        .enumerate()
    {
        let (first, height) = (group * MR, MR.min(m - group * MR));
        for (col, out) in out.chunks_exact_mut(MR).enumerate() {
            let at = first * a.row_step + (from + col) * a.col_step;
            if a.row_step == 1 && height == MR {
                out.copy_from_slice(&a.data[at..at + MR]);
            } else {
                for (row, out) in out.iter_mut().take(height).enumerate() {
                    *out = a.data[at + row * a.row_step];
                }
            }
        }
    }
}
