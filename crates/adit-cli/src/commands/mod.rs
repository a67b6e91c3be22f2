//! One module a verb, and what they share.

pub mod anomalies;
pub mod bench;
pub mod cluster;
pub mod demo;
pub mod embed;
pub mod export;
pub mod generate;
pub mod learn;
pub mod model;
pub mod predict;
pub mod pretrain;
pub mod profile;
pub mod rules;
mod search;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use adit::prepare::Role;
use adit::run::{Context, Limits, RunError};
use adit::source::{BadRowLimit, Format, SourceSettings};
use adit::store::ModelStore;
use comfy_table::{ContentArrangement, Table, TableComponent, presets};

use crate::args::{FormatArg, SourceArgs};
use crate::progress::Progress;

/// Letters of a name in the terminal, at most.
const LETTERS: usize = 60;

/// What every verb is given.
pub struct Session {
    pub progress: Progress,
    pub limits: Limits,
    pub model_store: PathBuf,
}

impl Session {
    pub fn new(threads: Option<u16>, quiet: bool) -> Session {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        Session {
            progress: Progress::new(quiet),
            limits: Limits {
                threads: threads.map_or(all, usize::from),
            },
            model_store: ModelStore::usual_root(|name| std::env::var(name).ok())
                .unwrap_or_else(|| PathBuf::from(".adit")),
        }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            limits: self.limits,
            model_store: &self.model_store,
            watch: &self.progress,
        }
    }
}

/// What ends a verb.
#[derive(Debug)]
pub enum CliError {
    Run(Box<RunError>),
    /// A message and how to mend it.
    Usage(String, Option<String>),
}

impl CliError {
    pub fn is_paused(&self) -> bool {
        matches!(self, CliError::Run(e) if e.is_paused())
    }

    pub fn is_interrupted(&self) -> bool {
        match self {
            CliError::Run(e) => e.is_interrupted(),
            CliError::Usage(..) => false,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            CliError::Run(e) => e.hint(),
            CliError::Usage(_, hint) => hint.clone(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Run(e) => e.fmt(f),
            CliError::Usage(message, _) => f.write_str(message),
        }
    }
}

impl<E: Into<RunError>> From<E> for CliError {
    fn from(error: E) -> Self {
        CliError::Run(Box::new(error.into()))
    }
}

/// A table with lines above, below and under its header only.
pub fn ruled_table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// A name cut to what a line of the terminal holds.
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_string();
    }
    let kept: String = text.chars().take(LETTERS - 1).collect();
    format!("{kept}…")
}

fn usage(message: impl Into<String>, hint: &str) -> CliError {
    CliError::Usage(message.into(), Some(hint.to_string()))
}

/// Source settings as the flags give them.
pub fn source_settings(inputs: &[String], args: &SourceArgs) -> Result<SourceSettings, CliError> {
    Ok(SourceSettings {
        inputs: inputs.to_vec(),
        format: args.format.map(format_of),
        delimiter: args.delimiter.map(|c| c as u8),
        quote: args.quote.map(|c| c as u8),
        header: args.header,
        encoding: args.encoding.clone(),
        max_bad_rows: bad_row_limit(&args.max_bad_rows)?,
    })
}

pub fn format_of(format: FormatArg) -> Format {
    match format {
        FormatArg::Csv => Format::Csv,
        FormatArg::Tsv => Format::Tsv,
        FormatArg::JsonLines => Format::JsonLines,
        FormatArg::Parquet => Format::Parquet,
        FormatArg::Arrow => Format::Arrow,
    }
}

/// `10` rows or `1%` of them.
pub fn bad_row_limit(text: &str) -> Result<BadRowLimit, CliError> {
    let wrong = || {
        usage(
            format!("`--max-bad-rows {text}` is neither a count nor a share"),
            "give a count such as `10` or a share such as `1%`",
        )
    };
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(wrong());
            }
            Ok(BadRowLimit::Share(percent / 100.0))
        }
        None => Ok(BadRowLimit::Count(text.parse().map_err(|_| wrong())?)),
    }
}

/// `CLASS=TEXT` pairs.
pub fn label_texts(pairs: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let mut texts = BTreeMap::new();
    for pair in pairs {
        let (class, text) = pair.split_once('=').ok_or_else(|| {
            usage(
                format!("`--label-text {pair}` is not CLASS=TEXT"),
                "give a value of the target column and what is written for it, as in `1=equivalent`",
            )
        })?;
        if texts.insert(class.to_string(), text.to_string()).is_some() {
            return Err(usage(
                format!("`--label-text {pair}`: the class `{class}` has a text already"),
                "give one text a class",
            ));
        }
    }
    Ok(texts)
}

/// `TRUE,SAID,COST` triples.
pub fn cost_matrix(
    triples: &[String],
) -> Result<BTreeMap<String, BTreeMap<String, f64>>, CliError> {
    let mut matrix: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for triple in triples {
        let wrong = || {
            usage(
                format!("`--cost {triple}` is not TRUE,SAID,COST"),
                "give the true class, the class said and what that costs, as in `scrap,fine,20`; a class with a comma \
                 in its name goes into `decision.cost_matrix` of a job file",
            )
        };
        let parts: Vec<&str> = triple.split(',').map(str::trim).collect();
        let [truth, said, cost] = parts[..] else {
            return Err(wrong());
        };
        let cost: f64 = cost.parse().map_err(|_| wrong())?;
        let row = matrix.entry(truth.to_string()).or_default();
        if row.insert(said.to_string(), cost).is_some() {
            return Err(usage(
                format!("`--cost {triple}`: saying `{said}` for `{truth}` has a cost already"),
                "give one cost a mistake",
            ));
        }
    }
    Ok(matrix)
}

/// `COL=ROLE` pairs.
pub fn role_map(pairs: &[String]) -> Result<BTreeMap<String, Role>, CliError> {
    let hint = "roles are target, number, category, text, time, entity, id and ignore";
    pairs
        .iter()
        .map(|pair| {
            let (column, role) = pair
                .rsplit_once('=')
                .ok_or_else(|| usage(format!("`--role {pair}` is not COL=ROLE"), hint))?;
            let role = serde_json::from_value(serde_json::Value::String(role.to_string()))
                .map_err(|_| usage(format!("`--role {pair}`: there is no role `{role}`"), hint))?;
            Ok((column.to_string(), role))
        })
        .collect()
}
