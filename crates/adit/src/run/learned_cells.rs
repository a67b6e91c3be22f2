//! How the cells of rows go together, as a transformer learned it, and its weights, which lie in a file of their own.

use std::path::Path;

use adit_nn::Params;
use serde::{Deserialize, Serialize};

use super::saved::read_weights;
use super::{Context, RunError};
use crate::mine::MineError;
use crate::mine::outliers::MaskedCellsModel;
use crate::represent::points::Points;
use crate::store::RunFolder;

/// The weights, in a run's folder.
const WEIGHTS: &str = "model/cells.safetensors";

/// A transformer over cells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LearnedCells {
    model: MaskedCellsModel,
    #[serde(skip)]
    weights: Params,
}

impl LearnedCells {
    /// Learns from points, the coordinates of a column side by side; `None` where there are too few rows or columns.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn fit(
        points: Points,
        column_of: &[usize],
        seed: u64,
        context: &Context,
    ) -> Result<Option<LearnedCells>, RunError> {
        let found = MaskedCellsModel::fit(points, column_of, seed, context.watch)?;
        Ok(found.map(|(model, weights)| LearnedCells { model, weights }))
    }

    /// The first coordinate of each column. `[n_columns]`
    pub fn firsts(&self) -> Vec<usize> {
        self.model.firsts()
    }

    /// Values of a vector.
    pub fn width(&self) -> usize {
        self.model.vector_width()
    }

    /// Mean minus log-probability of hidden cells of rows that were held out, before it learned and after.
    pub fn held_out(&self) -> (f64, f64) {
        self.model.held_out
    }

    /// How badly the cells of each point tell each other. `[n_points]`
    ///
    /// # Errors
    /// A damaged run; `Interrupted`.
    pub fn scores(&self, points: Points, context: &Context) -> Result<Vec<f64>, MineError> {
        self.model.scores(
            points,
            &self.weights,
            &goes_on("hide each cell in turn", context),
        )
    }

    /// The same of each cell. `[n_points, n_columns]`
    ///
    /// # Errors
    /// A damaged run; `Interrupted`.
    pub fn surprises(&self, points: Points, context: &Context) -> Result<Vec<f64>, MineError> {
        self.model.surprises(
            points,
            &self.weights,
            &goes_on("hide each cell in turn", context),
        )
    }

    /// A vector of each point. `[n_points, width]`
    ///
    /// # Errors
    /// A damaged run; `Interrupted`.
    pub fn vectors(&self, points: Points, context: &Context) -> Result<Vec<f32>, MineError> {
        self.model
            .vectors(points, &self.weights, &goes_on("rows to vectors", context))
    }

    /// Writes the weights.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, folder: &RunFolder) -> Result<(), RunError> {
        folder.write(WEIGHTS, &self.weights.to_safetensors_bytes())?;
        Ok(())
    }

    /// Reads the weights from the folder of a run.
    ///
    /// # Errors
    /// A file that is not there, or of other settings.
    pub fn read(&mut self, run: &Path) -> Result<(), RunError> {
        let drawn = self.model.network(0).map(|(_, drawn)| drawn);
        self.weights = read_weights(&run.join(WEIGHTS), drawn)?;
        Ok(())
    }
}

fn goes_on<'a>(
    stage: &'static str,
    context: &'a Context,
) -> impl Fn(usize, usize) -> bool + Sync + 'a {
    move |at, of| {
        context.watch.progress(stage, at as u64, of as u64, "");
        !context.watch.cancelled()
    }
}
