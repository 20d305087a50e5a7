//! What a report says, before it is a page or a PDF.

use crate::core::obeyed::is_obeyed;

/// A report.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Document {
    /// What was scanned.
    pub(super) title: String,
    /// What comes before the first section.
    pub(super) summary: Vec<Block>,
    pub(super) sections: Vec<Section>,
    pub(super) footer: Text,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    /// What links lead to; unique in the document.
    pub(super) id: String,
    pub(super) heading: Text,
    pub(super) blocks: Vec<Block>,
}

/// What stands below another on a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    /// Of a part of a section.
    Heading(String),
    Paragraph(Text),
    /// What is said in passing.
    Note(Text),
    Warning(Text),
    List(Vec<Text>),
    /// To copy into a terminal.
    Command(String),
    /// Names and what they are.
    Facts(Vec<(String, Text)>),
    Table(Table),
    Drawing(Drawing),
    /// Beside each other where there is room.
    Pictures(Vec<Picture>),
    /// What most readers pass over: folded on a screen, open on paper.
    Folded {
        summary: String,
        blocks: Vec<Block>,
    },
}

/// A paragraph's parts.
pub(super) type Text = Vec<Span>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) style: Style,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Style {
    Plain,
    Strong,
    Code,
    /// A verdict, which is its own text.
    Verdict,
    /// To the section of this id.
    Link(String),
}

/// A text without what readers would obey and not see.
pub(super) fn visible(text: impl Into<String>) -> String {
    let text = text.into();
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}

impl Span {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: visible(text), style }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::Plain)
    }

    pub(super) fn strong(text: impl Into<String>) -> Self {
        Self::new(text, Style::Strong)
    }

    pub(super) fn code(text: impl Into<String>) -> Self {
        Self::new(text, Style::Code)
    }

    pub(super) fn verdict(label: impl Into<String>) -> Self {
        Self::new(label, Style::Verdict)
    }
}

/// A text of one style.
pub(super) fn plain(text: impl Into<String>) -> Text {
    vec![Span::plain(text)]
}

/// Rows that begin with what they are of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// What is in it.
    pub(super) name: String,
    /// Whether readers see the name, or hear it only.
    pub(super) shows_name: bool,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Span>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) align: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Start,
    /// Of numbers.
    End,
}

impl Column {
    pub(super) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), align: Align::Start }
    }

    pub(super) fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), align: Align::End }
    }
}

/// A photograph.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) jpeg: Option<Vec<u8>>,
    /// For whoever cannot see it.
    pub(super) alt: String,
    pub(super) caption: String,
    pub(super) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A face.
    Square,
    /// Faces in a row, of a width in heights.
    Strip(u32),
}

/// A drawing in units of its own: y grows downwards.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawing {
    pub(super) kind: DrawingKind,
    /// Width and height.
    pub(super) size: [f64; 2],
    /// For whoever cannot see it.
    pub(super) alt: String,
    pub(super) caption: String,
    /// A JPEG photograph below the marks, of the drawing's shape.
    pub(super) backdrop: Option<Vec<u8>>,
    pub(super) marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrawingKind {
    /// As wide as the page.
    Timeline,
    /// Of a video's picture: half as wide.
    Path,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    Rect { ink: Ink, x: f64, y: f64, width: f64, height: f64 },
    Line { ink: Ink, points: Vec<[f64; 2]> },
    Label { at: [f64; 2], anchor: Anchor, text: String },
}

/// What a line or area stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Grid,
    /// What could not be judged.
    Gate,
    Threshold,
    Clip,
    Frames,
    /// Of the picture.
    Border,
    /// Below a line on a photograph.
    Halo,
    /// Of a box.
    Way,
    FirstBox,
    LastBox,
}

impl Ink {
    /// As pages name it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Gate => "gate",
            Self::Threshold => "threshold",
            Self::Clip => "clip",
            Self::Frames => "frames",
            Self::Border => "border",
            Self::Halo => "halo",
            Self::Way => "way",
            Self::FirstBox => "first",
            Self::LastBox => "last",
        }
    }
}

/// Which part of a label is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Middle,
    End,
}
