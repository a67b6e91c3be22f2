//! `adit bench trees`.

use adit::prepare::Task;
use adit::run::{DataSection, Job, bench_trees};

use crate::args::{BenchTreesArgs, TaskArg};
use crate::commands::{CliError, Session, role_map};

pub fn trees(args: BenchTreesArgs, session: &Session) -> Result<(), CliError> {
    let job = Job {
        task: match args.task {
            TaskArg::Classify => Task::Classify,
            TaskArg::Regress => Task::Regress,
        },
        title: None,
        seed: 1,
        out: None,
        data: DataSection {
            inputs: args.inputs,
            test: args.test,
            target: args.target,
            roles: role_map(&args.roles)?,
            ..DataSection::default()
        },
        split: Default::default(),
        windows: None,
        events: None,
        decision: Default::default(),
        class_weights: Default::default(),
        transformer: Default::default(),
    };
    job.check()?;
    let speed = bench_trees(&job, &session.context())?;
    session.progress.finish();
    if args.json {
        println!("{}", serde_json::to_string(&speed).unwrap_or_default());
        return Ok(());
    }
    let score = speed
        .score
        .map_or("–".to_string(), |score| format!("{score:.4}"));
    println!(
        "{} rows x {} columns, {} rounds: {:.2} s, score {score}, predicts {:.0} rows a second",
        speed.rows, speed.columns, speed.rounds, speed.seconds, speed.predict_rows_per_second
    );
    Ok(())
}
