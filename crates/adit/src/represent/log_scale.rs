//! Numbers of any size on a scale that is linear near zero and logarithmic beyond, and their bins.

use serde::{Deserialize, Serialize};

use super::rows::bin_edges;

/// Most bins.
const MAX_BINS: usize = 16;
/// Values of which each may be a class of its own have so many rows, on average.
const ROWS_OF_A_CLASS: usize = 8;
/// What lies further out is cut.
const FAR: f32 = 8.0;
/// Share of the sizes below which the scale is linear.
const LINEAR: f64 = 0.05;

/// A scale that was fitted on some numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogScale {
    /// Below this size the scale is linear.
    unit: f64,
    mean: f64,
    deviation: f64,
    /// Rising edges of the bins, on the scale. `[n_bins + 1]`
    edges: Vec<f32>,
    /// What numbers are told apart by where they are predicted; the bins where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Classes>,
}

/// Classes of numbers of which some occur so often that they are classes of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Classes {
    /// Where each class but the first begins, on the scale.
    bounds: Vec<f32>,
    /// The least and the largest number of each. `[n_classes]`
    ends: Vec<(f64, f64)>,
}

impl Classes {
    /// `None` where the bins do: no number takes more than its share of the values.
    fn of(scale: &LogScale, values: &[f64]) -> Option<Classes> {
        let mut sorted: Vec<f64> = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len();
        let kinds: Vec<(f32, usize)> = (sorted.chunk_by(|a, b| scale.place(*a) == scale.place(*b)))
            .map(|same| (scale.place(same[0]), same.len()))
            .collect();
        let is_heavy = |kind: &(f32, usize)| kind.1 * MAX_BINS > n;
        let are_few = kinds.len() <= MAX_BINS && n >= kinds.len() * ROWS_OF_A_CLASS;
        if kinds.is_empty() || !(are_few || kinds.iter().any(is_heavy)) {
            return None;
        }
        let between = |a: f32, b: f32| a / 2.0 + b / 2.0;
        let mut bounds: Vec<f32> = kinds
            .windows(2)
            .filter(|pair| are_few || pair.iter().any(is_heavy))
            .map(|pair| between(pair[0].0, pair[1].0))
            .collect();
        if !are_few {
            let is_own = |edge: f32| kinds.iter().any(|kind| kind.0 == edge && is_heavy(kind));
            let inner = &scale.edges[1..scale.edges.len() - 1];
            bounds.extend(inner.iter().copied().filter(|edge| !is_own(*edge)));
        }
        bounds.sort_unstable_by(f32::total_cmp);
        bounds.dedup();
        let class = |value: f64| bounds.partition_point(|bound| *bound <= scale.place(value));
        let mut ends: Vec<Option<(f64, f64)>> = vec![None; bounds.len() + 1];
        for &value in &sorted {
            let own = &mut ends[class(value)];
            *own = Some((own.map_or(value, |(least, _)| least), value));
        }
        // Rounding may leave a bound that nothing lies above or below.
        let ends: Option<Vec<(f64, f64)>> = ends.into_iter().collect();
        Some(Classes {
            bounds,
            ends: ends?,
        })
    }
}

impl LogScale {
    /// Fits the scale on numbers; those that are not finite are passed over.
    pub fn fit(values: impl Iterator<Item = f64>) -> LogScale {
        LogScale::fit_from(values, None)
    }

