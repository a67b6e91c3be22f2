//! Keeps the invariants of ARCHITECTURE.md by reading the sources of the workspace.
//!
//! Every law is a function from files to violations. The first test of a law holds the workspace
//! to it; the second plants violations and sees that each is caught.

use std::fs;
use std::path::Path;

#[path = "tidy/laws.rs"]
mod laws;
#[path = "tidy/lexed.rs"]
mod lexed;
use laws::*;
use lexed::Source;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every text file of the workspace whose name ends in one of `ends`, sorted by path.
fn texts(ends: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(root(), "", ends, &mut found);
    found.sort();
    assert!(
        found.len() > 2,
        "the workspace was not found at {}",
        root().display()
    );
    found
}

/// What `.gitignore` names: runs and data that users leave in a checkout are no sources.
const IGNORED: [&str; 3] = ["runs", "examples/mrpc/data", "examples/turbofan/data"];

fn walk(folder: &Path, prefix: &str, ends: &[&str], found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().unwrap();
        // Build results and versions are not sources; of the hidden folders only CI's is.
        let built = name == "target" || name.starts_with('.') && name != ".ci";
        let skipped = built || IGNORED.contains(&path.as_str());
        if kind.is_dir() && !skipped {
            walk(&entry.path(), &format!("{path}/"), ends, found);
        } else if kind.is_file() && ends.iter().any(|end| path.ends_with(end)) {
            found.extend(fs::read_to_string(entry.path()).map(|text| (path, text)));
        }
    }
}

#[test]
fn a_run_in_the_checkout_is_no_source() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    for path in IGNORED {
        let named = ignored.lines().any(|line| line.trim_matches('/') == path);
        assert!(named, ".gitignore does not name {path}");
    }
    let checkout = tempfile::tempdir().unwrap();
    for path in ["runs/first/job.toml", "crates/runs/job.toml", "job.toml"] {
        let file = checkout.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "seed = 1").unwrap();
    }
    let mut found = Vec::new();
    walk(checkout.path(), "", &[".toml"], &mut found);
    found.sort();
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["crates/runs/job.toml", "job.toml"]);
}

fn sources() -> Vec<Source> {
    texts(&[".rs"])
        .into_iter()
        .map(|(path, text)| Source::new(&path, &text))
        .collect()
}

