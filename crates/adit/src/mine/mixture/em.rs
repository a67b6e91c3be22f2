//! One run of expectation maximisation.

use rayon::prelude::*;

use super::density::{Density, ROWS, centre};
use super::{Covariance, GaussianMixture, MixtureModel, triangle};
use crate::mine::MineError;
use crate::represent::points::Points;

/// Most pieces that the points are cut into for sums.
const PIECES: usize = 64;
/// Fewest points of a piece.
const LEAST_ROWS: usize = 1024;
/// Numbers that the sums of all pieces may take, where that leaves two.
const ROOM: usize = 1 << 23;
/// Keeps the weight of a component that no point belongs to above 0.
const NOTHING: f64 = 10.0 * f64::EPSILON;
/// Variances up to this get the regularisation as it is; larger ones get as many times as much as they are larger.
const PLAIN_VARIANCE: f64 = 1e6;
/// How often the regularisation is raised before a covariance is given up.
const RAISES: usize = 10;
/// By how much it is raised.
const RAISE: f64 = 100.0;

/// A run: a mixture and the responsibilities of its components.
pub(super) struct Course<'a> {
    settings: &'a GaussianMixture,
    points: Points<'a>,
    /// What is added to the variance of each column. `[width]`
    regularisation: Vec<f64>,
    pub(super) model: MixtureModel,
    /// `[n_points, k]`
    responsibilities: Vec<f64>,
}

/// Weighted sums over points, around a reference.
struct Moments {
    weight: f64,
    /// `[width]`
    sums: Vec<f64>,
    /// Sums of products: a triangle, or the diagonal `[width]`.
    products: Vec<f64>,
}

/// What a component was found to be.
struct Learned {
    weight: f64,
    mean: Vec<f64>,
    /// Weight times covariance, as the products of [`Moments`].
    scatter: Vec<f64>,
}

