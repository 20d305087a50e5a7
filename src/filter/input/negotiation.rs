//! Caps, allocation, latency: what the element promises its neighbours.

use std::sync::LazyLock;

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::core::modelinfo::FrameRates;
use crate::core::sampling::Sampling;
use crate::filter::audio::Patience;
use crate::filter::settings::Delivery;

/// Formats that both pads take: the packed ones are analysed where they are, the others are
/// converted, one frame at a time.
pub const FORMATS: [VideoFormat; 25] = [
    VideoFormat::I420,
    VideoFormat::Nv12,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Xrgb,
    VideoFormat::Xbgr,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Argb,
    VideoFormat::Abgr,
    VideoFormat::Yv12,
    VideoFormat::Nv21,
    VideoFormat::Y42b,
    VideoFormat::Y444,
    VideoFormat::Yuy2,
    VideoFormat::Uyvy,
    VideoFormat::Yvyu,
    VideoFormat::Ayuv,
    VideoFormat::Gray8,
    VideoFormat::P01010le,
    VideoFormat::I42010le,
    VideoFormat::I42210le,
    VideoFormat::Y44410le,
];

fn template(name: &str, direction: gst::PadDirection) -> Option<gst::PadTemplate> {
    let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
}

static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
    let sink = template("sink", gst::PadDirection::Sink);
    let src = template("src", gst::PadDirection::Src);
    let audio_sink = audio_template(AUDIO_SINK, gst::PadDirection::Sink, gst::PadPresence::Request);
    let audio_src = audio_template(AUDIO_SRC, gst::PadDirection::Src, gst::PadPresence::Sometimes);
    [sink, src, audio_sink, audio_src].into_iter().flatten().collect()
});

pub const AUDIO_SINK: &str = "audio_sink";
pub const AUDIO_SRC: &str = "audio_src";

/// Any raw audio whose channels are interleaved.
fn audio_template(
    name: &str,
    direction: gst::PadDirection,
    presence: gst::PadPresence,
) -> Option<gst::PadTemplate> {
    let caps = gst_audio::AudioCapsBuilder::new_interleaved().build();
    gst::PadTemplate::new(name, direction, presence, &caps).ok()
}

pub fn pad_templates() -> &'static [gst::PadTemplate] {
    &TEMPLATES
}

pub fn sink_template() -> &'static gst::PadTemplate {
    &TEMPLATES[0]
}

pub fn src_template() -> &'static gst::PadTemplate {
    &TEMPLATES[1]
}

pub fn audio_sink_template() -> Option<&'static gst::PadTemplate> {
    TEMPLATES.iter().find(|template| template.name_template() == AUDIO_SINK)
}

pub fn audio_src_template() -> Option<&'static gst::PadTemplate> {
    TEMPLATES.iter().find(|template| template.name_template() == AUDIO_SRC)
}

/// What latency and buffering depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyParams {
    /// Upstream is live: what waits here cannot be made up for.
    pub live: bool,
    pub delivery: Delivery,
    /// `None` for a variable frame rate.
    pub frame_duration: Option<gst::ClockTime>,
    /// `T`, as far as it is known.
    pub clip_frames: usize,
    /// The rates of clips, where these are not the stream's.
    pub clip_rates: Option<FrameRates>,
}

/// M2SD's clip, until the classifier is loaded.
const USUAL_CLIP_FRAMES: usize = 16;
/// Assumed where the frame rate is not known.
const SLOW_FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(67);
/// Frames of a longer duration make no frame rate: the stream is a slide show, whose latency
/// nothing can be said of.
const SLOWEST_FRAME: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// What is declared at most; whoever adds up the latencies of a pipeline must not overflow.
const MAX_LATENCY: gst::ClockTime = gst::ClockTime::from_seconds(24 * 3600);
/// Frames that wait beside those of a clip: one being analysed, one being pushed, and slack so
/// that analysis and classification overlap.
const SLACK_FRAMES: usize = 8;

impl Default for LatencyParams {
    fn default() -> Self {
        Self {
            live: false,
            delivery: Delivery::Complete,
            frame_duration: None,
            clip_frames: USUAL_CLIP_FRAMES,
            clip_rates: None,
        }
    }
}

impl LatencyParams {
    fn sampling(&self) -> Sampling {
        Sampling::of(self.clip_rates, self.frame_duration.map(gst::ClockTime::nseconds))
    }

    /// Frames that may wait for their scores, so that the head's clips can always fill.
    pub fn output_frames(&self) -> usize {
        match self.delivery {
            Delivery::Live => SLACK_FRAMES,
            Delivery::Complete => {
                let frames = self.clip_frames.saturating_mul(self.sampling().most_frames_for_one());
                frames.saturating_add(SLACK_FRAMES)
            }
        }
    }

