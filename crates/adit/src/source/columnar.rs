//! Parquet and Arrow files: their own types become the five of this room.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef, UInt64Type};
use arrow::error::ArrowError;
use arrow_ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use adit_nn::watch::Watch;

use crate::engine::{self, BoxError, EngineError, Scan, ScanRows};

use super::build::arrow_schema;
use super::convert::{convert, kind_of};
use super::input::{Input, Packing, Tap};
use super::text::difference;
use super::{ColumnSchema, ColumnType, Format, Origin, SourceError};

const BATCH_ROWS: usize = 8_192;
/// The first bytes of a Parquet file.
const PARQUET_FILE: &[u8] = b"PAR1";
/// The first bytes of an Arrow file; a stream starts without them.
const ARROW_FILE: &[u8] = b"ARROW1";

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// One file after it was looked at.
#[derive(Clone)]
struct ColumnarFile {
    input: Input,
    kind: Kind,
    schema: SchemaRef,
    n_rows: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Parquet,
    ArrowFile,
    ArrowStream,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Parquet => "Parquet",
            Kind::ArrowFile => "Arrow file",
            Kind::ArrowStream => "Arrow stream",
        }
    }
}

impl ColumnarFile {
    fn look(input: Input, format: Format) -> Result<ColumnarFile, SourceError> {
        if input.bytes == 0 {
            return Err(SourceError::Empty { path: input.path });
        }
        let head = input.head()?;
        let kind = match format {
            Format::Parquet if head.starts_with(PARQUET_FILE) => Kind::Parquet,
            Format::Parquet => {
                let reason = "they do not start as Parquet files do";
                return Err(damaged(&input.path, Kind::Parquet, reason));
            }
            _ if head.starts_with(ARROW_FILE) => Kind::ArrowFile,
            _ => Kind::ArrowStream,
        };
        let schema = Arc::new(Schema::empty());
        let mut file = ColumnarFile {
            input,
            kind,
            schema,
            n_rows: 0,
        };
        if kind == Kind::Parquet {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file.input.open_file()?)
                .map_err(|error| damaged(&file.input.path, kind, &error.to_string()))?;
            file.schema = Arc::clone(builder.schema());
            file.n_rows = builder.metadata().file_metadata().num_rows().max(0) as u64;
            return Ok(file);
        }
        let (schema, batches) = file.open(None)?;
        file.schema = schema;
        for batch in batches {
            file.n_rows += batch.map_err(|error| file.broken(&error))?.num_rows() as u64;
        }
        Ok(file)
    }

    /// Opens the file; columns come in the order of the file, whatever that of `columns`.
    fn open(&self, columns: Option<&[usize]>) -> Result<(SchemaRef, Batches), SourceError> {
        let file = self.input.open_file()?;
        let broken = |error: ArrowError| self.broken(&error);
        match self.kind {
            Kind::Parquet => {
                let fail = |error: parquet::errors::ParquetError| {
                    damaged(&self.input.path, self.kind, &error.to_string())
                };
                let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(fail)?;
                let mask = match columns {
                    Some(columns) => {
                        ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied())
                    }
                    None => ProjectionMask::all(),
                };
                let reader = builder
                    .with_projection(mask)
                    .with_batch_size(BATCH_ROWS)
                    .build()
                    .map_err(fail)?;
                Ok((Arc::clone(&self.schema), Box::new(reader)))
            }
            Kind::ArrowFile => {
                let columns = columns.map(<[usize]>::to_vec);
                let reader = FileReader::try_new(BufReader::new(file), columns).map_err(broken)?;
                Ok((reader.schema(), Box::new(reader)))
            }
            Kind::ArrowStream => {
                let columns = columns.map(<[usize]>::to_vec);
                let reader =
                    StreamReader::try_new(BufReader::new(file), columns).map_err(broken)?;
                Ok((reader.schema(), Box::new(reader)))
            }
        }
    }

    fn broken(&self, error: &ArrowError) -> SourceError {
        damaged(&self.input.path, self.kind, &error.to_string())
    }

    /// The type of every column; `None` where there is not one value.
    fn column_types(&self) -> Result<Vec<Option<ColumnType>>, SourceError> {
        let mut types: Vec<Option<ColumnType>> = self
            .schema
            .fields()
            .iter()
            .map(|field| kind_of(field.data_type()))
            .collect();
        // Unsigned numbers beyond 64 signed bits make a column one of floats.
        let unsigned: Vec<usize> = (0..types.len())
            .filter(|at| *self.schema.field(*at).data_type() == DataType::UInt64)
            .collect();
        if unsigned.is_empty() {
            return Ok(types);
        }
        let (_, batches) = self.open(Some(&unsigned))?;
        for batch in batches {
            let batch = batch.map_err(|error| self.broken(&error))?;
            for (column, at) in batch.columns().iter().zip(&unsigned) {
                let values = column.as_primitive::<UInt64Type>();
                if values
                    .iter()
                    .flatten()
                    .any(|value| i64::try_from(value).is_err())
                {
                    types[*at] = Some(ColumnType::Float);
                }
            }
        }
        Ok(types)
    }
}

