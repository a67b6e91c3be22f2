//! What can go wrong while a plan runs.

use arrow::error::ArrowError;
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
    /// What waits on disk could not be written or read.
    #[error("cannot keep on disk what does not fit into memory: {0}")]
    Disk(String),
    /// DataFusion refused or failed.
    #[error("cannot compute the table: {0}")]
    Query(String),
}

impl EngineError {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            EngineError::Memory(_) => Some("give it more memory, or fewer columns".to_string()),
            EngineError::Disk(_) => Some(format!(
                "make room in {}, let TMPDIR name a folder on a larger disk, or give it more memory",
                std::env::temp_dir().display()
            )),
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
            DataFusionError::IoError(error) => EngineError::Disk(error.to_string()),
            DataFusionError::ArrowError(inner, _) if matches!(*inner, ArrowError::IoError(..)) => {
                EngineError::Disk(inner.to_string())
            }
            other => EngineError::Query(other.strip_backtrace()),
        }
    }
}
