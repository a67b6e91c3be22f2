//! Checks what was found: metrics with intervals, paired tests, calibration, verdict.
//!
//! Predictions of every member for the same test rows enter, with the truth of these rows; [`Findings`] leave. Nothing
//! here fits or tunes anything, and nothing here sees a training row. The recommended member is chosen by its
//! validation score before a test row is looked at.

mod anomalies;
mod calibration;
mod clusters;
mod confusion;
mod curves;
mod decisions;
mod error;
mod errors;
mod findings;
mod intervals;
mod judge;
mod metrics;
mod paired;
mod patterns;
mod proportion;
mod resampling;
mod selection;
mod verdict;
mod wording;

pub use anomalies::*;
pub use clusters::*;
pub use decisions::*;
pub use error::ExplainError;
pub use findings::*;
pub use intervals::{EstimateSet, estimates, estimates_by_group};
pub use judge::{JudgeInput, JudgedMember, judge};
pub use metrics::{MetricSettings, evaluate, positive_of};
pub use paired::{Comparison, paired_test};
pub use patterns::*;
pub use selection::{Candidate, choose, loss_of, more_is_better, selection_metric};
pub use verdict::{Contestant, VerdictInput, verdict};
