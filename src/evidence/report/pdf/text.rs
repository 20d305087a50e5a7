//! Fonts, and texts as lines.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use krilla::geom::Point;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use parley::style::{FontFamily, FontFamilyName, GenericFamily};
use parley::{
    Alignment, FontContext, FontData, FontWeight, Layout, LayoutContext, LineHeight, OverflowWrap,
    StyleProperty,
};

use super::PdfError;
use super::color::{Color, FAKE, INK, QUIET, REAL, WARN};
use crate::evidence::report::document::{Span, Style};

/// What stands for a character that no font of the system has.
const MISSING: &str = "?";

/// How a text looks where its spans say nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// In points.
    pub(super) size: f32,
    pub(super) is_bold: bool,
    pub(super) is_code: bool,
    pub(super) color: Color,
}

impl Look {
    pub(super) const BODY: Self = Self { size: 10.0, is_bold: false, is_code: false, color: INK };
    pub(super) const SMALL: Self = Self { size: 8.5, is_bold: false, is_code: false, color: QUIET };
}

/// A text in lines of a width.
pub(super) struct Lines {
    text: String,
    layout: Layout<Color>,
}

impl Lines {
    /// Top and bottom of each line, from the text's top.
    pub(super) fn heights(&self) -> impl Iterator<Item = (f32, f32)> {
        let mut top = 0.0;
        self.layout.lines().map(move |line| {
            let from = top;
            top += line.metrics().line_height;
            (from, top)
        })
    }

    pub(super) fn height(&self) -> f32 {
        self.layout.height()
    }

    /// Of its longest line.
    pub(super) fn width(&self) -> f32 {
        self.layout.width()
    }
}

/// Makes lines of texts.
pub(super) struct Typesetter {
    fonts: FontContext,
    layouts: LayoutContext<Color>,
    /// Fonts as they go into the PDF, by their data and place in it.
    embedded: HashMap<(u64, u32), Font>,
}

impl Typesetter {
    /// # Errors
    /// [`PdfError::NoFonts`].
    pub(super) fn new() -> Result<Self, PdfError> {
        let mut fonts = FontContext::new();
        if fonts.collection.family_names().next().is_none() {
            return Err(PdfError::NoFonts);
        }
        Ok(Self { fonts, layouts: LayoutContext::new(), embedded: HashMap::new() })
    }

    /// The text in lines of this width in points; as one line without. Characters that cannot be printed
    /// are replaced.
    pub(super) fn set(&mut self, text: &[Span], look: Look, width: Option<f32>) -> Rc<Lines> {
        let lines = self.lines(text, look, width);
        let missing = missing(&lines);
        if missing.is_empty() {
            return Rc::new(lines);
        }
        Rc::new(self.lines(&without(text, &missing), look, width))
    }

