//! Keys and values of the tokens decoded so far, so that a further token costs one token.

use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// The keys and values of all layers, of rows that have all been decoded equally far.
///
/// The values lie on the tape that the decoder runs on, which must not be training.
pub(super) struct Cache {
    /// Of every layer, `[rows · length, inner]`, row by row.
    own: Vec<[Var; 2]>,
    /// Of every layer, the keys and values of the sources, `[sum_source, inner]`; rows share them.
    cross: Vec<[Var; 2]>,
    /// How many tokens of every row are held.
    length: usize,
}

impl Cache {
    /// Nothing decoded yet, of sources whose keys and values are `cross`.
    pub fn new(cross: Vec<[Var; 2]>) -> Self {
        Self {
            own: Vec::new(),
            cross,
            length: 0,
        }
    }

    /// How many tokens of every row are held.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The keys and values of the sources in a layer.
    pub fn cross(&self, layer: usize) -> [Var; 2] {
        self.cross[layer]
    }

    /// Continues the rows `parents` by one token in a layer, whose keys and values are `fresh`.
    ///
    /// A row may be continued twice or not at all. Gives the keys and values of the rows as they are
    /// now, with one token more than [`Cache::length`] says until [`Cache::grow`].
    pub fn extend(
        &mut self,
        tape: &mut Tape<'_>,
        layer: usize,
        fresh: [Var; 2],
        parents: &[usize],
    ) -> [Var; 2] {
        let Some(old) = self.own.get(layer).copied() else {
            self.own.push(fresh);
            return fresh;
        };
        let joined = [0, 1].map(|part| {
            let data = self.join(tape.value(old[part]), tape.value(fresh[part]), parents);
            tape.take(old[part]);
            tape.constant(data)
        });
        self.own[layer] = joined;
        joined
    }

    fn join(&self, old: &Tensor, fresh: &Tensor, parents: &[usize]) -> Tensor {
        let inner = fresh.cols();
        let held = self.length * inner;
        let mut data = Vec::with_capacity(parents.len() * (held + inner));
        for (row, &parent) in parents.iter().enumerate() {
            data.extend_from_slice(&old.data[parent * held..(parent + 1) * held]);
            data.extend_from_slice(fresh.row(row));
        }
        Tensor {
            shape: vec![parents.len() * (self.length + 1), inner],
            data,
        }
    }

    /// Counts the token by which all layers were continued.
    pub fn grow(&mut self) {
        self.length += 1;
    }

    /// The values that must stay on the tape.
    pub fn held(&self) -> Vec<Var> {
        self.own
            .iter()
            .chain(&self.cross)
            .flatten()
            .copied()
            .collect()
    }
}
