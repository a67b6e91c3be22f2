//! The job file: what `adit run` reads and every verb writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adit_nn::Products;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RunError;
use super::decision::DecisionSection;
use super::horizon::Horizon;
use crate::mine::method::TrainingMethod;
use crate::prepare::{Role, Task, Windows};
use crate::source::{BadRowLimit, Format, SourceSettings};

/// The head by which a class is written.
const TEXT_TO_TEXT: &str = "text-to-text";

/// All heads over text encoders, the usual one first.
const HEADS: [&str; 4] = ["cls", "mean", "match", TEXT_TO_TEXT];

/// A whole job: data in, report out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// `classify` or `regress`.
    pub task: Task,
    /// Heading of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Every random choice follows from it.
    #[serde(default = "one")]
    pub seed: u64,
    /// Folder of the run; relative to the job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    pub data: DataSection,
    #[serde(default)]
    pub split: SplitSection,
    /// Columns made from what a row's entity did just before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsSection>,
    /// Columns made of the events of a row's entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsSection>,
    #[serde(default, skip_serializing_if = "DecisionSection::is_default")]
    pub decision: DecisionSection,
    /// How much a training row counts, by its class.
    #[serde(default, skip_serializing_if = "ClassWeights::is_default")]
    pub class_weights: ClassWeights,
    #[serde(default)]
    pub transformer: TransformerSection,
}

/// How much a training row counts, by its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Every row counts the same.
    #[default]
    Equal,
    /// Every class counts the same in all.
    Balanced,
}

impl ClassWeights {
    fn is_default(&self) -> bool {
        *self == ClassWeights::default()
    }
}

/// Which rows and columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Files, globs, folders, or `-` for standard input; relative to the job file.
    pub inputs: Vec<String>,
    /// Rows that are only judged on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Rows that early stopping and the choice of settings look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<String>,
    pub target: String,
    /// Class that precision, recall and F1 are about; the second by name unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Text columns; two make a pair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Bad rows that are tolerated: `{ count = 10 }` or `{ share = 0.01 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bad_rows: Option<BadRowLimit>,
    /// Roles that override the rules, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
}

/// How rows are divided where no test file is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSection {
    /// Share of the rows that are judged on, 0 < x < 1.
    pub test_fraction: f64,
    /// Share of the training rows that early stopping looks at, 0 < x < 1.
    pub validation_fraction: f64,
    /// Column whose values stay whole in one part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column whose latest rows are the test part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Draw test rows at random although the table has a time column or entities that repeat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_random: bool,
    /// Learn from columns that seem to give the target away, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_suspects: bool,
    /// Folds by which members are compared: 1 for the validation part alone. Chosen by the number of rows where
    /// it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// How often rows are folded anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<usize>,
}

impl Default for SplitSection {
    fn default() -> Self {
        SplitSection {
            test_fraction: 0.2,
            validation_fraction: 0.15,
            group: None,
            time: None,
            allow_random: false,
            keep_suspects: false,
            folds: None,
            repeats: None,
        }
    }
}

/// Columns made from what a row's entity did just before: means and slopes of every number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsSection {
    /// Column that tells whose a row is; its values stay whole in one part.
    pub entity: String,
    /// Numbers or times by which an entity's rows are in order.
    pub order: String,
    /// Rows that are looked back over, at least 2.
    pub length: usize,
    /// Makes the target: how many rows of the entity come after each row, at most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<f64>,
}

/// A table of events, of which the rows' entities have any number each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsSection {
    /// Files, globs, folders; relative to the job file.
    pub inputs: Vec<String>,
    /// Column of both tables that tells whose a row or an event is.
    pub entity: String,
    /// Column of the events: times, or numbers that give the order.
    pub time: String,
    /// Column of the rows: events from that moment on are not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutoff: Option<String>,
    /// Makes the rows and the target: whether `outcome` comes within this length of time (`90d`) after a cut-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<String>,
    /// With `horizon`: the event that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// A kind of event: one value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    pub column: String,
    pub value: String,
}

impl WindowsSection {
    /// The windows themselves.
    pub fn windows(&self) -> Windows {
        Windows {
            entity: self.entity.clone(),
            order: self.order.clone(),
            length: self.length,
        }
    }
}

