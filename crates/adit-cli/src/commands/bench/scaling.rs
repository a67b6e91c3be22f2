//! `adit bench scaling`.

use adit::Precision;
use adit::run::{self, Growth, Scaling, ScalingBench};

use super::{
    CliError, Session, mebibytes, milliseconds, model_of, precision_of, ruled_table, threads_of,
    usage, word,
};
use crate::args::BenchScalingArgs;

pub fn scaling(args: &BenchScalingArgs, session: &Session) -> Result<(), CliError> {
    let precision = precision_of(args.precision);
    if precision == Precision::Auto {
        return Err(usage(
            "`--precision auto` chooses by texts, and here are none",
            "give f32, bf16 or int8; `adit bench embed` measures all of them on your texts",
        ));
    }
    let bench = ScalingBench {
        model: model_of(&args.model)?,
        precision,
        longest: args.max_tokens as usize,
        rounds: args.rounds.rounds as usize,
    };
    let found = run::bench_scaling(&bench, &session.context())?;
    session.progress.finish();
    if args.rounds.json {
        println!("{}", serde_json::to_string(&found).unwrap_or_default());
    } else {
        show(&found);
    }
    Ok(())
}

fn show(found: &Scaling) {
    let threads = threads_of(found.threads);
    println!(
        "{}, {}: texts of at most {} tokens",
        found.model,
        word(found.precision),
        found.max_tokens
    );
    println!("\nOne text, {threads}");
    table("tokens", &found.lengths, true);
    println!("\nTexts of {} tokens, {threads}", found.batch_length);
    table("texts", &found.batches, true);
    println!("\n{} texts of {} tokens", found.n_texts, found.batch_length);
    table("threads", &found.threads_of_many, false);
    println!("\nOne text of {} tokens", found.alone_length);
    table("threads", &found.threads_of_one, false);
}

fn table(what: &str, sizes: &[Growth], with_memory: bool) {
    let with_memory = with_memory && sizes.iter().any(|size| size.peak_memory.is_some());
    let mut table = ruled_table();
    let mut header = vec![what, "time", "tokens a second", "growth a doubling"];
    if with_memory {
        header.push("peak memory");
    }
    table.set_header(header);
    for size in sizes {
        let mut row = vec![
            size.n.to_string(),
            milliseconds(1e3 * size.seconds),
            format!("{:.0}", size.tokens_per_second),
            size.per_doubling
                .map_or("–".to_string(), |growth| format!("{growth:.2}")),
        ];
        if with_memory {
            row.push(mebibytes(size.peak_memory));
        }
        table.add_row(row);
    }
    println!("{table}");
}
