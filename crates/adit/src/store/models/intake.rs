//! Takes the files of a model in: which ones, how large, hashed on the way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::manifest::{MANIFEST, license_of_readme};
use super::{ModelFile, ModelManifest, StoreError, at};
use crate::Watch;

const MIB: u64 = 1 << 20;
/// Largest weights file: more than any encoder that runs on a CPU.
const MAX_WEIGHTS: u64 = 16 * 1024 * MIB;
/// Largest of the other files; the vocabularies of many languages have some 35 MB.
const MAX_TEXT: u64 = 128 * MIB;
const MAX_FILES: usize = 512;
const CHUNK: usize = 1 << 20;

const ALWAYS: [&str; 10] = [
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// True for a file that is part of a model as Adit reads it; `path` is relative, with `/`.
pub(super) fn is_wanted(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        [name] => {
            ALWAYS.contains(&name) || name == "vocab.txt" || is_shard(name) || is_license(name)
        }
        [folder, "config.json"] => is_module_folder(folder),
        _ => false,
    }
}

/// True for `LICENSE`, `LICENSE.txt` and their like.
pub(super) fn is_license(name: &str) -> bool {
    name.starts_with("LICENSE")
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// True for a name that would leave the folder it is unpacked in, on any system.
pub(super) fn climbs_out(path: &str) -> bool {
    path.starts_with('/')
        || path.contains(['\\', '\0'])
        || path.as_bytes().get(1) == Some(&b':')
        || path.split('/').any(|part| part == "..")
}

/// True for `1_Pooling` and its like, the folders that modules.json names.
fn is_module_folder(folder: &str) -> bool {
    folder.split_once('_').is_some_and(|(number, kind)| {
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// True for `model-00001-of-00002.safetensors` and its like.
fn is_shard(name: &str) -> bool {
    let Some(middle) = name
        .strip_prefix("model-")
        .and_then(|n| n.strip_suffix(".safetensors"))
    else {
        return false;
    };
    let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    middle
        .split_once("-of-")
        .is_some_and(|(i, n)| number(i) && number(n))
}

/// True for weights that are read by running code, or in formats that Adit does not read.
pub(super) fn is_pickle(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let weights = [
        ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack",
    ];
    weights
        .iter()
        .any(|end| name.to_ascii_lowercase().ends_with(end))
}

/// Says what is missing from a model of these files, before any of them is fetched.
pub(super) fn check_listing(place: &str, paths: &[&str]) -> Result<(), StoreError> {
    let has = |name: &str| paths.contains(&name);
    let missing = |missing| {
        Err(StoreError::NotAModel {
            place: place.to_string(),
            missing,
        })
    };
    if !has("config.json") {
        return missing("config.json");
    }
    if !has("model.safetensors") && !has("model.safetensors.index.json") {
        return match paths.iter().find(|path| is_pickle(path)) {
            Some(file) => Err(StoreError::PickleOnly {
                place: place.into(),
                file: file.to_string(),
            }),
            None => missing("model.safetensors"),
        };
    }
    if !has("tokenizer.json") {
        return missing("tokenizer.json");
    }
    if paths.len() > MAX_FILES {
        return Err(StoreError::TooLarge {
            place: place.into(),
            file: "the list of files".into(),
            bytes: paths.len() as u64,
            limit: MAX_FILES as u64,
        });
    }
    Ok(())
}

/// The largest size that a file of this name may have, in bytes.
pub(super) fn limit_of(path: &str) -> u64 {
    if path.ends_with(".safetensors") {
        MAX_WEIGHTS
    } else {
        MAX_TEXT
    }
}

pub(super) fn check_size(place: &str, path: &str, bytes: u64) -> Result<(), StoreError> {
    let limit = limit_of(path);
    if bytes <= limit {
        return Ok(());
    }
    Err(StoreError::TooLarge {
        place: place.into(),
        file: path.into(),
        bytes,
        limit,
    })
}

/// Hex SHA-256.
pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes files into the folder of a model that is being added.
pub(super) struct Intake<'a> {
    /// What errors call the source.
    pub(super) place: String,
    pub(super) folder: PathBuf,
    pub(super) watch: &'a dyn Watch,
    stage: &'static str,
    done: u64,
    total: u64,
    files: BTreeMap<String, ModelFile>,
}

impl<'a> Intake<'a> {
    /// `total` is the number of bytes to come, for the progress; 0 if unknown.
    pub(super) fn new(
        place: &str,
        folder: &Path,
        stage: &'static str,
        watch: &'a dyn Watch,
    ) -> Self {
        Intake {
            place: place.to_string(),
            folder: folder.to_path_buf(),
            watch,
            stage,
            done: 0,
            total: 0,
            files: BTreeMap::new(),
        }
    }

    /// Tells how many bytes are to come in all, for the progress.
    pub(super) fn expect(&mut self, total: u64) {
        self.total = total;
    }

    /// Copies `reader` to `path`, a [wanted](is_wanted) name; gives the file's SHA-256.
    /// `from` is what an error in reading is said about.
    pub(super) fn take(
        &mut self,
        path: &str,
        expected: u64,
        reader: &mut dyn Read,
        from: &dyn Fn(std::io::Error) -> StoreError,
    ) -> Result<[u8; 32], StoreError> {
        check_size(&self.place, path, expected)?;
        let target = self.folder.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(at("create the folder", folder))?;
        }
        let mut file = File::create(&target).map_err(at("create", &target))?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut bytes = 0_u64;
        loop {
            if self.watch.cancelled() {
                return Err(StoreError::Cancelled);
            }
            self.watch
                .progress(self.stage, self.done + bytes, self.total, path);
            let n = match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(from(error)),
            };
            bytes += n as u64;
            if bytes > expected {
                break;
            }
            hash.update(&chunk[..n]);
            file.write_all(&chunk[..n]).map_err(at("write", &target))?;
        }
        if bytes != expected {
            let size = if bytes > expected {
                "more".to_string()
            } else {
                bytes.to_string()
            };
            return Err(self.damaged(path, format!("it has {size} bytes instead of {expected}")));
        }
        self.done += bytes;
        let digest: [u8; 32] = hash.finalize().into();
        let record = ModelFile {
            path: path.to_string(),
            bytes,
            sha256: hex(&digest),
        };
        self.files.insert(path.to_string(), record);
        Ok(digest)
    }

    pub(super) fn damaged(&self, file: &str, reason: String) -> StoreError {
        StoreError::Damaged {
            place: self.place.clone(),
            file: file.to_string(),
            reason,
        }
    }

    /// Checks what was taken and writes the manifest.
    pub(super) fn seal(
        self,
        name: &str,
        origin: String,
        license: Option<String>,
    ) -> Result<ModelManifest, StoreError> {
        let manifest = describe(&self.place, &self.folder, name, origin, license, self.files)?;
        let path = self.folder.join(MANIFEST);
        fs::write(&path, manifest.to_json()?).map_err(at("write", &path))?;
        Ok(manifest)
    }
}

/// Checks the files of a model that lie in `folder`, and describes it.
pub(super) fn describe(
    place: &str,
    folder: &Path,
    name: &str,
    origin: String,
    license: Option<String>,
    files: BTreeMap<String, ModelFile>,
) -> Result<ModelManifest, StoreError> {
    let damaged = |file: &str, reason: String| StoreError::Damaged {
        place: place.to_string(),
        file: file.to_string(),
        reason,
    };
    let config = read_json(folder, "config.json", &damaged)?;
    for shard in shards(folder, &damaged)? {
        if !files.contains_key(&shard) {
            return Err(damaged(
                &shard,
                "the index names it, but it is missing".into(),
            ));
        }
    }
    for path in files.keys().filter(|path| path.ends_with(".safetensors")) {
        check_safetensors(&folder.join(path)).map_err(|reason| damaged(path, reason))?;
    }
    let readme = fs::read(folder.join("README.md")).unwrap_or_default();
    Ok(ModelManifest {
        format: 1,
        name: name.to_string(),
        origin,
        license: license_of_readme(&String::from_utf8_lossy(&readme))
            .or(license)
            .unwrap_or_else(|| "unknown".into()),
        model_type: config["model_type"]
            .as_str()
            .unwrap_or("unknown")
            .to_string(),
        files: files.into_values().collect(),
    })
}

type Damaged<'a> = dyn Fn(&str, String) -> StoreError + 'a;

fn read_json(folder: &Path, name: &str, damaged: &Damaged) -> Result<Value, StoreError> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(at("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|e| damaged(name, lfs_or(&bytes, e.to_string())))
}

/// The files that the index of sharded weights names, sorted; none where there is no index.
fn shards(folder: &Path, damaged: &Damaged) -> Result<Vec<String>, StoreError> {
    const INDEX: &str = "model.safetensors.index.json";
    if !folder.join(INDEX).is_file() {
        return Ok(Vec::new());
    }
    let index = read_json(folder, INDEX, damaged)?;
    let Some(map) = index["weight_map"].as_object() else {
        return Err(damaged(INDEX, "it has no weight_map".into()));
    };
    let mut shards = Vec::new();
    for shard in map.values() {
        match shard.as_str() {
            Some(name) if is_shard(name) || name == "model.safetensors" => {
                shards.push(name.to_string());
            }
            _ => return Err(damaged(INDEX, format!("it names the weights file {shard}"))),
        }
    }
    shards.sort();
    shards.dedup();
    Ok(shards)
}

/// Checks that the header of a safetensors file fits its size, which finds files cut short.
fn check_safetensors(path: &Path) -> Result<(), String> {
    let told = |e: std::io::Error| e.to_string();
    let mut file = File::open(path).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    let mut start = [0; 8];
    if size < 8 {
        return Err(format!("{size} bytes are no safetensors file"));
    }
    file.read_exact(&mut start).map_err(told)?;
    let length = u64::from_le_bytes(start);
    if length > (100 * MIB).min(size - 8) {
        return Err(lfs_or(
            &start,
            "it is cut short or no safetensors file".into(),
        ));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(told)?;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&header)
        .map_err(|e| format!("its header is no JSON object ({e})"))?;
    let ends = header
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, tensor)| {
            tensor["data_offsets"][1]
                .as_u64()
                .ok_or(format!("tensor {name} has no end"))
        })
        .collect::<Result<Vec<u64>, String>>()?;
    let data = ends.into_iter().max().unwrap_or(0);
    if data != size - 8 - length {
        return Err(format!(
            "its tensors need {data} bytes and {} are there",
            size - 8 - length
        ));
    }
    Ok(())
}

