//! The verbs that measure.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, value_parser};

use super::{PrecisionArg, ProductsArg};

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// Texts to vectors: tokens a second by precision, the time of one text, and memory
    #[command(
        after_help = "Example:\n  adit bench embed texts.txt --encoder all-minilm-l6-v2 --precision int8"
    )]
    Embed(BenchEmbedArgs),
    /// Training: the time of a step (forward, backward, AdamW; no dropout), and memory
    #[command(
        after_help = "Examples:\n  adit bench train --encoder all-minilm-l6-v2 --batch 16 --length 128\n  \
                      adit bench train --layers 12 --hidden-size 768 --training-precision bf16"
    )]
    Train(BenchTrainArgs),
    /// Events: pre-training an encoder of events on drawn histories, and their vectors
    #[command(after_help = "Example:\n  adit bench events --rounds 9")]
    Events(BenchEventsArgs),
    /// Boosted trees: the time to grow them on a table with LightGBM's settings, and their score
    #[command(after_help = "Example:\n  adit bench trees train.csv --test test.csv --target churn")]
    Trees(BenchTreesArgs),
    /// Itemsets: the time that frequent, closed or maximal sets take, reading apart
    #[command(
        after_help = "Example:\n  adit bench itemsets baskets.dat --min-support 0.001 --threads 1"
    )]
    Itemsets(BenchItemsetsArgs),
    /// Clusters: the time of k-means, HDBSCAN or nearest neighbours on drawn points
    #[command(
        after_help = "Examples:\n  adit bench clusters --n 100000 --k 64\n  adit bench clusters --n 20000 --method hdbscan --k 10"
    )]
    Clusters(BenchClustersArgs),
    /// Kernels: products, attention, norms, and their share of this machine's measured peak
    #[command(after_help = "Example:\n  adit bench kernels --rounds 9")]
    Kernels(BenchKernelsArgs),
    /// Growth: the time of embedding by the length of a text, the number of texts, and threads
    #[command(
        after_help = "Examples:\n  adit bench scaling --encoder all-minilm-l6-v2 --precision int8\n  \
                      adit bench scaling --form modernbert --layers 22 --hidden-size 768"
    )]
    Scaling(BenchScalingArgs),
}

#[derive(Debug, Args)]
pub struct BenchClustersArgs {
    /// Points, drawn around 200 centres
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = positive)]
    pub n: usize,
    /// Values a point
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = positive)]
    pub width: usize,
    #[arg(long, value_enum, value_name = "METHOD", default_value = "kmeans")]
    pub method: BenchMethodArg,
    /// Clusters of k-means; neighbours of a point, of hdbscan its own rows in a dense place
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = positive)]
    pub k: usize,
    /// With hdbscan: points of a cluster, at least
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub min_cluster_size: usize,
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchMethodArg {
    Kmeans,
    Hdbscan,
    Neighbours,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("give a whole number of at least 1".into()),
    }
}

#[derive(Debug, Args)]
pub struct BenchItemsetsArgs {
    /// Files, globs or folders with a basket a line
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Share of the baskets that hold a set, at least
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = super::share)]
    pub min_support: f64,
    /// itemsets (all frequent ones), closed or maximal
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        default_value = "itemsets",
        hide_possible_values = true
    )]
    pub kind: super::KindArg,
    /// Times that the sets are found; the least is told
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: super::SourceArgs,
}

#[derive(Debug, Args)]
pub struct BenchTreesArgs {
    /// Files, globs or folders
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Rows that are scored
    #[arg(long, value_name = "FILE", required = true)]
    pub test: Vec<String>,
    /// Column to be predicted
    #[arg(long, value_name = "COL")]
    pub target: String,
    /// Whether classes or a number are predicted
    #[arg(long, value_enum, default_value = "classify")]
    pub task: TaskArg,
    /// Role of a column (repeatable)
    #[arg(long = "role", value_name = "COL=ROLE")]
    pub roles: Vec<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// What is predicted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TaskArg {
    Classify,
    Regress,
}

/// How often it is measured, and what is printed.
#[derive(Debug, Args)]
pub struct RoundsArgs {
    /// Measured so many times; medians are shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// The model that is measured: a pretrained one, or sizes.
#[derive(Debug, Args)]
pub struct BenchModelArgs {
    /// Pretrained text encoder: a name in the model store or a folder [default: one is drawn]
    #[arg(long, value_name = "NAME|DIR", conflicts_with_all = ["form", "layers", "hidden_size", "vocab_size"])]
    pub encoder: Option<String>,
    /// Architecture of a drawn encoder
    #[arg(long, value_enum, default_value = "bert")]
    pub form: FormArg,
    /// Layers of a drawn encoder
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = value_parser!(u32).range(1..=256))]
    pub layers: u32,
    /// Values a token in a drawn encoder, a multiple of 32
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = value_parser!(u32).range(32..=16384))]
    pub hidden_size: u32,
    /// Tokens of a drawn encoder's vocabulary
    #[arg(long, value_name = "N", default_value_t = 30522, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub vocab_size: u32,
}

/// An architecture.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormArg {
    /// Every token sees all of its text
    Bert,
    /// In two of three layers a token sees 64 others to each side
    #[value(name = "modernbert")]
    ModernBert,
}

#[derive(Debug, Args)]
pub struct BenchEmbedArgs {
    /// File with one text a line
    pub texts: PathBuf,
    /// Pretrained text encoder: a name in the model store or a folder
    #[arg(long, alias = "model", value_name = "NAME|DIR")]
    pub encoder: String,
    /// Only this precision [default: all]
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionArg>,
    /// Longest text in tokens
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_tokens: usize,
    /// Measured so many times; medians are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Print one line of JSON with the seconds and a .npy file of the vectors, for a program that
    /// compares embedders
    #[arg(long, conflicts_with = "json")]
    pub peer: bool,
}

#[derive(Debug, Args)]
pub struct BenchTrainArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    /// Texts a step
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Tokens a text
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = value_parser!(u32).range(1..=65536))]
    pub length: u32,
    /// Only these numbers in products [default: f32 and bf16]
    #[arg(long, value_name = "PRECISION")]
    pub training_precision: Option<ProductsArg>,
    #[command(flatten)]
    pub rounds: RoundsArgs,
}

#[derive(Debug, Args)]
pub struct BenchEventsArgs {
    /// Histories a step, of 50 to 150 events, each read whole and as two slices
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(2..=65536))]
    pub histories: u32,
    /// Layers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u32).range(1..=64))]
    pub layers: u32,
    /// Values a token, a multiple of 32
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(32..=4096))]
    pub hidden_size: u32,
    /// Only these numbers in products [default: f32 and bf16]
    #[arg(long, value_name = "PRECISION")]
    pub training_precision: Option<ProductsArg>,
    #[command(flatten)]
    pub rounds: RoundsArgs,
}

#[derive(Debug, Args)]
pub struct BenchKernelsArgs {
    /// Rows of every matrix: tokens that are computed together
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub rows: u32,
    #[command(flatten)]
    pub rounds: RoundsArgs,
}

#[derive(Debug, Args)]
pub struct BenchScalingArgs {
    #[command(flatten)]
    pub model: BenchModelArgs,
    /// How weights are multiplied: f32, bf16 or int8
    #[arg(long, value_enum, default_value = "f32", hide_possible_values = true)]
    pub precision: PrecisionArg,
    /// Longest text in tokens; a pretrained encoder may end before
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = value_parser!(u32).range(1..=65536))]
    pub max_tokens: u32,
    #[command(flatten)]
    pub rounds: RoundsArgs,
}
