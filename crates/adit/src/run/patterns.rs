//! A search for patterns: the whole way from baskets or sequences to report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use adit_nn::random::mix;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, UInt64Array};

use super::apply::batch_of;
use super::pattern_data::Reading;
use super::pattern_job::{PatternJob, PatternTask};
use super::pattern_marks::{SAVED, SavedPatterns};
use super::{Context, RunError, basket_patterns, limits, sequence_patterns};
use crate::explain::{
    Cost, Estimate, PatternCounts, PatternData, PatternFindings, PatternSource, RuleMeasures,
    SearchSummary, ShuffledFound, Warning, reason_words,
};
use crate::mine::Shortage;
use crate::mine::rules::{Guard, Reason};
use crate::report;
use crate::source::{BadRow, Origin};
use crate::store::RunFolder;

/// Patterns in `result.json` and the report, at most; the file of patterns holds all.
pub(super) const SHOWN: usize = 1_000;
pub(super) const MIB: u64 = 1 << 20;

/// A finished search.
#[derive(Debug)]
pub struct PatternOutcome {
    pub folder: PathBuf,
    pub findings: PatternFindings,
    pub cost: Cost,
    /// What `result.json` holds.
    pub result_json: String,
}

/// What a search found and how its data were read.
pub(super) struct Searched {
    pub findings: PatternFindings,
    /// All patterns as a table.
    pub table: RecordBatch,
    pub reading: Reading,
    pub bad_rows: Vec<BadRow>,
}

