//! Reads sequences in whichever form they are written.

use std::path::Path;

use super::data::bad_row_warnings;
use super::pattern_data::{check_columns, key_role, odd_lines, warning};
use super::pattern_job::{PatternForm, PatternJob};
use super::{Context, RunError};
use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{self, ColumnRole, Role, Rows, Values};
use crate::represent::histories::{self, has_order};
use crate::represent::sequences::{Sequences, SequencesBuilder};
use crate::source::{
    BadRow, Origin, SequenceForm, SourceError, SourceSettings, Table, looks_like_spmf,
    read_sequences,
};

/// Sequences, and how they were read.
pub(super) struct LoadedSequences {
    pub sequences: Sequences,
    /// Whose each sequence is, where rows say so. `[n_sequences]`
    pub ids: Option<Vec<String>>,
    /// A number for each entity, where histories were cut. `[n_sequences]`
    pub unit: Option<Vec<u64>>,
    pub labels: Option<Labels>,
    pub form: PatternForm,
    pub origins: Vec<Origin>,
    pub bad_rows: Vec<BadRow>,
    pub warnings: Vec<Warning>,
}

/// Which sequences have the label that is asked for.
pub(super) struct Labels {
    /// The label as `column = value`.
    pub name: String,
    /// `[n_sequences]`
    pub has_it: Vec<bool>,
}

/// Reads what the job names; labels only where they are `wanted`, and in a form that is `known`.
///
/// # Errors
/// Whatever is wrong with the files, or columns that are not there.
pub(super) fn load(
    job: &PatternJob,
    known: Option<PatternForm>,
    wants_labels: bool,
    spool: &Path,
    context: &Context,
) -> Result<LoadedSequences, RunError> {
    let form = match known.unwrap_or(job.data.form) {
        PatternForm::Auto if job.names_events() => PatternForm::Events,
        PatternForm::Auto if looks_like_spmf(&job.source_settings(), spool)? => PatternForm::Spmf,
        PatternForm::Auto => PatternForm::Lines,
        given => given,
    };
    match form {
        PatternForm::Events => events(job, wants_labels, spool, context),
        _ => lines(job, form, spool, context),
    }
}

fn lines(
    job: &PatternJob,
    form: PatternForm,
    spool: &Path,
    context: &Context,
) -> Result<LoadedSequences, RunError> {
    let mut builder = SequencesBuilder::default();
    let mut settings = job.source_settings();
    let written = match form {
        PatternForm::Spmf => {
            settings.delimiter = settings.delimiter.or(Some(b' '));
            SequenceForm::Spmf
        }
        _ => SequenceForm::Events,
    };
    let found = read_sequences(&settings, written, spool, context.watch, &mut |elements| {
        for element in elements {
            builder.element(element.iter().map(String::as_str));
        }
        builder.end();
    })?;
    Ok(LoadedSequences {
        sequences: builder.finish(),
        ids: None,
        unit: None,
        labels: None,
        form,
        warnings: odd_lines(&found, "sequences"),
        origins: found.origins,
        bad_rows: found.bad_rows,
    })
}

