//! The cells of the rows that new ones are compared with, so that it can be said what is usual.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::RunError;
use super::apply::batch_of;
use super::points::LoadedPoints;
use crate::prepare::{Role, RowColumn, Rows, Values};

/// Where a search keeps them.
pub(super) const FILE: &str = "model/known.parquet";

/// The columns that points are made of; `None` where there are no cells.
///
/// # Errors
/// Cells that cannot be written.
pub(super) fn bytes(loaded: &LoadedPoints) -> Result<Option<Vec<u8>>, RunError> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for name in loaded.fitted.cells.names() {
        let Some(column) = loaded.rows.column(name) else {
            continue;
        };
        let cells: ArrayRef = match &column.values {
            Values::Numbers(values) => {
                let some = values.iter().map(|x| Some(*x).filter(|x| x.is_finite()));
                Arc::new(some.collect::<Float64Array>())
            }
            Values::Strings(values) => {
                Arc::new(values.iter().map(Option::as_deref).collect::<StringArray>())
            }
            Values::Times(values) => Arc::new(
                values
                    .iter()
                    .copied()
                    .collect::<TimestampMillisecondArray>(),
            ),
            Values::Histories(_) => continue,
        };
        columns.push((name.to_string(), cells));
    }
    if columns.is_empty() {
        return Ok(None);
    }
    Ok(Some(crate::store::parquet_bytes(&batch_of(
        columns, FILE,
    )?)?))
}

/// The cells of `n` known rows; no columns where there are no cells.
///
/// # Errors
/// A file that is missing or damaged.
pub(super) fn read(run: &Path, n: usize, has_cells: bool) -> Result<Rows, RunError> {
    let mut rows = Rows {
        row_ids: (0..n as u64).collect(),
        columns: Vec::new(),
    };
    if !has_cells {
        return Ok(rows);
    }
    let path = run.join(FILE);
    let fail = |reason: String| RunError::ModelFile {
        path: path.clone(),
        reason,
    };
    let file = std::fs::File::open(&path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    for batch in reader.map_err(|e| fail(format!("is damaged: {e}")))? {
        let batch = batch.map_err(|e| fail(format!("is damaged: {e}")))?;
        for (at, field) in batch.schema().fields().iter().enumerate() {
            let (role, values) = cells(batch.column(at))
                .ok_or_else(|| fail("is damaged: a column is of another kind".into()))?;
            match rows.columns.get_mut(at) {
                None => rows.columns.push(RowColumn {
                    name: field.name().clone(),
                    role,
                    values,
                }),
                Some(column) => append(&mut column.values, values),
            }
        }
    }
    if rows.columns.iter().any(|column| column.values.len() != n) {
        return Err(fail(
            "is damaged: it does not hold as many rows as were known".into(),
        ));
    }
    Ok(rows)
}

fn cells(array: &ArrayRef) -> Option<(Role, Values)> {
    let any = array.as_any();
    if let Some(numbers) = any.downcast_ref::<Float64Array>() {
        let values = numbers.iter().map(|x| x.unwrap_or(f64::NAN)).collect();
        return Some((Role::Number, Values::Numbers(values)));
    }
    if let Some(times) = any.downcast_ref::<TimestampMillisecondArray>() {
        return Some((Role::Time, Values::Times(times.iter().collect())));
    }
    let texts = any.downcast_ref::<StringArray>()?;
    let values = texts.iter().map(|text| text.map(String::from)).collect();
    Some((Role::Category, Values::Strings(values)))
}

fn append(to: &mut Values, more: Values) {
    match (to, more) {
        (Values::Numbers(to), Values::Numbers(more)) => to.extend(more),
        (Values::Strings(to), Values::Strings(more)) => to.extend(more),
        (Values::Times(to), Values::Times(more)) => to.extend(more),
        // Batches of one file have one schema; what is short is noticed.
        _ => {}
    }
}