/// Searches and leaves a run folder at `out`.
///
/// # Errors
/// Whatever is wrong with the job, the data or the disk; nothing half-written stays.
pub fn mine_patterns(
    job: &PatternJob,
    out: &Path,
    overwrite: bool,
    context: &Context,
) -> Result<PatternOutcome, RunError> {
    job.check()?;
    let started = Instant::now();
    let folder = RunFolder::create(out, overwrite)?;
    let (findings, cost, result_json) = context.limits.apply(|| {
        let searched = match job.task {
            PatternTask::Rules => basket_patterns::search(job, out, folder.path(), context)?,
            PatternTask::Sequences => sequence_patterns::search(job, out, folder.path(), context)?,
        };
        let findings = searched.findings;
        let cost = Cost {
            seconds: started.elapsed().as_secs_f64(),
            peak_rss_bytes: limits::peak_rss_bytes(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let result_json = report::pattern_json(&findings, &cost, version)?;
        folder.write("result.json", result_json.as_bytes())?;
        let html = report::pattern_html(&findings, &cost, version)?;
        folder.write("report.html", html.as_bytes())?;
        folder.write(
            "patterns.parquet",
            &crate::store::parquet_bytes(&searched.table)?,
        )?;
        folder.write("job.toml", job.to_toml()?.as_bytes())?;
        let saved = SavedPatterns::of(&findings, searched.reading);
        folder.write(SAVED, &super::saved::to_json(SAVED, &saved)?)?;
        super::saved::write_bad_rows(&folder, &searched.bad_rows)?;
        Ok((findings, cost, result_json))
    })?;
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    Ok(PatternOutcome {
        folder: folder.commit()?,
        findings,
        cost,
        result_json,
    })
}

/// Findings before anything was found.
pub(super) fn begun(
    job: &PatternJob,
    out: &Path,
    title: String,
    data: PatternData,
    warnings: Vec<Warning>,
) -> PatternFindings {
    let search = &job.search;
    PatternFindings {
        task: match job.task {
            PatternTask::Rules => "rules",
            PatternTask::Sequences => "sequences",
        }
        .into(),
        title: job.title.clone().unwrap_or(title),
        verdict: String::new(),
        search: SearchSummary {
            kind: search.kind.name().into(),
            guard: search.guard,
            level: search.level,
            min_support: search.min_support,
            min_confidence: search.min_confidence,
            max_items: match job.task {
                PatternTask::Rules => job.max_items().min(data.items.max(1) as usize) as u64,
                // Events come again.
                PatternTask::Sequences => job.max_items() as u64,
            },
            target: search.target.clone(),
            label: None,
            top: search.top.map(|top| top as u64),
            by: job.best_by(),
            encoder: search.encoder.clone(),
            max_gap: search.max_gap.map(|gap| gap as u64),
            max_window: search.max_window.map(|window| window as u64),
            seed: job.seed,
            searched: data.n,
            held_out: 0,
            support_that_fits: None,
            estimated_sets: None,
        },
        data,
        counts: PatternCounts::default(),
        patterns: Vec::new(),
        fallen: Vec::new(),
        groups: Vec::new(),
        shuffled: None,
        warnings,
        run_again: vec![format!("adit run {}/job.toml", out.display())],
    }
}

/// The files that were read.
pub(super) fn sources(origins: &[Origin]) -> Vec<PatternSource> {
    let source = |o: &Origin| PatternSource {
        name: super::summary::file_name(&o.path),
        sha256: o.sha256.clone(),
        rows: o.rows,
        read_as: o.read_as.clone(),
    };
    origins.iter().map(source).collect()
}

/// Tells that nothing was paid, where that is so.
pub(super) fn note_guard(findings: &mut PatternFindings, guard: Guard) {
    if guard == Guard::None {
        findings.warnings.push(Warning {
            kind: "no_guard".into(),
            column: None,
            message: "nothing was paid for the search, so chance is among these rules".into(),
            action: "compare their number with that in shuffled data, or leave `--guard` as it is"
                .into(),
        });
    }
}

/// Rejected rules by reason, in words.
pub(super) fn by_reason(
    rejected: &[(Reason, u64)],
    by_order: bool,
) -> std::collections::BTreeMap<String, u64> {
    let words = |(reason, n): &(Reason, u64)| (reason_words(*reason, by_order).to_string(), *n);
    rejected.iter().map(words).collect()
}

/// Tells that memory was too little, where that is so; `n` are all baskets or sequences, and `estimate` is asked how
/// many patterns of a count there are.
pub(super) fn note_shortage(
    findings: &mut PatternFindings,
    shortage: Option<Shortage>,
    n: usize,
    estimate: &dyn Fn(u32) -> Option<f64>,
) {
    let Some(shortage) = shortage else {
        return;
    };
    let estimated = estimate(shortage.asked);
    findings.search.estimated_sets = estimated;
    let about = estimated.map_or(String::new(), |n| {
        format!("; there are about {} of the former", in_round_numbers(n))
    });
    let support = f64::from(shortage.fits) / n.max(1) as f64;
    findings.search.support_that_fits = Some(support);
    findings.warnings.push(Warning {
        kind: "memory".into(),
        column: None,
        message: format!(
            "patterns in {} of {n} {} do not fit into memory; all of those in {} do{about}",
            shortage.asked, findings.data.of, shortage.fits
        ),
        action: match shortage.fits as usize > n {
            true => "nothing fits, and nothing was found; --memory gives more".into(),
            false => format!("searched from a support of {support:.6} on; --memory gives more"),
        },
    });
}

/// An estimate as a person says it.
fn in_round_numbers(x: f64) -> String {
    let units = [
        (1e12, "trillion"),
        (1e9, "billion"),
        (1e6, "million"),
        (1e3, "thousand"),
    ];
    match units.iter().find(|(size, _)| x >= *size) {
        Some((size, _)) if x >= 1e15 => format!("{:.0e}", x.max(*size)),
        Some((size, name)) => format!("{:.0} {name}", x / size),
        None => format!("{x:.0}"),
    }
}

/// Columns of the measures with their intervals, after those that a table begins with.
pub(super) fn measure_columns(measures: &[RuleMeasures]) -> Vec<(String, ArrayRef)> {
    let column = |of: &dyn Fn(&RuleMeasures) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(measures.iter().map(of)))
    };
    type Of = fn(&RuleMeasures) -> Estimate;
    let estimates: [(&str, Of); 4] = [
        ("confidence", |m| m.confidence),
        ("lift", |m| m.lift),
        ("leverage", |m| m.leverage),
        ("odds_ratio", |m| m.odds_ratio),
    ];
    let mut columns = Vec::new();
    for (name, of) in estimates {
        columns.push((name.into(), column(&|m| of(m).value)));
        columns.push((format!("{name}_low"), column(&|m| of(m).low)));
        columns.push((format!("{name}_high"), column(&|m| of(m).high)));
    }
    let conviction = measures.iter().map(|m| m.conviction.map(|c| c.value));
    let conviction: Float64Array = conviction.collect();
    columns.push(("conviction".into(), Arc::new(conviction)));
    columns
}

