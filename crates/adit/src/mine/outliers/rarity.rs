//! How rare a score is among those of the training rows, and which are rare enough to tell of.

use serde::{Deserialize, Serialize};

use super::empirical::Empirical;

/// How often rows as strange as one, or stranger, are met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rarity {
    /// Once in so many training rows.
    OnceIn(f64),
    /// No training row is; so many there are.
    StrangerThanAll(usize),
}

impl Rarity {
    /// That of a score among others.
    pub(super) fn of(score: f64, among: &Empirical<f64>) -> Rarity {
        let counts = among.counts(score);
        let as_strange = counts.equal + counts.above;
        if as_strange > 0.0 {
            Rarity::OnceIn(among.len() as f64 / as_strange)
        } else {
            Rarity::StrangerThanAll(among.len())
        }
    }
}

/// A threshold above which `n_alerts` of these scores lie; fewer where ties would make them more. 0, which all scores are
/// above, where there are no more scores than alerts.
pub fn threshold_of_alerts(scores: &[f64], n_alerts: usize) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len().checked_sub(n_alerts.saturating_add(1)) {
        Some(at) => sorted[at],
        None => 0.0,
    }
}
