//! Lower triangles of symmetric matrices, stored by row.

/// Sums that a product is split into.
const LANES: usize = 8;

/// Numbers of a triangle of `width` rows.
pub(super) fn len(width: usize) -> usize {
    width * (width + 1) / 2
}

/// The part of row `row` up to its diagonal.
pub(super) fn row(triangle: &[f64], row: usize) -> &[f64] {
    &triangle[len(row)..][..row + 1]
}

/// The scalar product, summed in a fixed order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// Replaces a matrix by its Cholesky factor; false where it is not positive definite.
pub(super) fn factorise(matrix: &mut [f64], width: usize) -> bool {
    for row in 0..width {
        let (above, own) = matrix.split_at_mut(len(row));
        for column in 0..row {
            let other = self::row(above, column);
            let known = dot(&own[..column], &other[..column]);
            own[column] = (own[column] - known) / other[column];
        }
        let rest = own[row] - dot(&own[..row], &own[..row]);
        if !(rest > 0.0 && rest.is_finite()) {
            return false;
        }
        own[row] = rest.sqrt();
    }
    true
}

/// Solves `factor * y = z` in place for several `z` side by side. `columns`: `[width, n]`
pub(super) fn solve(factor: &[f64], columns: &mut [f64], n: usize) {
    for (at, start) in (0..columns.len()).step_by(n).enumerate() {
        let (known, own) = columns.split_at_mut(start);
        let own = &mut own[..n];
        let row = self::row(factor, at);
        // Four known rows at once, so that the own one is read and written less often.
        let fours = known.chunks_exact(4 * n).zip(row.chunks_exact(4));
        for (known, by) in fours {
            let (first, second) = known.split_at(2 * n);
            let (a, b) = first.split_at(n);
            let (c, d) = second.split_at(n);
            for ((((own, a), b), c), d) in own.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *own -= (by[0] * a + by[1] * b) + (by[2] * c + by[3] * d);
            }
        }
        let done = at / 4 * 4;
        for (known, by) in known[done * n..].chunks_exact(n).zip(&row[done..at]) {
            own.iter_mut()
                .zip(known)
                .for_each(|(own, x)| *own -= by * x);
        }
        own.iter_mut().for_each(|own| *own /= row[at]);
    }
}
