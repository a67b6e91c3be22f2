//! Minimises smooth functions of many variables.
//!
//! Limited-memory BFGS with a line search that keeps the strong Wolfe conditions: Nocedal and Wright,
//! "Numerical Optimization" (2nd ed., 2006), algorithms 7.4, 7.5, 3.5 and 3.6.

use std::collections::VecDeque;

use adit_nn::watch::Watch;
use rayon::prelude::*;

use super::MineError;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lbfgs {
    pub max_iterations: usize,
    /// Stop when no partial derivative is larger.
    pub gradient_tolerance: f64,
    /// Stop when two steps in a row lower the value by less than this share of it; 0 for never.
    pub value_tolerance: f64,
}

/// Where the search ended.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub point: Vec<f64>,
    pub iterations: usize,
    /// False when the iterations ran out.
    pub converged: bool,
}

/// Correction pairs that are kept.
const MEMORY: usize = 10;
/// Share of the promised decrease that a step must bring.
const ARMIJO: f64 = 1e-4;
/// Share of the slope that may remain after a step.
const CURVATURE: f64 = 0.9;
/// Evaluations in one line search.
const MAX_TRIALS: usize = 30;

struct State {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// Last step, change of gradient, and 1 / their inner product.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    rho: f64,
}

impl Lbfgs {
    /// Minimises `function`, which fills the gradient and returns the value.
    ///
    /// `curvature` estimates the second derivative along each variable, positive and up to a common
    /// factor; it stands for the initial matrix, so that variables of very different scales move
    /// together.
    ///
    /// # Errors
    /// [`MineError::Cancelled`].
    pub fn minimise(
        &self,
        function: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
        start: Vec<f64>,
        curvature: &[f64],
        watch: &dyn Watch,
    ) -> Result<Minimum, MineError> {
        let mut gradient = vec![0.0; start.len()];
        let value = function(&start, &mut gradient);
        let mut now = State {
            point: start,
            value,
            gradient,
        };
        let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
        let mut small_steps = 0;
        for iteration in 0..self.max_iterations {
            if watch.cancelled() {
                return Err(MineError::Cancelled);
            }
            if largest(&now.gradient) <= self.gradient_tolerance {
                return Ok(Minimum {
                    point: now.point,
                    iterations: iteration,
                    converged: true,
                });
            }
            let direction = direction(&now.gradient, &pairs, curvature);
            let slope = dot(&now.gradient, &direction);
            let found = if slope < 0.0 {
                search(function, &now, &direction, slope)
            } else {
                None
            };
            let Some(next) = found else {
                if pairs.is_empty() {
                    // Not even the gradient leads down: the value is at its rounding error.
                    return Ok(Minimum {
                        point: now.point,
                        iterations: iteration,
                        converged: true,
                    });
                }
                pairs.clear();
                continue;
            };
            let decrease = now.value - next.value;
            // Below rounding only the gradient can tell.
            let small = self.value_tolerance > f64::EPSILON
                && decrease <= self.value_tolerance * next.value.abs();
            small_steps = if small { small_steps + 1 } else { 0 };
            remember(&mut pairs, &now, &next);
            now = next;
            if small_steps >= 2 {
                return Ok(Minimum {
                    point: now.point,
                    iterations: iteration + 1,
                    converged: true,
                });
            }
        }
        let converged = largest(&now.gradient) <= self.gradient_tolerance;
        Ok(Minimum {
            point: now.point,
            iterations: self.max_iterations,
            converged,
        })
    }
}

fn remember(pairs: &mut VecDeque<Pair>, now: &State, next: &State) {
    let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let step = minus(&next.point, &now.point);
    let change = minus(&next.gradient, &now.gradient);
    let curvature = dot(&step, &change);
    if curvature > f64::EPSILON * dot(&change, &change) {
        if pairs.len() == MEMORY {
            pairs.pop_front();
        }
        pairs.push_back(Pair {
            step,
            change,
            rho: 1.0 / curvature,
        });
    }
}

