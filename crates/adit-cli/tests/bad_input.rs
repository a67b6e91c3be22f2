//! Every input can be bad: each is a clear error or a counted warning, and nothing is left behind.

mod tool;

use tool::{Bench, QUICK, small_table};

/// Learns from `data.csv` in the bench's folder and gives the error.
fn refused(bench: &Bench, extra: &[&str]) -> String {
    let before = bench.entries();
    let mut args = vec!["classify", "data.csv", "--target", "y"];
    args.extend(QUICK);
    args.extend(extra);
    let error = bench.adit(&args).error();
    assert_eq!(bench.entries(), before, "something was left behind");
    error
}

fn refused_text(text: impl AsRef<[u8]>) -> String {
    let bench = Bench::new();
    bench.write("data.csv", text);
    refused(&bench, &[])
}

/// Learns from the text and gives what was printed.
fn accepted(text: impl AsRef<[u8]>) -> (Bench, String) {
    let bench = Bench::new();
    bench.write("data.csv", text);
    let mut args = vec!["classify", "data.csv", "--target", "y", "--out", "run"];
    args.extend(QUICK);
    let ended = bench.adit(&args).ok();
    (bench, ended.stdout)
}

#[test]
fn missing_file() {
    let bench = Bench::new();
    insta::assert_snapshot!(refused(&bench, &[]));
}

#[test]
fn empty_file() {
    insta::assert_snapshot!(refused_text(""));
}

#[test]
fn header_only() {
    insta::assert_snapshot!(refused_text("x1,x2,y\n"));
}

#[test]
fn one_class() {
    insta::assert_snapshot!(refused_text(small_table(60).replace(",no\n", ",yes\n")));
}

#[test]
fn target_absent() {
    insta::assert_snapshot!(refused_text(small_table(60).replacen(",y\n", ",yy\n", 1)));
}

#[test]
fn target_with_missing_values() {
    let text = small_table(120);
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    for line in lines.iter_mut().skip(1).step_by(10) {
        let cut = line.rfind(',').expect("a comma");
        line.truncate(cut + 1);
    }
    let (_bench, stdout) = accepted(lines.join("\n"));
    assert!(
        stdout.contains("12 training rows have no target (left out)"),
        "{stdout}"
    );
}

#[test]
fn target_missing_everywhere() {
    let text = small_table(60)
        .replace(",yes\n", ",\n")
        .replace(",no\n", ",\n");
    insta::assert_snapshot!(refused_text(text));
}

#[test]
fn all_missing_column() {
    let text = small_table(100).replace("x1,x2", "x1,empty,x2");
    let text: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            if i == 0 {
                line.to_string()
            } else {
                line.replacen(',', ",,", 1)
            }
        })
        .collect();
    let (_bench, stdout) = accepted(text.join("\n"));
    assert!(stdout.contains("`empty`"), "{stdout}");
}

#[test]
fn ten_thousand_columns() {
    let mut text: String = (0..10_000).map(|i| format!("c{i},")).collect();
    text.push_str("y\n");
    for row in 0..40 {
        for i in 0..10_000 {
            text.push_str(if (i * 7 + row * 13) % 11 < 5 {
                "1.5,"
            } else {
                "2.5,"
            });
        }
        text.push_str(if row % 2 == 0 { "yes\n" } else { "no\n" });
    }
    let bench = Bench::new();
    bench.write("wide.csv", &text);
    let ended = bench
        .adit(&["profile", "wide.csv", "--target", "y", "--json"])
        .ok();
    let profile: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(
        profile["profile"]["columns"].as_array().map(Vec::len),
        Some(10_001)
    );
}

#[test]
fn ragged_rows_are_kept_aside() {
    let text = small_table(200).replacen("\n", "\n1,2\n", 1);
    let (bench, stdout) = accepted(text);
    assert!(stdout.contains("1 rows could not be read"), "{stdout}");
    let aside = std::fs::read_to_string(bench.path("run/bad_rows.jsonl")).expect("bad_rows.jsonl");
    let row: serde_json::Value =
        serde_json::from_str(aside.lines().next().expect("a line")).expect("JSON");
    assert_eq!(row["line"], 2);
    assert_eq!(row["raw"], "1,2");
}

#[test]
fn too_many_ragged_rows() {
    let text = small_table(60).replace(",yes\n", ",yes,more\n");
    insta::assert_snapshot!(refused_text(text));
}

#[test]
fn nul_bytes() {
    let text = small_table(200).replacen("red", "r\0d", 1);
    let (_bench, stdout) = accepted(text);
    assert!(stdout.contains("NUL"), "{stdout}");
}

