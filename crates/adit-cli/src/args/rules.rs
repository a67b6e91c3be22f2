//! Arguments of `adit rules` and `adit sequences`.

use clap::{Args, ValueEnum};

use super::{FolderArgs, SourceArgs};

pub const RULES_EXAMPLE: &str = "\
Examples:
  adit rules baskets.csv --min-support 0.005
  adit rules sales.parquet --basket receipt --item product
  adit rules sales.csv --basket customer --basket day --item product
  adit rules customers.csv --target 'churn = yes' --guard lamp
  adit rules customers.csv --contrast segment
  adit rules baskets.csv --top 100 --by leverage
  adit rules baskets.csv --encoder all-minilm-l6-v2
  adit rules baskets.dat --kind closed --min-support 0.01

Guards, by which rules pay for the search:
  holdout      found on one half of the baskets, tested on the other, corrected by Holm
  lamp         with --target: corrected for every set that could be significant
  permutation  corrected by what the same search finds in shuffled baskets
  exploratory  false discovery rate: for looking around, not for claims
  none         nothing is paid";

pub const SEQUENCES_EXAMPLE: &str = "\
Examples:
  adit sequences events.csv --entity case --time at --event activity --min-support 0.05
  adit sequences clicks.csv --entity visitor --time at --event page --session-gap 30m --max-gap 3
  adit sequences events.csv --entity case --time at --event activity --labels outcomes.csv --label churn
  adit sequences sequences.txt --kind closed --min-support 0.5

Every rule pays for the search, as with `adit rules` (--guard). Without a label it is compared with
random order within each sequence, with one (--label) with labels dealt out anew between entities.";

#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// How baskets are written: a basket a line, a row an item (--basket and --item), or a row a basket
    #[arg(long, value_enum, value_name = "FORM", default_value = "auto")]
    pub form: BasketFormArg,
    /// A row an item: column that tells which basket (repeatable: customer and day); baskets of one
    /// value of the first of several stay in one half
    #[arg(long, value_name = "COL")]
    pub basket: Vec<String>,
    /// A row an item: column of the item
    #[arg(long, value_name = "COL")]
    pub item: Option<String>,
    /// A row a basket: column that is read (repeatable) [default: all but ids and texts]
    #[arg(long = "column", value_name = "COL")]
    pub columns: Vec<String>,
    /// Ask what tells the values of this column apart: rules lead to each of them
    #[arg(long, value_name = "COL", conflicts_with = "target")]
    pub contrast: Option<String>,
    /// A row a basket: cut numbers by the target, in the half that is searched, or at quantiles
    /// [default: target where there is one and the guard is holdout]
    #[arg(long, value_enum, value_name = "BY")]
    pub cut: Option<CutArg>,
    /// A row a basket: parts that numbers are cut into at quantiles [default: 4]
    #[arg(long, value_name = "N")]
    pub parts: Option<usize>,
    /// What is wanted: rules, itemsets (all frequent ones), closed or maximal ones
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        default_value = "rules",
        hide_possible_values = true
    )]
    pub kind: KindArg,
    /// With --top: the best rules by leverage or by p-value [default: leverage]
    #[arg(long, value_enum, value_name = "WHAT", requires = "top")]
    pub by: Option<ByArg>,
    /// Group items by what their names mean with this text encoder (a name in the model store or a
    /// folder), so that rules can be about a group
    #[arg(long, value_name = "NAME|DIR")]
    pub encoder: Option<String>,
    /// Mean cosine of the items of a group to each other, at least [default: 0.6]
    #[arg(long, value_name = "COSINE", requires = "encoder")]
    pub likeness: Option<f64>,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub folder: FolderArgs,
}

#[derive(Debug, Args)]
pub struct SequencesArgs {
    /// Files, globs, folders, or - for standard input
    #[arg(required = true, value_name = "DATA")]
    pub inputs: Vec<String>,
    /// How sequences are written: as SPMF does (numbers, -1 and -2), an event after the other a line, or
    /// a row an event (--entity and --event)
    #[arg(long, value_enum, value_name = "FORM", default_value = "auto")]
    pub form: SequenceFormArg,
    /// A row an event: column that tells whose it is
    #[arg(long, value_name = "COL")]
    pub entity: Option<String>,
    /// A row an event: column of times, or of numbers that give the order [default: as the rows lie]
    #[arg(long, value_name = "COL")]
    pub time: Option<String>,
    /// A row an event: column that tells what happened; at the same time is together
    #[arg(long, value_name = "COL")]
    pub event: Option<String>,
    /// Cut a history where more than this lies between two events: 30m, 12h, 7d, or a number in the unit
    /// of a column of numbers
    #[arg(long, value_name = "TIME")]
    pub session_gap: Option<String>,
    /// Ask what tells this label: a column of the events, or of --labels
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
    /// File with an entity and its label a row (repeatable)
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<String>,
    /// Value of the label that is asked for [default: the rarer of two]
    #[arg(long, value_name = "VALUE")]
    pub positive: Option<String>,
    /// What is wanted: rules (what goes on to what), frequent (all of them), closed or maximal ones
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        default_value = "rules",
        hide_possible_values = true
    )]
    pub kind: SequenceKindArg,
    /// Elements from one of a pattern to its next, at most; 1 is the very next
    #[arg(long, value_name = "N")]
    pub max_gap: Option<usize>,
    /// Elements from the first of a pattern to its last, at most
    #[arg(long, value_name = "N")]
    pub max_window: Option<usize>,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// What is searched for, and how it is paid.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Share of the baskets or sequences that hold all of a pattern, at least: 0.01 or 1%
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = super::share, allow_negative_numbers = true)]
    pub min_support: f64,
    /// Of those with what a rule leads from, share that hold what it leads to, at least
    #[arg(long, value_name = "SHARE", value_parser = super::share, allow_negative_numbers = true)]
    pub min_confidence: Option<f64>,
    /// Items of a pattern, at most; of a rule with the one it leads to [default: 4 for rules, else any number]
    #[arg(long, value_name = "N")]
    pub max_items: Option<usize>,
    /// Only so many of the most frequent patterns; of rules only so many of the best are tested, whatever
    /// their support
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Only rules to this item or event, as it is named in the data: milk, or 'churn = yes'
    #[arg(long, value_name = "ITEM")]
    pub target: Option<String>,
    /// How rules pay for the search: holdout, lamp, permutation, exploratory or none
    #[arg(
        long,
        value_enum,
        value_name = "GUARD",
        default_value = "holdout",
        hide_possible_values = true
    )]
    pub guard: GuardArg,
    /// Chance that any rule is kept where there is nothing
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = super::share)]
    pub level: f64,
    /// Shuffled data sets that the same search is run on
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub shuffles: u64,
    /// MiB for what is found; where it is too little, the least support is raised until the rest fits
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub memory: u64,
    /// Every random choice follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Heading of the report
    #[arg(long)]
    pub title: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BasketFormArg {
    Auto,
    Lines,
    Items,
    Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ByArg {
    Leverage,
    PValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CutArg {
    Target,
    Quantiles,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    Rules,
    Itemsets,
    Closed,
    Maximal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SequenceFormArg {
    Auto,
    Lines,
    Spmf,
    Events,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SequenceKindArg {
    Rules,
    Frequent,
    Closed,
    Maximal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GuardArg {
    Holdout,
    Lamp,
    Permutation,
    Exploratory,
    None,
}
