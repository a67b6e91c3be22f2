//! Reads baskets in whichever form they are written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::data::bad_row_warnings;
use super::pattern_job::{PatternForm, PatternJob};
use super::{Context, RunError};
use crate::engine::Session;
use crate::explain::Warning;
use crate::mine::rules::searched_half;
use crate::prepare::{self, ColumnRole, Role, RoleSettings, RowColumn, Values};
use crate::represent::baskets::{self, Baskets};
use crate::represent::cutting::{Classes, Cutting};
use crate::represent::histories::labels_of;
use crate::represent::transactions::TransactionsBuilder;
use crate::source::{
    BadRow, BasketLines, ColumnType, Origin, SourceError, Table, looks_like_baskets, read_baskets,
};

/// Parts that numbers are cut into.
const PARTS: usize = 4;
/// Numbers are cut by what is asked about where that has no more values than these.
const MOST_CLASSES: usize = 32;
/// Between the columns of a basket's name.
const BETWEEN: &str = " / ";

/// Baskets, and how they were read.
pub struct LoadedBaskets {
    pub baskets: Baskets,
    /// Whose each basket is, where several belong together. `[n_baskets]`
    pub unit: Option<Vec<u64>>,
    /// Items that rules lead to, where some are asked for.
    pub targets: Option<Vec<u32>>,
    pub reading: Reading,
    pub origins: Vec<Origin>,
    pub bad_rows: Vec<BadRow>,
    pub warnings: Vec<Warning>,
}

/// How baskets are read, so that others are read alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub form: PatternForm,
    /// A row a basket: roles of the columns that are read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
    #[serde(default)]
    pub cutting: Cutting,
}

/// How the baskets of a job are written.
///
/// # Errors
/// Files that are not there.
pub(super) fn form_of(
    job: &PatternJob,
    known: Option<&Reading>,
    spool: &Path,
) -> Result<PatternForm, RunError> {
    let form = match known.map_or(job.data.form, |reading| reading.form) {
        PatternForm::Auto if !job.data.basket.is_empty() => PatternForm::Items,
        PatternForm::Auto if looks_like_baskets(&job.source_settings(), spool)? => {
            PatternForm::Lines
        }
        PatternForm::Auto => PatternForm::Rows,
        given => given,
    };
    let d = &job.data;
    let of_rows = !d.columns.is_empty() || d.cut.is_some() || d.parts.is_some();
    let reason = match form {
        PatternForm::Lines if of_rows || d.contrast.is_some() => {
            "the data are lines of baskets, which have no columns: columns, contrast, cut and parts are for rows; `--form` tells another form"
        }
        PatternForm::Items if of_rows => "columns, cut and parts are for a row a basket",
        _ => return Ok(form),
    };
    Err(RunError::JobFile {
        path: "data".into(),
        reason: reason.into(),
    })
}

/// Reads what the job names; as others were read where that is `known`.
///
/// # Errors
/// Whatever is wrong with the files, or columns that are not there.
pub fn load(
    job: &PatternJob,
    known: Option<&Reading>,
    spool: &Path,
    context: &Context,
) -> Result<LoadedBaskets, RunError> {
    let form = form_of(job, known, spool)?;
    match form {
        PatternForm::Lines => lines(job, spool, context),
        _ => table(job, (form, known), spool, context),
    }
}

pub(super) fn warning(kind: &str, message: String, action: &str) -> Warning {
    Warning {
        kind: kind.into(),
        column: None,
        message,
        action: action.into(),
    }
}

/// What is worth a word about lines of baskets or sequences.
pub(super) fn odd_lines(found: &BasketLines, of: &str) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = found
        .warnings
        .iter()
        .map(|message| warning("source", message.clone(), "read as described"))
        .collect();
    if found.n_empty > 0 {
        let message = format!("{} lines hold separators and no item", found.n_empty);
        warnings.push(warning(
            "empty_baskets",
            message,
            &format!("counted as empty {of}"),
        ));
    }
    if let Some(first) = found.bad_rows.first() {
        let message = format!(
            "{} lines could not be read; the first is line {} of {}: {}",
            found.n_bad_rows,
            first.line,
            first.path.display(),
            first.reason
        );
        warnings.push(warning("bad_rows", message, "kept aside in bad_rows.jsonl"));
    }
    warnings
}

