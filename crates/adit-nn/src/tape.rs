//! The tape: values in the order in which they were computed, and the way back.
//!
//! Enters: parameters and operations (see [`crate::ops`]). Leaves: values, gradients. Each operation
//! has a hand-written rule for its gradient; there is no generic differentiation here.

use std::any::type_name;

use crate::gradients::{Gradient, Gradients};
use crate::kernels::elementwise;
pub use crate::kernels::matmul::Products;
use crate::kernels::prepared::Weight;
use crate::params::{ParamId, Params};
use crate::tensor::Tensor;
use crate::workspace::Workspace;

mod recompute;

/// What a tape is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Gradients are wanted; dropout is drawn from `seed`, which should differ for every step.
    Train {
        /// The seed of all dropout masks of this tape.
        seed: u64,
    },
    /// Only values are wanted; there is no dropout and [`Tape::release`] frees memory.
    Inference,
}

/// A value on a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(pub(crate) usize);

enum Slot<'p> {
    Param(ParamId),
    Own(Tensor),
    /// A value of the tape around this one; see [`Tape::recompute`].
    Lent(&'p Tensor),
    Released,
}

/// How the gradient of an operation's output flows to its inputs.
pub(crate) trait Rule: Send + Sync {
    /// Adds to the gradients of the inputs, given the gradient of the output.
    fn backward(&self, grad: Tensor, pass: &mut Pass<'_, '_>);

    /// Hands over the tensors that the rule kept, when the tape is done.
    fn kept(&mut self) -> Option<Tensor> {
        None
    }

    /// How many values the rule keeps beside its inputs and output.
    fn n_kept(&self) -> usize {
        0
    }
}

struct Node<'p> {
    slot: Slot<'p>,
    rule: Option<Box<dyn Rule>>,
    needs_grad: bool,
    /// Whether a rule may read the value on the way back.
    awaited: bool,
}

/// Values in the order in which they were computed.
pub struct Tape<'p> {
    params: &'p Params,
    mode: Mode,
    nodes: Vec<Node<'p>>,
    param_vars: Vec<Option<Var>>,
    draws: u64,
    workspace: Option<&'p Workspace>,
    /// Whether rules and what they read are kept for the way back.
    recording: bool,
    /// In which numbers linear maps multiply.
    products: Products,
}

impl<'p> Tape<'p> {
    /// An empty tape over `params`.
    pub fn new(params: &'p Params, mode: Mode) -> Self {
        Self {
            params,
            mode,
            nodes: Vec::new(),
            param_vars: vec![None; params.len()],
            draws: 0,
            workspace: None,
            recording: matches!(mode, Mode::Train { .. }),
            products: Products::F32,
        }
    }

    /// An empty tape that takes its memory from `workspace`; give it back with [`Workspace::reclaim`].
    pub fn with_workspace(params: &'p Params, mode: Mode, workspace: &'p Workspace) -> Self {
        Self {
            workspace: Some(workspace),
            ..Self::new(params, mode)
        }
    }

    /// The tape with linear maps that multiply in `products`, on the way back too.
    pub fn with_products(self, products: Products) -> Self {
        Self { products, ..self }
    }

    /// In which numbers linear maps multiply.
    pub fn products(&self) -> Products {
        self.products
    }

    /// A tensor of unknown values, to be written.
    pub(crate) fn fresh(&self, shape: &[usize]) -> Tensor {
        self.workspace
            .map_or_else(|| Tensor::zeros(shape), |workspace| workspace.tensor(shape))
    }

    /// A tensor of zeros.
    pub(crate) fn zeros(&self, shape: &[usize]) -> Tensor {
        self.workspace
            .map_or_else(|| Tensor::zeros(shape), |workspace| workspace.zeros(shape))
    }

    /// A copy of a value.
    pub(crate) fn copy_of(&self, var: Var) -> Tensor {
        self.copy_tensor(self.value(var))
    }

    pub(crate) fn copy_tensor(&self, tensor: &Tensor) -> Tensor {
        if self.workspace.is_none() {
            return tensor.clone();
        }
        let mut out = self.fresh(&tensor.shape);
        elementwise::copy(&mut out.data, &tensor.data);
        out
    }

    /// All tensors of the tape, for their memory.
    pub(crate) fn into_tensors(self) -> impl Iterator<Item = Tensor> {
        self.nodes.into_iter().flat_map(|mut node| {
            let kept = node.rule.as_mut().and_then(|rule| rule.kept());
            let own = match node.slot {
                Slot::Own(tensor) => Some(tensor),
                _ => None,
            };
            [kept, own].into_iter().flatten()
        })
    }

    /// What the tape is for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// True when gradients are wanted.
    pub fn is_training(&self) -> bool {
        matches!(self.mode, Mode::Train { .. })
    }

