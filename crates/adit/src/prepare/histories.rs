//! What a row's entity did until its cut-off, as numbers and categories: aggregates over a table of events.
//!
//! Enters: rows of entities, and events with their entity and time. Leaves: more columns of the rows. An event at the
//! cut-off or after it is never seen.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    EventCells, EventTable, HISTORY, HistoryCells, PrepareError, Role, RowColumn, Rows, Span,
    Values,
};

/// Values of a category that are counted apart, at most: the most frequent.
const MOST_VALUES: usize = 12;
/// And only those of at least so many events.
const LEAST_EVENTS: usize = 20;
const DAY: f64 = 86_400_000.0;

/// How events become columns, fitted on events and saved with the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histories {
    /// Column of the rows and of the events that tells whose they are.
    pub entity: String,
    /// Times or numbers of the events.
    pub time: String,
    /// Column of the rows, of the same kind: events from then on are not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<String>,
    /// Other columns of the events, in their order; of a category the values that are counted apart.
    columns: Vec<EventColumn>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct EventColumn {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
}

/// Events by entity, each entity's in their order.
pub struct Events<'a> {
    rows: &'a Rows,
    /// Times and rows, entity by entity.
    order: Vec<(f64, usize)>,
    of_entity: HashMap<&'a str, Range<usize>>,
    table: Arc<EventTable>,
    /// Events without an entity or a time, which nobody sees.
    pub n_incomplete: u64,
}

impl Histories {
    /// Looks at the events that some row of `rows` may see, or at all of them without rows; labels play no part.
    ///
    /// # Errors
    /// A column that is not there, or a moment that is a text.
    pub fn fit(
        events: &Rows,
        (entity, time): (&str, &str),
        cutoff: Option<&str>,
        rows: Option<&Rows>,
    ) -> Result<Histories, PrepareError> {
        column(events, entity, "entity of the events")?;
        column(events, time, "time of the events")?;
        let seen = match rows {
            Some(rows) => seen_by(rows, events, (entity, time), cutoff)?,
            None => vec![true; events.n_rows()],
        };
        let others = (events.columns.iter()).filter(|c| c.name != entity && c.name != time);
        let columns = others.filter_map(|column| {
            let values = match (column.role, &column.values) {
                (Role::Number, Values::Numbers(_)) => None,
                (Role::Category, Values::Strings(cells)) => Some(frequent(cells, &seen)),
                _ => return None,
            };
            Some(EventColumn {
                name: column.name.clone(),
                values,
            })
        });
        Ok(Histories {
            entity: entity.into(),
            time: time.into(),
            cutoff: cutoff.map(String::from),
            columns: columns.collect(),
        })
    }

    /// As [`Histories::fit`] without rows, of events that are in their order.
    pub fn of_table(events: &EventTable, (entity, time): (&str, &str)) -> Histories {
        let columns = events.columns.iter().map(|column| EventColumn {
            name: column.name.clone(),
            values: match &column.cells {
                EventCells::Numbers(_) => None,
                EventCells::Categories { codes, names } => {
                    let mut counts = vec![0usize; names.len() + 1];
                    codes.iter().for_each(|&code| counts[code as usize] += 1);
                    let counted = names.iter().map(String::as_str).zip(counts.drain(1..));
                    Some(most_frequent(counted.collect()))
                }
            },
        });
        Histories {
            entity: entity.into(),
            time: time.into(),
            cutoff: None,
            columns: columns.collect(),
        }
    }

