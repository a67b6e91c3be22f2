//! Sums of table rows.

use crate::kernels::embedding::gather_add;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct EmbeddingSum(Vec<(Var, Vec<u32>)>);

impl Tape<'_> {
    /// Row `i` is the sum over the `parts` of row `ids[i]` of the part's table.
    ///
    /// Tables are `[size, cols]`, ids `[n]`; gives `[n, cols]`. Ids must be below the table's size.
    pub fn embedding_sum(&mut self, parts: Vec<(Var, Vec<u32>)>) -> Var {
        let n = parts.first().map_or(0, |(_, ids)| ids.len());
        let cols = parts
            .first()
            .map_or(0, |(table, _)| self.value(*table).cols());
        let mut out = self.fresh(&[n, cols]);
        out.data.fill(0.0);
        for (table, ids) in &parts {
            let table = self.value(*table);
            assert!(
                ids.len() == n && table.cols() == cols,
                "embedding: parts differ"
            );
            gather_add(&mut out.data, &table.data, ids, cols);
        }
        let inputs: Vec<Var> = parts.iter().map(|(table, _)| *table).collect();
        self.push(out, &inputs, || EmbeddingSum(parts))
    }
}

impl Rule for EmbeddingSum {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        for (table, ids) in &self.0 {
            pass.scatter(*table, &grad, ids);
        }
        pass.recycle(grad);
    }
}
