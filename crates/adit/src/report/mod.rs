//! Renders findings: HTML and JSON. Escaping lives here.
