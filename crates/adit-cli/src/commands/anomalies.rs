//! `adit anomalies`, and job files of anomalies.

use std::path::Path;
use std::process::ExitCode;

use adit::explain::AnomalyFindings;
use adit::run::{self, AnomalyJob, AnomalySection, AnomalyTask};
use comfy_table::{CellAlignment, Table};

use super::cluster::section;
use super::learn::absolute;
use super::search::{self, Shown};
use super::{CliError, Session, ruled_table, shortened, usage};
use crate::args::{AnomaliesArgs, FolderArgs};

/// Findings in the terminal, at most.
const SHOWN: usize = 25;

pub fn anomalies(args: AnomaliesArgs, session: &Session) -> Result<ExitCode, CliError> {
    if args.points.components.is_some() {
        return Err(usage(
            "`--components` is not for anomalies: reasons are told by column",
            "leave it out, or name the columns that matter with `--column COL`",
        ));
    }
    let name = format!("{}-anomalies", super::learn::stem(&args.points.inputs));
    let job = AnomalyJob {
        task: AnomalyTask::Anomalies,
        title: args.points.title.clone(),
        seed: args.points.seed,
        out: None,
        data: section(args.points, args.source)?,
        anomalies: AnomalySection {
            share: args.share,
            alerts: args.alerts,
            clean: args.clean,
            masked_cells: !args.no_masked_cells,
            label: args.label,
            positive: args.positive,
            series: args.series,
            season: args.season,
            min_people: args.min_people,
        },
    };
    job.check()?;
    let job = job.anchored(&absolute(Path::new("."))?);
    execute(&job, &name, &args.folder, session)
}

/// Runs a job of anomalies.
pub fn execute(
    job: &AnomalyJob,
    name: &str,
    folder: &FolderArgs,
    session: &Session,
) -> Result<ExitCode, CliError> {
    let out = search::out(folder, job.out.as_ref(), name);
    let outcome = run::mine_anomalies(job, &out, folder.force, &session.context())?;
    session.progress.finish();
    let findings = &outcome.findings;
    let table = if findings.events.is_empty() {
        table(findings)
    } else {
        events(findings)
    };
    let in_table = SHOWN.min(findings.findings.len() + findings.events.len()) as u64;
    let shown = Shown {
        verdict: &findings.verdict,
        table: (findings.n_findings > 0).then_some(table),
        more: findings.n_findings.saturating_sub(in_table),
        warnings: &findings.warnings,
        folder: &outcome.folder,
        file: "anomalies",
        cost: &outcome.cost,
        result_json: &outcome.result_json,
    };
    Ok(search::show(&shown, folder))
}

fn table(findings: &AnomalyFindings) -> Table {
    let mut table = ruled_table();
    table.set_header(["", "row", "score", "why", ""]);
    for finding in findings.findings.iter().take(SHOWN) {
        let who = match (finding.entities.first(), finding.n_rows) {
            (Some(entity), 1) => shortened(entity),
            (_, 1) => finding.first_row.to_string(),
            (_, n) => format!("{n} rows, {}–{}", finding.first_row, finding.last_row),
        };
        let why: Vec<&str> = finding
            .reasons
            .iter()
            .map(|reason| reason.words.as_str())
            .collect();
        table.add_row([
            finding.number.to_string(),
            who,
            format!("{:.2}", finding.score),
            why.join("; "),
            if finding.stands_out { "stands out" } else { "" }.to_string(),
        ]);
    }
    right(&mut table, &[0, 2]);
    table
}

fn events(findings: &AnomalyFindings) -> Table {
    let mut table = ruled_table();
    table.set_header(["", "series", "score", "what", ""]);
    for event in findings.events.iter().take(SHOWN) {
        table.add_row([
            event.number.to_string(),
            event.entity.as_deref().map(shortened).unwrap_or_default(),
            format!("{:.1}", event.score),
            event.words.clone(),
            if event.stands_out { "stands out" } else { "" }.to_string(),
        ]);
    }
    right(&mut table, &[0, 2]);
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for at in columns {
        if let Some(column) = table.column_mut(*at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