    /// Frames that usually wait: those of a clip's time.
    fn usual_output_frames(&self) -> usize {
        let of_clip = match self.sampling() {
            Sampling::Grid { period_ns, step_ns } => {
                (self.clip_frames as f64 * period_ns / step_ns).ceil() as usize
            }
            Sampling::All | Sampling::Measured(_) => self.clip_frames,
        };
        self.output_frames().min(of_clip.saturating_add(SLACK_FRAMES))
    }

    /// How long a frame may wait for later frames and for its own detection.
    pub fn latency(&self, budget: gst::ClockTime) -> gst::ClockTime {
        match self.delivery {
            Delivery::Live => budget,
            Delivery::Complete => {
                let latency = self.clip_wait_ns().saturating_add(budget.nseconds());
                gst::ClockTime::from_nseconds(latency.min(MAX_LATENCY.nseconds()))
            }
        }
    }

    /// From a frame to the last one of the clips that it is in.
    fn clip_wait_ns(&self) -> u64 {
        let frame_ns = self.frame_duration.unwrap_or(SLOW_FRAME).nseconds();
        let frames = self.clip_frames as u64;
        let own_ns = frame_ns.saturating_mul(frames.saturating_sub(1));
        // A frame that no clip shows waits for the next one that a clip does.
        let sampled_ns = self.sampling().period_ns().map_or(0, |period_ns| {
            let clip_ns = period_ns.saturating_mul(frames);
            clip_ns.saturating_sub(self.frame_duration.map_or(0, |frame| frame.nseconds()))
        });
        own_ns.max(sampled_ns)
    }

    /// How long a full clip may wait for its sound without making a frame late.
    pub fn patience(&self, budget: gst::ClockTime) -> Patience {
        let (most, from_newest) = match (self.delivery, self.live) {
            // Frames do not wait for clips.
            (Delivery::Live, _) => (budget, false),
            // The other half is for the models.
            (Delivery::Complete, true) => (budget / 2, false),
            // Nobody looks on: what is under way is waited for.
            (Delivery::Complete, false) => (self.latency(budget), true),
        };
        Patience { most: most.into(), from_newest }
    }
}

/// `None` for 0/1, a variable frame rate, and for rates that are none.
pub fn frame_duration(fps: gst::Fraction) -> Option<gst::ClockTime> {
    let numerator = u64::try_from(fps.numer()).ok().filter(|n| *n > 0)?;
    let denominator = u64::try_from(fps.denom()).ok()?;
    let duration = gst::ClockTime::SECOND.mul_div_ceil(denominator, numerator)?;
    (duration <= SLOWEST_FRAME).then_some(duration)
}

pub fn answer_latency(
    query: &mut gst::query::Latency,
    (live, min, max): (bool, gst::ClockTime, Option<gst::ClockTime>),
    params: &LatencyParams,
    budget: gst::ClockTime,
) {
    let own = params.latency(budget);
    query.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
}

/// Asks upstream's pool for the buffers that wait here, on top of what downstream needs. Frames go
/// on as they come, so which metas they may need to be read is downstream's answer alone.
pub fn propose_allocation(query: &mut gst::query::Allocation, params: &LatencyParams) {
    let more = params.usual_output_frames() as u32;
    let pools: Vec<_> = query.allocation_pools().collect();
    for (index, (pool, size, min, max)) in pools.iter().enumerate() {
        let max = if *max == 0 { 0 } else { max.saturating_add(more) };
        let min = min.saturating_add(more);
        query.set_nth_allocation_pool(index as u32, pool.as_ref(), *size, min, max);
    }
    if pools.is_empty() {
        let size = query.get().0.and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
        let size = size.map_or(0, |info| info.size() as u32);
        query.add_allocation_pool(None::<&gst::BufferPool>, size, more, 0);
    }
    // A crop that is only noted on the frame would not be seen by the analysis.
    while let Some(index) = query.find_allocation_meta::<gst_video::VideoCropMeta>() {
        query.remove_nth_allocation_meta(index);
    }
}

/// The caps to send downstream, and whether drawings go along as overlay metadata rather than
/// being blended into the frames: when downstream accepts such caps and asks for the metadata.
pub fn negotiate_overlay(srcpad: &gst::Pad, caps: &gst::Caps) -> (gst::Caps, bool) {
    let mut with_overlay = caps.clone();
    for features in with_overlay.make_mut().iter_with_features_mut().map(|(_, f)| f) {
        features.add(gst_video::CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
    }
    if !srcpad.peer_query_accept_caps(&with_overlay) {
        return (caps.clone(), false);
    }
    let mut query = gst::query::Allocation::new(Some(&with_overlay), false);
    let asked = srcpad.peer_query(&mut query)
        && query.find_allocation_meta::<gst_video::VideoOverlayCompositionMeta>().is_some();
    if asked { (with_overlay, true) } else { (caps.clone(), false) }
}
