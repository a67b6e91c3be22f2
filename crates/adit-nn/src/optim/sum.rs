//! Gradients of a batch that is too large for memory, micro-batch by micro-batch.

use crate::gradients::Gradients;
use crate::workspace::Workspace;

/// The weighted sum of the gradients of micro-batches, in the order in which they are added.
///
/// For a mean loss the shares are the micro-batch's part of the rows (or, with class weights, of the
/// weights) of the whole batch; then the sum is the gradient of the whole batch, but for rounding and
/// for dropout.
#[derive(Default)]
pub struct GradientSum<'w> {
    sum: Option<Gradients>,
    workspace: Option<&'w Workspace>,
}

impl<'w> GradientSum<'w> {
    /// No gradients yet; the memory of those that were added goes back to `workspace`.
    pub fn new(workspace: Option<&'w Workspace>) -> Self {
        Self {
            sum: None,
            workspace,
        }
    }

    /// Adds `share` times the gradients of one micro-batch.
    pub fn add(&mut self, mut gradients: Gradients, share: f32) {
        let Some(sum) = &mut self.sum else {
            gradients.scale(share);
            self.sum = Some(gradients);
            return;
        };
        sum.add_scaled(&gradients, share);
        if let Some(workspace) = self.workspace {
            workspace.reclaim_gradients(gradients);
        }
    }

    /// The sum; empty when nothing was added. The next sum begins at zero.
    pub fn take(&mut self) -> Gradients {
        self.sum.take().unwrap_or_default()
    }
}
