//! The process is killed at any moment: nothing that was promised is missing, nothing is twice.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use gstm2sd::events::EventId;

use crate::watchdog::Watchdog;
use crate::{PATIENCE, numbered, open};

const FOLDER: &str = "M2SD_TEST_SPOOL";
const ROUNDS: u64 = 20;

/// Records until it is killed; prints the ids that are promised, and what a sink has taken.
#[test]
#[ignore = "the process that the next test kills"]
fn records_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("started by the test beside it");
    let spool = open(folder.as_ref());
    spool.register("sink");
    let mut out = std::io::stderr();
    for round in 0.. {
        let ids: Vec<EventId> = (0..round % 37 + 1)
            .map(|n| spool.record(numbered(n)).expect("there is room"))
            .collect();
        assert!(spool.flush(PATIENCE));
        let lines: String = ids.iter().map(|id| format!("promised {id}\n")).collect();
        out.write_all(lines.as_bytes()).unwrap();
        for stored in spool.read("sink", round as usize % 50 + 1).unwrap() {
            out.write_all(format!("taken {}\n", stored.event.id).as_bytes()).unwrap();
            spool.acknowledge("sink", stored.sequence).unwrap();
        }
    }
}

#[test]
fn nothing_that_was_promised_is_lost_when_the_process_is_killed() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let (mut promised, mut taken) = (Vec::new(), Vec::new());
    // More of them where the machine is too busy for most to come far.
    let enough = |round: u64, promised: &[EventId]| round >= ROUNDS && promised.len() > 200;
    for round in 0..10 * ROUNDS {
        if enough(round, &promised) {
            break;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::records_until_it_is_killed", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let reader = std::thread::spawn(move || lines.map(Result::unwrap).collect::<Vec<_>>());
        // Spread over opening, recording, writing and checkpoints.
        std::thread::sleep(Duration::from_millis(20 + (round * 7919) % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            let id = |text: &str| text.parse::<EventId>().ok();
            match line.split_once(' ') {
                Some(("promised", text)) => promised.extend(id(text)),
                Some(("taken", text)) => taken.extend(id(text)),
                _ => panic!("the process that is killed said: {line}"),
            }
        }
    }
    assert!(promised.len() > 200, "{} were promised", promised.len());

    let spool = open(dir.path());
    assert_eq!(spool.set_aside(), None);
    let stored: Vec<_> = spool
        .read_after(0, usize::MAX)
        .unwrap()
        .into_iter()
        .map(|stored| stored.event.id)
        .collect();
    assert!(stored.is_sorted_by(|a, b| a < b), "in order, none twice");
    let missing = promised.iter().filter(|id| stored.binary_search(id).is_err()).count();
    assert_eq!(missing, 0, "of {}", promised.len());

    // What the sink has not taken comes now; together that is everything since it was registered.
    let rest = spool.read("sink", usize::MAX).unwrap();
    taken.extend(rest.iter().map(|stored| stored.event.id));
    let again = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert!(again < taken.len() + 50 * ROUNDS as usize, "only the newest come again");
    let missing = stored.iter().filter(|id| taken.binary_search(id).is_err()).count();
    assert_eq!(missing, 0, "of {} for the sink", stored.len());
}
