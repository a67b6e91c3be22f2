//! Sets and rules of baskets: from the loaded baskets to findings.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, LargeStringArray, LargeStringBuilder, RecordBatch, UInt32Array,
    UInt64Array,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::basket_parts::{self, Read, SearchedParts};
use super::item_groups::item_groups;
use super::pattern_data::{LoadedBaskets, Reading};
use super::pattern_job::{LIKENESS, PatternForm, PatternJob, PatternKind};
use super::patterns::{
    self, MIB, SHOWN, Searched, batch, begun, by_reason, note_guard, note_shortage, rules_batch,
    sources,
};
use super::{Context, RunError};
use crate::explain::{
    ItemGroup, Pattern, PatternData, PatternFindings, RuleMeasures, ShuffledFound, rule_words,
    rules_verdict, share_estimate,
};
use crate::mine::itemsets::{ItemsetSettings, Itemsets, Kind, estimate_frequent};
use crate::mine::least_count;
use crate::mine::rules::{
    Guard, JudgedRule, RuleSettings, RulesFound, shuffled, with_shuffled_items,
};
use crate::represent::transactions::Transactions;

/// Reads the baskets of a job and searches them.
///
/// # Errors
/// Whatever is wrong with the data or the settings.
pub(super) fn search(
    job: &PatternJob,
    out: &Path,
    spool: &Path,
    context: &Context,
) -> Result<Searched, RunError> {
    let loaded = match basket_parts::read(job, spool, context)? {
        Read::Held(loaded) => *loaded,
        Read::Searched(parts) => return of_parts(job, out, *parts),
    };
    let transactions = &loaded.baskets.transactions;
    if transactions.is_empty() {
        return Err(RunError::NoBaskets);
    }
    let title = match (&job.search.target, &job.data.contrast) {
        (Some(target), _) => format!("What goes with {target}"),
        (None, Some(contrast)) => format!("What tells {contrast} apart"),
        (None, None) => "What goes together".into(),
    };
    let warnings = loaded.warnings.clone();
    let mut findings = begun(job, out, title, summary(&loaded), warnings);
    let table = match job.search.kind {
        PatternKind::Rules => find_rules(job, &loaded, &mut findings, context)?,
        _ => find_sets(job, transactions, &mut findings, context)?,
    };
    Ok(Searched {
        findings,
        table,
        reading: loaded.reading,
        bad_rows: loaded.bad_rows,
    })
}

fn summary(loaded: &LoadedBaskets) -> PatternData {
    let transactions = &loaded.baskets.transactions;
    let largest = transactions.baskets().map(<[u32]>::len).max().unwrap_or(0);
    PatternData {
        sources: sources(&loaded.origins),
        form: match loaded.reading.form {
            PatternForm::Items => "a row an item",
            PatternForm::Rows if loaded.baskets.column_of.is_some() => {
                "a row a basket of columns with their values"
            }
            PatternForm::Rows => "a row a basket, a column an item",
            _ => "a line a basket",
        }
        .into(),
        of: "baskets".into(),
        n: transactions.len() as u64,
        items: transactions.n_items() as u64,
        entries: transactions.n_entries() as u64,
        largest: largest as u64,
        cuts: loaded.baskets.cutting.ends.clone(),
    }
}

