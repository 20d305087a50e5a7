//! The spool within one process.

use std::time::{Duration, Instant};

use gstm2sd::events::body::{Body, Health, HealthStatus};
use gstm2sd::events::spool::{Limits, Query};
use gstm2sd::events::{Draft, EventMaker, Spool, SpoolError};

use crate::watchdog::Watchdog;
use crate::{PATIENCE, camera, number, numbered, open};

fn health(text: &str) -> Draft {
    let health = Health {
        component: "models".to_owned(),
        status: HealthStatus::Ok,
        text: text.to_owned(),
        dropped: None,
    };
    Draft::now(None, Body::Health(health))
}

#[test]
fn a_sink_gets_what_came_after_it_in_order_and_goes_on_after_a_restart() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.record(numbered(0)).unwrap();
    assert!(spool.flush(PATIENCE));
    spool.register("late");
    let ids: Vec<_> = (1..=100).map(|n| spool.record(numbered(n)).unwrap()).collect();
    assert!(spool.flush(PATIENCE));

    let first = spool.read("late", 60).unwrap();
    assert_eq!(first.iter().map(|stored| stored.event.id).collect::<Vec<_>>(), ids[..60]);
    spool.acknowledge("late", first[39].sequence).unwrap();
    drop(spool);

    let spool = open(dir.path());
    spool.register("late");
    let rest = spool.read("late", 1000).unwrap();
    assert_eq!(rest.iter().map(|stored| stored.event.id).collect::<Vec<_>>(), ids[40..]);
    assert_eq!(serde_json::to_string(&rest[0].event).unwrap(), rest[0].json);
    let stats = &spool.stats().sinks[0];
    assert_eq!((stats.depth, stats.delivered, stats.dropped), (60, 40, 0));

    assert_eq!(spool.retain_sinks(&["other"]), ["late"]);
    assert!(matches!(spool.read("late", 1), Err(SpoolError::NoSuchSink(name)) if name == "late"));
    drop(spool);
    assert!(open(dir.path()).stats().sinks.is_empty());
}

#[test]
fn ids_grow_from_many_threads_and_over_restarts() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let spool = open(dir.path());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let spool = &spool;
                scope.spawn(move || {
                    (0..200).for_each(|n| {
                        spool.record(numbered(thread * 1000 + n)).unwrap();
                    })
                });
            }
        });
    }
    let stored = open(dir.path()).read_after(0, 10_000).unwrap();
    assert_eq!(stored.len(), 1600);
    assert!(stored.is_sorted_by(|a, b| a.event.id < b.event.id && a.sequence + 1 == b.sequence));
}

#[test]
fn recent_events_are_found_by_id_camera_and_type() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let ids: Vec<_> = (0..10)
        .map(|n| spool.record(if n % 2 == 0 { numbered(n) } else { health("fine") }).unwrap())
        .collect();
    assert!(spool.flush(PATIENCE));
    let ask = |query: Query| -> Vec<_> {
        spool.recent(&query).unwrap().into_iter().map(|event| event.id).collect()
    };
    let all = Query { limit: 100, ..Query::default() };
    assert_eq!(ask(Query { limit: 2, ..Query::default() }), [ids[9], ids[8]]);
    assert_eq!(ask(Query { before: Some(ids[2]), ..all.clone() }), [ids[1], ids[0]]);
    assert_eq!(ask(Query { after: Some(ids[6]), limit: 2, ..Query::default() }), [ids[7], ids[8]]);
    assert_eq!(
        ask(Query {
            after: Some(ids[0]),
            before: Some(ids[5]),
            camera: camera("door"),
            ..all.clone()
        }),
        [ids[2], ids[4]]
    );
    assert!(ask(Query { camera: camera("gate"), ..all.clone() }).is_empty());
    let types = vec!["health".to_owned(), "alert".to_owned()];
    assert_eq!(ask(Query { types, ..all.clone() }), [ids[9], ids[7], ids[5], ids[3], ids[1]]);
    let hostile = vec!["health') OR 1 --".to_owned()];
    assert!(ask(Query { types: hostile, ..all }).is_empty());
}

