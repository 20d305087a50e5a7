//! Everything that the command prints goes through here: without secrets, without characters that
//! a terminal obeys beyond our own colours, and without a panic when nobody reads.

mod look;
mod table;
mod wrap;

use std::io::{self, Write};

use serde_json::Value;

use crate::error::CliError;
use gstm2sd::core::obeyed::is_obeyed;
use gstm2sd::core::redact::redact;
use indicatif::{ProgressBar, ProgressDrawTarget};

pub use self::look::{Color, Look, hold_columns};
pub use self::table::{Cell, Page, Set, Table, Tone};

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

/// A name as it may be shown in a line: without line feeds and tabs as well.
pub fn escape_name(name: &str) -> String {
    escape(name).replace('\n', "\\n").replace('\t', "\\t")
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

/// Prints a page as its terminal shows it best; see [`print`].
pub fn print_page(page: &Page) -> Result<(), CliError> {
    print_bytes(page.render(Look::of_stdout()).as_bytes())
}

/// Prints what a command of ours has printed, whose colours stay; see [`print`].
pub fn print_told(text: &str) -> Result<(), CliError> {
    let look = Look::of_stdout();
    print_bytes(told(&redact(text), look.has_colors).as_bytes())
}

/// The text with the colours that it has, or without any, and with nothing else that a terminal
/// obeys.
fn told(text: &str, has_colors: bool) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("\u{1b}[") {
        shown.push_str(&escape(&rest[..at]));
        let code = &rest[at + 2..];
        let end = code.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(code.len());
        let is_color = code[end..].starts_with('m');
        let length = at + 2 + end + usize::from(is_color);
        match (is_color, has_colors) {
            (true, true) => shown.push_str(&rest[at..length]),
            (true, false) => {}
            (false, _) => shown.push_str(&escape(&rest[at..length])),
        }
        rest = &rest[length..];
    }
    shown + &escape(rest)
}

/// The text of [`print_told`] without colours.
pub fn without_colors(text: &str) -> String {
    told(text, false)
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
    let _ = writeln!(io::stderr(), "{}", in_lines(text));
}

/// With further lines set in: those of a name must not look as if they were said.
fn in_lines(text: &str) -> String {
    printable(text).replace('\n', "\n  ")
}

/// Says a page as its terminal shows it best; see [`note`].
pub fn note_page(page: &Page) {
    let _ = write!(io::stderr(), "{}", page.render(Look::of_stderr()));
}

/// Says why the command has failed; see [`note`].
pub fn fail(text: &str) {
    let name = Tone::Bad.paint("m2sd:", Look::of_stderr());
    let _ = writeln!(io::stderr(), "{name} {}", in_lines(text));
}

/// Prints what clap says, in its colours where they are wanted and nothing in the arguments could
/// pass for one. On standard error for what is wrong, else on standard output.
pub fn explain(error: &clap::Error) -> Result<(), CliError> {
    let look = if error.use_stderr() { Look::of_stderr() } else { Look::of_stdout() };
    let is_plain = |arg: std::ffi::OsString| !arg.to_string_lossy().contains(is_obeyed);
    let has_colors = look.has_colors && std::env::args_os().all(is_plain);
    let text = error.render();
    let text = if has_colors { text.ansi().to_string() } else { text.to_string() };
    let text = told(&redact(&text), has_colors);
    if error.use_stderr() {
        let _ = writeln!(io::stderr(), "{}", text.trim_end());
        return Ok(());
    }
    print_bytes(text.as_bytes())
}

/// A bar on standard error, which a terminal that cannot draw lines anew does not show.
pub fn bar(length: Option<u64>) -> ProgressBar {
    let target = if look::can_redraw() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    ProgressBar::with_draw_target(length, target)
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
    fn of_what_a_scan_has_told_only_colours_are_obeyed() {
        let text = "a \u{1b}[1m\u{1b}[31mfake\u{1b}[0m b\u{1b}[2J\u{1b}]0;x\u{7}\u{1b}[";
        let rest = "b\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{1b}[";
        assert_eq!(told(text, true), format!("a \u{1b}[1m\u{1b}[31mfake\u{1b}[0m {rest}"));
        assert_eq!(told(text, false), format!("a fake {rest}"));
    }

    #[test]
    fn what_is_printed_has_no_passwords() {
        assert_eq!(printable("no way to rtsp://a:b@c"), "no way to rtsp://a:***@c");
    }
}
