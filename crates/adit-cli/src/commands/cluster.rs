//! `adit cluster`, and job files of clusters.

use std::path::Path;
use std::process::ExitCode;

use adit::explain::{Cluster, Holds};
use adit::run::{self, ClusterJob, ClusterMethod, ClusterSection, ClusterTask, PointSection};
use comfy_table::{CellAlignment, Table};

use super::learn::absolute;
use super::search::{self, Shown};
use super::{CliError, Session, bad_row_limit, format_of, role_map, ruled_table, shortened};
use crate::args::{ClusterArgs, FolderArgs, MethodArg, PointArgs, SourceArgs};

/// Clusters in the terminal, at most.
const SHOWN: usize = 25;

pub fn cluster(args: ClusterArgs, session: &Session) -> Result<ExitCode, CliError> {
    let name = format!("{}-clusters", super::learn::stem(&args.points.inputs));
    let (seed, title, components) = (
        args.points.seed,
        args.points.title.clone(),
        args.points.components,
    );
    let job = ClusterJob {
        task: ClusterTask::Cluster,
        title,
        seed,
        out: None,
        data: section(args.points, args.source)?,
        cluster: ClusterSection {
            method: match args.method {
                MethodArg::Kmeans => ClusterMethod::Kmeans,
                MethodArg::Mixture => ClusterMethod::Mixture,
                MethodArg::Hdbscan => ClusterMethod::Hdbscan,
            },
            k: args.k,
            max_k: args.max_k,
            min_cluster_size: args.min_cluster_size,
            learned: args.learned,
            components,
            resamples: args.resamples,
            chance: !args.no_chance,
            min_people: args.min_people,
        },
    };
    job.check()?;
    let job = job.anchored(&absolute(Path::new("."))?);
    execute(&job, &name, &args.folder, session)
}

/// What is said of the data.
pub fn section(points: PointArgs, source: SourceArgs) -> Result<PointSection, CliError> {
    Ok(PointSection {
        inputs: points.inputs,
        columns: points.columns,
        texts: points.texts,
        hold_out: points.hold_out,
        roles: role_map(&points.roles)?,
        encoder: points.encoder,
        vectors: points.vectors,
        encoder_share: points.encoder_share,
        entity: points.entity,
        time: points.time,
        format: source.format.map(format_of),
        delimiter: source.delimiter,
        quote: source.quote,
        header: source.header,
        encoding: source.encoding,
        max_bad_rows: Some(bad_row_limit(&source.max_bad_rows)?),
    })
}

/// Runs a job of clusters.
pub fn execute(
    job: &ClusterJob,
    name: &str,
    folder: &FolderArgs,
    session: &Session,
) -> Result<ExitCode, CliError> {
    let out = search::out(folder, job.out.as_ref(), name);
    let outcome = run::mine_clusters(job, &out, folder.force, &session.context())?;
    session.progress.finish();
    let (findings, clusters) = (&outcome.findings, &outcome.findings.clusters);
    let shown = Shown {
        verdict: &findings.verdict,
        table: (!clusters.is_empty()).then(|| table(clusters, &findings.data.of)),
        more: clusters.len().saturating_sub(SHOWN) as u64,
        warnings: &findings.warnings,
        folder: &outcome.folder,
        file: "clusters",
        cost: &outcome.cost,
        result_json: &outcome.result_json,
    };
    Ok(search::show(&shown, folder))
}

fn table(clusters: &[Cluster], of: &str) -> Table {
    let mut table = ruled_table();
    table.set_header(["", "cluster", of, "share", "stability", ""]);
    for cluster in clusters.iter().take(SHOWN) {
        let holds = match cluster.holds {
            Holds::Holds => "holds",
            Holds::Doubtful => "doubtful",
            Holds::DoesNotHold => "does not hold",
            Holds::NotTold => "",
        };
        table.add_row([
            cluster.number.to_string(),
            shortened(&cluster.name),
            cluster.size.to_string(),
            format!("{:.1}%", 100.0 * cluster.share.value),
            cluster
                .stability
                .map_or(String::new(), |s| format!("{s:.2}")),
            holds.to_string(),
        ]);
    }
    for at in [0, 2, 3, 4] {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
