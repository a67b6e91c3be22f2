//! What of a table becomes points: the part that jobs of clusters and of anomalies have in common.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::prepare::Role;
use crate::source::{BadRowLimit, Format, SourceSettings};

/// What rows are, and which of their columns are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PointSection {
    /// Files, globs, folders, or `-`.
    pub inputs: Vec<String>,
    /// Columns that points are made of; all numbers, times, categories and texts where absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Columns that are read as text; they need an encoder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Columns that points are not made of, but that are told of what was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hold_out: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
    /// Text encoder: a name in the model store, or a folder. Of events a folder that was pre-trained on events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Vectors of the texts that `adit embed` wrote, so that they need not be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<PathBuf>,
    /// Share of the total variance that the encoder's vectors have beside other columns; one half where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_share: Option<f64>,
    /// Rows are events: the column that tells whose. Profiles of entities are made of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Rows are events: the column that tells when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bad_rows: Option<BadRowLimit>,
}

impl PointSection {
    /// How files are read.
    pub fn source_settings(&self) -> SourceSettings {
        SourceSettings {
            inputs: self.inputs.clone(),
            format: self.format,
            delimiter: self.delimiter.map(|c| c as u8),
            quote: self.quote.map(|c| c as u8),
            header: self.header,
            encoding: self.encoding.clone(),
            max_bad_rows: self.max_bad_rows.unwrap_or_default(),
        }
    }

    /// Makes relative paths absolute against `base`.
    pub(super) fn anchor(&mut self, base: &Path) {
        for input in &mut self.inputs {
            if input != "-" && !Path::new(input).is_absolute() {
                *input = base.join(&*input).to_string_lossy().into_owned();
            }
        }
        self.vectors = self.vectors.take().map(|file| base.join(file));
        // A name in the model store is no folder beside the job.
        let folder = self.encoder.as_ref().map(|encoder| base.join(encoder));
        if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
            self.encoder = Some(folder.to_string_lossy().into_owned());
        }
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.inputs.is_empty() {
            Some("`data.inputs` names no file")
        } else if self.entity.is_some() != self.time.is_some() {
            Some("profiles of events need both `data.entity` and `data.time`")
        } else if self.entity.is_some() && !self.texts.is_empty() {
            Some("profiles are made of numbers and categories of events, not of their texts")
        } else if [&self.entity, &self.time]
            .iter()
            .any(|c| c.as_ref().is_some_and(|name| self.hold_out.contains(name)))
        {
            Some("profiles need `data.entity` and `data.time`: neither can be held out")
        } else if self.vectors.is_some() && self.entity.is_some() {
            Some("`data.vectors` are of texts, which profiles do not read")
        } else if self.encoder_share.is_some_and(|x| !(x > 0.0 && x < 1.0)) {
            Some("`data.encoder_share` must lie between 0 and 1")
        } else if self.columns.iter().any(|c| self.hold_out.contains(c)) {
            Some("a column cannot be both among `data.columns` and `data.hold_out`")
        } else {
            None
        }
    }
}
