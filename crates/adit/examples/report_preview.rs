//! Writes the simulated reports of the tests into a folder, to be looked at:
//! `cargo run --release -p adit --example report_preview -- FOLDER`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use adit::explain;
use adit::report;

#[path = "../src/report/simulated/mod.rs"]
mod simulated;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("give the folder to write to")?;
    fs::create_dir_all(&folder)?;
    let reports = [
        ("two-classes", simulated::two_classes()),
        ("four-classes", simulated::many_classes(4)),
        ("77-classes", simulated::many_classes(77)),
        ("regression", simulated::regression()),
        ("long-texts", simulated::long_texts()),
        (
            "nothing",
            simulated::empty("classify", "simulated nothing", Vec::new()),
        ),
        ("hostile", simulated::hostile(&simulated::HOSTILE.join(" "))),
        ("not-finite", simulated::not_finite()),
    ];
    for (name, findings) in reports {
        let version = env!("CARGO_PKG_VERSION");
        fs::write(
            folder.join(format!("{name}.html")),
            report::html(&findings, &simulated::COST, version)?,
        )?;
        fs::write(
            folder.join(format!("{name}.json")),
            report::result_json(&findings, &simulated::COST, version)?,
        )?;
        fs::write(
            folder.join(format!("{name}.md")),
            report::model_card(&findings, version),
        )?;
    }
    Ok(())
}
