//! Laws of the preparation as a whole.

use super::*;
use crate::source::{ColumnSchema, ColumnType};
use proptest::prelude::*;

fn rows(columns: Vec<(&str, Role, Values)>) -> Rows {
    let n = columns.first().map_or(0, |(_, _, values)| values.len());
    Rows {
        row_ids: (0..n as u64).collect(),
        columns: columns
            .into_iter()
            .map(|(name, role, values)| RowColumn {
                name: name.into(),
                role,
                values,
            })
            .collect(),
    }
}

fn strings(cells: &[&str]) -> Values {
    // A dash stands for a missing cell.
    Values::Strings(
        cells
            .iter()
            .map(|&cell| (cell != "-").then(|| cell.to_string()))
            .collect(),
    )
}

fn numbers(cells: &[f64]) -> Values {
    Values::Numbers(cells.to_vec())
}

const NAN: f64 = f64::NAN;

fn mixed() -> Rows {
    rows(vec![
        (
            "age",
            Role::Number,
            numbers(&[20.0, 30.0, NAN, 40.0, 50.0, 60.0]),
        ),
        (
            "when",
            Role::Time,
            Values::Times(vec![
                Some(0),
                None,
                Some(86_400_000),
                Some(172_800_000),
                Some(0),
                Some(0),
            ]),
        ),
        (
            "colour",
            Role::Category,
            strings(&["red", "blue", "red", "-", "blue", "red"]),
        ),
        (
            "note",
            Role::Text,
            strings(&["a  b", "-", "c\td", "e", "f", "g"]),
        ),
        ("id", Role::Id, strings(&["1", "2", "3", "4", "5", "6"])),
        (
            "y",
            Role::Target,
            strings(&["no", "yes", "no", "yes", "no", "yes"]),
        ),
    ])
}

fn fit(rows: &Rows, task: Task) -> Result<Preparation, PrepareError> {
    let all: Vec<usize> = (0..rows.n_rows()).collect();
    Preparation::fit(rows, &all, &PrepareSettings::new(task))
}

fn message(rows: &Rows, task: Task) -> String {
    fit(rows, task).unwrap_err().to_string()
}

#[test]
fn every_role_is_encoded_as_it_says() {
    let rows = mixed();
    let preparation = fit(&rows, Task::Classify).unwrap();
    let dataset = preparation.apply(&rows).unwrap();
    assert_eq!(dataset.n_rows(), 6);
    assert_eq!(dataset.numbers.len(), 2);
    let age = &dataset.numbers[0];
    assert_eq!(age.missing, [false, false, true, false, false, false]);
    assert_eq!((age.values[2], age.values[3]), (0.0, 0.0));
    // Quartiles 30 and 50, so 20 years are 20 / (20 / 1.349) deviations.
    assert!((age.values[5] - 1.349).abs() < 1e-3);
    assert!(dataset.numbers[1].missing[1]);
    let colour = &dataset.categories[0];
    assert_eq!(
        (&colour.codes[..], colour.cardinality),
        (&[3, 2, 3, 1, 2, 3][..], 4)
    );
    assert_eq!(dataset.texts[0].values, ["a b", "", "c d", "e", "f", "g"]);
    let names = vec!["no".to_string(), "yes".to_string()];
    assert_eq!(
        dataset.target,
        Some(Target::Classes {
            codes: vec![0, 1, 0, 1, 0, 1],
            names
        })
    );
    assert_eq!(preparation.positive_class(), Some(1));
    assert_eq!(preparation.n_outputs(), 2);
    let inputs: Vec<&str> = preparation.input_columns().collect();
    assert_eq!(inputs, ["age", "when", "colour", "note"]);
}

#[test]
fn a_left_out_column_is_not_learned_from() {
    let mut settings = PrepareSettings::new(Task::Classify);
    settings.leave_out = vec!["when".into()];
    let preparation = Preparation::fit(&mixed(), &[0, 1, 2, 3], &settings).unwrap();
    assert!(preparation.input_columns().all(|name| name != "when"));
}

#[test]
fn rows_outside_the_training_part_change_nothing() {
    let before = mixed();
    let mut after = before.clone();
    for column in &mut after.columns {
        match &mut column.values {
            Values::Numbers(v) => v[4..].fill(-1e9),
            Values::Strings(v) => v[4..].fill(Some("other".into())),
            Values::Times(v) => v[4..].fill(Some(i64::MAX)),
            Values::Histories(_) => panic!("no histories here"),
        }
    }
    let fit = |rows: &Rows| {
        Preparation::fit(rows, &[0, 1, 2, 3], &PrepareSettings::new(Task::Classify)).unwrap()
    };
    assert_eq!(fit(&before), fit(&after));
}

