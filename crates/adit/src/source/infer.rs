//! The type of a column of text, from all of its cells.
//!
//! - Missing and blank cells say nothing.
//! - All whole numbers within 64 bits: integer. All numbers: float.
//! - At most one cell in a thousand is no number, and none is a code with a leading zero: still a
//!   number column; those cells are read as missing and listed.
//! - All `true`/`false`: boolean. All ISO dates or times, or all dates that only one reading of
//!   day and month fits: time.
//! - Everything else is text, and what looks almost like numbers is listed.

use super::ColumnType;
use super::cell::{Cell, classify};

/// Non-numeric cells that are kept as examples.
const KEPT_WORDS: usize = 20;
/// Characters of an example.
pub(super) const EXAMPLE_CHARS: usize = 60;
/// A number column bears one non-number in so many cells.
const NUMBERS_PER_WORD: u64 = 1_000;
/// Words after which a column that has more words than numbers is not looked at closely.
const SURELY_TEXT: u64 = 10_000;

/// How the cells of a column become values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Boolean,
    Integer,
    Float,
    IsoTime,
    DayFirst,
    MonthFirst,
    Text,
}

impl Reading {
    pub fn column_type(self) -> ColumnType {
        match self {
            Reading::Boolean => ColumnType::Boolean,
            Reading::Integer => ColumnType::Integer,
            Reading::Float => ColumnType::Float,
            Reading::IsoTime | Reading::DayFirst | Reading::MonthFirst => ColumnType::Time,
            Reading::Text => ColumnType::Text,
        }
    }
}

/// What the cells of a column were.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    present: u64,
    pub blanks: u64,
    integers: u64,
    floats: u64,
    codes: u64,
    booleans: u64,
    iso_times: u64,
    day_first: u64,
    month_first: u64,
    words: u64,
    /// First cells that are neither missing nor numbers, with their row.
    kept_words: Vec<(u64, String)>,
}

impl Tally {
    /// Counts the cell of `row`; `None` is a value that is not there.
    pub fn add(&mut self, row: u64, cell: Option<&str>) {
        let Some(cell) = cell else { return };
        let surely_text = self.words > SURELY_TEXT && self.words > self.integers + self.floats;
        if surely_text && cell.len() > 8 && !cell.starts_with(' ') {
            self.present += 1;
            self.words += 1;
            return;
        }
        let kind = classify(cell);
        match kind {
            Cell::Blank => {
                self.blanks += 1;
                return;
            }
            Cell::Missing => return,
            Cell::Integer(_) => self.integers += 1,
            Cell::Float(_) => self.floats += 1,
            Cell::Code => self.codes += 1,
            Cell::Boolean(_) => self.booleans += 1,
            Cell::Time(_) => self.iso_times += 1,
            Cell::Date {
                day_first,
                month_first,
            } => {
                self.day_first += u64::from(day_first.is_some());
                self.month_first += u64::from(month_first.is_some());
            }
            Cell::Word => self.words += 1,
        }
        self.present += 1;
        let is_number = matches!(kind, Cell::Integer(_) | Cell::Float(_));
        if !is_number && self.kept_words.len() < KEPT_WORDS {
            self.kept_words.push((row, shortened(cell, EXAMPLE_CHARS)));
        }
    }

    fn numbers(&self) -> u64 {
        self.integers + self.floats
    }

    /// Cells that are there and are no numbers.
    fn non_numbers(&self) -> u64 {
        self.present - self.numbers()
    }

    /// How the column is read.
    pub fn reading(&self) -> Reading {
        let bears_words = self.codes == 0 && self.non_numbers() * NUMBERS_PER_WORD <= self.present;
        if self.present == 0 {
            Reading::Text
        } else if self.numbers() > 0 && bears_words {
            if self.floats == 0 {
                Reading::Integer
            } else {
                Reading::Float
            }
        } else if self.booleans == self.present {
            Reading::Boolean
        } else if self.iso_times == self.present {
            Reading::IsoTime
        } else if self.day_first == self.present && self.month_first < self.present {
            Reading::DayFirst
        } else if self.month_first == self.present && self.day_first < self.present {
            Reading::MonthFirst
        } else {
            Reading::Text
        }
    }

