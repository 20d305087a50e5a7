//! Numbers of things in sentences.

use std::fmt::Display;

/// So many of `one`, whose plural ends in `s`.
///
/// ```
/// use gstm2sd::core::counted::counted;
///
/// assert_eq!(counted(1, "frame"), "1 frame");
/// assert_eq!(counted(0, "frame"), "0 frames");
/// ```
pub fn counted(count: impl Display, one: &str) -> String {
    let count = count.to_string();
    let ending = if count == "1" { "" } else { "s" };
    format!("{count} {one}{ending}")
}
