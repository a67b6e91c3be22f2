//! What each entity did, as a few numbers that a person can read: recency, frequency, value and behaviour.
//!
//! Enters: a table of events with their entity and time. Leaves: a row an entity. Not here: what a model learns of
//! events by itself (see `histories`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Histories, PrepareError, Role, RowColumn, Rows, Values};

/// Values of a category whose share is told, at most: the most frequent.
const MOST_VALUES: usize = 5;
/// And only those of at least this share of the events.
const LEAST_SHARE: f64 = 0.02;
/// A step from one value to the next that fewer steps are is not told.
const LEAST_STEPS: f64 = 0.01;
const DAY: f64 = 86_400_000.0;
const HOUR: i64 = 3_600_000;

/// How events become a row an entity; fitted on events and saved with what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    pub entity: String,
    pub time: String,
    /// The moment that recency counts back from: the last one of the events that were fitted on.
    now: f64,
    is_of_times: bool,
    /// Times differ in more than their date.
    has_hours: bool,
    numbers: Vec<String>,
    /// Values whose shares are told, by column.
    categories: Vec<(String, Vec<String>)>,
}

impl Profiles {
    /// Looks at all events.
    ///
    /// # Errors
    /// A column that is not there, or a moment that is a text.
    pub fn fit(events: &Rows, entity: &str, time: &str) -> Result<Profiles, PrepareError> {
        let histories = Histories::fit(events, (entity, time), None, None)?;
        let found = histories.events(events)?;
        let all = found.by_entity();
        let moments = || {
            all.iter()
                .flat_map(|(_, own)| own.iter().map(|(at, _)| *at))
        };
        let is_of_times = found.is_of_times();
        let mut profiles = Profiles {
            entity: entity.into(),
            time: time.into(),
            now: moments().fold(f64::NEG_INFINITY, f64::max),
            is_of_times,
            has_hours: is_of_times && moments().any(|at| at.rem_euclid(DAY) != 0.0),
            numbers: Vec::new(),
            categories: Vec::new(),
        };
        for (name, role) in histories.columns() {
            match events.column(name).map(|column| &column.values) {
                Some(Values::Numbers(_)) if role == Role::Number => {
                    profiles.numbers.push(name.into())
                }
                Some(Values::Strings(cells)) => {
                    let frequent = frequent(cells);
                    profiles.categories.push((name.into(), frequent));
                }
                _ => {}
            }
        }
        Ok(profiles)
    }

    /// A row an entity, by name; the name stands in the column of the entity, which is an id.
    ///
    /// # Errors
    /// A column that is not there, or a moment that is a text.
    pub fn rows(&self, events: &Rows) -> Result<Rows, PrepareError> {
        let histories = Histories::fit(events, (&self.entity, &self.time), None, None)?;
        let found = histories.events(events)?;
        let entities = found.by_entity();
        let mut names = Vec::with_capacity(entities.len());
        let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
        for (entity, own) in &entities {
            names.push(Some((*entity).to_string()));
            let values = self.of_entity(own, events);
            if columns.is_empty() {
                columns = values
                    .iter()
                    .map(|(name, _)| (name.clone(), Vec::new()))
                    .collect();
            }
            for (column, (_, value)) in columns.iter_mut().zip(values) {
                column.1.push(value);
            }
        }
        let id = RowColumn {
            name: self.entity.clone(),
            role: Role::Id,
            values: Values::Strings(names),
        };
        let numbers = columns.into_iter().map(|(name, values)| RowColumn {
            name,
            role: Role::Number,
            values: Values::Numbers(values),
        });
        Ok(Rows {
            row_ids: (0..entities.len() as u64).collect(),
            columns: std::iter::once(id).chain(numbers).collect(),
        })
    }

