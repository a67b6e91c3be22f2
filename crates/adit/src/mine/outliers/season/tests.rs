use super::*;

fn noise(seed: u64, at: usize) -> f64 {
    f64::from(adit_nn::random::normal_at(seed, at as u64, 1.0))
}

fn walk(n: usize, seed: u64, keep: f64) -> Vec<f64> {
    let mut at_now = 0.0;
    (0..n)
        .map(|at| {
            at_now = keep * at_now + noise(seed, at);
            at_now
        })
        .collect()
}

/// A shape that repeats itself after `length` steps, with deviations of the size of the noise or `by` times it.
fn repeated(n: usize, length: usize, seed: u64, by: f64) -> Vec<f64> {
    (0..n)
        .map(|at| by * noise(seed + 1000, at % length) + noise(seed, at))
        .collect()
}

#[test]
fn planted_seasons_are_found() {
    for (n, length, by) in [
        (1000, 24, 1.0),
        (300, 7, 1.0),
        (60, 12, 3.0),
        (2000, 168, 1.5),
        (200, 2, 2.0),
        (100, 4, 3.0),
    ] {
        for seed in 0..5 {
            let found = season(&repeated(n, length, seed, by));
            let found = found.unwrap_or_else(|| panic!("{length} of {n}, seed {seed}"));
            assert_eq!(found.length, length, "{found:?}");
            assert!(found.autocorrelation > found.bound);
            assert!(found.foretold > 0.2 && found.foretold < 1.0);
        }
    }
}

#[test]
fn a_smooth_season_with_a_trend_a_walk_spikes_and_gaps_is_found() {
    for seed in 0..5 {
        let drift = walk(1200, seed + 50, 1.0);
        let mut values: Vec<f64> = (0..1200)
            .map(|at| {
                let wave = (std::f64::consts::TAU * at as f64 / 48.0).sin();
                20.0 * wave + drift[at] / 2.0 + 0.05 * at as f64 + noise(seed, at)
            })
            .collect();
        values[77] = 1e6;
        values[500..560].fill(f64::NAN);
        values
            .iter_mut()
            .skip(3)
            .step_by(11)
            .for_each(|v| *v = f64::NAN);
        let found = season(&values).unwrap();
        assert!((47..=49).contains(&found.length), "{found:?}");
    }
}

#[test]
fn what_does_not_repeat_itself_has_no_season() {
    let mut found = 0;
    for seed in 0..25 {
        for n in [60, 500] {
            for keep in [0.0, 0.5, 0.95, 1.0] {
                found += usize::from(season(&walk(n, seed * 10 + 7, keep)).is_some());
            }
        }
    }
    assert!(found <= 4, "{found} of 200");
}

#[test]
fn odd_series_have_no_season() {
    assert_eq!(season(&[]), None);
    assert_eq!(season(&[1.0, 2.0, 1.0, 2.0, 1.0]), None);
    assert_eq!(season(&[5.0; 100]), None);
    assert_eq!(season(&[f64::NAN; 100]), None);
    let line: Vec<f64> = (0..200).map(f64::from).collect();
    assert_eq!(season(&line), None);
    let huge: Vec<f64> = repeated(300, 6, 1, 3.0).iter().map(|v| v * 1e290).collect();
    assert!(season(&huge).is_none_or(|found| found.length == 6));
}

#[test]
fn autocorrelations_are_those_of_loops() {
    let mut values = walk(90, 3, 0.7);
    values[10] = f64::NAN;
    values[40..45].fill(f64::NAN);
    let (found, pairs) = autocorrelation(&values, 30);
    let n = values.iter().filter(|v| !v.is_nan()).count() as f64;
    let mean = values.iter().filter(|v| !v.is_nan()).sum::<f64>() / n;
    let covariance = |lag: usize| {
        let products = (0..90 - lag).map(|at| (values[at] - mean) * (values[at + lag] - mean));
        let present: Vec<f64> = products.filter(|p| !p.is_nan()).collect();
        (
            present.iter().sum::<f64>() / present.len() as f64,
            present.len() as f64,
        )
    };
    for lag in 0..=30 {
        let (expected, n) = covariance(lag);
        assert_eq!(pairs[lag], n);
        assert!(
            (found[lag] - expected / covariance(0).0).abs() < 1e-12,
            "{lag}"
        );
    }
}

#[test]
fn what_cycles_foretell_is_what_loops_say() {
    let values = [1.0, 2.0, 4.0, 2.0, 4.0, f64::NAN, 3.0, 0.0, 2.0, 9.0];
    // Cycles of three: others' means by phase.
    let others = [[2.5, 2.0, 2.0], [2.0, 1.0, f64::NAN], [1.5, 3.0, 4.0]];
    let (mut left, mut squares) = (0.0, 0.0);
    for at in (0..9).filter(|at| *at != 5) {
        left += (values[at] - others[at / 3][at % 3]) * (values[at] - others[at / 3][at % 3]);
        squares += values[at] * values[at];
    }
    assert!((foretold(&values, 3, &|_| 0) - (1.0 - left / squares)).abs() < 1e-12);
    let turned = [2.0, 4.0, 1.0, 2.0, 4.0, f64::NAN, 0.0, 2.0, 3.0, 9.0];
    let turn = |cycle: usize| [1, 0, 1][cycle];
    assert_eq!(foretold(&values, 3, &turn), foretold(&turned, 3, &|_| 0));
}
