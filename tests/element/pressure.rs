//! Live streams whose sinks wait, whose consumers are slow, and whose detection is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gst::prelude::*;
use gstm2sd::core::modelinfo::Role;
use gstm2sd::infer::{
    CancelToken, Engine, EngineInfo, EngineOptions, InferError, LentEngine, Outputs, Provider,
    TensorIn, lend_engine, load_engine,
};

use super::picture::{Picture, found, found_one, one_face};
use super::support::{Rig, Watchdog, filter, init, short_clips, stat, write_networks};

/// What a run of a live pipeline did.
struct Run {
    frames: u64,
    analysed: u64,
}

/// Plays `frames` frames of a live source through the element and what follows it, in real time.
fn play(mode: &str, fps: u32, latency_ms: u64, after: &str, frames: u32) -> Run {
    let _watchdog = Watchdog::new();
    init();
    // Has the models loaded, so that the stream's first frames find them.
    let mut holder = Rig::new(filter(short_clips()));
    holder.await_engines(&Picture::new(160, 120, &[]));
    let engines = short_clips().display();
    let description = format!(
        "videotestsrc is-live=true pattern=black num-buffers={frames} \
         ! video/x-raw,format=RGB,width=160,height=120,framerate={fps}/1 ! queue \
         ! m2sdfilter name=f mode={mode} engines-dir={engines} provider=cpu threads=1 \
           aligner=none detect-interval=2 ! {after}"
    );
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_latency(gst::ClockTime::from_mseconds(latency_ms));
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).expect("an end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    let element = pipeline.by_name("f").unwrap();
    let run =
        Run { frames: stat(&element, "frames-in"), analysed: stat(&element, "frames-analysed") };
    pipeline.set_state(gst::State::Null).unwrap();
    run
}

/// Most of every second frame: the first ones may come before the models are there, and where other
/// work makes detection late for a moment, it is skipped. Starved, it was 6 of 60.
fn assert_detects(run: &Run, situation: &str) {
    let due = run.frames / 2;
    assert!(
        run.analysed * 4 >= due * 3 && run.analysed <= due + 1,
        "{situation}: {} of {} frames analysed",
        run.analysed,
        run.frames
    );
}

#[test]
fn a_sink_that_waits_for_the_clock_starves_no_detection() {
    for (fps, latency_ms) in [(30, 0), (30, 250), (30, 600), (60, 0), (60, 250), (60, 600)] {
        let run = play("live", fps, latency_ms, "fakesink sync=true", 2 * fps);
        assert_detects(&run, &format!("{fps} frames/s, {latency_ms} ms"));
    }
    // The control: a mode that never skips.
    let complete = play("complete", 30, 600, "fakesink sync=true", 60);
    assert_eq!(complete.analysed, 30);
}

#[test]
fn a_slow_consumer_starves_no_detection() {
    // 22 frames a second of 30.
    let slow = "identity sleep-time=45000 ! fakesink sync=false";
    let run = play("live", 30, 0, slow, 60);
    assert_detects(&run, "a consumer of 22 frames/s");
}

#[test]
fn a_queue_behind_the_element_starves_no_detection() {
    for queue in ["queue", "queue max-size-buffers=1", "queue leaky=downstream max-size-buffers=2"]
    {
        let after = format!("{queue} ! fakesink sync=true");
        assert_detects(&play("live", 30, 600, &after, 60), queue);
    }
}

/// A detector that a test holds up. It cannot be stopped in a run.
struct Held {
    engine: Box<dyn Engine>,
    hold: Arc<Hold>,
}

#[derive(Default)]
struct Hold {
    closed: AtomicBool,
    runs: AtomicUsize,
}

impl Engine for Held {
    fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        self.hold.runs.fetch_add(1, Ordering::Relaxed);
        while self.hold.closed.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.engine.run(inputs, outputs, cancel)
    }
}

struct HeldDetection {
    element: gst::Element,
    hold: Arc<Hold>,
    _lent: LentEngine,
    _dir: tempfile::TempDir,
}

impl HeldDetection {
    fn runs(&self) -> usize {
        self.hold.runs.load(Ordering::Relaxed)
    }

    fn close(&self, closed: bool) {
        self.hold.closed.store(closed, Ordering::Relaxed);
    }
}

/// An element in live mode whose detection a test may hold up.
fn held_detection() -> HeldDetection {
    init();
    let dir = tempfile::tempdir().unwrap();
    write_networks(dir.path(), super::support::T, 32);
    let asked = EngineOptions { provider: Provider::Cpu, threads: 1, ..EngineOptions::default() };
    let model = dir.path().join("analytic_detector.onnx");
    let engine = load_engine(&model, &asked, &CancelToken::new()).unwrap();
    let hold = Arc::<Hold>::default();
    let held = Box::new(Held { engine, hold: Arc::clone(&hold) });
    let lent = lend_engine(&model, Role::Detector, &asked, held).expect("nobody else uses it");
    let element = filter(dir.path());
    element.set_property_from_str("mode", "live");
    element.set_property("detect-interval", 1u32);
    element.set_property("max-latency", 20_000_000u64);
    HeldDetection { element, hold, _lent: lent, _dir: dir }
}

#[test]
fn frames_pass_a_slow_detection_with_the_boxes_of_before() {
    let detection = held_detection();
    let mut rig = Rig::new(detection.element.clone());
    let picture = one_face(90);
    rig.await_engines(&Picture::new(160, 120, &[]));
    rig.push_rgb(std::slice::from_ref(&picture));
    let first = found_one(&rig.pull());
    detection.close(true);
    let begun = detection.runs();
    // Each is taken out before the next one comes: none waits for the detection, which does not end.
    for _ in 0..30 {
        rig.push_rgb(std::slice::from_ref(&picture));
        let face = found_one(&rig.pull());
        assert_eq!((face.rect, face.track), (first.rect, first.track));
    }
    assert_eq!(detection.runs(), begun + 1, "one at a time");
    detection.close(false);
    // What it found is told of on a later frame, and the next one begins.
    while detection.runs() < begun + 5 {
        rig.push_rgb(std::slice::from_ref(&picture));
        assert_eq!(found_one(&rig.pull()).track, first.track);
    }
    rig.finish();
}

#[test]
fn a_face_that_came_during_a_slow_detection_is_found_by_the_next() {
    let detection = held_detection();
    let mut rig = Rig::new(detection.element.clone());
    let blank = Picture::new(160, 120, &[]);
    rig.await_engines(&blank);
    detection.close(true);
    rig.push_rgb(std::slice::from_ref(&blank));
    rig.pull();
    rig.push_rgb(&[one_face(90)]);
    assert!(found(&rig.pull()).is_empty(), "nobody has looked for it yet");
    detection.close(false);
    loop {
        rig.push_rgb(&[one_face(90)]);
        if !found(&rig.pull()).is_empty() {
            break;
        }
    }
    rig.finish();
}

#[test]
fn stopping_does_not_wait_for_a_detection_that_cannot_be_stopped() {
    for mode in ["live", "complete"] {
        let detection = held_detection();
        let element = detection.element.clone();
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element.clone());
        detection.close(true);
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        rig.push_rgb(std::slice::from_ref(&picture));
        while detection.runs() == 0 {
            if mode == "live" {
                rig.push_rgb(std::slice::from_ref(&picture));
                rig.pull();
            }
            std::thread::yield_now();
        }
        // Returns, though the detection never does.
        element.set_state(gst::State::Null).unwrap();
        assert!(detection.hold.closed.load(Ordering::Relaxed));
        detection.close(false);
    }
}
