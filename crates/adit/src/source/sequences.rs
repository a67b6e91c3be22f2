//! Sequences written one a line: as SPMF writes them, or an event after the other.
//!
//! In SPMF's form items are whole numbers with blanks between them, `-1` ends an element, `-2` the sequence. Lines that
//! begin with `#`, `%` or `@` are notes; `@ITEM=5=apple` names an item.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use super::baskets::{BasketLines, EachLine, read_line_bytes, read_lines};
use super::encoding::TextEncoding;
use super::input::Tap;
use super::inputs::Inputs;
use super::{Format, SourceError, SourceSettings};
use adit_nn::watch::Watch;

/// What is done with a sequence: its elements, none of them empty, each with the names of its items.
pub type EachSequence<'a> = &'a mut dyn FnMut(&[Vec<String>]);

/// How sequences are written a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceForm {
    /// Numbers with `-1` and `-2`.
    Spmf,
    /// An event after the other.
    Events,
}

/// Reads every sequence of the inputs.
///
/// # Errors
/// Inputs that are not there, are no text, or have more bad lines than the settings bear; `Stopped` on request.
pub fn read_sequences(
    settings: &SourceSettings,
    form: SequenceForm,
    spool: &Path,
    watch: &dyn Watch,
    each: EachSequence,
) -> Result<BasketLines, SourceError> {
    with_lines(form, each, &mut |line| {
        read_lines(settings, spool, watch, line)
    })
}

/// Reads sequences from memory as [`read_sequences`] would from a file.
///
/// For tests and fuzzing: it touches no file.
///
/// # Errors
/// Bytes that are empty or in an encoding that is not known.
pub fn read_sequence_bytes(
    bytes: &[u8],
    settings: &SourceSettings,
    form: SequenceForm,
    each: EachSequence,
) -> Result<BasketLines, SourceError> {
    with_lines(form, each, &mut |line| {
        read_line_bytes(bytes, settings, line)
    })
}

fn with_lines(
    form: SequenceForm,
    each: EachSequence,
    read: &mut dyn FnMut(EachLine) -> Result<BasketLines, SourceError>,
) -> Result<BasketLines, SourceError> {
    let mut spmf = Spmf::default();
    read(&mut |items| {
        match form {
            SequenceForm::Events => {
                let elements: Vec<Vec<String>> = items.map(|item| vec![item.to_string()]).collect();
                each(&elements);
            }
            SequenceForm::Spmf => match spmf.elements(items)? {
                Some(elements) => each(&elements),
                None => return Ok(false),
            },
        }
        Ok(true)
    })
}

/// Names of items that a note told.
#[derive(Default)]
struct Spmf {
    name_of: HashMap<String, String>,
}

impl Spmf {
    /// The elements of a line; `None` of a note.
    fn elements(
        &mut self,
        items: &mut dyn Iterator<Item = &str>,
    ) -> Result<Option<Vec<Vec<String>>>, &'static str> {
        let mut elements = Vec::new();
        let mut element = Vec::new();
        let mut is_first = true;
        let mut is_ended = false;
        while let Some(item) = items.next() {
            if is_first && item.starts_with(['#', '%', '@']) {
                if let Some((item, name)) = item
                    .strip_prefix("@ITEM=")
                    .and_then(|rest| rest.split_once('='))
                {
                    let rest: String = items.map(|word| format!(" {word}")).collect();
                    self.name_of.insert(item.into(), format!("{name}{rest}"));
                }
                return Ok(None);
            }
            is_first = false;
            if is_ended {
                return Err("it goes on after `-2`, which ends a sequence");
            }
            match item {
                "-1" if !element.is_empty() => elements.push(std::mem::take(&mut element)),
                "-1" => {}
                "-2" => is_ended = true,
                _ if item.starts_with('<') => {
                    return Err("it has times in angle brackets; write a row an event instead");
                }
                _ if item.starts_with('-') => {
                    return Err("of negative numbers only `-1` and `-2` have a meaning");
                }
                _ => element.push(self.name_of.get(item).map_or(item, |name| name).to_string()),
            }
        }
        if !is_ended {
            return Err("it does not end with `-2`");
        }
        if !element.is_empty() {
            elements.push(element);
        }
        Ok(Some(elements))
    }
}

/// Bytes of a file that its form is told by, at most.
const LOOKED_AT: u64 = 1 << 20;
/// Lines that are no notes, by which the form is told, at most.
const LINES: usize = 20;

