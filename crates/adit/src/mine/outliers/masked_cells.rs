//! How surprising each cell is beside the others of its row, by a row transformer that learned to tell hidden cells.
//!
//! Every cell is hidden once and told from the rest of its row; its score is minus the log-likelihood of what stands there
//! (the pseudo-log-likelihood of Salazar et al. 2020, of cells instead of words): of a category by its probability, of a
//! number by a Gaussian with the mean and the variance that the probabilities of its ranges have. This sees cells that
//! do not fit each other, however usual each is by itself.

use adit_nn::random::mix;
use adit_nn::watch::Watch;
use adit_nn::{AskedCells, CellTransformer, NnError, Params, Products, Session, Tape};
use serde::{Deserialize, Serialize};

use crate::mine::MineError;
use crate::mine::pretraining::{
    MaskedCells, Pretraining, PretrainingSettings, PretrainingState, judged,
};
use crate::represent::cell_codes::{CellCodes, CellShape, CodedCells};
use crate::represent::points::Points;

/// Rows from which on there is something to learn.
pub const LEAST_ROWS: usize = 100;
/// Rows that are learned from, at most.
const MOST_ROWS: usize = 200_000;
/// Share of them that is held out, and how many at most.
const HELD_OUT: (f64, usize) = (0.1, 5_000);
/// Cells of a step, about.
const STEP_CELLS: usize = 4_096;
/// Steps, about, and passes at most.
const STEPS: usize = 1_200;
const MOST_EPOCHS: usize = 60;
/// Passes without a smaller held-out loss, after which no more is learned.
const PATIENCE: usize = 8;
/// Rows that are asked together.
const ROWS_AT_ONCE: usize = 256;
/// Batches between two looks at whether to go on.
const BATCHES_AT_ONCE: usize = 16;
/// Passes over a row, at most: of wider rows several cells are hidden together.
const MOST_PASSES: usize = 24;

/// Variance of a number, of 1 in all, that is never told better.
const LEAST_VARIANCE: f64 = 0.05;

const SHAPE: CellShape = CellShape {
    d_token: 32,
    n_layers: 2,
    n_heads: 4,
    ffn_hidden: 64,
    ffn_dropout: 0.1,
};

/// What was learned of cells; the weights lie apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskedCellsModel {
    codes: CellCodes,
    shape: CellShape,
    /// Mean minus log-probability of a hidden cell of a held-out row, before the first step and of the kept weights.
    pub held_out: (f64, f64),
}

/// Cells, the points that they are of, and some of their rows.
type Batch<'a> = (&'a CodedCells, Points<'a>, &'a [usize]);

/// What is asked of a batch: so many values of each of its rows.
type Work<'a, T> = dyn Fn(&mut Tape, Batch) -> Result<Vec<T>, NnError> + Sync + 'a;

/// Why learning ended before its last step.
enum Stop {
    Enough,
    Failed(MineError),
}

impl From<MineError> for Stop {
    fn from(error: MineError) -> Stop {
        Stop::Failed(error)
    }
}

