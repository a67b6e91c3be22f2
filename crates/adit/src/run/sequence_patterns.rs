//! Sequential patterns and their rules: from the loaded sequences to findings.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, LargeStringArray, RecordBatch, UInt32Array, UInt64Array,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::pattern_data::Reading;
use super::pattern_job::{PatternForm, PatternJob, PatternKind};
use super::patterns::{
    self, MIB, SHOWN, Searched, batch, begun, by_reason, note_guard, note_shortage, rules_batch,
    sources,
};
use super::sequence_data::{self, LoadedSequences};
use super::{Context, RunError};
use crate::explain::{
    Pattern, PatternData, PatternFindings, RuleMeasures, ShuffledFound, in_order, rules_verdict,
    sequence_words, share_estimate,
};
use crate::mine::least_count;
use crate::mine::rules::Guard;
use crate::mine::sequences::{
    Kind, Limits, PrefixCounts, Question, SequencePattern, SequenceRule, SequenceRuleSettings,
    SequenceRules, SequenceSettings, shuffled_order,
};
use crate::represent::sequences::Sequences;

/// The first patterns have their steps counted, which the flow plot draws.
const WITH_STEPS: usize = 50;
/// Between the elements of a pattern, where it is written as one text.
const THEN: &str = " > ";

/// Reads the sequences of a job and searches them.
///
/// # Errors
/// Whatever is wrong with the data or the settings.
pub(super) fn search(
    job: &PatternJob,
    out: &Path,
    spool: &Path,
    context: &Context,
) -> Result<Searched, RunError> {
    let loaded = sequence_data::load(job, None, true, spool, context)?;
    if loaded.sequences.is_empty() {
        return Err(RunError::NoSequences);
    }
    let title = match (&loaded.labels, &job.search.target) {
        (Some(labels), _) => format!("What comes with {}", labels.name),
        (None, Some(target)) => format!("What leads to {target}"),
        (None, None) => "What comes after what".into(),
    };
    let warnings = loaded.warnings.clone();
    let mut findings = begun(job, out, title, summary(&loaded), warnings);
    findings.search.label = loaded.labels.as_ref().map(|labels| labels.name.clone());
    let table = match job.search.kind {
        PatternKind::Rules => find_rules(job, &loaded, &mut findings, context)?,
        kind => find_frequent(job, kind, &loaded.sequences, &mut findings, context)?,
    };
    Ok(Searched {
        findings,
        table,
        reading: Reading {
            form: loaded.form,
            ..Reading::default()
        },
        bad_rows: loaded.bad_rows,
    })
}

fn summary(loaded: &LoadedSequences) -> PatternData {
    let sequences = &loaded.sequences;
    let events = |at: usize| -> usize {
        let elements = 0..sequences.n_elements(at);
        elements.map(|k| sequences.element(at, k).len()).sum()
    };
    let lengths: Vec<usize> = (0..sequences.len()).map(events).collect();
    PatternData {
        sources: sources(&loaded.origins),
        form: match loaded.form {
            PatternForm::Events if loaded.unit.is_some() => "a row an event, histories cut at gaps",
            PatternForm::Events => "a row an event",
            PatternForm::Spmf => "a line a sequence, elements end with -1",
            _ => "a line a sequence, an event after the other",
        }
        .into(),
        of: "sequences".into(),
        n: sequences.len() as u64,
        items: sequences.n_items() as u64,
        entries: lengths.iter().sum::<usize>() as u64,
        largest: lengths.iter().max().copied().unwrap_or(0) as u64,
        cuts: std::collections::BTreeMap::new(),
    }
}

/// The limits of a job.
pub(super) fn limits(job: &PatternJob) -> Limits {
    Limits {
        gap: job.search.max_gap,
        window: job.search.max_window,
    }
}

fn names_of(elements: &[Vec<u32>], sequences: &Sequences) -> Vec<Vec<String>> {
    let name = |&item: &u32| sequences.names()[item as usize].clone();
    let names = |items: &Vec<u32>| items.iter().map(name).collect();
    elements.iter().map(names).collect()
}

