//! Encoders whose vectors are points, alone or beside cells: of texts, and of what entities did.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::event_encoder::{EventEncoderFolder, is_event_encoder};
use super::texts::texts_of;
use super::{Context, RunError, point_vectors};
use crate::mine::MineError;
use crate::prepare::{Histories, Role, RowColumn, Rows};
use crate::represent::embedding::SentenceEncoder;
use crate::represent::encoder::EncoderDirectory;
use crate::store::{ModelStore, RunFolder};

/// What every text encoder is asked, so that another one under the same name is noticed.
const PROBE: &str = "the same text has the same vector";
/// Vectors of the probe that differ by more, as squared distance, are of another encoder.
const OTHER: f32 = 1e-4;
/// Vectors of a file that are made again.
const MADE_AGAIN: usize = 16;
/// How far they may lie from those of the file, as a share of how far different texts do (both squared): products in
/// eight bits may have been used.
const SAME: f64 = 0.05;
/// … and as a share of their squared length.
const ROUNDING: f64 = 1e-6;
/// Where a run keeps its encoder of events.
const PLACE: &str = "model/";

/// A vector of each row.
pub(super) struct Vectors {
    /// `[n_rows, width]`
    pub values: Vec<f32>,
    pub width: usize,
}

/// Text columns and their encoder, which stays where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FittedTexts {
    pub columns: Vec<String>,
    pub encoder: String,
    /// What the encoder made of a known text.
    probe: Vec<f32>,
}

/// An encoder of events, which a run keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FittedHistories {
    /// Where it came from.
    pub encoder: String,
    #[serde(skip)]
    folder: Option<EventEncoderFolder>,
}

impl FittedTexts {
    /// Opens the encoder; the vectors of the text columns of each row, side by side, as the file says where there is one.
    ///
    /// # Errors
    /// No such encoder; a file of other texts or by another encoder; `Interrupted`.
    pub fn fit(
        (encoder, made): (&str, Option<&Path>),
        columns: Vec<String>,
        rows: &Rows,
        context: &Context,
    ) -> Result<(FittedTexts, Vectors), RunError> {
        let opened = open(encoder, context)?;
        let probe = opened.embed(&[PROBE], context.watch)?;
        let vectors = match made {
            Some(file) => read(&opened, file, (rows, &columns), context)?,
            None => embed(&opened, rows, &columns, context)?,
        };
        let fitted = FittedTexts {
            columns,
            encoder: encoder.into(),
            probe,
        };
        Ok((fitted, vectors))
    }

    /// The vectors of other rows.
    ///
    /// # Errors
    /// Another encoder than the one that was used; a column that is not there; `Interrupted`.
    pub fn vectors(&self, rows: &Rows, context: &Context) -> Result<Vectors, RunError> {
        let opened = open(&self.encoder, context)?;
        let probe = opened.embed(&[PROBE], context.watch)?;
        let apart = |(a, b): (&f32, &f32)| (a - b) * (a - b);
        let apart: f32 = probe.iter().zip(&self.probe).map(apart).sum();
        if probe.len() != self.probe.len() || apart > OTHER {
            return Err(RunError::OtherEncoder {
                name: self.encoder.clone(),
            });
        }
        embed(&opened, rows, &self.columns, context)
    }
}

fn open(name: &str, context: &Context) -> Result<SentenceEncoder, RunError> {
    let found = ModelStore::new(context.model_store).resolve(name)?;
    Ok(EncoderDirectory::open(&found.path, &found.manifest.name)?.sentence_encoder()?)
}

fn embed(
    encoder: &SentenceEncoder,
    rows: &Rows,
    columns: &[String],
    context: &Context,
) -> Result<Vectors, RunError> {
    let of = |name: &String| {
        let texts = texts_of(column(rows, name)?);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(encoder.embed(&texts, context.watch)?)
    };
    let all: Vec<Vec<f32>> = columns.iter().map(of).collect::<Result<_, RunError>>()?;
    Ok(side_by_side(all, (rows.n_rows(), encoder.hidden_size())))
}

