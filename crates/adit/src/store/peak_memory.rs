//! The system's file about this process that is written to: what it remembers of memory.

/// Makes the system forget the most memory that this process held, so that it is counted from now on;
/// false where it cannot.
pub fn forget_peak_memory() -> bool {
    // "5" resets `VmHWM` (proc(5), Linux 4.0); the file is none on a disk.
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}
