//! Frames as JPEG.

use super::status::Jpeg;

/// Encodes a frame; `caps` are of the type `image/jpeg`, with a size where it is to have another one. It
/// takes so long at most.
///
/// # Errors
/// When it cannot be encoded.
pub(super) fn encode(
    frame: &gst::Sample,
    caps: &gst::Caps,
    patience: gst::ClockTime,
) -> Result<Jpeg, String> {
    let encoded = gst_video::convert_sample(frame, caps, Some(patience));
    let encoded = encoded.map_err(|error| error.to_string())?;
    let buffer = encoded.buffer().ok_or("the encoder gave nothing")?;
    let map = buffer.map_readable().map_err(|error| error.to_string())?;
    Ok(Jpeg::from(map.as_slice()))
}
