//! What rows are judged by: an isolation forest, the tails of the columns, the distance to the nearest rows, and how well
//! the cells of a row tell each other.

use std::borrow::Cow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::learned_cells::LearnedCells;
use super::{Context, RunError};
use crate::mine::MineError;
use crate::mine::neighbours::{Neighbours, nearest};
use crate::mine::outliers::nearest::Distance;
use crate::mine::outliers::{
    Detector, DetectorModel, Ecod, EcodModel, IsolationForest, Nearest, Rows, Surprise,
    threshold_of_alerts,
};
use crate::represent::components::Components;
use crate::represent::points::Points;

/// Detectors that look at coordinates.
const N_DETECTORS: usize = 3;
/// Their places.
pub(super) const FOREST: usize = 0;
pub(super) const TAILS: usize = 1;
pub(super) const NEAREST: usize = 2;
/// The place of what cells say of each other, where it is asked.
pub(super) const CELLS: usize = 3;
const CELLS_NAME: &str = "masked cells";
/// How much each counts among rows that may hold anomalies…
const AMONG_ALL: [f64; N_DETECTORS + 1] = [1.0, 1.0, 2.0, 1.0];
/// … and beside rows that hold none, where what is far from all of them is strange.
const BESIDE_CLEAN: [f64; N_DETECTORS + 1] = [0.0, 1.0, 3.0, 1.0];
/// Of wider rows cells are not hidden: a pass over them costs the square of their number.
const MOST_CELLS: usize = 256;
/// Among rows that may hold anomalies, some of these may be alike: only a far neighbour is a usual row.
const NEIGHBOURS_AMONG_ALL: usize = 50;
const NEIGHBOURS_BESIDE_CLEAN: usize = 5;
/// … but no farther than this share of all rows.
const MOST_NEIGHBOURS: f64 = 0.05;
/// Trees of the forest: twice those of the paper, so that another seed changes less.
const N_TREES: usize = 200;
/// Principal components of the vectors of texts that trees and tails look at.
const COMPONENTS: usize = 32;
/// Rows whose cells are looked up at once.
const CHUNK_ROWS: usize = 4_096;

/// What was learned of rows, saved with a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FittedDetectors {
    view: View,
    /// What belongs together among the coordinates that tails are asked of: the categories of one column.
    tail_columns: Vec<usize>,
    detectors: Vec<DetectorModel>,
    /// What cells say of each other, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<LearnedCells>,
    pub surprise: Surprise,
    /// Joined scores above it are flagged.
    pub threshold: f64,
}

/// The coordinates that each detector looks at.
#[derive(Debug, Serialize, Deserialize)]
struct View {
    /// Coordinates of cells; those of texts follow.
    n_cells: usize,
    /// Absent where there are no texts.
    texts: Option<Components>,
}

