//! Adit: data mining with transformers.
//!
//! Data flows one way through six rooms:
//! [`source`] → [`prepare`] → [`represent`] → [`mine`] → [`explain`] → [`report`].
//! Below them lie the floors [`engine`], [`store`], [`chemistry`] and [`simulated`], which know no room;
//! [`run`] is the only module that knows them all.

pub mod chemistry;
pub mod engine;
pub mod explain;
pub mod mine;
pub mod prepare;
pub mod report;
pub mod represent;
pub mod run;
pub mod simulated;
pub mod source;
pub mod store;

pub use adit_nn::t5::GenerationSettings;
pub use adit_nn::watch::{Silent, Watch};
pub use adit_nn::{Precision, Products};
