//! `adit anomalies` from data to report, and new rows judged by it.

mod tool;

use std::fmt::Write as _;

use serde_json::Value;
use tool::{Bench, cells, gaussian, result, uniform};

/// Parts of two kinds. `strange` says which rows have a weight that is far off, and whether they are checked.
fn parts(n: usize, seed: u64, strange: &[usize]) -> String {
    let mut next = uniform(seed);
    let mut text = String::from("width,weight,speed,colour,checked\n");
    for row in 0..n {
        let is_large = next() < 0.4;
        let width = if is_large { 80.0 } else { 20.0 } + 2.0 * gaussian(&mut next);
        let mut weight = 3.0 * width + gaussian(&mut next);
        let speed = 10.0 + gaussian(&mut next);
        let colour = if next() < 0.7 { "red" } else { "blue" };
        let is_strange = strange.contains(&row);
        if is_strange {
            weight += 2000.0 + 200.0 * next();
        }
        let checked = match (is_strange, row % 3) {
            (true, _) => "bad",
            (false, 0) => "good",
            _ => "",
        };
        let _ = writeln!(text, "{width:.2},{weight:.2},{speed:.2},{colour},{checked}");
    }
    text
}

const MADE_OF: [&str; 8] = [
    "--column", "width", "--column", "weight", "--column", "speed", "--column", "colour",
];

fn adit(bench: &Bench, first: &[&str], more: &[&str]) -> tool::Ended {
    let all: Vec<&str> = first.iter().chain(&MADE_OF).chain(more).copied().collect();
    bench.adit(&all)
}

#[test]
fn planted_rows_are_found_with_the_column_that_is_off() {
    let bench = Bench::new();
    let planted = [17, 200, 333, 481];
    bench.write("parts.csv", parts(600, 3, &planted));
    let shown = adit(&bench, &["anomalies", "parts.csv"], &["--out", "run"])
        .ok()
        .stdout;
    assert!(shown.starts_with("4 of 600 rows stand out"), "{shown}");
    let found = result(&bench, "run");
    assert_eq!(
        (&found["task"], &found["n_flagged"]),
        (&"anomalies".into(), &6.into())
    );
    let findings = found["findings"].as_array().expect("findings");
    let mut rows: Vec<u64> = (findings.iter())
        .filter(|finding| finding["stands_out"] == true)
        .flat_map(|finding| finding["rows"].as_array().expect("rows"))
        .filter_map(Value::as_u64)
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, planted.map(|row| row as u64));
    for finding in findings
        .iter()
        .filter(|finding| finding["stands_out"] == true)
    {
        let first = &finding["reasons"][0];
        assert_eq!(first["column"], "weight", "{finding}");
        assert_eq!(
            (&first["usual"]["as"], &first["usual"]["is_within"]),
            (&"range".into(), &false.into())
        );
        assert!(
            first["words"]
                .as_str()
                .is_some_and(|words| words.ends_with(" is usual")),
            "{first}"
        );
        assert_eq!(finding["neighbours"].as_array().map(Vec::len), Some(3));
    }
    let learned = &found["detectors"][3];
    assert_eq!(learned["name"], "masked cells");
    let held_out = |at: usize| learned["held_out"][at].as_f64().expect("a loss");
    assert!(held_out(1) < held_out(0), "{learned}");
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    for section in [
        "nats, before it learned",
        "id=\"map\"",
        "id=\"findings\"",
        "id=\"detectors\"",
        "id=\"scores\"",
    ] {
        assert!(page.contains(section), "{section}");
    }
    assert!(!page.contains("<script"));
    // The same rows again: those flagged are the most strange ones, with reasons.
    bench
        .adit(&["predict", "run", "parts.csv", "-o", "again.csv"])
        .ok();
    let flagged = cells(&bench, "again.csv", "flagged");
    assert!(
        planted.iter().all(|&row| flagged[row] == "true"),
        "{flagged:?}"
    );
}

