//! What is in the data, and what looks wrong, before anything is learned.

use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{self, ColumnRole, RoleSettings, Split};
use crate::source::{Origin, Profile, SourceSettings, Table};

use super::{Context, RunError, data};

/// A table as a person wants to see it first.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ProfileOutcome {
    pub origins: Vec<Origin>,
    pub profile: Profile,
    pub roles: Vec<ColumnRole>,
    pub n_bad_rows: u64,
    pub warnings: Vec<Warning>,
}

/// Reads the whole source and describes every column.
///
/// # Errors
/// Whatever is wrong with the files or the named columns.
pub fn inspect(
    source: &SourceSettings,
    roles: &RoleSettings,
    context: &Context,
) -> Result<ProfileOutcome, RunError> {
    context.limits.apply(|| {
        let spool = super::spool()?;
        let session =
            Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
        let table = Table::open(source, spool.path(), &session, context.watch)?;
        let profile = table.profile(context.watch)?;
        let assigned = prepare::assign_roles(&profile, roles)?;
        let rows = prepare::load(&table, &assigned)?;
        let task = match (roles.task, &roles.target) {
            (Some(task), _) => task,
            (None, Some(target)) => prepare::guess_task(&profile, target)?,
            (None, None) => prepare::Task::Classify,
        };
        let split = Split {
            train: (0..rows.row_ids.len()).collect(),
            validation: Vec::new(),
            test: Vec::new(),
            how: String::new(),
        };
        let mut warnings = data::bad_row_warnings(&table);
        warnings.extend(
            prepare::suspicions(&profile, &assigned, &rows, &split, (task, None))
                .into_iter()
                .map(data::warning),
        );
        Ok(ProfileOutcome {
            origins: table.origins().to_vec(),
            n_bad_rows: table.n_bad_rows(),
            profile,
            roles: assigned,
            warnings,
        })
    })
}
