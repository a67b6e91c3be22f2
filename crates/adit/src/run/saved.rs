//! The `model/` folder of a run: all that `predict` needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use adit_nn::{Params, T5, WeightFile};

use crate::Watch;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RunError;
use super::event_encoder::EventEncoderFolder;
use crate::mine::blend::weighted_mean;
use crate::mine::decide::Decisions;
use crate::mine::event_reasons::Course;
use crate::mine::event_transformer::EventTransformerModel;
use crate::mine::fine_tuned::FineTuned;
use crate::mine::linear::LinearModel;
use crate::mine::method::TrainingMethod;
use crate::mine::molecule_transformer::MoleculeTransformerModel;
use crate::mine::row_transformer::RowTransformerModel;
use crate::mine::text_to_text::TextToTextModel;
use crate::mine::text_transformer::TextTransformerModel;
use crate::mine::trees::TreesModel;
use crate::mine::trivial::TrivialModel;
use crate::mine::{MineError, Predictions};
use crate::prepare::{Dataset, HistoryCells, Preparation, Rows};
use crate::represent::LinearFeatures;
use crate::represent::embedding::{SentenceEncoder, TextVectors};
use crate::represent::encoder::EncoderDirectory;
use crate::represent::event_vectors;
use crate::represent::text_numbers::TextNumbers;
use crate::represent::tree_columns::TreeFeatures;
use crate::source::BadRow;
use crate::store::RunFolder;

/// Format of the folder; raised when an old one can no longer be read.
const VERSION: u32 = 1;

/// What models over rows read of texts; there only where they do.
const TEXT_NUMBERS: &str = "model/text_numbers.json";

/// Which members a run keeps and which one it recommends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// Program that wrote it.
    pub adit: String,
    pub chosen: String,
    pub members: Vec<SavedMember>,
    /// Of the rows that members over rows learned from, by class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
}

/// One member and the files that hold it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedMember {
    pub name: String,
    pub kind: MemberKind,
    /// Weight files, one a seed; their predictions are averaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<String>,
    /// How its predictions are calibrated and decided by.
    #[serde(default)]
    pub decisions: Decisions,
}

/// What a member is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    Trivial(TrivialModel),
    Linear,
    Trees(TreeFeatures),
    Row(Box<RowTransformerModel>),
    Molecule(Box<MoleculeTransformerModel>),
    /// An encoder of events, fine-tuned.
    Events(Box<EventTransformerModel>),
    /// A linear model over the vectors of the encoder of events as it was pre-trained.
    EventLinear(Box<LinearModel>),
    Text(Box<TextTransformerModel>),
    TextToText(Box<TextToTextModel>),
    /// A weighted mean of other members, by name.
    Blend {
        parts: Vec<(String, f64)>,
    },
    /// A linear model over the vectors of an encoder whose weights stay as they are.
    Frozen {
        encoder: String,
        model: Box<LinearModel>,
    },
}

/// A fine-tuned model of texts.
#[derive(Clone, Debug)]
pub enum TextModel {
    /// An encoder with a head over its vectors.
    Classifier(TextTransformerModel),
    /// An encoder with a decoder, which writes the class.
    Writer(TextToTextModel),
}

impl TextModel {
    /// What both can do.
    pub fn fine_tuned(&self) -> &dyn FineTuned {
        match self {
            TextModel::Classifier(model) => model,
            TextModel::Writer(model) => model,
        }
    }

    /// Learning rates that are tried where none is given.
    pub fn usual_rates(&self) -> &'static [f64] {
        match self {
            // Encoder and decoder bear more than an encoder does.
            TextModel::Writer(model) if model.method == TrainingMethod::Full => &[1e-4, 3e-4],
            TextModel::Writer(model) => model.method.usual_rates(),
            TextModel::Classifier(model) => model.method.usual_rates(),
        }
    }

    /// The longest sequence in tokens.
    pub fn max_tokens(&self) -> usize {
        match self {
            TextModel::Classifier(model) => model.max_tokens,
            TextModel::Writer(model) => model.max_tokens,
        }
    }

    /// What is kept of it in the manifest.
    pub fn kind(self) -> MemberKind {
        match self {
            TextModel::Classifier(model) => MemberKind::Text(Box::new(model)),
            TextModel::Writer(model) => MemberKind::TextToText(Box::new(model)),
        }
    }

    /// Parameters that `file` fits, to be overwritten by it.
    fn blank_params(
        &self,
        encoder: &EncoderDirectory,
        file: &WeightFile,
    ) -> Result<Params, RunError> {
        let config = encoder.config();
        Ok(match self {
            TextModel::Classifier(model) => model.blank_params(config)?,
            TextModel::Writer(model) => {
                let own = file.names().iter().any(|name| name == T5::LAST_MAP);
                model.blank_params(config, own)?
            }
        })
    }
}

