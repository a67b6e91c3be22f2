//! Finds patterns: the members of the scoreboard.
pub mod blend;
mod cross_validation;
mod error;
pub mod fine_tuned;
mod lbfgs;
pub mod linear;
pub mod method;
mod predictions;
pub mod pretraining;
pub mod row_transformer;
pub mod text_to_text;
pub mod text_transformer;
pub mod training;
pub mod trees;
pub mod trivial;
pub use error::MineError;
pub use predictions::Predictions;
pub use predictions::PredictionsError;
