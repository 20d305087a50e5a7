//! Everything that the command prints goes through here: without secrets, without characters that
//! a terminal obeys, and without a panic when nobody reads.

use std::io::{self, Write};

use serde_json::Value;

use crate::error::CliError;
use gstm2sd::core::redact::redact;

/// Whether a character would change how a terminal shows what follows: control characters, and
/// those that turn the direction of a line.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text as it may be shown: `\u{1b}` stands for an escape character. Lines and tabs stay.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) && c != '\n' && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Without secrets, and as it may be shown.
fn printable(text: &str) -> String {
    escape(&redact(text))
}

/// A record as one line of JSON in which a terminal finds nothing to obey either.
pub fn json_line(record: &Value) -> String {
    let mut line = String::new();
    for c in record.to_string().chars() {
        if is_obeyed(c) {
            // Only inside strings, where this stands for the same character.
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// Prints to standard output.
///
/// # Errors
/// [`CliError::Closed`] when its reader has gone, [`CliError::Input`] when it cannot be written.
pub fn print(text: &str) -> Result<(), CliError> {
    print_bytes(printable(text).as_bytes())
}

/// Prints a line to standard output; see [`print`].
pub fn print_line(text: &str) -> Result<(), CliError> {
    print(&format!("{text}\n"))
}

/// Prints what is JSON already; see [`print`].
pub fn print_json(text: &str) -> Result<(), CliError> {
    print_bytes(text.as_bytes())
}

/// Prints a script of our own, as it is; see [`print`].
pub fn print_script(bytes: &[u8]) -> Result<(), CliError> {
    print_bytes(bytes)
}

fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::Closed,
        _ => CliError::input(format!("cannot write to standard output: {error}")),
    })
}

/// Says something to whoever runs the command, on standard error. That nobody may be there to read
/// it changes nothing.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terminals_get_nothing_to_obey() {
        assert_eq!(escape("a\u{1b}[2Jb\u{9b}c\rd\u{202e}"), "a\\u{1b}[2Jb\\u{9b}c\\rd\\u{202e}");
        assert_eq!(escape("Größe 3 ×\tzwei\nLinien"), "Größe 3 ×\tzwei\nLinien");
        let record = json!({ "title": "\u{1b}]0;x\u{7}\u{9b}é\u{202e}" });
        let line = json_line(&record);
        assert!(!line.trim_end().chars().any(is_obeyed), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), record);
    }

    #[test]
    fn what_is_printed_has_no_passwords() {
        assert_eq!(printable("no way to rtsp://a:b@c"), "no way to rtsp://a:***@c");
    }
}
