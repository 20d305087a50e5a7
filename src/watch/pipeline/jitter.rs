//! What an RTSP source receives: the jitter buffers of GStreamer 1.22, which know of an end that they
//! do not tell, and which do not always stop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use crate::watch::bounded;

/// The jitter buffers of a source.
#[derive(Default)]
pub struct JitterBuffers {
    /// Where they receive. Lock order: a leaf, held for a copy or a push.
    pads: Mutex<Vec<gst::Pad>>,
    /// How many of them have heard that their stream is over.
    ended: AtomicUsize,
}

impl JitterBuffers {
    /// Looks at what a source that is made of elements receives from the network. GStreamer 1.22's
    /// jitter buffer keeps the end of its stream to itself, now and then, when what follows was
    /// slower than the network.
    pub fn follow(self: &Arc<Self>, source: &gst::Element) {
        let Some(source) = source.downcast_ref::<gst::Bin>() else { return };
        let this = Arc::clone(self);
        source.connect_deep_element_added(move |_, _, element| {
            let is_buffer = element.factory().is_some_and(|f| f.name() == "rtpjitterbuffer");
            let Some(pad) = element.static_pad("sink").filter(|_| is_buffer) else { return };
            if element.has_property("add-reference-timestamp-meta") {
                element.set_property("add-reference-timestamp-meta", true);
            }
            this.pads.lock().unwrap_or_else(PoisonError::into_inner).push(pad.clone());
            let this = Arc::clone(&this);
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                if info.event().is_none_or(|event| event.type_() != gst::EventType::Eos) {
                    return gst::PadProbeReturn::Ok;
                }
                this.ended.fetch_add(1, Ordering::Relaxed);
                gst::PadProbeReturn::Remove
            });
        });
    }

    fn pads(&self) -> Vec<gst::Pad> {
        self.pads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every stream from the network is over, by what its sender said.
    pub fn all_ended(&self) -> bool {
        let buffers = self.pads().len();
        buffers > 0 && self.ended.load(Ordering::Relaxed) >= buffers
    }

    /// Wakes those that should stop: in GStreamer 1.22 two of their threads wait for one signal,
    /// which wakes only one of them.
    pub fn wake(&self) {
        for pad in self.pads() {
            bounded::start(move || {
                for _ in 0..2 {
                    pad.send_event(gst::event::FlushStart::new());
                }
            });
        }
    }
}
