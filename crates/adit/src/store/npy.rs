//! Matrices as NumPy's `.npy` files (format 1.0).

/// The bytes of a row-major matrix of f32 `[rows, cols]`.
pub fn npy_bytes(rows: usize, cols: usize, values: &[f32]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
    // Magic, version and length take ten bytes; data starts at a multiple of 64.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut out = Vec::with_capacity(10 + header.len() + 4 * values.len());
    out.extend(b"\x93NUMPY\x01\x00");
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_starts_at_a_multiple_of_64_and_the_shape_is_told() {
        for (rows, cols) in [(1, 1), (3, 2), (1000, 384), (12_345_678, 1)] {
            let values = vec![1.5f32; (rows * cols).min(6)];
            let bytes = npy_bytes(rows, cols, &values);
            let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            assert_eq!(start % 64, 0);
            assert_eq!(bytes[start - 1], b'\n');
            let header = String::from_utf8_lossy(&bytes[10..start]);
            assert!(header.contains(&format!("({rows}, {cols})")), "{header}");
            assert_eq!(bytes.len(), start + 4 * values.len());
        }
    }
}
