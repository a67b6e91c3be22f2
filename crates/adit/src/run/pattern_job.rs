//! The job of a search for patterns: what `adit rules` and `adit sequences` write and `adit run` reads.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunError;
use crate::mine::rules::{By, Guard};
use crate::mine::sequences::MOST_ITEMS;
use crate::source::{BadRowLimit, Format, SourceSettings};

/// Mean cosine of the items of a group, where none is told.
pub(super) const LIKENESS: f64 = 0.6;
/// Shuffled data sets that the same search is run on.
const SHUFFLES: u64 = 5;

/// A whole search: baskets or sequences in, report out.
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
    pub data: PatternSection,
    #[serde(default)]
    pub search: SearchSection,
}

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternTask {
    /// What goes together in baskets.
    Rules,
    /// What comes after what in histories.
    Sequences,
}

/// How baskets or sequences are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternForm {
    /// By whether columns are named, and by the look of the file.
    #[default]
    Auto,
    /// A basket or a sequence a line.
    Lines,
    /// A row an item: the columns of basket and item are named.
    Items,
    /// A row a basket: a column an item, or columns as attribute = value.
    Rows,
    /// A sequence a line as SPMF writes it: numbers, `-1` after an element and `-2` at the end.
    Spmf,
    /// A row an event: the columns of entity and event are named.
    Events,
}

/// By what numbers are cut into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutBy {
    /// Parts with as many rows each.
    Quantiles,
    /// Where what is asked about changes most, in the half of the rows that is searched.
    Target,
}

/// Where baskets or sequences come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PatternSection {
    /// Files, globs, folders, or `-`.
    pub inputs: Vec<String>,
    pub form: PatternForm,
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
    /// Ask what tells the values of this column apart: rules lead to each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<String>,
    /// A row a basket: where numbers are cut; by the target where one is asked about and the guard is `holdout`, else at
    /// quantiles, where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<CutBy>,
    /// A row a basket: parts that numbers are cut into at quantiles, 4 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
    /// A row an event: the column that tells whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// A row an event: the column of times or of numbers by which events are ordered; the order of the rows where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// A row an event: the column that tells what happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A history is cut where more than this lies between two events: `30m`, `12h`, `7d`, or a number in the unit of a
    /// column of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_gap: Option<String>,
    /// Files with a label for each entity, where the events themselves do not have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The column of the label that entities with some patterns have more often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The value of the label that is asked for; of two values the rarer one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
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
    /// All frequent sets of items.
    Itemsets,
    /// All frequent sequences.
    Frequent,
    Closed,
    Maximal,
}