/// Elements as the names of a report.
fn shown(elements: &[Vec<String>]) -> Vec<String> {
    elements.iter().map(|items| items.join(" & ")).collect()
}

fn find_frequent(
    job: &PatternJob,
    kind: PatternKind,
    sequences: &Sequences,
    findings: &mut PatternFindings,
    context: &Context,
) -> Result<RecordBatch, RunError> {
    let watch = context.watch;
    let goes_on = |at: usize, of: usize| {
        watch.progress("search", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let settings = SequenceSettings {
        kind: match kind {
            PatternKind::Closed => Kind::Closed,
            PatternKind::Maximal => Kind::Maximal,
            _ => Kind::Frequent,
        },
        min_count: least_count(job.search.min_support, sequences.len()),
        max_items: job.max_items(),
        limits: limits(job),
        top: job.search.top,
        memory: job.search.memory * MIB,
    };
    let found = settings.mine(sequences, None, &goes_on)?;
    // Of closed and maximal ones there are fewer, by how many is not known.
    let estimate = |min_count: u32| {
        let asked = SequenceSettings {
            min_count,
            ..settings
        };
        let is_all = settings.kind == Kind::Frequent;
        is_all
            .then(|| asked.estimate(sequences, job.seed))
            .flatten()
    };
    note_shortage(findings, found.shortage, sequences.len(), &estimate);
    let mut patterns = found.patterns;
    let n = patterns.len() as u64;
    match kind {
        PatternKind::Closed => findings.counts.closed = Some(n),
        PatternKind::Maximal => findings.counts.maximal = Some(n),
        _ => findings.counts.itemsets = n,
    }
    let least = match (found.shortage, job.search.top) {
        (_, Some(_)) => patterns.iter().map(|p| p.count).min(),
        (Some(shortage), None) => Some(shortage.fits),
        (None, None) => None,
    };
    let name = if n == 1 { "sequence" } else { "sequences" };
    findings.verdict = format!(
        "{n} {} {name} of events are in at least {} of {} sequences; how often alone does not say whether their order means anything.",
        kind.name(),
        least.unwrap_or(settings.min_count),
        sequences.len()
    );
    patterns.sort_by(|a, b| {
        let by_count = b.count.cmp(&a.count).then(a.n_items().cmp(&b.n_items()));
        by_count.then_with(|| a.elements.cmp(&b.elements))
    });
    let prefixes = PrefixCounts::new(sequences, settings.limits);
    findings.patterns = (patterns.iter().take(SHOWN).enumerate())
        .map(|(at, pattern)| {
            let elements = names_of(&pattern.elements, sequences);
            Pattern {
                items: shown(&elements),
                then: None,
                words: format!(
                    "{} of {} sequences hold {}",
                    pattern.count,
                    sequences.len(),
                    in_order(&elements)
                ),
                elements,
                steps: if at < WITH_STEPS {
                    prefixes.of(&pattern.elements)
                } else {
                    Vec::new()
                },
                count: u64::from(pattern.count),
                support: share_estimate(u64::from(pattern.count), sequences.len() as u64),
                measures: None,
                p_value: None,
                also: Vec::new(),
            }
        })
        .collect();
    frequent_table(&patterns, sequences)
}

/// Columns `pattern`, `elements`, `items`, `count`, `support`.
fn frequent_table(
    patterns: &[SequencePattern],
    sequences: &Sequences,
) -> Result<RecordBatch, RunError> {
    let n = sequences.len() as f64;
    let text = |p: &SequencePattern| shown(&names_of(&p.elements, sequences)).join(THEN);
    let texts = patterns.iter().map(text);
    let elements = patterns.iter().map(|p| p.elements.len() as u32);
    let items = patterns.iter().map(|p| p.n_items() as u32);
    let counts = patterns.iter().map(|p| u64::from(p.count));
    let support = patterns.iter().map(|p| f64::from(p.count) / n);
    let columns: [(&str, ArrayRef); 5] = [
        (
            "pattern",
            Arc::new(LargeStringArray::from_iter_values(texts)),
        ),
        (
            "elements",
            Arc::new(UInt32Array::from_iter_values(elements)),
        ),
        ("items", Arc::new(UInt32Array::from_iter_values(items))),
        ("count", Arc::new(UInt64Array::from_iter_values(counts))),
        ("support", Arc::new(Float64Array::from_iter_values(support))),
    ];
    batch(
        columns
            .map(|(name, array)| (name.to_string(), array))
            .into(),
    )
}

fn find_rules(
    job: &PatternJob,
    loaded: &LoadedSequences,
    findings: &mut PatternFindings,
    context: &Context,
) -> Result<RecordBatch, RunError> {
    let watch = context.watch;
    let sequences = &loaded.sequences;
    let target = match &job.search.target {
        None => None,
        Some(target) => {
            let place = sequences.names().iter().position(|name| name == target);
            let place = place.ok_or_else(|| RunError::NoSuchItem {
                item: target.clone(),
                items: sequences.names().to_vec(),
            })?;
            Some(place as u32)
        }
    };
    let settings = SequenceRuleSettings {
        min_support: job.search.min_support,
        min_confidence: job.search.min_confidence,
        max_items: job.max_items(),
        limits: limits(job),
        target,
        guard: job.search.guard,
        level: job.search.level,
        seed: job.seed,
        memory: job.search.memory * MIB,
    };
    let question = match &loaded.labels {
        Some(labels) => Question::Labels(&labels.has_it),
        None => Question::Order,
    };
    let goes_on = |at: usize, of: usize| {
        if of > 0 {
            watch.progress("search", at as u64, of as u64, "");
        }
        !watch.cancelled()
    };
    let found = settings.mine(sequences, question, loaded.unit.as_deref(), &goes_on)?;
    findings.shuffled = in_shuffled(job, loaded, &settings, &found, context)?;
    let counts = &mut findings.counts;
    counts.itemsets = found.n_patterns;
    counts.rules = found.kept.len() as u64;
    let told = || found.kept.iter().filter(|rule| rule.folded_under.is_none());
    counts.told = told().count() as u64;
    counts.candidates = found.n_candidates;
    counts.tested = found.n_tested;
    counts.rejected = by_reason(&found.rejected, loaded.labels.is_none());
    findings.search.searched = found.n_searched;
    findings.search.held_out = found.n_held_out;
    let n_searched = found.n_searched as usize;
    // Of the half that was searched as many sequences were asked for as is that share of all.
    let estimate = |count: u32| {
        let share = f64::from(count) / n_searched.max(1) as f64;
        let asked = SequenceSettings {
            max_items: settings.max_items,
            limits: settings.limits,
            ..SequenceSettings::frequent(least_count(share, sequences.len()))
        };
        asked.estimate(sequences, job.seed)
    };
    note_shortage(findings, found.shortage, n_searched, &estimate);
    note_guard(findings, settings.guard);
    findings.verdict = rules_verdict(&findings.counts, settings.guard, findings.shuffled.as_ref());
    let teller = Teller {
        sequences,
        label: loaded.labels.as_ref().map(|labels| labels.name.as_str()),
        prefixes: PrefixCounts::new(sequences, settings.limits),
    };
    let pattern =
        |(at, rule): (usize, &SequenceRule)| teller.pattern(rule, &found, at < WITH_STEPS);
    findings.patterns = told().take(SHOWN).enumerate().map(pattern).collect();
    let fallen = |rule: &SequenceRule| teller.pattern(rule, &found, false);
    findings.fallen = found.fallen.iter().map(fallen).collect();
    rules_table(&found, &teller)
}

/// Tells rules in names.
struct Teller<'a> {
    sequences: &'a Sequences,
    label: Option<&'a str>,
    prefixes: PrefixCounts<'a>,
}

impl Teller<'_> {
    /// What comes before, and what comes then.
    fn parts(&self, rule: &SequenceRule) -> (Vec<Vec<String>>, String) {
        let mut elements = names_of(&rule.elements, self.sequences);
        match self.label {
            Some(label) => (elements, label.to_string()),
            None => {
                let last = elements.pop().unwrap_or_default();
                (elements, last.join(" & "))
            }
        }
    }

    fn sentence(&self, rule: &SequenceRule) -> String {
        let (before, then) = self.parts(rule);
        let is_label = self.label.is_some();
        sequence_words(&before, &then, is_label, &measured(rule), &rule.counts)
    }

    fn pattern(&self, rule: &SequenceRule, found: &SequenceRules, with_steps: bool) -> Pattern {
        let (before, then) = self.parts(rule);
        let mut steps = Vec::new();
        if with_steps {
            steps = self.prefixes.of(&rule.elements);
            steps.extend(self.label.map(|_| rule.counts.count));
        }
        Pattern {
            items: shown(&before),
            then: Some(then),
            elements: names_of(&rule.elements, self.sequences),
            steps,
            words: self.sentence(rule),
            count: rule.counts.count,
            support: share_estimate(rule.counts.count, rule.counts.n),
            measures: Some(measured(rule)),
            p_value: Some(rule.p_value),
            also: (rule.also.iter())
                .map(|&at| self.sentence(&found.kept[at]))
                .collect(),
        }
    }
}