#[test]
fn one_cloud_has_nothing_that_stands_out() {
    let bench = Bench::new();
    let mut next = uniform(11);
    let mut text = String::from("a,b,c\n");
    for _ in 0..500 {
        let _ = writeln!(
            text,
            "{:.4},{:.4},{:.4}",
            gaussian(&mut next),
            gaussian(&mut next),
            gaussian(&mut next)
        );
    }
    bench.write("cloud.csv", text);
    let shown = bench
        .adit(&["anomalies", "cloud.csv", "--out", "run"])
        .ok()
        .stdout;
    assert!(
        shown.starts_with("Nothing stands out of 500 rows: the 5 flagged are no farther"),
        "{shown}"
    );
}

#[test]
fn a_fault_that_repeats_is_one_finding() {
    let bench = Bench::new();
    let mut next = uniform(5);
    let mut text = String::from("taken_at,pressure,heat\n");
    for row in 0..1000 {
        let is_stuck = (400..408).contains(&row);
        let pressure = if is_stuck {
            99.9
        } else {
            20.0 + gaussian(&mut next)
        };
        let heat = 60.0 + 2.0 * gaussian(&mut next);
        let _ = writeln!(
            text,
            "2026-01-{:02} {:02}:{:02}:00,{pressure:.3},{heat:.3}",
            1 + row / 60,
            row / 60 % 24,
            row % 60
        );
    }
    bench.write("readings.csv", text);
    let args = [
        "anomalies",
        "readings.csv",
        "--column",
        "pressure",
        "--column",
        "heat",
        "--alerts",
        "8",
        "--out",
        "run",
    ];
    bench.adit(&args).ok();
    let found = result(&bench, "run");
    let first = &found["findings"][0];
    assert_eq!(
        (&first["n_rows"], &first["first_row"], &first["last_row"]),
        (&8.into(), &400.into(), &407.into()),
        "{first}"
    );
    assert_eq!(first["reasons"][0]["column"], "pressure");
    assert_eq!(found["n_findings"], 1);
}

#[test]
fn the_same_bytes_for_any_number_of_threads_and_from_the_job_file() {
    let bench = Bench::new();
    bench.write("parts.csv", parts(400, 7, &[5, 50]));
    let run = |out: &str, threads: &str| {
        adit(
            &bench,
            &["anomalies", "parts.csv"],
            &["--out", out, "--threads", threads],
        )
        .ok();
        let mut found = result(&bench, out);
        found.as_object_mut().expect("an object").remove("cost");
        found["run_again"] = Value::Null;
        let bytes = |file: &str| std::fs::read(bench.path(out).join(file)).expect("a file");
        (
            found,
            bytes("anomalies.parquet"),
            bytes("model/anomalies.json"),
        )
    };
    let first = run("one", "1");
    assert!(first == run("three", "3"));
    bench.adit(&["run", "one/job.toml", "--out", "again"]).ok();
    let again = std::fs::read(bench.path("again/anomalies.parquet")).expect("a table");
    assert!(first.1 == again);
}

#[test]
fn new_rows_are_judged_in_the_order_of_the_old_ones() {
    let bench = Bench::new();
    bench.write("parts.csv", parts(500, 9, &[3, 77, 140]));
    bench.write("clean.csv", parts(500, 10, &[]));
    for more in [&[][..], &["--clean"]] {
        adit(
            &bench,
            &["anomalies", "parts.csv"],
            &[&["--out", "run", "--force"], more].concat(),
        )
        .ok();
        // The run's own table, as CSV.
        bench
            .adit(&["predict", "run", "parts.csv", "-o", "again.csv", "--force"])
            .ok();
        let scores: Vec<f64> = cells(&bench, "again.csv", "score")
            .iter()
            .map(|s| s.parse().expect("a score"))
            .collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let strangest: Vec<usize> = order[..3].to_vec();
        let expected = if more.is_empty() {
            vec![3, 77, 140]
        } else {
            Vec::new()
        };
        // Beside itself no row is strange: only where rows may be anomalies does the order stay.
        assert!(
            expected.iter().all(|row| strangest.contains(row)),
            "{strangest:?}"
        );
    }
    adit(
        &bench,
        &["anomalies", "clean.csv"],
        &["--clean", "--out", "run", "--force"],
    )
    .ok();
    bench
        .adit(&["predict", "run", "parts.csv", "-o", "new.csv"])
        .ok();
    let flagged = cells(&bench, "new.csv", "flagged");
    assert!(
        [3, 77, 140]
            .iter()
            .all(|&row: &usize| flagged[row] == "true")
    );
    assert!(
        flagged.iter().filter(|is| *is == "true").count() < 25,
        "{flagged:?}"
    );
    let quantiles = cells(&bench, "new.csv", "rank_quantile");
    assert!(
        quantiles[77].parse::<f64>().is_ok_and(|q| q > 0.99),
        "{}",
        quantiles[77]
    );
    let reasons = cells(&bench, "new.csv", "reasons");
    assert!(
        reasons[77].trim_matches('"').starts_with("weight ") && reasons[0].is_empty(),
        "{}",
        reasons[77]
    );
}

