//! The models of a run: finding and loading them, and what happens when they fail.

pub mod error;
pub mod finding;
pub mod loading;
pub mod supervisor;