impl MaskedCellsModel {
    /// Learns from points, the coordinates of a column side by side (`column_of`: `[width]`); `None` where there are
    /// fewer than two columns or [`LEAST_ROWS`] rows.
    ///
    /// # Errors
    /// Values that are not finite; a loss that is no longer finite; `Cancelled`.
    pub fn fit(
        points: Points,
        column_of: &[usize],
        seed: u64,
        watch: &dyn Watch,
    ) -> Result<Option<(MaskedCellsModel, Params)>, MineError> {
        super::check_finite(points)?;
        let codes = CellCodes::fit(points, column_of);
        if codes.n_columns() < 2 || points.len() < LEAST_ROWS {
            return Ok(None);
        }
        let mut model = MaskedCellsModel {
            codes,
            shape: SHAPE,
            held_out: (0.0, 0.0),
        };
        let cells = model.codes.coded(points);
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by_cached_key(|&row| (mix(seed, row as u64), row));
        order.truncate(MOST_ROWS);
        let n_held = ((order.len() as f64 * HELD_OUT.0) as usize).clamp(1, HELD_OUT.1);
        let (held_out, train) = order.split_at(n_held);
        let (network, params) = model.network(seed)?;
        let batch_rows = (STEP_CELLS / (model.codes.n_columns() + 1)).clamp(16, 512);
        let n_batches = train.len().div_ceil(batch_rows).max(1);
        let settings = PretrainingSettings {
            learning_rate: 2e-3,
            epochs: (STEPS / n_batches).clamp(1, MOST_EPOCHS),
            warmup: 0.1,
            weight_decay: 1e-4,
            clip_norm: 1.0,
            seed,
            products: Products::F32,
        };
        let objective = MaskedCells {
            network: &network,
            codes: &model.codes,
            cells: &cells,
            train,
            held_out,
            batch_rows,
        };
        let pretraining = Pretraining {
            objective: &objective,
            settings: &settings,
            name: "learn how cells go together",
        };
        let mut state = PretrainingState {
            params,
            ..PretrainingState::default()
        };
        let mut best: Option<(f64, usize, Params)> = None;
        let done = pretraining.run(&mut state, watch, |state| {
            let Some(found) = state
                .progress
                .held_out
                .last()
                .filter(|found| found.epoch > 0)
            else {
                return Ok(());
            };
            match &best {
                Some((_, epoch, _)) if *epoch >= found.epoch => {}
                Some((loss, epoch, _)) if found.loss >= *loss => {
                    if found.epoch - epoch >= PATIENCE {
                        return Err(Stop::Enough);
                    }
                }
                _ => best = Some((found.loss, found.epoch, state.params.clone())),
            }
            Ok(())
        });
        match done {
            Ok(()) | Err(Stop::Enough) => {}
            Err(Stop::Failed(error)) => return Err(error),
        }
        let first = state.progress.held_out.first().map_or(0.0, |h| h.loss);
        let (loss, params) = match best {
            Some((loss, _, params)) => (loss, params),
            None => (first, state.params),
        };
        model.held_out = (first, loss);
        Ok(Some((model, params)))
    }

    /// Freshly drawn weights, for instance to be overwritten by stored ones.
    ///
    /// # Errors
    /// A damaged model.
    pub fn network(&self, seed: u64) -> Result<(CellTransformer, Params), MineError> {
        if !self.codes.is_whole() {
            return Err(MineError::DamagedModel {
                reason: "its cells do not fit together".into(),
            });
        }
        let mut params = Params::new();
        let config = self.codes.config(&self.shape);
        let network = CellTransformer::new(config, &self.codes.n_classes(), &mut params, seed)?;
        Ok((network, params))
    }

    /// Values of a vector.
    pub fn vector_width(&self) -> usize {
        self.shape.d_token
    }

