//! The job of a search for patterns: what `adit rules` writes and `adit run` reads.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunError;
use crate::mine::rules::Guard;
use crate::source::{BadRowLimit, Format, SourceSettings};

/// Shuffled data sets that the same search is run on.
const SHUFFLES: u64 = 5;

/// A whole search: baskets in, report out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternJob {
    pub task: PatternTask,
    /// Heading of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Every random choice follows from it.
    #[serde(default = "one")]
    pub seed: u64,
    /// Folder of the run; relative to the job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    pub data: BasketSection,
    #[serde(default)]
    pub search: SearchSection,
}

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternTask {
    Rules,
}

/// How baskets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasketForm {
    /// By whether columns are named, and by the look of the file.
    #[default]
    Auto,
    /// A basket a line.
    Lines,
    /// A row an item: the columns of basket and item are named.
    Items,
    /// A row a basket: a column an item, or columns as attribute = value.
    Rows,
}

/// Where baskets come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BasketSection {
    /// Files, globs, folders, or `-`.
    pub inputs: Vec<String>,
    pub form: BasketForm,
    /// A row an item: the columns that tell which basket, such as customer and day. Baskets that agree in the first of
    /// several stay in one half.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub basket: Vec<String>,
    /// A row an item: the column of the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// A row a basket: columns that are read; all but ids and texts where absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// A row a basket: parts that numbers are cut into, 4 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bad_rows: Option<BadRowLimit>,
}

/// Which patterns are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    #[default]
    Rules,
    Itemsets,
    Closed,
    Maximal,
}

impl PatternKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            PatternKind::Rules => "rules",
            PatternKind::Itemsets => "itemsets",
            PatternKind::Closed => "closed",
            PatternKind::Maximal => "maximal",
        }
    }
}

/// What is searched for, and how it is paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSection {
    pub kind: PatternKind,
    /// Share of the baskets, 0 < x ≤ 1.
    pub min_support: f64,
    pub min_confidence: f64,
    /// Items of a pattern at most, of a rule with its consequent; 4 for rules and any number for sets where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    /// Only so many of the most frequent sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// Only rules to this item, which is not among those that lead to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub guard: Guard,
    /// Chance that anything is kept where there is nothing.
    pub level: f64,
    /// Shuffled data sets that the same search is run on.
    pub shuffles: u64,
    /// MiB for what is found.
    pub memory: u64,
}

impl Default for SearchSection {
    fn default() -> Self {
        SearchSection {
            kind: PatternKind::Rules,
            min_support: 0.01,
            min_confidence: 0.0,
            max_items: None,
            top: None,
            target: None,
            guard: Guard::Holdout,
            level: 0.05,
            shuffles: SHUFFLES,
            memory: 1024,
        }
    }
}

fn one() -> u64 {
    1
}

impl PatternJob {
    /// Whether a job file is one of patterns.
    pub fn is_one(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Task {
            task: PatternTask,
        }
        toml::from_str::<Task>(text).is_ok_and(|found| matches!(found.task, PatternTask::Rules))
    }

    /// Reads a job from TOML text; `origin` names it in errors.
    ///
    /// # Errors
    /// The line that is no job, or a value that cannot be.
    pub fn from_toml(text: &str, origin: &Path) -> Result<PatternJob, RunError> {
        let job: PatternJob = toml::from_str(text).map_err(|e| RunError::JobFile {
            path: origin.to_path_buf(),
            reason: e.to_string().trim_end().to_string(),
        })?;
        job.check_at(origin)?;
        Ok(job)
    }

