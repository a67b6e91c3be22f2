//! The only code that writes to disk: atomic folders and files, and the model store.
//!
//! Enters: bytes, Arrow batches, where a model is to be had. Leaves: finished files and folders,
//! and [`ModelDir`]s whose every byte was checked. Nothing half-written is ever seen under its
//! final name, and what was not committed is removed.
//!
//! The network is used in one place only: [`ModelStore::add`] with [`ModelSource::HuggingFace`] or
//! [`ModelSource::Pip`]. Everything else in Adit works without it.
//!
//! Not here: what the bytes mean, which files a run holds, loading weights.

mod atomic_file;
mod checkpoint;
mod error;
mod models;
mod npy;
mod partial;
mod peak_memory;
mod run_folder;
mod tables;

pub use atomic_file::{AtomicFile, write_atomic};
pub use checkpoint::{read_checkpoint, remove_checkpoint, write_checkpoint};
pub use error::StoreError;
pub use models::{
    AddOptions, ModelDir, ModelFile, ModelManifest, ModelSource, ModelStore, StoredModel,
};
pub use npy::{npy_bytes, npy_values};
pub use peak_memory::forget_peak_memory;
pub use run_folder::{RunFile, RunFolder};
pub use tables::{TableFormat, TableWriter, parquet_bytes, write_parquet};