    fn lines(&mut self, spans: &[Span], look: Look, width: Option<f32>) -> Lines {
        let text: String = spans.iter().map(|span| span.text.as_str()).collect();
        let mut builder = self.layouts.ranged_builder(&mut self.fonts, &text, 1.0, false);
        builder.push_default(family(look.is_code));
        builder.push_default(StyleProperty::FontSize(look.size));
        builder.push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(1.35)));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        builder.push_default(StyleProperty::Brush(look.color));
        if look.is_bold {
            builder.push_default(StyleProperty::FontWeight(FontWeight::BOLD));
        }
        let mut from = 0;
        for span in spans {
            let range = from..from + span.text.len();
            from = range.end;
            match &span.style {
                Style::Plain | Style::Link(_) => {}
                Style::Strong => builder.push(StyleProperty::FontWeight(FontWeight::BOLD), range),
                Style::Code => {
                    builder.push(family(true), range.clone());
                    builder.push(StyleProperty::FontSize(look.size * 0.92), range);
                }
                Style::Verdict => {
                    builder.push(StyleProperty::FontWeight(FontWeight::BOLD), range.clone());
                    builder.push(StyleProperty::Brush(verdict(&span.text)), range);
                }
            }
        }
        let mut layout = builder.build(&text);
        layout.break_all_lines(width);
        layout.align(Alignment::Start, Default::default());
        Lines { text, layout }
    }

    /// Draws a line with the text's top left corner at a place.
    ///
    /// # Errors
    /// [`PdfError::Font`].
    pub(super) fn draw(
        &mut self,
        lines: &Lines,
        number: usize,
        at: Point,
        surface: &mut Surface<'_>,
    ) -> Result<(), PdfError> {
        let Some(line) = lines.layout.get(number) else { return Ok(()) };
        let y = at.y + line.metrics().baseline;
        let mut x = at.x + line.metrics().offset;
        for run in line.runs() {
            let font = self.embed(run.font())?;
            let size = run.font_size();
            // Glyphs of one colour are drawn together.
            let mut together: Vec<KrillaGlyph> = Vec::new();
            let (mut style, mut from) = (None, x);
            let mut flush = |together: &mut Vec<KrillaGlyph>, style: Option<u16>, from: f32| {
                let style = style.and_then(|style| lines.layout.styles().get(usize::from(style)));
                if let (Some(style), false) = (style, together.is_empty()) {
                    surface.set_fill(Some(Fill { paint: style.brush.into(), ..Fill::default() }));
                    let place = Point::from_xy(from, y);
                    surface.draw_glyphs(place, together, font.clone(), &lines.text, size, false);
                }
                together.clear();
            };
            for cluster in run.visual_clusters() {
                if cluster.is_ligature_continuation() {
                    if let Some(glyph) = together.last_mut() {
                        glyph.text_range.end = cluster.text_range().end;
                    }
                    continue;
                }
                for glyph in cluster.glyphs() {
                    if style != Some(cluster.style_index()) {
                        flush(&mut together, style, from);
                        (style, from) = (Some(cluster.style_index()), x);
                    }
                    let parts = [glyph.advance, glyph.x, glyph.y].map(|part| part / size);
                    let [advance, dx, dy] = parts;
                    let id = GlyphId::new(glyph.id);
                    let range = cluster.text_range();
                    together.push(KrillaGlyph::new(id, advance, dx, dy, 0.0, range, None));
                    x += glyph.advance;
                }
            }
            flush(&mut together, style, from);
        }
        Ok(())
    }

    fn embed(&mut self, font: &FontData) -> Result<Font, PdfError> {
        let key = (font.data.id(), font.index);
        if let Some(font) = self.embedded.get(&key) {
            return Ok(font.clone());
        }
        let (data, _) = font.data.clone().into_raw_parts();
        let read = Font::new(data.into(), font.index);
        let read = read.ok_or_else(|| PdfError::Font { name: format!("no. {}", font.index) })?;
        self.embedded.insert(key, read.clone());
        Ok(read)
    }
}

fn family(is_code: bool) -> StyleProperty<'static, Color> {
    let generic = if is_code { GenericFamily::Monospace } else { GenericFamily::SansSerif };
    StyleProperty::FontFamily(FontFamily::Single(FontFamilyName::Generic(generic)))
}

/// The colour of a verdict.
fn verdict(label: &str) -> Color {
    match label {
        "fake" => FAKE,
        "real" => REAL,
        "uncertain" | "insufficient" => WARN,
        _ => INK,
    }
}

/// Where there are characters for which no font has a glyph.
fn missing(lines: &Lines) -> Vec<Range<usize>> {
    let runs = lines.layout.lines().flat_map(|line| line.runs().collect::<Vec<_>>());
    let clusters = runs.flat_map(|run| run.clusters().collect::<Vec<_>>());
    let without = clusters.filter(|cluster| cluster.glyphs().any(|glyph| glyph.id == 0));
    without.map(|cluster| cluster.text_range()).collect()
}

/// The same spans without these parts of their text.
fn without(spans: &[Span], missing: &[Range<usize>]) -> Vec<Span> {
    let mut at = 0;
    let replaced = spans.iter().map(|span| {
        let mut text = String::new();
        for character in span.text.chars() {
            let is_missing = missing.iter().any(|range| range.contains(&at));
            at += character.len_utf8();
            match is_missing {
                true => text.push_str(MISSING),
                false => text.push(character),
            }
        }
        Span::new(text, span.style.clone())
    });
    replaced.collect()
}
