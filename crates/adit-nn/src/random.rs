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

/// The `at`-th of a stream of normal numbers with mean 0 (Box and Muller, 1958), from hashes alone.
pub fn normal_at(seed: u64, at: u64, std: f64) -> f32 {
    let unit = |which: u64| (mix(seed, 2 * at + which) >> 11) as f64 / (1u64 << 53) as f64;
    let radius = (-2.0 * (1.0 - unit(0)).ln()).sqrt();
    (std * radius * (std::f64::consts::TAU * unit(1)).cos()) as f32
}

/// Draws initial weights; one stream per model, in the order in which parameters are made.
pub struct Init(Option<ChaCha8Rng>);

impl Init {
    /// A stream for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Some(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// No stream: all weights are 0, to be read from a file.
    pub fn zeros() -> Self {
        Self(None)
    }

    /// Uniform in [0, 1), 24 bits.
    fn unit(stream: &mut ChaCha8Rng) -> f32 {
        (stream.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Normal with mean 0 (Box and Muller, 1958).
    pub fn normal(&mut self, shape: &[usize], std: f32) -> Tensor {
        let mut tensor = Tensor::zeros(shape);
        let Some(stream) = &mut self.0 else {
            return tensor;
        };
        for pair in tensor.data.chunks_mut(2) {
            let radius = (-2.0 * f64::from(1.0 - Self::unit(stream)).ln()).sqrt();
            let angle = std::f64::consts::TAU * f64::from(Self::unit(stream));
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
        let Some(stream) = &mut self.0 else {
            return tensor;
        };
        for value in &mut tensor.data {
            *value = (2.0 * Self::unit(stream) - 1.0) * limit;
        }
        tensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_weights_have_the_stated_mean_and_deviation() {
        let tensor = Init::new(3).normal(&[1000, 101], 0.02);
        let n = tensor.len() as f64;
        let mean = tensor.data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let deviation = (tensor
            .data
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n)
            .sqrt();
        assert!(
            mean.abs() < 3e-4 && (deviation - 0.02).abs() < 2e-4,
            "{mean} {deviation}"
        );
        let beyond = tensor.data.iter().filter(|v| v.abs() > 0.04).count() as f64 / n;
        assert!(
            (beyond - 0.0455).abs() < 0.003,
            "{beyond} lie beyond two deviations"
        );
        assert_eq!(tensor, Init::new(3).normal(&[1000, 101], 0.02));
        assert_ne!(tensor, Init::new(4).normal(&[1000, 101], 0.02));
    }

    #[test]
    fn normal_numbers_of_hashes_have_the_stated_mean_and_deviation() {
        let values: Vec<f64> = (0..100_000)
            .map(|at| f64::from(normal_at(5, at, 0.5)))
            .collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!(
            mean.abs() < 0.006 && (deviation - 0.5).abs() < 0.005,
            "{mean} {deviation}"
        );
        let together: f64 = values.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
        assert!(together.abs() < 0.003, "neighbours correlate: {together}");
    }

    #[test]
    fn uniform_weights_fill_their_range() {
        let tensor = Init::new(3).uniform(&[10_000], 0.5);
        let (low, high) = tensor
            .data
            .iter()
            .fold((1.0f32, -1.0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert!(
            (-0.5..-0.499).contains(&low) && (0.499..0.5).contains(&high),
            "{low} {high}"
        );
        assert_eq!(Init::zeros().uniform(&[3], 0.5).data, [0.0; 3]);
    }
}
