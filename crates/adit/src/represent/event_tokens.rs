//! Histories as tokens: an event's numbers, categories and times as what an encoder of events reads and predicts.

use std::collections::BTreeMap;

use adit_nn::EventBatch;
use adit_nn::random::mix;
use chrono::{Datelike, Timelike};
use serde::{Deserialize, Serialize};

use super::RepresentError;
use super::log_scale::LogScale;
use crate::prepare::{EventCells, EventTable, HistoryCells, Span};

/// Values of a category that have a code of their own, at most: the most frequent.
const APART: usize = 254;
/// And only those of at least so many events.
const LEAST_EVENTS: usize = 3;
/// Codes that the others are hashed to, where there are many.
const BUCKETS: u32 = 64;
/// Codes of what is missing, and of what was never seen or is rare.
const MISSING: u32 = 0;
const OTHER: u32 = 1;
const FIRST: u32 = 2;
/// Events that scales are fitted on, at most.
const SAMPLE: usize = 200_000;
/// Components of a moment: two waves of the hour, the weekday, two waves of the day, one of the month.
const CALENDAR: usize = 17;

/// How events become tokens, fitted on histories of training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventFields {
    numbers: Vec<NumberField>,
    categories: Vec<CategoryField>,
    /// Of the time from one event to the next: in seconds, or in the unit of the column.
    gap: LogScale,
    /// Whether times are moments of a calendar.
    calendar: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NumberField {
    name: String,
    scale: LogScale,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CategoryField {
    name: String,
    /// Those with a code of their own, in the order of their codes.
    names: Vec<String>,
    buckets: u32,
}

/// Events as numbers and codes, ready to be put together.
pub struct CodedEvents<'a> {
    fields: &'a EventFields,
    table: &'a EventTable,
    /// On their scales; NaN is missing. `[n_events, n_numbers]`
    numbers: Vec<f32>,
    /// `[n_events, n_categories]`
    codes: Vec<u32>,
}

/// A field that is predicted of the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictedField<'a> {
    Category(&'a str),
    Number(&'a str),
    Gap,
}

impl std::fmt::Display for PredictedField<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Category(name) | Self::Number(name) => f.write_str(name),
            Self::Gap => f.write_str("time since the last"),
        }
    }
}

impl EventFields {
    /// Looks at the events of some histories, each once.
    pub fn fit(cells: &HistoryCells, spans: &[Span]) -> EventFields {
        let table = &*cells.events;
        let mut seen = vec![false; table.n_events()];
        for span in spans {
            seen[span.start..span.end].fill(true);
        }
        let rows: Vec<usize> = (0..seen.len()).filter(|&at| seen[at]).collect();
        let every = rows.len().div_ceil(SAMPLE).max(1);
        let sample = || rows.iter().copied().step_by(every);
        let mut numbers = Vec::new();
        let mut categories = Vec::new();
        for column in &table.columns {
            let name = column.name.clone();
            match &column.cells {
                EventCells::Numbers(values) => {
                    let own = || sample().map(|at| values[at]);
                    let scale = LogScale::fit(own()).with_classes(own());
                    numbers.push(NumberField { name, scale });
                }
                EventCells::Categories { codes, names } => {
                    let mut counts = vec![0usize; names.len() + 1];
                    rows.iter().for_each(|&at| counts[codes[at] as usize] += 1);
                    categories.push(CategoryField::of(name, names, &counts[1..]));
                }
            }
        }
        let mut gaps = Vec::new();
        for span in spans
            .iter()
            .step_by(spans.len().div_ceil(SAMPLE / 16).max(1))
        {
            let times = &table.times[span.start..span.end];
            gaps.extend(
                times
                    .windows(2)
                    .map(|pair| unit_of(table) * (pair[1] - pair[0])),
            );
        }
        let least = table.is_of_times.then_some(1.0);
        EventFields {
            numbers,
            categories,
            gap: LogScale::fit_from(gaps.iter().copied(), least).with_classes(gaps.into_iter()),
            calendar: table.is_of_times,
        }
    }

