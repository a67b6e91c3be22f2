//! Laws of the room, on files as they lie on a disk.

mod bad_input;
mod detection;
mod formats;
mod profiles;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tempfile::TempDir;

use adit_nn::watch::Silent;

use crate::engine::Session;

use super::*;

/// A folder of files that is gone after the test.
struct Folder(Arc<TempDir>);

/// A table with the folders that it reads from.
#[derive(Debug)]
struct Opened {
    table: Table,
    _folders: [Arc<TempDir>; 2],
}

impl Deref for Opened {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

impl Folder {
    fn new() -> Folder {
        Folder(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn with(name: &str, bytes: impl AsRef<[u8]>) -> Folder {
        let folder = Folder::new();
        folder.add(name, bytes);
        folder
    }

    fn add(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self, names: &[&str]) -> SourceSettings {
        let inputs = names
            .iter()
            .map(|name| self.path().join(name).to_string_lossy().into_owned());
        SourceSettings {
            inputs: inputs.collect(),
            ..SourceSettings::default()
        }
    }

    fn open(&self, name: &str) -> Result<Opened, SourceError> {
        let mut opened = open(&self.settings(&[name]))?;
        opened._folders[0] = Arc::clone(&self.0);
        Ok(opened)
    }

    fn file_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn open(settings: &SourceSettings) -> Result<Opened, SourceError> {
    let spool = Arc::new(tempfile::tempdir().unwrap());
    let session = Session::new(2, None).unwrap();
    let table = Table::open(settings, spool.path(), &session, &Silent)?;
    Ok(Opened {
        table,
        _folders: [Arc::clone(&spool), spool],
    })
}

/// Every cell as text, row by row; `None` is missing.
fn cells(table: &Table) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for batch in table.batches(None).unwrap() {
        let batch = batch.unwrap();
        assert_eq!(batch.first_row, rows.len() as u64);
        for row in 0..batch.columns.num_rows() {
            rows.push(
                batch
                    .columns
                    .columns()
                    .iter()
                    .map(|column| cell(column, row))
                    .collect(),
            );
        }
    }
    assert_eq!(rows.len() as u64, table.n_rows());
    rows
}

fn cell(column: &ArrayRef, row: usize) -> Option<String> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
    column
        .is_valid(row)
        .then(|| formatter.value(row).to_string())
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells
        .iter()
        .map(|cell| (!cell.is_empty()).then(|| cell.to_string()))
        .collect()
}

fn names(table: &Table) -> Vec<&str> {
    table
        .schema()
        .iter()
        .map(|column| column.name.as_str())
        .collect()
}

fn types(table: &Table) -> Vec<ColumnType> {
    table
        .schema()
        .iter()
        .map(|column| column.column_type)
        .collect()
}

/// A file of the shared data sets, where they are.
fn data_set(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ADIT_DATA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = root.unwrap_or(beside).join(name);
    if !path.exists() {
        eprintln!(
            "passed over: {} is not there; set ADIT_DATA",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
