//! Baskets from data to report, in every form in which they are written.

mod tool;

use tool::{Bench, drawn, result, rules_in_words as words};

/// Baskets of twenty items by chance; bread and butter go together, and so do three others.
fn baskets(n: usize) -> Vec<Vec<String>> {
    let mut chance = drawn();
    (0..n)
        .map(|_| {
            let mut basket: Vec<String> = (0..20)
                .filter(|_| chance(8) == 0)
                .map(|k| format!("item {k}"))
                .collect();
            if chance(4) == 0 {
                basket.push("bread".into());
                if chance(3) > 0 {
                    basket.push("butter".into());
                }
            }
            if chance(12) == 0 {
                basket.extend(["tea", "lemon", "honey"].map(String::from));
            }
            basket
        })
        .collect()
}

fn as_lines(baskets: &[Vec<String>], between: &str) -> String {
    let lines = baskets.iter().map(|basket| basket.join(between) + "\n");
    lines.collect()
}

fn counts(found: &serde_json::Value) -> &serde_json::Value {
    &found["counts"]
}

#[test]
fn what_is_planted_survives_and_nothing_else() {
    let bench = Bench::new();
    bench.write("baskets.csv", as_lines(&baskets(3000), ","));
    let ended = bench
        .adit(&["rules", "baskets.csv", "--out", "run", "--quiet"])
        .ok();
    let found = result(&bench, "run");
    let told = words(&found);
    let planted = |name: &str| ["bread", "butter", "tea", "lemon", "honey"].contains(&name);
    assert!(
        told.iter()
            .any(|w| w.contains("bread") && w.contains("butter")),
        "{told:?}"
    );
    for rule in &told {
        assert!(
            rule.split(['+', '>']).all(|name| planted(name.trim())),
            "{rule}"
        );
    }
    let verdict = found["verdict"].as_str().expect("a sentence");
    assert!(
        verdict.contains("survive") && verdict.contains("in shuffled data"),
        "{verdict}"
    );
    assert!(ended.stdout.starts_with(verdict), "{}", ended.stdout);
    let kept = found["shuffled"]["kept"].as_array().expect("a list");
    assert!(
        kept.len() == 5 && kept.iter().all(|n| n.as_u64() <= Some(1)),
        "{kept:?}"
    );
    for file in ["report.html", "result.json", "job.toml", "patterns.parquet"] {
        assert!(bench.path(&format!("run/{file}")).is_file(), "{file}");
    }
    // The same job again gives the same bytes but for time and memory.
    bench
        .adit(&[
            "run",
            "run/job.toml",
            "--out",
            "again",
            "--quiet",
            "--threads",
            "1",
        ])
        .ok();
    assert_eq!(result(&bench, "again")["fingerprint"], found["fingerprint"]);
    let bytes = |run: &str| {
        std::fs::read(bench.path(&format!("{run}/patterns.parquet"))).expect("patterns")
    };
    assert_eq!(bytes("run"), bytes("again"));
}

#[test]
fn every_form_gives_the_same_patterns() {
    let bench = Bench::new();
    let baskets = baskets(800);
    bench.write("lines.dat", as_lines(&baskets, ";"));
    let mut long = String::from("receipt,what\n");
    let mut names: Vec<&str> = baskets.iter().flatten().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut wide = names.join(",") + "\n";
    for (at, basket) in baskets.iter().enumerate() {
        if basket.is_empty() {
            // A row an item cannot tell of a basket without one.
            long.push_str(&format!("r{at},nothing\n"));
        }
        for item in basket {
            long.push_str(&format!("r{at},{item}\n"));
        }
        let cells = names
            .iter()
            .map(|name| u8::from(basket.iter().any(|i| i == name)).to_string());
        wide.push_str(&(cells.collect::<Vec<_>>().join(",") + "\n"));
    }
    bench.write("long.csv", long);
    bench.write("wide.csv", wide);
    let sets = |name: &str, more: &[&str]| {
        let mut args = vec![
            "rules",
            name,
            "--kind",
            "itemsets",
            "--min-support",
            "0.03",
            "--max-items",
            "3",
        ];
        args.extend(["--out", "run", "--force", "--quiet"]);
        args.extend(more);
        bench.adit(&args).ok();
        let found = result(&bench, "run");
        let patterns = found["patterns"].as_array().expect("a list").clone();
        let mut sets: Vec<(Vec<String>, u64)> = patterns
            .iter()
            .map(|p| {
                let mut items: Vec<String> =
                    serde_json::from_value(p["items"].clone()).expect("items");
                items.sort();
                (items, p["count"].as_u64().expect("a count"))
            })
            .filter(|(items, _)| items != &["nothing"])
            .collect();
        sets.sort();
        (
            found["data"]["form"].as_str().expect("a form").to_string(),
            sets,
        )
    };
    // Empty lines are passed over, so the baskets of lines are those that hold something.
    let (form, of_long) = sets("long.csv", &["--basket", "receipt", "--item", "what"]);
    assert_eq!(form, "a row an item");
    let (form, of_wide) = sets("wide.csv", &[]);
    assert_eq!(form, "a row a basket, a column an item");
    assert!(of_long.len() > 30, "{}", of_long.len());
    assert_eq!(of_long, of_wide);
    let (form, of_lines) = sets("lines.dat", &[]);
    assert_eq!(form, "a line a basket");
    let n_full = baskets.iter().filter(|b| !b.is_empty()).count() as f64;
    let above: Vec<_> = of_long
        .iter()
        .filter(|s| s.1 as f64 >= 0.03 * n_full)
        .cloned()
        .collect();
    let also: Vec<_> = of_lines
        .into_iter()
        .filter(|s| s.1 as f64 >= 0.03 * 800.0)
        .collect();
    assert!(also.iter().all(|set| above.contains(set)) && also.len() > 30);
}