    /// Checks fields that were read from a file.
    ///
    /// # Errors
    /// Names the field whose scale or names are no such.
    pub fn check(&self) -> Result<(), RepresentError> {
        let damaged = |field: &str| RepresentError::DamagedVocabulary {
            reason: format!("the field `{field}` of events is not as it was fitted"),
        };
        if let Some(field) = self.numbers.iter().find(|field| !field.scale.is_whole()) {
            return Err(damaged(&field.name));
        }
        let odd = |c: &&CategoryField| c.names.len() > APART || c.buckets > BUCKETS;
        if let Some(field) = self.categories.iter().find(odd) {
            return Err(damaged(&field.name));
        }
        match self.gap.is_whole() {
            true => Ok(()),
            false => Err(damaged("time since the last")),
        }
    }

    /// What of a table is of another kind than the events that the fields were fitted on, if anything.
    pub fn fault(&self, table: &EventTable) -> Option<String> {
        let kind = |is_of_times: bool| if is_of_times { "times" } else { "numbers" };
        if self.calendar != table.is_of_times {
            let (then, now) = (kind(self.calendar), kind(table.is_of_times));
            return Some(format!("their moments were {then} and are {now} here"));
        }
        let numbers = self.numbers.iter().map(|field| (&field.name, true));
        let categories = self.categories.iter().map(|field| (&field.name, false));
        let word = |is_number: bool| if is_number { "numbers" } else { "categories" };
        numbers.chain(categories).find_map(|(name, was_number)| {
            let is_number = matches!(table.column(name)?, EventCells::Numbers(_));
            let (then, now) = (word(was_number), word(is_number));
            (is_number != was_number).then(|| format!("`{name}` held {then} and holds {now} here"))
        })
    }

    /// Components of a token.
    pub fn n_components(&self) -> usize {
        let of_numbers: usize = self.numbers.iter().map(|n| n.scale.n_components()).sum();
        of_numbers + self.gap.n_components() + if self.calendar { CALENDAR } else { 0 }
    }

    /// Codes of each category.
    pub fn cardinalities(&self) -> Vec<u32> {
        (self.categories.iter())
            .map(CategoryField::cardinality)
            .collect()
    }

    /// Classes of each field that is predicted: categories, classes of numbers and one that they are missing, of the gap.
    pub fn targets(&self) -> Vec<u32> {
        let mut sizes = self.cardinalities();
        sizes.extend(self.numbers.iter().map(|n| n.scale.n_classes() + 1));
        sizes.push(self.gap.n_classes());
        sizes
    }

    /// The fields that are predicted, in the order of [`EventFields::targets`].
    pub fn predicted(&self) -> Vec<PredictedField<'_>> {
        let categories = (self.categories.iter()).map(|c| PredictedField::Category(&c.name));
        let numbers = (self.numbers.iter()).map(|n| PredictedField::Number(&n.name));
        categories
            .chain(numbers)
            .chain([PredictedField::Gap])
            .collect()
    }

    /// Names of the codes of a category; `None` of codes that stand for several.
    pub fn names_of(&self, category: &str) -> Vec<Option<&str>> {
        let Some(field) = self.categories.iter().find(|c| c.name == category) else {
            return Vec::new();
        };
        let mut names = vec![None; FIRST as usize];
        names.extend(field.names.iter().map(|name| Some(name.as_str())));
        names.resize(field.cardinality() as usize, None);
        names
    }

    /// Ends of the classes of the time to the next event, in seconds or the unit of the column.
    pub fn gap_ends(&self) -> Vec<(f64, f64)> {
        self.gap.ends()
    }

    /// Ends of the classes of a number.
    pub fn ends_of(&self, number: &str) -> Vec<(f64, f64)> {
        let found = self.numbers.iter().find(|field| field.name == number);
        found.map_or(Vec::new(), |field| field.scale.ends())
    }

    /// Names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let categories = self.categories.iter().map(|c| c.name.as_str());
        let numbers = self.numbers.iter().map(|n| n.name.as_str());
        categories.chain(numbers)
    }

    /// The events of a table by these fields; a column that is not there is missing everywhere.
    pub fn code<'a>(&'a self, table: &'a EventTable) -> CodedEvents<'a> {
        let n = table.n_events();
        let (n_numbers, n_categories) = (self.numbers.len(), self.categories.len());
        let mut numbers = vec![f32::NAN; n * n_numbers];
        for (place, field) in self.numbers.iter().enumerate() {
            if let Some(EventCells::Numbers(values)) = table.column(&field.name) {
                let own = numbers.iter_mut().skip(place).step_by(n_numbers);
                for (to, &value) in own.zip(values) {
                    *to = field.scale.place(value);
                }
            }
        }
        let mut codes = vec![MISSING; n * n_categories];
        for (place, field) in self.categories.iter().enumerate() {
            if let Some(EventCells::Categories { codes: from, names }) = table.column(&field.name) {
                let code_of = field.codes_of(names);
                let own = codes.iter_mut().skip(place).step_by(n_categories);
                for (to, &code) in own.zip(from) {
                    *to = match code.checked_sub(1) {
                        Some(at) => code_of[at as usize],
                        None => MISSING,
                    };
                }
            }
        }
        CodedEvents {
            fields: self,
            table,
            numbers,
            codes,
        }
    }
}

