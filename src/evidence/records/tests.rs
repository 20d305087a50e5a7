use serde_json::json;

use super::*;

#[test]
fn header_and_footer_come_back_as_they_were_written() {
    let mut header = Header { format: FORMAT, ..Header::default() };
    header.input.name = "clip.mp4".to_owned();
    header.settings.insert("max-faces".to_owned(), 10.into());
    header.judging.threshold = Some(0.5);
    let mut footer = Footer { end: End::TruncatedInput, ..Footer::default() };
    footer.counts.frames_not_analysed = 7;
    footer.damage.push(Damage { start: 1.5, end: None, why: "missing".to_owned() });
    for edge in [Edge::Header(Box::new(header)), Edge::Footer(Box::new(footer))] {
        let line = edge.to_value().unwrap().to_string();
        assert_eq!(Edge::parse(&line).unwrap(), edge, "{line}");
    }
}

#[test]
fn the_names_are_those_of_the_documentation() {
    let value = Edge::Footer(Box::default()).to_value().unwrap();
    assert_eq!((&value["type"], &value["end"]), (&"footer".into(), &"failed".into()));
    assert_eq!(value["frames-not-analysed"], 0);
    let value = Edge::Header(Box::default()).to_value().unwrap();
    assert_eq!(value["input"]["kind"], "file");
    assert!(value.as_object().unwrap().contains_key("threshold-source"));
    assert!(Edge::parse(r#"{"type":"frame"}"#).is_err());
}

#[test]
fn only_the_wall_differs_from_run_to_run() {
    let record = json!({"type": "footer", "frames": 3, WALL: {"end": "2026-01-01T00:00:00Z"}});
    assert_eq!(without_wall(record), json!({"type": "footer", "frames": 3}));
}
