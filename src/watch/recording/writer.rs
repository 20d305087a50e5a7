//! One recording: from encoded frames to a file, on a thread of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

use gst::prelude::*;

use super::RecordingError;
use super::library::{Recordings, part_of};
use crate::events::{CameraId, EventId};

/// Frames that may wait for the disk, bytes. More, and the recording ends there.
const MAX_WAITING: usize = 128 << 20;

/// How long the muxer may take to finish a file.
const FINISH: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// What goes into which container, unencoded, in GStreamer's launch syntax.
const CONTAINERS: [(&str, &str, &str, &str); 5] = [
    ("video/x-h264", "h264parse ! video/x-h264,stream-format=avc,alignment=au", MP4, "mp4"),
    ("video/x-h265", "h265parse ! video/x-h265,stream-format=hvc1,alignment=au", MP4, "mp4"),
    ("video/mpeg", "identity", MP4, "mp4"),
    ("image/jpeg", "identity", MKV, "mkv"),
    ("video/x-vp", "identity", MKV, "mkv"),
];

/// Fragments of a second, so that what was written plays whatever ends the process; at its proper end
/// an ordinary file.
const MP4: &str = "mp4mux fragment-duration=1000 fragment-mode=first-moov-then-finalise";
const MKV: &str = "matroskamux";

/// A recording that is being made. Dropping it finishes the file.
#[derive(Debug)]
pub struct Writer {
    frames: Sender<gst::Buffer>,
    backlog: Arc<Backlog>,
}

/// What waits for the disk.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    /// It was too much: the recording ends where the disk was too slow.
    is_over: AtomicBool,
}

impl Writer {
    /// Begins a recording of frames of these caps.
    ///
    /// # Errors
    /// When nothing takes such frames, or there is no thread.
    pub fn begin(
        library: &Arc<Recordings>,
        id: EventId,
        camera: &CameraId,
        caps: &gst::Caps,
    ) -> Result<Self, RecordingError> {
        let codec = caps.structure(0).map_or_else(String::new, |s| s.name().to_string());
        let container = CONTAINERS.iter().find(|(media, ..)| codec.starts_with(media));
        let Some((_, parse, muxer, extension)) = container else {
            return Err(RecordingError::Codec(codec));
        };
        let path = library.begin(id, camera, extension);
        let line = format!(
            "appsrc name=frames format=time max-bytes=0 max-buffers=0 max-time=0 ! {parse} ! \
             {muxer} ! filesink name=file"
        );
        let (frames, arriving) = channel();
        let backlog = Arc::<Backlog>::default();
        let job = Job {
            library: Arc::downgrade(library),
            id,
            path: path.clone(),
            line,
            caps: caps.clone(),
            arriving,
            backlog: Arc::clone(&backlog),
        };
        let thread = std::thread::Builder::new().name("recording".into());
        thread.spawn(move || job.run()).map_err(|error| {
            let reason = error.to_string();
            library.failed(id, &reason);
            RecordingError::Write { path, reason }
        })?;
        Ok(Self { frames, backlog })
    }

    /// Hands a frame over; never waits. A recording ends where the disk is too far behind.
    pub fn write(&self, frame: gst::Buffer) {
        if self.backlog.is_over.load(Ordering::Relaxed) {
            return;
        }
        if self.backlog.bytes.fetch_add(frame.size(), Ordering::Relaxed) > MAX_WAITING {
            self.backlog.is_over.store(true, Ordering::Relaxed);
            return;
        }
        // Refused when the file failed, which the library has been told.
        let _ = self.frames.send(frame);
    }
}

struct Job {
    library: Weak<Recordings>,
    id: EventId,
    path: PathBuf,
    line: String,
    caps: gst::Caps,
    arriving: Receiver<gst::Buffer>,
    backlog: Arc<Backlog>,
}

impl Job {
    fn run(self) {
        if let Some(library) = self.library.upgrade() {
            // Before the file, so that one that is not finished is found again.
            library.note(self.id);
        }
        let written = self.write().and_then(|()| {
            let is_over = self.backlog.is_over.load(Ordering::Relaxed);
            if is_over { Err("the disk was too slow: the end is missing".into()) } else { Ok(()) }
        });
        let Some(library) = self.library.upgrade() else { return };
        match written {
            Ok(()) => library.finished(self.id),
            Err(reason) => library.failed(self.id, &reason),
        }
    }

    fn write(&self) -> Result<(), String> {
        let pipeline = gst::parse::launch(&self.line).map_err(|e| e.to_string())?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
        let part = part_of(&self.path);
        let find = |name| pipeline.by_name(name).ok_or("an element is missing");
        find("file")?.set_property("location", part.as_os_str().to_string_lossy().as_ref());
        let source = find("frames")?.downcast::<gst_app::AppSrc>().map_err(|_| "no appsrc")?;
        source.set_caps(Some(&self.caps));
        let outcome = self.feed(&pipeline, &source);
        // A pipeline that writes a file and has no live source stops at once.
        let _ = pipeline.set_state(gst::State::Null);
        outcome?;
        std::fs::rename(&part, &self.path).map_err(|e| e.to_string())
    }

    fn feed(&self, pipeline: &gst::Pipeline, source: &gst_app::AppSrc) -> Result<(), String> {
        let bus = pipeline.bus().ok_or("no bus")?;
        let error = |bus: &gst::Bus| {
            let message = bus.pop_filtered(&[gst::MessageType::Error]);
            message.and_then(|message| match message.view() {
                gst::MessageView::Error(error) => Some(error.error().to_string()),
                _ => None,
            })
        };
        if pipeline.set_state(gst::State::Playing).is_err() {
            return Err(error(&bus).unwrap_or_else(|| "the muxer cannot be started".into()));
        }
        let mut shift = None;
        while let Ok(frame) = self.arriving.recv() {
            self.backlog.bytes.fetch_sub(frame.size(), Ordering::Relaxed);
            let frame = from_the_beginning(frame, &mut shift);
            if source.push_buffer(frame).is_err() {
                break;
            }
            if let Some(error) = error(&bus) {
                return Err(error);
            }
        }
        // Refused only after an error, which is on the bus.
        let _ = source.end_of_stream();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(FINISH, &ends);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(error.error().to_string()),
            _ => Err(format!("the file was not finished within {} s", FINISH.seconds())),
        }
    }
}

/// The frame with times that count from the recording's first frame. Its memory is not copied.
fn from_the_beginning(mut frame: gst::Buffer, shift: &mut Option<gst::ClockTime>) -> gst::Buffer {
    let first = frame.dts().into_iter().chain(frame.pts()).min().unwrap_or_default();
    let shift = *shift.get_or_insert(first);
    let (pts, dts) = (frame.pts(), frame.dts());
    let writable = frame.make_mut();
    // Nothing of the recording is before its first frame but what cannot be decoded without others.
    writable.set_pts(pts.map(|pts| pts.saturating_sub(shift)));
    writable.set_dts(dts.map(|dts| dts.saturating_sub(shift)));
    frame
}
