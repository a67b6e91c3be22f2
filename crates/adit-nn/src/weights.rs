//! Weight files: safetensors, read whole and checked before anything is used.
//!
//! Not here: pickle files (`.bin`, `.pt`), which can run code and are refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::de::MapAccess;

use crate::error::NnError;
use crate::kernels::bytes;
use crate::tensor::Tensor;
use crate::unique_keys::{Entry, UniqueKeys};

/// The longest header that is read; the largest public models stay below 10 MB.
const MAX_HEADER: u64 = 64 << 20;

/// The most dimensions of a tensor that is read; those of models have at most five.
const MAX_DIMENSIONS: usize = 16;

/// What a header holds beside tensors.
const METADATA: &str = "__metadata__";

/// An open safetensors file.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    data: Vec<u8>,
    start: usize,
    metadata: Metadata,
}

impl WeightFile {
    /// Opens a safetensors file.
    ///
    /// Errors: a file that cannot be read, is a pickle, is cut short, has a header that is too long or
    /// not valid, or has tensors that overlap or lie outside the file.
    pub fn open(path: &Path) -> Result<Self, NnError> {
        let failed = |source| NnError::Read {
            path: path.into(),
            source,
        };
        let mut file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut head = Vec::with_capacity(8);
        (&mut file).take(8).read_to_end(&mut head).map_err(failed)?;
        check_head(path, &head, len)?;
        let mut data = head;
        data.reserve_exact(usize::try_from(len).unwrap_or(0).saturating_sub(8));
        file.read_to_end(&mut data).map_err(failed)?;
        Self::from_bytes(path, data)
    }

    /// Reads a safetensors file that is in memory already; `path` only names it in errors.
    ///
    /// Errors: as [`WeightFile::open`].
    pub fn from_bytes(path: &Path, data: Vec<u8>) -> Result<Self, NnError> {
        check_head(path, &data[..data.len().min(8)], data.len() as u64)?;
        let corrupt = |reason: String| NnError::Corrupt {
            path: path.into(),
            reason,
        };
        check_entries(header(&data)).map_err(corrupt)?;
        // Checks offsets, overlaps, holes and the length of the file.
        let (n, metadata) =
            SafeTensors::read_metadata(&data).map_err(|e| corrupt(e.to_string()))?;
        Ok(Self {
            path: path.into(),
            start: n + 8,
            data,
            metadata,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.metadata.tensors().into_keys().collect();
        names.sort();
        names
    }

    /// What the file's metadata say about `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let all = self.metadata.metadata().as_ref();
        all.and_then(|all| all.get(key)).map(String::as_str)
    }

    /// The shape of a tensor, if it is in the file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// Reads the tensor `name` as f32; it must have the shape `expected`.
    ///
    /// Errors: the tensor is missing, has another shape, is not F32, F16 or BF16, or holds NaN or an
    /// infinity.
    pub fn read(&self, name: &str, expected: &[usize]) -> Result<Tensor, NnError> {
        let Some(info) = self.metadata.info(name) else {
            return Err(NnError::MissingTensor {
                path: self.path.clone(),
                name: name.into(),
                expected: expected.to_vec(),
            });
        };
        if info.shape != expected {
            return Err(NnError::WrongShape {
                path: self.path.clone(),
                name: name.into(),
                expected: expected.to_vec(),
                found: info.shape.clone(),
            });
        }
        let (from, to) = info.data_offsets;
        let raw = &self.data[self.start + from..self.start + to];
        let data = match info.dtype {
            Dtype::F32 => bytes::f32_from(raw),
            Dtype::F16 => bytes::f16_from(raw),
            Dtype::BF16 => bytes::bf16_from(raw),
            other => {
                return Err(NnError::WrongType {
                    path: self.path.clone(),
                    name: name.into(),
                    found: format!("{other:?}"),
                });
            }
        };
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            return Err(NnError::NotFinite {
                path: self.path.clone(),
                name: name.into(),
                at,
                value: data[at],
            });
        }
        Tensor::new(expected, data)
    }
}

/// The bytes of the header, whose length was checked.
fn header(data: &[u8]) -> &[u8] {
    let (length, rest) = data.split_at(8.min(data.len()));
    let length = <[u8; 8]>::try_from(length).map_or(0, u64::from_le_bytes);
    &rest[..usize::try_from(length).unwrap_or(0).min(rest.len())]
}

/// What a header holds under a name.
enum HeaderEntry {
    Tensor(TensorInfo),
    Metadata,
}

impl Entry for HeaderEntry {
    fn next<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error> {
        if key == METADATA {
            map.next_value::<BTreeMap<String, String>>()?;
            return Ok(Self::Metadata);
        }
        map.next_value().map(Self::Tensor)
    }
}

/// Refuses what `safetensors` would take, or would refuse without saying which tensor is meant.
fn check_entries(header: &[u8]) -> Result<(), String> {
    let UniqueKeys(entries) = serde_json::from_slice::<UniqueKeys<HeaderEntry>>(header)
        .map_err(|e| format!("its header cannot be read: {e}"))?;
    for (name, entry) in entries {
        let HeaderEntry::Tensor(info) = entry else {
            continue;
        };
        if info.shape.len() > MAX_DIMENSIONS {
            let n = info.shape.len();
            return Err(format!(
                "tensor {name} has {n} dimensions, more than the {MAX_DIMENSIONS} that are read"
            ));
        }
        let (from, to) = info.data_offsets;
        let mut dimensions = info.shape.iter().copied();
        let bits = dimensions.try_fold(info.dtype.bitsize(), usize::checked_mul);
        let held = to.checked_sub(from).and_then(|n| n.checked_mul(8));
        if bits.is_none() || bits != held {
            return Err(format!(
                "tensor {name} of shape {:?} and type {:?} does not fit the bytes {from} to {to}",
                info.shape, info.dtype
            ));
        }
    }
    Ok(())
}

/// Refuses what is no safetensors file by its first bytes, before the file is read.
fn check_head(path: &Path, head: &[u8], len: u64) -> Result<(), NnError> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let zip = head.starts_with(b"PK\x03\x04");
    let pickle = head.len() >= 2
        && head[0] == 0x80
        && (1..=5).contains(&head[1])
        && !looks_like_length(head, len);
    if zip
        || pickle
        || matches!(
            extension.as_str(),
            "bin" | "pt" | "pth" | "pkl" | "pickle" | "ckpt"
        )
    {
        return Err(NnError::Pickle { path: path.into() });
    }
    let corrupt = |reason: String| {
        Err(NnError::Corrupt {
            path: path.into(),
            reason,
        })
    };
    let Ok(bytes) = <[u8; 8]>::try_from(head) else {
        return corrupt(format!(
            "it has {len} bytes, fewer than the 8 of a header length"
        ));
    };
    let header = u64::from_le_bytes(bytes);
    if header > MAX_HEADER {
        return corrupt(format!(
            "its header claims {header} bytes, more than the {MAX_HEADER} that are read"
        ));
    }
    if header > len - 8 {
        return corrupt(format!(
            "its header claims {header} bytes, but only {} follow; it is cut short",
            len - 8
        ));
    }
    Ok(())
}

/// A pickle's first bytes read as a length give a number far beyond any file.
fn looks_like_length(head: &[u8], len: u64) -> bool {
    <[u8; 8]>::try_from(head).is_ok_and(|bytes| u64::from_le_bytes(bytes) <= len.saturating_sub(8))
}
