//! What a profile says, against plain counting, the engine's aggregates and pandas.

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use proptest::prelude::*;

use super::*;

#[test]
fn blanks_of_a_number_column_are_found() {
    let (Some(train), Some(test)) = (
        data_set("churn_telco/train.csv"),
        data_set("churn_telco/test.csv"),
    ) else {
        return;
    };
    let mut blanks = 0;
    for path in [train, test] {
        let inputs = vec![path.to_string_lossy().into_owned()];
        let table = open(&SourceSettings {
            inputs,
            ..SourceSettings::default()
        })
        .unwrap();
        let profile = table.profile(&Silent).unwrap();
        let column = profile
            .columns
            .iter()
            .find(|column| column.name == "TotalCharges")
            .unwrap();
        assert_eq!(column.column_type, ColumnType::Float);
        assert_eq!(column.missing, column.blanks);
        blanks += column.blanks;
    }
    assert_eq!(blanks, 11);
}

#[test]
fn a_small_table_is_described_by_hand() {
    let text = "id,x,word,when\n1,0.5,b,2020-01-01\n2,NA,a a,2020-01-02\n3,2.5,b,2020-01-03\n3,2.5,b,2020-01-03\n";
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    let profile = table.profile(&Silent).unwrap();
    assert_eq!((profile.n_rows, profile.duplicate_rows), (4, 1));
    let [id, x, word, when] = profile.columns.as_slice() else {
        panic!("four columns")
    };
    assert!(id.whole_numbers && !id.increasing && id.distinct == 3);
    assert_eq!(
        (x.missing, x.blanks, x.min, x.max),
        (1, 0, Some(0.5), Some(2.5))
    );
    assert_eq!(x.quantiles[2], (0.5, 2.5));
    assert!((x.standard_deviation.unwrap() - 1.154_700_538_379_251_7).abs() < 1e-15);
    assert_eq!((x.histogram[0], x.histogram[19]), (1, 2));
    assert_eq!(
        word.top_values,
        vec![("b".to_string(), 3), ("a a".to_string(), 1)]
    );
    assert_eq!((word.mean_words, word.max_chars), (1.25, 3));
    assert_eq!(word.examples, ["b", "a a"]);
    assert_eq!(when.examples[0], "2020-01-01");
}

#[test]
fn increasing_numbers_are_seen_and_a_hole_breaks_them() {
    let table = Folder::with("a.csv", "a,b\n1,1\n2,\n5,3\n")
        .open("a.csv")
        .unwrap();
    let profile = table.profile(&Silent).unwrap();
    assert!(profile.columns[0].increasing && !profile.columns[1].increasing);
}

#[test]
fn beyond_the_bound_estimates_are_close_and_the_same_each_time() {
    let n = 300_000i64;
    let numbers: Int64Array = (0..n).map(|row| row * 7_919 % 1_000_003).collect();
    let words: StringArray = (0..n).map(|row| Some(format!("w{}", row / 2))).collect();
    let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(numbers)), ("w", Arc::new(words))];
    let batch = arrow::array::RecordBatch::try_from_iter(columns).unwrap();
    let schema =
        [("n", ColumnType::Integer), ("w", ColumnType::Text)].map(|(name, column_type)| {
            ColumnSchema {
                name: name.to_string(),
                column_type,
            }
        });
    let profile = || {
        let mut profiler = profiler::Profiler::new(&schema);
        for start in (0..n as usize).step_by(8_192) {
            profiler.add(&batch.slice(start, 8_192.min(n as usize - start)));
        }
        profiler.finish()
    };
    let first = profile();
    assert_eq!(first, profile());
    for (column, distinct) in first.columns.iter().zip([300_000.0, 150_000.0]) {
        assert!(!column.distinct_is_exact || column.distinct as f64 == distinct);
        assert!(
            (column.distinct as f64 / distinct - 1.0).abs() < 0.02,
            "{}",
            column.distinct
        );
    }
    let numbers = &first.columns[0];
    assert_eq!(numbers.histogram.iter().sum::<u64>(), n as u64);
    assert!(
        (numbers.quantiles[2].1 / 500_000.0 - 1.0).abs() < 0.03,
        "{:?}",
        numbers.quantiles
    );
}

#[test]
fn profiles_agree_with_pandas() {
    let recorded = include_str!("../../../../../tests/reference/profile_pandas.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    for (name, columns) in recorded.as_object().unwrap() {
        let Some(path) = data_set(name) else { return };
        let inputs = vec![path.to_string_lossy().into_owned()];
        let table = open(&SourceSettings {
            inputs,
            ..SourceSettings::default()
        })
        .unwrap();
        let profile = table.profile(&Silent).unwrap();
        assert_eq!(
            profile.columns.len(),
            columns.as_object().unwrap().len(),
            "{name}"
        );
        for column in &profile.columns {
            let expected = &columns[&column.name];
            let at = format!("{name}: {}", column.name);
            assert_eq!(profile.n_rows, expected["rows"].as_u64().unwrap(), "{at}");
            assert_eq!(
                column.missing,
                expected["missing"].as_u64().unwrap(),
                "{at}"
            );
            assert_eq!(
                column.distinct,
                expected["distinct"].as_u64().unwrap(),
                "{at}"
            );
            let near = |ours: Option<f64>, key: &str| {
                let theirs = expected[key].as_f64();
                let close = match (ours, theirs) {
                    (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
                    (a, b) => a.is_none() && b.is_none(),
                };
                assert!(close, "{at}, {key}: {ours:?} instead of {theirs:?}");
            };
            near(column.mean, "mean");
            near(column.standard_deviation, "std");
            near(column.min, "min");
            near(column.max, "max");
            for (p, value) in &column.quantiles {
                near(Some(*value), &format!("q{p}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn profiles_agree_with_the_engine(values in prop::collection::vec(prop::option::of(-1e6..1e6f64), 2..200)) {
        prop_assume!(values.iter().flatten().any(|value| value.fract() != 0.0));
        let mut text = String::from("row,x\n");
        for (row, value) in values.iter().enumerate() {
            text += &format!("r{row},{}\n", value.map_or(String::new(), |value| value.to_string()));
        }
        let folder = Folder::with("a.csv", text);
        let table = folder.open("a.csv").unwrap();
        let profile = table.profile(&Silent).unwrap();
        let answer = table.aggregates_for_tests(1);
        let x = &profile.columns[1];
        prop_assert_eq!(answer.column(0).as_primitive::<Int64Type>().value(0) as u64, profile.n_rows - x.missing);
        prop_assert_eq!(Some(answer.column(1).as_primitive::<Float64Type>().value(0)), x.min);
        prop_assert_eq!(Some(answer.column(2).as_primitive::<Float64Type>().value(0)), x.max);
        let mean = answer.column(3).as_primitive::<Float64Type>().value(0);
        prop_assert!((mean - x.mean.unwrap()).abs() < 1e-6);
        prop_assert_eq!(answer.column(4).as_primitive::<Int64Type>().value(0) as u64, x.distinct);
    }
}
