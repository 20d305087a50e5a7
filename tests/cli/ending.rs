//! How scans end that do not go through to the end of their input.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::networks::{self, Fault};
use super::running::{Running, assert_code};
use super::{m2sd, of_type, records, scene, stderr, text};

/// What the command promises: 5 s for what is under way, 3 s for the video, 2 s twice for records,
/// 5 s for the pipeline; and as much again for a busy machine.
const STOPPED: Duration = Duration::from_secs(34);

/// Half a minute of drawn faces, more than a test lets a scan see.
pub fn long_scene() -> &'static Path {
    static SCENE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let made = SCENE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let video = dir.path().join("long.mp4");
        let made = m2sd(&["synth-video", "--frames", "900", "--out", text(&video)]);
        assert_code(&made, 0);
        (dir, video)
    });
    &made.1
}

fn last_record(path: &Path) -> serde_json::Value {
    let records = records(&std::fs::read_to_string(path).unwrap());
    records.last().unwrap().clone()
}

#[test]
fn a_signal_ends_a_scan_with_finished_files_and_its_own_exit_code() {
    let engines = scene().join("engines");
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        let args = ["scan", text(long_scene()), "--out", text(&results)];
        let args = [&args[..], &["--engines", text(&engines)]].concat();
        let mut scan = Running::start(&args, Stdio::null(), &[]);
        scan.until_records(&results.join("scores.jsonl.part"), 20);
        scan.signal(signal);
        let run = scan.end(STOPPED);
        assert_code(&run, code);
        let end = last_record(&results.join("scores.jsonl"));
        assert_eq!((&end["type"], &end["end"]), (&"footer".into(), &"interrupted".into()));
        assert!((1..900).contains(&end["frames"].as_u64().unwrap()), "{end}");
        let mut files: Vec<_> =
            std::fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files[1..], ["crops", "scores.jsonl"], "{files:?}");
        let video = results.join(&files[0]);
        let again = m2sd(&["scan", text(&video), "--json", "-", "--engines", text(&engines)]);
        assert_code(&again, 0);
    }
}

/// Whatever the moment: files that were begun are finished, and what was not begun is not there.
#[test]
fn a_signal_at_the_first_moment_leaves_nothing_half() {
    let (engines, video) = (scene().join("engines"), scene().join("scene.mp4"));
    for _ in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        let args = ["scan", text(&video), "--out", text(&results), "--provider", "cpu"];
        let args = [&args[..], &["--engines", text(&engines), "--quiet"]].concat();
        let scan = Running::start(&args, Stdio::null(), &[]);
        // Without a pause: what is looked for is between two system calls.
        let began = Instant::now();
        while !results.is_dir() {
            assert!(began.elapsed() < STOPPED, "nothing is begun: {}", scan.stderr());
        }
        scan.signal(libc::SIGTERM);
        assert_code(&scan.end(STOPPED), 143);
        // Where nothing came into it, the folder has gone.
        let left = std::fs::read_dir(&results).into_iter().flatten();
        let left = left.map(|entry| entry.unwrap().path());
        let half: Vec<_> =
            left.filter(|path| path.extension().is_some_and(|e| e == "part")).collect();
        assert!(half.is_empty(), "{half:?}");
    }
}

#[test]
fn what_is_being_scanned_is_not_sealed_and_what_was_interrupted_is_reproduced_as_far() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let (results, key) = (dir.path().join("results"), dir.path().join("key"));
    assert_code(&m2sd(&["key", "new", "--out", text(&key)]), 0);
    let seal = || m2sd(&["seal", text(&results), "--key", text(&key)]);
    let args = ["scan", text(long_scene()), "--out", text(&results), "--no-video"];
    let args = [&args[..], &["--engines", text(&engines), "--provider", "cpu"]].concat();
    let mut scan = Running::start(&args, Stdio::null(), &[]);
    scan.until_records(&results.join("scores.jsonl.part"), 60);
    let refused = seal();
    assert_code(&refused, 3);
    assert!(stderr(&refused).contains("is being written"), "{}", stderr(&refused));
    scan.signal(libc::SIGTERM);
    assert_code(&scan.end(STOPPED), 143);
    let end = last_record(&results.join("scores.jsonl"))["time"].as_f64().unwrap();
    assert_code(&seal(), 0);

    let again = m2sd(&["reproduce", text(&results), "--engines", text(&engines)]);
    assert_code(&again, 0);
    let said = stderr(&again);
    let until = said.split_once(" again up to ").and_then(|(_, rest)| rest.split_once(" s"));
    let until: f64 = until.unwrap_or_else(|| panic!("{said}")).0.parse().unwrap();
    assert!((end..end + 4.0).contains(&until), "{said}, and it ended at {end}");
}

