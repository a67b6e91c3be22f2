//! Numbers of any size on a scale that is linear near zero and logarithmic beyond, and their bins.

use serde::{Deserialize, Serialize};

use super::rows::bin_edges;

/// Most bins.
const MAX_BINS: usize = 16;
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

    /// Whether this is a scale that could have been fitted, and not a damaged file.
    pub fn is_whole(&self) -> bool {
        let rises = self.edges.windows(2).all(|pair| pair[0] < pair[1]);
        let finite = self.edges.iter().all(|edge| edge.is_finite());
        let sizes = [self.unit, self.deviation];
        let sized = sizes.iter().all(|x| x.is_finite() && *x > 0.0);
        self.edges.len() >= 2 && rises && finite && sized && self.mean.is_finite()
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

    /// The bin of a place; `n_bins` of NaN.
    pub fn bin(&self, place: f32) -> u32 {
        if place.is_nan() {
            return self.n_bins();
        }
        let inner = &self.edges[1..self.edges.len() - 1];
        inner.partition_point(|edge| *edge <= place) as u32
    }

    /// Edges of the bins in the numbers' own unit. `[n_bins + 1]`
    pub fn ends(&self) -> Vec<f64> {
        let back = |edge: &f32| {
            let bent = f64::from(*edge) * self.deviation + self.mean;
            self.unit * bent.abs().exp_m1().copysign(bent)
        };
        self.edges.iter().map(back).collect()
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
            let (place, bin) = (scale.place(x), scale.bin(scale.place(x)));
            assert!(place >= last.0 && bin >= last.1 && bin < scale.n_bins());
            last = (place, bin);
        }
        assert_eq!(scale.bin(f32::NAN), scale.n_bins());
        let ends = scale.ends();
        assert!(ends.windows(2).all(|w| w[0] < w[1]), "{ends:?}");
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
