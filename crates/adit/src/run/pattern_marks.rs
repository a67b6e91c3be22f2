//! Marks which patterns of a finished search each basket holds.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::apply::Output;
use super::pattern_data::{self, Reading};
use super::pattern_job::{PatternJob, PatternTask};
use super::patterns::batch;
use super::saved::from_json;
use super::sequence_data::{self, LoadedSequences};
use super::{Context, PredictJob, PredictOutcome, RunError, sequence_patterns};
use crate::explain::PatternFindings;
use crate::mine::sequences::{Limits, holding};
use crate::represent::baskets::Baskets;

/// Where a search keeps its patterns.
pub const SAVED: &str = "model/patterns.json";
/// Format of the file; raised when an old one can no longer be read.
const VERSION: u32 = 1;
/// Baskets marked together.
const CHUNK: usize = 8_192;

/// The patterns of a search, and how its baskets were read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedPatterns {
    version: u32,
    reading: Reading,
    patterns: Vec<SavedPattern>,
    /// Groups of items that patterns name as items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<SavedGroup>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedGroup {
    name: String,
    members: Vec<String>,
}

/// Items that are there, and the item that is then there too.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedPattern {
    items: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<String>,
    /// Of sequences: all elements of the pattern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elements: Vec<Vec<String>>,
}

impl SavedPattern {
    fn name(&self) -> String {
        if !self.elements.is_empty() {
            let elements: Vec<String> = self.elements.iter().map(|e| e.join(" & ")).collect();
            return elements.join(" > ");
        }
        let items = self.items.join(" & ");
        match &self.then {
            Some(then) => format!("{items} > {then}"),
            None => items,
        }
    }
}

impl SavedPatterns {
    /// Those that the report shows.
    pub fn of(findings: &PatternFindings, reading: Reading) -> SavedPatterns {
        let pattern = |p: &crate::explain::Pattern| SavedPattern {
            items: p.items.clone(),
            then: p.then.clone(),
            elements: p.elements.clone(),
        };
        SavedPatterns {
            version: VERSION,
            reading,
            patterns: findings.patterns.iter().map(pattern).collect(),
            groups: (findings.groups.iter())
                .map(|group| SavedGroup {
                    name: group.name.clone(),
                    members: group.members.clone(),
                })
                .collect(),
        }
    }
}

/// Whether a run is a search for patterns.
pub fn is_pattern_run(run: &Path) -> bool {
    run.join(SAVED).is_file()
}

/// Writes `basket` and a column a pattern: whether the basket holds its items, for a rule those that it leads from; or
/// `sequence` and whether the sequence holds the pattern.
///
/// # Errors
/// A damaged run, columns that are not there, or whatever is wrong with the data or the disk; no output is left behind.
pub fn mark(job: &PredictJob, context: &Context) -> Result<PredictOutcome, RunError> {
    let saved: SavedPatterns = from_json(&job.run.join(SAVED))?;
    let fail = |reason: String| RunError::NotARun {
        path: job.run.clone(),
        reason,
    };
    if saved.version != VERSION {
        return Err(fail(format!(
            "its patterns have format {}, but this program reads format {VERSION}",
            saved.version
        )));
    }
    if let Some(member) = &job.member {
        return Err(fail(format!("patterns have no member `{member}`")));
    }
    let path = job.run.join("job.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| fail(format!("job.toml cannot be read: {e}")))?;
    let searched = search_of(&text, &path, job)?;
    let spool = super::spool()?;
    let (marks, n_bad_rows) = match searched.task {
        PatternTask::Rules => {
            let known = Some(&saved.reading);
            let loaded = pattern_data::load(&searched, known, spool.path(), context)?;
            (of_baskets(&saved, &loaded.baskets), loaded.bad_rows.len())
        }
        PatternTask::Sequences => {
            let known = Some(saved.reading.form);
            let loaded = sequence_data::load(&searched, known, false, spool.path(), context)?;
            let limits = sequence_patterns::limits(&searched);
            (of_sequences(&saved, &loaded, limits), loaded.bad_rows.len())
        }
    };
    let mut output = Output::open(&job.output, job.overwrite)?;
    let n = marks.n;
    let mut start = 0;
    loop {
        let end = n.min(start + CHUNK);
        output.write(&marks.table(&saved.patterns, start..end)?)?;
        context.watch.progress("mark", end as u64, n as u64, "");
        if context.watch.cancelled() {
            return Err(RunError::Interrupted);
        }
        start = end;
        if start >= n {
            break;
        }
    }
    output.commit()?;
    Ok(PredictOutcome {
        output: job.output.clone(),
        rows: n as u64,
        member: format!("{} patterns", saved.patterns.len()),
        n_bad_rows: n_bad_rows as u64,
    })
}

/// The run's job with other inputs, read as the command line says.
fn search_of(text: &str, path: &Path, job: &PredictJob) -> Result<PatternJob, RunError> {
    let mut searched = PatternJob::from_toml(text, path)?;
    let (data, source) = (&mut searched.data, &job.source);
    data.inputs.clone_from(&source.inputs);
    data.format = source.format;
    data.delimiter = source.delimiter.map(char::from).or(data.delimiter);
    data.quote = source.quote.map(char::from).or(data.quote);
    data.header = source.header.or(data.header);
    data.encoding = source.encoding.clone().or(data.encoding.take());
    data.max_bad_rows = Some(source.max_bad_rows);
    Ok(searched)
}

/// What holds which pattern.
struct Marks {
    /// `basket` or `sequence`
    of: &'static str,
    n: usize,
    /// Names of the baskets or sequences; their numbers where absent. `[n]`
    ids: Option<Vec<String>>,
    /// Those that hold each pattern, in order. `[n_patterns]`
    holding: Vec<Vec<u32>>,
}

type CodeOf<'a> = HashMap<&'a str, u32>;

fn codes_of(names: &[String]) -> CodeOf<'_> {
    let code = |(name, code)| (String::as_str(name), code);
    names.iter().zip(0u32..).map(code).collect()
}

