//! The blend of members, as a member like any other.

use super::RunError;
use super::arena::{Arena, TrainedMember};
use super::plan::HeldOut;
use super::saved::MemberKind;
use crate::explain::MemberRole;
use crate::mine::Predictions;
use crate::mine::blend::{blend_weights, cross_blended, weighted_mean};

/// Parts in which rows of one validation part are blended by weights that the others chose.
const PARTS: usize = 5;
/// Fewer held-out rows than this choose no weights.
const ENOUGH_ROWS: usize = 50;

impl Arena<'_> {
    /// A weighted mean of the members that look at features; nothing where fewer than two of them get weight.
    ///
    /// Its own held-out predictions are made by weights that never saw their rows.
    pub fn blend(&self, members: &[TrainedMember]) -> Result<Option<TrainedMember>, RunError> {
        let able = |member: &&TrainedMember| member.role != MemberRole::Baseline;
        let parts: Vec<&TrainedMember> = members.iter().filter(able).collect();
        if parts.len() < 2 || self.plan.held_out.len() < ENOUGH_ROWS {
            return Ok(None);
        }
        let target = self.held_out_target();
        let held: Vec<&Predictions> = parts.iter().map(|m| &m.held_out.predictions).collect();
        let all: Vec<usize> = (0..self.plan.held_out.len()).collect();
        let weights = blend_weights(&held, &target, &all)?;
        let chosen: Vec<(&TrainedMember, f64)> = (parts.iter().copied())
            .zip(weights.iter().copied())
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        if chosen.len() < 2 {
            return Ok(None);
        }
        let crossed = cross_blended(&held, &target, &self.blend_parts())?;
        let tests: Vec<&Predictions> = parts.iter().map(|m| &m.test).collect();
        let test = weighted_mean(&tests, &weights)?;
        let named = |(member, weight): &(&TrainedMember, f64)| (member.name.clone(), *weight);
        let kind = MemberKind::Blend {
            parts: chosen.iter().map(named).collect(),
        };
        let words = |(member, weight): &(&TrainedMember, f64)| {
            (member.name.clone(), format!("{:.0}%", 100.0 * weight))
        };
        let held_out = HeldOut {
            fold_scores: self.fold_scores(&crossed),
            predictions: crossed,
        };
        Ok(Some(TrainedMember {
            settings: chosen.iter().map(words).collect(),
            ..self.member(("blend".into(), MemberRole::Blend), kind, held_out, test)
        }))
    }

    /// The folds, or parts of the one validation part.
    fn blend_parts(&self) -> Vec<Vec<usize>> {
        if self.plan.is_crossed() {
            return self.plan.places();
        }
        let n = self.plan.held_out.len();
        (0..PARTS)
            .map(|part| (part..n).step_by(PARTS).collect())
            .collect()
    }
}