#[test]
fn a_classifier_that_does_not_answer_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    networks::write(dir.path(), "endless", Fault::Endless);
    let (engines, video) = (scene().join("engines"), scene().join("scene.mp4"));
    let start = |results: &Path| {
        let endless = dir.path().join("endless.onnx");
        let mut args = vec!["scan", text(&video), "--out", text(results), "--quiet"];
        args.extend(["--engines", text(&engines), "--classifier", text(&endless)]);
        // The last frames show no face, so that some leave without a score.
        args.extend(["--provider", "cpu", "--threads", "1"]);
        let mut scan = Running::start(&args, Stdio::null(), &[]);
        scan.until("files", |_| results.join("scores.jsonl.part").is_file());
        scan
    };
    let results = dir.path().join("once");
    let scan = start(&results);
    scan.signal(libc::SIGTERM);
    assert_code(&scan.end(STOPPED), 143);
    assert!(!results.join("scores.jsonl.part").exists(), "files are finished");

    let results = dir.path().join("twice");
    let mut scan = start(&results);
    scan.signal(libc::SIGINT);
    scan.until("a word", |scan| scan.stderr().contains("Again: ends at once"));
    scan.signal(libc::SIGINT);
    let asked = Instant::now();
    assert_code(&scan.end(STOPPED), 130);
    assert!(asked.elapsed() < Duration::from_secs(4), "a second signal ends at once");
}

/// What was asked for has come, and is scored however slow the classifier is: the source is not to blame.
#[test]
fn a_part_of_an_input_is_scored_by_a_slow_classifier() {
    let dir = tempfile::tempdir().unwrap();
    networks::write(dir.path(), "slow", Fault::Slow);
    let (engines, video) = (scene().join("engines"), scene().join("scene.mp4"));
    let slow = dir.path().join("slow.onnx");
    let args = ["scan", text(&video), "--json", "-", "--engines", text(&engines), "--quiet"];
    let args = [&args[..], &["--classifier", text(&slow), "--provider", "cpu"]].concat();
    let run = m2sd(&[&args[..], &["--timeout", "1", "--duration", "0.3"]].concat());
    assert_code(&run, 0);
    let found = records(std::str::from_utf8(&run.stdout).unwrap());
    assert!(!of_type(&found, "clip").is_empty(), "{}", stderr(&run));
    assert_eq!(found.last().unwrap()["end"], "complete");
}

#[test]
fn a_scan_that_was_killed_leaves_a_video_that_plays_and_no_leftovers_for_long() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    // Where nothing can be written: nothing may go there.
    let nowhere = [("TMPDIR", "/proc/nowhere")];
    let args = |video| ["scan", video, "--out", text(&results), "--engines", text(&engines)];
    let mut scan = Running::start(&args(text(long_scene())), Stdio::null(), &nowhere);
    scan.until_records(&results.join("scores.jsonl.part"), 300);
    scan.signal(libc::SIGKILL);
    assert_eq!(scan.end(STOPPED).status.code(), None);
    let parts = || {
        let files = std::fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "part")).collect::<Vec<_>>()
    };
    assert_eq!(parts().len(), 2, "{:?}", parts());
    let video = parts().into_iter().find(|part| text(part).contains("annotated")).unwrap();
    let copy = dir.path().join("copy");
    std::fs::copy(&video, &copy).unwrap();
    let again = m2sd(&["scan", text(&copy), "--json", "-", "--engines", text(&engines)]);
    let found = records(std::str::from_utf8(&again.stdout).unwrap());
    assert!(of_type(&found, "frame").len() > 30, "it does not play: {}", stderr(&again));

    let short = scene().join("scene.mp4");
    let refused = m2sd(&args(text(&short)));
    assert_code(&refused, 2);
    assert!(stderr(&refused).contains("unfinished records of"), "{}", stderr(&refused));
    assert_eq!(parts().len(), 2, "{:?}", parts());
    let forced = [&args(text(&short))[..], &["--force"]].concat();
    let next = Running::start(&forced, Stdio::null(), &nowhere);
    assert_code(&next.end(Duration::from_secs(100)), 0);
    assert_eq!(parts(), [] as [PathBuf; 0]);
    assert_eq!(last_record(&results.join("scores.jsonl"))["end"], "complete");
}

#[test]
fn a_source_that_brings_nothing_ends_the_scan() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Takes connections and says nothing.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    for input in [format!("file://{}", text(&pipe)), format!("http://{address}/x.mp4")] {
        let results = dir.path().join("results");
        let args = ["scan", &input, "--out", text(&results), "--timeout", "2"];
        let args = [&args[..], &["--engines", text(&engines)]].concat();
        let run = Running::start(&args, Stdio::null(), &[]).end(STOPPED);
        assert_code(&run, 3);
        assert!(stderr(&run).contains("brought nothing for 2 s"), "{}", stderr(&run));
        let left = std::fs::read_dir(&results).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing was said, so there is no file");
    }
}

#[test]
fn a_reader_that_goes_ends_the_scan_at_once() {
    let engines = scene().join("engines");
    let (reader, writer) = std::io::pipe().unwrap();
    let args = ["scan", text(long_scene()), "--json", "-", "--engines", text(&engines)];
    let scan = Running::start(&args, writer, &[]);
    let mut reader = BufReader::new(reader);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.contains("\"header\""), "{first}");
    drop(reader);
    let run = scan.end(STOPPED);
    assert_code(&run, 141);
    let said = stderr(&run);
    assert!(said.contains("nobody reads the records") && said.contains("Scored by"), "{said}");

    // Where nothing comes that could be written.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/x.mp4", server.local_addr().unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    let args = ["scan", &address, "--json", "-", "--engines", text(&engines)];
    let scan = Running::start(&args, writer, &[]);
    let (mut connection, _) = server.accept().unwrap();
    connection.read_exact(&mut [0; 3]).unwrap();
    drop(reader);
    assert_code(&scan.end(STOPPED), 141);
}

