//! Text tables: the first pass finds out what they are, the second streams typed batches.

use std::io;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use encoding_rs::UTF_8;

use adit_nn::watch::Watch;

use crate::engine::{BoxError, Scan, ScanRows};

use super::build::{ColumnBuilder, arrow_schema};
use super::dialect::{self, Dialect};
use super::encoding::{self, TextEncoding};
use super::infer::{Reading, Tally};
use super::input::{Input, Tap};
use super::json::JsonRows;
use super::record::Records;
use super::rows::{Bad, Cells, DelimitedRows, Row, TextRows};
use super::{BadRow, ColumnSchema, Format, Origin, SourceError, SourceSettings};

/// Bad rows that are kept; the others are only counted.
const KEPT_BAD_ROWS: usize = 50_000;
/// Rows between two looks at the watch.
const ROWS_PER_LOOK: u64 = 1_024;
/// Rows, cells and bytes of one batch, whichever is reached first.
const BATCH_ROWS: usize = 8_192;
const BATCH_CELLS: usize = 1 << 22;
const BATCH_BYTES: usize = 32 << 20;

/// How the rows of one file are told apart.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Delimited(Dialect),
    Json,
}

/// One file after the first pass.
#[derive(Clone, Debug)]
struct TextFile {
    input: Input,
    encoding: TextEncoding,
    layout: Layout,
    n_rows: u64,
}

/// An opened file and the cells of its first record.
struct Opened {
    rows: TextRows,
    first: Vec<String>,
    first_undecodable: bool,
}

impl TextFile {
    fn open(&self, keys: &[String], grows: bool, tap: &Tap) -> Result<Opened, SourceError> {
        let decoded = self.encoding.decode(self.input.open(tap)?);
        let encoding = self.encoding.encoding.name();
        match self.layout {
            Layout::Json => {
                let rows = JsonRows::new(decoded, keys.to_vec(), grows, encoding);
                let rows = TextRows::Json(Box::new(rows));
                Ok(Opened {
                    rows,
                    first: Vec::new(),
                    first_undecodable: false,
                })
            }
            Layout::Delimited(dialect) => {
                let records = Records::new(decoded, dialect.marks);
                let (rows, first) = DelimitedRows::start(records, dialect.header, encoding)
                    .map_err(|error| self.input.io_error(error))?;
                let first_undecodable = rows.is_undecodable();
                Ok(Opened {
                    rows: TextRows::Delimited(Box::new(rows)),
                    first,
                    first_undecodable,
                })
            }
        }
    }

    /// In words, for the origin.
    fn describe(&self, format: Format) -> String {
        let packing = match self.input.packing {
            super::input::Packing::Plain => String::new(),
            packed => format!(" ({})", packed.name()),
        };
        let encoding = self.encoding.encoding.name();
        match self.layout {
            Layout::Json => format!("{}{packing}, {encoding}", format.name()),
            Layout::Delimited(dialect) => {
                format!(
                    "{}{packing}, {encoding}, {}",
                    format.name(),
                    dialect.describe()
                )
            }
        }
    }
}

/// What the first pass found out.
#[derive(Clone, Default)]
pub(super) struct Survey {
    files: Vec<TextFile>,
    /// Names as written in the files.
    keys: Vec<String>,
    tallies: Vec<Tally>,
    pub n_rows: u64,
    pub bad_rows: Vec<BadRow>,
    pub n_bad_rows: u64,
    pub origins: Vec<Origin>,
    pub warnings: Vec<String>,
}

/// What the passes over all files share.
pub(super) struct FirstPass<'a> {
    pub format: Format,
    pub settings: &'a SourceSettings,
    pub watch: &'a dyn Watch,
    /// Bytes of all files on disk, and of those already read.
    pub all_bytes: u64,
    pub done_bytes: u64,
}

