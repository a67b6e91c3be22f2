//! Kinds of distances between tokens, as MPNet and T5 sort them.

/// The kind of the distance `key - query`, below 32: 0 to 15 for keys before the query, 16 to 31 for
/// those after; single distances up to 7, then in steps that grow by √2, and all from 128 on alike.
///
/// Song et al., 2020, after Raffel et al., 2020, section 2.1. Hugging Face computes the steps with
/// logarithms in f32; the whole numbers here give the same kinds (recorded up to ±2000).
pub(super) fn distance_kind(distance: isize) -> usize {
    let side = if distance > 0 { 16 } else { 0 };
    let n = distance.unsigned_abs();
    if n < 8 {
        return side + n;
    }
    // Kind 8 + k starts where n ≥ 8·√2ᵏ.
    let square = (n as u128) * (n as u128);
    let steps = (1..8u32).take_while(|&k| square >= 64u128 << k).count();
    side + 8 + steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_distances_are_those_of_hugging_face() {
        // MPNetEncoder.relative_position_bucket for these distances.
        let far = [
            (8, 8),
            (11, 8),
            (12, 9),
            (15, 9),
            (16, 10),
            (22, 10),
            (23, 11),
            (31, 11),
            (32, 12),
            (45, 12),
            (46, 13),
            (63, 13),
            (64, 14),
            (90, 14),
            (91, 15),
            (127, 15),
            (128, 15),
            (100_000, 15),
        ];
        for n in 0..8 {
            assert_eq!(distance_kind(-n), n as usize);
            assert_eq!(distance_kind(n), n as usize + if n > 0 { 16 } else { 0 });
        }
        for (n, kind) in far {
            assert_eq!(distance_kind(-n), kind, "-{n}");
            assert_eq!(distance_kind(n), 16 + kind, "{n}");
        }
        assert_eq!(distance_kind(isize::MIN), 15);
    }
}
