//! Gated GELU.

use crate::kernels::gated::{Gelu, halves, halves_back, pair, pair_back};
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Geglu(Var, Gelu);
struct GatedGelu(Var, Var, Gelu);

impl Tape<'_> {
    /// GEGLU: GELU of the first half of the columns times the second half (Shazeer, 2020).
    ///
    /// `x` is `[n, 2 · half]`; gives `[n, half]`.
    pub fn geglu(&mut self, x: Var, kind: Gelu) -> Var {
        let input = self.value(x);
        let half = input.cols() / 2;
        assert_eq!(input.cols(), 2 * half, "geglu: an odd number of columns");
        let mut out = self.fresh(&[input.rows(), half]);
        halves(kind, &mut out.data, &input.data, half);
        self.push(out, &[x], || Geglu(x, kind))
    }

    /// GELU of `a` times `gate`, of one shape.
    pub fn gated_gelu(&mut self, a: Var, gate: Var, kind: Gelu) -> Var {
        let (left, right) = (self.value(a), self.value(gate));
        assert_eq!(left.shape, right.shape, "gated_gelu: shapes differ");
        let mut out = self.fresh(&left.shape);
        pair(kind, &mut out.data, &left.data, &right.data);
        self.push(out, &[a, gate], || GatedGelu(a, gate, kind))
    }
}

impl Rule for Geglu {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let x = pass.value(self.0);
        let mut out = pass.fresh(&x.shape);
        halves_back(self.1, &mut out.data, &x.data, &grad.data, grad.cols());
        pass.add(self.0, out);
        pass.recycle(grad);
    }
}

impl Rule for GatedGelu {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let (a, gate) = (pass.value(self.0), pass.value(self.1));
        let [mut da, mut db] = [(); 2].map(|()| pass.fresh(&grad.shape));
        pair_back(
            self.2,
            [&mut da.data, &mut db.data],
            [&a.data, &gate.data, &grad.data],
        );
        pass.add(self.0, da);
        pass.add(self.1, db);
        pass.recycle(grad);
    }
}
