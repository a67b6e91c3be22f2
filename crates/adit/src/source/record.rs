//! Records of delimited text: lines into fields, with the line, the raw text and a size limit.

use std::io::{self, Read};

use csv_core::ReadRecordResult;

/// Bytes of one cell beyond which its row is bad.
pub(super) const MAX_CELL_BYTES: usize = 64 << 20;
/// Bytes of one row beyond which it is bad.
const MAX_RECORD_BYTES: usize = 256 << 20;
/// Raw bytes of a record that are kept for the list of bad rows.
const RAW_BYTES: usize = 4_000;
const BUFFER_BYTES: usize = 1 << 16;

/// The marks of delimited text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub delimiter: u8,
    pub quote: u8,
}

/// Reads records one after the other; the last one read can be looked at.
pub(super) struct Records<R> {
    core: csv_core::Reader,
    marks: Marks,
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    fields: Vec<u8>,
    ends: Vec<usize>,
    n_bytes: usize,
    n_fields: usize,
    raw: Vec<u8>,
    /// Line of the next unread byte, from 1.
    next_line: u64,
    line: u64,
    last_byte: u8,
    quotes: u64,
    too_large: bool,
    at_end: bool,
}

impl<R: Read> Records<R> {
    /// Starts at the beginning of `input`.
    pub fn new(input: R, marks: Marks) -> Records<R> {
        let core = csv_core::ReaderBuilder::new()
            .delimiter(marks.delimiter)
            .quote(marks.quote)
            .build();
        Records {
            core,
            marks,
            input,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            fields: vec![0; 1_024],
            ends: vec![0; 32],
            n_bytes: 0,
            n_fields: 0,
            raw: Vec::new(),
            next_line: 1,
            line: 1,
            last_byte: 0,
            quotes: 0,
            too_large: false,
            at_end: false,
        }
    }

    /// Reads one record; false at the end of the input. Empty lines are passed over.
    pub fn advance(&mut self) -> io::Result<bool> {
        self.raw.clear();
        (self.n_bytes, self.n_fields, self.quotes) = (0, 0, 0);
        self.too_large = false;
        let mut begun = false;
        loop {
            if self.start == self.end && !self.at_end {
                self.refill()?;
            }
            let (result, n_in, n_out, n_ends) = self.core.read_record(
                &self.buffer[self.start..self.end],
                &mut self.fields[self.n_bytes..],
                &mut self.ends[self.n_fields..],
            );
            begun = self.note(n_in, begun);
            self.start += n_in;
            self.n_bytes += n_out;
            self.n_fields += n_ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.grow_fields(),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        loop {
            match self.input.read(&mut self.buffer) {
                Ok(n) => {
                    (self.start, self.end, self.at_end) = (0, n, n == 0);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the raw text and counts lines of the bytes that were just read.
    fn note(&mut self, n_in: usize, mut begun: bool) -> bool {
        let read = &self.buffer[self.start..self.start + n_in];
        let mut body = read;
        if !begun {
            // Line ends left from before belong to no record.
            let blank = read
                .iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                .count();
            self.next_line += count(&read[..blank], b'\n');
            body = &read[blank..];
            begun = !body.is_empty();
            self.line = self.next_line;
        }
        self.next_line += count(body, b'\n');
        self.quotes += count(body, self.marks.quote);
        self.last_byte = body.last().copied().unwrap_or(self.last_byte);
        let room = RAW_BYTES.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(&body[..body.len().min(room)]);
        begun
    }

    /// Makes room, or gives the record up and lets the rest of it run through.
    fn grow_fields(&mut self) {
        let cell_start = if self.n_fields == 0 {
            0
        } else {
            self.ends[self.n_fields - 1]
        };
        let cell = self.n_bytes.saturating_sub(cell_start);
        if self.too_large || cell > MAX_CELL_BYTES || self.n_bytes > MAX_RECORD_BYTES {
            self.too_large = true;
            (self.n_bytes, self.n_fields) = (0, 0);
            return;
        }
        self.fields.resize(self.fields.len() * 2, 0);
    }

    /// The fields' bytes one after the other, and where each ends.
    pub fn fields(&self) -> (&[u8], &[usize]) {
        (&self.fields[..self.n_bytes], &self.ends[..self.n_fields])
    }

    /// 1-based line at which the record starts.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The start of the record as it was written, without its line end.
    pub fn raw(&self) -> &[u8] {
        let end = self
            .raw
            .iter()
            .rposition(|byte| !matches!(byte, b'\n' | b'\r'));
        &self.raw[..end.map_or(0, |last| last + 1)]
    }

    /// True when the record is over the size limits; its fields are not there then.
    pub fn too_large(&self) -> bool {
        self.too_large || largest(&self.ends[..self.n_fields]) > MAX_CELL_BYTES
    }

    /// Lines of a record whose last quote was never closed, so that it ran to the end of the file.
    pub fn runaway_lines(&self) -> Option<u64> {
        let at_end = self.at_end && self.start == self.end;
        let lines = self.next_line - self.line + u64::from(self.last_byte != b'\n');
        (at_end && self.quotes % 2 == 1 && lines > 1).then_some(lines)
    }
}

fn count(bytes: &[u8], wanted: u8) -> u64 {
    bytes.iter().filter(|byte| **byte == wanted).count() as u64
}

fn largest(ends: &[usize]) -> usize {
    let mut start = 0;
    let mut largest = 0;
    for end in ends {
        largest = largest.max(end - start);
        start = *end;
    }
    largest
}