#[test]
fn wrong_encoding() {
    let bench = Bench::new();
    let mut bytes = small_table(60).into_bytes();
    for b in bytes.iter_mut().filter(|b| **b == b'g') {
        *b = 0xE9;
    }
    bench.write("data.csv", bytes);
    insta::assert_snapshot!(refused(&bench, &["--encoding", "utf-8"]));
}

#[test]
fn unknown_encoding() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(60));
    insta::assert_snapshot!(refused(&bench, &["--encoding", "klingon"]));
}

#[test]
fn number_column_with_text_in_it() {
    let text: String = small_table(60)
        .lines()
        .enumerate()
        .map(|(i, line)| match line.split_once(',') {
            Some((_, rest)) if i % 5 == 1 => format!("about {i},{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let bench = Bench::new();
    bench.write("data.csv", text);
    insta::assert_snapshot!(refused(&bench, &["--role", "x1=number"]));
}

#[test]
fn duplicate_column_names() {
    let (_bench, stdout) = accepted(small_table(100).replacen("x1,x2", "x,x", 1));
    assert!(stdout.contains("x_2"), "{stdout}");
}

#[test]
fn ten_megabyte_cell() {
    let text = small_table(100).replacen("red", &"r".repeat(10 << 20), 1);
    let (_bench, stdout) = accepted(text);
    assert!(stdout.contains("report"), "{stdout}");
}

#[test]
fn output_folder_under_a_file() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(60));
    bench.write("file", "x");
    insta::assert_snapshot!(refused(&bench, &["--out", "file/run"]));
}

#[test]
fn output_folder_that_is_not_a_run_is_never_replaced() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(60));
    bench.write("mine/thesis.txt", "years of work");
    insta::assert_snapshot!(refused(&bench, &["--out", "mine", "--force"]));
    assert!(bench.path("mine/thesis.txt").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk() {
    let bench = Bench::new();
    bench.write("data.csv", small_table(60));
    let before = bench.entries();
    // A limit on the size of files stands in for a full disk; the signal is ignored so that the
    // write itself fails.
    let ended = bench.end(
        std::process::Command::new("bash")
            .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_adit"))
            .args(["classify", "data.csv", "--target", "y", "--out", "run"])
            .args(QUICK)
            .current_dir(bench.path(""))
            .output()
            .expect("bash starts"),
    );
    let error = ended.error();
    assert!(error.contains("cannot write"), "{error}");
    assert_eq!(bench.entries(), before, "something was left behind");
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_while_predicting() {
    let (bench, _) = accepted(small_table(100));
    std::os::unix::fs::symlink("/dev/full", bench.path("full.csv")).expect("a link");
    let error = bench
        .adit(&["predict", "run", "data.csv", "-o", "full.csv", "--force"])
        .error();
    assert!(error.contains("disk is full"), "{error}");
}

#[test]
fn truncated_parquet() {
    let (bench, _) = accepted(small_table(100));
    let bytes = std::fs::read(bench.path("run/predictions.parquet")).expect("a Parquet file");
    bench.write("data.parquet", &bytes[..bytes.len() / 2]);
    let error = bench.adit(&["profile", "data.parquet"]).error();
    insta::assert_snapshot!(error);
}

#[test]
fn job_file_with_an_unknown_key() {
    let bench = Bench::new();
    bench.write(
        "job.toml",
        "task = \"classify\"\n[data]\ninputs = [\"a.csv\"]\ntraget = \"y\"\n",
    );
    insta::assert_snapshot!(bench.adit(&["run", "job.toml"]).error());
}

#[test]
fn predicting_with_columns_that_do_not_fit() {
    let (bench, _) = accepted(small_table(100));
    bench.write("new.csv", "x1,colour\n1.0,red\n");
    let error = bench
        .adit(&["predict", "run", "new.csv", "-o", "out.csv"])
        .error();
    assert!(!bench.path("out.csv").exists());
    insta::assert_snapshot!(error);
}

#[test]
fn predicting_with_a_folder_that_is_no_run() {
    let bench = Bench::new();
    bench.write("new.csv", small_table(10));
    std::fs::create_dir(bench.path("empty")).expect("a folder");
    insta::assert_snapshot!(
        bench
            .adit(&["predict", "empty", "new.csv", "-o", "out.csv"])
            .error()
    );
}

#[test]
fn damaged_weights_of_a_run() {
    let (bench, _) = accepted(small_table(100));
    let weights = bench.path("run/model/row-1.safetensors");
    let bytes = std::fs::read(&weights).expect("weights");
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).expect("a file");
    let args = [
        "predict",
        "run",
        "data.csv",
        "-o",
        "out.csv",
        "--member",
        "row transformer",
    ];
    let error = bench.adit(&args).error();
    assert!(error.contains("row-1.safetensors"), "{error}");
    assert!(!bench.path("out.csv").exists());
}