    /// The non-numeric cells of a column that is, or almost is, one of numbers.
    pub fn non_numeric(&self) -> Vec<(u64, String)> {
        let almost = self.numbers() > 0 && self.numbers() * 10 >= self.present * 9;
        if almost && self.codes == 0 {
            self.kept_words.clone()
        } else {
            Vec::new()
        }
    }

    /// What a person should know about how the column `name` is read.
    pub fn warning(&self, name: &str) -> Option<String> {
        let reading = self.reading();
        if let Some((row, word)) = self.non_numeric().first() {
            let (n, all) = (self.non_numbers(), self.present);
            let what = if reading == Reading::Text {
                "it is read as text"
            } else {
                "they are read as missing"
            };
            return Some(format!(
                "column '{name}': {n} of {all} cells are no numbers (first: '{word}' in row {row}); {what}"
            ));
        }
        let twice = self.day_first == self.present && self.month_first == self.present;
        (twice && self.present > 0).then(|| {
            format!("column '{name}': dates fit day/month and month/day alike; it is read as text")
        })
    }
}

/// The first `chars` characters, with a mark where something was cut.
pub(super) fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_string(),
        Some(_) => {
            let mut short: String = text.chars().take(chars.saturating_sub(1)).collect();
            short.push('…');
            short
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(cells: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for (row, cell) in cells.iter().enumerate() {
            tally.add(row as u64, Some(cell));
        }
        tally
    }

    #[test]
    fn a_type_fits_all_cells() {
        assert_eq!(tally(&["1", "", "-2"]).reading(), Reading::Integer);
        assert_eq!(tally(&["1", "NA", "2.5"]).reading(), Reading::Float);
        assert_eq!(
            tally(&["1", "99999999999999999999"]).reading(),
            Reading::Float
        );
        assert_eq!(tally(&["true", "FALSE", "?"]).reading(), Reading::Boolean);
        assert_eq!(tally(&["yes", "no"]).reading(), Reading::Text);
        assert_eq!(tally(&["00123", "90210"]).reading(), Reading::Text);
        assert_eq!(
            tally(&["2020-01-01", "2020-01-01T10:00:00Z"]).reading(),
            Reading::IsoTime
        );
        assert_eq!(tally(&["2020-01-01", "1"]).reading(), Reading::Text);
        assert_eq!(tally(&["", "NA"]).reading(), Reading::Text);
    }

    #[test]
    fn the_column_decides_between_day_first_and_month_first() {
        assert_eq!(
            tally(&["01/02/2020", "13/02/2020"]).reading(),
            Reading::DayFirst
        );
        assert_eq!(
            tally(&["01/02/2020", "02/13/2020"]).reading(),
            Reading::MonthFirst
        );
        let unclear = tally(&["01/02/2020", "03/04/2020"]);
        assert_eq!(unclear.reading(), Reading::Text);
        assert!(unclear.warning("when").is_some());
    }

    #[test]
    fn one_word_in_a_thousand_numbers_is_borne_and_two_are_not() {
        let mut cells = vec!["1"; 999];
        cells.push("unknown");
        let one = tally(&cells);
        assert_eq!(one.reading(), Reading::Integer);
        assert_eq!(one.non_numeric(), vec![(999, "unknown".to_string())]);
        cells.push("unknown");
        let two = tally(&cells);
        assert_eq!(two.reading(), Reading::Text);
        assert_eq!(two.non_numeric().len(), 2);
        assert!(two.warning("x").unwrap().contains("2 of 1001 cells"));
    }

    #[test]
    fn blanks_are_counted_apart_from_missing_tokens() {
        let counted = tally(&["1", " ", "", "NA"]);
        assert_eq!(counted.blanks, 2);
    }
}
