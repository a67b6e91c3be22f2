use super::*;

use crate::mine::PredictionsError;

/// Test rows of a target with a signal, and members that know more or less of it.
struct Scene {
    truth: Target,
    row_ids: Vec<u64>,
    majority: Vec<Predictions>,
    linear: Vec<Predictions>,
    transformer: Vec<Predictions>,
}

/// Scatters whole numbers over 0 to 1.
fn noise(row: usize, of: u64) -> f64 {
    let mixed = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ of.wrapping_mul(0xD1B5_4A32_D192_ED03);
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f64 / f64::from(1u32 << 24)
}

fn scene(n: usize, n_classes: usize, linear: f64, transformer: f64) -> Scene {
    let codes: Vec<u32> = (0..n)
        .map(|row| (noise(row, 1) * n_classes as f64) as u32)
        .collect();
    let knowing = |share: f64, seed: u64| {
        let chances = codes.iter().enumerate().flat_map(|(row, &code)| {
            let said = if noise(row, seed) < share {
                code
            } else {
                (noise(row, seed + 100) * n_classes as f64) as u32
            };
            let top = 0.6 + 0.3 * noise(row, seed + 200);
            let rest = (1.0 - top) / (n_classes - 1) as f64;
            (0..n_classes as u32).map(move |class| (if class == said { top } else { rest }) as f32)
        });
        Predictions::Probabilities {
            n_classes,
            values: chances.collect(),
        }
    };
    let mut prior = vec![0.4 / (n_classes - 1) as f32; n_classes];
    prior[1] = 0.6;
    Scene {
        majority: vec![Predictions::Probabilities {
            n_classes,
            values: prior.repeat(n),
        }],
        linear: vec![knowing(linear, 10)],
        transformer: (0..3).map(|seed| knowing(transformer, 20 + seed)).collect(),
        row_ids: (0..n as u64).map(|row| 1_000 + row).collect(),
        truth: Target::Classes {
            codes,
            names: ["A", "B", "C"][..n_classes]
                .iter()
                .map(|&name| name.into())
                .collect(),
        },
    }
}

fn member<'a>(
    name: &str,
    role: MemberRole,
    test: &'a [Predictions],
    validation: f64,
) -> JudgedMember<'a> {
    JudgedMember {
        name: name.to_string(),
        role,
        test: &test[test.len() - 1],
        singles: if test.len() > 1 { test } else { &[] },
        validation_score: Some(validation),
        fold_scores: Vec::new(),
        threshold: None,
        train_score: None,
        settings: vec![("epochs".to_string(), "3".to_string())],
        seconds: 1.0,
        peak_bytes: 0,
        histories: Vec::new(),
    }
}

fn cells(at: usize) -> Vec<(String, String)> {
    vec![("x".to_string(), at.to_string())]
}

fn input<'a>(scene: &'a Scene, validation: [f64; 3]) -> JudgeInput<'a> {
    JudgeInput {
        task: Task::Classify,
        target_name: "grade",
        test_truth: &scene.truth,
        test_row_ids: &scene.row_ids,
        members: vec![
            member(
                "majority",
                MemberRole::Baseline,
                &scene.majority,
                validation[0],
            ),
            member("linear", MemberRole::Linear, &scene.linear, validation[1]),
            member(
                "row transformer",
                MemberRole::Transformer,
                &scene.transformer,
                validation[2],
            ),
        ],
        positive: None,
        groups: None,
        seed: 1,
        cells: &cells,
    }
}

fn summary() -> DataSummary {
    DataSummary {
        rows: 10,
        train: 6,
        validation: 2,
        test: 2,
        split: String::new(),
        sources: Vec::new(),
        target: "grade".to_string(),
        classes: Vec::new(),
        columns: Vec::new(),
    }
}

fn findings(input: &JudgeInput) -> Findings {
    judge(
        input,
        summary(),
        Vec::new(),
        vec!["adit run job.toml".to_string()],
    )
    .expect("judged")
}