fn lines(job: &PatternJob, spool: &Path, context: &Context) -> Result<LoadedBaskets, RunError> {
    let mut builder = TransactionsBuilder::default();
    let found = read_baskets(&job.source_settings(), spool, context.watch, &mut |items| {
        builder.push(items);
    })?;
    Ok(of_lines(builder, found))
}

/// What was read of lines.
pub(super) fn of_lines(builder: TransactionsBuilder, found: BasketLines) -> LoadedBaskets {
    let mut warnings = odd_lines(&found, "baskets");
    let mut baskets = Baskets {
        n_doubles: builder.doubles(),
        transactions: builder.finish(),
        ..Baskets::default()
    };
    warnings.extend(odd(&mut baskets));
    LoadedBaskets {
        baskets,
        unit: None,
        targets: None,
        reading: Reading {
            form: PatternForm::Lines,
            ..Reading::default()
        },
        origins: found.origins,
        bad_rows: found.bad_rows,
        warnings,
    }
}

fn table(
    job: &PatternJob,
    (form, known): (PatternForm, Option<&Reading>),
    spool: &Path,
    context: &Context,
) -> Result<LoadedBaskets, RunError> {
    let mut reading = Reading {
        form,
        ..Reading::default()
    };
    let watch = context.watch;
    let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
    let table = Table::open(&job.source_settings(), spool, &session, watch)?;
    let mut warnings = bad_row_warnings(&table);
    let Read {
        mut baskets,
        unit,
        targets,
    } = if form == PatternForm::Items {
        items(job, known.is_some(), &table, &mut warnings)?
    } else {
        rows(job, known, &table, &mut reading, watch)?
    };
    if baskets.n_incomplete > 0 {
        let message = format!("{} rows have no basket or no item", baskets.n_incomplete);
        warnings.push(warning("incomplete_rows", message, "left out"));
    }
    warnings.extend(odd(&mut baskets));
    Ok(LoadedBaskets {
        baskets,
        unit,
        targets,
        reading,
        origins: table.origins().to_vec(),
        bad_rows: table.bad_rows().to_vec(),
        warnings,
    })
}

/// Baskets of a table.
struct Read {
    baskets: Baskets,
    unit: Option<Vec<u64>>,
    targets: Option<Vec<u32>>,
}

/// A row an item.
fn items(
    job: &PatternJob,
    is_known: bool,
    table: &Table,
    warnings: &mut Vec<Warning>,
) -> Result<Read, RunError> {
    let mut wanted: Vec<&String> = job.data.basket.iter().collect();
    wanted.extend(&job.data.item);
    let contrast = job.data.contrast.as_ref().filter(|_| !is_known);
    wanted.extend(contrast);
    check_columns(table, wanted.iter().copied())?;
    let roles: Vec<ColumnRole> = (table.schema().iter())
        .map(|column| ColumnRole {
            name: column.name.clone(),
            role: if wanted.contains(&&column.name) {
                key_role(column.column_type)
            } else {
                Role::Ignore
            },
            reason: "given".into(),
        })
        .collect();
    let rows = prepare::load(table, &roles)?;
    let column = |name: &String| rows.columns.iter().find(|c| c.name == *name);
    let keys: Vec<&RowColumn> = job.data.basket.iter().filter_map(column).collect();
    let item = job.data.item.as_ref().and_then(column);
    let (Some(first), Some(item)) = (keys.first(), item) else {
        return Err(RunError::NoBasketColumn {
            columns: table.schema().iter().map(|c| c.name.clone()).collect(),
        });
    };
    let key = joined(&keys);
    let mut baskets = baskets::of_items(&key, item);
    let mut targets = None;
    if let Some(contrast) = contrast.and_then(column) {
        let (label_of, n_several) = labels_of(&key, contrast);
        if n_several > 0 {
            let message = format!(
                "{n_several} baskets have several values of `{}`",
                contrast.name
            );
            warnings.push(warning(
                "several_labels",
                message,
                "the first of each counts",
            ));
        }
        targets = Some(baskets.add_labels(&contrast.name, &label_of));
    }
    let unit = (keys.len() > 1).then(|| units(&baskets, &key, first));
    Ok(Read {
        baskets,
        unit,
        targets,
    })
}

