//! Networks in a folder, an element between two harness pads, and a watchdog.

use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use gst::prelude::*;
use gst_check::Harness;
use gstm2sd::models::synth::{ClipShape, Synth, write};

use super::picture::Picture;
pub use watchdog::Watchdog;

#[path = "../support/watchdog.rs"]
mod watchdog;

/// Frames of a clip, where a test does not choose.
pub const T: usize = 4;

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstm2sd::plugin_register_static().unwrap();
    });
}

/// Writes the analytic networks, with a classifier of this clip shape.
pub fn write_networks(dir: &Path, frames: usize, size_px: usize) {
    let classifier = Synth::Classifier(ClipShape { frames, size_px, ..ClipShape::default() });
    for network in [Synth::Detector, Synth::Aligner, classifier] {
        write(&network, dir).unwrap();
    }
}

/// A folder of networks, written once a process.
fn networks(cell: &OnceLock<PathBuf>, frames: usize, size_px: usize) -> &Path {
    cell.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("element-clips-of-{frames}"));
        std::fs::create_dir_all(&dir).unwrap();
        write_networks(&dir, frames, size_px);
        dir
    })
}

/// Clips of [`T`] small frames.
pub fn short_clips() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    networks(&DIR, T, 32)
}

/// A classifier of single frames: each frame has the score of its own redness.
pub fn single_frames() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    networks(&DIR, 1, 32)
}

/// M2SD's own clip shape.
pub fn published_clips() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    networks(&DIR, 16, 224)
}

/// The element in complete mode, without drawings and without an aligner.
pub fn filter(engines_dir: &Path) -> gst::Element {
    init();
    gst::ElementFactory::make("m2sdfilter")
        .property("engines-dir", engines_dir.to_str().unwrap())
        .property_from_str("provider", "cpu")
        .property_from_str("mode", "complete")
        .property("threads", 1u32)
        .property("aligner", "none")
        .property("draw", false)
        .build()
        .unwrap()
}

