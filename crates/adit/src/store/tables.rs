//! Tables as files: Parquet, CSV and JSON Lines, the same bytes for the same rows.
//!
//! The bytes do not depend on how the rows were batched, on threads or on the time.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::{csv, json};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::StoreError;
use super::error::at;

/// Rows are handed to the encoders in batches of this size, however they arrive.
const CHUNK_ROWS: usize = 8_192;
const ROW_GROUP_ROWS: usize = 131_072;

/// A format that tables are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    Parquet,
    Csv,
    Jsonl,
}

impl TableFormat {
    /// The format that the end of the name asks for: `.parquet`, `.csv` or `.jsonl`.
    pub fn of(path: &Path) -> Result<TableFormat, StoreError> {
        let end = path
            .extension()
            .map(|end| end.to_string_lossy().to_ascii_lowercase());
        match end.as_deref() {
            Some("parquet") => Ok(TableFormat::Parquet),
            Some("csv") => Ok(TableFormat::Csv),
            Some("jsonl") => Ok(TableFormat::Jsonl),
            _ => Err(StoreError::UnknownFormat {
                path: path.to_path_buf(),
            }),
        }
    }
}

/// Writes batches of one schema; end it with [`finish`](TableWriter::finish).
pub struct TableWriter<W: Write + Send> {
    encoder: Encoder<W>,
    schema: SchemaRef,
    /// Fewer than [`CHUNK_ROWS`] rows between calls.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    trouble: Trouble,
    /// What errors call the file.
    path: std::path::PathBuf,
}

enum Encoder<W: Write + Send> {
    Parquet(Box<ArrowWriter<Recording<W>>>),
    Csv(Box<csv::Writer<Recording<W>>>),
    Jsonl(json::LineDelimitedWriter<Recording<W>>),
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins a table in `inner`; `path` is what errors call it.
    pub fn new(
        inner: W,
        format: TableFormat,
        schema: SchemaRef,
        path: &Path,
    ) -> Result<TableWriter<W>, StoreError> {
        let trouble = Trouble::default();
        let inner = Recording {
            inner,
            trouble: Arc::clone(&trouble),
        };
        let encoder = match format {
            TableFormat::Parquet => {
                let options = ArrowWriterOptions::new()
                    .with_properties(parquet_properties())
                    // The metadata of a schema is a hash map: its order is not fixed.
                    .with_skip_arrow_metadata(true);
                let writer = ArrowWriter::try_new_with_options(inner, Arc::clone(&schema), options)
                    .map_err(|e| explain(&trouble, path, &e))?;
                Encoder::Parquet(Box::new(writer))
            }
            TableFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(inner);
                // A table without rows still has its header.
                writer
                    .write(&RecordBatch::new_empty(Arc::clone(&schema)))
                    .map_err(|e| explain(&trouble, path, &e))?;
                Encoder::Csv(Box::new(writer))
            }
            TableFormat::Jsonl => Encoder::Jsonl(
                json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build(inner),
            ),
        };
        let path = path.to_path_buf();
        Ok(TableWriter {
            encoder,
            schema,
            waiting: Vec::new(),
            waiting_rows: 0,
            trouble,
            path,
        })
    }

    /// Adds rows; their columns must be those of the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (CHUNK_ROWS - self.waiting_rows).min(batch.num_rows() - start);
            self.waiting.push(batch.slice(start, rows));
            self.waiting_rows += rows;
            start += rows;
            if self.waiting_rows == CHUNK_ROWS {
                self.encode_waiting()?;
            }
        }
        Ok(())
    }

    fn encode_waiting(&mut self) -> Result<(), StoreError> {
        let chunk = concat_batches(&self.schema, &self.waiting)
            .map_err(|e| explain(&self.trouble, &self.path, &e))?;
        self.waiting.clear();
        self.waiting_rows = 0;
        match &mut self.encoder {
            Encoder::Parquet(writer) => writer
                .write(&chunk)
                .map_err(|e| explain(&self.trouble, &self.path, &e)),
            Encoder::Csv(writer) => writer
                .write(&chunk)
                .map_err(|e| explain(&self.trouble, &self.path, &e)),
            Encoder::Jsonl(writer) => writer
                .write(&chunk)
                .map_err(|e| explain(&self.trouble, &self.path, &e)),
        }
    }

    /// Writes what is left, and gives the inner writer back.
    pub fn finish(mut self) -> Result<W, StoreError> {
        if self.waiting_rows > 0 {
            self.encode_waiting()?;
        }
        let TableWriter {
            encoder,
            trouble,
            path,
            ..
        } = self;
        let recording = match encoder {
            Encoder::Parquet(writer) => writer
                .into_inner()
                .map_err(|e| explain(&trouble, &path, &e))?,
            Encoder::Csv(writer) => writer.into_inner(),
            Encoder::Jsonl(mut writer) => {
                writer.finish().map_err(|e| explain(&trouble, &path, &e))?;
                writer.into_inner()
            }
        };
        let mut inner = recording.inner;
        inner.flush().map_err(at("write", &path))?;
        Ok(inner)
    }
}

fn parquet_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("adit version ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build()
}

/// The last error of the writer below, which the encoders above turn into mere text.
type Trouble = Arc<Mutex<Option<io::Error>>>;

struct Recording<W> {
    inner: W,
    trouble: Trouble,
}

impl<W> Recording<W> {
    fn record<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }
}

impl<W: Write> Write for Recording<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.record(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.record(result)
    }
}

fn explain(trouble: &Trouble, path: &Path, error: &dyn std::error::Error) -> StoreError {
    match trouble
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
    {
        Some(error) => at("write", path)(error),
        None => StoreError::Encode {
            path: path.to_path_buf(),
            reason: error.to_string(),
        },
    }
}