#[test]
fn labels_are_met_and_weigh() {
    let bench = Bench::new();
    let planted: Vec<usize> = (0..12).map(|at| 31 + 60 * at).collect();
    bench.write("parts.csv", parts(800, 13, &planted));
    let label = [
        "--label",
        "checked",
        "--positive",
        "bad",
        "--alerts",
        "12",
        "--out",
        "run",
    ];
    let shown = adit(&bench, &["anomalies", "parts.csv"], &label)
        .ok()
        .stdout;
    assert!(
        shown.contains("rows with labels the average precision is"),
        "{shown}"
    );
    assert!(
        shown.contains("adit classify") && shown.contains("--target checked --positive bad"),
        "{shown}"
    );
    let found = result(&bench, "run");
    let known = &found["known"];
    assert_eq!(known["n_positive"], 12);
    assert!(
        known["joined"]["roc_auc"]["value"].as_f64() > Some(0.95),
        "{known}"
    );
    assert!(known["precision"]["value"].as_f64() > Some(0.9), "{known}");
    assert!(
        known["weighted"]["average_precision"].as_f64() > Some(0.8),
        "{known}"
    );
    assert_eq!(found["detectors"].as_array().map(Vec::len), Some(4));
    assert!(found["detectors"][0]["known"]["roc_auc"]["low"].is_number());
    assert!(
        !found["data"]["columns"]
            .as_array()
            .expect("columns")
            .contains(&"checked".into())
    );
}

#[test]
fn profiles_name_flagged_entities_only() {
    let bench = Bench::new();
    let mut next = uniform(13);
    let mut text = String::from("customer,paid_at,amount,shop\n");
    for customer in 0..150 {
        for visit in 0..6 {
            let day = 1 + (visit * 7 + customer) % 28;
            let amount = if customer == 42 { 9000.0 } else { 50.0 } * (0.8 + 0.4 * next());
            let _ = writeln!(
                text,
                "p{customer},2026-{:02}-{day:02},{amount:.2},corner",
                1 + visit % 12
            );
        }
    }
    bench.write("payments.csv", text);
    let args = [
        "anomalies",
        "payments.csv",
        "--entity",
        "customer",
        "--time",
        "paid_at",
        "--out",
        "run",
    ];
    let shown = bench.adit(&args).ok().stdout;
    assert!(
        shown.contains("of 150 entities stand") && shown.contains("p42"),
        "{shown}"
    );
    let found = result(&bench, "run");
    let first = &found["findings"][0];
    assert_eq!(first["entities"][0], "p42");
    assert!(first.get("neighbours").is_none(), "{first}");
    assert_eq!(found["search"]["neighbours"], 20);
    let named: Vec<&Value> = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|f| &f["entities"])
        .collect();
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    for customer in (0..150).filter(|customer| *customer > 9) {
        let name = format!("p{customer}");
        let is_named = named.iter().any(|all| {
            all.as_array()
                .is_some_and(|all| all.contains(&name.as_str().into()))
        });
        assert_eq!(page.contains(&format!(">{name}<")), is_named, "{name}");
    }
    bench
        .adit(&["predict", "run", "payments.csv", "-o", "who.csv"])
        .ok();
    let who = std::fs::read_to_string(bench.path("who.csv")).expect("scores");
    assert!(
        who.starts_with("row,customer,score,rank_quantile,flagged,reasons\n0,p0,"),
        "{}",
        &who[..80]
    );
}

