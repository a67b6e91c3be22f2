//! Delimiter, quote and header of delimited text, from its first megabyte.
//!
//! The delimiter is the one of `, ; tab |` by which most records have as many fields as the
//! first. The quote is `"`, unless fields are enclosed in `'` and none in `"`. The first record is
//! a header unless one of its cells is a number, a time or a value of its own column; a column of
//! numbers under a word decides for a header.

use std::collections::HashSet;
use std::io::{self, Read};

use super::SourceSettings;
use super::cell::{Cell, classify};
use super::record::{Marks, Records};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bytes that are looked at.
pub(super) const SAMPLE_BYTES: u64 = 1 << 20;
/// Records that are looked at.
const SAMPLE_RECORDS: usize = 500;
/// Characters of the longest name of a column that is believed.
const NAME_CHARS: usize = 80;

/// How delimited text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub marks: Marks,
    pub header: bool,
}

impl Dialect {
    /// In words, for a person.
    pub fn describe(self) -> String {
        let delimiter = match self.marks.delimiter {
            b'\t' => "tab".to_string(),
            other => format!("'{}'", char::from(other)),
        };
        let quote = match self.marks.quote {
            b'"' => String::new(),
            other => format!(", quote {}", char::from(other)),
        };
        let header = if self.header { "header" } else { "no header" };
        format!("delimiter {delimiter}{quote}, {header}")
    }
}

/// Records of a sample under one guess.
struct Sample {
    marks: Marks,
    records: Vec<Vec<String>>,
    /// Share of the records with as many fields as the first.
    even: f64,
}

impl Sample {
    fn read(text: &[u8], whole: bool, marks: Marks) -> io::Result<Sample> {
        let mut reader = Records::new(text, marks);
        let mut records = Vec::new();
        while records.len() < SAMPLE_RECORDS && reader.advance()? {
            let (bytes, ends) = reader.fields();
            let mut start = 0;
            let mut record = Vec::with_capacity(ends.len());
            for end in ends {
                record.push(String::from_utf8_lossy(&bytes[start..*end]).into_owned());
                start = *end;
            }
            records.push(record);
        }
        // The last record of a cut sample is most likely cut too.
        if !whole && records.len() > 2 && records.len() < SAMPLE_RECORDS {
            records.pop();
        }
        let width = records.first().map_or(0, Vec::len);
        let same = records
            .iter()
            .filter(|record| record.len() == width)
            .count();
        let even = if records.is_empty() {
            0.0
        } else {
            same as f64 / records.len() as f64
        };
        Ok(Sample {
            marks,
            records,
            even,
        })
    }

    fn width(&self) -> usize {
        self.records.first().map_or(0, Vec::len)
    }

    /// True when many cells are decimal numbers with a comma, so that a comma is no delimiter.
    fn has_decimal_commas(&self) -> bool {
        let cells = || self.records.iter().flatten();
        let commas = cells().filter(|cell| is_decimal_comma(cell)).count();
        commas * 4 >= cells().count() && commas > 0
    }
}

fn is_decimal_comma(cell: &str) -> bool {
    let text = cell.trim();
    text.matches(',').count() == 1 && matches!(classify(&text.replace(',', ".")), Cell::Float(_))
}

/// Reads the sample that detection looks at; true when it is the entire input.
pub(super) fn sample(mut from: impl Read) -> io::Result<(Vec<u8>, bool)> {
    let mut text = Vec::new();
    from.by_ref().take(SAMPLE_BYTES).read_to_end(&mut text)?;
    let whole = (text.len() as u64) < SAMPLE_BYTES;
    Ok((text, whole))
}

/// Detects what the settings leave open; `tabs` says that the name promises tabs.
pub(super) fn detect(
    text: &[u8],
    whole: bool,
    settings: &SourceSettings,
    tabs: bool,
) -> io::Result<Dialect> {
    let delimiters: Vec<u8> = match settings.delimiter {
        Some(one) => vec![one],
        None if tabs => vec![b'\t'],
        None => DELIMITERS.to_vec(),
    };
    let double = settings.quote.unwrap_or(b'"');
    let mut best = best_delimiter(text, whole, &delimiters, double)?;
    if settings.quote.is_none() {
        let single = best_delimiter(text, whole, &delimiters, b'\'')?;
        if is_single_quoted(text, &best, &single) {
            best = single;
        }
    }
    let header = settings.header.unwrap_or_else(|| has_header(&best.records));
    Ok(Dialect {
        marks: best.marks,
        header,
    })
}

fn best_delimiter(text: &[u8], whole: bool, delimiters: &[u8], quote: u8) -> io::Result<Sample> {
    let mut best: Option<Sample> = None;
    for delimiter in delimiters {
        let next = Sample::read(
            text,
            whole,
            Marks {
                delimiter: *delimiter,
                quote,
            },
        )?;
        let better = match &best {
            None => true,
            Some(best) => is_better(&next, best),
        };
        if better {
            best = Some(next);
        }
    }
    match best {
        Some(best) => Ok(best),
        None => Sample::read(
            text,
            whole,
            Marks {
                delimiter: b',',
                quote,
            },
        ),
    }
}

