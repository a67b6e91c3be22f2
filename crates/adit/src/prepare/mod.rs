//! Turns a table into a dataset: roles, cleaning, encoding, splits.
//!
//! Enters: a [`Table`](crate::source::Table) and its profile. Leaves: a [`Dataset`], a [`Split`] and
//! the [`Preparation`] that made them, fitted on training rows only and re-applied to any rows.
//! Not here: reading files, features of texts and rows (`represent`), judging (`explain`).

mod apply;
mod assign;
mod category;
mod dataset;
mod error;
mod event_table;
mod fit;
mod histories;
mod leaks;
mod load;
mod molecule;
mod near_copy;
mod nearest;
mod number;
mod overlap;
mod profiles;
mod role;
mod schema;
mod sorted_events;
mod split;
mod suspicion;
mod target;
mod text;
mod windows;

#[cfg(test)]
mod tests;

pub use assign::{RoleSettings, assign_roles, guess_task};
pub use dataset::*;
pub use error::PrepareError;
pub use event_table::{EventCells, EventTable, EventValues, HISTORY, HistoryCells, Span};
pub use fit::{Preparation, PrepareSettings};
pub use histories::{Events, Histories};
pub use load::{Words, WordsFound, load, load_counted, stream};
#[cfg(test)]
pub use molecule::molecule_column;
pub use overlap::rows_also_in_training;
pub use profiles::Profiles;
pub use role::*;
pub use sorted_events::{EventOrder, SortedEvents};
pub use split::{Fold, FoldSettings, SplitSettings, TestPart, folds, group_ids, split};
pub use suspicion::{Suspicion, suspicions};
pub use text::{normalise_text, number_name};
pub use windows::Windows;
