//! Tables and pages as wide as their terminal, or as wide as they need where there is none.

use std::fmt::Write;

use clap::builder::styling::{AnsiColor, Style};

use super::look::Look;
use super::wrap::{Paint, hanging, in_lines, width_of};
use super::{escape_name, printable};

/// What a word is about, beside what it says: a colour on terminals that have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Caution,
    Dim,
    Strong,
}

impl Tone {
    /// Of a face's label.
    pub fn of_label(label: &str) -> Self {
        match label {
            "fake" => Self::Bad,
            "real" => Self::Good,
            "uncertain" => Self::Caution,
            _ => Self::Dim,
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Caution => AnsiColor::Yellow.on_default(),
            Self::Dim => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }

    /// The text in its colour, where there are colours.
    pub fn paint(self, text: &str, look: Look) -> String {
        if !look.has_colors || self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// One thing in a table. Its text has no secrets and nothing that a terminal obeys.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: escape_name(&printable(text.as_ref())), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    Left,
    /// Numbers.
    Right,
    /// Words, in several lines if need be.
    Wrapped,
}

/// Columns under their titles.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Set)>,
    rows: Vec<Vec<Cell>>,
}

/// Columns that may be wrapped are not made narrower.
const LEAST_WRAPPED: usize = 16;

impl Table {
    /// Titles may be empty; if all are, none are shown.
    pub fn new<const N: usize>(columns: [(&str, Set); N]) -> Self {
        Self::of(columns)
    }

    /// As [`Self::new`].
    pub fn of<'a>(columns: impl IntoIterator<Item = (&'a str, Set)>) -> Self {
        let columns = columns.into_iter().map(|(title, set)| (title.to_owned(), set));
        Self { columns: columns.collect(), rows: Vec::new() }
    }

    /// Cells beyond the columns are not shown; those that are missing are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<_> = cells.into_iter().collect();
        row.resize(self.columns.len(), Cell::default());
        self.rows.push(row);
    }

    pub fn render(&self, look: Look) -> String {
        let natural: Vec<_> = (0..self.columns.len()).map(|column| self.natural(column)).collect();
        let Some(width) = look.width else { return self.lined(&natural, 2, look) };
        let gaps = natural.len().saturating_sub(1);
        for gap in [2, 1] {
            if natural.iter().sum::<usize>() + gap * gaps <= width {
                return self.lined(&natural, gap, look);
            }
        }
        match self.narrowed(&natural, width.saturating_sub(gaps)) {
            Some(widths) => self.lined(&widths, 1, look),
            None => self.listed(width, look),
        }
    }

    fn natural(&self, column: usize) -> usize {
        let title = self.columns.get(column).map_or(0, |(title, _)| width_of(title));
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width_of(&cell.text)).fold(title, usize::max)
    }

    /// Widths that take `room` together, if those of words can be made narrow enough.
    fn narrowed(&self, natural: &[usize], room: usize) -> Option<Vec<usize>> {
        let wraps = |at: usize| self.columns.get(at).is_some_and(|(_, set)| *set == Set::Wrapped);
        let fixed: usize = (0..natural.len()).filter(|at| !wraps(*at)).map(|at| natural[at]).sum();
        let mut left = room.checked_sub(fixed)?;
        let mut widths = natural.to_vec();
        // The narrowest first: what they do not need is for the others.
        let mut wrapped: Vec<_> = (0..natural.len()).filter(|at| wraps(*at)).collect();
        wrapped.sort_by_key(|at| natural[*at]);
        for (done, at) in wrapped.iter().enumerate() {
            let share = left / (wrapped.len() - done);
            widths[*at] = natural[*at].min(share);
            if widths[*at] < natural[*at].min(LEAST_WRAPPED) {
                return None;
            }
            left -= widths[*at];
        }
        (!wrapped.is_empty()).then_some(widths)
    }

    /// A line, or more, for each row.
    fn lined(&self, widths: &[usize], gap: usize, look: Look) -> String {
        let mut text = String::new();
        if self.columns.iter().any(|(title, _)| !title.is_empty()) {
            let titles = self.columns.iter().map(|(title, _)| Cell::new(title, Tone::Strong));
            self.line(&mut text, &titles.collect::<Vec<_>>(), widths, gap, look);
        }
        self.rows.iter().for_each(|row| self.line(&mut text, row, widths, gap, look));
        text
    }

    fn line(&self, text: &mut String, cells: &[Cell], widths: &[usize], gap: usize, look: Look) {
        let wrapped: Vec<_> =
            cells.iter().zip(widths).map(|(cell, width)| in_lines(&cell.text, *width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or_default();
        for number in 0..height {
            // Spaces are written once something follows them.
            let mut spaces = 0;
            for (at, cell) in cells.iter().enumerate() {
                let part = wrapped[at].get(number).map_or("", String::as_str);
                let pad = widths[at].saturating_sub(width_of(part));
                let is_right = self.columns[at].1 == Set::Right;
                spaces += if is_right { pad } else { 0 };
                if !part.is_empty() {
                    let _ = write!(text, "{:spaces$}{}", "", cell.tone.paint(part, look));
                    spaces = 0;
                }
                spaces += if is_right { gap } else { pad + gap };
            }
            text.push('\n');
        }
    }

    /// A line for each cell, behind the title of its column.
    fn listed(&self, width: usize, look: Look) -> String {
        let titles = self.columns.iter().map(|(title, _)| width_of(title));
        let indent = titles.max().unwrap_or_default();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            for ((title, _), cell) in self.columns.iter().zip(row) {
                if cell.text.is_empty() {
                    continue;
                }
                let head = match indent {
                    0 => String::new(),
                    _ => format!("{title}{:1$}", "", indent - width_of(title) + 2),
                };
                let paint = Paint {
                    head: &|head| Tone::Strong.paint(head, look),
                    words: &|words| cell.tone.paint(words, look),
                };
                text.push_str(&hanging(&head, &cell.text, Some(width), &paint));
            }
        }
        text
    }
}