#[test]
fn rows_with_values_and_numbers_lead_to_a_target() {
    let bench = Bench::new();
    let mut table = String::from("age,contract,colour,churn\n");
    let mut chance = drawn();
    for _ in 0..2000 {
        let age = 20 + chance(50);
        let contract = ["monthly", "yearly"][chance(2) as usize];
        let colour = ["red", "green", "blue"][chance(3) as usize];
        let risky = age < 32 && contract == "monthly";
        let churn = ["no", "yes"][usize::from(chance(10) < if risky { 7 } else { 2 })];
        table.push_str(&format!("{age},{contract},{colour},{churn}\n"));
    }
    bench.write("customers.csv", table);
    for guard in ["lamp", "holdout", "permutation"] {
        let args = [
            "rules",
            "customers.csv",
            "--target",
            "churn = yes",
            "--guard",
            guard,
            "--out",
            guard,
            "--quiet",
        ];
        bench.adit(&args).ok();
        let found = result(&bench, guard);
        let told = words(&found);
        assert!(
            told.iter()
                .any(|w| w.contains("age ≤ ") && w.contains("contract = monthly")),
            "{guard}: {told:?}"
        );
        assert!(
            told.iter()
                .all(|w| w.ends_with("> churn = yes") && !w.contains("colour")),
            "{told:?}"
        );
        let cuts = &found["data"]["cuts"]["age"];
        match guard {
            // Where churn changes, as near as a half of the rows tells.
            "holdout" => {
                let ends: Vec<f64> = serde_json::from_value(cuts.clone()).expect("numbers");
                assert!(
                    matches!(ends[..], [end] if (30.0..=33.0).contains(&end)),
                    "{ends:?}"
                );
            }
            _ => assert_eq!(cuts.as_array().expect("cuts").len(), 3, "at quantiles"),
        }
    }
}

#[test]
fn kinds_are_counted_by_their_names() {
    let bench = Bench::new();
    bench.write("b.dat", "a b c\na b c\na b\na b\nd\n");
    for (kind, key, n) in [
        ("itemsets", "itemsets", 7),
        ("closed", "closed", 2),
        ("maximal", "maximal", 1),
    ] {
        let args = [
            "rules",
            "b.dat",
            "--kind",
            kind,
            "--min-support",
            "40%",
            "--out",
            kind,
            "--quiet",
        ];
        bench.adit(&args).ok();
        let found = result(&bench, kind);
        assert_eq!(counts(&found)[key], n, "{kind}");
    }
    let args = [
        "rules",
        "b.dat",
        "--kind",
        "itemsets",
        "--min-support",
        "1%",
        "--top",
        "3",
        "--out",
        "top",
        "--quiet",
    ];
    bench.adit(&args).ok();
    let top = result(&bench, "top");
    let told: Vec<u64> = top["patterns"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|p| p["count"].as_u64())
        .collect();
    assert_eq!(told, [4, 4, 4]);
}

