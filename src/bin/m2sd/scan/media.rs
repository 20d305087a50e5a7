//! What the container of a file says, read before the scan, so that it does not depend on which stream
//! comes first.

use gst::prelude::*;
use gst_pbutils::prelude::*;
use gst_pbutils::{DiscovererAudioInfo, DiscovererStreamInfo, DiscovererVideoInfo};
use gstm2sd::evidence::records::{Audio, Media, Video};

/// How long a file may take to say what it is. One that does not is scanned all the same.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// # Errors
/// Where it cannot be told: what is wrong with the content, if that is it.
pub fn media(uri: &str) -> Result<Media, Option<String>> {
    let discoverer = gst_pbutils::Discoverer::new(PATIENCE).map_err(|_| None)?;
    let of_content =
        |error: glib::Error| error.kind::<gst::StreamError>().map(|_| error.message().to_owned());
    let info = discoverer.discover_uri(uri).map_err(of_content)?;
    let videos = info.video_streams();
    let audios = info.audio_streams();
    let container = info.stream_info().and_then(|stream| stream.caps());
    // A stream without a container is its own.
    let container = container.map(|caps| words(&caps));
    let own = |stream: &DiscovererStreamInfo| Some(codec(stream)) == container;
    let is_bare = videos.iter().any(|stream| own(stream.upcast_ref()))
        || audios.iter().any(|stream| own(stream.upcast_ref()));
    let count = |streams: usize| u32::try_from(streams).unwrap_or(u32::MAX);
    Ok(Media {
        container: container.clone().filter(|_| !is_bare),
        duration: info.duration().filter(|time| !time.is_zero()).map(gst::ClockTime::seconds_f64),
        video_streams: count(videos.len()),
        audio_streams: count(audios.len()),
        video: videos.first().and_then(|stream| stream.downcast_ref()).map(video),
        audio: audios.first().and_then(|stream| stream.downcast_ref()).map(audio),
    })
}

/// The media type with what tells apart those of one name, as `video/x-h264 (profile high)`.
fn words(caps: &gst::Caps) -> String {
    let Some(of) = caps.structure(0) else { return String::new() };
    let mut more = Vec::new();
    for field in ["mpegversion", "layer", "variant", "profile", "level"] {
        if let Ok(text) = of.get::<String>(field) {
            more.push(format!("{field} {text}"));
        } else if let Ok(number) = of.get::<i32>(field) {
            more.push(format!("{field} {number}"));
        }
    }
    if more.is_empty() {
        of.name().to_string()
    } else {
        format!("{} ({})", of.name(), more.join(", "))
    }
}

fn codec(stream: &DiscovererStreamInfo) -> String {
    stream.caps().map(|caps| words(&caps)).unwrap_or_default()
}

fn video(stream: &DiscovererVideoInfo) -> Video {
    let rate = stream.framerate();
    let aspect = stream.par();
    let tags = stream.tags();
    let orientation = tags.as_ref().and_then(|tags| tags.get::<gst::tags::ImageOrientation>());
    Video {
        codec: codec(stream.upcast_ref()),
        width: stream.width(),
        height: stream.height(),
        frame_rate: (rate.numer() > 0).then(|| format!("{}/{}", rate.numer(), rate.denom())),
        pixel_aspect: format!("{}/{}", aspect.numer(), aspect.denom()),
        interlaced: stream.is_interlaced(),
        orientation: orientation.map_or_else(|| "rotate-0".to_owned(), |o| o.get().to_owned()),
        still: stream.is_image(),
    }
}

fn audio(stream: &DiscovererAudioInfo) -> Audio {
    Audio {
        codec: codec(stream.upcast_ref()),
        rate: stream.sample_rate(),
        channels: stream.channels(),
    }
}
