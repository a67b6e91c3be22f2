//! How near in the picture stands for how sure, and the forces that follow from it.

/// Places at which the curve is fitted.
const SAMPLES: u32 = 300;
const MOST_STEPS: usize = 500;

/// a and b of 1 / (1 + a d^2b), by least squares near the curve that is 1 up to `min_dist` and falls off
/// exponentially beyond.
pub fn fitted(min_dist: f64, spread: f64) -> (f64, f64) {
    // In units of the spread, so that no scale of the picture is harder to fit than another.
    let wanted: Vec<(f64, f64)> = (0..SAMPLES)
        .map(|i| 3.0 * f64::from(i) / f64::from(SAMPLES - 1))
        .map(|x| (x, (-(x - min_dist / spread).max(0.0)).exp()))
        .collect();
    let error = |a: f64, b: f64| -> f64 {
        let off = wanted.iter().map(|(x, y)| height(*x, a, b) - y);
        off.map(|off| off * off).sum()
    };
    // Levenberg and Marquardt.
    let (mut a, mut b, mut damping) = (1.0, 1.0, 1e-3);
    let mut now = error(a, b);
    for _ in 0..MOST_STEPS {
        let (step_a, step_b) = step(&wanted, (a, b), damping);
        let (next_a, next_b) = (a + step_a, b + step_b);
        let next = error(next_a, next_b);
        if next_a > 0.0 && next_b > 0.0 && next <= now {
            (a, b, now) = (next_a, next_b, next);
            damping *= 0.3;
            if step_a.abs() < 1e-12 * a && step_b.abs() < 1e-12 * b {
                break;
            }
        } else {
            damping *= 4.0;
        }
    }
    (a / spread.powf(2.0 * b), b)
}

fn height(x: f64, a: f64, b: f64) -> f64 {
    1.0 / (1.0 + a * x.powf(2.0 * b))
}

/// The damped step towards the least squares.
fn step(wanted: &[(f64, f64)], (a, b): (f64, f64), damping: f64) -> (f64, f64) {
    let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &(x, y) in wanted.iter().filter(|(x, _)| *x > 0.0) {
        let h = height(x, a, b);
        let by_a = -x.powf(2.0 * b) * h * h;
        let by_b = 2.0 * a * x.ln() * by_a;
        let off = y - h;
        aa += by_a * by_a;
        ab += by_a * by_b;
        bb += by_b * by_b;
        ra += by_a * off;
        rb += by_b * off;
    }
    aa *= 1.0 + damping;
    bb *= 1.0 + damping;
    let determinant = aa * bb - ab * ab;
    (
        (ra * bb - rb * ab) / determinant,
        (rb * aa - ra * ab) / determinant,
    )
}

/// The squared distance at which the tables of forces begin is 2 to this.
const FIRST_OCTAVE: i32 = -40;
const OCTAVES: usize = 64;
const STEPS_BITS: u32 = 6;
const ENTRIES: usize = OCTAVES << STEPS_BITS;
/// Bits of an f32 within one step.
const WITHIN: u32 = 23 - STEPS_BITS;

type Table = [f32; ENTRIES + 1];

/// Forces by squared distance, from tables: straight lines between 64 places an octave, within 1e-3 of the formulas
/// where points come to lie. A power function would take most of the time, and would differ from machine to machine.
pub struct Forces {
    attraction: Box<Table>,
    repulsion: Box<Table>,
}

impl Forces {
    pub fn new((a, b): (f64, f64)) -> Forces {
        let tabled = |force: fn(f64, f64, f64) -> f64| {
            let place = |at: usize| f64::from(f32::from_bits(first() + ((at as u32) << WITHIN)));
            Box::new(std::array::from_fn(|at| force(place(at), a, b) as f32))
        };
        Forces {
            attraction: tabled(attraction),
            repulsion: tabled(repulsion),
        }
    }

    /// What the way from a neighbour is multiplied with; negative.
    pub fn attraction(&self, squared: f32) -> f32 {
        read(&self.attraction, squared)
    }

    /// What the way from another point is multiplied with; positive.
    pub fn repulsion(&self, squared: f32) -> f32 {
        read(&self.repulsion, squared)
    }
}

/// Slope of the log of the curve, over the distance: section 3.2 of the paper.
fn attraction(squared: f64, a: f64, b: f64) -> f64 {
    -2.0 * a * b * squared.powf(b - 1.0) / (1.0 + a * squared.powf(b))
}

/// Slope of the log of 1 minus the curve, over the distance, softened near 0.
fn repulsion(squared: f64, a: f64, b: f64) -> f64 {
    2.0 * b / ((0.001 + squared) * (1.0 + a * squared.powf(b)))
}

const fn first() -> u32 {
    ((127 + FIRST_OCTAVE) as u32) << 23
}

fn read(table: &Table, squared: f32) -> f32 {
    // The bits of a positive f32 are its logarithm, in straight pieces.
    let bits = squared.to_bits().saturating_sub(first());
    let at = ((bits >> WITHIN) as usize).min(ENTRIES - 1);
    let share = (bits & ((1 << WITHIN) - 1)) as f32 / (1u32 << WITHIN) as f32;
    table[at] + (table[at + 1] - table[at]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_formulas() {
        for (min_dist, spread) in [(0.1, 1.0), (0.0, 1.0), (0.9, 1.0), (1.0, 5.0)] {
            let (a, b) = fitted(min_dist, spread);
            let forces = Forces::new((a, b));
            for i in 0..4000 {
                let squared = 2f32.powf(-30.0 + 0.0125 * i as f32);
                let exact = attraction(f64::from(squared), a, b);
                let off = (f64::from(forces.attraction(squared)) - exact).abs();
                assert!(off <= 1e-3 * exact.abs(), "{squared} {exact} {off}");
                let exact = repulsion(f64::from(squared), a, b);
                let off = (f64::from(forces.repulsion(squared)) - exact).abs();
                assert!(off <= 1e-3 * exact.abs(), "{squared} {exact} {off}");
            }
        }
    }

    #[test]
    fn forces_are_finite_everywhere() {
        let forces = Forces::new(fitted(0.0, 1.0));
        for squared in [0.0, f32::MIN_POSITIVE, 1e-30, 1e30, f32::MAX, f32::INFINITY] {
            assert!(forces.attraction(squared).is_finite(), "{squared}");
            assert!(forces.repulsion(squared).is_finite(), "{squared}");
        }
    }

    #[test]
    fn forces_are_slopes_of_the_curve() {
        let (a, b) = fitted(0.1, 1.0);
        let curve = |d: f64| height(d, a, b);
        for d in [0.05, 0.3, 1.0, 2.5, 7.0] {
            let step = 1e-6 * d;
            let slope = (curve(d + step).ln() - curve(d - step).ln()) / (2.0 * step);
            assert!((attraction(d * d, a, b) * d - slope).abs() < 1e-5 * slope.abs());
            let slope =
                ((1.0 - curve(d + step)).ln() - (1.0 - curve(d - step)).ln()) / (2.0 * step);
            // Without what softens it.
            let push = repulsion(d * d, a, b) * (0.001 + d * d) / d;
            assert!((push - slope).abs() < 1e-5 * slope.abs(), "{d}");
        }
    }
}