/// What a command prints at once: paragraphs, things behind their names, and tables.
#[derive(Clone, Debug, Default)]
pub struct Page {
    blocks: Vec<Block>,
    /// Lines are no longer than that, in columns, wherever they go.
    measure: Option<usize>,
}

impl From<Table> for Page {
    fn from(table: Table) -> Self {
        Self { blocks: vec![Block::Table(table)], ..Self::default() }
    }
}

#[derive(Clone, Debug)]
enum Block {
    Text(String),
    Item { head: String, tone: Tone, text: String },
    Table(Table),
}

impl Page {
    pub fn with_measure(columns: usize) -> Self {
        Self { measure: Some(columns), ..Self::default() }
    }

    /// Lines, each of which is a paragraph.
    pub fn text(&mut self, text: impl AsRef<str>) {
        self.blocks.push(Block::Text(printable(text.as_ref())));
    }

    /// A paragraph that hangs behind a head. It is one: a name in it begins no line of its own.
    pub fn item(&mut self, head: impl AsRef<str>, tone: Tone, text: impl AsRef<str>) {
        let (head, text) = (printable(head.as_ref()), escape_name(&printable(text.as_ref())));
        self.blocks.push(Block::Item { head, tone, text });
    }

    pub fn table(&mut self, table: Table) {
        self.blocks.push(Block::Table(table));
    }

    pub fn render(&self, look: Look) -> String {
        let width = look.width.into_iter().chain(self.measure).min();
        let look = Look { width, ..look };
        let mut page = String::new();
        for block in &self.blocks {
            match block {
                Block::Text(text) => {
                    for line in text.lines() {
                        let start = line.len() - line.trim_start().len();
                        let (indent, words) = line.split_at(start);
                        page.push_str(&hanging(indent, words, look.width, &Paint::NONE));
                    }
                }
                Block::Item { head, tone, text } => {
                    let head_in_colour = |head: &str| tone.paint(head, look);
                    let paint = Paint { head: &head_in_colour, ..Paint::NONE };
                    page.push_str(&hanging(head, text, look.width, &paint));
                }
                Block::Table(table) => page.push_str(&table.render(look)),
            }
        }
        page
    }
}
