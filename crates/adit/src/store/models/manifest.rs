//! What the store records of a model: `adit-model.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StoreError, at};

pub(super) const MANIFEST: &str = "adit-model.json";

/// What the store records of a model; no times, so equal models have equal manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// Version of this record: 1.
    pub format: u32,
    pub name: String,
    /// Where it came from, exactly: `hf:owner/name@<commit>`, `pip:package==version`, …
    pub origin: String,
    /// As its maker states it, or `unknown`.
    pub license: String,
    /// `model_type` of config.json, or `unknown`.
    pub model_type: String,
    /// Sorted by path.
    pub files: Vec<ModelFile>,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Relative to the model's folder, with `/`.
    pub path: String,
    pub bytes: u64,
    /// Hex SHA-256.
    pub sha256: String,
}

impl ModelManifest {
    /// Sum of the sizes of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Reads the manifest of the model in `folder`.
    pub(super) fn read(folder: &Path) -> Result<ModelManifest, StoreError> {
        let path = folder.join(MANIFEST);
        let bytes = fs::read(&path).map_err(at("read", &path))?;
        let broken = |reason: String| StoreError::Manifest {
            path: path.clone(),
            reason,
        };
        let manifest: ModelManifest =
            serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        if manifest.format != 1 {
            return Err(broken(format!("its format is {}, not 1", manifest.format)));
        }
        Ok(manifest)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| StoreError::Manifest {
            path: PathBuf::from(MANIFEST),
            reason: e.to_string(),
        })?;
        text.push(b'\n');
        Ok(text)
    }
}

/// The `license` of the front matter of a README.md (between `---` lines), if it states one.
pub(super) fn license_of_readme(text: &str) -> Option<String> {
    let body = text.trim_start_matches('\u{feff}');
    let mut lines = body.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let front: Vec<&str> = lines.take_while(|line| line.trim_end() != "---").collect();
    let value = |key: &str| {
        let at = front
            .iter()
            .position(|line| line.starts_with(&format!("{key}:")))?;
        let inline = unquote(front[at].split_once(':')?.1);
        if !inline.is_empty() {
            return Some(inline.trim_matches(['[', ']']).to_string());
        }
        let items: Vec<String> = front[at + 1..]
            .iter()
            .map_while(|line| line.trim_start().strip_prefix("- "))
            .map(unquote)
            .collect();
        (!items.is_empty()).then(|| items.join(", "))
    };
    let license = value("license")?;
    match value("license_name") {
        Some(name) if license == "other" => Some(format!("other ({name})")),
        _ => Some(license),
    }
}

fn unquote(value: &str) -> String {
    let value = value.split(" #").next().unwrap_or_default();
    value.trim().trim_matches(['"', '\'']).to_string()
}

/// The licence that a wheel's METADATA states: `License-Expression`, `License` or classifiers.
pub(super) fn license_of_metadata(text: &str) -> Option<String> {
    let head: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    let field = |key: &str| {
        head.iter()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.trim().to_string())
            .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("unknown"))
    };
    let classifiers: Vec<&str> = head
        .iter()
        .filter_map(|line| line.strip_prefix("Classifier: License ::"))
        .filter_map(|value| value.rsplit("::").next())
        .map(str::trim)
        .collect();
    // Some packages put the whole text of their licence into `License`.
    field("License-Expression")
        .or_else(|| field("License").filter(|value| value.len() <= 80))
        .or_else(|| (!classifiers.is_empty()).then(|| classifiers.join(", ")))
}

/// A field of a wheel's METADATA.
pub(super) fn metadata_field(text: &str, key: &str) -> Option<String> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, value)| value.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_is_read_from_the_front_matter_only() {
        let cases = [
            (
                "---\nlanguage: en\nlicense: apache-2.0\n---\n# x",
                Some("apache-2.0"),
            ),
            ("---\nlicense: 'mit' # yes\n---\n", Some("mit")),
            (
                "---\nlicense:\n- mit\n- cc0-1.0\ntags:\n- a\n---\n",
                Some("mit, cc0-1.0"),
            ),
            (
                "---\nlicense: other\nlicense_name: gemma\n---\n",
                Some("other (gemma)"),
            ),
            ("---\ntags: a\n---\nlicense: mit\n", None),
            ("# Model\nlicense: mit\n", None),
            ("", None),
        ];
        for (text, license) in cases {
            assert_eq!(license_of_readme(text).as_deref(), license, "{text:?}");
        }
    }

    #[test]
    fn a_license_is_read_from_the_metadata() {
        let cases = [
            ("License-Expression: MIT\nLicense: x\n", Some("MIT")),
            (
                "License: MIT\nClassifier: License :: OSI Approved :: BSD License\n",
                Some("MIT"),
            ),
            (
                "License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\n",
                Some("BSD License"),
            ),
            ("Name: x\n\nLicense: MIT\n", None),
        ];
        for (text, license) in cases {
            assert_eq!(license_of_metadata(text).as_deref(), license, "{text:?}");
        }
    }
}
