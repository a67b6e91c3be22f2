//! How far the work is: bars with time left on a terminal, a few plain lines otherwise.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use adit::Watch;
use indicatif::{ProgressBar, ProgressStyle};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// At most one plain line in this time, a stage.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows progress on standard error.
pub struct Progress {
    kind: Kind,
}

enum Kind {
    Quiet,
    Bar(Mutex<Option<(String, ProgressBar)>>),
    Plain(Mutex<PlainStage>),
}

#[derive(Default)]
struct PlainStage {
    name: String,
    started: Option<Instant>,
    last_line: Option<Instant>,
}

/// Turns Ctrl-C and a polite kill into a request to stop; a second one ends the process at once.
pub fn catch_interrupts() {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(3);
        }
    };
    // Without a handler Ctrl-C still ends the process, and the partial folder is removed by the next run.
    let _ = ctrlc::set_handler(handler);
}

impl Progress {
    pub fn new(quiet: bool) -> Progress {
        let kind = if quiet {
            Kind::Quiet
        } else if std::io::stderr().is_terminal() {
            Kind::Bar(Mutex::new(None))
        } else {
            Kind::Plain(Mutex::default())
        };
        Progress { kind }
    }

    /// Clears the bar, so that results stand alone.
    pub fn finish(&self) {
        if let Kind::Bar(current) = &self.kind
            && let Ok(mut current) = current.lock()
            && let Some((_, bar)) = current.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn cancelled(&self) -> bool {
        INTERRUPTED.load(Ordering::SeqCst)
    }

    fn progress(&self, stage: &str, done: u64, total: u64, note: &str) {
        match &self.kind {
            Kind::Quiet => {}
            Kind::Bar(current) => {
                if let Ok(mut current) = current.lock() {
                    draw(&mut current, stage, done, total, note);
                }
            }
            Kind::Plain(state) => {
                if let Ok(mut state) = state.lock() {
                    plain(&mut state, stage, done, total, note);
                }
            }
        }
    }
}

fn draw(
    current: &mut Option<(String, ProgressBar)>,
    stage: &str,
    done: u64,
    total: u64,
    note: &str,
) {
    let same = current.as_ref().is_some_and(|(name, _)| name == stage);
    if !same {
        if let Some((_, old)) = current.take() {
            old.finish_and_clear();
        }
        let bar = ProgressBar::new(total);
        let template = "{prefix:.bold} {wide_bar:.cyan/dim} {percent:>3}%  {eta:>4} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(stage.to_string());
        *current = Some((stage.to_string(), bar));
    }
    if let Some((_, bar)) = current {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(note.to_string());
    }
}

fn plain(state: &mut PlainStage, stage: &str, done: u64, total: u64, note: &str) {
    let now = Instant::now();
    if state.name != stage {
        state.name = stage.to_string();
        state.started = Some(now);
        state.last_line = Some(now);
        eprintln!("{stage} …");
        return;
    }
    let due = state.last_line.is_none_or(|t| now - t >= PLAIN_LINE_EVERY);
    if !due || done == 0 || total == 0 {
        return;
    }
    state.last_line = Some(now);
    let passed = state
        .started
        .map_or(Duration::ZERO, |t| now - t)
        .as_secs_f64();
    let left = passed * (total.saturating_sub(done)) as f64 / done as f64;
    let note = if note.is_empty() {
        String::new()
    } else {
        format!(", {note}")
    };
    eprintln!(
        "{stage}: {}%, about {} left{note}",
        100 * done / total,
        duration(left)
    );
}

/// `8 s`, `4 min 10 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let s = seconds.round().max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_like_a_person_says_them() {
        assert_eq!(duration(7.6), "8 s");
        assert_eq!(duration(250.0), "4 min 10 s");
        assert_eq!(duration(7500.0), "2 h 5 min");
    }
}
