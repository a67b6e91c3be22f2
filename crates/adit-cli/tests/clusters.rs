//! `adit cluster` from data to report, and new rows put into its clusters.

mod tool;

use std::fmt::Write as _;

use serde_json::Value;
use tool::{Bench, drawn, gaussian, result, uniform};

/// Three groups of shoppers; `churn` is more frequent in the second, `noise` says nothing.
fn shoppers(n: usize, seed: u64) -> String {
    let mut next = uniform(seed);
    let mut text = String::from("id,age,income,visits,colour,churn,noise\n");
    for row in 0..n {
        let group = row % 3;
        let (age, income, visits) =
            [(25.0, 30.0, 20.0), (45.0, 80.0, 3.0), (70.0, 40.0, 10.0)][group];
        let colour = if next() < 0.95 {
            ["red", "green", "blue"][group]
        } else {
            "grey"
        };
        let churn = next() < [0.1, 0.7, 0.1][group];
        let _ = writeln!(
            text,
            "c{row},{:.1},{:.1},{:.1},{colour},{},{:.3}",
            age + 3.0 * gaussian(&mut next),
            income + 5.0 * gaussian(&mut next),
            visits + 1.0 * gaussian(&mut next),
            if churn { "yes" } else { "no" },
            next()
        );
    }
    text
}

#[test]
fn planted_groups_are_found_named_and_hold() {
    let bench = Bench::new();
    bench.write("shoppers.csv", shoppers(600, 3));
    let args = [
        "cluster",
        "shoppers.csv",
        "--column",
        "age",
        "--column",
        "income",
        "--column",
        "visits",
        "--column",
        "colour",
        "--hold-out",
        "churn",
        "--hold-out",
        "noise",
        "--out",
        "run",
    ];
    let shown = bench.adit(&args).ok().stdout;
    assert!(
        shown.starts_with("3 clusters of 600 rows; all are found again"),
        "{shown}"
    );
    let found = result(&bench, "run");
    assert_eq!(found["task"], "cluster");
    assert_eq!(found["chance"]["is_there"], true);
    let clusters = found["clusters"].as_array().expect("clusters");
    for cluster in clusters {
        assert_eq!(cluster["size"], 200, "{cluster}");
        assert_eq!(cluster["holds"], "holds");
        let told = &cluster["told_by"];
        assert!(told["precision"]["value"].as_f64() > Some(0.9), "{told}");
        assert!(told["recall"]["value"].as_f64() > Some(0.7), "{told}");
        assert_eq!(cluster["typical"].as_array().map(Vec::len), Some(4));
    }
    // What was held out and differs is told; what does not is not.
    let held = found["held_out"].as_array().expect("held out");
    let p = |name: &str| {
        let column = held
            .iter()
            .find(|c| c["column"] == name)
            .expect("the column");
        column["p_adjusted"].as_f64().expect("a number")
    };
    assert!(p("churn") < 1e-6, "{}", p("churn"));
    assert!(p("noise") > 0.01, "{}", p("noise"));
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    for section in [
        "id=\"map\"",
        "id=\"clusters\"",
        "id=\"held-out\"",
        "id=\"chance\"",
        "id=\"number\"",
    ] {
        assert!(page.contains(section), "{section}");
    }
    assert!(!page.contains("<script"));
}

#[test]
fn new_rows_go_where_equal_ones_went() {
    let bench = Bench::new();
    let text = shoppers(300, 5);
    bench.write("shoppers.csv", &text);
    for method in ["kmeans", "mixture", "hdbscan"] {
        let args = [
            "cluster",
            "shoppers.csv",
            "--column",
            "age",
            "--column",
            "income",
            "--method",
            method,
            "--out",
            "run",
            "--force",
            "--resamples",
            "2",
            "--no-chance",
        ];
        bench.adit(&args).ok();
        let found = result(&bench, "run");
        assert_eq!(
            found["clusters"].as_array().map(Vec::len),
            Some(3),
            "{method}: {}",
            found["verdict"]
        );
        bench
            .adit(&[
                "predict",
                "run",
                "shoppers.csv",
                "-o",
                "again.csv",
                "--force",
            ])
            .ok();
        let again = std::fs::read_to_string(bench.path("again.csv")).expect("predictions");
        let mut lines = again.lines();
        assert_eq!(lines.next(), Some("row,cluster,name,margin"));
        let labels: Vec<&str> = lines
            .map(|line| line.split(',').nth(1).expect("a cluster"))
            .collect();
        assert_eq!(labels.len(), 300);
        // Groups lie one after another in the file.
        let same = |a: usize, b: usize| !labels[a].is_empty() && labels[a] == labels[b];
        let together = (0..297).filter(|row| same(*row, row + 3)).count();
        assert!(together > 250, "{method}: {together}");
        assert!(
            (0..299).filter(|row| same(*row, row + 1)).count() < 15,
            "{method}"
        );
    }
}

