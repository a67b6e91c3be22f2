//! Five hundred odd tables, drawn by seed: each is learned from or refused with a reason, and none panics.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use adit::Silent;
use adit::prepare::Task;
use adit::run::{
    AnomalyJob, AnomalySection, AnomalyTask, ClusterJob, ClusterMethod, ClusterSection,
    ClusterTask, Context, DataSection, Job, Limits, PointSection, PredictJob, SplitSection,
    TransformerSection, learn, mine_anomalies, mine_clusters, predict,
};
use adit_nn::random::mix;

const TABLES: u64 = 500;
/// Tables in which clusters and anomalies are looked for.
const SEARCHED: u64 = 200;

/// A stream of numbers that follows from its seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = mix(self.0, 1);
        self.0 % n
    }
}

/// A cell of one of the kinds that columns are made of.
fn cell(kind: u64, row: u64, draws: &mut Draws) -> String {
    let day = 1 + draws.below(28);
    match kind {
        0 => draws.below(1_000).to_string(),
        1 => format!("{:.3}", draws.below(10_000) as f64 / 777.0 - 5.0),
        2 => ["red", "green", "blue", "Grün, \"hell\""][draws.below(4) as usize]
            .replace('"', "'")
            .replace(',', ";"),
        3 => String::new(),
        4 => "7".into(),
        5 => row.to_string(),
        6 => ["inf", "-inf", "nan", "1e308", "-1e-308", "12"][draws.below(6) as usize].into(),
        7 => format!("2024-{:02}-{day:02}", 1 + draws.below(12)),
        8 => format!("{day:02}/{:02}/2023", 1 + draws.below(12)),
        9 => format!("2021-05-{day:02}T{:02}:00:00Z", draws.below(24)),
        10 => format!("{day}.{}.2022", 1 + draws.below(12)),
        11 => format!("{}", 1_600_000_000 + draws.below(10_000_000)),
        12 => ["true", "false", "", "TRUE"][draws.below(4) as usize].into(),
        13 => ["12", "twelve", "", "1 2", "12,5", "-"][draws.below(6) as usize].replace(',', "."),
        14 => format!("category number {}", draws.below(100_000)),
        15 => "the quick brown fox jumps over the lazy dog again and again"
            .split(' ')
            .take(1 + draws.below(9) as usize)
            .collect::<Vec<_>>()
            .join(" "),
        16 => ["CCO", "c1ccccc1", "CC(=O)O", "C1CC", "not one"][draws.below(5) as usize].into(),
        17 => ["\u{1F600}", "ß", "\u{0000}x", "a\tb", "  "][draws.below(5) as usize].into(),
        18 => {
            if draws.below(10) == 0 {
                draws.below(9).to_string()
            } else {
                String::new()
            }
        }
        _ => ["yes", "no"][draws.below(2) as usize].into(),
    }
}

fn table(seed: u64) -> (String, Task) {
    let mut draws = Draws(mix(99, seed));
    let n_rows = [0, 1, 3, 12, 30, 70, 120, 200][draws.below(8) as usize] + draws.below(3);
    let kinds: Vec<u64> = (0..draws.below(6)).map(|_| draws.below(20)).collect();
    let (target, task) = match draws.below(4) {
        0 => (
            draws.below(20),
            [Task::Classify, Task::Regress][draws.below(2) as usize],
        ),
        1 => (1, Task::Regress),
        _ => (19, Task::Classify),
    };
    let mut text = String::new();
    for at in 0..kinds.len() {
        let _ = write!(text, "x{at},");
    }
    text.push_str("y\n");
    for row in 0..n_rows {
        for &kind in &kinds {
            let _ = write!(text, "{},", cell(kind, row, &mut draws));
        }
        let _ = writeln!(text, "{}", cell(target, row, &mut draws));
    }
    (text, task)
}

#[test]
fn odd_tables_are_learned_from_or_refused() {
    let odd = Odd {
        name: "learned from",
        n: TABLES,
        table: &|seed| table(seed).0,
        // Both ends are reached often.
        least: (100, 50),
    };
    odd.search_all(|seed, input, out, context| {
        let task = table(seed).1;
        let job = Job {
            task,
            title: None,
            seed: 1,
            out: None,
            data: DataSection {
                inputs: vec![input.to_owned()],
                target: "y".into(),
                ..DataSection::default()
            },
            split: SplitSection {
                folds: Some(2),
                repeats: Some(1),
                ..SplitSection::default()
            },
            windows: None,
            events: None,
            decision: Default::default(),
            class_weights: Default::default(),
            transformer: TransformerSection {
                epochs: Some(1),
                seeds: Some(1),
                learning_rates: vec![1e-3],
                ..TransformerSection::default()
            },
        };
        learn(&job, out, true, context)
            .map(drop)
            .map_err(|error| error.to_string())
    });
}

