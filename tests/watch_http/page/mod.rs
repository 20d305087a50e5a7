//! The page in a real browser, against a running server with made-up cameras.

mod looks;
mod scenes;
mod use_of;
