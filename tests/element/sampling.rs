//! Clips of streams that have more frames a second than their classifier was trained on.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use super::picture::{Picture, clip_score, found, found_one, one_face, sliding};
use super::support::{Outcome, Rig, T, filter, short_clips, write_networks};

/// Scores are computed in single precision.
const EXACT: f64 = 1e-4;
const BUDGET: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Networks whose classifier was trained at 23 to 31 frames a second.
fn trained_at_30() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("element-clips-at-30");
        std::fs::create_dir_all(&dir).unwrap();
        write_networks(&dir, T, 32);
        let sidecar = dir.join("analytic_classifier.onnx.modelinfo");
        let text = std::fs::read_to_string(&sidecar).unwrap();
        std::fs::write(&sidecar, text.replacen("[modelinfo]", "[modelinfo]\nfps=23,31", 1))
            .unwrap();
        dir
    })
}

/// The red of frame `number`: no two clips have the same mean.
fn red(number: usize) -> u8 {
    (20 + (number * 37) % 211) as u8
}

fn reds(count: usize) -> Vec<u8> {
    (0..count).map(red).collect()
}

fn info(fps: (i32, i32)) -> VideoInfo {
    let info = VideoInfo::builder(VideoFormat::Rgb, 160, 120);
    info.fps(gst::Fraction::new(fps.0, fps.1)).build().unwrap()
}

/// The frames of a stream: when each starts and how long it lasts, in ns.
fn regular(fps: f64, count: usize) -> Vec<(u64, u64)> {
    let at = |number: usize| (number as f64 * 1e9 / fps).round() as u64;
    (0..count).map(|number| (at(number), at(number + 1) - at(number))).collect()
}

fn buffer(picture: &Picture, info: &VideoInfo, (start, length): (u64, u64)) -> gst::Buffer {
    let mut buffer = picture.buffer(info, 0);
    let writable = buffer.make_mut();
    writable.set_pts(gst::ClockTime::from_nseconds(start));
    writable.set_duration(gst::ClockTime::from_nseconds(length));
    buffer
}

fn play(element: gst::Element, fps: (i32, i32), frames: &[(u64, u64)]) -> (Rig, Outcome) {
    let mut rig = Rig::new(element);
    let info = info(fps);
    rig.caps(&info);
    for (number, times) in frames.iter().enumerate() {
        rig.harness.push(buffer(&one_face(red(number)), &info, *times)).unwrap();
    }
    let outcome = rig.finish();
    let left: Vec<_> = outcome.buffers.iter().map(|b| b.pts().unwrap().nseconds()).collect();
    assert_eq!(left, frames.iter().map(|(start, _)| *start).collect::<Vec<_>>(), "in order, all");
    (rig, outcome)
}

fn with(dir: &Path, clip_fps: &str) -> gst::Element {
    let element = filter(dir);
    element.set_property("clip-fps", clip_fps);
    element
}

fn clip_scores(outcome: &Outcome) -> Vec<f64> {
    outcome.named("m2sd-clip").iter().map(|m| m.get::<f64>("score").unwrap()).collect()
}

/// Asserts that clips are made of the frames `taken`, and that each of the others has the score of
/// the next of these.
fn assert_made_of(outcome: &Outcome, taken: &[usize], what: &str) {
    let reds = reds(outcome.buffers.len());
    let clips = sliding(taken.len(), T, 1);
    let shown: Vec<Vec<usize>> =
        clips.iter().map(|clip| clip.iter().map(|place| taken[*place]).collect()).collect();
    let scores: Vec<f64> = shown.iter().map(|clip| clip_score(&reds, clip)).collect();
    let found = clip_scores(outcome);
    assert_eq!(found.len(), scores.len(), "{what}");
    let near = found.iter().zip(&scores).all(|(a, b)| (a - b).abs() < EXACT);
    assert!(near, "{what}: {found:?}, not {scores:?}");
    for (number, buffer) in outcome.buffers.iter().enumerate() {
        let face = found_one(buffer);
        let expected = match taken.iter().position(|frame| *frame >= number) {
            Some(place) => {
                let holding = clips.iter().zip(&scores).filter(|(clip, _)| clip.contains(&place));
                let holding: Vec<f64> = holding.map(|(_, score)| *score).collect();
                holding.iter().sum::<f64>() / holding.len() as f64
            }
            // No further one was taken: the last clip's.
            None => *scores.last().unwrap(),
        };
        let score = face.score().unwrap_or_else(|| panic!("{what}: frame {number} has no score"));
        assert!(
            (score - expected).abs() < EXACT,
            "{what}, frame {number}: {score}, not {expected}"
        );
    }
}

