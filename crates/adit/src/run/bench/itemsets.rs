//! The time that frequent sets take, reading apart.

use std::time::Instant;

use serde::Serialize;

use crate::mine::itemsets::{ItemsetSettings, Kind};
use crate::mine::least_count;
use crate::represent::transactions::TransactionsBuilder;
use crate::run::{Context, RunError, limits};
use crate::source::{SourceSettings, read_baskets};

/// What is measured.
#[derive(Clone, Debug)]
pub struct ItemsetBench {
    pub source: SourceSettings,
    pub kind: Kind,
    /// Share of the baskets, 0 < x ≤ 1.
    pub min_support: f64,
    pub rounds: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ItemsetSpeed {
    pub baskets: usize,
    pub items: usize,
    /// Sets that were found.
    pub sets: usize,
    /// To read the baskets.
    pub read_seconds: f64,
    /// To find the sets: the least of all rounds.
    pub seconds: f64,
    pub peak_rss_bytes: u64,
}

/// Reads baskets, a basket a line, and finds their sets several times.
///
/// # Errors
/// Whatever is wrong with the files or the support.
pub fn bench_itemsets(bench: &ItemsetBench, context: &Context) -> Result<ItemsetSpeed, RunError> {
    let spool = crate::run::spool()?;
    context.limits.apply(|| {
        let started = Instant::now();
        let mut builder = TransactionsBuilder::default();
        read_baskets(&bench.source, spool.path(), context.watch, &mut |items| {
            builder.push(items);
        })?;
        let baskets = builder.finish();
        let read_seconds = started.elapsed().as_secs_f64();
        let min_count = least_count(bench.min_support, baskets.len());
        let settings = ItemsetSettings {
            kind: bench.kind,
            memory: 1 << 34,
            ..ItemsetSettings::frequent(min_count)
        };
        let goes_on = |_: usize, _: usize| !context.watch.cancelled();
        let mut speed = ItemsetSpeed {
            baskets: baskets.len(),
            items: baskets.n_items(),
            sets: 0,
            read_seconds,
            seconds: f64::INFINITY,
            peak_rss_bytes: 0,
        };
        for _ in 0..bench.rounds.max(1) {
            let started = Instant::now();
            let found = settings.mine(&baskets, &goes_on)?;
            speed.seconds = speed.seconds.min(started.elapsed().as_secs_f64());
            speed.sets = found.len();
        }
        speed.peak_rss_bytes = limits::peak_rss_bytes();
        Ok(speed)
    })
}