pub fn stat<V: for<'a> glib::value::FromValue<'a> + 'static>(
    element: &gst::Element,
    name: &str,
) -> V {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

/// The element between a harness's pads, with a bus.
pub struct Rig {
    pub harness: Harness,
    pub element: gst::Element,
    pub bus: gst::Bus,
    /// The number of the next frame.
    pub next: u64,
    _watchdog: Watchdog,
}

/// What left from the last look on to the end of the stream.
pub struct Outcome {
    pub buffers: Vec<gst::Buffer>,
    /// The element messages, as structures.
    pub messages: Vec<gst::Structure>,
}

impl Outcome {
    pub fn named(&self, name: &str) -> Vec<&gst::Structure> {
        self.messages.iter().filter(|message| message.name() == name).collect()
    }
}

impl Rig {
    pub fn new(element: gst::Element) -> Self {
        let watchdog = Watchdog::new();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let harness = Harness::with_element(&element, Some("sink"), Some("src"));
        Self { harness, element, bus, next: 0, _watchdog: watchdog }
    }

    /// A stream of this format and size from here on.
    pub fn caps(&mut self, info: &gst_video::VideoInfo) {
        self.harness.set_src_caps(info.to_caps().unwrap());
    }

    /// Sends a picture as the next frame.
    pub fn push(&mut self, picture: &Picture, info: &gst_video::VideoInfo) {
        let buffer = picture.buffer(info, self.next);
        self.next += 1;
        let pushed = self.harness.push(buffer);
        pushed.unwrap_or_else(|error| panic!("{error}; {:?}", self.errors()));
    }

    /// Sends pictures as RGB.
    pub fn push_rgb(&mut self, pictures: &[Picture]) {
        for picture in pictures {
            self.push(picture, &picture.rgb_info());
        }
    }

    pub fn pull(&mut self) -> gst::Buffer {
        self.harness.pull().unwrap_or_else(|_| panic!("no frame came; {:?}", self.errors()))
    }

    /// Sends EOS, and waits until it has come out.
    pub fn finish(&mut self) -> Outcome {
        assert!(self.harness.push_event(gst::event::Eos::new()), "{:?}", self.errors());
        self.await_event(gst::EventType::Eos);
        let buffers = std::iter::from_fn(|| self.harness.try_pull()).collect();
        let (messages, errors) = self.drain_bus();
        assert_eq!(errors, [""; 0]);
        Outcome { buffers, messages }
    }

    /// Sends EOS; the frames that left, and how many warnings were posted.
    pub fn warnings_at_eos(&mut self) -> (Vec<gst::Buffer>, usize) {
        assert!(self.harness.push_event(gst::event::Eos::new()), "{:?}", self.errors());
        self.await_event(gst::EventType::Eos);
        let buffers = std::iter::from_fn(|| self.harness.try_pull()).collect();
        let messages = std::iter::from_fn(|| self.bus.pop());
        (buffers, messages.filter(|m| m.type_() == gst::MessageType::Warning).count())
    }

    /// Takes events until one of this type.
    pub fn await_event(&mut self, wanted: gst::EventType) -> gst::Event {
        loop {
            let event = self.harness.pull_event();
            let event = event.unwrap_or_else(|_| panic!("no {wanted:?}; {:?}", self.errors()));
            if event.type_() == wanted {
                return event;
            }
        }
    }

    /// The element messages and the errors so far, taken from the bus.
    fn drain_bus(&self) -> (Vec<gst::Structure>, Vec<String>) {
        let (mut messages, mut errors) = (Vec::new(), Vec::new());
        // Not filtered: popping one type throws away what comes before it.
        for message in std::iter::from_fn(|| self.bus.pop()) {
            match message.type_() {
                gst::MessageType::Element => {
                    messages.extend(message.structure().map(|s| s.to_owned()));
                }
                gst::MessageType::Error => errors.push(error_text(&message)),
                _ => {}
            }
        }
        (messages, errors)
    }

    /// The errors so far; what else was on the bus is gone.
    pub fn errors(&self) -> Vec<String> {
        self.drain_bus().1
    }

    pub fn await_error(&self) -> String {
        let timeout = gst::ClockTime::from_seconds(watchdog::PATIENCE.as_secs());
        let message = self.bus.timed_pop_filtered(timeout, &[gst::MessageType::Error]);
        error_text(&message.expect("no error message"))
    }

    /// Waits until the statistics have this value.
    pub fn await_stat(&self, name: &str, value: u64) {
        while stat::<u64>(&self.element, name) != value {
            std::thread::yield_now();
        }
    }

    /// Sends frames without faces until one has been analysed and the classifier is there: in live
    /// mode frames that come before the models are loaded pass through.
    pub fn await_engines(&mut self, blank: &Picture) {
        self.await_engines_with(blank, &blank.rgb_info());
    }

    /// As [`Self::await_engines`], in another format.
    pub fn await_engines_with(&mut self, blank: &Picture, info: &gst_video::VideoInfo) {
        self.caps(info);
        let is_ready = |element: &gst::Element| {
            stat::<u64>(element, "frames-analysed") > 0
                && !stat::<String>(element, "provider").is_empty()
        };
        while !is_ready(&self.element) {
            self.push(blank, info);
            self.pull();
        }
    }
}

/// Sends a clip of the picture through the element.
pub fn pass_clip(picture: &Picture, info: &gst_video::VideoInfo) -> Vec<gst::Buffer> {
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(info);
    for _ in 0..T {
        rig.push(picture, info);
    }
    let outcome = rig.finish();
    assert_eq!(outcome.buffers.len(), T);
    outcome.buffers
}

impl Drop for Rig {
    fn drop(&mut self) {
        // The bus holds messages, and these hold the element.
        self.bus.set_flushing(true);
    }
}

pub fn error_text(message: &gst::Message) -> String {
    let gst::MessageView::Error(error) = message.view() else { panic!("{message:?}") };
    error.error().to_string()
}
