//! Finds patterns: the members of the scoreboard.
mod predictions;
pub use predictions::Predictions;
pub use predictions::PredictionsError;