/// How transformers are trained; what is absent is chosen by the size and kind of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerSection {
    /// Name in the model store, or a Hugging Face directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// How many seeds are trained and averaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<usize>,
    /// Candidates; the best on the validation rows is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Epochs without improvement after which training stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Longest sequence in tokens; longer texts are cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Which weights of the text encoder are trained: `full`, `head`, `last-2` (layers), `lora` or
    /// `lora-16` (rank).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// In which numbers linear maps multiply while they learn: `f32` or `bf16`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_precision: Option<Products>,
    /// Whether a text encoder is fitted once more on training and validation rows together, when rate and
    /// epochs are chosen; it is, unless this is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refit: Option<bool>,
    /// Head over the text encoder: `cls`, `mean` or `match`; or `text-to-text`, by which a T5 writes
    /// the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// What a model that writes texts is given of a row: `sentence1: {sentence1}`, with the names of text
    /// columns in braces. All text columns, each after its name, where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it writes for classes whose names it is not to write.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub label_texts: BTreeMap<String, String>,
}

impl TransformerSection {
    /// The method that the job names, if it is one.
    pub fn method(&self) -> Option<TrainingMethod> {
        self.method.as_deref().and_then(TrainingMethod::parse)
    }

    /// True where the class is written as a text.
    pub fn writes_text(&self) -> bool {
        self.head.as_deref() == Some(TEXT_TO_TEXT)
    }

    /// What does not fit the head, if anything.
    fn head_fault(&self, task: Task) -> Option<String> {
        let head = self.head.as_deref().unwrap_or(HEADS[0]);
        if !HEADS.contains(&head) {
            return Some(format!(
                "`transformer.head` is `{head}`, but must be one of {}",
                HEADS.map(|head| format!("`{head}`")).join(", ")
            ));
        }
        if !self.writes_text() {
            let given = [
                ("prompt", self.prompt.is_some()),
                ("label_texts", !self.label_texts.is_empty()),
            ];
            let (key, _) = given.into_iter().find(|(_, given)| *given)?;
            return Some(format!(
                "`transformer.{key}` is for the head `{TEXT_TO_TEXT}`, but the head is `{head}`"
            ));
        }
        match (task, self.method()) {
            (Task::Regress, _) => Some(format!(
                "the head `{TEXT_TO_TEXT}` writes the text of a class and cannot predict a number"
            )),
            (_, Some(TrainingMethod::Head | TrainingMethod::Last { .. })) => Some(format!(
                "the head `{TEXT_TO_TEXT}` is trained by the method `full` or `lora-N`, not `{}`",
                self.method.as_deref().unwrap_or_default()
            )),
            _ => None,
        }
    }
}

fn one() -> u64 {
    1
}

/// Reads a job of any kind; `origin` names it in errors.
pub(super) fn read_toml<T: DeserializeOwned>(text: &str, origin: &Path) -> Result<T, RunError> {
    toml::from_str(text).map_err(|e| RunError::JobFile {
        path: origin.to_path_buf(),
        reason: e.to_string().trim_end().to_string(),
    })
}

/// A job of any kind as TOML text.
pub(super) fn write_toml<T: Serialize>(job: &T) -> Result<String, RunError> {
    toml::to_string_pretty(job).map_err(|e| RunError::JobFile {
        path: PathBuf::from("job.toml"),
        reason: e.to_string(),
    })
}

impl Job {
    /// Reads a job from TOML text.
    ///
    /// # Errors
    /// Names `origin`, the line and the key that does not fit.
    pub fn from_toml(text: &str, origin: &Path) -> Result<Job, RunError> {
        let job: Job = read_toml(text, origin)?;
        job.check_at(origin)?;
        Ok(job)
    }

    /// The job as TOML text.
    pub fn to_toml(&self) -> Result<String, RunError> {
        write_toml(self)
    }

    /// Makes relative paths absolute against `base`, so that the job runs from anywhere.
    pub fn anchored(mut self, base: &Path) -> Job {
        let anchor = |p: &String| -> String {
            if p == "-" || Path::new(p).is_absolute() {
                p.clone()
            } else {
                base.join(p).to_string_lossy().into_owned()
            }
        };
        for list in [
            &mut self.data.inputs,
            &mut self.data.test,
            &mut self.data.validation,
        ] {
            *list = list.iter().map(anchor).collect();
        }
        if let Some(events) = &mut self.events {
            events.inputs = events.inputs.iter().map(anchor).collect();
        }
        if let Some(out) = &self.out {
            self.out = Some(base.join(out));
        }
        if let Some(encoder) = &self.transformer.encoder {
            let as_folder = base.join(encoder);
            if as_folder.is_dir() {
                self.transformer.encoder = Some(as_folder.to_string_lossy().into_owned());
            }
        }
        self
    }

