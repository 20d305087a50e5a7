//! What a scan leaves, whatever ends it, and what it does to what was there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::evidence::records::{Edge, without_wall};
use serde_json::Value;

use super::running::{Running, assert_code};
use super::{command, m2sd, of_type, records, scene, stderr, text};

/// A scan of the scene into this folder that takes no longer than it must.
fn args<'a>(video: &'a str, results: &'a str, engines: &'a str) -> Vec<&'a str> {
    let quick = ["--clip-stride", "16", "--quiet", "--provider", "cpu"];
    [&["scan", video, "--out", results, "--engines", engines], &quick[..]].concat()
}

/// How many frames of a video can be decoded.
fn decoded(video: &Path) -> usize {
    gst::init().unwrap();
    let line = "filesrc name=source ! decodebin ! video/x-raw ! fakesink name=sink sync=false";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("source").unwrap().set_property("location", video);
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let _ = pipeline.set_state(gst::State::Playing);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    // Before its first fragment a file has no pictures, and its end is told to nobody.
    let patience = gst::ClockTime::from_seconds(5);
    pipeline.bus().unwrap().timed_pop_filtered(patience, &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    count.load(std::sync::atomic::Ordering::Relaxed)
}

/// Whole lines of records, all of which must be valid; the last line may be torn.
fn whole_records(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path).unwrap_or_default();
    let whole = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    whole.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn killed_at_any_moment_it_leaves_valid_records_and_a_video_that_plays() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let started = Instant::now();
    assert_code(&m2sd(&args(text(&video), text(&whole), text(&engines))), 0);
    let took = started.elapsed();
    let mut cut_short = 0;
    for round in 0..20u32 {
        let results = dir.path().join(format!("killed-{round}"));
        let mut scan =
            Running::start(&args(text(&video), text(&results), text(&engines)), Stdio::null(), &[]);
        if round % 2 == 1 {
            // In its midst, however fast it is.
            scan.until_records_or_end(&results.join("scores.jsonl.part"), 4 * round as usize);
        } else {
            // Spread over the whole scan, and nowhere exactly.
            let jitter =
                std::process::id().wrapping_mul(2_654_435_761).wrapping_add(round * 977) % 40;
            std::thread::sleep(took * (round * 40 + jitter) / 800);
        }
        scan.kill();
        let part = results.join("scores.jsonl.part");
        let (records, annotated) = if part.exists() {
            (part, results.join("annotated.mp4.part"))
        } else {
            (results.join("scores.jsonl"), results.join("annotated.mp4"))
        };
        let records = whole_records(&records);
        let Some(header) = records.first() else { continue };
        assert!(matches!(
            serde_json::from_value(header.clone()),
            Ok(Edge::Header(header)) if header.input.sha256.is_some()
        ));
        let frames = of_type(&records, "frame").len();
        let ended = records.last().is_some_and(|last| last["type"] == "footer");
        cut_short += usize::from(!ended && frames > 0);
        let left = if annotated.exists() { annotated } else { results.join("annotated.mp4") };
        // A fragment is a second of 30 frames, and the encoder looks ahead.
        let plays = if frames > 0 { decoded(&left) } else { 0 };
        assert!(plays + 30 + 25 >= frames, "round {round}: {plays} of {frames} frames play");
        assert!(!ended || plays == 60, "round {round}: {plays} frames play");
    }
    assert!(cut_short >= 3, "{cut_short} of 20 were killed in their midst: {took:?}");

    // The next scan says what it found.
    let results = dir.path().join("again");
    let started =
        Running::start(&args(text(&video), text(&results), text(&engines)), Stdio::null(), &[]);
    let mut started = started;
    started.until_records(&results.join("scores.jsonl.part"), 5);
    started.kill();
    let again = m2sd(&args(text(&video), text(&results), text(&engines)));
    assert_code(&again, 0);
    assert!(stderr(&again).contains("a scan that was killed"), "{}", stderr(&again));
    assert_eq!(records_of(&results), records_of(&whole));
}

/// The records without what clocks say.
fn records_of(results: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(results.join("scores.jsonl")).unwrap();
    records(&text).into_iter().map(without_wall).collect()
}

