//! The findings that leave the room: everything a report may say, as plain serialisable data.
//!
//! `result.json` is a view of this; the HTML report draws it. Numbers are f64; a missing number
//! is `None`, never NaN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A value with its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// The part a model plays on the scoreboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    Baseline,
    Linear,
    /// Gradient-boosted trees.
    Trees,
    /// Perceptrons over column tokens.
    Perceptrons,
    Transformer,
    /// A weighted mean of other members.
    Blend,
}

/// One line of the scoreboard, judged on the test rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// `majority`, `mean`, `linear`, `boosted trees`, `perceptron ensemble`, `row transformer`, the encoder's name, or `blend`.
    pub model: String,
    pub role: MemberRole,
    /// By name: `accuracy`, `balanced_accuracy`, `precision_macro`, `recall_macro`, `f1_macro`,
    /// `f1_micro`, `f1` / `precision` / `recall` (positive class, two classes only), `mcc`, `roc_auc`,
    /// `average_precision`, `log_loss`, `brier`; `rmse`, `mae`, `r2`.
    /// Of what is handed out: with several models (seeds, or folds), of the mean of their predictions.
    pub metrics: BTreeMap<String, Estimate>,
    /// How many models were trained and averaged.
    pub seeds: usize,
    /// The value of each metric for each single model, where there are several.
    pub by_seed: BTreeMap<String, Vec<f64>>,
    /// Sample standard deviation over the single models, where there are two or more.
    pub spread: BTreeMap<String, f64>,
    /// The selection metric on rows learned from and on rows held out, each the mean over folds.
    pub train_score: Option<f64>,
    pub validation_score: Option<f64>,
    /// The selection metric on the rows held out in each fold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fold_scores: Vec<f64>,
    /// Settings that matter to a reader, in order: learning rate, epochs, regularisation, …
    pub settings: Vec<(String, String)>,
    pub seconds: f64,
    /// The most memory that the process held while the member was trained; 0 where it is not known.
    #[serde(default)]
    pub peak_bytes: u64,
}

/// Precision, recall and F1 of one class of the chosen member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassScore {
    pub class: String,
    pub support: u64,
    pub precision: Estimate,
    pub recall: Estimate,
    pub f1: Estimate,
}

/// A paired comparison on the same test rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairedTest {
    pub better: String,
    pub worse: String,
    pub metric: String,
    /// `better` minus `worse`, oriented so that positive favours `better`.
    pub difference: Estimate,
    pub p_value: f64,
    /// `paired bootstrap, 2,000 resamples`, `McNemar exact`, …
    pub test: String,
}

/// Confusion counts of the chosen member: `counts[true][predicted]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confusion {
    pub classes: Vec<String>,
    pub counts: Vec<Vec<u64>>,
}

/// A named polyline with an optional band.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    pub name: String,
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub low: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub high: Vec<f64>,
}

/// One bin of a reliability diagram.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrationBin {
    pub predicted: f64,
    pub observed: Estimate,
    pub count: u64,
}

/// Reliability of the chosen member's probabilities (positive class, or top class for many).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calibration {
    pub what: String,
    pub bins: Vec<CalibrationBin>,
    pub expected_calibration_error: Estimate,
}

/// Loss and selection metric over epochs for one seed of a transformer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainingHistory {
    pub model: String,
    pub seed: u64,
    pub epochs: Vec<EpochRecord>,
    /// 1-based epoch whose weights were kept.
    pub best_epoch: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochRecord {
    pub epoch: usize,
    pub train_loss: f64,
    pub validation_loss: f64,
    /// Selection metric on the validation rows, where it was looked at.
    pub validation_score: Option<f64>,
}

/// Something that may give the target away, and the scores with and without it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeakCheck {
    /// Absent where rows are meant that stand in the training and in the test part.
    pub column: Option<String>,
    /// The kind of its warning.
    pub kind: String,
    pub evidence: String,
    pub left_out: bool,
    /// The selection metric on held-out rows of quick trees; of rows, the chosen member's on the test rows.
    pub with: Option<f64>,
    pub without: Option<f64>,
}

/// How the score on held-out rows grows with the rows learned from, measured with a cheap member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowCurve {
    /// The member that was trained on fewer rows.
    pub model: String,
    pub points: Vec<RowCurvePoint>,
    /// What twice as many rows would add to the score, by the last two doublings; absent where these say nothing.
    pub next_doubling: Option<f64>,
}

/// One size of the training part.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RowCurvePoint {
    pub rows: u64,
    /// The selection metric, mean over folds.
    pub score: f64,
    /// Its standard error over folds, where there are several.
    pub error: Option<f64>,
}

