//! Arguments of `adit pretrain`.

use std::path::PathBuf;

use clap::Args;

use super::{ProductsArg, SourceArgs, TextArgs};

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("start").required(true))]
pub struct PretrainArgs {
    #[command(flatten)]
    pub of: TextArgs,
    /// Pretrained text encoder to go on with: a name in the model store or a folder
    #[arg(long, value_name = "NAME|DIR", group = "start")]
    pub encoder: Option<String>,
    /// Begin a new small encoder, with a vocabulary learned from the texts
    #[arg(long, group = "start")]
    pub from_scratch: bool,
    /// Of events: column that tells whose an event is
    #[arg(long, value_name = "COL", group = "start", requires = "time")]
    pub entity: Option<String>,
    /// Of events: column of times, or of numbers that give their order
    #[arg(long, value_name = "COL", requires = "entity", conflicts_with_all = ["texts", "max_tokens", "batch_tokens", "mask_share", "whole_words"])]
    pub time: Option<String>,
    /// Of events: the latest ones of a history that are read, at most
    #[arg(long, value_name = "N", default_value_t = 256, requires = "entity")]
    pub window: usize,
    /// Tokens of a new encoder's vocabulary, at most
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8000,
        requires = "from_scratch"
    )]
    pub vocab_size: usize,
    /// Layers of a new encoder [default: 4, of events 2]
    #[arg(long, value_name = "N", conflicts_with = "encoder")]
    pub layers: Option<usize>,
    /// Values a token in a new encoder, a multiple of 32 [default: 256, of events 64]
    #[arg(long, value_name = "N", conflicts_with = "encoder")]
    pub hidden_size: Option<usize>,
    /// Capitals stay apart from small letters in a new encoder
    #[arg(long, requires = "from_scratch")]
    pub keep_case: bool,
    /// Folder that is made, of texts a Hugging Face directory; it must not be there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Passes over the data [default: 3, from scratch 20, of events by their number]
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Highest learning rate [default: 1e-4, from scratch and of events 1e-3]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// Longest text in tokens; longer ones are cut
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub max_tokens: usize,
    /// Tokens a training step, about
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub batch_tokens: usize,
    /// Share of the tokens that are hidden
    #[arg(long, value_name = "SHARE", default_value_t = 0.15)]
    pub mask_share: f64,
    /// Hide all tokens of a word together
    #[arg(long)]
    pub whole_words: bool,
    /// Share of the texts or histories that are held out, to judge by [default: 0.05, of events 0.1]
    #[arg(long, value_name = "SHARE")]
    pub held_out: Option<f64>,
    /// Every random choice follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Go on from an interrupted pre-training
    #[arg(long)]
    pub resume: bool,
    /// Numbers in which linear maps multiply while they learn; weights and sums are f32
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    pub training_precision: ProductsArg,
    /// Of events: MiB for them; what does not fit while they are brought into the order of their histories waits on disk
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub memory: u64,
    /// Seconds between two writings of the state
    #[arg(long, value_name = "S", default_value_t = 60.0)]
    pub checkpoint_seconds: f64,
    #[command(flatten)]
    pub source: SourceArgs,
}
