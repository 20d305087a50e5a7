//! Stopping and flushing cancel what runs and what waits, whoever waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::infer::InferError;

use super::picture::{found_one, one_face};
use super::scripted::scripted;
use super::support::{Rig, stat};

/// What a stop or a flush may take here: the scripted engine notices within 5 ms, and the machine
/// may be busy.
const SOON: Duration = Duration::from_millis(1500);

/// An element in complete mode whose classifier answers only to the clip `answers`, with more
/// clips pending than its queue holds.
fn stuck(answers: usize) -> (Rig, tempfile::TempDir, Arc<gstm2sd::infer::Pool>, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let (element, dir, pool) = scripted(move |cancel| {
        if counted.fetch_add(1, Ordering::Relaxed) >= answers {
            return Ok(1.0);
        }
        while !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(InferError::Cancelled)
    });
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    // The first clip runs, two wait, and the analysis thread waits with the fourth.
    let sinkpad = rig.element.static_pad("sink").unwrap();
    let info = picture.rgb_info();
    std::thread::spawn(move || {
        for number in 0..100 {
            if sinkpad.chain(one_face(90).buffer(&info, number)).is_err() {
                return;
            }
        }
    });
    rig.await_stat("clips-waiting", 4);
    (rig, dir, pool, runs)
}

#[test]
fn stopping_cancels_what_runs_and_what_waits() {
    let (rig, _dir, _pool, runs) = stuck(usize::MAX);
    let began = Instant::now();
    rig.element.set_state(gst::State::Null).unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(runs.load(Ordering::Relaxed), 1, "no clip of before began later");
}

#[test]
fn a_flush_cancels_what_runs_and_what_waits_and_the_stream_goes_on() {
    let (mut rig, _dir, _pool, runs) = stuck(1);
    let sinkpad = rig.element.static_pad("sink").unwrap();
    let began = Instant::now();
    assert!(sinkpad.send_event(gst::event::FlushStart::new()));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(sinkpad.send_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(sinkpad.send_event(gst::event::Segment::new(&segment)));
    let flushed = runs.load(Ordering::Relaxed);
    let picture = one_face(90);
    rig.push_rgb(&vec![picture; 8]);
    let frame = rig.pull();
    assert!(found_one(&frame).score().is_some(), "the stream after the flush is scored");
    assert!(began.elapsed() < 4 * SOON, "{:?}", began.elapsed());
    assert!(runs.load(Ordering::Relaxed) > flushed);
    rig.finish();
    // Five clips of eight frames, and the one that was cancelled.
    assert_eq!(runs.load(Ordering::Relaxed), 6, "no clip of before ran after the flush");
    assert_eq!(stat::<u64>(&rig.element, "clips-scored"), 5);
}

#[test]
fn an_allocation_query_that_a_flush_ends_is_not_answered() {
    let (rig, _dir, _pool, _runs) = stuck(usize::MAX);
    let sinkpad = rig.element.static_pad("sink").unwrap();
    let other = one_face(90).info(gst_video::VideoFormat::I420).to_caps().unwrap();
    let asked = std::thread::spawn({
        let sinkpad = sinkpad.clone();
        move || {
            let mut query = gst::query::Allocation::new(Some(&other), true);
            // Straight to the element: a pad that is flushing would refuse by itself.
            sinkpad.query(&mut query)
        }
    });
    std::thread::sleep(Duration::from_millis(50));
    assert!(sinkpad.send_event(gst::event::FlushStart::new()));
    assert!(!asked.join().unwrap(), "what would be answered is of before the flush");
}

#[test]
fn no_message_is_posted_on_the_thread_that_elements_share() {
    let (element, _dir, _pool) = scripted(|_| Ok(1.0));
    let mut rig = Rig::new(element);
    let (told, threads) = std::sync::mpsc::channel();
    rig.bus.set_sync_handler(move |_, message| {
        if message.structure().is_some_and(|s| s.name() == "m2sd-clip") {
            let _ = told.send(std::thread::current().name().map(str::to_owned));
        }
        gst::BusSyncReply::Pass
    });
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&vec![one_face(90); 8]);
    rig.finish();
    let threads: Vec<_> = threads.try_iter().collect();
    assert_eq!(threads.len(), 5);
    assert!(threads.iter().flatten().all(|name| name != "m2sd-classify"), "{threads:?}");
}
