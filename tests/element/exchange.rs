//! Downstream is exchanged while the stream plays.

use std::time::Duration;

use gst::prelude::*;
use gst_video::VideoOverlayCompositionMeta;

use super::support::{Watchdog, init, short_clips};

/// A sink that takes drawings as metadata and asks for them, or one of plain frames only.
fn sink(draws: bool) -> gst::Element {
    let filter = if draws { "identity" } else { "capsfilter caps=video/x-raw" };
    let bin = gst::parse::bin_from_description(&format!("{filter} ! fakesink sync=true"), true);
    let bin = bin.unwrap();
    if draws {
        let pad = bin.static_pad("sink").unwrap();
        let mask = gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH;
        pad.add_probe(mask, |_, info| {
            if let Some(query) = info.query_mut()
                && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
            {
                allocation.add_allocation_meta::<VideoOverlayCompositionMeta>(None);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
    }
    bin.upcast()
}

/// The next frames that reach the sink: whether they carry drawings, and their caps' features.
fn await_frames(sink: &gst::Element, wanted: impl Fn(&gst::Caps) -> bool) -> bool {
    let pad = sink.static_pad("sink").unwrap();
    for _ in 0..500 {
        if pad.current_caps().is_some_and(|caps| wanted(&caps)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn has_overlay(caps: &gst::Caps) -> bool {
    caps.features(0).is_some_and(|f| f.contains("meta:GstVideoOverlayComposition"))
}

/// Plays `element`, exchanges its sink for one of the other kind and back, and returns the errors.
fn exchange(element: &str, first_draws: bool) -> Vec<String> {
    let _watchdog = Watchdog::new();
    init();
    let source = "videotestsrc is-live=true ! video/x-raw,format=RGB,width=160,height=120,\
                  framerate=30/1";
    let pipeline = gst::parse::launch(&format!("{source} ! {element}")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let element = pipeline.by_name("e").unwrap();
    let mut draws = first_draws;
    let mut present = sink(draws);
    pipeline.add(&present).unwrap();
    element.link(&present).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    assert!(await_frames(&present, |caps| has_overlay(caps) == draws), "the first sink");
    for _ in 0..2 {
        draws = !draws;
        let next = sink(draws);
        let srcpad = element.static_pad("src").unwrap();
        let (before, after, owner) = (present.clone(), next.clone(), pipeline.downgrade());
        let (done, exchanged) = std::sync::mpsc::channel();
        srcpad.add_probe(gst::PadProbeType::IDLE, move |pad, _| {
            let pipeline = owner.upgrade().unwrap();
            pad.unlink(&pad.peer().unwrap()).unwrap();
            pipeline.add(&after).unwrap();
            after.sync_state_with_parent().unwrap();
            pad.link(&after.static_pad("sink").unwrap()).unwrap();
            let _ = done.send(before.clone());
            gst::PadProbeReturn::Remove
        });
        let before = exchanged.recv().unwrap();
        before.set_state(gst::State::Null).unwrap();
        pipeline.remove(&before).unwrap();
        let arrived = await_frames(&next, |caps| has_overlay(caps) == draws);
        let errors = errors(&pipeline);
        if !arrived || !errors.is_empty() {
            pipeline.set_state(gst::State::Null).unwrap();
            return if errors.is_empty() { vec!["no frame".into()] } else { errors };
        }
        present = next;
    }
    pipeline.set_state(gst::State::Null).unwrap();
    Vec::new()
}

fn errors(pipeline: &gst::Pipeline) -> Vec<String> {
    let bus = pipeline.bus().unwrap();
    let errors = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]));
    errors.map(|error| super::support::error_text(&error)).collect()
}

#[test]
fn sinks_that_draw_and_sinks_that_do_not_may_be_exchanged() {
    let engines = short_clips().display();
    let ours = format!(
        "m2sdfilter name=e engines-dir={engines} provider=cpu threads=1 aligner=none mode=live"
    );
    for first_draws in [true, false] {
        // The control: an element of GStreamer's own that draws.
        assert_eq!(exchange("timeoverlay name=e", first_draws), [""; 0], "the control");
        assert_eq!(exchange(&ours, first_draws), [""; 0], "first draws: {first_draws}");
    }
}
