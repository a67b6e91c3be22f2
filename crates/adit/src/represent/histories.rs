//! Sequences from rows of an event each.
//!
//! Enters: columns of entity, time and event. Leaves: [`Histories`]. Not here: which events matter.

use std::collections::HashMap;

use super::baskets::{cell, number};
use super::names::Names;
use super::sequences::Sequences;
use crate::prepare::{RowColumn, Values};

/// Sequences with what is known of them.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    pub sequences: Sequences,
    /// The entity of each sequence, with the number of the session where histories were cut. `[n_sequences]`
    pub ids: Vec<String>,
    /// The entity's own name. `[n_sequences]`
    pub entities: Vec<String>,
    /// A number for each entity. `[n_sequences]`
    pub unit: Vec<u64>,
    /// Rows without an entity, a time or an event.
    pub n_incomplete: u64,
    /// Rows that lie after a later one of their entity.
    pub n_unordered: u64,
}

/// Sequences of entities in the order in which they are first seen, each by time; what happened at the same time is one
/// element. Without times the order is that of the rows. A history is cut where more than `session_gap` (milliseconds,
/// or the unit of a column of numbers) lies between two of its events.
pub fn of_events(
    entity: &RowColumn,
    time: Option<&RowColumn>,
    event: &RowColumn,
    session_gap: Option<f64>,
) -> Histories {
    let mut names = Names::default();
    let mut place_of: HashMap<String, usize> = HashMap::new();
    let mut entities: Vec<String> = Vec::new();
    let mut events: Vec<Vec<(f64, u32)>> = Vec::new();
    let mut made = Histories::default();
    for row in 0..entity.values.len() {
        let at = match time {
            Some(time) => number(&time.values, row),
            None => Some(row as f64),
        };
        let (Some(id), Some(at), Some(name)) =
            (cell(&entity.values, row), at, cell(&event.values, row))
        else {
            made.n_incomplete += 1;
            continue;
        };
        let place = *place_of.entry(id).or_insert_with_key(|id| {
            entities.push(id.clone());
            events.push(Vec::new());
            events.len() - 1
        });
        let own = &mut events[place];
        made.n_unordered += u64::from(own.last().is_some_and(|(last, _)| *last > at));
        own.push((at, names.code(&name)));
    }
    let mut sequences: Vec<Vec<Vec<u32>>> = Vec::new();
    for ((unit, entity), mut own) in (0u64..).zip(entities).zip(events) {
        own.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut session = 0;
        let mut last = f64::NAN;
        for (at, code) in own {
            let is_new = session == 0 || session_gap.is_some_and(|gap| at - last > gap);
            if is_new {
                session += 1;
                sequences.push(Vec::new());
                made.entities.push(entity.clone());
                made.unit.push(unit);
                made.ids.push(match session_gap {
                    Some(_) => format!("{entity} / {session}"),
                    None => entity.clone(),
                });
            }
            if let Some(sequence) = sequences.last_mut() {
                match sequence.last_mut() {
                    Some(element) if at == last && !is_new => element.push(code),
                    _ => sequence.push(vec![code]),
                }
            }
            last = at;
        }
    }
    made.sequences = Sequences::from_codes(names.finish(), sequences.into_iter());
    made
}

/// The label of every entity that has one, and how many entities have several: of these the first counts.
pub fn labels_of(entity: &RowColumn, label: &RowColumn) -> (HashMap<String, String>, u64) {
    let mut label_of: HashMap<String, String> = HashMap::new();
    let mut several = std::collections::HashSet::new();
    for row in 0..entity.values.len() {
        let (Some(id), Some(value)) = (cell(&entity.values, row), cell(&label.values, row)) else {
            continue;
        };
        match label_of.get(&id) {
            Some(known) if *known != value => {
                several.insert(id);
            }
            Some(_) => {}
            None => {
                label_of.insert(id, value);
            }
        }
    }
    (label_of, several.len() as u64)
}

/// Whether a column can be put in order: numbers or times.
pub fn has_order(column: &RowColumn) -> bool {
    !matches!(column.values, Values::Strings(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::Role;

    fn column(values: Values) -> RowColumn {
        RowColumn {
            name: "x".into(),
            role: Role::Category,
            values,
        }
    }

    fn strings(values: &[&str]) -> RowColumn {
        let cell = |v: &&str| (!v.is_empty()).then(|| v.to_string());
        column(Values::Strings(values.iter().map(cell).collect()))
    }

    fn told(made: &Histories) -> Vec<String> {
        let names = made.sequences.names();
        (0..made.sequences.len())
            .map(|at| {
                let elements = (0..made.sequences.n_elements(at)).map(|k| {
                    let items = made.sequences.element(at, k).iter();
                    items
                        .map(|&i| names[i as usize].as_str())
                        .collect::<Vec<_>>()
                        .join("+")
                });
                format!(
                    "{}: {}",
                    made.ids[at],
                    elements.collect::<Vec<_>>().join(">")
                )
            })
            .collect()
    }

    #[test]
    fn events_are_put_in_order_and_histories_are_cut_at_gaps() {
        let entity = strings(&["b", "a", "b", "b", "a", "", "b"]);
        let event = strings(&["x", "y", "z", "x", "", "x", "y"]);
        let time = column(Values::Numbers(vec![
            9.0,
            1.0,
            2.0,
            2.0,
            3.0,
            4.0,
            f64::NAN,
        ]));
        let made = of_events(&entity, Some(&time), &event, None);
        assert_eq!(told(&made), ["b: x+z>x", "a: y"]);
        assert_eq!((made.n_incomplete, made.n_unordered), (3, 1));
        let cut = of_events(&entity, Some(&time), &event, Some(6.0));
        assert_eq!(told(&cut), ["b / 1: x+z", "b / 2: x", "a / 1: y"]);
        assert_eq!(cut.unit, [0, 0, 1]);
        let as_written = of_events(&entity, None, &event, None);
        assert_eq!(told(&as_written), ["b: x>z>x>y", "a: y"]);
    }

    #[test]
    fn labels_that_differ_within_an_entity_are_counted() {
        let entity = strings(&["a", "b", "a", "c", "b"]);
        let label = strings(&["1", "0", "2", "", "0"]);
        let (labels, n) = labels_of(&entity, &label);
        assert_eq!(
            (labels["a"].as_str(), labels["b"].as_str(), labels.len(), n),
            ("1", "0", 2, 1)
        );
    }
}
