//! Optimisers: AdamW with a global clip and a warm-up.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::kernels::elementwise;
use crate::params::{Gradients, Params};

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

/// What AdamW remembers between steps.
#[derive(Clone, Debug, Default)]
pub struct AdamWState {
    step: u32,
    moments: Vec<Option<(Vec<f32>, Vec<f32>)>>,
}

impl AdamWState {
    /// How many steps were taken.
    pub fn step(&self) -> u32 {
        self.step
    }
}

/// True for parameters that weight decay leaves alone: biases, layer norms and row-token biases.
pub fn no_decay(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let lower = name.to_ascii_lowercase();
    last.ends_with("bias")
        || lower.contains("layernorm")
        || lower.contains("norm.")
        || lower.contains("attention_bias")
        || last == "cls"
        || last == "missing"
}

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
        state.step += 1;
        state.moments.resize(params.len(), None);
        let correct1 = 1.0 - f64::from(self.beta1).powi(state.step as i32);
        let correct2 = 1.0 - f64::from(self.beta2).powi(state.step as i32);
        let ids: Vec<_> = gradients.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Some(gradient) = gradients.get(id) else {
                continue;
            };
            let decay = if skip_decay(params.name(id)) {
                0.0
            } else {
                self.weight_decay
            };
            let tensor = params.get_mut(id);
            let zeros = || (vec![0.0; gradient.len()], vec![0.0; gradient.len()]);
            let (m, v) = state.moments[id.index()].get_or_insert_with(zeros);
            let step = elementwise::AdamStep {
                beta1: self.beta1,
                beta2: self.beta2,
                rate: (f64::from(rate) / correct1) as f32,
                root: (1.0 / correct2.sqrt()) as f32,
                eps: self.eps,
                shrink: 1.0 - rate * decay,
            };
            let size = 1 << 15;
            let parts = tensor
                .data
                .par_chunks_mut(size)
                .zip(gradient.data.par_chunks(size));
            parts
                .zip(m.par_chunks_mut(size).zip(v.par_chunks_mut(size)))
                .for_each(|((p, g), (m, v))| {
                    elementwise::adam_block(p, g, m, v, step);
                });
        }
    }
}

/// Scales all gradients so that their global norm is at most `max`; returns the norm before.
///
/// A norm that is not finite leaves the gradients as they are.
pub fn clip_global_norm(gradients: &mut Gradients, max: f64) -> f64 {
    let norm = gradients.global_norm();
    if norm.is_finite() && norm > max {
        // PyTorch's `clip_grad_norm_` adds 1e-6 to the norm.
        gradients.scale((max / (norm + 1e-6)) as f32);
    }
    norm
}

/// The factor of the rate at `step` (from 0) of `total`: rises over `warmup` steps, then falls to 0.
pub fn linear_warmup_decay(step: usize, total: usize, warmup: usize) -> f32 {
    if step < warmup {
        return step as f32 / warmup.max(1) as f32;
    }
    total.saturating_sub(step) as f32 / total.saturating_sub(warmup).max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;

    fn one(value: f32, gradient: f32) -> (Params, Gradients) {
        let mut params = Params::new();
        params.add("w", Tensor::new(&[1], vec![value]).unwrap());
        let mut gradients = Gradients::empty(1);
        gradients.slots[0] = Some(Tensor::new(&[1], vec![gradient]).unwrap());
        (params, gradients)
    }

    #[test]
    fn two_steps_equal_the_values_worked_out_by_hand() {
        // Step 1: m/c1 = g, v/c2 = g², so the step is rate · g/(|g| + eps) = 0.1; decay 0.1 · 0.5 of 1.
        // Step 2 with g = -1: m = 0.9·0.2 - 0.1 = 0.08, /0.19 = 0.42105; v = 0.999·0.004 + 0.001
        // = 0.004996, /0.001999 = 2.49925, root 1.58090; 0.85·0.95 - 0.1·0.26634 = 0.780866.
        let (mut params, mut gradients) = one(1.0, 2.0);
        let adam = AdamW {
            weight_decay: 0.5,
            ..AdamW::default()
        };
        let mut state = AdamWState::default();
        adam.step(&mut params, &gradients, &mut state, 0.1, &|_| false);
        let id = params.by_name("w").unwrap();
        assert!((params.get(id).data[0] - 0.85).abs() < 1e-6);
        gradients.slots[0].as_mut().unwrap().data[0] = -1.0;
        adam.step(&mut params, &gradients, &mut state, 0.1, &|_| false);
        assert!(
            (params.get(id).data[0] - 0.780_866).abs() < 2e-6,
            "{}",
            params.get(id).data[0]
        );
        assert_eq!(state.step(), 2);
    }

    #[test]
    fn decay_is_skipped_where_the_name_says_so() {
        let (mut params, gradients) = one(1.0, 2.0);
        let adam = AdamW {
            weight_decay: 0.5,
            ..AdamW::default()
        };
        adam.step(
            &mut params,
            &gradients,
            &mut AdamWState::default(),
            0.1,
            &|name| name == "w",
        );
        assert!((params.get(params.by_name("w").unwrap()).data[0] - 0.9).abs() < 1e-6);
        for name in [
            "bert.encoder.layer.0.output.dense.bias",
            "bert.embeddings.LayerNorm.weight",
            "row.final_norm.weight",
            "model.layers.1.attn_norm.weight",
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        ] {
            assert!(no_decay(name), "{name}");
        }
        for name in [
            "bert.embeddings.word_embeddings.weight",
            "classifier.weight",
        ] {
            assert!(!no_decay(name), "{name}");
        }
    }

    #[test]
    fn clipping_keeps_the_direction_and_bounds_the_norm() {
        let (_, mut gradients) = one(0.0, 3.0);
        gradients
            .slots
            .push(Some(Tensor::new(&[1], vec![-4.0]).unwrap()));
        assert_eq!(clip_global_norm(&mut gradients, 1.0), 5.0);
        assert!((gradients.global_norm() - 1.0).abs() < 1e-5);
        let ratio = gradients.slots[1].as_ref().unwrap().data[0]
            / gradients.slots[0].as_ref().unwrap().data[0];
        assert!((ratio + 4.0 / 3.0).abs() < 1e-6);
        assert!((clip_global_norm(&mut gradients, 9.0) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_rate_rises_then_falls_to_zero() {
        let factors: Vec<f32> = (0..=10).map(|s| linear_warmup_decay(s, 10, 2)).collect();
        assert_eq!(
            factors,
            [
                0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0
            ]
        );
        assert_eq!(linear_warmup_decay(0, 4, 0), 1.0);
    }
}
