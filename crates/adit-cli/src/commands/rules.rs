//! `adit rules`, and job files of patterns.

use std::path::Path;
use std::process::ExitCode;

use adit::mine::rules::Guard;
use adit::run::{
    self, BasketForm, BasketSection, PatternJob, PatternKind, PatternOutcome, PatternTask,
    SearchSection,
};
use comfy_table::{CellAlignment, Table};

use super::learn::{absolute, unused};
use super::{CliError, Session, bad_row_limit, format_of, ruled_table};
use crate::args::{BasketFormArg, GuardArg, KindArg, RulesArgs};
use crate::progress::duration;

/// Patterns in the terminal, at most.
const SHOWN: usize = 15;
/// Letters of a rule in the terminal, at most.
const LETTERS: usize = 60;

pub fn rules(args: RulesArgs, session: &Session) -> Result<ExitCode, CliError> {
    let name = format!("{}-rules", super::learn::stem(&args.inputs));
    let job = PatternJob {
        task: PatternTask::Rules,
        title: args.title,
        seed: args.seed,
        out: None,
        data: BasketSection {
            form: match args.form {
                BasketFormArg::Auto => BasketForm::Auto,
                BasketFormArg::Lines => BasketForm::Lines,
                BasketFormArg::Items => BasketForm::Items,
                BasketFormArg::Rows => BasketForm::Rows,
            },
            inputs: args.inputs,
            basket: args.basket,
            item: args.item,
            columns: args.columns,
            parts: args.parts,
            format: args.source.format.map(format_of),
            delimiter: args.source.delimiter,
            quote: args.source.quote,
            header: args.source.header,
            encoding: args.source.encoding,
            max_bad_rows: Some(bad_row_limit(&args.source.max_bad_rows)?),
        },
        search: SearchSection {
            kind: match args.kind {
                KindArg::Rules => PatternKind::Rules,
                KindArg::Itemsets => PatternKind::Itemsets,
                KindArg::Closed => PatternKind::Closed,
                KindArg::Maximal => PatternKind::Maximal,
            },
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
        },
    };
    job.check()?;
    let job = job.anchored(&absolute(Path::new("."))?);
    execute(
        &job,
        &name,
        (args.out.as_deref(), args.force, args.json),
        session,
    )
}

/// Runs a job of patterns.
pub fn execute(
    job: &PatternJob,
    name: &str,
    (out, force, json): (Option<&Path>, bool, bool),
    session: &Session,
) -> Result<ExitCode, CliError> {
    let out = match out.or(job.out.as_deref()) {
        Some(out) => out.to_path_buf(),
        None => unused(Path::new("runs"), name),
    };
    let outcome = run::mine_patterns(job, &out, force, &session.context())?;
    session.progress.finish();
    if json {
        println!("{}", outcome.result_json);
    } else {
        show(&outcome);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(outcome: &PatternOutcome) {
    let findings = &outcome.findings;
    println!("{}", findings.verdict);
    println!();
    if !findings.patterns.is_empty() {
        println!("{}", table(outcome));
        let more = findings.patterns.len().saturating_sub(SHOWN);
        if more > 0 {
            println!("{more} more in the report");
        }
        println!();
    }
    for warning in &findings.warnings {
        println!("warning: {} ({})", warning.message, warning.action);
    }
    if !findings.warnings.is_empty() {
        println!();
    }
    let folder = &outcome.folder;
    println!("report    {}", folder.join("report.html").display());
    println!("job       {}", folder.join("job.toml").display());
    println!("patterns  {}", folder.join("patterns.parquet").display());
    println!("took      {}", duration(outcome.cost.seconds));
}

fn table(outcome: &PatternOutcome) -> Table {
    let mut table = ruled_table();
    let findings = &outcome.findings;
    let is_rules = findings.search.kind == "rules";
    if is_rules {
        table.set_header([
            "baskets with",
            "contain",
            "lift",
            "confidence",
            "baskets",
            "p",
        ]);
    } else {
        table.set_header(["set", "baskets", "support"]);
    }
    for pattern in findings.patterns.iter().take(SHOWN) {
        let items = shortened(&pattern.items.join(" & "));
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

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_string();
    }
    let kept: String = text.chars().take(LETTERS - 1).collect();
    format!("{kept}…")
}