/// A row a basket.
fn rows(
    job: &PatternJob,
    known: Option<&Reading>,
    table: &Table,
    reading: &mut Reading,
    watch: &dyn crate::Watch,
) -> Result<Read, RunError> {
    let profile = table.profile(watch)?;
    check_columns(table, job.data.columns.iter().filter(|_| known.is_none()))?;
    check_columns(table, job.data.contrast.iter().filter(|_| known.is_none()))?;
    let given = known.map(|known| known.roles.clone()).unwrap_or_default();
    check_columns(table, given.keys())?;
    let settings = RoleSettings {
        given,
        ..RoleSettings::default()
    };
    let mut roles = prepare::assign_roles(&profile, &settings)?;
    for role in &mut roles {
        if known.is_some_and(|known| !known.roles.contains_key(&role.name)) {
            role.role = Role::Ignore;
            continue;
        }
        let named =
            job.data.columns.contains(&role.name) || job.data.contrast.as_ref() == Some(&role.name);
        if named && !role.role.is_feature() {
            (role.role, role.reason) = (Role::Category, "given".into());
        }
        let unread = matches!(role.role, Role::Text | Role::Molecule);
        let left_out = !job.data.columns.is_empty() && !named;
        if left_out || (unread && !named) || !role.role.is_feature() {
            role.role = Role::Ignore;
        }
    }
    let rows = prepare::load(table, &roles)?;
    let columns: Vec<&RowColumn> = rows.columns.iter().collect();
    if columns.is_empty() {
        return Err(RunError::NoBasketColumn {
            columns: table.schema().iter().map(|c| c.name.clone()).collect(),
        });
    }
    let n_parts = job.data.parts.unwrap_or(PARTS);
    let cutting = match known {
        Some(known) => known.cutting.clone(),
        None => cut(job, &columns, rows.n_rows(), n_parts)?,
    };
    reading.cutting = cutting.clone();
    // What rules lead to is not needed to tell who holds what they lead from.
    let asked = asked_of(job, &columns).map(|(column, _)| column.name.clone());
    let asked = asked.or_else(|| job.search.target.clone());
    reading.roles = (columns.iter())
        .filter(|c| asked.as_ref() != Some(&c.name))
        .map(|c| (c.name.clone(), c.role))
        .collect();
    let baskets = baskets::of_rows(&rows, &columns, cutting);
    let targets = match &job.data.contrast {
        Some(name) if known.is_none() => Some(items_of(name, &columns, &baskets)?),
        _ => None,
    };
    Ok(Read {
        baskets,
        unit: None,
        targets,
    })
}

/// Where numbers are cut: by what the rows are asked about, in the half that is searched, or at quantiles.
fn cut(
    job: &PatternJob,
    columns: &[&RowColumn],
    n_rows: usize,
    n_parts: usize,
) -> Result<Cutting, RunError> {
    let asked = asked_of(job, columns).filter(|_| job.cuts_by_target());
    let Some((column, value)) = asked else {
        return Ok(Cutting::of(columns, n_parts, None));
    };
    // Rules lead to parts of a column of numbers.
    let own = Cutting::of(&[column], n_parts, None);
    let ends = own.ends.get(&column.name);
    let mut class_of: BTreeMap<String, u32> = BTreeMap::new();
    let of_row: Vec<Option<u32>> = (0..n_rows)
        .map(|row| match (&value, ends) {
            (Some(value), _) => {
                baskets::cell(&column.values, row).map(|cell| u32::from(*value == cell))
            }
            (None, Some(ends)) => {
                let number = baskets::number(&column.values, row)?;
                Some(ends.partition_point(|end| *end < number) as u32)
            }
            (None, None) => {
                let next = class_of.len() as u32;
                let cell = baskets::cell(&column.values, row)?;
                Some(*class_of.entry(cell).or_insert(next))
            }
        })
        .collect();
    if class_of.len() > MOST_CLASSES {
        return Ok(Cutting::of(columns, n_parts, None));
    }
    let classes = Classes {
        of_row: &of_row,
        column: &column.name,
        rows: &searched_half(n_rows, job.seed),
    };
    Ok(Cutting::of(columns, n_parts, Some(classes)))
}

