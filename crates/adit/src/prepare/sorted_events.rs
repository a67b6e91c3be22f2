//! The events of a table in the order of their histories, however many there are.
//!
//! Enters: a table and the roles of its columns. Leaves: entities with all that they did, some at a time. Events wait on
//! disk where memory is too little to sort them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, UInt64Type};

use super::histories::{column, moment, wrong};
use super::{
    ColumnRole, EventCells, EventTable, EventValues, HistoryCells, PrepareError, Role, Rows, Span,
    Values, Words, load,
};
use crate::Watch;
use crate::engine;
use crate::source::{Change, SourceError, Table};

/// Entity, moment and row, by which events are sorted.
const N_KEYS: usize = 3;

/// Between two looks at whether someone wants it to stop, while events are read and sorted.
const LOOK: Duration = Duration::from_millis(200);

/// Which events, and in how much memory they are sorted.
#[derive(Clone, Copy, Debug)]
pub struct EventOrder<'a> {
    pub entity: &'a str,
    pub time: &'a str,
    /// In bytes.
    pub memory: u64,
    /// Where events wait that do not fit.
    pub folder: &'a Path,
}

/// Events as they come, entity by entity.
pub struct SortedEvents {
    rows: engine::Rows,
    fields: Fields,
    /// A batch, and its first row that was not given yet.
    rest: Option<(RecordBatch, usize)>,
    /// What was read so far; until the first sorted event comes, which is after the last was read.
    reading: Option<Reading>,
    done: u64,
    all: u64,
}

/// Events while they are read.
struct Reading {
    /// Of each batch, how many rows it has, and what the cells of columns with words were.
    parts: Receiver<(u64, Vec<(String, load::Cells)>)>,
    n_rows: u64,
    cells: BTreeMap<String, load::Cells>,
}

/// Columns of the events, and whether their moments are times.
#[derive(Clone)]
struct Fields {
    columns: Vec<(String, Role)>,
    is_of_times: bool,
}

impl SortedEvents {
    /// Begins to sort the events; those without an entity or a moment are left out.
    ///
    /// # Errors
    /// A column that is not there or cannot have its role; whatever is wrong with the table.
    pub fn open(
        table: &Table,
        roles: &[ColumnRole],
        order: &EventOrder,
    ) -> Result<SortedEvents, PrepareError> {
        let role_of = |name: &str| roles.iter().find(|r| r.name == name).map(|r| r.role);
        let is_field = |name: &str| name != order.entity && name != order.time;
        let fields = Fields {
            columns: (table.schema().iter())
                .filter(|column| is_field(&column.name))
                .filter_map(|column| Some((column.name.clone(), role_of(&column.name)?)))
                .filter(|(_, role)| matches!(role, Role::Number | Role::Category))
                .collect(),
            is_of_times: role_of(order.time) == Some(Role::Time),
        };
        let positions = load::positions(table.schema(), roles)?;
        let (schema, roles) = (table.schema().to_vec(), roles.to_vec());
        let (entity, time) = (order.entity.to_string(), order.time.to_string());
        let (own, sorted) = (fields.clone(), fields.schema());
        let made = Arc::clone(&sorted);
        let (sender, parts) = channel();
        let change = Change {
            schema: sorted,
            of: Arc::new(move |batch, first_row| {
                let (rows, cells) = load::batch((&schema, &roles), batch.columns(), first_row)?;
                // No one listens any more once the sorted events come.
                let _ = sender.send((batch.num_rows() as u64, cells));
                let arrays = own.arrays(&rows, (&entity, &time))?;
                Ok(RecordBatch::try_new(Arc::clone(&made), arrays)?)
            }),
        };
        let at = (order.memory, order.folder);
        Ok(SortedEvents {
            rows: table.sorted(&positions, change, N_KEYS, at)?,
            fields,
            rest: None,
            reading: Some(Reading {
                parts,
                n_rows: 0,
                cells: BTreeMap::new(),
            }),
            done: 0,
            all: table.n_rows(),
        })
    }

    /// The next entities by name, with `n_events` events or more together where there are so many; `None` at the end.
    ///
    /// # Errors
    /// Whatever is wrong with the table; `Cancelled`.
    pub fn next(
        &mut self,
        n_events: usize,
        watch: &dyn Watch,
    ) -> Result<Option<(Vec<String>, HistoryCells)>, PrepareError> {
        let n_most = n_events.min(usize::try_from(self.all).unwrap_or(usize::MAX));
        let mut building = Building::new(&self.fields, n_most);
        loop {
            let (batch, from) = match self.rest.take() {
                Some(rest) => rest,
                None => match self.batch(watch)? {
                    Some(batch) => (batch, 0),
                    None => break,
                },
            };
            if watch.cancelled() {
                return Err(SourceError::Cancelled.into());
            }
            watch.progress("order events", self.done, self.all, "");
            let to = building.append(&batch, from, n_events)?;
            self.done += (to - from) as u64;
            if to < batch.num_rows() {
                self.rest = Some((batch, to));
                break;
            }
        }
        Ok((!building.names.is_empty()).then(|| building.finish()))
    }

