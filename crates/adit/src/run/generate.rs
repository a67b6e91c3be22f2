//! Writes a text for every row by a pretrained T5.

use std::path::PathBuf;
use std::sync::Arc;

use adit_nn::t5::GenerationSettings;
use arrow::array::{ArrayRef, Float64Array, StringArray, UInt64Array};

use super::apply::{Output, batch_of};
use super::texts::{text_roles, texts_of};
use super::{Context, RunError};
use crate::engine::Session;
use crate::prepare::{self, Role, RowColumn, TextColumn};
use crate::represent::encoder::EncoderDirectory;
use crate::represent::prompt::Prompt;
use crate::source::{SourceSettings, Table};
use crate::store::ModelStore;

/// What is read, how texts are written and where they go.
#[derive(Clone, Debug)]
pub struct GenerateJob {
    pub source: SourceSettings,
    /// Text columns; those that look like texts where none is named.
    pub texts: Vec<String>,
    /// What is read of a row, as [`Prompt::parse`] says; without one, all text columns after their names.
    pub prompt: Option<String>,
    /// Name in the model store, or a Hugging Face directory; a T5.
    pub encoder: String,
    /// The most tokens that are read of a row; the model's own length where absent.
    pub max_tokens: Option<usize>,
    pub settings: GenerationSettings,
    /// `.parquet`, `.csv` or `.jsonl`.
    pub output: PathBuf,
    pub overwrite: bool,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct GenerateOutcome {
    pub output: PathBuf,
    pub rows: u64,
    /// What was read of each row.
    pub prompt: String,
    pub n_bad_rows: u64,
}

/// Writes one text a row, streamed: the columns `row`, `generated` and `score`, the mean log-probability
/// of its tokens where the length penalty is 1.
///
/// # Errors
/// A column that is not there, a prompt that does not fit, a model that writes no text, or whatever is
/// wrong with the data or the disk; no output is left behind.
pub fn generate(job: &GenerateJob, context: &Context) -> Result<GenerateOutcome, RunError> {
    context.limits.apply(|| generate_inner(job, context))
}

fn generate_inner(job: &GenerateJob, context: &Context) -> Result<GenerateOutcome, RunError> {
    let watch = context.watch;
    job.settings
        .check()
        .map_err(crate::represent::RepresentError::from)?;
    let mut writer = Output::open(&job.output, job.overwrite)?;
    let found = ModelStore::new(context.model_store).resolve(&job.encoder)?;
    let encoder = EncoderDirectory::open(&found.path, &found.manifest.name)?;
    encoder.t5_config()?;
    let spool = super::spool()?;
    let session =
        Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
    let table = Table::open(&job.source, spool.path(), &session, watch)?;
    let roles = text_roles(&job.texts, &table, context)?;
    let texts = roles.iter().filter(|role| role.role == Role::Text);
    let columns: Vec<String> = texts.map(|role| role.name.clone()).collect();
    let prompt = match &job.prompt {
        Some(template) => Prompt::parse(template, &columns)?,
        None => Prompt::usual(&columns),
    };
    let generator = encoder.text_generator(job.max_tokens)?;
    let mut done = 0u64;
    for rows in prepare::stream(&table, &roles)? {
        let rows = rows?;
        let texts = |column: &RowColumn| TextColumn {
            name: column.name.clone(),
            values: texts_of(column),
        };
        let texts: Vec<TextColumn> = rows.columns.iter().map(texts).collect();
        let sources = prompt.fill(&texts)?;
        let told = |n: usize| watch.progress("generate", done + n as u64, table.n_rows(), "");
        told(0);
        let written = generator.write(&sources, &job.settings, watch, &told)?;
        let scores = written.iter().map(|w| w.score);
        let scores: ArrayRef = Arc::new(Float64Array::from_iter_values(scores));
        let texts = written.iter().map(|w| w.text.as_str());
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        done += rows.row_ids.len() as u64;
        let ids: ArrayRef = Arc::new(UInt64Array::from(rows.row_ids));
        let columns = vec![
            ("row".into(), ids),
            ("generated".into(), texts),
            ("score".into(), scores),
        ];
        writer.write(&batch_of(columns, "generated texts")?)?;
    }
    writer.commit()?;
    Ok(GenerateOutcome {
        output: job.output.clone(),
        rows: done,
        prompt: prompt.to_string(),
        n_bad_rows: table.n_bad_rows(),
    })
}
