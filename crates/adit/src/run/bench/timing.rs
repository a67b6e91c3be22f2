//! Medians of times, and the memory that work takes.

use std::time::Instant;

use crate::run::limits::peak_rss_bytes;
use crate::run::{Context, RunError};
use crate::store::forget_peak_memory;

/// The median of what `measure` gives, called `rounds` times, at least once.
pub fn median(
    rounds: usize,
    mut measure: impl FnMut() -> Result<f64, RunError>,
) -> Result<f64, RunError> {
    let mut found = (0..rounds.max(1))
        .map(|_| measure())
        .collect::<Result<Vec<f64>, _>>()?;
    found.sort_by(f64::total_cmp);
    Ok(found[found.len() / 2])
}

/// Seconds of one call of `work`, after some that warm up: the median of `rounds` measurements, each of as
/// many calls as take about `least` seconds together.
pub fn seconds_a_call(
    rounds: usize,
    least: f64,
    mut work: impl FnMut() -> Result<(), RunError>,
) -> Result<f64, RunError> {
    work()?;
    let mut of = |n: usize| {
        let started = Instant::now();
        for _ in 0..n {
            work()?;
        }
        Ok::<f64, RunError>(started.elapsed().as_secs_f64())
    };
    let mut n = 1;
    loop {
        let seconds = of(n)?;
        if 4.0 * seconds >= least {
            n = ((least / seconds * n as f64).ceil() as usize).max(1);
            break;
        }
        n *= 2;
    }
    median(rounds, || Ok(of(n)? / n as f64))
}

/// Runs `work`; gives the most memory that the process held meanwhile, in bytes, where the system says.
pub fn with_peak_memory<T>(
    work: impl FnOnce() -> Result<T, RunError>,
) -> Result<(T, Option<u64>), RunError> {
    let forgotten = forget_peak_memory();
    let done = work()?;
    Ok((done, forgotten.then(peak_rss_bytes).filter(|&n| n > 0)))
}

/// Tells the watch that `done` of `total` parts of `stage` are measured.
///
/// # Errors
/// `Interrupted`, where the watch says so.
pub fn step(
    context: &Context,
    stage: &str,
    (done, total): (usize, usize),
    note: &str,
) -> Result<(), RunError> {
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    context
        .watch
        .progress(stage, done as u64, total as u64, note);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_its_part_of_many() {
        let mut calls = 0;
        let seconds = seconds_a_call(3, 1e-3, || {
            calls += 1;
            std::thread::sleep(std::time::Duration::from_micros(50));
            Ok(())
        });
        let seconds = seconds.expect("a time");
        assert!(seconds >= 50e-6, "{seconds}");
        assert!(calls > 4, "{calls} calls");
    }

    #[test]
    fn memory_that_was_given_back_counts() {
        const SIZE: usize = 64 << 20;
        let work = || Ok(std::hint::black_box(vec![1u8; SIZE]).len());
        let (_, peak) = with_peak_memory(work).expect("a number");
        match peak {
            Some(peak) => assert!(peak >= SIZE as u64, "{peak}"),
            None => println!("skipped: this system does not say how much memory was held"),
        }
    }
}