    /// The next batch, once all are read and sorted.
    fn batch(&mut self, watch: &dyn Watch) -> Result<Option<RecordBatch>, PrepareError> {
        loop {
            let found = self.rows.next_within(LOOK);
            if let Some(reading) = &mut self.reading {
                reading.take_in();
                watch.progress("read events", reading.n_rows, self.all, "");
            }
            if watch.cancelled() {
                return Err(SourceError::Cancelled.into());
            }
            let Some(found) = found else {
                continue;
            };
            let batch = found.transpose().map_err(own_error)?;
            if let Some(reading) = self.reading.take() {
                reading.check()?;
            }
            return Ok(batch);
        }
    }
}

impl Reading {
    fn take_in(&mut self) {
        for (n_rows, cells) in self.parts.try_iter() {
            self.n_rows += n_rows;
            for (column, cells) in cells {
                self.cells.entry(column).or_default().merge(cells);
            }
        }
    }

    /// Whether words are few in every column of numbers.
    fn check(self) -> Result<(), PrepareError> {
        for (column, cells) in &self.cells {
            cells.words(column, Words::Missing)?;
        }
        Ok(())
    }
}

/// Errors of the change travel through the engine and come out as they were.
fn own_error(error: engine::EngineError) -> PrepareError {
    match error {
        engine::EngineError::Scan(inner) => match inner.downcast::<PrepareError>() {
            Ok(own) => *own,
            Err(other) => SourceError::from(engine::EngineError::Scan(other)).into(),
        },
        other => SourceError::from(other).into(),
    }
}

impl Fields {
    fn schema(&self) -> SchemaRef {
        let of = |at: usize, data_type| Field::new(at.to_string(), data_type, true);
        let mut all = vec![
            of(0, DataType::Utf8),
            of(1, DataType::Float64),
            of(2, DataType::UInt64),
        ];
        let fields = self.columns.iter().enumerate().map(|(at, (_, role))| {
            let data_type = match role {
                Role::Number => DataType::Float64,
                _ => DataType::Utf8,
            };
            of(N_KEYS + at, data_type)
        });
        all.extend(fields);
        Arc::new(Schema::new(all))
    }

    /// Entity, moment, row and fields of the events that have both.
    fn arrays(
        &self,
        rows: &Rows,
        (entity, time): (&str, &str),
    ) -> Result<Vec<ArrayRef>, PrepareError> {
        let entity = column(rows, entity, "entity of the events")?;
        let time = column(rows, time, "time of the events")?;
        let Values::Strings(ids) = &entity.values else {
            return Err(wrong(entity, "names of entities"));
        };
        let (mut kept, mut names, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        for (row, id) in ids.iter().enumerate() {
            if let (Some(id), Some(at)) = (id, moment(time, row)?) {
                kept.push(row);
                names.push(id.trim());
                moments.push(at);
            }
        }
        let ids = kept.iter().map(|&row| rows.row_ids[row]);
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(names)),
            Arc::new(Float64Array::from(moments)),
            Arc::new(UInt64Array::from_iter_values(ids)),
        ];
        for (name, _) in &self.columns {
            let cells = column(rows, name, "field of the events")?;
            arrays.push(match &cells.values {
                Values::Numbers(values) => Arc::new(Float64Array::from_iter_values(
                    kept.iter().map(|&row| values[row]),
                )),
                Values::Strings(values) => {
                    let clean = |&row: &usize| {
                        let cell = values[row].as_deref().map(str::trim);
                        cell.filter(|cell| !cell.is_empty())
                    };
                    Arc::new(kept.iter().map(clean).collect::<StringArray>())
                }
                _ => return Err(wrong(cells, "numbers or categories")),
            });
        }
        Ok(arrays)
    }
}

/// Histories while they are put together.
struct Building {
    fields: Fields,
    names: Vec<String>,
    spans: Vec<Span>,
    times: Vec<f64>,
    rows: Vec<u64>,
    columns: Vec<Column>,
}

/// One field of the events.
enum Column {
    Numbers(Vec<f64>),
    /// Codes by the order in which names came; 0 is missing.
    Categories {
        codes: Vec<u32>,
        code_of: HashMap<String, u32>,
    },
}

