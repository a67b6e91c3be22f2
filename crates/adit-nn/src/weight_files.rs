//! The weights of a model directory: one safetensors file, or several shards with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::NnError;
use crate::tensor::Tensor;
use crate::unique_keys::UniqueKeys;
use crate::weights::WeightFile;

/// The single file.
const SINGLE: &str = "model.safetensors";
/// The index of shards.
const INDEX: &str = "model.safetensors.index.json";
/// The longest index that is read; that of a model of a thousand layers stays below 5 MB.
const MAX_INDEX: u64 = 64 << 20;

/// The open weight files of one model.
#[derive(Debug)]
pub struct WeightFiles {
    path: PathBuf,
    files: Vec<WeightFile>,
    /// Which file holds a tensor; none: the only file holds all.
    places: Option<BTreeMap<String, usize>>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: UniqueKeys<String>,
}

impl WeightFiles {
    /// Opens `model.safetensors` of a folder, or the shards of `model.safetensors.index.json`.
    ///
    /// Errors: as [`WeightFile::open`], for each file; an index that is not valid, names a shard
    /// outside the folder, or a tensor that its shard has not.
    pub fn open(folder: &Path) -> Result<Self, NnError> {
        let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
        if !single.exists() && index.exists() {
            return Self::open_shards(folder, index);
        }
        let pickle = folder.join("pytorch_model.bin");
        if !single.exists() && pickle.exists() {
            return Err(NnError::Pickle { path: pickle });
        }
        WeightFile::open(&single).map(Self::from)
    }

    /// The names of the files in `folder` that [`WeightFiles::open`] reads.
    ///
    /// Errors: an index that is not valid or names a shard outside the folder.
    pub fn names_of_files(folder: &Path) -> Result<Vec<String>, NnError> {
        let index = folder.join(INDEX);
        if folder.join(SINGLE).exists() || !index.exists() {
            return Ok(vec![SINGLE.to_string()]);
        }
        let shards: BTreeSet<String> = read_index(&index)?.into_values().collect();
        Ok(std::iter::once(INDEX.to_string()).chain(shards).collect())
    }

    fn open_shards(folder: &Path, index: PathBuf) -> Result<Self, NnError> {
        let corrupt = |reason: String| NnError::Corrupt {
            path: index.clone(),
            reason,
        };
        let map = read_index(&index)?;
        let mut shards: BTreeMap<&str, usize> = BTreeMap::new();
        shards.extend(map.values().map(|name| (name.as_str(), 0)));
        let mut files = Vec::with_capacity(shards.len());
        for (name, at) in &mut shards {
            *at = files.len();
            files.push(WeightFile::open(&folder.join(name))?);
        }
        let mut places = BTreeMap::new();
        for (tensor, shard) in &map {
            let at = shards.get(shard.as_str()).copied().unwrap_or_default();
            if files[at].shape(tensor).is_none() {
                return Err(corrupt(format!("tensor {tensor} is not in shard {shard}")));
            }
            places.insert(tensor.clone(), at);
        }
        Ok(Self {
            path: index.clone(),
            files,
            places: Some(places),
        })
    }

    fn file_of(&self, name: &str) -> Option<&WeightFile> {
        match &self.places {
            None => self.files.first(),
            Some(places) => places.get(name).and_then(|&at| self.files.get(at)),
        }
    }

    /// The file, or the index of the files.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        match &self.places {
            Some(places) => places.keys().cloned().collect(),
            None => self.files.iter().flat_map(WeightFile::names).collect(),
        }
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.file_of(name)?.shape(name)
    }

    /// Reads the tensor `name` as f32; it must have the shape `expected`.
    ///
    /// Errors: as [`WeightFile::read`].
    pub fn read(&self, name: &str, expected: &[usize]) -> Result<Tensor, NnError> {
        let Some(file) = self.file_of(name) else {
            return Err(NnError::MissingTensor {
                path: self.path.clone(),
                name: name.into(),
                expected: expected.to_vec(),
            });
        };
        file.read(name, expected)
    }
}

impl From<WeightFile> for WeightFiles {
    fn from(file: WeightFile) -> Self {
        Self {
            path: file.path().into(),
            files: vec![file],
            places: None,
        }
    }
}

/// Which shard holds which tensor.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>, NnError> {
    let failed = |source| NnError::Read {
        path: path.into(),
        source,
    };
    let corrupt = |reason: String| NnError::Corrupt {
        path: path.into(),
        reason,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_INDEX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_INDEX {
        return Err(corrupt(format!(
            "it is longer than the {MAX_INDEX} bytes of an index that are read"
        )));
    }
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|e| corrupt(format!("not an index of shards: {e}")))?;
    let UniqueKeys(map) = index.weight_map;
    if map.is_empty() {
        return Err(corrupt("it names no tensor".into()));
    }
    if let Some(name) = map.values().find(|name| !is_plain_name(name)) {
        return Err(corrupt(format!(
            "shard {name:?} is not a safetensors file of its folder"
        )));
    }
    Ok(map)
}

/// True for a name that cannot lead out of its folder.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let one = matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    );
    one && !name.contains(['/', '\\', ':', '\0']) && name.ends_with(".safetensors")
}