impl<'a> Course<'a> {
    /// Starts with the points in the components of their labels, which are below `k` and leave none out.
    pub(super) fn new(
        settings: &'a GaussianMixture,
        points: Points<'a>,
        labels: &[u32],
        k: usize,
    ) -> Result<Course<'a>, MineError> {
        let width = points.width();
        let mut responsibilities = vec![0.0; points.len() * k];
        let mut means = vec![0.0; k * width];
        // The last point of each component is its first reference: a sum around 0 would cost digits.
        for (row, &label) in labels.iter().enumerate() {
            responsibilities[row * k + label as usize] = 1.0;
            let mean = &mut means[label as usize * width..][..width];
            (mean.iter_mut().zip(points.row(row))).for_each(|(mean, &x)| *mean = f64::from(x));
        }
        let mut course = Course {
            settings,
            points,
            regularisation: vec![0.0; width],
            model: MixtureModel {
                width,
                covariance: settings.covariance,
                weights: vec![1.0; k],
                means,
                factors: Vec::new(),
                lower_bound: f64::NEG_INFINITY,
                n_iterations: 0,
                converged: false,
            },
            responsibilities,
        };
        course.model.means = (0..k).flat_map(|at| course.learn(at, false).mean).collect();
        let learned: Vec<Learned> = (0..k).map(|at| course.learn(at, course.whole())).collect();
        course.regularisation = course.scaled_regularisation(&learned);
        course.adopt(learned)?;
        Ok(course)
    }

    pub(super) fn run(
        mut self,
        goes_on: &dyn Fn(usize) -> bool,
    ) -> Result<MixtureModel, MineError> {
        for iteration in 0..self.settings.max_iterations {
            if !goes_on(iteration) {
                return Err(MineError::Cancelled);
            }
            let before = self.model.lower_bound;
            self.step()?;
            self.model.n_iterations = iteration + 1;
            if (self.model.lower_bound - before).abs() < self.settings.tolerance {
                self.model.converged = true;
                break;
            }
        }
        Ok(self.model)
    }

    /// One iteration.
    pub(super) fn step(&mut self) -> Result<(), MineError> {
        let density = Density::new(&self.model);
        let total = density.responsibilities_into(self.points, &mut self.responsibilities);
        self.model.lower_bound = total / self.points.len() as f64;
        let k = self.model.n_components();
        let learned = (0..k).map(|at| self.learn(at, self.whole())).collect();
        self.adopt(learned)
    }

    /// True where covariances have more than a diagonal.
    fn whole(&self) -> bool {
        matches!(
            self.settings.covariance,
            Covariance::Full | Covariance::Tied
        )
    }

    /// The regularisation of each column, by its variance within components. `[width]`
    fn scaled_regularisation(&self, learned: &[Learned]) -> Vec<f64> {
        let n = self.points.len() as f64;
        let of = |column: usize| {
            let at = if self.whole() {
                triangle::len(column + 1) - 1
            } else {
                column
            };
            let variance = learned.iter().map(|one| one.scatter[at]).sum::<f64>() / n;
            self.settings.regularisation * (variance / PLAIN_VARIANCE).max(1.0)
        };
        (0..self.points.width()).map(of).collect()
    }

    /// What the responsibilities of a component make of it.
    fn learn(&self, at: usize, whole: bool) -> Learned {
        let reference = self.model.center(at);
        let moments = self.moments(at, reference, whole);
        let weight = moments.weight + NOTHING;
        let shift: Vec<f64> = moments.sums.iter().map(|sum| sum / weight).collect();
        // From products around the reference to products around the mean.
        let correction = 2.0 * weight - moments.weight;
        let mut scatter = moments.products;
        if whole {
            for (row, own) in shift.iter().enumerate() {
                let scatter = &mut scatter[triangle::len(row)..][..row + 1];
                for (product, other) in scatter.iter_mut().zip(&shift) {
                    *product -= correction * own * other;
                }
                scatter[row] = scatter[row].max(0.0);
            }
        } else {
            for (product, shift) in scatter.iter_mut().zip(&shift) {
                *product = (*product - correction * shift * shift).max(0.0);
            }
        }
        let mean = reference.iter().zip(&shift).map(|(r, s)| r + s).collect();
        Learned {
            weight,
            mean,
            scatter,
        }
    }

    /// Sums over all points in pieces whose size depends on nothing but the shape of the data.
    fn moments(&self, at: usize, reference: &[f64], whole: bool) -> Moments {
        let (n, width, k) = (
            self.points.len(),
            self.points.width(),
            self.model.n_components(),
        );
        let most = (ROOM / triangle::len(width)).clamp(2, PIECES);
        let size = n.div_ceil(most).max(LEAST_ROWS);
        let values = self.points.values().par_chunks(size * width);
        let pieces: Vec<Moments> = (values.zip(self.responsibilities.par_chunks(size * k)))
            .map(|(rows, responsibilities)| {
                let weights = responsibilities.iter().skip(at).step_by(k).copied();
                Moments::of(rows, weights, reference, whole)
            })
            .collect();
        let mut all = Moments::new(width, whole);
        pieces.iter().for_each(|piece| all.add(piece));
        all
    }

    /// Makes what was learned the mixture.
    fn adopt(&mut self, learned: Vec<Learned>) -> Result<(), MineError> {
        let total: f64 = learned.iter().map(|one| one.weight).sum();
        self.model.weights = learned.iter().map(|one| one.weight / total).collect();
        self.model.means = learned.iter().flat_map(|one| &one.mean).copied().collect();
        if self.settings.covariance == Covariance::Tied {
            let mut all = learned.into_iter();
            let Some(mut first) = all.next() else {
                return Ok(());
            };
            for other in all {
                let sums = first.scatter.iter_mut().zip(&other.scatter);
                sums.for_each(|(sum, x)| *sum += x);
            }
            self.model.factors = self.factor(first.scatter, total)?;
            return Ok(());
        }
        let factors = learned.into_par_iter();
        let factors = factors.map(|one| self.factor(one.scatter, one.weight));
        self.model.factors = factors.collect::<Result<Vec<_>, _>>()?.concat();
        Ok(())
    }

    /// The factor of a covariance, with as much regularisation as it needs.
    fn factor(&self, mut scatter: Vec<f64>, weight: f64) -> Result<Vec<f64>, MineError> {
        scatter.iter_mut().for_each(|x| *x /= weight);
        let mut raised = 1.0;
        for _ in 0..=RAISES {
            let factor = self.try_factor(&scatter, raised);
            if let Some(factor) = factor {
                return Ok(factor);
            }
            raised *= RAISE;
        }
        Err(MineError::Setting {
            setting: "regularisation",
            value: self.settings.regularisation.to_string(),
            reason: "a covariance is not positive definite; it must be larger, or there must be fewer components",
        })
    }

    fn try_factor(&self, covariance: &[f64], raised: f64) -> Option<Vec<f64>> {
        let width = self.points.width();
        let added = self.regularisation.iter().map(|x| x * raised);
        if self.whole() {
            let mut factor = covariance.to_vec();
            let add = |(row, x): (usize, f64)| factor[triangle::len(row + 1) - 1] += x;
            added.enumerate().for_each(add);
            return triangle::factorise(&mut factor, width).then_some(factor);
        }
        let mut variances: Vec<f64> = covariance.iter().zip(added).map(|(v, x)| v + x).collect();
        if self.settings.covariance == Covariance::Spherical {
            variances = vec![variances.iter().sum::<f64>() / width as f64];
        }
        let fits = variances.iter().all(|v| *v > 0.0 && v.is_finite());
        fits.then(|| variances.iter().map(|v| v.sqrt()).collect())
    }
}