/// Whether the first input is written as SPMF writes sequences: most of its first lines end with `-2`.
///
/// # Errors
/// Inputs that are not there or cannot be read.
pub fn looks_like_spmf(settings: &SourceSettings, spool: &Path) -> Result<bool, SourceError> {
    let inputs = Inputs::find(settings, spool)?;
    let Some(input) = inputs.files.first() else {
        return Ok(false);
    };
    if !matches!(inputs.format, Format::Csv | Format::Tsv) {
        return Ok(false);
    }
    let encoding = TextEncoding::of(&input.head()?, settings.encoding.as_deref())?;
    let mut text = Vec::new();
    let decoded = encoding.decode(input.open(&Tap::default())?);
    decoded
        .take(LOOKED_AT)
        .read_to_end(&mut text)
        .map_err(|error| input.io_error(error))?;
    Ok(is_spmf(&String::from_utf8_lossy(&text)))
}

fn is_spmf(text: &str) -> bool {
    let is_note = |line: &&str| line.is_empty() || line.starts_with(['#', '%', '@']);
    let lines = text.lines().map(str::trim).filter(|line| !is_note(line));
    let (mut ended, mut others) = (0, 0);
    for line in lines.take(LINES) {
        let ends = line.split_whitespace().next_back() == Some("-2");
        // The last line may be cut off.
        let goes_on = line.split_whitespace().any(|word| word == "-1");
        if ends || goes_on {
            ended += 1;
        } else {
            others += 1;
        }
    }
    ended > others
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], form: SequenceForm) -> Result<(Vec<String>, BasketLines), SourceError> {
        let mut sequences = Vec::new();
        let settings = SourceSettings {
            delimiter: (form == SequenceForm::Spmf).then_some(b' '),
            ..SourceSettings::default()
        };
        let found = read_sequence_bytes(text, &settings, form, &mut |elements| {
            let elements = elements.iter().map(|element| element.join("+"));
            sequences.push(elements.collect::<Vec<_>>().join(">"));
        })?;
        Ok((sequences, found))
    }

    #[test]
    fn elements_end_where_they_say_and_names_are_those_of_the_notes() {
        let text = b"@CONVERTED_FROM_TEXT\n@ITEM=1=green apple\n1 2 -1 3 -1 -2\n% a note\n3 -1 -1 1 -2\n\n-2\n";
        let (sequences, found) = read(text, SequenceForm::Spmf).unwrap();
        assert_eq!(sequences, ["green apple+2>3", "3>green apple", ""]);
        assert_eq!((found.n_baskets, found.n_bad_rows), (3, 0));
        let (sequences, _) = read(b"a,b,a\nb\n", SequenceForm::Events).unwrap();
        assert_eq!(sequences, ["a>b>a", "b"]);
    }

    #[test]
    fn what_is_no_sequence_says_why() {
        for (text, reason) in [
            ("1 -1 2", "does not end"),
            ("1 -1 -2 3 -1 -2", "goes on after"),
            ("1 -1 -3 -2", "negative"),
            ("<0> 1 -1 <1> 2 -1 -2", "angle brackets"),
        ] {
            let (sequences, found) =
                read(format!("5 -2\n{text}\n").as_bytes(), SequenceForm::Spmf).unwrap();
            assert_eq!(sequences, ["5"], "{text}");
            assert!(
                found.bad_rows[0].reason.contains(reason),
                "{:?}",
                found.bad_rows
            );
            assert_eq!(found.bad_rows[0].line, 2);
        }
    }

    #[test]
    fn the_form_is_told_by_lines_that_are_no_notes() {
        let names: String = (0..900)
            .map(|k| format!("@ITEM={k}=thing-{k}-2\n"))
            .collect();
        assert!(names.len() > 4096 && is_spmf(&(names.clone() + "1 -1 2 -1 -2\n")));
        assert!(is_spmf(&("7 -1 ".repeat(2000))), "a line that is cut off");
        assert!(!is_spmf("login,step-2\nlogin,step-2\n") && !is_spmf(&names) && !is_spmf(""));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_sequences_or_an_error(bytes: Vec<u8>) {
            for form in [SequenceForm::Spmf, SequenceForm::Events] {
                if let Ok((sequences, found)) = read(&bytes, form) {
                    assert_eq!(sequences.len() as u64, found.n_baskets);
                }
            }
        }
    }
}
