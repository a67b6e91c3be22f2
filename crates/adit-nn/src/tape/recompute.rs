//! Parts of a tape that are computed again on the way back, which costs time and saves memory.

use std::mem;

use crate::gradients::Gradients;
use crate::tape::{Pass, Rule, Slot, Tape, Var};
use crate::tensor::Tensor;

struct Again<F> {
    inputs: Vec<Var>,
    /// How many random masks the tape had drawn before the part.
    draws: u64,
    forward: F,
}

impl Tape<'_> {
    /// `forward(tape, inputs)`, of which only inputs and output are kept (Chen et al., 2016, sublinear
    /// memory cost); what lies between is computed again on the way back.
    ///
    /// `forward` must compute the same whenever it is called, and use no value of this tape but its
    /// inputs; parameters it takes from the tape that it is given. Dropout masks are the same both
    /// times, and values and gradients have the bits that they have without this.
    pub fn recompute<F>(&mut self, inputs: &[Var], forward: F) -> Var
    where
        F: Fn(&mut Tape<'_>, &[Var]) -> Var + Send + Sync + 'static,
    {
        if !self.recording {
            return forward(self, inputs);
        }
        let draws = self.draws;
        let (mut inner, vars) = self.inner(inputs, draws, false);
        let out = forward(&mut inner, &vars);
        let needs_grad = inner.nodes[out.0].needs_grad;
        let value = inner.take(out);
        let drawn = inner.draws;
        self.recycle_all(inner);
        self.draws = drawn;
        let mut rule: Option<Box<dyn Rule>> = None;
        if needs_grad {
            inputs.iter().for_each(|v| self.nodes[v.0].awaited = true);
            rule = Some(Box::new(Again {
                inputs: inputs.to_vec(),
                draws,
                forward,
            }));
        }
        self.place(Slot::Own(value), rule, needs_grad)
    }

    /// A tape that sees `inputs` of this one, and where they are on it.
    fn inner(&self, inputs: &[Var], draws: u64, recording: bool) -> (Tape<'_>, Vec<Var>) {
        let mut inner = Tape {
            workspace: self.workspace,
            draws,
            recording,
            products: self.products,
            ..Tape::new(self.params, self.mode)
        };
        let mut vars: Vec<Var> = Vec::with_capacity(inputs.len());
        for (at, &input) in inputs.iter().enumerate() {
            let earlier = inputs[..at].iter().position(|&other| other == input);
            vars.push(match (earlier, self.param_of(input)) {
                (Some(earlier), _) => vars[earlier],
                (None, Some(id)) => inner.param(id),
                (None, None) => {
                    let needs_grad = self.nodes[input.0].needs_grad;
                    inner.place(Slot::Lent(self.value(input)), None, needs_grad)
                }
            });
        }
        (inner, vars)
    }

    fn recycle_all(&self, inner: Tape<'_>) {
        if let Some(workspace) = self.workspace {
            workspace.reclaim(inner);
        }
    }
}

impl<F> Rule for Again<F>
where
    F: Fn(&mut Tape<'_>, &[Var]) -> Var + Send + Sync + 'static,
{
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>) {
        let tape = pass.tape;
        let (mut inner, vars) = tape.inner(&self.inputs, self.draws, true);
        let out = (self.forward)(&mut inner, &vars);
        // Sums go on from where they stand, so that their order, and so their bits, are those of
        // one tape.
        let mut walk = Pass::new(&inner, mem::replace(&mut pass.params, Gradients::empty(0)));
        for (&outside, &inside) in self.inputs.iter().zip(&vars) {
            if tape.param_of(outside).is_none() && walk.grads[inside.0].is_none() {
                walk.grads[inside.0] = pass.grads[outside.0].take();
            }
        }
        walk.add(out, grad);
        walk.walk(out);
        for (&outside, &inside) in self.inputs.iter().zip(&vars) {
            if let Some(sum) = walk.grads[inside.0].take() {
                pass.grads[outside.0] = Some(sum);
            }
        }
        pass.params = walk.params;
        tape.recycle_all(inner);
    }
}
