//! What upstream hears, and what becomes of the pipeline, when downstream takes no more.

use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use super::picture::{one_face, one_face_each};
use super::support::{Rig, T, error_text, filter, short_clips};

/// Makes everything downstream answer buffers with this, from the second on.
fn refuse(rig: &Rig, with: gst::FlowError) -> gst::PadProbeId {
    let first = AtomicBool::new(true);
    let srcpad = rig.element.static_pad("src").unwrap();
    let refuse = srcpad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if first.swap(false, Ordering::Relaxed) {
            return gst::PadProbeReturn::Ok;
        }
        info.flow_res = Err(with);
        gst::PadProbeReturn::Handled
    });
    refuse.unwrap()
}

/// Sends frames until one is refused.
fn push_until_refused(rig: &mut Rig) -> gst::FlowError {
    let picture = one_face(90);
    let info = picture.rgb_info();
    loop {
        let buffer = picture.buffer(&info, rig.next);
        rig.next += 1;
        if let Err(error) = rig.harness.push(buffer) {
            return error;
        }
    }
}

#[test]
fn upstream_hears_why_downstream_stopped() {
    use gst::FlowError as F;
    for error in [F::Error, F::Eos, F::NotLinked, F::NotNegotiated, F::Flushing] {
        for mode in ["complete", "live"] {
            let element = filter(short_clips());
            element.set_property_from_str("mode", mode);
            let mut rig = Rig::new(element);
            refuse(&rig, error);
            rig.caps(&one_face(90).rgb_info());
            assert_eq!(push_until_refused(&mut rig), error, "{mode}");
        }
    }
}

#[test]
fn a_pad_that_is_linked_again_goes_on() {
    let mut rig = Rig::new(filter(short_clips()));
    let refusal = refuse(&rig, gst::FlowError::NotLinked);
    rig.caps(&one_face(90).rgb_info());
    assert_eq!(push_until_refused(&mut rig), gst::FlowError::NotLinked);
    let srcpad = rig.element.static_pad("src").unwrap();
    srcpad.remove_probe(refusal);
    // What linking a pad sends; nothing is upstream of the harness to answer it.
    srcpad.send_event(gst::event::Reconfigure::new());
    while rig.harness.try_pull().is_some() {}
    rig.push_rgb(&one_face_each(&[90; T]));
    assert_eq!(rig.finish().buffers.len(), T);
}

#[test]
fn eos_gets_through_to_a_downstream_that_is_full() {
    let mut rig = Rig::new(filter(short_clips()));
    refuse(&rig, gst::FlowError::Eos);
    rig.caps(&one_face(90).rgb_info());
    assert_eq!(push_until_refused(&mut rig), gst::FlowError::Eos);
    assert!(rig.harness.push_event(gst::event::Eos::new()));
    rig.await_event(gst::EventType::Eos);
    assert_eq!(rig.errors(), [""; 0]);
}

/// Sends frames that wait for their clip, and EOS before the first of them leaves.
fn push_all_before_any_leaves(rig: &mut Rig) {
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90; T - 1]));
    assert!(rig.harness.push_event(gst::event::Eos::new()));
}

#[test]
fn frames_refused_after_eos_was_taken_are_an_error() {
    let mut rig = Rig::new(filter(short_clips()));
    refuse(&rig, gst::FlowError::NotLinked);
    push_all_before_any_leaves(&mut rig);
    assert_eq!(rig.await_error(), "Internal data stream error");
}

#[test]
fn eos_gets_through_when_downstream_has_enough_after_it_was_taken() {
    let mut rig = Rig::new(filter(short_clips()));
    refuse(&rig, gst::FlowError::Eos);
    push_all_before_any_leaves(&mut rig);
    rig.await_event(gst::EventType::Eos);
    assert_eq!(rig.errors(), [""; 0]);
}

#[test]
fn a_new_stream_may_follow_when_downstream_had_enough_of_the_last() {
    let mut rig = Rig::new(filter(short_clips()));
    let probe = refuse(&rig, gst::FlowError::Eos);
    rig.caps(&one_face(90).rgb_info());
    assert_eq!(push_until_refused(&mut rig), gst::FlowError::Eos);
    rig.element.static_pad("src").unwrap().remove_probe(probe);
    let refused = rig.next;
    assert!(rig.harness.push_event(gst::event::StreamStart::new("next")));
    rig.caps(&one_face(90).rgb_info());
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    rig.push_rgb(&one_face_each(&[90; T]));
    let first = rig.pull();
    let last = rig.finish().buffers.pop().unwrap();
    assert_eq!(first.pts(), Some(gst::ClockTime::ZERO), "the frame that was not refused");
    assert_eq!(last.pts(), Some(super::picture::FRAME_DURATION * (refused + T as u64 - 1)));
}

/// A pipeline on its own bus until EOS or an error; `None` is EOS.
fn play(line: &str) -> Option<String> {
    super::support::init();
    let _watchdog = super::support::Watchdog::new();
    let engines = short_clips().display();
    let line = line.replace("FILTER", &format!("m2sdfilter engines-dir={engines} provider=cpu"));
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let types = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &types).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    (end.type_() == gst::MessageType::Error).then(|| error_text(&end))
}