/// Seconds of a unit of time, or 1.
fn unit_of(table: &EventTable) -> f64 {
    if table.is_of_times { 1e-3 } else { 1.0 }
}

impl CategoryField {
    fn of(name: String, names: &[String], counts: &[usize]) -> CategoryField {
        let mut order: Vec<usize> = (0..names.len())
            .filter(|&at| counts[at] >= LEAST_EVENTS)
            .collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(counts[at]), at));
        let n_seen = counts.iter().filter(|n| **n > 0).count();
        let buckets = if n_seen > APART { BUCKETS } else { 0 };
        order.truncate(APART);
        CategoryField {
            name,
            names: order.into_iter().map(|at| names[at].clone()).collect(),
            buckets,
        }
    }

    fn cardinality(&self) -> u32 {
        FIRST + self.names.len() as u32 + self.buckets
    }

    fn codes_of(&self, names: &[String]) -> Vec<u32> {
        let known: BTreeMap<&str, u32> = (self.names.iter().map(String::as_str))
            .zip(FIRST..)
            .collect();
        let code = |name: &String| match known.get(name.as_str()) {
            Some(&code) => code,
            None if self.buckets > 0 => {
                let hash = name
                    .bytes()
                    .fold(0, |hash, byte| mix(hash, u64::from(byte)));
                FIRST + self.names.len() as u32 + (hash % u64::from(self.buckets)) as u32
            }
            None => OTHER,
        };
        names.iter().map(code).collect()
    }
}

