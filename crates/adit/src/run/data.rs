//! From files to one dataset with its parts.

use std::path::Path;

use crate::Watch;

use super::division::{self, Division};
use super::gate::Suspects;
use super::{Context, Job, RunError, event_data, horizon, limits};
use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{
    self, ColumnRole, Dataset, Events, Histories, Preparation, PrepareSettings, Role, RoleSettings,
    Rows, Split, SplitSettings, Suspicion, TestPart,
};
use crate::source::{BadRow, ColumnType, Format, Origin, Profile, SourceSettings, Table};

/// Labels that were made of events, in the folder of the run.
const MADE_LABELS: &str = "labels.csv";

/// Everything that is known of the data before anything is learned.
pub struct Loaded {
    pub profile: Profile,
    pub roles: Vec<ColumnRole>,
    pub origins: Vec<Origin>,
    pub bad_rows: Vec<BadRow>,
    /// Training rows, then validation rows where a file gave them, then test rows where a file
    /// gave them.
    pub rows: Rows,
    pub split: Split,
    /// True where the test rows are later than those learned from.
    pub split_by_time: bool,
    /// Columns that decided it, which nothing learns from.
    split_columns: Vec<String>,
    /// Column whose rows stay together in every part.
    pub group: Option<String>,
    pub preparation: Preparation,
    pub dataset: Dataset,
    pub warnings: Vec<Warning>,
    pub suspects: Suspects,
    /// The most memory that the process held until now; 0 where the system does not say.
    pub peak_bytes: u64,
}

impl Loaded {
    /// Columns that decided the split, which nothing learns from.
    pub fn split_columns(&self) -> Vec<String> {
        self.split_columns.clone()
    }

    /// Whose each test row is, where rows of one entity stay together.
    pub fn test_groups(&self) -> Result<Option<Vec<u64>>, RunError> {
        let of = |column: &String| prepare::group_ids(&self.rows, column, &self.split.test);
        Ok(self.group.as_ref().map(of).transpose()?)
    }

    /// The same of all rows.
    pub fn row_groups(&self) -> Result<Option<Vec<u64>>, RunError> {
        let all: Vec<usize> = (0..self.rows.n_rows()).collect();
        let of = |column: &String| prepare::group_ids(&self.rows, column, &all);
        Ok(self.group.as_ref().map(of).transpose()?)
    }

    /// Training and validation rows together.
    pub fn fit_rows(&self) -> Vec<usize> {
        let mut all = self.split.train.clone();
        all.extend(&self.split.validation);
        all.sort_unstable();
        all
    }
}

