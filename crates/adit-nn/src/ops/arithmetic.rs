//! Sums, products and differences of values of one shape.

use crate::kernels::elementwise;
use crate::tape::{Pass, Rule, Tape, Var};
use crate::tensor::Tensor;

struct Add(Var, Var);
struct Product(Var, Var);
struct AbsDiff(Var, Var);
struct Scale(Var, f32);

impl Tape<'_> {
    /// `a + b`, of one shape.
    pub fn add(&mut self, a: Var, b: Var) -> Var {
        self.same_shape("add", a, b);
        let mut out = self.fresh(&self.value(a).shape);
        elementwise::sum(&mut out.data, &self.value(a).data, &self.value(b).data);
        self.push(out, &[a, b], || Add(a, b))
    }

    /// `a · b` element by element, of one shape.
    pub fn product(&mut self, a: Var, b: Var) -> Var {
        let mut out = self.copy_of(a);
        self.same_shape("product", a, b);
        elementwise::mul_assign(&mut out.data, &self.value(b).data);
        self.push(out, &[a, b], || Product(a, b))
    }

    /// `|a - b|`, of one shape.
    pub fn abs_diff(&mut self, a: Var, b: Var) -> Var {
        let mut out = self.copy_of(a);
        self.same_shape("abs_diff", a, b);
        for (a, b) in out.data.iter_mut().zip(&self.value(b).data) {
            *a = (*a - b).abs();
        }
        self.push(out, &[a, b], || AbsDiff(a, b))
    }

    /// `x · factor`.
    pub fn scale(&mut self, x: Var, factor: f32) -> Var {
        let mut out = self.copy_of(x);
        elementwise::scale(&mut out.data, factor);
        self.push(out, &[x], || Scale(x, factor))
    }

    fn same_shape(&self, op: &str, a: Var, b: Var) {
        let (a, b) = (self.value(a), self.value(b));
        assert_eq!(a.shape, b.shape, "{op}: shapes differ");
    }
}

impl Rule for Add {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        if pass.needs(self.1) {
            pass.add(self.1, pass.copy(&grad));
        }
        pass.add(self.0, grad);
    }
}

impl Rule for Product {
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        if pass.needs(self.1) {
            let mut other = pass.copy(&grad);
            elementwise::mul_assign(&mut other.data, &pass.value(self.0).data);
            pass.add(self.1, other);
        }
        let mut grad = grad;
        elementwise::mul_assign(&mut grad.data, &pass.value(self.1).data);
        pass.add(self.0, grad);
    }
}

impl Rule for AbsDiff {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        let (a, b) = (pass.value(self.0), pass.value(self.1));
        for ((g, a), b) in grad.data.iter_mut().zip(&a.data).zip(&b.data) {
            *g *= if a > b {
                1.0
            } else if a < b {
                -1.0
            } else {
                0.0
            };
        }
        let mut other = pass.copy(&grad);
        elementwise::scale(&mut other.data, -1.0);
        pass.add(self.1, other);
        pass.add(self.0, grad);
    }
}

impl Rule for Scale {
    fn backward(&self, mut grad: Tensor, pass: &mut Pass<'_, '_>) {
        elementwise::scale(&mut grad.data, self.1);
        pass.add(self.0, grad);
    }
}
