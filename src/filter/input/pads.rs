//! Pad functions: what comes in, and the events and queries of both pads.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::filter::debug::CAT;
use crate::filter::imp::M2sdFilter;
use crate::filter::input::negotiation;
use crate::filter::input::queue::{Input, PendingQuery};

impl M2sdFilter {
    pub(in crate::filter) fn sink_chain(
        &self,
        buffer: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.shared.stats.frame_in();
        self.enqueue(Input::Frame { buffer, arrived: Instant::now() })
    }

    fn enqueue(&self, item: Input) -> Result<gst::FlowSuccess, gst::FlowError> {
        let generation = self.shared.output.generation();
        let queued = self.shared.input.push(generation, item);
        queued.map_err(|flushing| self.shared.flow().unwrap_or(flushing))?;
        Ok(gst::FlowSuccess::Ok)
    }

    pub(in crate::filter) fn sink_event(&self, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "Event {event:?}");
        match event.view() {
            gst::EventView::FlushStart(_) => {
                self.shared.flush_start();
                let pushed = self.srcpad.push_event(event);
                // Fails only when the task is not there, which is what is wanted.
                let _ = self.srcpad.pause_task();
                pushed
            }
            gst::EventView::FlushStop(_) => {
                let pushed = self.srcpad.push_event(event);
                self.shared.flush_stop();
                self.requeue_lost_events();
                self.start_delivery().is_ok() && pushed
            }
            gst::EventView::Caps(caps) => {
                self.learn_stream(caps.caps());
                self.enqueue(Input::Event(event)).is_ok()
            }
            gst::EventView::Eos(_) => self.end_of_stream(event),
            gst::EventView::StreamStart(_) | gst::EventView::Segment(_)
                if self.shared.flow() == Some(gst::FlowError::Eos) =>
            {
                self.reopen() && self.enqueue(Input::Event(event)).is_ok()
            }
            _ if event.is_serialized() => self.enqueue(Input::Event(event)).is_ok(),
            _ => self.srcpad.push_event(event),
        }
    }

    fn end_of_stream(&self, event: gst::Event) -> bool {
        self.shared.set_eos(Some(event.clone()));
        if self.enqueue(Input::Event(event)).is_ok() {
            return true;
        }
        let refused = self.shared.flow().unwrap_or(gst::FlowError::Flushing);
        self.end_refused(refused) && refused == gst::FlowError::Eos
    }

    /// Downstream took no more, and upstream, which has sent EOS, will not push again to hear it:
    /// tells who needs to know. `false`: there was nothing to tell.
    pub(in crate::filter) fn end_refused(&self, error: gst::FlowError) -> bool {
        let Some(eos) = self.shared.take_eos() else { return false };
        if self.shared.is_explained() {
            return true;
        }
        match error {
            gst::FlowError::Flushing => false,
            // Enough of this stream; but its end is still to come.
            gst::FlowError::Eos => self.srcpad.push_event(eos),
            _ => {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Failed,
                    ("Internal data stream error"),
                    ["downstream returned {error} after the end of the stream"]
                );
                true
            }
        }
    }

    /// Downstream had enough of the last stream; here is another one.
    fn reopen(&self) -> bool {
        self.await_pause();
        self.shared.flush_stop();
        self.start_delivery().is_ok()
    }

    /// Waits for the source pad's task, which has been refused and is about to pause, or has:
    /// resumed before, it would pause after.
    fn await_pause(&self) {
        // Fails only when there is none.
        let _ = self.srcpad.pause_task();
    }

    /// A flush throws away what was on its way, also caps and tags, which upstream does not send
    /// again: those that the source pad has not seen are sent once more.
    fn requeue_lost_events(&self) {
        let mut arrived = Vec::new();
        self.srcpad.sticky_events_foreach(|event| {
            arrived.push(event.as_ptr());
            ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        let mut lost = Vec::new();
        self.sinkpad.sticky_events_foreach(|event| {
            // Caps always go again: the analysis may have heard of others that never arrived.
            // What has been delivered is not delivered twice.
            let is_caps = event.type_() == gst::EventType::Caps;
            let has_arrived = !is_caps && arrived.contains(&event.as_ptr());
            if !has_arrived {
                lost.push(event.clone());
            }
            ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        for event in lost {
            // Refused only if the next flush has begun, which ends like this one.
            let _ = self.enqueue(Input::Event(event));
        }
    }

    /// Finds out, in upstream's thread, whether the stream is live and how fast its frames come.
    fn learn_stream(&self, caps: &gst::CapsRef) {
        let mut latency = gst::query::Latency::new();
        let live = self.sinkpad.peer_query(&mut latency) && latency.result().0;
        let delivery = self.with_settings(|settings| settings.delivery(live));
        let fps = caps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
        let changed = self.shared.change_latency_params(|traits| {
            traits.live = live;
            traits.delivery = delivery;
            traits.frame_duration = fps.and_then(negotiation::frame_duration);
        });
        if changed {
            self.post_latency();
        }
    }

    pub(in crate::filter) fn post_latency(&self) {
        let obj = self.obj();
        // An element outside of a pipeline has no bus to hear this.
        let _ = obj.post_message(gst::message::Latency::builder().src(&*obj).build());
    }

    pub(in crate::filter) fn sink_query(&self, query: &mut gst::QueryRef) -> bool {
        if !query.is_serialized() {
            return gst::Pad::query_default(&self.sinkpad, Some(&*self.obj()), query);
        }
        // Frames ahead of the query may wait for frames behind it, which cannot come while
        // upstream waits here: what does not depend on them is answered at once.
        let at_once = match query.view() {
            gst::QueryView::Allocation(allocation) => {
                let caps = allocation.get().0.map(|c| c.to_owned());
                caps.is_some() && caps == self.shared.delivered_caps()
            }
            _ => false,
        };
        if !at_once && !self.wait_for_turn(query) {
            // Flushed: what would be answered is of before.
            return false;
        }
        let answered = self.srcpad.peer_query(query);
        match query.view_mut() {
            // Also where downstream has no wishes, there are ours.
            gst::QueryViewMut::Allocation(allocation) => {
                negotiation::propose_allocation(allocation, &self.shared.latency_params());
                true
            }
            _ => answered,
        }
    }

    /// Blocks until what is ahead of this query has left, as [`PendingQuery`] says. `false`: flushed.
    fn wait_for_turn(&self, query: &gst::QueryRef) -> bool {
        let (turn, wait) = sync_channel(1);
        let closes_windows = query.type_() == gst::QueryType::Drain;
        let pending = PendingQuery { turn, closes_windows };
        self.enqueue(Input::Query(pending)).is_ok() && wait.recv().is_ok()
    }

    pub(in crate::filter) fn src_event(&self, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "Upstream event {event:?}");
        let was_unlinked = self.shared.flow() == Some(gst::FlowError::NotLinked);
        if event.type_() == gst::EventType::Reconfigure && was_unlinked {
            // Somebody has linked the pad again.
            self.await_pause();
            self.shared.flush_stop();
            self.requeue_lost_events();
            if let Err(error) = self.start_delivery() {
                gst::warning!(CAT, imp = self, "The source pad's task does not start: {error}");
            }
        }
        self.sinkpad.push_event(event)
    }

    pub(in crate::filter) fn src_query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => {
                let mut upstream = gst::query::Latency::new();
                if !self.sinkpad.peer_query(&mut upstream) {
                    return false;
                }
                let max_latency = self.with_settings(|settings| settings.max_latency);
                let max_latency = gst::ClockTime::from_nseconds(max_latency);
                negotiation::answer_latency(
                    latency,
                    upstream.result(),
                    &self.shared.latency_params(),
                    max_latency,
                );
                true
            }
            _ => gst::Pad::query_default(&self.srcpad, Some(&*self.obj()), query),
        }
    }

    pub(in crate::filter) fn src_activate_mode(
        &self,
        mode: gst::PadMode,
        active: bool,
    ) -> Result<(), gst::LoggableError> {
        if mode != gst::PadMode::Push {
            return Err(gst::loggable_error!(CAT, "Only push mode is supported"));
        }
        if active {
            return self.start_delivery().map_err(|e| gst::loggable_error!(CAT, "{e}"));
        }
        self.shared.output.flush();
        self.srcpad.stop_task().map_err(|e| gst::loggable_error!(CAT, "{e}"))
    }
}
