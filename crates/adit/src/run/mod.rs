//! The only code that knows all rooms: job file, plan, limits, progress.
