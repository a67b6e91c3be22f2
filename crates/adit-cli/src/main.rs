//! The command line of Adit: the only code that prints or exits.

mod args;
mod commands;
mod progress;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, ModelVerb, Verb};
use commands::{CliError, Session};

fn main() -> ExitCode {
    end_quietly_with_the_reader();
    let cli = Cli::parse();
    progress::catch_interrupts();
    let session = Session::new(cli.threads, cli.quiet);
    let done = run(cli.verb, &session);
    session.progress.finish();
    match done {
        Ok(code) => code,
        Err(error) => {
            if error.is_interrupted() {
                eprintln!("interrupted: nothing was left behind; the same command starts again");
                return ExitCode::from(3);
            }
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(if error.is_paused() { 3 } else { 2 })
        }
    }
}

/// Whoever reads the output may stop early, as `head` does; that is no error of ours.
fn end_quietly_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        let is_closed = message
            .is_some_and(|m| m.starts_with("failed printing to std") && m.contains("Broken pipe"));
        if is_closed {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

fn run(verb: Verb, session: &Session) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Run(args) => commands::learn::run_job(&args, session),
        Verb::Classify(args) => {
            commands::learn::learn(args, adit::prepare::Task::Classify, session)
        }
        Verb::Regress(args) => commands::learn::learn(args, adit::prepare::Task::Regress, session),
        Verb::Profile(args) => commands::profile::profile(&args, session),
        Verb::Pretrain(args) => commands::pretrain::pretrain(args, session),
        Verb::Cluster(args) => commands::cluster::cluster(args, session),
        Verb::Anomalies(args) => commands::anomalies::anomalies(args, session),
        Verb::Rules(args) => commands::rules::rules(args, session),
        Verb::Sequences(args) => commands::rules::sequences(args, session),
        Verb::Predict(args) => commands::predict::predict(args, session),
        Verb::Demo(verb) => commands::demo::demo(&verb, session),
        Verb::Bench(verb) => commands::bench::bench(verb, session),
        Verb::Export(args) => commands::export::export(args),
        Verb::Generate(args) => commands::generate::generate(args, session),
        Verb::Embed(args) => commands::embed::embed(args, session),
        Verb::Model(ModelVerb::Add {
            source,
            name,
            force,
        }) => commands::model::add(&source, name, force, session),
        Verb::Model(ModelVerb::List { json }) => commands::model::list(json, session),
        Verb::Model(ModelVerb::Remove { name }) => commands::model::remove(&name, session),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "adit", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}
