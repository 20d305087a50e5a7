//! Boxes and labels on the frames.
//!
//! A drawing is a `GstVideoOverlayComposition`: four thin one-colour rectangles for a box and one
//! picture for its label, which is rendered anew only when its text changes. It is attached to the
//! frame when downstream draws such things itself, else blended in by GStreamer's own code, which
//! knows every format, face by face.

use std::collections::HashMap;

use gst_video::{VideoFormat, VideoFrameRef, VideoOverlayComposition, VideoOverlayRectangle};

use super::attach::pixel_rect;
use super::messages::ClassifierName;
use super::outbox::{FrameFace, Judgement};
use super::part;
use crate::core::geometry::CropRect;
use crate::core::score::Label;

/// Red, green, blue in 0..=1.
type Colour = (f64, f64, f64);

/// Yellow for fake and cyan for real, as the reference draws them.
fn colour(label: Label) -> Colour {
    match label {
        Label::Fake => (1.0, 1.0, 0.0),
        Label::Real => (0.0, 1.0, 1.0),
        Label::Uncertain => (1.0, 0.6, 0.0),
        Label::Insufficient => (1.0, 1.0, 1.0),
    }
}

/// What stands above a face's box.
fn text(face: &FrameFace, judgement: &Judgement, classifier: &ClassifierName) -> String {
    let track = face.track.map_or(String::new(), |track| format!(" #{}", track.0));
    let label = match (judgement.score, judgement.label) {
        (None, _) => "…".to_owned(),
        (Some(score), label) => format!("{} {:.3}", label.as_str(), score.fake.get()),
    };
    let warning = if classifier.trained { "" } else { "UNTRAINED " };
    format!("{warning}{label}{track}")
}

/// A rendered label: its pixels, premultiplied, and their size.
#[derive(Clone)]
struct Picture {
    pixels: gst::Buffer,
    width: u32,
    height: u32,
}

/// Cached labels beyond which the cache starts anew.
const MAX_PICTURES: usize = 64;

/// Draws for frames of one size.
pub struct Overlay {
    width: u32,
    height: u32,
    line_px: u32,
    font_px: f64,
    pictures: HashMap<(String, Label), Picture>,
    fills: HashMap<Label, Picture>,
}

