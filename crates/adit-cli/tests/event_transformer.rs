//! Histories read by a transformer over their events: what only their order tells, from files to report.

mod tool;

use std::fmt::Write as _;

use tool::{Bench, drawn};

/// Customers with the same events each, as often and at the same moments; those who spend right after their salary
/// default, those who spend before it do not. What happens after the cut-off says it outright.
fn customers(n: usize, with_answer: bool) -> (String, Vec<String>) {
    let mut chance = drawn();
    let mut events = String::from("who,at,kind,amount\n");
    let mut labels = Vec::new();
    for who in 0..n {
        let defaults = chance(2) == 0;
        // Neither the first event nor the last says anything.
        let _ = writeln!(events, "c{who},2024-01-01T08:00:00,other,5");
        let _ = writeln!(events, "c{who},2024-05-30T08:00:00,other,5");
        for month in 1..=4 {
            let day = 5 + chance(18);
            let pair = if defaults {
                ["salary", "spend"]
            } else {
                ["spend", "salary"]
            };
            let _ = writeln!(
                events,
                "c{who},2024-{month:02}-{day:02}T09:00:00,{},100",
                pair[0]
            );
            let _ = writeln!(
                events,
                "c{who},2024-{month:02}-{day:02}T17:00:00,{},100",
                pair[1]
            );
            let other = 1 + chance(27);
            let _ = writeln!(
                events,
                "c{who},2024-{month:02}-{other:02}T20:00:00,other,{}",
                chance(90)
            );
        }
        let after = if with_answer && defaults {
            "collection"
        } else {
            "bonus"
        };
        let _ = writeln!(events, "c{who},2024-06-02T00:00:00,{after},1");
        labels.push(format!("c{who},2024-06-01,{}", u8::from(defaults)));
    }
    (events, labels)
}

fn file(labels: &[String]) -> String {
    format!("who,until,default\n{}\n", labels.join("\n"))
}

const COLUMNS: [&str; 10] = [
    "--entity",
    "who",
    "--time",
    "at",
    "--cutoff",
    "until",
    "--target",
    "default",
    "--positive",
    "1",
];

fn learn(bench: &Bench, out: &str, epochs: &str, more: &[&str]) -> serde_json::Value {
    let mut args = vec![
        "classify",
        "events.csv",
        "--labels",
        "train.csv",
        "--test-labels",
        "test.csv",
        "--folds",
        "1",
        "--seeds",
        "1",
        "--epochs",
        epochs,
        "--out",
        out,
        "--quiet",
    ];
    args.extend(COLUMNS);
    args.extend(more);
    bench.adit(&args).ok();
    tool::result(bench, out)
}

fn bench(n: usize, with_answer: bool) -> Bench {
    let bench = Bench::new();
    let (events, labels) = customers(n, with_answer);
    bench.write("events.csv", &events);
    let n_train = 3 * n / 4;
    bench.write("train.csv", file(&labels[..n_train]));
    bench.write("test.csv", file(&labels[n_train..]));
    bench
}

#[test]
fn what_only_order_tells_is_seen_by_the_event_transformer_alone() {
    let bench = bench(600, true);
    let found = learn(&bench, "run", "12", &[]);
    let auc = |model: &str| tool::score(&found, model, "roc_auc");
    assert!(auc("boosted trees") < 0.7, "{}", auc("boosted trees"));
    assert!(
        auc("event transformer") > 0.9,
        "{}",
        auc("event transformer")
    );
    // What raised the scores is told event by event, and both ways of asking add up.
    let reasons = &found["event_reasons"];
    assert_eq!(reasons["class"], "1");
    let histories = reasons["histories"].as_array().expect("histories");
    assert!(!histories.is_empty());
    assert!(
        reasons["incompleteness"].as_f64().expect("a share") < 0.05,
        "{reasons}"
    );
    for history in histories {
        let events = history["events"].as_array().expect("events");
        assert_eq!(events.len(), 14, "none after the cut-off");
        assert!(
            events
                .iter()
                .all(|event| !event["words"].to_string().contains("collection"))
        );
    }
    let html = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    assert!(html.contains("Events that raised and lowered the score"));

    // The saved members predict from the files alone; so does a blend of one that reads the encoder's vectors with one that
    // takes all number columns there are.
    let path = bench.path("run/model/manifest.json");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let saved = manifest["members"].as_array_mut().expect("members");
    saved.retain(|member| member["name"] != "blend");
    let parts = [["perceptron ensemble", "trees over event embedding"]].concat();
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| serde_json::json!([part, 0.5]))
        .collect();
    saved.push(serde_json::json!({ "name": "both", "kind": { "blend": { "parts": parts } } }));
    let names: Vec<String> = (saved.iter())
        .map(|member| member["name"].as_str().expect("a name").to_string())
        .collect();
    assert_eq!(names.len(), 8, "{names:?}");
    std::fs::write(&path, manifest.to_string()).expect("written");
    for member in &names {
        let args = [
            "predict",
            "run",
            "test.csv",
            "--events",
            "events.csv",
            "--member",
            member,
            "-o",
            "told.csv",
            "--force",
        ];
        bench.adit(&args).ok();
        assert_eq!(
            tool::cells(&bench, "told.csv", "predicted").len(),
            150,
            "{member}"
        );
    }
    let predict = |more: &[&str]| {
        let mut args = vec![
            "predict",
            "run",
            "test.csv",
            "--events",
            "events.csv",
            "-o",
            "why.jsonl",
            "--force",
        ];
        args.extend(more);
        bench.adit(&args)
    };
    predict(&["--reasons", "--member", "event transformer"]).ok();
    let told = std::fs::read_to_string(bench.path("why.jsonl")).expect("reasons");
    let raised: Vec<String> = (told.lines())
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["raised"].to_string()
        })
        .collect();
    assert_eq!(raised.len(), 150);
    assert!(
        raised
            .iter()
            .any(|text| text.contains("kind salary") && text.contains("% to ")),
        "{raised:?}"
    );
    let error = predict(&["--reasons", "--member", "boosted trees"]).error();
    assert!(error.contains("event transformer"), "{error}");
    let again = learn(&bench, "again", "12", &["--threads", "1"]);
    assert_eq!(
        again["fingerprint"], found["fingerprint"],
        "threads change what is found"
    );
}

