use super::super::{RowColumn, Values};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn rows(columns: Vec<(&str, Role, Values)>) -> Rows {
    let n = columns[0].2.len();
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

fn classes(of: impl Iterator<Item = usize>) -> Values {
    Values::Strings(of.map(|class| Some(format!("c{class}"))).collect())
}

fn random(fraction: f64, seed: u64) -> SplitSettings {
    SplitSettings::new(TestPart::Random { fraction }, seed)
}

fn all_once(split: &Split, n: usize) -> bool {
    let mut all = [&split.train[..], &split.validation, &split.test].concat();
    all.sort_unstable();
    all == (0..n).collect::<Vec<_>>()
}

#[test]
fn beside_given_test_rows_groups_stay_whole_and_the_latest_are_for_validation() {
    let numbers =
        |of: &dyn Fn(usize) -> usize| Values::Numbers((0..300).map(|row| of(row) as f64).collect());
    let all = rows(vec![
        ("y", Role::Target, classes((0..300).map(|row| row % 2))),
        ("site", Role::Number, numbers(&|row| row % 23)),
        ("at", Role::Number, numbers(&|row| row * 7 % 300)),
    ]);
    let of = |group: Option<&str>, time: Option<&str>| {
        let settings = SplitSettings {
            group: group.map(String::from),
            time: time.map(String::from),
            ..SplitSettings::new(TestPart::Given, 1)
        };
        split(&all, Task::Classify, &settings).unwrap()
    };
    let sites = |part: &[usize]| part.iter().map(|row| row % 23).collect::<BTreeSet<_>>();
    let by_site = of(Some("site"), None);
    assert!(by_site.test.is_empty() && !by_site.validation.is_empty());
    assert!(sites(&by_site.train).is_disjoint(&sites(&by_site.validation)));
    let by_time = of(None, Some("at"));
    let at = |row: &usize| row * 7 % 300;
    let latest = by_time.train.iter().map(at).max();
    assert!(latest < by_time.validation.iter().map(at).min());
    let neither = of(None, None);
    assert!(!sites(&neither.train).is_disjoint(&sites(&neither.validation)));
}

proptest! {
    #[test]
    fn every_row_is_in_one_part_and_every_class_keeps_its_share(
        labels in prop::collection::vec(0usize..4, 10..120),
        fraction in 0.05f64..0.6,
        seed in any::<u64>(),
    ) {
        let n = labels.len();
        let all = rows(vec![("y", Role::Target, classes(labels.iter().copied()))]);
        let mut totals = BTreeMap::new();
        for label in &labels {
            *totals.entry(label).or_insert(0usize) += 1;
        }
        let needed = 3 * totals.len();
        let split = match split(&all, Task::Classify, &random(fraction, seed)) {
            // Three parts of every class cannot be drawn from fewer rows; from as many they must be.
            Err(PrepareError::TooFewRows { rows, needed: told }) if n < needed => {
                prop_assert_eq!((rows, told), (n, needed));
                return Ok(());
            }
            split => split.unwrap(),
        };
        prop_assert!(all_once(&split, n));
        for (label, total) in totals {
            let count = |part: &[usize]| part.iter().filter(|&&row| labels[row] == *label).count();
            prop_assert!(count(&split.train) >= 1);
            let test = count(&split.test) as f64;
            prop_assert!((test - total as f64 * fraction).abs() <= 1.0);
            let rest = total - count(&split.test);
            let validation = count(&split.validation) as f64;
            prop_assert!((validation - rest as f64 * 0.15).abs() <= 1.0);
        }
    }

    #[test]
    fn no_entity_is_in_two_parts(
        entities in prop::collection::vec(0usize..12, 20..100),
        fraction in 0.05f64..0.6,
        seed in any::<u64>(),
    ) {
        let distinct: BTreeSet<_> = entities.iter().collect();
        prop_assume!(distinct.len() >= 3);
        let all = rows(vec![
            ("who", Role::Entity, classes(entities.iter().copied())),
            ("y", Role::Target, classes(entities.iter().map(|e| e % 2))),
        ]);
        let test = TestPart::Group { column: "who".into(), fraction };
        let split = split(&all, Task::Classify, &SplitSettings::new(test, seed)).unwrap();
        prop_assert!(all_once(&split, entities.len()));
        let of = |part: &[usize]| part.iter().map(|&row| entities[row]).collect::<BTreeSet<_>>();
        let parts = [of(&split.train), of(&split.validation), of(&split.test)];
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            prop_assert!(parts[a].is_disjoint(&parts[b]));
        }
        prop_assert!(parts.iter().all(|part| !part.is_empty()));
    }

    #[test]
    fn training_ends_before_validation_and_validation_before_the_test(
        times in prop::collection::vec(0i64..15, 10..80),
        fraction in 0.05f64..0.6,
    ) {
        let distinct: BTreeSet<_> = times.iter().collect();
        prop_assume!(distinct.len() >= 3);
        let all = rows(vec![
            ("when", Role::Time, Values::Times(times.iter().map(|&t| Some(t)).collect())),
            ("y", Role::Target, Values::Numbers(times.iter().map(|&t| t as f64).collect())),
        ]);
        let test = TestPart::Time { column: "when".into(), fraction };
        let split = split(&all, Task::Regress, &SplitSettings::new(test, 1)).unwrap();
        prop_assert!(all_once(&split, times.len()));
        let latest = |part: &[usize]| part.iter().map(|&row| times[row]).max().unwrap();
        let earliest = |part: &[usize]| part.iter().map(|&row| times[row]).min().unwrap();
        prop_assert!(latest(&split.train) < earliest(&split.validation));
        prop_assert!(latest(&split.validation) < earliest(&split.test));
    }
}

