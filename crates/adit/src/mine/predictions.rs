//! What every member of the scoreboard leaves.

/// Predictions of one model for some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// Class probabilities, row-major `[n_rows, n_classes]`; each row sums to 1.
    Probabilities { n_classes: usize, values: Vec<f32> },
    /// In the target's own unit. `[n_rows]`
    Numbers(Vec<f64>),
}
