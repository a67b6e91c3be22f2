//! The table that leaves the room.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use adit_nn::watch::{Silent, Watch};

use crate::engine::{BoxError, Rows, Scan, ScanRows, Session};

use super::columnar::ColumnarSurvey;
use super::input::Input;
use super::inputs::{Inputs, check_readable};
use super::profiler::Profiler;
use super::text::Survey;
use super::{BadRowLimit, Format, Profile, SourceError, SourceSettings};

/// The type of a column after inference; every Arrow type is read as one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `Boolean` in Arrow.
    Boolean,
    /// `Int64` in Arrow.
    Integer,
    /// `Float64` in Arrow.
    Float,
    /// `Timestamp(Millisecond, None)` in Arrow, UTC.
    Time,
    /// `Utf8` in Arrow.
    Text,
}

/// A column's name and type, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ColumnSchema {
    pub name: String,
    pub column_type: ColumnType,
}

/// Where rows came from and how they were read.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    pub path: PathBuf,
    pub bytes: u64,
    /// Hex SHA-256 of the file's bytes as they lie on disk.
    pub sha256: String,
    /// For example `csv (gzip), delimiter ',', UTF-8, header`.
    pub read_as: String,
    /// Good rows read from this file.
    pub rows: u64,
}

/// A row that could not be read and was kept aside.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadRow {
    pub path: PathBuf,
    /// 1-based line at which the row starts.
    pub line: u64,
    pub reason: String,
    /// The raw text, lossily decoded, at most 1,000 characters.
    pub raw: String,
}

/// Rows of one Arrow batch with their ids.
#[derive(Clone, Debug)]
pub struct Batch {
    /// 0-based position of the batch's first row among the table's good rows.
    pub first_row: u64,
    /// Columns in schema order (or as projected), types as in [`ColumnType`].
    pub columns: arrow::array::RecordBatch,
}

/// A table that was read once: its columns are known, and its rows can be streamed.
pub struct Table {
    schema: Vec<ColumnSchema>,
    n_rows: u64,
    origins: Vec<Origin>,
    bad_rows: Vec<BadRow>,
    n_bad_rows: u64,
    warnings: Vec<String>,
    notes: Vec<ColumnNotes>,
    scan: Arc<dyn Scan>,
    session: Session,
}

impl Table {
    /// Reads the inputs once: finds their format, columns and types, and counts bad rows.
    ///
    /// Standard input and packed Parquet or Arrow files are copied to temporary files in
    /// `spool_dir`, which live as long as the table. Memory does not grow with the files.
    pub fn open(
        settings: &SourceSettings,
        spool_dir: &Path,
        session: &Session,
        watch: &dyn Watch,
    ) -> Result<Table, SourceError> {
        check(settings)?;
        let inputs = Inputs::find(settings, spool_dir)?;
        for input in &inputs.files {
            check_readable(input)?;
        }
        if !inputs.format.is_text() {
            let survey = ColumnarSurvey::of(inputs.files, inputs.format, spool_dir, watch)?;
            return Ok(Table::columnar(survey, inputs.warnings, session));
        }
        let survey = Survey::of(inputs.files, inputs.format, settings, watch)?;
        Ok(Table::text(survey, inputs.warnings, session))
    }

    fn text(mut survey: Survey, mut warnings: Vec<String>, session: &Session) -> Table {
        let described = describe(&survey);
        warnings.append(&mut survey.warnings);
        warnings.extend(described.warnings);
        Table {
            n_rows: survey.n_rows,
            origins: std::mem::take(&mut survey.origins),
            bad_rows: std::mem::take(&mut survey.bad_rows),
            n_bad_rows: survey.n_bad_rows,
            warnings,
            notes: described.notes,
            scan: Arc::new(survey.into_scan(&described.schema)),
            schema: described.schema,
            session: session.clone(),
        }
    }

    fn columnar(mut survey: ColumnarSurvey, mut warnings: Vec<String>, session: &Session) -> Table {
        let (names, renamed) = unique_names(&survey.names);
        warnings.extend(renamed);
        let types = survey.types.iter().copied();
        let schema: Vec<ColumnSchema> = names
            .into_iter()
            .zip(types)
            .map(|(name, column_type)| ColumnSchema { name, column_type })
            .collect();
        Table {
            n_rows: survey.n_rows,
            origins: std::mem::take(&mut survey.origins),
            bad_rows: Vec::new(),
            n_bad_rows: 0,
            warnings,
            notes: vec![ColumnNotes::default(); schema.len()],
            scan: Arc::new(survey.into_scan(&schema)),
            schema,
            session: session.clone(),
        }
    }

    /// The columns in the order of the file; names are unique.
    pub fn schema(&self) -> &[ColumnSchema] {
        &self.schema
    }

