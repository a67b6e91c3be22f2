//! `adit demo`.

use std::process::ExitCode;

use adit::run;
use adit::simulated::cards::CardHistories;

use super::{CliError, Session};
use crate::args::DemoVerb;

pub fn demo(verb: &DemoVerb, session: &Session) -> Result<ExitCode, CliError> {
    let DemoVerb::Events {
        out,
        customers,
        seed,
    } = verb;
    let histories = CardHistories {
        customers: *customers,
        seed: *seed,
    };
    let folder = run::demo_events(&histories, out)?;
    session.progress.finish();
    let folder = folder.display();
    println!("simulated  {customers} customers and their card events, no real one among them");
    println!("folder     {folder}");
    println!("next       adit run {folder}/job.toml");
    Ok(ExitCode::SUCCESS)
}
