//! Live streams whose sinks wait, whose consumers are slow, and whose detection is.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::core::modelinfo::Role;
use gstm2sd::infer::onnxruntime::OnnxEngine;
use gstm2sd::infer::{
    CancelToken, Engine, EngineInfo, EngineOptions, InferError, LentEngine, Outputs, Provider,
    TensorIn, lend_engine,
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

/// Nearly every second frame; the first ones may come before the models are there.
fn assert_detects(run: &Run, situation: &str) {
    let due = run.frames / 2;
    assert!(
        run.analysed >= due * 9 / 10 && run.analysed <= due + 1,
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

/// A detector that takes its time. It cannot be stopped in it, unless it says so.
struct Slow {
    engine: OnnxEngine,
    takes: Duration,
    runs: Arc<AtomicUsize>,
    begun: Arc<Mutex<Vec<Instant>>>,
}

impl Engine for Slow {
    fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.begun.lock().unwrap().push(Instant::now());
        std::thread::sleep(self.takes);
        self.engine.run(inputs, outputs, cancel)
    }
}

struct SlowDetection {
    element: gst::Element,
    runs: Arc<AtomicUsize>,
    begun: Arc<Mutex<Vec<Instant>>>,
    _lent: LentEngine,
    _dir: tempfile::TempDir,
}

fn lend(dir: &Path, slow: Slow) -> LentEngine {
    let asked = EngineOptions { provider: Provider::Cpu, threads: 1, ..EngineOptions::default() };
    let model = dir.join("analytic_detector.onnx");
    lend_engine(&model, Role::Detector, &asked, Box::new(slow)).expect("nobody else uses this file")
}

/// An element in live mode whose detection takes this long.
fn slow_detection(takes: Duration) -> SlowDetection {
    init();
    let dir = tempfile::tempdir().unwrap();
    write_networks(dir.path(), super::support::T, 32);
    let asked = EngineOptions { provider: Provider::Cpu, threads: 1, ..EngineOptions::default() };
    let model = dir.path().join("analytic_detector.onnx");
    let token = CancelToken::new();
    let engine = OnnxEngine::load(&model, &asked, &token).unwrap();
    let (runs, begun) = (Arc::default(), Arc::default());
    let slow = Slow { engine, takes, runs: Arc::clone(&runs), begun: Arc::clone(&begun) };
    let lent = lend(dir.path(), slow);
    let element = filter(dir.path());
    element.set_property_from_str("mode", "live");
    element.set_property("detect-interval", 1u32);
    SlowDetection { element, runs, begun, _lent: lent, _dir: dir }
}

/// Feeds `count` frames with a face at 25 frames a second, in real time.
fn feed(rig: &mut Rig, count: u32) -> Vec<gst::Buffer> {
    let picture = one_face(90);
    let start = Instant::now();
    let mut received = Vec::new();
    for frame in 0..count {
        let due = start + Duration::from_millis(40) * frame;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        rig.push_rgb(std::slice::from_ref(&picture));
        received.push(rig.pull());
    }
    received
}

#[test]
fn frames_pass_a_slow_detection_with_the_boxes_of_before() {
    let slow = slow_detection(Duration::from_millis(300));
    let mut rig = Rig::new(slow.element.clone());
    rig.await_engines(&Picture::new(160, 120, &[]));
    let (before, began) = (slow.runs.load(Ordering::Relaxed), Instant::now());
    let frames = feed(&mut rig, 75);
    let took = began.elapsed();
    // Each frame is pulled before the next is pushed: had they waited, this would have taken
    // 75 times 100 ms or more.
    assert!(took < Duration::from_millis(75 * 40 + 700), "the frames took {took:?}");
    let p95: f64 = stat(&slow.element, "latency-p95-ms");
    assert!(p95 < 150.0, "a frame waits up to 100 ms: {p95}");
    let detected = slow.runs.load(Ordering::Relaxed) - before;
    assert!((5..=11).contains(&detected), "{detected} detections of 300 ms in 3 s");
    // From the first detection on.
    assert!(frames.iter().skip(20).all(|frame| found(frame).len() == 1));
    // The face is one face all along.
    assert_eq!(found_one(&frames[20]).track, found_one(&frames[74]).track);
    rig.finish();
}

#[test]
fn a_detection_that_is_late_is_skipped_evenly() {
    let slow = slow_detection(Duration::from_millis(90));
    let mut rig = Rig::new(slow.element.clone());
    rig.await_engines(&Picture::new(160, 120, &[]));
    slow.begun.lock().unwrap().clear();
    feed(&mut rig, 75);
    let begun = slow.begun.lock().unwrap().clone();
    let longest = begun.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest < Duration::from_millis(500), "{longest:?} without a detection");
    // 90 of every 120 ms or so.
    assert!((18..=34).contains(&begun.len()), "{} detections in 3 s", begun.len());
    rig.finish();
}

#[test]
fn stopping_does_not_wait_for_a_detection_that_cannot_be_stopped() {
    let slow = slow_detection(Duration::from_secs(30));
    let element = slow.element.clone();
    let mut rig = Rig::new(element.clone());
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    while slow.runs.load(Ordering::Relaxed) == 0 {
        rig.push_rgb(std::slice::from_ref(&picture));
        rig.pull();
    }
    let began = Instant::now();
    element.set_state(gst::State::Null).unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
