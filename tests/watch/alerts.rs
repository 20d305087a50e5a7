//! Alerts, and what is recorded of them.

use gstm2sd::events::body::{Alert, Body};

use super::support::{Watchdog, Watching, until};

fn alerts(watching: &Watching) -> Vec<Alert> {
    let alert = |event: gstm2sd::events::Event| match event.body {
        Body::Alert(alert) => Some(*alert),
        _ => None,
    };
    watching.events().into_iter().filter_map(alert).collect()
}

#[test]
fn an_alert_is_recorded_with_stills() {
    let _watchdog = Watchdog::new();
    let watching = Watching::start(
        "[[camera]]\nid = \"a\"\nuri = \"drawn://fake?rate=15\"\n\
         filter = { classifier = \"analytic_classifier\", detect-interval = 1, clip-stride = 8 }\n\
         [[camera]]\nid = \"b\"\nuri = \"drawn://fake?rate=15\"\nrecord = false\n\
         filter = { classifier = \"analytic_classifier\", detect-interval = 1, clip-stride = 8 }\n\
         [recordings]\npre-roll = \"1s\"\npost-roll = \"1s\"\n",
    );
    let control = watching.control();
    until("alerts", || alerts(&watching).len() == 2);
    let alerts = alerts(&watching);
    assert!(alerts.iter().all(|alert| alert.judgement.label == "fake"), "{alerts:?}");
    let ids: Vec<_> = alerts.iter().filter_map(|alert| alert.recording).collect();
    assert_eq!(ids.len(), 1, "one camera is recorded: {alerts:?}");
    until("a finished recording", || {
        let recordings = control.recordings();
        recordings.len() == 1 && !recordings[0].unfinished && recordings[0].stills.len() == 2
    });
    let recording = control.recordings().pop().unwrap();
    assert_eq!((recording.id.as_str(), recording.camera.as_str()), (&*ids[0].to_string(), "a"));
    assert_eq!(recording.failure, None);
    let video = control.recording_file(&recording.video.unwrap()).unwrap();
    let bytes = std::fs::read(video).unwrap();
    assert_eq!(&bytes[4..8], b"ftyp", "MP4");
    assert_eq!(bytes.len() as u64, recording.bytes);
    for still in &recording.stills {
        let picture = std::fs::read(control.recording_file(still).unwrap()).unwrap();
        assert_eq!(&picture[..2], b"\xff\xd8", "JPEG");
    }
    assert_eq!(control.recording_file("../cameras.json"), None);
    assert_eq!(watching.status("a").figures.alerts, 1);
    // Frames that are encoded for the recording come all the same.
    assert_eq!(watching.status("a").video.unwrap().codec.as_deref(), Some("video/x-h264"));
    assert_eq!(watching.status("b").video.unwrap().codec, None);
    assert!(watching.stop().2);
}
