//! Caps, allocation, latency and drain queries, and who draws.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoMeta, VideoOverlayCompositionMeta};

use super::picture::{FRAME_DURATION, Picture, bytes, found_one, one_face, one_face_each};
use super::support::{Rig, T, Watchdog, filter, short_clips, stat};

const BUDGET: gst::ClockTime = gst::ClockTime::from_mseconds(100);

fn upstream_query(rig: &Rig, query: &mut gst::QueryRef) -> bool {
    rig.element.static_pad("sink").unwrap().query(query)
}

fn latency(rig: &Rig) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
    let mut query = gst::query::Latency::new();
    assert!(rig.element.static_pad("src").unwrap().query(&mut query));
    query.result()
}

#[test]
fn latency_is_the_budget_and_in_complete_mode_a_clip_more() {
    let clip = FRAME_DURATION * (T as u64 - 1);
    // A harness is a live source.
    for (mode, own) in [("live", BUDGET), ("auto", BUDGET), ("complete", BUDGET + clip)] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element);
        let upstream = gst::ClockTime::from_mseconds(7);
        rig.harness.set_upstream_latency(upstream);
        rig.await_engines(&Picture::new(160, 120, &[]));
        assert_eq!(latency(&rig), (true, upstream + own, None), "{mode}");
        rig.finish();
    }
}

#[test]
fn a_latency_message_tells_that_the_latency_changed() {
    let element = filter(short_clips());
    let mut rig = Rig::new(element);
    let latencies = |rig: &Rig| {
        let all = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Latency]));
        all.count()
    };
    latencies(&rig);
    // The frame rate, then the clip's length.
    rig.caps(&one_face(90).rgb_info());
    assert_eq!(latencies(&rig), 1);
    rig.push_rgb(&one_face_each(&[90]));
    rig.await_stat("frames-analysed", 1);
    assert_eq!(latencies(&rig), 1);
    rig.push_rgb(&one_face_each(&[90; T]));
    rig.await_stat("frames-analysed", T as u64 + 1);
    assert_eq!(latencies(&rig), 0);
}

#[test]
fn auto_is_complete_for_a_source_that_is_not_live() {
    let _watchdog = Watchdog::new();
    let element = filter(short_clips());
    element.set_property_from_str("mode", "auto");
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("appsrc")
        .property_from_str("format", "time")
        .property("caps", one_face(90).rgb_info().to_caps().unwrap())
        .build()
        .unwrap();
    let sink = gst::ElementFactory::make("fakesink").property("signal-handoffs", true);
    let sink = sink.property("sync", false).build().unwrap();
    let scores: Arc<Mutex<Vec<Option<f64>>>> = Arc::default();
    let seen = scores.clone();
    sink.connect_closure(
        "handoff",
        false,
        glib::closure!(move |_: gst::Element, buffer: gst::Buffer, _: gst::Pad| {
            seen.lock().unwrap().push(found_one(&buffer).score());
        }),
    );
    pipeline.add_many([&source, &element, &sink]).unwrap();
    gst::Element::link_many([&source, &element, &sink]).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for number in 0..6 {
        let buffer = one_face(90).buffer(&one_face(90).rgb_info(), number);
        let flow: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
        assert_eq!(flow, gst::FlowReturn::Ok);
    }
    let _: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
    let types = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &types).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    // In complete mode the first frame, too, waits for its score.
    let scores = scores.lock().unwrap();
    assert_eq!(scores.len(), 6);
    assert!(scores.iter().all(Option::is_some), "{scores:?}");
}

/// Answers ALLOCATION queries in downstream's place, and counts those that want a pool: the
/// element's own, about overlays, does not.
fn answer_allocation(
    rig: &Rig,
    fill: impl Fn(&mut gst::query::Allocation<gst::QueryRef>) + Send + Sync + 'static,
) -> Arc<AtomicU64> {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let srcpad = rig.element.static_pad("src").unwrap();
    srcpad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
        let Some(query) = info.query_mut() else { return gst::PadProbeReturn::Ok };
        let gst::QueryViewMut::Allocation(query) = query.view_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        count.fetch_add(u64::from(query.get().1), Ordering::Relaxed);
        fill(query);
        gst::PadProbeReturn::Handled
    });
    asked
}

