//! A row transformer learns to tell hidden cells from the others of their row.

use adit_nn::random::mix;
use adit_nn::{AskedCells, CellTransformer, NnError, Params, RowBatch, Session, Tape, Var};

use super::{Objective, in_order_of, judged, mean_of};
use crate::mine::MineError;
use crate::represent::cell_codes::{CellCodes, CodedCells};

/// Keeps what is hidden of held-out rows apart from that of training.
const HELD_OUT: u64 = 0x6865_6c64;
/// Largest share of a row's cells that is hidden, beyond the first.
const MOST_HIDDEN: f64 = 0.3;

/// Hidden cells of rows.
pub struct MaskedCells<'a> {
    pub network: &'a CellTransformer,
    pub codes: &'a CellCodes,
    pub cells: &'a CodedCells,
    /// Rows to learn from.
    pub train: &'a [usize],
    /// Rows to judge by.
    pub held_out: &'a [usize],
    /// Rows a step.
    pub batch_rows: usize,
}

/// What is asked of a batch, and what stands there.
struct Hidden {
    batch: RowBatch,
    asked: Vec<AskedCells>,
    classes: Vec<Vec<u32>>,
}

impl Objective for MaskedCells<'_> {
    fn batches(&self, key: u64) -> Vec<Vec<usize>> {
        let order: Vec<usize> = in_order_of(key, self.train.iter().copied()).collect();
        order
            .chunks(self.batch_rows.max(1))
            .map(<[usize]>::to_vec)
            .collect()
    }

    fn loss(&self, tape: &mut Tape, batch: &[usize], key: u64) -> Result<Var, MineError> {
        let hidden = self.hidden(batch, key);
        let asked = (&hidden.asked[..], &hidden.classes[..]);
        Ok(self.network.loss(tape, &hidden.batch, asked)?)
    }

    fn held_out(&self, params: &Params, seed: u64) -> Result<(f64, f64), MineError> {
        let key = mix(seed, HELD_OUT);
        let batches: Vec<&[usize]> = self.held_out.chunks(self.batch_rows.max(1)).collect();
        let judge = |tape: &mut Tape, rows: &&[usize]| -> Result<_, NnError> {
            let hidden = self.hidden(rows, key);
            let scores = self.network.scores(tape, &hidden.batch, &hidden.asked)?;
            let mut found = (0.0, 0usize, 0usize);
            for (scores, classes) in scores.into_iter().zip(&hidden.classes) {
                let scores = tape.take(scores);
                for (row, &class) in classes.iter().enumerate() {
                    let (loss, is_right) = judged(scores.row(row), class);
                    found.0 += loss;
                    found.1 += usize::from(is_right);
                    found.2 += 1;
                }
            }
            Ok(found)
        };
        let parts = Session::new(params).run_all(&batches, judge)?;
        Ok(mean_of(&parts))
    }
}

impl MaskedCells<'_> {
    /// Hides from one cell to a third of each row, by the key and the row.
    fn hidden(&self, rows: &[usize], key: u64) -> Hidden {
        let n = self.codes.n_columns();
        let more = (MOST_HIDDEN * n.saturating_sub(1) as f64) as u64;
        let mut by_column: Vec<Vec<usize>> = vec![Vec::new(); n];
        let mut order: Vec<usize> = (0..n).collect();
        for (at, &row) in rows.iter().enumerate() {
            let own = mix(key, row as u64);
            let count = 1 + (own % (more + 1)) as usize;
            for k in 0..count {
                let other = k + (mix(own, k as u64) % (n - k) as u64) as usize;
                order.swap(k, other);
                by_column[order[k]].push(at);
            }
        }
        let places = by_column
            .iter()
            .enumerate()
            .flat_map(|(column, rows)| rows.iter().map(move |&at| (at, column)));
        let batch = self.codes.batch(self.cells, rows, places);
        let (mut asked, mut classes) = (Vec::new(), Vec::new());
        for (column, places) in by_column.into_iter().enumerate() {
            if !places.is_empty() {
                let class = |at: &usize| self.cells.class(rows[*at], column);
                classes.push(places.iter().map(class).collect());
                asked.push(AskedCells {
                    column,
                    rows: places,
                });
            }
        }
        Hidden {
            batch,
            asked,
            classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::represent::cell_codes::CellShape;
    use crate::represent::points::Points;

    #[test]
    fn what_is_asked_for_is_hidden_and_depends_on_the_row_alone() {
        let values: Vec<f32> = (0..400).map(|at| (at * 7 % 100) as f32).collect();
        let points = Points::new(&values, 8);
        let codes = CellCodes::fit(points, &[0, 1, 2, 3, 4, 5, 6, 7]);
        let cells = codes.coded(points);
        let shape = CellShape {
            d_token: 4,
            n_layers: 1,
            n_heads: 1,
            ffn_hidden: 4,
            ffn_dropout: 0.0,
        };
        let mut params = Params::new();
        let config = codes.config(&shape);
        let network = CellTransformer::new(config, &codes.n_classes(), &mut params, 1)
            .expect("a network that fits");
        let all: Vec<usize> = (0..50).collect();
        let objective = MaskedCells {
            network: &network,
            codes: &codes,
            cells: &cells,
            train: &all,
            held_out: &[],
            batch_rows: 16,
        };
        let hidden = objective.hidden(&all, 5);
        let n_asked: usize = hidden.asked.iter().map(|cells| cells.rows.len()).sum();
        let n_hidden = hidden.batch.missing.iter().filter(|is| **is).count();
        assert_eq!(n_asked, n_hidden);
        assert!((50..=150).contains(&n_asked), "{n_asked}");
        for (cells, classes) in hidden.asked.iter().zip(&hidden.classes) {
            for (&at, &class) in cells.rows.iter().zip(classes) {
                assert!(hidden.batch.missing[at * 8 + cells.column]);
                assert_eq!(class, objective.cells.class(at, cells.column));
            }
        }
        let batches = objective.batches(3);
        assert_eq!(
            batches.iter().map(Vec::len).collect::<Vec<_>>(),
            [16, 16, 16, 2]
        );
    }
}
