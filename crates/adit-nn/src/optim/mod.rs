//! Optimisers: AdamW with a global clip, rates by name and step, sums of micro-batches.

mod adamw;
mod rates;
mod state;
mod sum;

pub use adamw::{AdamW, Update, no_decay};
pub use rates::{layer_decay, linear_warmup_decay};
pub use state::AdamWState;
pub use sum::GradientSum;

use crate::gradients::Gradients;

/// The factor that brings gradients of the global norm `norm` to a norm of at most `max`.
///
/// It is 1 for a norm that is not finite. PyTorch's `clip_grad_norm_` adds 1e-6 to the norm, and so
/// does this.
pub fn clip_factor(norm: f64, max: f64) -> f32 {
    if norm.is_finite() && norm > max {
        (max / (norm + 1e-6)) as f32
    } else {
        1.0
    }
}

/// Scales all gradients so that their global norm is at most `max`; returns the norm before.
///
/// A norm that is not finite leaves the gradients as they are. [`Update::factor`] does the same
/// without a pass over all gradients.
pub fn clip_global_norm(gradients: &mut Gradients, max: f64) -> f64 {
    let norm = gradients.global_norm();
    let factor = clip_factor(norm, max);
    if factor != 1.0 {
        gradients.scale(factor);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::tensor::Tensor;

    fn one(value: f32, gradient: f32) -> (Params, Gradients) {
        let mut params = Params::new();
        params.add("w", Tensor::new(&[1], vec![value]).unwrap());
        let mut gradients = Gradients::empty(1);
        gradients.slots[0] = Some(Tensor::new(&[1], vec![gradient]).unwrap().into());
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
        gradients.slots[0].as_mut().unwrap().tensor.data[0] = -1.0;
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
            .push(Some(Tensor::new(&[1], vec![-4.0]).unwrap().into()));
        assert_eq!(clip_global_norm(&mut gradients, 1.0), 5.0);
        assert!((gradients.global_norm() - 1.0).abs() < 1e-5);
        let ratio = gradients.slots[1].as_ref().unwrap().tensor.data[0]
            / gradients.slots[0].as_ref().unwrap().tensor.data[0];
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
