//! Writes simulated data with a job that runs on it.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::RunError;
use crate::simulated::cards::{CardHistories, Part};
use crate::store::{RunFolder, StoreError};

/// The job beside the simulated events.
const JOB: &str = "\
task = \"classify\"
title = \"Simulated card histories: fraud\"
seed = 1

[data]
inputs = [\"train_labels.csv\"]
test = [\"test_labels.csv\"]
target = \"fraud\"
positive = \"yes\"

[data.roles]
default = \"ignore\"
scheme = \"ignore\"

[events]
inputs = [\"events.csv\"]
entity = \"customer\"
time = \"posted_at\"
cutoff = \"until\"
";

/// Makes a folder of simulated card events, labels of customers, and `job.toml`.
///
/// # Errors
/// A folder that is there already, or what is wrong with the disk; nothing half-written stays.
pub fn demo_events(histories: &CardHistories, out: &Path) -> Result<PathBuf, RunError> {
    let folder = RunFolder::create(out, false)?;
    let write = |name: &str, table: &dyn Fn(&mut dyn Write) -> std::io::Result<()>| {
        let mut file = folder.create_file(name)?;
        table(&mut file).map_err(|source| StoreError::Io {
            action: "write",
            path: file.path().to_path_buf(),
            source,
        })?;
        file.finish()
    };
    write("events.csv", &|out| histories.write_events(out))?;
    write("train_labels.csv", &|out| {
        histories.write_labels(Part::Train, out)
    })?;
    write("test_labels.csv", &|out| {
        histories.write_labels(Part::Test, out)
    })?;
    folder.write("job.toml", JOB.as_bytes())?;
    Ok(folder.commit()?)
}
