//! Gives every column a role by rule; whatever is given by hand goes before any rule.

mod rules;

use std::collections::BTreeMap;

use super::nearest::nearest;
use super::schema::{readable, type_words};
use super::{ColumnRole, PrepareError, Role, Task};
use crate::source::{ColumnProfile, ColumnType, Profile};

/// A numeric target with at most this many whole values is read as classes where the task is open.
const FEW_VALUES: u64 = 20;

/// What is known about the roles before the data is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleSettings {
    pub task: Option<Task>,
    pub target: Option<String>,
    /// Columns to be read as text; if any is named, no other column is.
    pub texts: Vec<String>,
    /// Roles given by hand.
    pub given: BTreeMap<String, Role>,
}

/// Gives every column of `profile` a role, in its order.
///
/// Roles given by hand stand. The rules for the rest, first match first:
/// 1. no value at all, or one value in every row: ignore;
/// 2. times: time (learned from as days since the first training time);
/// 3. named like an id (`id`, `id1`, `customer_id`, `rowId`) with nine in ten values distinct, or
///    whole numbers that rise from row to row, or codes of one length that never repeat: id; named like an id
///    with more than a hundred values that come back: entity;
/// 4. true or false, and three to six small whole numbers that come back often: category
///    (two whole numbers carry the same as a number);
/// 5. other numbers: number;
/// 6. texts that nine times in ten are numbers: number (the other cells are read as missing);
/// 7. texts that read as molecules (SMILES): molecule;
/// 8. texts of three words or more that are mostly distinct, or long and distinct strings: text;
/// 9. other texts: category.
///
/// # Errors
/// A named column that is not there; two targets; two roles for one column; a role that the
/// column's type cannot have.
pub fn assign_roles(
    profile: &Profile,
    settings: &RoleSettings,
) -> Result<Vec<ColumnRole>, PrepareError> {
    let given = given_roles(profile, settings)?;
    let mut roles = Vec::with_capacity(profile.columns.len());
    for column in &profile.columns {
        let (role, reason) = match given.get(column.name.as_str()) {
            Some(&role) => {
                check_given(column, role)?;
                (role, "given".to_string())
            }
            None => match rules::by_rule(column, profile.n_rows) {
                (Role::Text, _) if !settings.texts.is_empty() => {
                    (Role::Ignore, "not among the given text columns".to_string())
                }
                by_rule => by_rule,
            },
        };
        roles.push(ColumnRole {
            name: column.name.clone(),
            role,
            reason,
        });
    }
    Ok(roles)
}

/// Reads the task off the target: text, true or false, and few whole numbers are classes; other
/// numbers are measured.
pub fn guess_task(profile: &Profile, target: &str) -> Result<Task, PrepareError> {
    let column = find(profile, "target", target)?;
    match column.column_type {
        ColumnType::Boolean | ColumnType::Text => Ok(Task::Classify),
        ColumnType::Integer | ColumnType::Float => {
            let few = column.distinct <= FEW_VALUES && column.whole_numbers;
            // In a small table few values say little, unless each comes back.
            let back = column.distinct * 3 <= rules::present(column, profile.n_rows);
            Ok(if few && (back || column.distinct <= 2) {
                Task::Classify
            } else {
                Task::Regress
            })
        }
        ColumnType::Time => Err(PrepareError::WrongType {
            column: target.to_string(),
            role: Role::Target.word(),
            found: type_words(ColumnType::Time),
        }),
    }
}

/// All roles given by hand, by column; each names a column that is there.
fn given_roles<'a>(
    profile: &Profile,
    settings: &'a RoleSettings,
) -> Result<BTreeMap<&'a str, Role>, PrepareError> {
    let mut given: BTreeMap<&str, Role> = BTreeMap::new();
    let target = settings.target.iter().map(|name| (name, Role::Target));
    let texts = settings.texts.iter().map(|name| (name, Role::Text));
    let others = settings.given.iter().map(|(name, &role)| (name, role));
    let mut found: Option<&str> = None;
    for (name, role) in target.chain(texts).chain(others) {
        find(profile, purpose(role), name)?;
        if let Some(before) = given.insert(name, role).filter(|before| *before != role) {
            return Err(PrepareError::TwoRoles {
                column: name.clone(),
                first: before.word(),
                second: role.word(),
            });
        }
        if role == Role::Target {
            if let Some(first) = found.filter(|first| first != name) {
                return Err(PrepareError::TwoTargets {
                    first: first.to_string(),
                    second: name.clone(),
                });
            }
            found = Some(name);
        }
    }
    Ok(given)
}

fn purpose(role: Role) -> &'static str {
    match role {
        Role::Target => "target",
        Role::Text => "text",
        Role::Molecule => "role `molecule`",
        Role::Number => "role `number`",
        Role::Category => "role `category`",
        Role::Time => "role `time`",
        Role::Entity => "role `entity`",
        Role::Id => "role `id`",
        Role::Ignore => "role `ignore`",
        Role::History => "history",
    }
}

fn find<'a>(
    profile: &'a Profile,
    what: &'static str,
    name: &str,
) -> Result<&'a ColumnProfile, PrepareError> {
    let found = profile.columns.iter().find(|column| column.name == name);
    found.ok_or_else(|| {
        let columns: Vec<String> = profile.columns.iter().map(|c| c.name.clone()).collect();
        PrepareError::UnknownColumn {
            what,
            name: name.to_string(),
            nearest: nearest(name, &columns),
            columns,
        }
    })
}

/// Refuses a role that the column's type cannot have.
fn check_given(column: &ColumnProfile, role: Role) -> Result<(), PrepareError> {
    let time = column.column_type == ColumnType::Time;
    if !readable(role, column.column_type) || time && role == Role::Target {
        return Err(PrepareError::WrongType {
            column: column.name.clone(),
            role: role.word(),
            found: type_words(column.column_type),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
