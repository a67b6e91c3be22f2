use proptest::prelude::*;

use super::*;

const SETTINGS: TargetStatisticsSettings = TargetStatisticsSettings {
    folds: 4,
    seed: 3,
    smoothing: 2.0,
    least_codes: 3,
};

fn dataset(codes: Vec<u32>, cardinality: u32) -> Dataset {
    Dataset {
        row_ids: (0..codes.len() as u64).collect(),
        numbers: Vec::new(),
        categories: vec![CategoryColumn {
            name: "zip".into(),
            codes,
            cardinality,
        }],
        texts: Vec::new(),
        molecules: Vec::new(),
        histories: None,
        target: None,
    }
}

fn classes(codes: Vec<u32>, n: usize) -> Target {
    Target::Classes {
        codes,
        names: (0..n).map(|k| k.to_string()).collect(),
    }
}

#[test]
fn means_are_drawn_towards_that_of_all_rows() {
    let data = dataset(vec![2, 2, 2, 1, 0, 2], 4);
    let target = Target::Numbers(vec![4.0, 4.0, 4.0, 1.0, 9.0, 1e9]);
    let (fitted, _) = TargetStatistics::fit(&data, &target, &[0, 1, 2, 3], &SETTINGS).unwrap();
    let found = fitted.transform(&data).unwrap();
    // The mean of all is 13/4; a code without training rows has that.
    let of = |sum: f64, n: f64| ((sum + 2.0 * 3.25) / (n + 2.0)) as f32;
    let (two, one, zero) = (of(12.0, 3.0), of(1.0, 1.0), of(0.0, 0.0));
    assert_eq!(found[0].values, [two, two, two, one, zero, two]);
    assert_eq!(zero, 3.25);
    assert_eq!(found[0].name, "zip: mean of the target");
}

