//! Turns text columns into vectors of an encoder whose weights stay as they are.

use std::path::PathBuf;
use std::sync::Arc;

use adit_nn::Precision;
use adit_nn::precision::Choice;
use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field};

use super::apply::{Output, batch_of};
use super::texts::{text_roles, texts_of};
use super::{Context, RunError};
use crate::engine::Session;
use crate::prepare::{self, Role, Rows};
use crate::represent::embedding::SentenceEncoder;
use crate::represent::encoder::EncoderDirectory;
use crate::source::{SourceSettings, Table};
use crate::store::{ModelStore, TableFormat};

/// What is embedded and where it goes.
#[derive(Clone, Debug)]
pub struct EmbedJob {
    pub source: SourceSettings,
    /// Text columns; those that look like texts where none is named.
    pub texts: Vec<String>,
    /// Name in the model store, or a Hugging Face directory.
    pub encoder: String,
    /// `.parquet`, `.csv` or `.jsonl`.
    pub output: PathBuf,
    pub precision: Precision,
    pub overwrite: bool,
}

/// What was embedded.
#[derive(Clone, Debug)]
pub struct EmbedOutcome {
    pub output: PathBuf,
    pub rows: u64,
    pub columns: Vec<String>,
    /// Values a vector.
    pub width: usize,
    pub n_bad_rows: u64,
    pub precision: Precision,
    /// What was measured, where the precision was left open.
    pub choice: Option<Choice>,
}

/// Writes one vector a row and text column, streamed.
///
/// The output has the column `row` and, for each text column, a list `embedding_<column>` of
/// `width` numbers; in CSV files each number is a column of its own.
///
/// # Errors
/// A column that is not there, an encoder that cannot be read, or whatever is wrong with the data or
/// the disk; no output is left behind.
pub fn embed(job: &EmbedJob, context: &Context) -> Result<EmbedOutcome, RunError> {
    context.limits.apply(|| embed_inner(job, context))
}

fn embed_inner(job: &EmbedJob, context: &Context) -> Result<EmbedOutcome, RunError> {
    let found = ModelStore::new(context.model_store).resolve(&job.encoder)?;
    let mut encoder =
        EncoderDirectory::open(&found.path, &found.manifest.name)?.sentence_encoder()?;
    encoder.set_precision(job.precision, &[])?;
    let spool = super::spool()?;
    let session =
        Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
    let table = Table::open(&job.source, spool.path(), &session, context.watch)?;
    let roles = text_roles(&job.texts, &table, context)?;
    let mut writer = Output::open(&job.output, job.overwrite)?;
    let (mut done, mut choice) = (0u64, None);
    for rows in prepare::stream(&table, &roles)? {
        let rows = rows?;
        if context.watch.cancelled() {
            return Err(RunError::Interrupted);
        }
        if job.precision == Precision::Auto && choice.is_none() {
            let texts: Vec<String> = rows.columns.iter().flat_map(texts_of).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            choice = encoder.set_precision(Precision::Auto, &texts)?;
        }
        writer.write(&embedded(&encoder, &rows, writer.format, context)?)?;
        done += rows.row_ids.len() as u64;
        context.watch.progress("embed", done, table.n_rows(), "");
    }
    writer.commit()?;
    let columns = roles.into_iter().filter(|role| role.role == Role::Text);
    Ok(EmbedOutcome {
        output: job.output.clone(),
        rows: done,
        columns: columns.map(|role| role.name).collect(),
        width: encoder.hidden_size(),
        n_bad_rows: table.n_bad_rows(),
        precision: encoder.precision(),
        choice,
    })
}

fn embedded(
    encoder: &SentenceEncoder,
    rows: &Rows,
    format: TableFormat,
    context: &Context,
) -> Result<RecordBatch, RunError> {
    let mut columns: Vec<(String, ArrayRef)> = vec![(
        "row".into(),
        Arc::new(UInt64Array::from(rows.row_ids.clone())),
    )];
    for column in &rows.columns {
        let texts = texts_of(column);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = encoder.embed(&texts, context.watch)?;
        let name = format!("embedding_{}", column.name);
        columns.extend(as_columns(&name, vectors, encoder.hidden_size(), format));
    }
    batch_of(columns, "embeddings")
}

/// One list column, or a column a number where the format has no lists.
pub(super) fn as_columns(
    name: &str,
    vectors: Vec<f32>,
    width: usize,
    format: TableFormat,
) -> Vec<(String, ArrayRef)> {
    if format == TableFormat::Csv {
        let of = |at: usize| vectors.iter().skip(at).step_by(width).copied();
        return (0..width)
            .map(|at| {
                let values: ArrayRef = Arc::new(Float32Array::from_iter_values(of(at)));
                (format!("{name}_{}", at + 1), values)
            })
            .collect();
    }
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(vectors));
    let list: ArrayRef = Arc::new(FixedSizeListArray::new(item, width as i32, values, None));
    vec![(name.to_string(), list)]
}
