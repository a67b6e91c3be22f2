//! Histories of events: a causal encoder with a token of the history's own, and what it learns without labels.

mod batch;
mod config;
mod encoder;
mod objectives;

pub use batch::EventBatch;
pub use config::EventEncoderConfig;
pub use encoder::{EventEncoder, EventStates};
