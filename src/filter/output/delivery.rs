//! The source pad's task: the output queue's items, decorated and pushed.

use std::collections::BTreeMap;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::VideoFrameRef;

use crate::core::track::TrackId;
use crate::filter::debug::CAT;
use crate::filter::generation::Generation;
use crate::filter::imp::M2sdFilter;
use crate::filter::input::negotiation;
use crate::filter::output::frame_pool::FramePool;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::output::metadata::messages::{self, Seen};
use crate::filter::output::metadata::{roi, unanalysed};
use crate::filter::output::overlay::Overlay;
use crate::filter::output::queue::{Judged, Ready};
use crate::filter::stats::stages::Stage;
use crate::filter::{pad_task, running_time};

/// What the task knows of the stream that it pushes.
#[derive(Default)]
struct Delivery {
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    stream: Option<Stream>,
    /// The tracks that are on and of which it was told, and when they were seen: what a flush forgets.
    seen: BTreeMap<TrackId, Option<Seen>>,
    /// After a flush, the tracks of before are forgotten.
    generation: Generation,
    #[cfg(feature = "v1_24")]
    analytics: crate::filter::output::metadata::analytics::Analytics,
}

struct Stream {
    info: gst_video::VideoInfo,
    /// To draw on, where others still read the frame; `None` when there is no pool for such frames.
    pool: Option<FramePool>,
    overlay: Overlay,
    /// Downstream draws, so drawings are attached.
    attach_overlay: bool,
}

impl M2sdFilter {
    /// Starts, or resumes after a flush, the task of the source pad.
    pub(in crate::filter) fn start_delivery(&self) -> Result<(), glib::BoolError> {
        pad_task::start_or_resume(&self.srcpad, || {
            let weak = self.obj().downgrade();
            let mut delivery = Delivery::default();
            move || {
                let Some(element) = weak.upgrade() else { return };
                let this = element.imp();
                let go_on = this.catch_panic(|| false, |this| this.deliver_one(&mut delivery));
                if !go_on {
                    // Fails only when the pad is being deactivated, which ends the task as well.
                    let _ = this.srcpad.pause_task();
                }
            }
        })
    }

    /// Waits for the next item and sends it on. `false`: there is nothing more to do.
    fn deliver_one(&self, delivery: &mut Delivery) -> bool {
        let ready = self.shared.output.pop();
        let generation = self.shared.output.generation();
        if generation != delivery.generation {
            delivery.generation = generation;
            delivery.seen.values_mut().for_each(|seen| *seen = None);
        }
        match ready {
            None => false,
            Some(Ready::Frame(judged)) => self.deliver_frame(delivery, judged),
            Some(Ready::Event(event)) => {
                self.deliver_event(delivery, event);
                true
            }
            Some(Ready::Clip(report)) => {
                if self.with_settings(|settings| settings.post_messages) {
                    self.tell(messages::clip(&report));
                }
                true
            }
            Some(Ready::TrackEnd(track, reason, last)) => {
                // In live mode a face may be gone before a frame that shows it has left.
                if let Some(seen) = delivery.seen.remove(&track)
                    && self.with_settings(|settings| settings.post_messages)
                {
                    self.tell(messages::track_end(track, reason, seen, last.as_ref()));
                }
                true
            }
            Some(Ready::Query(query)) => {
                // Upstream may have given up waiting.
                let _ = query.turn.send(());
                true
            }
        }
    }

