//! Why a row is strange: the columns that made it so, and what rows like it have there.

use super::anomaly_detectors::{CELLS, Columns, FOREST, FittedDetectors, NEAREST, TAILS, summed};
use super::points::FittedPoints;
use super::{Context, RunError};
use crate::explain::{Reason, Usual, reason_words_of, short_number, usual_range, usual_value};
use crate::mine::neighbours::Neighbours;
use crate::mine::outliers::Rows as Kind;
use crate::prepare::{RowColumn, Rows, Values};
use crate::represent::baskets::{cell, number};
use crate::represent::points::Points;

/// Nearest rows that usual values are taken of.
const NEIGHBOURS: usize = 10;
/// Reasons of a row, at most.
const MOST_REASONS: usize = 3;
/// A column with less of what makes the row strange is no reason, beside others.
const LEAST_SHARE: f64 = 0.1;
/// Rows that the usual score of a cell is taken of.
const SAMPLE: usize = 1_000;

/// Rows that others are compared with.
pub(super) struct Known<'a> {
    pub rows: &'a Rows,
    pub points: Points<'a>,
    /// Those of them that are not strange.
    pub normal: Vec<usize>,
}

/// Rows that are to be explained.
pub(super) struct Asked<'a> {
    pub rows: &'a Rows,
    /// Which of them.
    pub at: &'a [usize],
    /// Their points. `[at.len(), width]`
    pub points: Points<'a>,
    pub kind: Kind,
}

/// How strange rows are explained.
pub(super) struct Explaining<'a> {
    pub detectors: &'a FittedDetectors,
    pub fitted: &'a FittedPoints,
    /// Of persons, what is usual is told of at least so many.
    pub min_people: u64,
}

/// Why a row is strange.
#[derive(Clone, Debug, Default)]
pub(super) struct Explained {
    /// The largest share first.
    pub reasons: Vec<Reason>,
    /// The nearest normal rows, by their place among the known ones.
    pub neighbours: Vec<usize>,
    /// How far the nearest of them is; 0 where there is none.
    pub distance: f32,
}

impl Explained {
    /// All reasons in a line.
    pub fn words(&self) -> String {
        let words: Vec<&str> = self
            .reasons
            .iter()
            .map(|reason| reason.words.as_str())
            .collect();
        words.join("; ")
    }

    /// The column with the largest share.
    pub fn main(&self) -> Option<&str> {
        self.reasons.first().map(|reason| reason.column.as_str())
    }
}

/// How many each row has, which, and how far they are.
type Near = (usize, (Vec<u32>, Vec<f32>));