#[test]
fn what_is_too_old_goes_and_is_counted_where_it_was_not_delivered() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { max_age: Duration::from_millis(1500), ..Limits::default() };
    let spool = Spool::open(dir.path(), EventMaker::new("test"), limits).unwrap();
    spool.register("slow");
    spool.register("fast");
    (0..20).for_each(|n| assert!(spool.record(numbered(n)).is_some()));
    assert!(spool.flush(PATIENCE));
    let last = spool.read("fast", 100).unwrap().last().unwrap().sequence;
    spool.acknowledge("fast", last).unwrap();

    // The spool tells of the drops in an event of its own.
    let begun = Instant::now();
    let told = loop {
        assert!(begun.elapsed() < PATIENCE, "{:?}", spool.stats());
        let recent = spool.recent(&Query { limit: 10, ..Query::default() }).unwrap();
        match recent.into_iter().map(|event| event.body).next() {
            Some(Body::Health(health)) => break health,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!((told.component.as_str(), told.dropped), ("spool", Some(20)));
    assert_eq!(told.status, HealthStatus::Degraded);
    let stats = spool.stats();
    let counts: Vec<_> =
        stats.sinks.iter().map(|s| (s.name.as_str(), s.delivered, s.dropped)).collect();
    assert_eq!(counts, [("fast", 20, 0), ("slow", 0, 20)]);
}

#[test]
fn the_oldest_go_when_there_is_no_room() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { max_bytes: Limits::SMALLEST, ..Limits::default() };
    let spool = Spool::open(dir.path(), EventMaker::new("test"), limits).unwrap();
    spool.register("slow");
    for n in 0..8000 {
        assert!(spool.record(numbered(n)).is_some());
        assert!(n % 1000 > 0 || spool.flush(PATIENCE));
    }
    assert!(spool.flush(PATIENCE));
    let stats = spool.stats();
    assert!(stats.bytes <= Limits::SMALLEST && stats.bytes > Limits::SMALLEST * 3 / 4, "{stats:?}");
    let files = std::fs::read_dir(dir.path()).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < Limits::SMALLEST * 2 + (8 << 20), "{bytes}");
    // Nobody's events are missing without being counted, and those that are left are the newest.
    let left = spool.read("slow", 100_000).unwrap();
    let numbers: Vec<_> = left.iter().filter_map(|stored| number(&stored.event)).collect();
    assert_eq!(numbers, (8000 - numbers.len() as u64..8000).collect::<Vec<_>>());
    assert_eq!(spool.stats().sinks[0].dropped, left[0].sequence - 1);
    drop(spool);
    assert_eq!(open(dir.path()).stats().sinks[0].dropped, left[0].sequence - 1);

    let limits = Limits { max_bytes: 1000, ..limits };
    let error = Spool::open(dir.path(), EventMaker::new("test"), limits).unwrap_err();
    assert!(error.to_string().contains("1000 bytes is too small"), "{error}");
}

#[test]
fn a_disk_that_takes_nothing_holds_nobody_and_what_is_refused_is_told() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let mut blocker = rusqlite::Connection::open(dir.path().join("events.db")).unwrap();
    let block =
        blocker.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let (mut accepted, mut slowest) = (Vec::new(), Duration::ZERO);
    let refused = 100;
    while spool.stats().refused < refused {
        let begun = Instant::now();
        accepted.extend(spool.record(numbered(accepted.len() as u64)));
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    assert!(!spool.flush(Duration::from_millis(10)));
    block.commit().unwrap();

    assert!(spool.flush(PATIENCE));
    let begun = Instant::now();
    let told = loop {
        assert!(begun.elapsed() < PATIENCE, "{:?}", spool.stats());
        let newest = spool.recent(&Query { limit: 1, ..Query::default() }).unwrap();
        if let Some(Body::Health(health)) = newest.into_iter().map(|event| event.body).next() {
            break health;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!((told.status, told.dropped), (HealthStatus::Degraded, Some(refused)), "{told:?}");
    let stored = spool.read_after(0, 100_000).unwrap();
    let ids: Vec<_> = stored.iter().map(|stored| stored.event.id).collect();
    assert_eq!(ids[..accepted.len()], accepted);
}

#[test]
fn one_process_at_a_time_and_the_other_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let again = || Spool::open(dir.path(), EventMaker::new("b"), Limits::default());
    let error = again().unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert!(error.contains("another folder"), "{error}");
    drop(spool);
    again().unwrap();
}

#[test]
fn files_that_are_no_spool_are_kept_aside_and_told() {
    let _watchdog = Watchdog::new();
    for content in [&b"this is somebody's diary, and no database at all"[..], &[0xff; 8192]] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("events.db"), content).unwrap();
        let spool = open(dir.path());
        let aside = spool.set_aside().unwrap().clone();
        assert_eq!(std::fs::read(&aside.path).unwrap(), content);
        assert!(spool.record(numbered(1)).is_some());
        assert!(spool.flush(PATIENCE));
        let recent = spool.recent(&Query { limit: 2, ..Query::default() }).unwrap();
        let Body::Health(told) = &recent[1].body else { panic!("{recent:?}") };
        assert!(told.text.contains(aside.path.to_str().unwrap()), "{}", told.text);
    }
}

