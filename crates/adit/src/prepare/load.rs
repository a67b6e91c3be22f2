//! Loads the columns of a table that have a role.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};

use super::nearest::nearest;
use super::schema::type_words;
use super::text::{number_name, parse_number};
use super::{ColumnRole, Preparation, PrepareError, Role, RowColumn, Rows, Values};
use crate::source::{ColumnSchema, ColumnType, Table};

/// A number column that arrives as text bears one word in so many cells.
const CELLS_PER_WORD: u64 = 10;
/// Words kept for a message.
const EXAMPLES: usize = 5;

/// What is done with words in number columns that arrive as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Read as missing while they are at most a tenth of the column's cells.
    Missing,
    /// Every one is an error.
    Refused,
}

/// Words in a number column that were read as missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordsFound {
    pub column: String,
    pub count: u64,
    /// `(row, cell)`, at most five.
    pub examples: Vec<(u64, String)>,
}

/// Loads every column whose role is not `Ignore`, in the order of the table.
///
/// Numbers that are not finite are missing. Words in a number column that arrives as text are
/// missing too while they are at most a tenth of its cells.
///
/// # Errors
/// A column with a role is absent (ids and entities may be) or of a type that the role cannot have;
/// too many words in a number column; the table cannot be read.
pub fn load(table: &Table, roles: &[ColumnRole]) -> Result<Rows, PrepareError> {
    load_counted(table, roles, Words::Missing).map(|(rows, _)| rows)
}

/// As [`load`], and says which words were read as missing.
pub fn load_counted(
    table: &Table,
    roles: &[ColumnRole],
    words: Words,
) -> Result<(Rows, Vec<WordsFound>), PrepareError> {
    let mut columns = wanted(table.schema(), roles)?;
    let positions: Vec<usize> = columns.iter().map(|column| column.position).collect();
    let mut n_rows = 0;
    for batch in table.batches(Some(&positions))? {
        let batch = batch?;
        for (column, array) in columns.iter_mut().zip(batch.columns.columns()) {
            column.append(array, batch.first_row)?;
        }
        n_rows += batch.columns.num_rows() as u64;
    }
    let mut found = Vec::new();
    let mut loaded = Vec::with_capacity(columns.len());
    for column in columns {
        found.extend(column.cells.words(&column.name, words)?);
        loaded.push(RowColumn {
            name: column.name,
            role: column.role,
            values: column.values,
        });
    }
    let rows = Rows {
        row_ids: (0..n_rows).collect(),
        columns: loaded,
    };
    Ok((rows, found))
}

/// Streams the columns that [`load`] would load, a batch at a time; a word among numbers is an error.
///
/// # Errors
/// As [`load`], in the call or from the iterator.
pub fn stream(
    table: &Table,
    roles: &[ColumnRole],
) -> Result<impl Iterator<Item = Result<Rows, PrepareError>>, PrepareError> {
    let positions = positions(table.schema(), roles)?;
    Ok(table.batches(Some(&positions))?.map(move |read| {
        let read = read?;
        let of = (table.schema(), roles);
        let (rows, cells) = batch(of, read.columns.columns(), read.first_row)?;
        for (column, cells) in &cells {
            cells.words(column, Words::Refused)?;
        }
        Ok(rows)
    }))
}

/// Where the columns that [`load`] would load stand in the table.
///
/// # Errors
/// A column with a role is absent or of a type that the role cannot have.
pub(super) fn positions(
    schema: &[ColumnSchema],
    roles: &[ColumnRole],
) -> Result<Vec<usize>, PrepareError> {
    let columns = wanted(schema, roles)?;
    Ok(columns.iter().map(|column| column.position).collect())
}

/// The rows of one batch of these columns, and what the cells of columns with words were; words are missing.
///
/// # Errors
/// A column of a type that its role cannot have.
pub(super) fn batch(
    (schema, roles): (&[ColumnSchema], &[ColumnRole]),
    arrays: &[ArrayRef],
    first_row: u64,
) -> Result<(Rows, Vec<(String, Cells)>), PrepareError> {
    let (mut columns, mut cells) = (Vec::new(), Vec::new());
    for (mut column, array) in wanted(schema, roles)?.into_iter().zip(arrays) {
        column.append(array, first_row)?;
        if column.cells.present > 0 {
            cells.push((column.name.clone(), column.cells));
        }
        columns.push(RowColumn {
            name: column.name,
            role: column.role,
            values: column.values,
        });
    }
    let n_rows = arrays.first().map_or(0, |array| array.len() as u64);
    let rows = Rows {
        row_ids: (first_row..first_row + n_rows).collect(),
        columns,
    };
    Ok((rows, cells))
}

