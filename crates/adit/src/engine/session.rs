//! A session: the threads, the memory budget and the plans that run in them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::expr_fn::{avg, count, count_distinct, max, min, sum};
use datafusion::logical_expr::ident;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::Runtime;

use super::EngineError;
use super::stream::{Scan, ScanStream};

/// Rows in one batch, at most.
const BATCH_ROWS: usize = 8_192;
/// With less a sort cannot join what waits on disk.
const LEAST_SORT: u64 = 64 << 20;

/// Threads and memory in which plans run; a clone shares both.
///
/// Its methods block, so they must not be called from inside an async runtime.
#[derive(Clone)]
pub struct Session {
    context: SessionContext,
    runtime: Arc<Runtime>,
}

/// What [`Session::aggregate`] computes from a column; missing values do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Count,
    CountDistinct,
    Min,
    Max,
    Sum,
    Mean,
}

impl Session {
    /// Starts `threads` threads (at least one); plans may hold `memory_limit` bytes, or any.
    ///
    /// The limit is a budget of the plans' own buffers; only what [`Session::sorted`] sorts is spilled to disk.
    pub fn new(threads: usize, memory_limit: Option<u64>) -> Result<Session, EngineError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("adit-engine")
            .enable_time()
            .build()
            .map_err(EngineError::Start)?;
        let no_disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let mut environment = RuntimeEnvBuilder::new().with_disk_manager_builder(no_disk);
        if let Some(bytes) = memory_limit {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            environment = environment.with_memory_limit(bytes, 1.0);
        }
        let context = SessionContext::new_with_config_rt(config(), environment.build_arc()?);
        Ok(Session {
            context,
            runtime: Arc::new(runtime),
        })
    }

    /// Streams `columns` (all when `None`) of a scan in the order of its rows.
    pub fn rows(
        &self,
        scan: Arc<dyn Scan>,
        columns: Option<&[usize]>,
    ) -> Result<Rows, EngineError> {
        let stream = {
            let frame = self.frame(&self.context, scan, columns)?;
            self.runtime.block_on(frame.execute_stream())?
        };
        Ok(Rows {
            stream,
            session: self.clone(),
        })
    }

    /// Streams a scan sorted by its first `n_keys` columns, ascending; what does not fit into `memory` bytes (at least 64
    /// MiB) waits in files of `folder`.
    pub fn sorted(
        &self,
        scan: Arc<dyn Scan>,
        n_keys: usize,
        (memory, folder): (u64, &Path),
    ) -> Result<Rows, EngineError> {
        let disk = DiskManagerMode::Directories(vec![folder.to_path_buf()]);
        let bytes = usize::try_from(memory.max(LEAST_SORT)).unwrap_or(usize::MAX);
        let environment = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(
                DiskManagerBuilder::default()
                    .with_mode(disk)
                    // The disk says itself when it is full.
                    .with_max_temp_directory_size(u64::MAX),
            )
            .with_memory_limit(bytes, 1.0);
        let context = SessionContext::new_with_config_rt(config(), environment.build_arc()?);
        let schema = scan.schema();
        let key = |column| Ok(ident(field_name(&schema, column)?).sort(true, true));
        let keys = (0..n_keys)
            .map(key)
            .collect::<Result<Vec<_>, EngineError>>()?;
        let frame = self.frame(&context, scan, None)?.sort(keys)?;
        Ok(Rows {
            stream: self.runtime.block_on(frame.execute_stream())?,
            session: self.clone(),
        })
    }

    /// Computes one number or value per `(column, aggregate)`, as the columns of a one-row batch.
    pub fn aggregate(
        &self,
        scan: Arc<dyn Scan>,
        wanted: &[(usize, Aggregate)],
    ) -> Result<RecordBatch, EngineError> {
        let schema = scan.schema();
        let mut columns: Vec<usize> = wanted.iter().map(|(column, _)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut expressions = Vec::with_capacity(wanted.len());
        for (position, (column, aggregate)) in wanted.iter().enumerate() {
            let name = ident(field_name(&schema, *column)?);
            let expression = match aggregate {
                Aggregate::Count => count(name),
                Aggregate::CountDistinct => count_distinct(name),
                Aggregate::Min => min(name),
                Aggregate::Max => max(name),
                Aggregate::Sum => sum(name),
                Aggregate::Mean => avg(name),
            };
            expressions.push(expression.alias(format!("value_{position}")));
        }
        let frame = self
            .frame(&self.context, scan, Some(&columns))?
            .aggregate(vec![], expressions)?;
        let batches = self.runtime.block_on(frame.collect())?;
        batches
            .into_iter()
            .find(|batch| batch.num_rows() == 1)
            .ok_or_else(|| EngineError::Query("an aggregate gave no row".to_string()))
    }

    /// The plan that reads `columns` of a scan.
    fn frame(
        &self,
        context: &SessionContext,
        scan: Arc<dyn Scan>,
        columns: Option<&[usize]>,
    ) -> Result<DataFrame, EngineError> {
        let all = scan.schema();
        let columns: Vec<usize> = match columns {
            Some(columns) => columns.to_vec(),
            None => (0..all.fields().len()).collect(),
        };
        let schema: SchemaRef = Arc::new(
            all.project(&columns)
                .map_err(|error| EngineError::Query(error.to_string()))?,
        );
        let runtime = self.runtime.handle().clone();
        let stream = ScanStream {
            scan,
            columns,
            schema: Arc::clone(&schema),
            runtime,
        };
        let table = StreamingTable::try_new(schema, vec![Arc::new(stream)])?;
        Ok(context.read_table(Arc::new(table))?)
    }
}

