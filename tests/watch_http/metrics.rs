//! What Prometheus reads.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use gstm2sd::core::histogram::Histogram;
use gstm2sd::events::body::CameraState;
use gstm2sd::watch::control::Control;
use gstm2sd::watch::status::{CameraFigures, ModelStatus};

use crate::client::get;
use crate::control::{Running, config, face, open, start};

fn busy() -> Running {
    let running = start(open());
    for name in ["door", "yard"] {
        running.control.put(config(name)).unwrap();
    }
    let mut latency = Histogram::default();
    [3, 20, 20, 30_000].iter().for_each(|ms| latency.add(Duration::from_millis(*ms)));
    running.control.change("door", move |status| {
        status.figures = CameraFigures {
            frames_in: 1000,
            frames_analysed: 500,
            clips_scored: 40,
            clips_skipped: 3,
            clips_failed: 2,
            clips_waiting: 1,
            reconnects: 4,
            abandoned: 1,
            latency,
            ..CameraFigures::default()
        };
        status.faces = vec![face("fake", None, true, "trained")];
    });
    running.control.change("yard", |status| {
        status.state = CameraState::Offline;
        status.last_frame = None;
    });
    running.control.models.lock().unwrap().push(ModelStatus {
        role: "classifier".into(),
        name: "odd \"name\"\\\n".into(),
        provider: "openvino".into(),
        busy: Some(0.25),
        calibrated: Some(false),
        ..ModelStatus::default()
    });
    running.spool.register("broker");
    running
}

#[test]
fn promtool_finds_nothing_to_mend() {
    let running = busy();
    let text = get(running.address, "/metrics").text();
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = promtool.expect("promtool is needed: run make setup TEST=1");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn figures_are_those_of_cameras_networks_sinks_and_process() {
    let running = busy();
    let reply = get(running.address, "/metrics");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text();
    for line in [
        "m2sd_frames_total{camera=\"door\"} 1000",
        "m2sd_frames_total{camera=\"yard\"} 1000",
        "m2sd_frames_analysed_total{camera=\"door\"} 500",
        "m2sd_clips_total{camera=\"door\"} 40",
        "m2sd_clips_skipped_total{camera=\"door\"} 3",
        "m2sd_clips_failed_total{camera=\"door\"} 2",
        "m2sd_clips_waiting{camera=\"door\"} 1",
        "m2sd_reconnects_total{camera=\"door\"} 4",
        "m2sd_abandoned_total{camera=\"door\"} 1",
        "m2sd_frame_latency_seconds_bucket{camera=\"door\",le=\"0.002\"} 0",
        "m2sd_frame_latency_seconds_bucket{camera=\"door\",le=\"0.005\"} 1",
        "m2sd_frame_latency_seconds_bucket{camera=\"door\",le=\"0.02\"} 3",
        "m2sd_frame_latency_seconds_bucket{camera=\"door\",le=\"10\"} 3",
        "m2sd_frame_latency_seconds_bucket{camera=\"door\",le=\"+Inf\"} 4",
        "m2sd_frame_latency_seconds_count{camera=\"door\"} 4",
        "m2sd_frame_latency_seconds_sum{camera=\"door\"} 30.043",
        "m2sd_detect_seconds_count{camera=\"door\"} 0",
        "m2sd_camera_state{camera=\"door\",state=\"online\"} 1",
        "m2sd_camera_state{camera=\"yard\",state=\"online\"} 0",
        "m2sd_camera_state{camera=\"yard\",state=\"offline\"} 1",
        "m2sd_faces{camera=\"door\"} 1",
        "m2sd_sink_depth{sink=\"broker\"} 0",
        "m2sd_spool_events 0",
        "m2sd_ready 1",
    ] {
        let found = text.lines().any(|found| found.strip_suffix(".0").unwrap_or(found) == line);
        assert!(found, "{line} is missing in\n{text}");
    }
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(value("m2sd_engine_busy_ratio{role=\"classifier\",model=\"odd "), 0.25);
    assert!(value("m2sd_process_resident_memory_bytes") > 1e6);
    assert!(value("m2sd_process_threads") >= 2.0);
    assert!(value("m2sd_process_open_fds") >= 3.0);
    assert!(!text.contains("m2sd_last_frame_timestamp_seconds{camera=\"yard\"}"));
}
