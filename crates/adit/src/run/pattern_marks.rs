//! Marks which patterns of a finished search each basket holds.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Field, Schema};
use serde::{Deserialize, Serialize};

use super::apply::Output;
use super::pattern_data::{self, Reading};
use super::pattern_job::PatternJob;
use super::saved::from_json;
use super::{Context, PredictJob, PredictOutcome, RunError};
use crate::explain::PatternFindings;
use crate::represent::transactions::Transactions;

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
}

/// Items that are there, and the item that is then there too.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedPattern {
    items: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<String>,
}

impl SavedPattern {
    fn name(&self) -> String {
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
        };
        SavedPatterns {
            version: VERSION,
            reading,
            patterns: findings.patterns.iter().map(pattern).collect(),
        }
    }
}

/// Whether a run is a search for patterns.
pub fn is_pattern_run(run: &Path) -> bool {
    run.join(SAVED).is_file()
}

/// Writes `basket` and a column a pattern: whether the basket holds its items, for a rule those that it leads from.
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
    let loaded = pattern_data::load(&searched, Some(&saved.reading), spool.path(), context)?;
    let transactions = &loaded.baskets.transactions;
    let patterns: Vec<Option<Vec<u32>>> = saved
        .patterns
        .iter()
        .map(|p| codes(&p.items, transactions))
        .collect();
    let mut output = Output::open(&job.output, job.overwrite)?;
    let n = transactions.len();
    let mut start = 0;
    loop {
        let end = n.min(start + CHUNK);
        output.write(&marked(
            &saved.patterns,
            &patterns,
            &loaded.baskets,
            start..end,
        )?)?;
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
        n_bad_rows: loaded.bad_rows.len() as u64,
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

/// Sorted codes of items; `None` where no basket holds one of them.
fn codes(items: &[String], transactions: &Transactions) -> Option<Vec<u32>> {
    let code = |item: &String| {
        let place = transactions.names().iter().position(|name| name == item);
        place.map(|place| place as u32)
    };
    let mut codes: Vec<u32> = items.iter().map(code).collect::<Option<_>>()?;
    codes.sort_unstable();
    Some(codes)
}

fn marked(
    saved: &[SavedPattern],
    patterns: &[Option<Vec<u32>>],
    baskets: &crate::represent::baskets::Baskets,
    range: std::ops::Range<usize>,
) -> Result<RecordBatch, RunError> {
    let ids: ArrayRef = match &baskets.ids {
        Some(ids) => Arc::new(StringArray::from_iter_values(&ids[range.clone()])),
        None => Arc::new(UInt64Array::from_iter_values(
            range.clone().map(|at| at as u64),
        )),
    };
    let mut fields = vec![Field::new("basket", ids.data_type().clone(), false)];
    let mut columns = vec![ids];
    for (pattern, codes) in saved.iter().zip(patterns) {
        let holds = |at: usize| {
            let basket = baskets.transactions.basket(at);
            let all =
                |codes: &Vec<u32>| codes.iter().all(|code| basket.binary_search(code).is_ok());
            codes.as_ref().is_some_and(all)
        };
        let marks: BooleanArray = range.clone().map(|at| Some(holds(at))).collect();
        fields.push(Field::new(
            pattern.name(),
            arrow::datatypes::DataType::Boolean,
            false,
        ));
        columns.push(Arc::new(marks));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| RunError::ModelFile {
        path: SAVED.into(),
        reason: e.to_string(),
    })
}
