//! How long work is watched and stopped.

/// Told how far long work is, and asked whether it should stop.
pub trait Watch: Sync {
    /// True once the work should stop at the next safe point.
    fn cancelled(&self) -> bool;
    /// `done` of `total` units of `stage` are finished; `note` is a short state such as `loss 0.41`.
    fn progress(&self, stage: &str, done: u64, total: u64, note: &str);
}

/// Watches nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {
    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _stage: &str, _done: u64, _total: u64, _note: &str) {}
}