    /// How the training rows are read.
    pub fn source_settings(&self, inputs: &[String]) -> SourceSettings {
        let d = &self.data;
        SourceSettings {
            inputs: inputs.to_vec(),
            format: d.format,
            delimiter: d.delimiter.map(|c| c as u8),
            quote: d.quote.map(|c| c as u8),
            header: d.header,
            encoding: d.encoding.clone(),
            max_bad_rows: d.max_bad_rows.unwrap_or_default(),
        }
    }

    /// Checks values that a type cannot.
    pub fn check(&self) -> Result<(), RunError> {
        self.check_at(Path::new("the command line"))
    }

    fn check_at(&self, origin: &Path) -> Result<(), RunError> {
        let fail = |reason: String| {
            Err(RunError::JobFile {
                path: origin.to_path_buf(),
                reason,
            })
        };
        if self.data.inputs.is_empty() {
            return fail("`data.inputs` names no file".into());
        }
        for (key, value) in [
            ("split.test_fraction", self.split.test_fraction),
            ("split.validation_fraction", self.split.validation_fraction),
        ] {
            if !(value > 0.0 && value < 1.0) {
                return fail(format!("`{key}` is {value}, but must lie between 0 and 1"));
            }
        }
        if self.split.group.is_some() && self.split.time.is_some() {
            return fail("`split.group` and `split.time` exclude each other".into());
        }
        for (key, c) in [
            ("delimiter", self.data.delimiter),
            ("quote", self.data.quote),
        ] {
            if c.is_some_and(|c| !c.is_ascii()) {
                return fail(format!("`data.{key}` must be one ASCII character"));
            }
        }
        for (key, value, most) in [
            ("folds", self.split.folds, 100),
            ("repeats", self.split.repeats, 100),
        ] {
            if value.is_some_and(|n| n == 0 || n > most) {
                return fail(format!("`split.{key}` must lie between 1 and {most}"));
            }
        }
        let t = &self.transformer;
        if t.learning_rates.iter().any(|r| !(*r > 0.0 && *r < 1.0)) {
            return fail("`transformer.learning_rates` must lie between 0 and 1".into());
        }
        for (key, value) in [
            ("seeds", t.seeds),
            ("epochs", t.epochs),
            ("patience", t.patience),
            ("batch_size", t.batch_size),
        ] {
            if value == Some(0) {
                return fail(format!("`transformer.{key}` must be at least 1"));
            }
        }
        if t.max_tokens.is_some_and(|n| n < 8) {
            return fail("`transformer.max_tokens` must be at least 8".into());
        }
        if let (Some(method), None) = (&t.method, t.method()) {
            return fail(format!(
                "`transformer.method` is `{method}`, but must be `full`, `head`, `last-N` or `lora-N`"
            ));
        }
        if self.windows.as_ref().is_some_and(|w| {
            w.length < 2 || w.remaining.is_some_and(|cap| cap.is_nan() || cap < 1.0)
        }) {
            return fail(
                "`windows.length` must be at least 2, and `windows.remaining` at least 1".into(),
            );
        }
        if let Some(events) = &self.events {
            if events.inputs.is_empty() || events.inputs.iter().any(|input| input == "-") {
                return fail("`events.inputs` names files: standard input is for the rows".into());
            }
            if self.windows.is_some() {
                return fail("`events` and `windows` both make columns: name one of them".into());
            }
            if events.horizon.is_some() != events.outcome.is_some() {
                return fail("`events.horizon` and `events.outcome` belong together".into());
            }
            if let Some(horizon) = &events.horizon {
                if Horizon::parse(horizon).is_none() {
                    return fail(format!(
                        "`events.horizon` is `{horizon}`, but must be a length such as `90d`, `12h` or `6w`"
                    ));
                }
                let cutoff = events.cutoff.as_deref();
                if cutoff.is_none() || self.split.time.as_deref() != cutoff {
                    return fail(
                        "with `events.horizon`, `events.cutoff` names the column of cut-offs that is made, and \
                         `split.time` the same"
                            .into(),
                    );
                }
                if !self.data.test.is_empty() || !self.data.validation.is_empty() {
                    return fail(
                        "with `events.horizon` the last cut-offs are judged on: give no files"
                            .into(),
                    );
                }
                if self.task == Task::Regress {
                    return fail("a horizon tells yes or no: use it to classify".into());
                }
            }
            if events.entity == events.time || events.entity == self.data.target {
                return fail("`events.entity` is the column of neither time nor target".into());
            }
        }
        if self.task == Task::Regress && !self.class_weights.is_default() {
            return fail("`class_weights` are for classes, but a number is predicted".into());
        }
        if let Some(fault) = self.decision.fault(self.task) {
            return fail(fault);
        }
        match t.head_fault(self.task) {
            Some(fault) => fail(fault),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "task = \"classify\"\n[data]\ninputs = [\"a.csv\"]\ntarget = \"y\"\n";

    fn read(text: &str) -> Result<Job, RunError> {
        Job::from_toml(text, Path::new("job.toml"))
    }

    #[test]
    fn a_job_that_is_written_reads_the_same() {
        let text = format!(
            "{SMALL}test = [\"b.csv\"]\ntexts = [\"s\"]\nmax_bad_rows = {{ count = 3 }}\n\
             [data.roles]\nk = \"id\"\n[split]\ntime = \"t\"\n\
             [transformer]\nseeds = 2\nlearning_rates = [1e-4]\nhead = \"text-to-text\"\n\
             prompt = \"s: {{s}}\"\nlabel_texts = {{ 0 = \"no\" }}\n"
        );
        let job = read(&text).expect("a job");
        let written = job.to_toml().expect("TOML");
        assert_eq!(read(&written).expect("a job"), job);
    }

    #[test]
    fn relative_paths_are_anchored_and_others_left_alone() {
        let text = SMALL.replace("[\"a.csv\"]", "[\"a.csv\", \"/b.csv\", \"-\"]");
        let job = read(&text).expect("a job").anchored(Path::new("/data"));
        assert_eq!(job.data.inputs, ["/data/a.csv", "/b.csv", "-"]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (added, named) in [
            ("[split]\ntest_fraction = 1.5\n", "split.test_fraction"),
            (
                "[split]\ngroup = \"a\"\ntime = \"b\"\n",
                "exclude each other",
            ),
            ("[transformer]\nseeds = 0\n", "transformer.seeds"),
            ("[transformer]\nlearning_rates = [2.0]\n", "learning_rates"),
            ("[transformer]\nhead = \"tail\"\n", "transformer.head"),
            ("[transformer]\nmax_tokens = 1\n", "max_tokens"),
            ("[transformer]\nmethod = \"some\"\n", "transformer.method"),
            (
                "[transformer]\ntraining_precision = \"int8\"\n",
                "training_precision",
            ),
            ("[transformer]\nprompt = \"{a}\"\n", "transformer.prompt"),
            (
                "[transformer]\nlabel_texts = { 0 = \"no\" }\n",
                "transformer.label_texts",
            ),
            (
                "[transformer]\nhead = \"text-to-text\"\nmethod = \"last-2\"\n",
                "not `last-2`",
            ),
            ("[decision]\ncoverage = 1.0\n", "decision.coverage"),
            ("[decision]\nrecall = 0.0\n", "decision.recall"),
            (
                "[decision]\nrecall = 0.5\nalerts = 0.1\n",
                "exclude each other",
            ),
            (
                "[decision]\ncosts = { false_positive = -1, false_negative = 2 }\n",
                "decision.costs",
            ),
            (
                "[decision]\ncosts = { false_positive = 1, false_negative = 2 }\n\
                 cost_matrix = { a = { b = 2 } }\n",
                "exclude each other",
            ),
            (
                "[decision]\ncost_matrix = { a = { b = -2 } }\n",
                "decision.cost_matrix",
            ),
            ("[split]\nfolds = 0\n", "split.folds"),
            ("[data.roles]\nx = \"king\"\n", "king"),
        ] {
            let error = read(&format!("{SMALL}{added}"))
                .expect_err(named)
                .to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