/// One batch as the bytes of a Parquet file.
pub fn parquet_bytes(batch: &RecordBatch) -> Result<Vec<u8>, StoreError> {
    write_parquet(Vec::new(), &batch.schema(), [batch.clone()])
}

/// Writes a Parquet file; gives the writer back.
pub fn write_parquet<W: Write + Send>(
    writer: W,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
) -> Result<W, StoreError> {
    write_all(
        writer,
        TableFormat::Parquet,
        schema,
        batches,
        Path::new("the Parquet file"),
    )
}

fn write_all<W: Write + Send>(
    writer: W,
    format: TableFormat,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
    path: &Path,
) -> Result<W, StoreError> {
    let mut writer = TableWriter::new(writer, format, Arc::clone(schema), path)?;
    for batch in batches {
        writer.write(&batch)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use arrow::array::{ArrayRef, Float64Array, StringArray, UInt64Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn batch(n: usize) -> RecordBatch {
        let rows: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..n as u64));
        let text: ArrayRef = Arc::new(StringArray::from_iter(
            (0..n).map(|i| (i % 7 != 0).then(|| format!("a \"{i}\",\nb"))),
        ));
        let score: ArrayRef = Arc::new(Float64Array::from_iter_values(
            (0..n).map(|i| i as f64 / 3.0),
        ));
        RecordBatch::try_from_iter_with_nullable([
            ("row", rows, false),
            ("predicted", text, true),
            ("score", score, false),
        ])
        .unwrap()
    }

    fn bytes(format: TableFormat, pieces: &[RecordBatch]) -> Vec<u8> {
        write_all(
            Vec::new(),
            format,
            &pieces[0].schema(),
            pieces.to_vec(),
            Path::new("x"),
        )
        .unwrap()
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_batches() {
        let whole = batch(30_000);
        let mut pieces = Vec::new();
        let mut start = 0;
        for size in [1, 9_999, 0, 8_192, 3, 11_805] {
            pieces.push(whole.slice(start, size));
            start += size;
        }
        assert_eq!(start, 30_000);
        for format in [TableFormat::Parquet, TableFormat::Csv, TableFormat::Jsonl] {
            assert_eq!(
                bytes(format, from_ref(&whole)),
                bytes(format, &pieces),
                "{format:?}"
            );
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_metadata_of_the_schema() {
        let plain = batch(10);
        let schema = plain.schema();
        let tagged = Schema::new_with_metadata(
            schema.fields().clone(),
            (0..20)
                .map(|i| (format!("key{i}"), "x".to_string()))
                .collect(),
        );
        let tagged = RecordBatch::try_new(Arc::new(tagged), plain.columns().to_vec()).unwrap();
        assert_eq!(
            parquet_bytes(&plain).unwrap(),
            parquet_bytes(&tagged).unwrap()
        );
    }

    #[test]
    fn parquet_is_read_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.parquet");
        let table = batch(20_000);
        std::fs::write(&path, parquet_bytes(&table).unwrap()).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let back: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        let back = concat_batches(&back[0].schema(), &back).unwrap();
        assert_eq!(back.columns(), table.columns());
    }

    #[test]
    fn csv_and_jsonl_hold_what_is_missing_and_what_must_be_quoted() {
        let table = batch(2);
        let csv = String::from_utf8(bytes(TableFormat::Csv, from_ref(&table))).unwrap();
        assert_eq!(
            csv,
            "row,predicted,score\n0,,0.0\n1,\"a \"\"1\"\",\nb\",0.3333333333333333\n"
        );
        let jsonl = String::from_utf8(bytes(TableFormat::Jsonl, &[table])).unwrap();
        assert_eq!(
            jsonl,
            "{\"row\":0,\"predicted\":null,\"score\":0.0}\n\
             {\"row\":1,\"predicted\":\"a \\\"1\\\",\\nb\",\"score\":0.3333333333333333}\n"
        );
    }

    #[test]
    fn a_table_without_rows_keeps_its_columns() {
        let table = batch(0);
        assert_eq!(
            bytes(TableFormat::Csv, from_ref(&table)),
            b"row,predicted,score\n"
        );
        assert!(bytes(TableFormat::Jsonl, from_ref(&table)).is_empty());
        assert_eq!(&bytes(TableFormat::Parquet, &[table])[..4], b"PAR1");
    }

    #[test]
    fn the_name_decides_the_format() {
        assert_eq!(
            TableFormat::of(Path::new("a.b.CSV")).unwrap(),
            TableFormat::Csv
        );
        let error = TableFormat::of(Path::new("out.xlsx")).unwrap_err();
        assert!(error.hint().unwrap().contains(".parquet"));
    }

    #[test]
    fn a_full_disk_is_told_for_every_format() {
        #[derive(Debug)]
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for format in [TableFormat::Parquet, TableFormat::Csv, TableFormat::Jsonl] {
            let table = batch(100);
            let path = Path::new("/data/p");
            let error = write_all(Full, format, &table.schema(), [table], path).unwrap_err();
            assert!(
                matches!(error, StoreError::DiskFull { .. }),
                "{format:?}: {error}"
            );
        }
    }

    #[test]
    fn a_batch_of_another_schema_is_an_error() {
        let schema: SchemaRef =
            Arc::new(Schema::new(vec![Field::new("other", DataType::Int8, true)]));
        let error = write_parquet(Vec::new(), &schema, [batch(3)]).unwrap_err();
        assert!(matches!(error, StoreError::Encode { .. }), "{error}");
    }
}
