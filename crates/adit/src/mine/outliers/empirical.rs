//! The empirical distribution of a sample: how many of its values lie below and above a given one.
//!
//! Enters: a sample. Leaves: an [`Empirical`], which keeps all distinct values of a small sample. Of a large one it
//! keeps more the nearer they are to either end, so that the share of the sample beyond a value is off by
//! [`ERROR`] of itself at most, however far out the value lies.

use serde::{Deserialize, Serialize};

/// Most relative error of a tail's share where values were left out.
pub const ERROR: f64 = 0.005;

/// How many values of a sample lie on which side of a value; together all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    pub below: f64,
    pub equal: f64,
    pub above: f64,
}

/// A sample as its distinct values and their counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored<T>", into = "Stored<T>")]
#[serde(bound(
    serialize = "T: Number + Serialize",
    deserialize = "T: Number + Deserialize<'de>"
))]
pub struct Empirical<T: Number> {
    n: usize,
    /// Ascending. `[n_kept]`
    values: Vec<T>,
    /// How many of the sample lie below each kept value. `[n_kept]`
    below: Vec<usize>,
    /// How many lie below or are equal. `[n_kept]`
    up_to: Vec<usize>,
}

/// What samples are made of.
pub trait Number: Copy + PartialOrd + Into<f64> + Send + Sync {}

impl Number for f32 {}
impl Number for f64 {}

/// As an [`Empirical`] is written: counts are small numbers, and most are 1 and 0.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    values: Vec<T>,
    equal: Vec<usize>,
    /// How many lie between a kept value and the next; empty where all are kept.
    between: Vec<usize>,
}

impl<T: Number> From<Empirical<T>> for Stored<T> {
    fn from(of: Empirical<T>) -> Stored<T> {
        let next = of.below.iter().skip(1).chain([&of.n]);
        let between: Vec<usize> = next.zip(&of.up_to).map(|(next, up)| next - up).collect();
        let whole = between.iter().all(|&n| n == 0);
        Stored {
            values: of.values,
            equal: (of.up_to.iter().zip(&of.below))
                .map(|(up, below)| up - below)
                .collect(),
            between: if whole { Vec::new() } else { between },
        }
    }
}

impl<T: Number> TryFrom<Stored<T>> for Empirical<T> {
    type Error = &'static str;

    fn try_from(stored: Stored<T>) -> Result<Empirical<T>, &'static str> {
        let Stored {
            values,
            equal,
            between,
        } = stored;
        let fits = |n: usize| n == values.len();
        if values.is_empty() || !fits(equal.len()) || !(between.is_empty() || fits(between.len())) {
            return Err("a distribution's values and counts differ in number");
        }
        if values.windows(2).any(|pair| pair[0] >= pair[1]) || equal.contains(&0) {
            return Err("a distribution's values do not ascend");
        }
        let (mut below, mut up_to, mut n) = (Vec::new(), Vec::new(), 0usize);
        for (at, &count) in equal.iter().enumerate() {
            below.push(n);
            n = n.checked_add(count).ok_or("a count is too large")?;
            up_to.push(n);
            n = (n.checked_add(between.get(at).copied().unwrap_or(0)))
                .ok_or("a count is too large")?;
        }
        Ok(Empirical {
            n,
            values,
            below,
            up_to,
        })
    }
}

impl<T: Number> Empirical<T> {
    /// The distribution of `sorted`, which ascends and holds at least one value, all of them numbers; distinct values
    /// are left out where there are more than `whole`.
    pub fn of_sorted(sorted: &[T], whole: usize) -> Empirical<T> {
        let n = sorted.len();
        let (mut values, mut below, mut up_to): (Vec<T>, Vec<usize>, Vec<usize>) =
            Default::default();
        for (at, &value) in sorted.iter().enumerate() {
            if values.last().is_none_or(|last| *last < value) {
                values.push(value);
                below.push(at);
                up_to.push(at + 1);
            } else if let Some(last) = up_to.last_mut() {
                *last = at + 1;
            }
        }
        let mut whole_one = Empirical {
            n,
            values,
            below,
            up_to,
        };
        if whole_one.values.len() > whole {
            whole_one.thin();
        }
        whole_one
    }

    /// Leaves out values where half of what lies between two kept ones is [`ERROR`] of both tails at most.
    fn thin(&mut self) {
        let last = self.values.len() - 1;
        let (mut kept, mut at) = (vec![0], 0);
        while at < last {
            let mut next = at + 1;
            while next < last && self.may_follow(at, next + 1) {
                next += 1;
            }
            kept.push(next);
            at = next;
        }
        self.values = kept.iter().map(|&at| self.values[at]).collect();
        self.below = kept.iter().map(|&at| self.below[at]).collect();
        self.up_to = kept.iter().map(|&at| self.up_to[at]).collect();
    }

    fn may_follow(&self, at: usize, next: usize) -> bool {
        let between = self.below[next] - self.up_to[at];
        let tail = self.up_to[at].min(self.n - self.below[next]);
        between as f64 <= 2.0 * ERROR * tail as f64
    }

    /// Size of the sample.
    pub fn len(&self) -> usize {
        self.n
    }

    /// False: a sample holds at least one value.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// How many values are kept.
    pub fn n_kept(&self) -> usize {
        self.values.len()
    }

    /// How many of the sample lie below, at and above `value`; within [`ERROR`] where values were left out.
    pub fn counts(&self, value: T) -> Counts {
        let n = self.n as f64;
        let after = self.values.partition_point(|kept| *kept <= value);
        let (below, up_to) = match after.checked_sub(1) {
            None => (0.0, 0.0),
            Some(at) if self.values[at] >= value => (self.below[at] as f64, self.up_to[at] as f64),
            Some(at) => {
                let next = self.below.get(after).copied().unwrap_or(self.n);
                let middle = (self.up_to[at] + next) as f64 / 2.0;
                (middle, middle)
            }
        };
        Counts {
            below,
            equal: up_to - below,
            above: n - up_to,
        }
    }