impl Moments {
    fn new(width: usize, whole: bool) -> Moments {
        let products = if whole { triangle::len(width) } else { width };
        Moments {
            weight: 0.0,
            sums: vec![0.0; width],
            products: vec![0.0; products],
        }
    }

    fn of(
        rows: &[f32],
        weights: impl Iterator<Item = f64>,
        reference: &[f64],
        whole: bool,
    ) -> Moments {
        let width = reference.len();
        let mut of = Moments::new(width, whole);
        // Most points belong to few components: the others cost nothing.
        let counted = rows.chunks_exact(width).zip(weights);
        let counted: Vec<(&[f32], f64)> = counted.filter(|(_, weight)| *weight > 0.0).collect();
        let mut columns = vec![0.0; ROWS.min(counted.len()) * width];
        for block in counted.chunks(ROWS) {
            let n = block.len();
            let columns = &mut columns[..n * width];
            centre(block.iter().map(|(row, _)| *row), reference, (columns, n));
            of.add_block(columns, block.iter().map(|(_, weight)| *weight), whole);
        }
        of
    }

    /// `columns`: `[width, n]`
    fn add_block(&mut self, columns: &[f64], weights: impl Iterator<Item = f64>, whole: bool) {
        let weights: Vec<f64> = weights.collect();
        let n = weights.len();
        self.weight += weights.iter().sum::<f64>();
        let mut weighted = vec![0.0; n];
        for (row, own) in columns.chunks_exact(n).enumerate() {
            for (weighted, (x, weight)) in weighted.iter_mut().zip(own.iter().zip(&weights)) {
                *weighted = x * weight;
            }
            self.sums[row] += weighted.iter().sum::<f64>();
            if whole {
                let products = &mut self.products[triangle::len(row)..][..row + 1];
                for (product, other) in products.iter_mut().zip(columns.chunks_exact(n)) {
                    *product += triangle::dot(&weighted, other);
                }
            } else {
                self.products[row] += triangle::dot(&weighted, own);
            }
        }
    }

    fn add(&mut self, other: &Moments) {
        self.weight += other.weight;
        let sums = self.sums.iter_mut().zip(&other.sums);
        let products = self.products.iter_mut().zip(&other.products);
        sums.chain(products).for_each(|(sum, other)| *sum += other);
    }
}
