//! How cells of a row become items: which columns are flags, and where numbers are cut.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::baskets::cell;
use crate::prepare::{RowColumn, Values, number_name};

/// Parts that a column is cut into by classes, at most: more are no longer read.
const MOST_PARTS: usize = 8;
/// Numbers with more different values than this are cut into parts.
const FEW_NUMBERS: usize = 6;

/// How cells of a row become items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cutting {
    /// Every column is an item that is there or not.
    pub flags: bool,
    /// Where numbers are cut: the ends of all parts but the last, by column.
    pub ends: BTreeMap<String, Vec<f64>>,
}

/// What rows belong to, by which numbers are cut.
#[derive(Clone, Copy, Debug)]
pub struct Classes<'a> {
    /// The class of each row, where it has one. `[n_rows]`
    pub of_row: &'a [Option<u32>],
    /// The column of the class, which is not cut by itself.
    pub column: &'a str,
    /// Rows that may be looked at.
    pub rows: &'a [usize],
}

impl Cutting {
    /// Looks at all rows. Where all columns hold 0 and 1, or yes and no, only, they are flags; numbers of many values are
    /// cut at quantiles into `n_parts`.
    ///
    /// With `classes`, a column is cut where its parts tell most of them, as long as the description of the classes
    /// grows shorter by it (Fayyad and Irani 1993, "Multi-interval discretization of continuous-valued attributes for
    /// classification learning"), and at quantiles where no cut does that.
    pub fn of(columns: &[&RowColumn], n_parts: usize, classes: Option<Classes>) -> Cutting {
        let ends = |column: &&RowColumn| {
            let values = match &column.values {
                Values::Numbers(values) => values.clone(),
                Values::Times(times) => as_numbers(times),
                Values::Strings(_) | Values::Histories(_) => return None,
            };
            let by_class = classes.filter(|classes| classes.column != column.name);
            let told = by_class.and_then(|classes| cuts_by_class(&values, &classes));
            let ends = cut_points(&values, n_parts).map(|quantiles| told.unwrap_or(quantiles));
            ends.map(|ends| (column.name.clone(), ends))
        };
        Cutting {
            flags: columns.iter().all(|column| is_flag(&column.values)),
            ends: columns.iter().filter_map(ends).collect(),
        }
    }
}

fn as_numbers(times: &[Option<i64>]) -> Vec<f64> {
    let number = |time: &Option<i64>| time.map_or(f64::NAN, |t| t as f64);
    times.iter().map(number).collect()
}

pub(super) fn time_name(milliseconds: i64) -> String {
    chrono::DateTime::from_timestamp_millis(milliseconds).map_or_else(
        || milliseconds.to_string(),
        |time| {
            // As short as it can be told.
            let form = match milliseconds {
                ms if ms % 86_400_000 == 0 => "%Y-%m-%d",
                ms if ms % 60_000 == 0 => "%Y-%m-%d %H:%M",
                ms if ms % 1_000 == 0 => "%Y-%m-%d %H:%M:%S",
                _ => "%Y-%m-%d %H:%M:%S%.3f",
            };
            time.format(form).to_string()
        },
    )
}

/// Ends of all parts but the last; `None` where the values are few.
fn cut_points(values: &[f64], n_parts: usize) -> Option<Vec<f64>> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= FEW_NUMBERS.max(n_parts) {
        return None;
    }
    let quantile = |k: usize| sorted[(k * sorted.len() / n_parts).saturating_sub(1)];
    let mut ends: Vec<f64> = (1..n_parts).map(quantile).collect();
    ends.dedup();
    // A part above the largest value would be empty.
    ends.retain(|end| end < distinct.last().unwrap_or(&f64::INFINITY));
    Some(ends)
}

/// Where the classes of the rows that may be looked at change most; `None` where no cut pays for itself.
fn cuts_by_class(values: &[f64], classes: &Classes) -> Option<Vec<f64>> {
    let mut known: Vec<(f64, u32)> = (classes.rows.iter())
        .filter(|&&row| values[row].is_finite())
        .filter_map(|&row| Some((values[row], classes.of_row[row]?)))
        .collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n_classes = known.iter().map(|k| k.1 as usize + 1).max()?;
    // The part that gains most by its cut is cut first.
    let mut ends = Vec::new();
    let mut open: Vec<Cut> = best_cut(&known, n_classes, 0).into_iter().collect();
    while let Some(best) = (0..open.len()).max_by(|&a, &b| open[a].gain.total_cmp(&open[b].gain)) {
        let cut = open.swap_remove(best);
        ends.push(known[cut.at - 1].0);
        if ends.len() + 1 == MOST_PARTS {
            break;
        }
        let (from, to) = (cut.from, cut.to);
        open.extend(best_cut(&known[from..cut.at], n_classes, from));
        open.extend(best_cut(&known[cut.at..to], n_classes, cut.at));
    }
    ends.sort_by(f64::total_cmp);
    (!ends.is_empty()).then_some(ends)
}

/// A cut before `at` of the sorted values `from..to`.
struct Cut {
    from: usize,
    at: usize,
    to: usize,
    /// Bits that the classes of all its values take less.
    gain: f64,
}

