//! The element between harness pads of both media, signals, and a watchdog.

use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use gst::prelude::*;
use gst_audio::{AudioFormat, AudioInfo};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use gstm2sd::core::audio::{LogMel, RATE_HZ, SAMPLE_NS};
use gstm2sd::models::synth::scene::{Face, fake_probability};
use gstm2sd::models::synth::{Audio, ClipShape, Synth, write};

pub use super::data::watchdog::Watchdog;

/// Frames of a clip.
pub const T: u64 = 4;
pub const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);
/// Samples beside a frame, and in a clip, at 16 kHz.
pub const FRAME_SAMPLES: usize = 640;
pub const CLIP_SAMPLES: usize = FRAME_SAMPLES * T as usize;
/// What the listening classifier wants: all whole frames of a clip.
const AUDIO: Audio = Audio { mels: 80, frames: (CLIP_SAMPLES - 400) / 160 + 1 };
/// The longest that can be set: where sound does come, tests must not depend on when.
pub const PATIENT: gst::ClockTime = gst::ClockTime::from_seconds(10);

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstm2sd::plugin_register_static().unwrap();
    });
}

fn networks(name: &str, audio: Option<Audio>) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let shape = ClipShape { frames: T as usize, size_px: 32, audio, ..ClipShape::default() };
    for network in [Synth::Detector, Synth::Classifier(shape)] {
        write(&network, &dir).unwrap();
    }
    dir
}

/// A classifier whose answer depends on picture and sound.
pub fn listening() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| networks("audio-listening", Some(AUDIO)))
}

/// A classifier that only sees.
pub fn deaf() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| networks("audio-deaf", None))
}

/// The element, for harnesses: in `mode`, declaring `max_latency`.
pub fn filter(engines_dir: &Path, mode: &str, max_latency: gst::ClockTime) -> gst::Element {
    init();
    gst::ElementFactory::make("m2sdfilter")
        .property("engines-dir", engines_dir.to_str().unwrap())
        .property_from_str("provider", "cpu")
        .property_from_str("mode", mode)
        .property("max-latency", max_latency.nseconds())
        .property("threads", 1u32)
        .property("detect-interval", 1u32)
        .property("aligner", "none")
        .property("draw", false)
        .build()
        .unwrap()
}

