//! Made-up cameras that move, and what was seen by them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gst::prelude::*;
use gstm2sd::events::body::{
    Camera, CameraState, Classifier, Clip, FaceBox, Judgement, TrackStart, Verdict,
};
use gstm2sd::events::{Body, Draft, TimeSource, UtcTime};
use gstm2sd::watch::control::Control;
use gstm2sd::watch::rest::HttpConfig;
use gstm2sd::watch::status::{CameraFigures, FaceStatus, Jpeg, ModelStatus, RecordingStatus};

use crate::control::{MadeUp, Running, config, face, id, start};
use crate::events::alert;

/// A name that would do harm were it ever taken for HTML.
pub const HOSTILE: &str =
    "<img src=x onerror=\"window.harmed=1\"><script>window.harmed=1</script>'\"&";

/// Cameras that show pictures while this lives.
pub struct Scenes {
    pub running: Running,
    ended: Arc<AtomicBool>,
    shower: Option<JoinHandle<()>>,
}

/// Runs a pipeline to its end.
fn run(launch: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let last = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds);
    pipeline.set_state(gst::State::Null).unwrap();
    let last = last.unwrap_or_else(|| panic!("{launch} does not end"));
    assert_eq!(last.type_(), gst::MessageType::Eos, "{launch}: {last:?}");
}

fn frame(folder: &Path, pattern: &str) -> Jpeg {
    let path = folder.join(format!("{pattern}.jpg"));
    run(&format!(
        "videotestsrc num-buffers=1 pattern={pattern} ! video/x-raw,width=640,height=360 ! \
         jpegenc ! filesink location={}",
        path.display()
    ));
    Arc::from(std::fs::read(path).unwrap())
}

