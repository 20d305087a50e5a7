//! The file: rotation, whole lines, other people's files.

use std::path::Path;

use gstm2sd::events::{Event, EventId};

use crate::fixture::{Delivery, once};
use crate::watchdog::Watchdog;

fn ids(path: &Path) -> Vec<EventId> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str::<Event>(line).expect(line).id).collect()
}

fn address(path: &Path, more: &str) -> String {
    format!("file://{}{more}", path.display())
}

#[test]
fn a_file_is_rotated_and_holds_whole_lines() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let address = address(&path, "?max-bytes=16384&keep=3");
    let mut delivery = Delivery::to(&address, &dir.path().join("spool"));
    let recorded = delivery.record(0..400);
    delivery.wait_until_delivered();
    delivery.stop();

    let numbered = |n: u32| dir.path().join(format!("events.jsonl.{n}"));
    assert!(!numbered(4).exists());
    let mut kept = Vec::new();
    for file in [numbered(3), numbered(2), numbered(1), path] {
        let bytes = std::fs::metadata(&file).unwrap().len();
        assert!(bytes <= 16384, "{} has {bytes}", file.display());
        kept.extend(ids(&file));
    }
    // The newest, without gaps: older files are gone.
    assert!(kept.len() > 150, "{}", kept.len());
    assert_eq!(kept, recorded[recorded.len() - kept.len()..]);
}

#[test]
fn a_line_that_was_cut_is_written_again_and_a_moved_file_is_made_again() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    let address = address(&path, "");
    let spool = dir.path().join("spool");
    let mut delivery = Delivery::to(&address, &spool);
    let mut recorded = delivery.record(0..10);
    delivery.wait_until_delivered();
    delivery.stop();
    drop(delivery);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{}", &text[..100])).unwrap();

    let delivery = Delivery::to(&address, &spool);
    recorded.extend(delivery.record(10..20));
    delivery.wait_until_delivered();
    assert_eq!(once(&ids(&path)), (recorded, 0));

    std::fs::rename(&path, dir.path().join("moved.jsonl")).unwrap();
    let recorded = delivery.record(20..30);
    delivery.wait_until_delivered();
    assert_eq!(ids(&path), recorded);
}

#[test]
fn somebody_elses_file_is_left_alone() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    for content in
        ["a diary\n", "a diary without an end", "{\"schema\":\"m2sd.event/1\"}\nshopping: milk"]
    {
        let path = dir.path().join("diary.txt");
        std::fs::write(&path, content).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = Delivery::to(&address(&path, ""), folder.path());
        delivery.record(0..1);
        let error = delivery.error();
        assert!(error.contains("diary.txt") && error.contains("something else"), "{error}");
        delivery.stop();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn only_the_cameras_and_types_that_are_asked_for_go_there() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let address = |name: &str, more: &str| address(&dir.path().join(name), more);
    let configs = [
        address("door", "?cameras=yard,door&types=alert,camera"),
        address("yard", "?cameras=yard"),
        address("alerts", "?types=alert"),
    ];
    let configs = configs.map(|address| gstm2sd::events::sinks::parse(&address).unwrap());
    let spool = crate::open(&dir.path().join("spool"));
    let sinks = gstm2sd::events::sinks::Sinks::start(&spool, configs.to_vec()).unwrap();
    let recorded: Vec<_> = (0..200).map(|n| spool.record(crate::numbered(n)).unwrap()).collect();
    assert!(spool.flush(crate::PATIENCE));
    sinks.stop(crate::PATIENCE);
    assert!(spool.stats().sinks.iter().all(|sink| sink.depth == 0), "{:?}", spool.stats());
    assert_eq!(ids(&dir.path().join("door")), recorded);
    for none in ["yard", "alerts"] {
        assert_eq!(std::fs::read_to_string(dir.path().join(none)).unwrap(), "");
    }
}

#[test]
fn a_folder_that_is_missing_is_told_and_delivery_goes_on_once_it_is_there() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("later/events.jsonl");
    let delivery = Delivery::to(&address(&path, "?types=camera"), &dir.path().join("spool"));
    let recorded = delivery.record(0..5);
    assert!(delivery.error().contains("later/events.jsonl"), "{}", delivery.error());
    delivery.wait_until("two tries", |sink| sink.failures >= 2);
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    delivery.wait_until_delivered();
    // The events of its own failure are not of this type.
    assert_eq!(ids(&path), recorded);
    let health = delivery.spool.recent(&gstm2sd::events::spool::Query {
        types: vec!["health".to_owned()],
        limit: 10,
        ..Default::default()
    });
    let told: Vec<_> =
        health.unwrap().iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(told.last().unwrap()["status"], "failed", "{told:?}");
    assert_eq!(told.last().unwrap()["component"], format!("sink:file://{}", path.display()));
}