/// What detectors see of some rows.
pub(super) struct Seen<'a> {
    pub forest: (Cow<'a, [f32]>, usize),
    pub tails: (Cow<'a, [f32]>, usize),
}

impl View {
    fn fit(points: Points, n_cells: usize) -> View {
        let width = points.width() - n_cells;
        let texts = (width > 0).then(|| {
            let all: Vec<usize> = (0..points.len()).collect();
            Components::fit(
                &part(points, n_cells..points.width()),
                width,
                &all,
                COMPONENTS,
            )
        });
        View { n_cells, texts }
    }

    fn of<'a>(&self, points: Points<'a>) -> Seen<'a> {
        let whole = (Cow::Borrowed(points.values()), points.width());
        // Texts that are all the same leave no component: beside cells they say nothing, and alone their vectors are as good
        // as any other constant.
        let Some(texts) = self.texts.as_ref().filter(|texts| !texts.is_empty()) else {
            if (1..points.width()).contains(&self.n_cells) {
                let cells = (Cow::Owned(part(points, 0..self.n_cells)), self.n_cells);
                return Seen {
                    forest: cells.clone(),
                    tails: cells,
                };
            }
            return Seen {
                forest: whole.clone(),
                tails: whole,
            };
        };
        let vectors = part(points, self.n_cells..points.width());
        let places = texts.projected(Points::new(&vectors, texts.width()));
        if self.n_cells == 0 {
            let places = (Cow::Owned(places), texts.len());
            return Seen {
                forest: places.clone(),
                tails: places,
            };
        }
        let width = self.n_cells + texts.len();
        let mut both = Vec::with_capacity(points.len() * width);
        for (row, place) in places.chunks(texts.len()).enumerate() {
            both.extend_from_slice(&points.row(row)[..self.n_cells]);
            both.extend_from_slice(place);
        }
        Seen {
            forest: (Cow::Owned(both), width),
            tails: (Cow::Owned(part(points, 0..self.n_cells)), self.n_cells),
        }
    }

    /// The columns that the coordinates of trees and of tails belong to; texts are the one after those of cells.
    fn columns(&self, cells: &[usize], text_column: usize) -> (Vec<usize>, Vec<usize>) {
        let Some(texts) = self.texts.as_ref().filter(|texts| !texts.is_empty()) else {
            let width = match self.n_cells {
                0 => self.texts.as_ref().map_or(0, Components::width),
                _ => 0,
            };
            let all: Vec<usize> = (cells.iter().copied())
                .chain(std::iter::repeat_n(text_column, width))
                .collect();
            return (all.clone(), all);
        };
        let of_texts = std::iter::repeat_n(text_column, texts.len());
        let forest: Vec<usize> = cells.iter().copied().chain(of_texts).collect();
        let tails = if self.n_cells == 0 {
            forest.clone()
        } else {
            cells.to_vec()
        };
        (forest, tails)
    }
}

impl Seen<'_> {
    fn points(&self, detector: usize) -> Points<'_> {
        let (values, width) = if detector == FOREST {
            &self.forest
        } else {
            &self.tails
        };
        Points::new(values, *width)
    }
}

/// Some coordinates of all points.
fn part(points: Points, columns: std::ops::Range<usize>) -> Vec<f32> {
    let rows = (0..points.len()).flat_map(|row| &points.row(row)[columns.clone()]);
    rows.copied().collect()
}

/// What was learned, and what it says of the rows that it was learned from.
pub(super) struct JudgedRows {
    pub fitted: FittedDetectors,
    /// `[n_detectors][n_rows]`
    pub scores: Vec<Vec<f64>>,
    /// Joined. `[n_rows]`
    pub joined: Vec<f64>,
    n_alerts: usize,
}

/// The detectors by their places, for `n` rows.
fn detectors(clean: bool, n: usize, seed: u64) -> [Detector; N_DETECTORS] {
    let forest = IsolationForest {
        n_trees: N_TREES,
        seed,
        ..IsolationForest::default()
    };
    let nearest = if clean {
        Nearest {
            k: NEIGHBOURS_BESIDE_CLEAN,
            distance: Distance::Mean,
        }
    } else {
        let most = (n as f64 * MOST_NEIGHBOURS) as usize;
        Nearest {
            k: most.clamp(NEIGHBOURS_BESIDE_CLEAN, NEIGHBOURS_AMONG_ALL),
            distance: Distance::Largest,
        }
    };
    [
        Detector::IsolationForest(forest),
        Detector::Ecod(Ecod {}),
        Detector::Nearest(nearest),
    ]
}

/// How rows are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct JudgeSettings {
    /// The rows hold no anomalies.
    pub clean: bool,
    pub n_alerts: usize,
    /// Whether a transformer learns how the cells of a row go together.
    pub masked_cells: bool,
    pub seed: u64,
}

