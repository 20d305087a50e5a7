//! Random faults for as long as asked: flushes, breaks, new caps, state changes, second streams,
//! both modes. In a process of its own, so that threads, files and memory can be counted.
//!
//! `M2SD_SOAK_SECONDS` says how long (default 20). The seed is printed; `M2SD_SOAK_SEED` repeats a
//! run's order of faults.

#[path = "element/picture.rs"]
#[allow(dead_code)]
mod picture;
#[path = "element/support.rs"]
#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant, SystemTime};

use gst::prelude::*;

use picture::{Picture, face};
use support::{Rig, filter, short_clips, single_frames};

/// Xorshift: enough to mix faults, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Threads, open files, resident memory in MiB.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: usize,
    files: usize,
    memory_mib: u64,
}

fn held() -> Held {
    let count = |dir: &str| std::fs::read_dir(dir).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = memory.split_whitespace().next().unwrap().parse().unwrap();
    Held {
        threads: count("/proc/self/task"),
        files: count("/proc/self/fd"),
        memory_mib: kib / 1024,
    }
}

fn picture(random: &mut Random) -> Picture {
    let (width, height) = [(160, 120), (97, 131), (320, 64)][random.below(3) as usize];
    let step = random.below(8) as i32;
    let faces = match random.below(4) {
        0 => vec![],
        1 => vec![face(4 + step, 6, 40, 200)],
        _ => vec![face(2 + step, 4, 30, 60), face(50, 6 + step, 34, 220)],
    };
    Picture::new(width, height, &faces)
}

fn segment() -> gst::Event {
    gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())
}

/// One thing that may happen to a stream. Frames that come out are taken away.
fn fault(rig: &mut Rig, random: &mut Random, now: &mut Picture) {
    match random.below(12) {
        0 => {
            rig.harness.push_event(gst::event::FlushStart::new());
            rig.harness.push_event(gst::event::FlushStop::new(random.below(2) == 0));
            rig.harness.push_event(segment());
        }
        1 => {
            *now = picture(random);
            rig.caps(&now.rgb_info());
        }
        2 => {
            let at = gst::ClockTime::from_mseconds(rig.next * 40);
            rig.harness.push_event(gst::event::Gap::new(at, gst::ClockTime::from_mseconds(40)));
        }
        3 => {
            rig.harness.push_event(segment());
        }
        4 => {
            rig.finish();
            rig.harness.push_event(gst::event::StreamStart::new("another"));
            rig.caps(&now.rgb_info());
            rig.harness.push_event(segment());
        }
        5 => {
            let mut drain = gst::query::Drain::new();
            let sinkpad = rig.element.static_pad("sink").unwrap();
            sinkpad.query(&mut drain);
        }
        6 => {
            let mut buffer = now.buffer(&now.rgb_info(), rig.next);
            rig.next += 1;
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
            rig.harness.push(buffer).unwrap();
        }
        _ => {
            let info = now.rgb_info();
            (0..random.below(9)).for_each(|_| rig.push(now, &info));
        }
    }
    while rig.harness.try_pull().is_some() {}
    while rig.harness.try_pull_event().is_some() {}
}

/// An element's life, from NULL to NULL.
fn life(random: &mut Random) {
    let engines = if random.below(3) == 0 { single_frames() } else { short_clips() };
    let element = filter(engines);
    element.set_property_from_str("mode", ["live", "complete"][random.below(2) as usize]);
    element.set_property("draw", random.below(2) == 0);
    element.set_property("clip-stride", random.below(4) as u32);
    let mut rig = Rig::new(element);
    let mut now = picture(random);
    rig.caps(&now.rgb_info());
    for _ in 0..random.below(40) {
        fault(&mut rig, random, &mut now);
    }
    assert_eq!(rig.errors(), [""; 0]);
    rig.element.set_state(gst::State::Null).unwrap();
}

#[test]
fn random_faults_leave_nothing_behind() {
    let seconds = setting("M2SD_SOAK_SECONDS").unwrap_or(20);
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = setting("M2SD_SOAK_SEED").unwrap_or(clock.as_nanos() as u64) | 1;
    println!("M2SD_SOAK_SEED={seed}");
    let mut random = Random(seed);
    // What is loaded once stays: libraries, type registrations, allocator arenas.
    (0..20).for_each(|_| life(&mut random));
    let before = held();
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut lives = 0;
    while Instant::now() < until {
        life(&mut random);
        lives += 1;
    }
    let after = held();
    println!("{lives} lives in {seconds} s: {before:?}, then {after:?}");
    // The test's own watchdogs end a moment after the life that they watched.
    assert!(after.threads <= before.threads + 4, "{before:?} {after:?}");
    assert!(after.files <= before.files + 4, "{before:?} {after:?}");
    assert!(after.memory_mib <= before.memory_mib + 64, "{before:?} {after:?}");
}
