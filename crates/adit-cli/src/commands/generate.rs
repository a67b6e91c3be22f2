//! `adit generate`.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use adit::GenerationSettings;
use adit::run::{self, GenerateJob};

use super::{CliError, Session, source_settings};
use crate::args::GenerateArgs;

pub fn generate(args: GenerateArgs, session: &Session) -> Result<ExitCode, CliError> {
    let job = GenerateJob {
        source: source_settings(&args.of.inputs, &args.source)?,
        texts: args.of.texts,
        prompt: args.prompt,
        encoder: args.encoder,
        max_tokens: args.max_tokens,
        settings: GenerationSettings {
            max_new_tokens: args.max_new_tokens,
            n_beams: NonZeroUsize::new(args.beams.into()).unwrap_or(NonZeroUsize::MIN),
            length_penalty: args.length_penalty,
            ..GenerationSettings::default()
        },
        output: args.output,
        overwrite: args.force,
    };
    let done = run::generate(&job, &session.context())?;
    session.progress.finish();
    println!(
        "{} texts for `{}` to {}",
        done.rows,
        done.prompt,
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
