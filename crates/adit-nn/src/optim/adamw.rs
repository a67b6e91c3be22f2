//! AdamW.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::gradients::{Gradient, Gradients};
use crate::kernels::elementwise::{self, AdamStep};
use crate::optim::state::{AdamWState, Moments};
use crate::params::Params;

/// AdamW, bias-corrected (Loshchilov and Hutter, 2019, algorithm 2, decay scaled by the rate).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// The share of a weight that is taken away per step and unit of rate.
    pub weight_decay: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// How one step is taken.
#[derive(Clone, Copy)]
pub struct Update<'a> {
    /// The learning rate.
    pub rate: f32,
    /// What gradients are multiplied by first; see [`crate::optim::clip_factor`].
    pub factor: f32,
    /// What the rate of a parameter is multiplied by, by its name; see [`crate::optim::layer_decay`].
    pub rate_of: &'a dyn Fn(&str) -> f32,
    /// Whether weight decay leaves a parameter alone, by its name; see [`no_decay`].
    pub skip_decay: &'a dyn Fn(&str) -> bool,
}

impl Update<'static> {
    /// A step at the rate `rate` for all parameters, without clipping; decay as [`no_decay`] says.
    pub fn new(rate: f32) -> Self {
        Self {
            rate,
            factor: 1.0,
            rate_of: &|_| 1.0,
            skip_decay: &no_decay,
        }
    }
}

/// True for parameters that weight decay leaves alone: biases, layer norms, row-token biases, and
/// factors and frequencies, whose resting place is not zero.
pub fn no_decay(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let lower = name.to_ascii_lowercase();
    last.ends_with("bias")
        || lower.contains("layernorm")
        || lower.contains("norm.")
        || lower.contains("attention_bias")
        || last == "cls"
        || last == "missing"
        || last == "factors"
        || last == "frequencies"
}

/// Values that one task updates.
const BLOCK: usize = 1 << 15;

impl AdamW {
    /// One step at the rate `rate` on every parameter that has a gradient.
    ///
    /// Decay is skipped where `skip_decay` is true of the name; see [`no_decay`].
    pub fn step(
        &self,
        params: &mut Params,
        gradients: &Gradients,
        state: &mut AdamWState,
        rate: f32,
        skip_decay: &dyn Fn(&str) -> bool,
    ) {
        let update = Update {
            skip_decay,
            ..Update::new(rate)
        };
        self.apply(params, gradients, state, &update);
    }

    /// One step on every parameter that has a gradient and is not frozen.
    pub fn apply(
        &self,
        params: &mut Params,
        gradients: &Gradients,
        state: &mut AdamWState,
        update: &Update<'_>,
    ) {
        state.step += 1;
        state.moments.resize_with(params.len(), || None);
        let correct1 = 1.0 - f64::from(self.beta1).powi(state.step as i32);
        let correct2 = 1.0 - f64::from(self.beta2).powi(state.step as i32);
        let mut ids: Vec<_> = gradients.iter().map(|(id, _)| id).collect();
        ids.retain(|&id| !params.is_frozen(id));
        for id in ids {
            let Some(gradient) = &gradients.slots[id.index()] else {
                continue;
            };
            let name = params.name(id);
            let rate = update.rate * (update.rate_of)(name);
            let decay = if (update.skip_decay)(name) {
                0.0
            } else {
                self.weight_decay
            };
            let step = AdamStep {
                factor: update.factor,
                beta1: self.beta1,
                beta2: self.beta2,
                rate: (f64::from(rate) / correct1) as f32,
                root: (1.0 / correct2.sqrt()) as f32,
                eps: self.eps,
                shrink: 1.0 - rate * decay,
            };
            let moments =
                state.moments[id.index()].get_or_insert_with(|| Moments::new(&gradient.tensor));
            advance(&mut params.get_mut(id).data, gradient, moments, step);
        }
    }
}

/// One step on one parameter.
fn advance(values: &mut [f32], gradient: &Gradient, moments: &mut Moments, step: AdamStep) {
    let exact = step.eps > 0.0 && step.factor.is_finite();
    if let (Some(rows), Some(seen), true) = (&gradient.rows, &mut moments.seen, exact) {
        let grad = (gradient.tensor.data.as_slice(), rows.as_slice());
        return advance_rows(
            values,
            grad,
            (&mut moments.mean, &mut moments.square),
            seen,
            step,
        );
    }
    moments.seen = None;
    let (m, v) = (&mut moments.mean, &mut moments.square);
    values
        .par_chunks_mut(BLOCK)
        .zip(gradient.tensor.data.par_chunks(BLOCK))
        .zip(m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK)))
        .for_each(|((p, g), (m, v))| elementwise::adam_block(p, g, m, v, step));
}

/// One step on a table, of whose gradient only `rows` can differ from zero.
///
/// Bit for bit the step on all values: a row that never had a gradient has moments of zero, so that
/// only weight decay moves it; a row that had one once moves on by its moments.
fn advance_rows(
    values: &mut [f32],
    (grad, rows): (&[f32], &[u32]),
    (m, v): (&mut [f32], &mut [f32]),
    seen: &mut [bool],
    step: AdamStep,
) {
    let cols = values.len() / seen.len().max(1);
    let n_rows = (BLOCK / cols.max(1)).max(1);
    let size = (n_rows * cols).max(1);
    let zeros = vec![0.0; cols];
    let blocks = values.par_chunks_mut(size).zip(seen.par_chunks_mut(n_rows));
    blocks
        .zip(m.par_chunks_mut(size).zip(v.par_chunks_mut(size)))
        .enumerate()
        .for_each(|(at, ((p, seen), (m, v)))| {
            let first = at * n_rows;
            let mut touched = &rows[rows.partition_point(|&row| (row as usize) < first)..];
            for (row, seen) in seen.iter_mut().enumerate() {
                let own = row * cols..(row + 1) * cols;
                let mut g = zeros.as_slice();
                if let Some((&next, rest)) = touched.split_first()
                    && next as usize == first + row
                {
                    (g, touched) = (&grad[next as usize * cols..][..cols], rest);
                    *seen = true;
                }
                if *seen {
                    let (m, v) = (&mut m[own.clone()], &mut v[own.clone()]);
                    elementwise::adam_block(&mut p[own], g, m, v, step);
                } else if step.shrink != 1.0 {
                    elementwise::scale_in(&mut p[own], step.shrink);
                }
            }
        });
}
