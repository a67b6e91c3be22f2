//! Random numbers against `tests/reference/adit_random.py`, so that another program can follow a training.

use adit_nn::kernels::elementwise::dropout_at;
use adit_nn::random::{mix, normal_at};

#[test]
fn hashes_and_normal_numbers_are_those_of_the_reference_script() {
    assert_eq!(mix(7, 9), 7_621_113_624_420_504_425);
    let wanted = [
        -0.001_353_528_8,
        -0.028_500_866,
        -0.011_384_17,
        0.001_723_965_6,
    ];
    for (at, wanted) in wanted.into_iter().enumerate() {
        let found = normal_at(11, at as u64, 0.02);
        assert!((found - wanted).abs() < 1e-9f32, "{at}: {found}, {wanted}");
    }
}

#[test]
fn dropout_masks_are_those_of_the_reference_script() {
    let mut values = [1.0f32; 24];
    dropout_at(&mut values, 0, mix(5, 2), 0.9);
    let dropped: Vec<usize> = (0..24).filter(|&at| values[at] == 0.0).collect();
    assert_eq!(dropped, [16]);
    assert_eq!(values[0], 1.0 / 0.9);
}