    /// What each entity's last event says in some columns of the events; where its cell is empty, the one before, and so on.
    ///
    /// # Errors
    /// A column that is not there, a moment that is a text, or a column that has the name of one of the profile.
    pub fn latest(
        &self,
        events: &Rows,
        columns: Vec<RowColumn>,
    ) -> Result<Vec<RowColumn>, PrepareError> {
        if columns.is_empty() {
            return Ok(columns);
        }
        let histories = Histories::fit(events, (&self.entity, &self.time), None, None)?;
        let found = histories.events(events)?;
        let entities = found.by_entity();
        let made: Vec<String> = (entities.iter().take(1))
            .flat_map(|(_, own)| self.of_entity(own, events))
            .map(|(name, _)| name)
            .collect();
        let of = |column: RowColumn| {
            if made.contains(&column.name) {
                return Err(PrepareError::TwoRoles {
                    column: column.name,
                    first: "a column that is held out",
                    second: "a column of the profiles",
                });
            }
            let is_known = |row: &usize| !column.values.is_missing(*row);
            let last = |own: &[(f64, usize)]| {
                let rows = || own.iter().rev().map(|(_, row)| *row);
                rows().find(is_known).or(rows().next())
            };
            let rows: Vec<usize> = entities.iter().filter_map(|(_, own)| last(own)).collect();
            Ok(column.at(&rows))
        };
        columns.into_iter().map(of).collect()
    }

    /// How often one value of a category comes right after another, as a share of an entity's steps from event to event;
    /// of which no profile knows anything. A row an entity, by name.
    ///
    /// # Errors
    /// A column that is not there, or a moment that is a text.
    pub fn steps(&self, events: &Rows) -> Result<Vec<RowColumn>, PrepareError> {
        let histories = Histories::fit(events, (&self.entity, &self.time), None, None)?;
        let found = histories.events(events)?;
        let entities = found.by_entity();
        let mut columns = Vec::new();
        for (name, told) in &self.categories {
            let n = told.len();
            let Some(Values::Strings(cells)) = events.column(name).map(|column| &column.values)
            else {
                continue;
            };
            if n < 2 {
                continue;
            }
            let place = |row: usize| {
                let cell = cells[row].as_deref().map(str::trim)?;
                told.iter().position(|value| value == cell)
            };
            // `[n_entities, n, n]`
            let mut counts = vec![0u32; entities.len() * n * n];
            for ((_, own), counts) in entities.iter().zip(counts.chunks_mut(n * n)) {
                for pair in own.windows(2) {
                    if let (Some(from), Some(to)) = (place(pair[0].1), place(pair[1].1)) {
                        counts[from * n + to] += 1;
                    }
                }
            }
            let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
            for step in 0..n * n {
                let of_step = || counts.iter().skip(step).step_by(n * n).copied();
                let sum: u64 = of_step().map(u64::from).sum();
                if sum == 0 || (sum as f64) < LEAST_STEPS * all as f64 {
                    continue;
                }
                let shares = entities.iter().zip(of_step()).map(|((_, own), count)| {
                    // Of a single event there is none: 0 / 0.
                    f64::from(count) / (own.len() - 1) as f64
                });
                columns.push(RowColumn {
                    name: format!(
                        "share of {name} = {}, then {}",
                        told[step / n],
                        told[step % n]
                    ),
                    role: Role::Number,
                    values: Values::Numbers(shares.collect()),
                });
            }
        }
        Ok(columns)
    }

