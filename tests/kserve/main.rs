//! Networks that real inference servers run.