    /// The events of a table, ready to be looked up.
    ///
    /// # Errors
    /// A column that is not there, or a time that is a text.
    pub fn events<'a>(&self, rows: &'a Rows) -> Result<Events<'a>, PrepareError> {
        let entity = column(rows, &self.entity, "entity of the events")?;
        let time = column(rows, &self.time, "time of the events")?;
        let Values::Strings(ids) = &entity.values else {
            return Err(wrong(entity, "names of entities"));
        };
        let mut all: Vec<(&str, f64, usize)> = Vec::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            if let (Some(id), Some(at)) = (id, moment(time, row)?) {
                all.push((id.trim(), at, row));
            }
        }
        all.sort_by(|a, b| a.0.cmp(b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut of_entity = HashMap::new();
        let mut start = 0;
        for own in all.chunk_by(|a, b| a.0 == b.0) {
            of_entity.insert(own[0].0, start..start + own.len());
            start += own.len();
        }
        let order: Vec<(f64, usize)> = all.iter().map(|&(_, at, row)| (at, row)).collect();
        let is_of_times = matches!(time.values, Values::Times(_));
        let names = self.columns.iter().map(|column| column.name.as_str());
        let table = EventTable::of(rows, names, (&order, is_of_times));
        Ok(Events {
            rows,
            n_incomplete: (ids.len() - order.len()) as u64,
            table: Arc::new(table),
            order,
            of_entity,
        })
    }

    /// Every entity with all that it did, by name.
    pub fn whole(events: &Events) -> (Vec<String>, HistoryCells) {
        let mut all: Vec<(&str, &Range<usize>)> = (events.of_entity.iter())
            .map(|(name, own)| (*name, own))
            .collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        let span = |own: &Range<usize>| Span {
            start: own.start,
            end: own.end,
            until: None,
        };
        let cells = HistoryCells {
            events: Arc::clone(&events.table),
            spans: all.iter().map(|(_, own)| span(own)).collect(),
        };
        let names = all.into_iter().map(|(name, _)| name.to_string());
        (names.collect(), cells)
    }

    /// Adds what the events of every row's entity say; gives the names of the columns and how many rows have no event.
    ///
    /// # Errors
    /// A column that is not there, a cut-off that is no moment of the events' kind, or a column of such a name already.
    pub fn extend(
        &self,
        rows: &mut Rows,
        events: &Events,
    ) -> Result<(Vec<String>, u64), PrepareError> {
        let entity = column(rows, &self.entity, "entity")?;
        let Values::Strings(ids) = &entity.values else {
            return Err(wrong(entity, "names of entities"));
        };
        let cutoff = match &self.cutoff {
            Some(name) => {
                let column = column(rows, name, "cut-off")?;
                if matches!(column.values, Values::Times(_)) != events.table.is_of_times {
                    return Err(wrong(
                        column,
                        "the same kind of moment as the time of the events",
                    ));
                }
                Some(column)
            }
            None => None,
        };
        let mut made = Made::default();
        let mut n_without = 0;
        let mut spans = Vec::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            let until = match cutoff {
                Some(column) => moment(column, row)?,
                None => None,
            };
            let own = id.as_deref().and_then(|id| events.of_entity.get(id.trim()));
            let own = own.cloned().unwrap_or(0..0);
            let n_seen = match (cutoff, until) {
                // Who has no cut-off where others have one has seen nothing for certain.
                (Some(_), None) => 0,
                (_, Some(until)) => {
                    events.order[own.clone()].partition_point(|(at, _)| *at < until)
                }
                (None, None) => own.len(),
            };
            let end = own.start + n_seen;
            let seen = &events.order[own.start..end];
            n_without += u64::from(seen.is_empty());
            self.of_row(seen, until, events, &mut made);
            let start = own.start;
            spans.push(Span { start, end, until });
        }
        if let Some((name, ..)) = made.columns.iter().find(|c| rows.column(&c.0).is_some()) {
            return Err(PrepareError::TwoRoles {
                column: name.clone(),
                first: "a column of the table",
                second: "a column that is made of the events",
            });
        }
        let names = made.columns.iter().map(|column| column.0.clone()).collect();
        rows.columns.extend(made.into_columns());
        rows.columns.push(RowColumn {
            name: HISTORY.into(),
            role: Role::History,
            values: Values::Histories(HistoryCells {
                events: Arc::clone(&events.table),
                spans,
            }),
        });
        Ok((names, n_without))
    }

    fn of_row(&self, seen: &[(f64, usize)], until: Option<f64>, events: &Events, made: &mut Made) {
        let unit = if events.table.is_of_times { DAY } else { 1.0 };
        let of_time = |what: &str| match events.table.is_of_times {
            true => format!("events, days {what}"),
            false => format!("events, {} {what}", self.time),
        };
        made.at = 0;
        made.number(|| "events, count".into(), seen.len() as f64);
        let times: Vec<f64> = seen.iter().map(|(at, _)| at / unit).collect();
        let (first, last) = (times.first().copied(), times.last().copied());
        let between = |a: Option<f64>, b: Option<f64>| a.zip(b).map_or(f64::NAN, |(a, b)| b - a);
        if self.cutoff.is_some() {
            let until = until.map(|until| until / unit);
            made.number(|| of_time("since the last"), between(last, until));
            made.number(|| of_time("since the first"), between(first, until));
        }
        made.number(|| of_time("from first to last"), between(first, last));
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let of_gaps = Spread::of(&gaps);
        made.number(|| of_time("between two, mean"), of_gaps.mean);
        made.number(|| of_time("between two, deviation"), of_gaps.deviation);
        made.number(|| of_time("between two, most"), of_gaps.most);
        made.number(
            || of_time("between the last two"),
            gaps.last().copied().unwrap_or(f64::NAN),
        );
        for of in &self.columns {
            let column = events.rows.column(&of.name);
            match (&of.values, column.map(|c| &c.values)) {
                (None, Some(Values::Numbers(all))) => numbers(&of.name, all, (seen, &times), made),
                (Some(values), Some(Values::Strings(all))) => {
                    categories(&of.name, values, all, seen, made);
                }
                // A table of events without the column: nothing is known.
                (None, _) => numbers(&of.name, &[], (&[], &times), made),
                (Some(values), _) => categories(&of.name, values, &[], &[], made),
            }
        }
    }

    /// Columns of the events that are read.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Role)> {
        self.columns.iter().map(|column| {
            let role = match column.values {
                Some(_) => Role::Category,
                None => Role::Number,
            };
            (column.name.as_str(), role)
        })
    }
}

