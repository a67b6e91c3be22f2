//! Columns made from what a row's entity did before, and a target made of the order of the rows.

mod tool;

use std::fmt::Write as _;

use tool::Bench;

const JOB: &str = "task = \"regress\"\n[data]\ninputs = [\"engines.csv\"]\ntarget = \"left\"\n\
    [windows]\nentity = \"unit\"\norder = \"cycle\"\nlength = 5\nremaining = 20\n\
    [transformer]\nseeds = 1\nepochs = 2\nlearning_rates = [1e-3]\n";

/// Engines that heat up towards their end, each of another age.
fn engines(units: u64) -> String {
    let mut text = String::from("unit,cycle,heat,noise\n");
    for unit in 0..units {
        let life = 15 + unit * 7 % 11;
        for cycle in 0..life {
            let left = life - 1 - cycle;
            let heat = 500.0 - 3.0 * left as f64 + (unit % 3) as f64 * 9.0;
            let noise = (unit * 7919 + cycle * 104_729) % 100;
            let _ = writeln!(text, "{unit},{cycle},{heat},{noise}");
        }
    }
    text
}

#[test]
fn what_is_left_is_learned_from_windows_and_predicted_from_a_file_without_it() {
    let bench = Bench::new();
    bench.write("engines.csv", engines(24));
    bench.write("job.toml", JOB);
    bench.adit(&["run", "job.toml", "--out", "run"]).ok();
    let result = tool::result(&bench, "run");
    let of = |model: &str| tool::score(&result, model, "rmse");
    assert!(of("boosted trees") < 0.6 * of("mean"));
    let split = result["data"]["split"].as_str().expect("words");
    assert!(split.contains("whole entities of `unit`"), "{split}");
    let predict = |input: &str, output: &str, threads: &str| {
        let args = ["predict", "run", input, "-o", output, "--threads", threads];
        bench.adit(&args).ok();
        tool::cells(&bench, output, "predicted")
    };
    let all = predict("engines.csv", "all.csv", "2");
    assert_eq!(all.len() + 1, engines(24).lines().count());
    assert_eq!(all, predict("engines.csv", "twice.csv", "1"));
    // Three engines by themselves, last rows first: an entity's past is its own, in the order of its clock.
    let text = engines(24);
    let lines: Vec<&str> = text.lines().collect();
    let own = |line: &&str| {
        ["3,", "11,", "20,"]
            .iter()
            .any(|unit| line.starts_with(unit))
    };
    let rows: Vec<usize> = (1..lines.len())
        .rev()
        .filter(|&at| own(&lines[at]))
        .collect();
    let some: Vec<&str> = rows.iter().map(|&at| lines[at]).collect();
    bench.write("some.csv", format!("{}\n{}\n", lines[0], some.join("\n")));
    let expected: Vec<&String> = rows.iter().map(|&at| &all[at - 1]).collect();
    let alone = predict("some.csv", "some-out.csv", "2");
    assert_eq!(alone.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_order_of_windows_may_divide_the_rows_too() {
    let bench = Bench::new();
    bench.write("engines.csv", engines(24));
    bench.write("job.toml", format!("{JOB}[split]\ntime = \"cycle\"\n"));
    bench.adit(&["run", "job.toml", "--out", "run"]).ok();
    let args = ["predict", "run", "engines.csv", "-o", "all.csv"];
    bench.adit(&args).ok();
    let all = tool::cells(&bench, "all.csv", "predicted");
    assert_eq!(all.len() + 1, engines(24).lines().count());
    // Nor is anything made of a column that is left out.
    let copy = |line: &str| {
        let own: Vec<&str> = line.split(',').collect();
        let age = own[1]
            .parse::<u64>()
            .map_or("age".into(), |age| (age * 3).to_string());
        format!("{line},{age}\n")
    };
    bench.write(
        "engines.csv",
        engines(24).lines().map(copy).collect::<String>(),
    );
    let job = format!("{JOB}[split]\ntime = \"age\"\n");
    bench.write("job.toml", job);
    bench.adit(&["run", "job.toml", "--out", "other"]).ok();
    let found = tool::result(&bench, "other");
    let told = found["explanation"].to_string() + &found["importance"].to_string();
    assert!(!told.contains("age, mean of"), "{told}");
    let args = ["predict", "other", "engines.csv", "-o", "others.csv"];
    bench.adit(&args).ok();
}

#[test]
fn a_window_over_a_column_that_is_not_there_is_refused() {
    let bench = Bench::new();
    bench.write("engines.csv", engines(6));
    bench.write("job.toml", JOB.replace("\"cycle\"", "\"clock\""));
    let error = bench.adit(&["run", "job.toml", "--out", "run"]).error();
    assert!(error.contains("clock") && error.contains("hint"), "{error}");
    bench.write("job.toml", JOB.replace("length = 5", "length = 1"));
    let error = bench.adit(&["run", "job.toml", "--out", "run"]).error();
    assert!(error.contains("windows.length"), "{error}");
}
