//! What `adit rules`, `adit sequences`, `adit cluster` and `adit anomalies` have in common: where a run goes, and how it is
//! shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use adit::explain::{Cost, Warning};
use comfy_table::Table;

use super::learn::unused;
use crate::args::FolderArgs;
use crate::progress::duration;

/// A finished search as the terminal shows it.
pub struct Shown<'a> {
    pub verdict: &'a str,
    /// Absent where nothing was found.
    pub table: Option<Table>,
    /// What the table does not hold.
    pub more: u64,
    pub warnings: &'a [Warning],
    pub folder: &'a Path,
    /// What the file of what was found is called, without its ending.
    pub file: &'static str,
    pub cost: &'a Cost,
    pub result_json: &'a str,
}

/// Where a run goes: as the command line says, as the job says, or beside the others.
pub fn out(folder: &FolderArgs, own: Option<&PathBuf>, name: &str) -> PathBuf {
    match folder.out.as_ref().or(own) {
        Some(out) => out.clone(),
        None => unused(Path::new("runs"), name),
    }
}

/// Prints a finished search, for a person or for a program.
pub fn show(shown: &Shown, folder: &FolderArgs) -> ExitCode {
    if folder.json {
        println!("{}", shown.result_json);
        return ExitCode::SUCCESS;
    }
    println!("{}", shown.verdict);
    println!();
    if let Some(table) = &shown.table {
        println!("{table}");
        if shown.more > 0 {
            println!("{} more in the report", shown.more);
        }
        println!();
    }
    for warning in shown.warnings {
        println!("warning: {} ({})", warning.message, warning.action);
    }
    if !shown.warnings.is_empty() {
        println!();
    }
    let width = shown.file.len().max("report".len());
    let line = |name: &str, what: String| println!("{name:width$}  {what}");
    line(
        "report",
        shown.folder.join("report.html").display().to_string(),
    );
    line("job", shown.folder.join("job.toml").display().to_string());
    let table = shown.folder.join(format!("{}.parquet", shown.file));
    line(shown.file, table.display().to_string());
    line("took", duration(shown.cost.seconds));
    ExitCode::SUCCESS
}