pub fn stat(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

/// A frame with one face, `red` red.
pub fn picture(red: u8, number: u64) -> gst::Buffer {
    let mut rgb = vec![90; 160 * 120 * 3];
    Face { left_px: 40, top_px: 30, side_px: 48, red }.draw(&mut rgb, 160);
    let mut buffer = gst::Buffer::from_mut_slice(rgb);
    let frame = buffer.get_mut().unwrap();
    frame.set_pts(FRAME * number);
    frame.set_duration(FRAME);
    buffer
}

/// Noise that grows louder, so that every interval sounds different.
pub fn noise(samples: usize) -> Vec<f32> {
    let white = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    (0..samples).map(|n| white(n) * (0.02 + n as f32 * 2e-5).min(1.0)).collect()
}

pub fn mono_16k() -> AudioInfo {
    AudioInfo::builder(AudioFormat::F32le, RATE_HZ, 1).build().unwrap()
}

/// Samples of [`mono_16k`] of which the first is sample `first` of the stream.
pub fn sound(samples: &[f32], first: usize) -> gst::Buffer {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let timed = buffer.get_mut().unwrap();
    timed.set_pts(gst::ClockTime::from_nseconds(first as u64 * SAMPLE_NS));
    timed.set_duration(gst::ClockTime::from_nseconds(samples.len() as u64 * SAMPLE_NS));
    buffer
}

/// What the listening classifier says of a clip with these samples.
pub fn heard_probability(red: u8, samples: &[f32]) -> f64 {
    let spectrum = LogMel::new(AUDIO.mels, AUDIO.frames).spectrum(samples);
    let mean = f64::from(spectrum.mean().unwrap());
    let heard = 1.0 / (1.0 + (-mean).exp());
    (f64::from(fake_probability(red)) + heard) / 2.0
}

/// The element with a harness for each medium, and a bus.
pub struct Rig {
    pub video: Harness,
    pub audio: Option<Harness>,
    pub element: gst::Element,
    pub bus: gst::Bus,
    pub frames: u64,
    _watchdog: Watchdog,
}

impl Rig {
    /// Video only, so far.
    pub fn video(element: gst::Element) -> Self {
        let watchdog = Watchdog::new();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut video = Harness::with_element(&element, Some("sink"), Some("src"));
        let info = VideoInfo::builder(VideoFormat::Rgb, 160, 120);
        let info = info.fps(gst::Fraction::new(25, 1)).build().unwrap();
        video.set_src_caps(info.to_caps().unwrap());
        Self { video, audio: None, element, bus, frames: 0, _watchdog: watchdog }
    }

    /// With both pads, and audio of [`mono_16k`].
    pub fn both(element: gst::Element) -> Self {
        let mut rig = Self::video(element);
        rig.request_audio();
        rig.audio().set_src_caps(mono_16k().to_caps().unwrap());
        rig
    }

    /// Links the audio pads; no stream begins yet.
    pub fn request_audio(&mut self) {
        self.element.request_pad_simple("audio_sink").expect("no pad");
        self.audio =
            Some(Harness::with_element(&self.element, Some("audio_sink"), Some("audio_src")));
    }

    pub fn audio(&mut self) -> &mut Harness {
        self.audio.as_mut().expect("no audio pads")
    }

    pub fn show(&mut self, frames: u64, red: u8) {
        for _ in 0..frames {
            self.video.push(picture(red, self.frames)).unwrap();
            self.frames += 1;
        }
    }

    /// Sends samples in pieces of a size that divides nothing.
    pub fn play(&mut self, samples: &[f32], first: usize) {
        for (n, piece) in samples.chunks(499).enumerate() {
            self.audio().push(sound(piece, first + 499 * n)).unwrap();
        }
    }

    pub fn end_audio(&mut self) {
        assert!(self.audio().push_event(gst::event::Eos::new()));
        await_event(self.audio(), gst::EventType::Eos);
    }

    /// Ends the video and returns the clips that were scored, after all frames have come out.
    pub fn finish(&mut self) -> Vec<gst::Structure> {
        assert!(self.video.push_event(gst::event::Eos::new()));
        await_event(&mut self.video, gst::EventType::Eos);
        assert_eq!(self.video.buffers_received(), self.frames as u32);
        self.clips()
    }

    /// The messages of clips so far, taken from the bus.
    pub fn clips(&self) -> Vec<gst::Structure> {
        let all = std::iter::from_fn(|| self.bus.pop());
        let structures = all.filter_map(|message| {
            assert!(message.type_() != gst::MessageType::Error, "{message:?}");
            message.structure().map(ToOwned::to_owned)
        });
        structures.filter(|s| s.name() == "m2sd-clip").collect()
    }

    /// Sends frames until the networks are there: live mode passes them through until then.
    pub fn await_engines(&mut self, red: u8) {
        while stat(&self.element, "frames-analysed") == 0 {
            self.show(1, red);
            self.video.pull().unwrap();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // The bus holds messages, and these hold the element.
        self.bus.set_flushing(true);
    }
}

/// Takes events until one of this type, and returns those before.
pub fn await_event(harness: &mut Harness, wanted: gst::EventType) -> Vec<gst::Event> {
    let mut before = Vec::new();
    loop {
        // The harness waits for a minute.
        let event = harness.pull_event().unwrap_or_else(|_| panic!("no {wanted:?}"));
        if event.type_() == wanted {
            return before;
        }
        before.push(event);
    }
}

pub fn coverage(clip: &gst::Structure) -> f64 {
    clip.get("audio-coverage").unwrap_or_else(|_| panic!("{clip}"))
}

/// The frame with which a clip starts.
pub fn first_frame(clip: &gst::Structure) -> u64 {
    clip.get::<u64>("start").unwrap() / FRAME.nseconds()
}
