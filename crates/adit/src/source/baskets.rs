//! Baskets written one a line: items with blanks, commas, semicolons, tabs or bars between them.

use std::io::Read as _;
use std::path::Path;

use super::encoding::{TextEncoding, UNDECODABLE};
use super::input::{Input, Packing, Tap};
use super::inputs::{Inputs, check_readable};
use super::record::{Marks, Records};
use super::rows::lossy;
use super::{BadRow, Format, Origin, SourceError, SourceSettings};
use adit_nn::watch::Watch;

/// What may stand between items, the likeliest first; blanks where none of them is there.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bad lines that are kept to be shown.
const BAD_SHOWN: usize = 50_000;
/// Baskets between two looks at the watch.
const AT_ONCE: u64 = 1 << 14;

/// How baskets were read.
#[derive(Clone, Debug, Default)]
pub struct BasketLines {
    pub origins: Vec<Origin>,
    pub warnings: Vec<String>,
    /// The first 50,000 lines that could not be read.
    pub bad_rows: Vec<BadRow>,
    pub n_bad_rows: u64,
    pub n_baskets: u64,
    /// Lines that hold separators only; counted as baskets.
    pub n_empty: u64,
}

/// What is done with a line: its items, trimmed and not empty. False where the line counts for nothing, a reason where
/// it is bad.
pub(super) type EachLine<'a> =
    &'a mut dyn FnMut(&mut dyn Iterator<Item = &str>) -> Result<bool, &'static str>;

/// Reads every basket of the inputs and gives its items, trimmed and not empty, to `each`. Lines without any sign are
/// passed over.
///
/// # Errors
/// Inputs that are not there, are no text, or have more bad lines than the settings bear; `Stopped` on request.
pub fn read_baskets(
    settings: &SourceSettings,
    spool: &Path,
    watch: &dyn Watch,
    each: &mut dyn FnMut(&mut dyn Iterator<Item = &str>),
) -> Result<BasketLines, SourceError> {
    read_lines(settings, spool, watch, &mut counted(each))
}

/// A line that always counts.
fn counted(
    each: &mut dyn FnMut(&mut dyn Iterator<Item = &str>),
) -> impl FnMut(&mut dyn Iterator<Item = &str>) -> Result<bool, &'static str> {
    |items| {
        each(items);
        Ok(true)
    }
}

/// Reads every line of the inputs as [`read_baskets`] does.
///
/// # Errors
/// As [`read_baskets`].
pub(super) fn read_lines(
    settings: &SourceSettings,
    spool: &Path,
    watch: &dyn Watch,
    each: EachLine,
) -> Result<BasketLines, SourceError> {
    let inputs = Inputs::find(settings, spool)?;
    let mut found = BasketLines {
        warnings: inputs.warnings,
        ..BasketLines::default()
    };
    if !matches!(inputs.format, Format::Csv | Format::Tsv) {
        return Err(SourceError::BadSetting {
            name: "form",
            reason: format!(
                "{} holds rows and columns, not a basket a line",
                inputs.format.name()
            ),
        });
    }
    for input in &inputs.files {
        check_readable(input)?;
        read_one(input, settings, watch, each, &mut found)?;
    }
    let n_all = found.n_baskets + found.n_bad_rows;
    if let Some(first) = found.bad_rows.first()
        && !settings.max_bad_rows.allows(found.n_bad_rows, n_all)
    {
        return Err(SourceError::TooManyBadRows {
            n_bad: found.n_bad_rows,
            n_all,
            limit: settings.max_bad_rows,
            first: Box::new(first.clone()),
        });
    }
    Ok(found)
}

/// Reads baskets from memory as [`read_baskets`] would from a file.
///
/// For tests and fuzzing: it touches no file.
///
/// # Errors
/// Bytes that are empty or in an encoding that is not known.
pub fn read_basket_bytes(
    bytes: &[u8],
    settings: &SourceSettings,
    each: &mut dyn FnMut(&mut dyn Iterator<Item = &str>),
) -> Result<BasketLines, SourceError> {
    read_line_bytes(bytes, settings, &mut counted(each))
}