impl Preparation {
    /// Checks the schema of a new table and loads what the model needs; a word among numbers is an
    /// error here, because no one looks at a single row's warning.
    ///
    /// The target is loaded only if `with_target` and it is there; ids and entities where they are there.
    pub fn load(&self, table: &Table, with_target: bool) -> Result<Rows, PrepareError> {
        self.check_schema(table.schema())?;
        let roles = self.roles_for(table.schema(), with_target);
        load_counted(table, &roles, Words::Refused).map(|(rows, _)| rows)
    }
}

/// A column while it is loaded.
struct Loading {
    name: String,
    role: Role,
    column_type: ColumnType,
    /// Place in the table's schema.
    position: usize,
    values: Values,
    cells: Cells,
    /// The first number that may stand for several names, and its row.
    inexact: Option<(u64, f64)>,
}

/// What the cells of a number column that arrives as text were; nothing of other columns.
#[derive(Debug, Default)]
pub(super) struct Cells {
    present: u64,
    n_words: u64,
    /// `(row, cell)`, at most five.
    examples: Vec<(u64, String)>,
}

/// The columns to load, in the order of the table.
fn wanted(schema: &[ColumnSchema], roles: &[ColumnRole]) -> Result<Vec<Loading>, PrepareError> {
    let mut by_name: BTreeMap<&str, Role> = roles
        .iter()
        .filter(|role| role.role != Role::Ignore)
        .map(|role| (role.name.as_str(), role.role))
        .collect();
    let mut columns = Vec::with_capacity(by_name.len());
    for (position, column) in schema.iter().enumerate() {
        if let Some(role) = by_name.remove(column.name.as_str()) {
            columns.push(Loading {
                name: column.name.clone(),
                role,
                column_type: column.column_type,
                position,
                values: empty(role, column.column_type),
                cells: Cells::default(),
                inexact: None,
            });
        }
    }
    by_name.retain(|_, role| !matches!(role, Role::Id | Role::Entity));
    if let Some((name, _)) = by_name.iter().find(|(_, role)| **role == Role::Target) {
        let names: Vec<String> = schema.iter().map(|c| c.name.clone()).collect();
        return Err(PrepareError::UnknownColumn {
            what: "target",
            name: name.to_string(),
            nearest: nearest(name, &names),
            columns: names,
        });
    }
    if by_name.is_empty() {
        return Ok(columns);
    }
    Err(PrepareError::Schema {
        missing: by_name.into_keys().map(String::from).collect(),
        wrong: Vec::new(),
    })
}

/// What a column of that type holds in that role.
fn empty(role: Role, column_type: ColumnType) -> Values {
    let number = matches!(column_type, ColumnType::Integer | ColumnType::Float);
    match role {
        Role::Number => Values::Numbers(Vec::new()),
        Role::Time => Values::Times(Vec::new()),
        Role::Target if number => Values::Numbers(Vec::new()),
        Role::Target | Role::Id | Role::Entity if column_type == ColumnType::Time => {
            Values::Times(Vec::new())
        }
        _ => Values::Strings(Vec::new()),
    }
}

/// The first number that is not whole or too large for all whole numbers to be told apart.
fn inexact(cells: &PrimitiveArray<Float64Type>, first_row: u64) -> Option<(u64, f64)> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let is_inexact = |id: f64| id.is_finite() && (id.fract() != 0.0 || id.abs() >= WHOLE);
    let mut of_row = (first_row..).zip(cells.iter());
    of_row.find_map(|(row, id)| Some((row, id.filter(|id| is_inexact(*id))?)))
}

impl Loading {
    fn append(&mut self, array: &ArrayRef, first_row: u64) -> Result<(), PrepareError> {
        let wrong = PrepareError::WrongType {
            column: self.name.clone(),
            role: self.role.word(),
            found: type_words(self.column_type),
        };
        let done = match self.values {
            Values::Numbers(_) => self.append_numbers(array, first_row),
            Values::Strings(_) => self.append_strings(array, first_row),
            Values::Times(_) => self.append_times(array),
            Values::Histories(_) => None,
        };
        done.ok_or(wrong)?;
        match self.inexact.filter(|_| self.role == Role::Entity) {
            Some((row, id)) => Err(PrepareError::IdsAreNumbers {
                column: self.name.clone(),
                row,
                cell: number_name(id),
            }),
            None => Ok(()),
        }
    }

