//! Simulated data to learn Adit on, and to measure what a model can see; never shown without that word.
//!
//! Enters: a size and a seed. Leaves: tables, written to any sink. Not here: files, rooms.

pub mod cards;
