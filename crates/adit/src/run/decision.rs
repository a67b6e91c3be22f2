//! The part of a job that says how predictions become decisions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::mine::MineError;
use crate::mine::decide::{Aim, CostMatrix, Wanted};
use crate::prepare::Task;

/// How predictions become decisions; of costs, cost matrix, precision, recall and alerts at most one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionSection {
    /// Share of cases in which sets and intervals are to hold the truth, 0 < x < 1.
    pub coverage: f64,
    /// `{ false_positive = 1, false_negative = 5 }`: the threshold of least cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
    /// `{ scrap = { fine = 20 } }`: it costs 20 to say `fine` where `scrap` is true. Other mistakes cost 1, right
    /// answers nothing; the class of least expected cost is decided for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_matrix: BTreeMap<String, BTreeMap<String, f64>>,
    /// The threshold of the most recall at this precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// The threshold of the most precision at this recall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Share of the rows that may be alerted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<f64>,
    /// Rows are left unanswered where the error rate among answered ones would pass this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_error: Option<f64>,
}

/// What errors cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Of a false alarm.
    pub false_positive: f64,
    /// Of a miss.
    pub false_negative: f64,
}

impl Default for DecisionSection {
    fn default() -> Self {
        DecisionSection {
            coverage: 0.9,
            costs: None,
            cost_matrix: BTreeMap::new(),
            precision: None,
            recall: None,
            alerts: None,
            max_error: None,
        }
    }
}

impl DecisionSection {
    pub(super) fn is_default(&self) -> bool {
        *self == DecisionSection::default()
    }

    /// What is wanted of decisions about these classes; there are none where a number is predicted.
    ///
    /// # Errors
    /// The cost matrix names a class that is not there.
    pub fn wanted(&self, classes: &[String]) -> Result<Wanted, MineError> {
        let of_two = [
            ("costs", self.costs.is_some()),
            ("precision", self.precision.is_some()),
            ("recall", self.recall.is_some()),
            ("alerts", self.alerts.is_some()),
        ];
        if let Some((setting, _)) = of_two.iter().find(|of| of.1 && classes.len() != 2) {
            return Err(MineError::Setting {
                setting,
                value: format!("given for {} classes", classes.len()),
                reason: "a threshold is between two; what every mistake costs (`--cost TRUE,SAID,COST`) is for any number",
            });
        }
        let costs = self.costs.map(|c| Aim::Costs {
            false_positive: c.false_positive,
            false_negative: c.false_negative,
        });
        Ok(Wanted {
            level: self.coverage,
            aim: costs
                .or(self.precision.map(Aim::Precision))
                .or(self.recall.map(Aim::Recall))
                .or(self.alerts.map(Aim::Alerts)),
            costs: self.costs_of(classes)?,
            max_error: self.max_error,
        })
    }

    fn costs_of(&self, classes: &[String]) -> Result<Option<CostMatrix>, MineError> {
        if self.cost_matrix.is_empty() {
            return Ok(None);
        }
        let place = |class: &String| {
            let found = classes.iter().position(|name| name == class);
            found.ok_or_else(|| MineError::NoSuchClassToCost {
                class: class.clone(),
                classes: classes.to_vec(),
            })
        };
        let mut given = Vec::new();
        for (truth, row) in &self.cost_matrix {
            for (said, &cost) in row {
                given.push((place(truth)?, place(said)?, cost));
            }
        }
        CostMatrix::new(classes.len(), &given).map(Some)
    }

    /// What cannot be, if anything.
    pub(super) fn fault(&self, task: Task) -> Option<String> {
        let given = [
            ("costs", self.costs.is_some()),
            ("cost_matrix", !self.cost_matrix.is_empty()),
            ("precision", self.precision.is_some()),
            ("recall", self.recall.is_some()),
            ("alerts", self.alerts.is_some()),
        ];
        let aims: Vec<&str> = given.iter().filter(|g| g.1).map(|g| g.0).collect();
        if aims.len() > 1 {
            let keys = aims.join("` and `decision.");
            return Some(format!("`decision.{keys}` exclude each other"));
        }
        if let Some(key) = aims.first().filter(|_| task == Task::Regress) {
            return Some(format!(
                "`decision.{key}` is for classes, but a number is predicted"
            ));
        }
        if !(self.coverage > 0.0 && self.coverage < 1.0) {
            return Some("`decision.coverage` must lie between 0 and 1".into());
        }
        if self.max_error.is_some() && task == Task::Regress {
            return Some("`decision.max_error` is for classes, but a number is predicted".into());
        }
        if self.max_error == Some(1.0) {
            return Some("`decision.max_error` must lie below 1".into());
        }
        let shares = [
            ("precision", self.precision),
            ("recall", self.recall),
            ("alerts", self.alerts),
            ("max_error", self.max_error),
        ];
        let outside = |share: f64| !(share > 0.0 && share <= 1.0);
        if let Some((key, _)) = shares.iter().find(|(_, share)| share.is_some_and(outside)) {
            return Some(format!(
                "`decision.{key}` must lie above 0 and at most at 1"
            ));
        }
        let bad = |cost: f64| !(cost >= 0.0 && cost.is_finite());
        if let Some(cost) = self
            .cost_matrix
            .values()
            .flat_map(BTreeMap::values)
            .find(|c| bad(**c))
        {
            return Some(format!(
                "`decision.cost_matrix` must not be negative, but has {cost}"
            ));
        }
        let costs = self.costs.filter(|c| {
            bad(c.false_positive)
                || bad(c.false_negative)
                || c.false_positive + c.false_negative <= 0.0
        });
        costs.map(|_| "`decision.costs` must not be negative, nor both 0".into())
    }
}
