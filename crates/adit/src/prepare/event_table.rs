//! Events as they are kept: each entity's together in their order, a column of values beside another.

use std::sync::Arc;

use super::{Rows, Values};

/// Name of the column of histories; no column of a file is taken for it.
pub const HISTORY: &str = "events, history";

/// The events of all entities.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct EventTable {
    /// Milliseconds since 1970-01-01 UTC, or in the unit of the column. `[n_events]`
    pub times: Vec<f64>,
    pub is_of_times: bool,
    /// Position of each event among the rows that were read. `[n_events]`
    pub rows: Vec<u64>,
    pub columns: Vec<EventValues>,
}

/// One column of the events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventValues {
    pub name: String,
    pub cells: EventCells,
}

#[derive(Clone, Debug, PartialEq)]
pub enum EventCells {
    /// NaN is missing. `[n_events]`
    Numbers(Vec<f64>),
    /// 0 is missing, `k` the name `k - 1`; names are sorted. `[n_events]`
    Categories { codes: Vec<u32>, names: Vec<String> },
}

/// What each row's entity did until the row's cut-off.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryCells {
    pub events: Arc<EventTable>,
    /// `[n_rows]`
    pub spans: Vec<Span>,
}

/// Events of one row, the latest last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub start: usize,
    /// One after the last.
    pub end: usize,
    /// The row's cut-off, where it has one.
    pub until: Option<f64>,
}

impl Span {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True where the entity did nothing.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// The latest events, at most `n`.
    pub fn latest(self, n: usize) -> Span {
        Span {
            start: self.end - self.len().min(n),
            ..self
        }
    }
}

impl EventTable {
    /// The named columns of `rows`, in the order of `order`.
    pub(super) fn of<'a>(
        rows: &Rows,
        names: impl Iterator<Item = &'a str>,
        (order, is_of_times): (&[(f64, usize)], bool),
    ) -> EventTable {
        let columns = names.filter_map(|name| {
            let cells = match &rows.column(name)?.values {
                Values::Numbers(values) => {
                    EventCells::Numbers(order.iter().map(|&(_, row)| values[row]).collect())
                }
                Values::Strings(cells) => categories(cells, order),
                _ => return None,
            };
            let name = name.to_string();
            Some(EventValues { name, cells })
        });
        EventTable {
            times: order.iter().map(|(at, _)| *at).collect(),
            is_of_times,
            rows: order.iter().map(|&(_, row)| rows.row_ids[row]).collect(),
            columns: columns.collect(),
        }
    }

    /// How many events there are.
    pub fn n_events(&self) -> usize {
        self.times.len()
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&EventCells> {
        let found = self.columns.iter().find(|column| column.name == name)?;
        Some(&found.cells)
    }
}

fn categories(cells: &[Option<String>], order: &[(f64, usize)]) -> EventCells {
    let clean = |row: usize| {
        let cell = cells[row].as_deref().map(str::trim);
        cell.filter(|cell| !cell.is_empty())
    };
    let mut names: Vec<&str> = order.iter().filter_map(|&(_, row)| clean(row)).collect();
    names.sort_unstable();
    names.dedup();
    let code = |name: &str| names.binary_search(&name).map_or(0, |at| at as u32 + 1);
    EventCells::Categories {
        codes: (order.iter())
            .map(|&(_, row)| clean(row).map_or(0, code))
            .collect(),
        names: names.iter().map(ToString::to_string).collect(),
    }
}
