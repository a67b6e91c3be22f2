//! Events of customers, summed up until each one's cut-off, from files to predictions.

mod tool;

use std::fmt::Write as _;

use tool::{Bench, drawn};

/// Customers with payments; those with many late ones before their cut-off mostly default. After the cut-off there is
/// an event that says it outright.
fn customers(n: usize) -> (String, Vec<String>) {
    let mut chance = drawn();
    let mut events = String::from("who,at,kind,amount\n");
    let mut labels = Vec::new();
    for who in 0..n {
        let mut late = 0;
        for k in 0..4 + chance(10) {
            let is_late = chance(3) == 0;
            late += u32::from(is_late);
            let kind = if is_late { "late" } else { "paid" };
            let _ = writeln!(
                events,
                "c{who},2024-{:02}-{:02},{kind},{}",
                1 + k % 6,
                1 + chance(28),
                chance(500)
            );
        }
        let defaults = chance(100) < if late > 3 { 85 } else { 10 };
        let after = if defaults { "collection" } else { "bonus" };
        let _ = writeln!(
            events,
            "c{who},2024-08-01,{after},{}",
            if defaults { 9999 } else { 1 }
        );
        labels.push(format!(
            "c{who},2024-07-{:02},{}",
            1 + chance(28),
            u8::from(defaults)
        ));
    }
    (events, labels)
}

fn file(labels: &[String]) -> String {
    format!("who,until,default\n{}\n", labels.join("\n"))
}

const COLUMNS: [&str; 8] = [
    "--entity", "who", "--time", "at", "--cutoff", "until", "--target", "default",
];

#[test]
fn what_customers_did_before_their_cut_off_tells_and_what_came_later_is_not_seen() {
    let bench = Bench::new();
    let (events, labels) = customers(900);
    bench.write("events.csv", &events);
    bench.write("train.csv", file(&labels[..650]));
    bench.write("test.csv", file(&labels[650..]));
    let mut args = vec![
        "classify",
        "events.csv",
        "--labels",
        "train.csv",
        "--test-labels",
        "test.csv",
        "--seeds",
        "1",
        "--epochs",
        "2",
        "--folds",
        "1",
        "--out",
        "run",
        "--quiet",
    ];
    args.extend(COLUMNS);
    bench.adit(&args).ok();
    let found = tool::result(&bench, "run");
    let auc = tool::score(&found, "boosted trees", "roc_auc");
    assert!(
        (0.75..0.97).contains(&auc),
        "{auc}: seen, and not given away"
    );
    assert_eq!(found["data"]["rows"]["test"].as_u64().unwrap_or(250), 250);
    let job = std::fs::read_to_string(bench.path("run/job.toml")).expect("a job");
    assert!(
        job.contains("[events]") && job.contains("cutoff = \"until\""),
        "{job}"
    );

    // The saved run gives what it was judged by, from the files alone.
    let predict = |name: &str, events: &str| {
        let args = ["predict", "run", "test.csv", "--events", events, "-o", name];
        bench.adit(&args).ok();
        tool::cells(&bench, name, "predicted")
    };
    let told = predict("told.csv", "events.csv");
    assert_eq!(told.len(), 250);
    // Without what came after the cut-offs nothing changes.
    let before: Vec<&str> = events
        .lines()
        .filter(|line| !line.contains("2024-08-01"))
        .collect();
    bench.write("before.csv", before.join("\n") + "\n");
    assert_eq!(told, predict("again.csv", "before.csv"));

    let error = bench
        .adit(&["predict", "run", "test.csv", "-o", "none.csv"])
        .error();
    assert!(error.contains("--events"), "{error}");
    bench
        .adit(&["run", "run/job.toml", "--out", "again", "--quiet"])
        .ok();
    assert_eq!(
        tool::result(&bench, "again")["fingerprint"],
        found["fingerprint"]
    );
}