    /// Good rows.
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The files, in the order in which their rows come.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The first 50,000 rows that could not be read.
    pub fn bad_rows(&self) -> &[BadRow] {
        &self.bad_rows
    }

    /// All rows that could not be read.
    pub fn n_bad_rows(&self) -> u64 {
        self.n_bad_rows
    }

    /// What a person should know about how the table was read, in plain sentences.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Streams the good rows of `columns` (all when `None`) in the order of the files.
    ///
    /// Batches hold at most 8,192 rows. Only a few of them are in memory at a time.
    pub fn batches(&self, columns: Option<&[usize]>) -> Result<Batches, SourceError> {
        let n_columns = self.schema.len();
        if let Some(column) = columns.unwrap_or(&[]).iter().find(|at| **at >= n_columns) {
            return Err(SourceError::NoSuchColumn {
                column: *column,
                n_columns,
            });
        }
        let rows = self.session.rows(Arc::clone(&self.scan), columns)?;
        Ok(Batches {
            rows,
            next_row: 0,
            n_rows: self.n_rows,
            ended: false,
        })
    }

    /// Streams what becomes of the good rows of `columns`, sorted by its first `n_keys` columns; what does not fit into
    /// `memory` bytes waits in files of `folder`.
    pub fn sorted(
        &self,
        columns: &[usize],
        change: Change,
        n_keys: usize,
        (memory, folder): (u64, &Path),
    ) -> Result<Rows, SourceError> {
        let scan = Changed {
            scan: Arc::clone(&self.scan),
            columns: columns.to_vec(),
            n_rows: self.n_rows,
            change,
        };
        Ok(self
            .session
            .sorted(Arc::new(scan), n_keys, (memory, folder))?)
    }

    /// Describes every column, in one pass over the rows.
    pub fn profile(&self, watch: &dyn Watch) -> Result<Profile, SourceError> {
        let mut profiler = Profiler::new(&self.schema);
        for batch in self.batches(None)? {
            if watch.cancelled() {
                return Err(SourceError::Cancelled);
            }
            let batch = batch?;
            profiler.add(&batch.columns);
            watch.progress("profiling", profiler.n_rows(), self.n_rows, "");
        }
        let mut profile = profiler.finish();
        for (column, notes) in profile.columns.iter_mut().zip(&self.notes) {
            column.blanks += notes.blanks;
            column.non_numeric = notes.non_numeric.clone();
        }
        Ok(profile)
    }
}

/// What becomes of the batches of a table as they are read.
pub struct Change {
    pub schema: SchemaRef,
    /// Of a batch and the position of its first row.
    #[allow(clippy::type_complexity)]
    pub of: Arc<dyn Fn(&RecordBatch, u64) -> Result<RecordBatch, BoxError> + Send + Sync>,
}

/// A scan whose batches are changed.
struct Changed {
    scan: Arc<dyn Scan>,
    columns: Vec<usize>,
    n_rows: u64,
    change: Change,
}

impl Scan for Changed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.change.schema)
    }

    fn open(&self, columns: &[usize]) -> Result<ScanRows, BoxError> {
        let mut rows = Some(self.scan.open(&self.columns)?);
        let (of, wanted, all) = (Arc::clone(&self.change.of), columns.to_vec(), self.n_rows);
        let mut next = 0;
        Ok(Box::new(std::iter::from_fn(move || {
            let found = match rows.as_mut()?.next() {
                Some(Ok(batch)) => {
                    let first = next;
                    next += batch.num_rows() as u64;
                    of(&batch, first).and_then(|batch| Ok(batch.project(&wanted)?))
                }
                Some(Err(error)) => Err(error),
                None => {
                    rows = None;
                    let short = SourceError::Short {
                        n_read: next,
                        n_rows: all,
                    };
                    return (next != all).then(|| Err(short.into()));
                }
            };
            if found.is_err() {
                rows = None;
            }
            Some(found)
        })))
    }
}

