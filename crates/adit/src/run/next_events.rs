//! Writes what comes next in histories, or how surprising each event is.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, StringArray, UInt64Array};

use super::apply::{Output, PredictJob, PredictOutcome, batch_of, nullable_batch_of};
use super::event_encoder::EventEncoderFolder;
use super::event_stream::{self, LoadedHistories};
use super::{Context, RunError};
use crate::prepare::HistoryCells;
use crate::represent::event_tokens::PredictedField;

/// Quantiles of a number that comes next.
const QUANTILES: [(&str, f64); 3] = [("low", 0.1), ("median", 0.5), ("high", 0.9)];
const SECONDS_A_DAY: f64 = 86_400.0;

/// Reads events, and writes a row an entity (or, of surprise, a row an event).
///
/// # Errors
/// A folder that is no encoder of events, events that lack its columns, or what is wrong with the disk.
pub(super) fn next_events(job: &PredictJob, context: &Context) -> Result<PredictOutcome, RunError> {
    let mut writer = Output::open(&job.output, job.overwrite)?;
    let (rows, n_bad_rows, member) = if job.surprise {
        // A row an event, in the order of the file.
        let (encoder, loaded) = event_stream::open(&job.run, &job.source, context)?;
        let columns = surprise(&encoder, &loaded, context)?;
        let rows = columns.first().map_or(0, |(_, column)| column.len() as u64);
        writer.write(&batch_of(columns, "predictions")?)?;
        (rows, loaded.n_bad_rows, "surprise")
    } else {
        let encoder = EventEncoderFolder::open(&job.run)?;
        let folder = (&encoder, job.run.as_path());
        let of = (&job.source, event_stream::SORT_MEMORY);
        let (rows, n_bad_rows) =
            event_stream::write_each(folder, of, &mut writer, context, |names, cells| {
                nullable_batch_of(next(&encoder, (names, cells), context)?, "predictions")
            })?;
        (rows, n_bad_rows, "next event")
    };
    writer.commit()?;
    Ok(PredictOutcome {
        output: job.output.clone(),
        rows,
        member: member.into(),
        n_bad_rows,
    })
}

fn temperatures(encoder: &EventEncoderFolder) -> &[f64] {
    let fitted = encoder.about.temperatures.as_ref();
    fitted.map_or(&[], |fitted| &fitted.by_field)
}

type Columns = Vec<(String, ArrayRef)>;

fn next(
    encoder: &EventEncoderFolder,
    (names, cells): (&[String], &HistoryCells),
    context: &Context,
) -> Result<Columns, RunError> {
    let model = &encoder.about.model;
    let temperatures = temperatures(encoder);
    let found = model.next(&encoder.params, cells, temperatures, context.watch)?;
    let counts = cells.spans.iter().map(|span| span.len() as u64);
    let mut columns: Columns = vec![
        (
            encoder.about.histories.entity.clone(),
            Arc::new(StringArray::from_iter_values(names)),
        ),
        (
            "events".into(),
            Arc::new(UInt64Array::from_iter_values(counts)),
        ),
    ];
    let fields = &model.fields;
    let mut first = 0;
    for (field, size) in fields.predicted().into_iter().zip(fields.targets()) {
        let range = first..first + size as usize;
        first = range.end;
        let own = || found.iter().map(|p| p.as_ref().map(|p| &p[range.clone()]));
        match field {
            PredictedField::Category(name) => {
                let names = fields.names_of(name);
                let top = |p: &[f32]| (0..p.len()).fold(0, |a, b| if p[b] > p[a] { b } else { a });
                let word = |at: usize| match (at, names.get(at).copied().flatten()) {
                    (_, Some(name)) => name.to_string(),
                    (0, None) => "(missing)".into(),
                    _ => "(another)".into(),
                };
                let words: StringArray = own().map(|p| p.map(|p| word(top(p)))).collect();
                let shares: Float32Array = own().map(|p| p.map(|p| p[top(p)])).collect();
                columns.push((format!("next_{name}"), Arc::new(words)));
                columns.push((format!("next_{name}_probability"), Arc::new(shares)));
            }
            PredictedField::Number(name) => {
                let ends = fields.ends_of(name);
                for (word, share) in QUANTILES {
                    let values = own().map(|p| p.and_then(|p| quantile(p, &ends, share)));
                    let values: Float32Array = values.map(|v| v.map(|v| v as f32)).collect();
                    columns.push((format!("next_{name}_{word}"), Arc::new(values)));
                }
            }
            PredictedField::Gap => {
                let ends = fields.gap_ends();
                let is_of_times = cells.events.is_of_times;
                let (unit, of) = match is_of_times {
                    true => (SECONDS_A_DAY, "days".to_string()),
                    false => (1.0, encoder.about.histories.time.clone()),
                };
                for (word, share) in QUANTILES {
                    let values = own().map(|p| p.and_then(|p| quantile(p, &ends, share)));
                    let values: Float32Array =
                        values.map(|v| v.map(|v| (v / unit) as f32)).collect();
                    columns.push((format!("next_in_{of}_{word}"), Arc::new(values)));
                }
            }
        }
    }
    Ok(columns)
}

