//! `adit bench events`.

use adit::run::{self, EventBench};

use super::{
    CliError, Session, mebibytes, milliseconds, products_of, ruled_table, word_of_products,
};
use crate::args::BenchEventsArgs;

pub fn events(args: &BenchEventsArgs, session: &Session) -> Result<(), CliError> {
    let bench = EventBench {
        histories: args.histories as usize,
        width: args.hidden_size as usize,
        n_layers: args.layers as usize,
        ffn_hidden: 4 * args.hidden_size as usize,
        rounds: args.rounds.rounds as usize,
        products: products_of(args.training_precision),
    };
    let found = run::bench_events(&bench, &session.context())?;
    session.progress.finish();
    if args.rounds.json {
        println!("{}", serde_json::to_string(&found).unwrap_or_default());
        return Ok(());
    }
    let mut table = ruled_table();
    table.set_header([
        "products",
        "a step",
        "events a second",
        "into vectors, a second",
        "peak memory",
    ]);
    for speed in &found {
        table.add_row([
            word_of_products(speed.products).to_string(),
            milliseconds(speed.step_ms),
            format!("{:.0}", speed.events_per_second),
            format!("{:.0}", speed.embedded_per_second),
            mebibytes(speed.peak_memory),
        ]);
    }
    println!("{table}");
    Ok(())
}