#[test]
fn allocation_asks_for_the_frames_that_wait_here_too() {
    for (mode, extra) in [("live", 8), ("complete", 8 + T as u32)] {
        for (max, expected_max) in [(0, 0), (5, 5 + extra)] {
            for video_meta in [true, false] {
                let element = filter(short_clips());
                element.set_property_from_str("mode", mode);
                let mut rig = Rig::new(element);
                answer_allocation(&rig, move |query| {
                    query.add_allocation_pool(None::<&gst::BufferPool>, 100, 3, max);
                    if video_meta {
                        query.add_allocation_meta::<VideoMeta>(None);
                    }
                });
                rig.await_engines(&Picture::new(160, 120, &[]));
                let caps = one_face(90).rgb_info().to_caps().unwrap();
                let mut query = gst::query::Allocation::new(Some(&caps), true);
                assert!(upstream_query(&rig, &mut query));
                let pools: Vec<_> = query.allocation_pools().collect();
                assert_eq!(pools, [(None, 100, 3 + extra, expected_max)], "{mode}");
                // Strides are downstream's affair: the frames go there as they are.
                let has_meta = query.find_allocation_meta::<VideoMeta>().is_some();
                assert_eq!(has_meta, video_meta, "{mode}");
                rig.finish();
            }
        }
    }
}

#[test]
fn queries_are_answered_while_frames_wait() {
    for mode in ["complete", "live"] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element);
        let asked = answer_allocation(&rig, |_| ());
        rig.caps(&one_face(90).rgb_info());
        rig.push_rgb(&one_face_each(&[90; T - 1]));
        // For the caps that hold, and for others that may come.
        for picture in [one_face(90), Picture::new(320, 240, &[])] {
            let before = asked.load(Ordering::Relaxed);
            let caps = picture.info(VideoFormat::Rgb).to_caps().unwrap();
            assert!(upstream_query(&rig, &mut gst::query::Allocation::new(Some(&caps), true)));
            assert_eq!(asked.load(Ordering::Relaxed), before + 1, "{mode}");
        }
        assert!(latency(&rig).1 >= BUDGET);
        if mode == "complete" {
            // No query of these lets a frame go before its time.
            assert_eq!(stat::<u64>(&rig.element, "frames-out"), 0);
        }
        rig.push_rgb(&one_face_each(&[90; 2]));
        let outcome = rig.finish();
        assert_eq!(outcome.buffers.len(), T + 1);
    }
}

#[test]
fn an_allocation_query_may_come_right_behind_a_frame() {
    for _ in 0..20 {
        let mut rig = Rig::new(filter(short_clips()));
        let asked = answer_allocation(&rig, |_| ());
        let info = one_face(90).rgb_info();
        rig.caps(&info);
        rig.push_rgb(&one_face_each(&[90]));
        let mut query = gst::query::Allocation::new(Some(&info.to_caps().unwrap()), true);
        assert!(upstream_query(&rig, &mut query));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn drain_lets_every_frame_out_and_closes_windows() {
    for mode in ["complete", "live"] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element);
        rig.caps(&one_face(90).rgb_info());
        rig.push_rgb(&one_face_each(&[90; 3]));
        // Downstream's answer does not matter.
        upstream_query(&rig, &mut gst::query::Drain::new());
        assert_eq!(stat::<u64>(&rig.element, "frames-out"), 3, "{mode}");
        let drained: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull()).collect();
        assert_eq!(drained.len(), 3, "{mode}");
        if mode == "complete" {
            assert!(drained.iter().all(|buffer| found_one(buffer).score().is_some()));
        }
        rig.push_rgb(&one_face_each(&[200; 4]));
        assert_eq!(rig.finish().buffers.len(), 4);
    }
}

