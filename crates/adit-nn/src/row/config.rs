//! The configuration of a row transformer.

use serde::{Deserialize, Serialize};

use crate::error::NnError;

/// What a number's token is a linear map of (Gorishniy et al., 2022).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberEmbedding {
    /// The shares of its bins.
    #[default]
    PiecewiseLinear,
    /// The number itself, and the shares of its bins, whose weights begin at zero: what is drawn first
    /// is linear, and bends where the rows ask for it.
    Residual,
    /// Sines and cosines of `frequencies` learned frequencies, drawn with deviation `spread`.
    Periodic {
        /// Frequencies of each number.
        frequencies: usize,
        /// In turns per unit of the number.
        spread: f32,
    },
    /// The shares of its bins, and sines and cosines.
    Both {
        /// Frequencies of each number.
        frequencies: usize,
        /// In turns per unit of the number.
        spread: f32,
    },
}

impl NumberEmbedding {
    /// Frequencies of each number; none where there are no waves.
    pub fn frequencies(self) -> usize {
        match self {
            Self::PiecewiseLinear | Self::Residual => 0,
            Self::Periodic { frequencies, .. } | Self::Both { frequencies, .. } => frequencies,
        }
    }

    /// The deviation from which frequencies are drawn.
    pub fn spread(self) -> f32 {
        match self {
            Self::PiecewiseLinear | Self::Residual => 0.0,
            Self::Periodic { spread, .. } | Self::Both { spread, .. } => spread,
        }
    }

    /// Whether the number itself is a component.
    pub fn has_itself(self) -> bool {
        matches!(self, Self::Residual)
    }

    /// Whether bins are read.
    pub fn has_bins(self) -> bool {
        !matches!(self, Self::Periodic { .. })
    }
}

/// What reads the tokens of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowBody {
    /// Blocks of attention over the tokens and one token of the row's own (Gorishniy et al., 2021).
    #[default]
    Attention,
    /// None: the tokens stand side by side and the members read them (Gorishniy et al., 2025).
    Columns,
}

/// Members that share most weights: a perceptron whose layers have factors and biases of each
/// member's own (Wen et al., 2020; Gorishniy et al., 2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberConfig {
    /// How many members.
    pub count: usize,
    /// The width of a hidden layer.
    pub width: usize,
    /// How many hidden layers, at least one.
    pub n_layers: usize,
    /// The dropout after each hidden layer.
    pub dropout: f32,
}

/// The columns and sizes of a row transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowTransformerConfig {
    /// How many numbers a row has.
    pub n_numbers: usize,
    /// The edges of the bins of each number, rising; `n_numbers` lists of at least two.
    pub bins: Vec<Vec<f32>>,
    /// How many codes each category column has (the unknown bucket counted).
    pub cardinalities: Vec<u32>,
    /// The width of a token.
    pub d_token: usize,
    /// How many blocks.
    pub n_layers: usize,
    /// How many heads per block.
    pub n_heads: usize,
    /// The width of the feed-forward part.
    pub ffn_hidden: usize,
    /// The dropout of attention weights.
    pub attention_dropout: f32,
    /// The dropout inside the feed-forward part.
    pub ffn_dropout: f32,
    /// The dropout of what a block adds.
    #[serde(default)]
    pub residual_dropout: f32,
    /// Whether a ReLU follows the linear map of the numbers.
    #[serde(default)]
    pub number_relu: bool,
    /// How many outputs per row, of each member.
    pub n_outputs: usize,
    /// What a number's token is made of.
    #[serde(default)]
    pub numbers: NumberEmbedding,
    /// What reads the tokens; blocks and heads mean nothing to [`RowBody::Columns`].
    #[serde(default)]
    pub body: RowBody,
    /// The members that read the body's output; without them one linear map does.
    #[serde(default)]
    pub members: Option<MemberConfig>,
}