impl Building {
    fn new(fields: &Fields, n_events: usize) -> Building {
        let column = |(_, role): &(String, Role)| match role {
            Role::Number => Column::Numbers(Vec::with_capacity(n_events)),
            _ => Column::Categories {
                codes: Vec::with_capacity(n_events),
                code_of: HashMap::new(),
            },
        };
        Building {
            columns: fields.columns.iter().map(column).collect(),
            fields: fields.clone(),
            names: Vec::new(),
            spans: Vec::new(),
            times: Vec::with_capacity(n_events),
            rows: Vec::with_capacity(n_events),
        }
    }

    /// Takes rows from `from` on until another entity comes with `n_events` there already; gives the first row not taken.
    fn append(
        &mut self,
        batch: &RecordBatch,
        from: usize,
        n_events: usize,
    ) -> Result<usize, PrepareError> {
        let broken =
            || SourceError::from(engine::EngineError::Query("a sort changed a type".into()));
        let ids = batch.column(0).as_string_opt::<i32>().ok_or_else(broken)?;
        let mut to = from;
        while to < batch.num_rows() {
            let id = ids.value(to);
            let n = self.times.len() + to - from;
            if self.names.last().is_none_or(|last| last != id) {
                if n >= n_events {
                    break;
                }
                self.names.push(id.into());
                self.spans.push(Span {
                    start: n,
                    end: n,
                    until: None,
                });
            }
            if let Some(span) = self.spans.last_mut() {
                span.end = n + 1;
            }
            to += 1;
        }
        let own = |at: usize| batch.column(at).slice(from, to - from);
        let (times, rows) = (own(1), own(2));
        let times = times.as_primitive_opt::<Float64Type>().ok_or_else(broken)?;
        let rows = rows.as_primitive_opt::<UInt64Type>().ok_or_else(broken)?;
        self.times.extend_from_slice(times.values());
        self.rows.extend_from_slice(rows.values());
        for (at, column) in self.columns.iter_mut().enumerate() {
            let cells = own(N_KEYS + at);
            match column {
                Column::Numbers(values) => {
                    let cells = cells.as_primitive_opt::<Float64Type>().ok_or_else(broken)?;
                    values.extend_from_slice(cells.values());
                }
                Column::Categories { codes, code_of } => {
                    for cell in cells.as_string_opt::<i32>().ok_or_else(broken)? {
                        codes.push(cell.map_or(0, |name| code(name, code_of)));
                    }
                }
            }
        }
        Ok(to)
    }

    fn finish(self) -> (Vec<String>, HistoryCells) {
        let columns = self.columns.into_iter().zip(&self.fields.columns);
        let columns = columns.map(|(column, (name, _))| EventValues {
            name: name.clone(),
            cells: column.finish(),
        });
        let events = EventTable {
            is_of_times: self.fields.is_of_times,
            columns: columns.collect(),
            times: self.times,
            rows: self.rows,
        };
        let cells = HistoryCells {
            events: Arc::new(events),
            spans: self.spans,
        };
        (self.names, cells)
    }
}

fn code(name: &str, code_of: &mut HashMap<String, u32>) -> u32 {
    if let Some(&code) = code_of.get(name) {
        return code;
    }
    let code = code_of.len() as u32 + 1;
    code_of.insert(name.into(), code);
    code
}

