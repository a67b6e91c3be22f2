//! `adit export`.

use std::process::ExitCode;

use adit::run::{self, ExportJob};

use super::CliError;
use crate::args::ExportArgs;

pub fn export(args: ExportArgs) -> Result<ExitCode, CliError> {
    let job = ExportJob {
        run: args.run,
        output: args.output,
        member: args.member,
        seed: args.seed,
    };
    let folder = run::export(&job)?;
    println!("exported to {}", folder.display());
    Ok(ExitCode::SUCCESS)
}
