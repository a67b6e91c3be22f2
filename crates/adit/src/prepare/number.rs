//! Scaling of number columns.

use serde::{Deserialize, Serialize};

/// Scaled values are kept as they are up to this size and grow with the logarithm beyond it.
const LINEAR_UP_TO: f64 = 10.0;

/// The interquartile range of a normal distribution with standard deviation 1.
const NORMAL_IQR: f64 = 1.348_979_500_392_163_6;

/// Robust scaling: `(x − median) / scale`.
///
/// The scale is the interquartile range over 1.349, which is the standard deviation of a normal
/// column; where it is zero, the standard deviation; where that is zero, 1. Scaled values beyond
/// ±10 are bent to `±(10 + ln(1 + |z| − 10))`: order is kept and one wild cell cannot rule a model.
/// Missing and infinite values become the median, 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaling {
    pub median: f64,
    pub scale: f64,
}

impl Scaling {
    /// Fits on the finite ones among `values`.
    pub fn fit(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return Self {
                median: 0.0,
                scale: 1.0,
            };
        }
        let spread = quantile(&sorted, 0.75) / NORMAL_IQR - quantile(&sorted, 0.25) / NORMAL_IQR;
        let usable = |x: &f64| x.is_finite() && *x > 0.0;
        let scale = Some(spread)
            .filter(usable)
            .or_else(|| Some(mean_and_deviation(&sorted).1).filter(usable))
            .unwrap_or(1.0);
        Self {
            median: quantile(&sorted, 0.5),
            scale,
        }
    }

    /// The scaled value, finite for every input.
    pub fn apply(&self, value: f64) -> f32 {
        if !value.is_finite() {
            return 0.0;
        }
        let z = ((value - self.median) / self.scale).clamp(f64::MIN, f64::MAX);
        let bent = if z.abs() <= LINEAR_UP_TO {
            z
        } else {
            z.signum() * (LINEAR_UP_TO + (z.abs() - LINEAR_UP_TO).ln_1p())
        };
        bent as f32
    }
}

/// The `q` quantile of sorted values, linear between neighbours (type 7 of Hyndman and Fan 1996).
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let low = position.floor() as usize;
    let high = position.ceil() as usize;
    let part = position - low as f64;
    // Weighted this way so that the difference of two huge values never overflows.
    sorted[low] * (1.0 - part) + sorted[high] * part
}

/// Mean and population standard deviation.
pub(super) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|x| x / n).sum::<f64>();
    let variance = values.iter().map(|x| (x - mean).powi(2) / n).sum::<f64>();
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_agree_with_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16, 32], [.25, .5, .75])
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        assert_eq!(quantile(&sorted, 0.25), 2.5);
        assert_eq!(quantile(&sorted, 0.5), 6.0);
        assert_eq!(quantile(&sorted, 0.75), 14.0);
    }

    #[test]
    fn the_scale_falls_back_to_deviation_and_then_to_one() {
        let mostly_zero = Scaling::fit([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0].into_iter());
        assert!((mostly_zero.scale - 1.653_594_569).abs() < 1e-6);
        assert_eq!(Scaling::fit([3.0, 3.0].into_iter()).scale, 1.0);
        let nothing = Scaling::fit([f64::NAN].into_iter());
        assert_eq!((nothing.median, nothing.scale), (0.0, 1.0));
    }

    #[test]
    fn a_standard_normal_column_keeps_its_unit() {
        let sorted: Vec<f64> = (1..1000)
            .map(|i| f64::from(i) / 1000.0)
            .map(|p| (p / (1.0 - p)).ln())
            .collect();
        let scaling = Scaling::fit(sorted.into_iter());
        // Logistic quartiles are ±ln 3.
        assert!((scaling.scale - 2.0 * 3f64.ln() / NORMAL_IQR).abs() < 1e-2);
    }

    proptest! {
        #[test]
        fn scaled_values_are_finite_and_keep_their_order(
            train in prop::collection::vec(prop::num::f64::ANY, 0..20),
            a in prop::num::f64::ANY,
            b in prop::num::f64::ANY,
        ) {
            let scaling = Scaling::fit(train.into_iter());
            prop_assert!(scaling.scale.is_finite() && scaling.scale > 0.0);
            let (x, y) = (scaling.apply(a), scaling.apply(b));
            prop_assert!(x.is_finite() && y.is_finite());
            if a.is_finite() && b.is_finite() && a <= b {
                prop_assert!(x <= y, "{a} -> {x}, {b} -> {y}");
            }
        }
    }
}
