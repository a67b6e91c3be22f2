//! What one cell of text is: missing, a number, a time, a word.

use chrono::{NaiveDate, NaiveTime};

/// Cells that stand for a missing value in text formats, besides empty and blank ones.
///
/// They are compared as written, after spaces around them are dropped. `Na` (sodium) and `-` are
/// values.
pub const MISSING_TOKENS: [&str; 20] = [
    "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "Null", "null", "nil", "NaN", "nan", "NAN",
    "-NaN", "-nan", "?", "None", "none", "NONE", "#N/A N/A",
];

/// What one cell is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// Empty, or spaces only.
    Blank,
    /// One of [`MISSING_TOKENS`].
    Missing,
    Integer(i64),
    /// Finite; also whole numbers beyond 64 bits.
    Float(f64),
    /// Digits behind a leading zero: a code, not a number.
    Code,
    Boolean(bool),
    /// ISO 8601, milliseconds since 1970-01-01 UTC.
    Time(i64),
    /// `dd.mm.yyyy`, `dd/mm/yyyy`, `mm/dd/yyyy`: valid day first, month first, or both.
    Date {
        day_first: Option<i64>,
        month_first: Option<i64>,
    },
    /// Anything else.
    Word,
}

/// Says what a cell is.
pub(super) fn classify(cell: &str) -> Cell {
    let text = cell.trim();
    let Some(first) = text.bytes().next() else {
        return Cell::Blank;
    };
    if text.len() <= 8 && MISSING_TOKENS.contains(&text) {
        return Cell::Missing;
    }
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => {
            number(text).or_else(|| time(text)).unwrap_or(Cell::Word)
        }
        b't' | b'T' if text.eq_ignore_ascii_case("true") => Cell::Boolean(true),
        b'f' | b'F' if text.eq_ignore_ascii_case("false") => Cell::Boolean(false),
        _ => Cell::Word,
    }
}

