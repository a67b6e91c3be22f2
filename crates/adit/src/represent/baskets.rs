//! Baskets from rows: a row an item, or a row a basket.
//!
//! Enters: rows whose columns have roles. Leaves: [`Transactions`]. Not here: which rows are learned from.

use std::collections::HashMap;

use super::cutting::{Cutting, is_true, part, time_name};
use super::transactions::{Transactions, TransactionsBuilder};
use crate::prepare::{RowColumn, Rows, Values, number_name};

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

impl Baskets {
    /// Gives every basket that has a label an item `column = label`, and tells their codes.
    pub fn add_labels(&mut self, column: &str, label_of: &HashMap<String, String>) -> Vec<u32> {
        let mut names = self.transactions.names().to_vec();
        let first = names.len() as u32;
        let mut code_of: HashMap<&str, u32> = HashMap::new();
        let ids = self.ids.as_deref().unwrap_or_default();
        let baskets: Vec<Vec<u32>> = (self.transactions.baskets().zip(ids))
            .map(|(basket, id)| {
                let mut basket = basket.to_vec();
                if let Some(label) = label_of.get(id) {
                    let next = first + code_of.len() as u32;
                    let code = *code_of.entry(label.as_str()).or_insert_with(|| {
                        names.push(format!("{column} = {label}"));
                        next
                    });
                    basket.push(code);
                }
                basket
            })
            .collect();
        self.transactions = Transactions::from_codes(names, baskets.into_iter());
        (first..self.transactions.n_items() as u32).collect()
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
    for row in 0..basket.values.len() {
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

pub(crate) fn cell(values: &Values, row: usize) -> Option<String> {
    match values {
        Values::Numbers(values) => values[row].is_finite().then(|| number_name(values[row])),
        Values::Strings(values) => {
            let text = values[row].as_deref().map(str::trim);
            text.filter(|text| !text.is_empty()).map(String::from)
        }
        Values::Times(values) => values[row].map(time_name),
        Values::Histories(_) => None,
    }
}

pub(crate) fn number(values: &Values, row: usize) -> Option<f64> {
    match values {
        Values::Numbers(values) => Some(values[row]).filter(|x| x.is_finite()),
        Values::Times(values) => values[row].map(|t| t as f64),
        Values::Strings(_) | Values::Histories(_) => None,
    }
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
        let baskets = of_rows(&flags, &columns, Cutting::of(&columns, 4, None));
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
        let baskets = of_rows(&table, &columns, Cutting::of(&columns, 4, None));
        assert_eq!(baskets.cutting.ends["age"], [2.0, 4.0, 6.0]);
        assert_eq!(named(&baskets)[0], ["age ≤ 2", "sex = f"]);
        assert_eq!(named(&baskets)[3], ["age > 2 and ≤ 4", "sex = m"]);
        assert_eq!(named(&baskets)[7], ["age > 6", "sex = w"]);
        assert_eq!(baskets.column_of.unwrap(), [0, 0, 0, 0, 1, 1, 1]);
    }
}