/// Learns from rows and judges them; `cells` is the column of each coordinate of cells, which those of texts follow.
///
/// # Errors
/// `Interrupted`.
pub(super) fn judge(
    points: Points,
    cells: &[usize],
    settings: JudgeSettings,
    context: &Context,
) -> Result<JudgedRows, RunError> {
    let JudgeSettings {
        clean,
        n_alerts,
        seed,
        ..
    } = settings;
    let watch = context.watch;
    let view = View::fit(points, cells.len());
    let seen = view.of(points);
    let tail_columns = match cells {
        // Components of texts stand each for itself.
        [] => (0..seen.tails.1).collect(),
        cells => cells.to_vec(),
    };
    let neighbours = |asked: Points, rows: Rows, k: usize| -> Result<Vec<f32>, MineError> {
        let goes_on = |at: usize, of: usize| {
            watch.progress("compare with the nearest rows", at as u64, of as u64, "");
            !watch.cancelled()
        };
        Ok(match rows {
            Rows::Training => nearest(asked, k, seed, &goes_on)?.neighbours.distances,
            Rows::New => {
                Neighbours { k }
                    .exact(points, Some(asked), &goes_on)?
                    .distances
            }
        })
    };
    let goes_on = |at: usize, of: usize| {
        watch.progress("learn what is usual", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let (mut models, mut scores) = (Vec::new(), Vec::new());
    for (at, detector) in detectors(clean, points.len(), seed).into_iter().enumerate() {
        let own = if at == NEAREST {
            points
        } else {
            seen.points(at)
        };
        let model = detector.fit(own, &goes_on)?;
        scores.push(match &model {
            DetectorModel::Ecod(tails) => tail_scores(tails, own, Rows::Training, &tail_columns)?,
            model => model.scores(own, Rows::Training, &neighbours)?,
        });
        models.push(model);
    }
    let all_cells = (settings.masked_cells && !cells.is_empty())
        .then(|| coordinates(cells, seen.forest.1))
        .filter(|columns| columns.last().is_some_and(|last| *last < MOST_CELLS));
    let mut learned = None;
    if let Some(columns) = all_cells {
        let own = seen.points(FOREST);
        learned = LearnedCells::fit(own, &columns, seed, context)?;
        if let Some(cells) = &learned {
            scores.push(cells.scores(own, context)?);
        }
    }
    let weights = if clean { BESIDE_CLEAN } else { AMONG_ALL };
    let weights = &weights[..scores.len()];
    let (surprise, joined) = Surprise::fit(&scores, weights, share(n_alerts, points.len()))?;
    Ok(JudgedRows {
        fitted: FittedDetectors {
            view,
            tail_columns,
            detectors: models,
            cells: learned,
            threshold: threshold(&joined, n_alerts),
            surprise,
        },
        scores,
        joined,
        n_alerts,
    })
}

/// The column of each coordinate that trees look at: after those of cells each component of texts for itself.
fn coordinates(cells: &[usize], width: usize) -> Vec<usize> {
    let n = cells.last().map_or(0, |last| last + 1);
    let of_texts = n..n + width.saturating_sub(cells.len());
    cells.iter().copied().chain(of_texts).collect()
}

fn share(n_alerts: usize, n: usize) -> f64 {
    n_alerts as f64 / n.max(1) as f64
}

/// Above it lie so many of the scores; where rows that tie at the top are more, all of these.
pub(super) fn threshold(joined: &[f64], n_alerts: usize) -> f64 {
    let threshold = threshold_of_alerts(joined, n_alerts);
    let top = joined.iter().copied().fold(0.0, f64::max);
    if threshold < top {
        return threshold;
    }
    let below = joined.iter().copied().filter(|score| *score < top);
    // Where all tie, none is strange.
    below.reduce(f64::max).unwrap_or(top)
}

impl JudgedRows {
    /// Weighs the detectors anew.
    ///
    /// # Errors
    /// None of its own.
    pub fn weigh(&mut self, weights: &[f64]) -> Result<(), RunError> {
        let share = share(self.n_alerts, self.joined.len());
        let (surprise, joined) = Surprise::fit(&self.scores, weights, share)?;
        self.fitted.threshold = threshold(&joined, self.n_alerts);
        (self.fitted.surprise, self.joined) = (surprise, joined);
        Ok(())
    }

    /// Which rows are flagged. `[n_rows]`
    pub fn flagged(&self) -> Vec<bool> {
        self.joined
            .iter()
            .map(|score| *score > self.fitted.threshold)
            .collect()
    }
}

impl FittedDetectors {
    /// What the detectors are called.
    pub fn names(&self) -> Vec<&'static str> {
        let of_points = detectors(false, 0, 0).map(|detector| detector.name());
        let of_cells = self.cells.as_ref().map(|_| CELLS_NAME);
        of_points.into_iter().chain(of_cells).collect()
    }

    /// Joined scores of new rows beside the `known` ones.
    ///
    /// # Errors
    /// A damaged run; `Interrupted`.
    pub fn new_scores(
        &self,
        known: Points,
        points: Points,
        context: &Context,
    ) -> Result<Vec<f64>, RunError> {
        if self.detectors.len() != N_DETECTORS
            || self.view.n_cells > points.width()
            || points.width() != known.width()
        {
            return Err(damaged().into());
        }
        let watch = context.watch;
        let neighbours = |asked: Points, _: Rows, k: usize| -> Result<Vec<f32>, MineError> {
            let goes_on = |at: usize, of: usize| {
                watch.progress("compare with the nearest rows", at as u64, of as u64, "");
                !watch.cancelled()
            };
            Ok(Neighbours { k }
                .exact(known, Some(asked), &goes_on)?
                .distances)
        };
        let seen = self.view.of(points);
        let mut scores = Vec::new();
        for (at, model) in self.detectors.iter().enumerate() {
            let own = if at == NEAREST {
                points
            } else {
                seen.points(at)
            };
            scores.push(match model {
                DetectorModel::Ecod(tails) => {
                    tail_scores(tails, own, Rows::New, &self.tail_columns)?
                }
                model => model.scores(own, Rows::New, &neighbours)?,
            });
        }
        if let Some(cells) = &self.cells {
            let own = seen.points(FOREST);
            scores.push(cells.scores(own, context)?);
        }
        Ok(self.surprise.joined(&scores)?)
    }

    /// What trees, tails and, where they are asked, cells say of each coordinate of some rows, summed by column.
    ///
    /// # Errors
    /// A damaged run; `Interrupted`.
    pub fn by_column(
        &self,
        points: Points,
        rows: Rows,
        of: &Columns,
        context: &Context,
    ) -> Result<ByColumn, RunError> {
        let seen = self.view.of(points);
        let (forest_columns, tail_columns) = self.view.columns(&of.cells, of.n - 1);
        let (forest, tails) = match &self.detectors[..] {
            [
                DetectorModel::IsolationForest(forest),
                DetectorModel::Ecod(tails),
                _,
            ] => (forest, tails),
            _ => return Err(damaged().into()),
        };
        let parts = forest.contributions(seen.points(FOREST))?;
        let cells = tails.cell_scores(seen.points(TAILS), rows)?;
        let tails = largest(&cells, &tail_columns, of.n);
        let cells = match &self.cells {
            Some(model) => {
                let firsts = model.firsts();
                if firsts.iter().any(|first| *first >= forest_columns.len()) {
                    return Err(damaged().into());
                }
                let own = seen.points(FOREST);
                let cells = model.surprises(own, context)?;
                let columns: Vec<usize> = firsts.iter().map(|&at| forest_columns[at]).collect();
                Some(summed(&cells, &columns, of.n))
            }
            None => None,
        };
        Ok(ByColumn {
            forest: summed(&parts, &forest_columns, of.n),
            tails,
            cells,
        })
    }
}

/// What detectors say of each column of some rows. `[n_rows * n_columns]` each
pub(super) struct ByColumn {
    pub forest: Vec<f64>,
    pub tails: Vec<f64>,
    pub cells: Option<Vec<f64>>,
}

/// The columns of points: those of cells, and one more for all texts.
pub(super) struct Columns {
    /// The column of each coordinate of cells.
    pub cells: Vec<usize>,
    /// All of them; the last one is that of the texts, where there are such.
    pub n: usize,
}

impl Columns {
    /// The column of each of `width` coordinates.
    pub fn of_points(&self, width: usize) -> Vec<usize> {
        let texts = width.saturating_sub(self.cells.len());
        let of_texts = std::iter::repeat_n(self.n - 1, texts);
        self.cells.iter().copied().chain(of_texts).collect()
    }
}

/// How far out the cells of each row lie, summed over the columns. Of the coordinates of a column only the farthest
/// counts: a rare category is rare once, however many others there are.
fn tail_scores(
    model: &EcodModel,
    points: Points,
    rows: Rows,
    column_of: &[usize],
) -> Result<Vec<f64>, MineError> {
    if column_of.len() != points.width() {
        return Err(damaged());
    }
    let n_columns = column_of.iter().max().map_or(0, |most| most + 1);
    let chunks: Vec<&[f32]> = points
        .values()
        .chunks(CHUNK_ROWS * points.width())
        .collect();
    let scores = chunks
        .into_par_iter()
        .map(|chunk| -> Result<Vec<f64>, MineError> {
            let cells = model.cell_scores(Points::new(chunk, points.width()), rows)?;
            let by_column = largest(&cells, column_of, n_columns);
            Ok(by_column
                .chunks(n_columns)
                .map(|row| row.iter().sum())
                .collect())
        });
    Ok(scores.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The largest value of each column's coordinates, at least 0. `[n_rows, width]` to `[n_rows, n]`
fn largest(values: &[f64], column_of: &[usize], n: usize) -> Vec<f64> {
    let mut most = vec![0.0; values.len() / column_of.len().max(1) * n];
    let rows = values
        .chunks(column_of.len().max(1))
        .zip(most.chunks_mut(n.max(1)));
    for (values, most) in rows {
        values
            .iter()
            .zip(column_of)
            .for_each(|(value, column)| most[*column] = value.max(most[*column]));
    }
    most
}

/// Values of coordinates summed by column. `[n_rows, width]` to `[n_rows, n]`
pub(super) fn summed(values: &[f64], column_of: &[usize], n: usize) -> Vec<f64> {
    let mut sums = vec![0.0; values.len() / column_of.len().max(1) * n];
    let rows = values
        .chunks(column_of.len().max(1))
        .zip(sums.chunks_mut(n.max(1)));
    for (values, sums) in rows {
        values
            .iter()
            .zip(column_of)
            .for_each(|(value, column)| sums[*column] += value);
    }
    sums
}

fn damaged() -> MineError {
    MineError::DamagedModel {
        reason: "its detectors do not fit together".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_leaves_as_many_as_asked_or_all_that_tie_at_the_top() {
        let above = |scores: &[f64], n| {
            let threshold = threshold(scores, n);
            scores.iter().filter(|score| **score > threshold).count()
        };
        assert_eq!(above(&[0.1, 0.2, 0.3, 0.4], 2), 2);
        assert_eq!(above(&[0.1, 0.2, 0.9, 0.9, 0.9], 2), 3);
        assert_eq!(above(&[0.5; 4], 1), 0);
        assert_eq!(above(&[0.2, 0.3], 5), 2);
    }

    #[test]
    fn coordinates_are_summed_by_column() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        assert_eq!(summed(&values, &[0, 0, 1], 2), [3.0, 4.0, 24.0, 32.0]);
        let columns = Columns {
            cells: vec![0, 1, 1],
            n: 3,
        };
        assert_eq!(largest(&values, &[0, 0, 1], 2), [2.0, 4.0, 16.0, 32.0]);
        assert_eq!(columns.of_points(5), [0, 1, 1, 2, 2]);
    }
}