/// What the events of some histories did to what the event transformer says of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventReasons {
    pub model: String,
    /// Whether it also reads columns of the rows, which are left as they are.
    pub reads_columns: bool,
    /// The class that is explained, where there are classes.
    pub class: Option<String>,
    /// True where outputs are log-odds: there are two classes.
    pub is_log_odds: bool,
    /// How many models the member is the mean of; the first is explained.
    pub models: u64,
    /// How many of the histories are of the lowest outputs; the others are of the highest.
    pub lowest: u64,
    /// From the highest output to the lowest.
    pub histories: Vec<ExplainedHistory>,
    /// Correlation of occlusion and attribution over all these events.
    pub agreement: Option<f64>,
    /// By how much attributions miss the change that they sum up to, at most, as a share of it.
    pub incompleteness: f64,
}

/// One history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedHistory {
    pub row: u64,
    pub entity: String,
    pub truth: String,
    pub output: f64,
    /// The same before the first of the events that are read.
    pub before: f64,
    /// The same of a history of events that say nothing.
    pub baseline: f64,
    /// From the first to the last event that was read.
    pub events: Vec<ExplainedEvent>,
}

/// One event of a history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedEvent {
    /// As in the source.
    pub at: String,
    /// Where it lies between the first (0) and the last (1).
    pub place: f64,
    /// Its cells.
    pub words: String,
    /// The output once it had come, as if the cut-off were just before the next.
    pub after: f64,
    /// By how much the whole history's output is higher with it than without.
    pub occlusion: f64,
    pub attribution: f64,
}

/// A test row that the chosen member got most wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorstError {
    pub row: u64,
    pub truth: String,
    pub predicted: String,
    /// Probability given to the predicted class, or the signed error.
    pub score: f64,
    /// `(column, value)` as in the source.
    pub cells: Vec<(String, String)>,
}

/// Scored curves of one member on the test rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberCurves {
    pub model: String,
    pub roc: Option<Curve>,
    pub precision_recall: Option<Curve>,
}

/// A point of predicted against true, for regression.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scatter {
    pub truth: Vec<f64>,
    pub predicted: Vec<f64>,
    /// Rows before some were left out to keep the plot light.
    pub thinned_from: u64,
}

/// A column as the report shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ColumnSummary {
    pub name: String,
    pub column_type: String,
    pub role: String,
    pub reason: String,
    pub missing: u64,
    pub distinct: u64,
    /// `12.0 – 48.5`, or the most frequent values.
    pub range: String,
    /// Counts of up to 20 equal bins (numbers) or the top values (others), for a sparkline.
    pub histogram: Vec<u64>,
}

/// Something wrong with the data, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// `constant_column`, `duplicate_rows`, `near_copy_of_target`, `id_like`, `blanks_in_number`,
    /// `bad_rows`, `missing_target`, `rows_in_train_and_test`, …
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub message: String,
    /// What was done about it.
    pub action: String,
}

/// What the data is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataSummary {
    pub rows: u64,
    pub train: u64,
    pub validation: u64,
    pub test: u64,
    pub split: String,
    pub sources: Vec<String>,
    pub target: String,
    /// `(class, training rows, test rows)`; empty for regression.
    pub classes: Vec<(String, u64, u64)>,
    pub columns: Vec<ColumnSummary>,
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// `classify` or `regress`.
    pub task: String,
    pub title: String,
    pub verdict: String,
    /// True when the transformer beats the best baseline beyond chance.
    pub transformer_is_better: bool,
    pub data: DataSummary,
    pub scoreboard: Vec<Member>,
    /// Metric that members are chosen by, and whether more is better.
    pub selection_metric: String,
    /// The recommended member, chosen on held-out rows.
    pub chosen: String,
    pub paired_test: Option<PairedTest>,
    pub class_scores: Vec<ClassScore>,
    pub positive_class: Option<String>,
    pub confusion: Option<Confusion>,
    pub curves: Vec<MemberCurves>,
    pub calibration: Option<Calibration>,
    pub scatter: Option<Scatter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<super::DecisionFindings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_curve: Option<RowCurve>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_reasons: Option<EventReasons>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<LeakCheck>,
    pub histories: Vec<TrainingHistory>,
    pub worst_errors: Vec<WorstError>,
    pub warnings: Vec<Warning>,
    /// Command lines that reproduce and apply this run.
    pub run_again: Vec<String>,
}

/// What a run cost; kept apart from [`Findings`] because it differs between equal runs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    pub seconds: f64,
    pub peak_rss_bytes: u64,
}