fn events(
    job: &PatternJob,
    wants_labels: bool,
    spool: &Path,
    context: &Context,
) -> Result<LoadedSequences, RunError> {
    let data = &job.data;
    let (Some(entity), Some(event)) = (&data.entity, &data.event) else {
        return Err(fault(
            "data.entity",
            "a row an event needs it, and `data.event`",
        ));
    };
    let beside = !data.labels.is_empty();
    let label = data.label.as_ref().filter(|_| wants_labels);
    let mut wanted: Vec<&String> = vec![entity, event];
    wanted.extend(label.filter(|_| !beside));
    let time = data.time.as_ref();
    let opened = open(&job.source_settings(), &wanted, time, spool, context)?;
    let Opened {
        rows,
        origins,
        bad_rows,
        mut warnings,
    } = opened;
    let column = |name: &String| rows.columns.iter().find(|c| c.name == *name);
    let (Some(entities), Some(names)) = (column(entity), column(event)) else {
        return Err(fault(
            "data.entity",
            "it cannot be the column of the event or time too",
        ));
    };
    let times = time.and_then(column);
    if let (Some(name), Some(column)) = (time, times)
        && !has_order(column)
    {
        return Err(fault(
            "data.time",
            &format!(
                "the cells of `{name}` are texts, neither times nor numbers, so they have no order"
            ),
        ));
    }
    let session_gap = match (job.session_gap(), times.map(|c| &c.values)) {
        (Some((gap, true)), Some(Values::Times(_))) => Some(gap),
        (Some((gap, false)), Some(Values::Numbers(_))) => Some(gap),
        (Some((_, true)), _) => {
            let reason =
                "the column of times holds numbers: give the gap as a number in their unit";
            return Err(fault("data.session_gap", reason));
        }
        (Some((_, false)), _) => {
            let reason = "the column of times holds dates: give the gap with its unit, such as 30m, 12h or 7d";
            return Err(fault("data.session_gap", reason));
        }
        (None, _) => None,
    };
    let made = histories::of_events(entities, times, names, session_gap);
    if made.n_incomplete > 0 {
        let message = format!("{} rows have no entity, time or event", made.n_incomplete);
        warnings.push(warning("incomplete_rows", message, "left out"));
    }
    if made.n_unordered > 0 {
        let message = format!(
            "{} rows lie after a later event of the same entity",
            made.n_unordered
        );
        warnings.push(warning("unordered_rows", message, "put in order by time"));
    }
    let mut loaded = LoadedSequences {
        sequences: made.sequences,
        ids: Some(made.ids),
        unit: session_gap.is_some().then_some(made.unit),
        labels: None,
        form: PatternForm::Events,
        origins,
        bad_rows,
        warnings,
    };
    let Some(label) = label else {
        return Ok(loaded);
    };
    let (label_of, n_several) = if beside {
        let settings = SourceSettings {
            inputs: data.labels.clone(),
            ..job.source_settings()
        };
        let wanted = [entity, label];
        let opened = open(&settings, &wanted, None, spool, context)?;
        loaded.warnings.extend(opened.warnings);
        loaded.origins.extend(opened.origins);
        loaded.bad_rows.extend(opened.bad_rows);
        labels_in(&opened.rows, entity, label)
    } else {
        labels_in(&rows, entity, label)
    };
    if n_several > 0 {
        let message = format!("{n_several} entities have several values of `{label}`");
        let action = "the first of each counts";
        loaded
            .warnings
            .push(warning("several_labels", message, action));
    }
    with_labels(job, loaded, label, &made.entities, &label_of)
}

type LabelOf = std::collections::HashMap<String, String>;

fn labels_in(rows: &Rows, entity: &String, label: &String) -> (LabelOf, u64) {
    let column = |name: &String| rows.columns.iter().find(|c| c.name == *name);
    match (column(entity), column(label)) {
        (Some(entity), Some(label)) => histories::labels_of(entity, label),
        _ => (LabelOf::new(), 0),
    }
}