/// Reads, cleans, splits and encodes what the job names; columns of events that an encoder `learned` as it learned them.
pub fn load(
    job: &Job,
    learned: Option<&Histories>,
    spool: &Path,
    context: &Context,
) -> Result<Loaded, RunError> {
    let watch = context.watch;
    let session =
        Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
    watch.progress("read", 0, 3, &job.data.inputs.join(" "));
    let mut warnings = Vec::new();
    let mut origins = Vec::new();
    let mut bad_rows = Vec::new();
    let mut event_rows = None;
    let mut labels = job.source_settings(&job.data.inputs);
    if let Some(section) = &job.events {
        watch.progress("read", 0, 3, "events");
        let columns = (&section.entity, &section.time);
        let settings = job.source_settings(&section.inputs);
        let known = event_data::Known {
            outcome: section
                .outcome
                .as_ref()
                .map(|outcome| outcome.column.as_str()),
            learned,
            ..event_data::Known::default()
        };
        let found = event_data::load(&settings, columns, known, (spool, &session), watch)?;
        let is_there = |name: &&str| found.rows.column(name).is_some();
        let absent: Vec<&str> = (learned.into_iter().flat_map(Histories::columns))
            .map(|(name, _)| name)
            .filter(|name| !is_there(name))
            .collect();
        if !absent.is_empty() {
            warnings.push(Warning {
                kind: "encoder_columns".into(),
                column: None,
                message: format!(
                    "the encoder learned from columns that these events lack: {}",
                    absent.join(", ")
                ),
                action: "missing in every event".into(),
            });
        }
        if section.horizon.is_some() {
            // Kept beside the run, where a person can look at them.
            let made = spool.join(MADE_LABELS);
            let text = horizon::labels(job, section, &found.rows)?;
            crate::store::write_atomic(&made, text.as_bytes())?;
            labels = SourceSettings {
                inputs: vec![made.to_string_lossy().into_owned()],
                format: Some(Format::Csv),
                delimiter: Some(b','),
                quote: Some(b'"'),
                header: Some(true),
                ..SourceSettings::default()
            };
        }
        warnings.extend(found.warnings);
        origins.extend(found.origins);
        bad_rows.extend(found.bad_rows);
        event_rows = Some((section, found.rows));
    }
    let table = Table::open(&labels, spool, &session, watch)?;
    warnings.extend(bad_row_warnings(&table));
    origins.splice(0..0, table.origins().iter().cloned());
    bad_rows.splice(0..0, table.bad_rows().iter().cloned());
    watch.progress("read", 1, 3, "profile");
    let profile = table.profile(watch)?;
    let mut roles = prepare::assign_roles(&profile, &role_settings(job))?;
    keep_cutoff(job, &table, &mut roles);
    let training = prepare::load(&table, &roles)?;
    let histories = match &event_rows {
        Some((section, rows)) => {
            let columns = (section.entity.as_str(), section.time.as_str());
            let cutoff = section.cutoff.as_deref();
            // No event that only a test row may see says which values are counted apart.
            let by = division::choose(job, &roles, &profile);
            let fit_part = fit_part(job, &by, &training)?;
            let fitted = Histories::fit(rows, columns, cutoff, Some(&fit_part))?;
            let events = fitted.events(rows)?;
            if events.n_incomplete > 0 {
                warnings.push(Warning {
                    kind: "incomplete_events".into(),
                    column: None,
                    message: format!("{} events have no entity or no time", events.n_incomplete),
                    action: "seen by no row".into(),
                });
            }
            Some((fitted, events))
        }
        None => None,
    };
    let mut reader = PartReader {
        histories: histories.as_ref(),
        job,
        spool,
        session: &session,
        roles: &roles,
        warnings: &mut warnings,
        origins,
        bad_rows,
        derived: Vec::new(),
        watch,
    };
    let mut rows = reader.made(training, "training")?;
    let n_train = rows.row_ids.len();
    reader.append(&job.data.validation, "validation", &mut rows)?;
    let n_fit = rows.row_ids.len();
    reader.append(&job.data.test, "test", &mut rows)?;
    let (origins, bad_rows, derived) = (reader.origins, reader.bad_rows, reader.derived);
    watch.progress("read", 2, 3, "prepare");
    let by = division::choose(job, &roles, &profile);
    let split = divide(job, &by, &rows, (n_train, n_fit))?;
    warnings.extend(by.warning(job));
    let fit_rows = {
        let mut all = split.train.clone();
        all.extend(&split.validation);
        all.sort_unstable();
        all
    };
    let time = by.time.as_deref();
    let suspicions = prepare::suspicions(&profile, &roles, &rows, &split, (job.task, time));
    let given =
        |name: &str| job.data.roles.contains_key(name) || job.data.texts.iter().any(|t| t == name);
    let mut suspects = Suspects::among(&suspicions, job.split.keep_suspects, &given);
    suspects.keep_one_of(&rows, &by.columns_to_leave_out(&rows));
    warnings.extend(suspicions.into_iter().map(|found| suspects.warning(found)));
    let mut settings = prepare_settings(job, &by, &rows);
    settings.leave_out.extend(suspects.left_out.iter().cloned());
    // What is made of a column that nothing may learn from tells the same.
    let windows = job.windows.as_ref().map(|section| section.windows());
    if let Some(windows) = &windows {
        let made = settings
            .leave_out
            .iter()
            .flat_map(|name| windows.made_of(name));
        let made: Vec<String> = made.collect();
        settings.leave_out.extend(made);
    }
    let mut preparation = Preparation::fit(&rows, &fit_rows, &settings)?;
    if let Some(windows) = windows {
        let sources = [windows.entity.clone(), windows.order.clone()];
        preparation = (preparation.with_windows(windows, derived)).with_sources(&rows, &sources);
    } else if let Some((fitted, _)) = &histories {
        let sources = [Some(&fitted.entity), fitted.cutoff.as_ref()];
        preparation = preparation
            .with_histories(fitted.clone(), derived)
            .with_sources(&rows, sources.into_iter().flatten());
    }
    let dataset = preparation.apply(&rows)?;
    let split_columns = by.columns_to_leave_out(&rows);
    watch.progress("read", 3, 3, "");
    Ok(Loaded {
        profile,
        roles,
        origins,
        bad_rows,
        rows,
        split,
        split_by_time: by.time.is_some(),
        split_columns,
        group: by.group,
        preparation,
        dataset,
        warnings,
        suspects,
        peak_bytes: limits::peak_rss_bytes(),
    })
}

