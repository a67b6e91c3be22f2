//! Random numbers from hashes: one stream a seed, customer and purpose.

use adit_nn::random::mix;

use super::calendar::{DAY, HOUR};

/// What random numbers are drawn for, so that a change to one purpose leaves the others as they were.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Traits = 1,
    Part,
    Truth,
    LabelNoise,
    Life,
    Paydays,
    DueDays,
    Episodes,
    Orders,
}

/// A stream of random numbers; by arithmetic that is exact or correctly rounded, so the same on every machine.
pub(super) struct Draws {
    key: u64,
    at: u64,
}

impl Draws {
    pub(super) fn new(seed: u64, customer: u64, purpose: Purpose) -> Draws {
        let key = mix(mix(seed, customer), purpose as u64);
        Draws { key, at: 0 }
    }

    fn next(&mut self) -> u64 {
        self.at += 1;
        mix(self.key, self.at)
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number, both ends included.
    pub(super) fn whole(&mut self, least: i64, most: i64) -> i64 {
        let width = (most - least + 1) as f64;
        least + (self.unit() * width) as i64
    }

    /// Pence between two amounts of pounds, small amounts more often.
    pub(super) fn pence(&mut self, least: f64, most: f64) -> i64 {
        let skewed = self.unit() * self.unit();
        (100.0 * (least + (most - least) * skewed)) as i64
    }

    /// Pence of a round amount: between so many tens of pounds.
    pub(super) fn tens(&mut self, least: i64, most: i64) -> i64 {
        1_000 * self.whole(least, most)
    }

    /// A second between two hours of a day.
    pub(super) fn moment(&mut self, day: i64, (from, until): (i64, i64)) -> i64 {
        day * DAY + self.whole(from * HOUR, until * HOUR - 1)
    }

    /// One of a list that is not empty.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, from: &[T; N]) -> T {
        from[self.index(N)]
    }

    /// A place in a list of `n`; 0 if it is empty.
    pub(super) fn index(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    /// A place in a list, each as likely as its weight says.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut place = 0;
        for (at, weight) in weights.enumerate() {
            place = at;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        place
    }
}
