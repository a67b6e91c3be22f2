//! Whether new data fits a fitted preparation, and how it is to be read.

use std::collections::BTreeMap;

use super::{ColumnRole, Preparation, PrepareError, Role};
use crate::source::{ColumnSchema, ColumnType};

impl Preparation {
    /// Refuses a table that lacks columns the model needs, or holds other things in them.
    ///
    /// Extra columns are fine, and the target may be absent. A number column may arrive as text:
    /// whether its cells are numbers is seen when they are loaded.
    pub fn check_schema(&self, schema: &[ColumnSchema]) -> Result<(), PrepareError> {
        self.check_version()?;
        let types: BTreeMap<&str, ColumnType> = schema
            .iter()
            .map(|column| (column.name.as_str(), column.column_type))
            .collect();
        let mut missing = Vec::new();
        let mut wrong = Vec::new();
        let given = |plan: &&super::fit::ColumnPlan| !self.derived.contains(&plan.name);
        for plan in self.columns.iter().filter(given) {
            let role = plan.encoding.role();
            match types.get(plan.name.as_str()) {
                None => missing.push(plan.name.clone()),
                Some(&found) if !readable(role, found) => {
                    wrong.push((plan.name.clone(), expected(role), type_words(found)));
                }
                Some(_) => {}
            }
        }
        if missing.is_empty() && wrong.is_empty() {
            return Ok(());
        }
        Err(PrepareError::Schema { missing, wrong })
    }

    /// The role of every column of a new table: the inputs as they were fitted, ids and entities
    /// carried along, the target only if `with_target`, all else ignored.
    pub fn roles_for(&self, schema: &[ColumnSchema], with_target: bool) -> Vec<ColumnRole> {
        let mut known: BTreeMap<&str, Role> = BTreeMap::new();
        known.extend(self.carried.iter().map(|c| (c.name.as_str(), c.role)));
        known.extend(
            self.columns
                .iter()
                .map(|c| (c.name.as_str(), c.encoding.role())),
        );
        if with_target {
            known.insert(self.target_column(), Role::Target);
        }
        let role_of = |column: &ColumnSchema| {
            let role = known.get(column.name.as_str()).copied();
            ColumnRole {
                name: column.name.clone(),
                role: role.unwrap_or(Role::Ignore),
                reason: match role {
                    Some(_) => "as in training".into(),
                    None => "not used by the model".into(),
                },
            }
        };
        schema.iter().map(role_of).collect()
    }
}

/// Whether cells of type `found` can be loaded for `role`.
///
/// A text column may read as numbers in a small file, and a number column as text if it is blank.
pub(super) fn readable(role: Role, found: ColumnType) -> bool {
    match role {
        Role::Time => matches!(found, ColumnType::Time | ColumnType::Text),
        Role::Number | Role::Category | Role::Text | Role::Molecule => found != ColumnType::Time,
        Role::Target | Role::Entity | Role::Id | Role::Ignore | Role::History => true,
    }
}

fn expected(role: Role) -> &'static str {
    match role {
        Role::Number => "numbers",
        Role::Time => "times",
        Role::Category => "categories",
        _ => "text",
    }
}

/// A column type in words.
pub(super) fn type_words(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Boolean => "true or false",
        ColumnType::Integer => "whole numbers",
        ColumnType::Float => "numbers",
        ColumnType::Time => "times",
        ColumnType::Text => "text",
    }
}
