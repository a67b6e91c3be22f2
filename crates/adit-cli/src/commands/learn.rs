//! `adit run`, `adit classify`, `adit regress`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use adit::Products;
use adit::explain::{Estimate, Findings, Member};
use adit::prepare::Task;
use adit::run::{
    self, AnomalyJob, ClassWeights, ClusterJob, Costs, DataSection, DecisionSection, EventOutcome,
    EventsSection, Job, Outcome, PatternJob, SplitSection, TransformerSection,
};
use comfy_table::{CellAlignment, Table};

use super::{
    CliError, Session, bad_row_limit, cost_matrix, format_of, label_texts, role_map, ruled_table,
    usage,
};
use crate::args::{ClassWeightsArg, LearnArgs, OutputArgs, RunArgs};
use crate::progress::duration;

pub fn run_job(args: &RunArgs, session: &Session) -> Result<ExitCode, CliError> {
    let text = std::fs::read_to_string(&args.job).map_err(|e| {
        usage(
            format!("{}: cannot read the job file: {e}", args.job.display()),
            "give the path of a job file in TOML; `adit run --help` shows one",
        )
    })?;
    if PatternJob::is_one(&text) {
        return run_patterns(&text, args, session);
    }
    if ClusterJob::is_one(&text) {
        let mut job = ClusterJob::from_toml(&text, &args.job)?;
        job.seed = args.seed.unwrap_or(job.seed);
        let base = args.job.parent().unwrap_or(Path::new("."));
        let job = job.anchored(&absolute(base)?);
        return super::cluster::execute(&job, &name_of(&args.job), &args.output.folder, session);
    }
    if AnomalyJob::is_one(&text) {
        let mut job = AnomalyJob::from_toml(&text, &args.job)?;
        job.seed = args.seed.unwrap_or(job.seed);
        let base = args.job.parent().unwrap_or(Path::new("."));
        let job = job.anchored(&absolute(base)?);
        return super::anomalies::execute(&job, &name_of(&args.job), &args.output.folder, session);
    }
    let mut job = Job::from_toml(&text, &args.job)?;
    if let Some(seed) = args.seed {
        job.seed = seed;
    }
    if args.seeds.is_some() {
        job.transformer.seeds = args.seeds;
    }
    let base = args.job.parent().unwrap_or(Path::new("."));
    let job = job.anchored(&absolute(base)?);
    execute(&job, &name_of(&args.job), &args.output, session)
}

/// What a run is called after its job file: the file's name, or its folder's where it is `job.toml`.
fn name_of(job: &Path) -> String {
    let folder = job.parent().and_then(Path::file_name);
    match (job.file_stem(), folder) {
        (Some(stem), Some(folder)) if stem == "job" => folder.to_string_lossy().into_owned(),
        (Some(stem), _) => stem.to_string_lossy().into_owned(),
        _ => "run".to_string(),
    }
}

fn run_patterns(text: &str, args: &RunArgs, session: &Session) -> Result<ExitCode, CliError> {
    let mut job = PatternJob::from_toml(text, &args.job)?;
    if let Some(seed) = args.seed {
        job.seed = seed;
    }
    let base = args.job.parent().unwrap_or(Path::new("."));
    let job = job.anchored(&absolute(base)?);
    super::rules::execute(&job, &name_of(&args.job), &args.output.folder, session)
}

/// Name of the column of cut-offs that are made.
const CUTOFF: &str = "cutoff";

/// Reads `kind=chargeback`.
fn outcome_of(text: &str) -> Result<EventOutcome, CliError> {
    match text.split_once('=') {
        Some((column, value)) if !column.trim().is_empty() && !value.trim().is_empty() => {
            Ok(EventOutcome {
                column: column.trim().into(),
                value: value.trim().into(),
            })
        }
        _ => Err(usage(
            format!("`{text}` is no event"),
            "give a column and its value, as in `--outcome kind=chargeback`",
        )),
    }
}

