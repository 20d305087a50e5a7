//! What comes out of the source of a scan, stream by stream: whether anything does, and whether
//! all of it did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use gstm2sd::evidence::records::Damage;
use gstm2sd::watch::pipeline::jitter::JitterBuffers;

use super::damage::DamageLog;

/// How much shorter than announced a stream may be: the last frame's duration, rounding.
const TOLERANCE: gst::ClockTime = gst::ClockTime::SECOND;

/// What is known of the decoded streams.
pub struct SourceWatch {
    streams: Mutex<Streams>,
    /// What comes from the network.
    network: Arc<JitterBuffers>,
}

struct Streams {
    each: Vec<Stream>,
    /// When data or the end of a stream came last; first, when the watch began.
    newest: Instant,
    /// What the container or the server says of the whole.
    duration: Option<gst::ClockTime>,
    /// What was asked for has come; the rest is not.
    /// The first frame behind what was asked for.
    satisfied: Option<gst::ClockTime>,
    /// Where what was asked for begins.
    starts: Option<gst::ClockTime>,
}

/// What came out of the source, in the input's own time.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub truncated: Option<Truncated>,
    pub end: Option<gst::ClockTime>,
    pub duration: Option<gst::ClockTime>,
    /// In order, with the missing end.
    pub damage: Vec<Damage>,
    /// Frames of which the decoder says that they are not what was encoded.
    pub broken_frames: u64,
    /// It is a file, and parts of it before its end are missing or broken. Of a stream they may be lost
    /// on the way.
    pub is_damaged: bool,
    /// It ended before what was asked for began.
    pub is_before_range: bool,
    /// The first frame behind what was asked for.
    pub behind_range: Option<gst::ClockTime>,
}

impl Seen {
    /// Whoever ended the scan before its end, the input is not to blame for what it did not bring.
    pub fn forget_end(&mut self) {
        if self.truncated.take().is_some() {
            self.damage.pop();
        }
    }
}

struct Stream {
    is_video: bool,
    ended: bool,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// Where the newest data ends, in stream time.
    end: Option<gst::ClockTime>,
    damage: DamageLog,
}

/// An input that ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    pub end: gst::ClockTime,
    pub duration: gst::ClockTime,
}

impl Default for SourceWatch {
    fn default() -> Self {
        let streams = Streams {
            each: Vec::new(),
            newest: Instant::now(),
            duration: None,
            satisfied: None,
            starts: None,
        };
        Self { streams: Mutex::new(streams), network: Arc::default() }
    }
}

impl SourceWatch {
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at everything that this pad of the source sends.
    pub fn add(self: &Arc<Self>, pad: &gst::Pad, is_video: bool) {
        let mut streams = self.lock();
        let number = streams.each.len();
        streams.each.push(Stream {
            is_video,
            ended: false,
            segment: None,
            end: None,
            damage: DamageLog::default(),
        });
        drop(streams);
        let watch = Arc::clone(self);
        let mask = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |_, info| {
            let mut streams = watch.lock();
            streams.saw(number, &info.data);
            gst::PadProbeReturn::Ok
        });
    }

    /// Looks at what a source receives from the network.
    pub fn follow(&self, source: &gst::Element) {
        self.network.follow(source);
    }

    /// Whether the source has told of no stream yet.
    pub fn has_no_stream(&self) -> bool {
        self.lock().each.is_empty()
    }

    /// Whether every stream from the network is over, by what its sender said.
    pub fn network_ended(&self) -> bool {
        self.network.all_ended()
    }

    /// Wakes jitter buffers that should stop.
    pub fn wake_network(&self) {
        self.network.wake();
    }

    /// What the container announces; the longest that was said counts.
    pub fn set_duration(&self, duration: gst::ClockTime) {
        let mut streams = self.lock();
        streams.duration = streams.duration.max(Some(duration));
    }

    pub fn duration(&self) -> Option<gst::ClockTime> {
        self.lock().duration
    }

    /// Counts the present as a time at which something came.
    pub fn mark_busy(&self) {
        self.lock().newest = Instant::now();
    }

    /// How long nothing has come.
    pub fn quiet(&self) -> Duration {
        self.lock().newest.elapsed()
    }

    /// Whether a video stream is at its end.
    pub fn video_ended(&self) -> bool {
        self.lock().each.iter().any(|stream| stream.is_video && stream.ended)
    }

    /// Whether every stream is at its end.
    pub fn all_ended(&self) -> bool {
        let streams = self.lock();
        !streams.each.is_empty() && streams.each.iter().all(|stream| stream.ended)
    }

    /// Says where what is asked for begins.
    pub fn begin_at(&self, start: gst::ClockTime) {
        self.lock().starts = Some(start);
    }

    /// Says that all has come that was asked for.
    pub fn satisfy(&self, at: gst::ClockTime) {
        self.lock().satisfied.get_or_insert(at);
    }

    /// Whether all has come that was asked for, and more would.
    pub fn is_satisfied(&self) -> bool {
        self.lock().satisfied.is_some()
    }

    /// Whether pictures have come.
    pub fn has_pictures(&self) -> bool {
        self.lock().each.iter().any(|stream| stream.is_video && stream.end.is_some())
    }

    /// What came, and what did not.
    pub fn seen(&self) -> Seen {
        let truncated = self.truncated();
        let streams = self.lock();
        let video = streams.each.iter().find(|stream| stream.is_video);
        let log = video.map(|stream| &stream.damage);
        let mut damage = log.map(|log| log.stretches.clone()).unwrap_or_default();
        damage.extend(truncated.map(|Truncated { end, duration }| Damage {
            start: end.seconds_f64(),
            end: Some(duration.seconds_f64()),
            why: "missing: the input ends before its time".to_owned(),
        }));
        Seen {
            truncated,
            end: streams.end(),
            duration: streams.duration,
            damage,
            broken_frames: log.map_or(0, |log| log.broken),
            is_damaged: false,
            behind_range: streams.satisfied,
            is_before_range: streams
                .starts
                .is_some_and(|start| !start.is_zero() && Some(start) > streams.end()),
        }
    }

    /// How far the input came, where that is short of what it announced.
    pub fn truncated(&self) -> Option<Truncated> {
        let streams = self.lock();
        if streams.satisfied.is_some() {
            return None;
        }
        let duration = streams.duration?;
        let end = streams.end()?;
        let tolerance = TOLERANCE.max(duration / 100);
        (end + tolerance < duration).then_some(Truncated { end, duration })
    }
}

