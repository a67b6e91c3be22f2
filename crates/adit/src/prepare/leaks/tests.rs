use super::*;
use crate::prepare::Task;
use crate::prepare::overlap::{rows_also_in_training, shared_rows};

const DAY: i64 = 86_400_000;

fn column(name: &str, role: Role, values: Values) -> RowColumn {
    RowColumn {
        name: name.into(),
        role,
        values,
    }
}

/// Numbers without rhyme: 0 to 1, the same in every run.
fn noise(i: usize) -> f64 {
    adit_nn::random::mix(5, i as u64) as f64 / u64::MAX as f64
}

fn numbers(n: usize, of: impl Fn(usize) -> f64) -> Values {
    Values::Numbers((0..n).map(of).collect())
}

fn times(n: usize, of: impl Fn(usize) -> Option<i64>) -> Values {
    Values::Times((0..n).map(of).collect())
}

fn class(i: usize) -> bool {
    noise(i) > 0.6
}

/// 400 rows in the order of their time, the last hundred of them for testing, with an honest column.
fn table(more: Vec<RowColumn>) -> (Rows, Split) {
    let n = 400;
    let words = |i: usize| Some(if class(i) { "yes" } else { "no" }.to_string());
    let mut columns = vec![
        column(
            "y",
            Role::Target,
            Values::Strings((0..n).map(words).collect()),
        ),
        column("when", Role::Time, times(n, |i| Some(i as i64 * DAY))),
        column(
            "honest",
            Role::Number,
            numbers(n, |i| {
                f64::from(u8::from(class(i))) + 2.0 * noise(i + 9_000)
            }),
        ),
    ];
    columns.extend(more);
    let rows = Rows {
        row_ids: (0..n as u64).collect(),
        columns,
    };
    let split = Split {
        train: (0..300).collect(),
        validation: Vec::new(),
        test: (300..n).collect(),
        how: String::new(),
    };
    (rows, split)
}

fn found(more: Vec<RowColumn>) -> Vec<(&'static str, String, bool)> {
    let (rows, split) = table(more);
    let truth = Truth::of(&rows, &split.train, Task::Classify);
    leaks(&rows, &split, truth.as_ref(), Some("when"))
        .into_iter()
        .map(|s| (s.kind, s.column.unwrap_or_default(), s.leave_out))
        .collect()
}

#[test]
fn honest_columns_raise_nothing() {
    let n = 400;
    let honest = vec![
        column(
            "opened",
            Role::Time,
            times(n, |i| Some((i as i64 - 40) * DAY)),
        ),
        column(
            "sparse",
            Role::Number,
            numbers(n, |i| if i % 3 == 0 { noise(i) } else { f64::NAN }),
        ),
        column(
            "shuffled",
            Role::Number,
            numbers(n, |i| ((i * 171) % 400) as f64),
        ),
        column("few", Role::Number, numbers(n, |i| (i % 7) as f64)),
    ];
    assert_eq!(found(honest), []);
}

#[test]
fn copies_of_the_target_are_left_out_and_near_copies_are_shown() {
    let n = 400;
    let coded = numbers(n, |i| if class(i) { 7.0 } else { 3.0 });
    let near = numbers(n, |i| {
        let flipped = noise(i + 700) < 0.01;
        f64::from(u8::from(class(i) ^ flipped)) + noise(i + 31)
    });
    let leaks = found(vec![
        column("coded", Role::Number, coded),
        column("near", Role::Number, near),
    ]);
    assert_eq!(
        leaks,
        [
            ("copy_of_target", "coded".to_string(), true),
            ("near_copy_of_target", "near".to_string(), false)
        ]
    );
}

#[test]
fn what_is_filled_in_after_the_event_is_left_out() {
    let n = 400;
    let only_if = numbers(n, |i| if class(i) { noise(i) } else { f64::NAN });
    let gone = numbers(n, |i| if i < 300 { noise(i + 3) } else { f64::NAN });
    let closed = times(n, |i| Some(i as i64 * DAY + DAY / 2));
    let leaks = found(vec![
        column("only_if", Role::Number, only_if),
        column("gone", Role::Number, gone),
        column("closed", Role::Time, closed),
    ]);
    let kind = "filled_after_event";
    let names: Vec<String> = ["only_if", "gone", "closed"].map(String::from).into();
    assert_eq!(
        leaks,
        names
            .into_iter()
            .map(|n| (kind, n, true))
            .collect::<Vec<_>>()
    );
}

#[test]
fn times_after_the_cut_are_left_out() {
    let settled = times(400, |i| {
        Some((i as i64 + if i % 4 == 0 { 200 } else { -5 }) * DAY)
    });
    let leaks = found(vec![column("settled", Role::Time, settled)]);
    assert_eq!(leaks, [("time_after_cut", "settled".to_string(), true)]);
}

#[test]
fn a_number_that_remembers_how_the_table_was_sorted_is_left_out() {
    // Rows were numbered when all of one class stood first.
    let n = 400;
    let first: usize = (0..n).filter(|&i| class(i)).count();
    let mut next = [0, first];
    let ids: Vec<f64> = (0..n)
        .map(|i| {
            let at = &mut next[usize::from(!class(i))];
            *at += 1;
            // A tenth of the rows came later, in any order.
            if i % 10 == 0 {
                400.0 + i as f64 / 10.0
            } else {
                *at as f64
            }
        })
        .collect();
    let (rows, split) = table(vec![column("nr", Role::Number, Values::Numbers(ids))]);
    let truth = Truth::of(&rows, &split.train, Task::Classify);
    let found = leaks(&rows, &split, truth.as_ref(), None);
    assert!(
        found
            .iter()
            .any(|s| s.column.as_deref() == Some("nr") && s.leave_out),
        "{found:?}"
    );
}

#[test]
fn rows_that_were_copied_into_the_test_part_are_found_with_noise_or_without() {
    let copy = |amount: f64, copied: usize| {
        let n = 400;
        let of = |shift: usize| {
            numbers(n, move |i| {
                let from = if i >= 400 - copied { i - 300 } else { i };
                noise(from * 3 + shift) + amount * (noise(i + shift * 77) - 0.5)
            })
        };
        let columns = vec![
            column(
                "y",
                Role::Target,
                numbers(n, |i| f64::from(u8::from(class(i)))),
            ),
            column("a", Role::Number, of(0)),
            column("b", Role::Number, of(1)),
            column("c", Role::Number, of(2)),
            column("d", Role::Number, of(5)),
        ];
        let (_, split) = table(Vec::new());
        let rows = Rows {
            row_ids: (0..n as u64).collect(),
            columns,
        };
        let kind = shared_rows(&rows, &split, &[]).map(|s| s.kind);
        (
            kind,
            rows_also_in_training(&rows, &split, &[])
                .iter()
                .filter(|s| **s)
                .count(),
        )
    };
    assert_eq!(copy(0.0, 30), (Some("rows_in_train_and_test"), 30));
    assert_eq!(copy(0.01, 30), (Some("near_rows_in_train_and_test"), 0));
    assert_eq!(copy(0.0, 0), (None, 0));
}
