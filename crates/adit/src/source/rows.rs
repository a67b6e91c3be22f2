//! Rows of text files, good and bad: the same for both passes.

use std::io::{self, Read};

use super::json::JsonRows;
use super::record::{MAX_CELL_BYTES, Records};

/// Characters of a bad row that are kept.
const RAW_CHARS: usize = 1_000;

/// The cells of one good row.
pub(super) struct Cells<'a> {
    pub text: &'a str,
    pub ends: &'a [usize],
    /// Which cells are there; all of them when `None`.
    pub present: Option<&'a [bool]>,
}

impl<'a> Cells<'a> {
    /// The text of a cell; `None` when the row has no such value.
    pub fn get(&self, column: usize) -> Option<&'a str> {
        let end = *self.ends.get(column)?;
        if self.present.is_some_and(|present| !present[column]) {
            return None;
        }
        let start = if column == 0 {
            0
        } else {
            self.ends[column - 1]
        };
        self.text.get(start..end)
    }
}

/// Why and where a row is bad.
#[derive(Debug)]
pub(super) struct Bad {
    pub line: u64,
    pub reason: String,
    pub raw: String,
    /// Rows lost with it.
    pub n_rows: u64,
    /// True when its bytes are not of the encoding it was read in.
    pub undecodable: bool,
}

/// What comes next in a text file.
pub(super) enum Row<'a> {
    Good(Cells<'a>),
    Bad(Bad),
    End,
}

/// The rows of one text file.
pub(super) enum TextRows {
    Delimited(Box<DelimitedRows<Box<dyn Read + Send>>>),
    Json(Box<JsonRows<Box<dyn Read + Send>>>),
}

impl TextRows {
    /// The next row; errors are those of the file underneath.
    pub fn next_row(&mut self) -> io::Result<Row<'_>> {
        match self {
            TextRows::Delimited(rows) => rows.next_row(),
            TextRows::Json(rows) => rows.next_row(),
        }
    }
}

/// The rows of delimited text behind its header.
pub(super) struct DelimitedRows<R> {
    records: Records<R>,
    n_columns: usize,
    encoding: &'static str,
    /// The record just read is the first row, not a header.
    first_waits: bool,
}

impl<R: Read> DelimitedRows<R> {
    /// Reads the first record: names when `header`, else the first row.
    ///
    /// Returns its cells as well; there are none at the end of the input.
    pub fn start(
        mut records: Records<R>,
        header: bool,
        encoding: &'static str,
    ) -> io::Result<(Self, Vec<String>)> {
        let any = records.advance()?;
        let mut first = Vec::new();
        if any {
            let (bytes, ends) = records.fields();
            let mut start = 0;
            for end in ends {
                first.push(
                    String::from_utf8_lossy(&bytes[start..*end])
                        .trim()
                        .to_string(),
                );
                start = *end;
            }
        }
        let n_columns = first.len();
        let first_waits = any && !header;
        Ok((
            DelimitedRows {
                records,
                n_columns,
                encoding,
                first_waits,
            },
            first,
        ))
    }

    /// True when the bytes of the record just read are not of the encoding.
    pub fn is_undecodable(&self) -> bool {
        std::str::from_utf8(self.records.fields().0).is_err()
    }

    fn next_row(&mut self) -> io::Result<Row<'_>> {
        loop {
            if !std::mem::take(&mut self.first_waits) && !self.records.advance()? {
                return Ok(Row::End);
            }
            let (bytes, ends) = self.records.fields();
            let blank = ends.len() == 1 && bytes.iter().all(u8::is_ascii_whitespace);
            if !blank || self.n_columns == 1 || self.records.too_large() {
                break;
            }
        }
        if let Some((reason, n_rows)) = self.fault() {
            return Ok(Row::Bad(Bad {
                line: self.records.line(),
                reason,
                raw: lossy(self.records.raw()),
                n_rows,
                undecodable: self.is_undecodable(),
            }));
        }
        let (bytes, ends) = self.records.fields();
        // Checked by `fault`, so the empty text never shows.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        Ok(Row::Good(Cells {
            text,
            ends,
            present: None,
        }))
    }

    /// Why the record just read is bad, and how many rows are lost with it.
    fn fault(&self) -> Option<(String, u64)> {
        if self.records.too_large() {
            return Some((format!("a cell is over {} MiB", MAX_CELL_BYTES >> 20), 1));
        }
        if let Some(lines) = self.records.runaway_lines() {
            let reason =
                format!("a quote is never closed: {lines} lines up to the end of the file");
            return Some((reason, lines));
        }
        let (bytes, ends) = self.records.fields();
        if ends.len() != self.n_columns {
            let s = if ends.len() == 1 { "" } else { "s" };
            return Some((
                format!("{} field{s} instead of {}", ends.len(), self.n_columns),
                1,
            ));
        }
        if bytes.contains(&0) {
            let at = column_of(bytes.iter().position(|byte| *byte == 0).unwrap_or(0), ends);
            return Some((format!("a NUL byte in column {at}"), 1));
        }
        let broken = match std::str::from_utf8(bytes) {
            // Two halves of a character on both sides of a delimiter look whole once joined.
            Ok(text) => *ends.iter().find(|end| !text.is_char_boundary(**end))?,
            Err(error) => error.valid_up_to(),
        };
        let at = column_of(broken, ends);
        Some((
            format!("bytes that are not valid {} in column {at}", self.encoding),
            1,
        ))
    }
}

/// 1-based column that holds the byte at `position`.
fn column_of(position: usize, ends: &[usize]) -> usize {
    ends.partition_point(|end| *end <= position)
        .min(ends.len().saturating_sub(1))
        + 1
}

/// Raw bytes as text that can be shown.
pub(super) fn lossy(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw)
        .chars()
        .take(RAW_CHARS)
        .collect()
}
