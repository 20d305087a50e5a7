//! The elements that read a camera, up to its decoded frames.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use gst::prelude::*;

use super::address::Source;
use super::clock::StreamClock;
use super::jitter::JitterBuffers;
use super::traffic::Traffic;
use super::{Recipe, bin, drawn, make};
use crate::watch::config::Transport;

/// Packets that wait for the decoder, at most: so much time, and so many bytes.
const WAITING: &str = "queue max-size-time=2000000000 max-size-buffers=0 max-size-bytes=33554432";

/// What encodes frames that are recorded and come without, with a key frame each second or two.
const ENCODERS: [&str; 2] = [
    "x264enc tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max=50 bitrate=4000",
    "openh264enc gop-size=50 bitrate=4000000",
];

/// Where a source's elements go.
pub struct Intake<'a> {
    pub pipeline: &'a gst::Pipeline,
    /// Where decoded frames go.
    pub decoded: gst::Pad,
    pub traffic: &'a Arc<Traffic>,
    pub clock: &'a Arc<StreamClock>,
}

impl Intake<'_> {
    /// Adds the source; returns the pad of encoded video.
    pub fn add(
        &self,
        recipe: &Recipe<'_>,
        network: &Arc<JitterBuffers>,
    ) -> Result<Option<gst::Pad>, String> {
        match recipe.source {
            Source::Rtsp(uri) => {
                let source = rtsp(uri, recipe)?;
                network.follow(&source);
                self.encoded(&source)
            }
            Source::Http(uri) | Source::Srt(uri) => self.encoded(&network_source(uri, recipe)?),
            Source::File(path) => {
                let uri = glib::filename_to_uri(path, None).map_err(|error| error.to_string())?;
                self.encoded(&network_source(&uri, recipe)?)
            }
            Source::V4l2(device) => {
                let source = make("v4l2src")?;
                source.set_property("device", device.display().to_string());
                let decoder = make("decodebin")?;
                self.chain(&[&source, &decoder])?;
                let (raw, encoded) = self.raw(recipe)?;
                link_when_there(&decoder, &raw);
                self.count(&source);
                Ok(encoded)
            }
            Source::Test(pattern, picture) => {
                let (source, caps) = drawn::test_source(*picture)?;
                source.set_property_from_str("pattern", pattern);
                self.made(&source, &caps, recipe)
            }
            Source::Drawn(scene, picture) => {
                let (source, caps) = drawn::drawn_source(*scene, *picture)?;
                self.made(&source, &caps, recipe)
            }
        }
    }

    fn count(&self, source: &gst::Element) {
        if let Some(pad) = source.static_pad("src") {
            self.traffic.count_bytes(&pad);
        }
    }

    /// Frames that are made here.
    fn made(
        &self,
        source: &gst::Element,
        caps: &gst::Caps,
        recipe: &Recipe<'_>,
    ) -> Result<Option<gst::Pad>, String> {
        let filter = make("capsfilter")?;
        filter.set_property("caps", caps);
        self.chain(&[source, &filter])?;
        self.count(source);
        let (raw, encoded) = self.raw(recipe)?;
        let pad = filter.static_pad("src").ok_or("capsfilter has no pad")?;
        pad.link(&raw).map_err(|error| error.to_string())?;
        Ok(encoded)
    }

    /// Where frames go that are not encoded, and the pad by which they come encoded where they are
    /// to be recorded.
    fn raw(&self, recipe: &Recipe<'_>) -> Result<(gst::Pad, Option<gst::Pad>), String> {
        if !recipe.encoded {
            return Ok((self.decoded.clone(), None));
        }
        let found = ENCODERS.into_iter().find(|launch| {
            let name = launch.split(' ').next().unwrap_or_default();
            gst::ElementFactory::find(name).is_some()
        });
        let encoder = found.ok_or(
            "no encoder for recordings is installed: expected x264enc or openh264enc, of \
             gstreamer1.0-plugins-ugly or gstreamer1.0-plugins-bad",
        )?;
        let encoder = bin(&format!(
            "queue ! videoconvert ! video/x-raw,format=I420 ! {encoder} ! h264parse \
             ! capsfilter caps=video/x-h264,stream-format=avc,alignment=au"
        ))?;
        self.chain(&[&encoder])?;
        self.traffic.set_codec("video/x-h264");
        let way = self.decoder()?;
        let from = encoder.static_pad("src").ok_or("the encoder has no pad")?;
        from.link(&way.sink).map_err(|error| error.to_string())?;
        let sink = encoder.static_pad("sink").ok_or("the encoder has no pad")?;
        Ok((sink, Some(way.encoded)))
    }

    fn chain(&self, elements: &[&gst::Element]) -> Result<(), String> {
        self.pipeline.add_many(elements).map_err(|error| error.to_string())?;
        gst::Element::link_many(elements).map_err(|error| error.to_string())
    }

    /// From encoded video to decoded frames.
    fn decoder(&self) -> Result<Decoder, String> {
        let tap = make("identity")?;
        tap.set_property("silent", true);
        let (queue, decoder) = (bin(WAITING)?, make("decodebin")?);
        self.chain(&[&tap, &queue, &decoder])?;
        link_when_there(&decoder, &self.decoded);
        let pad = |name| tap.static_pad(name).ok_or("identity has no pad");
        Ok(Decoder { sink: pad("sink")?, encoded: pad("src")? })
    }

    /// A source whose pads appear when it knows what it has.
    fn encoded(&self, source: &gst::Element) -> Result<Option<gst::Pad>, String> {
        self.pipeline.add(source).map_err(|error| error.to_string())?;
        let way = self.decoder()?;
        let streams = Arc::new(Streams {
            pipeline: self.pipeline.downgrade(),
            target: way.sink,
            taken: AtomicBool::new(false),
            traffic: Arc::clone(self.traffic),
            clock: Arc::clone(self.clock),
        });
        source.connect_pad_added(move |source, pad| {
            if pad.direction() == gst::PadDirection::Src {
                streams.traffic.count_bytes(pad);
                streams.clock.follow(pad);
                report(source, streams.parse(pad));
            }
        });
        Ok(Some(way.encoded))
    }
}

