//! What a flush must not lose, and what a buffer need not have.

use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta;

use super::picture::one_face;
use super::support::{Rig, filter, single_frames};

fn faces(buffer: &gst::Buffer) -> usize {
    buffer.iter_meta::<VideoRegionOfInterestMeta>().count()
}

#[test]
fn a_flush_that_overtakes_the_caps_does_not_lose_them() {
    // The queues drop what they hold; whether the caps have left by then is a race, so it is run
    // often.
    for _ in 0..20 {
        let mut rig = Rig::new(filter(single_frames()));
        let picture = one_face(90);
        let info = picture.rgb_info();
        rig.caps(&info);
        assert!(rig.harness.push_event(gst::event::FlushStart::new()));
        assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
        rig.push(&picture, &info);
        let buffer = rig.pull();
        assert_eq!(faces(&buffer), 1, "analysed, so the analysis knows the caps");
        let caps = rig.element.static_pad("src").unwrap().current_caps();
        assert_eq!(caps, Some(info.to_caps().unwrap()), "downstream knows them");
    }
}

#[test]
fn frames_without_timestamps_are_scored() {
    let mut rig = Rig::new(filter(single_frames()));
    let picture = one_face(90);
    let info = picture.rgb_info();
    rig.caps(&info);
    for number in 0..3 {
        let mut buffer = picture.buffer(&info, number);
        let writable = buffer.make_mut();
        writable.set_pts(None);
        writable.set_duration(None);
        assert_eq!(rig.harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    }
    let outcome = rig.finish();
    assert_eq!(outcome.named("m2sd-clip").len(), 3);
    assert!(outcome.buffers.iter().all(|frame| frame.pts().is_none()));
}