#[cfg(test)]
impl Table {
    /// Count, least, greatest, mean and distinct values of a column, by the engine.
    pub(super) fn aggregates_for_tests(&self, column: usize) -> RecordBatch {
        use crate::engine::Aggregate::{Count, CountDistinct, Max, Mean, Min};
        let wanted = [Count, Min, Max, Mean, CountDistinct].map(|aggregate| (column, aggregate));
        self.session
            .aggregate(Arc::clone(&self.scan), &wanted)
            .unwrap()
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("schema", &self.schema)
            .field("n_rows", &self.n_rows)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// The rows of a table, batch by batch; dropping it stops the reading.
pub struct Batches {
    rows: Rows,
    next_row: u64,
    n_rows: u64,
    ended: bool,
}

impl Iterator for Batches {
    type Item = Result<Batch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.rows.next() {
            Some(Ok(columns)) => {
                let first_row = self.next_row;
                self.next_row += columns.num_rows() as u64;
                Some(Ok(Batch { first_row, columns }))
            }
            Some(Err(error)) => {
                self.ended = true;
                Some(Err(SourceError::from(error)))
            }
            None => {
                self.ended = true;
                let (next, all) = (self.next_row, self.n_rows);
                (next != all).then(|| {
                    Err(SourceError::Short {
                        n_read: next,
                        n_rows: all,
                    })
                })
            }
        }
    }
}

/// What the cells of a text column were, beyond what its values show.
#[derive(Clone, Debug, Default)]
struct ColumnNotes {
    blanks: u64,
    non_numeric: Vec<(u64, String)>,
}

struct Described {
    schema: Vec<ColumnSchema>,
    notes: Vec<ColumnNotes>,
    warnings: Vec<String>,
}

/// The columns of a surveyed text table.
fn describe(survey: &Survey) -> Described {
    let (names, mut warnings) = unique_names(survey.keys());
    let mut schema = Vec::with_capacity(names.len());
    let mut notes = Vec::with_capacity(names.len());
    for (name, tally) in names.into_iter().zip(survey.tallies()) {
        warnings.extend(tally.warning(&name));
        notes.push(ColumnNotes {
            blanks: tally.blanks,
            non_numeric: tally.non_numeric(),
        });
        schema.push(ColumnSchema {
            name,
            column_type: tally.reading().column_type(),
        });
    }
    Described {
        schema,
        notes,
        warnings,
    }
}

/// Names that are there once each: `a, a` become `a, a_2`, an empty one `column_3`.
fn unique_names(raw: &[String]) -> (Vec<String>, Vec<String>) {
    let given: HashSet<&str> = raw.iter().map(String::as_str).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut warnings = Vec::new();
    let mut names = Vec::with_capacity(raw.len());
    for (position, name) in raw.iter().enumerate() {
        let base = match name.trim() {
            "" => format!("column_{}", position + 1),
            _ => name.clone(),
        };
        let mut unique = base.clone();
        let count = counts.entry(base.clone()).or_insert(1);
        while taken.contains(&unique) || (unique != *name && given.contains(unique.as_str())) {
            *count += 1;
            unique = format!("{base}_{count}");
        }
        if unique != *name {
            warnings.push(match name.trim() {
                "" => format!(
                    "column {} has no name; it is called '{unique}'",
                    position + 1
                ),
                _ => format!(
                    "column {}: '{name}' is there before; it is called '{unique}'",
                    position + 1
                ),
            });
        }
        taken.insert(unique.clone());
        names.push(unique);
    }
    (names, warnings)
}

/// Refuses settings that make no sense.
fn check(settings: &SourceSettings) -> Result<(), SourceError> {
    let mark = |name, byte: Option<u8>| match byte {
        Some(byte) if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0) => {
            Err(SourceError::BadSetting {
                name,
                reason: "must be one ASCII character".to_string(),
            })
        }
        _ => Ok(()),
    };
    mark("delimiter", settings.delimiter)?;
    mark("quote", settings.quote)?;
    if settings.delimiter.is_some() && settings.delimiter == settings.quote {
        let reason = "must differ from the delimiter".to_string();
        return Err(SourceError::BadSetting {
            name: "quote",
            reason,
        });
    }
    if let BadRowLimit::Share(share) = settings.max_bad_rows
        && !(0.0..=1.0).contains(&share)
    {
        let reason = format!("a share of {share} is not between 0 and 1");
        return Err(SourceError::BadSetting {
            name: "max_bad_rows",
            reason,
        });
    }
    Ok(())
}

/// A text table that was read from memory.
#[derive(Clone, Debug)]
pub struct TextBytes {
    pub schema: Vec<ColumnSchema>,
    pub batches: Vec<RecordBatch>,
    /// The first 50,000.
    pub bad_rows: Vec<BadRow>,
}

/// Reads a text table from memory as [`Table::open`] would read it from a file.
///
/// For tests and fuzzing: it touches no file and starts no thread.
pub fn read_text_bytes(
    bytes: &[u8],
    format: Format,
    settings: &SourceSettings,
) -> Result<TextBytes, SourceError> {
    check(settings)?;
    let input = Input::memory("memory", bytes)?;
    check_readable(&input)?;
    let mut survey = Survey::of(vec![input], format, settings, &Silent)?;
    let schema = describe(&survey).schema;
    let bad_rows = std::mem::take(&mut survey.bad_rows);
    let columns: Vec<usize> = (0..schema.len()).collect();
    let batches = survey
        .into_scan(&schema)
        .batches(&columns)?
        .collect::<Result<_, _>>()?;
    Ok(TextBytes {
        schema,
        batches,
        bad_rows,
    })
}