/// Where encoded video goes, and where it passes.
struct Decoder {
    sink: gst::Pad,
    encoded: gst::Pad,
}

/// Links the first video pad of a decoder.
fn link_when_there(decoder: &gst::Element, target: &gst::Pad) {
    let target = target.clone();
    decoder.connect_pad_added(move |decoder, pad| {
        if !target.is_linked() && media_of(pad).starts_with("video/") {
            let linked = pad.link(&target).map(|_| ());
            report(decoder, linked.map_err(|error| error.to_string()));
        }
    });
}

/// Says on the bus what went wrong in a signal handler.
fn report(element: &gst::Element, result: Result<(), String>) {
    if let Err(text) = result {
        gst::element_error!(element, gst::CoreError::Negotiation, ("{text}"));
    }
}

/// The streams of a source.
struct Streams {
    pipeline: glib::WeakRef<gst::Pipeline>,
    /// Where the first video stream goes.
    target: gst::Pad,
    taken: AtomicBool,
    traffic: Arc<Traffic>,
    clock: Arc<StreamClock>,
}

impl Streams {
    /// Finds out what a pad of the source has.
    fn parse(self: &Arc<Self>, pad: &gst::Pad) -> Result<(), String> {
        let Some(pipeline) = self.pipeline.upgrade() else { return Ok(()) };
        let parser = make("parsebin")?;
        let this = Arc::clone(self);
        parser.connect_pad_added(move |parser, pad| {
            let is_wanted =
                |media: &str| media.starts_with("video/") || media.starts_with("image/");
            let media = media_of(pad);
            let linked = match is_wanted(&media) && !this.taken.swap(true, Ordering::Relaxed) {
                true => this.take(pad, &media),
                false => this.discard(pad),
            };
            report(parser, linked);
        });
        let this = Arc::clone(self);
        parser.connect_no_more_pads(move |parser| {
            if !this.taken.load(Ordering::Relaxed) {
                let text = "there is no video stream".to_owned();
                report(parser, Err(text));
            }
        });
        start_in(&pipeline, &[&parser])?;
        let sink = parser.static_pad("sink").ok_or("parsebin has no pad")?;
        pad.link(&sink).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Links the video stream, as whole pictures.
    fn take(&self, pad: &gst::Pad, media: &str) -> Result<(), String> {
        let Some(pipeline) = self.pipeline.upgrade() else { return Ok(()) };
        self.traffic.set_codec(media);
        let whole = match media {
            "video/x-h264" => {
                "h264parse ! capsfilter caps=video/x-h264,stream-format=avc,alignment=au"
            }
            "video/x-h265" => {
                "h265parse ! capsfilter caps=video/x-h265,stream-format=hvc1,alignment=au"
            }
            _ => "identity silent=true",
        };
        let whole = bin(whole)?;
        start_in(&pipeline, &[&whole])?;
        let [sink, src] = ["sink", "src"].map(|name| whole.static_pad(name));
        let (sink, src) = sink.zip(src).ok_or("the parser has no pads")?;
        src.link(&self.target).map_err(|error| error.to_string())?;
        pad.link(&sink).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Takes what nobody wants.
    fn discard(&self, pad: &gst::Pad) -> Result<(), String> {
        let Some(pipeline) = self.pipeline.upgrade() else { return Ok(()) };
        let nowhere = make("fakesink")?;
        nowhere.set_property("sync", false);
        nowhere.set_property("async", false);
        start_in(&pipeline, &[&nowhere])?;
        let sink = nowhere.static_pad("sink").ok_or("fakesink has no pad")?;
        pad.link(&sink).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Adds elements to a pipeline that plays.
fn start_in(pipeline: &gst::Pipeline, elements: &[&gst::Element]) -> Result<(), String> {
    pipeline.add_many(elements).map_err(|error| error.to_string())?;
    for element in elements {
        element.sync_state_with_parent().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The media type of what the pad carries, such as `video/x-h264`.
fn media_of(pad: &gst::Pad) -> String {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0).map_or_else(String::new, |s| s.name().to_string())
}

fn rtsp(uri: &str, recipe: &Recipe<'_>) -> Result<gst::Element, String> {
    let (settings, credentials) = (recipe.settings, recipe.credentials);
    let source = make("rtspsrc")?;
    source.set_property("location", uri);
    source.set_property("latency", u32::try_from(settings.latency.as_millis()).unwrap_or(u32::MAX));
    let protocols = match settings.transport {
        Transport::Auto => "udp+udp-mcast+tcp",
        Transport::Tcp => "tcp",
        Transport::Udp => "udp+udp-mcast",
    };
    source.set_property_from_str("protocols", protocols);
    let limit = u64::try_from(settings.connect_timeout.as_micros()).unwrap_or(u64::MAX);
    source.set_property("tcp-timeout", limit);
    // Before the supervisor gives up, so that TCP has its turn.
    source.set_property("timeout", (limit / 4).max(500_000));
    if let Some(user) = &credentials.username {
        source.set_property("user-id", user);
    }
    if let Some(password) = &credentials.password {
        source.set_property("user-pw", password.expose());
    }
    if !settings.tls_verify {
        trust_any_certificate(&source);
    }
    // One video stream; others are not even set up.
    let chosen = OnceLock::new();
    source.connect("select-stream", false, move |values| {
        let number = values.get(1).and_then(|value| value.get::<u32>().ok()).unwrap_or(0);
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let media = caps.and_then(|caps| caps.structure(0)?.get::<String>("media").ok());
        // A reconnect to TCP asks about the same stream again.
        let wanted = media.as_deref() == Some("video") && *chosen.get_or_init(|| number) == number;
        Some(wanted.to_value())
    });
    Ok(source)
}

/// Takes any certificate: cameras make their own.
fn trust_any_certificate(source: &gst::Element) {
    let spec = source.find_property("tls-validation-flags");
    let class = spec.and_then(|spec| glib::FlagsClass::with_type(spec.value_type()));
    if let Some(none) = class.and_then(|class| class.builder().build()) {
        source.set_property_from_value("tls-validation-flags", &none);
    }
}

/// What reads `http://`, `srt://` and files.
fn network_source(uri: &str, recipe: &Recipe<'_>) -> Result<gst::Element, String> {
    let source = make("urisourcebin")?;
    source.set_property("uri", uri);
    // Frames wait for nothing but their own time.
    source.set_property("use-buffering", false);
    let credentials = recipe.credentials.clone();
    let seconds = u32::try_from(recipe.settings.connect_timeout.as_secs()).unwrap_or(3600).max(1);
    let latency = i32::try_from(recipe.settings.latency.as_millis()).unwrap_or(i32::MAX);
    let tls_verify = recipe.settings.tls_verify;
    source.connect("source-setup", false, move |values| {
        let element = values.get(1).and_then(|value| value.get::<gst::Element>().ok())?;
        let name = element.factory()?.name();
        if name == "souphttpsrc" {
            element.set_property("timeout", seconds);
            element.set_property("retries", 0i32);
            element.set_property("ssl-strict", tls_verify);
            if let Some(user) = &credentials.username {
                element.set_property("user-id", user);
            }
            if let Some(password) = &credentials.password {
                element.set_property("user-pw", password.expose());
            }
        } else if name == "srtsrc" {
            element.set_property("latency", latency);
        }
        None
    });
    Ok(source)
}
