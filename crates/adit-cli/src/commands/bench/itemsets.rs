//! `adit bench itemsets`.

use adit::mine::itemsets::Kind;
use adit::run::{self, ItemsetBench};

use crate::args::{BenchItemsetsArgs, KindArg};
use crate::commands::{CliError, Session, source_settings, usage};

pub fn itemsets(args: &BenchItemsetsArgs, session: &Session) -> Result<(), CliError> {
    let bench = ItemsetBench {
        source: source_settings(&args.inputs, &args.source)?,
        kind: match args.kind {
            KindArg::Closed => Kind::Closed,
            KindArg::Maximal => Kind::Maximal,
            KindArg::Itemsets => Kind::Frequent,
            KindArg::Rules => {
                return Err(usage(
                    "rules are not measured: they are quick once their sets are found",
                    "give --kind itemsets, closed or maximal",
                ));
            }
        },
        min_support: args.min_support,
        rounds: args.rounds,
    };
    let speed = run::bench_itemsets(&bench, &session.context())?;
    session.progress.finish();
    if args.json {
        println!("{}", serde_json::to_string(&speed).unwrap_or_default());
        return Ok(());
    }
    println!(
        "{} sets of {} items in {} baskets: {:.4} s, {:.4} s to read, {} MiB at the peak",
        speed.sets,
        speed.items,
        speed.baskets,
        speed.seconds,
        speed.read_seconds,
        speed.peak_rss_bytes >> 20
    );
    Ok(())
}
