//! A pretrained text encoder as it lies on disk: a Hugging Face directory.

use std::path::{Path, PathBuf};

use adit_nn::{Encoder, EncoderConfig, MaskedLm, Params, Pooling, T5, T5Config, WeightFiles};
use serde::{Deserialize, Serialize};

use super::RepresentError;
use super::text::TextTokenizer;

/// How token vectors become one vector a text, from `modules.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentencePooling {
    pub pooling: Pooling,
    pub normalize: bool,
}

/// A Hugging Face directory with config.json, model.safetensors (or its shards) and tokenizer.json.
#[derive(Clone, Debug)]
pub struct EncoderDirectory {
    path: PathBuf,
    name: String,
    config: EncoderConfig,
    pooling: SentencePooling,
    /// Where the pooling stands, relative to the folder.
    pooling_file: Option<String>,
    max_tokens: usize,
}

impl EncoderDirectory {
    /// Reads the configuration; weights are read by [`EncoderDirectory::load`].
    ///
    /// # Errors
    /// Names the file that is absent, unreadable or of an unknown architecture.
    pub fn open(path: &Path, name: &str) -> Result<EncoderDirectory, RepresentError> {
        let config = EncoderConfig::from_json(&read(path, "config.json")?).map_err(|source| {
            RepresentError::Weights {
                path: path.join("config.json"),
                source,
            }
        })?;
        let max_tokens = sentence_length(path)?
            .unwrap_or(config.max_tokens())
            .min(config.max_tokens());
        let (pooling, pooling_file) = pooling(path)?;
        Ok(EncoderDirectory {
            path: path.to_path_buf(),
            name: name.to_string(),
            pooling,
            pooling_file,
            config,
            max_tokens,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name that stands on the scoreboard.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The architecture's settings.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// How sentence vectors are pooled.
    pub fn pooling(&self) -> SentencePooling {
        self.pooling
    }

    /// Longest text in tokens that the encoder was made for.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// `config.json` and `tokenizer.json` as they are, to be kept with a model.
    pub fn files(&self) -> Result<[(&'static str, String); 2], RepresentError> {
        Ok([
            ("config.json", read(&self.path, "config.json")?),
            ("tokenizer.json", read(&self.path, "tokenizer.json")?),
        ])
    }

    /// Every file that embedding needs, relative to the folder.
    pub fn all_files(&self) -> Vec<(String, PathBuf)> {
        let mut names: Vec<String> = ["config.json", "tokenizer.json"]
            .into_iter()
            .chain(["modules.json", "sentence_bert_config.json"])
            .map(String::from)
            .collect();
        // A damaged index names no shards; loading the weights says what is wrong with it.
        names.extend(WeightFiles::names_of_files(&self.path).unwrap_or_default());
        names.extend(self.pooling_file.clone());
        names
            .into_iter()
            .map(|name| (name.clone(), self.path.join(name)))
            .filter(|(_, path)| path.is_file())
            .collect()
    }

    /// The tokenizer, cutting at `max_tokens`.
    pub fn tokenizer(&self, max_tokens: usize) -> Result<TextTokenizer, RepresentError> {
        TextTokenizer::open(&self.path.join("tokenizer.json"), max_tokens)
    }

    /// The encoder with its head for masked words; a head that is not there is drawn from `seed`.
    ///
    /// # Errors
    /// As [`EncoderDirectory::load`], and a family without such a head.
    pub fn load_masked(&self, params: &mut Params, seed: u64) -> Result<MaskedLm, RepresentError> {
        let wrap = |source| RepresentError::Weights {
            path: self.path.clone(),
            source,
        };
        let files = WeightFiles::open(&self.path).map_err(wrap)?;
        match &self.config {
            EncoderConfig::BertLike(config) => {
                MaskedLm::load(config, &files, params, seed).map_err(wrap)
            }
            other => Err(RepresentError::Encoder {
                path: self.path.clone(),
                reason: format!(
                    "an encoder of the kind `{}` cannot be pre-trained on masked words",
                    other.model_type()
                ),
            }),
        }
    }

    /// The settings of a model that writes texts.
    ///
    /// # Errors
    /// `WritesNoText` where the folder holds another.
    pub fn t5_config(&self) -> Result<&T5Config, RepresentError> {
        match &self.config {
            EncoderConfig::T5(config) => Ok(config),
            other => Err(RepresentError::WritesNoText {
                path: self.path.clone(),
                family: other.model_type().to_string(),
            }),
        }
    }

    /// Reads encoder and decoder into `params`.
    ///
    /// # Errors
    /// As [`EncoderDirectory::t5_config`] and [`EncoderDirectory::load`].
    pub fn load_t5(&self, params: &mut Params) -> Result<T5, RepresentError> {
        let config = self.t5_config()?;
        let wrap = |source| RepresentError::Weights {
            path: self.path.clone(),
            source,
        };
        let files = WeightFiles::open(&self.path).map_err(wrap)?;
        T5::load(config, &files, params).map_err(wrap)
    }

    /// Reads the encoder's weights into `params`.
    ///
    /// # Errors
    /// Names the file and the tensor that is absent, cut off or of another shape.
    pub fn load(&self, params: &mut Params) -> Result<Encoder, RepresentError> {
        let path = self.path.join("model.safetensors");
        let wrap = |source| RepresentError::Weights {
            path: path.clone(),
            source,
        };
        let files = WeightFiles::open(&self.path).map_err(wrap)?;
        Encoder::load(&self.config, &files, params).map_err(wrap)
    }
}

fn read(folder: &Path, file: &str) -> Result<String, RepresentError> {
    let path = folder.join(file);
    std::fs::read_to_string(&path).map_err(|e| RepresentError::Encoder {
        reason: format!("cannot read the encoder's {file}: {e}"),
        path,
    })
}

/// `max_seq_length` of sentence_bert_config.json, where there is one.
fn sentence_length(folder: &Path) -> Result<Option<usize>, RepresentError> {
    #[derive(Deserialize)]
    struct SentenceConfig {
        max_seq_length: Option<usize>,
    }
    if !folder.join("sentence_bert_config.json").exists() {
        return Ok(None);
    }
    let config: SentenceConfig = parse(folder, "sentence_bert_config.json")?;
    Ok(config.max_seq_length)
}

/// Pooling as `modules.json` says; mean pooling without it, as sentence encoders do.
fn pooling(folder: &Path) -> Result<(SentencePooling, Option<String>), RepresentError> {
    #[derive(Deserialize)]
    struct Module {
        #[serde(rename = "type")]
        kind: String,
        path: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct PoolingConfig {
        pooling_mode_cls_token: bool,
        pooling_mode_mean_tokens: bool,
        pooling_mode_max_tokens: bool,
        pooling_mode_mean_sqrt_len_tokens: bool,
    }
    let mut found = SentencePooling {
        pooling: Pooling::Mean,
        normalize: false,
    };
    let mut file = None;
    if !folder.join("modules.json").exists() {
        return Ok((found, None));
    }
    let modules: Vec<Module> = parse(folder, "modules.json")?;
    for module in modules {
        let refuse = |what: String| RepresentError::Encoder {
            path: folder.join("modules.json"),
            reason: what,
        };
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => {}
            "Normalize" => found.normalize = true,
            "Pooling" => {
                let inside = Path::new(&module.path).components().all(|c| {
                    matches!(
                        c,
                        std::path::Component::Normal(_) | std::path::Component::CurDir
                    )
                });
                if !inside {
                    return Err(refuse(format!(
                        "module path `{}` climbs out of the folder",
                        module.path
                    )));
                }
                let name = format!("{}/config.json", module.path);
                let mode: PoolingConfig = parse(folder, &name)?;
                file = Some(name.clone());
                found.pooling = match (
                    mode.pooling_mode_cls_token,
                    mode.pooling_mode_mean_tokens,
                    mode.pooling_mode_max_tokens,
                    mode.pooling_mode_mean_sqrt_len_tokens,
                ) {
                    (true, false, false, false) => Pooling::Cls,
                    (false, true, false, false) => Pooling::Mean,
                    (false, false, true, false) => Pooling::Max,
                    _ => {
                        return Err(refuse(format!(
                            "the pooling of {name} is not supported: it must be one of cls, mean and max"
                        )));
                    }
                };
            }
            other => return Err(refuse(format!("module `{other}` is not supported"))),
        }
    }
    Ok((found, file))
}

fn parse<T: serde::de::DeserializeOwned>(folder: &Path, file: &str) -> Result<T, RepresentError> {
    serde_json::from_str(&read(folder, file)?).map_err(|e| RepresentError::Encoder {
        path: folder.join(file),
        reason: format!("not the JSON that was expected: {e}"),
    })
}