    /// The parameters below the tape.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// A parameter as a value; its gradient is collected by [`Tape::backward`] unless it is frozen.
    pub fn param(&mut self, id: ParamId) -> Var {
        if let Some(var) = self.param_vars[id.0] {
            return var;
        }
        let needs_grad = self.is_training() && !self.params.is_frozen(id);
        let var = self.place(Slot::Param(id), None, needs_grad);
        self.param_vars[id.0] = Some(var);
        var
    }

    fn place(&mut self, slot: Slot<'p>, rule: Option<Box<dyn Rule>>, needs_grad: bool) -> Var {
        self.nodes.push(Node {
            slot,
            rule,
            needs_grad,
            awaited: false,
        });
        Var(self.nodes.len() - 1)
    }

    /// A value that needs no gradient.
    pub fn constant(&mut self, value: Tensor) -> Var {
        self.place(Slot::Own(value), None, false)
    }

    /// The value of `var`.
    ///
    /// Panics when the value was released (see [`Tape::release`]), which is a fault of the caller.
    pub fn value(&self, var: Var) -> &Tensor {
        match &self.nodes[var.0].slot {
            Slot::Param(id) => self.params.get(*id),
            Slot::Own(tensor) => tensor,
            Slot::Lent(tensor) => tensor,
            Slot::Released => panic!("the value of {var:?} was released"),
        }
    }

    /// The parameter that `var` is, if it is one.
    pub(crate) fn param_of(&self, var: Var) -> Option<ParamId> {
        match self.nodes[var.0].slot {
            Slot::Param(id) => Some(id),
            _ => None,
        }
    }

    /// How many values the tape holds for the way back or for its user, but for parameters.
    pub fn n_kept(&self) -> usize {
        let kept = |node: &Node<'_>| {
            let own = match &node.slot {
                Slot::Own(tensor) => tensor.len(),
                _ => 0,
            };
            own + node.rule.as_ref().map_or(0, |rule| rule.n_kept())
        };
        self.nodes.iter().map(kept).sum()
    }

    /// A place on the tape, for [`Tape::release`].
    pub fn mark(&self) -> usize {
        self.nodes.len()
    }

    /// Frees every value computed since `mark` but those in `keep` and those of the way back.
    pub fn release(&mut self, mark: usize, keep: &[Var]) {
        let recording = self.recording;
        for (at, node) in self.nodes.iter_mut().enumerate().skip(mark) {
            let held = recording && (node.needs_grad || node.awaited);
            if matches!(node.slot, Slot::Own(_)) && !held && !keep.contains(&Var(at)) {
                let slot = std::mem::replace(&mut node.slot, Slot::Released);
                if let (Slot::Own(tensor), Some(workspace)) = (slot, self.workspace) {
                    workspace.put(tensor.data);
                }
            }
        }
    }

    /// Takes a value off the tape without a copy; it counts as released afterwards.
    pub fn take(&mut self, var: Var) -> Tensor {
        match std::mem::replace(&mut self.nodes[var.0].slot, Slot::Released) {
            Slot::Own(tensor) => tensor,
            Slot::Param(id) => {
                self.nodes[var.0].slot = Slot::Param(id);
                self.params.get(id).clone()
            }
            Slot::Lent(tensor) => {
                self.nodes[var.0].slot = Slot::Lent(tensor);
                tensor.clone()
            }
            Slot::Released => panic!("the value of {var:?} was released"),
        }
    }

    /// Puts the output of an operation on the tape; the rule is kept only where a gradient is needed.
    pub(crate) fn push<R: Rule + 'static>(
        &mut self,
        value: Tensor,
        inputs: &[Var],
        rule: impl FnOnce() -> R,
    ) -> Var {
        debug_assert!(
            value.data.len() == value.shape.iter().product::<usize>(),
            "{}: {:?} does not fit",
            type_name::<R>(),
            value.shape
        );
        let needs_grad = inputs.iter().any(|v| self.nodes[v.0].needs_grad);
        let mut boxed: Option<Box<dyn Rule>> = None;
        if needs_grad && self.recording {
            boxed = Some(Box::new(rule()));
            inputs.iter().for_each(|v| self.nodes[v.0].awaited = true);
        }
        self.place(Slot::Own(value), boxed, needs_grad)
    }

    /// Whether an operation on `inputs` will be asked for their gradients.
    pub(crate) fn keeps(&self, inputs: &[Var]) -> bool {
        self.recording && inputs.iter().any(|v| self.nodes[v.0].needs_grad)
    }

    /// The prepared form of a parameter `[n, k]`; none while training and for computed values.
    pub(crate) fn prepared(&self, var: Var) -> Option<&'p Weight> {
        match self.nodes[var.0].slot {
            Slot::Param(id) if !self.is_training() => Some(self.params.prepared(id)),
            _ => None,
        }
    }

    /// Whether inputs of products are rounded, so that what is far smaller does not matter.
    pub(crate) fn rounds(&self) -> bool {
        !self.is_training() && self.params.precision().rounds_inputs()
    }

    /// The key of the next random mask of this tape, and whether masks are drawn at all.
    pub(crate) fn next_draw(&mut self) -> Option<u64> {
        let Mode::Train { seed } = self.mode else {
            return None;
        };
        self.draws += 1;
        Some(crate::random::mix(seed, self.draws))
    }

    /// The gradients of the scalar `loss` in all parameters that it depends on and that are not frozen.
    ///
    /// All gradients are absent when the tape is not training.
    pub fn backward(&self, loss: Var) -> Gradients {
        let mut pass = Pass::new(self, Gradients::empty(self.params.len()));
        pass.add(loss, Tensor::full(&self.value(loss).shape, 1.0));
        pass.walk(loss);
        pass.params
    }
}