/// A cut-off is a moment even where, as a column, it looks like codes or is the same in all rows.
fn keep_cutoff(job: &Job, table: &Table, roles: &mut [ColumnRole]) {
    let cutoff = job
        .events
        .as_ref()
        .and_then(|events| events.cutoff.as_ref());
    for role in roles.iter_mut().filter(|role| Some(&role.name) == cutoff) {
        let of_type = table.schema().iter().find(|c| c.name == role.name);
        let is_moment = matches!(role.role, Role::Time | Role::Number);
        let given = job.data.roles.contains_key(&role.name);
        if let (false, false, Some(column)) = (is_moment, given, of_type) {
            role.role = match column.column_type {
                ColumnType::Time => Role::Time,
                ColumnType::Integer | ColumnType::Float => Role::Number,
                _ => continue,
            };
            role.reason = "the cut-off".into();
        }
    }
}

/// Roles as the job gives them.
pub fn role_settings(job: &Job) -> RoleSettings {
    RoleSettings {
        task: Some(job.task),
        // A target that is made of the rows' order is no column yet.
        target: (job.windows.as_ref().is_none_or(|w| w.remaining.is_none()))
            .then(|| job.data.target.clone()),
        texts: job.data.texts.clone(),
        given: {
            let mut given = job.data.roles.clone();
            if let Some(windows) = &job.windows {
                given
                    .entry(windows.entity.clone())
                    .or_insert(prepare::Role::Entity);
            }
            if let Some(events) = &job.events {
                given
                    .entry(events.entity.clone())
                    .or_insert(prepare::Role::Entity);
            }
            given
        },
    }
}

fn prepare_settings(job: &Job, by: &Division, rows: &Rows) -> PrepareSettings {
    PrepareSettings {
        positive_class: job.data.positive.clone(),
        // What decides the split would tell the parts apart.
        leave_out: by.columns_to_leave_out(rows),
        ..PrepareSettings::new(job.task)
    }
}

struct PartReader<'a> {
    job: &'a Job,
    spool: &'a Path,
    session: &'a Session,
    roles: &'a [ColumnRole],
    warnings: &'a mut Vec<Warning>,
    origins: Vec<Origin>,
    bad_rows: Vec<BadRow>,
    /// Columns that windows or events made.
    derived: Vec<String>,
    histories: Option<&'a (Histories, Events<'a>)>,
    watch: &'a dyn Watch,
}

impl PartReader<'_> {
    /// Rows with the columns that are made of others, and a target each.
    fn made(&mut self, mut rows: Rows, part: &str) -> Result<Rows, RunError> {
        if let Some(section) = &self.job.windows {
            let windows = section.windows();
            self.derived = windows.extend(&mut rows)?;
            if let Some(cap) = section.remaining {
                windows.add_remaining(&mut rows, &self.job.data.target, cap)?;
            }
        }
        if let Some((histories, events)) = self.histories {
            let (derived, n_without) = histories.extend(&mut rows, events)?;
            self.derived = derived;
            if n_without > 0 {
                self.warnings.push(Warning {
                    kind: "no_events".into(),
                    column: Some(histories.entity.clone()),
                    message: format!("{n_without} {part} rows have no event before their cut-off"),
                    action: "kept: their columns of events are empty".into(),
                });
            }
        }
        let dropped = prepare::drop_missing_target(&mut rows);
        if dropped > 0 {
            self.warnings.push(Warning {
                kind: "missing_target".into(),
                column: Some(self.job.data.target.clone()),
                message: format!("{dropped} {part} rows have no target"),
                action: "left out".into(),
            });
        }
        if rows.row_ids.is_empty() {
            return Err(RunError::NoTarget {
                part: part.to_string(),
                target: self.job.data.target.clone(),
            });
        }
        Ok(rows)
    }

    /// Reads a part that has files of its own.
    fn append(&mut self, inputs: &[String], part: &str, rows: &mut Rows) -> Result<(), RunError> {
        if inputs.is_empty() {
            return Ok(());
        }
        let settings = self.job.source_settings(inputs);
        let table = Table::open(&settings, self.spool, self.session, self.watch)?;
        self.warnings.extend(bad_row_warnings(&table));
        self.origins.extend_from_slice(table.origins());
        self.bad_rows.extend_from_slice(table.bad_rows());
        let more = self.made(prepare::load(&table, self.roles)?, part)?;
        rows.append(more)?;
        Ok(())
    }
}

