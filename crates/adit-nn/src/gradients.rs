//! Gradients of parameters; those of tables remember which rows they touch.

use crate::kernels::elementwise;
use crate::kernels::embedding::scatter_add;
use crate::params::ParamId;
use crate::tensor::Tensor;

/// The gradient of one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    /// All values.
    pub tensor: Tensor,
    /// The rows that may differ from zero, rising; none where that is not known.
    ///
    /// A batch touches a few thousand of a table's tens of thousands of rows; nothing but those is
    /// written, read or summed.
    pub rows: Option<Vec<u32>>,
}

impl From<Tensor> for Gradient {
    fn from(tensor: Tensor) -> Self {
        Self { tensor, rows: None }
    }
}

impl Gradient {
    /// A gradient whose rows are all zero; so must `tensor` be.
    pub fn untouched(tensor: Tensor) -> Self {
        Self {
            tensor,
            rows: Some(Vec::new()),
        }
    }

    /// Adds row `i` of `grad` to row `ids[i]`, in the order of the rows.
    pub fn scatter(&mut self, grad: &Tensor, ids: &[u32]) {
        scatter_add(&mut self.tensor.data, &grad.data, ids, grad.cols());
        self.touch(ids);
    }

    fn touch(&mut self, ids: &[u32]) {
        if let Some(rows) = &mut self.rows {
            rows.extend_from_slice(ids);
            rows.sort_unstable();
            rows.dedup();
        }
    }

    /// `self += other`.
    pub fn add_dense(&mut self, other: &Tensor) {
        elementwise::add_assign(&mut self.tensor.data, &other.data);
        self.rows = None;
    }

    /// `self += factor · other`.
    fn add_scaled(&mut self, other: &Gradient, factor: f32) {
        let Some(rows) = &other.rows else {
            elementwise::add_scaled(&mut self.tensor.data, &other.tensor.data, factor);
            self.rows = None;
            return;
        };
        let cols = self.tensor.cols();
        for &row in rows {
            let start = row as usize * cols;
            let mine = &mut self.tensor.data[start..start + cols];
            elementwise::axpy(mine, other.tensor.row(row as usize), factor);
        }
        self.touch(rows);
    }

    fn scale(&mut self, factor: f32) {
        let Some(rows) = &self.rows else {
            return elementwise::scale(&mut self.tensor.data, factor);
        };
        let cols = self.tensor.cols();
        for &row in rows {
            let start = row as usize * cols;
            elementwise::scale_in(&mut self.tensor.data[start..start + cols], factor);
        }
    }

    fn sum_of_squares(&self) -> f64 {
        let (data, cols) = (&self.tensor.data, self.tensor.cols());
        self.rows.as_ref().map_or_else(
            || elementwise::sum_of_squares(data),
            |rows| elementwise::sum_of_squares_in_rows(data, cols, rows),
        )
    }

    /// The memory, and whether it is zero everywhere.
    pub fn into_memory(mut self) -> (Vec<f32>, bool) {
        let cols = self.tensor.cols();
        for &row in self.rows.iter().flatten() {
            let start = row as usize * cols;
            self.tensor.data[start..start + cols].fill(0.0);
        }
        (self.tensor.data, self.rows.is_some())
    }
}

/// Gradients of the parameters of one [`crate::Params`]; a parameter that was not used, or is
/// frozen, has none.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    pub(crate) slots: Vec<Option<Gradient>>,
}

impl Gradients {
    /// No gradient yet for any of `n` parameters.
    pub fn empty(n: usize) -> Self {
        Self {
            slots: vec![None; n],
        }
    }

    /// The gradient of a parameter, if it was used.
    pub fn get(&self, id: ParamId) -> Option<&Tensor> {
        let slot = self.slots.get(id.index()).and_then(Option::as_ref);
        slot.map(|gradient| &gradient.tensor)
    }

    /// All gradients that exist, in the order of the parameters.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &Tensor)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| slot.as_ref().map(|g| (ParamId(at), &g.tensor)))
    }

    /// The Euclidean norm over all gradients (summed in f64, in a fixed order).
    pub fn global_norm(&self) -> f64 {
        let slots = self.slots.iter().flatten();
        slots.map(Gradient::sum_of_squares).sum::<f64>().sqrt()
    }

    /// Multiplies every gradient by `factor`.
    pub fn scale(&mut self, factor: f32) {
        for gradient in self.slots.iter_mut().flatten() {
            gradient.scale(factor);
        }
    }

    /// Adds the gradients of `other`, which must belong to the same parameters.
    pub fn add_assign(&mut self, other: &Gradients) {
        self.add_scaled(other, 1.0);
    }

    /// Adds `factor` times the gradients of `other`, which must belong to the same parameters.
    pub fn add_scaled(&mut self, other: &Gradients, factor: f32) {
        if self.slots.len() < other.slots.len() {
            self.slots.resize(other.slots.len(), None);
        }
        for (mine, theirs) in self.slots.iter_mut().zip(&other.slots) {
            match (mine.as_mut(), theirs) {
                (_, None) => {}
                (None, Some(theirs)) => mine.insert(theirs.clone()).scale(factor),
                (Some(mine), Some(theirs)) => mine.add_scaled(theirs, factor),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gradient of a table of 9 rows, touched in some, and the same without that knowledge.
    fn table(cols: usize, ids: &[u32], seed: u32) -> (Gradients, Gradients) {
        let values = (0..ids.len() * cols).map(|i| ((i as u32 * 37 + seed) % 101) as f32 - 50.0);
        let grad = Tensor::new(&[ids.len(), cols], values.collect()).expect("a tensor");
        let mut sparse = Gradient::untouched(Tensor::zeros(&[9, cols]));
        sparse.scatter(&grad, ids);
        let dense = Gradient::from(sparse.tensor.clone());
        [sparse, dense]
            .map(|g| Gradients {
                slots: vec![Some(g)],
            })
            .into()
    }

    fn bits(gradients: &Gradients) -> Vec<u32> {
        let values = gradients.iter().flat_map(|(_, tensor)| &tensor.data);
        values.map(|v| v.to_bits()).collect()
    }

    #[test]
    fn gradients_that_know_their_rows_compute_what_others_compute() {
        // Wide enough that the norm's blocks end inside rows, odd enough that lanes shift.
        for cols in [1, 8, 7, 20_001, 24_576] {
            let (mut sparse, mut dense) = table(cols, &[7, 2, 7, 8], 1);
            let (other_sparse, other_dense) = table(cols, &[0, 2, 3], 5);
            assert_eq!(
                sparse.global_norm().to_bits(),
                dense.global_norm().to_bits()
            );
            sparse.scale(0.3);
            dense.scale(0.3);
            sparse.add_scaled(&other_sparse, 0.7);
            dense.add_scaled(&other_dense, 0.7);
            assert_eq!(bits(&sparse), bits(&dense));
            assert_eq!(
                sparse.global_norm().to_bits(),
                dense.global_norm().to_bits()
            );
            let slot = sparse.slots[0].take().expect("a gradient");
            assert_eq!(slot.rows.as_deref(), Some(&[0, 2, 3, 7, 8][..]));
            let (memory, clean) = slot.into_memory();
            assert!(clean && memory.iter().all(|&v| v == 0.0));
        }
    }

    #[test]
    fn a_gradient_that_gets_a_dense_part_forgets_its_rows() {
        let (mut sparse, _) = table(3, &[1], 1);
        let (_, dense) = table(3, &[4], 2);
        sparse.add_assign(&dense);
        let slot = sparse.slots[0].take().expect("a gradient");
        assert!(slot.rows.is_none() && !slot.into_memory().1);
    }
}
