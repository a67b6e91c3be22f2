//! Writes a fine-tuned text encoder as a Hugging Face directory.

use std::path::PathBuf;

use adit_nn::{Params, Tensor};
use serde_json::{Value, json};

use super::RunError;
use super::saved::Predictor;
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

/// Writes `config.json`, `model.safetensors` and `tokenizer.json`, which Hugging Face's
/// `AutoModelForSequenceClassification` loads; its logits are those of the member.
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
    if model.head != TextHead::Cls {
        let head = format!("{:?}", model.head).to_lowercase();
        return Err(refuse(format!(
            "`{name}` has the head `{head}`, which Hugging Face does not have"
        )));
    }
    let config = encoder.config();
    let class = config.classifier_class().ok_or_else(|| {
        refuse(format!(
            "Hugging Face has no classifier over the encoder of `{}` alone",
            config.model_type()
        ))
    })?;
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
    let names = predictor.preparation.class_names();
    let folder = RunFolder::create(&job.output, false)?;
    let text = described(&config_text, class, model, names).map_err(|e| RunError::ModelFile {
        path: job.run.join("model/encoder/config.json"),
        reason: e.to_string(),
    })?;
    folder.write("config.json", text.as_bytes())?;
    folder.write("tokenizer.json", tokenizer.as_bytes())?;
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.max_tokens,
    });
    folder.write(
        "tokenizer_config.json",
        tokenizer_config.to_string().as_bytes(),
    )?;
    let weights = renamed(params, config.head_name(), model.meaning);
    folder.write("model.safetensors", &weights.to_safetensors_bytes())?;
    Ok(folder.commit()?)
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
