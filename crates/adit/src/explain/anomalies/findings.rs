//! All that a search for anomalies found.

use serde::{Deserialize, Serialize};

use super::Usual;
use crate::explain::{ClusterData, Estimate, Example, Map, Warning};

/// All that a search for anomalies found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnomalyFindings {
    /// `anomalies`
    pub task: String,
    pub title: String,
    pub verdict: String,
    pub data: ClusterData,
    pub search: AnomalySearch,
    /// Rows, or readings, above the threshold.
    pub n_flagged: u64,
    /// Those of them that lie farther out than the tail of the rest explains.
    pub n_standing_out: u64,
    /// Whether there is enough to tell what lies farther out.
    #[serde(default)]
    pub is_told: bool,
    /// Events of series that lie farther out, those that are not told too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_standing_events: Option<u64>,
    /// All findings, of which the first are told.
    pub n_findings: u64,
    /// The strangest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Anomaly>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<DetectorLine>,
    /// Where some rows have labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownLabels>,
    /// Where series were judged instead of rows; some of them where they are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesFound>,
    /// Events in series, the strangest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SeriesEvent>,
    /// How often each size of the score occurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<ScoreHistogram>,
    /// A picture of some rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
    pub warnings: Vec<Warning>,
    pub run_again: Vec<String>,
}

/// How it was searched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnomalySearch {
    /// `rows` or `series`
    pub kind: String,
    /// The rows are said to hold no anomalies.
    pub clean: bool,
    /// Share of the rows that is flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Rows or events that are flagged, where their number was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<u64>,
    /// Scores above it are flagged.
    pub threshold: f64,
    /// A row above the threshold occurs about once in so many; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_in: Option<f64>,
    /// Rows that usual values are taken of.
    pub neighbours: u64,
    pub min_people: u64,
    pub seed: u64,
}

/// Rows that are strange in the same way: one finding.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Anomaly {
    /// From 1.
    pub number: u64,
    /// The strangest row first; the first of them where they are many.
    pub rows: Vec<u64>,
    pub n_rows: u64,
    pub first_row: u64,
    pub last_row: u64,
    /// Why rows are together: `alike` or `in a row`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// Names of the entities, where rows are such; in the order of the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<String>,
    /// Of the strangest row, from 0 on.
    pub score: f64,
    /// How often a row as strange is met, in words.
    pub rarity: String,
    /// Whether it lies farther out than the tail of the rest explains.
    pub stands_out: bool,
    /// Of the strangest row.
    pub reasons: Vec<Reason>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<(String, String)>,
    /// The rows nearest to it that are not flagged; absent where rows are persons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Example>,
}

/// A column that makes a row strange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub column: String,
    /// Its share of what makes the row strange.
    pub share: f64,
    /// Absent where the cell is empty, or holds a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What rows like it have.
    pub usual: Usual,
    /// All of it in words.
    pub words: String,
}

/// A detector, and how far it agrees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DetectorLine {
    pub name: String,
    /// Its part of the joined score.
    pub weight: f64,
    /// Rank correlation with each detector, in their order.
    pub correlations: Vec<f64>,
    /// Flagged rows that are among as many of its own strangest.
    pub n_agreed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownScore>,
    /// Of one that learns to tell hidden cells: mean minus log-probability of those of rows that it did not learn from,
    /// before it learned and after, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<(f64, f64)>,
}

/// How well a score tells the labelled rows apart.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct KnownScore {
    pub roc_auc: Estimate,
    pub average_precision: Estimate,
}

/// What the labels of some rows say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KnownLabels {
    pub column: String,
    pub positive: String,
    pub n_positive: u64,
    pub n_negative: u64,
    /// The joined score without the labels.
    pub joined: KnownScore,
    /// Of the labelled rows that are flagged, the share of anomalies; absent where none is flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Estimate>,
    /// Of the labelled anomalies, the share that is flagged.
    pub recall: Estimate,
    /// Absent where there are too few of either label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted: Option<WeightedByLabels>,
}

/// Weights of the detectors that were chosen by the labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightedByLabels {
    /// In the order of the detectors; together 1.
    pub weights: Vec<f64>,
    /// Mean average precision on labelled rows that the weights were not chosen by.
    pub average_precision: f64,
    /// The same of the weights without labels, on the same rows.
    pub without: f64,
    /// Whether the scores were made with them.
    pub used: bool,
}

/// How often each size of a score occurs, from `from` to `to` in equal steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoreHistogram {
    /// What the score is.
    pub label: String,
    pub from: f64,
    pub to: f64,
    pub counts: Vec<u64>,
    /// Of these the flagged ones.
    pub flagged: Vec<u64>,
}

/// A series that was judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeriesFound {
    /// Whose it is, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    pub n: u64,
    /// Steps without a reading.
    pub n_missing: u64,
    /// Steps after which it repeats itself; 0 where it does not.
    pub season: u64,
    /// Time between readings, in words; absent where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    pub n_events: u64,
    /// Pairs of time and value.
    #[serde(skip)]
    pub points: Vec<(f64, f64)>,
    /// Whether times are seconds since 1970, and not plain numbers.
    #[serde(skip)]
    pub is_of_times: bool,
}

/// A stretch of a series that its own past did not foretell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeriesEvent {
    /// From 1.
    pub number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Times in words.
    pub start: String,
    pub end: String,
    pub peak: String,
    pub first_row: u64,
    pub last_row: u64,
    pub peak_row: u64,
    /// Readings above the threshold.
    pub n_readings: u64,
    /// At the peak.
    pub value: f64,
    pub expected: f64,
    /// How far the value at the peak is off, in units of what was usual until then.
    pub score: f64,
    pub stands_out: bool,
    pub words: String,
    /// Start and end as the points of its series have them.
    #[serde(skip)]
    pub span: (f64, f64),
    #[serde(skip)]
    pub peak_at: f64,
}