impl Explaining<'_> {
    /// Rows that usual values are taken of.
    pub fn n_neighbours(&self) -> usize {
        match self.fitted.is_of_entities() {
            true => NEIGHBOURS.max(usize::try_from(self.min_people).unwrap_or(usize::MAX)),
            false => NEIGHBOURS,
        }
    }

    /// Why each of the asked rows is strange, in their order.
    ///
    /// # Errors
    /// A damaged run; `Interrupted`.
    pub fn explain(
        &self,
        asked: &Asked,
        known: &Known,
        context: &Context,
    ) -> Result<Vec<Explained>, RunError> {
        if asked.at.is_empty() {
            return Ok(Vec::new());
        }
        let columns = self.columns();
        let names = self.names();
        let width = asked.points.width();
        let column_of = columns.of_points(width);
        let (k, near) = self.neighbours(asked, known, context)?;
        let said = self
            .detectors
            .by_column(asked.points, asked.kind, &columns, context)?;
        let (usual_tails, usual_cells) = self.usual(known, &columns, context)?;
        let weights = self.detectors.surprise.weights();
        let explained = (0..asked.at.len()).map(|at| {
            let own = at * columns.n..(at + 1) * columns.n;
            let (found, distances) = (&near.0[at * k..][..k], &near.1[at * k..][..k]);
            let neighbours: Vec<usize> = found
                .iter()
                .map(|&place| known.normal[place as usize])
                .collect();
            let apart = apart(asked.points.row(at), &neighbours, known.points);
            let mut parts = vec![vec![0.0; columns.n]; weights.len()];
            parts[FOREST] = said.forest[own.clone()].to_vec();
            parts[TAILS] = more(&said.tails[own.clone()], &usual_tails);
            parts[NEAREST] = summed(&apart, &column_of, columns.n);
            if let (Some(said), Some(usual)) = (&said.cells, &usual_cells) {
                parts[CELLS] = more(&said[own], usual);
            }
            let shares = joined_shares(&parts, weights);
            Explained {
                reasons: self.reasons(&shares, &names, (asked, asked.at[at]), (known, &neighbours)),
                distance: distances.first().copied().unwrap_or(0.0),
                neighbours,
            }
        });
        Ok(explained.collect())
    }

    fn columns(&self) -> Columns {
        let of_vectors = usize::from(self.fitted.vectors_name().is_some());
        Columns {
            cells: self.fitted.cells.column_of(),
            n: self.fitted.cells.n_columns() + of_vectors,
        }
    }

    fn names(&self) -> Vec<String> {
        let of_cells = self.fitted.cells.names().map(String::from);
        of_cells.chain(self.fitted.vectors_name()).collect()
    }

    /// How many normal rows nearest to each asked one there are, which, and how far.
    fn neighbours(
        &self,
        asked: &Asked,
        known: &Known,
        context: &Context,
    ) -> Result<Near, RunError> {
        let wanted = self.n_neighbours();
        let too_few = self.fitted.is_of_entities() && known.normal.len() < wanted;
        if known.normal.is_empty() || too_few {
            return Ok((0, (Vec::new(), Vec::new())));
        }
        let watch = context.watch;
        let goes_on = |at: usize, of: usize| {
            watch.progress("say why", at as u64, of as u64, "");
            !watch.cancelled()
        };
        let values = known.points.gathered(&known.normal);
        let normal = Points::new(&values, known.points.width());
        let found = Neighbours { k: wanted }.exact(normal, Some(asked.points), &goes_on)?;
        Ok((found.k, (found.indices, found.distances)))
    }

    /// What tails and cells say of the cells of each column on average: also usual cells have some. `[n_columns]` each
    fn usual(
        &self,
        known: &Known,
        columns: &Columns,
        context: &Context,
    ) -> Result<(Vec<f64>, Option<Vec<f64>>), RunError> {
        let step = known.normal.len().div_ceil(SAMPLE).max(1);
        let some: Vec<usize> = known.normal.iter().copied().step_by(step).collect();
        let n = columns.n;
        if some.is_empty() {
            let cells = self.detectors.cells.as_ref().map(|_| vec![0.0; n]);
            return Ok((vec![0.0; n], cells));
        }
        let values = known.points.gathered(&some);
        let points = Points::new(&values, known.points.width());
        let kind = Kind::Training;
        let said = self.detectors.by_column(points, kind, columns, context)?;
        let cells = said.cells.map(|cells| means(&cells, n));
        Ok((means(&said.tails, n), cells))
    }

    fn reasons(
        &self,
        shares: &[f64],
        names: &[String],
        (asked, row): (&Asked, usize),
        (known, neighbours): (&Known, &[usize]),
    ) -> Vec<Reason> {
        let mut order: Vec<usize> = (0..shares.len()).collect();
        // Of equal shares the first column.
        order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
        let is_reason = |(at, column): &(usize, usize)| *at == 0 || shares[*column] >= LEAST_SHARE;
        let told = order
            .into_iter()
            .enumerate()
            .filter(is_reason)
            .take(MOST_REASONS);
        let mut reasons: Vec<Reason> = told
            .map(|(_, at)| {
                let name = &names[at];
                let own = asked
                    .rows
                    .column(name)
                    .filter(|_| at < self.fitted.cells.n_columns());
                let (value, usual) = match (own, known.rows.column(name)) {
                    (Some(own), Some(column)) => (
                        value_words(&own.values, row),
                        usual(column, neighbours, (own, row)),
                    ),
                    _ => (None, Usual::NotTold),
                };
                Reason {
                    words: reason_words_of(name, value.as_deref(), &usual),
                    column: name.clone(),
                    share: shares[at],
                    value,
                    usual,
                }
            })
            .collect();
        // A usual value says something only where no other does.
        let first = reasons
            .iter()
            .position(|reason| !is_usual(reason))
            .unwrap_or(0);
        let mut at = 0;
        reasons.retain(|reason| {
            at += 1;
            at == first + 1 || !is_usual(reason)
        });
        reasons
    }
}

/// By how much each is more than usual.
fn more(own: &[f64], usual: &[f64]) -> Vec<f64> {
    own.iter()
        .zip(usual)
        .map(|(own, usual)| own - usual)
        .collect()
}