/// Vectors of a file, of which some are made again to see that they are those.
fn read(
    encoder: &SentenceEncoder,
    file: &Path,
    (rows, columns): (&Rows, &[String]),
    context: &Context,
) -> Result<Vectors, RunError> {
    let (own, n) = (encoder.hidden_size(), rows.n_rows());
    let all = point_vectors::read(file, columns, &rows.row_ids, own)?;
    let some: Vec<usize> = (0..n).step_by(n.div_ceil(MADE_AGAIN).max(1)).collect();
    for (name, vectors) in columns.iter().zip(&all) {
        let texts = texts_of(&column(rows, name)?.at(&some));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let again = encoder.embed(&texts, context.watch)?;
        let given: Vec<&[f32]> = (some.iter().map(|row| &vectors[row * own..][..own])).collect();
        let are_alike = texts.windows(2).all(|pair| pair[0] == pair[1]);
        if let Some(at) = other(&given, &again, are_alike) {
            return Err(RunError::VectorsFile {
                path: file.into(),
                reason: format!(
                    "does not hold what this encoder makes of the texts of `{name}`: row {} has another vector",
                    rows.row_ids[some[at]]
                ),
            });
        }
    }
    Ok(side_by_side(all, (n, own)))
}

/// The first vector that is not the one made again; some encoders' vectors all point the same way, so that what is near
/// is told by how far apart those of different texts are, or, where all texts are alike, by their length.
fn other(given: &[&[f32]], again: &[f32], are_alike: bool) -> Option<usize> {
    let squared = |a: &[f32], b: &[f32]| -> f64 {
        let apart = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        a.iter().zip(b).map(apart).sum()
    };
    let pairs = given.windows(2).map(|pair| squared(pair[0], pair[1]));
    let apart = pairs.sum::<f64>() / given.len().saturating_sub(1).max(1) as f64;
    let width = given.first().map_or(1, |vector| vector.len());
    let is_other = |(given, again): (&&[f32], &[f32])| {
        let length: f64 = again.iter().map(|x| f64::from(*x).powi(2)).sum();
        let scale = if are_alike { length } else { apart };
        squared(given, again) > SAME * scale + ROUNDING * length
    };
    given
        .iter()
        .zip(again.chunks(width.max(1)))
        .position(is_other)
}

fn column<'a>(rows: &'a Rows, name: &str) -> Result<&'a RowColumn, RunError> {
    let missing = || crate::represent::RepresentError::MissingColumn {
        column: name.into(),
    };
    Ok(rows.column(name).ok_or_else(missing)?)
}

/// The vectors of each column, `[n, own]`, in one row of all.
fn side_by_side(mut all: Vec<Vec<f32>>, (n, own): (usize, usize)) -> Vectors {
    let width = own * all.len();
    if let [only] = all.as_mut_slice() {
        let values = std::mem::take(only);
        return Vectors { values, width };
    }
    let mut values = Vec::with_capacity(n * width);
    for row in 0..n {
        for vectors in &all {
            values.extend_from_slice(&vectors[row * own..][..own]);
        }
    }
    Vectors { values, width }
}

impl FittedHistories {
    /// Opens a folder that `adit pretrain` made of events.
    ///
    /// # Errors
    /// Another kind of encoder, or a damaged one.
    pub fn open(encoder: &str) -> Result<FittedHistories, RunError> {
        if !is_event_encoder(encoder) {
            return Err(RunError::NoEventEncoder {
                name: encoder.into(),
            });
        }
        let folder = Some(EventEncoderFolder::open(Path::new(encoder))?);
        let encoder = encoder.into();
        Ok(FittedHistories { encoder, folder })
    }

    /// The columns that it reads of events, and as what.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Role)> {
        let histories = self.folder.iter().map(|folder| &folder.about.histories);
        histories.flat_map(Histories::columns)
    }

    /// A vector of each entity, by name.
    ///
    /// # Errors
    /// Events of another kind than it was pre-trained on; `Interrupted`.
    pub fn vectors(
        &self,
        events: &Rows,
        (entity, time): (&str, &str),
        context: &Context,
    ) -> Result<Vectors, RunError> {
        let folder = self.folder.as_ref().ok_or(MineError::NoFeatures)?;
        let histories = Histories::fit(events, (entity, time), None, None)?;
        let (_, cells) = Histories::whole(&histories.events(events)?);
        folder.check(&cells, &self.encoder)?;
        let model = &folder.about.model;
        let values = model.embed(&folder.params, &cells, context.watch)?;
        let width = model.shape.width;
        Ok(Vectors { values, width })
    }

    /// Writes the encoder into the folder of a run.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, run: &RunFolder) -> Result<(), RunError> {
        match &self.folder {
            Some(folder) => folder.write(run, PLACE),
            None => Ok(()),
        }
    }

    /// Reads the encoder from the folder of a run.
    ///
    /// # Errors
    /// A file that is not there, or damaged.
    pub fn read(&mut self, run: &Path) -> Result<(), RunError> {
        self.folder = Some(EventEncoderFolder::open(&run.join(PLACE))?);
        Ok(())
    }
}