    fn deliver_event(&self, delivery: &mut Delivery, event: gst::Event) {
        gst::log!(CAT, imp = self, "Delivering {event:?}");
        #[cfg(feature = "v1_24")]
        if matches!(event.type_(), gst::EventType::Caps | gst::EventType::Segment) {
            // The tracks of before have ended, whatever the numbers of those to come.
            delivery.analytics.forget_tracks();
        }
        match event.view() {
            gst::EventView::Caps(caps) => {
                let plain = caps.caps_owned();
                if self.shared.delivered_caps().as_ref() == Some(&plain) {
                    // Sent again for the analysis, after a flush.
                    return;
                }
                // Whoever asked for a reconfiguration gets one.
                self.srcpad.check_reconfigure();
                self.deliver_caps(delivery, &plain, event.seqnum());
                return;
            }
            gst::EventView::Segment(segment) => {
                delivery.segment = segment.segment().clone().downcast().ok();
            }
            gst::EventView::Eos(_) => {
                self.shared.take_eos();
            }
            _ => {}
        }
        self.srcpad.push_event(event);
        // Also after EOS: another stream may follow.
    }

    /// Chooses who draws, downstream or the element, and says so downstream.
    fn deliver_caps(&self, delivery: &mut Delivery, plain: &gst::Caps, seqnum: gst::Seqnum) {
        let (caps, attach_overlay) = negotiation::negotiate_overlay(&self.srcpad, plain);
        let info = gst_video::VideoInfo::from_caps(plain).ok();
        delivery.stream = info.map(|info| Stream {
            overlay: Overlay::new(&info),
            pool: FramePool::new(&info).ok(),
            info,
            attach_overlay,
        });
        if self.srcpad.current_caps().as_ref() != Some(&caps) {
            self.srcpad.push_event(gst::event::Caps::builder(&caps).seqnum(seqnum).build());
        }
        // In a flush they did not arrive.
        if self.srcpad.current_caps().as_ref() == Some(&caps) {
            self.shared.set_delivered_caps(Some(plain.clone()));
        }
    }

    /// Downstream may be another element than it was, one that draws or one that does not.
    fn renegotiate(&self, delivery: &mut Delivery) -> bool {
        let asked = self.srcpad.check_reconfigure();
        if asked && let Some(plain) = self.shared.delivered_caps() {
            gst::debug!(CAT, imp = self, "Choosing anew who draws");
            self.deliver_caps(delivery, &plain, gst::Seqnum::next());
        }
        asked
    }

    fn deliver_frame(&self, delivery: &mut Delivery, mut judged: Judged) -> bool {
        self.renegotiate(delivery);
        let stages = &self.shared.stats.stages;
        stages.time(Stage::Overlay, || self.annotate(delivery, &mut judged));
        self.shared.stats.frame_out(judged.frame.arrived.elapsed());
        match stages.time(Stage::Push, || self.srcpad.push(judged.frame.buffer)) {
            Ok(_) => true,
            // Downstream was exchanged between the negotiation and the push: the next frame has
            // its caps.
            Err(gst::FlowError::NotNegotiated) if self.renegotiate(delivery) => true,
            Err(error) => {
                gst::debug!(CAT, imp = self, "Downstream returned {error}");
                self.shared.fail(error);
                self.end_refused(error);
                false
            }
        }
    }

    /// Says on the frame and on the bus what is known of its faces.
    fn annotate(&self, delivery: &mut Delivery, judged: &mut Judged) {
        let (draw, post_messages) = self.with_settings(|s| (s.draw, s.post_messages));
        let classifier = self.shared.classifier();
        let classifier = classifier.as_deref();
        if let Some(reason) = judged.frame.unanalysed {
            let attached = unanalysed::attach(judged.frame.buffer.make_mut(), reason);
            if let Err(error) = attached {
                gst::warning!(CAT, imp = self, "Cannot say that a frame passes: {error}");
            }
        }
        if let Some(stream) = &mut delivery.stream
            && !judged.frame.faces.is_empty()
        {
            for judgement in &mut judged.judgements {
                let span = judgement.score.map(|score| score.span);
                judgement.loudness = span.and_then(|span| self.shared.audio.loudness(span));
            }
            let span = running_time::span(&judged.frame.buffer, delivery.segment.as_ref());
            let running_time = span.map(|span| gst::ClockTime::from_nseconds(span.start_ns));
            let started = running_time.map(|time| see(&mut delivery.seen, judged, time));
            if post_messages {
                for structure in started.into_iter().flatten() {
                    self.tell(structure);
                }
                self.tell_verdicts(judged, running_time, classifier);
            }
            decorate(judged, stream, draw, classifier);
            #[cfg(feature = "v1_24")]
            {
                let size = (stream.info.width(), stream.info.height());
                if let Err(error) = delivery.analytics.attach(judged, size, running_time) {
                    gst::warning!(CAT, imp = self, "Cannot attach analytics: {error}");
                }
            }
        }
    }