/// The mean of each column. `[n_rows, n]` to `[n]`
fn means(values: &[f64], n: usize) -> Vec<f64> {
    let n_rows = (values.len() / n.max(1)).max(1) as f64;
    let mut means = vec![0.0; n];
    for row in values.chunks(n.max(1)) {
        let pairs = means.iter_mut().zip(row);
        pairs.for_each(|(mean, value)| *mean += value / n_rows);
    }
    means
}

/// Whether the value is one that rows like it have.
fn is_usual(reason: &Reason) -> bool {
    match &reason.usual {
        Usual::Range { is_within, .. } => *is_within,
        Usual::Value { value, .. } => reason.value.as_ref() == Some(value),
        Usual::Empty { .. } => reason.value.is_none(),
        Usual::NotTold => false,
    }
}

/// The squared difference of a row to the mean of its neighbours, by coordinate.
fn apart(row: &[f32], neighbours: &[usize], points: Points) -> Vec<f64> {
    if neighbours.is_empty() {
        return vec![0.0; row.len()];
    }
    let mut mean = vec![0.0; row.len()];
    for &neighbour in neighbours {
        let values = points.row(neighbour);
        mean.iter_mut()
            .zip(values)
            .for_each(|(sum, x)| *sum += f64::from(*x) / neighbours.len() as f64);
    }
    row.iter()
        .zip(&mean)
        .map(|(x, mean)| (f64::from(*x) - mean).powi(2))
        .collect()
}

/// What each detector says of each column as shares of all that it says, weighted as the detectors are. Together 1, or
/// all 0 where nothing is said.
fn joined_shares(parts: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let n = parts.first().map_or(0, Vec::len);
    let mut shares = vec![0.0; n];
    for (part, weight) in parts.iter().zip(weights) {
        let sum: f64 = part.iter().map(|x| x.max(0.0)).sum();
        if sum > 0.0 {
            shares
                .iter_mut()
                .zip(part)
                .for_each(|(share, x)| *share += weight * x.max(0.0) / sum);
        }
    }
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

/// A cell as it is told: numbers in six figures at most, with their thousands apart.
pub(super) fn value_words(values: &Values, row: usize) -> Option<String> {
    match values {
        Values::Numbers(_) => number(values, row).map(|x| short_number(x, x.abs() / 1_000.0)),
        _ => cell(values, row),
    }
}

fn usual(column: &RowColumn, rows: &[usize], (own, row): (&RowColumn, usize)) -> Usual {
    match &column.values {
        Values::Strings(_) | Values::Histories(_) => {
            let cells: Vec<Option<String>> =
                rows.iter().map(|&row| cell(&column.values, row)).collect();
            usual_value(&cells)
        }
        values => {
            let numbers: Vec<f64> = rows.iter().filter_map(|&row| number(values, row)).collect();
            let is_time = matches!(values, Values::Times(_));
            let name = |x: f64, range: f64| match is_time {
                true => cell(&Values::Times(vec![Some(x as i64)]), 0).unwrap_or_default(),
                false => short_number(x, range),
            };
            usual_range(&numbers, rows.len(), number(&own.values, row), &name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_weigh_as_the_detectors_do() {
        let parts = [
            vec![3.0, 1.0, -2.0],
            vec![0.0, 0.0, 0.0],
            vec![0.0, 5.0, 5.0],
        ];
        let shares = joined_shares(&parts, &[0.5, 0.25, 0.25]);
        // The second says nothing: the others keep their relation.
        let expected = [0.375, 0.25, 0.125].map(|x: f64| x / 0.75);
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share - expected).abs() < 1e-12, "{shares:?}");
        }
        assert_eq!(joined_shares(&[vec![0.0, -1.0]], &[1.0]), [0.0, 0.0]);
    }

    #[test]
    fn a_row_is_apart_where_its_neighbours_are_not() {
        let values = [0.0, 0.0, 2.0, 0.0];
        let found = apart(&[1.0, 5.0], &[0, 1], Points::new(&values, 2));
        assert_eq!(found, [0.0, 25.0]);
        assert_eq!(apart(&[1.0], &[], Points::new(&values, 2)), [0.0]);
    }

    #[test]
    fn values_are_short() {
        let numbers = Values::Numbers(vec![98_000.0, 2.054_091_954, f64::NAN, -0.000_123_456_789]);
        let told: Vec<Option<String>> = (0..4).map(|row| value_words(&numbers, row)).collect();
        assert_eq!(
            told,
            [
                Some("98,000".into()),
                Some("2.05409".into()),
                None,
                Some("-0.00012346".into())
            ]
        );
    }
}
