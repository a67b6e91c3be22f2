//! From predictions to decisions: what is fitted on held-out rows and applied to any others.
//!
//! Enters: predictions of rows that no model learned from, and their truth. Leaves: a [`Calibrator`], sets and
//! intervals of a stated coverage ([`Conformal`]), and a [`Rule`] that says where to act or to abstain. Not here: how
//! well they do on test rows, which `explain` measures.

mod abstain;
mod calibrator;
mod conformal;
mod costs;
mod decisions;
mod rule;

pub use abstain::Abstain;
pub use calibrator::{Calibrator, Fitted};
pub use conformal::{Conformal, Limits};
pub use costs::CostMatrix;
pub use decisions::{Decisions, Wanted, confidences};
pub use rule::{Aim, Alerts, Rule, counts_at, top_share};
