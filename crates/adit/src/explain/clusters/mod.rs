//! Clusters told to a person: names, differences, what holds and what does not.
//!
//! Enters: cells, texts and labels. Leaves: [`ClusterFindings`]. Not here: how clusters are found, how they are drawn.

mod dealt;
mod differences;
mod findings;
mod terms;
mod words;

pub use differences::{Compared, Difference, HeldOutColumn, held_out};
pub use findings::*;
pub use terms::{Term, terms};
pub(crate) use words::name_of_differences;
pub use words::{cluster_verdict, condition_words, difference_words};