/// Overwrites drawn weights by those of the file at `path`.
///
/// # Errors
/// Names the file that is absent, damaged, or of other settings.
pub(super) fn read_weights(
    path: &Path,
    drawn: Result<Params, MineError>,
) -> Result<Params, RunError> {
    let fail = |reason: String| RunError::ModelFile {
        path: path.to_path_buf(),
        reason,
    };
    let mut weights = drawn.map_err(|e| fail(e.to_string()))?;
    let file = WeightFile::open(path).map_err(|e| fail(e.to_string()))?;
    weights.load_from(&file).map_err(|e| fail(e.to_string()))?;
    Ok(weights)
}

/// The linear model with the features it reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedLinear {
    pub features: LinearFeatures,
    pub model: LinearModel,
}

/// A finished run's model, ready to be applied.
pub struct Predictor {
    folder: PathBuf,
    pub preparation: Preparation,
    pub manifest: Manifest,
    pub decisions: Decisions,
    member: LoadedMember,
    /// Where the member reads vectors of the encoder as it is.
    encoder: Option<SentenceEncoder>,
    /// What models over rows read of the texts.
    text_numbers: Option<TextNumbers>,
    /// Where the member reads vectors of histories.
    events: Option<EventEncoderFolder>,
}

/// Rows as members read them.
struct Readable {
    dataset: Dataset,
    /// With the vectors of histories as further columns, where the member, or a part of it, reads them; others take all
    /// number columns there are.
    with_histories: Option<Dataset>,
    /// Of the texts, where the member reads them.
    vectors: Option<TextVectors>,
}

enum LoadedMember {
    Trivial(TrivialModel),
    Linear(Box<SavedLinear>),
    Trees(TreeFeatures, Vec<TreesModel>),
    Row(RowTransformerModel, Vec<Params>),
    Molecule(MoleculeTransformerModel, Vec<Params>),
    Events(Box<EventTransformerModel>, Vec<Params>),
    EventLinear(Box<LinearModel>),
    Text(TextModel, Box<EncoderDirectory>, Vec<Params>),
    Frozen(Box<LinearModel>),
    Blend(Vec<(LoadedMember, f64)>),
}

impl LoadedMember {
    /// Whether it reads vectors of the encoder as it is; `beside_rows` where models over rows do.
    fn reads_vectors(&self, beside_rows: bool) -> bool {
        match self {
            Self::Frozen(_) => true,
            Self::Trivial(_) | Self::Text(..) => false,
            Self::Linear(_)
            | Self::Trees(..)
            | Self::Row(..)
            | Self::Molecule(..)
            | Self::Events(..)
            | Self::EventLinear(_) => beside_rows,
            Self::Blend(parts) => parts
                .iter()
                .any(|(part, _)| part.reads_vectors(beside_rows)),
        }
    }

    /// A fine-tuned encoder of events with its first weights, where one is there.
    fn event_model(&self) -> Option<(&EventTransformerModel, &Params)> {
        match self {
            Self::Events(model, weights) => Some((model, weights.first()?)),
            Self::Blend(parts) => parts.iter().find_map(|(part, _)| part.event_model()),
            _ => None,
        }
    }

    /// Whether it reads vectors of histories.
    fn reads_histories(&self) -> bool {
        match self {
            Self::EventLinear(_) => true,
            Self::Trees(features, _) => {
                (features.numbers.iter()).any(|name| event_vectors::is_column(name))
            }
            Self::Blend(parts) => parts.iter().any(|(part, _)| part.reads_histories()),
            _ => false,
        }
    }
}

impl Manifest {
    pub fn new(
        chosen: String,
        members: Vec<SavedMember>,
        class_weights: Option<Vec<f32>>,
    ) -> Manifest {
        Manifest {
            version: VERSION,
            adit: env!("CARGO_PKG_VERSION").to_string(),
            chosen,
            members,
            class_weights,
        }
    }
}