#[test]
fn a_saved_preparation_gives_the_same_bytes() {
    let mut rows = mixed();
    rows.columns[0].values = numbers(&[0.1, 0.2, 1.0 / 3.0, 1e-17, 12_345.678_901_234_5, NAN]);
    let preparation = fit(&rows, Task::Classify).unwrap();
    let saved = serde_json::to_string(&preparation).unwrap();
    let loaded: Preparation = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded, preparation);
    let bits = |p: &Preparation| {
        let dataset = p.apply(&rows).unwrap();
        let scaled = dataset
            .numbers
            .iter()
            .flat_map(|c| c.values.iter().map(|x| x.to_bits()));
        scaled.collect::<Vec<u32>>()
    };
    assert_eq!(bits(&loaded), bits(&preparation));
    assert_eq!(serde_json::to_string(&loaded).unwrap(), saved);
    let newer = saved.replacen("\"version\":1", "\"version\":2", 1);
    let newer: Preparation = serde_json::from_str(&newer).unwrap();
    let error = newer.apply(&rows).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the preparation was saved by version 2, and this program reads version 1"
    );
}

#[test]
fn new_rows_may_lack_the_target_and_bring_new_categories_and_columns() {
    let preparation = fit(&mixed(), Task::Classify).unwrap();
    let new = rows(vec![
        ("extra", Role::Number, numbers(&[1.0, 2.0])),
        ("note", Role::Text, strings(&["x", "-"])),
        ("colour", Role::Category, strings(&["green", "-"])),
        (
            "when",
            Role::Time,
            Values::Times(vec![None, Some(i64::MIN)]),
        ),
        ("age", Role::Number, strings(&["41", " "])),
    ]);
    let dataset = preparation.apply(&new).unwrap();
    assert_eq!(dataset.categories[0].codes, [0, 1]);
    assert_eq!(dataset.numbers[0].missing, [false, true]);
    assert_eq!(dataset.target, None);
}

#[test]
fn rows_are_encoded_one_by_one() {
    let all = mixed();
    let preparation = fit(&all, Task::Classify).unwrap();
    let whole = preparation.apply(&all).unwrap();
    for row in 0..all.n_rows() {
        let alone = preparation.apply(&subset(&all, &[row])).unwrap();
        assert_eq!(
            alone.numbers[0].values[0].to_bits(),
            whole.numbers[0].values[row].to_bits()
        );
        assert_eq!(alone.categories[0].codes[0], whole.categories[0].codes[row]);
        assert_eq!(alone.row_ids, [row as u64]);
    }
}

proptest! {
    #[test]
    fn encoded_rows_are_finite_and_within_their_codes(
        cells in prop::collection::vec((prop::num::f64::ANY, any::<Option<i64>>(), any::<Option<String>>(), -5.0f64..5.0), 3..40),
        train_part in 2usize..40,
    ) {
        prop_assume!(cells[0].3 != cells[1].3);
        let train: Vec<usize> = (0..train_part.min(cells.len())).collect();
        let all = rows(vec![
            ("x", Role::Number, Values::Numbers(cells.iter().map(|c| c.0).collect())),
            ("t", Role::Time, Values::Times(cells.iter().map(|c| c.1).collect())),
            ("k", Role::Category, Values::Strings(cells.iter().map(|c| c.2.clone()).collect())),
            ("w", Role::Text, Values::Strings(cells.iter().map(|c| c.2.clone()).collect())),
            ("y", Role::Target, Values::Numbers(cells.iter().map(|c| c.3).collect())),
        ]);
        let preparation = Preparation::fit(&all, &train, &PrepareSettings::new(Task::Regress)).unwrap();
        let dataset = preparation.apply(&all).unwrap();
        for column in &dataset.numbers {
            prop_assert!(column.values.iter().all(|x| x.is_finite()));
        }
        let category = &dataset.categories[0];
        prop_assert!(category.codes.iter().all(|&code| code < category.cardinality));
        let saved = serde_json::to_string(&preparation).unwrap();
        prop_assert_eq!(serde_json::from_str::<Preparation>(&saved).unwrap(), preparation);
    }
}

#[test]
fn a_number_target_is_scaled_by_the_training_rows() {
    let table = rows(vec![
        ("x", Role::Number, numbers(&[1.0, 2.0, 3.0])),
        ("y", Role::Target, strings(&["10", "20", "60"])),
    ]);
    let preparation = fit(&table, Task::Regress).unwrap();
    assert_eq!(preparation.target_scale().0, 30.0);
    assert_eq!(
        preparation.apply(&table).unwrap().target,
        Some(Target::Numbers(vec![10.0, 20.0, 60.0]))
    );
    assert_eq!(
        (preparation.n_outputs(), preparation.class_names().len()),
        (1, 0)
    );
}

#[test]
fn classes_are_sorted_by_value_and_the_positive_one_can_be_chosen() {
    let table = rows(vec![
        ("x", Role::Number, numbers(&[1.0, 2.0, 3.0])),
        ("y", Role::Target, numbers(&[10.0, 9.0, 10.0])),
    ]);
    let mut settings = PrepareSettings::new(Task::Classify);
    settings.positive_class = Some("9".into());
    let preparation = Preparation::fit(&table, &[0, 1, 2], &settings).unwrap();
    assert_eq!(preparation.class_names(), ["9", "10"]);
    assert_eq!(preparation.positive_class(), Some(0));
    settings.positive_class = Some("11".into());
    let error = Preparation::fit(&table, &[0, 1, 2], &settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the positive class `11` is not among the classes `9`, `10`"
    );
}

