//! Cells of rows as what is seen of them and the classes that they are told by.
//!
//! Enters: points, with the column of each coordinate. Leaves: tokens for a row transformer, in which any cell can be
//! hidden, and a class of every cell: of a number one of at most sixteen ranges that hold about as many rows each (of
//! few distinct values each for itself), of a category the category. Not here: what is learned from them.

use adit_nn::{NumberEmbedding, RowBatch, RowBody, RowTransformerConfig};
use serde::{Deserialize, Serialize};

use super::points::Points;
use super::rows::bin_edges;

/// Ranges of a number.
const RANGES: usize = 16;
/// Rows that cuts are looked for in, at most.
const SAMPLE: usize = 100_000;

/// How coordinates become cells, fitted on points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellCodes {
    /// Coordinates of a point.
    width: usize,
    /// Numbers first.
    columns: Vec<CellColumn>,
    n_numbers: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CellColumn {
    /// The first coordinate, and how many there are.
    first: usize,
    n: usize,
    /// What number tokens are made of, rising; none of categories.
    edges: Vec<f32>,
    /// Between the classes of a number, rising.
    cuts: Vec<f32>,
    /// Mean and variance of the numbers of each class; none of categories.
    moments: Vec<(f32, f32)>,
}

/// Sizes of the blocks over cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellShape {
    pub d_token: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub ffn_hidden: usize,
    pub ffn_dropout: f32,
}

/// Rows as tokens and classes.
#[derive(Clone, Debug, PartialEq)]
pub struct CodedCells {
    numbers: Vec<f32>,
    categories: Vec<u32>,
    /// `[n_rows, n_columns]`
    classes: Vec<u16>,
    n_rows: usize,
    n_columns: usize,
}

impl CellCodes {
    /// Looks at `points`; coordinates of one column stand side by side and have the same value in `column_of`
    /// (`[width]`): a column of one is a number, of several a category.
    pub fn fit(points: Points, column_of: &[usize]) -> CellCodes {
        let step = points.len().div_ceil(SAMPLE).max(1);
        let (mut numbers, mut categories) = (Vec::new(), Vec::new());
        let mut first = 0;
        while first < column_of.len() {
            let same = column_of[first..]
                .iter()
                .take_while(|column| **column == column_of[first]);
            let n = same.count();
            if n == 1 {
                let mut sorted: Vec<f32> = (0..points.len())
                    .step_by(step)
                    .map(|row| points.row(row)[first])
                    .collect();
                sorted.sort_unstable_by(f32::total_cmp);
                let cuts = cuts(&sorted);
                numbers.push(CellColumn {
                    first,
                    n,
                    edges: bin_edges(&sorted, RANGES),
                    moments: moments(&sorted, &cuts),
                    cuts,
                });
            } else {
                categories.push(CellColumn {
                    first,
                    n,
                    edges: Vec::new(),
                    cuts: Vec::new(),
                    moments: Vec::new(),
                });
            }
            first += n;
        }
        let n_numbers = numbers.len();
        numbers.append(&mut categories);
        CellCodes {
            width: column_of.len(),
            columns: numbers,
            n_numbers,
        }
    }

    /// Whether the parts fit each other, which those of a damaged file may not.
    pub fn is_whole(&self) -> bool {
        let is_number = |column: &CellColumn| {
            let n_classes = column.cuts.len() + 1;
            column.n == 1 && column.edges.len() > 1 && column.moments.len() == n_classes
        };
        let is_within = |c: &CellColumn| {
            (1..=1 << 12).contains(&c.n) && c.first.saturating_add(c.n) <= self.width
        };
        self.n_numbers <= self.columns.len()
            && self.columns.iter().all(is_within)
            && self.columns[..self.n_numbers].iter().all(is_number)
            && self.columns[self.n_numbers..].iter().all(|c| c.n > 1)
    }

