//! Models that lie in a folder: taking them in, describing them, checking them again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::intake::{self, Intake};
use super::{Fetched, ModelFile, ModelManifest, StoreError, at};
use crate::Watch;

/// A regular file of a folder, or what a link in it leads to.
struct Found {
    relative: String,
    path: PathBuf,
    bytes: u64,
}

/// Takes the model in `source` into `folder`.
pub(super) fn take<'a>(
    source: &Path,
    folder: &Path,
    watch: &'a dyn Watch,
) -> Result<Fetched<'a>, StoreError> {
    let whole = source
        .canonicalize()
        .map_err(at("open the folder", source))?;
    if !whole.is_dir() {
        let (spec, reason) = (
            source.display().to_string(),
            "it is no folder and no wheel".into(),
        );
        return Err(StoreError::BadSource { spec, reason });
    }
    let place = source.display().to_string();
    let files = wanted(&whole, &place)?;
    let mut intake = Intake::new(&place, folder, "copy model", watch);
    intake.expect(files.iter().map(|file| file.bytes).sum());
    for file in &files {
        let mut reader = File::open(&file.path).map_err(at("open", &file.path))?;
        let from = |error| at("read", &file.path)(error);
        intake.take(&file.relative, file.bytes, &mut reader, &from)?;
    }
    Ok((intake, format!("dir:{}", whole.display()), None))
}

/// Describes a model in a folder that is not of the store, reading all of its files.
pub(super) fn describe(folder: &Path) -> Result<ModelManifest, StoreError> {
    let place = folder.display().to_string();
    let mut files = BTreeMap::new();
    for file in wanted(folder, &place)? {
        intake::check_size(&place, &file.relative, file.bytes)?;
        let sha256 = sha256(&file.path)?;
        let record = ModelFile {
            path: file.relative.clone(),
            bytes: file.bytes,
            sha256,
        };
        files.insert(file.relative, record);
    }
    let whole = folder
        .canonicalize()
        .map_err(at("open the folder", folder))?;
    let name = whole
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let origin = format!("dir:{}", whole.display());
    intake::describe(&place, folder, &name, origin, None, files)
}

/// Compares every file with what was recorded; names the first that differs.
pub(super) fn verify(folder: &Path, manifest: &ModelManifest) -> Result<(), StoreError> {
    let changed = |path: PathBuf, what| Err(StoreError::Changed { path, what });
    for file in &manifest.files {
        let path = folder.join(&file.path);
        if !intake::is_wanted(&file.path) {
            let reason = format!("it names {:?}, which is no file of a model", file.path);
            return Err(StoreError::Manifest {
                path: folder.join(super::MANIFEST),
                reason,
            });
        }
        let Ok(found) = fs::metadata(&path) else {
            return changed(path, "has gone");
        };
        if found.len() != file.bytes || sha256(&path)? != file.sha256 {
            return changed(path, "has changed");
        }
    }
    for found in regular_files(folder)? {
        let known = manifest
            .files
            .iter()
            .any(|file| file.path == found.relative);
        if intake::is_wanted(&found.relative) && !known {
            return changed(found.path, "has appeared");
        }
    }
    Ok(())
}

/// The files of a model, sorted, after a check that it is one.
fn wanted(folder: &Path, place: &str) -> Result<Vec<Found>, StoreError> {
    let mut files = regular_files(folder)?;
    let names: Vec<&str> = files
        .iter()
        .map(|file| file.relative.as_str())
        .filter(|name| intake::is_wanted(name) || intake::is_pickle(name))
        .collect();
    intake::check_listing(place, &names)?;
    files.retain(|file| intake::is_wanted(&file.relative));
    Ok(files)
}

/// Regular files of a folder and of the folders in it, sorted; links count as what they lead to.
fn regular_files(folder: &Path) -> Result<Vec<Found>, StoreError> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    list(folder, "", &mut files, &mut folders)?;
    for name in folders {
        // Only the folders that modules.json can name are looked into.
        if intake::is_wanted(&format!("{name}/config.json")) {
            list(
                &folder.join(&name),
                &format!("{name}/"),
                &mut files,
                &mut Vec::new(),
            )?;
        }
    }
    files.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(files)
}

fn list(
    folder: &Path,
    prefix: &str,
    files: &mut Vec<Found>,
    folders: &mut Vec<String>,
) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(at("list", folder))? {
        let path = entry.map_err(at("list", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Ok(found) = fs::metadata(&path) else {
            continue;
        };
        if found.is_file() {
            files.push(Found {
                relative: format!("{prefix}{name}"),
                bytes: found.len(),
                path,
            });
        } else if found.is_dir() {
            folders.push(name.to_string());
        }
    }
    Ok(())
}

fn sha256(path: &Path) -> Result<String, StoreError> {
    let mut file = File::open(path).map_err(at("open", path))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(intake::hex(&hash.finalize())),
            Ok(n) => hash.update(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(at("read", path)(error)),
        }
    }
}
