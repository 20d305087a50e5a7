//! The element with networks on servers.

use std::path::Path;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::models::synth::{Synth, write};

use crate::servers::{Proxy, Server};
use crate::{classifier, name};

fn init() {
    static INIT: std::sync::Once = std::sync::Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstm2sd::plugin_register_static().unwrap();
    });
}

/// Twenty-five frames a second with one face, through the element in live mode.
struct Live {
    pipeline: gst::Pipeline,
    filter: gst::Element,
}

impl Live {
    fn start(engines: &Path, classifier: &str) -> Self {
        init();
        let line = format!(
            "videotestsrc is-live=true pattern=solid-color foreground-color=0xFF8B0FEB ! \
             video/x-raw,format=I420,width=96,height=96,framerate=25/1 ! \
             videobox left=-200 right=-344 top=-100 bottom=-164 fill=black ! \
             m2sdfilter name=filter mode=live clip-stride=5 engines-dir={} aligner=none \
             classifier={classifier} ! fakesink sync=false",
            engines.display()
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let filter = pipeline.by_name("filter").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, filter }
    }

    fn count(&self, name: &str) -> u64 {
        self.filter.property::<gst::Structure>("stats").get(name).unwrap()
    }

    fn latency_p95_ms(&self) -> f64 {
        self.filter.property::<gst::Structure>("stats").get("latency-p95-ms").unwrap()
    }

    fn until(&self, what: &str, is_it: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_it(self) {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "no {what}: {:?}",
                self.filter.property::<gst::Structure>("stats")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it; how long that took.
    fn stop(self) -> Duration {
        let started = Instant::now();
        self.pipeline.set_state(gst::State::Null).unwrap();
        started.elapsed()
    }
}

#[test]
fn a_live_stream_goes_on_while_a_server_is_silent_or_gone() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    write(&Synth::Detector, dir.path()).unwrap();
    let server = Server::triton(&[&model]);
    let proxy = Proxy::to(server.address());
    let address = format!("{}?timeout=2s", proxy.model(name(&model)));
    // The control: the same network, here.
    let control = Live::start(dir.path(), name(&model));
    let live = Live::start(dir.path(), &address);
    for stream in [&control, &live] {
        stream.until("scores", |stream| stream.count("clips-scored") > 10);
    }
    assert_eq!(proxy.taken(), 1, "what is asked for and what is loaded have one connection");
    proxy.be_silent(true);
    // The percentile is that of the last 256 frames.
    let (from, skipped) = (live.count("frames-out"), live.count("clips-skipped"));
    live.until("frames", |live| live.count("frames-out") > from + 256);
    let (silent, beside) = (live.latency_p95_ms(), control.latency_p95_ms());
    println!("95 % of frames within {silent} ms, of the control within {beside} ms");
    assert!(silent < 1.5 * beside + 10.0, "{silent} ms; of the control {beside} ms");
    let missed = live.count("clips-skipped") - skipped + live.count("clips-failed");
    assert!(missed > 5, "{:?}", live.filter.property::<gst::Structure>("stats"));
    // Back again, without a word from anybody.
    proxy.be_silent(false);
    let scored = live.count("clips-scored");
    live.until("scores again", |live| live.count("clips-scored") > scored + 5);
    // A stop does not wait for a server.
    proxy.be_silent(true);
    std::thread::sleep(Duration::from_millis(500));
    let took = live.stop();
    assert!(took < Duration::from_millis(500), "{took:?}");
    control.stop();
}

#[test]
fn all_networks_on_servers_find_and_score_what_they_do_here() {
    init();
    let dir = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        write(&network, dir.path()).unwrap();
    }
    let models = ["analytic_detector", "analytic_aligner", "analytic_classifier"]
        .map(|name| dir.path().join(format!("{name}.onnx")));
    let all = models.each_ref().map(|model| model.as_path());
    let servers = [Server::triton(&all), Server::triton(&all)];
    let at = |name: &str| servers.each_ref().map(|server| server.model(name)).join(",");
    let scene = dir.path().join("scene.mp4");
    let m2sd = |args: &[&str]| {
        let run =
            std::process::Command::new(env!("CARGO_BIN_EXE_m2sd")).args(args).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    let scene = scene.to_str().unwrap();
    m2sd(&["synth-video", "--frames", "40", "--out", scene]);
    let engines = dir.path().to_str().unwrap();
    let scan = ["scan", scene, "--json", "-", "--no-video", "--quiet", "--clip-stride", "4"];
    let here = m2sd(&[&scan[..], &["--engines", engines, "--provider", "cpu"]].concat());
    let [detector, aligner, classifier] =
        ["analytic_detector", "analytic_aligner", "analytic_classifier"].map(at);
    let named = ["--detector", &detector, "--aligner", &aligner, "--classifier", &classifier];
    let there = || m2sd(&[&scan[..], &named, &["--provider", "kserve"]].concat());
    let records = |text: &str| {
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let of_stream =
            |record: &serde_json::Value| matches!(record["type"].as_str(), Some("frame" | "clip"));
        records.filter(of_stream).collect::<Vec<serde_json::Value>>()
    };
    let (here, first, second) = (records(&here), records(&there()), records(&there()));
    assert!(here.len() > 40);
    // Whichever server answers first.
    assert_eq!(first, second);
    for (here, there) in here.iter().zip(&first) {
        let score = |record: &serde_json::Value| record["score"].as_f64();
        let apart = score(here).zip(score(there)).map_or(0.0, |(a, b)| (a - b).abs());
        assert!(apart <= 1e-5 && here["type"] == there["type"], "{here}\n{there}");
        assert_eq!(here["track"], there["track"]);
    }
    assert_eq!(here.len(), first.len());
}
