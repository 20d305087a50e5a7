//! What is drawn, as pictures of opaque pixels in the format that overlays are made of.

use gst_video::{VideoFormat, VideoOverlayComposition, VideoOverlayRectangle};

use crate::core::evidence::Label;
use crate::core::geometry::CropRect;

/// Red, green, blue in 0..=1.
type Colour = (f64, f64, f64);

/// Yellow for fake and cyan for real, as the reference draws them; grey where nobody judges.
fn colour(label: Label) -> Colour {
    match label {
        Label::Fake => (1.0, 1.0, 0.0),
        Label::Real => (0.0, 1.0, 1.0),
        Label::Uncertain(_) => (1.0, 0.6, 0.0),
        Label::Insufficient(_) => (1.0, 1.0, 1.0),
        Label::Unscored => (0.7, 0.7, 0.7),
    }
}

/// Sizes are multiples of this, so that in formats that share chroma a picture begins and ends
/// where chroma does.
const STEP: f64 = 2.0;

/// Pixels and their size.
#[derive(Clone)]
pub struct Picture {
    pixels: gst::Buffer,
    pub width: u32,
    pub height: u32,
}

impl Picture {
    /// A tiny one of the label's colour, to be scaled.
    pub fn solid(label: Label) -> Option<Self> {
        let (red, green, blue) = colour(label);
        let paint = paint(STEP as u32, STEP as u32, |context| {
            context.set_source_rgb(red, green, blue);
            context.paint()
        });
        paint.ok()?
    }

    /// Black text on the label's colour.
    pub fn text(text: &str, font_px: f64, label: Label) -> Option<Self> {
        render(text, font_px, colour(label)).ok()?
    }
}

/// A picture and the part of the frame that it fills.
#[derive(Clone, Copy)]
pub struct Placed<'a> {
    pub picture: &'a Picture,
    pub area: CropRect,
}

/// One drawing of pictures at their places; `None` for nothing.
pub fn composition<'a>(
    placed: impl Iterator<Item = Placed<'a>>,
) -> Option<VideoOverlayComposition> {
    let rectangles = placed.map(|Placed { picture, area }| {
        let (x, y) = (area.x() as i32, area.y() as i32);
        let flags = gst_video::VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA;
        VideoOverlayRectangle::new_raw(&picture.pixels, x, y, area.width(), area.height(), flags)
    });
    let rectangles: Vec<_> = rectangles.collect();
    VideoOverlayComposition::new(rectangles.iter()).ok()
}

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
    let whole = |length: f64| ((length / STEP).ceil() * STEP) as u32;
    let width = whole(extents.x_advance() + 2.0 * pad);
    let height = whole(font.ascent() + font.descent());
    paint(width, height, |context| {
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
