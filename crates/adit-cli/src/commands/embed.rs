//! `adit embed`.

use std::process::ExitCode;

use adit::run::{self, EmbedJob, EventEmbedJob};

use super::bench::{precision_of, word};
use super::{CliError, Session, source_settings};
use crate::args::EmbedArgs;

pub fn embed(args: EmbedArgs, session: &Session) -> Result<ExitCode, CliError> {
    if run::is_event_encoder(&args.encoder) {
        return events(&args, session);
    }
    let job = EmbedJob {
        source: source_settings(&args.of.inputs, &args.source)?,
        texts: args.of.texts,
        encoder: args.encoder,
        output: args.output,
        precision: precision_of(args.precision),
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
    if let Some(choice) = &done.choice {
        println!("precision: {}, by measurement", word(done.precision));
        for measured in &choice.measured {
            println!(
                "  {}: cosine to f32 {:.5} on average, {:.5} at worst{}",
                word(measured.precision),
                measured.cosine_mean,
                measured.cosine_min,
                if measured.holds() {
                    ""
                } else {
                    "; not near enough"
                }
            );
        }
    }
    if done.n_bad_rows > 0 {
        println!(
            "warning: {} rows could not be read and were left out",
            done.n_bad_rows
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn events(args: &EmbedArgs, session: &Session) -> Result<ExitCode, CliError> {
    let job = EventEmbedJob {
        source: source_settings(&args.of.inputs, &args.source)?,
        encoder: args.encoder.clone().into(),
        output: args.output.clone(),
        overwrite: args.force,
        memory: args.memory << 20,
    };
    let done = run::embed_events(&job, &session.context())?;
    session.progress.finish();
    println!(
        "{} histories by {}, {} numbers a vector, to {}",
        done.rows,
        done.columns.join(", "),
        done.width,
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