#[test]
fn what_is_wrong_with_events_is_named() {
    let bench = Bench::new();
    let (events, labels) = customers(60);
    bench.write("events.csv", &events);
    bench.write("labels.csv", file(&labels));
    bench.write("texts.csv", "who,at,kind\nc1,soon,late\nc2,later,paid\n");
    bench.write(
        "days.csv",
        "who,until,default\nc1,17,0\nc2,18,1\nc3,19,0\nc4,20,1\n",
    );
    let with = |events: &str, labels: &str, from: &str, to: &str| {
        let mut args: Vec<String> = ["classify", events, "--labels", labels, "--out", "run"]
            .map(String::from)
            .into();
        args.extend(COLUMNS.iter().map(|c| {
            if *c == from {
                to.to_string()
            } else {
                c.to_string()
            }
        }));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        bench.adit(&args).error()
    };
    for (error, named) in [
        (
            with("events.csv", "labels.csv", "who", "customer"),
            "`customer`",
        ),
        (with("events.csv", "labels.csv", "at", "when"), "`when`"),
        (with("events.csv", "labels.csv", "until", "then"), "`then`"),
        (with("texts.csv", "labels.csv", "", ""), "times or numbers"),
        (
            with("events.csv", "days.csv", "", ""),
            "the same kind of moment",
        ),
        (with("missing.csv", "labels.csv", "", ""), "missing.csv"),
    ] {
        assert!(error.contains(named), "{named}: {error}");
        assert!(!bench.path("run").exists(), "{named}");
    }
    let error = bench.adit(&[
        "classify",
        "events.csv",
        "--labels",
        "labels.csv",
        "--target",
        "default",
    ]);
    assert!(error.stderr.contains("--entity"), "{}", error.stderr);
}

/// Machines that fail now and then; most failures have warnings in the weeks before.
fn machines(n: usize) -> String {
    let mut chance = drawn();
    let mut events = String::from("machine,at,kind\n");
    for machine in 0..n {
        let mut day = chance(20);
        let is_bad = chance(3) == 0;
        while day < 400 {
            let (month, of_month) = (1 + day / 31 % 12, 1 + day % 31);
            let kind = match (is_bad, chance(10)) {
                (true, 0..=3) => "warning",
                (true, 4) => "failure",
                (false, 0) => "warning",
                _ => "check",
            };
            let year = 2023 + day / 372;
            let _ = writeln!(
                events,
                "m{machine},{year}-{month:02}-{:02},{kind}",
                of_month.min(28)
            );
            day += 4 + chance(12);
        }
    }
    events
}

