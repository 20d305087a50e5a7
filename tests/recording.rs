//! Recordings hold what the camera sent, frame by frame, from a key frame at or before the asked time.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::events::body::{FaceBox, HealthStatus};
use gstm2sd::events::{CameraId, EventId, EventMaker};
use gstm2sd::watch::recording::{Limits, RecordingError, Recordings, Ring};

const FPS: u64 = 10;

/// An encoded frame as it left the camera.
#[derive(Clone, Debug)]
struct Sent {
    time: gst::ClockTime,
    is_key: bool,
    bytes: Vec<u8>,
}

struct Camera {
    pipeline: gst::Pipeline,
    pad: gst::Pad,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Camera {
    /// Frames with noise, coded with a key frame each `distance_s` seconds and `b_frames` between.
    fn new(frames: u64, distance_s: u64, encoder: &str) -> Self {
        gst::init().unwrap();
        let line = format!(
            "videotestsrc pattern=ball num-buffers={frames} ! \
             video/x-raw,format=I420,width=160,height=120,framerate={FPS}/1 ! \
             {} ! fakesink sync=false",
            encoder.replace("DISTANCE", &(distance_s * FPS).to_string())
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let pad = pipeline.by_name("parse").unwrap().static_pad("src").unwrap();
        Self { pipeline, pad, sent: Arc::default() }
    }

    /// Runs to the end. `at` is called when the frame of this number has left, in coded order.
    fn run(&self, ring: &Arc<Ring>, at: impl Fn(u64) + Send + Sync + 'static) {
        ring.follow(&self.pad);
        let sent = Arc::clone(&self.sent);
        self.pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().unwrap();
            // Theora's headers have none.
            let Some(time) = buffer.pts() else { return gst::PadProbeReturn::Ok };
            let bytes = buffer.map_readable().unwrap().to_vec();
            let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            let number = {
                let mut sent = sent.lock().unwrap();
                sent.push(Sent { time, is_key, bytes });
                sent.len() as u64 - 1
            };
            at(number);
            gst::PadProbeReturn::Ok
        });
        self.pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = self
            .pipeline
            .bus()
            .unwrap()
            .timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
        assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn recordings(folder: &Path) -> Arc<Recordings> {
    gst::init().unwrap();
    Recordings::open(folder.to_owned(), Limits::default(), |_, _| {}).unwrap()
}

fn door() -> CameraId {
    CameraId::new("door").unwrap()
}

/// A camera of so many seconds, with an alert at the eleventh.
fn alert_at_11_s(ring: &Arc<Ring>, id: EventId, seconds: u64) {
    let alarmed = Arc::clone(ring);
    let camera = Camera::new(seconds * FPS, 1, &H264.replace("BFRAMES", "0"));
    camera.run(ring, move |number| {
        if number == 11 * FPS {
            alarmed.alert(id).unwrap();
        }
    });
}

/// Waits until nothing is being recorded.
fn finish(library: &Recordings) {
    let begun = Instant::now();
    while library.list().iter().any(|recording| recording.unfinished) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", library.list());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What comes out of a pipeline that reads a file and ends in `sink`.
fn read(file: &Path, line: &str) -> Vec<Vec<u8>> {
    let line = format!("filesrc name=file ! {line} ! appsink name=sink sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file.to_str().unwrap());
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let patience = gst::ClockTime::from_seconds(20);
    let samples = std::iter::from_fn(|| sink.try_pull_sample(patience));
    let bytes = samples.map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec());
    let bytes = bytes.collect();
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_none() && sink.is_eos(), "{}: {error:?}", file.display());
    pipeline.set_state(gst::State::Null).unwrap();
    bytes
}

/// The H.264 frames of a file.
fn coded_frames(file: &Path) -> Vec<Vec<u8>> {
    let parse = "parsebin ! h264parse ! video/x-h264,stream-format=avc,alignment=au";
    read(file, parse).iter().map(|frame| slices(frame)).collect()
}

/// The slices of an H.264 frame, without the parameters and remarks between them, which parsers add
/// and leave out.
fn slices(mut frame: &[u8]) -> Vec<u8> {
    let mut slices = Vec::new();
    while let Some((length, rest)) = frame.split_first_chunk::<4>() {
        let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        if matches!(unit[0] & 0x1f, 1 | 5) {
            slices.extend_from_slice(unit);
        }
        frame = rest;
    }
    slices
}

/// How many frames a file shows to a player that decodes it.
fn shown_frames(file: &Path) -> usize {
    read(file, "decodebin ! videoconvert").len()
}

const H264: &str = "x264enc key-int-max=DISTANCE bframes=BFRAMES speed-preset=ultrafast ! h264parse \
                    name=parse ! video/x-h264,stream-format=avc,alignment=au";

#[test]
fn a_recording_holds_every_frame_of_the_asked_interval() {
    for (distance_s, b_frames) in [(1, 0), (2, 2), (10, 0), (10, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let library = recordings(folder.path());
        let ring = Ring::new(door(), &library);
        let id = EventMaker::new("test").next_id();
        let encoder = H264.replace("BFRAMES", &b_frames.to_string());
        let camera = Camera::new(50 * FPS, distance_s, &encoder);
        let alarmed = Arc::clone(&ring);
        // An alert at 25 s, beside no key frame.
        camera.run(&ring, move |number| {
            if number == 25 * FPS + 3 {
                assert_eq!(alarmed.alert(id), Ok(id));
            }
        });
        finish(&library);
        let [recording] = &library.list()[..] else { panic!() };
        assert_eq!((&recording.failure, recording.camera.as_str()), (&None, "door"));
        let file = library.file(recording.video.as_ref().unwrap()).unwrap();

        let recorded = coded_frames(&file);
        let sent = camera.sent.lock().unwrap();
        let first = sent.iter().position(|frame| slices(&frame.bytes) == recorded[0]).unwrap();
        let case = format!("key frames each {distance_s} s, {b_frames} B frames");
        assert!(sent[first].is_key, "{case}");
        for (recorded, sent) in recorded.iter().zip(&sent[first..]) {
            assert!(*recorded == slices(&sent.bytes), "{case}: the frame of {}", sent.time);
        }
        let newest = sent[..=25 * FPS as usize + 3].iter().map(|frame| frame.time).max().unwrap();
        let last = sent[first..][..recorded.len()].iter().map(|frame| frame.time).max().unwrap();
        let ten = gst::ClockTime::from_seconds(10);
        assert!(sent[first].time <= newest - ten, "{case}: from {}", sent[first].time);
        let distance = gst::ClockTime::from_seconds(distance_s);
        assert!(sent[first].time + distance > newest - ten, "{case}: from {}", sent[first].time);
        assert!(last >= newest + ten, "{case}: to {last}");
        assert_eq!(shown_frames(&file), recorded.len(), "{case}");
        assert!(!file.with_extension("mp4.part").exists());
    }
}

#[test]
fn other_codecs_are_recorded_or_refused_with_their_name() {
    for (encoder, extension) in [
        (
            "x265enc key-int-max=DISTANCE speed-preset=ultrafast ! h265parse name=parse ! \
             video/x-h265,stream-format=hvc1,alignment=au",
            Some("mp4"),
        ),
        ("jpegenc ! jpegparse name=parse", Some("mkv")),
        ("vp8enc keyframe-max-dist=DISTANCE deadline=1 ! identity name=parse", Some("mkv")),
        ("theoraenc ! theoraparse name=parse", None),
    ] {
        let installed = encoder.split_whitespace().next().unwrap();
        gst::init().unwrap();
        if gst::ElementFactory::find(installed).is_none() {
            assert_eq!(installed, "x265enc", "{installed} is missing: run make setup");
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let library = recordings(folder.path());
        let ring = Ring::new(door(), &library);
        let id = EventMaker::new("test").next_id();
        let outcome = Arc::new(Mutex::new(None));
        let (alarmed, said) = (Arc::clone(&ring), Arc::clone(&outcome));
        let camera = Camera::new(30 * FPS, 1, encoder);
        camera.run(&ring, move |number| {
            if number == 15 * FPS {
                *said.lock().unwrap() = Some(alarmed.alert(id));
            }
        });
        finish(&library);
        let outcome = outcome.lock().unwrap().clone().unwrap();
        match extension {
            Some(extension) => {
                assert_eq!(outcome, Ok(id));
                assert_eq!(library.list()[0].failure, None, "{encoder}");
                let file = library.file(&format!("{id}.{extension}")).unwrap();
                let shown = shown_frames(&file) as u64;
                assert!((20 * FPS..=22 * FPS).contains(&shown), "{encoder}: {shown} frames");
            }
            None => {
                assert_eq!(outcome, Err(RecordingError::Codec("video/x-theora".into())));
                assert!(library.list().is_empty());
            }
        }
    }
}

#[test]
fn alerts_of_one_camera_prolong_its_recording_up_to_the_longest() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { longest: Duration::from_secs(30), ..Limits::default() };
    gst::init().unwrap();
    let library = Recordings::open(folder.path().to_owned(), limits, |_, _| {}).unwrap();
    let ring = Ring::new(door(), &library);
    let maker = Arc::new(EventMaker::new("test"));
    let ids = Arc::new(Mutex::new(Vec::<EventId>::new()));
    let (alarmed, said) = (Arc::clone(&ring), Arc::clone(&ids));
    let camera = Camera::new(80 * FPS, 1, &H264.replace("BFRAMES", "0"));
    camera.run(&ring, move |number| {
        // From 10 s to 60 s, each 5 s.
        if (10 * FPS..60 * FPS).contains(&number) && number % (5 * FPS) == 0 {
            said.lock().unwrap().push(alarmed.alert(maker.next_id()).unwrap());
        }
    });
    finish(&library);
    let mut ids = ids.lock().unwrap().clone();
    ids.dedup();
    let list = library.list();
    assert!((2..=3).contains(&list.len()), "{list:?}");
    assert_eq!(
        ids.iter().rev().map(EventId::to_string).collect::<Vec<_>>(),
        list.iter().map(|r| r.id.clone()).collect::<Vec<_>>()
    );
    for recording in &list {
        let shown = shown_frames(&library.file(recording.video.as_ref().unwrap()).unwrap()) as u64;
        assert!((20 * FPS..=31 * FPS).contains(&shown), "{shown}");
    }
}

#[test]
fn a_recording_ends_with_its_stream_and_nothing_is_recorded_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = recordings(folder.path());
    let ring = Ring::new(door(), &library);
    let maker = EventMaker::new("test");
    assert_eq!(ring.alert(maker.next_id()), Err(RecordingError::NoKeyFrame));
    let id = maker.next_id();
    alert_at_11_s(&ring, id, 12);
    ring.stream_ended();
    finish(&library);
    let file = library.file(&format!("{id}.mp4")).unwrap();
    assert_eq!(shown_frames(&file) as u64, 11 * FPS);
    assert_eq!(ring.alert(maker.next_id()), Err(RecordingError::NoKeyFrame));
}

#[test]
fn what_a_crash_leaves_plays_and_the_oldest_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let maker = EventMaker::new("test");
    let ids: Vec<_> = (0..4).map(|_| maker.next_id()).collect();
    {
        let library = recordings(folder.path());
        for id in ids.clone() {
            let ring = Ring::new(door(), &library);
            alert_at_11_s(&ring, id, 15);
            ring.stream_ended();
            finish(&library);
        }
    }
    // As after a crash, with the name that it has while it grows.
    let last = folder.path().join(format!("{}.mp4", ids[3]));
    std::fs::rename(&last, last.with_extension("mp4.part")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "somebody else's").unwrap();
    let library = recordings(folder.path());
    assert_eq!(library.list().len(), 4);
    assert!(shown_frames(&library.file(&format!("{}.mp4", ids[3])).unwrap()) > 0);
    // Names are looked up, not joined.
    for name in ["notes.txt", "../notes.txt", "", ".", &format!("{}.json", ids[0])] {
        assert_eq!(library.file(name), None, "{name}");
    }

    let one = last.metadata().unwrap().len();
    let limits = Limits { max_bytes: one * 5 / 2, ..Limits::default() };
    let library = Recordings::open(folder.path().to_owned(), limits, |_, _| {}).unwrap();
    let left: Vec<_> = library.list().into_iter().map(|recording| recording.id).collect();
    assert_eq!(left, [ids[3].to_string(), ids[2].to_string()]);
    assert!(!folder.path().join(format!("{}.mp4", ids[0])).exists());
    assert!(folder.path().join("notes.txt").exists());
}

#[test]
fn stills_show_the_frame_and_the_face() {
    let folder = tempfile::tempdir().unwrap();
    let library = recordings(folder.path());
    let ring = Ring::new(door(), &library);
    let id = EventMaker::new("test").next_id();
    alert_at_11_s(&ring, id, 12);
    let line = "videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=160,height=120 ! appsink \
                name=sink";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    let frame = sink.pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let face = FaceBox { x: 60.0, y: 40.0, width: 20.0, height: 30.0 };
    let names = library.add_stills(id, &frame, face).unwrap();
    for (name, size) in names.iter().zip([(160, 120), (40, 60)]) {
        let file = library.file(name).unwrap();
        let line = format!("filesrc location={} ! jpegdec ! appsink name=sink", file.display());
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
        let caps = sink.pull_sample().unwrap().caps_owned().unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
        assert_eq!((info.width(), info.height()), size, "{name}");
    }
    ring.stream_ended();
    finish(&library);
    assert_eq!(library.list()[0].stills, names);
}

#[test]
fn a_recording_that_cannot_be_written_is_told_and_so_is_the_next_that_can() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&said);
    let tell = move |status, text: &str| lines.lock().unwrap().push((status, text.to_owned()));
    let library = Recordings::open(folder.path().to_owned(), Limits::default(), tell).unwrap();
    let record = |id: EventId| {
        let ring = Ring::new(door(), &library);
        alert_at_11_s(&ring, id, 12);
        ring.stream_ended();
        finish(&library);
    };
    let maker = EventMaker::new("test");
    let (first, second) = (maker.next_id(), maker.next_id());
    // Where the video is to be is a folder.
    std::fs::create_dir(folder.path().join(format!("{first}.mp4.part"))).unwrap();
    record(first);
    record(second);
    // It is in the list a moment before it is told.
    let started = std::time::Instant::now();
    while said.lock().unwrap().len() < 2 && started.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let said = said.lock().unwrap();
    let states: Vec<_> = said.iter().map(|(status, _)| *status).collect();
    assert_eq!(states, [HealthStatus::Degraded, HealthStatus::Ok], "{said:?}");
    assert!(said[0].1.contains(&first.to_string()), "{said:?}");
    let failures: Vec<_> = library.list().into_iter().map(|r| r.failure.is_some()).collect();
    assert_eq!(failures, [false, true]);
}