impl Survey {
    /// Reads all files once.
    pub fn of(
        inputs: Vec<Input>,
        format: Format,
        settings: &SourceSettings,
        watch: &dyn Watch,
    ) -> Result<Survey, SourceError> {
        let all_bytes = inputs.iter().map(|input| input.bytes).sum();
        let mut pass = FirstPass {
            format,
            settings,
            watch,
            all_bytes,
            done_bytes: 0,
        };
        let mut survey = Survey::default();
        for input in inputs {
            let bytes = input.bytes;
            survey = survey.with_file(input, &pass)?;
            pass.done_bytes += bytes;
        }
        survey.judge(settings)?;
        Ok(survey)
    }

    /// Adds one file; when its bytes are not UTF-8 after all, it is read again as what they are.
    fn with_file(self, input: Input, pass: &FirstPass) -> Result<Survey, SourceError> {
        let head = input.head()?;
        let mut encoding = TextEncoding::of(&head, pass.settings.encoding.as_deref())?;
        if !encoding.declared {
            let mut attempt = self.clone();
            if attempt.add_file(input.clone(), encoding, true, pass)? {
                return Ok(attempt);
            }
            let bytes = input.open(&Tap::default())?;
            encoding.encoding = encoding::guess(bytes).map_err(|error| input.io_error(error))?;
        }
        let mut survey = self;
        if encoding.encoding != UTF_8 && !encoding.declared {
            survey.warnings.push(format!(
                "{}: the bytes are not UTF-8; they are read as {}, a guess",
                input.path.display(),
                encoding.encoding.name()
            ));
        }
        survey.add_file(input, encoding, false, pass)?;
        Ok(survey)
    }

    /// Reads one file; false when `strict` and a row is not in the encoding.
    fn add_file(
        &mut self,
        input: Input,
        encoding: TextEncoding,
        strict: bool,
        pass: &FirstPass,
    ) -> Result<bool, SourceError> {
        let layout = layout(&input, encoding, pass)?;
        let mut file = TextFile {
            input,
            encoding,
            layout,
            n_rows: 0,
        };
        let tap = Tap::hashing();
        let mut opened = file.open(&self.keys, true, &tap)?;
        if strict && opened.first_undecodable {
            return Ok(false);
        }
        if let Layout::Delimited(dialect) = layout {
            self.take_names(&file, dialect, &opened.first)?;
        }
        loop {
            let row = opened
                .rows
                .next_row()
                .map_err(|error| file.input.io_error(error))?;
            match row {
                Row::End => break,
                Row::Bad(bad) if strict && bad.undecodable => return Ok(false),
                Row::Bad(bad) => self.keep_bad(&file.input, bad),
                Row::Good(cells) => {
                    self.tally(&cells);
                    file.n_rows += 1;
                    self.n_rows += 1;
                }
            }
            if (self.n_rows + self.n_bad_rows).is_multiple_of(ROWS_PER_LOOK) {
                pass.look(&tap, &file.input)?;
            }
        }
        if let TextRows::Json(rows) = &opened.rows {
            self.keys = rows.names().to_vec();
            self.tallies.resize_with(self.keys.len(), Tally::default);
        }
        pass.look(&tap, &file.input)?;
        drop(opened);
        self.origins.push(Origin {
            path: file.input.path.clone(),
            bytes: file.input.bytes,
            sha256: file.input.sha256(&tap)?,
            read_as: file.describe(pass.format),
            rows: file.n_rows,
        });
        self.files.push(file);
        Ok(true)
    }

    fn tally(&mut self, cells: &Cells) {
        if self.tallies.len() < cells.ends.len() {
            self.tallies.resize_with(cells.ends.len(), Tally::default);
        }
        for (column, tally) in self.tallies.iter_mut().enumerate() {
            tally.add(self.n_rows, cells.get(column));
        }
    }

    fn keep_bad(&mut self, input: &Input, bad: Bad) {
        self.n_bad_rows += bad.n_rows;
        if self.bad_rows.len() < KEPT_BAD_ROWS {
            let path = input.path.clone();
            self.bad_rows.push(BadRow {
                path,
                line: bad.line,
                reason: bad.reason,
                raw: bad.raw,
            });
        }
    }