fn find_sets(
    job: &PatternJob,
    transactions: &Transactions,
    findings: &mut PatternFindings,
    context: &Context,
) -> Result<RecordBatch, RunError> {
    let watch = context.watch;
    let goes_on = |at: usize, of: usize| {
        watch.progress("search", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let settings = set_settings(job, transactions.len());
    let found = settings.mine(transactions, &goes_on)?;
    // Of closed and maximal sets there are fewer, by how many is not known.
    let estimate = |count: u32| match settings.kind {
        Kind::Frequent => estimate_frequent(transactions, count, settings.max_items, job.seed),
        Kind::Closed | Kind::Maximal => None,
    };
    let n = transactions.len();
    note_shortage(findings, found.shortage(), n, &estimate);
    tell_sets(
        job,
        (&found, settings.min_count),
        transactions.names(),
        findings,
    )
}

/// What sets are searched for in `n` baskets.
pub(super) fn set_settings(job: &PatternJob, n: usize) -> ItemsetSettings {
    ItemsetSettings {
        kind: match job.search.kind {
            PatternKind::Closed => Kind::Closed,
            PatternKind::Maximal => Kind::Maximal,
            _ => Kind::Frequent,
        },
        min_count: least_count(job.search.min_support, n),
        max_items: job.max_items(),
        top: job.search.top,
        memory: job.search.memory * MIB,
    }
}

/// Sets that were found part by part.
fn of_parts(job: &PatternJob, out: &Path, parts: SearchedParts) -> Result<Searched, RunError> {
    let (found, names) = (&parts.found, &parts.names);
    let title = "What goes together".into();
    let mut findings = begun(job, out, title, parts.data, parts.warnings);
    let n = found.n_baskets();
    note_shortage(&mut findings, found.shortage(), n, &|_| None);
    let asked = least_count(job.search.min_support, n);
    let table = tell_sets(job, (found, asked), names, &mut findings)?;
    Ok(Searched {
        findings,
        table,
        reading: Reading {
            form: PatternForm::Lines,
            ..Reading::default()
        },
        bad_rows: parts.bad_rows,
    })
}

/// Tells sets by their names, the most frequent first; `asked` is the least count that was wanted.
fn tell_sets(
    job: &PatternJob,
    (found, asked): (&Itemsets, u32),
    names: &[String],
    findings: &mut PatternFindings,
) -> Result<RecordBatch, RunError> {
    let kind = job.search.kind;
    let n = found.len() as u64;
    match kind {
        PatternKind::Closed => findings.counts.closed = Some(n),
        PatternKind::Maximal => findings.counts.maximal = Some(n),
        _ => findings.counts.itemsets = n,
    }
    let name = match kind {
        PatternKind::Itemsets => "frequent",
        kind => kind.name(),
    };
    let sets = if n == 1 { "set" } else { "sets" };
    let least = match (job.search.top, found.shortage()) {
        (Some(_), _) => found.iter().map(|(_, count)| count).min(),
        (None, shortage) => shortage.map(|shortage| shortage.fits),
    };
    let n_baskets = found.n_baskets();
    findings.verdict = format!(
        "{n} {name} {sets} of items are in at least {} of {n_baskets} baskets; how often alone does not say whether items belong together.",
        least.unwrap_or(asked),
    );
    let mut order: Vec<usize> = (0..found.len()).collect();
    let key = |at: usize| (std::cmp::Reverse(found.count(at)), found.items(at).len());
    // The sets themselves are compared only where all else is equal.
    order.sort_unstable_by(|&a, &b| {
        let first = key(a).cmp(&key(b));
        first.then_with(|| found.items(a).cmp(found.items(b)))
    });
    findings.patterns = order
        .iter()
        .take(SHOWN)
        .map(|&at| set_pattern(found.items(at), found.count(at), (names, n_baskets)))
        .collect();
    sets_batch(found, &order, names)
}

fn set_pattern(items: &[u32], count: u32, (names, n): (&[String], usize)) -> Pattern {
    let items = names_of(items, names);
    let n = n as u64;
    Pattern {
        words: format!(
            "{} of {n} baskets hold {}",
            count,
            crate::explain::named(&items)
        ),
        items,
        then: None,
        elements: Vec::new(),
        steps: Vec::new(),
        count: u64::from(count),
        support: share_estimate(u64::from(count), n),
        measures: None,
        p_value: None,
        also: Vec::new(),
    }
}

fn names_of(items: &[u32], names: &[String]) -> Vec<String> {
    let name = |&item: &u32| names[item as usize].clone();
    items.iter().map(name).collect()
}

/// Columns `items`, `size`, `count`, `support`.
fn sets_batch(
    found: &Itemsets,
    order: &[usize],
    names: &[String],
) -> Result<RecordBatch, RunError> {
    let n = found.n_baskets() as f64;
    // Offsets of 32 bits end at 2 GiB of text.
    let mut items = LargeStringBuilder::with_capacity(order.len(), order.len() * 16);
    let mut text = String::new();
    for &at in order {
        text.clear();
        for (k, &item) in found.items(at).iter().enumerate() {
            text.push_str(if k == 0 { "" } else { " & " });
            text.push_str(&names[item as usize]);
        }
        items.append_value(&text);
    }
    let sizes = order.iter().map(|&at| found.items(at).len() as u32);
    let counts = order.iter().map(|&at| u64::from(found.count(at)));
    let support = order.iter().map(|&at| f64::from(found.count(at)) / n);
    batch(vec![
        ("items".into(), Arc::new(items.finish())),
        (
            "size".into(),
            Arc::new(UInt32Array::from_iter_values(sizes)),
        ),
        (
            "count".into(),
            Arc::new(UInt64Array::from_iter_values(counts)),
        ),
        (
            "support".into(),
            Arc::new(Float64Array::from_iter_values(support)),
        ),
    ])
}

fn rule_settings(job: &PatternJob, loaded: &LoadedBaskets) -> Result<RuleSettings, RunError> {
    let transactions = &loaded.baskets.transactions;
    let targets = match &job.search.target {
        None => loaded.targets.clone(),
        Some(target) => {
            let place = transactions.names().iter().position(|name| name == target);
            let place = place.ok_or_else(|| RunError::NoSuchItem {
                item: target.clone(),
                items: transactions.names().to_vec(),
            })?;
            Some(vec![place as u32])
        }
    };
    Ok(RuleSettings {
        min_support: job.search.min_support,
        min_confidence: job.search.min_confidence,
        max_items: job.max_items(),
        targets,
        groups: Vec::new(),
        top: job.search.top.zip(job.best_by()),
        guard: job.search.guard,
        level: job.search.level,
        seed: job.seed,
        memory: job.search.memory * MIB,
    })
}

fn find_rules(
    job: &PatternJob,
    loaded: &LoadedBaskets,
    findings: &mut PatternFindings,
    context: &Context,
) -> Result<RecordBatch, RunError> {
    let watch = context.watch;
    let transactions = &loaded.baskets.transactions;
    let mut settings = rule_settings(job, loaded)?;
    if let Some(encoder) = &job.search.encoder {
        let by = (encoder.as_str(), job.search.likeness.unwrap_or(LIKENESS));
        let targets = settings.targets.clone().unwrap_or_default();
        for (group, likeness) in item_groups(&loaded.baskets, by, &targets, context)? {
            findings.groups.push(ItemGroup {
                name: group.name.clone(),
                members: names_of(&group.members, transactions.names()),
                likeness,
            });
            settings.groups.push(group);
        }
    }
    let mut names = transactions.names().to_vec();
    names.extend(settings.groups.iter().map(|group| group.name.clone()));
    let names = names.as_slice();
    let goes_on = |at: usize, of: usize| {
        watch.progress("search", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let found = settings.mine(transactions, loaded.unit.as_deref(), &goes_on)?;
    findings.shuffled = in_shuffled(job, loaded, &settings, &found, context)?;
    let counts = &mut findings.counts;
    counts.itemsets = found.n_itemsets;
    counts.rules = found.kept.len() as u64;
    counts.told = found
        .kept
        .iter()
        .filter(|j| j.folded_under.is_none())
        .count() as u64;
    counts.candidates = found.n_candidates;
    counts.tested = found.n_tested;
    counts.rejected = by_reason(&found.rejected, false);
    findings.search.searched = found.n_searched;
    findings.search.held_out = found.n_held_out;
    let n_searched = found.n_searched as usize;
    // Of the half that was searched as many baskets were asked for as is that share of all.
    let estimate = |count: u32| {
        let share = f64::from(count) / n_searched.max(1) as f64;
        let count = least_count(share, transactions.len());
        estimate_frequent(transactions, count, settings.max_items, job.seed)
    };
    note_shortage(findings, found.shortage, n_searched, &estimate);
    note_guard(findings, settings.guard);
    findings.verdict = rules_verdict(&findings.counts, settings.guard, findings.shuffled.as_ref());
    let pattern = |judged: &JudgedRule| rule_pattern(judged, &found, names);
    let told = found.kept.iter().filter(|j| j.folded_under.is_none());
    findings.patterns = told.take(SHOWN).map(pattern).collect();
    findings.fallen = found.fallen.iter().map(pattern).collect();
    rules_table(&found, names)
}

fn measured(judged: &JudgedRule) -> RuleMeasures {
    RuleMeasures::of(&judged.held_out.as_ref().unwrap_or(&judged.rule).counts)
}

fn rule_pattern(judged: &JudgedRule, found: &RulesFound, names: &[String]) -> Pattern {
    let sentence = |judged: &JudgedRule| {
        let items = names_of(&judged.rule.antecedent, names);
        let then = &names[judged.rule.consequent as usize];
        let counts = (judged.rule.counts.both, judged.rule.counts.n);
        rule_words(&items, then, &measured(judged), counts)
    };
    let rule = &judged.rule;
    Pattern {
        items: names_of(&rule.antecedent, names),
        then: Some(names[rule.consequent as usize].clone()),
        elements: Vec::new(),
        steps: Vec::new(),
        words: sentence(judged),
        count: rule.counts.both,
        support: share_estimate(rule.counts.both, rule.counts.n),
        measures: Some(measured(judged)),
        p_value: Some(judged.p_value()),
        also: judged
            .also
            .iter()
            .map(|&at| sentence(&found.kept[at]))
            .collect(),
    }
}

/// Columns `if`, `then`, `count`, `support`, and those of all rules.
fn rules_table(found: &RulesFound, names: &[String]) -> Result<RecordBatch, RunError> {
    let kept = &found.kept;
    let antecedent = kept
        .iter()
        .map(|j| names_of(&j.rule.antecedent, names).join(" & "));
    let consequent = kept
        .iter()
        .map(|j| names[j.rule.consequent as usize].as_str());
    let count = kept.iter().map(|j| j.rule.counts.both);
    let support = kept
        .iter()
        .map(|j| j.rule.counts.both as f64 / j.rule.counts.n as f64);
    let columns: Vec<(String, ArrayRef)> = vec![
        (
            "if".into(),
            Arc::new(LargeStringArray::from_iter_values(antecedent)),
        ),
        (
            "then".into(),
            Arc::new(LargeStringArray::from_iter_values(consequent)),
        ),
        (
            "count".into(),
            Arc::new(UInt64Array::from_iter_values(count)),
        ),
        (
            "support".into(),
            Arc::new(Float64Array::from_iter_values(support)),
        ),
    ];
    let rule = |j: &JudgedRule| (measured(j), j.p_value(), j.folded_under);
    rules_batch(columns, &kept.iter().map(rule).collect::<Vec<_>>())
}

/// The same search where there is nothing: items dealt out anew, or only the target.
fn in_shuffled(
    job: &PatternJob,
    loaded: &LoadedBaskets,
    settings: &RuleSettings,
    found: &RulesFound,
    context: &Context,
) -> Result<Option<ShuffledFound>, RunError> {
    let transactions = &loaded.baskets.transactions;
    let what = match (&settings.targets, &loaded.baskets.column_of) {
        (Some(_), _) => "what rules lead to was given to other baskets",
        (None, Some(_)) => "every column was dealt out anew",
        (None, None) => "every item was given to as many other baskets",
    };
    let goes_on = |_: usize, _: usize| !context.watch.cancelled();
    let mut search = |seed: u64, guard: Guard| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let drawn = match &settings.targets {
            Some(targets) => with_shuffled_items(transactions, targets, &mut rng),
            None => shuffled(transactions, loaded.baskets.column_of.as_deref(), &mut rng),
        };
        let again = RuleSettings {
            guard,
            ..settings.clone()
        };
        let nothing = again.mine(&drawn, loaded.unit.as_deref(), &goes_on)?;
        let p_values = nothing.kept.iter().map(|j| j.rule.p_value);
        Ok((p_values.collect(), nothing.n_tested))
    };
    patterns::in_shuffled(job, found.level_of_one, (what, context), &mut search)
}
