//! Which sound a clip has, and what the classifier makes of it.

use gst_video::VideoRegionOfInterestMeta;
use gstm2sd::core::audio::{SILENCE_DB, level_db};

use super::support::*;

const RED: u8 = 102;

fn of(clip: &gst::Structure, samples: &[f32]) -> Vec<f32> {
    let first = first_frame(clip) as usize * FRAME_SAMPLES;
    let mut heard = samples.get(first..).unwrap_or_default().to_vec();
    heard.resize(CLIP_SAMPLES, 0.0);
    heard
}

fn mean_square(samples: &[f32]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
}

/// Asserts score and level of every clip, for a stream with these samples from its start on.
fn assert_heard(clips: &[gst::Structure], samples: &[f32]) {
    for clip in clips {
        let samples = of(clip, samples);
        let score: f64 = clip.get("score").unwrap();
        let expected = heard_probability(RED, &samples);
        assert!((score - expected).abs() < 1e-4, "{clip}: {score}, not {expected}");
        let level: f64 = clip.get("audio-level-db").unwrap();
        assert!((level - level_db(mean_square(&samples))).abs() < 1e-6, "{clip}");
    }
}

#[test]
fn scores_depend_on_picture_and_sound_of_the_same_time() {
    let samples = noise(20 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.play(&samples, 0);
    rig.end_audio();
    rig.show(20, RED);
    let clips = rig.finish();
    assert_eq!(clips.len(), 17);
    assert_heard(&clips, &samples);
    assert!(clips.iter().all(|clip| coverage(clip) == 1.0));
    assert!(clips.iter().all(|clip| clip.get::<u32>("audio-gaps").unwrap() == 0));
    // The test would not notice much if the sound hardly mattered.
    let scores: Vec<f64> = clips.iter().map(|clip| clip.get("score").unwrap()).collect();
    let (least, most) = (scores.iter().copied().fold(1.0, f64::min), scores[16]);
    assert!(most - least > 0.2, "{least} to {most}");
}

#[test]
fn sound_that_comes_after_its_pictures_is_waited_for() {
    let samples = noise(12 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.show(12, RED);
    // Every frame has been looked at: the clips are waiting.
    while stat(&rig.element, "frames-analysed") < 12 {
        std::thread::yield_now();
    }
    assert_eq!(rig.video.buffers_received(), 0);
    rig.play(&samples, 0);
    rig.end_audio();
    let clips = rig.finish();
    assert_eq!(clips.len(), 9);
    assert!(clips.iter().all(|clip| coverage(clip) == 1.0));
    assert_heard(&clips, &samples);
}

#[test]
fn sound_that_starts_late_or_ends_early_counts_for_its_part() {
    let samples = noise(14 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    let (from, to) = (6 * FRAME_SAMPLES, 12 * FRAME_SAMPLES);
    rig.play(&samples[from..to], from);
    rig.end_audio();
    rig.show(20, RED);
    let clips = rig.finish();
    let mut heard = samples;
    heard[..from].fill(0.0);
    heard[to..].fill(0.0);
    assert_heard(&clips, &heard);
    for clip in &clips {
        let frame = first_frame(clip);
        let frames = (frame..frame + T).filter(|f| (6..12).contains(f)).count();
        assert_eq!(coverage(clip), frames as f64 / T as f64, "{clip}");
        if frames == 0 {
            assert_eq!(clip.get::<f64>("audio-level-db").unwrap(), SILENCE_DB);
        }
    }
    assert_eq!(clips.len(), 17);
}

#[test]
fn gaps_are_silent_and_counted() {
    let samples = noise(12 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    // A hole between buffers, and one that is announced.
    rig.play(&samples[..2 * FRAME_SAMPLES], 0);
    rig.play(&samples[3 * FRAME_SAMPLES..5 * FRAME_SAMPLES], 3 * FRAME_SAMPLES);
    let gap = gst::event::Gap::builder(5 * FRAME).duration(2 * FRAME).build();
    assert!(rig.audio().push_event(gap));
    rig.play(&samples[7 * FRAME_SAMPLES..], 7 * FRAME_SAMPLES);
    rig.end_audio();
    rig.show(12, RED);
    let clips = rig.finish();
    let mut heard = samples;
    for hole in [2..3, 5..7] {
        heard[hole.start * FRAME_SAMPLES..hole.end * FRAME_SAMPLES].fill(0.0);
    }
    assert_heard(&clips, &heard);
    let found: Vec<_> = clips.iter().map(coverage).collect();
    assert_eq!(found, [0.75, 0.75, 0.5, 0.5, 0.5, 0.5, 0.75, 1.0, 1.0]);
    let gaps: Vec<u32> = clips.iter().map(|clip| clip.get("audio-gaps").unwrap()).collect();
    assert_eq!(gaps, [1, 1, 2, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn a_drifting_clock_loses_sound_but_never_its_place() {
    let samples = noise(50 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    // The device's clock is 2 % slow: 40 ms of samples come every 40.8 ms.
    for (n, piece) in samples.chunks(FRAME_SAMPLES).enumerate() {
        let mut buffer = sound(piece, 0);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_useconds(40_800 * n as u64));
        rig.audio().push(buffer).unwrap();
    }
    rig.end_audio();
    rig.show(50, RED);
    for clip in rig.finish() {
        // At most one correction, of a little more than the tolerance of 10 ms, in 160 ms.
        assert!((0.93..=1.0).contains(&coverage(&clip)), "{clip}");
        assert!(clip.get::<u32>("audio-gaps").unwrap() <= 1, "{clip}");
    }
}

#[test]
fn without_an_audio_pad_a_listening_network_hears_silence() {
    let mut rig = Rig::video(filter(listening(), "complete", PATIENT));
    rig.show(8, RED);
    let clips = rig.finish();
    assert_eq!(clips.len(), 5);
    for clip in &clips {
        let score: f64 = clip.get("score").unwrap();
        assert!((score - heard_probability(RED, &[])).abs() < 1e-4, "{clip}");
        assert!(!clip.has_field("audio-coverage") && !clip.has_field("audio-level-db"));
    }
}

#[test]
fn frames_tell_the_level_of_what_their_score_speaks_of() {
    let samples = noise(8 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(deaf(), "complete", PATIENT));
    rig.play(&samples, 0);
    rig.end_audio();
    rig.show(8, RED);
    let clips = rig.finish();
    // A network that does not listen is not moved by what it could hear.
    let expected = f64::from(RED) / 255.0;
    assert!(clips.iter().all(|c| (c.get::<f64>("score").unwrap() - expected).abs() < 1e-3));
    assert!(clips.iter().all(|clip| coverage(clip) == 1.0));
    while let Some(buffer) = rig.video.try_pull() {
        let meta = buffer.meta::<VideoRegionOfInterestMeta>().expect("no face");
        let face = meta.param("m2sd").unwrap().to_owned();
        let sample = |field| (face.get::<u64>(field).unwrap() / 62_500) as usize;
        let heard = &samples[sample("clip-start")..sample("clip-end")];
        let level: f64 = face.get("audio-level-db").unwrap();
        assert!((level - level_db(mean_square(heard))).abs() < 1e-6, "{face}");
        assert_eq!(face.get::<f64>("audio-coverage").unwrap(), 1.0);
    }
}
