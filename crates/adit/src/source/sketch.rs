//! Hashes and sets of bounded size, the same on every machine and for any number of threads.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Odd constants with well-spread bits: digits of the golden ratio, of √2 and of √3.
const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0x6a09_e667_f3bc_c909;
const THIRD: u64 = 0xbb67_ae85_84ca_a73b;

/// Both halves of a full product, folded together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A 128-bit hash of a sequence of values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash128 {
    a: u64,
    b: u64,
}

impl Default for Hash128 {
    fn default() -> Self {
        Hash128 {
            a: FIRST,
            b: SECOND,
        }
    }
}

impl Hash128 {
    /// Takes in a number.
    pub fn number(&mut self, value: u64) {
        self.a = fold(self.a ^ value, FIRST).wrapping_add(self.b);
        self.b = fold(self.b ^ value.rotate_left(29) ^ THIRD, SECOND)
            .wrapping_add(self.a.rotate_left(17));
    }

    /// Takes in bytes and their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
    }

    /// The hash of all that was taken in.
    pub fn finish(mut self) -> u128 {
        self.number(FIRST);
        self.number(THIRD);
        (u128::from(self.a) << 64) | u128::from(self.b)
    }
}

/// The 64-bit hash of one number.
pub(super) fn hash_number(value: u64) -> u64 {
    let mut hash = Hash128::default();
    hash.number(value);
    hash.finish() as u64
}

/// The 64-bit hash of some bytes.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = Hash128::default();
    hash.bytes(bytes);
    hash.finish() as u64
}

/// For maps whose keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

/// Counts of distinct hashes; beyond `limit` of them only those of a sampled part.
///
/// Reference: P. Flajolet, "On adaptive sampling", Computing 43 (1990): a part of 2^-level of all
/// hashes is kept, and the level rises whenever the set is full. The standard error of
/// [`DistinctSet::distinct`] is about 1.2 / √limit.
pub(super) struct DistinctSet {
    counts: HashMap<u128, u64, BuildHasherDefault<AsItIs>>,
    limit: usize,
    level: u32,
}

impl DistinctSet {
    pub fn new(limit: usize) -> DistinctSet {
        DistinctSet {
            counts: HashMap::default(),
            limit: limit.max(16),
            level: 0,
        }
    }

    /// Counts one value by its hash.
    pub fn add(&mut self, hash: u128) {
        if !is_kept(hash, self.level) {
            return;
        }
        *self.counts.entry(hash).or_insert(0) += 1;
        while self.counts.len() > self.limit && self.level < 63 {
            self.level += 1;
            let level = self.level;
            self.counts.retain(|hash, _| is_kept(*hash, level));
        }
    }

    /// Distinct values, exact while nothing was left out.
    pub fn distinct(&self) -> u64 {
        (self.counts.len() as u64) << self.level
    }

    /// Values that repeat an earlier one.
    pub fn repeats(&self) -> u64 {
        let kept: u64 = self.counts.values().map(|count| count - 1).sum();
        kept << self.level
    }

    /// True while nothing was left out.
    pub fn is_exact(&self) -> bool {
        self.level == 0
    }
}

/// The upper half decides what is kept, the lower half where it lies in the map.
fn is_kept(hash: u128, level: u32) -> bool {
    let upper = (hash >> 64) as u64;
    upper.trailing_zeros() >= level
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hash(value: u64) -> u128 {
        let mut hash = Hash128::default();
        hash.number(value);
        hash.finish()
    }

    #[test]
    fn a_million_neighbours_have_a_million_hashes() {
        let upper: HashSet<u64> = (0..1_000_000)
            .map(|value| (hash(value) >> 64) as u64)
            .collect();
        let lower: HashSet<u64> = (0..1_000_000).map(|value| hash(value) as u64).collect();
        assert_eq!((upper.len(), lower.len()), (1_000_000, 1_000_000));
    }

    #[test]
    fn one_bit_in_flips_half_of_the_bits_out() {
        let mut flipped = 0;
        for bit in 0..64 {
            flipped += (hash(12_345) ^ hash(12_345 ^ (1 << bit))).count_ones();
        }
        let mean = f64::from(flipped) / 64.0;
        assert!((58.0..70.0).contains(&mean), "{mean}");
    }

    #[test]
    fn bytes_know_their_length() {
        assert_ne!(hash_bytes(b"a"), hash_bytes(b"a\0"));
        assert_ne!(hash_bytes(b""), hash_bytes(b"\0"));
    }

    #[test]
    fn a_small_set_is_exact_and_a_full_one_is_close() {
        let mut set = DistinctSet::new(10_000);
        for value in 0..9_000 {
            set.add(hash(value));
            set.add(hash(value));
        }
        assert!(set.is_exact());
        assert_eq!((set.distinct(), set.repeats()), (9_000, 9_000));
        for value in 0..1_000_000 {
            set.add(hash(value));
        }
        assert!(!set.is_exact());
        let error = (set.distinct() as f64 - 1e6).abs() / 1e6;
        assert!(error < 0.05, "{error}");
    }
}
