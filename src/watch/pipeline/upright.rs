//! What makes decoded frames whole and upright.

use gst::prelude::*;

/// Video that its caps call interlaced or mixed becomes progressive at its own frame rate: each frame
/// shows the moment of its upper field. Then frames are turned as the tag `image-orientation` has them
/// shown.
pub const UPRIGHT: &str = "videoconvert ! deinterlace mode=auto fields=top method=linear ! \
                           videoconvert ! videoflip video-direction=auto";

/// What is between a decoder and the filter, for the analysis and for whatever shows the frames and
/// turns nothing.
///
/// # Errors
/// When an element is missing.
pub fn upright() -> Result<gst::Element, glib::Error> {
    let launch = format!("{UPRIGHT} ! videoconvert");
    let upright: gst::Element = gst::parse::bin_from_description(&launch, true)?.upcast();
    if let Some(pad) = upright.static_pad("src") {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            // videoflip 1.22 turns the frames and passes the tag on: they would be turned twice.
            if let Some(event) = info.event()
                && let gst::EventView::Tag(tag) = event.view()
                && tag.tag().get::<gst::tags::ImageOrientation>().is_some()
            {
                let mut tags = tag.tag_owned();
                tags.make_mut().remove::<gst::tags::ImageOrientation>();
                let upright = gst::event::Tag::builder(tags).seqnum(event.seqnum()).build();
                info.data = Some(gst::PadProbeData::Event(upright));
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(upright)
}
