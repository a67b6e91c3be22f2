//! What can go wrong while a plan runs.

use datafusion::error::DataFusionError;

use super::BoxError;

/// What can go wrong while a plan runs.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The threads could not be started.
    #[error("cannot start the engine: {0}")]
    Start(#[source] std::io::Error),
    /// The reader of a scan failed; its own error is inside.
    #[error("{0}")]
    Scan(BoxError),
    /// The plan needs more memory than it was given.
    #[error("out of memory while computing a table: {0}")]
    Memory(String),
    /// DataFusion refused or failed.
    #[error("cannot compute the table: {0}")]
    Query(String),
}

impl EngineError {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            EngineError::Memory(_) => Some("give it more memory, or fewer columns".to_string()),
            _ => None,
        }
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => EngineError::Scan(inner),
            DataFusionError::Context(_, inner) => EngineError::from(*inner),
            DataFusionError::ResourcesExhausted(what) => EngineError::Memory(what),
            other => EngineError::Query(other.strip_backtrace()),
        }
    }
}