#[test]
fn another_programs_database_is_kept_aside_and_a_newer_spool_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE diary (day TEXT); INSERT INTO diary VALUES ('Monday')")
        .unwrap();
    drop(other);
    let spool = open(dir.path());
    let aside = spool.set_aside().unwrap().clone();
    assert!(aside.reason.contains("another program"), "{aside:?}");
    let other = rusqlite::Connection::open(&aside.path).unwrap();
    let day: String = other.query_row("SELECT day FROM diary", [], |row| row.get(0)).unwrap();
    assert_eq!(day, "Monday");
    drop(spool);

    let spool = rusqlite::Connection::open(&path).unwrap();
    spool.pragma_update(None, "user_version", 7).unwrap();
    drop(spool);
    let newer = Spool::open(dir.path(), EventMaker::new("a"), Limits::default());
    assert!(matches!(newer, Err(SpoolError::Newer { found: 7, .. })), "{newer:?}");
    assert!(path.exists());
}

#[test]
fn a_damaged_page_is_noticed_at_the_start_and_while_it_runs() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let fill = |spool: &Spool| {
        (0..3000).for_each(|n| assert!(spool.record(numbered(n)).is_some()));
        assert!(spool.flush(PATIENCE));
    };
    let damage = |path: &std::path::Path| {
        let mut bytes = std::fs::read(path).unwrap();
        assert!(bytes.len() > 100_000, "{}", bytes.len());
        bytes[4096..].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    };
    let path = dir.path().join("events.db");
    let spool = open(dir.path());
    spool.register("sink");
    fill(&spool);
    drop(spool);
    damage(&path);
    let spool = open(dir.path());
    assert!(spool.set_aside().unwrap().path.exists());
    assert!(spool.stats().sinks.is_empty());

    // While it runs: a reader finds it.
    spool.register("sink");
    fill(&spool);
    drop(spool);
    let spool = open(dir.path());
    damage(&path);
    let begun = Instant::now();
    while let Err(error) = spool.read("sink", 10_000) {
        assert!(error.to_string().contains("malformed"), "{error}");
        assert!(begun.elapsed() < PATIENCE, "{:?}", spool.stats());
        std::thread::sleep(Duration::from_millis(20));
    }
    fill(&spool);
    let aside = std::fs::read_dir(dir.path()).unwrap();
    let aside = aside.filter(|file| {
        let name = file.as_ref().unwrap().file_name().into_string().unwrap();
        name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    assert_eq!(aside.count(), 2, "one of each time");
    let sink = &spool.stats().sinks[0];
    assert!(sink.dropped >= 3000, "{sink:?}");
    let stored = spool.read("sink", 10_000).unwrap();
    assert_eq!(stored.iter().filter_map(|stored| number(&stored.event)).count(), 3000);
    drop(spool);
    let spool = open(dir.path());
    assert_eq!((spool.set_aside(), spool.stats().sinks.len()), (None, 1));
}

#[test]
fn numbers_that_are_not_finite_do_not_block_the_rest() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let mut verdict = gstm2sd::events::body::Verdict {
        track: 1,
        label_before: "unscored".to_owned(),
        judgement: gstm2sd::events::body::Judgement::default(),
        face: gstm2sd::events::body::FaceBox::default(),
        classifier: None,
    };
    verdict.judgement.confidence = f64::NAN;
    spool.record(Draft::now(None, Body::Verdict(Box::new(verdict)))).unwrap();
    spool.record(numbered(1)).unwrap();
    assert!(spool.flush(PATIENCE));
    let stored = spool.read_after(0, 10).unwrap();
    assert_eq!(stored.iter().filter_map(|stored| number(&stored.event)).collect::<Vec<_>>(), [1]);
    assert_eq!(spool.stats().refused, 1);
}

/// Whoever runs the process hears how its parts do, and nothing else.
#[test]
fn health_is_heard_of_as_it_is_recorded() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let (tell, told) = std::sync::mpsc::channel();
    spool.on_health(move |camera, health| {
        tell.send((camera.cloned(), health.text.clone())).unwrap();
    });
    spool.record(health("one")).unwrap();
    spool.record(numbered(1)).unwrap();
    let of_camera = Draft { camera: numbered(1).camera, ..health("two") };
    assert!(of_camera.camera.is_some());
    spool.record(of_camera.clone()).unwrap();
    let heard: Vec<_> = told.try_iter().collect();
    assert_eq!(heard, [(None, "one".to_owned()), (of_camera.camera, "two".to_owned())]);
}
