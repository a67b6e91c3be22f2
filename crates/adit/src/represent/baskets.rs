//! Baskets from rows: a row an item, or a row a basket.
//!
//! Enters: rows whose columns have roles. Leaves: [`Transactions`]. Not here: which rows are learned from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::transactions::{Transactions, TransactionsBuilder};
use crate::prepare::{RowColumn, Rows, Values, number_name};

/// Numbers with more different values than this are cut into parts.
const FEW_NUMBERS: usize = 6;

/// Baskets with what is known of them.
#[derive(Clone, Debug, Default)]
pub struct Baskets {
    pub transactions: Transactions,
    /// The basket's own name, where it has one. `[n_baskets]`
    pub ids: Option<Vec<String>>,
    /// The column that each item comes from, where items of one column exclude each other. `[n_items]`
    pub column_of: Option<Vec<u32>>,
    /// A row a basket: how cells became items.
    pub cutting: Cutting,
    /// Rows without a basket or without an item.
    pub n_incomplete: u64,
    /// Items that were named again in their basket.
    pub n_doubles: u64,
}

/// How cells of a row become items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cutting {
    /// Every column is an item that is there or not.
    pub flags: bool,
    /// Where numbers are cut: the ends of all parts but the last, by column.
    pub ends: BTreeMap<String, Vec<f64>>,
}

impl Cutting {
    /// Looks at all rows. Where all columns hold 0 and 1, or yes and no, only, they are flags; numbers of many values are
    /// cut at quantiles into `n_parts`.
    pub fn of(columns: &[&RowColumn], n_parts: usize) -> Cutting {
        let ends = |column: &&RowColumn| {
            let ends = match &column.values {
                Values::Numbers(values) => cut_points(values, n_parts),
                Values::Times(times) => cut_points(&as_numbers(times), n_parts),
                Values::Strings(_) => None,
            };
            ends.map(|ends| (column.name.clone(), ends))
        };
        Cutting {
            flags: columns.iter().all(|column| is_flag(&column.values)),
            ends: columns.iter().filter_map(ends).collect(),
        }
    }
}

/// Baskets from rows of a basket and an item each; baskets in the order in which they are first seen. Rows of a basket
/// need not lie together.
pub fn of_items(basket: &RowColumn, item: &RowColumn) -> Baskets {
    let mut builder = TransactionsBuilder::default();
    let mut place_of: HashMap<String, usize> = HashMap::new();
    let mut ids = Vec::new();
    let mut baskets: Vec<Vec<u32>> = Vec::new();
    let mut n_incomplete = 0;
    for row in 0..len(&basket.values) {
        let (Some(id), Some(name)) = (cell(&basket.values, row), cell(&item.values, row)) else {
            n_incomplete += 1;
            continue;
        };
        let place = *place_of.entry(id).or_insert_with_key(|id| {
            ids.push(id.clone());
            baskets.push(Vec::new());
            baskets.len() - 1
        });
        baskets[place].push(builder.code(&name));
    }
    for basket in &mut baskets {
        builder.push_codes(basket);
    }
    Baskets {
        n_doubles: builder.doubles(),
        transactions: builder.finish(),
        ids: Some(ids),
        n_incomplete,
        ..Baskets::default()
    }
}

/// A basket a row: an item is a column that is true where columns are flags; else a column with its value or part.
pub fn of_rows(rows: &Rows, columns: &[&RowColumn], cutting: Cutting) -> Baskets {
    let n_rows = rows.n_rows();
    let all_flags = cutting.flags;
    let mut builder = TransactionsBuilder::default();
    let mut baskets: Vec<Vec<u32>> = vec![Vec::new(); n_rows];
    let mut column_of = Vec::new();
    for (at, column) in (0u32..).zip(columns) {
        let ends = cutting.ends.get(&column.name);
        let is_time = matches!(column.values, Values::Times(_));
        for (row, basket) in baskets.iter_mut().enumerate() {
            let name = match ends {
                Some(ends) => {
                    number(&column.values, row).map(|x| part(&column.name, ends, x, is_time))
                }
                None => cell(&column.values, row).and_then(|value| {
                    if all_flags {
                        is_true(&value).then(|| column.name.clone())
                    } else {
                        Some(format!("{} = {value}", column.name))
                    }
                }),
            };
            if let Some(name) = name {
                let code = builder.code(&name);
                if code as usize == column_of.len() {
                    column_of.push(at);
                }
                basket.push(code);
            }
        }
    }
    for basket in &mut baskets {
        builder.push_codes(basket);
    }
    Baskets {
        transactions: builder.finish(),
        column_of: (!all_flags).then_some(column_of),
        cutting,
        ..Baskets::default()
    }
}