/// Writes the parts that every run keeps.
pub fn write(
    folder: &RunFolder,
    (preparation, text_numbers): (&Preparation, Option<&TextNumbers>),
    linear: &SavedLinear,
    manifest: &Manifest,
) -> Result<(), RunError> {
    folder.write(
        "model/preparation.json",
        &to_json("model/preparation.json", preparation)?,
    )?;
    if let Some(numbers) = text_numbers {
        folder.write(TEXT_NUMBERS, &to_json(TEXT_NUMBERS, numbers)?)?;
    }
    folder.write("model/linear.json", &to_json("model/linear.json", linear)?)?;
    folder.write(
        "model/manifest.json",
        &to_json("model/manifest.json", manifest)?,
    )?;
    Ok(())
}

impl Predictor {
    /// Opens the model of a run; `member` other than the recommended one by name.
    ///
    /// # Errors
    /// Names the file that is absent or damaged.
    pub fn open(run: &Path, member: Option<&str>) -> Result<Predictor, RunError> {
        let folder = run.join("model");
        if !folder.join("manifest.json").is_file() {
            return Err(RunError::NotARun {
                path: run.to_path_buf(),
                reason: "model/manifest.json is not there".into(),
            });
        }
        let manifest: Manifest = from_json(&folder.join("manifest.json"))?;
        if manifest.version != VERSION {
            return Err(RunError::NotARun {
                path: run.to_path_buf(),
                reason: format!(
                    "its model has format {}, but this program reads format {VERSION}",
                    manifest.version
                ),
            });
        }
        let wanted = member.unwrap_or(&manifest.chosen);
        let member = load_member(&folder, &manifest, wanted)?;
        let file = run.join(TEXT_NUMBERS);
        let text_numbers: Option<TextNumbers> =
            file.is_file().then(|| from_json(&file)).transpose()?;
        let encoder = if member.reads_vectors(text_numbers.is_some()) {
            Some(sentence_encoder(&folder, text_numbers.as_ref())?)
        } else {
            None
        };
        let events = member.reads_histories() && EventEncoderFolder::is_one(&folder);
        Ok(Predictor {
            events: (events.then(|| EventEncoderFolder::open(&folder))).transpose()?,
            preparation: from_json(&folder.join("preparation.json"))?,
            member,
            encoder,
            text_numbers,
            decisions: (manifest.members.iter())
                .find(|m| m.name == wanted)
                .map(|m| m.decisions.clone())
                .unwrap_or_default(),
            folder,
            manifest,
        })
    }

    /// A fine-tuned text encoder with the weights of every seed, if that is what the member is.
    pub fn text(&self) -> Option<(&TextModel, &EncoderDirectory, &[Params])> {
        match &self.member {
            LoadedMember::Text(model, encoder, weights) => Some((model, encoder, weights)),
            _ => None,
        }
    }

    /// Predicts raw rows: the same cleaning and the same weights as in the run.
    pub fn predict(&self, rows: &Rows, watch: &dyn Watch) -> Result<Predictions, RunError> {
        let readable = self.readable(self.preparation.apply_features(rows)?, watch)?;
        let raw = self.predict_readable(&self.member, &readable, watch)?;
        Ok(self.decisions.calibrator.apply(&raw))
    }

