//! Arguments of `adit anomalies`.

use clap::Args;

use super::{FolderArgs, PointArgs, SourceArgs};

pub const ANOMALIES_EXAMPLE: &str = "\
Examples:
  adit anomalies payments.csv
  adit anomalies parts.csv --alerts 20 --hold-out batch
  adit anomalies claims.csv --label checked --positive fraud
  adit anomalies good-parts.csv --clean --out line-3
  adit anomalies payments.parquet --entity customer --time paid_at
  adit anomalies sensor.csv --series temperature --time measured_at

Every flagged row is told with the columns that make it strange and what rows like it have there.
`adit predict RUN NEW -o scores.parquet` judges new rows.";

#[derive(Debug, Args)]
pub struct AnomaliesArgs {
    #[command(flatten)]
    pub points: PointArgs,
    /// Share of the rows that is flagged [default: 1%]
    #[arg(long, value_name = "SHARE", conflicts_with = "alerts", value_parser = super::share)]
    pub share: Option<f64>,
    /// Rows that are flagged, or events of series, instead of a share
    #[arg(long, value_name = "N")]
    pub alerts: Option<usize>,
    /// The data hold no anomalies: new rows are judged against them by `adit predict`
    #[arg(long)]
    pub clean: bool,
    /// Leave out the transformer that learns how the cells of a row go together (the slowest detector)
    #[arg(long, conflicts_with = "series")]
    pub no_masked_cells: bool,
    /// Column that says of some rows whether they are anomalies; nothing is made of it
    #[arg(long, value_name = "COL", requires = "positive")]
    pub label: Option<String>,
    /// The label of an anomaly; rows with an empty label are not known
    #[arg(long, value_name = "VALUE", requires = "label")]
    pub positive: Option<String>,
    /// Column of readings: the series over --time is judged, one of each --entity where that is given
    #[arg(long, value_name = "COL", requires = "time")]
    pub series: Option<String>,
    /// With --series: readings after which it repeats itself; 0 where it does not [default: found]
    #[arg(long, value_name = "N", requires = "series")]
    pub season: Option<usize>,
    /// Of entities, what is usual is told of at least so many, so that no person is described
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub min_people: u64,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub folder: FolderArgs,
}