    fn of_entity(&self, own: &[(f64, usize)], events: &Rows) -> Vec<(String, f64)> {
        let unit = if self.is_of_times { DAY } else { 1.0 };
        let of = if self.is_of_times { "days" } else { "steps" };
        let n = own.len() as f64;
        let (first, last) = match (own.first(), own.last()) {
            (Some(first), Some(last)) => (first.0, last.0),
            _ => (f64::NAN, f64::NAN),
        };
        let mut values = vec![
            (
                format!("{of} since the last event"),
                (self.now - last) / unit,
            ),
            ("events".to_string(), n),
            (
                format!("{of} from first to last event"),
                (last - first) / unit,
            ),
            (
                format!("{of} between events"),
                if n > 1.0 {
                    (last - first) / unit / (n - 1.0)
                } else {
                    f64::NAN
                },
            ),
        ];
        if self.has_hours {
            let share = |is: &dyn Fn(i64) -> bool| {
                own.iter().filter(|(at, _)| is(*at as i64)).count() as f64 / n
            };
            let hour = |at: i64| at.div_euclid(HOUR).rem_euclid(24);
            // The first of January 1970 was a Thursday.
            let day = |at: i64| (at.div_euclid(24 * HOUR) + 3).rem_euclid(7);
            values.push((
                "share of events from 22 to 6 h".into(),
                share(&|at| !(6..22).contains(&hour(at))),
            ));
            values.push((
                "share of events on weekends".into(),
                share(&|at| day(at) >= 5),
            ));
        }
        for name in &self.numbers {
            let cells = match events.column(name).map(|column| &column.values) {
                Some(Values::Numbers(cells)) => own.iter().map(|(_, row)| cells[*row]).collect(),
                _ => Vec::new(),
            };
            let known: Vec<f64> = cells.into_iter().filter(|x: &f64| x.is_finite()).collect();
            let sum = known.iter().sum::<f64>();
            let is_known = !known.is_empty();
            values.push((
                format!("{name}, sum"),
                if is_known { sum } else { f64::NAN },
            ));
            values.push((format!("{name}, mean"), sum / known.len() as f64));
        }
        for (name, told) in &self.categories {
            let cells: Vec<&str> = match events.column(name).map(|column| &column.values) {
                Some(Values::Strings(cells)) => (own.iter())
                    .filter_map(|(_, row)| cells[*row].as_deref().map(str::trim))
                    .filter(|cell| !cell.is_empty())
                    .collect(),
                _ => Vec::new(),
            };
            for value in told {
                let count = cells.iter().filter(|cell| *cell == value).count();
                values.push((
                    format!("share of {name} = {value}"),
                    count as f64 / cells.len() as f64,
                ));
            }
        }
        values
    }
}

