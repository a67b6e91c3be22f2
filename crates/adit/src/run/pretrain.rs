//! Pre-trains a text encoder on the user's own texts: one that is there, or a new one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use adit_nn::optim::AdamWState;
use adit_nn::random::mix;
use adit_nn::{EncoderConfig, Params, Products, WeightFile};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::texts::all_texts;
use super::{Context, RunError};
use crate::engine::Session;
use crate::mine::MineError;
use crate::mine::pretraining::{
    HeldOut, MaskedWords, Pretraining, PretrainingSettings, PretrainingState, PretrainingTexts,
    Progress,
};
use crate::represent::encoder::EncoderDirectory;
use crate::represent::from_scratch::{LEAST_VOCABULARY, NewEncoder};
use crate::represent::masking::Masking;
use crate::represent::text::{TextTokenizer, WordTokens};
use crate::source::{SourceSettings, Table};
use crate::store::{
    ModelStore, RunFolder, read_checkpoint, remove_checkpoint, write_atomic, write_checkpoint,
};

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// What stands for the encoder's name in the record of one that is new.
const FROM_SCRATCH: &str = "from scratch";

/// What is pre-trained on, and how.
#[derive(Clone, Debug)]
pub struct PretrainJob {
    pub source: SourceSettings,
    /// Text columns; those that look like texts where none is named.
    pub texts: Vec<String>,
    pub start: PretrainStart,
    /// A folder that is made: a Hugging Face directory.
    pub output: PathBuf,
    pub epochs: usize,
    pub learning_rate: f64,
    pub max_tokens: usize,
    /// Tokens a step, about.
    pub batch_tokens: usize,
    /// Share of the tokens that are hidden.
    pub share: f64,
    pub whole_words: bool,
    /// Share of the texts that are held out.
    pub held_out: f64,
    pub seed: u64,
    /// Goes on from an interrupted pre-training.
    pub resume: bool,
    /// Seconds between two checkpoints.
    pub checkpoint_seconds: f64,
    /// In which numbers linear maps multiply.
    pub products: Products,
}

/// What pre-training begins with.
#[derive(Clone, Debug)]
pub enum PretrainStart {
    /// Name in the model store, or a Hugging Face directory.
    Encoder(String),
    FromScratch(NewEncoder),
}

/// The start, once what is wrong with it can be told.
enum Start<'a> {
    There(Box<EncoderDirectory>),
    New(&'a NewEncoder),
}

/// What was pre-trained.
#[derive(Clone, Debug)]
pub struct PretrainOutcome {
    pub output: PathBuf,
    pub texts: usize,
    pub held_out_texts: usize,
    pub held_out: Vec<HeldOut>,
    pub seconds: f64,
}

/// Trains an encoder to predict hidden words, and writes it as a Hugging Face directory.
///
/// The state is kept beside the output as `OUTPUT.checkpoint` while it runs, and removed at the end.
/// With `resume` it goes on from there, to the same bits.
///
/// # Errors
/// Whatever is wrong with the texts, the encoder or the disk; a checkpoint of another work;
/// [`RunError::Paused`] on Ctrl-C, with the state kept.
pub fn pretrain(job: &PretrainJob, context: &Context) -> Result<PretrainOutcome, RunError> {
    context.limits.apply(|| inner(job, context))
}

