//! Arrow's many types as the five of this room.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringBuilder, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit, TimestampMillisecondType};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::ColumnType;

/// The type as which an Arrow type is read; `None` for columns without values.
///
/// Decimals become floats; dates and timestamps become times; text, dictionaries of text, times
/// of day, intervals and bytes (in hex) become text, and so do nested values, as JSON.
pub(super) fn kind_of(data_type: &DataType) -> Option<ColumnType> {
    use DataType as T;
    Some(match data_type {
        T::Null => return None,
        T::Boolean => ColumnType::Boolean,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 => ColumnType::Integer,
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 | T::Duration(_) => ColumnType::Integer,
        T::Float16 | T::Float32 | T::Float64 => ColumnType::Float,
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => {
            ColumnType::Float
        }
        T::Date32 | T::Date64 | T::Timestamp(..) => ColumnType::Time,
        T::Dictionary(_, values) => return kind_of(values),
        T::RunEndEncoded(_, values) => return kind_of(values.data_type()),
        _ => ColumnType::Text,
    })
}

/// Converts an array to the Arrow type of `wanted`; fails with the reason.
pub(super) fn convert(array: &ArrayRef, wanted: ColumnType) -> Result<ArrayRef, String> {
    match wanted {
        ColumnType::Boolean | ColumnType::Integer => plain_cast(array, &wanted.arrow()),
        ColumnType::Float => {
            let floats = plain_cast(array, &DataType::Float64)?;
            Ok(without_nan(floats.as_primitive::<Float64Type>()))
        }
        ColumnType::Time => time(array),
        ColumnType::Text => text(array),
    }
}

fn plain_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    cast(array, to).map_err(|error| error.to_string())
}

/// NaN is a missing number.
fn without_nan(floats: &Float64Array) -> ArrayRef {
    if !floats.values().iter().any(|value| value.is_nan()) {
        return Arc::new(floats.clone());
    }
    let kept: Float64Array = floats
        .iter()
        .map(|value| value.filter(|value| !value.is_nan()))
        .collect();
    Arc::new(kept)
}

/// Instants keep their instant; local times are taken as UTC.
fn time(array: &ArrayRef) -> Result<ArrayRef, String> {
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let millis = plain_cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone))?;
    let millis: TimestampMillisecondArray =
        millis.as_primitive::<TimestampMillisecondType>().clone();
    Ok(Arc::new(millis.with_timezone_opt(None::<Arc<str>>)))
}

fn text(array: &ArrayRef) -> Result<ArrayRef, String> {
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            plain_cast(array, &DataType::Utf8)
        }
        DataType::Dictionary(_, values) if !values.is_nested() => text(&plain_cast(array, values)?),
        DataType::RunEndEncoded(_, values) => text(&plain_cast(array, values.data_type())?),
        nested if nested.is_nested() => json(array),
        _ => displayed(array),
    }
}

/// Values as Arrow shows them: `12:30:00`, hex bytes.
fn displayed(array: &ArrayRef) -> Result<ArrayRef, String> {
    let options = FormatOptions::default();
    let formatter =
        ArrayFormatter::try_new(array.as_ref(), &options).map_err(|error| error.to_string())?;
    let mut builder = StringBuilder::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
        } else {
            let shown = formatter
                .value(row)
                .try_to_string()
                .map_err(|error| error.to_string())?;
            builder.append_value(shown);
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Nested values as compact JSON.
fn json(array: &ArrayRef) -> Result<ArrayRef, String> {
    let fail = |error: arrow::error::ArrowError| error.to_string();
    let schema = Schema::new(vec![Field::new("v", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(array)]).map_err(fail)?;
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(Vec::new());
    writer.write(&batch).map_err(fail)?;
    writer.finish().map_err(fail)?;
    let written = String::from_utf8(writer.into_inner()).map_err(|error| error.to_string())?;
    let mut builder = StringBuilder::new();
    for (row, line) in written.lines().enumerate() {
        let value = line
            .strip_prefix("{\"v\":")
            .and_then(|rest| rest.strip_suffix('}'));
        builder.append_option(value.filter(|_| array.is_valid(row)));
    }
    let text = builder.finish();
    if text.len() != array.len() {
        return Err("its JSON has another number of rows".to_string());
    }
    Ok(Arc::new(text))
}
