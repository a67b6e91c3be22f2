//! Rows of JSON Lines: one object a line, its values as the text of cells.
//!
//! Cells follow the rules of delimited text from here on, so that a number means the same in
//! every text format. Nested values become compact JSON.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

use super::record::MAX_CELL_BYTES;
use super::rows::{Bad, Cells, Row, lossy};

/// Columns beyond which an object's keys are most likely data.
pub(super) const MAX_COLUMNS: usize = 100_000;

/// The rows of JSON Lines.
pub(super) struct JsonRows<R: Read> {
    input: BufReader<R>,
    /// Columns by name, in the order in which they were first seen.
    names: Vec<String>,
    positions: HashMap<String, usize>,
    /// Unknown keys become columns (first pass) or are left out.
    grows: bool,
    encoding: &'static str,
    line: u64,
    bytes: Vec<u8>,
    values: Vec<Option<Value>>,
    text: String,
    ends: Vec<usize>,
    present: Vec<bool>,
}

impl<R: Read> JsonRows<R> {
    /// Reads objects whose keys are `names`, and more when `grows`.
    pub fn new(input: R, names: Vec<String>, grows: bool, encoding: &'static str) -> Self {
        let positions = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name.clone(), at))
            .collect();
        JsonRows {
            input: BufReader::new(input),
            names,
            positions,
            grows,
            encoding,
            line: 0,
            bytes: Vec::new(),
            values: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            present: Vec::new(),
        }
    }

    /// The columns seen so far.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The next row that is not an empty line.
    pub fn next_row(&mut self) -> io::Result<Row<'_>> {
        let parsed = loop {
            let Some(too_large) = self.read_line()? else {
                return Ok(Row::End);
            };
            if too_large {
                break Err(format!("the line is over {} MiB", MAX_CELL_BYTES >> 20));
            }
            if !self.bytes.iter().all(u8::is_ascii_whitespace) {
                break self.object();
            }
        };
        match parsed.and_then(|object| self.fill(object)) {
            Ok(()) => Ok(Row::Good(Cells {
                text: &self.text,
                ends: &self.ends,
                present: Some(&self.present),
            })),
            Err(reason) => {
                let raw = lossy(&self.bytes[..self.bytes.len().min(4_000)]);
                let undecodable = std::str::from_utf8(&self.bytes).is_err();
                Ok(Row::Bad(Bad {
                    line: self.line,
                    reason,
                    raw,
                    n_rows: 1,
                    undecodable,
                }))
            }
        }
    }

    /// Reads one line without its end; true when it is too large and only its start is kept.
    fn read_line(&mut self) -> io::Result<Option<bool>> {
        self.bytes.clear();
        let mut too_large = false;
        let mut any = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let body = &chunk[..end.unwrap_or(chunk.len())];
            if self.bytes.len() + body.len() > MAX_CELL_BYTES {
                too_large = true;
            } else {
                self.bytes.extend_from_slice(body);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.line += u64::from(any);
        Ok(any.then_some(too_large))
    }

    fn object(&self) -> Result<Map<String, Value>, String> {
        if self.bytes.contains(&0) {
            return Err("a NUL byte".to_string());
        }
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|_| format!("bytes that are not valid {}", self.encoding))?;
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err("not a JSON object".to_string()),
            Err(error) => Err(format!("not valid JSON: {}", without_line(&error))),
        }
    }

    /// Puts the values of an object into the columns.
    fn fill(&mut self, object: Map<String, Value>) -> Result<(), String> {
        self.values.clear();
        self.values.resize_with(self.names.len(), || None);
        for (key, value) in object {
            let position = match self.positions.get(&key) {
                Some(position) => *position,
                None if self.grows && self.names.len() < MAX_COLUMNS => {
                    self.positions.insert(key.clone(), self.names.len());
                    self.names.push(key);
                    self.values.push(None);
                    self.names.len() - 1
                }
                None if self.grows => return Err(format!("more than {MAX_COLUMNS} keys")),
                None => continue,
            };
            self.values[position] = Some(value);
        }
        self.text.clear();
        self.ends.clear();
        self.present.clear();
        for value in &self.values {
            let is_there = match value {
                None | Some(Value::Null) => false,
                Some(Value::String(text)) => {
                    self.text.push_str(text);
                    true
                }
                Some(other) => {
                    self.text.push_str(&other.to_string());
                    true
                }
            };
            self.present.push(is_there);
            self.ends.push(self.text.len());
        }
        Ok(())
    }
}

/// The message of an error with its column; its line is always the first.
fn without_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => format!("{} at character {}", &message[..at], error.column()),
        None => message,
    }
}
