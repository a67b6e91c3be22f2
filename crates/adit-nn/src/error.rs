//! What can go wrong in the engine, where, and how to mend it.

use std::path::PathBuf;

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// A weight file could not be read.
    #[error("cannot read weights {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A weight file is a pickle (or a zip of pickles), which can run code.
    #[error("{} is a pickle, which can run code when it is read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A weight file is not a whole, valid safetensors file.
    #[error("{} is not a valid safetensors file: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// A weight file lacks a tensor that the model needs.
    #[error("{}: tensor {name} is missing (expected shape {expected:?})", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape that was expected.
        expected: Vec<usize>,
    },
    /// A tensor has not the shape that the model needs.
    #[error("{}: tensor {name} has shape {found:?}, expected {expected:?}", path.display())]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape that was expected.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has an element type that is not read.
    #[error("{}: tensor {name} has type {found}, expected F32, F16 or BF16", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// A tensor of a weight file holds a value that no model computes with.
    #[error("{}: tensor {name}, value {at} is {value}, not a finite number", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The place of the first such value among the tensor's.
        at: usize,
        /// The value.
        value: f32,
    },
    /// The sums of an encoder left the range of f32.
    #[error("the vector of text {text} is not finite: the encoder overflows on it")]
    Overflow {
        /// The place of the text among those that were given.
        text: usize,
    },
    /// A configuration is not readable or contradicts itself.
    #[error("model configuration: {reason}")]
    Config {
        /// What does not hold.
        reason: String,
    },
    /// A configuration asks for something that is not built.
    #[error("model configuration: {field} {found:?} is not supported (supported: {supported})")]
    Unsupported {
        /// The field of the configuration.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
    /// Packed tokens do not fit the model.
    #[error("tokens: {reason}")]
    Tokens {
        /// What does not hold.
        reason: String,
    },
    /// A batch of rows does not fit the model.
    #[error("rows: {reason}")]
    Rows {
        /// What does not hold.
        reason: String,
    },
    /// A tensor's data does not fit its shape.
    #[error("a tensor of shape {shape:?} holds {} values, but {len} were given", shape.iter().product::<usize>())]
    Shape {
        /// The shape.
        shape: Vec<usize>,
        /// How many values were given.
        len: usize,
    },
}

impl NnError {
    /// How to mend the error, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Pickle { .. } => Some(
                "use the model's model.safetensors file instead, or convert it with `safetensors`"
                    .into(),
            ),
            Self::Corrupt { .. } => Some("fetch the file again; it may be cut short".into()),
            Self::MissingTensor { .. } | Self::WrongShape { .. } => {
                Some("check that config.json and the weights belong to the same model".into())
            }
            Self::WrongType { .. } => {
                Some("quantised weights are not read; use the float version of the model".into())
            }
            Self::NotFinite { .. } => {
                Some("these weights are damaged, or of a training that diverged; fetch them again, or train again".into())
            }
            Self::Overflow { .. } => {
                Some("the encoder's weights are damaged, or not meant for this configuration".into())
            }
            Self::Unsupported { field, .. } if *field == "model_type" => Some(
                "choose an encoder of one of these architectures, such as all-MiniLM-L6-v2".into(),
            ),
            Self::Tokens { .. } => Some("truncate texts to the model's maximum length".into()),
            _ => None,
        }
    }
}
