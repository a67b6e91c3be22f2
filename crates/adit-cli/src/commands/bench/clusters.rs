//! `adit bench clusters`.

use adit::run::{self, ClusterBench, ClusterWork};

use crate::args::{BenchClustersArgs, BenchMethodArg};
use crate::commands::{CliError, Session};

pub fn clusters(args: &BenchClustersArgs, session: &Session) -> Result<(), CliError> {
    let bench = ClusterBench {
        n: args.n,
        width: args.width,
        work: match args.method {
            BenchMethodArg::Kmeans => ClusterWork::Kmeans { k: args.k },
            BenchMethodArg::Hdbscan => ClusterWork::Hdbscan {
                min_cluster_size: args.min_cluster_size,
                min_samples: args.k,
            },
            BenchMethodArg::Neighbours => ClusterWork::Neighbours { k: args.k },
        },
        seed: args.seed,
    };
    let speed = run::bench_clusters(&bench, &session.context())?;
    session.progress.finish();
    if args.json {
        println!("{}", serde_json::to_string(&speed).unwrap_or_default());
        return Ok(());
    }
    let mut line = format!(
        "{} points of {} values: {:.3} s, {} MiB at the peak",
        speed.n,
        speed.width,
        speed.seconds,
        speed.peak_bytes >> 20
    );
    if let Some(n) = speed.n_clusters {
        line += &format!(", {n} clusters");
    }
    if let Some(recall) = speed.recall {
        line += &format!(", recall {recall:.3}");
    }
    println!("{line}");
    Ok(())
}