fn damaged(path: &Path, kind: Kind, reason: &str) -> SourceError {
    let path = path.to_path_buf();
    let lower = reason.to_lowercase();
    let cut = [
        "eof",
        "truncat",
        "footer",
        "smaller than",
        "too small",
        "unexpected end",
        "failed to fill",
    ];
    if cut.iter().any(|word| lower.contains(word)) {
        return SourceError::Truncated {
            path,
            what: kind.name(),
        };
    }
    SourceError::Corrupt {
        path,
        what: kind.name(),
        reason: reason.to_string(),
    }
}

/// What looking at all files gave.
pub(super) struct ColumnarSurvey {
    files: Vec<ColumnarFile>,
    pub names: Vec<String>,
    pub types: Vec<ColumnType>,
    pub n_rows: u64,
    pub origins: Vec<Origin>,
}

impl ColumnarSurvey {
    /// Looks at all files; compressed ones are unpacked into `spool` first.
    pub fn of(
        inputs: Vec<Input>,
        format: Format,
        spool: &Path,
        watch: &dyn Watch,
    ) -> Result<ColumnarSurvey, SourceError> {
        let all_bytes = inputs.iter().map(|input| input.bytes).sum();
        let mut done = 0;
        let mut survey = ColumnarSurvey {
            files: Vec::new(),
            names: Vec::new(),
            types: Vec::new(),
            n_rows: 0,
            origins: Vec::new(),
        };
        let mut types = Vec::new();
        for input in inputs {
            if watch.cancelled() {
                return Err(SourceError::Cancelled);
            }
            watch.progress("reading", done, all_bytes, &input.path.to_string_lossy());
            done += input.bytes;
            survey.add_file(input, format, spool, &mut types)?;
        }
        watch.progress("reading", all_bytes, all_bytes, "");
        survey.types = types
            .into_iter()
            .map(|kind| kind.unwrap_or(ColumnType::Text))
            .collect();
        let path = || {
            survey
                .origins
                .first()
                .map(|origin| origin.path.clone())
                .unwrap_or_default()
        };
        if survey.names.is_empty() {
            return Err(SourceError::NoColumns { path: path() });
        }
        if survey.n_rows == 0 {
            return Err(SourceError::NoRows { path: path() });
        }
        Ok(survey)
    }

    fn add_file(
        &mut self,
        input: Input,
        format: Format,
        spool: &Path,
        types: &mut Vec<Option<ColumnType>>,
    ) -> Result<(), SourceError> {
        let (sha256, bytes, packing) = (input.sha256(&Tap::default())?, input.bytes, input.packing);
        let path = input.path.clone();
        let unpacked = input.unpacked(spool)?;
        // The readers of damaged files have been seen to panic.
        let looked = engine::unpanicked(move || {
            let file = ColumnarFile::look(unpacked, format)?;
            let types = file.column_types()?;
            Ok((file, types))
        });
        let (file, file_types) = looked.unwrap_or_else(|reason| {
            Err(SourceError::Corrupt {
                path,
                what: format.name(),
                reason,
            })
        })?;
        let names: Vec<String> = file
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        if let Some(first) = self.files.first() {
            let differs =
                difference(&self.names, &names).or_else(|| unify(types, &file_types, &names));
            if let Some(difference) = differs {
                return Err(SourceError::DifferentColumns {
                    first: first.input.path.clone(),
                    second: file.input.path.clone(),
                    difference,
                });
            }
        } else {
            self.names = names;
            *types = file_types;
        }
        let packed = match packing {
            Packing::Plain => String::new(),
            packing => format!(" ({})", packing.name()),
        };
        self.n_rows += file.n_rows;
        self.origins.push(Origin {
            path: file.input.path.clone(),
            bytes,
            sha256,
            read_as: format!("{}{packed}", file.kind.name()),
            rows: file.n_rows,
        });
        self.files.push(file);
        Ok(())
    }

