//! From data to report and on to new rows, as a user would.

mod tool;

use std::path::Path;

use tool::{Bench, QUICK, small_table, workspace};

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn result(run: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&read(run.as_ref().join("result.json"))).expect("JSON")
}

#[test]
fn a_run_holds_everything_that_is_promised() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(200));
    let mut args = vec!["classify", "data.csv", "--target", "y"];
    args.extend(QUICK);
    let ended = bench.adit(&args).ok();
    assert!(
        ended.stdout.contains("runs/data-y/report.html"),
        "{}",
        ended.stdout
    );
    let run = bench.path("runs/data-y");
    for file in [
        "report.html",
        "result.json",
        "predictions.parquet",
        "job.toml",
        "MODEL_CARD.md",
        "model/manifest.json",
        "model/preparation.json",
        "model/linear.json",
        "model/row-1.safetensors",
    ] {
        assert!(run.join(file).is_file(), "{file} is not there");
    }
    let found = result(&run);
    assert_eq!(found["task"], "classify");
    assert_eq!(found["data"]["rows"], 200);
    let names: Vec<&str> = found["scoreboard"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|m| m["model"].as_str())
        .collect();
    for name in ["majority", "linear", "row transformer"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // The same verb again takes another folder; nothing is overwritten.
    bench.adit(&args).ok();
    assert!(bench.path("runs/data-y-2/report.html").is_file());
}

#[test]
fn the_job_file_of_a_run_repeats_it() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(150));
    let mut args = vec!["classify", "data.csv", "--target", "y", "--out", "first"];
    args.extend(QUICK);
    bench.adit(&args).ok();
    bench
        .adit(&["run", "first/job.toml", "--out", "second"])
        .ok();
    assert_eq!(
        result(bench.path("first"))["fingerprint"],
        result(bench.path("second"))["fingerprint"]
    );
}

#[test]
fn threads_change_no_byte() {
    let bench = Bench::new();
    let mut prints = Vec::new();
    for example in ["breast-cancer", "concrete"] {
        let job = workspace().join("examples").join(example).join("job.toml");
        let text = std::fs::read_to_string(&job).expect("the job");
        let folder = job
            .parent()
            .expect("a folder")
            .to_string_lossy()
            .into_owned();
        let quick = format!(
            "{}\n[transformer]\nseeds = 2\nepochs = 3\nlearning_rates = [1e-3]\n",
            text.replace("\"train.csv\"", &format!("\"{folder}/train.csv\""))
                .replace("\"test.csv\"", &format!("\"{folder}/test.csv\""))
        );
        bench.write(&format!("{example}.toml"), quick);
        for threads in ["1", "2"] {
            let out = format!("{example}-{threads}");
            bench
                .adit(&[
                    "run",
                    &format!("{example}.toml"),
                    "--out",
                    &out,
                    "--threads",
                    threads,
                ])
                .ok();
            prints.push((
                result(bench.path(&out))["fingerprint"].clone(),
                read(bench.path(&out).join("predictions.parquet")),
            ));
        }
        let (two, one) = (prints.pop(), prints.pop());
        assert!(one == two, "{example}: threads change the result");
    }
}

#[test]
fn predict_gives_the_bits_of_the_run() {
    let bench = Bench::new();
    bench.write("train.csv", small_table(300));
    bench.write("test.csv", small_table(90));
    for member in ["linear", "row transformer", "majority"] {
        let out = format!("run-{member}");
        let mut args = vec![
            "classify",
            "train.csv",
            "--test",
            "test.csv",
            "--target",
            "y",
            "--out",
            &out,
        ];
        args.extend(QUICK);
        if !bench.path(&out).exists() {
            bench.adit(&args).ok();
        }
        bench
            .adit(&[
                "predict", &out, "test.csv", "-o", "all.csv", "--member", member, "--force",
            ])
            .ok();
        let all = String::from_utf8(read(bench.path("all.csv"))).expect("text");
        assert_eq!(all.lines().count(), 91, "{all}");
        // A row alone gets what it got among others.
        let table = small_table(90);
        let lines: Vec<&str> = table.lines().collect();
        bench.write("one.csv", format!("{}\n{}\n", lines[0], lines[40]));
        bench
            .adit(&[
                "predict",
                &out,
                "one.csv",
                "-o",
                "one-out.csv",
                "--member",
                member,
                "--force",
            ])
            .ok();
        let one = String::from_utf8(read(bench.path("one-out.csv"))).expect("text");
        let of = |text: &str, line: usize| {
            text.lines()
                .nth(line)
                .and_then(|l| l.split_once(','))
                .map(|(_, rest)| rest.to_string())
        };
        assert_eq!(of(&one, 1), of(&all, 40), "{member}");
    }
}

