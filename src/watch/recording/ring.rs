//! A camera's newest encoded frames, and the recordings that they go to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gst::prelude::*;

use super::gops::{Gops, Unit};
use super::library::Recordings;
use super::writer::Writer;
use super::{Limits, RecordingError};
use crate::events::{CameraId, EventId};

/// The most bytes of encoded frames that wait in a ring for an alert.
const MAX_BYTES: usize = 128 << 20;

/// See the module's text. The camera's ring outlives its pipelines.
#[derive(Debug)]
pub struct Ring {
    camera: CameraId,
    limits: Limits,
    library: Weak<Recordings>,
    /// A leaf lock. Held by streaming threads for as long as it takes to note a frame.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    gops: Gops<gst::Buffer>,
    caps: Option<gst::Caps>,
    segment: gst::FormattedSegment<gst::ClockTime>,
    /// The recording that is being made.
    writer: Option<Active>,
    /// Which pad is followed: what a pad of before still brings is not mixed in.
    follows: u64,
}

#[derive(Debug)]
struct Active {
    writer: Writer,
    id: EventId,
    /// Running time.
    until_ns: u64,
    latest_ns: u64,
    /// The latest time at which one of its frames is shown.
    newest_ns: u64,
}

impl Active {
    /// Whether it ends before a frame that is shown at this time: never between frames of which some
    /// are shown before others that came earlier.
    fn is_over_before(&self, time_ns: u64) -> bool {
        self.newest_ns >= self.until_ns && time_ns > self.newest_ns
    }
}

impl Ring {
    /// Of a camera, whose recordings go to `library`.
    pub fn new(camera: CameraId, library: &Arc<Recordings>) -> Arc<Self> {
        let limits = library.limits();
        let keep_ns = nanoseconds(limits.pre_roll);
        let state = State {
            gops: Gops::new(keep_ns, MAX_BYTES),
            caps: None,
            segment: gst::FormattedSegment::new(),
            writer: None,
            follows: 0,
        };
        let library = Arc::downgrade(library);
        Arc::new(Self { camera, limits, library, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the encoded frames that leave this pad: a parser's, one frame a buffer, as `avc` and `hvc1`
    /// with the parameters in the caps: streams need not repeat these. What was there of another pad is
    /// forgotten, and a recording of it ends.
    pub fn follow(self: &Arc<Self>, pad: &gst::Pad) {
        let number = {
            let mut state = self.lock();
            state.follows += 1;
            state.restart();
            state.caps = pad.current_caps();
            state.follows
        };
        let ring = Arc::downgrade(self);
        let mask = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |_, info| {
            let Some(ring) = ring.upgrade() else { return gst::PadProbeReturn::Remove };
            let mut state = ring.lock();
            if state.follows != number {
                return gst::PadProbeReturn::Remove;
            }
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => state.frame(buffer),
                Some(gst::PadProbeData::BufferList(list)) => {
                    list.iter_owned().for_each(|buffer| state.frame(&buffer));
                }
                Some(gst::PadProbeData::Event(event)) => state.event(event),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// The stream is over: a recording ends with what there is.
    pub fn stream_ended(&self) {
        self.lock().restart();
    }

    /// Records an alert that is raised now. Returns the recording that has it: this one, or the one that
    /// is being made of this camera, which is prolonged.
    ///
    /// # Errors
    /// When there is nothing to record, or no place for it.
    pub fn alert(&self, id: EventId) -> Result<EventId, RecordingError> {
        let [pre_ns, post_ns, longest_ns] =
            [self.limits.pre_roll, self.limits.post_roll, self.limits.longest].map(nanoseconds);
        let mut state = self.lock();
        let now_ns = state.gops.newest_ns().ok_or(RecordingError::NoKeyFrame)?;
        if let Some(active) = &mut state.writer
            && now_ns < active.latest_ns
        {
            active.until_ns = (now_ns + post_ns).min(active.latest_ns);
            return Ok(active.id);
        }
        let caps = state.caps.clone().ok_or(RecordingError::NoKeyFrame)?;
        let library = self.library.upgrade().ok_or(RecordingError::NoKeyFrame)?;
        let units = state.gops.from(now_ns.saturating_sub(pre_ns));
        let begin_ns = units.first().map_or(now_ns, |unit| unit.time_ns);
        // Quick: the file is opened by the writer's own thread.
        let writer = Writer::begin(&library, id, &self.camera, &caps)?;
        for unit in units {
            writer.write(unit.payload);
        }
        let latest_ns = begin_ns + longest_ns;
        let until_ns = (now_ns + post_ns).min(latest_ns);
        state.writer = Some(Active { writer, id, until_ns, latest_ns, newest_ns: now_ns });
        Ok(id)
    }
}

impl State {
    fn frame(&mut self, buffer: &gst::Buffer) {
        let Some(pts) = buffer.pts().or(buffer.dts()) else { return };
        let Some(running) = self.segment.to_running_time(pts) else { return };
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let (time_ns, bytes) = (running.nseconds(), buffer.size());
        let payload = buffer.clone();
        self.gops.push(Unit { time_ns, is_key, bytes, payload });
        if self.writer.as_ref().is_some_and(|active| active.is_over_before(time_ns)) {
            self.writer = None;
        }
        if let Some(active) = &mut self.writer {
            active.newest_ns = active.newest_ns.max(time_ns);
            active.writer.write(buffer.clone());
        }
    }

    fn event(&mut self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::Caps(caps) => {
                let caps = caps.caps_owned();
                if self.caps.as_ref() != Some(&caps) {
                    // What was coded otherwise does not go into the same file.
                    self.restart();
                    self.caps = Some(caps);
                }
            }
            gst::EventView::Segment(segment) => {
                if let Ok(segment) = segment.segment().clone().downcast::<gst::ClockTime>() {
                    self.segment = segment;
                }
            }
            gst::EventView::StreamStart(_) | gst::EventView::Eos(_) => self.restart(),
            gst::EventView::FlushStop(_) => self.restart(),
            _ => {}
        }
    }

    fn restart(&mut self) {
        self.gops.clear();
        // Its end is written by its own thread.
        self.writer = None;
    }
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
