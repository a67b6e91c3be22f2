//! Threads, memory and time of a run.

use super::RunError;

/// What a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Worker threads, at least 1; results do not depend on it.
    pub threads: usize,
}

impl Limits {
    /// Runs `work` with these limits.
    pub fn apply<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, RunError> + Send,
    ) -> Result<T, RunError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .map_err(|e| RunError::Threads {
                threads: self.threads,
                reason: e.to_string(),
            })?;
        pool.install(work)
    }
}

/// The most memory this process has held, in bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}