#[test]
fn predictions_of_the_run_and_of_predict_are_the_same_bytes_but_for_the_truth() {
    let bench = Bench::new();
    bench.write("train.csv", small_table(200));
    bench.write("test.csv", small_table(60));
    let mut args = vec![
        "classify",
        "train.csv",
        "--test",
        "test.csv",
        "--target",
        "y",
        "--out",
        "run",
    ];
    args.extend(QUICK);
    bench.adit(&args).ok();
    bench
        .adit(&["predict", "run", "test.csv", "-o", "p.parquet"])
        .ok();
    let profile = |file: &str| {
        let ended = bench.adit(&["profile", file, "--json"]).ok();
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let columns = json["profile"]["columns"]
            .as_array()
            .expect("columns")
            .clone();
        columns
            .into_iter()
            .filter(|c| c["name"] != "truth")
            .collect::<Vec<_>>()
    };
    assert_eq!(profile("run/predictions.parquet"), profile("p.parquet"));
}

#[test]
fn json_goes_to_standard_output_alone() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(120));
    let mut args = vec![
        "classify", "data.csv", "--target", "y", "--out", "run", "--json",
    ];
    args.extend(QUICK);
    let ended = bench.adit(&args).ok();
    let printed: serde_json::Value =
        serde_json::from_str(&ended.stdout).expect("JSON and nothing else");
    assert_eq!(printed, result(bench.path("run")));
}

#[test]
fn standard_input_is_a_source() {
    use std::io::Write as _;
    let bench = Bench::new();
    let mut child = bench
        .command()
        .args(["profile", "-", "--target", "y"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the tool starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(small_table(50).as_bytes())
        .expect("the table goes in");
    let ended = bench
        .end(child.wait_with_output().expect("the tool ends"))
        .ok();
    assert!(ended.stdout.contains("50 rows"), "{}", ended.stdout);
}

#[test]
#[cfg(unix)]
fn interrupting_leaves_nothing_and_ends_with_3() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(4000));
    let before = bench.entries();
    let mut child = bench
        .command()
        .args([
            "classify", "data.csv", "--target", "y", "--out", "run", "--epochs", "1000",
        ])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the tool starts");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill starts");
    assert!(
        killed.success(),
        "the tool had ended already: {:?}",
        child.try_wait()
    );
    let ended = bench.end(child.wait_with_output().expect("the tool ends"));
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(bench.entries(), before, "something was left behind");
}

#[test]
fn require_ends_with_1_when_the_transformer_is_not_better() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(120));
    let mut args = vec![
        "classify",
        "data.csv",
        "--target",
        "y",
        "--out",
        "run",
        "--require",
    ];
    args.extend(QUICK);
    let ended = bench.adit(&args);
    let better = result(bench.path("run"))["transformer_is_better"].as_bool();
    assert_eq!(
        ended.code,
        Some(i32::from(better == Some(false))),
        "{}",
        ended.stderr
    );
}

#[test]
fn probabilities_are_of_rows_as_they_come_whatever_the_classes_weigh() {
    // One row of twelve is `yes`, and nothing tells which.
    let mut table = String::from("x,colour,y\n");
    for i in 0..600u64 {
        let x = i * 7919 % 1009;
        let colour = ["red", "green", "blue"][(i * 31 % 3) as usize];
        let y = if i % 12 == 5 { "yes" } else { "no" };
        table.push_str(&format!("{x},{colour},{y}\n"));
    }
    let bench = Bench::new();
    bench.write("data.csv", &table);
    let mut args = vec!["classify", "data.csv", "--target", "y", "--out", "run"];
    args.extend(["--class-weights", "balanced", "--folds", "1"]);
    args.extend(QUICK);
    bench.adit(&args).ok();
    for member in [
        "linear",
        "boosted trees",
        "perceptron ensemble",
        "row transformer",
    ] {
        let file = format!("{member}.csv");
        let args = [
            "predict", "run", "data.csv", "-o", &file, "--member", member,
        ];
        bench.adit(&args).ok();
        let found = tool::cells(&bench, &file, "probability_yes");
        let sum: f64 = found
            .iter()
            .map(|p| p.parse::<f64>().expect("a number"))
            .sum();
        let mean = sum / found.len() as f64;
        assert!((0.03..0.2).contains(&mean), "{member}: {mean}");
    }
    let error = bench
        .adit(&[
            "regress",
            "data.csv",
            "--target",
            "x",
            "--class-weights",
            "balanced",
            "--out",
            "r",
        ])
        .error();
    assert!(error.contains("`class_weights` are for classes"), "{error}");
}

