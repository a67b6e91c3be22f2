//! Rows as points of a space: what clusters and outliers are looked for in.

/// Rows of equal width, one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Points<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Points<'a> {
    /// `values`: `[n_points, width]`, row-major, `width` at least 1.
    ///
    /// # Panics
    /// Where `values` does not hold whole rows.
    pub fn new(values: &'a [f32], width: usize) -> Points<'a> {
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "{} values are no rows of {width}",
            values.len()
        );
        Points { values, width }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// True where there is no point.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values a point.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values. `[n_points, width]`
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// The values of one point. `[width]`
    pub fn row(&self, at: usize) -> &'a [f32] {
        &self.values[at * self.width..][..self.width]
    }

    /// The points at these places, in their order. `[rows.len(), width]`
    pub fn gathered(&self, rows: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        rows.iter()
            .for_each(|&row| values.extend_from_slice(self.row(row)));
        values
    }
}