fn lfs_or(bytes: &[u8], reason: String) -> String {
    if bytes.starts_with(b"version ") {
        "it is a Git LFS pointer, not the file".into()
    } else {
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_a_model_is_wanted() {
        for path in [
            "config.json",
            "model.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "vocab.txt",
            "modules.json",
            "1_Pooling/config.json",
            "LICENSE",
            "LICENSE.txt",
            "README.md",
        ] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "pytorch_model.bin",
            "model.pt",
            "modeling_evil.py",
            "../config.json",
            "a/b/config.json",
            "onnx/model.onnx",
            "../1_Pooling/config.json",
            "../config.json",
            "..\\1_Pooling/config.json",
            "1_Pooling/model.safetensors",
            "other.safetensors",
            "adit-model.json",
            "/config.json",
        ] {
            assert!(!is_wanted(path), "{path}");
        }
    }

    #[test]
    fn what_a_model_lacks_is_said_before_anything_is_fetched() {
        let told = |paths: &[&str]| check_listing("x", paths).unwrap_err().to_string();
        assert!(told(&["model.safetensors"]).contains("config.json"));
        assert!(told(&["config.json"]).contains("model.safetensors"));
        assert!(told(&["config.json", "pytorch_model.bin"]).contains("pickle"));
        assert!(told(&["config.json", "model.safetensors"]).contains("tokenizer.json"));
    }

    #[test]
    fn a_safetensors_file_cut_short_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let header = br#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(&[0; 16]);
        let check = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            check_safetensors(&path)
        };
        check(&bytes).unwrap();
        for length in [0, 7, 8, 20, bytes.len() - 1] {
            assert!(check(&bytes[..length]).is_err(), "{length} bytes");
        }
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
        assert!(check(pointer).unwrap_err().contains("LFS"));
    }
}
