//! Pages as PDF.

use std::collections::HashMap;

use krilla::Document as Pdf;
use krilla::SerializeSettings;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke, StrokeDash};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, SpanTag, TagGroup, TagTree};

use super::PdfError;
use super::layout::{Child, MARGIN, Meaning, NodeId, PAGE, Pages, Paint, Pen, Shape};
use super::text::{Look, Typesetter};
use crate::evidence::report::document::{Document, plain};

const LANGUAGE: &str = "en";

/// What was drawn, by its page and place in it.
type Identifiers = HashMap<(usize, usize), Identifier>;

pub(super) fn write(
    document: &Document,
    pages: Pages,
    typesetter: &mut Typesetter,
) -> Result<Vec<u8>, PdfError> {
    let configuration =
        ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1);
    let configuration = configuration.finish().map_err(|_| PdfError::Standard)?;
    let mut pdf = Pdf::new_with(SerializeSettings { configuration, ..Default::default() });
    let mut identifiers = Identifiers::new();
    for number in 0..pages.pages.len() {
        write_page(document, &pages, number, typesetter, &mut pdf, &mut identifiers)?;
    }
    let mut tree = TagTree::new().with_lang(Some(LANGUAGE.to_owned()));
    tree.push(group(&pages, Pages::ROOT, &mut identifiers));
    pdf.set_tag_tree(tree);
    let mut outline = Outline::new();
    for bookmark in &pages.bookmarks {
        let place = XyzDestination::new(bookmark.page, Point::from_xy(0.0, bookmark.y));
        outline.push_child(OutlineNode::new(bookmark.name.clone(), place));
    }
    pdf.set_outline(outline);
    let metadata = Metadata::new()
        .title(format!("Report: {}", document.title))
        .language(LANGUAGE.to_owned())
        .creator(concat!("m2sd ", env!("CARGO_PKG_VERSION")).to_owned());
    pdf.set_metadata(metadata);
    Ok(pdf.finish()?)
}

fn write_page(
    document: &Document,
    pages: &Pages,
    number: usize,
    typesetter: &mut Typesetter,
    pdf: &mut Pdf,
    identifiers: &mut Identifiers,
) -> Result<(), PdfError> {
    let settings = PageSettings::from_wh(PAGE[0], PAGE[1]).unwrap_or_default();
    let mut page = pdf.start_page_with(settings);
    let mut surface = page.surface();
    for (place, placed) in pages.pages.get(number).into_iter().flatten().enumerate() {
        let tag = match (&placed.meaning, placed.shapes.as_slice()) {
            (Meaning::Ornament, _) => {
                ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout))
            }
            (Meaning::Content, [Shape::Line { .. }, ..]) => ContentTag::Span(SpanTag::empty()),
            (Meaning::Content, _) => ContentTag::Other,
        };
        let identifier = surface.start_tagged(tag);
        let drawn =
            placed.shapes.iter().try_for_each(|shape| draw(shape, typesetter, &mut surface));
        // Each begun has an end, whatever comes between.
        surface.end_tagged();
        drawn?;
        if matches!(placed.meaning, Meaning::Content) {
            identifiers.insert((number, place), identifier);
        }
    }
    let footer = format!("Report: {} · {} of {}", document.title, number + 1, pages.pages.len());
    let lines = typesetter.set(&plain(footer), Look::SMALL, None);
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
    let at = Point::from_xy(MARGIN, PAGE[1] - MARGIN);
    let drawn = typesetter.draw(&lines, 0, at, &mut surface);
    surface.end_tagged();
    surface.finish();
    page.finish();
    drawn
}

fn draw(
    shape: &Shape,
    typesetter: &mut Typesetter,
    surface: &mut Surface<'_>,
) -> Result<(), PdfError> {
    match shape {
        Shape::Line { lines, number, x, y } => {
            surface.set_stroke(None);
            typesetter.draw(lines, *number, Point::from_xy(*x, *y), surface)?;
        }
        Shape::Rect { x, y, width, height, paint } => {
            let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) else { return Ok(()) };
            let mut path = PathBuilder::new();
            path.push_rect(rect);
            match paint {
                Paint::Fill(color) => {
                    surface.set_stroke(None);
                    surface.set_fill(Some(Fill { paint: (*color).into(), ..Fill::default() }));
                }
                Paint::Outline(pen) => {
                    surface.set_fill(None);
                    surface.set_stroke(Some(stroke(*pen)));
                }
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Shape::Path { points, pen } => {
            let mut path = PathBuilder::new();
            for (n, [x, y]) in points.iter().enumerate() {
                if n == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
            }
            surface.set_fill(None);
            surface.set_stroke(Some(stroke(*pen)));
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Shape::Image { image, x, y, width, height } => {
            if let Some(size) = Size::from_wh(*width, *height) {
                surface.push_transform(&Transform::from_translate(*x, *y));
                surface.draw_image(image.clone(), size);
                surface.pop();
            }
        }
    }
    Ok(())
}

fn stroke(pen: Pen) -> Stroke {
    Stroke {
        paint: pen.color.into(),
        width: pen.width,
        opacity: NormalizedF32::new(pen.opacity).unwrap_or(NormalizedF32::ONE),
        dash: pen.dash.map(|[on, off]| StrokeDash { array: vec![on, off], offset: 0.0 }),
        ..Stroke::default()
    }
}

/// A node with all that is below it.
fn group(pages: &Pages, id: NodeId, identifiers: &mut Identifiers) -> TagGroup {
    let Some(node) = pages.node(id) else { return TagGroup::new(krilla::tagging::Tag::NonStruct) };
    let mut group = TagGroup::new(node.tag.clone());
    for child in &node.children {
        match child {
            Child::Node(id) => group.push(self::group(pages, *id, identifiers)),
            Child::Content { page, place } => {
                if let Some(identifier) = identifiers.remove(&(*page, *place)) {
                    group.push(identifier);
                }
            }
        }
    }
    group
}
