//! How tables are computed: embedded DataFusion behind a synchronous doorway.
