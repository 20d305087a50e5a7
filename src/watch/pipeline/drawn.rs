//! A camera of drawn faces: a live source whose frames are painted over.

use gst::prelude::*;

use super::address::Picture;
use super::make;
use crate::models::synth::moving::{Scene, draw};

/// A live source of RGB frames of this size and rate.
pub fn test_source(picture: Picture) -> Result<(gst::Element, gst::Caps), String> {
    let source = make("videotestsrc")?;
    source.set_property("is-live", true);
    let sides = [picture.width, picture.height, picture.rate].map(|n| n.min(100_000) as i32);
    let caps = gst::Caps::builder("video/x-raw")
        .field("width", sides[0])
        .field("height", sides[1])
        .field("framerate", gst::Fraction::new(sides[2], 1));
    Ok((source, caps.build()))
}

/// As [`test_source`], with the faces of a scene.
pub fn drawn_source(scene: Scene, picture: Picture) -> Result<(gst::Element, gst::Caps), String> {
    let (source, mut caps) = test_source(picture)?;
    source.set_property_from_str("pattern", "black");
    if let Some(caps) = caps.make_mut().structure_mut(0) {
        caps.set("format", "RGB");
    }
    let pad = source.static_pad("src").ok_or("videotestsrc has no pad")?;
    let size = [picture.width, picture.height].map(|px| px as usize);
    let rate = picture.rate.max(1);
    let mut number = 0u64;
    // Mutable state of one streaming thread.
    let number = std::sync::Mutex::new(move || {
        number += 1;
        number - 1
    });
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let number = number.lock().map_or(0, |mut next| next());
        if let Some(buffer) = info.buffer_mut() {
            let rgb = draw(&scene.faces(number as f64 / f64::from(rate), size), size);
            let mut painted = gst::Buffer::from_slice(padded(rgb, size));
            if let Some(new) = painted.get_mut() {
                // Times and flags are the source's.
                let flags = gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::FLAGS;
                let _ = buffer.copy_into(new, flags, ..);
            }
            *buffer = painted;
        }
        gst::PadProbeReturn::Ok
    });
    Ok((source, caps))
}

/// Rows as GStreamer has them: they begin at multiples of four bytes.
fn padded(rgb: Vec<u8>, [width, _]: [usize; 2]) -> Vec<u8> {
    let row = width * 3;
    let stride = row.next_multiple_of(4);
    if stride == row || row == 0 {
        return rgb;
    }
    let mut rows = Vec::with_capacity(rgb.len() / row * stride);
    for pixels in rgb.chunks(row) {
        rows.extend_from_slice(pixels);
        rows.resize(rows.len().next_multiple_of(stride), 0);
    }
    rows
}
