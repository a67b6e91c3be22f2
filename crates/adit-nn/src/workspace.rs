//! Memory that one training step leaves to the next.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::gradients::Gradients;
use crate::kernels::memory::zeros;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// Memory of finished tapes and gradients, used again by later ones.
///
/// Fresh memory from the system costs a page fault per 4 KiB, about a sixth of a training step.
/// It never changes a result: memory that is lent out is written before it is read.
#[derive(Debug, Default)]
pub struct Workspace {
    free: Mutex<Free>,
    /// Memory that is zero everywhere, for gradients of tables, by its length.
    zeros: Mutex<BTreeMap<usize, Vec<Vec<f32>>>>,
}

/// Memory that can be lent.
#[derive(Debug, Default)]
struct Free {
    by_size: BTreeMap<usize, Vec<Vec<f32>>>,
    /// Values that lie here.
    kept: usize,
    /// Values lent since the last tape was taken back, and the most between two of them.
    lent: usize,
    most_lent: usize,
}

/// So much is kept whatever was lent.
const ALWAYS_KEPT: usize = 1 << 22;

/// Below so many values the system's allocator is as good.
const WORTH: usize = 1 << 12;

/// The next length that has three leading bits only, at most a quarter more.
///
/// Batches differ a little in their number of tokens. Were memory as long as asked for, every batch that is
/// longer than all before would leave a set of tensors of its own behind.
fn rounded_up(len: usize) -> usize {
    let step = 1 << len.ilog2().saturating_sub(2);
    len.next_multiple_of(step)
}

impl Workspace {
    /// No memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the memory of a tape back.
    pub fn reclaim(&self, tape: Tape<'_>) {
        tape.into_tensors().for_each(|tensor| self.put(tensor.data));
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.most_lent = free.most_lent.max(free.lent);
        free.lent = 0;
    }

    /// Takes the memory of gradients back.
    pub fn reclaim_gradients(&self, gradients: Gradients) {
        for gradient in gradients.slots.into_iter().flatten() {
            let (memory, is_zero) = gradient.into_memory();
            if is_zero {
                let mut kept = self.zeros.lock().unwrap_or_else(PoisonError::into_inner);
                kept.entry(memory.len()).or_default().push(memory);
            } else {
                self.put(memory);
            }
        }
    }

    /// A tensor of zeros.
    pub(crate) fn zeros(&self, shape: &[usize]) -> Tensor {
        let len = shape.iter().product();
        let mut kept = self.zeros.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get_mut(&len).and_then(Vec::pop);
        Tensor {
            shape: shape.to_vec(),
            data: found.unwrap_or_else(|| zeros(len)),
        }
    }

    /// A tensor of unknown values.
    pub(crate) fn tensor(&self, shape: &[usize]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            data: self.take(shape.iter().product()),
        }
    }

    fn take(&self, len: usize) -> Vec<f32> {
        if len < WORTH {
            return vec![0.0; len];
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let size = (free.by_size.range(len..=len.saturating_mul(2)).next()).map(|(&size, _)| size);
        let found = size.and_then(|size| {
            let list = free.by_size.get_mut(&size)?;
            let memory = list.pop();
            if list.is_empty() {
                free.by_size.remove(&size);
            }
            memory
        });
        free.kept -= found.as_ref().map_or(0, Vec::capacity);
        free.lent += found.as_ref().map_or(rounded_up(len), Vec::capacity);
        drop(free);
        match found {
            Some(mut memory) => {
                memory.resize(len, 0.0);
                memory
            }
            None => {
                let mut memory = zeros(rounded_up(len));
                memory.truncate(len);
                memory
            }
        }
    }

    pub(crate) fn put(&self, memory: Vec<f32>) {
        if memory.capacity() < WORTH {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // Tapes bring memory that was not lent here, too: constants, for one. It must not pile up.
        let most = (2 * free.most_lent.max(free.lent)).max(ALWAYS_KEPT);
        if free.kept + memory.capacity() <= most {
            free.kept += memory.capacity();
            let list = free.by_size.entry(memory.capacity()).or_default();
            list.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_lent_again_and_only_where_it_fits() {
        let workspace = Workspace::new();
        let memory = vec![1.0f32; 10_000];
        let place = memory.as_ptr();
        workspace.put(memory);
        let (larger, smaller) = (workspace.take(20_000), workspace.take(4_500));
        assert!(larger.as_ptr() != place && smaller.as_ptr() != place);
        let again = workspace.take(9_000);
        assert_eq!((again.as_ptr(), again.len()), (place, 9_000));
        workspace.put(again);
        assert_eq!(workspace.take(10_000).len(), 10_000);
    }

    #[test]
    fn batches_of_changing_length_do_not_pile_memory_up() {
        let workspace = Workspace::new();
        let mut largest = 0;
        for step in 0..500u64 {
            let tokens = 700 + (crate::random::mix(7, step) % 300) as usize;
            let lengths = [768, 3072, 768, 3072, 768].repeat(12);
            let lent: Vec<_> = lengths.iter().map(|n| workspace.take(n * tokens)).collect();
            largest = largest.max(lent.iter().map(Vec::len).sum());
            lent.into_iter().for_each(|memory| workspace.put(memory));
        }
        let free = workspace.free.lock().expect("no panic");
        let sizes = free.by_size.iter();
        let kept: usize = sizes.map(|(size, list)| size * list.len()).sum();
        assert_eq!(kept, free.kept);
        assert!(
            kept < 2 * largest,
            "{kept} values kept for at most {largest}"
        );
    }

    #[test]
    fn memory_that_was_never_lent_does_not_pile_up() {
        let workspace = Workspace::new();
        for step in 0..2_000usize {
            let lent = workspace.take(50_000);
            workspace.put(vec![0.0; 100_000 + 17 * step]);
            workspace.put(lent);
        }
        let free = workspace.free.lock().expect("no panic");
        assert!(
            free.kept <= 2 * ALWAYS_KEPT.max(2_000 * 65_536),
            "{}",
            free.kept
        );
    }
}
