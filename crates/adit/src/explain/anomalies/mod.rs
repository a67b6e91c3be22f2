//! Anomalies told to a person: what makes each strange, what would be usual, how far to trust it.
//!
//! Enters: scores, cells and labels. Leaves: [`AnomalyFindings`]. Not here: how anomalies are found, how they are drawn.

mod findings;
mod known;
mod tail;
mod usual;
mod words;

pub use findings::*;
pub use known::{areas, judged};
pub use tail::{LEAST_ROWS, farthest_by_chance, rank_correlation};
pub use usual::{Usual, short_number, usual_range, usual_value};
pub use words::{anomaly_verdict, rarity_words, reason_words_of, series_verdict};