#[test]
fn clips_span_the_time_that_their_classifier_was_trained_on() {
    for (fps, nth) in [((25, 1), 1), ((30, 1), 1), ((30_000, 1001), 1), ((50, 1), 2), ((60, 1), 2)]
    {
        let rate = f64::from(fps.0) / f64::from(fps.1);
        let count = 27;
        let (_rig, outcome) = play(with(trained_at_30(), "auto"), fps, &regular(rate, count));
        let taken: Vec<_> = (0..count).step_by(nth).collect();
        assert_made_of(&outcome, &taken, &format!("{fps:?}"));
        for clip in outcome.named("m2sd-clip") {
            let (start, end): (u64, u64) = (clip.get("start").unwrap(), clip.get("end").unwrap());
            let frames = (end - start) as f64 * rate / 1e9;
            assert!((frames - ((T - 1) * nth + 1) as f64).abs() < 0.01, "{fps:?}: {frames}");
            assert_eq!(clip.get::<u32>("frames").unwrap(), T as u32);
        }
    }
}

#[test]
fn every_frame_is_taken_where_nobody_says_another_rate() {
    let all: Vec<_> = (0..20).collect();
    let sixty = regular(60.0, 20);
    let (_rig, native) = play(with(trained_at_30(), "native"), (60, 1), &sixty);
    assert_made_of(&native, &all, "clip-fps=native");
    let (_rig, silent) = play(with(short_clips(), "auto"), (60, 1), &sixty);
    assert_made_of(&silent, &all, "a sidecar without fps");
    let (_rig, unset) = play(filter(short_clips()), (60, 1), &sixty);
    assert_made_of(&unset, &all, "the property unset");
}

#[test]
fn a_rate_that_is_asked_for_counts_more_than_the_classifier_s() {
    for (asked, nth) in [("15", 4), ("20", 3), ("30", 2), ("60", 1)] {
        let (_rig, outcome) = play(with(trained_at_30(), asked), (60, 1), &regular(60.0, 29));
        assert_made_of(&outcome, &(0..29).step_by(nth).collect::<Vec<_>>(), asked);
    }
}

#[test]
fn variable_rates_and_dropped_frames_leave_clips_their_length() {
    // 60 frames a second, a second of 30, and 60 with every fifth frame missing.
    let mut frames = Vec::new();
    let mut now = 0;
    for (count, step) in [(60, 16_666_667), (30, 33_333_333), (60, 16_666_667)] {
        for number in 0..count {
            if count == 30 || now < 2_000_000_000 || number % 5 != 3 {
                frames.push((now, step));
            }
            now += step;
        }
    }
    for fps in [(0, 1), (60, 1)] {
        let (_rig, outcome) = play(with(trained_at_30(), "auto"), fps, &frames);
        let spans = outcome.named("m2sd-clip").into_iter().map(|clip| {
            let (start, end): (u64, u64) = (clip.get("start").unwrap(), clip.get("end").unwrap());
            (end - start) as f64 / 1e6
        });
        let spans: Vec<_> = spans.collect();
        // Three steps of 33.3 ms and a frame; a dropped frame moves either end by 16.7.
        assert!(spans.iter().all(|ms| (100.0..=150.1).contains(ms)), "{fps:?}: {spans:?}");
        assert!((85..=90).contains(&(spans.len() + T - 1)), "{fps:?}: {}", spans.len());
        assert!(outcome.buffers.iter().all(|buffer| found_one(buffer).score().is_some()));
    }
}

/// Streams that say no rate, of more frames than anybody would expect: what waits is bounded, and
/// nothing waits for ever.
#[test]
fn no_frame_waits_for_ever_however_many_are_left_out() {
    let one_time = vec![(0, 0); 150];
    for (what, frames) in [("1000 a second", regular(1000.0, 400)), ("all at one time", one_time)] {
        let (_rig, outcome) = play(with(trained_at_30(), "auto"), (0, 1), &frames);
        assert!(!outcome.named("m2sd-clip").is_empty(), "{what}");
        assert_eq!(outcome.buffers.len(), frames.len(), "{what}");
    }
    // A face that comes and goes on frames that are left out.
    let element = with(trained_at_30(), "auto");
    let mut rig = Rig::new(element);
    let info = info((60, 1));
    rig.caps(&info);
    for (number, times) in regular(60.0, 60).into_iter().enumerate() {
        let empty = Picture::new(160, 120, &[]);
        let picture = if number % 10 < 3 { empty } else { one_face(red(number)) };
        rig.harness.push(buffer(&picture, &info, times)).unwrap();
    }
    let outcome = rig.finish();
    assert_eq!(outcome.buffers.len(), 60);
    for (number, buffer) in outcome.buffers.iter().enumerate() {
        let scored = found(buffer).iter().all(|face| face.score().is_some());
        assert!(scored, "frame {number}: {:?}", found(buffer));
    }
}

