//! Boxes and labels on the frames.
//!
//! A drawing is a `GstVideoOverlayComposition`: four thin one-colour rectangles for a box and one
//! picture for its label, which is rendered anew only when its text changes. It is attached to the
//! frame when downstream draws such things itself, else blended in by GStreamer's own code, which
//! knows every format.

use std::collections::HashMap;

use gst_video::{VideoFormat, VideoOverlayComposition, VideoOverlayRectangle};

use super::attach::pixel_rect;
use super::messages::ClassifierName;
use super::outbox::{FrameFace, Judged, Judgement};
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

    /// The drawing of all faces of a frame; `None` when there is nothing to draw.
    pub fn compose(
        &mut self,
        judged: &Judged,
        classifier: &ClassifierName,
    ) -> Option<VideoOverlayComposition> {
        let mut rectangles = Vec::new();
        for (face, judgement) in judged.frame.faces.iter().zip(&judged.judgements) {
            rectangles.extend(self.outline(face, judgement.label));
            rectangles.extend(self.label(face, judgement, classifier));
        }
        VideoOverlayComposition::new(rectangles.iter()).ok()
    }

    /// The four edges of a face's box.
    fn outline(&mut self, face: &FrameFace, label: Label) -> Vec<VideoOverlayRectangle> {
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
            .map(|(x, y, w, h)| rectangle(&fill.pixels, x as i32, y as i32, w, h))
            .collect()
    }

    /// The label above the box, or inside it at the frame's upper edge.
    fn label(
        &mut self,
        face: &FrameFace,
        judgement: &Judgement,
        classifier: &ClassifierName,
    ) -> Option<VideoOverlayRectangle> {
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
        let (w, h) = (picture.width, picture.height);
        Some(rectangle(&picture.pixels, x.min(right) as i32, above as i32, w, h))
    }
}

fn rectangle(pixels: &gst::Buffer, x: i32, y: i32, w: u32, h: u32) -> VideoOverlayRectangle {
    let flags = gst_video::VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA;
    VideoOverlayRectangle::new_raw(pixels, x, y, w, h, flags)
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
