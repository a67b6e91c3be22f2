//! Arrow columns from cells of text.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::cell::{Cell, classify};
use super::infer::Reading;
use super::{ColumnSchema, ColumnType};

impl ColumnType {
    /// The Arrow type in which batches hold it.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Float => DataType::Float64,
            ColumnType::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
            ColumnType::Text => DataType::Utf8,
        }
    }
}

/// The Arrow schema of a table's batches.
pub(super) fn arrow_schema(columns: &[ColumnSchema]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new(&column.name, column.column_type.arrow(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// Collects the cells of one column.
pub(super) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMillisecondBuilder, Reading),
    Text(StringBuilder),
}

impl ColumnBuilder {
    pub fn new(reading: Reading) -> ColumnBuilder {
        match reading {
            Reading::Boolean => ColumnBuilder::Boolean(BooleanBuilder::new()),
            Reading::Integer => ColumnBuilder::Integer(Int64Builder::new()),
            Reading::Float => ColumnBuilder::Float(Float64Builder::new()),
            Reading::Text => ColumnBuilder::Text(StringBuilder::new()),
            time => ColumnBuilder::Time(TimestampMillisecondBuilder::new(), time),
        }
    }

    /// Adds a cell; what does not fit the column's reading is missing.
    pub fn push(&mut self, cell: Option<&str>) {
        let kind = cell.map_or(Cell::Blank, classify);
        match self {
            ColumnBuilder::Boolean(builder) => builder.append_option(match kind {
                Cell::Boolean(value) => Some(value),
                _ => None,
            }),
            ColumnBuilder::Integer(builder) => builder.append_option(match kind {
                Cell::Integer(value) => Some(value),
                _ => None,
            }),
            ColumnBuilder::Float(builder) => builder.append_option(match kind {
                Cell::Integer(value) => Some(value as f64),
                Cell::Float(value) => Some(value),
                _ => None,
            }),
            ColumnBuilder::Time(builder, reading) => builder.append_option(match (kind, reading) {
                (Cell::Time(millis), Reading::IsoTime) => Some(millis),
                (Cell::Date { day_first, .. }, Reading::DayFirst) => day_first,
                (Cell::Date { month_first, .. }, Reading::MonthFirst) => month_first,
                _ => None,
            }),
            ColumnBuilder::Text(builder) => builder.append_option(match kind {
                Cell::Blank | Cell::Missing => None,
                _ => cell,
            }),
        }
    }

    /// The column so far; the builder starts anew.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Boolean(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Integer(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Float(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Time(builder, _) => Arc::new(builder.finish()),
            ColumnBuilder::Text(builder) => Arc::new(builder.finish()),
        }
    }
}
