//! Text columns of a table, and nothing else of it.

use super::{Context, RunError};
use crate::prepare::{self, ColumnRole, Role, RoleSettings, RowColumn, Values};
use crate::source::Table;

/// The named columns as texts, or those that the rules find; all others are left out.
pub(super) fn text_roles(
    named: &[String],
    table: &Table,
    context: &Context,
) -> Result<Vec<ColumnRole>, RunError> {
    let settings = RoleSettings {
        texts: named.to_vec(),
        ..RoleSettings::default()
    };
    let profile = table.profile(context.watch)?;
    let mut roles = prepare::assign_roles(&profile, &settings)?;
    for role in &mut roles {
        if role.role != Role::Text {
            role.role = Role::Ignore;
        }
    }
    if roles.iter().all(|role| role.role == Role::Ignore) {
        return Err(RunError::NoTextColumn {
            columns: roles.into_iter().map(|role| role.name).collect(),
        });
    }
    Ok(roles)
}

/// The cells of a text column; a missing one is an empty text.
pub(super) fn texts_of(column: &RowColumn) -> Vec<String> {
    let Values::Strings(cells) = &column.values else {
        return Vec::new();
    };
    cells
        .iter()
        .map(|cell| prepare::normalise_text(cell.as_deref().unwrap_or_default()))
        .collect()
}

/// All texts of the chosen columns, row after row; empty ones are left out.
pub(super) fn all_texts(
    named: &[String],
    table: &Table,
    context: &Context,
) -> Result<Vec<String>, RunError> {
    let roles = text_roles(named, table, context)?;
    let mut texts = Vec::new();
    for rows in prepare::stream(table, &roles)? {
        let rows = rows?;
        if context.watch.cancelled() {
            return Err(RunError::Interrupted);
        }
        let columns: Vec<Vec<String>> = rows.columns.iter().map(texts_of).collect();
        for row in 0..rows.row_ids.len() {
            texts.extend(columns.iter().map(|column| column[row].clone()));
        }
    }
    texts.retain(|text| !text.trim().is_empty());
    Ok(texts)
}
