//! How a stream is to be written to: with or without colours, and how wide it is.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use clap::ValueEnum;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    // On terminals that know them, unless the environment says otherwise. No documentation of the
    // words: the help of every command would be longer by it.
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// What the arguments ask for, before they are parsed: usage errors and help have colours, too.
    pub fn asked(args: impl IntoIterator<Item = OsString>) -> Self {
        let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
        let mut asked = Self::default();
        while let Some(arg) = args.next() {
            let value = match arg.as_str() {
                "--" => break,
                "--color" => args.next(),
                other => other.strip_prefix("--color=").map(str::to_owned),
            };
            asked = value.and_then(|value| Self::from_str(&value, false).ok()).unwrap_or(asked);
        }
        asked
    }

    /// Decides for everything that is printed from here on, GStreamer's log included.
    pub fn hold(self) {
        let choice = match self {
            // Elsewhere a CI's logs have colours whatever their terminal is called.
            Self::Auto if !can_redraw() && !is_forced() => ColorChoice::Never,
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
        let is_asked = ["GST_DEBUG_NO_COLOR", "GST_DEBUG_COLOR_MODE"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
        if !is_asked && !has_colors(&std::io::stderr()) {
            // SAFETY: sets one number atomically, and needs no initialised GStreamer.
            unsafe { gst::ffi::gst_debug_set_color_mode(gst::ffi::GST_DEBUG_COLOR_MODE_OFF) };
        }
    }

    /// As clap has it.
    pub fn of_clap(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }
}

/// How a stream is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Of a terminal, in columns; `None` where lines may be as long as they are.
    pub width: Option<usize>,
    pub has_colors: bool,
}

impl Look {
    #[cfg(test)]
    pub const PLAIN: Self = Self { width: None, has_colors: false };

    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        Self { width: width(&stdout), has_colors: has_colors(&stdout) }
    }

    pub fn of_stderr() -> Self {
        let stderr = std::io::stderr();
        Self { width: width(&stderr), has_colors: has_colors(&stderr) }
    }
}

fn is_forced() -> bool {
    std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0")
}

fn has_colors(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Narrower terminals are not: they have not said how wide they are.
const LEAST_WIDTH: usize = 10;

/// What `--columns` says, which scans of several inputs hand on.
static COLUMNS: OnceLock<usize> = OnceLock::new();

/// Takes every stream for so wide.
pub fn hold_columns(columns: u16) {
    // Called once.
    let _ = COLUMNS.set(columns.into());
}

fn width(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    if let Some(columns) = COLUMNS.get() {
        return Some(*columns);
    }
    if !stream.is_terminal() {
        return None;
    }
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let found = || terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
    said.or_else(found).filter(|width| *width >= LEAST_WIDTH)
}

/// Whether the terminal of standard error can draw a line anew.
pub fn can_redraw() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_colours_counts_up_to_two_dashes() {
        let asked = |args: &[&str]| Color::asked(args.iter().map(OsString::from));
        assert_eq!(asked(&["m2sd", "scan"]), Color::Auto);
        assert_eq!(asked(&["m2sd", "--color=never", "scan"]), Color::Never);
        assert_eq!(asked(&["m2sd", "scan", "--color", "always"]), Color::Always);
        assert_eq!(asked(&["m2sd", "--color=always", "--color", "never"]), Color::Never);
        assert_eq!(asked(&["m2sd", "scan", "--", "--color=never"]), Color::Auto);
        assert_eq!(asked(&["m2sd", "--color=green", "--color"]), Color::Auto, "clap complains");
    }
}