/// Tables that are odd as sets of points.
fn odd_points(seed: u64) -> String {
    let wide = |n_columns: u64, n_rows: u64, cell: &dyn Fn(u64, u64) -> String| {
        let line = |row: u64| {
            let cells: Vec<String> = (0..n_columns).map(|at| cell(row, at)).collect();
            cells.join(",")
        };
        let head: Vec<String> = (0..n_columns).map(|at| format!("x{at}")).collect();
        let lines: Vec<String> = (0..n_rows).map(line).collect();
        format!("{}\n{}\n", head.join(","), lines.join("\n"))
    };
    match seed {
        0 => wide(2_000, 40, &|row, at| (mix(row, at) % 100).to_string()),
        1 => wide(3, 50, &|_, _| "4.5".into()),
        2 => wide(2, 60, &|row, at| (row % 2 + at).to_string()),
        3 => wide(4, 3, &|row, at| (mix(row, at) % 9).to_string()),
        4 => wide(1, 80, &|row, _| (mix(row, 3) % 1_000).to_string()),
        5 => wide(3, 40, &|_, _| String::new()),
        6 => wide(2, 40, &|row, at| {
            if at == 0 {
                "1e300".into()
            } else {
                row.to_string()
            }
        }),
        7 => wide(2, 2, &|row, at| (row + at).to_string()),
        8 => wide(2, 30, &|row, at| {
            if row == 7 {
                "1e18".into()
            } else {
                (row * at).to_string()
            }
        }),
        _ => table(seed).0,
    }
}

/// Odd tables.
struct Odd<'a> {
    name: &'a str,
    n: u64,
    table: &'a dyn Fn(u64) -> String,
    /// More of them than these are searched, and refused.
    least: (usize, usize),
}

impl Odd<'_> {
    /// Runs a search over the tables, which is given the places of its input and of its output. None panics, and what
    /// is refused leaves a reason and no folder.
    fn search_all(&self, search: impl Fn(u64, &str, &Path, &Context) -> Result<(), String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = PathBuf::from(folder.path());
        let context = Context {
            limits: Limits { threads: 2 },
            model_store: &home,
            watch: &Silent,
        };
        let (mut done, mut refused, mut wrong) = (0, 0, Vec::new());
        for seed in 0..self.n {
            let text = (self.table)(seed);
            let path = folder.path().join("table.csv");
            std::fs::write(&path, &text).expect("a file");
            let out = folder.path().join("run");
            let start = &text[..text.len().min(2_000)];
            let run = || search(seed, &path.to_string_lossy(), &out, &context);
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => done += 1,
                Ok(Err(error)) => {
                    refused += 1;
                    if error.len() < 15 || out.exists() {
                        wrong.push(format!(
                        "table {seed}: refused by `{error}`, or something was left behind\n{start}"
                    ));
                    }
                }
                Err(_) => wrong.push(format!("table {seed} panicked\n{start}")),
            }
            let _ = std::fs::remove_dir_all(&out);
        }
        assert!(
            wrong.is_empty(),
            "{}: {} tables\n{}",
            self.name,
            wrong.len(),
            wrong.join("\n")
        );
        let (name, (searched, no)) = (self.name, self.least);
        assert!(
            done > searched && refused > no,
            "{name}: {done} done, {refused} refused"
        );
    }
}

const POINTS: Odd = Odd {
    name: "searched",
    n: SEARCHED,
    table: &odd_points,
    least: (60, 20),
};

fn section(input: &str) -> PointSection {
    PointSection {
        inputs: vec![input.to_owned()],
        ..PointSection::default()
    }
}

#[test]
fn odd_tables_are_clustered_or_refused() {
    POINTS.search_all(|seed, input, out, context| {
        let methods = [
            ClusterMethod::Kmeans,
            ClusterMethod::Hdbscan,
            ClusterMethod::Mixture,
        ];
        let method = methods[(seed % 3) as usize];
        let job = ClusterJob {
            task: ClusterTask::Cluster,
            title: None,
            seed: 1,
            out: None,
            data: section(input),
            cluster: ClusterSection {
                method,
                // Half of them have to be cut, whether there is anything or not.
                k: (seed % 2 == 0 && method != ClusterMethod::Hdbscan).then_some(3),
                resamples: 2,
                chance: seed % 4 != 0,
                ..ClusterSection::default()
            },
        };
        mine_clusters(&job, out, true, context)
            .map(drop)
            .map_err(|error| error.to_string())
    });
}

#[test]
fn odd_tables_are_searched_for_anomalies_or_refused() {
    POINTS.search_all(|seed, input, out, context| {
        let job = AnomalyJob {
            task: AnomalyTask::Anomalies,
            title: None,
            seed: 1,
            out: None,
            data: section(input),
            anomalies: AnomalySection {
                clean: seed % 3 == 0,
                alerts: (seed % 4 == 1).then_some(1 + seed as usize),
                ..AnomalySection::default()
            },
        };
        mine_anomalies(&job, out, true, context).map_err(|error| error.to_string())?;
        // New rows, which may be of other types, are judged or refused as well.
        let new = out.with_file_name("new.csv");
        std::fs::write(
            &new,
            odd_points(if seed % 2 == 0 { seed } else { seed + 1 }),
        )
        .expect("a file");
        let output = out.with_file_name("scores.csv");
        let new = PredictJob {
            run: out.to_path_buf(),
            source: section(&new.to_string_lossy()).source_settings(),
            events: Vec::new(),
            output: output.clone(),
            reasons: false,
            surprise: false,
            member: None,
            overwrite: true,
        };
        let judged = predict(&new, context);
        assert!(judged.is_ok() || seed % 2 == 1, "{judged:?}");
        let _ = std::fs::remove_file(&output);
        Ok(())
    });
}
