//! Drawings in the colours of paper.

use krilla::image::Image;

use super::PdfError;
use super::color::{Color, GATE, INK, LINE, MARK, PANEL, PAPER, WARN};
use super::layout::{Paint, Pen, Shape, at};
use super::text::{Look, Typesetter};
use crate::evidence::report::document::{Anchor, Drawing, Ink, Mark, plain};

const LABEL: Look = Look { size: 7.0, ..Look::SMALL };

/// The marks of a drawing, with its top left corner at a place and of a scale.
pub(super) fn shapes(
    drawing: &Drawing,
    [left, top]: [f32; 2],
    scale: f32,
    typesetter: &mut Typesetter,
) -> Result<Vec<Shape>, PdfError> {
    let [width, height] = drawing.size.map(|side| side as f32 * scale);
    let ground = Paint::Fill(PANEL);
    let mut shapes = vec![Shape::Rect { x: left, y: top, width, height, paint: ground }];
    if let Some(jpeg) = &drawing.backdrop {
        shapes.push(Shape::Image { image: image(jpeg)?, x: left, y: top, width, height });
    }
    let place = |[x, y]: [f64; 2]| [left + x as f32 * scale, top + y as f32 * scale];
    for mark in &drawing.marks {
        match mark {
            Mark::Rect { ink, x, y, width, height } => {
                let [x, y] = place([*x, *y]);
                let [width, height] = [*width, *height].map(|side| side as f32 * scale);
                let paint = match ink {
                    Ink::Gate => Paint::Fill(GATE),
                    ink => Paint::Outline(pen(*ink)),
                };
                shapes.push(Shape::Rect { x, y, width, height, paint });
            }
            Mark::Line { ink, points } => {
                let points = points.iter().map(|point| place(*point)).collect();
                shapes.push(Shape::Path { points, pen: pen(*ink) });
            }
            Mark::Label { at: point, anchor, text } => {
                let lines = typesetter.set(&plain(text), LABEL, None);
                let [x, y] = place(*point);
                let before = match anchor {
                    Anchor::Middle => lines.width() / 2.0,
                    Anchor::End => lines.width(),
                };
                // Its place is that of the letters' feet.
                shapes.extend(at(&lines, x - before, y - LABEL.size));
            }
        }
    }
    Ok(shapes)
}

/// A JPEG picture for a PDF.
///
/// # Errors
/// [`PdfError::Picture`].
pub(super) fn image(jpeg: &[u8]) -> Result<Image, PdfError> {
    Image::from_jpeg(jpeg.to_vec().into(), true).map_err(|why| PdfError::Picture { why })
}

fn pen(ink: Ink) -> Pen {
    let solid = |color: Color, width| Pen { color, width, dash: None, opacity: 1.0 };
    match ink {
        Ink::Grid | Ink::Gate | Ink::Border => solid(LINE, 0.6),
        Ink::Threshold => Pen { dash: Some([4.0, 3.0]), ..solid(WARN, 1.0) },
        Ink::Clip => Pen { opacity: 0.55, ..solid(MARK, 2.6) },
        Ink::Frames => solid(INK, 0.7),
        Ink::FirstBox => Pen { dash: Some([1.5, 2.0]), ..solid(MARK, 1.2) },
        Ink::LastBox | Ink::Way => solid(MARK, 1.2),
        Ink::Halo => solid(PAPER, 2.4),
    }
}