/// The two-loop recursion (algorithm 7.4).
fn direction(gradient: &[f64], pairs: &VecDeque<Pair>, curvature: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let alpha = pair.rho * dot(&pair.step, &q);
        add(&mut q, -alpha, &pair.change);
        alphas.push(alpha);
    }
    q.iter_mut().zip(curvature).for_each(|(v, c)| *v /= c);
    if let Some(last) = pairs.back() {
        let scaled: Vec<f64> = last
            .change
            .iter()
            .zip(curvature)
            .map(|(y, c)| y / c)
            .collect();
        let scale = 1.0 / (last.rho * dot(&last.change, &scaled));
        q.iter_mut().for_each(|v| *v *= scale);
    }
    for (pair, alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = pair.rho * dot(&pair.change, &q);
        add(&mut q, alpha - beta, &pair.step);
    }
    q
}

/// One trial along a line.
struct Trial {
    length: f64,
    slope: f64,
    state: State,
}

/// Brackets a step that keeps the strong Wolfe conditions (algorithm 3.5), then narrows it (3.6).
fn search(
    function: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    now: &State,
    direction: &[f64],
    slope: f64,
) -> Option<State> {
    // Near the minimum differences of values drown in rounding; they are not held against a step.
    let slack = 8.0 * f64::EPSILON * now.value.abs();
    let too_high = |t: &Trial| t.state.value > now.value + ARMIJO * t.length * slope + slack;
    let flat_enough = |t: &Trial| t.slope.abs() <= -CURVATURE * slope;
    let mut evaluate = |length: f64| {
        let mut point = now.point.clone();
        add(&mut point, length, direction);
        let mut gradient = vec![0.0; point.len()];
        let value = function(&point, &mut gradient);
        let slope = dot(&gradient, direction);
        Trial {
            length,
            slope,
            state: State {
                point,
                value,
                gradient,
            },
        }
    };
    let mut low = (0.0, now.value, slope);
    let mut best: Option<Trial> = None;
    let mut high: Option<(f64, f64, f64)> = None;
    let mut length = 1.0;
    for _ in 0..MAX_TRIALS {
        let trial = evaluate(length);
        let finite = trial.state.value.is_finite() && trial.slope.is_finite();
        let end = (trial.length, trial.state.value, trial.slope);
        if !finite || too_high(&trial) || (low.0 > 0.0 && trial.state.value > low.1 + slack) {
            high = Some(end);
        } else if flat_enough(&trial) {
            return Some(trial.state);
        } else {
            let turned = match high {
                None => trial.slope > 0.0,
                Some(high) => trial.slope * (high.0 - low.0) >= 0.0,
            };
            if turned {
                high = Some(low);
            }
            low = end;
            best = Some(trial);
        }
        length = match high {
            None => length * 2.5,
            Some(high) => between(low, high),
        };
        if high.is_some_and(|high| (high.0 - low.0).abs() <= 1e-14 * low.0.abs().max(1e-14)) {
            break;
        }
    }
    // Lower, if not flat: still a step forward.
    best.map(|trial| trial.state)
        .filter(|state| state.value < now.value)
}

/// Minimum of the cubic through two ends (equation 3.59), kept off the ends.
fn between(low: (f64, f64, f64), high: (f64, f64, f64)) -> f64 {
    let (a, fa, da) = low;
    let (b, fb, db) = high;
    let width = b - a;
    let d1 = da + db - 3.0 * (fa - fb) / (a - b);
    let root = d1 * d1 - da * db;
    let guess = if root >= 0.0 {
        let d2 = width.signum() * root.sqrt();
        b - width * (db + d2 - d1) / (db - da + 2.0 * d2)
    } else {
        f64::NAN
    };
    let share = (guess - a) / width;
    if share.is_finite() {
        a + width * share.clamp(0.1, 0.9)
    } else {
        a + 0.5 * width
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(
        0.0,
        |m, v| if v.is_nan() { f64::NAN } else { v.abs().max(m) },
    )
}

/// Values per partial sum; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 1 << 14;

/// Inner product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() <= 4 * BLOCK {
        return a
            .chunks(BLOCK)
            .zip(b.chunks(BLOCK))
            .map(|(a, b)| dot_block(a, b))
            .sum();
    }
    let parts: Vec<f64> = a
        .par_chunks(BLOCK)
        .zip(b.par_chunks(BLOCK))
        .map(|(a, b)| dot_block(a, b))
        .collect();
    parts.into_iter().sum()
}

fn dot_block(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}

