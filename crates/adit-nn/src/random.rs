//! Random numbers from an explicit seed: initial weights and dropout masks.

use rand::RngCore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::tensor::Tensor;

/// Mixes two numbers into one that looks random (the finaliser of SplitMix64).
pub fn mix(a: u64, b: u64) -> u64 {
    let mut z = a
        .wrapping_add(b.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Draws initial weights; one stream per model, in the order in which parameters are made.
pub struct Init(ChaCha8Rng);

impl Init {
    /// A stream for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in [0, 1), 24 bits.
    fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Normal with mean 0 (Box and Muller, 1958).
    pub fn normal(&mut self, shape: &[usize], std: f32) -> Tensor {
        let mut tensor = Tensor::zeros(shape);
        for pair in tensor.data.chunks_mut(2) {
            let radius = (-2.0 * f64::from(1.0 - self.unit()).ln()).sqrt();
            let angle = std::f64::consts::TAU * f64::from(self.unit());
            pair[0] = (radius * angle.cos()) as f32 * std;
            if let Some(second) = pair.get_mut(1) {
                *second = (radius * angle.sin()) as f32 * std;
            }
        }
        tensor
    }

    /// Uniform in `[-limit, limit)`.
    pub fn uniform(&mut self, shape: &[usize], limit: f32) -> Tensor {
        let mut tensor = Tensor::zeros(shape);
        for value in &mut tensor.data {
            *value = (2.0 * self.unit() - 1.0) * limit;
        }
        tensor
    }
}
