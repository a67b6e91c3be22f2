//! One grown tree, as it is kept and asked.

use serde::{Deserialize, Serialize};

use super::Column;

/// What a row is asked at a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// Up to `value` goes left, all where that is [`Question::ALL`]; missing goes left where `missing_left`.
    UpTo { value: f32, missing_left: bool },
    /// These category codes go left; sorted.
    Among(Vec<u32>),
}

/// A node: a question, or an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Node {
    Ask {
        column: u32,
        question: Question,
        left: u32,
        right: u32,
        /// How much the loss fell by asking.
        gain: f32,
        /// Training rows that came here.
        n: u32,
    },
    Leaf {
        value: f32,
        n: u32,
    },
}

/// A tree; its root is the first node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
}

impl Tree {
    /// The answer for one row.
    pub fn value(&self, columns: &[Column], row: usize) -> f32 {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Node::Leaf { value, .. } => return *value,
                Node::Ask {
                    column,
                    question,
                    left,
                    right,
                    ..
                } => {
                    let left_side = question.goes_left(&columns[*column as usize], row);
                    at = (if left_side { *left } else { *right }) as usize;
                }
            }
        }
    }

    /// Whether every node leads to a later one that is there, and every column is one of `n_columns`.
    pub fn is_sound(&self, n_columns: usize) -> bool {
        let n = self.nodes.len();
        let leads_on = |at: usize, to: u32| to as usize > at && (to as usize) < n;
        n > 0
            && self.nodes.iter().enumerate().all(|(at, node)| match node {
                Node::Leaf { value, .. } => value.is_finite(),
                Node::Ask {
                    column,
                    left,
                    right,
                    ..
                } => (*column as usize) < n_columns && leads_on(at, *left) && leads_on(at, *right),
            })
    }
}

impl Question {
    /// Above every number: all of them go left. Finite, so that it can be written as JSON.
    pub const ALL: f32 = f32::MAX;

    /// Whether a row of this column goes left; a column of another kind than in training never does.
    pub fn goes_left(&self, column: &Column, row: usize) -> bool {
        match (self, column) {
            (
                Question::UpTo {
                    value,
                    missing_left,
                },
                Column::Numbers(values),
            ) => {
                let x = values[row];
                if x.is_nan() {
                    *missing_left
                } else {
                    x <= *value || *value == Question::ALL
                }
            }
            (Question::Among(set), Column::Categories { codes, .. }) => {
                set.binary_search(&codes[row]).is_ok()
            }
            _ => false,
        }
    }
}
