//! Between bytes and numbers, little-endian.

/// The bytes of `values`, little-endian.
pub fn from_f32(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 4);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out
}

/// Reads little-endian `f32`.
pub fn f32_from(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// Reads little-endian bfloat16.
pub fn bf16_from(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(2)
        .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
        .collect()
}

/// Reads little-endian IEEE half precision.
pub fn f16_from(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(2)
        .map(|b| half_to_f32(u16::from_le_bytes([b[0], b[1]])))
        .collect()
}

fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    match exponent {
        // Zero and subnormal numbers: fraction · 2⁻²⁴ is exact in f32.
        0 => f32::from_bits(sign | (fraction as f32 * (1.0 / 16_777_216.0)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_values_are_read_exactly() {
        for (bits, value) in [
            (0x0000u16, 0.0f32),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(f16_from(&bits.to_le_bytes())[0], value, "{bits:#06x}");
        }
        assert!(f16_from(&0x7e00u16.to_le_bytes())[0].is_nan());
    }

    #[test]
    fn brain_floats_are_the_upper_half_of_floats() {
        assert_eq!(bf16_from(&[0x80, 0x3f, 0x00, 0xc0]), vec![1.0, -2.0]);
    }

    #[test]
    fn floats_survive_the_way_through_bytes() {
        let values = [1.5f32, -0.0, f32::MIN_POSITIVE, 1e38];
        assert_eq!(f32_from(&from_f32(&values)), values);
    }
}
