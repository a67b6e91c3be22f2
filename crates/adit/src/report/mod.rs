//! Renders findings: HTML, JSON and a model card. Escaping lives here.
//!
//! Enters: [`Findings`](crate::explain::Findings) and [`Cost`](crate::explain::Cost). Leaves: the texts of `report.html`, `result.json` and
//! `MODEL_CARD.md`. Not here: computing a metric, choosing a member, writing a file, and any
//! script: the page is HTML, CSS and SVG, and its content security policy forbids the rest.

mod anomalies;
mod card;
mod clusters;
mod error;
mod escape;
mod json;
mod metric;
mod numbers;
mod page;
mod patterns;
mod sections;
mod svg;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

pub use anomalies::{anomaly_html, anomaly_json};
pub use card::model_card;
pub use clusters::{cluster_html, cluster_json};
pub use error::ReportError;
pub use json::{fingerprint, result_json};
pub use page::html;
pub use patterns::{pattern_html, pattern_json};