impl RowTransformerConfig {
    /// How many components number `number` has: shares of bins, itself, sines, cosines, in that order.
    pub fn n_components(&self, number: usize) -> usize {
        self.n_shares(number)
            + usize::from(self.numbers.has_itself())
            + 2 * self.numbers.frequencies()
    }

    /// How many of them are shares of bins.
    pub(super) fn n_shares(&self, number: usize) -> usize {
        if self.numbers.has_bins() {
            self.bins[number].len().saturating_sub(1)
        } else {
            0
        }
    }

    /// Tokens per row.
    pub fn n_tokens(&self) -> usize {
        usize::from(self.has_own_token()) + self.n_numbers + self.cardinalities.len()
    }

    /// Whether a row has a token of its own, beside those of its columns.
    pub fn has_own_token(&self) -> bool {
        self.body == RowBody::Attention
    }

    /// How many outputs of `n_outputs` values a row has: one a member.
    pub fn n_members(&self) -> usize {
        self.members.map_or(1, |members| members.count)
    }

    /// Checks that the columns and sizes fit each other.
    ///
    /// Errors: [`NnError::Config`] naming the field or the column.
    pub fn check(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        if self.bins.len() != self.n_numbers {
            return refuse(format!(
                "bins has {} lists for {} numbers",
                self.bins.len(),
                self.n_numbers
            ));
        }
        for (number, edges) in self.bins.iter().enumerate() {
            if edges.len() < 2
                || edges.iter().any(|e| !e.is_finite())
                || edges.windows(2).any(|w| w[0] >= w[1])
            {
                return refuse(format!(
                    "bins of number {number} are not at least two finite, rising edges"
                ));
            }
        }
        if let Some(column) = self.cardinalities.iter().position(|&n| n == 0) {
            return refuse(format!("category {column} has no codes"));
        }
        for (field, value) in [
            ("d_token", self.d_token),
            ("n_heads", self.n_heads),
            ("ffn_hidden", self.ffn_hidden),
            ("n_outputs", self.n_outputs),
        ] {
            if value == 0 || value > 1 << 16 {
                return refuse(format!("{field} is {value}, not between 1 and 65536"));
            }
        }
        if !self.d_token.is_multiple_of(self.n_heads) {
            return refuse(format!(
                "d_token {} is not a multiple of n_heads {}",
                self.d_token, self.n_heads
            ));
        }
        for (field, rate) in [
            ("attention_dropout", self.attention_dropout),
            ("ffn_dropout", self.ffn_dropout),
            ("residual_dropout", self.residual_dropout),
            ("members.dropout", self.members.map_or(0.0, |m| m.dropout)),
        ] {
            if !(0.0..1.0).contains(&rate) {
                return refuse(format!("{field} is {rate}, not in [0, 1)"));
            }
        }
        self.check_parts()
    }

    /// Checks the embedding of numbers, the body and the members.
    fn check_parts(&self) -> Result<(), NnError> {
        let refuse = |reason: String| Err(NnError::Config { reason });
        let (frequencies, spread) = (self.numbers.frequencies(), self.numbers.spread());
        if frequencies > 1 << 12 || !(0.0..1e6).contains(&spread) {
            return refuse(format!(
                "numbers have {frequencies} frequencies of deviation {spread}, not at most 4096 below 1e6"
            ));
        }
        if !self.numbers.has_bins() && frequencies == 0 {
            return refuse("numbers have neither bins nor frequencies".into());
        }
        let Some(members) = self.members else {
            return match self.body {
                RowBody::Attention => Ok(()),
                RowBody::Columns => refuse("columns side by side need members".into()),
            };
        };
        for (field, value) in [
            ("members.count", members.count),
            ("members.width", members.width),
            ("members.n_layers", members.n_layers),
        ] {
            if value == 0 || value > 1 << 12 {
                return refuse(format!("{field} is {value}, not between 1 and 4096"));
            }
        }
        Ok(())
    }
}