#[test]
fn live_frames_leave_at_once_and_those_that_are_left_out_are_scored_too() {
    for (clip_fps, nth) in [("auto", 2), ("native", 1)] {
        let element = with(trained_at_30(), clip_fps);
        element.set_property_from_str("mode", "live");
        element.set_property("detect-interval", 1u32);
        element.set_property("clip-stride", 1u32);
        let mut rig = Rig::new(element);
        let info = info((60, 1));
        rig.await_engines_with(&Picture::new(160, 120, &[]), &info);
        let first = rig.next as usize;
        // Those before had the times of another rate.
        let base = gst::ClockTime::from_seconds(100).nseconds();
        let mut labels = Vec::new();
        for (number, (start, length)) in regular(60.0, 24).into_iter().enumerate() {
            let times = (base + start, length);
            rig.harness.push(buffer(&one_face(red(first + number)), &info, times)).unwrap();
            labels.push(found_one(&rig.pull()).score().is_some());
            // So that no clip is skipped.
            rig.await_stat("clips-waiting", 0);
        }
        let outcome = rig.finish();
        let clips = outcome.named("m2sd-clip");
        assert_eq!(clips.len(), 24 / nth - T + 1, "{clip_fps}");
        for clip in clips {
            let (start, end): (u64, u64) = (clip.get("start").unwrap(), clip.get("end").unwrap());
            let frames = ((end - start) as f64 * 60.0 / 1e9).round() as usize;
            assert_eq!(frames, (T - 1) * nth + 1, "{clip_fps}");
        }
        let full = (T - 1) * nth;
        assert!(labels[full + 1..].iter().all(|scored| *scored), "{clip_fps}: {labels:?}");
        assert!(labels[..full].iter().all(|scored| !scored), "{clip_fps}: {labels:?}");
    }
}

#[test]
fn the_latency_counts_the_longer_clip() {
    for (clip_fps, frames) in [("auto", T * 2 - 1), ("native", T - 1), ("15", T * 4 - 1)] {
        let mut rig = Rig::new(with(trained_at_30(), clip_fps));
        rig.harness.set_upstream_latency(gst::ClockTime::ZERO);
        rig.await_engines_with(&Picture::new(160, 120, &[]), &info((60, 1)));
        let mut query = gst::query::Latency::new();
        assert!(rig.element.static_pad("src").unwrap().query(&mut query));
        let (_, own, _) = query.result();
        let expected = BUDGET.nseconds() as f64 + frames as f64 * 1e9 / 60.0;
        let off = own.nseconds() as f64 - expected;
        assert!(off.abs() < 100.0, "{clip_fps}: {own}, {off} ns off");
        rig.finish();
    }
}

/// The warnings of a stream of 60 frames at `fps`.
fn warnings(clip_fps: &str, fps: (i32, i32), rate: f64) -> Vec<String> {
    let mut rig = Rig::new(with(trained_at_30(), clip_fps));
    let info = info(fps);
    rig.caps(&info);
    for times in regular(rate, 60) {
        rig.harness.push(buffer(&one_face(90), &info, times)).unwrap();
    }
    assert!(rig.harness.push_event(gst::event::Eos::new()));
    rig.await_event(gst::EventType::Eos);
    let messages = std::iter::from_fn(|| rig.bus.pop());
    let text = |message: gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
        _ => None,
    };
    messages.filter_map(text).collect()
}

#[test]
fn a_stream_that_is_too_slow_is_told_of_once() {
    for fps in [(15, 1), (0, 1)] {
        let told = warnings("auto", fps, 15.0);
        let expected = "The stream has 15.000 frames a second, and clips for";
        assert!(told.len() == 1 && told[0].starts_with(expected), "{fps:?}: {told:?}");
        assert!(
            told[0].contains("want 23 to 31") && told[0].contains("clip-fps=native"),
            "{told:?}"
        );
        assert_eq!(warnings("native", fps, 15.0), [""; 0], "{fps:?}");
    }
    assert_eq!(warnings("auto", (25, 1), 25.0), [""; 0]);
    assert_eq!(warnings("30", (25, 1), 25.0).len(), 1);
}

#[test]
fn a_rate_that_is_none_is_an_error_at_the_start() {
    let element = with(trained_at_30(), "fast");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let error = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
    let text = super::support::error_text(&error);
    assert!(
        text.contains("clip-fps: \"fast\" is no rate for clips: expected auto, native"),
        "{text}"
    );
    element.set_state(gst::State::Null).unwrap();
}
