//! Random faults for as long as asked: flushes, breaks, new caps, state changes, second streams,
//! sound that comes and goes, both modes. Accelerated, as fast as it can, and in real time.
//!
//! Each soak is a process of its own under the leaks tracer, so that objects, threads, files and
//! memory can be counted. `M2SD_SOAK_SECONDS` says how long each takes (default 20);
//! `M2SD_SOAK_SEED` repeats a run's order of faults.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

#[path = "element/picture.rs"]
#[allow(dead_code)]
mod picture;
#[path = "element/support.rs"]
#[allow(dead_code)]
mod support;

use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use gst::prelude::*;

use picture::{FRAME_DURATION, Picture, face};
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

/// Sound beside the pictures, sent by a thread of its own until the pad is released.
struct Sound {
    pad: gst::Pad,
    sender: JoinHandle<()>,
}

impl Sound {
    const BUFFER: gst::ClockTime = gst::ClockTime::from_mseconds(20);
    const SAMPLES: usize = 160;

    fn begin(element: &gst::Element, from: gst::ClockTime) -> Self {
        let pad = element.request_pad_simple("audio_sink").unwrap();
        let sink = pad.clone();
        let sender = std::thread::spawn(move || {
            let caps = gst_audio::AudioCapsBuilder::new_interleaved()
                .format(gst_audio::AUDIO_FORMAT_S16)
                .rate(8000)
                .channels(1)
                .build();
            sink.send_event(gst::event::StreamStart::new("sound"));
            sink.send_event(gst::event::Caps::new(&caps));
            sink.send_event(segment());
            for number in 0.. {
                let mut buffer = gst::Buffer::from_slice([7u8; 2 * Self::SAMPLES]);
                let buffer_ref = buffer.get_mut().unwrap();
                buffer_ref.set_pts(from + Self::BUFFER * number);
                buffer_ref.set_duration(Self::BUFFER);
                if matches!(sink.chain(buffer), Err(e) if e != gst::FlowError::NotLinked) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { pad, sender }
    }

    fn end(self, element: &gst::Element) {
        element.release_request_pad(&self.pad);
        self.sender.join().unwrap();
    }
}

/// An element, and what is done to it.
struct Life<'a> {
    rig: Rig,
    random: &'a mut Random,
    now: Picture,
    sound: Option<Sound>,
    /// Frames come at their time, or as fast as they go.
    real_time: bool,
}

impl<'a> Life<'a> {
    fn begin(random: &'a mut Random, real_time: bool) -> Self {
        let engines = if random.below(3) == 0 { single_frames() } else { short_clips() };
        let element = filter(engines);
        let mode = if real_time { 0 } else { random.below(2) as usize };
        element.set_property_from_str("mode", ["live", "complete"][mode]);
        element.set_property("draw", random.below(2) == 0);
        element.set_property("clip-stride", random.below(4) as u32);
        let mut rig = Rig::new(element);
        let now = picture(random);
        rig.caps(&now.rgb_info());
        Self { rig, random, now, sound: None, real_time }
    }

    fn frames(&mut self, count: u64) {
        let info = self.now.rgb_info();
        for _ in 0..count {
            self.rig.push(&self.now, &info);
            if self.real_time {
                std::thread::sleep(FRAME_DURATION.into());
            }
        }
    }

    /// One thing that may happen to a stream. Frames that come out are taken away.
    fn fault(&mut self) {
        let at = FRAME_DURATION * self.rig.next;
        match self.random.below(13) {
            0 => {
                let harness = &mut self.rig.harness;
                harness.push_event(gst::event::FlushStart::new());
                harness.push_event(gst::event::FlushStop::new(self.random.below(2) == 0));
                harness.push_event(segment());
            }
            1 => {
                self.now = picture(self.random);
                self.rig.caps(&self.now.rgb_info());
            }
            2 => {
                self.rig.harness.push_event(gst::event::Gap::new(at, FRAME_DURATION));
            }
            3 => {
                self.rig.harness.push_event(segment());
            }
            4 => {
                self.rig.finish();
                self.rig.harness.push_event(gst::event::StreamStart::new("another"));
                self.rig.caps(&self.now.rgb_info());
                self.rig.harness.push_event(segment());
            }
            5 => {
                let sinkpad = self.rig.element.static_pad("sink").unwrap();
                sinkpad.query(&mut gst::query::Drain::new());
            }
            6 => {
                let mut buffer = self.now.buffer(&self.now.rgb_info(), self.rig.next);
                self.rig.next += 1;
                buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
                self.rig.harness.push(buffer).unwrap();
            }
            7 => match self.sound.take() {
                Some(sound) => sound.end(&self.rig.element),
                None => self.sound = Some(Sound::begin(&self.rig.element, at)),
            },
            _ => {
                let count = self.random.below(9);
                self.frames(count);
            }
        }
        while self.rig.harness.try_pull().is_some() {}
        while self.rig.harness.try_pull_event().is_some() {}
    }

    /// Returns the stream time that went through.
    fn end(self) -> Duration {
        assert_eq!(self.rig.errors(), [""; 0]);
        // Stopped with the sound still coming, as an application would.
        self.rig.element.set_state(gst::State::Null).unwrap();
        if let Some(sound) = self.sound {
            sound.end(&self.rig.element);
        }
        (FRAME_DURATION * self.rig.next).into()
    }
}

/// An element's life, from NULL to NULL.
fn life(random: &mut Random, real_time: bool) -> Duration {
    let mut life = Life::begin(random, real_time);
    for _ in 0..life.random.below(40) {
        life.fault();
    }
    life.end()
}

/// Soaks in this process, and compares what it holds in the end with what it held before.
fn soak(real_time: bool) {
    const LOOKS: u32 = 10;
    let total = Duration::from_secs(setting("M2SD_SOAK_SECONDS").unwrap_or(20));
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = setting("M2SD_SOAK_SEED").unwrap_or(clock.as_nanos() as u64) | 1;
    println!("M2SD_SOAK_SEED={seed}");
    let mut random = Random(seed);
    // What is loaded once stays: libraries, type registrations.
    for _ in 0..20 {
        life(&mut random, false);
    }
    let mut looks = vec![held()];
    let (mut lives, mut stream) = (0, Duration::ZERO);
    let started = Instant::now();
    for look in 1..=LOOKS {
        while started.elapsed() < total * look / LOOKS {
            stream += life(&mut random, real_time);
            lives += 1;
        }
        looks.push(held());
    }
    println!("{lives} lives, {} s of stream in {} s", stream.as_secs(), total.as_secs());
    looks.iter().for_each(|look| println!("{look:?}"));
    let (before, middle, after) = (looks[0], looks[looks.len() / 2], looks[looks.len() - 1]);
    // The test's own watchdogs end a moment after the life that they watched.
    assert!(after.threads <= before.threads + 4, "{before:?} {after:?}");
    assert!(after.files <= before.files + 4, "{before:?} {after:?}");
    assert!(after.memory_mib <= middle.memory_mib + 8, "{middle:?} {after:?}");
}

/// Runs one of the ignored soaks below in a process of its own, under the leaks tracer.
fn leaves_nothing_behind(soak: &str) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", soak, "--ignored", "--nocapture"])
        .env("GST_TRACERS", "leaks")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_FILE", log.path())
        // Memory that threads left in arenas of their own would count as held.
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(log.path()).unwrap();
    // The tracer first describes its records, with types in the place of values.
    assert!(log.contains("object-alive.class"), "the tracer did not run: {log}");
    let is_record = |line: &&str| line.contains("object-alive, ") && !line.contains("=(string)%s");
    let alive: Vec<_> = log.lines().filter(is_record).collect();
    assert!(alive.is_empty(), "{alive:#?}");
}

#[test]
fn random_faults_leave_nothing_behind() {
    leaves_nothing_behind("accelerated");
}

#[test]
fn random_faults_in_real_time_leave_nothing_behind() {
    leaves_nothing_behind("in_real_time");
}

/// Has the tracer report.
fn end_of_process() {
    // SAFETY: nothing of GStreamer is used after it.
    unsafe { gst::deinit() };
}

#[test]
#[ignore = "the child of another test"]
fn accelerated() {
    soak(false);
    end_of_process();
}

#[test]
#[ignore = "the child of another test"]
fn in_real_time() {
    soak(true);
    end_of_process();
}
