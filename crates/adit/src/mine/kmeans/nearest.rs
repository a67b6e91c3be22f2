//! The nearest of several centres, fast in f32 and right as in f64.
//!
//! Products are computed in f32, in a frame whose origin lies amid the data, so that a mean far from 0 costs no
//! digits. Where the rounding of f32 leaves open which centre is nearest, distances in f64 decide.

use adit_nn::kernels::elementwise;
use adit_nn::kernels::matmul::{View, product};

/// Rows that are compared with all centres at once.
pub const BLOCK: usize = 192;
/// Rows that are read one right after the other.
pub const AHEAD: usize = 32;

/// What rounding in f32 costs, as a share: at most half of this.
const ROUNDING: f32 = f32::EPSILON;

/// The scalar product.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    // A short row is summed before the kernel would have begun.
    if a.len() < 16 {
        return a.iter().zip(b).map(|(x, y)| x * y).sum();
    }
    elementwise::dot(a, b)
}

/// The squared distance, in f64.
pub fn squared(row: &[f32], center: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (rows, row_rest) = row.as_chunks::<8>();
    let (centers, center_rest) = center.as_chunks::<8>();
    for (row, center) in rows.iter().zip(centers) {
        for at in 0..8 {
            let apart = f64::from(row[at]) - center[at];
            lanes[at] += apart * apart;
        }
    }
    let rest = row_rest.iter().zip(center_rest);
    let rest: f64 = rest.map(|(&x, &c)| (f64::from(x) - c).powi(2)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Where products are computed: `x · scale - origin`.
#[derive(Clone, Debug)]
pub struct Frame {
    /// A power of two that leaves no value above 1.
    pub scale: f32,
    /// The mean, scaled. `[width]`
    origin: Vec<f32>,
}

impl Frame {
    /// `mean`: `[width]`; `largest`: of the absolute values.
    pub fn new(mean: &[f64], largest: f64) -> Frame {
        let exponent = if largest > 0.0 {
            largest.log2().ceil()
        } else {
            0.0
        };
        let scale = (-exponent).clamp(-126.0, 126.0).exp2();
        let origin = mean.iter().map(|&m| (m * scale) as f32).collect();
        let scale = scale as f32;
        Frame { scale, origin }
    }

    /// Writes a row as it is in the frame; its squared length there.
    pub fn put(&self, row: &[f32], out: &mut [f32]) -> f32 {
        let scale = self.scale;
        for ((out, &x), &origin) in out.iter_mut().zip(row).zip(&self.origin) {
            *out = x * scale - origin;
        }
        dot(out, out)
    }
}

/// Centres in the form in which rows are compared with them.
pub struct Centers {
    width: usize,
    /// As they are. `[k, width]`
    pub exact: Vec<f64>,
    /// In the frame. `[k, width]`
    framed: Vec<f32>,
    /// In the frame, times -2. `[width, k]`
    turned: Vec<f32>,
    /// Their squared lengths in the frame. `[k]`
    squares: Vec<f32>,
    /// The length of the longest in the frame.
    reach: f32,
}

impl Centers {
    /// `exact`: `[k, width]`
    pub fn new(frame: &Frame, exact: Vec<f64>) -> Centers {
        let width = frame.origin.len();
        let k = exact.len() / width;
        let scale = f64::from(frame.scale);
        let mut framed = Vec::with_capacity(exact.len());
        for center in exact.chunks_exact(width) {
            let values = center.iter().zip(&frame.origin);
            framed.extend(values.map(|(&c, &origin)| (c * scale - f64::from(origin)) as f32));
        }
        let mut turned = vec![0.0; exact.len()];
        for (at, center) in framed.chunks_exact(width).enumerate() {
            let column = turned[at..].iter_mut().step_by(k);
            column.zip(center).for_each(|(out, &c)| *out = -2.0 * c);
        }
        let squares: Vec<f32> = framed.chunks_exact(width).map(|c| dot(c, c)).collect();
        let reach = squares.iter().fold(0.0f32, |a, &b| a.max(b)).sqrt();
        Centers {
            width,
            exact,
            framed,
            turned,
            squares,
            reach,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.squares.len()
    }

    /// One of them, as it is. `[width]`
    pub fn center(&self, at: usize) -> &[f64] {
        &self.exact[at * self.width..][..self.width]
    }

    /// `|c|² - 2 x · c` for rows in the frame. `[n_rows, width]` to `[n_rows, k]`
    pub fn compare(&self, rows: &[f32], partial: &mut [f32]) {
        let k = self.len();
        for partial in partial.chunks_exact_mut(k) {
            partial.copy_from_slice(&self.squares);
        }
        let size = (rows.len() / self.width, k, self.width);
        let (rows, turned) = (
            View::new(rows, self.width, 1),
            View::new(&self.turned, k, 1),
        );
        product(size, partial, k, rows, turned, true);
    }

    /// How far a squared distance computed in the frame may be off, from the squared length of the row.
    ///
    /// Sums of `width` products are off by at most `width` halves of a last place of the sum of their sizes, whatever
    /// their order (Higham 2002, section 3.1), and that sum is at most the product of the lengths.
    pub fn margin(&self, square: f32) -> f32 {
        let both = square.sqrt() + self.reach;
        let places = (self.width + 32) as f32;
        places * (ROUNDING * both * both + f32::MIN_POSITIVE)
    }

    /// The nearest centre to a row, from what the products say; in f64 among those that may be. Of equally near ones
    /// that of the lowest rank.
    pub fn nearest(&self, row: &[f32], square: f32, partial: &[f32], rank: &[u32]) -> usize {
        // Where products have left the range of f32, nothing is above the limit.
        let limit = least(partial) + 2.0 * self.margin(square);
        let above = |at: usize| partial[at] > limit;
        let near = || (0..partial.len()).filter(|&at| !above(at));
        let mut first_two = near();
        if let (Some(only), None) = (first_two.next(), first_two.next()) {
            return only;
        }
        let exact = near().map(|at| (squared(row, self.center(at)), rank[at], at));
        let nearest = exact.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        nearest.map_or(0, |(_, _, at)| at)
    }
}

/// Rows on their way through the products; memory that is used again.
pub struct Block {
    /// Rows as they are. `[AHEAD, width]`
    fetched: Vec<f32>,
    /// Rows in the frame. `[BLOCK, width]`
    rows: Vec<f32>,
    /// Their squared lengths there. `[BLOCK]`
    pub squares: Vec<f32>,
    /// `|c|² - 2 x · c` of each row and centre. `[BLOCK, k]`
    partial: Vec<f32>,
    width: usize,
}

impl Block {
    /// Memory for rows of `width` values and `k` centres.
    pub fn new(width: usize, k: usize) -> Block {
        Block {
            fetched: vec![0.0; AHEAD * width],
            rows: vec![0.0; BLOCK * width],
            squares: vec![0.0; BLOCK],
            partial: vec![0.0; BLOCK * k],
            width,
        }
    }

    /// Puts one row at a place.
    pub fn put(&mut self, at: usize, frame: &Frame, row: &[f32]) {
        let out = &mut self.rows[at * self.width..][..self.width];
        self.squares[at] = frame.put(row, out);
    }

    /// Copies a row to a place, below `AHEAD`, where it waits.
    pub fn fetch(&mut self, at: usize, row: &[f32]) {
        self.fetched[at * self.width..][..self.width].copy_from_slice(row);
    }

    /// Puts a row that waits at a place.
    pub fn put_fetched(&mut self, from: usize, at: usize, frame: &Frame) {
        let out = &mut self.rows[at * self.width..][..self.width];
        self.squares[at] = frame.put(&self.fetched[from * self.width..][..self.width], out);
    }

    /// The squared distance from a row to one centre, off by at most the margin.
    pub fn to_one(&self, at: usize, centers: &Centers, center: usize) -> f32 {
        let row = &self.rows[at * self.width..][..self.width];
        let center_row = &centers.framed[center * self.width..][..self.width];
        self.squares[at] + (centers.squares[center] - 2.0 * dot(row, center_row))
    }

    /// The first `n_rows` rows. `[n_rows, width]`
    pub fn rows(&self, n_rows: usize) -> &[f32] {
        &self.rows[..n_rows * self.width]
    }

    /// Compares the first `n_rows` rows with all centres.
    pub fn compare(&mut self, n_rows: usize, centers: &Centers) {
        let rows = &self.rows[..n_rows * self.width];
        centers.compare(rows, &mut self.partial[..n_rows * centers.len()]);
    }

    /// Squared distances from a row to all centres, less its own squared length. `[k]`
    pub fn partial(&self, at: usize, k: usize) -> &[f32] {
        &self.partial[at * k..][..k]
    }
}

/// The least of the values.
pub fn least(values: &[f32]) -> f32 {
    let (whole, rest) = values.as_chunks::<8>();
    let mut lanes = [f32::INFINITY; 8];
    for chunk in whole {
        for at in 0..8 {
            lanes[at] = if chunk[at] < lanes[at] {
                chunk[at]
            } else {
                lanes[at]
            };
        }
    }
    let least = |a: f32, &b: &f32| if b < a { b } else { a };
    rest.iter()
        .fold(lanes.iter().fold(f32::INFINITY, least), least)
}
