//! `adit embed`.

use std::process::ExitCode;

use adit::run::{self, EmbedJob};

use super::{CliError, Session, source_settings};
use crate::args::EmbedArgs;

pub fn embed(args: EmbedArgs, session: &Session) -> Result<ExitCode, CliError> {
    let job = EmbedJob {
        source: source_settings(&args.inputs, &args.source)?,
        texts: args.texts,
        encoder: args.encoder,
        output: args.output,
        overwrite: args.force,
    };
    let done = run::embed(&job, &session.context())?;
    session.progress.finish();
    println!(
        "{} rows, {} numbers a vector of {}, to {}",
        done.rows,
        done.width,
        done.columns.join(", "),
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