pub(super) fn len(values: &Values) -> usize {
    match values {
        Values::Numbers(values) => values.len(),
        Values::Strings(values) => values.len(),
        Values::Times(values) => values.len(),
    }
}

pub(super) fn cell(values: &Values, row: usize) -> Option<String> {
    match values {
        Values::Numbers(values) => values[row].is_finite().then(|| number_name(values[row])),
        Values::Strings(values) => {
            let text = values[row].as_deref().map(str::trim);
            text.filter(|text| !text.is_empty()).map(String::from)
        }
        Values::Times(values) => values[row].map(time_name),
    }
}

pub(super) fn number(values: &Values, row: usize) -> Option<f64> {
    match values {
        Values::Numbers(values) => Some(values[row]).filter(|x| x.is_finite()),
        Values::Times(values) => values[row].map(|t| t as f64),
        Values::Strings(_) => None,
    }
}

fn as_numbers(times: &[Option<i64>]) -> Vec<f64> {
    let number = |time: &Option<i64>| time.map_or(f64::NAN, |t| t as f64);
    times.iter().map(number).collect()
}

fn time_name(milliseconds: i64) -> String {
    chrono::DateTime::from_timestamp_millis(milliseconds).map_or_else(
        || milliseconds.to_string(),
        |time| {
            time.format("%Y-%m-%d %H:%M")
                .to_string()
                .trim_end_matches(" 00:00")
                .to_string()
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

fn part(column: &str, ends: &[f64], value: f64, is_time: bool) -> String {
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
    for row in 0..len(values) {
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

fn is_true(value: &str) -> bool {
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
    use crate::prepare::Role;

    fn column(name: &str, values: Values) -> RowColumn {
        RowColumn {
            name: name.into(),
            role: Role::Category,
            values,
        }
    }

    fn strings(values: &[&str]) -> Values {
        Values::Strings(
            values
                .iter()
                .map(|v| (!v.is_empty()).then(|| v.to_string()))
                .collect(),
        )
    }

    fn named(baskets: &Baskets) -> Vec<Vec<&str>> {
        let names = baskets.transactions.names();
        let of = |basket: &[u32]| basket.iter().map(|&c| names[c as usize].as_str()).collect();
        baskets.transactions.baskets().map(of).collect()
    }

    #[test]
    fn rows_of_a_basket_need_not_lie_together() {
        let basket = column("receipt", strings(&["a", "b", "a", "", "b", "a"]));
        let item = column(
            "item",
            strings(&["milk", "tea", "bread", "tea", "", "milk"]),
        );
        let baskets = of_items(&basket, &item);
        assert_eq!(named(&baskets), [vec!["milk", "bread"], vec!["tea"]]);
        assert_eq!(
            baskets.ids.as_deref(),
            Some(&["a".to_string(), "b".to_string()][..])
        );
        assert_eq!((baskets.n_incomplete, baskets.n_doubles), (2, 1));
    }

    fn rows(n: usize, columns: Vec<RowColumn>) -> Rows {
        Rows {
            row_ids: (0..n as u64).collect(),
            columns,
        }
    }

    #[test]
    fn flags_are_items_and_values_are_attributes() {
        let flags = rows(
            3,
            vec![
                column("milk", Values::Numbers(vec![1.0, 0.0, 1.0])),
                column("tea", strings(&["yes", "no", ""])),
            ],
        );
        let columns: Vec<&RowColumn> = flags.columns.iter().collect();
        let baskets = of_rows(&flags, &columns, Cutting::of(&columns, 4));
        assert_eq!(named(&baskets), [vec!["milk", "tea"], vec![], vec!["milk"]]);
        assert!(baskets.column_of.is_none());

        let ages: Vec<f64> = (1..=8).map(f64::from).collect();
        let table = rows(
            8,
            vec![
                column("age", Values::Numbers(ages)),
                column("sex", strings(&["f", "m", "f", "m", "f", "m", "f", "w"])),
            ],
        );
        let columns: Vec<&RowColumn> = table.columns.iter().collect();
        let baskets = of_rows(&table, &columns, Cutting::of(&columns, 4));
        assert_eq!(baskets.cutting.ends["age"], [2.0, 4.0, 6.0]);
        assert_eq!(named(&baskets)[0], ["age ≤ 2", "sex = f"]);
        assert_eq!(named(&baskets)[3], ["age > 2 and ≤ 4", "sex = m"]);
        assert_eq!(named(&baskets)[7], ["age > 6", "sex = w"]);
        assert_eq!(baskets.column_of.unwrap(), [0, 0, 0, 0, 1, 1, 1]);
    }
}