    /// How each row's score of its own class went as its events came, by the fine-tuned encoder of events that the member
    /// is, or that is a part of it; `None` where there is no such.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn courses(
        &self,
        rows: &Rows,
        classes: &[usize],
        watch: &dyn Watch,
    ) -> Result<Option<(Vec<Course>, HistoryCells)>, RunError> {
        let Some((model, params)) = self.member.event_model() else {
            return Ok(None);
        };
        let dataset = self.preparation.apply_features(rows)?;
        let dataset = self.readable(dataset, watch)?.dataset;
        let mut found: Vec<Option<Course>> = vec![None; dataset.n_rows()];
        let different: BTreeSet<usize> = classes.iter().copied().collect();
        for class in different {
            let own: Vec<usize> = (0..classes.len())
                .filter(|&row| classes[row] == class)
                .collect();
            let of_class = model.courses(&dataset, params, (&own, class), watch)?;
            for (row, course) in own.into_iter().zip(of_class) {
                found[row] = Some(course);
            }
        }
        let found: Option<Vec<Course>> = found.into_iter().collect();
        Ok(found.zip(dataset.histories))
    }

    /// Adds what the member reads of the texts.
    fn readable(&self, mut dataset: Dataset, watch: &dyn Watch) -> Result<Readable, RunError> {
        let encoder = self.encoder.as_ref();
        let vectors = encoder
            .map(|encoder| encoder.vectors(&dataset.texts, watch))
            .transpose()?;
        if let (Some(numbers), Some(vectors)) = (&self.text_numbers, &vectors) {
            let columns = numbers.columns(&dataset.texts, vectors)?;
            dataset.numbers.extend(columns);
        }
        let with_histories = match &self.events {
            Some(events) => {
                let mut with = dataset.clone();
                events.add_vectors(&mut with, watch)?;
                Some(with)
            }
            None => None,
        };
        Ok(Readable {
            dataset,
            with_histories,
            vectors,
        })
    }

    fn unweighted(&self, predictions: Predictions) -> Predictions {
        match &self.manifest.class_weights {
            Some(weights) => predictions.unweighted(weights),
            None => predictions,
        }
    }

    fn predict_readable(
        &self,
        member: &LoadedMember,
        readable: &Readable,
        watch: &dyn Watch,
    ) -> Result<Predictions, RunError> {
        let with = readable.with_histories.as_ref();
        let dataset = with.filter(|_| member.reads_histories());
        let dataset = dataset.unwrap_or(&readable.dataset);
        let by_seed = match member {
            LoadedMember::Trivial(model) => vec![model.predict(dataset.n_rows())],
            LoadedMember::Linear(linear) => {
                let found = linear.model.predict(&linear.features.transform(dataset)?)?;
                vec![self.unweighted(found)]
            }
            LoadedMember::Trees(features, models) => {
                let owned = features.columns(dataset)?;
                let columns = super::tree_member::views(&owned);
                let rows: Vec<usize> = (0..dataset.n_rows()).collect();
                models
                    .iter()
                    .map(|model| Ok(self.unweighted(model.predict(&columns, &rows)?)))
                    .collect::<Result<_, MineError>>()?
            }
            LoadedMember::Row(model, weights) => weights
                .iter()
                .map(|params| Ok(self.unweighted(model.predict(dataset, params, watch)?)))
                .collect::<Result<_, MineError>>()?,
            LoadedMember::Molecule(model, weights) => weights
                .iter()
                .map(|params| Ok(self.unweighted(model.predict(dataset, params, watch)?)))
                .collect::<Result<_, MineError>>()?,
            LoadedMember::Events(model, weights) => weights
                .iter()
                .map(|params| Ok(self.unweighted(model.predict(dataset, params, watch)?)))
                .collect::<Result<_, MineError>>()?,
            LoadedMember::EventLinear(model) => {
                let found = model.predict(&event_vectors::matrix(dataset)?)?;
                vec![self.unweighted(found)]
            }
            LoadedMember::Blend(parts) => {
                let found = parts
                    .iter()
                    .map(|(part, _)| self.predict_readable(part, readable, watch))
                    .collect::<Result<Vec<_>, _>>()?;
                let found: Vec<&Predictions> = found.iter().collect();
                let weights: Vec<f64> = parts.iter().map(|(_, weight)| *weight).collect();
                vec![weighted_mean(&found, &weights)?]
            }
            LoadedMember::Frozen(model) => {
                let vectors = readable.vectors.as_ref();
                let features = vectors.map(TextVectors::features);
                let found = model.predict(&features.ok_or(MineError::NoFeatures)?)?;
                vec![self.unweighted(found)]
            }
            LoadedMember::Text(model, encoder, weights) => {
                let tokenizer = encoder.tokenizer(model.max_tokens())?;
                let model = model.fine_tuned();
                let rows = model.rows(&tokenizer, &dataset.texts)?;
                weights
                    .iter()
                    .map(|params| model.predict(encoder.config(), params, &rows, watch))
                    .collect::<Result<_, _>>()?
            }
        };
        Predictions::mean(&by_seed).ok_or_else(|| RunError::ModelFile {
            path: self.folder.join("manifest.json"),
            reason: "the chosen member has no weights".into(),
        })
    }
}