#[test]
fn an_answer_after_the_cut_off_changes_nothing() {
    let scores = |with_answer: bool| scores(&bench(160, with_answer));
    assert_eq!(scores(true), scores(false));
}

/// What every member scores; times differ from run to run and are left out.
fn scores(bench: &Bench) -> Vec<String> {
    let found = learn(bench, "run", "1", &[]);
    let members = found["scoreboard"].as_array().expect("members").iter();
    members
        .map(|m| format!("{} {}", m["model"], m["metrics"]))
        .collect()
}

#[test]
fn an_answer_at_the_moment_of_the_cut_off_and_told_twice_changes_nothing() {
    let scores = |with_answer: bool| {
        let bench = bench(160, with_answer);
        let text = std::fs::read_to_string(bench.path("events.csv")).expect("events");
        let mut planted = String::new();
        for line in text.lines() {
            // A cut-off of a date is the first moment of its day.
            let line = line.replace("2024-06-02T00:00:00", "2024-06-01T00:00:00");
            let times = if line.contains("2024-06-01") { 3 } else { 1 };
            (0..times).for_each(|_| planted += &format!("{line}\n"));
        }
        assert!(planted.matches("2024-06-01T00:00:00").count() == 480);
        bench.write("events.csv", planted);
        scores(&bench)
    };
    assert_eq!(scores(true), scores(false));
}

#[test]
fn an_event_that_stands_twice_before_the_cut_off_is_two_events_for_every_member() {
    // What an event in two copies means is for the data to say: both are read, whatever else lies between them in the file.
    let first = bench(160, false);
    let text = std::fs::read_to_string(first.path("events.csv")).expect("events");
    let (head, rows) = text.split_once('\n').expect("a head");
    first.write("events.csv", format!("{head}\n{rows}{rows}"));
    let apart = scores(&first);
    let second = bench(160, false);
    let twice: Vec<String> = rows.lines().map(|row| format!("{row}\n{row}\n")).collect();
    second.write("events.csv", format!("{head}\n{}", twice.concat()));
    assert_eq!(apart, scores(&second));
}

#[test]
fn the_order_of_the_file_and_the_zone_of_its_times_change_nothing() {
    let first = bench(160, true);
    let told = learn(&first, "run", "1", &[]);
    let text = std::fs::read_to_string(first.path("events.csv")).expect("events");
    let (head, rows) = text.split_once('\n').expect("a head");
    // No two events of one customer share a moment here, so their order is told by their times.
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.reverse();
    first.write("events.csv", format!("{head}\n{}\n", rows.join("\n")));
    let reversed = learn(&first, "reversed", "1", &[]);
    assert_eq!(
        told["scoreboard"][6]["metrics"],
        reversed["scoreboard"][6]["metrics"]
    );
    assert_eq!(told["scoreboard"][6]["model"], "event transformer");
    // The same moments, said in another zone.
    let zoned: Vec<String> = rows
        .iter()
        .map(|row| {
            let mut cells: Vec<String> = row.split(',').map(String::from).collect();
            cells[1].push_str("+00:00");
            cells.join(",")
        })
        .collect();
    first.write("events.csv", format!("{head}\n{}\n", zoned.join("\n")));
    let zoned = learn(&first, "zoned", "1", &[]);
    assert_eq!(
        told["scoreboard"][6]["metrics"],
        zoned["scoreboard"][6]["metrics"]
    );
}

