//! What every mistake costs: the class of least expected cost instead of the most probable one.

use serde::{Deserialize, Serialize};

use crate::mine::MineError;
use crate::mine::Predictions;

/// What it costs to say one class where another is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostMatrix {
    n_classes: usize,
    /// `[true class][class said]`, one after another.
    costs: Vec<f64>,
}

impl CostMatrix {
    /// Mistakes cost 1 and right answers nothing, but for those in `given`: true class, class said, cost.
    ///
    /// # Errors
    /// A class that is not there, a cost that is negative or not finite, all costs 0.
    pub fn new(n_classes: usize, given: &[(usize, usize, f64)]) -> Result<Self, MineError> {
        let fail = |value: String| MineError::Setting {
            setting: "cost",
            value,
            reason: "costs are not negative, not infinite, and one of them is positive",
        };
        let of = |at: usize| f64::from(u8::from(at / n_classes != at % n_classes));
        let mut costs: Vec<f64> = (0..n_classes * n_classes).map(of).collect();
        for &(truth, said, cost) in given {
            let known = truth < n_classes && said < n_classes;
            if !known || !cost.is_finite() || cost < 0.0 {
                return Err(fail(cost.to_string()));
            }
            costs[truth * n_classes + said] = cost;
        }
        if costs.iter().all(|&cost| cost == 0.0) {
            return Err(fail("0".into()));
        }
        Ok(Self { n_classes, costs })
    }

    /// What it costs to say `said` where `truth` is true.
    pub fn cost(&self, truth: u32, said: u32) -> f64 {
        self.costs[truth as usize * self.n_classes + said as usize]
    }

    /// The class of least expected cost in each row, the first of equals; `None` for numbers or other classes.
    pub fn decide(&self, calibrated: &Predictions) -> Option<Vec<u32>> {
        match calibrated {
            Predictions::Probabilities { n_classes, values } if *n_classes == self.n_classes => {
                let rows = values.chunks_exact(*n_classes);
                Some(rows.map(|row| self.least(row)).collect())
            }
            _ => None,
        }
    }

    fn least(&self, chances: &[f32]) -> u32 {
        let expected = |said: u32| -> f64 {
            let of = |(truth, &p): (u32, &f32)| f64::from(p) * self.cost(truth, said);
            (0u32..).zip(chances).map(of).sum()
        };
        let mut best = (f64::INFINITY, 0);
        for said in 0..self.n_classes as u32 {
            let cost = expected(said);
            if cost < best.0 {
                best = (cost, said);
            }
        }
        best.1
    }

    /// The cost of each row.
    pub fn of_rows(&self, truth: &[u32], decided: &[u32]) -> Vec<f64> {
        let pairs = truth.iter().zip(decided);
        pairs
            .map(|(&truth, &said)| self.cost(truth, said))
            .collect()
    }

    /// The class that costs least where it is said of all rows, the first of equals.
    pub fn best_constant(&self, truth: &[u32]) -> u32 {
        let sum = |said: u32| -> f64 { truth.iter().map(|&t| self.cost(t, said)).sum() };
        let sums = (0..self.n_classes as u32).map(|said| (sum(said), said));
        sums.min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(0, |best| best.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn calibrated_probabilities_and_the_matrix_cost_least() {
        let matrix = CostMatrix::new(3, &[(0, 2, 9.0), (1, 0, 0.5), (2, 2, 0.2)]).unwrap();
        assert_eq!((matrix.cost(0, 2), matrix.cost(2, 0)), (9.0, 1.0));
        assert_eq!((matrix.cost(1, 1), matrix.cost(2, 2)), (0.0, 0.2));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut values, mut truth) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let drawn: [f32; 3] = std::array::from_fn(|_| rng.random());
            let sum: f32 = drawn.iter().sum();
            let chances = drawn.map(|p| p / sum);
            let at: f32 = rng.random();
            truth.push(u32::from(at > chances[0]) + u32::from(at > chances[0] + chances[1]));
            values.extend(chances);
        }
        let predictions = Predictions::Probabilities {
            n_classes: 3,
            values,
        };
        let mean = |decided: &[u32]| {
            matrix.of_rows(&truth, decided).iter().sum::<f64>() / truth.len() as f64
        };
        let by_cost = matrix.decide(&predictions).unwrap();
        let own = mean(&by_cost);
        assert!(own < mean(&predictions.argmax().unwrap()) - 0.1, "{own}");
        for said in 0..3 {
            assert!(own < mean(&vec![said; truth.len()]));
        }
        // Where the truth is as probable as is said, nothing else does better: every other answer costs more.
        for class in 0..3u32 {
            let other: Vec<u32> = by_cost.iter().map(|&c| (c + class) % 3).collect();
            assert!(class == 0 || mean(&other) > own);
        }
        let constant = matrix.best_constant(&truth);
        let least = (0..3).map(|said| mean(&vec![said; truth.len()]));
        assert_eq!(
            mean(&vec![constant; truth.len()]),
            least.fold(f64::INFINITY, f64::min)
        );
    }

    #[test]
    fn what_is_no_cost_is_refused() {
        assert!(CostMatrix::new(3, &[(0, 3, 1.0)]).is_err());
        assert!(CostMatrix::new(2, &[(0, 1, -1.0)]).is_err());
        assert!(CostMatrix::new(2, &[(0, 1, f64::NAN)]).is_err());
        assert!(CostMatrix::new(2, &[(0, 1, 0.0), (1, 0, 0.0)]).is_err());
        let two = CostMatrix::new(2, &[]).unwrap();
        assert_eq!(two.decide(&Predictions::Numbers(vec![1.0])), None);
    }
}