/// A table of patterns.
pub(super) fn batch(columns: Vec<(String, ArrayRef)>) -> Result<RecordBatch, RunError> {
    batch_of(columns, "patterns.parquet")
}

/// A table of rules: its first columns, the measures with their intervals, `p_value`, and `told_by`: the row of the rule
/// that speaks for this one, where another does.
pub(super) fn rules_batch(
    mut columns: Vec<(String, ArrayRef)>,
    rules: &[(RuleMeasures, f64, Option<usize>)],
) -> Result<RecordBatch, RunError> {
    let measures: Vec<RuleMeasures> = rules.iter().map(|rule| rule.0).collect();
    columns.extend(measure_columns(&measures));
    let p_values = Float64Array::from_iter_values(rules.iter().map(|rule| rule.1));
    columns.push(("p_value".into(), Arc::new(p_values)));
    let told_by: UInt64Array = (rules.iter())
        .map(|rule| rule.2.map(|at| at as u64))
        .collect();
    columns.push(("told_by".into(), Arc::new(told_by)));
    batch(columns)
}

/// What a search found in shuffled data: the p-values of what it kept, and how many it tested.
pub(super) type InShuffled = (Vec<f64>, u64);

/// The same search where there is nothing, as often as the job says; `search` is given a seed and the guard to search with.
///
/// Where permutations found the level that a rule must keep, it holds for these drawings too.
///
/// # Errors
/// Those of the search.
pub(super) fn in_shuffled(
    job: &PatternJob,
    level_of_one: Option<f64>,
    (what, context): (&str, &Context),
    search: &mut dyn FnMut(u64, Guard) -> Result<InShuffled, RunError>,
) -> Result<Option<ShuffledFound>, RunError> {
    let (n, phase) = (job.search.shuffles, "search in shuffled data");
    if n == 0 {
        return Ok(None);
    }
    let level = level_of_one.filter(|_| job.search.guard == Guard::Permutation);
    let guard = match level {
        Some(_) => Guard::None,
        None => job.search.guard,
    };
    let mut kept = Vec::new();
    let mut candidates = 0.0;
    for k in 0..n {
        context.watch.progress(phase, k, n, "");
        let (p_values, n_tested) = search(mix(job.seed ^ 0x0dd5, k), guard)?;
        let passes = |p: &&f64| level.is_none_or(|level| **p <= level);
        kept.push(p_values.iter().filter(passes).count() as u64);
        candidates += n_tested as f64 / n as f64;
    }
    context.watch.progress(phase, n, n, "");
    Ok(Some(ShuffledFound {
        kept,
        candidates,
        what: what.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_said_in_round_numbers() {
        let told = [12.3, 4_567.0, 2.16e7, 9.4e10, 3e13, 5e21].map(in_round_numbers);
        assert_eq!(
            told,
            [
                "12",
                "5 thousand",
                "22 million",
                "94 billion",
                "30 trillion",
                "5e21"
            ]
        );
    }
}