#[track_caller]
fn holds(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// Plants `text` at `path` and sees that `law` finds exactly `expected` violations.
#[track_caller]
fn catches(law: impl Fn(&[Source]) -> Vec<String>, path: &str, text: &str, expected: usize) {
    let found = law(&[Source::new(path, text)]);
    assert_eq!(
        found.len(),
        expected,
        "in {path}:\n{text}\nfound: {found:#?}"
    );
}

#[test]
fn a_room_names_only_the_rooms_before_it() {
    holds(rooms_keep_their_order(&sources()));
}

#[test]
fn a_room_that_names_another_is_caught() {
    let law = rooms_keep_their_order;
    let prepare = "crates/adit/src/prepare/clean.rs";
    catches(law, prepare, "use crate::mine::Predictions;", 1);
    catches(law, prepare, "use crate::{source::Table, run};", 1);
    catches(
        law,
        prepare,
        "use crate::{source::{Table, Batch}, mine::{A, B}, report::C};",
        3,
    );
    catches(law, prepare, "fn f(x: &crate::explain::Findings) {}", 1);
    catches(law, prepare, "use super::super::mine::Predictions;", 1);
    catches(
        law,
        "crates/adit/src/prepare/mod.rs",
        "use super::mine::Predictions;",
        1,
    );
    catches(
        law,
        "crates/adit/src/engine/mod.rs",
        "use crate::source::Table;",
        1,
    );
    catches(
        law,
        "crates/adit/src/mine/tree.rs",
        "use crate::store::RunFolder;",
        1,
    );
    catches(
        law,
        "crates/adit/src/mine/tree.rs",
        "use crate::store::{ModelDir, write_atomic};",
        1,
    );
    catches(law, "crates/adit/src/mine/tree.rs", "use crate::store;", 1);

    catches(
        law,
        prepare,
        "use crate::source::Table; use super::Role; use crate::Watch;",
        0,
    );
    catches(
        law,
        prepare,
        "// crate::mine\nconst A: &str = \"crate::mine::X\";",
        0,
    );
    catches(
        law,
        prepare,
        "#[cfg(test)]\nmod tests {\n    use crate::mine::Predictions;\n}",
        0,
    );
    catches(
        law,
        "crates/adit/src/run/job.rs",
        "use crate::{source, mine, report};",
        0,
    );
    catches(
        law,
        "crates/adit/src/represent/text.rs",
        "use crate::store::ModelDir;",
        0,
    );
}

#[test]
fn a_crate_depends_on_none_above_it() {
    holds(crates_keep_their_order(&texts(&["Cargo.toml"])));
}

#[test]
fn a_crate_that_depends_upwards_is_caught() {
    let nn = |text: &str| {
        crates_keep_their_order(&[("crates/adit-nn/Cargo.toml".into(), text.into())]).len()
    };
    assert_eq!(nn("[dependencies]\nadit.workspace = true\n"), 1);
    assert_eq!(nn("[dev-dependencies]\nadit = { path = \"../adit\" }\n"), 1);
    assert_eq!(nn("[dependencies.adit]\n path = \"../adit\"\n"), 2);
    assert_eq!(
        nn("[package]\nname = \"adit-nn\"\n[dependencies]\ngemm.workspace = true\n"),
        0
    );
}

#[test]
fn only_the_store_writes() {
    holds(only_store_writes(&sources()));
}

#[test]
fn a_write_outside_the_store_is_caught() {
    let law = only_store_writes;
    let mine = "crates/adit/src/mine/tree.rs";
    for text in [
        "std::fs::write(p, b)?;",
        "let f = File::create(p)?;",
        "OpenOptions::new().append(true);",
        "fs::create_dir_all(p)?;",
        "std::fs::remove_file(p)?;",
        "fs::rename(a, b)?;",
        "tempfile::tempdir()?;",
    ] {
        catches(law, mine, text, 1);
        catches(law, "crates/adit-nn/src/weights.rs", text, 1);
        catches(law, "crates/adit/src/store/x.rs", text, 0);
        catches(law, "crates/adit/tests/x.rs", text, 0);
        catches(law, "crates/adit/examples/x.rs", text, 0);
    }
    catches(
        law,
        "crates/adit/src/source/spool.rs",
        "tempfile::tempfile()?;",
        0,
    );
    catches(
        law,
        "crates/adit/src/source/spool.rs",
        "File::create(p)?;",
        1,
    );
    catches(law, mine, "File::open(p)?; fs::read(p)?;", 0);
    catches(
        law,
        mine,
        "#[cfg(test)] mod tests { fn f() { fs::write(p, b); } }",
        0,
    );
    catches(
        law,
        mine,
        "#[cfg(test)] mod tests { }\nfn f() { fs::write(p, b); }",
        1,
    );
}

#[test]
fn only_the_command_line_speaks() {
    holds(only_the_command_line_prints(&sources()));
}

#[test]
fn a_print_below_the_command_line_is_caught() {
    let law = only_the_command_line_prints;
    for text in [
        "println!(\"x\");",
        "eprint!(\"x\");",
        "dbg!(x);",
        "std::process::exit(2);",
    ] {
        catches(law, "crates/adit/src/run/mod.rs", text, 1);
        catches(law, "crates/adit-cli/src/main.rs", text, 0);
    }
    catches(
        law,
        "crates/adit/src/run/mod.rs",
        "writeln!(f, \"println!\")?; // println!()",
        0,
    );
}

#[test]
fn no_room_reads_the_clock() {
    holds(no_clock_below_run(&sources()));
}

#[test]
fn a_clock_below_run_is_caught() {
    let law = no_clock_below_run;
    for text in [
        "let t = std::time::Instant::now();",
        "SystemTime::now()",
        "chrono::Utc::now()",
    ] {
        catches(law, "crates/adit/src/mine/tree.rs", text, 1);
        catches(law, "crates/adit-nn/src/train.rs", text, 1);
        catches(law, "crates/adit/src/run/mod.rs", text, 0);
    }
    catches(law, "crates/adit/src/mine/tree.rs", "struct Instantly;", 0);
}

#[test]
fn every_random_number_has_a_seed() {
    holds(no_chance_without_a_seed(&sources()));
}

#[test]
fn chance_without_a_seed_is_caught() {
    for text in [
        "rand::rng()",
        "rand::thread_rng()",
        "ChaCha8Rng::from_os_rng()",
        "OsRng",
    ] {
        catches(
            no_chance_without_a_seed,
            "crates/adit/src/run/mod.rs",
            text,
            1,
        );
    }
    let seeded = "ChaCha8Rng::seed_from_u64(seed)";
    catches(
        no_chance_without_a_seed,
        "crates/adit/src/mine/tree.rs",
        seeded,
        0,
    );
}

#[test]
fn nothing_changes_behind_the_back_of_a_room() {
    holds(no_global_state_below_run(&sources()));
}

#[test]
fn global_state_is_caught() {
    let law = no_global_state_below_run;
    let mine = "crates/adit/src/mine/tree.rs";
    catches(law, mine, "static mut N: u32 = 0;", 1);
    catches(law, mine, "static N: AtomicUsize = AtomicUsize::new(0);", 1);
    catches(
        law,
        mine,
        "pub static N: Mutex<Vec<u8>> = Mutex::new(Vec::new());",
        1,
    );
    let local = "thread_local! { static A: Cell<u8> = const { Cell::new(1) }; }";
    catches(law, mine, local, 1);
    catches(law, "crates/adit-nn/src/kernels/dot.rs", local, 0);
    catches(
        law,
        mine,
        "static A: [u8; 2] = [1, 2]; fn f(x: &'static Mutex<u8>) {}",
        0,
    );
}

#[test]
fn unsafe_lies_in_the_kernels_and_is_argued() {
    holds(unsafe_is_kept_and_argued(&sources()));
}

#[test]
fn unsafe_elsewhere_or_unargued_is_caught() {
    let law = unsafe_is_kept_and_argued;
    let bare =
        "// SAFETY: of another.\n".to_string() + &"let a = 1;\n".repeat(5) + "unsafe { g() }";
    let argued = "fn f() {\n    // SAFETY: g has no conditions.\n    unsafe { g() }\n}";
    let long = "/// # Safety\n/// one\n/// two\n/// three\n#[inline]\nunsafe fn f() {}";
    catches(law, "crates/adit-nn/src/tape.rs", argued, 1);
    catches(law, "crates/adit/src/mine/tree.rs", argued, 1);
    catches(law, "crates/adit-nn/src/kernels/dot.rs", &bare, 1);
    catches(law, "crates/adit-nn/src/kernels/dot.rs", argued, 0);
    catches(law, "crates/adit-nn/src/kernels/dot.rs", long, 0);
    catches(
        law,
        "crates/adit/src/mine/tree.rs",
        "// unsafe\nconst A: &str = \"unsafe\";",
        0,
    );
}

#[test]
fn every_module_has_a_name_that_says_something() {
    holds(names_say_something(&sources()));
}

#[test]
fn an_empty_name_is_caught() {
    let law = names_say_something;
    catches(law, "crates/adit/src/mine/util.rs", "", 1);
    catches(law, "crates/adit/src/helpers/mod.rs", "", 1);
    catches(
        law,
        "crates/adit/src/mine/mod.rs",
        "pub(crate) mod common;",
        1,
    );
    catches(
        law,
        "crates/adit/src/mine/mod.rs",
        "mod baseline; mod utility;",
        0,
    );
}

#[test]
fn no_file_is_too_long_to_read() {
    holds(files_are_short(&sources()));
}

#[test]
fn a_long_file_is_caught() {
    catches(files_are_short, "a.rs", &"\n".repeat(801), 1);
    catches(files_are_short, "a.rs", &"\n".repeat(800), 0);
}

#[test]
fn nothing_is_put_off() {
    holds(nothing_is_left_undone(&sources()));
}

#[test]
fn what_is_put_off_is_caught() {
    let law = nothing_is_left_undone;
    catches(law, "a.rs", "fn f() { todo!() }", 1);
    catches(law, "a.rs", "fn f() { unimplemented!(\"later\") }", 1);
    catches(law, "a.rs", "#[test]\n#[ignore]\nfn f() {}", 1);
    catches(
        law,
        "a.rs",
        "#[test]\n#[ignore = \"needs 64 GB\"]\nfn f() {}",
        0,
    );
    catches(law, "a.rs", "// todo!()\n\"#[ignore]\"", 0);
}

#[test]
fn no_text_names_a_place_of_one_machine() {
    let ends = [
        ".rs", ".toml", ".md", ".py", ".sh", ".html", ".json", ".yml", ".ci/run",
    ];
    holds(no_place_of_one_machine(&texts(&ends)));
}

#[test]
fn a_place_of_one_machine_is_caught() {
    let found = |text: String| no_place_of_one_machine(&[("a.md".into(), text)]).len();
    for start in ["/ro", "/ho", "/Us", "/wo"] {
        let end = match start {
            "/ro" => "ot/x",
            "/ho" => "me/ann/x",
            "/Us" => "ers/ann/x",
            _ => "rk/x",
        };
        assert_eq!(found(format!("see `{start}{end}`")), 1, "{start}{end}");
    }
    assert_eq!(
        found("~/.local/share, $HOME/x, a/home/b, /dev/full, /data/x".into()),
        0
    );
}
