//! All that is decided from a member's predictions.

use serde::{Deserialize, Serialize};

use super::{Abstain, Aim, Calibrator, Conformal, CostMatrix, Rule};
use crate::mine::{MineError, Predictions};
use crate::prepare::Target;

/// What is wanted of decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Share of cases in which sets and intervals are to hold the truth.
    pub level: f64,
    pub aim: Option<Aim>,
    /// Of any number of classes: what every mistake costs.
    pub costs: Option<CostMatrix>,
    pub max_error: Option<f64>,
}

/// How a member's predictions are calibrated and turned into decisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decisions {
    pub calibrator: Calibrator,
    /// Mean log loss on held-out rows before and after calibration, the latter cross-validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<(f64, f64)>,
    /// Of two classes: when the positive one is decided for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// What every mistake costs; the class of least expected cost is decided for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub costs: Option<CostMatrix>,
    /// Absent where the held-out rows are too few for the level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conformal: Option<Conformal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abstain: Option<Abstain>,
}

impl Decisions {
    /// Fits what is wanted on held-out rows; gives the calibrated predictions of these rows too.
    ///
    /// # Errors
    /// Predictions that are not those of the target's rows; an aim that cannot be.
    pub fn fit(
        held_out: &Predictions,
        target: &Target,
        positive: Option<usize>,
        wanted: &Wanted,
    ) -> Result<(Decisions, Predictions), MineError> {
        let fitted = Calibrator::fit(held_out, target)?;
        let calibrator = fitted.calibrator;
        let calibrated = calibrator.apply(held_out);
        let mut decisions = Decisions {
            conformal: Conformal::fit(&calibrated, target, wanted.level)?,
            calibrator,
            log_loss: fitted.log_loss,
            rule: None,
            costs: wanted.costs.clone(),
            abstain: None,
        };
        let Target::Classes { codes, .. } = target else {
            return Ok((decisions, calibrated));
        };
        if let (Some(aim), Some(positive)) = (wanted.aim, positive) {
            let chances = calibrated.class(positive).ok_or(MineError::WrongTarget)?;
            let truth: Vec<bool> = codes.iter().map(|&c| c as usize == positive).collect();
            decisions.rule = Some(Rule::fit(aim, &chances, &truth)?);
        }
        if let Some(max_error) = wanted.max_error {
            let decided = decisions.decided(&calibrated, positive).unwrap_or_default();
            let confidence = confidences(&calibrated, &decided);
            let right: Vec<bool> = decided.iter().zip(codes).map(|(d, c)| d == c).collect();
            decisions.abstain = Some(Abstain::fit(max_error, &confidence, &right)?);
        }
        Ok((decisions, calibrated))
    }

    /// How probabilities are calibrated, and what that gained, in words.
    pub fn calibration_words(&self) -> Option<String> {
        let words = self.calibrator.words()?;
        Some(match self.log_loss {
            Some((before, after)) => {
                format!("{words} (held-out log loss {before:.4} to {after:.4})")
            }
            None => words,
        })
    }

    /// The threshold on the probability of the positive class, where one was chosen.
    pub fn threshold(&self) -> Option<f64> {
        self.rule.map(|rule| rule.threshold)
    }

    /// The class decided for in each row of calibrated predictions; `None` for numbers.
    pub fn decided(&self, calibrated: &Predictions, positive: Option<usize>) -> Option<Vec<u32>> {
        if let Some(costs) = &self.costs {
            return costs.decide(calibrated);
        }
        match (self.threshold(), positive, calibrated.n_classes()) {
            (Some(threshold), Some(positive), Some(2)) => {
                let chances = calibrated.class(positive)?;
                let decide = |p: f32| {
                    if f64::from(p) >= threshold {
                        positive
                    } else {
                        1 - positive
                    }
                };
                Some(chances.into_iter().map(|p| decide(p) as u32).collect())
            }
            _ => calibrated.argmax(),
        }
    }
}

/// The probability of the class that is decided for, row by row.
pub fn confidences(calibrated: &Predictions, decided: &[u32]) -> Vec<f32> {
    match calibrated {
        Predictions::Probabilities { n_classes, values } => values
            .chunks_exact(*n_classes)
            .zip(decided)
            .map(|(row, &class)| row[class as usize])
            .collect(),
        Predictions::Numbers(_) => Vec::new(),
    }
}
