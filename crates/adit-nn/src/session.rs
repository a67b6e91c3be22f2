//! Inference over and over: memory that one batch leaves to the next, and a batch a thread.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::NnError;
use crate::kernels::parallel::by_itself;
use crate::params::Params;
use crate::tape::{Mode, Tape};
use crate::workspace::Workspace;

/// Inference with the same parameters, whose memory is used again by the next batch.
#[derive(Debug)]
pub struct Session<'p> {
    params: &'p Params,
    /// Not in use; there are never more than were in use at once.
    workspaces: Mutex<Vec<Workspace>>,
}

impl<'p> Session<'p> {
    /// A session that holds no memory yet.
    pub fn new(params: &'p Params) -> Self {
        Self {
            params,
            workspaces: Mutex::default(),
        }
    }

    /// The parameters.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// Runs `work` with a tape of [`Mode::Inference`] on all threads; for the answer to one batch soon.
    pub fn run<T>(&self, work: impl FnOnce(&mut Tape<'_>) -> T) -> T {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let workspace = lock().pop().unwrap_or_default();
        let mut tape = Tape::with_workspace(self.params, Mode::Inference, &workspace);
        let out = work(&mut tape);
        workspace.reclaim(tape);
        lock().push(workspace);
        out
    }

    /// Runs `work` on every batch, each on one thread; for many batches in the least time.
    ///
    /// Gives the results in the order of the batches. The longest batches should stand first.
    ///
    /// Errors: that of the first batch that fails.
    pub fn run_all<B: Sync, T: Send>(
        &self,
        batches: &[B],
        work: impl Fn(&mut Tape<'_>, &B) -> Result<T, NnError> + Sync,
    ) -> Result<Vec<T>, NnError> {
        let one = |batch: &B| by_itself(|| self.run(|tape| work(tape, batch)));
        let done: Vec<_> = if batches.len() == 1 {
            vec![self.run(|tape| work(tape, &batches[0]))]
        } else {
            batches.par_iter().with_max_len(1).map(one).collect()
        };
        done.into_iter().collect()
    }
}
