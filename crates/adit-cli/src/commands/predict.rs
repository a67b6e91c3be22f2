//! `adit predict`.

use std::process::ExitCode;

use adit::run::{self, PredictJob};

use super::{CliError, Session, source_settings};
use crate::args::PredictArgs;

pub fn predict(args: PredictArgs, session: &Session) -> Result<ExitCode, CliError> {
    let job = PredictJob {
        source: source_settings(&args.inputs, &args.source)?,
        run: args.run,
        events: args.events,
        reasons: args.reasons,
        surprise: args.surprise,
        output: args.output,
        member: args.member,
        overwrite: args.force,
    };
    let done = run::predict(&job, &session.context())?;
    session.progress.finish();
    println!(
        "{} rows predicted by {} to {}",
        done.rows,
        done.member,
        done.output.display()
    );
    if done.n_bad_rows > 0 {
        println!(
            "warning: {} rows could not be read and were left out",
            done.n_bad_rows
        );
    }
    Ok(ExitCode::SUCCESS)
}
