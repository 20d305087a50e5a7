//! What is wrong with a configuration, and in which line.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// A configuration that cannot be used.
#[derive(Clone, Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is no TOML, or not of this form.
    #[error("{}:{line}:{column}: {text}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the matter is.
        text: String,
    },
    /// It says what cannot be.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
}

/// Whether something can be lived with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It can.
    Warning,
    /// It cannot.
    Error,
}

/// Something that is wrong, and of which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it can be lived with.
    pub severity: Severity,
    /// The keys down to it, such as `camera`, `2`, `filter`, `threads`: numbers count from 0.
    pub path: Vec<String>,
    /// What was found, what is expected, what to do.
    pub text: String,
}

impl Problem {
    /// One that cannot be lived with.
    pub fn error(path: &[&str], text: impl Into<String>) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { severity: Severity::Error, path, text: text.into() }
    }

    /// One that can.
    pub fn warning(path: &[&str], text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, text) }
    }

    /// The same, of a key inside another.
    #[must_use]
    pub fn inside(mut self, outer: &[&str]) -> Self {
        self.path.splice(0..0, outer.iter().map(|part| (*part).to_owned()));
        self
    }

    /// As compilers say it: `watch.toml:12:3: error: …`.
    pub fn in_file(&self, file: &Path, positions: &Positions) -> String {
        let (line, column) = positions.find(&self.path);
        format!("{}:{line}:{column}: {self}", file.display())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}: {}", self.text)
    }
}

/// Where the keys of a file are.
#[derive(Clone, Debug, Default)]
pub struct Positions(Vec<(Vec<String>, (usize, usize))>);

impl Positions {
    /// # Errors
    /// When the text is no TOML.
    pub(super) fn of(text: &str) -> Result<Self, toml::de::Error> {
        let document = DeTable::parse(text)?;
        let mut found = Self::default();
        found.add_table(text, &mut Vec::new(), document.get_ref());
        Ok(found)
    }

    fn add_table(&mut self, text: &str, path: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.0.push((path.clone(), line_and_column(text, key.span().start)));
            self.add_value(text, path, value.get_ref());
            path.pop();
        }
    }

    fn add_value(&mut self, text: &str, path: &mut Vec<String>, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.add_table(text, path, table),
            DeValue::Array(array) => {
                for (number, item) in array.iter().enumerate() {
                    path.push(number.to_string());
                    self.0.push((path.clone(), line_and_column(text, item.span().start)));
                    self.add_value(text, path, item.get_ref());
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// Line and column, from 1, of the key; of what holds it where it is not in the file.
    pub fn find(&self, path: &[String]) -> (usize, usize) {
        let of = |part: &[String]| self.0.iter().find(|(key, _)| key == part).map(|(_, at)| *at);
        (1..=path.len()).rev().find_map(|length| of(&path[..length])).unwrap_or((1, 1))
    }
}

/// Line and column, from 1, of a byte; columns count characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
