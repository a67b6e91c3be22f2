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

/// The matrix that [`npy_bytes`] wrote, row-major with its shape; `None` of anything else.
pub fn npy_values(bytes: &[u8]) -> Option<(usize, usize, Vec<f32>)> {
    let rest = bytes.strip_prefix(b"\x93NUMPY\x01\x00")?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let (header, data) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    let header = std::str::from_utf8(header).ok()?;
    let shape = header.strip_prefix("{'descr': '<f4', 'fortran_order': False, 'shape': (")?;
    let (rows, shape) = shape.split_once(", ")?;
    let (cols, _) = shape.split_once(')')?;
    let (rows, cols): (usize, usize) = (rows.parse().ok()?, cols.parse().ok()?);
    let (values, more) = data.as_chunks::<4>();
    let fits = more.is_empty() && rows.checked_mul(cols) == Some(values.len());
    fits.then(|| {
        (
            rows,
            cols,
            values.iter().map(|v| f32::from_le_bytes(*v)).collect(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_damage_is_not() {
        let values = [1.5f32, -2.0, f32::MIN_POSITIVE, 4.0, 0.0, 1e30];
        let bytes = npy_bytes(2, 3, &values);
        assert_eq!(npy_values(&bytes), Some((2, 3, values.to_vec())));
        for end in 0..bytes.len() {
            assert_eq!(npy_values(&bytes[..end]), None, "{end}");
        }
    }

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
