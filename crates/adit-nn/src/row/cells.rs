//! A row transformer that says what stands in hidden cells.

use crate::error::NnError;
use crate::layers::Linear;
use crate::params::Params;
use crate::random::Init;
use crate::row::config::{RowBody, RowTransformerConfig};
use crate::row::encoder::RowEncoder;
use crate::row::encoding::RowBatch;
use crate::tape::{Tape, Var};

/// Blocks of attention over the cells of a row, and a linear map of each column's state to its classes.
#[derive(Clone, Debug)]
pub struct CellTransformer {
    encoder: RowEncoder,
    heads: Vec<Linear>,
}

/// Cells of one column that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedCells {
    /// Numbers first, then categories, as in the configuration.
    pub column: usize,
    /// Rows of the batch.
    pub rows: Vec<usize>,
}

impl CellTransformer {
    /// A transformer with weights drawn from `seed`, added to `params` under the prefixes `row.` and `cells.`;
    /// `classes` is how many classes each column has, numbers first. The outputs of `config` are not read.
    ///
    /// Errors: [`NnError::Config`] when the configuration does not fit itself or the classes.
    pub fn new(
        config: RowTransformerConfig,
        classes: &[u32],
        params: &mut Params,
        seed: u64,
    ) -> Result<Self, NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        let n_columns = config.n_numbers + config.cardinalities.len();
        if classes.len() != n_columns {
            return refuse(format!(
                "{} numbers of classes for {n_columns} columns",
                classes.len()
            ));
        }
        if config.body != RowBody::Attention {
            return refuse("cells are told by attention only".into());
        }
        if let Some(column) = classes.iter().position(|&n| n == 0 || n > 1 << 16) {
            return refuse(format!("column {column} has {} classes", classes[column]));
        }
        let mut init = Init::new(seed);
        let d = config.d_token;
        let encoder = RowEncoder::new(config, params, &mut init)?;
        let head = |(column, &n): (usize, &u32)| {
            let name = format!("cells.heads.{column}");
            Linear::uniform(params, &name, (d, n as usize), &mut init)
        };
        let heads = classes.iter().enumerate().map(head).collect();
        Ok(Self { encoder, heads })
    }

    /// The configuration.
    pub fn config(&self) -> &RowTransformerConfig {
        &self.encoder.config
    }

    /// Scores of the classes of the asked cells, `[rows.len(), n_classes]` for each of `asked`.
    ///
    /// What is asked for should be hidden in `batch`: a missing number, a code that means nothing else.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the model, or what is asked for does not fit the batch.
    pub fn scores(
        &self,
        tape: &mut Tape<'_>,
        batch: &RowBatch,
        asked: &[AskedCells],
    ) -> Result<Vec<Var>, NnError> {
        let n = batch.n_rows(&self.encoder.config)?;
        for cells in asked {
            let is_out = cells.column >= self.heads.len() || cells.rows.iter().any(|&row| row >= n);
            if is_out || cells.rows.is_empty() {
                let reason = format!("cells of column {} are not in the batch", cells.column);
                return Err(NnError::Rows { reason });
            }
        }
        let states = self.encoder.states(tape, batch)?;
        let n_tokens = self.encoder.config.n_tokens();
        let scores = asked.iter().map(|cells| {
            let place = |row: &usize| row * n_tokens + 1 + cells.column;
            let places: Vec<usize> = cells.rows.iter().map(place).collect();
            let own = tape.select_rows(states, &places);
            self.heads[cells.column].apply(tape, own)
        });
        Ok(scores.collect())
    }

    /// The mean over all asked cells of the cross-entropy of what stands there; a scalar. `classes`: `[n_asked]` lists
    /// as long as those of rows.
    ///
    /// Errors: as [`CellTransformer::scores`]; nothing is asked for; a class that the column does not have.
    pub fn loss(
        &self,
        tape: &mut Tape<'_>,
        batch: &RowBatch,
        (asked, classes): (&[AskedCells], &[Vec<u32>]),
    ) -> Result<Var, NnError> {
        let refuse = |reason: String| Err(NnError::Rows { reason });
        if asked.len() != classes.len() {
            return refuse(format!(
                "{} lists of classes for {}",
                classes.len(),
                asked.len()
            ));
        }
        let scores = self.scores(tape, batch, asked)?;
        let total: usize = asked.iter().map(|cells| cells.rows.len()).sum();
        let mut sum = None;
        for ((cells, classes), scores) in asked.iter().zip(classes).zip(scores) {
            let n_classes = tape.value(scores).row(0).len();
            let is_out = |&&class: &&u32| class as usize >= n_classes;
            if classes.len() != cells.rows.len() || classes.iter().find(is_out).is_some() {
                return refuse(format!("classes of column {} do not fit it", cells.column));
            }
            let own = tape.cross_entropy(scores, classes, None);
            let own = tape.scale(own, classes.len() as f32 / total as f32);
            sum = Some(match sum {
                None => own,
                Some(sum) => tape.add(sum, own),
            });
        }
        sum.ok_or_else(|| NnError::Rows {
            reason: "no cell is asked for".into(),
        })
    }

    /// A vector of each row: the mean of the states of its cells, `[n, d_token]`.
    ///
    /// Errors: [`NnError::Rows`] when the batch does not fit the model.
    pub fn vectors(&self, tape: &mut Tape<'_>, batch: &RowBatch) -> Result<Var, NnError> {
        let n = batch.n_rows(&self.encoder.config)?;
        let states = self.encoder.states(tape, batch)?;
        let n_tokens = self.encoder.config.n_tokens();
        let cells: Vec<usize> = (0..n)
            .flat_map(|row| row * n_tokens + 1..(row + 1) * n_tokens)
            .collect();
        let states = tape.select_rows(states, &cells);
        let offsets: Vec<usize> = (0..=n).map(|row| row * (n_tokens - 1)).collect();
        Ok(tape.mean_pool(states, &offsets))
    }
}