impl Events<'_> {
    /// Every entity by name, with the times and rows of its events in their order.
    pub(super) fn by_entity(&self) -> Vec<(&str, &[(f64, usize)])> {
        let mut all: Vec<(&str, &[(f64, usize)])> = (self.of_entity.iter())
            .map(|(name, own)| (*name, &self.order[own.clone()]))
            .collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Whether moments are times, and not numbers.
    pub(super) fn is_of_times(&self) -> bool {
        self.table.is_of_times
    }
}

fn numbers(name: &str, all: &[f64], (seen, times): (&[(f64, usize)], &[f64]), made: &mut Made) {
    let values: Vec<f64> = seen.iter().map(|(_, row)| all[*row]).collect();
    let known: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let of = Spread::of(&known);
    let nothing = f64::NAN;
    made.number(
        || format!("{name}, sum"),
        if known.is_empty() { nothing } else { of.sum },
    );
    made.number(|| format!("{name}, mean"), of.mean);
    made.number(|| format!("{name}, deviation"), of.deviation);
    made.number(|| format!("{name}, least"), of.least);
    made.number(|| format!("{name}, most"), of.most);
    made.number(
        || format!("{name}, first"),
        known.first().copied().unwrap_or(nothing),
    );
    made.number(
        || format!("{name}, last"),
        known.last().copied().unwrap_or(nothing),
    );
    let slope = slope(
        times
            .iter()
            .copied()
            .zip(values)
            .filter(|(_, y)| y.is_finite()),
    );
    made.number(|| format!("{name}, trend"), slope);
}

fn categories(
    name: &str,
    values: &[String],
    all: &[Option<String>],
    seen: &[(f64, usize)],
    made: &mut Made,
) {
    let cells: Vec<&str> = (seen.iter())
        .filter_map(|(_, row)| all[*row].as_deref())
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect();
    let n = cells.len() as f64;
    let mut count_of: BTreeMap<&str, usize> = BTreeMap::new();
    cells
        .iter()
        .for_each(|cell| *count_of.entry(cell).or_insert(0) += 1);
    for value in values {
        let count = count_of.get(value.as_str()).copied().unwrap_or(0) as f64;
        made.number(|| format!("{name} = {value}, count"), count);
        let share = if n > 0.0 { count / n } else { f64::NAN };
        made.number(|| format!("{name} = {value}, share"), share);
    }
    made.number(|| format!("{name}, different"), count_of.len() as f64);
    made.category(|| format!("{name}, first"), cells.first().copied());
    made.category(|| format!("{name}, last"), cells.last().copied());
}