#[test]
fn a_full_disk_is_told_when_it_is_full() {
    let engines = scene().join("engines");
    let args = ["scan", text(long_scene()), "--json", "/dev/full", "--engines", text(&engines)];
    let run = Running::start(&args, Stdio::null(), &[]).end(STOPPED);
    assert_code(&run, 3);
    for words in ["No space left", "ending the scan", "Scored by"] {
        assert!(stderr(&run).contains(words), "{words}: {}", stderr(&run));
    }
}

/// A video with its index first, so that it can be read without its end.
fn index_first(from: &Path, to: &Path) -> Vec<u8> {
    gst::init().unwrap();
    let line = format!(
        "filesrc location={} ! qtdemux ! h264parse ! mp4mux faststart=true ! filesink location={}",
        text(from),
        text(to)
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    std::fs::read(to).unwrap()
}

/// A web server that promises a whole file, sends its first `part` bytes and holds the connection. Returns the
/// file's address.
fn falls_silent(file: Vec<u8>, part: usize) -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/x.mp4", server.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(&stream).lines().map_while(Result::ok);
            request.take_while(|line| !line.is_empty()).for_each(drop);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {}\r\n\r\n",
                file.len()
            );
            // Whoever asked may have gone.
            let _ =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&file[..part]));
            held.push(stream);
        }
    });
    address
}

#[test]
fn a_source_that_falls_silent_ends_the_scan_with_what_was_scored() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    // Long enough to come in several pieces.
    let drawn = dir.path().join("drawn.mp4");
    assert_code(&m2sd(&["synth-video", "--frames", "180", "--out", text(&drawn)]), 0);
    let file = index_first(&drawn, &dir.path().join("video.mp4"));
    // The first is the control.
    for (part, code, end) in [(file.len(), 0, "complete"), (2 * file.len() / 3, 3, "failed")] {
        let (address, results) = (falls_silent(file.clone(), part), dir.path().join(end));
        let args = ["scan", &address, "--out", text(&results), "--timeout", "2"];
        let args = [&args[..], &["--engines", text(&engines), "--clip-stride", "16"]].concat();
        let run = Running::start(&args, Stdio::null(), &[]).end(2 * STOPPED);
        assert_code(&run, code);
        let said = stderr(&run);
        assert_eq!(said.contains("brought nothing for 2 s"), code == 3, "{said}");
        let records = records(&std::fs::read_to_string(results.join("scores.jsonl")).unwrap());
        let footer = records.last().unwrap();
        assert_eq!((&footer["type"], &footer["end"]), (&"footer".into(), &end.into()));
        let frames = of_type(&records, "frame").len();
        assert_eq!(footer["frames"], frames, "{footer}");
        assert_eq!(frames == 180, code == 0, "{frames} frames");
        assert!(frames > 10 && !of_type(&records, "clip").is_empty(), "{frames} frames");
        let video = results.join("annotated.mp4");
        let again = ["scan", text(&video), "--json", "-", "--clip-stride", "16"];
        assert_code(&m2sd(&[&again[..], &["--engines", text(&engines)]].concat()), 0);
    }
}

#[test]
fn an_input_that_is_cut_short_does_not_end_like_a_complete_one() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let video = dir.path().join("video.mp4");
    let bytes = index_first(&scene().join("scene.mp4"), &video);
    let run = || m2sd(&["scan", text(&video), "--json", "-", "--engines", text(&engines)]);
    let scan = || {
        let run = run();
        let records = records(std::str::from_utf8(&run.stdout).unwrap());
        (run.status.code(), records.last().unwrap().clone(), stderr(&run))
    };
    let (code, end, said) = scan();
    assert_eq!((code, &end["end"]), (Some(0), &"complete".into()), "{said}");
    assert_eq!((&end["frames"], &end["reason"]), (&60.into(), &serde_json::Value::Null));
    std::fs::write(&video, &bytes[..2 * bytes.len() / 3]).unwrap();
    let (code, end, said) = scan();
    assert_eq!((code, &end["end"]), (Some(5), &"truncated-input".into()), "{said}");
    assert!(said.contains("cut short"), "{said}");
    assert!((1..50).contains(&end["frames"].as_u64().unwrap()), "{end}");
    // So short that not one frame is there.
    std::fs::write(&video, &bytes[..bytes.len() / 3]).unwrap();
    let run = run();
    assert_code(&run, 3);
    // Newer GStreamer finds that out by itself.
    let said = stderr(&run);
    assert!(said.contains("not one frame") || said.contains("without buffers"), "{said}");
    assert_eq!(run.stdout, b"");
}