    /// Takes the names of the first file, and holds every other file to them.
    fn take_names(
        &mut self,
        file: &TextFile,
        dialect: Dialect,
        first: &[String],
    ) -> Result<(), SourceError> {
        let path = file.input.path.clone();
        if first.is_empty() {
            return Err(SourceError::Empty { path });
        }
        let names: Vec<String> = if dialect.header {
            first.to_vec()
        } else {
            (1..=first.len())
                .map(|column| format!("column_{column}"))
                .collect()
        };
        let Some(other) = self.files.first() else {
            self.tallies.resize_with(names.len(), Tally::default);
            self.keys = names;
            return Ok(());
        };
        match difference(&self.keys, &names) {
            None => Ok(()),
            Some(difference) => Err(SourceError::DifferentColumns {
                first: other.input.path.clone(),
                second: path,
                difference,
            }),
        }
    }

    /// Fails on too many bad rows, no columns and no rows.
    fn judge(&self, settings: &SourceSettings) -> Result<(), SourceError> {
        let n_all = self.n_rows + self.n_bad_rows;
        if let Some(first) = self.bad_rows.first()
            && (self.n_rows == 0 || !settings.max_bad_rows.allows(self.n_bad_rows, n_all))
        {
            return Err(SourceError::TooManyBadRows {
                n_bad: self.n_bad_rows,
                n_all,
                limit: settings.max_bad_rows,
                first: Box::new(first.clone()),
            });
        }
        let path = || {
            self.origins
                .first()
                .map(|origin| origin.path.clone())
                .unwrap_or_default()
        };
        if self.n_rows == 0 {
            return Err(SourceError::NoRows { path: path() });
        }
        if self.keys.is_empty() {
            return Err(SourceError::NoColumns { path: path() });
        }
        Ok(())
    }

    /// The names as written, from which those of the schema are made.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// What was seen in each column.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// The second pass, under the names of `schema`.
    pub fn into_scan(self, schema: &[ColumnSchema]) -> TextScan {
        TextScan {
            schema: arrow_schema(schema),
            readings: self.tallies.iter().map(Tally::reading).collect(),
            files: self.files.into(),
            keys: self.keys,
        }
    }
}

impl FirstPass<'_> {
    fn look(&self, tap: &Tap, input: &Input) -> Result<(), SourceError> {
        if self.watch.cancelled() {
            return Err(SourceError::Cancelled);
        }
        let done = self.done_bytes + tap.bytes();
        self.watch.progress(
            "reading",
            done,
            self.all_bytes,
            &input.path.to_string_lossy(),
        );
        Ok(())
    }
}

/// Finds out how the rows of a file are told apart.
fn layout(input: &Input, encoding: TextEncoding, pass: &FirstPass) -> Result<Layout, SourceError> {
    let io_error = |error| input.io_error(error);
    let decoded = encoding.decode(input.open(&Tap::default())?);
    let (sample, whole) = dialect::sample(decoded).map_err(io_error)?;
    if whole && sample.iter().all(u8::is_ascii_whitespace) {
        return Err(SourceError::Empty {
            path: input.path.clone(),
        });
    }
    if pass.format == Format::JsonLines {
        return Ok(Layout::Json);
    }
    let tabs = pass.format == Format::Tsv;
    let found = dialect::detect(&sample, whole, pass.settings, tabs).map_err(io_error)?;
    Ok(Layout::Delimited(found))
}

/// The first difference between the columns of two files, in words.
pub(super) fn difference(first: &[String], second: &[String]) -> Option<String> {
    if first == second {
        return None;
    }
    if let Some(name) = second.iter().find(|name| !first.contains(name)) {
        let missing = first.iter().find(|name| !second.contains(name));
        return Some(match missing {
            Some(missing) => format!("it has '{name}' and lacks '{missing}'"),
            None => format!("it has '{name}' besides"),
        });
    }
    if let Some(name) = first.iter().find(|name| !second.contains(name)) {
        return Some(format!("it lacks '{name}'"));
    }
    if first.len() != second.len() {
        return Some(format!(
            "it has {} columns instead of {}",
            second.len(),
            first.len()
        ));
    }
    Some("they stand in another order".to_string())
}