    /// The pass over the values, under the names of `schema`.
    pub fn into_scan(self, schema: &[ColumnSchema]) -> ColumnarScan {
        ColumnarScan {
            files: self.files.into(),
            columns: schema.to_vec(),
            schema: arrow_schema(schema),
        }
    }
}

/// Joins the types of one more file into `types`; says what does not join.
fn unify(
    types: &mut [Option<ColumnType>],
    more: &[Option<ColumnType>],
    names: &[String],
) -> Option<String> {
    for ((one, other), name) in types.iter_mut().zip(more).zip(names) {
        let (Some(a), Some(b)) = (*one, *other) else {
            *one = one.or(*other);
            continue;
        };
        let numbers = |kind| matches!(kind, ColumnType::Integer | ColumnType::Float);
        if a != b && numbers(a) && numbers(b) {
            *one = Some(ColumnType::Float);
        } else if a != b {
            return Some(format!("'{name}' is of type {b:?} instead of {a:?}").to_lowercase());
        }
    }
    None
}

/// The pass over columnar files.
pub(super) struct ColumnarScan {
    files: Arc<[ColumnarFile]>,
    columns: Vec<ColumnSchema>,
    schema: SchemaRef,
}

impl Scan for ColumnarScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn open(&self, columns: &[usize]) -> Result<ScanRows, BoxError> {
        let schema = Arc::new(self.schema.project(columns)?);
        Ok(Box::new(ColumnarBatches {
            files: Arc::clone(&self.files),
            wanted: columns.iter().map(|at| self.columns[*at].clone()).collect(),
            columns: columns.to_vec(),
            schema,
            next_file: 0,
            reader: None,
            waiting: None,
            n_file_rows: 0,
        }))
    }
}

/// One pass over some columns of columnar files, in batches of at most [`BATCH_ROWS`] rows.
struct ColumnarBatches {
    files: Arc<[ColumnarFile]>,
    columns: Vec<usize>,
    wanted: Vec<ColumnSchema>,
    schema: SchemaRef,
    next_file: usize,
    reader: Option<Batches>,
    /// The rest of a batch that was too long.
    waiting: Option<RecordBatch>,
    n_file_rows: u64,
}

impl ColumnarBatches {
    fn step(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        loop {
            if let Some(batch) = self.waiting.take() {
                let n = batch.num_rows().min(BATCH_ROWS);
                if n < batch.num_rows() {
                    self.waiting = Some(batch.slice(n, batch.num_rows() - n));
                }
                return self.typed(&batch.slice(0, n)).map(Some);
            }
            let Some(file) = self.files.get(self.next_file) else {
                return Ok(None);
            };
            let Some(reader) = &mut self.reader else {
                let mut sorted = self.columns.clone();
                sorted.sort_unstable();
                sorted.dedup();
                self.reader = Some(file.open(Some(&sorted))?.1);
                self.n_file_rows = 0;
                continue;
            };
            match reader.next() {
                Some(batch) => {
                    let batch = batch.map_err(|error| file.broken(&error))?;
                    self.n_file_rows += batch.num_rows() as u64;
                    self.waiting = (batch.num_rows() > 0).then_some(batch);
                }
                None if self.n_file_rows == file.n_rows => {
                    self.reader = None;
                    self.next_file += 1;
                }
                None => {
                    return Err(SourceError::Changed {
                        path: file.input.path.clone(),
                    });
                }
            }
        }
    }

    /// The wanted columns of a batch, in their order and types.
    fn typed(&self, batch: &RecordBatch) -> Result<RecordBatch, SourceError> {
        let file = &self.files[self.next_file];
        let mut sorted = self.columns.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (at, wanted) in self.columns.iter().zip(&self.wanted) {
            // Readers give the columns in the order of the file.
            let position = sorted.partition_point(|column| column < at);
            let array = batch.column(position);
            arrays.push(convert(array, wanted.column_type).map_err(|reason| {
                SourceError::UnreadableColumn {
                    path: file.input.path.clone(),
                    column: wanted.name.clone(),
                    arrow_type: array.data_type().to_string(),
                    reason,
                }
            })?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| SourceError::Engine(EngineError::Query(error.to_string())))
    }
}

impl Iterator for ColumnarBatches {
    type Item = Result<RecordBatch, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map_err(BoxError::from).transpose()
    }
}
