//! Sound that does not run ahead of the pictures, so that a video that ends early ends in both at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst::prelude::*;

use super::running_time::running_time;

/// How often a stream that waits looks whether it is to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// Follows how far the pictures are that were given to their encoder.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the newest picture ends, in running time.
    end: Option<gst::ClockTime>,
    /// No picture comes any more.
    over: bool,
    /// The input goes on where the pictures end: what is heard later is left out.
    cut: bool,
    /// Nothing waits.
    open: bool,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Sound ends where the pictures end.
    pub fn cut(&self) {
        self.change(|state| state.cut = true);
    }

    /// Lets everything through, so that a pipeline can stop.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Looks at the pictures that go through this pad.
    pub fn follow(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = Arc::clone(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |pad, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    let end = interval(pad, buffer).map(|(_, end)| end);
                    gate.change(|state| state.end = state.end.max(end));
                }
                Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                    gate.change(|state| state.over = true);
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Holds the sound that leaves by this pad until the pictures are as far.
    pub fn hold(self: &Arc<Self>, pad: &gst::Pad) {
        let gate = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let start = info.buffer().and_then(|buffer| interval(pad, buffer)).map(|(at, _)| at);
            match start {
                Some(start) if !gate.lets_through(pad, start) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
    }

    /// Waits until it is known.
    fn lets_through(&self, pad: &gst::Pad, start: gst::ClockTime) -> bool {
        let mut state = self.lock();
        loop {
            if state.open || state.end.is_some_and(|end| start < end) {
                return true;
            }
            if state.over {
                return !state.cut;
            }
            if pad.pad_flags().contains(gst::PadFlags::FLUSHING) {
                return true;
            }
            let waited = self.changed.wait_timeout(state, GLANCE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Start and end in running time.
fn interval(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<(gst::ClockTime, gst::ClockTime)> {
    let start = running_time(pad, buffer)?;
    Some((start, start + buffer.duration().unwrap_or_default()))
}