/// The second pass over text files.
pub(super) struct TextScan {
    files: Arc<[TextFile]>,
    keys: Vec<String>,
    readings: Vec<Reading>,
    schema: SchemaRef,
}

impl TextScan {
    /// Opens a pass with errors of this room.
    pub fn batches(&self, columns: &[usize]) -> Result<TextBatches, SourceError> {
        let schema = self
            .schema
            .project(columns)
            .map_err(|_| SourceError::NoSuchColumn {
                column: columns.iter().copied().max().unwrap_or(0),
                n_columns: self.readings.len(),
            })?;
        Ok(TextBatches {
            files: Arc::clone(&self.files),
            keys: self.keys.clone(),
            columns: columns.to_vec(),
            builders: columns
                .iter()
                .map(|at| ColumnBuilder::new(self.readings[*at]))
                .collect(),
            schema: Arc::new(schema),
            next_file: 0,
            rows: None,
            n_file_rows: 0,
            ended: false,
        })
    }
}

impl Scan for TextScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn open(&self, columns: &[usize]) -> Result<ScanRows, BoxError> {
        let batches = self.batches(columns)?;
        Ok(Box::new(batches.map(|batch| batch.map_err(BoxError::from))))
    }
}

/// One pass over some columns of text files.
pub(super) struct TextBatches {
    files: Arc<[TextFile]>,
    keys: Vec<String>,
    columns: Vec<usize>,
    builders: Vec<ColumnBuilder>,
    schema: SchemaRef,
    next_file: usize,
    rows: Option<TextRows>,
    n_file_rows: u64,
    ended: bool,
}

/// Whether a step of the pass found a row.
enum Step {
    Row { bytes: usize },
    Nothing,
    End,
}

impl TextBatches {
    fn batch(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        let max_rows = (BATCH_CELLS / self.columns.len().max(1)).clamp(1, BATCH_ROWS);
        let (mut n_rows, mut n_bytes) = (0, 0);
        while n_rows < max_rows && n_bytes < BATCH_BYTES {
            match self.step()? {
                Step::Row { bytes } => {
                    n_rows += 1;
                    n_bytes += bytes;
                }
                Step::Nothing => {}
                Step::End => break,
            }
        }
        if n_rows == 0 {
            return Ok(None);
        }
        let arrays = self
            .builders
            .iter_mut()
            .map(ColumnBuilder::finish)
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map(Some)
            .map_err(|error| {
                SourceError::Engine(crate::engine::EngineError::Query(error.to_string()))
            })
    }

    /// Reads one row, or opens the next file.
    fn step(&mut self) -> Result<Step, SourceError> {
        let Some(rows) = &mut self.rows else {
            let Some(file) = self.files.get(self.next_file) else {
                return Ok(Step::End);
            };
            self.rows = Some(file.open(&self.keys, false, &Tap::default())?.rows);
            self.n_file_rows = 0;
            return Ok(Step::Nothing);
        };
        let file = &self.files[self.next_file];
        match rows
            .next_row()
            .map_err(|error: io::Error| file.input.io_error(error))?
        {
            Row::Bad(_) => Ok(Step::Nothing),
            Row::Good(cells) => {
                for (builder, column) in self.builders.iter_mut().zip(&self.columns) {
                    builder.push(cells.get(*column));
                }
                self.n_file_rows += 1;
                Ok(Step::Row {
                    bytes: cells.text.len(),
                })
            }
            Row::End if self.n_file_rows == file.n_rows => {
                self.rows = None;
                self.next_file += 1;
                Ok(Step::Nothing)
            }
            Row::End => Err(SourceError::Changed {
                path: file.input.path.clone(),
            }),
        }
    }
}

impl Iterator for TextBatches {
    type Item = Result<RecordBatch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch().transpose();
        self.ended = !matches!(batch, Some(Ok(_)));
        batch
    }
}