fn measured(rule: &SequenceRule) -> RuleMeasures {
    RuleMeasures::of_sequences(rule.held_out.as_ref().unwrap_or(&rule.counts))
}

/// Columns `before`, `then`, `count`, `count_before`, `support`, and those of all rules.
fn rules_table(found: &SequenceRules, teller: &Teller) -> Result<RecordBatch, RunError> {
    let kept = &found.kept;
    let parts: Vec<(String, String)> = (kept.iter())
        .map(|rule| {
            let (before, then) = teller.parts(rule);
            (shown(&before).join(THEN), then)
        })
        .collect();
    let before = LargeStringArray::from_iter_values(parts.iter().map(|p| p.0.as_str()));
    let then = LargeStringArray::from_iter_values(parts.iter().map(|p| p.1.as_str()));
    let count = UInt64Array::from_iter_values(kept.iter().map(|r| r.counts.count));
    let count_before = UInt64Array::from_iter_values(kept.iter().map(|r| r.counts.before));
    let support = kept
        .iter()
        .map(|r| r.counts.count as f64 / r.counts.n as f64);
    let columns: Vec<(String, ArrayRef)> = vec![
        ("before".into(), Arc::new(before)),
        ("then".into(), Arc::new(then)),
        ("count".into(), Arc::new(count)),
        ("count_before".into(), Arc::new(count_before)),
        (
            "support".into(),
            Arc::new(Float64Array::from_iter_values(support)),
        ),
    ];
    let rule = |r: &SequenceRule| (measured(r), r.p_value, r.folded_under);
    rules_batch(columns, &kept.iter().map(rule).collect::<Vec<_>>())
}