/// One walk back over the tape.
pub(crate) struct Pass<'a, 'p> {
    tape: &'a Tape<'p>,
    grads: Vec<Option<Gradient>>,
    params: Gradients,
    at: Var,
}

impl<'a, 'p> Pass<'a, 'p> {
    /// A walk that adds to the gradients `params`.
    fn new(tape: &'a Tape<'p>, params: Gradients) -> Self {
        let mut grads = Vec::new();
        grads.resize_with(tape.nodes.len(), || None);
        Self {
            tape,
            grads,
            params,
            at: Var(0),
        }
    }

    /// In which numbers linear maps multiply.
    pub fn products(&self) -> Products {
        self.tape.products
    }

    /// Runs the rules from `last` to the first value of the tape.
    fn walk(&mut self, last: Var) {
        let tape = self.tape;
        for at in (0..=last.0).rev() {
            let Some(rule) = &tape.nodes[at].rule else {
                continue;
            };
            if let Some(grad) = self.grads[at].take() {
                self.at = Var(at);
                rule.backward(grad.tensor, self);
            }
        }
    }

    fn slot(&mut self, var: Var) -> &mut Option<Gradient> {
        match self.tape.param_of(var) {
            Some(id) => &mut self.params.slots[id.0],
            None => &mut self.grads[var.0],
        }
    }

    /// The value of an input.
    pub fn value(&self, var: Var) -> &Tensor {
        self.tape.value(var)
    }

    /// The output of the operation whose rule runs.
    pub fn output(&self) -> &Tensor {
        self.tape.value(self.at)
    }

    /// True when the gradient of `var` is wanted.
    pub fn needs(&self, var: Var) -> bool {
        self.tape.nodes[var.0].needs_grad
    }

    /// Adds `grad` to the gradient of `var`.
    pub fn add(&mut self, var: Var, grad: Tensor) {
        if !self.needs(var) {
            return;
        }
        debug_assert_eq!(
            grad.data.len(),
            self.tape.value(var).data.len(),
            "gradient of {var:?}"
        );
        match self.slot(var) {
            Some(sum) => {
                sum.add_dense(&grad);
                self.recycle(grad);
            }
            slot => *slot = Some(grad.into()),
        }
    }

    /// Adds row `i` of `grad` to row `ids[i]` of the gradient of the table `var`.
    pub fn scatter(&mut self, var: Var, grad: &Tensor, ids: &[u32]) {
        if !self.needs(var) {
            return;
        }
        let tape = self.tape;
        let slot = self
            .slot(var)
            .get_or_insert_with(|| Gradient::untouched(tape.zeros(&tape.value(var).shape)));
        slot.scatter(grad, ids);
    }

    /// Lets `write` add to the gradient of `var`, which is zero where there was none before.
    pub fn accumulate(&mut self, var: Var, write: impl FnOnce(&mut Tensor, &Tape<'_>)) {
        self.write(var, |sum, add, tape| {
            if !add {
                sum.data.fill(0.0);
            }
            write(sum, tape);
        });
    }

    /// Lets `write(gradient, add, tape)` set the gradient of `var`, or add to it where `add` is true.
    pub fn write(&mut self, var: Var, write: impl FnOnce(&mut Tensor, bool, &Tape<'_>)) {
        if !self.needs(var) {
            return;
        }
        let tape = self.tape;
        let slot = self.slot(var);
        let add = slot.is_some();
        let sum = slot.get_or_insert_with(|| tape.fresh(&tape.value(var).shape).into());
        sum.rows = None;
        write(&mut sum.tensor, add, tape);
    }

    /// A tensor of unknown values, to be written.
    pub fn fresh(&self, shape: &[usize]) -> Tensor {
        self.tape.fresh(shape)
    }

    /// A copy of a gradient or value.
    pub fn copy(&self, tensor: &Tensor) -> Tensor {
        self.tape.copy_tensor(tensor)
    }

    /// Gives up a tensor that is no longer needed.
    pub fn recycle(&self, tensor: Tensor) {
        if let Some(workspace) = self.tape.workspace {
            workspace.put(tensor.data);
        }
    }
}