/// True when `next` splits the sample better than `best`, which was tried before it.
fn is_better(next: &Sample, best: &Sample) -> bool {
    // Half of the records must agree with the first before a split is believed.
    let believed = |sample: &Sample| sample.width() > 1 && sample.even >= 0.5;
    match (believed(next), believed(best)) {
        (false, _) => return false,
        (true, false) => return true,
        (true, true) => {}
    }
    if (next.even - best.even).abs() > 1e-9 {
        return next.even > best.even;
    }
    if best.marks.delimiter == b',' && next.has_decimal_commas() {
        return true;
    }
    next.width() > best.width()
}

/// True when fields are enclosed in `'` and none in `"`.
fn is_single_quoted(text: &[u8], double: &Sample, single: &Sample) -> bool {
    let (double_open, double_close) = enclosures(text, single.marks.delimiter, b'"');
    let (open, close) = enclosures(text, single.marks.delimiter, b'\'');
    let n_records = single.records.len();
    double_open.min(double_close) == 0
        && open > 0
        && open.abs_diff(close) <= 1
        && single.even >= double.even
        && (single.even > double.even || open >= n_records)
}

/// How often a field starts and how often one ends with `quote`.
fn enclosures(text: &[u8], delimiter: u8, quote: u8) -> (usize, usize) {
    let outside = |byte: Option<&u8>| {
        byte.is_none_or(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r'))
    };
    let (mut open, mut close) = (0, 0);
    for (at, byte) in text.iter().enumerate() {
        if *byte != quote {
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        open += usize::from(outside(before));
        close += usize::from(outside(text.get(at + 1)));
    }
    (open, close)
}

/// What the cells of a sampled column below the first are.
#[derive(Default)]
struct Below {
    present: usize,
    typed: usize,
    repeats_first: bool,
}

/// True when the first record holds names.
fn has_header(records: &[Vec<String>]) -> bool {
    let Some((first, rest)) = records.split_first() else {
        return false;
    };
    let is_typed = |cell: &str| !matches!(classify(cell), Cell::Word | Cell::Blank | Cell::Missing);
    let mut below: Vec<Below> = first.iter().map(|_| Below::default()).collect();
    for record in rest.iter().filter(|record| record.len() == first.len()) {
        for ((cell, name), column) in record.iter().zip(first).zip(&mut below) {
            if matches!(classify(cell), Cell::Blank | Cell::Missing) {
                continue;
            }
            column.present += 1;
            column.typed += usize::from(is_typed(cell));
            column.repeats_first |= cell == name;
        }
    }
    let named = |name: &str| matches!(classify(name), Cell::Word);
    // A word over a column of numbers, times or booleans is its name.
    let over_typed = first.iter().zip(&below).any(|(name, column)| {
        named(name) && column.present > 0 && column.typed * 5 >= column.present * 4
    });
    let any_typed = first.iter().any(|name| is_typed(name));
    if over_typed {
        // Numbers over numbers beside it (`country,2001,2002`) are names as well only when
        // they do not repeat; a data row under a word column would have a number there too.
        return !below
            .iter()
            .zip(first)
            .any(|(column, name)| is_typed(name) && column.repeats_first);
    }
    if any_typed {
        return false;
    }
    let unique: HashSet<&String> = first.iter().filter(|name| !name.is_empty()).collect();
    let n_named = first.iter().filter(|name| named(name)).count();
    unique.len() == n_named
        && n_named * 2 >= first.len().max(1)
        && n_named > 0
        && first
            .iter()
            .all(|name| name.chars().count() <= NAME_CHARS && !name.contains('\n'))
        && !below.iter().any(|column| column.repeats_first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(text: &str) -> Dialect {
        detect(text.as_bytes(), true, &SourceSettings::default(), false).unwrap()
    }

    #[test]
    fn the_delimiter_is_the_one_that_splits_evenly() {
        assert_eq!(detected("a,b\n1,2\n3,4\n").marks.delimiter, b',');
        assert_eq!(detected("a;b\n1,5;2,5\n3,5;4,5\n").marks.delimiter, b';');
        assert_eq!(detected("1,5;2,5\n3,5;4,5\n").marks.delimiter, b';');
        assert_eq!(detected("a\tb\n1\t2, and 3\n").marks.delimiter, b'\t');
        assert_eq!(detected("a|b\nx;y|z\n").marks.delimiter, b'|');
        assert_eq!(detected("a,b,c\n1,2,3\n4,5\n6,7,8\n").marks.delimiter, b',');
    }

    #[test]
    fn a_column_of_sentences_is_one_column() {
        let dialect = detected("text\nhello, world\nwell; who, what\nplain\n");
        assert_eq!(dialect.marks.delimiter, b',');
        assert!(dialect.header);
    }

    #[test]
    fn single_quotes_are_found_and_apostrophes_are_not() {
        assert_eq!(
            detected("'a','b'\n'1, 2','x'\n'3','y'\n").marks.quote,
            b'\''
        );
        assert_eq!(detected("a,b\n'tis,1\nit's,2\n").marks.quote, b'"');
        assert_eq!(detected("a,b\n\"it's, so\",1\n").marks.quote, b'"');
    }

    #[test]
    fn names_over_numbers_are_a_header() {
        assert!(detected("a,b\n1,x\n2,y\n").header);
        assert!(detected("a,a\n1,2\n").header);
        assert!(!detected("1,2\n3,4\n").header);
        assert!(!detected("x,1\ny,2\n").header);
    }

    #[test]
    fn words_over_words_are_a_header_unless_they_come_again() {
        assert!(detected("text,label\nfree money,spam\nhello,ham\nbye,ham\n").header);
        assert!(!detected("hello,ham\nfree money,spam\nbye,ham\n").header);
    }
}
