//! The laws: functions from files to violations.

use super::lexed::{self, Source};

/// Which rooms and floors each room may name. The floors `engine`, `store`, `chemistry` and `simulated` know no room; `run`
/// knows all of them. Beside this, every room may name `crate::Watch` and `crate::Silent`.
///
/// `mine` and `explain` also see `prepare`: a `Dataset` carries the target and the task, which no
/// features repeat.
const EDGES: [(&str, &[&str]); 10] = [
    ("source", &["engine", "store"]),
    ("prepare", &["source", "engine", "store", "chemistry"]),
    ("represent", &["prepare", "engine", "store", "chemistry"]),
    ("mine", &["represent", "prepare", "engine", "store"]),
    ("explain", &["mine", "prepare", "engine", "store"]),
    ("report", &["explain", "engine", "store"]),
    ("engine", &[]),
    ("store", &[]),
    ("chemistry", &[]),
    ("simulated", &[]),
];

/// What a room may name of the store: the parts that read.
const STORE_READS: [&str; 7] = [
    "ModelDir",
    "ModelFile",
    "ModelManifest",
    "ModelStore",
    "StoreError",
    "StoredModel",
    "TableFormat",
];

/// Words of code that write to a disk.
const WRITES: [&str; 16] = [
    "File::create",
    "File::options",
    "OpenOptions",
    "fs::write",
    "fs::copy",
    "fs::rename",
    "fs::hard_link",
    "fs::set_permissions",
    "fs::symlink",
    "create_dir",
    "remove_file",
    "remove_dir",
    "tempfile",
    "NamedTempFile",
    "TempDir",
    "set_len(0)",
];

/// The one exception to "only `store` writes": standard input and compressed files are spooled into
/// a temporary folder, which `run` makes, `source` fills, and no one keeps.
const SPOOLERS: [&str; 2] = ["crates/adit/src/source/", "crates/adit/src/run/"];
const SPOOL_WORDS: [&str; 3] = ["tempfile", "NamedTempFile", "TempDir"];

const PRINTS: [&str; 10] = [
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "dbg!",
    "process::exit",
    "process::abort",
    "io::stdout",
    "io::stderr",
    "panic::set_hook",
];

const CLOCKS: [&str; 6] = [
    "Instant",
    "SystemTime",
    "Utc::now",
    "Local::now",
    "UNIX_EPOCH",
    "Timestamp::now",
];

const UNSEEDED: [&str; 9] = [
    "thread_rng",
    "ThreadRng",
    "rand::rng",
    "rand::random",
    "OsRng",
    "from_entropy",
    "from_os_rng",
    "getrandom",
    "fastrand",
];

const GLOBAL_STATE: [&str; 5] = [
    "static mut",
    "thread_local!",
    "set_var",
    "remove_var",
    "set_current_dir",
];

const MODULE_NAMES: [&str; 10] = [
    "util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers", "shared",
];

const MAX_LINES: usize = 800;
const KERNELS: &str = "crates/adit-nn/src/kernels";

/// The room or floor of `adit` that a file belongs to.
fn area(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("crates/adit/src/")?;
    let first = rest.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// How many modules lie between the crate and the code of a file; 1 for `prepare/mod.rs`.
fn depth(path: &str) -> usize {
    let rest = path.strip_prefix("crates/adit/src/").unwrap_or(path);
    let parts = rest.split('/').count();
    if rest.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

pub fn rooms_keep_their_order(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Some(area) = area(&file.path) else {
            continue;
        };
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == area) else {
            continue;
        };
        for (line, named) in file.crate_paths(depth(&file.path)) {
            let target = named[0].as_str();
            let is_area = target == "run" || EDGES.iter().any(|(name, _)| *name == target);
            if !is_area || target == area {
                continue;
            }
            if !allowed.contains(&target) {
                found.push(file.at(line, &format!("`{area}` must not name `{target}`")));
            } else if target == "store" {
                let item = named.get(1).map_or("*", String::as_str);
                if !STORE_READS.contains(&item) {
                    found.push(file.at(line, &format!("`{area}` must not name `store::{item}`")));
                }
            }
        }
    }
    found
}

/// `adit-nn` depends on no crate of ours, and `adit` not on its command line.
pub fn crates_keep_their_order(manifests: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in manifests {
        let forbidden: &[&str] = match path.as_str() {
            "crates/adit-nn/Cargo.toml" => &["adit", "adit-cli"],
            "crates/adit/Cargo.toml" => &["adit-cli"],
            _ => continue,
        };
        let mut section = "";
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            }
            let key = line
                .split(['=', '.', ' '])
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            let last = section.rsplit('.').next().unwrap_or_default();
            let depends = section.ends_with("dependencies") && forbidden.contains(&key)
                || section.contains("dependencies.") && forbidden.contains(&last);
            if depends {
                found.push(format!(
                    "{path}:{}: depends on a crate above it",
                    number + 1
                ));
            }
        }
    }
    found
}

/// Every use of `words` in shipped code, except in files for which `excused` holds.
fn never_says(
    files: &[Source],
    words: &[&str],
    why: &str,
    excused: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_shipped()) {
        for (number, line) in file.shipped.lines().enumerate() {
            for word in words.iter().filter(|word| lexed::has_word(line, word)) {
                if !excused(&file.path, word) {
                    found.push(file.at(number + 1, &format!("`{word}`: {why}")));
                }
            }
        }
    }
    found
}