    /// The job as TOML text.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, RunError> {
        toml::to_string_pretty(self).map_err(|e| RunError::JobFile {
            path: PathBuf::from("job.toml"),
            reason: e.to_string(),
        })
    }

    /// Makes relative paths absolute against `base`.
    pub fn anchored(mut self, base: &Path) -> PatternJob {
        for input in &mut self.data.inputs {
            if input != "-" && !Path::new(input).is_absolute() {
                *input = base.join(&*input).to_string_lossy().into_owned();
            }
        }
        self.out = self.out.map(|out| base.join(out));
        self
    }

    /// How files are read.
    pub fn source_settings(&self) -> SourceSettings {
        let d = &self.data;
        SourceSettings {
            inputs: d.inputs.clone(),
            format: d.format,
            delimiter: d.delimiter.map(|c| c as u8),
            quote: d.quote.map(|c| c as u8),
            header: d.header,
            encoding: d.encoding.clone(),
            max_bad_rows: d.max_bad_rows.unwrap_or_default(),
        }
    }

    /// Checks values that a type cannot.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), RunError> {
        self.check_at(Path::new("the command line"))
    }

    fn check_at(&self, origin: &Path) -> Result<(), RunError> {
        let (d, s) = (&self.data, &self.search);
        let share = |x: f64| x > 0.0 && x <= 1.0;
        let is_long = d.form == BasketForm::Items;
        let some_of_long = !d.basket.is_empty() || d.item.is_some();
        let both_of_long = !d.basket.is_empty() && d.item.is_some();
        let from_stdin = d.inputs.iter().any(|input| input == "-");
        let open_form = d.form == BasketForm::Auto && !some_of_long;
        let fault = if d.inputs.is_empty() {
            Some("`data.inputs` names no file")
        } else if !share(s.min_support) {
            Some("`search.min_support` must lie above 0 and at most at 1")
        } else if !(0.0..=1.0).contains(&s.min_confidence) {
            Some("`search.min_confidence` must lie between 0 and 1")
        } else if !(s.level > 0.0 && s.level < 1.0) {
            Some("`search.level` must lie between 0 and 1")
        } else if s.max_items == Some(0) || s.top == Some(0) || s.memory == 0 {
            Some("`search.max_items`, `search.top` and `search.memory` must be at least 1")
        } else if s.kind == PatternKind::Rules
            && s.max_items.is_some_and(|n| !(2..=12).contains(&n))
        {
            Some("`search.max_items` of a rule must lie between 2 and 12")
        } else if s.top.is_some() && s.kind == PatternKind::Rules {
            Some("`search.top` is for sets: rules are kept by what they pay, not by rank")
        } else if s.kind != PatternKind::Rules && s.target.is_some() {
            Some("`search.target` is for rules")
        } else if s.guard == Guard::Lamp && s.target.is_none() && s.kind == PatternKind::Rules {
            Some("the guard `lamp` is for rules to one item: name it with `search.target`")
        } else if (is_long || some_of_long) && !both_of_long {
            Some("a row an item needs both `data.basket` and `data.item`")
        } else if some_of_long && matches!(d.form, BasketForm::Lines | BasketForm::Rows) {
            Some("`data.basket` and `data.item` are for the form `items`")
        } else if d.parts.is_some_and(|n| !(2..=20).contains(&n)) {
            Some("`data.parts` must lie between 2 and 20")
        } else if from_stdin && open_form {
            Some("standard input cannot be looked at beforehand: name `data.form`")
        } else {
            None
        };
        match fault {
            Some(reason) => Err(RunError::JobFile {
                path: origin.to_path_buf(),
                reason: reason.into(),
            }),
            None => Ok(()),
        }
    }

    /// Items of a pattern, at most.
    pub fn max_items(&self) -> usize {
        let usual = match self.search.kind {
            PatternKind::Rules => 4,
            _ => usize::MAX,
        };
        self.search.max_items.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "task = \"rules\"\n[data]\ninputs = [\"a.dat\"]\n";

    #[test]
    fn a_job_that_is_written_reads_the_same() {
        let text = "task = \"rules\"\ntitle = \"Baskets\"\n[data]\ninputs = [\"a.csv\"]\nbasket = [\"b\"]\nitem = \"i\"\n\
                    [search]\nguard = \"lamp\"\ntarget = \"milk\"\nmin_support = 0.02\n";
        let job = PatternJob::from_toml(text, Path::new("job.toml")).expect("a job");
        let written = job.to_toml().expect("TOML");
        let again = PatternJob::from_toml(&written, Path::new("job.toml")).expect("a job");
        assert_eq!(again, job);
        assert!(PatternJob::is_one(&written) && !PatternJob::is_one("task = \"classify\""));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (added, named) in [
            ("item = \"i\"\n", "data.basket"),
            ("form = \"items\"\n", "data.item"),
            ("[search]\nmin_support = 0\n", "search.min_support"),
            ("[search]\nmin_support = -1\n", "search.min_support"),
            ("[search]\nmin_confidence = 2\n", "search.min_confidence"),
            ("[search]\nlevel = 1\n", "search.level"),
            ("[search]\nmax_items = 1\n", "search.max_items"),
            ("[search]\ntop = 5\n", "search.top"),
            ("[search]\nguard = \"lamp\"\n", "search.target"),
            ("[search]\nguard = \"prayer\"\n", "prayer"),
            (
                "[search]\nkind = \"closed\"\ntarget = \"a\"\n",
                "search.target",
            ),
            ("parts = 1\n", "data.parts"),
        ] {
            let error = PatternJob::from_toml(&format!("{SMALL}{added}"), Path::new("job.toml"));
            let error = error.expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        }
        let stdin = SMALL.replace("a.dat", "-");
        assert!(PatternJob::from_toml(&stdin, Path::new("j")).is_err());
    }
}
