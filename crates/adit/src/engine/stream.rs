//! Blocking readers as DataFusion streams.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// An error of a reader, carried through the engine as it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The rows of one pass over a table.
pub type ScanRows = Box<dyn Iterator<Item = Result<RecordBatch, BoxError>> + Send>;

/// A table that can be read from the start as often as needed.
pub trait Scan: Send + Sync {
    /// All columns, in order.
    fn schema(&self) -> SchemaRef;

    /// Opens one pass over `columns` (indices into the schema), in the order of the rows.
    fn open(&self, columns: &[usize]) -> Result<ScanRows, BoxError>;
}

/// Batches that may wait between the reader and the plan.
const WAITING_BATCHES: usize = 2;

/// One pass over some columns of a scan, fed by a reader on a thread of its own.
pub(super) struct ScanStream {
    pub scan: Arc<dyn Scan>,
    pub columns: Vec<usize>,
    pub schema: SchemaRef,
    pub runtime: Handle,
}

impl fmt::Debug for ScanStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanStream")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for ScanStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
        let scan = Arc::clone(&self.scan);
        let columns = self.columns.clone();
        self.runtime.spawn_blocking(move || {
            // A reader that panics must not look like one that has come to its end.
            if let Err(reason) = unpanicked(|| feed(scan.as_ref(), &columns, &sender)) {
                let error = DataFusionError::External(format!("the reader broke: {reason}").into());
                let _ = sender.blocking_send(Err(error));
            }
        });
        let batches = futures::stream::unfold(receiver, |mut receiver| async move {
            let batch = receiver.recv().await?;
            Some((batch, receiver))
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}

/// Runs foreign code that may panic on damaged input; gives the panic's message instead.
pub(crate) fn unpanicked<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        let text = cause.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| cause.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "an unknown failure".to_string())
    })
}

/// Sends every batch until the reader ends, fails, or nobody listens any more.
fn feed(
    scan: &dyn Scan,
    columns: &[usize],
    sender: &mpsc::Sender<Result<RecordBatch, DataFusionError>>,
) {
    let rows = match scan.open(columns) {
        Ok(rows) => rows,
        Err(error) => {
            // A closed channel means that the plan was dropped: nobody to tell.
            let _ = sender.blocking_send(Err(DataFusionError::External(error)));
            return;
        }
    };
    for batch in rows {
        let failed = batch.is_err();
        let sent = sender.blocking_send(batch.map_err(DataFusionError::External));
        if failed || sent.is_err() {
            return;
        }
    }
}
