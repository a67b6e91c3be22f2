//! Names of inputs become files of one kind: files, globs, folders, standard input.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::input::{Input, Tap};
use super::{Format, SourceError, SourceSettings};

/// Files of one format, in the order in which they are read.
pub(super) struct Inputs {
    pub files: Vec<Input>,
    pub format: Format,
    pub warnings: Vec<String>,
}

/// Kinds of files that are known, but not read.
const OTHERS: [(&[u8], &str, &str); 11] = [
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook",
        "save it as CSV, or unpack it",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel workbook",
        "save it as CSV",
    ),
    (
        b"SQLite format 3",
        "an SQLite database",
        "export the table as CSV",
    ),
    (b"%PDF", "a PDF document", "export its table as CSV"),
    (
        b"BZh",
        "a bzip2 file",
        "unpack it, or pack it with gzip or zstd",
    ),
    (
        b"\xfd7zXZ\x00",
        "an xz file",
        "unpack it, or pack it with gzip or zstd",
    ),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (
        b"FEA1",
        "a Feather file of version 1",
        "write it as Feather version 2 or Parquet",
    ),
    (
        b"\x89HDF",
        "an HDF5 file",
        "export the table as CSV or Parquet",
    ),
    (b"\x89PNG", "a picture", "name a table"),
    (b"ORC", "an ORC file", "convert it to Parquet"),
];

impl Inputs {
    /// Finds every input of the settings; standard input is copied into `spool`.
    pub fn find(settings: &SourceSettings, spool: &Path) -> Result<Inputs, SourceError> {
        if settings.inputs.is_empty() {
            return Err(SourceError::NoInput);
        }
        let mut files = Vec::new();
        let mut warnings = Vec::new();
        for name in &settings.inputs {
            if name == "-" {
                files.push(Input::spooled(Path::new("-"), io::stdin().lock(), spool)?);
                continue;
            }
            for path in expand(name, settings.format, &mut warnings)? {
                files.push(Input::file(&path)?);
            }
        }
        let files = without_repeats(files, &mut warnings);
        let format = match settings.format {
            Some(format) => format,
            None => common_format(&files)?,
        };
        Ok(Inputs {
            files,
            format,
            warnings,
        })
    }
}

/// The files that one name stands for.
fn expand(
    name: &str,
    format: Option<Format>,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, SourceError> {
    let path = Path::new(name);
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return folder(path, format, warnings),
        Ok(_) => return Ok(vec![path.to_path_buf()]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(SourceError::Io {
                path: path.to_path_buf(),
                error,
            });
        }
    }
    if !name.contains(['*', '?', '[']) {
        return Err(SourceError::NotFound {
            path: path.to_path_buf(),
        });
    }
    let matches = glob::glob(name).map_err(|error| SourceError::BadPattern {
        pattern: name.to_string(),
        reason: error.msg.to_string(),
    })?;
    let mut paths = Vec::new();
    for entry in matches {
        let found = entry.map_err(|error| SourceError::Io {
            path: error.path().to_path_buf(),
            error: error.into(),
        })?;
        if found.is_file() {
            paths.push(found);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(SourceError::NoMatch {
            pattern: name.to_string(),
        });
    }
    Ok(paths)
}

/// The tables of a folder in the order of their names; what is left out is said.
fn folder(
    path: &Path,
    format: Option<Format>,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, SourceError> {
    let io_error = |error| SourceError::Io {
        path: path.to_path_buf(),
        error,
    };
    let mut tables = Vec::new();
    let mut skipped = BTreeSet::new();
    for entry in std::fs::read_dir(path).map_err(io_error)? {
        let found = entry.map_err(io_error)?.path();
        let name = found
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let hidden = name.starts_with(['.', '_']);
        let kind = by_name(&found);
        let wanted = match (kind, format) {
            (Some(kind), Some(format)) => same_kind(kind, format),
            (kind, None) => kind.is_some(),
            (None, Some(_)) => false,
        };
        if found.is_file() && wanted && !hidden {
            tables.push(found);
        } else {
            skipped.insert(name);
        }
    }
    tables.sort();
    if tables.is_empty() {
        let skipped = skipped.into_iter().collect();
        return Err(SourceError::EmptyFolder {
            path: path.to_path_buf(),
            skipped,
        });
    }
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.iter().map(String::as_str).take(10).collect();
        let more = skipped.len() - names.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        warnings.push(format!(
            "{}: skipped {}{more}",
            path.display(),
            names.join(", ")
        ));
    }
    Ok(tables)
}

/// Drops files that were named before, so that no row comes twice.
fn without_repeats(files: Vec<Input>, warnings: &mut Vec<String>) -> Vec<Input> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for file in files {
        let place = std::fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
        if seen.insert(place) {
            kept.push(file);
        } else {
            warnings.push(format!("{}: named twice, read once", file.path.display()));
        }
    }
    kept
}

