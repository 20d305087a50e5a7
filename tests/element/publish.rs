//! What the element tells, sent by `m2sdpublish` downstream of it.

use std::path::Path;

use gst::prelude::*;
use serde_json::Value;

use super::picture::{FRAME_DURATION, Picture, one_face};
use super::support::{init, short_clips};

/// Sends a face that comes and goes through `m2sdfilter mode=complete ! AFTER`; the frames that left and
/// the structures on the bus.
fn run(after: &str) -> (Vec<gst::Buffer>, Vec<gst::Structure>) {
    init();
    let line = format!("appsrc name=source ! m2sdfilter name=filter ! {after} ! appsink name=sink");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let filter = pipeline.by_name("filter").unwrap();
    filter.set_property("engines-dir", short_clips().to_str().unwrap());
    filter.set_property_from_str("mode", "complete");
    filter.set_property("threshold", 0.5f64);
    let source = pipeline.by_name("source").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    sink.set_sync(false);
    let info = one_face(90).rgb_info();
    source.set_caps(Some(&info.to_caps().unwrap()));
    source.set_format(gst::Format::Time);
    pipeline.set_state(gst::State::Playing).unwrap();
    let pictures = [vec![one_face(90); 7], vec![Picture::new(160, 120, &[]); 3]].concat();
    for (picture, number) in pictures.iter().zip(0..) {
        source.push_buffer(picture.buffer(&info, number)).unwrap();
    }
    source.end_of_stream().unwrap();
    let patience = gst::ClockTime::from_seconds(20);
    let samples = std::iter::from_fn(|| sink.try_pull_sample(patience));
    let frames: Vec<_> = samples.map(|sample| sample.buffer_owned().unwrap()).collect();
    assert!(sink.is_eos());
    let bus = pipeline.bus().unwrap();
    let mut messages = Vec::new();
    while messages.last().is_none_or(|last: &gst::Message| last.type_() != gst::MessageType::Eos) {
        messages.push(bus.timed_pop(patience).unwrap());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let told = messages.into_iter().filter_map(|message| match message.view() {
        gst::MessageView::Element(element) => element.structure().map(|s| s.to_owned()),
        gst::MessageView::Error(error) => panic!("{error:?}"),
        _ => None,
    });
    (frames, told.filter(|told| told.name().starts_with("m2sd-")).collect())
}

fn events(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_told_is_published_and_frames_pass_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let spool = folder.path().join("spool");
    let publish = format!(
        "m2sdpublish uri=file://{} camera=door spool-dir={}",
        file.display(),
        spool.display()
    );
    let (control, _) = run("identity");
    let (frames, told) = run(&publish);
    let pixels = |frames: &[gst::Buffer]| -> Vec<(Option<gst::ClockTime>, Vec<u8>)> {
        let each = frames.iter();
        each.map(|frame| (frame.pts(), frame.map_readable().unwrap().to_vec())).collect()
    };
    assert!(pixels(&frames) == pixels(&control), "other frames than behind identity");

    let events = events(&file);
    let of_faces = events.iter().filter(|event| event["type"] != "camera");
    let sent: Vec<_> = of_faces.filter(|event| event["type"] != "alert").collect();
    assert_eq!(sent.len(), told.len(), "{events:?}");
    for (event, told) in sent.iter().zip(&told) {
        assert_eq!(format!("m2sd-{}", event["type"].as_str().unwrap()), told.name().as_str());
        assert_eq!(event["track"].as_u64(), told.get::<u64>("track").ok());
        assert_eq!(event["score"].as_f64(), told.get::<f64>("score").ok());
        assert_eq!((&event["camera"], &event["schema"]), (&"door".into(), &"m2sd.event/1".into()));
    }
    let states: Vec<_> = events.iter().filter_map(|event| event["state"].as_str()).collect();
    assert_eq!(states, ["online", "ended"]);
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let start = sent.iter().find(|event| event["type"] == "track-start").unwrap();
    assert_eq!(start["running-time"], 0);
    let end = sent.iter().find(|event| event["type"] == "track-end").unwrap();
    assert_eq!(end["last-seen"], (FRAME_DURATION * 6).nseconds());
}

#[test]
fn a_setting_that_names_nothing_is_an_error_that_says_so() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().display();
    for (properties, expected) in [
        ("", "the property uri is not set"),
        ("uri=gopher://h/x", "gopher"),
        ("uri=file:///tmp/e.jsonl camera=\"front door\"", "is no camera id"),
        ("uri=mqtt://bob:geheim@/x", "mqtt"),
    ] {
        let line = format!("m2sdpublish name=publish spool-dir={spool} {properties}");
        let element = gst::parse::launch(&line).unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{properties}");
        let error = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = error.view() else { panic!() };
        let text = format!("{} {:?}", error.error(), error.debug());
        assert!(text.contains(expected), "{properties}: {text}");
        assert!(!text.contains("geheim"), "{text}");
        element.set_state(gst::State::Null).unwrap();
    }
    let element = gst::parse::launch("m2sdpublish uri=mqtt://bob:geheim@host/x").unwrap();
    assert_eq!(element.property::<String>("uri"), "mqtt://bob:***@host/x");
}

/// A receiver that is away holds up neither frames nor the stop, and gets all after the next start.
#[test]
fn a_receiver_that_is_away_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let closed = format!("127.0.0.1:{}", crate::ports::free_port());
    let away = format!(
        "m2sdpublish uri=http://{closed}/events?name=x camera=door stop-timeout=300 spool-dir={}",
        spool.display()
    );
    let started = std::time::Instant::now();
    let (frames, told) = run(&away);
    assert_eq!(frames.len(), 10);
    assert!(started.elapsed() < std::time::Duration::from_secs(15), "{:?}", started.elapsed());
    let file = folder.path().join("events.jsonl");
    let back = format!(
        "m2sdpublish uri=file://{}?name=x camera=door spool-dir={}",
        file.display(),
        spool.display()
    );
    let (_, told_later) = run(&back);
    let sent = events(&file);
    let of_faces = sent.iter().filter(|event| event.get("track").is_some());
    let of_faces = of_faces.filter(|event| event["type"] != "alert").count();
    assert_eq!(of_faces, told.len() + told_later.len());
}