/// Decimal numbers with an optional exponent; no separators of thousands, no hex, no infinity.
fn number(text: &str) -> Option<Cell> {
    let bytes = text.as_bytes();
    let signed = usize::from(matches!(bytes[0], b'+' | b'-'));
    let digits_from = |start: usize| {
        bytes[start..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits_from(signed);
    let mut at = signed + whole;
    let mut fraction = 0;
    let has_point = bytes.get(at) == Some(&b'.');
    if has_point {
        fraction = digits_from(at + 1);
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    let has_exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
    if has_exponent {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits_from((at + 1 + sign).min(bytes.len()));
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    if at != bytes.len() {
        return None;
    }
    if whole > 1 && bytes[signed] == b'0' {
        return Some(Cell::Code);
    }
    if !has_point
        && !has_exponent
        && let Ok(value) = text.parse::<i64>()
    {
        return Some(Cell::Integer(value));
    }
    let value = text.parse::<f64>().ok()?;
    value.is_finite().then_some(Cell::Float(value))
}

/// Dates and times.
fn time(text: &str) -> Option<Cell> {
    if !(8..=40).contains(&text.len()) || !text.is_ascii() {
        return None;
    }
    let (date, clock) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let offset = match clock {
        Some(clock) => clock_millis(clock)?,
        None => 0,
    };
    let separator = date.bytes().find(|byte| !byte.is_ascii_digit())?;
    let mut parts = date.split(char::from(separator));
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if a.len() == 4 && matches!(separator, b'-' | b'/') {
        return midnight(c, b, a).map(|day| Cell::Time(day + offset));
    }
    if c.len() != 4 || !matches!(separator, b'.' | b'/' | b'-') {
        return None;
    }
    let day_first = midnight(a, b, c).map(|day| day + offset);
    let month_first = match separator {
        b'.' => None,
        _ => midnight(b, a, c).map(|day| day + offset),
    };
    if day_first.is_none() && month_first.is_none() {
        return None;
    }
    Some(Cell::Date {
        day_first,
        month_first,
    })
}

/// Milliseconds of a day's start.
fn midnight(day: &str, month: &str, year: &str) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(
        small_number(year, 4)? as i32,
        small_number(month, 2)?,
        small_number(day, 2)?,
    )?;
    Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

/// Milliseconds since midnight UTC of `HH:MM[:SS[.fraction]][Z|±HH[:MM]]`.
fn clock_millis(clock: &str) -> Option<i64> {
    let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = (clock[..zone_at].trim_end(), &clock[zone_at..]);
    let mut parts = clock.split(':');
    let hour = small_number(parts.next()?, 2)?;
    let minute = small_number(parts.next()?, 2)?;
    let (second, millis) = match parts.next() {
        None => (0, 0),
        Some(text) => {
            let (second, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
            (small_number(second, 2)?, thousandths(fraction)?)
        }
    };
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3_600 + minute * 60 + second);
    Some(seconds * 1_000 + millis - zone_millis(zone)?)
}

/// Milliseconds of a fraction's digits; finer digits are cut.
fn thousandths(digits: &str) -> Option<i64> {
    if digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = digits
        .bytes()
        .map(|byte| i64::from(byte - b'0'))
        .chain([0, 0, 0]);
    Some(padded.take(3).fold(0, |sum, digit| sum * 10 + digit))
}

/// Milliseconds that a zone is ahead of UTC.
fn zone_millis(zone: &str) -> Option<i64> {
    let sign = match zone.bytes().next() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (zone.len() == 1).then_some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (small_number(&digits, 2)?, 0),
        4 => (
            small_number(&digits[..2], 2)?,
            small_number(&digits[2..], 2)?,
        ),
        _ => return None,
    };
    (hours <= 18 && minutes <= 59).then(|| sign * i64::from(hours * 60 + minutes) * 60_000)
}

/// A number of one to `max_digits` digits.
fn small_number(text: &str, max_digits: usize) -> Option<u32> {
    if text.is_empty() || text.len() > max_digits || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(classify("12"), Cell::Integer(12));
        assert_eq!(classify(" -3 "), Cell::Integer(-3));
        assert_eq!(classify("+7"), Cell::Integer(7));
        assert_eq!(classify("0"), Cell::Integer(0));
        assert_eq!(classify("1.50"), Cell::Float(1.5));
        assert_eq!(classify(".5"), Cell::Float(0.5));
        assert_eq!(classify("5."), Cell::Float(5.0));
        assert_eq!(classify("1e-3"), Cell::Float(0.001));
        assert_eq!(
            classify("9223372036854775808"),
            Cell::Float(9_223_372_036_854_775_808.0)
        );
    }

    #[test]
    fn what_only_looks_like_a_number_is_none() {
        for word in [
            "0x1F", "1_000", "1,5", "1e", "e5", "-", "+", ".", "1.2.3", "inf", "1e999", "--1",
            "5 kg",
        ] {
            assert_eq!(classify(word), Cell::Word, "{word}");
        }
        for code in ["00123", "007", "-01", "00.5"] {
            assert_eq!(classify(code), Cell::Code, "{code}");
        }
    }

    #[test]
    fn missing_tokens_are_missing_and_sodium_is_not() {
        for token in MISSING_TOKENS {
            assert_eq!(classify(token), Cell::Missing, "{token}");
        }
        for blank in ["", " ", "\t", "\u{a0}"] {
            assert_eq!(classify(blank), Cell::Blank);
        }
        for word in ["Na", "-", "nothing", "unknown"] {
            assert_eq!(classify(word), Cell::Word);
        }
    }

    #[test]
    fn times_are_milliseconds_in_utc() {
        assert_eq!(classify("1970-01-02"), Cell::Time(86_400_000));
        assert_eq!(classify("1970-01-01T00:00:01.250Z"), Cell::Time(1_250));
        assert_eq!(classify("1970-01-01 02:00:00+02:00"), Cell::Time(0));
        assert_eq!(classify("1970-01-01 00:01"), Cell::Time(60_000));
        assert_eq!(classify("1969-12-31T23:59:59.9999"), Cell::Time(-1));
        for word in [
            "1970-02-30",
            "1970-13-01",
            "1970-01-01 25:00",
            "12:30",
            "1970-1",
            "2020-01-01T",
        ] {
            assert_eq!(classify(word), Cell::Word, "{word}");
        }
    }

    #[test]
    fn dates_that_could_be_read_twice_say_so() {
        let day = 86_400_000;
        assert_eq!(
            classify("02/01/1970"),
            Cell::Date {
                day_first: Some(day),
                month_first: Some(31 * day)
            }
        );
        assert_eq!(
            classify("13/01/1970"),
            Cell::Date {
                day_first: Some(12 * day),
                month_first: None
            }
        );
        assert_eq!(
            classify("01/13/1970"),
            Cell::Date {
                day_first: None,
                month_first: Some(12 * day)
            }
        );
        assert_eq!(
            classify("02.01.1970"),
            Cell::Date {
                day_first: Some(day),
                month_first: None
            }
        );
    }
}
