//! Tests of the workspace as a whole. They live in `tests/`; this crate exports nothing. Tests
//! that start the `drawloom` binary live with it, in `cli/tests/`.
