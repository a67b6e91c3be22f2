//! By what rows are divided: what the job says, else times, else entities that come back, else chance.

use super::Job;
use crate::explain::Warning;
use crate::prepare::{ColumnRole, Role, Rows};
use crate::source::Profile;

/// A time column with fewer distinct values does not order the rows.
const FEW_TIMES: u64 = 10;
/// Times of these names belong to a thing and not to the moment at which its row was written.
const NOT_OF_THE_ROW: [&str; 3] = ["birth", "dob", "born"];

/// By what rows are divided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// The latest rows by this column are judged on.
    pub time: Option<String>,
    /// Rows of one value of this column stay together.
    pub group: Option<String>,
    /// True where the job did not say so.
    by_rule: bool,
}

/// What the job says; else the first time column that no row lacks; else the first entity.
pub fn choose(job: &Job, roles: &[ColumnRole], profile: &Profile) -> Division {
    let windows = job.windows.as_ref().map(|windows| windows.entity.clone());
    if windows.is_some() && job.split.group.is_none() && job.split.time.is_none() {
        return Division {
            group: windows,
            ..Division::default()
        };
    }
    if job.split.group.is_some() || job.split.time.is_some() {
        return Division {
            time: job.split.time.clone(),
            group: job.split.group.clone(),
            by_rule: false,
        };
    }
    let entity = roles.iter().find(|column| column.role == Role::Entity);
    let group = entity.map(|column| column.name.clone());
    let given = !job.data.test.is_empty();
    if given || job.split.allow_random {
        return Division {
            group: group.filter(|_| given),
            ..Division::default()
        };
    }
    let orders = |(column, role): &(&crate::source::ColumnProfile, &ColumnRole)| {
        let name = column.name.to_lowercase();
        role.role == Role::Time
            && column.missing == 0
            && column.distinct >= FEW_TIMES
            && !NOT_OF_THE_ROW.iter().any(|word| name.contains(word))
    };
    let time = profile.columns.iter().zip(roles).find(orders);
    match time {
        Some((column, _)) => Division {
            time: Some(column.name.clone()),
            group: None,
            by_rule: true,
        },
        None => Division {
            by_rule: group.is_some(),
            time: None,
            group,
        },
    }
}

impl Division {
    /// The columns that decide and must not be learned from; molecules are grouped by their scaffolds, and it is not
    /// these that are learned.
    pub fn columns_to_leave_out(&self, rows: &Rows) -> Vec<String> {
        let is_molecule = |name: &str| rows.column(name).is_some_and(|c| c.role == Role::Molecule);
        let deciding = [&self.group, &self.time].into_iter().flatten();
        deciding
            .filter(|name| !is_molecule(name))
            .cloned()
            .collect()
    }

    /// What was decided by rule, so that a person can object.
    pub fn warning(&self, job: &Job) -> Option<Warning> {
        if !self.by_rule || !job.data.test.is_empty() {
            return None;
        }
        let (column, why, action) = match (&self.time, &self.group) {
            (Some(column), _) => (
                column,
                "the table has times: a random split would let models learn from what came later",
                "judged on the latest rows; `--allow-random-split` draws them at random",
            ),
            (None, Some(column)) => (
                column,
                "values come back: a random split would let models know those they are judged on",
                "judged on whole entities; `--allow-random-split` draws rows at random",
            ),
            _ => return None,
        };
        Some(Warning {
            kind: "split_by_rule".into(),
            column: Some(column.clone()),
            message: format!("`{column}`: {why}"),
            action: action.into(),
        })
    }
}