    fn append_numbers(&mut self, array: &ArrayRef, first_row: u64) -> Option<()> {
        if self.column_type == ColumnType::Text {
            return self.append_parsed(array, first_row);
        }
        let Values::Numbers(values) = &mut self.values else {
            return None;
        };
        match self.column_type {
            ColumnType::Integer => {
                let cells = array.as_primitive_opt::<Int64Type>()?;
                values.extend(cells.iter().map(|cell| cell.map_or(f64::NAN, |x| x as f64)));
            }
            ColumnType::Float => {
                let cells = array.as_primitive_opt::<Float64Type>()?;
                let finite = |cell: Option<f64>| cell.filter(|x| x.is_finite()).unwrap_or(f64::NAN);
                values.extend(cells.iter().map(finite));
            }
            ColumnType::Boolean => {
                let cells = array.as_boolean_opt()?;
                values.extend(cells.iter().map(|cell| cell.map_or(f64::NAN, f64::from)));
            }
            ColumnType::Time | ColumnType::Text => return None,
        }
        Some(())
    }

    fn append_parsed(&mut self, array: &ArrayRef, first_row: u64) -> Option<()> {
        let Values::Numbers(values) = &mut self.values else {
            return None;
        };
        for (row, cell) in (first_row..).zip(array.as_string_opt::<i32>()?.iter()) {
            let text = cell.map(str::trim).filter(|text| !text.is_empty());
            let number = text.and_then(parse_number);
            self.cells.present += u64::from(text.is_some());
            if let (Some(word), None) = (text, number) {
                self.cells.n_words += 1;
                if self.cells.examples.len() < EXAMPLES {
                    self.cells.examples.push((row, word.to_string()));
                }
            }
            values.push(number.unwrap_or(f64::NAN));
        }
        Some(())
    }

    fn append_strings(&mut self, array: &ArrayRef, first_row: u64) -> Option<()> {
        let Values::Strings(values) = &mut self.values else {
            return None;
        };
        match self.column_type {
            ColumnType::Text => {
                let cells = array.as_string_opt::<i32>()?;
                values.extend(cells.iter().map(|cell| cell.map(String::from)));
            }
            ColumnType::Integer => {
                let cells = array.as_primitive_opt::<Int64Type>()?;
                values.extend(cells.iter().map(|cell| cell.map(|x| x.to_string())));
            }
            ColumnType::Float => {
                let cells = array.as_primitive_opt::<Float64Type>()?;
                self.inexact = self.inexact.or_else(|| inexact(cells, first_row));
                let name = |cell: Option<f64>| cell.filter(|x| x.is_finite()).map(number_name);
                values.extend(cells.iter().map(name));
            }
            ColumnType::Boolean => {
                let cells = array.as_boolean_opt()?;
                values.extend(cells.iter().map(|cell| cell.map(|x| x.to_string())));
            }
            ColumnType::Time => return None,
        }
        Some(())
    }

    /// Times, or a text column without any cell, as a blank column of times arrives.
    fn append_times(&mut self, array: &ArrayRef) -> Option<()> {
        let Values::Times(values) = &mut self.values else {
            return None;
        };
        match self.column_type {
            ColumnType::Time => {
                let cells = array.as_primitive_opt::<TimestampMillisecondType>()?;
                values.extend(cells.iter());
                Some(())
            }
            ColumnType::Text => {
                let mut cells = array.as_string_opt::<i32>()?.iter().flatten();
                let blank = cells.all(|cell| cell.trim().is_empty());
                values.extend(std::iter::repeat_n(None, array.len()));
                blank.then_some(())
            }
            _ => None,
        }
    }
}

impl Cells {
    /// Takes in those of another part of the column.
    pub(super) fn merge(&mut self, other: Cells) {
        self.present += other.present;
        self.n_words += other.n_words;
        self.examples.extend(other.examples);
        self.examples.sort_unstable();
        self.examples.truncate(EXAMPLES);
    }

    /// The words among the numbers, unless they are too many.
    pub(super) fn words(
        &self,
        column: &str,
        words: Words,
    ) -> Result<Option<WordsFound>, PrepareError> {
        if self.n_words == 0 {
            return Ok(None);
        }
        if words == Words::Refused || self.n_words * CELLS_PER_WORD > self.present {
            return Err(PrepareError::NotNumbers {
                column: column.into(),
                count: self.n_words,
                examples: self.examples.clone(),
                is_target: false,
            });
        }
        Ok(Some(WordsFound {
            column: column.into(),
            count: self.n_words,
            examples: self.examples.clone(),
        }))
    }
}

#[cfg(test)]
mod tests;
