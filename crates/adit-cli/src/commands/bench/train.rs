//! `adit bench train`.

use adit::run::{self, TrainBench};

use super::{
    CliError, Session, mebibytes, milliseconds, model_of, products_of, ruled_table, threads_of,
    word_of_products,
};
use crate::args::BenchTrainArgs;

pub fn train(args: &BenchTrainArgs, session: &Session) -> Result<(), CliError> {
    let bench = TrainBench {
        model: model_of(&args.model)?,
        batch: args.batch as usize,
        length: args.length as usize,
        rounds: args.rounds.rounds as usize,
        products: products_of(args.training_precision),
    };
    let found = run::bench_train(&bench, &session.context())?;
    session.progress.finish();
    if args.rounds.json {
        println!("{}", serde_json::to_string(&found).unwrap_or_default());
        return Ok(());
    }
    let mut table = ruled_table();
    table.set_header([
        "products",
        "a step",
        "forward",
        "backward",
        "update",
        "tokens a second",
        "peak memory",
    ]);
    for step in &found.steps {
        table.add_row([
            word_of_products(step.products).to_string(),
            milliseconds(step.median_ms),
            milliseconds(step.forward_ms),
            milliseconds(step.backward_ms),
            milliseconds(step.update_ms),
            format!("{:.0}", step.tokens_per_second),
            mebibytes(step.peak_memory),
        ]);
    }
    let (batch, length, threads) = (found.batch, found.length, threads_of(found.threads));
    println!("{}: {batch} x {length} tokens, {threads}", found.model);
    println!("{table}");
    Ok(())
}