#[test]
fn a_cut_off_that_all_rows_share_is_read() {
    let bench = bench(120, true);
    for name in ["train.csv", "test.csv"] {
        let text = std::fs::read_to_string(bench.path(name)).expect("labels");
        assert_eq!(text.matches("2024-06-01").count(), text.lines().count() - 1);
    }
    let found = learn(&bench, "run", "1", &[]);
    assert_eq!(found["scoreboard"][6]["model"], "event transformer");
}

const PRETRAIN: [&str; 9] = [
    "pretrain",
    "events.csv",
    "--entity",
    "who",
    "--time",
    "at",
    "--epochs",
    "3",
    "--quiet",
];

fn pretrain(bench: &Bench, out: &str, more: &[&str]) {
    let mut args = PRETRAIN.to_vec();
    args.extend(["--out", out]);
    args.extend(more);
    bench.adit(&args).ok();
}

#[test]
fn an_encoder_is_pre_trained_once_and_used_for_vectors_targets_and_what_comes_next() {
    let bench = bench(300, false);
    pretrain(&bench, "encoder", &[]);
    let text = std::fs::read_to_string(bench.path("encoder/pretraining.json")).expect("a record");
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let losses: Vec<f64> = told["held_out"]
        .as_array()
        .expect("epochs")
        .iter()
        .filter_map(|epoch| epoch["loss"].as_f64())
        .collect();
    assert!(losses[3] < 0.8 * losses[0], "{losses:?}");

    bench
        .adit(&[
            "embed",
            "events.csv",
            "--encoder",
            "encoder",
            "-o",
            "vectors.csv",
        ])
        .ok();
    let head = std::fs::read_to_string(bench.path("vectors.csv")).expect("vectors");
    assert_eq!(head.lines().count(), 301);
    assert!(
        head.starts_with("who,events,embedding_1,"),
        "{}",
        head.lines().next().unwrap_or("")
    );

    bench
        .adit(&["predict", "encoder", "events.csv", "-o", "next.csv"])
        .ok();
    let kinds = tool::cells(&bench, "next.csv", "next_kind");
    assert_eq!(kinds.len(), 300);
    let sure: Vec<f64> = tool::cells(&bench, "next.csv", "next_kind_probability")
        .iter()
        .map(|p| p.parse().expect("a number"))
        .collect();
    assert!(sure.iter().all(|p| (0.0..=1.0).contains(p)));
    let median = tool::cells(&bench, "next.csv", "next_in_days_median");
    assert!(
        median
            .iter()
            .all(|days| days.parse::<f64>().is_ok_and(|d| d >= 0.0))
    );

    bench
        .adit(&[
            "predict",
            "encoder",
            "events.csv",
            "--surprise",
            "-o",
            "surprise.csv",
        ])
        .ok();
    let surprise = tool::cells(&bench, "surprise.csv", "surprise");
    assert_eq!(surprise.len(), 15 * 300);
    assert_eq!(
        surprise.iter().filter(|s| s.is_empty()).count(),
        300,
        "the first of each has none"
    );
    assert!(
        surprise
            .iter()
            .filter(|s| !s.is_empty())
            .all(|s| s.parse::<f64>().is_ok_and(|s| s > 0.0))
    );

    let found = learn(&bench, "run", "2", &["--encoder", "encoder"]);
    assert!(tool::score(&found, "event embedding", "roc_auc").is_finite());
    let error = bench
        .adit(&[
            "embed",
            "train.csv",
            "--encoder",
            "encoder",
            "-o",
            "none.csv",
        ])
        .error();
    assert!(error.contains("`at`"), "{error}");
    let error = bench
        .adit(&["predict", "run", "test.csv", "--surprise", "-o", "none.csv"])
        .error();
    assert!(error.contains("encoder of events"), "{error}");
}

#[test]
fn the_order_of_a_file_and_the_memory_for_it_change_no_vector() {
    let bench = bench(300, false);
    pretrain(&bench, "encoder", &[]);
    let text = std::fs::read_to_string(bench.path("events.csv")).expect("events");
    let (head, events) = text.split_once('\n').expect("a header");
    let mut lines: Vec<&str> = events.lines().collect();
    lines.reverse();
    bench.write("backwards.csv", format!("{head}\n{}\n", lines.join("\n")));
    let embed = |events: &str, out: &str, more: &[&str]| {
        let args = ["embed", events, "--encoder", "encoder", "-o", out];
        bench.adit(&[&args, more].concat()).ok();
        std::fs::read(bench.path(out)).expect("vectors")
    };
    let usual = embed("events.csv", "usual.parquet", &[]);
    assert!(usual == embed("backwards.csv", "backwards.parquet", &[]));
    assert!(usual == embed("events.csv", "little.parquet", &["--memory", "1"]));
    // What is learned from has to be held.
    bench.write("many.csv", customers(2_400, false).0);
    let args = [
        "pretrain", "many.csv", "--entity", "who", "--time", "at", "--memory", "1", "--out", "no",
    ];
    let error = bench.adit(&args).error();
    assert!(
        error.contains("events take about") && error.contains("--memory"),
        "{error}"
    );
    assert!(!bench.path("no").exists());
}