/// Whether each event lies before the latest cut-off of its entity's rows.
fn seen_by(
    rows: &Rows,
    events: &Rows,
    (entity, time): (&str, &str),
    cutoff: Option<&str>,
) -> Result<Vec<bool>, PrepareError> {
    let own = column(rows, entity, "entity")?;
    let (Values::Strings(owners), Some(ids)) = (&own.values, events.column(entity)) else {
        return Err(wrong(own, "names of entities"));
    };
    let Values::Strings(ids) = &ids.values else {
        return Err(wrong(own, "names of entities"));
    };
    let cutoff = cutoff
        .map(|name| column(rows, name, "cut-off"))
        .transpose()?;
    let mut latest: HashMap<&str, f64> = HashMap::new();
    for (row, owner) in owners.iter().enumerate() {
        let until = match cutoff {
            Some(column) => moment(column, row)?,
            None => Some(f64::INFINITY),
        };
        if let (Some(owner), Some(until)) = (owner, until) {
            let known = latest.entry(owner.trim()).or_insert(until);
            *known = known.max(until);
        }
    }
    let at = column(events, time, "time of the events")?;
    let sees = |row: usize, id: &Option<String>| -> Result<bool, PrepareError> {
        let until = id.as_ref().and_then(|id| latest.get(id.trim()));
        Ok(match (until, moment(at, row)?) {
            (Some(until), Some(at)) => at < *until,
            _ => false,
        })
    };
    (ids.iter().enumerate())
        .map(|(row, id)| sees(row, id))
        .collect()
}

/// Values of a category that are counted apart, the most frequent first.
fn frequent(cells: &[Option<String>], seen: &[bool]) -> Vec<String> {
    let mut count_of: BTreeMap<&str, usize> = BTreeMap::new();
    let seen = cells.iter().zip(seen).filter(|(_, seen)| **seen);
    for cell in seen.filter_map(|(cell, _)| Some(cell.as_deref()?.trim())) {
        if !cell.is_empty() {
            *count_of.entry(cell).or_insert(0) += 1;
        }
    }
    most_frequent(count_of.into_iter().collect())
}

/// Values that are counted apart, of all with how many events have them.
fn most_frequent(mut values: Vec<(&str, usize)>) -> Vec<String> {
    values.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let told = values.into_iter().take(MOST_VALUES);
    let told = told.filter(|(_, count)| *count >= LEAST_EVENTS);
    told.map(|(name, _)| name.to_string()).collect()
}

/// Sums of some numbers; NaN of what there is too little for.
struct Spread {
    sum: f64,
    mean: f64,
    deviation: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Spread {
        let n = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let mean = sum / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let known = |x: f64| if x.is_finite() { x } else { f64::NAN };
        Spread {
            sum,
            mean: known(mean),
            deviation: known((squares / (n - 1.0)).sqrt()),
            least: known(values.iter().copied().fold(f64::INFINITY, f64::min)),
            most: known(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        }
    }
}

/// Change a day (or a unit of time) by least squares; NaN where time stands still.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<(f64, f64)> = points.collect();
    let n = points.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (mx, my) = (mean(&|p| p.0), mean(&|p| p.1));
    let sxx: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    if sxx > 0.0 { sxy / sxx } else { f64::NAN }
}

/// Columns as they are made, row by row in the same order.
#[derive(Default)]
struct Made {
    columns: Vec<(String, Values)>,
    at: usize,
}

impl Made {
    fn number(&mut self, name: impl Fn() -> String, value: f64) {
        if self.at == self.columns.len() {
            self.columns.push((name(), Values::Numbers(Vec::new())));
        }
        if let Values::Numbers(values) = &mut self.columns[self.at].1 {
            values.push(value);
        }
        self.at += 1;
    }

    fn category(&mut self, name: impl Fn() -> String, value: Option<&str>) {
        if self.at == self.columns.len() {
            self.columns.push((name(), Values::Strings(Vec::new())));
        }
        if let Values::Strings(values) = &mut self.columns[self.at].1 {
            values.push(value.map(String::from));
        }
        self.at += 1;
    }

    fn into_columns(self) -> impl Iterator<Item = RowColumn> {
        self.columns.into_iter().map(|(name, values)| RowColumn {
            name,
            role: match values {
                Values::Numbers(_) => Role::Number,
                _ => Role::Category,
            },
            values,
        })
    }
}

