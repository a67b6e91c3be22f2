//! `adit bench`.

use std::process::ExitCode;

use adit::Precision;
use adit::run::{self, EmbedBench};

use super::{CliError, Session, ruled_table, usage};
use crate::args::{BenchEmbedArgs, PrecisionArg};

pub fn precision_of(given: PrecisionArg) -> Precision {
    match given {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::Bf16 => Precision::Bf16,
        PrecisionArg::Int8 => Precision::Int8,
        PrecisionArg::Auto => Precision::Auto,
    }
}

/// The word for a precision on the command line.
pub fn word(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::Int8 => "int8",
        Precision::Auto => "auto",
    }
}

pub fn embed(args: BenchEmbedArgs, session: &Session) -> Result<ExitCode, CliError> {
    if args.rounds == 0 {
        return Err(usage("`--rounds 0` measures nothing", "give 1 or more"));
    }
    let precisions = match args.precision {
        Some(one) => vec![precision_of(one)],
        None if args.peer => vec![Precision::F32],
        None => vec![Precision::F32, Precision::Bf16, Precision::Int8],
    };
    let bench = EmbedBench {
        texts: args.texts,
        encoder: args.encoder,
        max_tokens: args.max_tokens,
        rounds: args.rounds,
        precisions,
    };
    if args.peer {
        let done = run::bench_peer(&bench, &session.context())?;
        session.progress.finish();
        println!("{done}");
        return Ok(ExitCode::SUCCESS);
    }
    let rows = run::bench_embed(&bench, &session.context())?;
    session.progress.finish();
    let mut table = ruled_table();
    table.set_header([
        "precision",
        "tokens a second",
        "cosine mean",
        "cosine min",
        "one text of 12 tokens",
        "of 200 tokens",
    ]);
    for row in &rows {
        let ms = |seconds: Option<f64>| {
            seconds.map_or("–".to_string(), |s| format!("{:.2} ms", 1e3 * s))
        };
        table.add_row([
            word(row.precision).to_string(),
            format!("{:.0}", row.tokens_per_second),
            format!("{:.5}", row.cosine_mean),
            format!("{:.5}", row.cosine_min),
            ms(row.short_text),
            ms(row.long_text),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}
