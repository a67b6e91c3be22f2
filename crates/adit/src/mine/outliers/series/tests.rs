use super::*;

/// A season of 24 steps and a slope, with noise of deviation .2.
fn seasonal(n: usize, seed: u64) -> Vec<f64> {
    (0..n)
        .map(|at| {
            let angle = std::f64::consts::TAU * at as f64 / 24.0;
            let noise = f64::from(adit_nn::random::normal_at(seed, at as u64, 0.2));
            10.0 + 0.01 * at as f64 + 3.0 * angle.sin() + (2.0 * angle).cos() + noise
        })
        .collect()
}

fn judge(values: &[f64], season: usize) -> JudgedSeries {
    SeriesForecast::of_season(season).judge(values).unwrap()
}

fn found(values: &[f64], season: usize) -> Vec<Window> {
    windows(&judge(values, season).scores, 6.0, 3)
}

#[test]
fn nothing_is_found_where_nothing_is() {
    for seed in 0..5 {
        assert_eq!(found(&seasonal(1000, seed), 24), []);
        let flat: Vec<f64> = (0..1000)
            .map(|at| f64::from(adit_nn::random::normal_at(seed, at, 2.0)))
            .collect();
        assert_eq!(found(&flat, 0), []);
    }
}

#[test]
fn scores_are_errors_in_units_of_the_usual_one() {
    let judged = judge(&seasonal(3000, 1), 24);
    let late = &judged.scores[500..];
    let beyond = |z: f64| late.iter().filter(|s| **s > z).count() as f64 / late.len() as f64;
    // As many as of normal numbers lie beyond one and two deviations.
    assert!((beyond(1.0) - 0.317).abs() < 0.04, "{}", beyond(1.0));
    assert!((beyond(2.0) - 0.0455).abs() < 0.02, "{}", beyond(2.0));
    let scales = &judged.scales[500..];
    assert!(scales.iter().all(|s| *s > 0.15 && *s < 0.4), "{scales:?}");
}

#[test]
fn planted_spikes_are_found_and_nothing_else() {
    let mut values = seasonal(1000, 2);
    // Values that other phases of the season often have.
    values[400] += 3.0;
    values[700] -= 3.0;
    let windows = found(&values, 24);
    let places: Vec<_> = windows.iter().map(|w| (w.start, w.end, w.peak)).collect();
    assert_eq!(places, [(400, 401, 400), (700, 701, 700)]);
    assert!(windows.iter().all(|w| w.score > 8.0), "{windows:?}");
}

#[test]
fn a_shifted_level_is_found_until_it_is_the_usual_one() {
    let mut values = seasonal(1000, 3);
    values[500..].iter_mut().for_each(|v| *v += 5.0);
    let windows = found(&values, 24);
    assert_eq!(windows.len(), 1, "{windows:?}");
    assert_eq!(windows[0].start, 500);
    assert!((505..=524).contains(&windows[0].end), "{windows:?}");
}

#[test]
fn missing_seasons_are_not_judged_and_change_nothing_after() {
    let mut values = seasonal(1000, 4);
    values[480..552].fill(f64::NAN);
    values[600] += 4.0;
    let judged = judge(&values, 24);
    assert!(judged.scores[480..552].iter().all(|s| s.is_nan()));
    assert!(judged.scores[552..].iter().all(|s| !s.is_nan()));
    let windows = windows(&judged.scores, 6.0, 3);
    assert_eq!(windows.iter().map(|w| w.peak).collect::<Vec<_>>(), [600]);
}

#[test]
fn a_season_that_did_not_happen_is_found() {
    let mut values = seasonal(1000, 5);
    // As if the machine had stood still for a day.
    values[480..504].fill(15.0);
    let judged = judge(&values, 24);
    let windows = windows(&judged.scores, 6.0, 6);
    assert_eq!(windows.len(), 1, "{windows:?}");
    // Where the season crosses its level, standing still is nothing strange.
    let Window { start, end, .. } = windows[0];
    assert!(
        start >= 480 && end <= 504 && end - start >= 6,
        "{windows:?}"
    );
}

#[test]
fn only_the_past_counts() {
    let values = seasonal(600, 6);
    let whole = judge(&values, 24);
    for n in [1, 30, 100, 333, 599] {
        let part = judge(&values[..n], 24);
        let bits = |of: &[f64]| of.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&part.scores), bits(&whole.scores[..n]));
        assert_eq!(bits(&part.forecasts), bits(&whole.forecasts[..n]));
    }
}