#[test]
fn events_of_series_are_found() {
    let bench = Bench::new();
    let mut next = uniform(17);
    let mut text = String::from("machine,taken_at,heat\n");
    for machine in ["A", "B"] {
        for hour in 0..1200 {
            let daily = 10.0 * (std::f64::consts::TAU * f64::from(hour) / 24.0).sin();
            let event = if machine == "A" && (700..706).contains(&hour) {
                25.0
            } else {
                0.0
            };
            let heat = 50.0 + daily + event + gaussian(&mut next);
            let day = 1 + hour / 24;
            let _ = writeln!(
                text,
                "{machine},2026-{:02}-{:02} {:02}:00:00,{heat:.2}",
                1 + day / 28,
                1 + day % 28,
                hour % 24
            );
        }
    }
    bench.write("heat.csv", &text);
    let args = [
        "anomalies",
        "heat.csv",
        "--series",
        "heat",
        "--time",
        "taken_at",
        "--entity",
        "machine",
        "--alerts",
        "3",
        "--out",
        "run",
    ];
    let shown = bench.adit(&args).ok().stdout;
    assert!(
        shown.contains("out of 2,400 readings of 2 series. The strangest of A:"),
        "{shown}"
    );
    let found = result(&bench, "run");
    let first = &found["events"][0];
    assert_eq!(
        (&first["entity"], &first["stands_out"]),
        (&"A".into(), &true.into()),
        "{first}"
    );
    let peak = first["peak_row"].as_u64().expect("a row");
    assert!((700..706).contains(&peak), "{first}");
    assert!(found["n_findings"].as_u64() <= Some(4), "{found}");
    assert!(
        found["series"]
            .as_array()
            .expect("series")
            .iter()
            .all(|series| series["season"] == 24),
        "{}",
        found["series"]
    );
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    assert!(page.contains("id=\"series\"") && page.contains("class=\"band s1\""));
    bench
        .adit(&["predict", "run", "heat.csv", "-o", "again.csv"])
        .ok();
    let again = std::fs::read_to_string(bench.path("again.csv")).expect("scores");
    assert!(
        again.starts_with("row,machine,value,expected,score,flagged,reasons\n0,A,"),
        "{}",
        &again[..80]
    );
    assert_eq!(cells(&bench, "again.csv", "flagged")[peak as usize], "true");
    // A file of one machine needs no entity.
    let one: String = text
        .lines()
        .filter(|line| !line.starts_with('B'))
        .flat_map(|line| [line, "\n"])
        .collect();
    bench.write("one.csv", one);
    let args = [
        "anomalies",
        "one.csv",
        "--series",
        "heat",
        "--time",
        "taken_at",
        "--season",
        "24",
        "--out",
        "one",
    ];
    bench.adit(&args).ok();
    assert_eq!(result(&bench, "one")["events"][0]["peak_row"], peak);
}

#[test]
fn the_labelled_windows_of_a_machine_are_hit_within_fifteen_events() {
    let Some(path) = tool::shared_data("anomaly_nab_machine_temperature/data.csv") else {
        return;
    };
    let text = std::fs::read_to_string(&path).expect("readings");
    let (mut windows, mut was): (Vec<(u64, u64)>, bool) = (Vec::new(), false);
    for (row, line) in text.lines().skip(1).enumerate() {
        let marked = line.ends_with(",1") || line.ends_with(",1.0");
        match windows.last_mut() {
            Some((_, end)) if marked && was => *end = row as u64,
            _ if marked => windows.push((row as u64, row as u64)),
            _ => {}
        }
        was = marked;
    }
    assert_eq!(windows.len(), 4);
    let bench = Bench::new();
    let path = path.to_string_lossy();
    let events = |alerts: &str| {
        let args = [
            "anomalies",
            &*path,
            "--series",
            "value",
            "--time",
            "timestamp",
        ];
        let more = ["--alerts", alerts, "--out", "run", "--force"];
        bench.adit(&[&args[..], &more].concat()).ok();
        let events = &result(&bench, "run")["events"];
        events.as_array().expect("events").clone()
    };
    for alerts in [1, 5, 20] {
        let found = events(&alerts.to_string());
        assert!(
            (1..=alerts).contains(&found.len()),
            "{alerts}: {}",
            found.len()
        );
    }
    let found = events("15");
    assert!(found.len() <= 15);
    let of = |event: &Value, key: &str| event[key].as_u64().expect("a row");
    let is_in = |event: &Value, (start, end): (u64, u64)| {
        of(event, "first_row") <= end && start <= of(event, "last_row")
    };
    for window in &windows {
        assert!(
            found.iter().any(|event| is_in(event, *window)),
            "{window:?}"
        );
    }
}