/// The cameras, with the names that the pictures of the page have.
pub fn scenes(http: HttpConfig) -> Scenes {
    let running = start(http);
    let frames: Vec<_> =
        ["smpte", "ball", "pinwheel"].map(|pattern| frame(running.folder.path(), pattern)).into();
    cameras(&running.control);
    history(&running);
    recording(&running);
    let ended = Arc::new(AtomicBool::new(false));
    let (control, stop) = (running.control.clone(), ended.clone());
    let shower = thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            for (name, frame) in ["door", "yard", "hostile"].iter().zip(&frames) {
                control.show(name, frame);
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    Scenes { running, ended, shower: Some(shower) }
}

fn cameras(control: &MadeUp) {
    let names = [("door", "Front door"), ("yard", "Yard"), ("gate", "Gate"), ("hostile", HOSTILE)];
    for (id, name) in names {
        let mut config = config(id);
        config.name = Some(name.to_owned());
        control.put(config).unwrap();
    }
    let figures = CameraFigures {
        frames_in: 123_456,
        frames_analysed: 61_728,
        clips_scored: 7_716,
        clips_skipped: 12,
        latency_p50_ms: 21.0,
        latency_p95_ms: 48.0,
        alerts: 2,
        ..CameraFigures::default()
    };
    control.change("door", |status| {
        status.figures = figures.clone();
        status.faces = vec![
            face("fake", None, true, "trained"),
            FaceStatus {
                track: Some(8),
                score: Some(0.12),
                llr: Some(-3.0),
                ..face("real", None, true, "trained")
            },
        ];
    });
    control.change("yard", |status| {
        status.faces = vec![
            face("insufficient", Some("too-small"), false, "trained"),
            face("insufficient", Some("unknown-training"), false, "unknown"),
            face("uncertain", Some("no-operating-point"), false, "trained"),
        ];
    });
    control.change("gate", |status| {
        status.state = CameraState::Offline;
        status.reason = Some("connection refused; next try in 8 s".into());
        (status.video, status.last_frame) = (None, None);
    });
    control.change("hostile", |status| {
        status.reason = Some(HOSTILE.into());
        status.faces = vec![FaceStatus {
            label: HOSTILE.into(),
            reason: Some(HOSTILE.into()),
            reason_text: Some(HOSTILE.into()),
            training: HOSTILE.into(),
            ..face("fake", None, false, "")
        }];
    });
    control.models.lock().unwrap().extend([
        ModelStatus {
            role: "detector".into(),
            name: "retinaface".into(),
            provider: "openvino".into(),
            precision: "bf16".into(),
            sha256: Some("5f".repeat(32)),
            busy: Some(0.31),
            ..ModelStatus::default()
        },
        ModelStatus {
            role: "classifier".into(),
            name: HOSTILE.into(),
            provider: "openvino".into(),
            training: "unknown".into(),
            calibrated: Some(false),
            ..ModelStatus::default()
        },
    ]);
}

fn classifier() -> Classifier {
    Classifier {
        model_name: "m2sd".into(),
        training: "trained".into(),
        trained: true,
        calibrated: true,
        threshold: Some(0.5),
        operating_point: Some("fpr-1e-2".into()),
        ..Classifier::default()
    }
}

/// Four minutes with two faces.
fn history(running: &Running) {
    let now = UtcTime::now().0.as_nanosecond();
    let record = |seconds_ago: f64, body: Body| {
        let time = (now - (seconds_ago * 1e9) as i128).try_into().unwrap();
        let time = UtcTime::from_unix_ns(time).unwrap();
        let draft = Draft {
            camera: Some(id("door")),
            time,
            time_source: TimeSource::Clock,
            running_time: None,
            body,
        };
        running.spool.record(draft).unwrap();
    };
    let verdict = |track, before: &str, label: &str, score| {
        let judgement = Judgement {
            label: label.into(),
            confidence: 0.9,
            score: Some(score),
            llr: Some((score - 0.5) * 8.0),
            ..Judgement::default()
        };
        Body::Verdict(Box::new(Verdict {
            track,
            label_before: before.into(),
            judgement,
            face: FaceBox::default(),
            classifier: Some(classifier()),
        }))
    };
    let online = Camera { state: CameraState::Online, reason: None, video: None, reconnects: 0 };
    record(245.0, Body::Camera(online));
    for track in [7, 8] {
        record(240.0, Body::TrackStart(TrackStart { track, face: FaceBox::default() }));
    }
    for n in 0..90 {
        let ago = 238.0 - 2.6 * f64::from(n);
        let swing = f64::from(n % 7) / 60.0;
        for (track, score) in [(7, 0.8 + swing), (8, 0.1 + swing)] {
            record(ago, Body::Clip(Box::new(clip(track, score, n % 9 != 0))));
        }
        match n {
            3 => record(ago, verdict(7, "insufficient", "uncertain", 0.6)),
            5 => record(ago, verdict(8, "insufficient", "real", 0.1)),
            8 => record(ago, verdict(7, "uncertain", "fake", 0.85)),
            20 => record(ago, alert(Some(running.spool.next_id()))),
            _ => {}
        }
    }
    assert!(running.spool.flush(Duration::from_secs(20)));
}

fn clip(track: u64, score: f64, sufficient: bool) -> Clip {
    let reason = (!sufficient).then(|| "blurred".to_owned());
    Clip {
        track,
        start: 0,
        end: 0,
        frames: 16,
        face: FaceBox::default(),
        score,
        fused_score: None,
        llr: None,
        sufficient: Some(sufficient),
        reason_text: reason.clone(),
        reason,
        quality: None,
        logit_fake: 0.0,
        logit_real: 0.0,
        provider: "cpu".into(),
        precision: "f32".into(),
        provider_ms: 1.0,
        audio_level_db: None,
        audio_coverage: None,
        audio_gaps: None,
        classifier: classifier(),
    }
}

/// An alert with a film of four seconds and a still.
fn recording(running: &Running) {
    let name = running.spool.next_id();
    let film = running.folder.path().join("film.mp4");
    run(&format!(
        "videotestsrc num-buffers=100 pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1 ! \
         x264enc key-int-max=10 tune=zerolatency ! video/x-h264,profile=baseline ! h264parse ! \
         mp4mux faststart=true ! filesink location={}",
        film.display()
    ));
    let still = running.folder.path().join("smpte.jpg");
    let mut files = running.control.files.lock().unwrap();
    files.insert(format!("{name}.mp4"), film.clone());
    files.insert(format!("{name}-1.jpg"), still);
    drop(files);
    running.control.recordings.lock().unwrap().push(RecordingStatus {
        id: name.to_string(),
        camera: id("yard"),
        unfinished: false,
        bytes: std::fs::metadata(film).unwrap().len(),
        video: Some(format!("{name}.mp4")),
        stills: vec![format!("{name}-1.jpg")],
        failure: None,
    });
    crate::events::record(running, "yard", alert(Some(name)));
}

impl Scenes {
    pub fn page(&self, view: &str) -> String {
        format!("http://{}/#/{view}", self.running.address)
    }

    pub fn host(&self) -> String {
        self.running.address.to_string()
    }
}

impl Drop for Scenes {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(shower) = self.shower.take() {
            let _ = shower.join();
        }
    }
}