#[test]
fn too_little_memory_raises_the_support_and_says_so() {
    let bench = Bench::new();
    let rows: Vec<String> = (0..400u64)
        .map(|i| {
            let holds = |k: &u64| !(i * 31 + k * 17).is_multiple_of(9);
            (0..40u64)
                .filter(holds)
                .map(|k| k.to_string())
                .collect::<Vec<_>>()
                .join(" ")
                + "\n"
        })
        .collect();
    bench.write("dense.dat", rows.concat());
    let args = [
        "rules",
        "dense.dat",
        "--kind",
        "itemsets",
        "--min-support",
        "5%",
        "--memory",
        "1",
        "--out",
        "run",
        "--quiet",
    ];
    let ended = bench.adit(&args).ok();
    let found = result(&bench, "run");
    let fits = found["search"]["support_that_fits"]
        .as_f64()
        .expect("a support");
    assert!(fits > 0.05, "{fits}");
    let about = found["search"]["estimated_sets"]
        .as_f64()
        .expect("an estimate");
    assert!(about > 100_000.0, "{about}");
    assert!(ended.stdout.contains("there are about"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("--memory gives more"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_cannot_be_searched_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    bench.write("b.csv", as_lines(&baskets(50), ","));
    bench.write("table.csv", "receipt,what\n1,a\n1,b\n2,a\n");
    bench.write("bytes.dat", b"a b\n\xff\xfe\x00 c\nd\n");
    bench.write("empty.dat", "");
    bench.write("blank.dat", "\n\n\n");
    let cases: [(&[&str], &str); 13] = [
        (&["b.csv", "--min-support", "-0.1"], "share"),
        (&["b.csv", "--min-support", "0"], "share"),
        (&["b.csv", "--min-support", "2"], "share"),
        (&["b.csv", "--target", "caviar"], "caviar"),
        (&["b.csv", "--guard", "lamp"], "search.target"),
        (&["b.csv", "--max-items", "1"], "max_items"),
        (&["table.csv", "--basket", "receipt"], "data.item"),
        (
            &["table.csv", "--basket", "bill", "--item", "what"],
            "`bill`",
        ),
        (&["bytes.dat"], "bytes.dat"),
        (&["empty.dat"], "empty.dat"),
        (&["blank.dat"], "basket"),
        (&["missing.dat"], "missing.dat"),
        (&["-"], "data.form"),
    ];
    for (args, named) in cases {
        let mut all = vec!["rules"];
        all.extend(args);
        all.extend(["--out", "run"]);
        let error = bench.adit(&all).error();
        assert!(error.contains(named), "{args:?}: {error}");
        assert!(!bench.path("run").exists(), "{args:?}");
    }
}

#[test]
fn odd_baskets_end_in_a_result() {
    let bench = Bench::new();
    let giant: Vec<String> = (0..100_000).map(|k| format!("thing{k}")).collect();
    bench.write("giant.dat", format!("{}\na b\na b\n", giant.join(" ")));
    bench.write(
        "unicode.csv",
        "smørrebrød,寿司,\u{1F95F}\n寿司,\u{1F95F}\nsmørrebrød\n".repeat(40),
    );
    bench.write("double.csv", "a,a,b\nb,a,a\n,,\nc\n".repeat(30));
    bench.write("one.dat", "a\n");
    bench.write(
        "markup.csv",
        "<script>alert(1)</script>,b\n<script>alert(1)</script>,b\nc,d,e\n".repeat(50),
    );
    for file in [
        "giant.dat",
        "unicode.csv",
        "double.csv",
        "one.dat",
        "markup.csv",
    ] {
        for guard in ["holdout", "none"] {
            let args = [
                "rules",
                file,
                "--guard",
                guard,
                "--out",
                "run",
                "--force",
                "--quiet",
                "--shuffles",
                "1",
            ];
            bench.adit(&args).ok();
        }
        let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
        assert!(!page.contains("<script>alert"), "{file}");
    }
    let found = {
        bench
            .adit(&["rules", "double.csv", "--out", "run", "--force", "--quiet"])
            .ok();
        result(&bench, "run")
    };
    let kinds: Vec<&str> = found["warnings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|w| w["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"double_items") && kinds.contains(&"empty_baskets"),
        "{kinds:?}"
    );
}

#[test]
fn new_baskets_are_marked_by_what_they_hold() {
    let bench = Bench::new();
    bench.write("baskets.csv", as_lines(&baskets(2000), ","));
    bench
        .adit(&["rules", "baskets.csv", "--out", "run", "--quiet"])
        .ok();
    bench.write("new.csv", "tea,lemon\nbread,x\nnever seen,y\n");
    bench
        .adit(&["predict", "run", "new.csv", "-o", "marks.csv"])
        .ok();
    let text = std::fs::read_to_string(bench.path("marks.csv")).expect("marks");
    let header = text.lines().next().expect("a header");
    let told = words(&result(&bench, "run"));
    assert_eq!(header.split(',').count(), told.len() + 1);
    for (name, rule) in header.split(',').skip(1).zip(&told) {
        assert_eq!(name, rule.replace('+', " & "));
        let left: Vec<&str> = rule
            .split(" > ")
            .next()
            .expect("items")
            .split('+')
            .collect();
        let holds = |basket: &[&str]| left.iter().all(|item| basket.contains(item)).to_string();
        let expected = [
            holds(&["tea", "lemon"]),
            holds(&["bread", "x"]),
            holds(&["never seen", "y"]),
        ];
        assert_eq!(tool::cells(&bench, "marks.csv", name), expected, "{name}");
    }
    let error = bench
        .adit(&["predict", "run", "new.csv", "-o", "m.csv", "--member", "x"])
        .error();
    assert!(error.contains("no member"), "{error}");

    // Numbers are cut where the search cut them, whatever the new rows hold.
    let mut table = String::from("age,plan,churn\n");
    let mut chance = drawn();
    for _ in 0..1500 {
        let (age, plan) = (chance(80), ["a", "b"][chance(2) as usize]);
        let churn = ["no", "yes"][usize::from(chance(10) < if age < 20 { 8 } else { 2 })];
        table.push_str(&format!("{age},{plan},{churn}\n"));
    }
    bench.write("table.csv", table);
    let args = [
        "rules",
        "table.csv",
        "--target",
        "churn = yes",
        "--out",
        "rows",
        "--quiet",
    ];
    bench.adit(&args).ok();
    bench.write("rows.csv", "age,plan,churn\n3,a,no\n70,b,no\n");
    bench
        .adit(&["predict", "rows", "rows.csv", "-o", "rows-marks.csv"])
        .ok();
    let text = std::fs::read_to_string(bench.path("rows-marks.csv")).expect("marks");
    let name = text
        .lines()
        .next()
        .expect("a header")
        .split(',')
        .nth(1)
        .expect("a rule")
        .to_string();
    assert!(name.starts_with("age ≤"), "{name}");
    assert_eq!(
        tool::cells(&bench, "rows-marks.csv", &name),
        ["true", "false"]
    );
}

#[test]
fn baskets_from_a_pipe_are_read_once() {
    use std::io::Write as _;
    let bench = Bench::new();
    let baskets = baskets(20_000);
    let text = as_lines(&baskets, ",");
    let mut child = bench
        .command()
        .args([
            "rules",
            "-",
            "--form",
            "lines",
            "--kind",
            "itemsets",
            "--min-support",
            "0.05",
            "--memory",
            "1",
        ])
        .args(["--out", "run", "--quiet"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    bench.end(child.wait_with_output().expect("an end")).ok();
    writer.join().expect("a thread").expect("all was read");
    // Empty lines are passed over.
    let n = baskets.iter().filter(|basket| !basket.is_empty()).count();
    assert_eq!(result(&bench, "run")["data"]["n"], n);
}

#[test]
fn what_is_too_much_for_memory_is_searched_part_by_part() {
    let bench = Bench::new();
    let baskets = baskets(40_000);
    bench.write("baskets.csv", as_lines(&baskets, ","));
    let sets = |kind: &str, memory: &str| {
        let args = [
            "rules",
            "baskets.csv",
            "--kind",
            kind,
            "--min-support",
            "0.02",
            "--memory",
            memory,
            "--out",
            "run",
            "--force",
            "--quiet",
        ];
        bench.adit(&args).ok();
        let found = result(&bench, "run");
        let bytes = std::fs::read(bench.path("run/patterns.parquet")).expect("patterns");
        (found, bytes)
    };
    for kind in ["itemsets", "closed", "maximal"] {
        let (whole, all) = sets(kind, "1024");
        let (parts, same) = sets(kind, "1");
        assert_eq!(whole["data"]["form"], "a line a basket");
        assert_eq!(parts["data"]["form"], "a line a basket, part by part");
        assert_eq!(whole["counts"], parts["counts"], "{kind}");
        for key in ["n", "items", "entries", "largest"] {
            assert_eq!(whole["data"][key], parts["data"][key], "{kind} {key}");
        }
        assert_eq!(whole["verdict"], parts["verdict"]);
        assert!(all == same, "{kind}: the same sets in the same order");
    }
}

#[test]
fn blanks_around_a_cell_do_not_hide_whose_basket_it_is() {
    let bench = Bench::new();
    let mut chance = drawn();
    let mut table = String::from("day, customer, item\n");
    for basket in 0..400 {
        for item in ["milk", "bread", "jam", "tea"] {
            if item == "milk" || chance(2) == 0 {
                table.push_str(&format!("{}, who{}, {item}\n", basket / 20, basket % 20));
            }
        }
    }
    bench.write("t.csv", &table);
    let args = [
        "rules", "t.csv", "--basket", "customer", "--basket", "day", "--item", "item",
    ];
    bench
        .adit(&[&args[..], &["--out", "run", "--quiet"]].concat())
        .ok();
    let found = result(&bench, "run");
    let half = found["search"]["held_out"].as_u64().expect("baskets");
    // Twenty customers of twenty baskets: halves are of whole customers.
    assert!(
        (100..=300).contains(&half) && half.is_multiple_of(20),
        "{half}"
    );
}