/// Reads lines from memory as [`read_lines`] would from a file.
///
/// # Errors
/// As [`read_basket_bytes`].
pub(super) fn read_line_bytes(
    bytes: &[u8],
    settings: &SourceSettings,
    each: EachLine,
) -> Result<BasketLines, SourceError> {
    let input = Input::memory("memory", bytes)?;
    check_readable(&input)?;
    let mut found = BasketLines::default();
    read_one(&input, settings, &adit_nn::watch::Silent, each, &mut found)?;
    Ok(found)
}

fn read_one(
    input: &Input,
    settings: &SourceSettings,
    watch: &dyn Watch,
    each: EachLine,
    found: &mut BasketLines,
) -> Result<(), SourceError> {
    let head = input.head()?;
    let encoding = TextEncoding::of(&head, settings.encoding.as_deref())?;
    let mut text_head = Vec::new();
    let decoded = encoding.decode(std::io::Cursor::new(head));
    decoded
        .take(1 << 14)
        .read_to_end(&mut text_head)
        .map_err(|error| input.io_error(error))?;
    let separator = settings.delimiter.unwrap_or_else(|| separator(&text_head));
    let tap = Tap::hashing();
    let marks = Marks {
        delimiter: separator,
        quote: settings.quote.unwrap_or(b'"'),
    };
    let mut records = Records::new(encoding.decode(input.open(&tap)?), marks);
    let before = found.n_baskets;
    while records.advance().map_err(|error| input.io_error(error))? {
        if found.n_baskets.is_multiple_of(AT_ONCE) {
            watch.progress(
                "read",
                tap.bytes(),
                input.bytes,
                &input.path.display().to_string(),
            );
            if watch.cancelled() {
                return Err(SourceError::Cancelled);
            }
        }
        let (bytes, ends) = records.fields();
        let reason = match std::str::from_utf8(bytes) {
            _ if records.too_large() => Some("the basket is too large"),
            Err(_) if bytes.contains(&UNDECODABLE) => Some("it is not valid text in its encoding"),
            Err(_) => Some("it is not valid UTF-8"),
            Ok(text) if text.contains('\0') => Some("it holds a zero byte: the file is no text"),
            Ok(text) => {
                let mut start = 0;
                let fields = ends.iter().map(|&end| {
                    let field = text.get(start..end).unwrap_or_default();
                    start = end;
                    field.trim()
                });
                let mut items = fields.filter(|item| !item.is_empty()).peekable();
                let is_empty = items.peek().is_none();
                match each(&mut items) {
                    Ok(counts) => {
                        found.n_empty += u64::from(is_empty && counts);
                        found.n_baskets += u64::from(counts);
                        None
                    }
                    Err(reason) => Some(reason),
                }
            }
        };
        if let Some(reason) = reason {
            found.n_bad_rows += 1;
            if found.bad_rows.len() < BAD_SHOWN {
                found.bad_rows.push(BadRow {
                    path: input.path.clone(),
                    line: records.line(),
                    reason: reason.to_string(),
                    raw: lossy(records.raw()),
                });
            }
        }
    }
    if let Some(lines) = records.runaway_lines() {
        found.warnings.push(format!(
            "{}: a quote in line {} is never closed, so {lines} lines are one basket",
            input.path.display(),
            records.line()
        ));
    }
    let name = match separator {
        b' ' => "blanks".to_string(),
        b'\t' => "tabs".to_string(),
        other => format!("'{}'", char::from(other)),
    };
    let packing = match input.packing {
        Packing::Plain => String::new(),
        packing => format!(" ({})", packing.name()),
    };
    found.origins.push(Origin {
        path: input.path.clone(),
        bytes: input.bytes,
        sha256: input.sha256(&tap)?,
        read_as: format!(
            "lines{packing}, {name} between items, {}",
            encoding.encoding.name()
        ),
        rows: found.n_baskets - before,
    });
    Ok(())
}

