//! How tables are computed: embedded DataFusion behind a synchronous doorway.
//!
//! Enters: a [`Scan`], which can open the rows of a table again and again. Leaves: Arrow batches
//! in the order of the rows. Not here: files, formats, roles; this floor knows no room.
//!
//! Plans run with one partition, so that every reduction has one order and the same rows give the
//! same bytes for any number of threads; reading runs on a thread beside the plan.

mod error;
mod session;
mod stream;

pub use error::EngineError;
pub use session::{Aggregate, Rows, Session};
pub(crate) use stream::unpanicked;
pub use stream::{BoxError, Scan, ScanRows};