fn load_member(folder: &Path, manifest: &Manifest, name: &str) -> Result<LoadedMember, RunError> {
    let Some(saved) = manifest.members.iter().find(|m| m.name == name) else {
        let names: Vec<&str> = manifest.members.iter().map(|m| m.name.as_str()).collect();
        return Err(RunError::NotARun {
            path: folder.parent().unwrap_or(folder).to_path_buf(),
            reason: format!("it has no member `{name}`, only {}", names.join(", ")),
        });
    };
    type Blank<'a> = dyn Fn(&WeightFile) -> Result<Params, RunError> + 'a;
    let weights = |blank: &Blank| -> Result<Vec<Params>, RunError> {
        saved
            .weights
            .iter()
            .map(|file| {
                let path = folder.join(file);
                let fail = |e: adit_nn::NnError| RunError::ModelFile {
                    path: path.clone(),
                    reason: e.to_string(),
                };
                let file = WeightFile::open(&path).map_err(fail)?;
                let mut params = blank(&file)?;
                params.load_from(&file).map_err(fail)?;
                Ok(params)
            })
            .collect()
    };
    let text = |name: &str, model: TextModel| -> Result<LoadedMember, RunError> {
        let encoder = EncoderDirectory::open(&folder.join("encoder"), name)?;
        let params = weights(&|file| model.blank_params(&encoder, file))?;
        Ok(LoadedMember::Text(model, Box::new(encoder), params))
    };
    Ok(match &saved.kind {
        MemberKind::Trivial(model) => LoadedMember::Trivial(model.clone()),
        MemberKind::Linear => {
            LoadedMember::Linear(Box::new(from_json(&folder.join("linear.json"))?))
        }
        MemberKind::Trees(features) => {
            let files = saved
                .weights
                .iter()
                .map(|file| from_json(&folder.join(file)));
            LoadedMember::Trees(features.clone(), files.collect::<Result<_, _>>()?)
        }
        MemberKind::Row(model) => {
            let params = weights(&|_| Ok(model.network(0)?.1))?;
            LoadedMember::Row(*model.clone(), params)
        }
        MemberKind::Molecule(model) => {
            let params = weights(&|_| Ok(model.blank_params()?))?;
            LoadedMember::Molecule(*model.clone(), params)
        }
        MemberKind::Events(model) => {
            let params = weights(&|_| Ok(model.blank_params()?))?;
            LoadedMember::Events(model.clone(), params)
        }
        MemberKind::EventLinear(model) => LoadedMember::EventLinear(model.clone()),
        MemberKind::Blend { parts } => {
            if parts.iter().any(|(part, _)| part == name) {
                return Err(RunError::ModelFile {
                    path: folder.join("manifest.json"),
                    reason: format!("the blend `{name}` is a part of itself"),
                });
            }
            let load = |(part, weight): &(String, f64)| -> Result<_, RunError> {
                Ok((load_member(folder, manifest, part)?, *weight))
            };
            LoadedMember::Blend(parts.iter().map(load).collect::<Result<_, _>>()?)
        }
        MemberKind::Frozen { model, .. } => LoadedMember::Frozen(model.clone()),
        MemberKind::Text(model) => text(&model.encoder, TextModel::Classifier(*model.clone()))?,
        MemberKind::TextToText(model) => text(&model.encoder, TextModel::Writer(*model.clone()))?,
    })
}

/// The encoder that was copied into the run.
fn sentence_encoder(
    folder: &Path,
    numbers: Option<&TextNumbers>,
) -> Result<SentenceEncoder, RunError> {
    let name = numbers.map_or("encoder", |numbers| numbers.encoder.as_str());
    let encoder = EncoderDirectory::open(&folder.join("encoder"), name)?;
    Ok(encoder.sentence_encoder()?)
}

pub(super) fn to_json<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, RunError> {
    serde_json::to_vec(value).map_err(|e| RunError::ModelFile {
        path: PathBuf::from(name),
        reason: e.to_string(),
    })
}

/// Writes the rows that could not be read beside what was made of the others; nothing where there are none.
pub(super) fn write_bad_rows(folder: &RunFolder, bad_rows: &[BadRow]) -> Result<(), RunError> {
    if bad_rows.is_empty() {
        return Ok(());
    }
    let line = |row: &BadRow| serde_json::to_string(row).unwrap_or_default() + "\n";
    let lines: String = bad_rows.iter().map(line).collect();
    Ok(folder.write("bad_rows.jsonl", lines.as_bytes())?)
}

pub(super) fn from_json<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let fail = |reason: String| RunError::ModelFile {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    serde_json::from_slice(&bytes).map_err(|e| fail(format!("is damaged: {e}")))
}