/// The most frequent values, by name.
fn frequent(cells: &[Option<String>]) -> Vec<String> {
    let mut count_of: BTreeMap<&str, usize> = BTreeMap::new();
    for cell in cells.iter().flatten() {
        let cell = cell.trim();
        if !cell.is_empty() {
            *count_of.entry(cell).or_insert(0) += 1;
        }
    }
    let least = (cells.len() as f64 * LEAST_SHARE).max(1.0);
    let mut found: Vec<(&str, usize)> = count_of
        .into_iter()
        .filter(|(_, n)| *n as f64 >= least)
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    found.truncate(MOST_VALUES);
    let mut names: Vec<String> = found
        .into_iter()
        .map(|(name, _)| name.to_string())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Rows {
        let text = |cells: &[&str]| {
            Values::Strings(cells.iter().map(|c| Some((*c).to_string())).collect())
        };
        let column = |name: &str, role, values| RowColumn {
            name: name.into(),
            role,
            values,
        };
        let at = |days: i64, hours: i64| Some(days * 24 * HOUR + hours * HOUR);
        Rows {
            row_ids: (0..5).collect(),
            columns: vec![
                column("who", Role::Entity, text(&["b", "a", "a", "b", "a"])),
                // A Thursday, a Saturday, a Sunday night, a Tuesday.
                column(
                    "at",
                    Role::Time,
                    Values::Times(vec![at(0, 12), at(2, 9), at(3, 23), at(5, 12), at(10, 9)]),
                ),
                column(
                    "amount",
                    Role::Number,
                    Values::Numbers(vec![5.0, 1.0, f64::NAN, 7.0, 2.0]),
                ),
                column("shop", Role::Category, text(&["x", "x", "y", "x", "x"])),
            ],
        }
    }

    #[test]
    fn profiles_are_as_counted_by_hand() {
        let events = events();
        let profiles = Profiles::fit(&events, "who", "at").expect("fits");
        let rows = profiles.rows(&events).expect("applies");
        let number = |name: &str, row: usize| match &rows.column(name).expect(name).values {
            Values::Numbers(values) => values[row],
            other => panic!("{other:?}"),
        };
        assert_eq!(rows.n_rows(), 2);
        for (name, a, b) in [
            ("days since the last event", 0.0, 10.0 - 5.0 - 0.125),
            ("events", 3.0, 2.0),
            ("days from first to last event", 8.0, 5.0),
            ("days between events", 4.0, 5.0),
            ("share of events from 22 to 6 h", 1.0 / 3.0, 0.0),
            ("share of events on weekends", 1.0, 0.0),
            ("amount, sum", 3.0, 12.0),
            ("amount, mean", 1.5, 6.0),
            ("share of shop = x", 2.0 / 3.0, 1.0),
            ("share of shop = y", 1.0 / 3.0, 0.0),
        ] {
            let found = (number(name, 0), number(name, 1));
            let near = |x: f64, y: f64| (x - y).abs() < 1e-9;
            assert!(near(found.0, a) && near(found.1, b), "{name}: {found:?}");
        }
    }

    #[test]
    fn the_latest_cell_that_is_known_is_told() {
        let events = events();
        let profiles = Profiles::fit(&events, "who", "at").expect("fits");
        let named = |names: [&str; 2]| names.map(|n| events.column(n).expect(n).clone()).to_vec();
        let latest = |columns| profiles.latest(&events, columns);
        let found = latest(named(["amount", "shop"])).expect("applies");
        // Of a the amount of its second event is missing, the third is known.
        assert_eq!(found[0].values, Values::Numbers(vec![2.0, 7.0]));
        let shops = ["x", "x"].map(|shop| Some(shop.to_string())).to_vec();
        assert_eq!(found[1].values, Values::Strings(shops));
        let fewer = super::super::subset(&events, &[1, 2]);
        let amounts = vec![fewer.column("amount").expect("amounts").clone()];
        let found = profiles.latest(&fewer, amounts).expect("applies");
        assert_eq!(found[0].values, Values::Numbers(vec![1.0]));
        let mut taken = events.column("amount").expect("amounts").clone();
        taken.name = "events".into();
        assert!(latest(vec![taken]).is_err());
    }

    #[test]
    fn steps_are_as_counted_by_hand() {
        let events = events();
        let profiles = Profiles::fit(&events, "who", "at").expect("fits");
        let found = profiles.steps(&events).expect("applies");
        let told: Vec<(&str, &Values)> =
            (found.iter().map(|c| (c.name.as_str(), &c.values))).collect();
        let numbers = |a: f64, b: f64| Values::Numbers(vec![a, b]);
        let (same, there, back) = (numbers(0.0, 1.0), numbers(0.5, 0.0), numbers(0.5, 0.0));
        let expected = [
            ("share of shop = x, then x", &same),
            ("share of shop = x, then y", &there),
            ("share of shop = y, then x", &back),
        ];
        assert_eq!(told, expected);
        let one = super::super::subset(&events, &[0, 1, 2]);
        let found = profiles.steps(&one).expect("applies");
        let Values::Numbers(shares) = &found[0].values else {
            panic!("numbers");
        };
        assert!(shares[0] == 1.0 && shares[1].is_nan(), "{shares:?}");
    }

    #[test]
    fn recency_of_new_events_counts_from_the_moment_that_was_fitted() {
        let all = events();
        let profiles = Profiles::fit(&all, "who", "at").expect("fits");
        let fewer = super::super::subset(&all, &[0, 3]);
        let rows = profiles.rows(&fewer).expect("applies");
        let Values::Numbers(days) = &rows.columns[1].values else {
            panic!("numbers");
        };
        assert_eq!(days[..], [4.875]);
    }
}
