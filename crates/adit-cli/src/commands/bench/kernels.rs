//! `adit bench kernels`.

use adit::run::{self, KernelBench, KernelSpeed, KernelSpeeds, Rate};
use comfy_table::{CellAlignment, Table};

use super::{CliError, Session, milliseconds, ruled_table, threads_of};
use crate::args::BenchKernelsArgs;

pub fn kernels(args: &BenchKernelsArgs, session: &Session) -> Result<(), CliError> {
    let bench = KernelBench {
        rows: args.rows as usize,
        rounds: args.rounds.rounds as usize,
    };
    let found = run::bench_kernels(&bench, &session.context())?;
    session.progress.finish();
    if args.rounds.json {
        println!("{}", serde_json::to_string(&found).unwrap_or_default());
        return Ok(());
    }
    show_peaks(&found);
    let (bytes, operations): (Vec<_>, Vec<_>) = found.kernels.iter().partition(|k| k.in_bytes);
    println!("\nKernels, and their share of the peak of their numbers");
    show(&operations, "GFLOP/s", found.threads);
    println!("\nBytes read and written, and their share of what a copy of as many values reaches");
    show(&bytes, "GB/s", found.threads);
    Ok(())
}

fn show_peaks(found: &KernelSpeeds) {
    println!("Peaks: multiply-adds in registers alone, GFLOP/s (of int8: as many operations)");
    let mut table = ruled_table();
    let mut header = vec!["numbers".to_string(), "instructions".into(), threads_of(1)];
    if found.threads > 1 {
        header.push(threads_of(found.threads));
    }
    table.set_header(header);
    for peak in &found.peaks {
        let mut row = vec![peak.numbers.to_string(), peak.instructions.to_string()];
        row.push(giga(peak.one));
        if found.threads > 1 {
            row.push(giga(peak.all));
        }
        table.add_row(row);
    }
    to_the_right(&mut table, 2);
    println!("{table}");
}

fn show(kernels: &[&KernelSpeed], unit: &str, threads: usize) {
    let mut table = ruled_table();
    let mut header = vec!["kernel".to_string(), "size".into(), "numbers".into()];
    let mut columns = |n: usize| header.extend([threads_of(n), unit.into(), "share".into()]);
    columns(1);
    if threads > 1 {
        columns(threads);
    }
    table.set_header(header);
    for kernel in kernels {
        let mut row = vec![
            kernel.kernel.to_string(),
            kernel.shape.clone(),
            kernel.numbers.to_string(),
        ];
        row.extend(cells(kernel.one));
        if threads > 1 {
            row.extend(cells(kernel.all));
        }
        table.add_row(row);
    }
    to_the_right(&mut table, 3);
    println!("{table}");
}

fn cells(rate: Rate) -> [String; 3] {
    [
        milliseconds(1e3 * rate.seconds),
        giga(rate.per_second),
        format!("{:.0}%", 100.0 * rate.share),
    ]
}

fn giga(per_second: f64) -> String {
    let value = 1e-9 * per_second;
    let digits = if value < 100.0 { 1 } else { 0 };
    format!("{value:.digits$}")
}

/// Numbers stand below each other from column `first` on.
fn to_the_right(table: &mut Table, first: usize) {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
