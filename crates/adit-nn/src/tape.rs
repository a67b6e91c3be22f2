//! The tape: values in the order in which they were computed, and the way back.
//!
//! Enters: parameters and operations (see [`crate::ops`]). Leaves: values, gradients. Each operation
//! has a hand-written rule for its gradient; there is no generic differentiation here.

use std::any::type_name;

use crate::kernels::elementwise;
use crate::kernels::prepared::Weight;
use crate::params::{Gradients, ParamId, Params};
use crate::tensor::Tensor;
use crate::workspace::Workspace;

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

enum Slot {
    Param(ParamId),
    Own(Tensor),
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
}

struct Node {
    slot: Slot,
    rule: Option<Box<dyn Rule>>,
    needs_grad: bool,
}

/// Values in the order in which they were computed.
pub struct Tape<'p> {
    params: &'p Params,
    mode: Mode,
    nodes: Vec<Node>,
    param_vars: Vec<Option<Var>>,
    draws: u64,
    workspace: Option<&'p Workspace>,
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
        }
    }

    /// An empty tape that takes its memory from `workspace`; give it back with [`Workspace::reclaim`].
    pub fn with_workspace(params: &'p Params, mode: Mode, workspace: &'p Workspace) -> Self {
        Self {
            workspace: Some(workspace),
            ..Self::new(params, mode)
        }
    }

    /// A tensor of unknown values, to be written.
    pub(crate) fn fresh(&self, shape: &[usize]) -> Tensor {
        self.workspace
            .map_or_else(|| Tensor::zeros(shape), |workspace| workspace.tensor(shape))
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

    /// A parameter as a value; its gradient is collected by [`Tape::backward`].
    pub fn param(&mut self, id: ParamId) -> Var {
        if let Some(var) = self.param_vars[id.0] {
            return var;
        }
        let needs_grad = self.is_training();
        self.nodes.push(Node {
            slot: Slot::Param(id),
            rule: None,
            needs_grad,
        });
        let var = Var(self.nodes.len() - 1);
        self.param_vars[id.0] = Some(var);
        var
    }

    /// A value that needs no gradient.
    pub fn constant(&mut self, value: Tensor) -> Var {
        self.nodes.push(Node {
            slot: Slot::Own(value),
            rule: None,
            needs_grad: false,
        });
        Var(self.nodes.len() - 1)
    }

    /// The value of `var`.
    ///
    /// Panics when the value was released (see [`Tape::release`]), which is a fault of the caller.
    pub fn value(&self, var: Var) -> &Tensor {
        match &self.nodes[var.0].slot {
            Slot::Param(id) => self.params.get(*id),
            Slot::Own(tensor) => tensor,
            Slot::Released => panic!("the value of {var:?} was released"),
        }
    }

    /// A place on the tape, for [`Tape::release`].
    pub fn mark(&self) -> usize {
        self.nodes.len()
    }

    /// Frees every value computed since `mark` but those in `keep`; does nothing while training.
    pub fn release(&mut self, mark: usize, keep: &[Var]) {
        if self.is_training() {
            return;
        }
        for (at, node) in self.nodes.iter_mut().enumerate().skip(mark) {
            if matches!(node.slot, Slot::Own(_)) && !keep.contains(&Var(at)) {
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
        let needs_grad = self.is_training() && inputs.iter().any(|v| self.nodes[v.0].needs_grad);
        let rule: Option<Box<dyn Rule>> = if needs_grad {
            Some(Box::new(rule()))
        } else {
            None
        };
        self.nodes.push(Node {
            slot: Slot::Own(value),
            rule,
            needs_grad,
        });
        Var(self.nodes.len() - 1)
    }

    /// The prepared form of a parameter `[n, k]`; none while training and for computed values.
    pub(crate) fn prepared(&self, var: Var) -> Option<&'p Weight> {
        match self.nodes[var.0].slot {
            Slot::Param(id) if !self.is_training() => Some(self.params.prepared(id)),
            _ => None,
        }
    }

    /// The key of the next random mask of this tape, and whether masks are drawn at all.
    pub(crate) fn next_draw(&mut self) -> Option<u64> {
        let Mode::Train { seed } = self.mode else {
            return None;
        };
        self.draws += 1;
        Some(crate::random::mix(seed, self.draws))
    }

    /// The gradients of the scalar `loss` in all parameters that it depends on.
    ///
    /// All gradients are absent when the tape is not training.
    pub fn backward(&self, loss: Var) -> Gradients {
        let mut out = Gradients::empty(self.params.len());
        if !self.nodes[loss.0].needs_grad {
            return out;
        }
        let mut pass = Pass {
            tape: self,
            grads: Vec::new(),
            at: loss,
        };
        pass.grads.resize_with(loss.0 + 1, || None);
        pass.grads[loss.0] = Some(Tensor::full(&self.value(loss).shape, 1.0));
        for at in (0..=loss.0).rev() {
            let Some(grad) = pass.grads[at].take() else {
                continue;
            };
            let node = &self.nodes[at];
            match (&node.slot, &node.rule) {
                (Slot::Param(id), _) => out.slots[id.0] = Some(grad),
                (_, Some(rule)) => {
                    pass.at = Var(at);
                    rule.backward(grad, &mut pass);
                }
                _ => {}
            }
        }
        out
    }
}

/// One walk back over the tape.
pub(crate) struct Pass<'a, 'p> {
    tape: &'a Tape<'p>,
    grads: Vec<Option<Tensor>>,
    at: Var,
}

impl Pass<'_, '_> {
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
        match &mut self.grads[var.0] {
            Some(sum) => {
                elementwise::add_assign(&mut sum.data, &grad.data);
                self.recycle(grad);
            }
            slot => {
                debug_assert_eq!(
                    grad.data.len(),
                    self.tape.value(var).data.len(),
                    "gradient of {var:?}"
                );
                *slot = Some(grad);
            }
        }
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
        let add = self.grads[var.0].is_some();
        let slot = self.grads[var.0].get_or_insert_with(|| tape.fresh(&tape.value(var).shape));
        write(slot, add, tape);
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
