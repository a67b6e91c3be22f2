//! The events behind the highest scores, in words.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};

use super::RunError;
use super::apply::batch_of;
use super::arena::{Arena, TrainedMember};
use super::saved::{MemberKind, Predictor};
use crate::Watch;
use crate::explain::{EventReasons, ExplainedEvent, ExplainedHistory};
use crate::mine::Predictions;
use crate::mine::event_reasons::{Course, HistoryReasons};
use crate::prepare::{EventCells, EventTable, Rows, Target, Values, number_name};

/// Histories that are explained: those of the highest scores, and of the lowest.
const HIGHEST: usize = 4;
const LOWEST: usize = 2;
/// Events that are told of each row.
const TOLD: usize = 3;
/// Cells of an event that are told.
const CELLS: usize = 6;

impl Arena<'_> {
    /// What the events did in the histories that the fine-tuned encoder scores highest; nothing without such a member.
    pub fn event_reasons(
        &self,
        members: &[TrainedMember],
    ) -> Result<Option<EventReasons>, RunError> {
        let found = members.iter().find_map(|member| match &member.kind {
            MemberKind::Events(model) => Some((member, model, member.weights.first()?)),
            _ => None,
        });
        let dataset = &self.loaded.dataset;
        let (Some((member, model, weights)), Some(cells)) = (found, &dataset.histories) else {
            return Ok(None);
        };
        let class = self.positive.unwrap_or(0);
        let rows = highest(&member.test, class, &self.loaded.split.test);
        let mut rows: Vec<usize> = (rows.into_iter())
            .filter(|&row| !cells.spans[row].is_empty())
            .collect();
        let n_lowest = LOWEST.min(rows.len().saturating_sub(HIGHEST));
        rows.drain(HIGHEST.min(rows.len())..rows.len() - n_lowest);
        let asked = (&rows[..], class, &self.loaded.fit_rows()[..]);
        let reasons = model.reasons(dataset, weights, asked, self.watch)?;
        let pairs: Vec<(f64, f64)> = (reasons.iter().flat_map(|history| &history.events))
            .map(|event| (event.occlusion, event.attribution))
            .collect();
        let change = |history: &HistoryReasons| (history.output - history.baseline).abs();
        let most = reasons.iter().map(change).fold(1e-9, f64::max);
        let share = |history: &HistoryReasons| history.incompleteness() / most;
        let names = match self.target {
            Target::Classes { names, .. } => Some(names),
            Target::Numbers(_) => None,
        };
        Ok(Some(EventReasons {
            model: member.name.clone(),
            lowest: n_lowest as u64,
            reads_columns: model.row.is_some(),
            class: names.map(|names| names[class].clone()),
            is_log_odds: names.is_some_and(|names| names.len() == 2),
            models: member.weights.len() as u64,
            agreement: correlation(&pairs),
            incompleteness: reasons.iter().map(share).fold(0.0, f64::max),
            histories: (reasons.iter())
                .map(|history| self.explained(history, &cells.events))
                .collect(),
        }))
    }

    fn explained(&self, history: &HistoryReasons, table: &EventTable) -> ExplainedHistory {
        let rows = &self.loaded.rows;
        let entity = self.job.events.as_ref().map(|events| &events.entity);
        let entity = entity.and_then(|name| rows.column(name));
        let times = |at: usize| table.times[at];
        let ends = history.events.first().zip(history.events.last());
        let (first, last) = ends.map_or((0.0, 0.0), |(a, b)| (times(a.event), times(b.event)));
        let events = history.events.iter().map(|reason| ExplainedEvent {
            at: moment(table, reason.event),
            place: if last > first {
                (times(reason.event) - first) / (last - first)
            } else {
                0.5
            },
            words: words(table, reason.event),
            after: reason.after,
            occlusion: reason.occlusion,
            attribution: reason.attribution,
        });
        ExplainedHistory {
            row: rows.row_ids[history.row],
            entity: match entity.map(|column| &column.values) {
                Some(Values::Strings(names)) => names[history.row].clone().unwrap_or_default(),
                _ => String::new(),
            },
            truth: match self.target {
                Target::Classes { codes, names } => names[codes[history.row] as usize].clone(),
                Target::Numbers(values) => number_name(values[history.row]),
            },
            output: history.output,
            before: history.before,
            baseline: history.baseline,
            events: events.collect(),
        }
    }
}