impl CodedEvents<'_> {
    /// Times of the events, as in their table.
    pub fn times(&self) -> &[f64] {
        &self.table.times
    }

    /// Histories as a batch: of each its events, then its own token, which knows how long ago the last was at the
    /// cut-off.
    pub fn batch(&self, spans: &[Span]) -> EventBatch {
        let fields = self.fields;
        let n_tokens: usize = spans.iter().map(|span| span.len() + 1).sum();
        let width = fields.n_components();
        let mut batch = EventBatch {
            components: vec![0.0; n_tokens * width],
            codes: Vec::with_capacity(n_tokens * fields.categories.len()),
            offsets: vec![0],
        };
        let mut rest = &mut batch.components[..];
        let mut tokens = 0;
        for span in spans {
            for at in span.start..span.end {
                let (own, after) = rest.split_at_mut(width);
                rest = after;
                let before = (at > span.start).then(|| at - 1);
                self.event(at, before, own);
                let n = fields.categories.len();
                batch.codes.extend(&self.codes[at * n..(at + 1) * n]);
            }
            let (own, after) = rest.split_at_mut(width);
            rest = after;
            let last = (!span.is_empty()).then(|| span.end - 1);
            self.own_token(last, span.until, own);
            let missing = std::iter::repeat_n(MISSING, fields.categories.len());
            batch.codes.extend(missing);
            tokens += span.len() + 1;
            batch.offsets.push(tokens);
        }
        batch
    }

    /// A history as often as there are `events`, each time without one of them (counted from its first): the next
    /// event's gap then begins at the one before.
    pub fn without(&self, span: Span, events: &[usize]) -> EventBatch {
        let width = self.fields.n_components();
        let n_categories = self.fields.categories.len();
        let mut batch = EventBatch {
            components: vec![0.0; events.len() * span.len() * width],
            codes: Vec::with_capacity(events.len() * span.len() * n_categories),
            offsets: vec![0],
        };
        let mut tokens = batch.components.chunks_exact_mut(width);
        for (k, &left_out) in events.iter().enumerate() {
            let kept = (span.start..span.end).filter(|at| *at != span.start + left_out);
            let mut before = None;
            for at in kept {
                if let Some(own) = tokens.next() {
                    self.event(at, before, own);
                }
                batch
                    .codes
                    .extend(&self.codes[at * n_categories..(at + 1) * n_categories]);
                before = Some(at);
            }
            if let Some(own) = tokens.next() {
                self.own_token(before, span.until, own);
            }
            batch
                .codes
                .extend(std::iter::repeat_n(MISSING, n_categories));
            batch.offsets.push((k + 1) * span.len());
        }
        batch
    }

    /// Classes of the event after each of [`EventBatch::followed`], `[n, n_fields]`, of the same histories.
    pub fn classes(&self, spans: &[Span]) -> Vec<u32> {
        let mut classes = Vec::new();
        for span in spans {
            for at in span.start + 1..span.end {
                self.classes_of(at, &mut classes);
            }
        }
        classes
    }

    fn classes_of(&self, at: usize, classes: &mut Vec<u32>) {
        let fields = self.fields;
        let (n, k) = (fields.categories.len(), fields.numbers.len());
        classes.extend(&self.codes[at * n..(at + 1) * n]);
        let numbers = self.numbers[at * k..(at + 1) * k]
            .iter()
            .zip(&fields.numbers);
        classes.extend(numbers.map(|(&place, field)| field.scale.class(place)));
        classes.push(fields.gap.class(self.gap(at - 1, self.table.times[at])));
    }

    /// The time from event `at` to `until`, on its scale.
    fn gap(&self, at: usize, until: f64) -> f32 {
        let gap = unit_of(self.table) * (until - self.table.times[at]);
        self.fields.gap.place(gap.clamp(-f64::MAX, f64::MAX))
    }

    /// An event, with the one before it.
    fn event(&self, at: usize, before: Option<usize>, out: &mut [f32]) {
        let fields = self.fields;
        let k = fields.numbers.len();
        let mut rest = out;
        for (&place, field) in self.numbers[at * k..(at + 1) * k]
            .iter()
            .zip(&fields.numbers)
        {
            rest = field.scale.write(place, rest);
        }
        let gap = before.map_or(f32::NAN, |before| self.gap(before, self.table.times[at]));
        let rest = fields.gap.write(gap, rest);
        if fields.calendar {
            calendar(self.table.times[at], rest);
        }
    }

    /// A history's own token, with its last event and its cut-off.
    fn own_token(&self, last: Option<usize>, until: Option<f64>, out: &mut [f32]) {
        let fields = self.fields;
        let of_numbers: usize = fields.numbers.iter().map(|n| n.scale.n_components()).sum();
        let gap = match (last, until) {
            (Some(last), Some(until)) => self.gap(last, until),
            _ => f32::NAN,
        };
        let rest = fields.gap.write(gap, &mut out[of_numbers..]);
        if let (true, Some(until)) = (fields.calendar, until) {
            calendar(until, rest);
        }
    }
}

/// Hour, weekday, day of the month and month of a moment, as waves and a place among seven.
fn calendar(time: f64, out: &mut [f32]) {
    let Some(moment) = chrono::DateTime::from_timestamp_millis(time as i64) else {
        return;
    };
    let hour = f64::from(moment.num_seconds_from_midnight()) / 86_400.0;
    let day = f64::from(moment.day0()) / 31.0;
    let month = f64::from(moment.month0()) / 12.0;
    let waves = [hour, 2.0 * hour, day, 2.0 * day, month];
    for (pair, turns) in out.chunks_exact_mut(2).zip(waves) {
        let (sine, cosine) = (std::f64::consts::TAU * turns).sin_cos();
        pair.copy_from_slice(&[sine as f32, cosine as f32]);
    }
    out[10 + moment.weekday().num_days_from_monday() as usize] = 1.0;
}