    /// A vector of each point: the mean state of its cells, none of them hidden. `[n_points, vector_width]`
    ///
    /// # Errors
    /// As [`MaskedCellsModel::surprises`].
    pub fn vectors(
        &self,
        points: Points,
        params: &Params,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<f32>, MineError> {
        let (network, _) = self.network(0)?;
        self.in_batches(points, params, goes_on, &|tape, (cells, _, rows)| {
            let batch = self.codes.batch(cells, rows, std::iter::empty());
            let vectors = network.vectors(tape, &batch)?;
            Ok(tape.take(vectors).data)
        })
    }

    /// The first coordinate of each column. `[n_columns]`
    pub fn firsts(&self) -> Vec<usize> {
        self.codes.firsts().collect()
    }

    /// The mean over its cells of how surprising they are. `[n_points]`
    ///
    /// # Errors
    /// As [`MaskedCellsModel::surprises`].
    pub fn scores(
        &self,
        points: Points,
        params: &Params,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<f64>, MineError> {
        let n = self.codes.n_columns();
        let means = |cells: Vec<f64>| -> Vec<f64> {
            cells
                .chunks(n)
                .map(|row| row.iter().sum::<f64>() / n as f64)
                .collect()
        };
        self.asked(points, params, goes_on, &means)
    }

    /// Minus the log-likelihood of every cell by the others of its row. `[n_points, n_columns]`
    ///
    /// # Errors
    /// Points of another width; values that are not finite; weights of another model; `Cancelled`.
    pub fn surprises(
        &self,
        points: Points,
        params: &Params,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Vec<f64>, MineError> {
        self.asked(points, params, goes_on, &|cells| cells)
    }

    fn asked(
        &self,
        points: Points,
        params: &Params,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
        of_rows: &(dyn Fn(Vec<f64>) -> Vec<f64> + Sync),
    ) -> Result<Vec<f64>, MineError> {
        let (network, _) = self.network(0)?;
        self.in_batches(points, params, goes_on, &|tape, batch| {
            Ok(of_rows(self.every_cell(tape, &network, batch)?))
        })
    }

    /// What `work` says of each batch of rows, in their order.
    fn in_batches<T: Send>(
        &self,
        points: Points,
        params: &Params,
        goes_on: &(dyn Fn(usize, usize) -> bool + Sync),
        work: &Work<T>,
    ) -> Result<Vec<T>, MineError> {
        if points.width() != self.codes.width() {
            return Err(MineError::DamagedModel {
                reason: "its cells do not fit the points".into(),
            });
        }
        super::check_finite(points)?;
        let session = Session::new(params);
        let mut found = Vec::new();
        let at_once = ROWS_AT_ONCE * BATCHES_AT_ONCE;
        for first in (0..points.len()).step_by(at_once) {
            if !goes_on(first, points.len()) {
                return Err(MineError::Cancelled);
            }
            let end = (first + at_once).min(points.len());
            let values = &points.values()[first * points.width()..end * points.width()];
            let own = Points::new(values, points.width());
            let cells = self.codes.coded(own);
            let rows: Vec<usize> = (0..cells.n_rows()).collect();
            let batches: Vec<&[usize]> = rows.chunks(ROWS_AT_ONCE).collect();
            let parts = session.run_all(&batches, |tape, rows| work(tape, (&cells, own, rows)))?;
            found.extend(parts.into_iter().flatten());
        }
        Ok(found)
    }

    /// Surprises of the cells of some rows. `[rows.len(), n_columns]`
    fn every_cell(
        &self,
        tape: &mut Tape,
        network: &CellTransformer,
        (cells, points, rows): Batch,
    ) -> Result<Vec<f64>, NnError> {
        let n = self.codes.n_columns();
        let passes = n.min(MOST_PASSES);
        let mut found = vec![0.0; rows.len() * n];
        for pass in 0..passes {
            let columns: Vec<usize> = (pass..n).step_by(passes).collect();
            let places = (0..rows.len()).flat_map(|at| columns.iter().map(move |&c| (at, c)));
            let batch = self.codes.batch(cells, rows, places);
            let all = |&column: &usize| AskedCells {
                column,
                rows: (0..rows.len()).collect(),
            };
            let asked: Vec<AskedCells> = columns.iter().map(all).collect();
            let mark = tape.mark();
            let scores = network.scores(tape, &batch, &asked)?;
            for (scores, &column) in scores.into_iter().zip(&columns) {
                let scores = tape.take(scores);
                for (at, &row) in rows.iter().enumerate() {
                    let scores = scores.row(at);
                    found[at * n + column] = match self.codes.moments(column) {
                        Some(moments) => {
                            let x = self.codes.number(points.row(row), column);
                            of_number(scores, moments, f64::from(x))
                        }
                        None => judged(scores, cells.class(row, column)).0,
                    };
                }
            }
            tape.release(mark, &[]);
        }
        Ok(found)
    }
}

/// Minus the log-likelihood of a number, but for a constant, by a Gaussian of the mean and variance that the scores of
/// its classes give it.
fn of_number(scores: &[f32], moments: &[(f32, f32)], x: f64) -> f64 {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for (score, (mean, variance)) in scores.iter().zip(moments) {
        let (weight, mean) = (f64::from(score - top).exp(), f64::from(*mean));
        sum += weight;
        first += weight * mean;
        second += weight * (mean * mean + f64::from(*variance));
    }
    let mean = first / sum;
    let variance = (second / sum - mean * mean).max(0.0) + LEAST_VARIANCE;
    ((x - mean).powi(2) / variance + variance.ln()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use adit_nn::watch::Silent;

    /// Two numbers that are nearly equal, a category that tells their sign, and a number of its own.
    fn rows(n: usize, seed: u64) -> Vec<f32> {
        let drawn = |row: usize, k: u64| {
            (mix(mix(seed, row as u64), k) >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0
        };
        let mut values = Vec::new();
        for row in 0..n {
            let x = drawn(row, 1);
            let is_high = f32::from(u8::from(x > 0.0));
            values.extend([x, x + 0.05 * drawn(row, 2), 0.5 - is_high, is_high - 0.5]);
            values.push(drawn(row, 3));
        }
        values
    }

    const COLUMN_OF: [usize; 5] = [0, 1, 2, 2, 3];

    #[test]
    fn cells_that_do_not_fit_each_other_are_the_most_surprising() {
        let mut values = rows(600, 1);
        // Usual by themselves, but not together.
        let far = (0..600).filter(|row| values[row * 5].abs() > 0.5);
        let strange: Vec<usize> = far.take(6).collect();
        for row in &strange {
            values[row * 5 + 1] = -values[row * 5];
        }
        let points = Points::new(&values, 5);
        let (model, params) = MaskedCellsModel::fit(points, &COLUMN_OF, 3, &Silent)
            .expect("a model")
            .expect("enough rows");
        assert!(model.held_out.1 < 0.8 * model.held_out.0, "{model:?}");
        let scores = model.scores(points, &params, &|_, _| true).expect("scores");
        let mut order: Vec<usize> = (0..600).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let found = order[..12].iter().filter(|row| strange.contains(row));
        assert!(found.count() >= 5, "{:?}", &order[..12]);
        // The columns that do not fit are told, not the one that stands for itself.
        let cells = model
            .surprises(points, &params, &|_, _| true)
            .expect("surprises");
        // Numbers first: x, its like, the one of its own, then the category.
        assert_eq!(model.firsts(), [0, 1, 4, 2]);
        let usual: f64 = (100..600).map(|row: usize| cells[row * 4 + 1]).sum::<f64>() / 500.0;
        let odd: f64 = strange.iter().map(|row| cells[row * 4 + 1]).sum::<f64>() / 6.0;
        assert!(odd > usual + 2.0, "{odd} {usual}");
    }

    #[test]
    fn the_same_bytes_for_any_number_of_threads() {
        let values = rows(300, 2);
        let points = Points::new(&values, 5);
        let by = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().expect("threads").install(|| {
                let (model, params) = MaskedCellsModel::fit(points, &COLUMN_OF, 3, &Silent)
                    .expect("a model")
                    .expect("enough rows");
                model.scores(points, &params, &|_, _| true).expect("scores")
            })
        };
        assert_eq!(by(1), by(3));
    }

    #[test]
    fn too_few_rows_or_columns_are_no_error() {
        let values = rows(99, 1);
        let fit = |values: &[f32], width: usize, columns: &[usize]| {
            MaskedCellsModel::fit(Points::new(values, width), columns, 1, &Silent)
        };
        assert!(fit(&values, 5, &COLUMN_OF).expect("no error").is_none());
        let one: Vec<f32> = (0..500).map(|x| x as f32).collect();
        assert!(fit(&one, 1, &[0]).expect("no error").is_none());
        assert!(fit(&[f32::NAN; 400], 2, &[0, 1]).is_err());
    }

    #[test]
    fn points_of_another_width_are_refused() {
        let values = rows(120, 1);
        let points = Points::new(&values, 5);
        let (model, params) = MaskedCellsModel::fit(points, &COLUMN_OF, 1, &Silent)
            .expect("a model")
            .expect("enough rows");
        assert!(
            model
                .scores(Points::new(&values, 4), &params, &|_, _| true)
                .is_err()
        );
        let cancelled = model.scores(points, &params, &|_, _| false);
        assert!(matches!(cancelled, Err(MineError::Cancelled)));
    }
}
