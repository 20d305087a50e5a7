//! What a slow classifier and further streams cost: in a process of its own, so that memory can be
//! measured, and one after the other.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

#[path = "element/picture.rs"]
#[allow(dead_code)]
mod picture;
#[path = "support/resident.rs"]
mod resident;
#[path = "element/scripted.rs"]
#[allow(dead_code)]
mod scripted;
#[path = "element/support.rs"]
#[allow(dead_code)]
mod support;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::core::percentile::percentile;
use gstm2sd::infer::{InferError, settle};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::synth::{Synth, TransformerShape, write};

use picture::{FRAME_DURATION, Picture, face, one_face_each};
use resident::resident_mib;
use scripted::scripted;
use support::{Rig, T, filter, stat, write_networks};

/// Held while memory is measured.
static ALONE: Mutex<()> = Mutex::new(());

/// Sends a frame and takes it out again; returns how long that took.
fn pass(rig: &mut Rig, picture: &Picture) -> Duration {
    let started = Instant::now();
    rig.push(picture, &picture.rgb_info());
    rig.pull();
    started.elapsed()
}

/// `M2SD_OVERLOAD_SECONDS` of stream, in real time.
#[test]
fn a_classifier_ten_times_too_slow_costs_neither_latency_nor_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = std::env::var("M2SD_OVERLOAD_SECONDS").ok().and_then(|s| s.parse().ok());
    let frames = seconds.unwrap_or(60u64) * 25;
    // In live mode a clip begins every T / 2 frames: the slow one takes ten times as long.
    let slow = Duration::from(FRAME_DURATION) * (T as u32 / 2) * 10;
    let (fast, _fast_dir, _fast_pool) = scripted(|_| Ok(1.0));
    let (throttled, _slow_dir, _slow_pool) = scripted(move |cancel| {
        let until = Instant::now() + slow;
        while Instant::now() < until {
            if cancel.is_cancelled() {
                return Err(InferError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(1.0)
    });
    let picture = Picture::new(320, 240, &[face(40, 30, 48, 200), face(180, 90, 60, 40)]);
    let mut rigs = [fast, throttled].map(|element| {
        element.set_property_from_str("mode", "live");
        let mut rig = Rig::new(element);
        rig.await_engines(&picture);
        rig
    });
    // Both at once, so that a busy machine makes both late.
    let mut took = [const { Vec::new() }; 2];
    let (mut early, mut late) = (0, 0);
    let started = Instant::now();
    for frame in 0..frames {
        let due = Duration::from(FRAME_DURATION * frame);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        for (rig, took) in rigs.iter_mut().zip(&mut took) {
            took.push(pass(rig, &picture));
            while rig.bus.pop().is_some() {}
        }
        let memory = if frame < frames / 2 { &mut early } else { &mut late };
        *memory = resident_mib().max(*memory);
    }
    let [fast, throttled] = took.map(|took| {
        let seconds = took.iter().map(Duration::as_secs_f64);
        Duration::from_secs_f64(percentile(seconds, 0.95).unwrap())
    });
    println!("p95: {fast:?}, throttled {throttled:?}; memory {early} MiB, then {late} MiB");
    // A frame less than it would take to notice; a stall is a clip's run, twenty of them.
    assert!(
        throttled <= fast + std::time::Duration::from(FRAME_DURATION),
        "{throttled:?}, not {fast:?}"
    );
    assert!(late <= early + 8, "{early} MiB, then {late} MiB");

    let [fast, throttled] = rigs.each_ref().map(|rig| &rig.element);
    for element in [fast, throttled] {
        assert_eq!(stat::<u64>(element, "frames-in"), stat::<u64>(element, "frames-out"));
    }
    let scored = [fast, throttled].map(|element| stat::<u64>(element, "clips-scored"));
    // Two faces share one run in 0.8 s, where each fills a clip in 0.08 s.
    assert!(scored[1] * 15 < scored[0], "{scored:?}");
    assert!(stat::<u64>(throttled, "clips-skipped") > scored[0] / 2);
    for track in stat::<gst::Array>(throttled, "tracks").iter() {
        let track = track.get::<gst::Structure>().unwrap();
        // Both wait for their turn, equally: 40 frames between two clips of a face.
        assert!((20..=80).contains(&track.get::<u64>("clip-stride").unwrap()), "{track}");
    }
}

#[test]
fn a_tenth_stream_costs_frames_and_crops_and_no_network() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const STREAMS: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let classifier = large_classifier(dir.path());
    let bytes = classifier.metadata().unwrap().len();
    let mut rigs: Vec<Rig> = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..STREAMS {
        let element = filter(dir.path());
        element.set_property("classifier", classifier.to_str().unwrap());
        element.set_property("clip-stride", 16u32);
        let mut rig = Rig::new(element);
        // Three clips: the first runs of a network take their memory in steps.
        let pictures = one_face_each(&[90; 49]);
        rig.caps(&pictures[0].rgb_info());
        rig.push_rgb(&pictures);
        rig.await_stat("clips-scored", 3);
        rigs.push(rig);
        memory.push(resident_mib());
    }
    println!("{memory:?} MiB, the network's file {} MiB", bytes >> 20);
    let each = (memory[STREAMS - 1] - memory[0]) / (STREAMS as u64 - 1);
    // A clip of floats is 10 MiB, and one waits while another is made.
    assert!(each <= 40 && each < bytes >> 21, "{each} MiB a stream: {memory:?}");
}

/// 90 MB of weights in M2SD's shape.
/// By the count a program knows whether it may run its exit handlers.
#[test]
fn threads_that_run_networks_are_counted_until_they_end() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(settle(Duration::from_secs(60)), 0, "left by another test");
    let (element, _dir, pool) = scripted(|_| Ok(1.0));
    assert_eq!(settle(Duration::ZERO), 1, "the pool's");
    element.set_property_from_str("mode", "live");
    let picture = Picture::new(320, 240, &[face(40, 30, 48, 200)]);
    let mut rig = Rig::new(element);
    rig.await_engines(&picture);
    let settled = Instant::now();
    // The one that loads may still be about to end.
    while settle(Duration::ZERO) > 2 && settled.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(settle(Duration::ZERO), 2, "the detector's beside the pool's");
    rig.element.set_state(gst::State::Null).unwrap();
    assert_eq!(settle(Duration::ZERO), 1, "the pool's, which its program keeps");
    drop((rig, pool));
    assert_eq!(settle(Duration::ZERO), 0);
}

fn large_classifier(dir: &Path) -> std::path::PathBuf {
    write_networks(dir, T, 32);
    let shape = TransformerShape { width: 384, heads: 6, ..TransformerShape::BASE };
    write(&Synth::Transformer { shape, seed: 1, tuning: Tuning::Cpu }, dir).unwrap()
}
