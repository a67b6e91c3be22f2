//! What a column is used for.

/// What a column is used for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Target,
    Number,
    Category,
    Text,
    /// SMILES.
    Molecule,
    Time,
    Entity,
    Id,
    Ignore,
    /// What an entity did, which no column of a file says.
    #[serde(skip)]
    History,
}

/// A column with the role it was given and the reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ColumnRole {
    pub name: String,
    pub role: Role,
    /// Why, in a few words: `given`, `12 distinct whole numbers`, `text of 21 words on average`, …
    pub reason: String,
}

impl Role {
    /// The word for it in job files and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Number => "number",
            Self::Category => "category",
            Self::Text => "text",
            Self::Molecule => "molecule",
            Self::Time => "time",
            Self::Entity => "entity",
            Self::Id => "id",
            Self::Ignore => "ignore",
            Self::History => "history",
        }
    }

    /// True for columns that a model learns from.
    pub fn is_feature(self) -> bool {
        matches!(
            self,
            Self::Number | Self::Category | Self::Text | Self::Molecule | Self::Time
        )
    }
}