fn inner(job: &PretrainJob, context: &Context) -> Result<PretrainOutcome, RunError> {
    let started = Instant::now();
    check(job)?;
    let folder = RunFolder::create(&job.output, false)?;
    let checkpoint = checkpoint_of(&job.output);
    if checkpoint.exists() && !job.resume {
        return Err(RunError::CheckpointThere { path: checkpoint });
    }
    let drafts = super::spool()?;
    // An encoder that is no good is told before the texts are read.
    let start = match &job.start {
        PretrainStart::Encoder(name) => {
            let found = ModelStore::new(context.model_store).resolve(name)?;
            let encoder = EncoderDirectory::open(&found.path, &found.manifest.name)?;
            Start::There(Box::new(encoder))
        }
        PretrainStart::FromScratch(new) => Start::New(new),
    };
    let texts = texts(job, folder.path(), context)?;
    let encoder = match start {
        Start::There(encoder) => *encoder,
        Start::New(new) => begin(new, &texts, drafts.path(), context)?,
    };
    let tokenizer = encoder.tokenizer(job.max_tokens.min(encoder.max_tokens()))?;
    let settings = settings(job);
    let masking = masking(job, &encoder, &tokenizer)?;
    let texts = tokens(&texts, &tokenizer, context)?;
    let mut state = PretrainingState::default();
    let model = encoder.load_masked(&mut state.params, job.seed)?;
    let fingerprint = fingerprint(
        (&settings, &masking, job.batch_tokens),
        &texts,
        &state.params,
    );
    if job.resume && checkpoint.exists() {
        resume(&mut state, &checkpoint, &fingerprint)?;
    }
    let (train, held_out) = divide(texts.len(), job);
    let objective = MaskedWords {
        model: &model,
        data: PretrainingTexts {
            texts: &texts,
            train: &train,
            held_out: &held_out,
        },
        masking,
        batch_tokens: job.batch_tokens,
    };
    let work = Pretraining {
        objective: &objective,
        settings: &settings,
        name: "pretrain",
    };
    let every = Duration::from_secs_f64(job.checkpoint_seconds);
    let mut last = Instant::now();
    let ended = work.run(&mut state, context.watch, |state| {
        if last.elapsed() < every {
            return Ok(());
        }
        last = Instant::now();
        keep(state, &checkpoint, &fingerprint)
    });
    if let Err(RunError::Interrupted) = ended {
        keep(&state, &checkpoint, &fingerprint)?;
        return Err(RunError::Paused { path: checkpoint });
    }
    ended?;
    write(&folder, &encoder, &state, job)?;
    let output = folder.commit()?;
    remove_checkpoint(&checkpoint);
    Ok(PretrainOutcome {
        output,
        texts: train.len(),
        held_out_texts: held_out.len(),
        held_out: state.progress.held_out,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn check(job: &PretrainJob) -> Result<(), RunError> {
    let wrong = |name: &'static str, value: String, reason: &'static str| {
        Err(RunError::Mine(MineError::Setting {
            setting: name,
            value,
            reason,
        }))
    };
    for (name, value) in [("mask-share", job.share), ("held-out", job.held_out)] {
        if !(value > 0.0 && value < 1.0) {
            return wrong(name, value.to_string(), "it must lie between 0 and 1");
        }
    }
    if !(job.learning_rate > 0.0 && job.learning_rate < 1.0) {
        let value = job.learning_rate.to_string();
        return wrong("learning-rate", value, "it must lie between 0 and 1");
    }
    if job.epochs == 0 || job.batch_tokens == 0 {
        return wrong("epochs", job.epochs.to_string(), "it must be at least 1");
    }
    if !(job.checkpoint_seconds >= 0.0 && job.checkpoint_seconds <= 1e9) {
        let value = job.checkpoint_seconds.to_string();
        return wrong("checkpoint-seconds", value, "it must be a length of time");
    }
    if let PretrainStart::FromScratch(NewEncoder {
        vocab_size,
        n_layers,
        hidden_size,
        ..
    }) = job.start
    {
        if n_layers == 0 {
            return wrong("layers", n_layers.to_string(), "it must be at least 1");
        }
        if vocab_size < LEAST_VOCABULARY {
            let reason = "it must be at least 261: every byte and five special tokens";
            return wrong("vocab-size", vocab_size.to_string(), reason);
        }
        if hidden_size == 0 || !hidden_size.is_multiple_of(32) {
            let reason = "it must be a multiple of 32, the width of a head of attention";
            return wrong("hidden-size", hidden_size.to_string(), reason);
        }
    }
    Ok(())
}

/// A new encoder, drafted in `folder`.
fn begin(
    new: &NewEncoder,
    texts: &[String],
    folder: &Path,
    context: &Context,
) -> Result<EncoderDirectory, RunError> {
    context.watch.progress("vocabulary", 0, 1, "");
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (name, bytes) in new.files(&texts)? {
        write_atomic(&folder.join(name), &bytes)?;
    }
    context.watch.progress("vocabulary", 1, 1, "");
    Ok(EncoderDirectory::open(folder, FROM_SCRATCH)?)
}

/// `OUT.checkpoint` beside `OUT`.
pub(super) fn checkpoint_of(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(".checkpoint");
    output.with_file_name(name)
}

fn texts(job: &PretrainJob, spool: &Path, context: &Context) -> Result<Vec<String>, RunError> {
    let session =
        Session::new(context.limits.threads, None).map_err(crate::source::SourceError::from)?;
    let table = Table::open(&job.source, spool, &session, context.watch)?;
    let texts = all_texts(&job.texts, &table, context)?;
    if texts.len() < 2 {
        return Err(RunError::Mine(MineError::NoTrainingRows));
    }
    Ok(texts)
}

fn tokens(
    texts: &[String],
    tokenizer: &TextTokenizer,
    context: &Context,
) -> Result<Vec<WordTokens>, RunError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    context.watch.progress("tokenise", 0, 1, "");
    let tokens = tokenizer.encode_words(&texts)?;
    context.watch.progress("tokenise", 1, 1, "");
    Ok(tokens)
}

fn settings(job: &PretrainJob) -> PretrainingSettings {
    PretrainingSettings {
        learning_rate: job.learning_rate as f32,
        epochs: job.epochs,
        warmup: 0.1,
        weight_decay: 1e-2,
        clip_norm: 1.0,
        seed: job.seed,
        products: job.products,
    }
}

fn masking(
    job: &PretrainJob,
    encoder: &EncoderDirectory,
    tokenizer: &TextTokenizer,
) -> Result<Masking, RunError> {
    let mask = tokenizer.mask_token();
    let Some(mask) = mask else {
        return Err(RunError::Represent(
            crate::represent::RepresentError::Encoder {
                path: PathBuf::from("tokenizer.json"),
                reason:
                    "the tokenizer has no token that stands for a hidden one ([MASK] or <mask>)"
                        .into(),
            },
        ));
    };
    Ok(Masking {
        share: job.share,
        whole_words: job.whole_words,
        mask,
        vocab_size: encoder.config().vocab_size() as u32,
    })
}

/// Texts to learn from and texts that are held out, at least one of each, by a hash of their number.
fn divide(n: usize, job: &PretrainJob) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<(u64, usize)> = (0..n)
        .map(|text| (mix(job.seed, text as u64), text))
        .collect();
    order.sort_unstable();
    let n_held = ((n as f64 * job.held_out).round() as usize).clamp(1, n - 1);
    let mut parts = order.into_iter().map(|(_, text)| text);
    let mut held: Vec<usize> = parts.by_ref().take(n_held).collect();
    let mut train: Vec<usize> = parts.collect();
    held.sort_unstable();
    train.sort_unstable();
    (train, held)
}

/// What a checkpoint belongs to: settings, texts, and the weights that were begun with.
fn fingerprint(
    settings: (&PretrainingSettings, &Masking, usize),
    texts: &[WordTokens],
    params: &Params,
) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{settings:?}"));
    for text in texts {
        for id in &text.tokens.ids {
            hash.update(id.to_le_bytes());
        }
        hash.update(u32::MAX.to_le_bytes());
    }
    hash.update(params.to_safetensors_bytes());
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn keep(
    state: &PretrainingState,
    path: &Path,
    fingerprint: &str,
) -> Result<(), RunError> {
    let progress = json!({ "fingerprint": fingerprint, "progress": state.progress }).to_string();
    let weights = state.params.to_safetensors_bytes();
    let optimiser = state.optimiser.to_safetensors_bytes(&state.params);
    write_checkpoint(path, &[progress.as_bytes(), &weights, &optimiser])?;
    Ok(())
}

pub(super) fn resume(
    state: &mut PretrainingState,
    path: &Path,
    fingerprint: &str,
) -> Result<(), RunError> {
    let fail = |reason: String| RunError::ModelFile {
        path: path.to_path_buf(),
        reason,
    };
    let parts = read_checkpoint(path)?;
    let [progress, weights, optimiser] = parts.as_slice() else {
        return Err(fail("is not a checkpoint of a pre-training".into()));
    };
    let found: Value = serde_json::from_slice(progress).map_err(|e| fail(e.to_string()))?;
    if found["fingerprint"] != fingerprint {
        return Err(RunError::OtherCheckpoint {
            path: path.to_path_buf(),
        });
    }
    let progress: Progress = serde_json::from_value(found["progress"].clone())
        .map_err(|e| fail(format!("is damaged: {e}")))?;
    let nn = |e: adit_nn::NnError| fail(e.to_string());
    let file = WeightFile::from_bytes(path, weights.clone()).map_err(nn)?;
    state.params.load_from(&file).map_err(nn)?;
    let file = WeightFile::from_bytes(path, optimiser.clone()).map_err(nn)?;
    state.optimiser = AdamWState::from_safetensors(&file, &state.params).map_err(nn)?;
    state.progress = progress;
    Ok(())
}

/// The encoder's files with the new weights.
fn write(
    folder: &RunFolder,
    encoder: &EncoderDirectory,
    state: &PretrainingState,
    job: &PretrainJob,
) -> Result<(), RunError> {
    for (name, path) in encoder.all_files() {
        if !name.ends_with(".safetensors")
            && !name.ends_with(".index.json")
            && name != "config.json"
        {
            folder.copy_in(&path, &name)?;
        }
    }
    // Adit does not read it; the `transformers` of other people does.
    let named = encoder.path().join(TOKENIZER_CONFIG);
    if named.is_file() {
        folder.copy_in(&named, TOKENIZER_CONFIG)?;
    }
    let [(_, text), _] = encoder.files()?;
    let mut config: Value = serde_json::from_str(&text).map_err(|e| RunError::ModelFile {
        path: PathBuf::from("config.json"),
        reason: e.to_string(),
    })?;
    if let (Some(fields), EncoderConfig::BertLike(found)) =
        (config.as_object_mut(), encoder.config())
    {
        let class = format!("{}ForMaskedLM", found.family.class());
        fields.insert("architectures".into(), json!([class]));
    }
    folder.write("config.json", config.to_string().as_bytes())?;
    folder.write("model.safetensors", &state.params.to_safetensors_bytes())?;
    let told = json!({
        "adit": env!("CARGO_PKG_VERSION"),
        "encoder": encoder.name(),
        "seed": job.seed,
        "epochs": job.epochs,
        "steps": state.progress.step,
        "held_out": state.progress.held_out,
    });
    folder.write("pretraining.json", told.to_string().as_bytes())?;
    Ok(())
}
