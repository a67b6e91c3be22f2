//! What a column usually holds among some rows.

use serde::{Deserialize, Serialize};

use crate::explain::resampling::quantile;

/// What a column usually holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "as")]
pub enum Usual {
    /// A number or time: the middle of 20 values lies between `low` and `high` with 18 of them.
    Range {
        median: String,
        low: String,
        high: String,
        /// Whether the value in question lies within.
        is_within: bool,
    },
    /// The most frequent value, and its share.
    Value { value: String, share: f64 },
    /// Most cells are empty.
    Empty { share: f64 },
    /// A text, or too few rows to say.
    NotTold,
}

/// What numbers usually are, beside the number `own`; `name` writes one, given the width of the usual range. `numbers`
/// are those of `n` cells that are not empty.
pub fn usual_range(
    numbers: &[f64],
    n: usize,
    own: Option<f64>,
    name: &dyn Fn(f64, f64) -> String,
) -> Usual {
    if n == 0 {
        return Usual::NotTold;
    }
    if 2 * numbers.len() < n {
        return Usual::Empty {
            share: 1.0 - numbers.len() as f64 / n as f64,
        };
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| quantile(&sorted, share);
    let (low, high) = (at(0.05), at(0.95));
    let name = |x: f64| name(x, high - low);
    Usual::Range {
        median: name(at(0.5)),
        low: name(low),
        high: name(high),
        is_within: own.is_some_and(|x| low <= x && x <= high),
    }
}

/// What cells usually hold; an empty one is `None`.
pub fn usual_value(cells: &[Option<String>]) -> Usual {
    if cells.is_empty() {
        return Usual::NotTold;
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in cells.iter().flatten() {
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, n)) => *n += 1,
            None => counts.push((name, 1)),
        }
    }
    let empty = cells.iter().filter(|cell| cell.is_none()).count();
    let share = |n: usize| n as f64 / cells.len() as f64;
    // Of equally frequent values the first by name.
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    match counts.first() {
        Some(&(value, n)) if n >= empty => Usual::Value {
            value: value.to_string(),
            share: share(n),
        },
        _ => Usual::Empty {
            share: share(empty),
        },
    }
}

/// A number with as many digits as its neighbours differ in: three figures of the range, all before the point.
pub fn short_number(x: f64, range: f64) -> String {
    let size = if range.abs() > 0.0 {
        range.abs()
    } else {
        x.abs()
    };
    if x == 0.0 || !(1e-6..1e15).contains(&x.abs()) {
        return if x == 0.0 {
            "0".into()
        } else {
            format!("{x:.2e}")
        };
    }
    let digits = (2.0 - size.log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{:.digits$}", x.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = super::words::grouped(whole);
    let sign = if x < 0.0 { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_range_and_categories_a_value() {
        let told = |numbers: &[f64], n, own| usual_range(numbers, n, own, &short_number);
        let expected = Usual::Range {
            median: "20".into(),
            low: "11".into(),
            high: "29".into(),
            is_within: false,
        };
        assert_eq!(told(&[30.0, 10.0, 20.0], 4, Some(98_000.0)), expected);
        assert!(matches!(
            told(&[10.0, 20.0, 30.0], 3, Some(15.0)),
            Usual::Range {
                is_within: true,
                ..
            }
        ));
        assert!(matches!(
            told(&[10.0], 1, None),
            Usual::Range {
                is_within: false,
                ..
            }
        ));
        let is_empty_in_two_thirds = |usual: Usual| matches!(usual, Usual::Empty { share } if (share - 2.0 / 3.0).abs() < 1e-12);
        assert!(is_empty_in_two_thirds(told(&[10.0], 3, None)));
        assert_eq!(told(&[], 0, None), Usual::NotTold);
        let text = |t: &str| Some(t.to_string());
        let expected = Usual::Value {
            value: "b".into(),
            share: 0.5,
        };
        assert_eq!(
            usual_value(&[text("b"), text("a"), text("b"), None]),
            expected
        );
        assert!(is_empty_in_two_thirds(usual_value(&[
            None,
            None,
            text("a")
        ])));
        assert_eq!(usual_value(&[]), Usual::NotTold);
    }

    #[test]
    fn numbers_are_as_long_as_their_range_asks() {
        let told = [
            (12.0, 328.0),
            (340.25, 328.0),
            (98_000.0, 328.0),
            (0.01234, 0.02),
            (-2.5, 3.0),
            (5.0, 0.0),
            (0.0, 1.0),
        ];
        let told = told.map(|(x, range)| short_number(x, range));
        assert_eq!(told, ["12", "340", "98,000", "0.0123", "-2.5", "5", "0"]);
    }
}