#[test]
fn rows_told_by_learned_vectors_keep_their_clusters() {
    let bench = Bench::new();
    bench.write("shoppers.csv", shoppers(300, 5));
    let run = |threads: &str, columns: &[&str]| {
        let mut args = vec!["cluster", "shoppers.csv", "--learned", "-k", "3"];
        args.extend([
            "--resamples",
            "2",
            "--out",
            "run",
            "--force",
            "--threads",
            threads,
        ]);
        columns
            .iter()
            .for_each(|column| args.extend(["--column", column]));
        bench.adit(&args)
    };
    run("1", &["age", "income"]).ok();
    let file = || std::fs::read(bench.path("run/clusters.parquet")).expect("clusters");
    let first = file();
    run("3", &["age", "income"]).ok();
    assert!(first == file(), "threads change nothing");
    let found = result(&bench, "run");
    assert_eq!(
        (&found["data"]["learned"], &found["data"]["width"]),
        (&true.into(), &32.into())
    );
    // One cloud would look grouped, too: nothing is said of chance, and that is told.
    assert!(found["chance"].is_null());
    assert_eq!(found["warnings"][0]["kind"], "learned");
    bench
        .adit(&["predict", "run", "shoppers.csv", "-o", "again.csv"])
        .ok();
    let again = tool::cells(&bench, "again.csv", "cluster");
    for cluster in found["clusters"].as_array().expect("clusters") {
        let number = cluster["number"].to_string();
        let n = again.iter().filter(|own| **own == number).count();
        assert_eq!(Some(n as u64), cluster["size"].as_u64(), "{number}");
    }
    insta::assert_snapshot!(run("1", &["age"]).error(), @r"
    error: there is too little to learn how cells go together (rows: 300, columns: 1)
    hint: leave `--learned` out, or give 100 rows and two columns at least
    ");
}

#[test]
fn one_cloud_has_no_clusters() {
    let bench = Bench::new();
    let mut next = uniform(11);
    let mut text = String::from("a,b,c\n");
    for _ in 0..300 {
        let shared = gaussian(&mut next);
        let _ = writeln!(
            text,
            "{:.4},{:.4},{:.4}",
            shared + gaussian(&mut next),
            shared,
            gaussian(&mut next)
        );
    }
    bench.write("cloud.csv", text);
    let shown = bench
        .adit(&["cluster", "cloud.csv", "--out", "run"])
        .ok()
        .stdout;
    assert!(
        shown.starts_with("No clusters here: 300 rows lie as one cloud"),
        "{shown}"
    );
    let found = result(&bench, "run");
    assert_eq!(found["clusters"].as_array().map(Vec::len), Some(0));
    // Asked for all the same, they are made, and the verdict says what they are.
    let shown = bench
        .adit(&["cluster", "cloud.csv", "-k", "3", "--out", "three"])
        .ok()
        .stdout;
    assert!(shown.contains("they are no types"), "{shown}");
    // New rows are put nowhere.
    bench
        .adit(&["predict", "run", "cloud.csv", "-o", "none.csv"])
        .ok();
    let none = std::fs::read_to_string(bench.path("none.csv")).expect("predictions");
    assert!(
        none.lines().nth(1).expect("a row").ends_with(",,,"),
        "{none}"
    );
}

#[test]
fn the_same_bytes_for_any_number_of_threads_and_from_the_job_file() {
    let bench = Bench::new();
    bench.write("shoppers.csv", shoppers(300, 7));
    let run = |out: &str, threads: &str| {
        bench
            .adit(&[
                "cluster",
                "shoppers.csv",
                "--hold-out",
                "churn",
                "--out",
                out,
                "--threads",
                threads,
            ])
            .ok();
        let mut found = result(&bench, out);
        found.as_object_mut().expect("an object").remove("cost");
        found["run_again"] = Value::Null;
        let table = std::fs::read(bench.path(out).join("clusters.parquet")).expect("a table");
        let model = std::fs::read(bench.path(out).join("model/clusters.json")).expect("a model");
        (found, table, model)
    };
    let first = run("one", "1");
    assert!(first == run("three", "3"));
    bench.adit(&["run", "one/job.toml", "--out", "again"]).ok();
    let again = std::fs::read(bench.path("again/clusters.parquet")).expect("a table");
    assert!(first.1 == again);
}

#[test]
fn profiles_of_events_describe_no_person() {
    let bench = Bench::new();
    let mut next = uniform(13);
    let mut text = String::from("customer,paid_at,amount,shop\n");
    for customer in 0..120 {
        let is_frequent = customer % 3 == 0;
        for visit in 0..if is_frequent { 30 } else { 3 } {
            let day = 1 + (visit * 7 + customer) % 28;
            let amount = if is_frequent { 5.0 } else { 200.0 } * (0.8 + 0.4 * next());
            let shop = if is_frequent { "corner" } else { "furniture" };
            let _ = writeln!(
                text,
                "p{customer},2026-{:02}-{day:02},{amount:.2},{shop}",
                1 + visit % 12
            );
        }
    }
    bench.write("payments.csv", text);
    let args = [
        "cluster",
        "payments.csv",
        "--entity",
        "customer",
        "--time",
        "paid_at",
        "-k",
        "2",
        "--out",
        "run",
    ];
    let shown = bench.adit(&args).ok().stdout;
    assert!(shown.starts_with("2 clusters of 120 entities"), "{shown}");
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    assert!(!page.contains("p17") && !page.contains("Typical members"));
    let found = result(&bench, "run");
    assert_eq!(found["clusters"][0]["size"], 80);
    assert!(
        found["clusters"]
            .as_array()
            .expect("clusters")
            .iter()
            .all(|c| c.get("typical").is_none())
    );
    // A group below the floor is told by its size only.
    let args = [
        "cluster",
        "payments.csv",
        "--entity",
        "customer",
        "--time",
        "paid_at",
        "-k",
        "2",
        "--min-people",
        "50",
        "--out",
        "floor",
    ];
    bench.adit(&args).ok();
    let found = result(&bench, "floor");
    assert_eq!(found["clusters"][1]["name"], "a small group");
    assert!(found["clusters"][1].get("differences").is_none());
    bench
        .adit(&["predict", "run", "payments.csv", "-o", "who.csv"])
        .ok();
    let who = std::fs::read_to_string(bench.path("who.csv")).expect("predictions");
    assert!(
        who.starts_with("row,customer,cluster,name,margin\n0,p0,"),
        "{}",
        &who[..80]
    );
}

/// Customers with the same events each, as many and of the same kinds; half of them spend after their salary, the others
/// before it. A segment that says nothing is written beside the last event only.
fn orders(n: usize) -> String {
    let mut chance = drawn();
    let mut text = String::from("who,at,kind,amount,segment\n");
    for who in 0..n {
        for month in 1..=6 {
            let day = 5 + chance(18);
            let pair = match who % 2 {
                0 => ["salary", "spend"],
                _ => ["spend", "salary"],
            };
            for (hour, kind) in ["09", "17"].iter().zip(pair) {
                let _ = writeln!(
                    text,
                    "c{who},2024-{month:02}-{day:02}T{hour}:00:00,{kind},100,"
                );
            }
            for _ in 0..2 {
                let (day, amount) = (1 + chance(27), chance(90));
                let segment = if month == 6 {
                    "abc".get(..1 + who % 3)
                } else {
                    None
                };
                let _ = writeln!(
                    text,
                    "c{who},2024-{month:02}-{day:02}T20:00:00,other,{amount},{}",
                    segment.unwrap_or_default()
                );
            }
        }
    }
    text
}

#[test]
fn what_only_the_order_of_events_tells_is_seen_through_their_encoder() {
    let bench = Bench::new();
    bench.write("events.csv", orders(200));
    let of_events = ["events.csv", "--entity", "who", "--time", "at"];
    let ended = |verb: &str, more: &[&str]| {
        let args: Vec<&str> = [verb]
            .iter()
            .chain(&of_events)
            .chain(more)
            .copied()
            .collect();
        bench.adit(&args)
    };
    let without_last = |line: &str| format!("{}\n", line.rsplit_once(',').map_or("", |l| l.0));
    let learned: String = orders(200).lines().map(without_last).collect();
    bench.write("learned.csv", learned);
    let pretrain = |events: &str, epochs: &str, out: &str| {
        let of = ["pretrain", events, "--entity", "who", "--time", "at"];
        let more = ["--epochs", epochs, "--out", out];
        bench.adit(&[&of[..], &more].concat()).ok();
    };
    pretrain("learned.csv", "20", "encoder");
    let cluster = |out: &str, more: &[&str]| -> f64 {
        let given = ["-k", "2", "--no-chance", "--resamples", "0", "--out", out];
        ended("cluster", &[&given, more].concat()).ok();
        let file = format!("{out}.csv");
        bench
            .adit(&["predict", out, "events.csv", "-o", &file])
            .ok();
        let cluster = tool::cells(&bench, &file, "cluster");
        let who = tool::cells(&bench, &file, "who");
        assert_eq!(who.len(), 200);
        let is_odd = |who: &str| who[1..].parse::<u32>().expect("a number") % 2 == 1;
        let agree = (who.iter().zip(&cluster)).filter(|(who, k)| is_odd(who) == (*k == "1"));
        let share = agree.count() as f64 / 200.0;
        share.max(1.0 - share)
    };
    let held = ["--hold-out", "segment"];
    let by_profile = cluster("profiles", &held);
    assert!(by_profile < 0.65, "{by_profile}");
    let encoder = ["--encoder", "encoder", "--encoder-share", "0.9"];
    let by_encoder = cluster("vectors", &[&encoder[..], &held].concat());
    assert!(by_encoder > 0.95, "{by_encoder}");
    let found = result(&bench, "vectors");
    assert_eq!(found["data"]["encoder_share"], 0.9);
    // Their names say what the encoder saw.
    for cluster in found["clusters"].as_array().expect("clusters") {
        let name = cluster["name"].as_str().expect("a name");
        assert!(name.contains(", then s"), "{name}");
    }
    let page = std::fs::read_to_string(bench.path("vectors/report.html")).expect("a report");
    assert!(page.contains("The course of events through the encoder"));
    // A column that is held out makes no profile; an entity's last known value of it is compared.
    for out in ["profiles", "vectors"] {
        let found = result(&bench, out);
        assert!(!found["data"].to_string().contains("segment ="), "{out}");
        assert_eq!(found["held_out"][0]["column"], "segment");
    }
    // What the encoder learned from cannot be held out of it.
    pretrain("events.csv", "1", "whole");
    let of_whole = ["--encoder", "whole", "--hold-out", "segment"];
    let error = ended("cluster", &of_whole).error();
    assert!(error.contains("learned from `segment`"), "{error}");
    // A column that is to be ignored is, though the encoder knows it.
    let without = ["--role", "kind=ignore", "-k", "2", "--no-chance"];
    let more = ["--resamples", "0", "--out", "without"];
    ended("cluster", &[&encoder[..], &held, &without, &more].concat()).ok();
    let found = result(&bench, "without");
    assert!(!found["data"].to_string().contains("kind ="), "{found}");
    let told = found["warnings"].to_string();
    assert!(told.contains("columns that are not read: kind"), "{told}");
    // Strange entities are looked for in the same points.
    ended("anomalies", &[&encoder[..], &["--out", "strange"]].concat()).ok();
    bench
        .adit(&["predict", "strange", "events.csv", "-o", "scores.csv"])
        .ok();
    assert_eq!(tool::cells(&bench, "scores.csv", "score").len(), 200);
    // The run holds its encoder.
    std::fs::remove_dir_all(bench.path("encoder")).expect("removed");
    bench
        .adit(&["predict", "vectors", "events.csv", "-o", "again.csv"])
        .ok();
    std::fs::write(bench.path("vectors/model/events.safetensors"), "no").expect("written");
    let damaged = bench
        .adit(&["predict", "vectors", "events.csv", "-o", "no.csv"])
        .error();
    assert!(damaged.contains("events.safetensors"), "{damaged}");
    let none = ended("cluster", &encoder).error();
    assert!(none.contains("encoder is no encoder of events"), "{none}");
}

#[test]
fn vectors_that_were_made_before_are_taken_where_they_are_those_of_the_texts() {
    let bench = tool::text_bench(120);
    let embed = |encoder: &str, column: &str, out: &str| {
        let args = [
            "embed",
            "data.csv",
            "--text",
            column,
            "--encoder",
            encoder,
            "-o",
            out,
        ];
        bench.adit(&args).ok();
    };
    embed("tiny", "text", "vectors.parquet");
    let cluster = |out: &str, more: &[&str]| {
        let args = [
            "cluster",
            "data.csv",
            "--text",
            "text",
            "--encoder",
            "tiny",
            "-k",
            "4",
            "--out",
            out,
        ];
        bench.adit(&[&args, more].concat())
    };
    cluster("made", &[]).ok();
    cluster("given", &["--vectors", "vectors.parquet"]).ok();
    let of =
        |run: &str, file: &str| std::fs::read(bench.path(&format!("{run}/{file}"))).expect(file);
    for file in ["clusters.parquet", "model/clusters.json"] {
        assert_eq!(of("made", file), of("given", file), "{file}");
    }
    // The job names them, and repeats the run from anywhere.
    let again = bench.adit(&["run", "given/job.toml", "--out", "again"]);
    again.ok();
    assert_eq!(
        of("given", "clusters.parquet"),
        of("again", "clusters.parquet")
    );
    // Other texts of as many rows.
    bench.write(
        "other.csv",
        tool::text_table(121).replace("it was the", "food not bad"),
    );
    let args = [
        "embed",
        "other.csv",
        "--text",
        "text",
        "--encoder",
        "tiny",
        "-o",
        "longer.parquet",
    ];
    bench.adit(&args).ok();
    let told = [
        cluster("no", &["--vectors", "longer.parquet"]).error(),
        cluster("no", &["--vectors", "data.csv"]).error(),
        cluster("no", &["--vectors", "nowhere.parquet"]).error(),
    ];
    assert!(
        told[0].contains("of 121 rows") || told[0].contains("other rows"),
        "{}",
        told[0]
    );
    assert!(told[0].contains("adit embed DATA"), "{}", told[0]);
    assert!(told[1].contains("as Parquet"), "{}", told[1]);
    assert!(
        told[2].contains("nowhere.parquet cannot be read"),
        "{}",
        told[2]
    );
    let shorter = tool::text_table(120).replace("it was the", "food not bad");
    bench.write("shorter.csv", shorter);
    let args = [
        "embed",
        "shorter.csv",
        "--text",
        "text",
        "--encoder",
        "tiny",
        "-o",
        "others.parquet",
    ];
    bench.adit(&args).ok();
    let of_cells = ["cluster", "data.csv", "--encoder", "tiny", "--out", "no"];
    let more = ["--vectors", "nowhere.parquet", "--role", "text=ignore"];
    let no_text = bench.adit(&[&of_cells[..], &more].concat()).error();
    assert!(no_text.contains("no column looks like text"), "{no_text}");
    let others = cluster("no", &["--vectors", "others.parquet"]).error();
    assert!(others.contains("row 0 has another vector"), "{others}");
    assert!(!bench.path("no").exists());
}

#[test]
fn what_cannot_be_is_told() {
    let bench = Bench::new();
    bench.write(
        "t.csv",
        "a,b,t\n1,2,one text of words\n2,3,another text of words\n3,4,a third text of words\n",
    );
    let error = |args: &[&str]| {
        let mut all = vec!["cluster", "t.csv"];
        all.extend(args);
        bench.adit(&all).error()
    };
    let told = [
        error(&["--text", "t"]),
        error(&["--column", "c"]),
        error(&["-k", "1"]),
        error(&["-k", "3", "--method", "hdbscan"]),
        error(&["--entity", "a", "--time", "c"]),
        error(&["--column", "a", "--hold-out", "a"]),
    ];
    insta::assert_snapshot!(told.join("\n\n"));
    assert_eq!(bench.entries(), ["t.csv"]);
}

#[test]
fn small_groups_are_not_told_by_the_map_either() {
    let bench = Bench::new();
    let mut next = tool::uniform(4);
    let mut text = String::from("x,y,at\n");
    for row in 0..308 {
        let (x, y) = match row {
            300.. => (70_500.0, 31_000.0),
            _ => (f64::from(row % 2) * 900.0, 500.0),
        };
        let at = format!("2024-{:02}-03", 1 + row % 5);
        let (x, y) = (x + tool::gaussian(&mut next), y + tool::gaussian(&mut next));
        let _ = writeln!(text, "{x:.3},{y:.3},{at}");
    }
    bench.write("t.csv", text);
    let told = |floor: &str| {
        let args = [
            "cluster",
            "t.csv",
            "-k",
            "3",
            "--no-chance",
            "--hold-out",
            "at",
            "--resamples",
            "0",
        ];
        let more = ["--min-people", floor, "--out", floor];
        bench.adit(&[&args[..], &more].concat()).ok();
        let page = std::fs::read_to_string(bench.path(&format!("{floor}/report.html")));
        let shares = result(&bench, floor)["over_time"]["shares"][2].clone();
        (page.expect("a report").matches("x 70").count(), shares)
    };
    let (n_open, shares) = told("2");
    assert!(n_open >= 8, "{n_open}");
    assert_eq!(shares.as_array().map(Vec::len), Some(5));
    let (n_withheld, shares) = told("20");
    assert_eq!(n_withheld, 0);
    assert_eq!(shares.as_array().map(Vec::len), Some(0));
}

#[test]
fn texts_that_are_all_the_same_have_no_components_and_no_clusters() {
    let bench = Bench::new();
    let text: String = (0..30).map(|row| format!("{row},it was good\n")).collect();
    bench.write("same.csv", format!("n,text\n{text}"));
    tool::tiny_encoder(&bench, "tiny");
    let of_texts = ["same.csv", "--text", "text", "--encoder", "./tiny"];
    let args = [
        &["cluster"],
        &of_texts[..],
        &["--components", "5", "--out", "run"],
    ]
    .concat();
    let ended = bench.adit(&args).ok();
    assert!(ended.stdout.contains("o clusters here"), "{}", ended.stdout);
    // Beside a column of numbers they say nothing of anomalies either.
    let args = [
        &["anomalies"],
        &of_texts[..],
        &["--column", "n", "--role", "n=number"],
    ]
    .concat();
    bench
        .adit(&[&args[..], &["--out", "strange"]].concat())
        .ok();
    bench
        .adit(&["predict", "strange", "same.csv", "-o", "scores.csv"])
        .ok();
    assert_eq!(tool::cells(&bench, "scores.csv", "score").len(), 30);
}

#[test]
fn categories_that_are_all_rare_are_not_called_constant() {
    let bench = Bench::new();
    let mut next = tool::uniform(6);
    let mut text = String::from("x,city,one\n");
    for row in 0..600 {
        let x = tool::gaussian(&mut next);
        let _ = writeln!(text, "{x:.3},c{},same", row % 240);
    }
    bench.write("t.csv", text);
    let args = [
        "cluster",
        "t.csv",
        "--role",
        "city=category",
        "--role",
        "one=category",
    ];
    bench.adit(&[&args[..], &["--out", "run"]].concat()).ok();
    let found = result(&bench, "run");
    assert_eq!(found["data"]["constant"], serde_json::json!(["one"]));
    assert_eq!(found["data"]["rare"], serde_json::json!(["city"]));
}