fn config() -> SessionConfig {
    SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
}

/// The name of a column by its position.
fn field_name(schema: &Schema, column: usize) -> Result<&str, EngineError> {
    schema
        .fields()
        .get(column)
        .map(|field| field.name().as_str())
        .ok_or_else(|| {
            EngineError::Query(format!(
                "no column {column} among {}",
                schema.fields().len()
            ))
        })
}

/// Batches of a running plan, in order; dropping it stops the plan and its reader.
pub struct Rows {
    // Declared first, so that the stream is dropped before the threads that feed it.
    stream: SendableRecordBatchStream,
    session: Session,
}

impl Rows {
    /// The next batch; `None` where there is none yet after so long, `Some(None)` at the end.
    pub fn next_within(
        &mut self,
        wait: Duration,
    ) -> Option<Option<Result<RecordBatch, EngineError>>> {
        let stream = &mut self.stream;
        let next = async { tokio::time::timeout(wait, stream.next()).await };
        let found = self.session.runtime.block_on(next).ok()?;
        Some(found.map(|batch| batch.map_err(EngineError::from)))
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.session.runtime.block_on(self.stream.next())?;
        Some(batch.map_err(EngineError::from))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type};

    use super::super::{BoxError, ScanRows};
    use super::*;

    /// `batches` batches of 10 rows: `a` counts from 0, `b` is its double.
    struct Counting {
        batches: usize,
        fails_at: Option<usize>,
        opened: Arc<AtomicUsize>,
    }

    impl Scan for Counting {
        fn schema(&self) -> SchemaRef {
            Arc::new(Schema::new(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("b", DataType::Int64, true),
            ]))
        }

