//! Loads a table of events.

use std::path::Path;

use super::RunError;
use super::data::bad_row_warnings;
use super::pattern_data::check_columns;
use crate::Watch;
use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{self, ColumnRole, Histories, Role, RoleSettings, Rows};
use crate::source::{BadRow, ColumnType, Origin, SourceSettings, Table};

/// Events as they were read.
pub(super) struct LoadedEvents {
    pub rows: Rows,
    pub origins: Vec<Origin>,
    pub bad_rows: Vec<BadRow>,
    pub warnings: Vec<Warning>,
}

/// What is known of a table's columns beforehand.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'a> {
    /// How they were read when a model was fitted.
    pub histories: Option<&'a Histories>,
    /// Whether all of their columns have to be there.
    pub is_whole: bool,
    /// How an encoder that is to read them learned some of the columns.
    pub learned: Option<&'a Histories>,
    /// The column whose value is asked for: read as it is, whatever it looks like.
    pub outcome: Option<&'a str>,
}

/// Loads the entity, the time, and all columns of numbers and categories; those of `known` histories where these are.
///
/// # Errors
/// Whatever is wrong with the files, or columns that are not there.
pub(super) fn load(
    settings: &SourceSettings,
    (entity, time): (&String, &String),
    known: Known,
    (spool, session): (&Path, &Session),
    watch: &dyn Watch,
) -> Result<LoadedEvents, RunError> {
    let table = Table::open(settings, spool, session, watch)?;
    let roles = roles(&table, (entity, time), known, watch)?;
    Ok(LoadedEvents {
        rows: prepare::load(&table, &roles)?,
        origins: table.origins().to_vec(),
        bad_rows: table.bad_rows().to_vec(),
        warnings: bad_row_warnings(&table),
    })
}

/// Roles of the entity, the time, and all columns of numbers and categories; those of `known` histories where these are.
///
/// # Errors
/// Columns that are not there.
pub(super) fn roles(
    table: &Table,
    (entity, time): (&String, &String),
    known: Known,
    watch: &dyn Watch,
) -> Result<Vec<ColumnRole>, RunError> {
    let outcome = known.outcome.map(String::from);
    check_columns(table, [entity, time].into_iter().chain(&outcome))?;
    let role_of_time = match table.schema().iter().find(|column| column.name == *time) {
        Some(column) if column.column_type == ColumnType::Time => Role::Time,
        Some(column) if column.column_type != ColumnType::Text => Role::Number,
        _ => Role::Category,
    };
    let mut given = std::collections::BTreeMap::new();
    given.insert(entity.clone(), Role::Entity);
    given.insert(time.clone(), role_of_time);
    let outcome = known
        .outcome
        .filter(|name| *name != entity && *name != time);
    given.extend(outcome.map(|name| (name.to_string(), Role::Category)));
    let mut roles: Vec<ColumnRole> = match known.histories {
        Some(histories) => {
            if known.is_whole {
                let names: Vec<String> = histories.columns().map(|(name, _)| name.into()).collect();
                check_columns(table, names.iter())?;
            }
            given.extend(
                histories
                    .columns()
                    .map(|(name, role)| (name.to_string(), role)),
            );
            let of = |column: &crate::source::ColumnSchema| ColumnRole {
                name: column.name.clone(),
                role: given.get(&column.name).copied().unwrap_or(Role::Ignore),
                reason: "given".into(),
            };
            table.schema().iter().map(of).collect()
        }
        None => {
            let is_there = |name: &str| table.schema().iter().any(|column| column.name == name);
            for (name, role) in known.learned.into_iter().flat_map(Histories::columns) {
                if is_there(name) {
                    given.entry(name.to_string()).or_insert(role);
                }
            }
            let settings = RoleSettings {
                given: given.clone(),
                ..RoleSettings::default()
            };
            prepare::assign_roles(&table.profile(watch)?, &settings)?
        }
    };
    for role in &mut roles {
        let is_read = matches!(role.role, Role::Number | Role::Category);
        if !is_read && !given.contains_key(&role.name) {
            role.role = Role::Ignore;
        }
    }
    Ok(roles)
}