#[test]
fn scores_do_not_depend_on_the_unit() {
    let values = seasonal(400, 7);
    let scaled: Vec<f64> = values.iter().map(|v| v * 1024.0).collect();
    let (a, b) = (judge(&values, 24).scores, judge(&scaled, 24).scores);
    assert!(
        a.iter()
            .zip(&b)
            .all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    );
}

#[test]
fn forecasts_are_medians_of_the_past() {
    let settings = SeriesForecast {
        season: 3,
        n_seasons: 2,
        level_window: 3,
        error_window: 10,
    };
    let values = [1.0, 5.0, 2.0, 2.0, 6.0, 3.0, 4.0, 9.0, 3.0, 5.0];
    let judged = settings.judge(&values).unwrap();
    // The level before the last value is 4, before those a season and two before 3 and 2; they lay 1 and 0 above.
    assert_eq!(judged.forecasts[9], 4.5);
    assert!(judged.forecasts[..6].iter().all(|f| f.is_nan()));
    assert!(judged.scores.iter().all(|s| s.is_nan()));
}

#[test]
fn odd_series_are_judged() {
    let few = [1.0, 2.0, 1.5];
    for n in 0..=3 {
        for season in [0, 1, 2, 1000] {
            assert_eq!(judge(&few[..n], season).scores.len(), n);
        }
    }
    let constant = judge(&[3.0; 200], 7).scores;
    assert!(constant[50..].iter().all(|s| *s == 0.0));
    let mut step = vec![3.0; 200];
    step[150] = 4.0;
    assert_eq!(judge(&step, 0).scores[150], 1e6);
    assert_eq!(windows(&judge(&step, 0).scores, 6.0, 0).len(), 1);
    let huge: Vec<f64> = seasonal(300, 8).iter().map(|v| v * 1e300).collect();
    assert!(judge(&huge, 24).scores[200..].iter().all(|s| s.is_finite()));
    assert!(judge(&[f64::NAN; 100], 5).scores.iter().all(|s| s.is_nan()));
    let infinite = SeriesForecast::of_season(0).judge(&[1.0, f64::INFINITY]);
    assert!(matches!(
        infinite,
        Err(MineError::FeatureNotFinite { row: 1, column: 0 })
    ));
    for settings in [
        SeriesForecast {
            n_seasons: 0,
            ..SeriesForecast::of_season(4)
        },
        SeriesForecast {
            level_window: 2,
            ..SeriesForecast::of_season(4)
        },
        SeriesForecast {
            error_window: 9,
            ..SeriesForecast::of_season(4)
        },
    ] {
        assert!(matches!(
            settings.judge(&few),
            Err(MineError::Setting { .. })
        ));
    }
}

#[test]
fn a_series_that_is_mostly_zero_has_a_usual_error() {
    // One value of six is 1, 2 or 3: more than half of the errors are 0.
    let mut values: Vec<f64> = (0..2000u64)
        .map(|at| match adit_nn::random::mix(9, at) % 18 {
            k @ 0..3 => k as f64 + 1.0,
            _ => 0.0,
        })
        .collect();
    values[1500] = 40.0;
    let scores = judge(&values, 0).scores;
    assert!(
        scores[1500] > 30.0 && scores[1500] < 1e4,
        "{}",
        scores[1500]
    );
    let others = scores[200..1500].iter().copied().fold(0.0, f64::max);
    assert!(others < scores[1500] / 5.0, "{others}");
}

#[test]
fn windows_join_what_is_near() {
    let scores = [0.0, 5.0, 7.0, 0.0, 0.0, 7.0, f64::NAN, 1.0, 1.0, 4.0, 3.0];
    let places = |threshold, gap| -> Vec<(usize, usize, usize)> {
        let found = windows(&scores, threshold, gap);
        found.iter().map(|w| (w.start, w.end, w.peak)).collect()
    };
    assert_eq!(places(3.0, 0), [(1, 3, 2), (5, 6, 5), (9, 10, 9)]);
    assert_eq!(places(3.0, 2), [(1, 6, 2), (9, 10, 9)]);
    assert_eq!(places(3.0, 3), [(1, 10, 2)]);
    assert_eq!(places(7.0, 3), []);
}