#[test]
fn what_mistakes_cost_decides_between_several_classes() {
    // `x` hardly tells the classes apart, so that what mistakes cost matters.
    let mut table = String::from("x,kind\n");
    for i in 0..900u64 {
        let x = i * 7919 % 1009;
        let noise = i * 104_729 % 900;
        let kind = ["fine", "scratch", "scrap"][((x + noise) / 640).min(2) as usize];
        table.push_str(&format!("{x},{kind}\n"));
    }
    let bench = Bench::new();
    bench.write("data.csv", &table);
    let run = |out: &str, more: &[&str]| {
        let mut args = vec!["classify", "data.csv", "--target", "kind", "--out", out];
        args.extend(["--folds", "1"]);
        args.extend(more);
        args.extend(QUICK);
        bench.adit(&args)
    };
    run("plain", &[]).ok();
    run(
        "costly",
        &["--cost", "scrap,fine,40", "--cost", "scrap,scratch,20"],
    )
    .ok();
    let found = &result(bench.path("costly"))["decisions"]["costs"];
    let of = |name: &str| {
        found[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: {found}"))
    };
    let decided = found["decided"]["value"].as_f64().expect("a cost");
    assert!(decided < of("most_probable"), "{found}");
    assert!(
        found["saved"]["low"].as_f64().expect("a cost") > 0.0,
        "{found}"
    );
    assert!(result(bench.path("plain"))["decisions"]["costs"].is_null());
    let said = |run: &str| {
        let file = format!("{run}.csv");
        bench.adit(&["predict", run, "data.csv", "-o", &file]).ok();
        let predicted = tool::cells(&bench, &file, "predicted");
        predicted.iter().filter(|said| *said == "scrap").count()
    };
    assert!(said("costly") > said("plain") + 50);
    let html = std::fs::read_to_string(bench.path("costly/report.html")).expect("report.html");
    assert!(html.contains("class of least expected cost"));

    let error = run("r", &["--cost", "scrap,fin,40"]).error();
    assert!(error.contains("`fin`") && error.contains("fine"), "{error}");
    for wrong in ["scrap,fine", "scrap,fine,much"] {
        let error = run("r", &["--cost", wrong]).error();
        assert!(error.contains("TRUE,SAID,COST"), "{error}");
    }
    let error = run("r", &["--cost", "scrap,fine,-1"]).error();
    assert!(error.contains("cost_matrix"), "{error}");
}

#[test]
fn a_class_that_is_held_out_whole_ends_no_run_and_truths_are_one_however_written() {
    let bench = Bench::new();
    // Two rows of one class: a fold that holds both out, or all but one, leaves one class or next to it.
    let table = |from: usize, to: usize, rare: &[usize], names: [&str; 3]| {
        let row = |row: usize| {
            let class = if rare.contains(&row) { "rare" } else { "usual" };
            let truth = names[row % 3];
            format!("{},{truth},{class}\n", (row * 37) % 101)
        };
        format!("x,flag,y\n{}", (from..to).map(row).collect::<String>())
    };
    bench.write(
        "train.csv",
        table(0, 90, &[3, 40], ["True", "False", "Partial"]),
    );
    bench.write("test.csv", table(0, 30, &[3, 9], ["True", "False", "True"]));
    let mut args = vec![
        "classify",
        "train.csv",
        "--test",
        "test.csv",
        "--target",
        "y",
        "--out",
        "run",
    ];
    args.extend(QUICK);
    bench.adit(&args).ok();
    // A file whose flags are all truths reads them as such: each is still the category that it was.
    bench.write(
        "as-learned.csv",
        table(0, 30, &[], ["True", "False", "Partial"]),
    );
    let twos = |name: &str, keep: fn(usize) -> bool| {
        let args = ["predict", "run", name, "-o", "p.csv", "--force"];
        bench.adit(&args).ok();
        let all = tool::cells(&bench, "p.csv", "predicted");
        let some = tool::cells(&bench, "p.csv", "probability_rare");
        let both: Vec<(String, String)> = all.into_iter().zip(some).collect();
        let kept = both.into_iter().enumerate().filter(|(row, _)| keep(*row));
        kept.map(|(_, cells)| cells).collect::<Vec<_>>()
    };
    let learned = twos("as-learned.csv", |row| row % 3 < 2);
    let lines = table(0, 30, &[], ["True", "False", "Partial"]);
    let truths: String = lines
        .lines()
        .filter(|line| !line.contains("Partial"))
        .map(|l| format!("{l}\n"))
        .collect();
    bench.write("truths.csv", truths);
    assert_eq!(learned, twos("truths.csv", |_| true));
}