impl PatternKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            PatternKind::Rules => "rules",
            PatternKind::Itemsets => "itemsets",
            PatternKind::Frequent => "frequent",
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
    /// Share of the baskets or sequences, 0 < x ≤ 1.
    pub min_support: f64,
    pub min_confidence: f64,
    /// Items of a pattern at most, of a rule with its consequent; 4 for rules and any number for sets where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    /// Only so many of the most frequent sets; of rules only so many of the best are tested, whatever their support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// By what rules are the best: `leverage` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Of sequences: elements from one of a pattern to its next, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap: Option<usize>,
    /// Of sequences: elements from the first of a pattern to its last, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_window: Option<usize>,
    /// Only rules to this item, which is not among those that lead to it; of sequences, to this last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Text encoder by which items are grouped after what their names mean: a name in the model store, or a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Mean cosine of the items of a group to each other, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likeness: Option<f64>,
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
            by: None,
            max_gap: None,
            max_window: None,
            target: None,
            encoder: None,
            likeness: None,
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
            #[serde(rename = "task")]
            _task: PatternTask,
        }
        toml::from_str::<Task>(text).is_ok()
    }

    /// Reads a job from TOML text; `origin` names it in errors.
    ///
    /// # Errors
    /// The line that is no job, or a value that cannot be.
    pub fn from_toml(text: &str, origin: &Path) -> Result<PatternJob, RunError> {
        let job: PatternJob = super::job::read_toml(text, origin)?;
        job.check_at(origin)?;
        Ok(job)
    }

    /// The job as TOML text.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, RunError> {
        super::job::write_toml(self)
    }

    /// Makes relative paths absolute against `base`.
    pub fn anchored(mut self, base: &Path) -> PatternJob {
        for input in self.data.inputs.iter_mut().chain(&mut self.data.labels) {
            if input != "-" && !Path::new(input).is_absolute() {
                *input = base.join(&*input).to_string_lossy().into_owned();
            }
        }
        self.out = self.out.map(|out| base.join(out));
        // A name in the model store is no folder beside the job.
        let folder = self
            .search
            .encoder
            .as_ref()
            .map(|encoder| base.join(encoder));
        if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
            self.search.encoder = Some(folder.to_string_lossy().into_owned());
        }
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
        let fault = self.fault_of_search().or_else(|| match self.task {
            PatternTask::Rules => self.fault_of_baskets(),
            PatternTask::Sequences => self.fault_of_sequences(),
        });
        match fault {
            Some(reason) => Err(RunError::JobFile {
                path: origin.to_path_buf(),
                reason: reason.into(),
            }),
            None => Ok(()),
        }
    }

    fn fault_of_search(&self) -> Option<&'static str> {
        let (d, s) = (&self.data, &self.search);
        let share = |x: f64| x > 0.0 && x <= 1.0;
        if d.inputs.is_empty() {
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
        } else if s.by.is_some() && (s.top.is_none() || s.kind != PatternKind::Rules) {
            Some("`search.by` is for the best rules: tell how many with `search.top`")
        } else if s.kind != PatternKind::Rules && s.target.is_some() {
            Some("`search.target` is for rules")
        } else if s.encoder.is_some()
            && (s.kind != PatternKind::Rules || self.task != PatternTask::Rules)
        {
            Some("`search.encoder` is for rules of baskets")
        } else if s.likeness.is_some() && s.encoder.is_none() {
            Some("`search.likeness` needs `search.encoder`")
        } else if s.likeness.is_some_and(|x| !(x > 0.0 && x <= 1.0)) {
            Some("`search.likeness` must lie above 0 and at most at 1")
        } else {
            None
        }
    }

    fn fault_of_baskets(&self) -> Option<&'static str> {
        let (d, s) = (&self.data, &self.search);
        let is_long = d.form == PatternForm::Items;
        let some_of_long = !d.basket.is_empty() || d.item.is_some();
        let both_of_long = !d.basket.is_empty() && d.item.is_some();
        let from_stdin = d.inputs.iter().any(|input| input == "-");
        let open_form = d.form == PatternForm::Auto && !some_of_long;
        let of_events = [
            &d.entity,
            &d.time,
            &d.event,
            &d.session_gap,
            &d.label,
            &d.positive,
        ];
        if of_events.iter().any(|key| key.is_some()) || !d.labels.is_empty() {
            Some("entity, time, event, session_gap, label, labels and positive are for sequences")
        } else if s.max_gap.is_some() || s.max_window.is_some() {
            Some("`search.max_gap` and `search.max_window` are for sequences")
        } else if matches!(d.form, PatternForm::Spmf | PatternForm::Events) {
            Some("the forms `spmf` and `events` are for sequences")
        } else if s.kind == PatternKind::Frequent {
            Some("the kind `frequent` is for sequences; of baskets it is `itemsets`")
        } else if s.guard == Guard::Lamp
            && s.target.is_none()
            && d.contrast.is_none()
            && s.kind == PatternKind::Rules
        {
            Some("the guard `lamp` is for rules to one item: name it with `search.target`")
        } else if (is_long || some_of_long) && !both_of_long {
            Some("a row an item needs both `data.basket` and `data.item`")
        } else if some_of_long && matches!(d.form, PatternForm::Lines | PatternForm::Rows) {
            Some("`data.basket` and `data.item` are for the form `items`")
        } else if d.contrast.is_some() && s.target.is_some() {
            Some(
                "`data.contrast` asks for rules to every value of a column, `search.target` to one item: name one",
            )
        } else if d.contrast.is_some() && s.kind != PatternKind::Rules {
            Some("`data.contrast` is for the kind `rules`")
        } else if d.contrast.is_some() && d.form == PatternForm::Lines {
            Some("`data.contrast` names a column, and lines have none")
        } else if self.best_by().is_some() && matches!(s.guard, Guard::Lamp | Guard::Permutation) {
            Some(
                "`search.top` of rules needs the guard `holdout`, `exploratory` or `none`: the others pay for all rules of a support",
            )
        } else if d.cut == Some(CutBy::Target) && s.guard != Guard::Holdout {
            Some(
                "numbers are cut by the target on the half that is searched, so `search.guard` has to be `holdout`",
            )
        } else if d.cut == Some(CutBy::Target) && s.target.is_none() && d.contrast.is_none() {
            Some("`data.cut` by the target needs `search.target` or `data.contrast`")
        } else if d.parts.is_some_and(|n| !(2..=20).contains(&n)) {
            Some("`data.parts` must lie between 2 and 20")
        } else if from_stdin && open_form {
            Some("standard input cannot be looked at beforehand: name `data.form`")
        } else {
            None
        }
    }

    fn fault_of_sequences(&self) -> Option<&'static str> {
        let (d, s) = (&self.data, &self.search);
        let of_baskets = !d.basket.is_empty() || d.item.is_some() || !d.columns.is_empty();
        let of_baskets = of_baskets || d.contrast.is_some() || d.cut.is_some();
        let is_of_events = d.form == PatternForm::Events || self.names_events();
        let both = d.entity.is_some() && d.event.is_some();
        let from_stdin = d.inputs.iter().any(|input| input == "-");
        let is_limited = s.max_gap.is_some() || s.max_window.is_some();
        if of_baskets || d.parts.is_some() {
            Some("basket, item, columns, contrast, cut and parts are for baskets")
        } else if matches!(d.form, PatternForm::Items | PatternForm::Rows) {
            Some("the forms `items` and `rows` are for baskets")
        } else if s.kind == PatternKind::Itemsets {
            Some("the kind `itemsets` is for baskets; of sequences it is `frequent`")
        } else if is_of_events && !both {
            Some("a row an event needs both `data.entity` and `data.event`")
        } else if self.names_events() && matches!(d.form, PatternForm::Lines | PatternForm::Spmf) {
            Some("`data.entity`, `data.time` and `data.event` are for the form `events`")
        } else if from_stdin && d.form == PatternForm::Auto && !is_of_events {
            Some("standard input cannot be looked at beforehand: name `data.form`")
        } else if !is_of_events && (d.label.is_some() || d.session_gap.is_some()) {
            Some("`data.label` and `data.session_gap` need a row an event")
        } else if d.session_gap.is_some() && d.time.is_none() {
            Some("`data.session_gap` needs `data.time`")
        } else if d.session_gap.is_some() && self.session_gap().is_none() {
            Some(
                "`data.session_gap` is a number above 0, with s, m, h, d or w where times are dates",
            )
        } else if d.label.is_none() && (!d.labels.is_empty() || d.positive.is_some()) {
            Some("`data.labels` and `data.positive` need `data.label`")
        } else if d.label.is_some() && s.kind != PatternKind::Rules {
            Some("`data.label` is for the kind `rules`")
        } else if d.label.is_some() && d.session_gap.is_some() {
            Some("a label is an entity's, not a session's: leave out `data.session_gap`")
        } else if d.label.is_some() && s.target.is_some() {
            Some(
                "`data.label` asks for rules to the label, `search.target` for rules to an event: name one",
            )
        } else if s.guard == Guard::Lamp && d.label.is_none() && s.kind == PatternKind::Rules {
            Some("the guard `lamp` is for rules to a label: name it with `data.label`")
        } else if s.max_items.is_some_and(|n| n > MOST_ITEMS) {
            Some("`search.max_items` of a sequence is at most 32")
        } else if s.max_gap == Some(0) || s.max_window == Some(0) {
            Some("`search.max_gap` and `search.max_window` are at least 1")
        } else if is_limited && matches!(s.kind, PatternKind::Closed | PatternKind::Maximal) {
            Some("closed and maximal sequences are not defined within a gap or a window")
        } else if s.top.is_some() && s.kind != PatternKind::Frequent {
            Some("`search.top` of sequences is for the kind `frequent`")
        } else {
            None
        }
    }

    /// By what the best rules are sought, where only these are.
    pub fn best_by(&self) -> Option<By> {
        let is_best = self.search.kind == PatternKind::Rules && self.search.top.is_some();
        is_best.then(|| self.search.by.unwrap_or(By::Leverage))
    }

    /// Whether numbers are cut by what rules are asked about.
    pub fn cuts_by_target(&self) -> bool {
        let is_asked = self.search.target.is_some() || self.data.contrast.is_some();
        match self.data.cut {
            Some(by) => by == CutBy::Target,
            None => {
                is_asked
                    && self.search.guard == Guard::Holdout
                    && self.search.kind == PatternKind::Rules
            }
        }
    }

    /// Whether a column of events is named.
    pub fn names_events(&self) -> bool {
        let d = &self.data;
        d.entity.is_some() || d.event.is_some() || d.time.is_some()
    }

    /// The longest time between two events of a session: a number, and whether it is in milliseconds.
    pub fn session_gap(&self) -> Option<(f64, bool)> {
        let text = self.data.session_gap.as_deref()?.trim();
        let units = [
            ("ms", 1.0),
            ("s", 1e3),
            ("m", 6e4),
            ("h", 3.6e6),
            ("d", 8.64e7),
            ("w", 6.048e8),
        ];
        let (number, unit) = (units.iter())
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, Some(unit))))
            .unwrap_or((text, None));
        let number: f64 = number.trim().parse().ok()?;
        let gap = number * unit.unwrap_or(&1.0);
        (gap > 0.0 && gap.is_finite()).then_some((gap, unit.is_some()))
    }

    /// Items of a pattern, at most.
    pub fn max_items(&self) -> usize {
        let usual = match (self.search.kind, self.task) {
            (PatternKind::Rules, _) => 4,
            (_, PatternTask::Sequences) => MOST_ITEMS,
            (_, PatternTask::Rules) => usize::MAX,
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
            ("[search]\nby = \"leverage\"\n", "search.top"),
            ("[search]\ntop = 5\nguard = \"permutation\"\n", "holdout"),
            ("[search]\nlikeness = 0.5\n", "search.encoder"),
            (
                "[search]\nencoder = \"e\"\nlikeness = 0\n",
                "search.likeness",
            ),
            (
                "[search]\nkind = \"closed\"\nencoder = \"e\"\n",
                "search.encoder",
            ),
            ("[search]\nguard = \"lamp\"\n", "search.target"),
            ("[search]\nguard = \"prayer\"\n", "prayer"),
            (
                "[search]\nkind = \"closed\"\ntarget = \"a\"\n",
                "search.target",
            ),
            ("entity = \"e\"\n", "for sequences"),
            ("form = \"spmf\"\n", "for sequences"),
            ("[search]\nmax_gap = 2\n", "for sequences"),
            ("[search]\nkind = \"frequent\"\n", "itemsets"),
            ("parts = 1\n", "data.parts"),
            ("cut = \"target\"\n", "search.target"),
            ("form = \"lines\"\ncontrast = \"a\"\n", "lines have none"),
            ("contrast = \"a\"\n[search]\ntarget = \"b\"\n", "name one"),
            (
                "contrast = \"a\"\ncut = \"target\"\n[search]\nguard = \"lamp\"\n",
                "holdout",
            ),
        ] {
            let error = PatternJob::from_toml(&format!("{SMALL}{added}"), Path::new("job.toml"));
            let error = error.expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        }
        let events = "entity = \"e\"\nevent = \"v\"\n";
        for (added, named) in [
            ("item = \"i\"\n".to_string(), "for baskets"),
            ("entity = \"e\"\n".into(), "data.event"),
            ("form = \"lines\"\nlabel = \"y\"\n".into(), "data.label"),
            (format!("{events}session_gap = \"1h\"\n"), "data.time"),
            (
                format!("{events}time = \"t\"\nsession_gap = \"soon\"\n"),
                "above 0",
            ),
            (format!("{events}labels = [\"l.csv\"]\n"), "data.label"),
            (
                format!("{events}label = \"y\"\n[search]\ntarget = \"v\"\n"),
                "name one",
            ),
            ("[search]\nguard = \"lamp\"\n".into(), "data.label"),
            (
                "[search]\nkind = \"closed\"\nmax_gap = 1\n".into(),
                "not defined",
            ),
            ("[search]\nmax_window = 0\n".into(), "at least 1"),
            ("[search]\nkind = \"itemsets\"\n".into(), "frequent"),
            (
                "[search]\nkind = \"closed\"\ntop = 3\n".into(),
                "search.top",
            ),
        ] {
            let text = SMALL.replace("rules", "sequences") + &added;
            let error = PatternJob::from_toml(&text, Path::new("job.toml"));
            let error = error.expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        }
        let stdin = SMALL.replace("a.dat", "-");
        assert!(PatternJob::from_toml(&stdin, Path::new("j")).is_err());
    }

    #[test]
    fn gaps_have_units() {
        let gap = |text: &str| {
            let job = "task = \"sequences\"\n[data]\ninputs = [\"a\"]\nentity = \"e\"\ntime = \"t\"\nevent = \"v\"\n";
            let job = format!("{job}session_gap = \"{text}\"\n");
            PatternJob::from_toml(&job, Path::new("j"))
                .ok()?
                .session_gap()
        };
        assert_eq!(gap("30m"), Some((1.8e6, true)));
        assert_eq!(gap("1.5 h"), Some((5.4e6, true)));
        assert_eq!(gap("250ms"), Some((250.0, true)));
        assert_eq!(gap("12"), Some((12.0, false)));
        assert_eq!(gap("-3d"), None);
    }
}
