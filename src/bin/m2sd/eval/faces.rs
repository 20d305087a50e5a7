//! Small pictures of faces, for the page.

use super::data::Source;
use super::records::Clip;
use crate::thumbnail;

const SIDE_PX: i32 = 128;

/// The face of a clip as a JPEG picture in base64; `None` where it cannot be had, which leaves the
/// page without it.
pub fn thumbnail(source: &Source, clip: &Clip) -> Option<String> {
    let bbox = clip.bbox?;
    // A clip's box is that of its newest frame.
    let end = clip.end.or(clip.start)?;
    let at = thumbnail::last_frame(clip.start.unwrap_or(end), end);
    let (file, at) = if source.is_frames {
        (source.files.get((at * 25.0).round() as usize)?, 0.0)
    } else {
        (source.files.first()?, at)
    };
    let jpeg = thumbnail::thumbnail(file, at, bbox, SIDE_PX)?;
    Some(glib::base64_encode(&jpeg).to_string())
}