    /// Cells of a row.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Coordinates of a point.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The first coordinate of each column. `[n_columns]`
    pub fn firsts(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|column| column.first)
    }

    /// How many classes each column has. `[n_columns]`
    pub fn n_classes(&self) -> Vec<u32> {
        let classes = |column: &CellColumn| match column.n {
            1 => column.cuts.len() as u32 + 1,
            n => n as u32,
        };
        self.columns.iter().map(classes).collect()
    }

    /// Mean and variance of the numbers of each class of a column; none of a category.
    pub fn moments(&self, column: usize) -> Option<&[(f32, f32)]> {
        let own = self.columns.get(column).map(|column| &column.moments[..]);
        own.filter(|moments| !moments.is_empty())
    }

    /// Where a point lies in a column of numbers.
    pub fn number(&self, point: &[f32], column: usize) -> f32 {
        point[self.columns[column].first]
    }

    /// The network's settings; categories have one more code, which hides them.
    pub fn config(&self, shape: &CellShape) -> RowTransformerConfig {
        let (numbers, categories) = self
            .columns
            .split_at(self.n_numbers.min(self.columns.len()));
        RowTransformerConfig {
            n_numbers: numbers.len(),
            bins: numbers.iter().map(|column| column.edges.clone()).collect(),
            cardinalities: categories.iter().map(|c| c.n as u32 + 1).collect(),
            d_token: shape.d_token,
            n_layers: shape.n_layers,
            n_heads: shape.n_heads,
            ffn_hidden: shape.ffn_hidden,
            attention_dropout: 0.0,
            ffn_dropout: shape.ffn_dropout,
            residual_dropout: 0.0,
            number_relu: false,
            n_outputs: 1,
            numbers: NumberEmbedding::PiecewiseLinear,
            body: RowBody::Attention,
            members: None,
        }
    }

    /// The cells of points; numbers farther out than any that was fitted on are seen as the farthest.
    pub fn coded(&self, points: Points) -> CodedCells {
        let mut coded = CodedCells {
            numbers: Vec::with_capacity(points.len() * self.n_numbers),
            categories: Vec::with_capacity(points.len() * (self.columns.len() - self.n_numbers)),
            classes: Vec::with_capacity(points.len() * self.columns.len()),
            n_rows: points.len(),
            n_columns: self.columns.len(),
        };
        for row in 0..points.len() {
            let point = points.row(row);
            for column in &self.columns {
                let own = &point[column.first..][..column.n];
                if let (1, Some(low), Some(high)) =
                    (column.n, column.edges.first(), column.edges.last())
                {
                    coded.numbers.push(own[0].clamp(*low, *high));
                    let class = column.cuts.partition_point(|cut| *cut <= own[0]);
                    coded.classes.push(class as u16);
                } else {
                    let code = largest(own);
                    coded.categories.push(code as u32);
                    coded.classes.push(code as u16);
                }
            }
        }
        coded
    }

    /// The given rows, with the cells hidden that `hidden` names by place in `rows` and column.
    pub fn batch(
        &self,
        coded: &CodedCells,
        rows: &[usize],
        hidden: impl Iterator<Item = (usize, usize)>,
    ) -> RowBatch {
        let n_categories = self.columns.len() - self.n_numbers;
        let mut batch = RowBatch {
            numbers: Vec::with_capacity(rows.len() * self.n_numbers),
            missing: vec![false; rows.len() * self.n_numbers],
            codes: Vec::with_capacity(rows.len() * n_categories),
        };
        for &row in rows {
            let numbers = &coded.numbers[row * self.n_numbers..][..self.n_numbers];
            batch.numbers.extend_from_slice(numbers);
            let codes = &coded.categories[row * n_categories..][..n_categories];
            batch.codes.extend_from_slice(codes);
        }
        for (at, column) in hidden {
            match column.checked_sub(self.n_numbers) {
                None => batch.missing[at * self.n_numbers + column] = true,
                Some(category) => {
                    batch.codes[at * n_categories + category] = self.columns[column].n as u32;
                }
            }
        }
        batch
    }
}

impl CodedCells {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// What stands in a cell.
    pub fn class(&self, row: usize, column: usize) -> u32 {
        u32::from(self.classes[row * self.n_columns + column])
    }
}

/// Mean and variance of sorted values between cuts.
fn moments(sorted: &[f32], cuts: &[f32]) -> Vec<(f32, f32)> {
    let mut start = 0;
    let of_class = |at: usize| {
        let end = match cuts.get(at) {
            Some(cut) => sorted.partition_point(|x| x < cut),
            None => sorted.len(),
        };
        let own = &sorted[start.min(end)..end];
        start = end;
        let n = own.len().max(1) as f64;
        let mean = own.iter().map(|x| f64::from(*x) / n).sum::<f64>();
        let apart = own.iter().map(|x| (f64::from(*x) - mean).powi(2) / n);
        (mean as f32, apart.sum::<f64>() as f32)
    };
    (0..=cuts.len()).map(of_class).collect()
}

fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Between ranges of about as many sorted values each; a value that fills a range has one of its own.
fn cuts(sorted: &[f32]) -> Vec<f32> {
    let n = sorted.len();
    // Between a value and the next below it.
    let cut_at = |at: usize| (at > 0 && at < n).then(|| (sorted[at - 1] + sorted[at]) / 2.0);
    let bounds = |value: f32| {
        let start = sorted.partition_point(|x| *x < value);
        (start, sorted.partition_point(|x| *x <= value))
    };
    let mut cuts: Vec<f32> = Vec::new();
    for k in 1..RANGES {
        let Some(&value) = sorted.get(k * n / RANGES) else {
            continue;
        };
        let (start, end) = bounds(value);
        if (end - start) * RANGES >= n {
            cuts.extend(cut_at(start));
            cuts.extend(cut_at(end));
        } else {
            cuts.extend(cut_at(start));
        }
    }
    cuts.sort_unstable_by(f32::total_cmp);
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of many values, one of few, and a category of three.
    fn points() -> Vec<f32> {
        let mut values = Vec::new();
        for row in 0..640 {
            let code = [0, 0, 1, 2][row % 4];
            values.push(row as f32);
            values.push([0.0, 0.0, 0.0, 5.0, 7.0][row % 5]);
            values.extend((0..3).map(|at| f32::from(u8::from(at == code)) - 0.25));
        }
        values
    }

    #[test]
    fn ranges_hold_about_as_many_rows_and_frequent_values_have_their_own() {
        let values = points();
        let points = Points::new(&values, 5);
        let codes = CellCodes::fit(points, &[0, 1, 2, 2, 2]);
        assert_eq!(codes.n_columns(), 3);
        assert_eq!(codes.n_classes(), [16, 3, 3]);
        let coded = codes.coded(points);
        let mut counts = [0; 16];
        for row in 0..640 {
            counts[coded.class(row, 0) as usize] += 1;
            assert_eq!(coded.class(row, 1), [0, 0, 0, 1, 2][row % 5]);
            assert_eq!(coded.class(row, 2), [0, 0, 1, 2][row % 4]);
        }
        assert!(counts.iter().all(|n| *n == 40), "{counts:?}");
        let moments = codes.moments(0).expect("a number");
        assert_eq!(moments[1], (59.5, 133.25));
        assert_eq!(
            codes.moments(1),
            Some(&[(0.0, 0.0), (5.0, 0.0), (7.0, 0.0)][..])
        );
        assert_eq!(codes.moments(2), None);
    }

    #[test]
    fn far_new_numbers_are_seen_as_the_farthest_known() {
        let values = points();
        let codes = CellCodes::fit(Points::new(&values, 5), &[0, 1, 2, 2, 2]);
        let new = [1e6, -3.0, 0.75, -0.25, -0.25];
        let coded = codes.coded(Points::new(&new, 5));
        assert_eq!(coded.numbers, [639.0, 0.0]);
        assert_eq!((coded.class(0, 0), coded.class(0, 1)), (15, 0));
    }

    #[test]
    fn hidden_cells_cannot_be_seen() {
        let values = points();
        let points = Points::new(&values, 5);
        let codes = CellCodes::fit(points, &[0, 1, 2, 2, 2]);
        let coded = codes.coded(points);
        let batch = codes.batch(&coded, &[7, 8], [(0, 1), (1, 2)].into_iter());
        assert_eq!(batch.missing, [false, true, false, false]);
        assert_eq!(batch.codes, [2, 3]);
        assert_eq!(batch.numbers[0], 7.0);
    }

    #[test]
    fn constant_columns_have_one_class() {
        let values = [3.0; 20];
        let codes = CellCodes::fit(Points::new(&values, 1), &[0]);
        assert_eq!(codes.n_classes(), [1]);
        assert_eq!(codes.coded(Points::new(&[9.0], 1)).class(0, 0), 0);
    }
}
