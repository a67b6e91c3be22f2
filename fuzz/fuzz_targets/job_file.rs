//! Any text as a job file: an error, or a job that reads the same after it was written.
#![no_main]

use std::path::Path;

use adit::run::Job;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let origin = Path::new("job.toml");
    let Ok(job) = Job::from_toml(text, origin) else {
        return;
    };
    let written = job.to_toml().expect("a job that was read can be written");
    let again = Job::from_toml(&written, origin).expect("a job that was written can be read");
    assert_eq!(job, again);
});
