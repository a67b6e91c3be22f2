//! The rules for columns that no one gave a role.

use super::super::Role;
use crate::chemistry;
use crate::source::{ColumnProfile, ColumnType};

/// Fewer rows than this say nothing about whether values repeat.
const ENOUGH_ROWS: u64 = 20;
/// Most words a code such as `AB 1234` has.
const FEW_WORDS: f64 = 3.0;
/// Characters from which a string without spaces may be a text (Chinese, formulae, addresses).
const LONG: f64 = 12.0;
/// Whole numbers of at most this many distinct values are read as codes …
const MOST_CODES: u64 = 6;
/// … if each comes back this often on average …
const ROWS_PER_CODE: u64 = 20;
/// … and they are as small as codes are.
const LARGEST_CODE: f64 = 99.0;
/// Distinct texts that make a column text although they repeat.
const MANY_TEXTS: u64 = 100;
/// An entity with more values than this cannot serve as a category.
const MANY_ENTITIES: u64 = 100;

/// Cells with a value.
pub(super) fn present(column: &ColumnProfile, n_rows: u64) -> u64 {
    n_rows.saturating_sub(column.missing)
}

/// The role of a column and why.
pub(super) fn by_rule(column: &ColumnProfile, n_rows: u64) -> (Role, String) {
    let present = present(column, n_rows);
    if present == 0 {
        return (Role::Ignore, "no value in any row".into());
    }
    if column.distinct <= 1 && column.missing == 0 {
        return (Role::Ignore, "the same value in every row".into());
    }
    if column.column_type == ColumnType::Time {
        return (Role::Time, "times".into());
    }
    let strings = column.top_values.iter().map(|(value, _)| value.as_str());
    if column.column_type == ColumnType::Text && chemistry::are_molecules(strings) {
        return (Role::Molecule, "molecules, written as SMILES".into());
    }
    if let Some(found) = id_like(column, present) {
        return found;
    }
    match column.column_type {
        ColumnType::Boolean => (Role::Category, "true or false".into()),
        ColumnType::Integer | ColumnType::Float => number(column, present),
        _ => text(column, present),
    }
}

/// Columns that name rows or things rather than describe them.
fn id_like(column: &ColumnProfile, present: u64) -> Option<(Role, String)> {
    let numeric = matches!(column.column_type, ColumnType::Integer | ColumnType::Float);
    if numeric && !column.whole_numbers || column.column_type == ColumnType::Boolean {
        return None;
    }
    if !numeric && (column.mean_words >= FEW_WORDS || !column.non_numeric.is_empty()) {
        return None;
    }
    let enough = present >= ENOUGH_ROWS;
    let distinct = column.distinct;
    // Counts of many values are sketched, so "all" allows for the sketch's error.
    let all_distinct = if column.distinct_is_exact {
        distinct == present
    } else {
        distinct * 100 >= present * 97
    };
    if named_like_an_id(&column.name) {
        if all_distinct || distinct * 10 >= present * 9 {
            return Some((
                Role::Id,
                format!("named like an id, {distinct} distinct values"),
            ));
        }
        if distinct > MANY_ENTITIES {
            let reason = format!(
                "named like an id, {distinct} values that come back: their rows are kept together"
            );
            return Some((Role::Entity, reason));
        }
        return None;
    }
    if !all_distinct || !enough {
        return None;
    }
    if numeric && column.increasing {
        return Some((Role::Id, "whole numbers that rise from row to row".into()));
    }
    let one_length = column.max_chars as f64 <= 1.25 * column.mean_chars;
    if !numeric && one_length {
        return Some((Role::Id, "codes of one length that never repeat".into()));
    }
    None
}

fn number(column: &ColumnProfile, present: u64) -> (Role, String) {
    let distinct = column.distinct;
    let small = |bound: Option<f64>| bound.is_some_and(|x| x.abs() <= LARGEST_CODE);
    let codes = column.whole_numbers
        && (3..=MOST_CODES).contains(&distinct)
        && distinct * ROWS_PER_CODE <= present
        && small(column.min)
        && small(column.max);
    if codes {
        let reason = format!("{distinct} distinct whole numbers, read as codes");
        return (Role::Category, reason);
    }
    let kind = if column.whole_numbers {
        "whole numbers"
    } else {
        "numbers"
    };
    (Role::Number, format!("{distinct} distinct {kind}"))
}

fn text(column: &ColumnProfile, present: u64) -> (Role, String) {
    let distinct = column.distinct;
    if !column.non_numeric.is_empty() {
        // The source lists these only where nine in ten cells are numbers.
        return (Role::Number, "numbers, but for a few cells".into());
    }
    let mostly_distinct = distinct * 2 > present;
    let words = column.mean_words;
    if words >= FEW_WORDS && (mostly_distinct || distinct >= MANY_TEXTS) {
        return (Role::Text, format!("text of {words:.0} words on average"));
    }
    if column.mean_chars >= LONG && mostly_distinct && present >= ENOUGH_ROWS {
        let characters = column.mean_chars;
        return (
            Role::Text,
            format!("distinct strings of {characters:.0} characters on average"),
        );
    }
    let mut reason = format!("{distinct} distinct values");
    if named_like_an_id(&column.name) {
        reason.push_str(": give it the role `entity` to keep its rows together");
    }
    (Role::Category, reason)
}

/// `id`, `ID`, `id1`, `id_2`, `customer_id`, `customer id`, `customerId`, `CustomerID`, `uuid`, `index`;
/// not `paid`, `humid`, `idle`.
pub(super) fn named_like_an_id(name: &str) -> bool {
    let trimmed = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    let lower = trimmed.to_lowercase();
    if matches!(
        lower.as_str(),
        "id" | "uuid" | "guid" | "index" | "unnamed: " | "rowid" | "row_id"
    ) {
        return true;
    }
    let separated = ["_id", " id", "-id", ".id", "_uuid", "_key"];
    let camel = trimmed
        .strip_suffix("Id")
        .or_else(|| trimmed.strip_suffix("ID"))
        .and_then(|stem| stem.chars().next_back())
        .is_some_and(char::is_lowercase);
    separated.iter().any(|end| lower.ends_with(end)) || camel
}