#[test]
fn texts_unlike_the_others_are_found() {
    let bench = Bench::new();
    let mut text = String::from("text\n");
    for i in 0..120 {
        let thing = ["film", "food", "day"][i * 5 % 3];
        let word = ["good", "fine"][i * 7 % 2];
        let _ = writeln!(
            text,
            "{}",
            if i == 60 {
                "awful awful awful bad bad not not".into()
            } else {
                format!("the {thing} was {word}")
            }
        );
    }
    bench.write("texts.csv", text);
    tool::tiny_encoder(&bench, "tiny");
    let args = [
        "anomalies",
        "texts.csv",
        "--text",
        "text",
        "--encoder",
        "./tiny",
        "--out",
        "run",
    ];
    bench.adit(&args).ok();
    let found = result(&bench, "run");
    assert_eq!(found["findings"][0]["rows"][0], 60, "{}", found["findings"]);
    assert_eq!(
        found["findings"][0]["reasons"][0]["words"],
        "text: unlike the others"
    );
    bench
        .adit(&["predict", "run", "texts.csv", "-o", "again.csv"])
        .ok();
    assert_eq!(cells(&bench, "again.csv", "score").len(), 120);
}

#[test]
fn few_rows_and_rows_that_are_all_alike_are_no_error() {
    let bench = Bench::new();
    for (name, rows) in [("one", 1), ("two", 2), ("three", 3), ("forty", 40)] {
        let text: String = (0..rows).map(|row| format!("{row},1\n")).collect();
        bench.write("few.csv", format!("a,b\n{text}"));
        let args = ["anomalies", "few.csv", "--role", "a=number", "--out", name];
        let ended = bench.adit(&args);
        // One row has no column that changes.
        if rows == 1 {
            ended.error();
        } else {
            ended.ok();
            bench
                .adit(&[
                    "predict",
                    name,
                    "few.csv",
                    "-o",
                    "few-scores.csv",
                    "--force",
                ])
                .ok();
        }
    }
    let text: String = (0..50)
        .map(|row| if row == 0 { "1,x\n" } else { "2,x\n" })
        .collect();
    bench.write("alike.csv", format!("a,b\n{text}"));
    bench
        .adit(&[
            "anomalies",
            "alike.csv",
            "--role",
            "a=number",
            "--out",
            "alike",
        ])
        .ok();
    assert_eq!(result(&bench, "alike")["findings"][0]["rows"][0], 0);
    // Of three rows none can be called usual or strange.
    let page = std::fs::read_to_string(bench.path("three/report.html")).expect("a report");
    assert!(page.contains("too few rows to tell"));
    assert!(!page.contains("no farther out than chance explains"));
    let all = usize::MAX.to_string();
    let of = [
        "anomalies",
        "alike.csv",
        "--role",
        "a=number",
        "--alerts",
        &all,
        "--out",
        "all",
    ];
    bench.adit(&of).ok();
}

