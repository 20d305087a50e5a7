//! How many cameras of 640×360 this machine carries, and what it does less of first.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{ClipShape, Synth, TransformerShape, write};
use gstm2sd::watch::config::WatchConfig;
use gstm2sd::watch::control::Control;
use gstm2sd::watch::process::Process;
use gstm2sd::watch::status::CameraFigures;

const FPS: f64 = 25.0;

/// A minute of video as cameras send it, with one face.
fn video(folder: &Path) -> PathBuf {
    let path = folder.join("camera.mp4");
    let line = format!(
        "videotestsrc num-buffers=1500 pattern=solid-color foreground-color=0xFF8B0FEB ! \
         video/x-raw,format=I420,width=96,height=96,framerate=25/1 ! \
         videobox left=-200 right=-344 top=-100 bottom=-164 fill=black ! \
         x264enc bitrate=800 key-int-max=50 bframes=0 speed-preset=veryfast ! h264parse ! mp4mux ! \
         filesink location={}",
        path.display()
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let patience = gst::ClockTime::from_seconds(120);
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(patience, &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    path
}

/// The folder with a classifier, and a detector and an aligner beside it.
fn engines(folder: &Path, classifier: &Synth) -> PathBuf {
    let engines = folder.join("engines");
    std::fs::create_dir_all(&engines).unwrap();
    for network in [&Synth::Detector, &Synth::Aligner, classifier] {
        let floats = tempfile::tempdir().unwrap();
        let made = write(network, floats.path()).unwrap();
        // As checkpoints are imported.
        let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
        import(&made, &engines, &options).unwrap();
    }
    engines
}

/// Seconds for which this process has computed.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

fn figures(process: &Process) -> Vec<CameraFigures> {
    process.service().cameras().into_iter().map(|camera| camera.figures).collect()
}

/// Runs so many cameras; a row of the table, and whether every frame was looked after.
fn run(folder: &Path, engines: &Path, video: &Path, count: usize) -> (String, bool) {
    let mut text = format!(
        "[watch]\nname = \"load\"\nstate-dir = {:?}\n[recordings]\nenabled = false\n\
         [defaults]\nloop = true\nconnect-timeout = \"120s\"\n\
         [defaults.filter]\nengines-dir = {engines:?}\nclip-stride = 16\n",
        folder.join(format!("state-{count}"))
    );
    for number in 0..count {
        text += &format!("[[camera]]\nid = \"c{number}\"\nuri = \"file://{}\"\n", video.display());
    }
    let file = folder.join("watch.toml");
    let (config, _) = WatchConfig::parse(&text, &file).unwrap();
    let process = Process::start(file, config, |_| {}).unwrap();
    let begun = Instant::now();
    while figures(&process).iter().any(|camera| camera.clips_scored < 2) {
        assert!(begun.elapsed() < Duration::from_secs(180), "{:?}", figures(&process));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (before, computed, now) = (figures(&process), processor_time(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let (after, seconds) = (figures(&process), now.elapsed().as_secs_f64());
    let cores = (processor_time() - computed) / seconds;
    let rate = |of: fn(&CameraFigures) -> u64| {
        let sum = |all: &[CameraFigures]| all.iter().map(of).sum::<u64>() as f64;
        (sum(&after) - sum(&before)) / seconds
    };
    let frames = rate(|camera| camera.frames_out);
    let analysed = rate(|camera| camera.frames_analysed);
    let (scored, skipped) =
        (rate(|camera| camera.clips_scored), rate(|camera| camera.clips_skipped));
    let latency = after.iter().map(|camera| camera.latency_p95_ms).fold(0.0, f64::max);
    let expected = count as f64 * FPS;
    let asked = expected / 16.0;
    let row = format!(
        "| {count} | {:.0} % | {:.0} % | {scored:.2} ({:.0} %) | {skipped:.2} | {latency:.0} | {cores:.2} |",
        100.0 * frames / expected,
        100.0 * analysed / expected,
        100.0 * scored / asked,
    );
    process.stop();
    (row, frames > 0.97 * expected)
}

fn table(name: &str, classifier: &Synth) {
    gst::init().unwrap();
    gstm2sd::plugin_register_static().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let video = video(folder.path());
    let engines = engines(folder.path(), classifier);
    eprintln!(
        "{name}\n| cameras | frames that left in time | looked at for faces | clips/s (of those \
         asked for) | skipped/s | latency p95, ms | cores |\n| ---: | ---: | ---: | ---: | ---: \
         | ---: | ---: |"
    );
    for count in [1, 2, 4, 8, 12, 16, 24, 32] {
        let (row, is_carried) = run(folder.path(), &engines, &video, count);
        eprintln!("{row}");
        if !is_carried {
            break;
        }
    }
}

#[test]
#[ignore = "takes minutes: make trial"]
fn how_many_cameras_with_a_small_network_this_machine_carries() {
    table("small", &Synth::Classifier(ClipShape { frames: 1, ..ClipShape::default() }));
}

#[test]
#[ignore = "takes minutes: make trial"]
fn how_many_cameras_with_a_vit_b_this_machine_carries() {
    let tuning = Tuning::default();
    table("ViT-B", &Synth::Transformer { shape: TransformerShape::BASE, seed: 1, tuning });
}