    /// As [`LogScale::fit`], linear below `unit` where one is given.
    pub fn fit_from(values: impl Iterator<Item = f64>, unit: Option<f64>) -> LogScale {
        let values: Vec<f64> = values.filter(|x| x.is_finite()).collect();
        let unit = unit.unwrap_or_else(|| {
            let sizes = values.iter().map(|x| x.abs());
            let mut sizes: Vec<f64> = sizes.filter(|x| *x > 0.0).collect();
            sizes.sort_unstable_by(f64::total_cmp);
            let at = (sizes.len() as f64 * LINEAR) as usize;
            sizes.get(at).copied().unwrap_or(1.0)
        });
        let mut scale = LogScale {
            unit,
            mean: 0.0,
            deviation: 1.0,
            edges: Vec::new(),
            classes: None,
        };
        let n = values.len().max(1) as f64;
        let mean = values.iter().map(|&x| scale.bent(x)).sum::<f64>() / n;
        let squares = values.iter().map(|&x| (scale.bent(x) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / n).sqrt();
        scale.mean = mean;
        scale.deviation = if deviation > 0.0 { deviation } else { 1.0 };
        let mut places: Vec<f32> = values.iter().map(|&x| scale.place(x)).collect();
        places.sort_unstable_by(f32::total_cmp);
        scale.edges = bin_edges(&places, MAX_BINS);
        scale
    }

    /// The scale with classes for these numbers, by which they are predicted: flags, frequent amounts and the like are told
    /// apart, which bins of equal shares do not.
    pub fn with_classes(mut self, values: impl Iterator<Item = f64>) -> LogScale {
        let values: Vec<f64> = values.filter(|x| x.is_finite()).collect();
        self.classes = Classes::of(&self, &values);
        self
    }

    /// Whether this is a scale that could have been fitted, and not a damaged file.
    pub fn is_whole(&self) -> bool {
        let rises = self.edges.windows(2).all(|pair| pair[0] < pair[1]);
        let finite = self.edges.iter().all(|edge| edge.is_finite());
        let sizes = [self.unit, self.deviation];
        let sized = sizes.iter().all(|x| x.is_finite() && *x > 0.0);
        let are_classes = self.classes.as_ref().is_none_or(|classes| {
            let rise = classes.bounds.windows(2).all(|pair| pair[0] < pair[1]);
            let finite = classes
                .ends
                .iter()
                .all(|(a, b)| a.is_finite() && b.is_finite());
            rise && finite && classes.ends.len() == classes.bounds.len() + 1
        });
        self.edges.len() >= 2 && rises && finite && sized && self.mean.is_finite() && are_classes
    }

    fn bent(&self, value: f64) -> f64 {
        // A tiny unit is no reason for an endless number.
        let units = (value.abs() / self.unit).min(f64::MAX);
        units.ln_1p().copysign(value)
    }

    /// Where a number lies, in deviations from the mean; NaN of what is not finite.
    pub fn place(&self, value: f64) -> f32 {
        if !value.is_finite() {
            return f32::NAN;
        }
        (((self.bent(value) - self.mean) / self.deviation) as f32).clamp(-FAR, FAR)
    }

    /// How many bins there are.
    pub fn n_bins(&self) -> u32 {
        self.edges.len().saturating_sub(1) as u32
    }

    /// How many classes numbers are predicted by.
    pub fn n_classes(&self) -> u32 {
        match &self.classes {
            Some(classes) => classes.ends.len() as u32,
            None => self.n_bins(),
        }
    }

    /// The class of a place; `n_classes` of NaN.
    pub fn class(&self, place: f32) -> u32 {
        if place.is_nan() {
            return self.n_classes();
        }
        let bounds = match &self.classes {
            Some(classes) => &classes.bounds[..],
            None => &self.edges[1..self.edges.len() - 1],
        };
        bounds.partition_point(|bound| *bound <= place) as u32
    }

    /// The least and the largest number of each class, in the numbers' own unit. `[n_classes]`
    pub fn ends(&self) -> Vec<(f64, f64)> {
        if let Some(classes) = &self.classes {
            return classes.ends.clone();
        }
        let back = |edge: &f32| {
            let bent = f64::from(*edge) * self.deviation + self.mean;
            self.unit * bent.abs().exp_m1().copysign(bent)
        };
        let ends: Vec<f64> = self.edges.iter().map(back).collect();
        ends.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Components of a number: its place, the shares of its bins, whether it is missing.
    pub fn n_components(&self) -> usize {
        2 + self.n_bins() as usize
    }

    /// Writes the components of a place; gives what lies beyond them.
    pub fn write<'a>(&self, place: f32, out: &'a mut [f32]) -> &'a mut [f32] {
        let (own, rest) = out.split_at_mut(self.n_components());
        if place.is_nan() {
            own.fill(0.0);
            own[self.n_components() - 1] = 1.0;
            return rest;
        }
        own[0] = place;
        for (share, edges) in own[1..].iter_mut().zip(self.edges.windows(2)) {
            *share = ((place - edges[0]) / (edges[1] - edges[0])).clamp(0.0, 1.0);
        }
        own[self.n_components() - 1] = 0.0;
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_have_a_place_and_a_bin() {
        let values = || (0..1000).map(|k| f64::from(k - 500) * 1.01f64.powi(k));
        let scale = LogScale::fit(values());
        let places: Vec<f32> = values().map(|x| scale.place(x)).collect();
        assert!(places.iter().all(|p| p.abs() <= FAR));
        let mut last = (f32::MIN, 0);
        let mut sorted: Vec<f64> = values().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        for x in sorted {
            let (place, bin) = (scale.place(x), scale.class(scale.place(x)));
            assert!(place >= last.0 && bin >= last.1 && bin < scale.n_classes());
            last = (place, bin);
        }
        assert_eq!(scale.class(f32::NAN), scale.n_classes());
        let ends = scale.ends();
        assert!(ends.windows(2).all(|w| w[0].1 == w[1].0), "{ends:?}");
        // No number takes more than its share: the bins are the classes.
        assert_eq!(scale.clone().with_classes(values()), scale);
    }

    #[test]
    fn what_occurs_often_is_a_class_of_its_own() {
        let of = |values: Vec<f64>| {
            let scale = LogScale::fit(values.iter().copied());
            let scale = scale.with_classes(values.into_iter());
            assert!(scale.is_whole());
            scale
        };
        let class = |scale: &LogScale, value: f64| scale.class(scale.place(value));
        // A flag, one in a thousand.
        let flag = of((0..2000)
            .map(|k| f64::from(u8::from(k % 1000 == 0)))
            .collect());
        assert_eq!(flag.ends(), [(0.0, 0.0), (1.0, 1.0)]);
        assert_eq!((class(&flag, 0.0), class(&flag, 1.0)), (0, 1));
        // Refunds, nearly all of which are nothing.
        let refunds = of((0..2000)
            .map(|k| {
                if k % 20 == 0 {
                    10.0 + f64::from(k)
                } else {
                    0.0
                }
            })
            .collect());
        assert_eq!(refunds.ends()[0], (0.0, 0.0));
        assert!(class(&refunds, 10.0) > 0 && refunds.n_classes() >= 2);
        // Three values, the upper of which are two; one value is itself.
        let three = of((0..90).map(|k| f64::from(k % 3)).collect());
        assert_eq!(three.ends(), [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]);
        assert_eq!(of(vec![5.0; 40]).ends(), [(5.0, 5.0)]);
        // Among many others a frequent one is apart from what lies next to it.
        let fee = of((0..3000)
            .map(|k| {
                if k % 3 == 0 {
                    9.99
                } else {
                    f64::from(k) / 50.0
                }
            })
            .collect());
        let own = class(&fee, 9.99);
        assert_eq!(fee.ends()[own as usize], (9.99, 9.99));
        assert!(class(&fee, 9.9) < own && class(&fee, 10.1) > own);
    }

    #[test]
    fn what_is_missing_has_a_component_of_its_own() {
        let scale = LogScale::fit([1.0, 2.0, f64::NAN, 400.0].into_iter());
        let mut out = vec![7.0; scale.n_components() + 1];
        assert_eq!(scale.write(f32::NAN, &mut out), [7.0]);
        let n = scale.n_components();
        assert!(out[..n - 1].iter().all(|v| *v == 0.0) && out[n - 1] == 1.0);
        scale.write(scale.place(2.0), &mut out);
        assert_eq!(out[n - 1], 0.0);
        assert!(out[1..n - 1].iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn a_scale_of_nothing_or_of_one_value_is_a_scale() {
        for values in [vec![], vec![0.0; 5], vec![f64::INFINITY], vec![-3.0]] {
            let scale = LogScale::fit(values.into_iter());
            assert!(scale.place(1e300).is_finite() && scale.place(-1e300).is_finite());
            assert!(scale.n_bins() >= 1);
        }
    }
}