/// The column that rules are asked about, and the value of it where it is one.
fn asked_of<'a>(
    job: &PatternJob,
    columns: &[&'a RowColumn],
) -> Option<(&'a RowColumn, Option<String>)> {
    let column = |name: &str| columns.iter().find(|c| c.name == name).copied();
    if let Some(contrast) = &job.data.contrast {
        return Some((column(contrast)?, None));
    }
    let target = job.search.target.as_ref()?;
    if let Some((name, value)) = target.split_once(" = ") {
        return Some((column(name)?, Some(value.to_string())));
    }
    // A part of a column of numbers: `age > 6`, `age ≤ 6` or `age > 3 and ≤ 6`.
    let is_part_of = |name: &str| {
        let rest = target.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(" > ") || rest.starts_with(" ≤ "))
    };
    let found = columns.iter().find(|c| is_part_of(&c.name)).copied();
    found.map(|column| (column, None))
}

/// The items that a column gives.
fn items_of(name: &str, columns: &[&RowColumn], baskets: &Baskets) -> Result<Vec<u32>, RunError> {
    let place = columns.iter().position(|c| c.name == name);
    let items: Vec<u32> = match (&baskets.column_of, place) {
        (Some(column_of), Some(place)) => (0u32..)
            .zip(column_of)
            .filter(|(_, column)| **column as usize == place)
            .map(|(item, _)| item)
            .collect(),
        (None, Some(_)) => {
            let names = baskets.transactions.names().iter();
            let own = (0u32..).zip(names).filter(|(_, item)| *item == name);
            own.map(|(item, _)| item).collect()
        }
        _ => Vec::new(),
    };
    if items.is_empty() {
        return Err(RunError::NoSuchItem {
            item: name.to_string(),
            items: baskets.transactions.names().to_vec(),
        });
    }
    Ok(items)
}

/// The role in which a column of whatever type tells things apart.
pub(super) fn key_role(column_type: ColumnType) -> Role {
    match column_type {
        ColumnType::Time => Role::Id,
        _ => Role::Category,
    }
}

pub(super) fn check_columns<'a>(
    table: &Table,
    wanted: impl Iterator<Item = &'a String>,
) -> Result<(), RunError> {
    let columns: Vec<String> = table.schema().iter().map(|c| c.name.clone()).collect();
    for name in wanted {
        if !columns.contains(name) {
            return Err(RunError::NoSuchColumn {
                column: name.clone(),
                columns,
            });
        }
    }
    Ok(())
}

/// What is worth a word about the baskets themselves.
fn odd(baskets: &mut Baskets) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if baskets.n_doubles > 0 {
        let message = format!(
            "{} items are named again in their basket",
            baskets.n_doubles
        );
        warnings.push(warning("double_items", message, "counted once a basket"));
    }
    warnings
}

/// Several columns as one; a cell is missing where any of them is.
fn joined(columns: &[&RowColumn]) -> RowColumn {
    if let [one] = columns {
        return (*one).clone();
    }
    let n_rows = columns[0].values.len();
    let name = |row: usize| {
        let cells: Option<Vec<String>> = columns
            .iter()
            .map(|column| baskets::cell(&column.values, row))
            .collect();
        cells.map(|cells| cells.join(BETWEEN))
    };
    RowColumn {
        name: "basket".into(),
        role: Role::Category,
        values: Values::Strings((0..n_rows).map(name).collect()),
    }
}

/// A number for each basket that those of one customer share.
fn units(baskets: &Baskets, key: &RowColumn, first: &RowColumn) -> Vec<u64> {
    let (Values::Strings(keys), firsts) = (&key.values, joined(&[first, first])) else {
        return Vec::new();
    };
    let Values::Strings(firsts) = &firsts.values else {
        return Vec::new();
    };
    let mut number_of = std::collections::HashMap::new();
    let mut unit_of = std::collections::HashMap::new();
    for (key, first) in keys.iter().zip(firsts) {
        if let (Some(key), Some(first)) = (key, first) {
            let next = number_of.len() as u64;
            let number = *number_of.entry(first.clone()).or_insert(next);
            unit_of.entry(key.clone()).or_insert(number);
        }
    }
    let ids = baskets.ids.as_deref().unwrap_or_default();
    // Whose it is not known is somebody else's.
    let own = |(at, id): (usize, &String)| {
        let of = unit_of.get(id).copied();
        of.unwrap_or(number_of.len() as u64 + at as u64)
    };
    ids.iter().enumerate().map(own).collect()
}