    /// The share of the sample below `value`, ties counting half; between two values as the straight line between
    /// them, beyond the ends ever nearer to 0 and 1. Strictly between 0 and 1 for any number.
    pub fn mid_rank(&self, value: T) -> f64 {
        let rank = |at: usize| (self.below[at] + self.up_to[at]) as f64 / (2 * self.n) as f64;
        let value_at = |at: usize| -> f64 { self.values[at].into() };
        let last = self.values.len() - 1;
        let x: f64 = value.into();
        let after = self.values.partition_point(|kept| *kept <= value);
        let spread = value_at(last) - value_at(0);
        let spread = if spread > 0.0 { spread } else { 1.0 };
        // 1 at the end itself, and never so near to 0 that rounding brings a rank to 0 or 1.
        let nearness = |distance: f64| (1.0 / (1.0 + distance / spread)).max(1e-6);
        match after.checked_sub(1) {
            None => rank(0) * nearness(value_at(0) - x),
            Some(at) if at == last => 1.0 - (1.0 - rank(last)) * nearness(x - value_at(last)),
            Some(at) => {
                let share = (x - value_at(at)) / (value_at(at + 1) - value_at(at));
                rank(at) + share * (rank(at + 1) - rank(at))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    proptest! {
        #[test]
        fn counts_of_a_small_sample_are_those_of_a_loop(
            values in prop::collection::vec(-20i32..20, 1..60), asked in -25i32..25, half in any::<bool>()
        ) {
            let values = sorted(values.into_iter().map(f64::from).collect());
            let asked = f64::from(asked) + if half { 0.5 } else { 0.0 };
            let found = Empirical::of_sorted(&values, 100).counts(asked);
            let count = |test: &dyn Fn(f64) -> bool| values.iter().filter(|v| test(**v)).count() as f64;
            prop_assert_eq!(found.below, count(&|v| v < asked));
            prop_assert_eq!(found.equal, count(&|v| v == asked));
            prop_assert_eq!(found.above, count(&|v| v > asked));
        }

        #[test]
        fn ranks_rise_with_values(values in prop::collection::vec(-20i32..20, 1..60)) {
            let kept = Empirical::of_sorted(&sorted(values.into_iter().map(f64::from).collect()), 100);
            let asked: Vec<f64> = (-120..120).map(|v| f64::from(v) / 4.0).collect();
            let ranks: Vec<f64> = asked.iter().map(|&v| kept.mid_rank(v)).collect();
            prop_assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ranks);
            prop_assert!(ranks[0] > 0.0 && ranks[239] < 1.0);
        }
    }

    #[test]
    fn a_thinned_sample_errs_by_no_more_than_it_says() {
        // Many ties in the middle, and tails of distinct values.
        let values: Vec<f64> = (0..200_000u64)
            .map(|at| {
                let unit = (adit_nn::random::mix(3, at) >> 11) as f64 / (1u64 << 53) as f64;
                let wide = (unit / (1.0 - unit)).ln();
                if wide.abs() < 1.0 { wide.round() } else { wide }
            })
            .collect();
        let values = sorted(values);
        let (whole, thin) = (
            Empirical::of_sorted(&values, usize::MAX),
            Empirical::of_sorted(&values, 10_000),
        );
        assert!(
            whole.n_kept() > 90_000 && thin.n_kept() < 2_000,
            "{}",
            thin.n_kept()
        );
        let mut most: f64 = 0.0;
        let between = values.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
        for value in values.iter().copied().chain(between) {
            let (exact, found) = (whole.counts(value), thin.counts(value));
            for (exact, found) in [
                (exact.below + exact.equal, found.below + found.equal),
                (exact.above + exact.equal, found.above + found.equal),
            ] {
                most = most.max((found - exact).abs() / exact.max(1.0));
            }
        }
        assert!(most <= ERROR && most > ERROR / 10.0, "{most}");
    }

    #[test]
    fn ranks_are_mid_ranks_and_lines_between_them() {
        let kept = Empirical::of_sorted(&[1.0f64, 2.0, 2.0, 4.0], 10);
        assert_eq!(
            [1.0, 2.0, 4.0].map(|v| kept.mid_rank(v)),
            [0.125, 0.5, 0.875]
        );
        assert_eq!(
            [1.5, 3.0, 3.5].map(|v| kept.mid_rank(v)),
            [0.3125, 0.6875, 0.78125]
        );
        assert!(kept.mid_rank(1e300) < 1.0 && kept.mid_rank(-1e300) > 0.0);
        assert_eq!(Empirical::of_sorted(&[7.0f64; 3], 10).mid_rank(7.0), 0.5);
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_damaged() {
        let values: Vec<f32> = (0..40_000u16).map(f32::from).collect();
        for whole in [100_000, 1000] {
            let kept = Empirical::of_sorted(&values, whole);
            let text = serde_json::to_string(&kept).unwrap();
            assert_eq!(serde_json::from_str::<Empirical<f32>>(&text).unwrap(), kept);
        }
        for text in [
            r#"{"values":[],"equal":[],"between":[]}"#,
            r#"{"values":[1.0,1.0],"equal":[1,1],"between":[]}"#,
            r#"{"values":[1.0,2.0],"equal":[1],"between":[]}"#,
            r#"{"values":[1.0,2.0],"equal":[1,1],"between":[0]}"#,
            r#"{"values":[1.0],"equal":[0],"between":[]}"#,
        ] {
            assert!(
                serde_json::from_str::<Empirical<f64>>(text).is_err(),
                "{text}"
            );
        }
    }
}
