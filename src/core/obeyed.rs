//! Characters that readers and terminals obey and do not show.

/// Whether a character changes how what follows is shown: control characters, and those that turn the
/// direction of a line.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
