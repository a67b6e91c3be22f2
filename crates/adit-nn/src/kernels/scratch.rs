//! Memory that a thread keeps from one kernel call to the next.

use std::cell::RefCell;

thread_local! {
    /// Taken out while in use, so that nested calls each get their own.
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
    static HALVES: RefCell<Vec<Vec<u16>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` `len` values of unknown content.
pub fn with_scratch<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut memory = FREE.with_borrow_mut(|free| free.pop()).unwrap_or_default();
    if memory.len() < len {
        memory.resize(len, 0.0);
    }
    let out = work(&mut memory[..len]);
    FREE.with_borrow_mut(|free| free.push(memory));
    out
}

/// [`with_scratch`] for bfloat16.
pub fn with_halves<T>(len: usize, work: impl FnOnce(&mut [u16]) -> T) -> T {
    let mut memory = HALVES
        .with_borrow_mut(|free| free.pop())
        .unwrap_or_default();
    if memory.len() < len {
        memory.resize(len, 0);
    }
    let out = work(&mut memory[..len]);
    HALVES.with_borrow_mut(|free| free.push(memory));
    out
}