pub fn only_store_writes(files: &[Source]) -> Vec<String> {
    never_says(
        files,
        &WRITES,
        "only `store` writes to the disk",
        |path, word| {
            path.starts_with("crates/adit/src/store/")
                || SPOOLERS.iter().any(|room| path.starts_with(room)) && SPOOL_WORDS.contains(&word)
        },
    )
}

pub fn only_the_command_line_prints(files: &[Source]) -> Vec<String> {
    never_says(
        files,
        &PRINTS,
        "only `adit-cli` prints or exits",
        |path, _| path.starts_with("crates/adit-cli/"),
    )
}

fn is_run_or_above(path: &str) -> bool {
    path.starts_with("crates/adit-cli/") || area(path) == Some("run")
}

pub fn no_clock_below_run(files: &[Source]) -> Vec<String> {
    never_says(files, &CLOCKS, "no clock below `run`", |path, _| {
        is_run_or_above(path)
    })
}

pub fn no_chance_without_a_seed(files: &[Source]) -> Vec<String> {
    never_says(
        files,
        &UNSEEDED,
        "random numbers come from a seed",
        |_, _| false,
    )
}

pub fn no_global_state_below_run(files: &[Source]) -> Vec<String> {
    let mut found = never_says(
        files,
        &GLOBAL_STATE,
        "no global state below `run`",
        |path, word| is_run_or_above(path) || path.starts_with(KERNELS) && word == "thread_local!",
    );
    // Cells are not here: a static can only hold one inside `thread_local!`, which is caught above.
    const CHANGEABLE: [&str; 2] = ["Mutex", "RwLock"];
    for file in files
        .iter()
        .filter(|f| f.is_shipped() && !is_run_or_above(&f.path))
    {
        for (number, line) in file.shipped.lines().enumerate() {
            let Some(at) = line
                .find("static ")
                .filter(|at| !line[..*at].ends_with(['\'', '_']))
            else {
                continue;
            };
            let rest = line[at..].split(['=', ';']).next().unwrap_or_default();
            if rest.contains("Atomic") || CHANGEABLE.iter().any(|w| lexed::has_word(rest, w)) {
                found.push(file.at(number + 1, "a static that can change is global state"));
            }
        }
    }
    found
}

/// `unsafe` lies in the kernels, and each with a line that says why it is sound.
pub fn unsafe_is_kept_and_argued(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, code) in file.code.lines().enumerate() {
            if !lexed::has_word(code, "unsafe") || code.trim_start().starts_with("#![") {
                continue;
            }
            if !file.path.starts_with(KERNELS) {
                found.push(file.at(number + 1, "`unsafe` outside the kernels of adit-nn"));
            } else if !is_argued(&lines, number) {
                found.push(file.at(number + 1, "`unsafe` without a SAFETY line"));
            }
        }
    }
    found
}

/// True if the line, the five above it or the comment and attributes right above say `SAFETY`
/// (a function's documentation says `# Safety`).
fn is_argued(lines: &[&str], number: usize) -> bool {
    let argues = |line: &str| line.contains("SAFETY") || line.contains("# Safety");
    let beside =
        |line: &str| line.trim_start().starts_with("//") || line.trim_start().starts_with("#[");
    let near = lines[number.saturating_sub(5)..=number]
        .iter()
        .any(|line| argues(line));
    let above = lines[..number].iter().rev().take_while(|line| beside(line));
    near || above.into_iter().any(|line| argues(line))
}

pub fn names_say_something(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let parts = file
            .path
            .split('/')
            .map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for part in parts.filter(|part| MODULE_NAMES.contains(part)) {
            found.push(file.at(1, &format!("a module called `{part}` says nothing")));
        }
        for (number, line) in file.code.lines().enumerate() {
            let name = lexed::word_after(line, "mod");
            if name.is_some_and(|name| MODULE_NAMES.contains(&name)) {
                found.push(file.at(number + 1, "a module of this name says nothing"));
            }
        }
    }
    found
}

pub fn files_are_short(files: &[Source]) -> Vec<String> {
    files
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| file.at(lines, &format!("{lines} lines; at most {MAX_LINES}")))
        .collect()
}

pub fn nothing_is_left_undone(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.code.lines().enumerate() {
            for word in ["todo!", "unimplemented!"]
                .iter()
                .filter(|w| lexed::has_word(line, w))
            {
                found.push(file.at(number + 1, &format!("`{word}`")));
            }
            if line.replace(' ', "").contains("#[ignore]") {
                found.push(file.at(number + 1, "an ignored test without a reason"));
            }
        }
    }
    found
}

/// No text names a place that only one machine has.
pub fn no_place_of_one_machine(texts: &[(String, String)]) -> Vec<String> {
    // Spelt in pieces, so that this file does not name them.
    let places = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!(":\\Us", "ers\\"),
    ];
    let mut found = Vec::new();
    for (path, text) in texts {
        for (number, line) in text.lines().enumerate() {
            for place in places.iter().filter(|place| names_place(line, place)) {
                found.push(format!("{path}:{}: names {place}", number + 1));
            }
        }
    }
    found
}

/// True if `place` begins a path in the line, rather than lying inside one such as `a/home/b`.
fn names_place(line: &str, place: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '>' | '~');
    line.match_indices(place).any(|(at, _)| {
        place.starts_with(':') || !line[..at].chars().next_back().is_some_and(inside)
    })
}