impl Overlay {
    pub fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            line_px: (height / 240).max(2),
            font_px: (f64::from(height) / 28.0).max(11.0),
            pictures: HashMap::new(),
            fills: HashMap::new(),
        }
    }

    /// The drawing of all faces of a frame, for whoever draws it; `None` when there is none.
    pub fn compose(
        &mut self,
        faces: &[FrameFace],
        judgements: &[Judgement],
        classifier: &ClassifierName,
    ) -> Option<VideoOverlayComposition> {
        let placed: Vec<_> = self.drawings(faces, judgements, classifier).flatten().collect();
        composition(&placed, [0, 0])
    }

    /// Draws all faces onto their frame, which is mapped.
    ///
    /// # Errors
    /// When GStreamer cannot draw on the frame's format.
    pub fn blend(
        &mut self,
        faces: &[FrameFace],
        judgements: &[Judgement],
        classifier: &ClassifierName,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), glib::BoolError> {
        for placed in self.drawings(faces, judgements, classifier) {
            let Some(area) = placed.iter().map(|p| p.area).reduce(CropRect::union) else {
                continue;
            };
            part::with_part(frame, area, |part, origin| match composition(&placed, origin) {
                Some(composition) => composition.blend(part),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// What is drawn for each face.
    fn drawings<'a>(
        &'a mut self,
        faces: &'a [FrameFace],
        judgements: &'a [Judgement],
        classifier: &'a ClassifierName,
    ) -> impl Iterator<Item = Vec<Placed>> + 'a {
        faces.iter().zip(judgements).map(|(face, judgement)| {
            let mut placed = self.outline(face, judgement.label);
            placed.extend(self.label(face, judgement, classifier));
            placed
        })
    }

    /// The four edges of a face's box.
    fn outline(&mut self, face: &FrameFace, label: Label) -> Vec<Placed> {
        let (x, y, w, h) = pixel_rect(&face.face.bbox, self.width, self.height);
        let line = self.line_px.min(w).min(h);
        if line == 0 {
            return Vec::new();
        }
        let fill = match self.fills.get(&label) {
            Some(fill) => fill.clone(),
            None => {
                let Some(fill) = solid(colour(label)) else { return Vec::new() };
                self.fills.insert(label, fill.clone());
                fill
            }
        };
        [(x, y, w, line), (x, y + h - line, w, line), (x, y, line, h), (x + w - line, y, line, h)]
            .into_iter()
            .filter_map(|(x, y, w, h)| Placed::new(&fill.pixels, x, y, w, h))
            .collect()
    }

    /// The label above the box, or inside it at the frame's upper edge.
    fn label(
        &mut self,
        face: &FrameFace,
        judgement: &Judgement,
        classifier: &ClassifierName,
    ) -> Option<Placed> {
        let key = (text(face, judgement, classifier), judgement.label);
        if self.pictures.len() >= MAX_PICTURES {
            self.pictures.clear();
        }
        if !self.pictures.contains_key(&key) {
            let picture = render(&key.0, self.font_px, colour(judgement.label)).ok()??;
            self.pictures.insert(key.clone(), picture);
        }
        let picture = self.pictures.get(&key)?;
        let (x, y, _, _) = pixel_rect(&face.face.bbox, self.width, self.height);
        let right = self.width.saturating_sub(picture.width);
        let above = y.saturating_sub(picture.height);
        Placed::new(&picture.pixels, x.min(right), above, picture.width, picture.height)
    }
}

/// A picture and where in the frame it goes.
struct Placed {
    pixels: gst::Buffer,
    area: CropRect,
}

impl Placed {
    fn new(pixels: &gst::Buffer, x: u32, y: u32, width: u32, height: u32) -> Option<Self> {
        let area = CropRect::from_edges(x, y, x.checked_add(width)?, y.checked_add(height)?)?;
        Some(Self { pixels: pixels.clone(), area })
    }
}

/// One drawing, for a frame whose first pixel is at `origin`; `None` for nothing.
fn composition(placed: &[Placed], origin: [u32; 2]) -> Option<VideoOverlayComposition> {
    let rectangles = placed.iter().map(|Placed { pixels, area }| {
        let [x, y] = [(area.x(), origin[0]), (area.y(), origin[1])]
            .map(|(at, from)| at.saturating_sub(from) as i32);
        let flags = gst_video::VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA;
        VideoOverlayRectangle::new_raw(pixels, x, y, area.width(), area.height(), flags)
    });
    let rectangles: Vec<_> = rectangles.collect();
    VideoOverlayComposition::new(rectangles.iter()).ok()
}

/// A tiny picture of one colour, to be scaled.
fn solid(colour: Colour) -> Option<Picture> {
    paint(2, 2, |context| {
        context.set_source_rgb(colour.0, colour.1, colour.2);
        context.paint()
    })
    .ok()?
}

/// Black text on the label's colour.
fn render(text: &str, font_px: f64, colour: Colour) -> Result<Option<Picture>, cairo::Error> {
    let set_font = |context: &cairo::Context| {
        context.select_font_face("sans", cairo::FontSlant::Normal, cairo::FontWeight::Bold);
        context.set_font_size(font_px);
    };
    let measure = cairo::ImageSurface::create(cairo::Format::ARgb32, 1, 1)?;
    let context = cairo::Context::new(&measure)?;
    set_font(&context);
    let (extents, font) = (context.text_extents(text)?, context.font_extents()?);
    let pad = font_px / 4.0;
    let width = (extents.x_advance() + 2.0 * pad).ceil();
    let height = (font.ascent() + font.descent()).ceil();
    paint(width as u32, height as u32, |context| {
        context.set_source_rgb(colour.0, colour.1, colour.2);
        context.paint()?;
        set_font(context);
        context.set_source_rgb(0.0, 0.0, 0.0);
        context.move_to(pad, font.ascent());
        context.show_text(text)
    })
}

/// Runs `draw` on a fresh picture of this size and wraps its pixels for GStreamer.
fn paint(
    width: u32,
    height: u32,
    draw: impl FnOnce(&cairo::Context) -> Result<(), cairo::Error>,
) -> Result<Option<Picture>, cairo::Error> {
    let size = (width as i32, height as i32);
    let mut surface = cairo::ImageSurface::create(cairo::Format::ARgb32, size.0, size.1)?;
    draw(&cairo::Context::new(&surface)?)?;
    let stride = surface.stride();
    let Ok(data) = surface.data() else { return Ok(None) };
    let mut pixels = gst::Buffer::from_slice(data.to_vec());
    // Cairo's ARGB32 is a native-endian word, as is the format that overlays are made of.
    let format = if cfg!(target_endian = "little") { VideoFormat::Bgra } else { VideoFormat::Argb };
    let meta = gst_video::VideoMeta::add_full(
        pixels.make_mut(),
        gst_video::VideoFrameFlags::empty(),
        format,
        width,
        height,
        &[0],
        &[stride],
    );
    Ok(meta.is_ok().then_some(Picture { pixels, width, height }))
}