#[test]
fn targets_that_do_not_suit_the_task_are_errors_that_say_why() {
    let with = |values: Values| {
        let n = values.len();
        let x = Values::Numbers((0..n).map(|i| i as f64).collect());
        rows(vec![("x", Role::Number, x), ("y", Role::Target, values)])
    };
    assert_eq!(
        message(&with(strings(&["a", "a ", "a"])), Task::Classify),
        "the target column `y` holds one class only, `a`, in all 3 training rows"
    );
    assert_eq!(
        message(&with(strings(&["1", "x", "3", "y"])), Task::Regress),
        "column `y` should hold numbers, but 2 of its cells do not: row 1 holds `x`, row 3 holds `y`"
    );
    assert_eq!(
        message(&with(numbers(&[2.5, 2.5])), Task::Regress),
        "the target column `y` holds one value only, 2.5, in all 2 training rows"
    );
    assert_eq!(
        message(&with(strings(&["a", "-", "b"])), Task::Classify),
        "the target column `y` has no value in row 1"
    );
    assert_eq!(
        message(&with(numbers(&[NAN, NAN])), Task::Regress),
        "no row has a value in the target column `y`"
    );
    let continuous: Vec<f64> = (0..300).map(|i| f64::from(i % 150) / 7.0).collect();
    let error = fit(&with(numbers(&continuous)), Task::Classify).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the target column `y` has 150 distinct values in 300 rows, too many to be classes"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("numbers are predicted with `adit regress`")
    );
    let many: Vec<f64> = (0..4004).map(|i| f64::from(i % 1001)).collect();
    let error = fit(&with(numbers(&many)), Task::Classify).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the target column `y` has 1001 classes; at most 1000 can be told apart"
    );
    let no_target = rows(vec![("x", Role::Number, numbers(&[1.0]))]);
    assert_eq!(message(&no_target, Task::Classify), "no target is given");
    let alone = rows(vec![("y", Role::Target, strings(&["a", "b"]))]);
    assert_eq!(
        message(&alone, Task::Classify),
        "no column is left to learn from beside the target `y`"
    );
}

#[test]
fn rows_that_do_not_fit_the_model_are_errors_that_say_where() {
    let preparation = fit(&mixed(), Task::Classify).unwrap();
    let mut junk = mixed();
    junk.columns[0].values = strings(&["1", "2", "3", "4", "about 5", "6"]);
    assert_eq!(
        preparation.apply(&junk).unwrap_err().to_string(),
        "column `age` should hold numbers, but 1 of its cells do not: row 4 holds `about 5`"
    );
    let mut short = mixed();
    short.columns.remove(0);
    assert_eq!(
        preparation.apply(&short).unwrap_err().to_string(),
        "the columns do not fit the model: missing: `age`"
    );
    let mut class = mixed();
    class.columns[5].values = strings(&["no", "no", "maybe", "no", "no", "no"]);
    assert_eq!(
        preparation.apply(&class).unwrap_err().to_string(),
        "row 2 has the class `maybe` in the target column `y`, which no training row has; the classes are `no`, `yes`"
    );
    assert_eq!(preparation.apply_features(&class).unwrap().target, None);
    let outside = Preparation::fit(&mixed(), &[0, 6], &PrepareSettings::new(Task::Classify));
    assert_eq!(
        outside.unwrap_err().to_string(),
        "row index 6 is outside the 6 loaded rows"
    );
}

#[test]
fn a_schema_is_refused_by_naming_its_columns() {
    let preparation = fit(&mixed(), Task::Classify).unwrap();
    let schema = |columns: &[(&str, ColumnType)]| -> Vec<ColumnSchema> {
        columns
            .iter()
            .map(|&(name, column_type)| ColumnSchema {
                name: name.into(),
                column_type,
            })
            .collect()
    };
    let good = schema(&[
        ("note", ColumnType::Text),
        ("extra", ColumnType::Time),
        ("age", ColumnType::Text),
        ("when", ColumnType::Time),
        ("colour", ColumnType::Integer),
        ("y", ColumnType::Text),
        ("id", ColumnType::Integer),
    ]);
    preparation.check_schema(&good).unwrap();
    let roles = |with_target| -> Vec<Role> {
        let roles = preparation.roles_for(&good, with_target);
        roles.iter().map(|role| role.role).collect()
    };
    use Role::{Category, Id, Ignore, Number, Target, Text, Time};
    assert_eq!(
        roles(true),
        [Text, Ignore, Number, Time, Category, Target, Id]
    );
    assert_eq!(roles(false)[5], Ignore);
    let bad = schema(&[("note", ColumnType::Time), ("when", ColumnType::Integer)]);
    let error = preparation.check_schema(&bad).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the columns do not fit the model: missing: `age`, `colour`; \
         `when` should be times and is whole numbers; `note` should be text and is times"
    );
}
