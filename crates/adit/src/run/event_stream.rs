//! Events of a table in the order of their histories: all of them, or some entities at a time.

use std::path::Path;

use arrow::array::RecordBatch;
use tempfile::TempDir;

use super::apply::Output;
use super::event_encoder::EventEncoderFolder;
use super::{Context, RunError, event_data};
use crate::engine::Session;
use crate::prepare::{
    ColumnRole, EventCells, EventOrder, EventValues, Histories, HistoryCells, Role, SortedEvents,
};
use crate::source::{SourceError, SourceSettings, Table};

/// Bytes of an event that is held: its moment, its row, …
const BYTES_OF_EVENT: u64 = 16;
/// … and each field, as it was read and as it is learned from.
const BYTES_OF_FIELD: u64 = 12;
/// Bytes of an entity besides its name: where its events are, as it is read and as it is learned from.
const BYTES_OF_ENTITY: u64 = 180;
/// Bytes of the name of a category besides its letters, and where it is looked up.
const BYTES_OF_NAME: u64 = 100;
/// Bytes in which events are sorted where no one says.
pub(super) const SORT_MEMORY: u64 = 1 << 30;
/// Events whose histories are worked on together.
const EVENTS_AT_ONCE: usize = 200_000;

/// Entities with all that they did.
pub(super) struct LoadedHistories {
    pub histories: Histories,
    pub names: Vec<String>,
    pub cells: HistoryCells,
    pub n_bad_rows: u64,
}

/// A table of events that is open, and what its columns are.
struct OpenEvents {
    table: Table,
    roles: Vec<ColumnRole>,
    entity: String,
    time: String,
    spool: TempDir,
}

impl OpenEvents {
    /// Opens a table of events, with the columns of `known` histories where these are.
    fn open(
        source: &SourceSettings,
        (entity, time): (&String, &String),
        known: Option<&Histories>,
        context: &Context,
    ) -> Result<OpenEvents, RunError> {
        let spool = super::spool()?;
        let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
        let table = Table::open(source, spool.path(), &session, context.watch)?;
        let of = event_data::Known {
            histories: known,
            ..event_data::Known::default()
        };
        Ok(OpenEvents {
            roles: event_data::roles(&table, (entity, time), of, context.watch)?,
            entity: entity.clone(),
            time: time.clone(),
            table,
            spool,
        })
    }

    fn sorted(&self, memory: u64) -> Result<SortedEvents, RunError> {
        let order = EventOrder {
            entity: &self.entity,
            time: &self.time,
            memory,
            folder: self.spool.path(),
        };
        Ok(SortedEvents::open(&self.table, &self.roles, &order)?)
    }

    /// Bytes that all events take in memory, about.
    fn bytes(&self) -> u64 {
        let is_field = |role: &&ColumnRole| matches!(role.role, Role::Number | Role::Category);
        let fields = self.roles.iter().filter(is_field).count() as u64;
        self.table.n_rows() * (BYTES_OF_EVENT + BYTES_OF_FIELD * fields)
    }
}

/// Bytes that entities and the names of categories take, about.
fn bytes_of_names(names: &[String], cells: &HistoryCells) -> u64 {
    let letters = |names: &[String]| names.iter().map(|name| name.len() as u64).sum::<u64>();
    let of_column = |column: &EventValues| match &column.cells {
        EventCells::Categories { names, .. } => letters(names) + BYTES_OF_NAME * names.len() as u64,
        EventCells::Numbers(_) => 0,
    };
    let of_columns: u64 = cells.events.columns.iter().map(of_column).sum();
    letters(names) + BYTES_OF_ENTITY * names.len() as u64 + of_columns
}

/// Reads a table of events, the columns of `known` histories where these are; in `memory` bytes, where it is told.
///
/// # Errors
/// More events than fit; no events; whatever is wrong with the table.
pub(super) fn load(
    source: &SourceSettings,
    of: (&String, &String),
    known: Option<&Histories>,
    (memory, context): (Option<u64>, &Context),
) -> Result<LoadedHistories, RunError> {
    let events = OpenEvents::open(source, of, known, context)?;
    let wanted = events.bytes();
    if memory.is_some_and(|memory| wanted > memory) {
        return Err(RunError::TooManyEvents {
            events: events.table.n_rows(),
            mib: (wanted >> 20) + 1,
        });
    }
    let for_sorting = memory.map_or(SORT_MEMORY, |memory| memory - wanted);
    let found = (events.sorted(for_sorting)?).next(usize::MAX, context.watch)?;
    let (names, cells) = found.ok_or(RunError::NoRows)?;
    // How many entities and names there are is known only now.
    let wanted = wanted + bytes_of_names(&names, &cells);
    if memory.is_some_and(|memory| wanted > memory) {
        return Err(RunError::TooManyEvents {
            events: events.table.n_rows(),
            mib: (wanted >> 20) + 1,
        });
    }
    let histories = match known {
        Some(known) => known.clone(),
        None => Histories::of_table(&cells.events, (of.0, of.1)),
    };
    Ok(LoadedHistories {
        histories,
        names,
        cells,
        n_bad_rows: events.table.n_bad_rows(),
    })
}

/// Opens the folder of an encoder and all events that it is to read.
///
/// # Errors
/// A folder that is no encoder of events, or events that lack its columns.
pub(super) fn open(
    folder: &Path,
    source: &SourceSettings,
    context: &Context,
) -> Result<(EventEncoderFolder, LoadedHistories), RunError> {
    let encoder = EventEncoderFolder::open(folder)?;
    let known = &encoder.about.histories;
    let of = (&known.entity, &known.time);
    let loaded = load(source, of, Some(known), (None, context))?;
    encoder.check(&loaded.cells, &folder.to_string_lossy())?;
    Ok((encoder, loaded))
}

/// Writes what `work` makes of entities by name and their histories, some at a time; gives how many there were, and the rows
/// that could not be read.
///
/// # Errors
/// Events that lack the encoder's columns; no events; what `work` says; those of the disk.
pub(super) fn write_each(
    (encoder, folder): (&EventEncoderFolder, &Path),
    (source, memory): (&SourceSettings, u64),
    output: &mut Output,
    context: &Context,
    work: impl Fn(&[String], &HistoryCells) -> Result<RecordBatch, RunError>,
) -> Result<(u64, u64), RunError> {
    let known = &encoder.about.histories;
    let of = (&known.entity, &known.time);
    let events = OpenEvents::open(source, of, Some(known), context)?;
    let mut sorted = events.sorted(memory)?;
    let mut n = 0;
    while let Some((names, cells)) = sorted.next(EVENTS_AT_ONCE, context.watch)? {
        encoder.check(&cells, &folder.to_string_lossy())?;
        output.write(&work(&names, &cells)?)?;
        n += names.len() as u64;
    }
    if n == 0 {
        return Err(RunError::NoRows);
    }
    Ok((n, events.table.n_bad_rows()))
}