/// `a += factor * b`
fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    let add_block = |a: &mut [f64], b: &[f64]| {
        for (x, y) in a.iter_mut().zip(b) {
            *x += factor * y;
        }
    };
    if a.len() <= 4 * BLOCK {
        add_block(a, b);
    } else {
        a.par_chunks_mut(BLOCK)
            .zip(b.par_chunks(BLOCK))
            .for_each(|(a, b)| add_block(a, b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adit_nn::watch::Silent;

    const TIGHT: Lbfgs = Lbfgs {
        max_iterations: 500,
        gradient_tolerance: 1e-10,
        value_tolerance: 0.0,
    };

    #[test]
    fn the_valley_of_rosenbrock_is_walked_to_its_end() {
        let mut f = |x: &[f64], g: &mut [f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            g[0] = -2.0 * a - 400.0 * x[0] * b;
            g[1] = 200.0 * b;
            a * a + 100.0 * b * b
        };
        let found = TIGHT
            .minimise(&mut f, vec![-1.2, 1.0], &[1.0; 2], &Silent)
            .unwrap();
        assert!(
            found.converged && found.iterations < 100,
            "{}",
            found.iterations
        );
        assert!(
            found.point.iter().all(|x| (x - 1.0).abs() < 1e-8),
            "{:?}",
            found.point
        );
    }

    #[test]
    fn badly_scaled_bowls_are_solved() {
        let scales: Vec<f64> = (0..40).map(|i| 10f64.powf(f64::from(i) / 20.0)).collect();
        let mut f = |x: &[f64], g: &mut [f64]| {
            let mut value = 0.0;
            for i in 0..40 {
                let d = x[i] - i as f64;
                g[i] = scales[i] * d;
                value += 0.5 * scales[i] * d * d;
            }
            value
        };
        // Rounding of the point alone moves the steepest slope by 1e-10.
        let search = Lbfgs {
            gradient_tolerance: 1e-9,
            ..TIGHT
        };
        let found = search
            .minimise(&mut f, vec![0.0; 40], &[1.0; 40], &Silent)
            .unwrap();
        assert!(found.converged, "{}", found.iterations);
        for (i, x) in found.point.iter().enumerate() {
            assert!((x - i as f64).abs() < 1e-8, "{i}: {x}");
        }
        let informed = search
            .minimise(&mut f, vec![0.0; 40], &scales, &Silent)
            .unwrap();
        assert!(
            informed.converged && informed.iterations < 5,
            "{}",
            informed.iterations
        );
    }

    #[test]
    fn a_start_at_the_minimum_stays_there() {
        let mut f = |x: &[f64], g: &mut [f64]| {
            g[0] = 2.0 * x[0];
            x[0] * x[0]
        };
        let found = TIGHT.minimise(&mut f, vec![0.0], &[1.0], &Silent).unwrap();
        assert_eq!(
            (found.point[0], found.iterations, found.converged),
            (0.0, 0, true)
        );
    }

    #[test]
    fn the_cubic_between_two_ends_has_its_minimum_where_calculus_says() {
        // x³ − 3x has its minimum at 1.
        let f = |x: f64| (x, x * x * x - 3.0 * x, 3.0 * x * x - 3.0);
        assert!((between(f(0.5), f(2.0)) - 1.0).abs() < 1e-12);
        assert!((between(f(2.0), f(0.5)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn inner_products_do_not_depend_on_the_number_of_threads() {
        let a: Vec<f64> = (0..200_001).map(|i| (f64::from(i) * 0.37).sin()).collect();
        let sum = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| dot(&a, &a)).to_bits()
        };
        assert_eq!(sum(1), sum(4));
    }

    #[test]
    fn a_request_to_stop_is_heeded() {
        struct Stop;
        impl Watch for Stop {
            fn cancelled(&self) -> bool {
                true
            }
            fn progress(&self, _: &str, _: u64, _: u64, _: &str) {}
        }
        let mut f = |x: &[f64], g: &mut [f64]| {
            g[0] = 2.0 * x[0];
            x[0] * x[0]
        };
        let ended = TIGHT.minimise(&mut f, vec![1.0], &[1.0], &Stop);
        assert!(matches!(ended, Err(MineError::Cancelled)));
    }
}