#[test]
fn events_that_tie_at_the_top_are_all_told() {
    let bench = Bench::new();
    let mut text = String::from("machine,at,heat\n");
    for machine in 0..5 {
        for step in 0..300 {
            let heat = match step {
                250 => 90.0,
                _ => 20.0 + f64::from(step * 7 % 5),
            };
            let _ = writeln!(text, "m{machine},{step},{heat}");
        }
    }
    bench.write("heat.csv", &text);
    // All machines are alike: two of five events would be an arbitrary choice.
    for alerts in ["2", "5"] {
        let args = [
            "anomalies",
            "heat.csv",
            "--series",
            "heat",
            "--time",
            "at",
            "--entity",
            "machine",
            "--alerts",
            alerts,
            "--out",
            alerts,
        ];
        bench.adit(&args).ok();
        assert_eq!(result(&bench, alerts)["n_findings"], 5, "{alerts} events");
    }
}

#[test]
fn readings_that_tie_at_the_top_and_events_that_are_not_listed_are_counted() {
    let bench = Bench::new();
    let search = |name: &str, length: usize, value: &dyn Fn(usize) -> f64| {
        let rows: String = (0..length)
            .map(|at| format!("{at},{}\n", value(at)))
            .collect();
        bench.write(name, format!("at,heat\n{rows}"));
        let of = [
            "anomalies",
            name,
            "--series",
            "heat",
            "--time",
            "at",
            "--out",
            "run",
            "--force",
        ];
        let shown = bench.adit(&of).ok().stdout;
        (shown, result(&bench, "run"))
    };
    // 2% are equally strange, where 1% was asked for.
    let mut next = uniform(5);
    let ones: Vec<f64> = (0..5_000)
        .map(|_| f64::from(u8::from(next() < 0.02)))
        .collect();
    let (shown, found) = search("ones.csv", 5_000, &|at| ones[at]);
    assert!(found["n_findings"].as_u64() > Some(60), "{shown}");
    // Eighty events stand out, of which fifty are listed.
    let noise = |at: usize| (at * 7919 % 101) as f64 / 100.0;
    let (shown, found) = search("spikes.csv", 20_000, &|at| match at % 250 {
        249 => 60.0 + noise(at),
        _ => noise(at),
    });
    assert_eq!(found["events"].as_array().map(Vec::len), Some(50));
    assert!(found["n_standing_events"].as_u64() >= Some(75), "{found}");
    let standing = found["n_standing_events"].to_string();
    assert!(
        shown.starts_with(&format!("{standing} events stand out")),
        "{shown}"
    );
    // Too short to judge anything, and too short to tell.
    let (shown, found) = search("short.csv", 10, &noise);
    assert!(shown.contains("can be judged"), "{shown}");
    assert_eq!(found["is_told"], false);
    assert!(!shown.contains("chance explains"), "{shown}");
}

#[test]
fn what_cannot_be_is_told() {
    let bench = Bench::new();
    bench.write(
        "t.csv",
        "a,b,t,when\n1,2,one text of words,2026-01-01\n2,3,another text of words,2026-01-02\n",
    );
    let error = |args: &[&str], told: &str| {
        let mut all = vec!["anomalies", "t.csv"];
        all.extend(args);
        let error = bench.adit(&all).error();
        assert!(error.contains(told), "{args:?}: {error}");
    };
    error(&["--text", "t"], "need a pretrained text encoder");
    error(&["--column", "c"], "there is no column `c`");
    error(&["--share", "70%"], "less than a half");
    error(&["--share", "some"], "give a share such as");
    error(&["--alerts", "0"], "at least 1");
    error(&["--components", "2"], "not for anomalies");
    error(
        &["--label", "b", "--positive", "7"],
        "no row has `7` in the column `b`; there are 2, 3",
    );
    error(&["--time", "when"], "need both");
    error(
        &["--series", "a", "--time", "t"],
        "column `t` should hold numbers",
    );
    error(
        &["--series", "t", "--time", "when"],
        "column `t` should hold numbers",
    );
    error(
        &["--series", "c", "--time", "when"],
        "there is no column `c`",
    );
    error(
        &["--series", "a", "--time", "when", "--clean"],
        "are for rows",
    );
    error(&["--label", "b"], "--positive");
    assert_eq!(bench.entries(), ["t.csv"]);
}
