//! Large memory in large pages, where the system has them: fewer faults and fewer misses of addresses.

/// Memory of fewer values than this is left to the allocator; 4 MiB, two large pages.
const LARGE: usize = 1 << 20;

/// Zeros.
pub fn zeros(len: usize) -> Vec<f32> {
    let memory = vec![0.0f32; len];
    if len >= LARGE {
        ask_for_large_pages(&memory);
    }
    memory
}

/// Tells the system that large pages are welcome; it may do nothing.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(memory: &[f32]) {
    use std::ffi::{c_int, c_void};
    // SAFETY: the C library declares it so.
    unsafe extern "C" {
        fn madvise(start: *mut c_void, len: usize, advice: c_int) -> c_int;
    }
    const HUGEPAGE: c_int = 14;
    const PAGE: usize = 4096;
    let start = memory.as_ptr().addr().next_multiple_of(PAGE);
    let end = memory.as_ptr_range().end.addr() / PAGE * PAGE;
    if end > start && !cfg!(miri) {
        // SAFETY: whole pages inside the memory; the advice changes no value. On a system with larger
        // pages the call fails, which costs nothing.
        unsafe { madvise(start as *mut c_void, end - start, HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: &[f32]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_zero() {
        // Miri has no advice to give, and takes minutes to look at so many values.
        let lengths: &[usize] = if cfg!(miri) {
            &[0, 1, 77]
        } else {
            &[0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 77]
        };
        for &len in lengths {
            let memory = zeros(len);
            assert_eq!(memory.len(), len);
            assert!(memory.iter().all(|&v| v.to_bits() == 0));
        }
    }
}
