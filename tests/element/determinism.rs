//! In complete mode what a frame says depends on the stream alone, not on how fast anything ran.

use std::time::Duration;

use gst::prelude::*;

use super::picture::{found_one, one_face};
use super::scripted::scripted;
use super::support::{Rig, T};

/// What a frame says, and what the bus said.
type Said = (Vec<(u64, u32, String)>, Vec<(u64, u64)>);

/// Frames of one face, of which each clip is scored after another delay.
fn run(stride: u32, frames: usize, seed: u64) -> Said {
    let mut clip = 0u64;
    let (element, _dir, _pool) = scripted(move |_| {
        clip += 1;
        std::thread::sleep(Duration::from_millis((clip * 7 + seed * 13) % 23));
        Ok((clip as f32 * 0.9).sin())
    });
    element.set_property("clip-stride", stride);
    let mut rig = Rig::new(element);
    // Downstream takes its time as well, so that later clips are scored before frames leave.
    let srcpad = rig.element.static_pad("src").unwrap();
    let mut left = 0u64;
    let left = std::sync::Mutex::new(move || {
        left += 1;
        left * seed * 5 % 19
    });
    srcpad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        std::thread::sleep(Duration::from_millis((left.lock().unwrap())()));
        gst::PadProbeReturn::Ok
    });
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    for frame in 0..frames {
        if (frame as u64 + seed).is_multiple_of(5) {
            std::thread::sleep(Duration::from_millis(seed * 3));
        }
        rig.push_rgb(std::slice::from_ref(&picture));
    }
    let outcome = rig.finish();
    let said = |buffer: &gst::Buffer| {
        let face = found_one(buffer);
        (face.score().unwrap_or(-1.0).to_bits(), face.clips(), face.label())
    };
    let told = |clip: &&gst::Structure| {
        (clip.get::<u64>("end").unwrap(), clip.get::<f64>("score").unwrap().to_bits())
    };
    (
        outcome.buffers.iter().map(said).collect(),
        outcome.named("m2sd-clip").iter().map(told).collect(),
    )
}

#[test]
fn frames_say_the_same_at_any_load_also_between_clips() {
    // 1 is the control: every frame has clips of its own.
    for stride in [1, 3, T as u32 + 3, 3 * T as u32] {
        let first = run(stride, 40, 0);
        assert_eq!(first.0.len(), 40);
        for seed in 1..6 {
            assert_eq!(run(stride, 40, seed), first, "stride {stride}, run {seed}");
        }
    }
}