    /// Says it on the bus, and to the elements downstream between the frames that it is about.
    fn tell(&self, structure: gst::Structure) {
        let element = self.obj();
        let event = gst::event::CustomDownstream::new(structure.clone());
        let message = gst::message::Element::builder(structure).src(&*element).build();
        // Without a bus nobody asked to hear it.
        let _ = element.post_message(message);
        self.srcpad.push_event(event);
    }

    fn tell_verdicts(
        &self,
        judged: &Judged,
        running_time: Option<gst::ClockTime>,
        classifier: Option<&ClassifierName>,
    ) {
        for (face, judgement) in judged.frame.faces.iter().zip(&judged.judgements) {
            let (Some(track), Some(before)) = (face.track, judgement.before) else { continue };
            self.tell(messages::verdict(
                track,
                &face.face.bbox,
                judgement,
                before,
                running_time,
                classifier,
            ));
        }
    }
}

/// Remembers when each track was seen; what is to be told of those that were not before.
fn see(
    seen: &mut BTreeMap<TrackId, Option<Seen>>,
    judged: &Judged,
    now: gst::ClockTime,
) -> Vec<gst::Structure> {
    let mut started = Vec::new();
    for face in judged.frame.faces.iter() {
        let Some(track) = face.track else { continue };
        let entry = seen.entry(track).or_default().get_or_insert_with(|| {
            started.push(messages::track_start(track, &face.face.bbox, now));
            Seen { first: now, last: now }
        });
        entry.last = now;
    }
    started
}

/// Attaches metadata to the frame and draws on it.
fn decorate(
    judged: &mut Judged,
    stream: &mut Stream,
    draw: bool,
    classifier: Option<&ClassifierName>,
) {
    let size = (stream.info.width(), stream.info.height());
    let Judged { frame, judgements } = judged;
    let blends = draw && !stream.attach_overlay;
    if blends
        && !is_own(&mut frame.buffer)
        && let Some(Ok(copy)) = stream.pool.as_ref().map(|pool| pool.copy(&frame.buffer))
    {
        frame.buffer = copy;
    }
    // Without a copy of ours, GStreamer makes its own when the frame is mapped.
    let (buffer, faces) = (frame.buffer.make_mut(), &frame.faces);
    for (face, judgement) in faces.iter().zip(&*judgements) {
        roi::attach(buffer, size, face, judgement, classifier);
    }
    if !draw {
        return;
    }
    if stream.attach_overlay {
        if let Some(composition) = stream.overlay.compose(faces, judgements, classifier) {
            gst_video::VideoOverlayCompositionMeta::add(buffer, &composition);
        }
    } else if let Ok(mut frame) = VideoFrameRef::from_buffer_ref_writable(buffer, &stream.info)
        && stream.overlay.draw(faces, judgements, classifier, &mut frame).is_err()
    {
        gst::warning!(CAT, "Cannot draw on {} frames", stream.info.format());
    }
}

/// Whether nobody else has the buffer or its memory, and it may be written to.
fn is_own(buffer: &mut gst::Buffer) -> bool {
    let read_only = |memory: &gst::MemoryRef| memory.flags().contains(gst::MemoryFlags::READONLY);
    buffer.get_mut().is_some_and(|buffer| {
        buffer.is_all_memory_writable() && !buffer.iter_memories().any(read_only)
    })
}