/// The one format of all files.
fn common_format(files: &[Input]) -> Result<Format, SourceError> {
    let mut formats: Vec<(Format, PathBuf)> = Vec::new();
    for file in files {
        let format = format_of(file)?;
        if !formats.iter().any(|(known, _)| same_kind(*known, format)) {
            formats.push((format, file.path.clone()));
        }
    }
    match formats.as_slice() {
        [] => Err(SourceError::NoInput),
        [(format, _)] => Ok(*format),
        several => {
            let found: Vec<String> = several
                .iter()
                .map(|(format, path)| format!("{} ({})", format.name(), path.display()))
                .collect();
            Err(SourceError::MixedKinds {
                found: found.join(", "),
            })
        }
    }
}

/// CSV and TSV differ by a delimiter only.
fn same_kind(a: Format, b: Format) -> bool {
    let delimited = |format| matches!(format, Format::Csv | Format::Tsv);
    a == b || (delimited(a) && delimited(b))
}

/// The format that a name promises, without its ending of compression.
fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name
        .trim_end_matches(".gz")
        .trim_end_matches(".zst")
        .trim_end_matches(".zstd");
    match name.rsplit_once('.')?.1 {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
        "parquet" | "pq" => Some(Format::Parquet),
        "arrow" | "arrows" | "ipc" | "feather" => Some(Format::Arrow),
        _ => None,
    }
}

/// The format of a file by its first bytes, then by its name, then by its look.
fn format_of(input: &Input) -> Result<Format, SourceError> {
    let head = input.head()?;
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4]) {
        return Ok(Format::Arrow);
    }
    for (magic, what, instead) in OTHERS {
        // Short plain-text marks could begin a table as well: those need a telling name.
        let binary = magic.iter().any(|byte| !byte.is_ascii_graphic()) || magic.len() > 3;
        if head.starts_with(magic) && (binary || by_name(&input.path).is_none()) {
            return Err(SourceError::UnknownKind {
                path: input.path.clone(),
                what,
                instead,
            });
        }
    }
    let first = head
        .iter()
        .find(|byte| !byte.is_ascii_whitespace() && byte.is_ascii());
    let named = by_name(&input.path);
    let is_json_name = named == Some(Format::JsonLines);
    if first == Some(&b'[') && is_json_name {
        return Err(SourceError::UnknownKind {
            path: input.path.clone(),
            what: "one JSON array, not one JSON object a line",
            instead: "write one object a line, for example with: jq -c '.[]' FILE",
        });
    }
    if let Some(format) = named {
        return Ok(format);
    }
    let line: Vec<u8> = head
        .iter()
        .copied()
        .take_while(|byte| *byte != b'\n')
        .collect();
    let object = serde_json::from_slice::<serde_json::Value>(&line);
    let is_object = object.is_ok_and(|value| value.is_object());
    let cut_object = first == Some(&b'{') && line.len() == head.len();
    Ok(if is_object || cut_object {
        Format::JsonLines
    } else {
        Format::Csv
    })
}

/// Checks that an input can be read at all, before anything else is done with it.
pub(super) fn check_readable(input: &Input) -> Result<(), SourceError> {
    if input.bytes == 0 {
        return Err(SourceError::Empty {
            path: input.path.clone(),
        });
    }
    input.open(&Tap::default()).map(|_| ())
}
