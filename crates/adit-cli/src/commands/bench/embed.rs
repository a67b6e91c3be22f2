//! `adit bench embed`.

use adit::Precision;
use adit::run::{self, EmbedBench};

use super::{CliError, Session, mebibytes, milliseconds, precision_of, ruled_table, usage, word};
use crate::args::BenchEmbedArgs;

pub fn embed(args: BenchEmbedArgs, session: &Session) -> Result<(), CliError> {
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
        return Ok(());
    }
    let rows = run::bench_embed(&bench, &session.context())?;
    session.progress.finish();
    if args.json {
        println!("{}", serde_json::to_string(&rows).unwrap_or_default());
        return Ok(());
    }
    let mut table = ruled_table();
    table.set_header([
        "precision",
        "tokens a second",
        "cosine mean",
        "cosine min",
        "one text of 12 tokens",
        "of 200 tokens",
        "peak memory",
    ]);
    for row in &rows {
        let ms =
            |seconds: Option<f64>| seconds.map_or("–".to_string(), |s| milliseconds(1e3 * s));
        table.add_row([
            word(row.precision).to_string(),
            format!("{:.0}", row.tokens_per_second),
            format!("{:.5}", row.cosine_mean),
            format!("{:.5}", row.cosine_min),
            ms(row.short_text),
            ms(row.long_text),
            mebibytes(row.peak_memory),
        ]);
    }
    println!("{table}");
    Ok(())
}