/// The rows of the table that are not judged on in the end.
fn fit_part(job: &Job, by: &Division, training: &Rows) -> Result<Rows, RunError> {
    let mut rows = training.clone();
    prepare::drop_missing_target(&mut rows);
    if !job.data.test.is_empty() || rows.n_rows() == 0 {
        return Ok(rows);
    }
    let n = rows.n_rows();
    let split = divide(job, by, &rows, (n, n))?;
    let mut fit: Vec<usize> = split.train;
    fit.extend(split.validation);
    fit.sort_unstable();
    Ok(prepare::subset(&rows, &fit))
}

/// Parts by file where files are given, by rule otherwise.
fn divide(
    job: &Job,
    by: &Division,
    rows: &Rows,
    (n_train, n_fit): (usize, usize),
) -> Result<Split, RunError> {
    let n_rows = rows.row_ids.len();
    let fraction = job.split.test_fraction;
    let test = match (&by.group, &by.time) {
        _ if !job.data.test.is_empty() => TestPart::Given,
        (_, Some(column)) => TestPart::Time {
            column: column.clone(),
            fraction,
        },
        (Some(column), _) => TestPart::Group {
            column: column.clone(),
            fraction,
        },
        _ => TestPart::Random { fraction },
    };
    let settings = SplitSettings {
        test,
        validation_fraction: job.split.validation_fraction,
        group: by.group.clone(),
        time: by.time.clone(),
        seed: job.seed,
    };
    let own: Vec<usize> = (0..n_train).collect();
    let mut split = prepare::split(&prepare::subset(rows, &own), job.task, &settings)?;
    if n_fit > n_train {
        split.train.extend(&split.validation);
        split.train.sort_unstable();
        split.validation = (n_train..n_fit).collect();
        split.how = format!("{}; given validation file", split.test_how());
    }
    if n_rows > n_fit {
        split.test = (n_fit..n_rows).collect();
        if n_fit > n_train {
            split.how = "given test and validation files".into();
        }
    }
    Ok(split)
}

pub fn bad_row_warnings(table: &Table) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = table
        .warnings()
        .iter()
        .map(|message| Warning {
            kind: "source".into(),
            column: None,
            message: message.clone(),
            action: "read as described".into(),
        })
        .collect();
    if table.n_bad_rows() > 0 {
        let first = table.bad_rows().first();
        let example = first.map_or(String::new(), |row| {
            format!(
                "; the first is line {} of {}: {}",
                row.line,
                row.path.display(),
                row.reason
            )
        });
        warnings.push(Warning {
            kind: "bad_rows".into(),
            column: None,
            message: format!("{} rows could not be read{example}", table.n_bad_rows()),
            action: if (table.bad_rows().len() as u64) < table.n_bad_rows() {
                format!(
                    "the first {} kept aside in bad_rows.jsonl",
                    table.bad_rows().len()
                )
            } else {
                "kept aside in bad_rows.jsonl".into()
            },
        });
    }
    warnings
}

/// A suspicion in the words of the report.
pub fn warning(suspicion: Suspicion) -> Warning {
    Warning {
        kind: suspicion.kind.to_string(),
        column: suspicion.column,
        message: suspicion.message,
        action: suspicion.action.to_string(),
    }
}
