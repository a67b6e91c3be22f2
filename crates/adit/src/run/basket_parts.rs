//! Lines of baskets that are too many to be held at once: read twice, part by part.

use std::path::Path;

use super::basket_patterns::set_settings;
use super::pattern_data::{self, LoadedBaskets, odd_lines, of_lines, warning};
use super::pattern_job::{PatternForm, PatternJob, PatternKind};
use super::patterns::{MIB, sources};
use super::{Context, RunError};
use crate::explain::{PatternData, Warning};
use crate::mine::MineError;
use crate::mine::itemsets::{Itemsets, PartSearch};
use crate::represent::transactions::{Transactions, TransactionsBuilder};
use crate::source::{BadRow, BasketLines, read_baskets};

/// Bytes of memory for an item of a basket of the part at hand: its code, its share of what stands beside it, and its
/// bits while it is searched.
const BYTES_OF_ENTRY: u64 = 16;

/// How baskets were read.
pub(super) enum Read {
    /// All at once.
    Held(Box<LoadedBaskets>),
    /// Part by part, and searched.
    Searched(Box<SearchedParts>),
}

/// What was found part by part.
pub(super) struct SearchedParts {
    pub found: Itemsets,
    pub names: Vec<String>,
    pub data: PatternData,
    pub warnings: Vec<Warning>,
    pub bad_rows: Vec<BadRow>,
}

/// Reads the baskets of a job; where sets of lines are wanted and these take more than half the memory, part by part.
///
/// # Errors
/// Whatever is wrong with the data or the settings.
pub(super) fn read(job: &PatternJob, spool: &Path, context: &Context) -> Result<Read, RunError> {
    let wants_sets = job.search.kind != PatternKind::Rules && job.search.top.is_none();
    // What is not a file cannot be read twice.
    let is_file = |input: &String| input != "-" && !is_pipe(Path::new(input));
    let can_repeat = job.data.inputs.iter().all(is_file);
    let by_parts = wants_sets && can_repeat;
    if !by_parts || pattern_data::form_of(job, None, spool)? != PatternForm::Lines {
        return Ok(Read::Held(Box::new(pattern_data::load(
            job, None, spool, context,
        )?)));
    }
    let most = (job.search.memory * MIB / 2 / BYTES_OF_ENTRY) as usize;
    let settings = crate::mine::itemsets::ItemsetSettings {
        memory: job.search.memory * MIB / 2,
        ..set_settings(job, 1)
    };
    let mut search = PartSearch::new(settings, job.search.min_support);
    let mut shape = Shape::default();
    let goes_on = |_: usize, _: usize| !context.watch.cancelled();
    let mut builder = TransactionsBuilder::default();
    let found = in_parts(job, (spool, most), &mut builder, context, &mut |part| {
        shape.add(part);
        search.search(part, &goes_on)
    })?;
    if shape.n == 0 {
        return Ok(Read::Held(Box::new(of_lines(builder, found))));
    }
    let mut last = |part: &Transactions| {
        shape.add(part);
        search.search(part, &goes_on)
    };
    last(&builder.part())?;
    let n_doubles = builder.doubles();
    in_parts(job, (spool, most), &mut builder, context, &mut |part| {
        search.count(part);
        Ok(())
    })?;
    let part = builder.part();
    search.count(&part);
    let mut warnings = odd_lines(&found, "baskets");
    if n_doubles > 0 {
        let message = format!("{n_doubles} items are named again in their basket");
        warnings.push(warning("double_items", message, "counted once a basket"));
    }
    Ok(Read::Searched(Box::new(SearchedParts {
        found: search.finish(shape.n),
        names: part.names().to_vec(),
        data: PatternData {
            sources: sources(&found.origins),
            form: "a line a basket, part by part".into(),
            of: "baskets".into(),
            n: shape.n as u64,
            items: part.n_items() as u64,
            entries: shape.entries,
            largest: shape.largest as u64,
            cuts: std::collections::BTreeMap::new(),
        },
        warnings,
        bad_rows: found.bad_rows,
    })))
}

/// Whether something is there that is neither a file nor a folder.
fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Reads all lines and gives parts of about `most` items away; what is left after the last stays with the builder.
fn in_parts(
    job: &PatternJob,
    (spool, most): (&Path, usize),
    builder: &mut TransactionsBuilder,
    context: &Context,
    each: &mut dyn FnMut(&Transactions) -> Result<(), MineError>,
) -> Result<BasketLines, RunError> {
    let mut failed = None;
    let found = read_baskets(&job.source_settings(), spool, context.watch, &mut |items| {
        if failed.is_some() {
            return;
        }
        builder.push(items);
        if builder.n_entries() >= most {
            failed = each(&builder.part()).err();
        }
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(found),
    }
}

/// What is known of all baskets together.
#[derive(Default)]
struct Shape {
    n: usize,
    entries: u64,
    largest: usize,
}

impl Shape {
    fn add(&mut self, part: &Transactions) {
        self.n += part.len();
        self.entries += part.n_entries() as u64;
        let largest = part.baskets().map(<[u32]>::len).max().unwrap_or(0);
        self.largest = self.largest.max(largest);
    }
}