#[test]
fn results_are_used_again_or_kept_unless_they_are_to_be_replaced() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let args = args(text(&video), text(&results), text(&engines));
    let first = m2sd(&args);
    assert_code(&first, 0);
    let file = |name: &str| results.join(name);
    let stamps = || {
        let files = ["scores.jsonl", "annotated.mp4"].map(|name| file(name).metadata().unwrap());
        files.map(|metadata| metadata.modified().unwrap())
    };
    let before = stamps();
    let table = |run: &std::process::Output| {
        let said = stderr(run);
        let rows = said.lines().skip_while(|line| !line.starts_with("Frames:"));
        rows.take_while(|line| !line.starts_with("A face is")).collect::<Vec<_>>().join("\n")
    };
    let again = m2sd(&args);
    assert_code(&again, 0);
    assert!(stderr(&again).contains("--force scans anew"), "{}", stderr(&again));
    assert_eq!((table(&again), stamps()), (table(&first), before));
    assert!(table(&first).contains("Faces:"), "{}", table(&first));

    let other = [&args[..], &["--max-faces", "3"]].concat();
    let refused = m2sd(&other);
    assert_code(&refused, 2);
    let said = stderr(&refused);
    assert!(said.contains("settings.max-faces was 10 and is 3"), "{said}");
    assert!(said.contains("--force") && stamps() == before, "{said}");
    let old = records_of(&results);
    assert_code(&m2sd(&[&other[..], &["--force"]].concat()), 0);
    assert!(stamps() != before);
    assert_eq!(records_of(&results)[0]["settings"]["max-faces"], 3);

    // A letter of somebody is not replaced either, and neither is a video without records.
    std::fs::write(file("scores.jsonl"), "dear m2sd").unwrap();
    let refused = m2sd(&args);
    assert_code(&refused, 2);
    assert!(stderr(&refused).contains("no records of a scan"), "{}", stderr(&refused));
    assert_eq!(std::fs::read(file("scores.jsonl")).unwrap(), b"dear m2sd");
    std::fs::remove_file(file("scores.jsonl")).unwrap();
    for more in [&[][..], &["--force"]] {
        let refused = m2sd(&[&args[..], more].concat());
        assert_code(&refused, 2);
        let said = stderr(&refused);
        assert!(said.contains("no records of a scan say that it wrote it"), "{said}");
    }
    std::fs::remove_file(file("annotated.mp4")).unwrap();
    std::fs::remove_dir_all(file("crops")).unwrap();

    // Two runs say the same, apart from the times.
    assert_code(&m2sd(&[&args[..], &["--force"]].concat()), 0);
    assert_eq!(records_of(&results), old);
    let header = &old[0];
    for (field, value) in [
        ("/format", Value::from(1)),
        ("/input/bytes", video.metadata().unwrap().len().into()),
        ("/input/media/duration", 2.0.into()),
        ("/input/media/video/width", 640.into()),
        ("/input/media/video/frame-rate", "30/1".into()),
        ("/settings/clip-stride", 16.into()),
        ("/settings/provider", "cpu".into()),
        ("/host/arch", std::env::consts::ARCH.into()),
    ] {
        assert_eq!(header.pointer(field), Some(&value), "{field}: {header}");
    }
    let sha256 = gstm2sd::models::sha256(&video).unwrap();
    assert_eq!(header["input"]["sha256"], sha256);
}