#[test]
fn a_pre_training_that_was_killed_ends_with_the_same_weights_and_for_any_threads() {
    let bench = bench(200, false);
    let weights =
        |out: &str| std::fs::read(bench.path(out).join("events.safetensors")).expect("weights");
    pretrain(&bench, "whole", &[]);
    pretrain(&bench, "one", &["--threads", "1"]);
    assert!(
        weights("whole") == weights("one"),
        "threads change the weights"
    );
    let mut args = PRETRAIN.to_vec();
    args.extend(["--out", "broken", "--resume", "--checkpoint-seconds", "0"]);
    let mut killed = 0;
    for at in 0..8u64 {
        let mut child = bench
            .command()
            .args(&args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(std::time::Duration::from_millis(80 + at * 53 % 120));
        let ended = child.try_wait().expect("a state").is_some();
        child.kill().expect("killed");
        child.wait().expect("ended");
        killed += u32::from(!ended);
        if bench.path("broken").exists() {
            break;
        }
    }
    if !bench.path("broken").exists() {
        bench.adit(&args).ok();
    }
    assert!(killed > 0, "never killed in the middle");
    assert!(weights("whole") == weights("broken"));
    let mut other = args.clone();
    other.extend(["--seed", "2"]);
    assert!(bench.adit(&other).error().contains("is not replaced"));
}

#[test]
fn simulated_histories_are_written_whole_and_run() {
    let bench = Bench::new();
    bench
        .adit(&["demo", "events", "--customers", "60", "--out", "cards"])
        .ok();
    assert_eq!(bench.entries(), ["cards"]);
    let labels = ["train_labels.csv", "test_labels.csv"].map(|name| {
        std::fs::read_to_string(bench.path("cards").join(name))
            .expect("labels")
            .lines()
            .count()
            - 1
    });
    assert_eq!(labels.iter().sum::<usize>(), 60);
    let error = bench
        .adit(&["demo", "events", "--customers", "60", "--out", "cards"])
        .error();
    assert!(error.contains("is not replaced"), "{error}");
    bench
        .adit(&["demo", "events", "--customers", "60", "--out", "again"])
        .ok();
    let events =
        |folder: &str| std::fs::read(bench.path(folder).join("events.csv")).expect("events");
    assert!(events("cards") == events("again"));
}

#[test]
fn a_damaged_encoder_of_events_is_an_error_that_names_the_file() {
    let bench = bench(60, false);
    pretrain(&bench, "encoder", &[]);
    let path = bench.path("encoder/events.json");
    let whole = std::fs::read_to_string(&path).expect("a model");
    let model: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    let mut odd = Vec::new();
    let mut with = |pointer: &str, value: serde_json::Value| {
        let mut changed = model.clone();
        *changed.pointer_mut(pointer).expect(pointer) = value;
        odd.push(changed.to_string());
    };
    with("/version", 99.into());
    with("/model/fields/gap/edges", serde_json::json!([1.0]));
    with(
        "/model/fields/gap/edges",
        serde_json::json!([2.0, 1.0, 3.0]),
    );
    with("/model/fields/gap/unit", 0.into());
    with("/model/fields/numbers/0/scale/deviation", 0.into());
    with("/model/shape/window", 0.into());
    with("/model/shape/n_heads", 0.into());
    with("/model/shape/width", 7.into());
    with("/model/shape/n_layers", 5.into());
    with(
        "/model/fields/categories/0/buckets",
        4_000_000_000u32.into(),
    );
    odd.extend([
        String::new(),
        "{}".into(),
        whole[..whole.len() / 2].to_string(),
    ]);
    for (at, text) in odd.iter().enumerate() {
        std::fs::write(&path, text).expect("written");
        for args in [
            &[
                "embed",
                "events.csv",
                "--encoder",
                "encoder",
                "-o",
                "out.csv",
            ][..],
            &[
                "predict",
                "encoder",
                "events.csv",
                "--surprise",
                "-o",
                "out.csv",
            ],
        ] {
            let error = bench.adit(args).error();
            assert!(
                !error.contains("panicked") && !error.is_empty(),
                "{at}: {error}"
            );
            assert!(!bench.path("out.csv").exists(), "{at}");
        }
    }
}