pub(super) fn column<'a>(
    rows: &'a Rows,
    name: &str,
    what: &'static str,
) -> Result<&'a RowColumn, PrepareError> {
    rows.column(name).ok_or_else(|| {
        let names: Vec<String> = rows.columns.iter().map(|c| c.name.clone()).collect();
        PrepareError::UnknownColumn {
            what,
            name: name.to_string(),
            nearest: super::nearest::nearest(name, &names),
            columns: names,
        }
    })
}

/// When something happened, in milliseconds or in the unit of the column.
pub(super) fn moment(column: &RowColumn, row: usize) -> Result<Option<f64>, PrepareError> {
    match &column.values {
        Values::Times(times) => Ok(times[row].map(|at| at as f64)),
        Values::Numbers(values) => Ok(Some(values[row]).filter(|x| x.is_finite())),
        _ => Err(wrong(column, "times or numbers")),
    }
}

pub(super) fn wrong(column: &RowColumn, wanted: &'static str) -> PrepareError {
    PrepareError::NotAMoment {
        column: column.name.clone(),
        wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, role: Role, values: Values) -> RowColumn {
        RowColumn {
            name: name.into(),
            role,
            values,
        }
    }

    fn strings(values: &[&str]) -> Values {
        let cell = |v: &&str| (!v.is_empty()).then(|| v.to_string());
        Values::Strings(values.iter().map(cell).collect())
    }

    fn events() -> Rows {
        let day = |k: i64| Some(k * DAY as i64);
        let mut who = vec!["a", "b", "a", "a", "", "b"];
        let mut when = vec![day(10), day(1), day(2), day(4), day(5), day(9)];
        let mut amount = vec![100.0, 7.0, 10.0, 30.0, 1e6, f64::NAN];
        let mut kind = vec!["late", "pay", "pay", "buy", "pay", "buy"];
        // So many that each kind is counted apart, of someone who is in no row.
        for k in 0..60 {
            who.push("other");
            when.push(day(k));
            amount.push(1.0);
            kind.push(["pay", "buy", "late"][k as usize % 3]);
        }
        Rows {
            row_ids: (0..who.len() as u64).collect(),
            columns: vec![
                of("who", Role::Entity, strings(&who)),
                of("when", Role::Time, Values::Times(when)),
                of("amount", Role::Number, Values::Numbers(amount)),
                of("kind", Role::Category, strings(&kind)),
            ],
        }
    }

    fn rows(cutoff: &[i64]) -> Rows {
        let days = cutoff.iter().map(|k| Some(k * DAY as i64)).collect();
        Rows {
            row_ids: vec![0, 1, 2],
            columns: vec![
                of("who", Role::Entity, strings(&["a", "b", "nobody"])),
                of("until", Role::Time, Values::Times(days)),
            ],
        }
    }

    fn value(rows: &Rows, name: &str, row: usize) -> f64 {
        match &rows.column(name).unwrap_or_else(|| panic!("{name}")).values {
            Values::Numbers(values) => values[row],
            _ => panic!("{name}"),
        }
    }

    #[test]
    fn what_happened_before_the_cut_off_is_summed_up() {
        let events = events();
        let fitted = Histories::fit(&events, ("who", "when"), Some("until"), None).unwrap();
        let index = fitted.events(&events).unwrap();
        assert_eq!(index.n_incomplete, 1);
        let mut rows = rows(&[10, 10, 10]);
        let (names, n_without) = fitted.extend(&mut rows, &index).unwrap();
        assert_eq!(n_without, 1);
        assert_eq!(names.len() + 3, rows.columns.len());
        for (name, expected) in [
            ("events, count", [2.0, 2.0, 0.0]),
            ("events, days since the last", [6.0, 1.0, f64::NAN]),
            ("events, days from first to last", [2.0, 8.0, f64::NAN]),
            ("events, days between two, mean", [2.0, 8.0, f64::NAN]),
            ("amount, sum", [40.0, 7.0, f64::NAN]),
            ("amount, mean", [20.0, 7.0, f64::NAN]),
            ("amount, last", [30.0, 7.0, f64::NAN]),
            ("amount, trend", [10.0, f64::NAN, f64::NAN]),
            ("kind = pay, count", [1.0, 1.0, 0.0]),
            ("kind = late, share", [0.0, 0.0, f64::NAN]),
            ("kind, different", [2.0, 2.0, 0.0]),
        ] {
            for (row, x) in expected.into_iter().enumerate() {
                let found = value(&rows, name, row);
                assert!(
                    found == x || found.is_nan() && x.is_nan(),
                    "{name} {row}: {found}"
                );
            }
        }
        let last = &rows.column("kind, last").unwrap().values;
        assert_eq!(last, &strings(&["buy", "buy", ""]));
    }

    #[test]
    fn nothing_after_the_cut_off_is_seen() {
        let before = {
            let events = events();
            let fitted = Histories::fit(&events, ("who", "when"), Some("until"), None).unwrap();
            let mut rows = rows(&[4, 9, 3]);
            fitted
                .extend(&mut rows, &fitted.events(&events).unwrap())
                .unwrap();
            (fitted, rows)
        };
        let mut changed = events();
        // All that lies at the cut-off of its entity or after it is another thing now.
        for row in [0, 3, 5] {
            if let Values::Numbers(values) = &mut changed.columns[2].values {
                values[row] = -1e9;
            }
            if let Values::Strings(values) = &mut changed.columns[3].values {
                values[row] = Some("late".into());
            }
        }
        let mut rows = rows(&[4, 9, 3]);
        before
            .0
            .extend(&mut rows, &before.0.events(&changed).unwrap())
            .unwrap();
        let told = |rows: &Rows| {
            let columns = rows.columns.iter().filter(|c| c.role != Role::History);
            format!("{:?}", columns.collect::<Vec<_>>())
        };
        assert_eq!(told(&rows), told(&before.1));
        let spans = |rows: &Rows| match &rows.column(HISTORY).unwrap().values {
            Values::Histories(cells) => cells.spans.clone(),
            _ => panic!("no histories"),
        };
        assert_eq!(spans(&rows), spans(&before.1));
        assert_eq!(value(&rows, "events, count", 0), 1.0);
    }

    #[test]
    fn values_that_nobody_may_see_are_not_counted_apart() {
        let mut events = events();
        // Of someone whose cut-off lies before all of it.
        for k in 0..40 {
            events.row_ids.push(100 + k);
            for (column, cell) in events.columns.iter_mut().zip(["a", "", "", "secret"]) {
                match &mut column.values {
                    Values::Strings(cells) => cells.push(Some(cell.into())),
                    Values::Times(times) => times.push(Some(1_000 * DAY as i64)),
                    Values::Numbers(values) => values.push(1.0),
                    Values::Histories(_) => panic!("no histories here"),
                }
            }
        }
        let names = |rows: Option<&Rows>| {
            let fitted = Histories::fit(&events, ("who", "when"), Some("until"), rows).unwrap();
            fitted.columns[1].values.clone().unwrap()
        };
        assert!(names(None).contains(&"secret".to_string()));
        let mut all = rows(&[10, 10, 10]);
        if let Values::Strings(owners) = &mut all.columns[0].values {
            owners[2] = Some("other".into());
        }
        all.columns[1].values = Values::Times([10, 10, 90].map(|k| Some(k * DAY as i64)).to_vec());
        assert_eq!(names(Some(&all)).len(), 3);
        assert!(!names(Some(&all)).contains(&"secret".to_string()));
    }

    #[test]
    fn what_has_no_order_or_another_kind_of_moment_is_an_error() {
        let mut events = events();
        let fitted = Histories::fit(&events, ("who", "when"), Some("until"), None).unwrap();
        assert!(Histories::fit(&events, ("who", "then"), None, None).is_err());
        let mut as_numbers = rows(&[1, 2, 3]);
        as_numbers.columns[1].values = Values::Numbers(vec![1.0, 2.0, 3.0]);
        let index = fitted.events(&events).unwrap();
        let error = fitted.extend(&mut as_numbers, &index).unwrap_err();
        assert!(error.to_string().contains("`until`"), "{error}");
        let n = events.row_ids.len();
        events.columns[1].values = Values::Strings(vec![Some("soon".into()); n]);
        assert!(fitted.events(&events).is_err());
    }
}
