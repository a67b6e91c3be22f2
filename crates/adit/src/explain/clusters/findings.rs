//! All that a search for clusters found.

use serde::{Deserialize, Serialize};

use super::{Difference, HeldOutColumn, Term};
use crate::explain::{Estimate, PatternSource, Warning};

/// All that a search for clusters found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterFindings {
    /// `cluster`
    pub task: String,
    pub title: String,
    pub verdict: String,
    pub data: ClusterData,
    pub search: ClusterSearch,
    /// Absent where it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<AgainstChance>,
    /// Numbers of clusters that were tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// Mean silhouette of what was found, on some thousands of rows.
    pub silhouette: f64,
    /// Share of the rows in no cluster.
    pub noise: f64,
    /// The largest first.
    pub clusters: Vec<Cluster>,
    /// The columns that clusters are made of, those in which they differ most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnOfClusters>,
    /// Columns that clusters were not made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out: Vec<HeldOutColumn>,
    /// How far the clusters are the categories of a column that was held out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreement: Vec<Agreement>,
    /// Clusters that come together, from the nearest two on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<Merge>,
    /// Of texts with times: the share of each cluster by period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_time: Option<OverTime>,
    /// A picture of some rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
    pub warnings: Vec<Warning>,
    pub run_again: Vec<String>,
}

/// What was searched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClusterData {
    pub sources: Vec<PatternSource>,
    /// `rows`, `texts`, or `entities`
    pub of: String,
    pub n: u64,
    /// Columns of numbers, times and categories that points are made of.
    pub columns: Vec<String>,
    /// Those of them on a logarithmic scale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logarithmic: Vec<String>,
    /// Columns of one value, which were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constant: Vec<String>,
    /// Columns of categories that are all in few rows, which were left out too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rare: Vec<String>,
    /// Whether points are vectors of a transformer that learned how the cells go together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learned: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Share of the total variance that the encoder's vectors have, where there are other columns too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_share: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out: Vec<String>,
    /// Values a point.
    pub width: u64,
}

/// How it was searched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterSearch {
    /// `kmeans`, `mixture` or `hdbscan`
    pub method: String,
    /// Whether the number of clusters was given.
    pub k_given: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cluster_size: Option<u64>,
    /// Principal components that were kept, and their share of the variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<(u64, f64)>,
    /// Groups of fewer are not described.
    pub min_people: u64,
    /// Times that rows were drawn again for stability.
    pub resamples: u64,
    pub seed: u64,
}

/// Whether there are clusters at all: the same search where there are none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgainstChance {
    /// What was compared, in words.
    pub statistic: String,
    pub seen: f64,
    /// The same of one Gaussian with the same mean and covariance, drawn again and again.
    pub gaussian: Vec<f64>,
    /// The same of an even cloud.
    pub uniform: Vec<f64>,
    /// The same of a cloud whose columns have the shapes of these, with one mode each, and their rank correlations.
    pub one_mode: Vec<f64>,
    pub p_value: f64,
    pub is_there: bool,
}

/// A number of clusters that was tried.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Tried {
    pub k: u64,
    pub silhouette: f64,
    /// Mean adjusted Rand index of clusterings of two halves.
    pub stability: f64,
    pub chosen: bool,
}

/// Whether a cluster is found again in rows drawn anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    Holds,
    Doubtful,
    DoesNotHold,
    /// Too few rows to tell.
    NotTold,
}

/// One cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// From 1.
    pub number: u64,
    pub name: String,
    /// Where its conditions were found by rules that have paid for the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<ToldBy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    pub size: u64,
    pub share: Estimate,
    /// Mean Jaccard of the cluster with its like in rows drawn anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stability: Option<f64>,
    pub holds: Holds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silhouette: Option<f64>,
    /// Too few members to be described without describing persons.
    pub withheld: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub typical: Vec<Example>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub borderline: Vec<Example>,
}

/// What each cluster has in a column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ColumnOfClusters {
    pub column: String,
    /// In the order of the clusters.
    pub by_cluster: Vec<Option<Difference>>,
}

/// The conditions that tell a cluster apart, on rows that their search did not see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToldBy {
    pub conditions: Vec<String>,
    /// Share of the rows with these conditions that are members.
    pub precision: Estimate,
    /// Share of the members that have these conditions.
    pub recall: Estimate,
    pub p_value: f64,
}

/// A row as an example.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Example {
    pub row: u64,
    /// Its cells, or its text.
    pub cells: Vec<(String, String)>,
}

/// How far clusters are categories that were known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agreement {
    pub column: String,
    pub v_measure: f64,
    pub adjusted_rand: f64,
}

/// Two clusters, or groups of such, that come together.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Merge {
    /// Numbers of clusters from 1; from the number of clusters + 1 on, earlier merges.
    pub first: u64,
    pub second: u64,
    /// Between 0 and 1 of the largest.
    pub height: f64,
}

/// Shares of the clusters by period.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OverTime {
    pub column: String,
    pub periods: Vec<String>,
    /// Rows of each period.
    pub n: Vec<u64>,
    /// `[n_clusters][n_periods]`, nothing of clusters that are not described
    pub shares: Vec<Vec<f64>>,
}

/// A picture of the rows, or of some of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Map {
    /// How places were found, in words.
    pub how: String,
    /// How far neighbours in the picture are neighbours in the data (Venna and Kaski 2001), 1 is always.
    pub trustworthiness: f64,
    /// Rows drawn, of all.
    pub n: u64,
    #[serde(skip)]
    pub places: Vec<MapPlace>,
    /// Which of the places stands for each cluster: the one in the middle of its own.
    #[serde(skip)]
    pub medoids: Vec<Option<usize>>,
}

/// A row in the picture.
#[derive(Clone, Debug, Default)]
pub struct MapPlace {
    pub x: f32,
    pub y: f32,
    pub cluster: Option<u32>,
    /// What is told of the row; empty where rows are persons.
    pub words: String,
}
