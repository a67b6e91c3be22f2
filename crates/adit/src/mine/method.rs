//! Which weights of a text encoder are trained.

use adit_nn::lora::{self, LoraConfig};
use adit_nn::{Encoder, NnError, Params};
use serde::{Deserialize, Serialize};

use super::MineError;

/// Which weights of a text encoder are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingMethod {
    /// All.
    #[default]
    Full,
    /// What stands above the layers: the family's pooler and the new head.
    Head,
    /// The last layers and what stands above; the states below are computed once.
    Last { layers: usize },
    /// Small additions of this rank to the maps of attention, and what stands above the layers (Hu et
    /// al. 2021); they are added into the weights in the end.
    LowRank { rank: usize },
}

impl TrainingMethod {
    /// Reads `full`, `head`, `last-2`, `lora` or `lora-16`.
    pub fn parse(word: &str) -> Option<TrainingMethod> {
        let number = |text: &str| {
            text.parse::<usize>()
                .ok()
                .filter(|n| (1..=1024).contains(n))
        };
        match word {
            "full" => Some(TrainingMethod::Full),
            "head" => Some(TrainingMethod::Head),
            "lora" => Some(TrainingMethod::LowRank { rank: 8 }),
            other => match other.split_once('-')? {
                ("last", n) => number(n).map(|layers| TrainingMethod::Last { layers }),
                ("lora", n) => number(n).map(|rank| TrainingMethod::LowRank { rank }),
                _ => None,
            },
        }
    }

    /// What it is called in settings and reports.
    pub fn words(self) -> String {
        match self {
            TrainingMethod::Full => "all weights".into(),
            TrainingMethod::Head => "the head alone".into(),
            TrainingMethod::Last { layers: 1 } => "the last layer and the head".into(),
            TrainingMethod::Last { layers } => format!("the last {layers} layers and the head"),
            TrainingMethod::LowRank { rank } => format!("additions of rank {rank} and the head"),
        }
    }

    /// Learning rates that are tried where none is given: the fewer weights, the higher.
    pub fn usual_rates(self) -> &'static [f64] {
        match self {
            TrainingMethod::Full | TrainingMethod::Last { .. } => &[5e-5, 1.5e-4],
            TrainingMethod::Head => &[1e-3, 5e-3],
            TrainingMethod::LowRank { .. } => &[5e-4, 2e-3],
        }
    }

    /// The first layer that is trained; the states before it never change.
    pub fn first_trained(self, n_layers: usize) -> usize {
        match self {
            TrainingMethod::Full | TrainingMethod::LowRank { .. } => 0,
            TrainingMethod::Head => n_layers,
            TrainingMethod::Last { layers } => n_layers.saturating_sub(layers),
        }
    }

    /// Freezes what is not trained, and adds what is; the head is in `params` already.
    ///
    /// # Errors
    /// An encoder whose layers share their weights where only some are to be trained.
    pub fn apply(self, encoder: &Encoder, params: &mut Params, seed: u64) -> Result<(), NnError> {
        let n_layers = encoder.n_layers();
        match self {
            TrainingMethod::Full => Ok(()),
            TrainingMethod::Head | TrainingMethod::Last { .. } => encoder
                .freeze_below(params, self.first_trained(n_layers))
                .map(|_| ()),
            TrainingMethod::LowRank { rank } => {
                encoder.freeze_below(params, n_layers)?;
                let above: Vec<String> = params
                    .iter()
                    .filter(|(id, _, _)| !params.is_frozen(*id))
                    .map(|(_, name, _)| name.to_string())
                    .collect();
                let config = LoraConfig {
                    rank,
                    ..LoraConfig::default()
                };
                lora::adapt(params, &config, seed, |name| {
                    is_attention_map(name) && !above.iter().any(|kept| kept == name)
                })?;
                params.unfreeze(|name| above.iter().any(|kept| kept == name));
                Ok(())
            }
        }
    }

    /// As [`TrainingMethod::apply`], of an encoder with a decoder, where no new head stands above.
    ///
    /// # Errors
    /// `Setting` for a method that trains what stands above the layers.
    pub fn apply_to_decoder(self, params: &mut Params, seed: u64) -> Result<(), MineError> {
        match self {
            TrainingMethod::Full => Ok(()),
            TrainingMethod::LowRank { rank } => {
                let config = LoraConfig {
                    rank,
                    ..LoraConfig::default()
                };
                Ok(lora::adapt(params, &config, seed, is_attention_map)?)
            }
            TrainingMethod::Head | TrainingMethod::Last { .. } => Err(MineError::Setting {
                setting: "method",
                value: self.words(),
                reason: "a model that writes texts is trained by `full` or `lora-N`",
            }),
        }
    }

    /// Ordinary weights again, all of them free.
    pub fn finish(self, params: &mut Params) -> Result<(), NnError> {
        if let TrainingMethod::LowRank { .. } = self {
            lora::merge(params)?;
        }
        params.unfreeze(|_| true);
        Ok(())
    }
}

/// True for the maps to queries and values, as every family names them.
fn is_attention_map(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".weight") else {
        return false;
    };
    let last = stem.rsplit('.').next().unwrap_or_default();
    ["query", "value", "q_lin", "v_lin", "q", "v", "Wqkv"].contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_others_refused() {
        for (word, method) in [
            ("full", TrainingMethod::Full),
            ("head", TrainingMethod::Head),
            ("last-3", TrainingMethod::Last { layers: 3 }),
            ("lora", TrainingMethod::LowRank { rank: 8 }),
            ("lora-16", TrainingMethod::LowRank { rank: 16 }),
        ] {
            assert_eq!(TrainingMethod::parse(word), Some(method), "{word}");
        }
        for word in ["", "last", "last-0", "last-x", "lora-0", "all", "lora-9999"] {
            assert_eq!(TrainingMethod::parse(word), None, "{word}");
        }
    }
}