/// Adds the columns `raised` and `lowered` to predictions: the events that moved each row's score most when they came.
///
/// # Errors
/// A member that does not read events, or those of the model.
pub(super) fn with_reasons(
    batch: &RecordBatch,
    predictor: &Predictor,
    rows: &Rows,
    watch: &dyn Watch,
) -> Result<RecordBatch, RunError> {
    let names = predictor.preparation.class_names();
    let positive = predictor.preparation.positive_class();
    // Of two classes the one that is asked about; of more, each row's own answer.
    let class = match (names.len(), positive) {
        (_, Some(class)) => Some(class),
        (0, None) => Some(0),
        (2, None) => Some(1),
        _ => None,
    };
    let answers = batch.column_by_name("predicted");
    let answers = answers.and_then(|column| column.as_any().downcast_ref::<StringArray>());
    let class_of = |row: usize| {
        class.unwrap_or_else(|| {
            let answer = answers.map_or("", |answers| answers.value(row));
            names.iter().position(|name| name == answer).unwrap_or(0)
        })
    };
    let classes: Vec<usize> = (0..batch.num_rows()).map(class_of).collect();
    let found = predictor.courses(rows, &classes, watch)?;
    let (courses, cells) = found.ok_or(RunError::NoReasons)?;
    let say = |output: f64| match names.len() {
        2 => format!("{:.1}%", 100.0 / (1.0 + (-output).exp())),
        _ => format!("{output:.3}"),
    };
    let told = |course: &Course, sign: f64| {
        let mut steps: Vec<(f64, String)> = Vec::new();
        for (event, pair) in course.events.clone().zip(course.outputs.windows(2)) {
            let change = sign * (pair[1] - pair[0]);
            if change > 0.0 {
                let (at, words) = (moment(&cells.events, event), words(&cells.events, event));
                let text = format!("{at}, {words}: {} to {}", say(pair[0]), say(pair[1]));
                steps.push((change, text));
            }
        }
        steps.sort_by(|a, b| b.0.total_cmp(&a.0));
        let most = steps.into_iter().take(TOLD).map(|(_, text)| text);
        most.collect::<Vec<_>>().join("; ")
    };
    let mut columns: Vec<(String, ArrayRef)> = (batch.schema().fields().iter())
        .zip(batch.columns())
        .map(|(field, column)| (field.name().clone(), ArrayRef::clone(column)))
        .collect();
    for (name, sign) in [("raised", 1.0), ("lowered", -1.0)] {
        let cells = courses.iter().map(|course| told(course, sign));
        columns.push((name.into(), Arc::new(StringArray::from_iter_values(cells))));
    }
    batch_of(columns, "predictions")
}

/// Test rows by their output for the class, or number, the highest first.
fn highest(test: &Predictions, class: usize, rows: &[usize]) -> Vec<usize> {
    let output = |k: usize| match test {
        Predictions::Probabilities { n_classes, values } => {
            f64::from(values[k * n_classes + class])
        }
        Predictions::Numbers(values) => values[k],
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| output(b).total_cmp(&output(a)).then(a.cmp(&b)));
    order.into_iter().map(|k| rows[k]).collect()
}

fn moment(table: &EventTable, at: usize) -> String {
    let time = table.times[at];
    if !table.is_of_times {
        return number_name(time);
    }
    let time = chrono::DateTime::from_timestamp_millis(time as i64);
    time.map_or(String::new(), |t| t.format("%Y-%m-%d %H:%M").to_string())
}

/// The cells of an event that are there.
fn words(table: &EventTable, at: usize) -> String {
    let cells = table.columns.iter().filter_map(|column| {
        let cell = match &column.cells {
            EventCells::Numbers(values) => values[at].is_finite().then(|| number_name(values[at])),
            EventCells::Categories { codes, names } => {
                let place = (codes[at] as usize).checked_sub(1)?;
                Some(names[place].clone())
            }
        };
        cell.map(|cell| format!("{} {cell}", column.name))
    });
    cells.take(CELLS).collect::<Vec<_>>().join(", ")
}

/// Pearson's correlation; `None` where one side does not vary.
fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (mx, my) = (mean(&|p| p.0), mean(&|p| p.1));
    let covariance = mean(&|p| (p.0 - mx) * (p.1 - my));
    let (vx, vy) = (mean(&|p| (p.0 - mx).powi(2)), mean(&|p| (p.1 - my).powi(2)));
    (vx > 0.0 && vy > 0.0).then(|| covariance / (vx * vy).sqrt())
}