#[test]
fn two_classes_are_judged_whole() {
    let scene = scene(600, 2, 0.4, 0.8);
    let found = findings(&input(&scene, [0.5, 0.7, 0.9]));
    assert_eq!(
        (found.task.as_str(), found.selection_metric.as_str()),
        ("classify", "roc_auc")
    );
    assert_eq!(
        (found.chosen.as_str(), found.positive_class.as_deref()),
        ("row transformer", Some("B"))
    );
    assert!(found.transformer_is_better);
    assert!(
        found
            .verdict
            .starts_with("The row transformer is better than the linear model: ROC AUC 0."),
        "{}",
        found.verdict
    );
    let test = found.paired_test.as_ref().expect("a paired test");
    assert_eq!(
        (test.better.as_str(), test.worse.as_str()),
        ("row transformer", "linear")
    );
    let seeds: Vec<usize> = found.scoreboard.iter().map(|member| member.seeds).collect();
    assert_eq!(seeds, [1, 1, 3]);
    assert!(
        found
            .scoreboard
            .iter()
            .all(|member| member.metrics.len() == 14)
    );
    assert_eq!(found.scoreboard[0].metrics["roc_auc"].value, 0.5);
    assert_eq!(found.curves.len(), 3);
    assert_eq!(
        found
            .confusion
            .as_ref()
            .map(|counts| counts.counts.iter().flatten().sum()),
        Some(600u64)
    );
    assert_eq!((found.class_scores.len(), found.warnings.len()), (2, 0));
    assert!(found.calibration.is_some() && found.scatter.is_none());
    let worst = &found.worst_errors[0];
    assert_eq!(worst.cells, cells((worst.row - 1_000) as usize));
    assert!(
        found
            .worst_errors
            .iter()
            .all(|error| error.truth != error.predicted)
    );
}

#[test]
fn the_choice_falls_on_validation_rows_alone() {
    let scene = scene(600, 2, 0.4, 0.8);
    let found = findings(&input(&scene, [0.5, 0.7, 0.6]));
    assert_eq!(found.chosen, "linear");
    assert!(
        found.verdict.contains("but not on the validation rows"),
        "{}",
        found.verdict
    );
}

#[test]
fn a_transformer_without_an_edge_is_called_no_better() {
    let scene = scene(400, 2, 0.8, 0.6);
    let found = findings(&input(&scene, [0.5, 0.9, 0.8]));
    assert!(!found.transformer_is_better);
    assert!(
        found.verdict.ends_with(": use the linear model."),
        "{}",
        found.verdict
    );
}

#[test]
fn without_a_signal_nothing_beats_one_answer() {
    let scene = scene(300, 2, 0.0, 0.0);
    let found = findings(&input(&scene, [0.5, 0.52, 0.51]));
    assert!(
        found
            .verdict
            .starts_with("Nothing beats always answering 'B': the linear model has ROC AUC 0."),
        "{}",
        found.verdict
    );
    assert!(!found.transformer_is_better);
}

#[test]
fn three_classes_are_chosen_by_accuracy_and_have_no_positive_one() {
    let scene = scene(50, 3, 0.7, 0.8);
    let found = findings(&input(&scene, [0.3, 0.7, 0.8]));
    assert_eq!(
        (
            found.selection_metric.as_str(),
            found.positive_class.as_deref()
        ),
        ("accuracy", None)
    );
    assert!(found.curves.is_empty() && !found.scoreboard[1].metrics.contains_key("f1"));
    assert_eq!(
        found.calibration.expect("top class").what,
        "probability of the predicted class"
    );
    assert_eq!(
        found
            .warnings
            .iter()
            .map(|warning| warning.kind.as_str())
            .collect::<Vec<_>>(),
        ["few_test_rows"]
    );
}

#[test]
fn one_class_in_the_test_rows_is_said_and_nothing_is_nan() {
    let mut scene = scene(120, 2, 0.7, 0.8);
    scene.truth = Target::Classes {
        codes: vec![0; 120],
        names: vec!["A".into(), "B".into()],
    };
    let found = findings(&input(&scene, [0.5, 0.7, 0.8]));
    assert!(!found.scoreboard[2].metrics.contains_key("roc_auc") && found.paired_test.is_none());
    assert_eq!(
        found.verdict,
        "The test rows cannot tell the models apart: ROC AUC is not defined for them."
    );
    assert_eq!(found.warnings[0].kind, "one_class_in_test");
    let json = serde_json::to_string(&found).expect("serialises");
    assert!(!json.contains("\"value\":null") && !json.contains("\"low\":null"));
}

