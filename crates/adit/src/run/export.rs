//! Writes a fine-tuned text encoder as a Hugging Face directory.

use std::path::PathBuf;

use adit_nn::{EncoderConfig, Params, T5, Tensor};
use serde_json::{Value, json};

use super::RunError;
use super::saved::{Predictor, TextModel};
use crate::mine::text_transformer::{TextHead, TextTransformerModel};
use crate::mine::training::OutputMeaning;
use crate::store::RunFolder;

/// What is exported and where it goes.
#[derive(Clone, Debug)]
pub struct ExportJob {
    /// A finished run.
    pub run: PathBuf,
    /// A folder that is made.
    pub output: PathBuf,
    /// Another member than the recommended one.
    pub member: Option<String>,
    /// Which of the run's seeds, from 1.
    pub seed: usize,
}

/// A configuration and weights as Hugging Face reads them.
struct Exported {
    config: String,
    weights: Params,
}

/// Writes `config.json`, `model.safetensors` and `tokenizer.json`, which Hugging Face's
/// `AutoModelForSequenceClassification` loads, or `T5ForConditionalGeneration` where the member writes
/// the class; its logits are those of the member.
///
/// # Errors
/// A folder that is no run; a member that is no fine-tuned encoder, or whose head Hugging Face does not
/// have; a disk that cannot be written. Nothing half-written stays.
pub fn export(job: &ExportJob) -> Result<PathBuf, RunError> {
    let refuse = |reason: String| RunError::NotExported {
        path: job.run.clone(),
        reason,
    };
    let predictor = Predictor::open(&job.run, job.member.as_deref())?;
    let name = job.member.as_ref().unwrap_or(&predictor.manifest.chosen);
    let (model, encoder, weights) = predictor
        .text()
        .ok_or_else(|| refuse(format!("its member `{name}` is no fine-tuned text encoder")))?;
    let params = job
        .seed
        .checked_sub(1)
        .and_then(|at| weights.get(at))
        .ok_or_else(|| {
            refuse(format!(
                "it has the seeds 1 to {}, not {}",
                weights.len(),
                job.seed
            ))
        })?;
    let [(_, config_text), (_, tokenizer)] = encoder.files()?;
    let damaged = |e: serde_json::Error| RunError::ModelFile {
        path: job.run.join("model/encoder/config.json"),
        reason: e.to_string(),
    };
    let exported = match model {
        TextModel::Classifier(model) => {
            let config = encoder.config();
            let class = classifier_class(config, model, name).map_err(refuse)?;
            let names = predictor.preparation.class_names();
            Exported {
                config: described(&config_text, class, model, names).map_err(damaged)?,
                weights: renamed(params, config.head_name(), model.meaning),
            }
        }
        TextModel::Writer(_) => writer(&config_text, params).map_err(damaged)?,
    };
    let folder = RunFolder::create(&job.output, false)?;
    folder.write("config.json", exported.config.as_bytes())?;
    folder.write("tokenizer.json", tokenizer.as_bytes())?;
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.max_tokens(),
    });
    folder.write(
        "tokenizer_config.json",
        tokenizer_config.to_string().as_bytes(),
    )?;
    folder.write(
        "model.safetensors",
        &exported.weights.to_safetensors_bytes(),
    )?;
    Ok(folder.commit()?)
}

/// What Hugging Face calls the classifier, or why it has none.
fn classifier_class(
    config: &EncoderConfig,
    model: &TextTransformerModel,
    name: &str,
) -> Result<&'static str, String> {
    if model.head != TextHead::Cls {
        let head = format!("{:?}", model.head).to_lowercase();
        return Err(format!(
            "`{name}` has the head `{head}`, which Hugging Face does not have"
        ));
    }
    config.classifier_class().ok_or_else(|| {
        format!(
            "Hugging Face has no classifier over the encoder of `{}` alone",
            config.model_type()
        )
    })
}

/// A fine-tuned T5.
fn writer(text: &str, params: &Params) -> Result<Exported, serde_json::Error> {
    let mut config: Value = serde_json::from_str(text)?;
    let mut weights = params.clone();
    if let Some(fields) = config.as_object_mut() {
        fields.insert(
            "architectures".into(),
            json!(["T5ForConditionalGeneration"]),
        );
        let own = fields.get("tie_word_embeddings") == Some(&json!(false));
        let words = weights.by_name("shared.weight");
        // A last map that was the words' vectors is only kept once, but looked for where it is declared.
        if let (true, None, Some(words)) = (own, weights.by_name(T5::LAST_MAP), words) {
            let copy = weights.get(words).clone();
            weights.add(T5::LAST_MAP, copy);
        }
    }
    Ok(Exported {
        config: serde_json::to_string_pretty(&config)?,
        weights,
    })
}

/// The encoder's configuration, with the classifier that it has now.
fn described(
    text: &str,
    class: &str,
    model: &TextTransformerModel,
    names: &[String],
) -> Result<String, serde_json::Error> {
    let mut config: Value = serde_json::from_str(text)?;
    let Some(fields) = config.as_object_mut() else {
        return Ok(text.to_string());
    };
    fields.insert("architectures".into(), json!([class]));
    let labels: Vec<String> = match model.meaning {
        OutputMeaning::Classes { .. } => names.to_vec(),
        OutputMeaning::Numbers { .. } => vec!["value".into()],
    };
    let numbered = |(at, name): (usize, &String)| (at.to_string(), json!(name));
    let id2label: serde_json::Map<String, Value> =
        labels.iter().enumerate().map(numbered).collect();
    let named = |(at, name): (usize, &String)| (name.clone(), json!(at));
    let label2id: serde_json::Map<String, Value> = labels.iter().enumerate().map(named).collect();
    fields.insert("num_labels".into(), json!(labels.len()));
    fields.insert("id2label".into(), Value::Object(id2label));
    fields.insert("label2id".into(), Value::Object(label2id));
    let kind = match model.meaning {
        OutputMeaning::Classes { .. } => "single_label_classification",
        OutputMeaning::Numbers { .. } => "regression",
    };
    fields.insert("problem_type".into(), json!(kind));
    serde_json::to_string_pretty(&config)
}

/// The weights under Hugging Face's names; a number comes out in its own unit.
fn renamed(params: &Params, head: &str, meaning: OutputMeaning) -> Params {
    let mut out = Params::new();
    for (_, name, tensor) in params.iter() {
        let mut tensor: Tensor = tensor.clone();
        let name = match name.strip_prefix("head.") {
            Some(part) if part == "weight" || part == "bias" => {
                if let OutputMeaning::Numbers { center, scale } = meaning {
                    let shift = if part == "bias" { center } else { 0.0 };
                    for v in &mut tensor.data {
                        *v = (f64::from(*v) * scale + shift) as f32;
                    }
                }
                format!("{head}.{part}")
            }
            _ => name.to_string(),
        };
        out.add(name, tensor);
    }
    out
}
