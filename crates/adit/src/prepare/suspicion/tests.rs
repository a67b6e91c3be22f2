use super::super::{RowColumn, Values};
use super::*;

fn rows(columns: Vec<(&str, Role, Values)>, n: u64) -> Rows {
    Rows {
        row_ids: (0..n).collect(),
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

fn half(n: usize) -> Split {
    Split {
        train: (0..n / 2).collect(),
        validation: Vec::new(),
        test: (n / 2..n).collect(),
        how: String::new(),
    }
}

fn numbers(n: usize, of: impl Fn(usize) -> f64) -> Values {
    Values::Numbers((0..n).map(of).collect())
}

fn words(n: usize, of: impl Fn(usize) -> String) -> Values {
    Values::Strings((0..n).map(|i| Some(of(i))).collect())
}

fn bare(rows: &Rows, split: &Split, task: Task) -> Vec<Suspicion> {
    let profile = Profile {
        n_rows: rows.n_rows() as u64,
        duplicate_rows: 0,
        duplicate_rows_is_exact: true,
        columns: Vec::new(),
    };
    suspicions(&profile, &[], rows, split, (task, None))
}

fn kinds(found: &[Suspicion]) -> Vec<(&'static str, Option<&str>)> {
    found
        .iter()
        .map(|s| (s.kind, s.column.as_deref()))
        .collect()
}

/// Numbers without rhyme: 0 to 1, the same in every run.
fn noise(i: usize) -> f64 {
    (i as f64 * 12.9898)
        .sin()
        .mul_add(43_758.545, 0.0)
        .rem_euclid(1.0)
}

#[test]
fn near_copies_of_classes_are_found_among_honest_columns() {
    let n = 400;
    let class = |i: usize| usize::from(noise(i) > 0.6);
    let table = rows(
        vec![
            ("y", Role::Target, words(n, |i| format!("c{}", class(i)))),
            (
                "honest",
                Role::Number,
                numbers(n, |i| class(i) as f64 + 3.0 * noise(i + 7000)),
            ),
            (
                "score",
                Role::Number,
                numbers(n, |i| class(i) as f64 + 0.9 * noise(i + 500)),
            ),
            (
                "reason",
                Role::Category,
                words(n, |i| format!("r{}", 2 * class(i) + i % 2)),
            ),
            (
                "colour",
                Role::Category,
                words(n, |i| format!("k{}", i % 5)),
            ),
            (
                "closed",
                Role::Number,
                numbers(n, |i| {
                    if class(i) == 1 {
                        noise(i + 900)
                    } else {
                        f64::NAN
                    }
                }),
            ),
        ],
        n as u64,
    );
    let found = bare(&table, &half(n), Task::Classify);
    let kind = "copy_of_target";
    assert_eq!(
        kinds(&found),
        [
            (kind, Some("score")),
            (kind, Some("reason")),
            ("filled_after_event", Some("closed"))
        ]
    );
    assert!(found.iter().all(|s| s.leave_out && s.is_leak));
    assert_eq!(found[0].evidence[0], ("ROC-AUC", 1.0));
    assert!(
        found[2].message.contains("whether a value is there"),
        "{}",
        found[2].message
    );
}

#[test]
fn near_copies_of_a_number_are_found_among_honest_columns() {
    let n = 300;
    let table = rows(
        vec![
            ("y", Role::Target, numbers(n, |i| 10.0 * noise(i))),
            (
                "rounded",
                Role::Number,
                numbers(n, |i| (100.0 * noise(i)).round()),
            ),
            (
                "honest",
                Role::Number,
                numbers(n, |i| noise(i) + noise(i + 5000)),
            ),
        ],
        n as u64,
    );
    let found = bare(&table, &half(n), Task::Regress);
    assert_eq!(kinds(&found), [("copy_of_target", Some("rounded"))]);
}

#[test]
fn test_rows_that_are_training_rows_are_counted() {
    let n = 200;
    let table = rows(
        vec![
            ("row", Role::Id, numbers(n, |i| i as f64)),
            (
                "x",
                Role::Number,
                numbers(n, |i| if i < 110 { (i % 100) as f64 } else { i as f64 }),
            ),
            (
                "t",
                Role::Text,
                words(n, |i| format!("{}word", " ".repeat(i % 2))),
            ),
            ("y", Role::Target, words(n, |i| format!("c{}", i % 2))),
        ],
        n as u64,
    );
    let found = bare(&table, &half(n), Task::Classify);
    assert_eq!(kinds(&found), [("rows_in_train_and_test", None)]);
    assert_eq!(found[0].evidence[0], ("rows", 10.0));
    assert!(
        found[0].message.starts_with("10 of 100 test rows (10.0%)"),
        "{}",
        found[0].message
    );
}

#[test]
fn uneven_and_unseen_classes_are_named() {
    let n = 400;
    let class = |i: usize| match i {
        0..3 => "rare",
        390.. => "late",
        _ => "usual",
    };
    let table = rows(
        vec![
            ("x", Role::Number, numbers(n, noise)),
            ("y", Role::Target, words(n, |i| class(i).into())),
        ],
        n as u64,
    );
    let found = bare(&table, &half(n), Task::Classify);
    let y = Some("y");
    assert_eq!(
        kinds(&found),
        [
            ("tiny_class", y),
            ("imbalance", y),
            ("class_not_in_training", y)
        ]
    );
    assert!(
        found[0].message.contains("`rare` (3)"),
        "{}",
        found[0].message
    );
    assert!(
        found[2].message.contains("`late` (10)"),
        "{}",
        found[2].message
    );
}

fn profiled(name: &str) -> ColumnProfile {
    ColumnProfile {
        name: name.into(),
        column_type: ColumnType::Float,
        missing: 0,
        blanks: 0,
        non_numeric: Vec::new(),
        distinct: 50,
        distinct_is_exact: true,
        min: None,
        max: None,
        mean: None,
        standard_deviation: None,
        quantiles: Vec::new(),
        histogram: Vec::new(),
        top_values: Vec::new(),
        examples: Vec::new(),
        mean_chars: 1.0,
        max_chars: 1,
        mean_words: 1.0,
        whole_numbers: false,
        increasing: false,
    }
}

#[test]
fn what_the_profile_shows_is_said_with_its_numbers() {
    let n = 100;
    let constant = ColumnProfile {
        distinct: 1,
        ..profiled("constant")
    };
    let empty = ColumnProfile {
        distinct: 0,
        missing: n,
        ..profiled("empty")
    };
    let blank = ColumnProfile {
        missing: 11,
        blanks: 11,
        ..profiled("blank")
    };
    let junk = ColumnProfile {
        non_numeric: vec![(4, "n/a".into())],
        ..profiled("junk")
    };
    let sparse = ColumnProfile {
        missing: 80,
        ..profiled("sparse")
    };
    let id = profiled("id");
    let columns = vec![constant, empty, blank, junk, sparse, id];
    let roles = [
        Role::Ignore,
        Role::Ignore,
        Role::Number,
        Role::Number,
        Role::Number,
        Role::Id,
    ];
    let roles: Vec<ColumnRole> = columns
        .iter()
        .zip(roles)
        .map(|(column, role)| ColumnRole {
            name: column.name.clone(),
            role,
            reason: "by rule".into(),
        })
        .collect();
    let profile = Profile {
        n_rows: n,
        duplicate_rows: 7,
        duplicate_rows_is_exact: true,
        columns,
    };
    let nothing = rows(Vec::new(), 0);
    let found = suspicions(&profile, &roles, &nothing, &half(0), (Task::Regress, None));
    assert_eq!(
        kinds(&found),
        [
            ("duplicate_rows", None),
            ("constant_column", Some("constant")),
            ("all_missing", Some("empty")),
            ("blanks_in_number", Some("blank")),
            ("not_a_number", Some("junk")),
            ("many_missing", Some("sparse")),
            ("id_like", Some("id")),
        ]
    );
    assert_eq!(
        found[3].message,
        "`blank` is a number column and 11 of 100 cells are blank"
    );
    assert!(
        found[4].message.contains("row 4 holds `n/a`"),
        "{}",
        found[4].message
    );
}