/// The value below which a share of the probability lies, evenly spread between the ends of each class; a class beyond
/// them means that there is none.
fn quantile(probabilities: &[f32], ends: &[(f64, f64)], share: f64) -> Option<f64> {
    let bins = &probabilities[..ends.len().min(probabilities.len())];
    let total: f64 = bins.iter().map(|&p| f64::from(p)).sum();
    // More likely missing than not.
    if total < 0.5 {
        return None;
    }
    let mut rest = share * total;
    for (at, &p) in bins.iter().enumerate() {
        let p = f64::from(p);
        if rest <= p || at + 1 == bins.len() {
            let inside = if p > 0.0 { (rest / p).min(1.0) } else { 0.0 };
            let (least, most) = ends[at];
            return Some(least + inside * (most - least));
        }
        rest -= p;
    }
    None
}

fn surprise(
    encoder: &EventEncoderFolder,
    loaded: &LoadedHistories,
    context: &Context,
) -> Result<Columns, RunError> {
    let model = &encoder.about.model;
    let cells = &loaded.cells;
    let temperatures = temperatures(encoder);
    let found = model.surprise(&encoder.params, cells, temperatures, context.watch)?;
    let table = &cells.events;
    // As the events came.
    let mut order: Vec<usize> = (0..table.n_events()).collect();
    order.sort_by_key(|&at| table.rows[at]);
    let mut whose = vec![0; table.n_events()];
    for (entity, span) in cells.spans.iter().enumerate() {
        whose[span.start..span.end].fill(entity);
    }
    let names: Vec<String> = (model.fields.predicted().iter())
        .map(ToString::to_string)
        .collect();
    let sum = |at: usize| (!found[at].is_empty()).then(|| found[at].iter().sum::<f32>());
    let most = |at: usize| {
        let own = &found[at];
        let top = (0..own.len()).reduce(|a, b| if own[b] > own[a] { b } else { a });
        top.map(|top| names[top].clone())
    };
    let rows = order.iter().map(|&at| table.rows[at]);
    let entities = order.iter().map(|&at| &loaded.names[whose[at]]);
    let mut columns: Columns = vec![
        ("row".into(), Arc::new(UInt64Array::from_iter_values(rows))),
        (
            encoder.about.histories.entity.clone(),
            Arc::new(StringArray::from_iter_values(entities)),
        ),
        (
            "surprise".into(),
            Arc::new(order.iter().map(|&at| sum(at)).collect::<Float32Array>()),
        ),
        (
            "most_surprising".into(),
            Arc::new(order.iter().map(|&at| most(at)).collect::<StringArray>()),
        ),
    ];
    for (field, name) in names.iter().enumerate() {
        let own = order.iter().map(|&at| found[at].get(field).copied());
        let own: Float32Array = own.collect();
        columns.push((format!("surprise_{name}"), Arc::new(own)));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_where_the_probability_says() {
        let ends = [(0.0, 10.0), (10.0, 20.0)];
        assert_eq!(quantile(&[0.5, 0.5], &ends, 0.5), Some(10.0));
        assert_eq!(quantile(&[0.5, 0.5], &ends, 0.25), Some(5.0));
        assert_eq!(quantile(&[0.0, 1.0], &ends, 0.1), Some(11.0));
        // A third class: missing.
        assert_eq!(quantile(&[0.3, 0.3, 0.4], &ends, 0.5), Some(10.0));
        assert_eq!(quantile(&[0.1, 0.1, 0.8], &ends, 0.5), None);
        // A flag is one of its values.
        let flag = [(0.0, 0.0), (1.0, 1.0)];
        assert_eq!(quantile(&[0.7, 0.3, 0.0], &flag, 0.5), Some(0.0));
        assert_eq!(quantile(&[0.3, 0.7, 0.0], &flag, 0.9), Some(1.0));
    }
}
