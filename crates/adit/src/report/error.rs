//! What can go wrong while rendering.

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A page template did not parse or named something that does not exist.
    #[error("the report template {template} could not be rendered: {reason}")]
    Template { template: String, reason: String },
    /// The findings could not be written as JSON.
    #[error("the findings could not be written as json: {0}")]
    Json(#[from] serde_json::Error),
}

impl ReportError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Template { .. } => {
                Some("templates are part of adit; please report this with result.json".to_string())
            }
            Self::Json(_) => None,
        }
    }
}
