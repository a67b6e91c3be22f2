//! Vectors of texts that were made before, in a file beside the data.

use std::path::Path;

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, LargeListArray, ListArray,
    RecordBatch, UInt64Array,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::RunError;

/// Reads the column `embedding_COLUMN` of a Parquet file for each text column, as `adit embed` writes it; one
/// `[n_rows, width]` a column.
///
/// # Errors
/// A file that cannot be read, lacks a column, or is of other rows or another width.
pub(super) fn read(
    path: &Path,
    columns: &[String],
    row_ids: &[u64],
    width: usize,
) -> Result<Vec<Vec<f32>>, RunError> {
    let fail = |reason: String| RunError::VectorsFile {
        path: path.into(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let reader = reader.map_err(|e| fail(format!("cannot be read as Parquet: {e}")))?;
    let mut all = vec![Vec::with_capacity(row_ids.len() * width); columns.len()];
    let mut n = 0;
    for batch in reader {
        let batch = batch.map_err(|e| fail(format!("is damaged: {e}")))?;
        let is_of_rows = row_ids
            .get(n..n + batch.num_rows())
            .is_some_and(|own| are_of(&batch, own));
        if !is_of_rows {
            return Err(fail(format!(
                "holds vectors of other rows: the data have {}, and it differs among or after the rows from {n} on",
                row_ids.len()
            )));
        }
        for (name, values) in columns.iter().zip(&mut all) {
            let column = format!("embedding_{name}");
            let array = batch.column_by_name(&column).ok_or_else(|| {
                let there: Vec<&str> = batch
                    .schema_ref()
                    .fields()
                    .iter()
                    .map(|f| f.name().as_str())
                    .collect();
                fail(format!(
                    "has no column `{column}`; its columns are {}",
                    there.join(", ")
                ))
            })?;
            append(array, width, values).map_err(|(row, reason)| {
                fail(format!("column `{column}`, row {}: {reason}", n + row))
            })?;
        }
        n += batch.num_rows();
    }
    if n != row_ids.len() {
        return Err(fail(format!(
            "holds vectors of {n} rows, but the data have {}",
            row_ids.len()
        )));
    }
    Ok(all)
}

/// Whether the rows that a batch names, where it does, are these.
fn are_of(batch: &RecordBatch, row_ids: &[u64]) -> bool {
    let named = batch.column_by_name("row");
    match named.and_then(|rows| rows.as_any().downcast_ref::<UInt64Array>()) {
        Some(rows) => rows.values() == row_ids,
        None => true,
    }
}

/// The row that is at fault, and why.
type Fault = (usize, String);

fn append(array: &ArrayRef, width: usize, to: &mut Vec<f32>) -> Result<(), Fault> {
    let any = array.as_any();
    let row_of: Box<dyn Fn(usize) -> ArrayRef + '_> =
        if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
            Box::new(|row| lists.value(row))
        } else if let Some(lists) = any.downcast_ref::<ListArray>() {
            Box::new(|row| lists.value(row))
        } else if let Some(lists) = any.downcast_ref::<LargeListArray>() {
            Box::new(|row| lists.value(row))
        } else {
            return Err((
                0,
                format!("it holds {}, not lists of numbers", array.data_type()),
            ));
        };
    for row in 0..array.len() {
        if array.is_null(row) {
            return Err((row, "the vector is missing".into()));
        }
        let values = row_of(row);
        if values.len() != width {
            let reason = format!(
                "the vector has {} values, but those of the encoder have {width}",
                values.len()
            );
            return Err((row, reason));
        }
        let any = values.as_any();
        let from = to.len();
        if let Some(values) = any.downcast_ref::<Float32Array>() {
            to.extend_from_slice(values.values());
        } else if let Some(values) = any.downcast_ref::<Float64Array>() {
            to.extend(values.values().iter().map(|x| *x as f32));
        } else {
            return Err((row, format!("it holds lists of {}", values.data_type())));
        }
        if values.null_count() > 0 || to[from..].iter().any(|x| !x.is_finite()) {
            return Err((row, "a value is no finite number".into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ListBuilder;
    use arrow::array::builder::Float64Builder;

    use super::*;

    fn file(rows: Option<Vec<u64>>, vectors: &[&[f64]]) -> tempfile::NamedTempFile {
        let mut lists = ListBuilder::new(Float64Builder::new());
        for vector in vectors {
            lists.values().append_slice(vector);
            lists.append(true);
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        let mut columns = vec![("embedding_t", lists)];
        if let Some(rows) = rows {
            columns.insert(0, ("row", Arc::new(UInt64Array::from(rows))));
        }
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let bytes = crate::store::parquet_bytes(&batch).expect("bytes");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn vectors_are_of_the_rows_that_are_there_or_an_error_says_why() {
        let ok: &[&[f64]] = &[&[1.0, 2.0], &[3.0, 4.0]];
        let read = |file: &tempfile::NamedTempFile, name: &str, rows: &[u64], width: usize| {
            read(file.path(), &[name.to_string()], rows, width).map_err(|e| e.to_string())
        };
        for rows in [None, Some(vec![4, 7])] {
            let found = read(&file(rows, ok), "t", &[4, 7], 2).expect("reads");
            assert_eq!(found, [[1.0, 2.0, 3.0, 4.0]]);
        }
        let named = file(Some(vec![4, 7]), ok);
        let nan = file(None, &[&[1.0, 2.0], &[3.0, f64::NAN]]);
        let torn = file(None, &[&[1.0, 2.0], &[3.0]]);
        for (file, name, rows, width, reason) in [
            (&named, "t", &[4, 8][..], 2, "other rows"),
            (&named, "t", &[4], 2, "other rows"),
            (&named, "t", &[4, 7, 9], 2, "of 2 rows, but the data have 3"),
            (
                &named,
                "u",
                &[4, 7],
                2,
                "no column `embedding_u`; its columns are row, embedding_t",
            ),
            (&named, "t", &[4, 7], 3, "row 0: the vector has 2 values"),
            (&nan, "t", &[4, 7], 2, "row 1: a value is no finite number"),
            (&torn, "t", &[4, 7], 2, "row 1: the vector has 1 values"),
        ] {
            let told = read(file, name, rows, width).expect_err(reason);
            assert!(told.contains(reason), "{told}");
        }
        let text = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(text.path(), "row,embedding_t\n").expect("written");
        let told = read(&text, "t", &[0], 1).expect_err("no Parquet");
        assert!(told.contains("cannot be read as Parquet"), "{told}");
    }
}
