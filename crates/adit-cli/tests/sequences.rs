//! Sequences from data to report, in every form in which they are written.

mod tool;

use tool::{Bench, Ended, drawn, result};

/// Histories of eight events by chance; in a share of them, `in_order` of 20, search, cart and pay follow each other,
/// in others the same three come in any order.
fn histories(n: usize, in_order: u64) -> Vec<Vec<String>> {
    let mut chance = drawn();
    (0..n)
        .map(|_| {
            let length = 3 + chance(8);
            let mut events: Vec<String> =
                (0..length).map(|_| format!("page {}", chance(8))).collect();
            let three = ["search", "cart", "pay"];
            let starts = chance(20);
            if starts < in_order {
                let mut places: Vec<u64> = (0..3).map(|_| chance(length + 1)).collect();
                places.sort_unstable();
                for (k, place) in places.into_iter().enumerate() {
                    events.insert(place as usize + k, three[k].into());
                }
            } else if starts < in_order + 4 {
                for event in three {
                    let place = chance(events.len() as u64 + 1) as usize;
                    events.insert(place, event.into());
                }
            }
            events
        })
        .collect()
}

/// A row an event, the rows of all histories mixed: the second events after all first ones.
fn as_rows(histories: &[Vec<String>]) -> String {
    let longest = histories.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::from("who,at,what\n");
    for k in (0..longest).rev() {
        for (who, events) in histories.iter().enumerate() {
            if let Some(event) = events.get(k) {
                text.push_str(&format!(
                    "w{who},2024-03-{:02} {:02}:00:00,{event}\n",
                    1 + k / 24,
                    k % 24
                ));
            }
        }
    }
    text
}

const ROWS: [&str; 6] = ["--entity", "who", "--time", "at", "--event", "what"];

fn run(bench: &Bench, data: &str, more: &[&str], out: &str) -> Ended {
    let mut args = vec!["sequences", data];
    args.extend(more);
    args.extend(["--out", out, "--quiet"]);
    bench.adit(&args)
}

fn rules(found: &serde_json::Value) -> Vec<String> {
    let text = |v: &serde_json::Value| v.as_str().expect("a text").to_string();
    let patterns = found["patterns"].as_array().expect("a list");
    patterns
        .iter()
        .map(|p| {
            let items = p["items"].as_array().expect("a list");
            let mut names: Vec<String> = items.iter().map(text).collect();
            names.extend(p["then"].as_str().map(String::from));
            names.join(" > ")
        })
        .collect()
}