/// Whether the first input is written a basket a line: blanks between items, or lines of different lengths. Rows of a
/// table have as many cells each.
///
/// # Errors
/// Inputs that are not there or cannot be read.
pub fn looks_like_baskets(settings: &SourceSettings, spool: &Path) -> Result<bool, SourceError> {
    let inputs = Inputs::find(settings, spool)?;
    let Some(input) = inputs.files.first() else {
        return Ok(false);
    };
    if !matches!(inputs.format, Format::Csv | Format::Tsv) {
        return Ok(false);
    }
    check_readable(input)?;
    let head = input.head()?;
    let marks = Marks {
        delimiter: settings.delimiter.unwrap_or_else(|| separator(&head)),
        quote: settings.quote.unwrap_or(b'"'),
    };
    let is_whole = head.len() as u64 == input.bytes;
    let mut records = Records::new(&head[..], marks);
    let mut lengths = Vec::new();
    while records.advance().map_err(|error| input.io_error(error))? {
        lengths.push(records.fields().1.len());
    }
    if !is_whole && lengths.len() > 1 {
        lengths.pop();
    }
    let first = lengths.first().copied().unwrap_or(0);
    let different = lengths.iter().filter(|&&n| n != first).count();
    Ok(marks.delimiter == b' ' || different * 10 > lengths.len())
}

/// The separator that most lines hold, where that is a third of those that are more than one word; blanks otherwise.
fn separator(head: &[u8]) -> u8 {
    let is_one_word = |line: &[u8]| {
        let line = line.trim_ascii();
        !line
            .iter()
            .any(|byte| SEPARATORS.contains(byte) || *byte == b' ')
    };
    let lines: Vec<&[u8]> = head
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !is_one_word(line))
        .collect();
    let holding = |mark: &u8| lines.iter().filter(|line| line.contains(mark)).count();
    let most = SEPARATORS
        .into_iter()
        .max_by_key(|mark| (holding(mark), std::cmp::Reverse(*mark)));
    most.filter(|mark| holding(mark) * 3 >= lines.len().max(1))
        .unwrap_or(b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<(Vec<Vec<String>>, BasketLines), SourceError> {
        let mut baskets = Vec::new();
        let found = read_basket_bytes(text, &SourceSettings::default(), &mut |items| {
            baskets.push(items.map(String::from).collect::<Vec<_>>());
        })?;
        Ok((baskets, found))
    }

    #[test]
    fn every_usual_separator_is_known() {
        for (text, read_as) in [
            ("1 2 3\n2\n\n3 1\n", "blanks"),
            ("1,2,3\n2\n3, 1\n", "','"),
            ("1;2;3\r\n2\r\n3;1", "';'"),
            ("1\t2\t3\n2\n3\t1\n", "tabs"),
        ] {
            let (baskets, found) = read(text.as_bytes()).unwrap();
            assert_eq!(
                baskets,
                [vec!["1", "2", "3"], vec!["2"], vec!["3", "1"]],
                "{text:?}"
            );
            assert!(
                found.origins[0].read_as.contains(read_as),
                "{:?}",
                found.origins
            );
            assert_eq!(found.n_baskets, 3);
        }
        let (baskets, _) =
            read("whole milk,\"rolls, buns\"\nbrød,whole milk\n".as_bytes()).unwrap();
        assert_eq!(
            baskets,
            [
                vec!["whole milk", "rolls, buns"],
                vec!["brød", "whole milk"]
            ]
        );
    }

    #[test]
    fn few_commas_among_baskets_of_one_item_are_commas() {
        let text =
            "milk\nbread\nprinter paper\nmilk\nmilk,printer paper\nbread\nmilk\nbread,milk\n";
        let (baskets, _) = read(text.as_bytes()).unwrap();
        assert_eq!(baskets[2], ["printer paper"]);
        assert_eq!(baskets[4], ["milk", "printer paper"]);
    }

    #[test]
    fn what_is_odd_is_counted_and_what_is_bad_is_kept_aside() {
        let (baskets, found) = read(b"a,b\n,,\n\xff\xfe,c\nd,\n").unwrap();
        assert_eq!(baskets, [vec!["a", "b"], vec![], vec!["d"]]);
        assert_eq!((found.n_empty, found.n_bad_rows), (1, 1));
        assert_eq!(found.bad_rows[0].line, 3);
        let (_, found) = read(b"a \0 b\n").unwrap();
        assert!(found.bad_rows[0].reason.contains("zero byte"));
        assert!(read(b"").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_baskets_or_an_error(bytes: Vec<u8>) {
            if let Ok((baskets, found)) = read(&bytes) {
                assert_eq!(baskets.len() as u64, found.n_baskets);
                assert!(baskets.iter().flatten().all(|item| !item.is_empty() && item.trim() == item));
            }
        }
    }
}