#[test]
fn three_classes_have_a_share_each_and_very_many_none() {
    let data = dataset((0..60).map(|i| i % 3).collect(), 3);
    let train: Vec<usize> = (0..60).collect();
    let target = classes((0..60).map(|i| (i / 3) % 3).collect(), 3);
    let (fitted, out) = TargetStatistics::fit(&data, &target, &train, &SETTINGS).unwrap();
    assert_eq!((fitted.n_columns(), out.columns.len()), (3, 3));
    for row in 0..60 {
        let sum: f32 = out.columns.iter().map(|column| column[row]).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
    let target = classes((0..60).map(|i| i % 30).collect(), 30);
    let (fitted, _) = TargetStatistics::fit(&data, &target, &train, &SETTINGS).unwrap();
    assert_eq!(fitted.n_columns(), 0);
}

#[test]
fn columns_of_few_codes_are_left_out_and_bad_input_is_an_error() {
    let data = dataset(vec![0, 1, 0, 1], 2);
    let target = classes(vec![0, 1, 1, 0], 2);
    let (fitted, out) = TargetStatistics::fit(&data, &target, &[0, 1], &SETTINGS).unwrap();
    assert_eq!((fitted.n_columns(), out.columns.len()), (0, 0));
    let fit = |data: &Dataset, train: &[usize]| {
        TargetStatistics::fit(data, &target, train, &SETTINGS).map(|_| ())
    };
    type E = RepresentError;
    assert!(matches!(fit(&data, &[]), Err(E::NoTrainingRows)));
    assert!(matches!(fit(&data, &[4]), Err(E::RowOutOfRange { .. })));
    let wide = dataset(vec![0, 7, 0, 1], 3);
    assert!(matches!(fit(&wide, &[0]), Err(E::CodeOutOfRange { .. })));
    let short = dataset(vec![0, 1], 3);
    assert!(matches!(fit(&short, &[0]), Err(E::ColumnLength { .. })));
    let good = dataset(vec![0, 1, 2, 1], 3);
    let (fitted, _) = TargetStatistics::fit(&good, &target, &[0, 1], &SETTINGS).unwrap();
    let mut other = good.clone();
    other.categories[0].name = "town".into();
    let apply = |data: &Dataset| fitted.transform(data).map(|_| ());
    assert!(matches!(apply(&other), Err(E::MissingColumn { .. })));
    assert!(matches!(apply(&wide), Err(E::CodeOutOfRange { .. })));
}

#[test]
fn a_saved_one_gives_the_same_bits() {
    let data = dataset((0..50).map(|i| i * 7 % 11).collect(), 11);
    let target = Target::Numbers((0..50).map(|i| f64::from(i).sqrt()).collect());
    let train: Vec<usize> = (0..40).collect();
    let (fitted, _) = TargetStatistics::fit(&data, &target, &train, &SETTINGS).unwrap();
    let again: TargetStatistics =
        serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
    assert_eq!(fitted, again);
}

#[test]
fn a_training_row_is_seen_by_the_other_folds_alone() {
    let data = dataset(vec![2; 20], 4);
    let train: Vec<usize> = (0..20).collect();
    let of = |codes: Vec<u32>| {
        let target = classes(codes, 2);
        let fitted = TargetStatistics::fit(&data, &target, &train, &SETTINGS);
        fitted.unwrap().1.columns.remove(0)
    };
    let (mut one, two) = (vec![0; 20], vec![0; 20]);
    one[5] = 1;
    let (one, two) = (of(one), of(two));
    let moved = (0..20).filter(|&row| one[row] != two[row]).count();
    assert_eq!(moved, 15, "all but the row's own fold of five");
}

#[test]
fn what_only_an_entitys_own_rows_say_is_not_known_to_them() {
    // 60 customers of 10 rows, each with a device of its own and one target: a row's fold must hold all of them.
    let n = 600u32;
    let data = dataset((0..n).map(|i| 2 + i / 10).collect(), 62);
    let codes: Vec<u32> = (0..n)
        .map(|i| (mix(5, u64::from(i / 10)) & 1) as u32)
        .collect();
    let target = classes(codes.clone(), 2);
    let train: Vec<usize> = (0..600).collect();
    let groups: Vec<u64> = (0..600).map(|row| row / 10).collect();
    let of = |groups: Option<&[u64]>| {
        let settings = TargetStatisticsSettings::default();
        let of = (&train[..], groups);
        let out = TargetStatistics::fit_grouped(&data, &target, of, &settings)
            .unwrap()
            .1;
        out.columns[0].clone()
    };
    let mean_of = |values: &[f32], wanted: u32| {
        let own = values
            .iter()
            .zip(&codes)
            .filter(|(_, code)| **code == wanted);
        let (sum, n) = own.fold((0.0, 0.0), |(sum, n), (x, _)| (sum + x, n + 1.0));
        sum / n
    };
    let by_row = of(None);
    let told = mean_of(&by_row, 1) - mean_of(&by_row, 0);
    assert!(told > 0.15, "{told}");
    // Of a device that the other folds have never seen only their mean is known: one value a fold, whatever the target.
    let mut by_customer: Vec<u32> = of(Some(&groups)).iter().map(|x| x.to_bits()).collect();
    by_customer.sort_unstable();
    by_customer.dedup();
    assert!(by_customer.len() <= 5, "{by_customer:?}");
}

#[test]
fn noise_by_category_is_no_better_known_to_training_rows_than_to_others() {
    // 40 categories that say nothing: in fold a mean would follow the target, out of fold it must not.
    let n = 800u32;
    let data = dataset((0..n).map(|i| 2 + i * 17 % 40).collect(), 42);
    let codes: Vec<u32> = (0..n).map(|i| (mix(3, i.into()) & 1) as u32).collect();
    let target = classes(codes.clone(), 2);
    let train: Vec<usize> = (0..600).collect();
    let (fitted, learned) = StatisticColumns::fit(&data, &target, (&train, None))
        .unwrap()
        .unwrap();
    let asked = fitted.add(&data).unwrap();
    let column = |data: &Dataset| data.numbers[0].values.clone();
    let (learned, asked) = (column(&learned), column(&asked));
    // Rows that were not learned from are the same either way.
    assert_eq!(learned[600..], asked[600..]);
    let follows = |values: &[f32]| {
        let signs = codes.iter().map(|&code| if code == 1 { 1.0 } else { -1.0 });
        let products = values[..600].iter().zip(signs);
        products.map(|(v, s)| f64::from(*v) * s).sum::<f64>() / 600.0
    };
    assert!(follows(&asked) > 0.1, "{}", follows(&asked));
    assert!(follows(&learned) < 0.05, "{}", follows(&learned));
    let spread = learned[..600]
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        / 600.0;
    assert!((spread - 1.0).abs() < 1e-3, "{spread}");
}

proptest! {
    #[test]
    fn no_row_sees_its_own_target(
        codes in prop::collection::vec(0u32..6, 3..40),
        changed in 0usize..40,
        by in -1e6f64..1e6,
        seed in 0u64..50,
    ) {
        let settings = TargetStatisticsSettings { seed, ..SETTINGS };
        let n = codes.len();
        let changed = changed % n;
        let data = dataset(codes, 6);
        let train: Vec<usize> = (0..n).collect();
        let values: Vec<f64> = (0..n).map(|i| ((i * 37) % 11) as f64 / 3.0).collect();
        let mut other = values.clone();
        other[changed] += by;
        let of = |target: &Target| TargetStatistics::fit(&data, target, &train, &settings).unwrap().1;
        let (one, two) = (of(&Target::Numbers(values)), of(&Target::Numbers(other)));
        prop_assert_eq!(one.columns[0][changed].to_bits(), two.columns[0][changed].to_bits());
        let labels: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
        let mut switched = labels.clone();
        switched[changed] = (switched[changed] + 1) % 3;
        let (one, two) = (of(&classes(labels, 3)), of(&classes(switched, 3)));
        for (a, b) in one.columns.iter().zip(&two.columns) {
            prop_assert_eq!(a[changed].to_bits(), b[changed].to_bits());
        }
    }
}
