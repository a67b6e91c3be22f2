//! The distance to the nearest training rows: rows that are far from all others are strange (Ramaswamy et al. 2000).
//!
//! Enters: distances to neighbours, which others find. Leaves: scores.

use serde::{Deserialize, Serialize};

use crate::mine::MineError;

/// Which of the distances to the k nearest rows is a row's score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    #[default]
    Largest,
    Mean,
}

/// How neighbours make a score; by default as in PyOD.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// How many neighbours count; all other training rows where they are fewer.
    pub k: usize,
    pub distance: Distance,
}

impl Default for Nearest {
    fn default() -> Self {
        Nearest {
            k: 5,
            distance: Distance::Largest,
        }
    }
}

impl Nearest {
    pub(super) fn check(&self) -> Result<(), MineError> {
        if self.k == 0 {
            return Err(MineError::Setting {
                setting: "k",
                value: self.k.to_string(),
                reason: "a row needs at least one neighbour",
            });
        }
        Ok(())
    }

    /// The scores of `n_points` points of which `distances` are those to their nearest training rows, ascending, a row
    /// of the training not being its own neighbour; 0 where there is no neighbour. `[n_points, n_found]` to `[n_points]`
    ///
    /// # Errors
    /// Settings out of range; distances that are not finite.
    ///
    /// # Panics
    /// Where `distances` does not hold as many of each point.
    pub fn scores(&self, distances: &[f32], n_points: usize) -> Result<Vec<f64>, MineError> {
        self.check()?;
        let n_found = distances.len().checked_div(n_points).unwrap_or(0);
        assert_eq!(
            distances.len(),
            n_found * n_points,
            "distances of each point"
        );
        if n_found == 0 {
            return Ok(vec![0.0; n_points]);
        }
        if let Some(at) = distances.iter().position(|d| !d.is_finite()) {
            return Err(MineError::FeatureNotFinite {
                row: at / n_found,
                column: at % n_found,
            });
        }
        let k = self.k.min(n_found);
        let of_row = |row: &[f32]| match self.distance {
            Distance::Largest => f64::from(row[k - 1]),
            Distance::Mean => row[..k].iter().map(|&d| f64::from(d)).sum::<f64>() / k as f64,
        };
        Ok(distances.chunks_exact(n_found).map(of_row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_the_largest_or_mean_distance_of_the_first_k() {
        let distances = [1.0, 2.0, 6.0, 0.0, 0.5, 1.0];
        let scores = |k, distance| Nearest { k, distance }.scores(&distances, 2).unwrap();
        assert_eq!(scores(2, Distance::Largest), [2.0, 0.5]);
        assert_eq!(scores(3, Distance::Mean), [3.0, 0.5]);
        assert_eq!(scores(9, Distance::Largest), [6.0, 1.0]);
    }

    #[test]
    fn without_neighbours_no_row_is_strange() {
        assert_eq!(Nearest::default().scores(&[], 1).unwrap(), [0.0]);
        assert_eq!(Nearest::default().scores(&[], 0).unwrap(), [0.0; 0]);
    }

    #[test]
    fn what_is_no_distance_or_no_setting_is_an_error() {
        let none = Nearest {
            k: 0,
            ..Nearest::default()
        };
        assert!(matches!(
            none.scores(&[1.0], 1),
            Err(MineError::Setting { setting: "k", .. })
        ));
        let found = Nearest::default().scores(&[1.0, 2.0, 1.0, f32::INFINITY], 2);
        assert!(matches!(
            found,
            Err(MineError::FeatureNotFinite { row: 1, column: 1 })
        ));
    }
}