#[test]
fn without_a_place_for_results_only_the_table_is_told() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(&["scan", text(&video), "--quiet", "--clip-stride", "16"]);
    let run = command.args(["--engines", text(&engines)]).current_dir(&dir).output().unwrap();
    assert_code(&run, 0);
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(told.starts_with("Frames: 60\n") && told.contains("Faces:"), "{told}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_stretch_of_the_input_keeps_the_times_of_the_input() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let scan = |more: &[&str]| {
        let args = ["scan", text(&video), "--json", "-", "--engines", text(&engines)];
        m2sd(&[&args[..], &["--clip-stride", "16", "--quiet"], more].concat())
    };
    let times = |run: &std::process::Output| {
        let records = records(std::str::from_utf8(&run.stdout).unwrap());
        let frames = of_type(&records, "frame").into_iter();
        let times = frames.map(|frame| (frame["time"].as_f64().unwrap() * 30.0).round() as u32);
        (times.collect::<Vec<_>>(), records.last().unwrap().clone(), records[0].clone())
    };
    let part = scan(&["--start", "0.5", "--duration", "1"]);
    assert_code(&part, 0);
    let (frames, footer, header) = times(&part);
    assert_eq!(frames, (15..45).collect::<Vec<_>>());
    assert_eq!((&footer["end"], &footer["frames"]), (&"complete".into(), &30.into()));
    assert_eq!(header["span"], serde_json::json!({"start": 0.5, "duration": 1.0}));
    let tail = scan(&["--start", "1.5"]);
    assert_code(&tail, 0);
    assert_eq!(times(&tail).0, (45..60).collect::<Vec<_>>());
    let beyond = scan(&["--start", "9"]);
    assert_code(&beyond, 3);
    assert!(stderr(&beyond).contains("--start"), "{}", stderr(&beyond));
    assert_code(&scan(&["--start", "-1"]), 2);
}

#[test]
fn standard_input_is_scanned_like_a_file() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args = ["scan", "-", "--json", "-", "--quiet", "--clip-stride", "16"];
    let scan = |from: Stdio| {
        let mut command = command(&args);
        command.args(["--engines", text(&engines)]).stdin(from).output().unwrap()
    };
    let run = scan(std::fs::File::open(&video).unwrap().into());
    assert_code(&run, 0);
    let found = records(std::str::from_utf8(&run.stdout).unwrap());
    assert_eq!(found[0]["input"]["kind"], "standard-input");
    assert_eq!(found[0]["input"]["sha256"], gstm2sd::models::sha256(&video).unwrap());
    assert_eq!(found.last().unwrap()["frames"], 60);
    assert_code(&scan(Stdio::null()), 3);
    // It is reproduced from a file of the same bytes, and its report says how.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("scores.jsonl"), &run.stdout).unwrap();
    let again = m2sd(&["reproduce", text(dir.path()), "--input", text(&video)]);
    assert_code(&again, 0);
    assert_code(&m2sd(&["report", text(dir.path())]), 0);
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("--input FILE"), "{page}");
}

#[test]
fn every_property_can_be_set_and_what_is_none_is_told() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let scan = |assignment: &str| {
        let args = ["scan", text(&video), "--json", "-", "--quiet", "--clip-stride", "16"];
        m2sd(&[&args[..], &["--engines", text(&engines), "--set", assignment]].concat())
    };
    for (assignment, words) in [
        ("max-faces=3000", "expected 1 to 750"),
        ("max-faces=many", "expected 1 to 750"),
        ("max-faces", "expected PROPERTY=VALUE"),
        ("stats=1", "no such property"),
        ("name=x", "no such property"),
        ("draw=perhaps", "true or false"),
        ("provider=abacus", "cpu"),
        ("mode=live", "complete"),
    ] {
        let run = scan(assignment);
        assert_code(&run, 2);
        assert!(stderr(&run).contains(words), "{assignment}: {}", stderr(&run));
        assert_eq!(run.stdout, b"");
    }
    let crowded = scan("max-faces=1");
    assert_code(&crowded, 0);
    let said = stderr(&crowded);
    assert!(said.contains("(max-faces=1)") && said.contains("Note: "), "{said}");
    let run = scan("detect-threshold=0.75");
    assert_code(&run, 0);
    assert!(!stderr(&run).contains("max-faces"), "{}", stderr(&run));
    let found = records(std::str::from_utf8(&run.stdout).unwrap());
    assert_eq!(found[0]["settings"]["detect-threshold"], 0.75);
}