#[test]
fn labels_are_made_of_what_comes_within_a_horizon_and_no_two_look_at_the_same_events() {
    let bench = Bench::new();
    bench.write("events.csv", machines(220));
    let args = [
        "classify",
        "events.csv",
        "--entity",
        "machine",
        "--time",
        "at",
        "--horizon",
        "60d",
        "--outcome",
        "kind=failure",
        "--positive",
        "yes",
        "--epochs",
        "2",
        "--seeds",
        "1",
        "--out",
        "run",
        "--quiet",
    ];
    bench.adit(&args).ok();
    let found = tool::result(&bench, "run");
    let auc = tool::score(&found, "boosted trees", "roc_auc");
    assert!((0.7..1.0).contains(&auc), "{auc}");
    // The made labels are rows that the run predicts, cut off where they say.
    let of_labels = [
        "predict",
        "run",
        "run/labels.csv",
        "--events",
        "events.csv",
        "-o",
        "p.csv",
    ];
    bench.adit(&of_labels).ok();
    let labels = std::fs::read_to_string(bench.path("run/labels.csv")).expect("made labels");
    let n_predicted = tool::cells(&bench, "p.csv", "predicted").len();
    assert_eq!(n_predicted, labels.lines().count() - 1);
    let mut cutoffs: Vec<&str> = labels
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(1))
        .collect();
    cutoffs.dedup();
    assert_eq!(cutoffs.len(), 6);
    assert!(
        cutoffs.windows(2).all(|pair| pair[0] < pair[1]),
        "{cutoffs:?}"
    );
    // Judged on the last cut-off alone.
    let last = labels.matches(cutoffs[5]).count() as u64;
    assert_eq!(
        found["data"]["test"].as_u64(),
        Some(last),
        "{}",
        found["data"]
    );
    // By hand: a label is yes where a failure lies in the 60 days from its cut-off on.
    let events = std::fs::read_to_string(bench.path("events.csv")).expect("events");
    for line in labels.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let at = cutoffs
            .iter()
            .position(|cutoff| *cutoff == cells[1])
            .expect("a cut-off");
        let until = cutoffs.get(at + 1).copied().unwrap_or("9");
        let comes = events.lines().any(|event| {
            let event: Vec<&str> = event.split(',').collect();
            let moment = format!("{}T00:00:00.000Z", event[1]);
            event[0] == cells[0]
                && event[2] == "failure"
                && moment.as_str() >= cells[1]
                && moment.as_str() < until
        });
        assert_eq!(cells[2] == "yes", comes, "{line}");
    }
    bench
        .adit(&["run", "run/job.toml", "--out", "again", "--quiet"])
        .ok();
    assert_eq!(
        tool::result(&bench, "again")["fingerprint"],
        found["fingerprint"]
    );

    let with = |from: &str, to: &str| {
        let args = args.map(|arg| if arg == from { to } else { arg });
        let args = args.map(|arg| if arg == "run" { "none" } else { arg });
        bench.adit(&args).error()
    };
    for (error, named) in [
        (with("60d", "300d"), "300d"),
        (with("60d", "soon"), "soon"),
        (with("60d", "60"), "60"),
        (with("kind=failure", "kind=fire"), "fire"),
        (with("kind=failure", "sort=failure"), "sort"),
        (with("kind=failure", "failure"), "kind=chargeback"),
    ] {
        assert!(error.contains(named), "{named}: {error}");
        assert!(!bench.path("none").exists());
    }
}

#[test]
fn a_horizon_is_read_from_numbers_and_other_forms_and_never_without_its_cut_off() {
    let bench = Bench::new();
    let mut chance = drawn();
    let mut events = String::from("who;at;kind\n");
    for who in 0..150 {
        let is_bad = chance(2) == 0;
        for at in 0..60 {
            if chance(3) == 0 {
                let kind = match (is_bad, chance(12)) {
                    (true, 0) => "fault",
                    (true, 1..=5) => "noise",
                    _ => "run",
                };
                let _ = writeln!(events, "Müller {who};{at};{kind}");
            }
        }
    }
    bench.write("events.csv", events);
    let args = [
        "classify",
        "events.csv",
        "--delimiter",
        ";",
        "--entity",
        "who",
        "--time",
        "at",
        "--horizon",
        "10",
        "--outcome",
        "kind=fault",
        "--positive",
        "yes",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--out",
        "run",
        "--quiet",
    ];
    bench.adit(&args).ok();
    let found = tool::result(&bench, "run");
    assert!(tool::score(&found, "boosted trees", "roc_auc") > 0.6);
    let labels = std::fs::read_to_string(bench.path("run/labels.csv")).expect("made labels");
    assert!(
        labels.starts_with("who,cutoff,fault within 10\n"),
        "{labels}"
    );
    // Without the cut-off every row would see what it is asked about.
    let job = std::fs::read_to_string(bench.path("run/job.toml")).expect("a job");
    let without: Vec<&str> = job
        .lines()
        .filter(|line| !line.starts_with("cutoff ="))
        .collect();
    bench.write("leaky.toml", without.join("\n"));
    let error = bench.adit(&["run", "leaky.toml", "--out", "none"]).error();
    assert!(error.contains("events.cutoff"), "{error}");
    assert!(!bench.path("none").exists());
}
