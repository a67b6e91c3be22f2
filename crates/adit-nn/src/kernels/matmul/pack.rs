//! Matrices copied into the order in which tiles read them.

use super::View;
use super::tile::{MR, NR};
use super::turn::turn_square;

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

    /// The rows `from..from + len` of `count` panels that were filled, `k · NR` apart.
    pub fn panels(&self, panel: usize, count: usize, from: usize, len: usize) -> &[f32] {
        assert!(
            count > 0 && panel + count <= self.n_panels() && from + len <= self.k,
            "no such part of the panels"
        );
        let size = ((count - 1) * self.k + len) * NR;
        // SAFETY: inside the memory by the asserts; nobody writes once filling is over.
        unsafe { std::slice::from_raw_parts(self.memory.add((panel * self.k + from) * NR), size) }
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
    for (block, out) in out.chunks_mut(NR * NR).enumerate() {
        let n_rows = out.len() / NR;
        if let (1, Ok(out)) = (b.row_step, out.try_into()) {
            let from = &b.data[first * b.col_step + block * NR..];
            if turn_square(out, from, b.col_step, width) {
                continue;
            }
        }
        for col in 0..width {
            let from = (first + col) * b.col_step + block * NR * b.row_step;
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

/// Copies the columns `from..from + len` of `a` `[m, ..]` into groups of `height` rows, column after
/// column.
pub fn pack_rows(
    out: &mut [f32],
    a: View<'_>,
    (m, height): (usize, usize),
    from: usize,
    len: usize,
) {
    let groups = out.chunks_exact_mut(height * len).take(m.div_ceil(height));
    for (group, out) in groups.enumerate() {
        let (first, n_rows) = (group * height, height.min(m - group * height));
        for (col, out) in out.chunks_exact_mut(height).enumerate() {
            let at = first * a.row_step + (from + col) * a.col_step;
            if a.row_step == 1 {
                copy_few(&mut out[..n_rows], &a.data[at..at + n_rows]);
            } else {
                for (row, out) in out.iter_mut().take(n_rows).enumerate() {
                    *out = a.data[at + row * a.row_step];
                }
            }
        }
    }
}

/// Copies without a call where the length is that of a whole tile.
fn copy_few(out: &mut [f32], from: &[f32]) {
    match (out.first_chunk_mut::<MR>(), from.first_chunk::<MR>()) {
        (Some(out), Some(from)) => *out = *from,
        _ => out.copy_from_slice(from),
    }
}