/// Duration in seconds of the pictures and of the sound of a file.
fn durations(video: &Path) -> [f64; 2] {
    gst::init().unwrap();
    ["video", "audio"].map(|kind| {
        let line = format!(
            "filesrc name=source ! qtdemux name=demux demux.{kind}_0 ! fakesink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.by_name("source").unwrap().set_property("location", video);
        let end = std::sync::Arc::new(std::sync::Mutex::new(0.0f64));
        let newest = std::sync::Arc::clone(&end);
        let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
            let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap().clone();
            let buffer = info.buffer().unwrap();
            if let Some(time) = segment.to_running_time(buffer.pts().unwrap()) {
                let time = time + buffer.duration().unwrap_or_default();
                let mut newest = newest.lock().unwrap();
                *newest = newest.max(time.seconds_f64());
            }
            gst::PadProbeReturn::Ok
        });
        let _ = pipeline.set_state(gst::State::Playing);
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let patience = gst::ClockTime::from_seconds(30);
        assert!(pipeline.bus().unwrap().timed_pop_filtered(patience, &ends).is_some());
        pipeline.set_state(gst::State::Null).unwrap();
        *end.lock().unwrap()
    })
}

/// Ten seconds of pictures and sound.
fn with_sound(dir: &Path) -> PathBuf {
    gst::init().unwrap();
    let video = dir.join("sound.mkv");
    let line = format!(
        "matroskamux name=mux ! filesink location={} videotestsrc num-buffers=250 ! \
         video/x-raw,width=320,height=180,framerate=25/1 ! jpegenc ! mux. audiotestsrc num-buffers=100 \
         samplesperbuffer=4410 ! audio/x-raw,rate=44100 ! vorbisenc ! mux.",
        text(&video)
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    video
}

#[test]
fn what_was_written_with_sound_plays_when_a_scan_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (video, engines) = (with_sound(dir.path()), scene().join("engines"));
    let results = dir.path().join("results");
    let mut scan =
        Running::start(&args(text(&video), text(&results), text(&engines)), Stdio::null(), &[]);
    scan.until_records(&results.join("scores.jsonl.part"), 150);
    scan.kill();
    // A fragment is a second of 25 frames, and the encoder looks ahead.
    let plays = decoded(&results.join("annotated.mp4.part"));
    assert!(plays >= 150 - 25 - 50, "{plays} of 150 frames play");
}

#[test]
fn pictures_and_sound_end_together_when_a_signal_ends_them() {
    let dir = tempfile::tempdir().unwrap();
    let (video, engines) = (with_sound(dir.path()), scene().join("engines"));
    let results = dir.path().join("results");
    let mut scan =
        Running::start(&args(text(&video), text(&results), text(&engines)), Stdio::null(), &[]);
    scan.until_records(&results.join("scores.jsonl.part"), 30);
    scan.signal(libc::SIGINT);
    assert_code(&scan.end(Duration::from_secs(40)), 130);
    let [pictures, sound] = durations(&results.join("annotated.mp4"));
    assert!(pictures > 0.5 && pictures < 9.5, "{pictures} s");
    assert!((pictures - sound).abs() < 0.06, "{pictures} s of pictures, {sound} s of sound");
    // The control: to the end.
    assert_code(&m2sd(&args(text(&video), text(&results), text(&engines))), 0);
    let [pictures, sound] = durations(&results.join("annotated.mp4"));
    assert!((pictures - 10.0).abs() < 0.06 && (sound - 10.0).abs() < 0.1, "{pictures} {sound}");
}

#[test]
fn a_disk_that_fills_up_leaves_whole_records() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    // Files of at most 8 KiB: writes fail as on a full disk, beside a signal that would end the process.
    let line = "ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", line, env!("CARGO_BIN_EXE_m2sd")]);
    command.args(args(text(&video), text(&results), text(&engines)));
    let run = command.env_remove("M2SD_ENGINES").output().unwrap();
    assert_code(&run, 3);
    let said = stderr(&run);
    assert!(said.contains("results") && said.contains("written"), "{said}");
    let [part, kept] = ["scores.jsonl.part", "scores.jsonl"].map(|name| results.join(name));
    let found = if kept.exists() {
        let found = whole_records(&kept);
        assert_eq!(found.last().unwrap()["end"], "failed", "a name without an end");
        found
    } else {
        assert!(said.contains("has no end"), "{said}");
        whole_records(&part)
    };
    assert!(of_type(&found, "frame").len() > 1, "{found:?}");
    let bytes = std::fs::read(if kept.exists() { kept } else { part }).unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'), "half a record is left");
}
