//! Laws of the report.