#[test]
fn a_pipeline_ends_when_its_sink_has_enough() {
    let source = "videotestsrc ! video/x-raw,width=64,height=64 ! FILTER";
    assert_eq!(play(&format!("{source} ! identity eos-after=5 ! fakesink")), None);
    assert_eq!(play(&format!("{source} ! fakesink num-buffers=5")), None);
    let failed = play(&format!("{source} ! identity error-after=5 ! fakesink")).unwrap();
    assert!(failed.contains("Failed after"), "{failed}");
}

#[test]
fn a_stream_whose_frames_never_fit_their_caps_is_an_error() {
    for format in [gst_video::VideoFormat::Rgb, gst_video::VideoFormat::I420] {
        let picture = one_face(90);
        let info = picture.info(format);
        let mut rig = Rig::new(filter(short_clips()));
        rig.caps(&info);
        let short = picture.buffer(&info, 0).copy_region(gst::BufferCopyFlags::all(), ..1000);
        let short = short.unwrap();
        // How many are taken is the analysis' affair, but they are few.
        let refused = (0..20).find_map(|_| rig.harness.push(short.clone()).err());
        let error = rig.await_error();
        assert!(error.contains("160x120") && error.contains("1000"), "{error}");
        assert!(refused.is_none() || refused == Some(gst::FlowError::Error));
        assert_eq!(push_until_refused(&mut rig), gst::FlowError::Error);
    }
}

#[test]
fn one_unreadable_buffer_passes_with_a_warning() {
    let whole = |picture: &super::picture::Picture, info: &gst_video::VideoInfo, number| {
        picture.buffer(info, number)
    };
    let cut = |to: usize| {
        move |picture: &super::picture::Picture, info: &gst_video::VideoInfo, number| {
            let frame = picture.buffer(info, number);
            frame.copy_region(gst::BufferCopyFlags::all(), ..to).unwrap()
        }
    };
    let empty = |_: &super::picture::Picture, _: &gst_video::VideoInfo, number| {
        let mut buffer = gst::Buffer::new();
        buffer.make_mut().set_pts(super::picture::FRAME_DURATION * number);
        buffer
    };
    type Make<'a> = &'a dyn Fn(&super::picture::Picture, &gst_video::VideoInfo, u64) -> gst::Buffer;
    let situations: [(&str, Make<'_>, usize); 3] =
        [("the control", &whole, 0), ("truncated", &cut(1000), 1), ("empty", &empty, 1)];
    for mode in ["complete", "live"] {
        // The first frame, and one in the middle.
        for at in [0, 5] {
            for (situation, make, warnings) in &situations {
                let element = filter(short_clips());
                element.set_property_from_str("mode", mode);
                element.set_property("detect-interval", 1u32);
                element.set_property("draw", true);
                let picture = one_face(90);
                let info = picture.rgb_info();
                let mut rig = Rig::new(element);
                if mode == "live" {
                    rig.await_engines(&super::picture::Picture::new(160, 120, &[]));
                } else {
                    rig.caps(&info);
                }
                let first = rig.next;
                for number in first..first + 10 {
                    let is_odd = number == first + at;
                    let frame = if is_odd {
                        make(&picture, &info, number)
                    } else {
                        picture.buffer(&info, number)
                    };
                    rig.harness.push(frame).unwrap();
                }
                let passed = rig.warnings_at_eos();
                assert_eq!(passed.0.len(), 10, "{situation} in {mode}: no frame is lost");
                assert_eq!(passed.1, *warnings, "{situation} in {mode}: warnings");
                let faces = |frame: &gst::Buffer| super::picture::found(frame).len();
                let with_faces = passed.0.iter().filter(|frame| faces(frame) == 1).count();
                assert_eq!(with_faces, 10 - warnings, "{situation} in {mode}");
                let unanalysed = |frame: &&gst::Buffer| {
                    gst::meta::CustomMeta::from_buffer(frame, "m2sd-unanalysed").is_ok()
                };
                assert_eq!(passed.0.iter().filter(unanalysed).count(), *warnings);
            }
        }
    }
}

/// A stream of which frames could be read is none that never fits, whatever caps come in the middle.
#[test]
fn wrong_caps_in_the_middle_are_a_warning_and_the_stream_goes_on() {
    for mode in ["complete", "live"] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        let picture = one_face(90);
        let (info, blank) = (picture.rgb_info(), super::picture::Picture::new(160, 120, &[]));
        let wider = super::picture::Picture::new(320, 240, &[]).rgb_info();
        let mut rig = Rig::new(element);
        if mode == "live" {
            rig.await_engines(&blank);
        }
        for caps in [&info, &wider, &info] {
            rig.caps(caps);
            // Whatever the caps say, these are small frames.
            for _ in 0..12 {
                let frame = picture.buffer(&info, rig.next);
                rig.next += 1;
                rig.harness.push(frame).unwrap();
            }
        }
        let (frames, warnings) = rig.warnings_at_eos();
        assert_eq!((frames.len(), warnings), (36, 1), "{mode}");
        assert_eq!(super::picture::found(&frames[35]).len(), 1, "{mode}");
    }
}

#[test]
fn a_frame_before_caps_is_refused_or_an_error_but_no_panic() {
    let mut rig = Rig::new(filter(short_clips()));
    let sinkpad = rig.element.static_pad("sink").unwrap();
    let stream = gst::event::StreamStart::new("test");
    assert!(sinkpad.send_event(stream));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(sinkpad.send_event(gst::event::Segment::new(&segment)));
    let picture = one_face(90);
    assert!(sinkpad.chain(picture.buffer(&picture.rgb_info(), 0)).is_ok());
    assert!(super::picture::found(&rig.pull()).is_empty());
}