#[test]
fn the_same_seed_gives_the_same_split_and_another_another() {
    let all = rows(vec![("y", Role::Target, classes((0..100).map(|i| i % 3)))]);
    let at = |seed| split(&all, Task::Classify, &random(0.2, seed)).unwrap();
    assert_eq!(at(1), at(1));
    assert_ne!(at(1).test, at(2).test);
    assert_ne!(at(1).validation, at(2).validation);
    // The platform and the thread count have no say in it.
    assert_eq!(at(1).test.len(), 20);
    assert_eq!(at(1).validation.len(), 12);
}

#[test]
fn the_split_says_how_it_was_made() {
    let all = rows(vec![
        ("who", Role::Id, classes((0..40).map(|i| i / 4))),
        (
            "year",
            Role::Number,
            Values::Numbers((0..40).map(|i| f64::from(i / 5)).collect()),
        ),
        ("y", Role::Target, classes((0..40).map(|i| i % 2))),
    ]);
    let how = |test| {
        split(&all, Task::Classify, &SplitSettings::new(test, 7))
            .unwrap()
            .how
    };
    assert_eq!(
        how(TestPart::Given),
        "given test file; validation: 15% of the training rows, at random, stratified by class, seed 7"
    );
    assert_eq!(
        how(TestPart::Random { fraction: 0.125 }),
        "test: 12.5% of the rows, at random, stratified by class, seed 7; \
         validation: 15% of the training rows, at random, stratified by class, seed 7"
    );
    let column = "who".to_string();
    assert!(
        how(TestPart::Group {
            column,
            fraction: 0.2
        })
        .contains("whole entities of `who`")
    );
    let column = "year".to_string();
    assert!(
        how(TestPart::Time {
            column,
            fraction: 0.2
        })
        .starts_with("test: 20% of the rows, the latest by `year`;")
    );
}

#[test]
fn a_given_test_file_still_keeps_entities_whole() {
    let all = rows(vec![
        ("who", Role::Entity, classes((0..40).map(|i| i / 4))),
        ("y", Role::Target, classes((0..40).map(|i| i % 2))),
    ]);
    let split = split(
        &all,
        Task::Classify,
        &SplitSettings::new(TestPart::Given, 1),
    )
    .unwrap();
    let of = |part: &[usize]| part.iter().map(|&row| row / 4).collect::<BTreeSet<_>>();
    assert!(of(&split.train).is_disjoint(&of(&split.validation)));
    assert!(!split.validation.is_empty() && split.test.is_empty());
}

#[test]
fn what_cannot_be_split_is_an_error_that_says_why() {
    let all = rows(vec![
        (
            "when",
            Role::Time,
            Values::Times(vec![Some(1), None, Some(2), None]),
        ),
        ("same", Role::Number, Values::Numbers(vec![1.0; 4])),
        ("word", Role::Text, classes(0..4)),
        ("y", Role::Target, classes((0..4).map(|i| i % 2))),
    ]);
    let says = |test: TestPart| {
        let error = split(&all, Task::Classify, &SplitSettings::new(test, 1)).unwrap_err();
        error.to_string()
    };
    let time = |column: &str| TestPart::Time {
        column: column.into(),
        fraction: 0.2,
    };
    assert_eq!(
        says(time("when")),
        "the split by `when` needs a time in every row, and 2 rows have none, the first of them row 1"
    );
    assert_eq!(
        says(time("same")),
        "the split by `same` needs 3 different times, and there are 1"
    );
    assert_eq!(
        says(time("word")),
        "column `word` cannot be used as a time: it is read as text"
    );
    assert!(says(time("wen")).starts_with("there is no column `wen` for the split by time"));
    let group = TestPart::Group {
        column: "same".into(),
        fraction: 0.2,
    };
    assert_eq!(
        says(group),
        "column `same` holds 1 entities, too few to be split: 3 are needed"
    );
    assert_eq!(
        says(TestPart::Random { fraction: 1.0 }),
        "the test fraction must be above 0 and below 1, and it is 1"
    );
    let two = rows(vec![("y", Role::Target, classes(0..2))]);
    let error = split(&two, Task::Classify, &random(0.5, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 rows are too few to be split: 3 are needed"
    );
    let none = rows(vec![("y", Role::Target, Values::Strings(vec![None; 5]))]);
    let error = split(&none, Task::Classify, &random(0.5, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no row has a value in the target column `y`"
    );
}