#[test]
fn planted_order_survives_and_nothing_else() {
    let bench = Bench::new();
    bench.write("events.csv", as_rows(&histories(1500, 5)));
    let ended = run(&bench, "events.csv", &ROWS, "run").ok();
    let found = result(&bench, "run");
    let told = rules(&found);
    assert!(
        told.contains(&"search > cart > pay".to_string()),
        "{told:?}"
    );
    for rule in &told {
        assert!(!rule.contains("page"), "{rule}");
    }
    let verdict = found["verdict"].as_str().expect("a sentence");
    assert!(ended.stdout.starts_with(verdict), "{}", ended.stdout);
    assert_eq!(
        found["shuffled"]["kept"],
        serde_json::json!([0, 0, 0, 0, 0])
    );
    let first = &found["patterns"][0];
    let words = first["words"].as_str().expect("a sentence");
    assert!(
        words.contains(" go on to ") && words.contains("in random order"),
        "{words}"
    );
    let steps: Vec<u64> = first["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|n| n.as_u64())
        .collect();
    assert!(
        steps.windows(2).all(|pair| pair[0] >= pair[1])
            && steps.last() == first["count"].as_u64().as_ref()
    );
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    assert!(page.contains("class=\"flow\"") && page.contains("Sequences with"));
    // Rows lie in the wrong order, which is told; their times count.
    assert!(
        ended.stdout.contains("put in order by time"),
        "{}",
        ended.stdout
    );

    let again = [
        "run",
        "run/job.toml",
        "--out",
        "again",
        "--quiet",
        "--threads",
        "1",
    ];
    bench.adit(&again).ok();
    assert_eq!(result(&bench, "again")["fingerprint"], found["fingerprint"]);
    let bytes = |run: &str| {
        std::fs::read(bench.path(&format!("{run}/patterns.parquet"))).expect("patterns")
    };
    assert_eq!(bytes("run"), bytes("again"));
}

#[test]
fn a_label_is_told_by_what_comes_before_it() {
    let bench = Bench::new();
    // Of those with the label most have the three in order; of the others they are in any order as often.
    let mut rows = as_rows(&histories(700, 10));
    let mut labels = String::from("who,churn\n");
    for who in 0..700 {
        labels.push_str(&format!("w{who},yes\n"));
    }
    let others = as_rows(&histories(800, 1));
    for line in others.lines().skip(1) {
        rows.push_str(&format!("x{line}\n"));
    }
    for who in 0..800 {
        labels.push_str(&format!("xw{who},no\n"));
    }
    labels.push_str("nobody,yes\n");
    bench.write("events.csv", rows);
    bench.write("labels.csv", labels);
    let asked = ["--labels", "labels.csv", "--label", "churn"];
    for guard in ["holdout", "lamp", "permutation"] {
        let mut more = ROWS.to_vec();
        more.extend(asked);
        more.extend([
            "--guard",
            guard,
            "--shuffles",
            "2",
            "--max-items",
            "3",
            "--min-support",
            "0.03",
            "--force",
        ]);
        run(&bench, "events.csv", &more, "run").ok();
        let found = result(&bench, "run");
        let told = rules(&found);
        assert_eq!(found["search"]["label"], "churn = yes", "the rarer of two");
        assert!(
            told.iter()
                .any(|r| r.starts_with("search > cart") && r.ends_with("> churn = yes")),
            "{guard}: {told:?}"
        );
        // Of the three in order, search comes early and pay late, so pages beside them may tell of it too; alone they cannot.
        let is_one = |r: &String| {
            ["search", "cart", "pay"]
                .iter()
                .any(|event| r.contains(event))
        };
        assert!(told.iter().all(is_one), "{guard}: {told:?}");
    }
    let mut more = ROWS.to_vec();
    more.extend(asked);
    more.extend(["--positive", "maybe"]);
    let error = run(&bench, "events.csv", &more, "other").error();
    assert!(
        error.contains("churn = maybe") && error.contains("no, yes"),
        "{error}"
    );
}

#[test]
fn every_form_gives_the_same_patterns() {
    let bench = Bench::new();
    let histories = histories(300, 3);
    bench.write("rows.csv", as_rows(&histories));
    let lines =
        |between: &str| -> String { histories.iter().map(|h| h.join(between) + "\n").collect() };
    bench.write("lines.csv", lines(","));
    let mut names: Vec<&str> = histories.iter().flatten().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut spmf = String::from("@CONVERTED_FROM_TEXT\n");
    for (k, name) in names.iter().enumerate() {
        spmf.push_str(&format!("@ITEM={k}={name}\n"));
    }
    for history in &histories {
        for event in history {
            let k = names.iter().position(|name| name == event).expect("a name");
            spmf.push_str(&format!("{k} -1 "));
        }
        spmf.push_str("-2\n");
    }
    bench.write("spmf.txt", spmf);
    let sets = |kind: &str, data: &str, more: &[&str]| {
        let mut all = vec![
            "--kind",
            kind,
            "--min-support",
            "0.1",
            "--max-items",
            "3",
            "--force",
        ];
        all.extend(more);
        run(&bench, data, &all, "run").ok();
        let found = result(&bench, "run");
        let count = |p: &serde_json::Value| p["count"].as_u64().expect("a count");
        let counts: Vec<u64> = found["patterns"]
            .as_array()
            .expect("a list")
            .iter()
            .map(count)
            .collect();
        let mut told: Vec<String> = rules(&found)
            .iter()
            .zip(counts)
            .map(|(r, n)| format!("{r}: {n}"))
            .collect();
        told.sort();
        told
    };
    let known = sets("frequent", "rows.csv", &ROWS);
    assert!(known.len() > 20);
    assert_eq!(sets("frequent", "lines.csv", &[]), known);
    assert_eq!(sets("frequent", "spmf.txt", &[]), known);
    // Closed ones are among them, and limits make them fewer.
    let limited = sets("frequent", "spmf.txt", &["--max-gap", "1"]);
    assert!(limited.len() < known.len());
    let closed = sets("closed", "spmf.txt", &[]);
    assert!(closed.iter().all(|p| known.contains(p)));
    assert_eq!(sets("frequent", "spmf.txt", &["--top", "5"]).len(), 5);
}

#[test]
fn sessions_are_cut_and_sequences_marked() {
    let bench = Bench::new();
    let mut rows = String::from("who,at,what\n");
    for who in 0..200 {
        for (minute, what) in [(0, "a"), (10, "b"), (500, "c"), (505, "a")] {
            let (hour, minute) = (minute / 60, minute % 60);
            rows.push_str(&format!(
                "w{who},2024-05-01 {hour:02}:{minute:02}:00,{what}\n"
            ));
        }
    }
    bench.write("events.csv", rows);
    let mut more = ROWS.to_vec();
    more.extend(["--session-gap", "30m", "--min-support", "0.2"]);
    run(&bench, "events.csv", &more, "run").ok();
    let found = result(&bench, "run");
    assert_eq!(found["data"]["n"], 400);
    assert!(!rules(&found).iter().any(|rule| rule.contains("b > c")));
    assert!(rules(&found).contains(&"a > b".to_string()));
    bench.write(
        "new.csv",
        "who,at,what\nz,2024-06-01,b\nz,2024-06-02,a\nz,2024-06-02 00:20:00,b\n",
    );
    bench
        .adit(&["predict", "run", "new.csv", "-o", "marks.csv"])
        .ok();
    assert_eq!(
        tool::cells(&bench, "marks.csv", "sequence"),
        ["z / 1", "z / 2"]
    );
    assert_eq!(tool::cells(&bench, "marks.csv", "a > b"), ["false", "true"]);
}

#[test]
fn what_cannot_be_searched_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    bench.write("events.csv", as_rows(&histories(50, 3)));
    bench.write("texts.csv", "who,at,what\na,soon,x\na,late,y\n");
    bench.write("bad.txt", "1 -1 2\n3 -1 -2\n4 -1 -2\n");
    bench.write("empty.txt", "");
    bench.write("others.csv", "who,churn\n17,yes\n18,no\n");
    bench.write("same.csv", "who,churn\nw1,yes\nw2,yes\n");
    bench.write("notes.txt", "# nothing\n% here\n@ITEM=1=a\n1 -1 -2\n");
    let with = |more: &[&'static str]| -> Vec<&'static str> {
        let mut all = ROWS.to_vec();
        all.extend(more);
        all
    };
    let cases: Vec<(&str, Vec<&str>, &str)> = vec![
        ("events.csv", vec!["--entity", "who"], "data.event"),
        (
            "events.csv",
            with(&["--session-gap", "soon"]),
            "session_gap",
        ),
        ("events.csv", with(&["--session-gap", "5"]), "unit"),
        ("events.csv", with(&["--label", "churn"]), "`churn`"),
        ("events.csv", with(&["--guard", "lamp"]), "data.label"),
        ("events.csv", with(&["--target", "caviar"]), "caviar"),
        (
            "events.csv",
            with(&["--kind", "closed", "--max-gap", "2"]),
            "not defined",
        ),
        ("events.csv", with(&["--min-support", "-1"]), "share"),
        ("texts.csv", ROWS.to_vec(), "no order"),
        (
            "events.csv",
            with(&["--kind", "frequent", "--max-items", "40"]),
            "at most 32",
        ),
        (
            "events.csv",
            with(&["--labels", "others.csv", "--label", "churn"]),
            "no entity of the events",
        ),
        (
            "events.csv",
            with(&["--labels", "same.csv", "--label", "churn"]),
            "nothing to tell apart",
        ),
        ("bad.txt", vec!["--form", "spmf"], "does not end with `-2`"),
        ("empty.txt", vec![], "empty.txt"),
        ("missing.txt", vec![], "missing.txt"),
        ("-", vec![], "data.form"),
    ];
    for (data, more, named) in cases {
        let error = run(&bench, data, &more, "run").error();
        assert!(error.contains(named), "{data} {more:?}: {error}");
        assert!(!bench.path("run").exists(), "{data} {more:?}");
    }
    run(&bench, "notes.txt", &["--form", "spmf"], "run").ok();
}

/// What is wrong with a file ends in a result or in an error that says what and how to mend it; a panic, a half-written
/// folder or an error without words never.
#[test]
fn a_hundred_malformed_inputs_end_in_a_result_or_an_error() {
    let bench = Bench::new();
    let giant = (0..100_000)
        .map(|k| format!("i{k}"))
        .collect::<Vec<_>>()
        .join(" ");
    let long_line = "x".repeat(20 << 20);
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("one byte", b"a".to_vec()),
        ("zero bytes", vec![0; 300]),
        ("line ends", b"\n\r\n\r\n\n".to_vec()),
        ("separators", b",,,\n,\n,,\n".to_vec()),
        (
            "mixed forms",
            b"a,b,c\nid;item\n1 2 3 -1 -2\n{\"a\": 1}\n".to_vec(),
        ),
        ("mixed separators", b"a,b\na;b\na b\na\tb\na|b\n".to_vec()),
        ("doubles", b"a a a a\na a\n".to_vec()),
        ("an open quote", b"a,\"b,c\nd,e\nf\n".to_vec()),
        ("quotes within", b"a\"b,c\"d\n\"\"\"\",x\n".to_vec()),
        ("no utf-8", b"a,b\n\xff\xfe\xfd,c\n".to_vec()),
        (
            "utf-16",
            "a b\nb c\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
        ("a mark at the start", b"\xef\xbb\xbfa b\nb c\n".to_vec()),
        (
            "names of all kinds",
            "smørrebrød 寿司 \u{1F95F} \u{202e}drow \u{0}\n"
                .repeat(9)
                .into_bytes(),
        ),
        ("one giant", format!("{giant}\na b\n").into_bytes()),
        ("a long name", format!("{long_line} a\na b\n").into_bytes()),
        ("spmf without ends", b"1 -1 2 -1\n1 -1\n".to_vec()),
        ("spmf, negative", b"1 -1 -5 -2\n-7 -1 -2\n".to_vec()),
        ("spmf, ends only", b"-2\n-1 -2\n-1 -1 -2\n".to_vec()),
        ("spmf with times", b"<0> 1 -1 <1> 2 -1 -2\n".to_vec()),
        ("a header only", b"who,at,what\n".to_vec()),
        (
            "cells missing",
            b"who,at,what\n,,\na,,\n,2024-01-01,\n,,x\n".to_vec(),
        ),
        (
            "times out of order",
            b"who,at,what\na,2024-01-09,x\na,2024-01-01,y\na,2024-01-05,z\n".to_vec(),
        ),
        (
            "times of all kinds",
            b"who,at,what\na,2024-01-09,x\na,yesterday,y\na,17,z\n".to_vec(),
        ),
        (
            "numbers beyond all",
            b"who,at,what\na,1e999,x\na,-1e999,y\na,nan,z\n".to_vec(),
        ),
        (
            "ragged rows",
            b"who,at,what\na,1\nb,1,x,y,z\nc,2,y\n".to_vec(),
        ),
        ("columns twice", b"who,who,what\na,b,x\nb,a,y\n".to_vec()),
        (
            "a table of one class",
            b"who,at,what\na,1,x\nb,1,x\nc,1,x\n".to_vec(),
        ),
        (
            "json",
            b"[{\"who\": \"a\", \"at\": 1, \"what\": null}]".to_vec(),
        ),
        ("a cut parquet", b"PAR1\x15\x04\x15".to_vec()),
        ("a cut gzip", b"\x1f\x8b\x08\x00\x00\x00".to_vec()),
    ];
    let ways: [&[&str]; 4] = [
        &["rules"],
        &["rules", "--basket", "who", "--item", "what"],
        &["sequences"],
        &[
            "sequences",
            "--entity",
            "who",
            "--time",
            "at",
            "--event",
            "what",
        ],
    ];
    let mut tried = 0;
    for (k, (name, bytes)) in inputs.iter().enumerate() {
        let file = format!("data{k}.txt");
        bench.write(&file, bytes);
        for way in ways {
            let mut args = way.to_vec();
            args.insert(1, &file);
            args.extend([
                "--out",
                "run",
                "--quiet",
                "--min-support",
                "0.3",
                "--shuffles",
                "1",
            ]);
            let ended = bench.adit(&args);
            let what = format!("{name} {way:?}: {} {}", ended.stdout, ended.stderr);
            assert!(!ended.stderr.contains("panicked"), "{what}");
            match ended.code {
                Some(0) => {
                    assert!(bench.path("run/report.html").is_file(), "{what}");
                    std::fs::remove_dir_all(bench.path("run")).expect("a folder");
                }
                Some(2) => {
                    assert!(
                        ended.stderr.starts_with("error: ") && ended.stderr.len() > 20,
                        "{what}"
                    );
                    assert!(!bench.path("run").exists(), "{what}");
                }
                _ => panic!("{what}"),
            }
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    let left: Vec<String> = bench
        .entries()
        .into_iter()
        .filter(|name| !name.starts_with("data"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn too_little_memory_raises_the_support_and_says_how_much_there_is() {
    let bench = Bench::new();
    let mut chance = drawn();
    let lines: Vec<String> = (0..300)
        .map(|_| {
            let events: Vec<String> = (0..14).map(|_| format!("e{}", chance(4))).collect();
            events.join(",") + "\n"
        })
        .collect();
    bench.write("dense.csv", lines.concat());
    let more = ["--form", "lines", "--min-support", "5%", "--memory", "1"];
    for kind in ["frequent", "rules"] {
        let more = [&more[..], &["--kind", kind, "--max-items", "9"]].concat();
        let ended = run(&bench, "dense.csv", &more, kind).ok();
        let found = result(&bench, kind);
        let fits = found["search"]["support_that_fits"].as_f64().unwrap();
        assert!(fits > 0.05, "{fits}");
        let about = found["search"]["estimated_sets"].as_f64().unwrap();
        assert!(about > 6_000.0, "{about}");
        assert!(ended.stdout.contains("there are about"), "{}", ended.stdout);
    }
}