        fn open(&self, columns: &[usize]) -> Result<ScanRows, BoxError> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let schema = self.schema();
            let columns = columns.to_vec();
            let fails_at = self.fails_at;
            Ok(Box::new((0..self.batches).map(move |batch| {
                if fails_at == Some(batch) {
                    return Err("the reader broke".into());
                }
                let start = batch as i64 * 10;
                let a: Int64Array = (start..start + 10).collect();
                let b: Int64Array = (start..start + 10).map(|value| value * 2).collect();
                let all = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(a), Arc::new(b)]);
                Ok(all?.project(&columns)?)
            })))
        }
    }

    fn counting(batches: usize, fails_at: Option<usize>) -> Arc<Counting> {
        Arc::new(Counting {
            batches,
            fails_at,
            opened: Arc::new(AtomicUsize::new(0)),
        })
    }

    fn values(rows: Rows) -> Vec<i64> {
        rows.flat_map(|batch| {
            batch
                .unwrap()
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect()
    }

    #[test]
    fn rows_come_in_order_and_can_be_read_twice() {
        let session = Session::new(2, Some(64 << 20)).unwrap();
        let scan = counting(1_000, None);
        for _ in 0..2 {
            let rows = session.rows(scan.clone(), None).unwrap();
            assert_eq!(values(rows), (0..10_000).collect::<Vec<i64>>());
        }
        assert_eq!(scan.opened.load(Ordering::Relaxed), 2);
    }

    /// Batches of 1,000 rows: `a` is a number with as many ties as there are batches, `b` counts from 0, `c` is a long text.
    struct Shuffled {
        batches: usize,
    }

    impl Scan for Shuffled {
        fn schema(&self) -> SchemaRef {
            Arc::new(Schema::new(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("b", DataType::Int64, true),
                Field::new("c", DataType::Utf8, true),
            ]))
        }

        fn open(&self, columns: &[usize]) -> Result<ScanRows, BoxError> {
            let (schema, columns) = (self.schema(), columns.to_vec());
            Ok(Box::new((0..self.batches).map(move |batch| {
                let rows = || (0..1000).map(move |row| (batch * 1000 + row) as i64);
                let a: Int64Array = rows().map(|row| row * 7919 % 1000).collect();
                let b: Int64Array = rows().collect();
                let c: StringArray = rows().map(|row| Some(format!("{row:>300}"))).collect();
                let all: Vec<ArrayRef> = vec![Arc::new(a), Arc::new(b), Arc::new(c)];
                Ok(RecordBatch::try_new(Arc::clone(&schema), all)?.project(&columns)?)
            })))
        }
    }

    #[test]
    fn what_does_not_fit_is_sorted_on_disk() {
        let session = Session::new(1, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        // 500,000 rows of more than 300 bytes: 150 MB and more, of which 64 MiB may be held.
        let scan = Arc::new(Shuffled { batches: 500 });
        let rows = session.sorted(scan, 2, (1, folder.path())).unwrap();
        let mut spilled = false;
        let (mut last, mut n) = ((i64::MIN, i64::MIN), 0);
        for batch in rows {
            let batch = batch.unwrap();
            spilled |= std::fs::read_dir(folder.path()).unwrap().next().is_some();
            let column = |at: usize| {
                batch
                    .column(at)
                    .as_primitive::<Int64Type>()
                    .values()
                    .clone()
            };
            let (a, b) = (column(0), column(1));
            let c = batch.column(2).as_string::<i32>();
            for row in 0..batch.num_rows() {
                let own = (a[row], b[row]);
                assert!(last < own, "{last:?} before {own:?}");
                assert_eq!(c.value(row).trim(), b[row].to_string());
                (last, n) = (own, n + 1);
            }
        }
        assert_eq!((n, spilled), (500_000, true));
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn only_the_wanted_columns_are_read() {
        let session = Session::new(1, None).unwrap();
        let rows = session.rows(counting(3, None), Some(&[1])).unwrap();
        assert_eq!(
            values(rows),
            (0..30).map(|value| value * 2).collect::<Vec<i64>>()
        );
    }

    #[test]
    fn the_error_of_a_reader_comes_out_as_it_is() {
        let session = Session::new(1, None).unwrap();
        let mut rows = session.rows(counting(5, Some(2)), None).unwrap();
        assert!(rows.next().unwrap().is_ok());
        assert!(rows.next().unwrap().is_ok());
        let error = rows.next().unwrap().unwrap_err();
        assert!(matches!(error, EngineError::Scan(_)), "{error:?}");
        assert_eq!(error.to_string(), "the reader broke");
    }

    #[test]
    fn dropping_the_rows_stops_the_reader() {
        let session = Session::new(1, None).unwrap();
        let mut rows = session.rows(counting(usize::MAX, None), None).unwrap();
        assert!(rows.next().unwrap().is_ok());
        // Dropping the last session joins its threads, so an endless reader would hang here.
        drop(rows);
        drop(session);
    }

    #[test]
    fn aggregates_are_those_of_all_rows() {
        let session = Session::new(2, None).unwrap();
        let wanted = [
            (0, Aggregate::Count),
            (1, Aggregate::Sum),
            (1, Aggregate::Max),
        ];
        let answer = session.aggregate(counting(10, None), &wanted).unwrap();
        let at = |column: usize| answer.column(column).as_primitive::<Int64Type>().value(0);
        assert_eq!((at(0), at(1), at(2)), (100, 9_900, 198));
    }
}