pub fn learn(args: LearnArgs, task: Task, session: &Session) -> Result<ExitCode, CliError> {
    let stem = stem(&args.inputs);
    let history = args.history;
    let outcome = history.outcome.as_deref().map(outcome_of).transpose()?;
    let made = outcome.as_ref().zip(history.horizon.as_ref());
    let made = made.map(|(outcome, horizon)| format!("{} within {horizon}", outcome.value));
    let target = args.target.or(made).unwrap_or_default();
    let name = format!("{stem}-{}", target.replace(['/', '\\', ' '], "_"));
    let is_made = history.horizon.is_some();
    if history.entity.is_some() && !is_made && history.labels.is_empty() {
        return Err(usage(
            "events need labels",
            "name their file with `--labels FILE`, or make them with `--horizon TIME --outcome COL=VALUE`",
        ));
    }
    let events = history
        .entity
        .zip(history.time)
        .map(|(entity, time)| EventsSection {
            inputs: args.inputs.clone(),
            entity,
            time,
            cutoff: match is_made {
                true => Some(CUTOFF.into()),
                false => history.cutoff,
            },
            horizon: history.horizon,
            outcome,
        });
    let (inputs, test) = match events {
        // Labels that are made are read from nowhere.
        Some(_) if is_made => (args.inputs, Vec::new()),
        Some(_) => (history.labels, history.test_labels),
        None => (args.inputs, args.test),
    };
    let job = Job {
        task,
        title: args.title,
        seed: args.seed,
        out: None,
        data: DataSection {
            inputs,
            test,
            validation: args.validation,
            target,
            positive: args.positive,
            texts: args.texts,
            format: args.source.format.map(format_of),
            delimiter: args.source.delimiter,
            quote: args.source.quote,
            header: args.source.header,
            encoding: args.source.encoding,
            max_bad_rows: Some(bad_row_limit(&args.source.max_bad_rows)?),
            roles: role_map(&args.roles)?,
        },
        split: SplitSection {
            test_fraction: args.test_fraction,
            group: args.split_by_group,
            time: match is_made {
                true => Some(CUTOFF.into()),
                false => args.split_by_time,
            },
            allow_random: args.allow_random_split,
            keep_suspects: args.keep_suspects,
            folds: args.folds,
            ..SplitSection::default()
        },
        windows: None,
        events,
        decision: DecisionSection {
            coverage: args.decision.coverage,
            costs: args
                .decision
                .costs
                .map(|(false_positive, false_negative)| Costs {
                    false_positive,
                    false_negative,
                }),
            cost_matrix: cost_matrix(&args.decision.cost_matrix)?,
            precision: args.decision.want_precision,
            recall: args.decision.want_recall,
            alerts: args.decision.alerts,
            max_error: args.decision.max_error,
        },
        class_weights: match args.decision.class_weights {
            ClassWeightsArg::Equal => ClassWeights::Equal,
            ClassWeightsArg::Balanced => ClassWeights::Balanced,
        },
        transformer: TransformerSection {
            encoder: args.encoder,
            seeds: args.seeds,
            learning_rates: args.learning_rates,
            epochs: args.epochs,
            refit: args.no_refit.then_some(false),
            batch_size: args.batch_size,
            max_tokens: args.max_tokens,
            method: args.method,
            head: args.head,
            prompt: args.prompt,
            label_texts: label_texts(&args.label_texts)?,
            // What is as by default is not written into the job file.
            training_precision: Some(args.training_precision.products())
                .filter(|&products| products != Products::F32),
            ..TransformerSection::default()
        },
    };
    job.check()?;
    let job = job.anchored(&absolute(Path::new("."))?);
    execute(&job, &name, &args.output, session)
}

/// The first input's name without its endings.
pub fn stem(inputs: &[String]) -> String {
    let first = inputs.first().map_or("-", String::as_str);
    match Path::new(first).file_name() {
        Some(name) if first != "-" => {
            let name = name.to_string_lossy();
            name.split('.').next().unwrap_or("data").replace('*', "all")
        }
        _ => "data".to_string(),
    }
}

pub fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let full = std::path::absolute(path).map_err(|e| {
        usage(
            format!("{}: cannot be made an absolute path: {e}", path.display()),
            "run from a folder that exists",
        )
    })?;
    Ok(full.components().collect())
}

fn execute(
    job: &Job,
    name: &str,
    output: &OutputArgs,
    session: &Session,
) -> Result<ExitCode, CliError> {
    let out = match output.folder.out.as_ref().or(job.out.as_ref()) {
        Some(out) => out.clone(),
        None => unused(Path::new("runs"), name),
    };
    let outcome = run::learn(job, &out, output.folder.force, &session.context())?;
    session.progress.finish();
    if output.folder.json {
        println!("{}", outcome.result_json);
    } else {
        show(&outcome);
    }
    let not_better = output.require && !outcome.findings.transformer_is_better;
    Ok(ExitCode::from(u8::from(not_better)))
}

/// `runs/NAME`, or `runs/NAME-2` and so on where that is there.
pub fn unused(parent: &Path, name: &str) -> PathBuf {
    let plain = parent.join(name);
    if !plain.exists() {
        return plain;
    }
    (2u32..)
        .map(|n| parent.join(format!("{name}-{n}")))
        .find(|path| !path.exists())
        .unwrap_or(plain)
}

fn show(outcome: &Outcome) {
    let findings = &outcome.findings;
    println!("{}", findings.verdict);
    println!();
    println!("{}", scoreboard(findings));
    println!();
    for warning in &findings.warnings {
        println!("warning: {} ({})", warning.message, warning.action);
    }
    if !findings.warnings.is_empty() {
        println!();
    }
    let folder = &outcome.folder;
    println!("report       {}", folder.join("report.html").display());
    println!("job          {}", folder.join("job.toml").display());
    println!(
        "predictions  {}",
        folder.join("predictions.parquet").display()
    );
    println!("took         {}", duration(outcome.cost.seconds));
}

/// The metrics that a person looks at first, with their intervals.
fn scoreboard(findings: &Findings) -> Table {
    let wanted: &[&str] = if findings.task == "regress" {
        &["rmse", "mae", "r2"]
    } else if findings.data.classes.len() == 2 {
        &["roc_auc", "accuracy", "f1", "log_loss"]
    } else {
        &["accuracy", "f1_macro", "log_loss"]
    };
    let mut table = ruled_table();
    let mut header = vec!["model".to_string()];
    header.extend(wanted.iter().map(|m| m.replace('_', " ")));
    header.push("models".into());
    table.set_header(header);
    for member in &findings.scoreboard {
        let mark = if member.model == findings.chosen {
            " *"
        } else {
            ""
        };
        let mut row = vec![format!("{}{mark}", member.model)];
        row.extend(wanted.iter().map(|metric| cell(member, metric)));
        row.push(member.seeds.to_string());
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cell(member: &Member, metric: &str) -> String {
    match member.metrics.get(metric) {
        Some(Estimate { value, low, high }) => {
            format!("{} [{}, {}]", number(*value), number(*low), number(*high))
        }
        None => "–".to_string(),
    }
}

/// Four significant figures, or three places below one.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}