/// The cut after which the classes take the fewest bits; `None` where telling of it takes more than it saves.
fn best_cut(known: &[(f64, u32)], n_classes: usize, from: usize) -> Option<Cut> {
    let n = known.len();
    let mut left = vec![0u32; n_classes];
    let mut right = vec![0u32; n_classes];
    known.iter().for_each(|k| right[k.1 as usize] += 1);
    let (whole, of_whole) = (bits(&right), different(&right));
    let mut best: Option<(f64, usize, f64)> = None;
    for at in 1..n {
        let class = known[at - 1].1 as usize;
        left[class] += 1;
        right[class] -= 1;
        if known[at - 1].0 < known[at].0 {
            let after = bits(&left) + bits(&right);
            if best.is_none_or(|(least, ..)| after < least) {
                let k = of_whole as f64;
                let (l, r) = (different(&left) as f64, different(&right) as f64);
                // Bits to tell the classes' shares in two parts instead of one.
                let shares = (3f64.powf(k) - 2.0).log2() - k * whole / n as f64
                    + l * bits(&left) / at as f64
                    + r * bits(&right) / (n - at) as f64;
                best = Some((after, at, shares));
            }
        }
    }
    let (after, at, shares) = best?;
    let gain = whole - after;
    let pays = gain > ((n - 1) as f64).log2() + shares;
    pays.then_some(Cut {
        from,
        at: from + at,
        to: from + n,
        gain,
    })
}

/// Bits of the classes of rows by their entropy.
fn bits(counts: &[u32]) -> f64 {
    let n: u32 = counts.iter().sum();
    let of = |&count: &u32| match count {
        0 => 0.0,
        count => f64::from(count) * (f64::from(n) / f64::from(count)).log2(),
    };
    counts.iter().map(of).sum()
}

fn different(counts: &[u32]) -> usize {
    counts.iter().filter(|count| **count > 0).count()
}

/// The name of the part that a number lies in.
pub(super) fn part(column: &str, ends: &[f64], value: f64, is_time: bool) -> String {
    let name = |x: f64| {
        if is_time {
            time_name(x as i64)
        } else {
            number_name(x)
        }
    };
    let at = ends.partition_point(|&end| end < value);
    match (at.checked_sub(1).map(|k| ends[k]), ends.get(at)) {
        (None, Some(&end)) => format!("{column} ≤ {}", name(end)),
        (Some(start), Some(&end)) => format!("{column} > {} and ≤ {}", name(start), name(end)),
        (Some(start), None) => format!("{column} > {}", name(start)),
        (None, None) => column.to_string(),
    }
}

/// True where all values are 0 and 1 or words for them.
fn is_flag(values: &Values) -> bool {
    let mut seen = BTreeSet::new();
    for row in 0..values.len() {
        let Some(value) = cell(values, row) else {
            continue;
        };
        if !is_true(&value) && !is_false(&value) {
            return false;
        }
        seen.insert(is_true(&value));
    }
    !seen.is_empty()
}

/// Whether a word says yes.
pub(super) fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "y", "t", "x"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

fn is_false(value: &str) -> bool {
    ["0", "false", "no", "n", "f", "?"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn numbers_are_cut_where_the_class_changes_and_only_there() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let n = 2000;
        let values: Vec<f64> = (0..n).map(|_| rng.random::<f64>() * 100.0).collect();
        let class = |x: f64, rng: &mut ChaCha8Rng| {
            let share = if x <= 30.0 || x > 80.0 { 0.2 } else { 0.7 };
            Some(u32::from(rng.random_bool(share)))
        };
        let of_row: Vec<Option<u32>> = values.iter().map(|&x| class(x, &mut rng)).collect();
        let rows: Vec<usize> = (0..n).collect();
        let classes = Classes {
            of_row: &of_row,
            column: "y",
            rows: &rows,
        };
        let ends = cuts_by_class(&values, &classes).unwrap();
        assert_eq!(ends.len(), 2, "{ends:?}");
        assert!(
            (ends[0] - 30.0).abs() < 2.0 && (ends[1] - 80.0).abs() < 2.0,
            "{ends:?}"
        );
        // By chance nothing pays for itself, or next to nothing.
        let mut cut = 0;
        for _ in 0..100 {
            let drawn: Vec<Option<u32>> = (0..n)
                .map(|_| Some(u32::from(rng.random_bool(0.3))))
                .collect();
            let classes = Classes {
                of_row: &drawn,
                ..classes
            };
            cut += usize::from(cuts_by_class(&values, &classes).is_some());
        }
        assert!(cut <= 5, "{cut}");
    }

    #[test]
    fn rows_that_may_not_be_looked_at_change_nothing() {
        let values: Vec<f64> = (0..200).map(f64::from).collect();
        let of_row: Vec<Option<u32>> = (0..200).map(|k| Some(u32::from(k >= 50))).collect();
        let mut other = of_row.clone();
        for k in (0..200).step_by(2) {
            other[k] = Some(u32::from(k >= 150));
        }
        let rows: Vec<usize> = (1..200).step_by(2).collect();
        let cuts = |of_row: &[Option<u32>]| {
            let classes = Classes {
                of_row,
                column: "y",
                rows: &rows,
            };
            cuts_by_class(&values, &classes)
        };
        assert_eq!(cuts(&of_row), Some(vec![49.0]));
        assert_eq!(cuts(&other), cuts(&of_row));
    }
}
