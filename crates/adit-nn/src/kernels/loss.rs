//! Softmax and cross-entropy over rows of logits.

/// Softmax of every row, in place; sums in f64.
pub fn softmax_rows(data: &mut [f32], cols: usize) {
    for row in data.chunks_exact_mut(cols.max(1)) {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0f64;
        for v in row.iter_mut() {
            *v = super::maths::exp(*v - top);
            sum += f64::from(*v);
        }
        for v in row.iter_mut() {
            *v = (f64::from(*v) / sum) as f32;
        }
    }
}

/// `-log softmax(row)[label]`, in f64.
pub fn negative_log_likelihood(row: &[f32], label: usize) -> f64 {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&v| f64::from(v - top).exp()).sum();
    sum.ln() - f64::from(row[label] - top)
}