#[test]
fn numbers_are_judged_by_their_errors() {
    let truth: Vec<f64> = (0..150).map(|row| 20.0 + 10.0 * noise(row, 1)).collect();
    let near = |by: f64, seed: u64| {
        let values = truth
            .iter()
            .enumerate()
            .map(|(row, value)| value + by * (noise(row, seed) - 0.5))
            .collect();
        vec![Predictions::Numbers(values)]
    };
    let (mean, linear, transformer) = (
        vec![Predictions::Numbers(vec![25.0; 150])],
        near(4.0, 2),
        near(2.0, 3),
    );
    let (truth, row_ids) = (
        Target::Numbers(truth.clone()),
        (0..150).collect::<Vec<u64>>(),
    );
    let input = JudgeInput {
        task: Task::Regress,
        target_name: "strength",
        test_truth: &truth,
        test_row_ids: &row_ids,
        members: vec![
            member("mean", MemberRole::Baseline, &mean, 3.0),
            member("linear", MemberRole::Linear, &linear, 1.2),
            member(
                "row transformer",
                MemberRole::Transformer,
                &transformer,
                0.6,
            ),
        ],
        positive: None,
        groups: None,
        seed: 1,
        cells: &cells,
    };
    let found = findings(&input);
    assert_eq!(
        (found.chosen.as_str(), found.selection_metric.as_str()),
        ("row transformer", "rmse")
    );
    assert!(found.transformer_is_better && found.confusion.is_none());
    assert!(
        found.verdict.contains("RMSE 0.") && found.verdict.contains("difference −0."),
        "{}",
        found.verdict
    );
    assert_eq!(
        found.scatter.as_ref().map(|scatter| scatter.truth.len()),
        Some(150)
    );
    let sizes: Vec<f64> = found
        .worst_errors
        .iter()
        .map(|error| error.score.abs())
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.len() == 20);
    let only_mean = JudgeInput {
        members: vec![member("mean", MemberRole::Baseline, &mean, 3.0)],
        ..input
    };
    assert_eq!(
        findings(&only_mean).verdict,
        "Always answering 25 was not compared with anything."
    );
}

#[test]
fn findings_do_not_depend_on_the_number_of_threads() {
    let scene = scene(200, 3, 0.7, 0.8);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        let truth = (scene.truth.clone(), scene.row_ids.clone());
        let (majority, linear, transformer) = (&scene.majority, &scene.linear, &scene.transformer);
        pool.install(move || {
            let scene = Scene {
                truth: truth.0,
                row_ids: truth.1,
                majority: majority.clone(),
                linear: linear.clone(),
                transformer: transformer.clone(),
            };
            serde_json::to_string(&findings(&input(&scene, [0.3, 0.7, 0.8]))).expect("serialises")
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let scene = scene(30, 2, 0.7, 0.8);
    let refused = |change: &dyn Fn(&mut JudgeInput)| {
        let mut input = input(&scene, [0.5, 0.7, 0.8]);
        change(&mut input);
        judge(&input, summary(), Vec::new(), Vec::new())
            .map(|_| ())
            .expect_err("refused")
    };
    assert_eq!(
        refused(&|input| input.members.clear()),
        ExplainError::NoMembers
    );
    assert_eq!(
        refused(&|input| input.positive = Some(2)),
        ExplainError::Positive {
            positive: 2,
            n_classes: 2
        }
    );
    assert_eq!(
        refused(&|input| input.test_row_ids = &[1]),
        ExplainError::Rows {
            what: "row ids",
            found: 1,
            expected: 30
        }
    );
    assert_eq!(
        refused(&|input| input.members[1].name = "majority".into()),
        ExplainError::SameName {
            member: "majority".into()
        }
    );
    assert_eq!(
        refused(&|input| input.task = Task::Regress),
        ExplainError::Task {
            task: "regress",
            found: "classes"
        }
    );
    let short = [Predictions::Numbers(vec![1.0])];
    let mut with_numbers = input(&scene, [0.5, 0.7, 0.8]);
    with_numbers.members[1].test = &short[0];
    let error = judge(&with_numbers, summary(), Vec::new(), Vec::new())
        .map(|_| ())
        .expect_err("refused");
    let cause = PredictionsError::NotProbabilities;
    assert_eq!(
        error,
        ExplainError::Predictions {
            member: "linear".into(),
            seed: 0,
            cause
        }
    );
    assert_eq!(
        error.to_string(),
        "member 'linear', seed 0: numbers are predicted, expected class probabilities"
    );
}