/// Keeps the sequences that have a value of the label, and tells which have the one that is asked for.
fn with_labels(
    job: &PatternJob,
    mut loaded: LoadedSequences,
    label: &str,
    entities: &[String],
    label_of: &LabelOf,
) -> Result<LoadedSequences, RunError> {
    let mut n_of = std::collections::BTreeMap::new();
    let values: Vec<Option<&String>> = entities.iter().map(|e| label_of.get(e)).collect();
    for value in values.iter().flatten() {
        *n_of.entry(value.as_str()).or_insert(0usize) += 1;
    }
    if n_of.is_empty() {
        let of =
            |names: Option<&String>| names.map_or("nothing".into(), |name| format!("`{name}`"));
        let reason = format!(
            "no entity of the events has a value of `{label}`: the events are of {} and others, the labels of {}",
            of(entities.first()),
            of(label_of.keys().min())
        );
        return Err(fault("data.label", &reason));
    }
    let known: Vec<&str> = n_of.keys().copied().collect();
    let positive = match &job.data.positive {
        Some(positive) if n_of.contains_key(positive.as_str()) => positive.as_str(),
        Some(positive) => {
            let known = known.join(", ");
            let reason = format!("no entity has `{label} = {positive}`; there are {known}");
            return Err(fault("data.positive", &reason));
        }
        None if n_of.len() == 2 => {
            let rarer = n_of
                .iter()
                .min_by_key(|(name, n)| (**n, std::cmp::Reverse(*name)));
            rarer.map_or("", |(name, _)| name)
        }
        None => {
            let reason = format!(
                "`{label}` has {} among the entities ({}){}",
                if n_of.len() == 1 {
                    "one value".to_string()
                } else {
                    format!("{} values", n_of.len())
                },
                known.iter().take(8).copied().collect::<Vec<_>>().join(", "),
                if n_of.len() == 1 {
                    ", so there is nothing to tell apart"
                } else {
                    ", so the one that is asked for has to be named with `--positive`"
                }
            );
            return Err(fault("data.label", &reason));
        }
    };
    let with: Vec<usize> = (0..values.len())
        .filter(|&at| values[at].is_some())
        .collect();
    let n_without = values.len() - with.len();
    if n_without > 0 {
        let message = format!("{n_without} entities have no value of `{label}`");
        loaded
            .warnings
            .push(warning("no_label", message, "left out"));
    }
    loaded.labels = Some(Labels {
        name: format!("{label} = {positive}"),
        has_it: (with.iter())
            .map(|&at| values[at].is_some_and(|value| value == positive))
            .collect(),
    });
    loaded.sequences = loaded.sequences.select(&with);
    if let Some(ids) = &mut loaded.ids {
        *ids = with.iter().map(|&at| ids[at].clone()).collect();
    }
    Ok(loaded)
}

struct Opened {
    rows: Rows,
    origins: Vec<Origin>,
    bad_rows: Vec<BadRow>,
    warnings: Vec<Warning>,
}

/// Loads some columns of a table. The column of times is read as what it holds.
fn open(
    settings: &SourceSettings,
    wanted: &[&String],
    time: Option<&String>,
    spool: &Path,
    context: &Context,
) -> Result<Opened, RunError> {
    let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
    let table = Table::open(settings, spool, &session, context.watch)?;
    check_columns(&table, wanted.iter().copied().chain(time))?;
    let role_of_time = match time {
        Some(name) => time_role(&table, name),
        None => Role::Ignore,
    };
    let roles: Vec<ColumnRole> = (table.schema().iter())
        .map(|column| {
            let given = wanted.iter().find(|name| ***name == column.name);
            let is_time = time == Some(&column.name);
            ColumnRole {
                name: column.name.clone(),
                role: match given {
                    Some(_) => key_role(column.column_type),
                    None if is_time => role_of_time,
                    None => Role::Ignore,
                },
                reason: "given".into(),
            }
        })
        .collect();
    Ok(Opened {
        rows: prepare::load(&table, &roles)?,
        warnings: bad_row_warnings(&table),
        origins: table.origins().to_vec(),
        bad_rows: table.bad_rows().to_vec(),
    })
}

fn time_role(table: &Table, name: &str) -> Role {
    use crate::source::ColumnType;
    let column = table.schema().iter().find(|column| column.name == name);
    match column.map(|column| column.column_type) {
        Some(ColumnType::Time) => Role::Time,
        Some(ColumnType::Integer | ColumnType::Float) => Role::Number,
        _ => Role::Category,
    }
}

fn fault(key: &str, reason: &str) -> RunError {
    RunError::JobFile {
        path: key.into(),
        reason: reason.into(),
    }
}
