//! Arguments of `adit cluster`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FolderArgs, SourceArgs};

pub const CLUSTER_EXAMPLE: &str = "\
Examples:
  adit cluster customers.csv --hold-out churn
  adit cluster questions.csv --text question --encoder all-minilm-l6-v2
  adit cluster payments.parquet --entity customer --time paid_at
  adit cluster parts.csv --column width --column weight -k 4
  adit cluster sensors.csv --method hdbscan --min-cluster-size 50

First it is asked whether there are clusters at all: the same search on data that have none must not
look as grouped. `adit predict RUN NEW` puts new rows into the clusters that were found.";

#[derive(Debug, Args)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub points: PointArgs,
    /// How clusters are found: round ones around centres, Gaussians of any shape, or what is denser than
    /// its surroundings
    #[arg(long, value_enum, value_name = "METHOD", default_value = "kmeans")]
    pub method: MethodArg,
    /// Tell rows by vectors of a transformer that learns how their cells go together, not by the cells;
    /// then it is not asked whether there are clusters at all
    #[arg(long)]
    pub learned: bool,
    /// Number of clusters [default: chosen by stability and silhouette]
    #[arg(short, long, value_name = "N")]
    pub k: Option<usize>,
    /// Clusters that are tried, at most [default: the root of half the rows, at most 100]
    #[arg(long, value_name = "N", conflicts_with = "k")]
    pub max_k: Option<usize>,
    /// With hdbscan: rows of a cluster, at least [default: a fiftieth of the rows, 10 to 100]
    #[arg(long, value_name = "N")]
    pub min_cluster_size: Option<usize>,
    /// Times that rows are drawn anew for the stability of each cluster; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub resamples: usize,
    /// Do not ask whether there are clusters at all
    #[arg(long)]
    pub no_chance: bool,
    /// Groups of fewer are told by their size only, so that no person is described
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub min_people: u64,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// What of a table becomes points.
#[derive(Debug, Args)]
pub struct PointArgs {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Column that is read (repeatable) [default: all numbers, times and categories]
    #[arg(long = "column", value_name = "COL")]
    pub columns: Vec<String>,
    /// Column of texts (repeatable); needs --encoder
    #[arg(long = "text", value_name = "COL")]
    pub texts: Vec<String>,
    /// Column that nothing is made of, but that is compared in the end (repeatable)
    #[arg(long, value_name = "COL")]
    pub hold_out: Vec<String>,
    /// Role of a column (repeatable): number, category, text, time, id or ignore
    #[arg(long = "role", value_name = "COL=ROLE")]
    pub roles: Vec<String>,
    /// Text encoder: a name in the model store or a folder. Of events: a folder that `adit pretrain` made of events
    #[arg(long, value_name = "NAME|DIR")]
    pub encoder: Option<String>,
    /// Vectors of the texts, a Parquet file that `adit embed` wrote, so that they are not made again
    #[arg(long, value_name = "FILE", requires = "encoder")]
    pub vectors: Option<PathBuf>,
    /// Share of the total variance that the encoder's vectors have beside other columns [default: 0.5]
    #[arg(long, value_name = "SHARE", value_parser = super::share)]
    pub encoder_share: Option<f64>,
    /// Rows are events: column that tells whose; profiles are made of them
    #[arg(long, value_name = "COL", requires = "time")]
    pub entity: Option<String>,
    /// Rows are events: column that tells when
    #[arg(long, value_name = "COL")]
    pub time: Option<String>,
    /// Principal components that points are reduced to first [default: none]
    #[arg(long, value_name = "N")]
    pub components: Option<usize>,
    /// Every random choice follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Heading of the report
    #[arg(long)]
    pub title: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    Kmeans,
    Mixture,
    Hdbscan,
}
