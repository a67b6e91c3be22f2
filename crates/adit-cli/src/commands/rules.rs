//! `adit rules`, `adit sequences`, and job files of patterns.

use std::path::Path;
use std::process::ExitCode;

use adit::mine::rules::{By, Guard};
use adit::run::{
    self, CutBy, PatternForm, PatternJob, PatternKind, PatternOutcome, PatternSection, PatternTask,
    SearchSection,
};
use comfy_table::{CellAlignment, Table};

use super::learn::absolute;
use super::search::{self, Shown};
use super::{CliError, Session, bad_row_limit, format_of, ruled_table, shortened};
use crate::args::{
    BasketFormArg, ByArg, CutArg, FolderArgs, GuardArg, KindArg, RulesArgs, SearchArgs,
    SequenceFormArg, SequenceKindArg, SequencesArgs, SourceArgs,
};

/// Patterns in the terminal, at most.
const SHOWN: usize = 15;

pub fn rules(args: RulesArgs, session: &Session) -> Result<ExitCode, CliError> {
    let name = format!("{}-rules", super::learn::stem(&args.inputs));
    let kind = match args.kind {
        KindArg::Rules => PatternKind::Rules,
        KindArg::Itemsets => PatternKind::Itemsets,
        KindArg::Closed => PatternKind::Closed,
        KindArg::Maximal => PatternKind::Maximal,
    };
    let data = PatternSection {
        form: match args.form {
            BasketFormArg::Auto => PatternForm::Auto,
            BasketFormArg::Lines => PatternForm::Lines,
            BasketFormArg::Items => PatternForm::Items,
            BasketFormArg::Rows => PatternForm::Rows,
        },
        basket: args.basket,
        item: args.item,
        columns: args.columns,
        contrast: args.contrast,
        cut: args.cut.map(|by| match by {
            CutArg::Target => CutBy::Target,
            CutArg::Quantiles => CutBy::Quantiles,
        }),
        parts: args.parts,
        ..section(args.inputs, args.source)?
    };
    let mut job = job_of(PatternTask::Rules, data, kind, args.search);
    job.search.by = args.by.map(|by| match by {
        ByArg::Leverage => By::Leverage,
        ByArg::PValue => By::PValue,
    });
    job.search.encoder = args.encoder;
    job.search.likeness = args.likeness;
    begin(job, &name, &args.folder, session)
}

pub fn sequences(args: SequencesArgs, session: &Session) -> Result<ExitCode, CliError> {
    let name = format!("{}-sequences", super::learn::stem(&args.inputs));
    let kind = match args.kind {
        SequenceKindArg::Rules => PatternKind::Rules,
        SequenceKindArg::Frequent => PatternKind::Frequent,
        SequenceKindArg::Closed => PatternKind::Closed,
        SequenceKindArg::Maximal => PatternKind::Maximal,
    };
    let data = PatternSection {
        form: match args.form {
            SequenceFormArg::Auto => PatternForm::Auto,
            SequenceFormArg::Lines => PatternForm::Lines,
            SequenceFormArg::Spmf => PatternForm::Spmf,
            SequenceFormArg::Events => PatternForm::Events,
        },
        entity: args.entity,
        time: args.time,
        event: args.event,
        session_gap: args.session_gap,
        label: args.label,
        labels: args.labels,
        positive: args.positive,
        ..section(args.inputs, args.source)?
    };
    let mut job = job_of(PatternTask::Sequences, data, kind, args.search);
    job.search.max_gap = args.max_gap;
    job.search.max_window = args.max_window;
    begin(job, &name, &args.folder, session)
}

/// What is said of the files.
fn section(inputs: Vec<String>, source: SourceArgs) -> Result<PatternSection, CliError> {
    Ok(PatternSection {
        inputs,
        format: source.format.map(format_of),
        delimiter: source.delimiter,
        quote: source.quote,
        header: source.header,
        encoding: source.encoding,
        max_bad_rows: Some(bad_row_limit(&source.max_bad_rows)?),
        ..PatternSection::default()
    })
}

fn job_of(
    task: PatternTask,
    data: PatternSection,
    kind: PatternKind,
    args: SearchArgs,
) -> PatternJob {
    PatternJob {
        task,
        title: args.title,
        seed: args.seed,
        out: None,
        data,
        search: SearchSection {
            kind,
            min_support: args.min_support,
            min_confidence: args.min_confidence.unwrap_or(0.0),
            max_items: args.max_items,
            top: args.top,
            target: args.target,
            guard: match args.guard {
                GuardArg::Holdout => Guard::Holdout,
                GuardArg::Lamp => Guard::Lamp,
                GuardArg::Permutation => Guard::Permutation,
                GuardArg::Exploratory => Guard::Exploratory,
                GuardArg::None => Guard::None,
            },
            level: args.level,
            shuffles: args.shuffles,
            memory: args.memory,
            ..SearchSection::default()
        },
    }
}

fn begin(
    job: PatternJob,
    name: &str,
    folder: &FolderArgs,
    session: &Session,
) -> Result<ExitCode, CliError> {
    job.check()?;
    let job = job.anchored(&absolute(Path::new("."))?);
    execute(&job, name, folder, session)
}

/// Runs a job of patterns.
pub fn execute(
    job: &PatternJob,
    name: &str,
    folder: &FolderArgs,
    session: &Session,
) -> Result<ExitCode, CliError> {
    let out = search::out(folder, job.out.as_ref(), name);
    let outcome = run::mine_patterns(job, &out, folder.force, &session.context())?;
    session.progress.finish();
    let findings = &outcome.findings;
    let shown = Shown {
        verdict: &findings.verdict,
        table: (!findings.patterns.is_empty()).then(|| table(&outcome)),
        more: findings.patterns.len().saturating_sub(SHOWN) as u64,
        warnings: &findings.warnings,
        folder: &outcome.folder,
        file: "patterns",
        cost: &outcome.cost,
        result_json: &outcome.result_json,
    };
    Ok(search::show(&shown, folder))
}

fn table(outcome: &PatternOutcome) -> Table {
    let mut table = ruled_table();
    let findings = &outcome.findings;
    let is_rules = findings.search.kind == "rules";
    let of = findings.data.of.as_str();
    let is_sequences = findings.task == "sequences";
    let (with, verb, one) = match (is_sequences, &findings.search.label) {
        (false, _) => ("baskets with", "contain", "set"),
        (true, None) => ("sequences with", "go on to", "sequence"),
        (true, Some(_)) => ("sequences with", "have", "sequence"),
    };
    let between = if is_sequences { " > " } else { " & " };
    if is_rules {
        table.set_header([with, verb, "lift", "confidence", of, "p"]);
    } else {
        table.set_header([one, of, "support"]);
    }
    for pattern in findings.patterns.iter().take(SHOWN) {
        let items = shortened(&pattern.items.join(between));
        match (&pattern.then, &pattern.measures) {
            (Some(then), Some(m)) => table.add_row([
                items,
                shortened(then),
                format!(
                    "{:.2} [{:.2}, {:.2}]",
                    m.lift.value, m.lift.low, m.lift.high
                ),
                format!("{:.3}", m.confidence.value),
                pattern.count.to_string(),
                format!("{:.1e}", pattern.p_value.unwrap_or(1.0)),
            ]),
            _ => table.add_row([
                items,
                pattern.count.to_string(),
                format!("{:.4}", pattern.support.value),
            ]),
        };
    }
    let first_number = if is_rules { 2 } else { 1 };
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