/// Sorted codes of items; `None` where nothing holds one of them.
fn codes(items: &[String], code_of: &CodeOf) -> Option<Vec<u32>> {
    let code = |item: &String| code_of.get(item.as_str()).copied();
    let mut codes: Vec<u32> = items.iter().map(code).collect::<Option<_>>()?;
    codes.sort_unstable();
    Some(codes)
}

/// Of a rule, the baskets that hold what it leads from.
fn of_baskets(saved: &SavedPatterns, baskets: &Baskets) -> Marks {
    let transactions = &baskets.transactions;
    let code_of = codes_of(transactions.names());
    let group_of: HashMap<&str, &SavedGroup> = (saved.groups.iter())
        .map(|group| (group.name.as_str(), group))
        .collect();
    // Of every item the codes that stand for it: its own, or those of a group's members.
    let any_of = |item: &String| -> Vec<u32> {
        let names = match group_of.get(item.as_str()) {
            Some(group) => &group.members[..],
            None => std::slice::from_ref(item),
        };
        let codes = names.iter().filter_map(|name| code_of.get(name.as_str()));
        codes.copied().collect()
    };
    let holding = |pattern: &SavedPattern| {
        let items: Vec<Vec<u32>> = pattern.items.iter().map(any_of).collect();
        let holds = |basket: &[u32]| {
            let any =
                |codes: &Vec<u32>| codes.iter().any(|code| basket.binary_search(code).is_ok());
            items.iter().all(any)
        };
        let places = (0u32..).zip(transactions.baskets());
        let own = places.filter(|(_, basket)| holds(basket));
        own.map(|(at, _)| at).collect()
    };
    Marks {
        of: "basket",
        n: transactions.len(),
        ids: baskets.ids.clone(),
        holding: saved.patterns.par_iter().map(holding).collect(),
    }
}

fn of_sequences(saved: &SavedPatterns, loaded: &LoadedSequences, limits: Limits) -> Marks {
    let sequences = &loaded.sequences;
    let code_of = codes_of(sequences.names());
    let elements = |pattern: &SavedPattern| -> Option<Vec<Vec<u32>>> {
        let elements = pattern.elements.iter();
        elements.map(|items| codes(items, &code_of)).collect()
    };
    let known: Vec<Option<Vec<Vec<u32>>>> = saved.patterns.iter().map(elements).collect();
    let there: Vec<Vec<Vec<u32>>> = known.iter().flatten().cloned().collect();
    let mut found = holding(sequences, &there, limits).into_iter();
    let of = |pattern: &Option<Vec<Vec<u32>>>| match pattern {
        Some(_) => found.next().unwrap_or_default(),
        None => Vec::new(),
    };
    Marks {
        of: "sequence",
        n: sequences.len(),
        ids: loaded.ids.clone(),
        holding: known.iter().map(of).collect(),
    }
}

impl Marks {
    /// A row each, a column a pattern.
    fn table(&self, saved: &[SavedPattern], range: Range<usize>) -> Result<RecordBatch, RunError> {
        let ids: ArrayRef = match &self.ids {
            Some(ids) => Arc::new(StringArray::from_iter_values(&ids[range.clone()])),
            None => Arc::new(UInt64Array::from_iter_values(
                range.clone().map(|at| at as u64),
            )),
        };
        let mut columns = vec![(self.of.to_string(), ids)];
        for (pattern, holding) in saved.iter().zip(&self.holding) {
            let holds = |at: usize| Some(holding.binary_search(&(at as u32)).is_ok());
            let marks: BooleanArray = range.clone().map(holds).collect();
            columns.push((pattern.name(), Arc::new(marks)));
        }
        batch(columns)
    }
}