#[test]
fn caps_queries_offer_what_both_sides_take() {
    let mut rig = Rig::new(filter(short_clips()));
    rig.harness.set_sink_caps_str("video/x-raw,format={NV12,RGB16},width=[1,1000]");
    let caps = rig.element.static_pad("sink").unwrap().query_caps(None);
    let structure = caps.structure(0).unwrap();
    assert_eq!((caps.size(), structure.get("format")), (1, Ok("NV12")), "{caps}");
    let narrow = gst_video::VideoCapsBuilder::new().format(VideoFormat::Nv12).width(2000).build();
    assert!(!caps.can_intersect(&narrow));
}

#[test]
fn downstream_that_overlays_gets_the_drawing_as_metadata() {
    let picture = one_face(90);
    let plain = bytes(&picture.buffer(&picture.rgb_info(), 0));
    // Features in the caps alone are not enough: the meta must be asked for as well.
    for (features, asks) in [(true, true), (true, false), (false, false)] {
        let element = filter(short_clips());
        element.set_property("draw", true);
        let mut rig = Rig::new(element);
        let feature = "memory:SystemMemory,meta:GstVideoOverlayComposition";
        let raw = "video/x-raw,format=RGB";
        rig.harness.set_sink_caps_str(&match features {
            true => format!("video/x-raw({feature}),format=RGB;{raw}"),
            false => raw.to_owned(),
        });
        if asks {
            answer_allocation(&rig, |query| {
                query.add_allocation_meta::<VideoOverlayCompositionMeta>(None);
            });
        }
        rig.caps(&picture.rgb_info());
        for _ in 0..T {
            rig.push(&picture, &picture.rgb_info());
        }
        let outcome = rig.finish();
        let caps = rig.element.static_pad("src").unwrap().current_caps().unwrap();
        let in_caps = caps.features(0).unwrap().contains("meta:GstVideoOverlayComposition");
        assert_eq!(in_caps, features && asks, "{caps}");
        for buffer in outcome.buffers {
            let meta = buffer.meta::<VideoOverlayCompositionMeta>();
            assert_eq!(meta.is_some(), features && asks);
            assert_eq!(bytes(&buffer) == plain, features && asks, "drawn, or not");
            let rectangles = meta.map_or(0, |meta| meta.overlay().n_rectangles());
            // Four edges and a label.
            assert_eq!(rectangles, if features && asks { 5 } else { 0 });
        }
    }
}

#[test]
fn a_pool_of_four_buffers_is_enough() {
    for mode in ["complete", "live"] {
        let element = filter(super::support::published_clips());
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element);
        let picture = one_face(90);
        let info = picture.rgb_info();
        rig.caps(&info);
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(&info.to_caps().unwrap()), info.size() as u32, 4, 4);
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        let mut left = 0;
        for number in 0..40 {
            // Waits for a free buffer, like a decoder, while the sink takes what has come out: the
            // harness would hold on to it otherwise.
            let mut buffer = loop {
                left += std::iter::from_fn(|| rig.harness.try_pull()).count();
                let at_once =
                    gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
                match pool.acquire_buffer(Some(&at_once)) {
                    Ok(buffer) => break buffer,
                    Err(_) => std::thread::yield_now(),
                }
            };
            let drawn = picture.buffer(&info, number);
            let writable = buffer.get_mut().unwrap();
            writable.copy_from_slice(0, &super::picture::bytes(&drawn)).unwrap();
            writable.set_pts(drawn.pts());
            writable.set_duration(drawn.duration());
            rig.harness.push(buffer).unwrap();
        }
        assert_eq!(left + rig.finish().buffers.len(), 40, "{mode}");
        pool.set_active(false).unwrap();
    }
}