impl Streams {
    fn end(&self) -> Option<gst::ClockTime> {
        self.each.iter().filter_map(|stream| stream.end).max()
    }

    fn saw(&mut self, number: usize, data: &Option<gst::PadProbeData<'_>>) {
        let Some(stream) = self.each.get_mut(number) else { return };
        match data {
            Some(gst::PadProbeData::Buffer(buffer)) => stream.reached(buffer),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.iter().for_each(|buffer| stream.reached(buffer));
            }
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Segment(segment) => {
                    stream.segment = segment.segment().clone().downcast().ok();
                }
                gst::EventView::Eos(_) => stream.ended = true,
                gst::EventView::StreamStart(_) => stream.ended = false,
                _ => return,
            },
            _ => return,
        }
        self.newest = Instant::now();
    }
}

impl Stream {
    fn reached(&mut self, buffer: &gst::BufferRef) {
        let Some(pts) = buffer.pts() else { return };
        let end = pts + buffer.duration().unwrap_or_default();
        let segment = self.segment.as_ref();
        let start = segment.and_then(|s| s.to_stream_time(pts));
        // A frame may end after its segment does.
        let end = segment.and_then(|s| s.to_stream_time(end)).or(start);
        if let (true, Some(start), Some(end)) = (self.is_video, start, end) {
            self.damage.frame(start, end, buffer.flags().contains(gst::BufferFlags::CORRUPTED));
        }
        self.end = self.end.max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_short_when_every_stream_of_it_is() {
        gst::init().unwrap();
        let watch = Arc::new(SourceWatch::default());
        assert_eq!(watch.truncated(), None);
        let time = gst::ClockTime::from_seconds;
        let pads = [true, false].map(|is_video| {
            let pad = gst::Pad::builder(gst::PadDirection::Src).build();
            pad.set_active(true).unwrap();
            watch.add(&pad, is_video);
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            pad.push_event(gst::event::StreamStart::new("x"));
            pad.push_event(gst::event::Segment::new(&segment));
            pad
        });
        let push = |pad: &gst::Pad, at: u64| {
            let mut buffer = gst::Buffer::new();
            buffer.get_mut().unwrap().set_pts(time(at));
            // Nothing is linked.
            let _ = pad.push(buffer);
        };
        push(&pads[0], 5);
        assert_eq!(watch.truncated(), None, "nobody said how long it is");
        watch.set_duration(time(10));
        assert_eq!(watch.truncated(), Some(Truncated { end: time(5), duration: time(10) }));
        push(&pads[1], 9);
        assert_eq!(watch.truncated(), None, "sound may be longer than pictures");
        assert!(!watch.video_ended());
        pads[0].push_event(gst::event::Eos::new());
        assert!(watch.video_ended() && !watch.all_ended());
        pads[1].push_event(gst::event::Eos::new());
        assert!(watch.all_ended());
    }
}
