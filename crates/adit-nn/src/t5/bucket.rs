//! Classes of distances between tokens (Raffel et al., 2020, section 2.1).

use crate::t5::config::T5Config;

/// The classes of distances of one stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    /// The number of classes; of a stack that looks both ways, half of them for each way.
    n: usize,
    farthest: usize,
    both_ways: bool,
}

impl Buckets {
    /// The classes of the encoder (`both_ways`) or of the decoder.
    pub fn of(config: &T5Config, both_ways: bool) -> Self {
        Self {
            n: config.relative_attention_num_buckets,
            farthest: config.relative_attention_max_distance,
            both_ways,
        }
    }

    /// The class of a key that lies `distance` tokens after its query (before it where negative).
    ///
    /// Short distances have a class each, longer ones share classes that grow by a factor; computed in
    /// f32, as in PyTorch, so that distances at the border of two classes fall alike.
    pub fn of_distance(self, distance: isize) -> usize {
        let (n, start, apart) = match (self.both_ways, distance > 0) {
            (true, after) => {
                let half = self.n / 2;
                (half, if after { half } else { 0 }, distance.unsigned_abs())
            }
            (false, true) => (self.n, 0, 0),
            (false, false) => (self.n, 0, distance.unsigned_abs()),
        };
        let exact = n / 2;
        if apart < exact {
            return start + apart;
        }
        let ratio = (apart as f32 / exact as f32).ln();
        let whole = (self.farthest as f64 / exact as f64).ln() as f32;
        let beyond = (ratio / whole * (n - exact) as f32) as usize;
        start + (exact + beyond).min(n - 1)
    }
}