impl Column {
    /// Names are sorted in the end, so that codes do not depend on which came first.
    fn finish(self) -> EventCells {
        let (mut codes, code_of) = match self {
            Column::Numbers(values) => return EventCells::Numbers(values),
            Column::Categories { codes, code_of } => (codes, code_of),
        };
        let mut names: Vec<(String, u32)> = code_of.into_iter().collect();
        names.sort_unstable();
        let mut sorted = vec![0; names.len() + 1];
        for (at, (_, code)) in names.iter().enumerate() {
            sorted[*code as usize] = at as u32 + 1;
        }
        codes
            .iter_mut()
            .for_each(|code| *code = sorted[*code as usize]);
        EventCells::Categories {
            codes,
            names: names.into_iter().map(|(name, _)| name).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::engine::Session;
    use crate::prepare::Histories;
    use crate::source::SourceSettings;

    /// A table of events in a file, and what its columns are.
    struct Opened {
        folder: tempfile::TempDir,
        table: Table,
        roles: Vec<ColumnRole>,
    }

    impl Opened {
        fn of(text: &str, roles: &[(&str, Role)]) -> Opened {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("events.csv");
            std::fs::write(&path, text).expect("written");
            let session = Session::new(2, None).expect("a session");
            let settings = SourceSettings {
                inputs: vec![path.to_string_lossy().into_owned()],
                ..SourceSettings::default()
            };
            let silent = adit_nn::watch::Silent;
            let table = Table::open(&settings, folder.path(), &session, &silent);
            let role = |(name, role): &(&str, Role)| ColumnRole {
                name: (*name).into(),
                role: *role,
                reason: String::new(),
            };
            Opened {
                folder,
                table: table.expect("opens"),
                roles: roles.iter().map(role).collect(),
            }
        }

        fn sorted(&self) -> SortedEvents {
            let order = EventOrder {
                entity: "who",
                time: "at",
                memory: 0,
                folder: self.folder.path(),
            };
            SortedEvents::open(&self.table, &self.roles, &order).expect("opens")
        }
    }

    #[test]
    fn sorted_events_are_those_that_were_loaded_whole() {
        let mut text = String::from("who,at,amount,kind\n");
        for row in 0..5_000u64 {
            let (who, at) = (
                adit_nn::random::mix(1, row) % 300,
                adit_nn::random::mix(2, row) % 60,
            );
            let kind = ["b", " a ", "", "c"][(row % 4) as usize];
            let who = if row % 97 == 0 {
                String::new()
            } else {
                format!("e{who}")
            };
            let amount = if row % 13 == 0 {
                String::new()
            } else {
                row.to_string()
            };
            let _ = writeln!(
                text,
                "{who},2026-01-01T{:02}:{at:02}:00,{amount},{kind}",
                at % 24
            );
        }
        let roles = [
            ("who", Role::Entity),
            ("at", Role::Time),
            ("amount", Role::Number),
            ("kind", Role::Category),
        ];
        let opened = Opened::of(&text, &roles);
        let silent = adit_nn::watch::Silent;
        let rows = load(&opened.table, &opened.roles).expect("loads");
        let histories = Histories::fit(&rows, ("who", "at"), None, None).expect("fits");
        let (names, whole) = Histories::whole(&histories.events(&rows).expect("events"));
        let open = || opened.sorted();
        let found = open()
            .next(usize::MAX, &silent)
            .expect("sorts")
            .expect("events");
        // In words, because a missing number is no number and equals none.
        assert!(format!("{found:?}") == format!("{:?}", (&names, &whole)));
        let of_table = Histories::of_table(&found.1.events, ("who", "at"));
        assert!(of_table.columns().eq(histories.columns()));
        // In parts: the same entities, each with all that it did.
        let (mut events, mut all, mut n) = (open(), Vec::new(), 0);
        while let Some((own, cells)) = events.next(700, &silent).expect("sorts") {
            n += cells.events.n_events();
            assert_eq!(
                cells.spans.last().map(|span| span.end),
                Some(cells.events.n_events())
            );
            assert_eq!(
                cells.events.times,
                whole.events.times[n - cells.events.n_events()..n]
            );
            all.extend(own);
        }
        assert_eq!((all, n), (names, whole.events.n_events()));
    }

    /// 20,000 events whose amounts are words in so many rows, one after another.
    fn first_of_words(words: std::ops::Range<u64>) -> Result<HistoryCells, PrepareError> {
        let mut text = String::from("who,at,amount\n");
        for row in 0..20_000u64 {
            let amount = match words.contains(&row) {
                true => "unknown".into(),
                false => row.to_string(),
            };
            let _ = writeln!(text, "e{},{row},{amount}", row % 7);
        }
        let roles = [
            ("who", Role::Entity),
            ("at", Role::Number),
            ("amount", Role::Number),
        ];
        let opened = Opened::of(&text, &roles);
        let found = (opened.sorted()).next(usize::MAX, &adit_nn::watch::Silent)?;
        Ok(found.expect("events").1)
    }

    #[test]
    fn words_among_numbers_are_counted_over_all_events_and_not_batch_by_batch() {
        // 5% of all, which are most of one batch.
        let cells = first_of_words(9_000..10_000).expect("few words are missing");
        let EventCells::Numbers(values) = &cells.events.columns[0].cells else {
            panic!("no numbers");
        };
        assert_eq!(values.iter().filter(|x| x.is_nan()).count(), 1_000);
        let error = first_of_words(9_000..12_000).expect_err("too many");
        let PrepareError::NotNumbers {
            column,
            count,
            examples,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((column.as_str(), *count), ("amount", 3_000));
        let rows: Vec<u64> = examples.iter().map(|example| example.0).collect();
        assert_eq!(rows, [9_000, 9_001, 9_002, 9_003, 9_004]);
    }

    #[test]
    fn a_stop_is_heard_before_the_first_sorted_event() {
        struct Stopped;
        impl Watch for Stopped {
            fn progress(&self, _: &str, _: u64, _: u64, _: &str) {}
            fn cancelled(&self) -> bool {
                true
            }
        }
        let roles = [("who", Role::Entity), ("at", Role::Number)];
        let opened = Opened::of("who,at\na,1\nb,2\n", &roles);
        let stopped = (opened.sorted()).next(usize::MAX, &Stopped);
        assert!(matches!(
            stopped,
            Err(PrepareError::Source(SourceError::Cancelled))
        ));
    }
}