/// The same search where there is nothing: in random order, or with labels dealt out anew.
fn in_shuffled(
    job: &PatternJob,
    loaded: &LoadedSequences,
    settings: &SequenceRuleSettings,
    found: &SequenceRules,
    context: &Context,
) -> Result<Option<ShuffledFound>, RunError> {
    let what = match &loaded.labels {
        Some(_) => "the label was given to other sequences",
        None => "the order within every sequence was drawn anew",
    };
    let goes_on = |_: usize, _: usize| !context.watch.cancelled();
    let mut search = |seed: u64, guard: Guard| {
        let again = SequenceRuleSettings {
            guard,
            ..settings.clone()
        };
        let unit = loaded.unit.as_deref();
        let nothing = match &loaded.labels {
            Some(labels) => {
                let mut drawn = labels.has_it.clone();
                drawn.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
                again.mine(&loaded.sequences, Question::Labels(&drawn), unit, &goes_on)?
            }
            None => {
                let drawn = shuffled_order(&loaded.sequences, seed);
                again.mine(&drawn, Question::Order, unit, &goes_on)?
            }
        };
        let p_values = nothing.kept.iter().map(|rule| rule.p_value);
        Ok((p_values.collect(), nothing.n_tested))
    };
    patterns::in_shuffled(job, found.level_of_one, (what, context), &mut search)
}
