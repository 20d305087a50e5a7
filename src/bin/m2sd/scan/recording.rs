//! The records of a running scan: where they go, and who brings them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::evidence::records::{Footer, Header};
use gstm2sd::filter::M2sdFilter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clip::ClipRecord;
use super::crops::Crops;
use super::record::{Recorder, Totals};
use super::running_time::running_time;
use crate::error::CliError;
use crate::partial_file::{PartialFile, is_special};

/// Where records go.
pub enum RecordFile {
    Nowhere,
    StandardOutput,
    /// A pipe or a device, written as it is.
    Special(File),
    Partial(PartialFile),
}

impl RecordFile {
    /// Opens what is there: standard output for `-`, a pipe when it has a reader. `None`: a file is
    /// to be made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open_special(path: &Path) -> Result<Option<Self>, CliError> {
        if is_standard_output(path) {
            return Ok(Some(Self::StandardOutput));
        }
        if !is_special(path) {
            return Ok(None);
        }
        let opened = OpenOptions::new().write(true).open(path);
        let failed = |e| CliError::input(format!("cannot write {}: {e}", path.display()));
        opened.map(|file| Some(Self::Special(file))).map_err(failed)
    }

    fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Nowhere => Box::new(io::sink()),
            Self::StandardOutput => Box::new(io::stdout()),
            Self::Special(file) => Box::new(file.try_clone()?),
            Self::Partial(file) => Box::new(file.whole_lines()?),
        })
    }

    /// Whether whoever reads a pipe has gone, which a write would only tell when there is something
    /// to write.
    pub fn reader_is_gone(&self) -> bool {
        let gone = |fd: BorrowedFd<'_>| {
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
        };
        match self {
            Self::StandardOutput => gone(io::stdout().as_fd()),
            Self::Special(file) => gone(file.as_fd()),
            Self::Nowhere | Self::Partial(_) => false,
        }
    }

    /// Gives a finished file its name, which is returned if there is one.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(self) -> Result<Option<PathBuf>, CliError> {
        match self {
            Self::Partial(file) => Ok(Some(file.keep()?)),
            Self::Nowhere | Self::StandardOutput | Self::Special(_) => Ok(None),
        }
    }
}

/// Whether this is a name of standard output: whatever that is, it is written and not replaced.
pub fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Takes frames and clips from the threads of a pipeline.
pub struct Recording {
    /// Held while a record is written, which a reader that does not read holds up.
    recorder: Mutex<Recorder>,
    /// Clips that no frame has taken along. Lock order: a leaf, held for a push or a swap.
    clips: Mutex<Vec<ClipRecord>>,
    /// Clips tell how long the classifier took.
    timings: bool,
    frames: AtomicU64,
    position_ns: AtomicU64,
    newest: Mutex<Instant>,
    failure: OnceLock<(io::ErrorKind, String)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who runs the networks is among them.
fn stats(filter: &M2sdFilter) -> gst::Structure {
    filter.property("stats")
}

impl Recording {
    /// # Errors
    /// When the file cannot be written.
    pub fn new(file: &RecordFile, header: Header, timings: bool) -> io::Result<Self> {
        Ok(Self {
            recorder: Mutex::new(Recorder::new(file.writer()?, header)),
            clips: Mutex::default(),
            timings,
            frames: AtomicU64::new(0),
            position_ns: AtomicU64::new(0),
            newest: Mutex::new(Instant::now()),
            failure: OnceLock::new(),
        })
    }

    /// Has every frame that leaves the filter, and every clip it scores, recorded.
    pub fn observe(self: &Arc<Self>, bus: &gst::Bus, filter: &M2sdFilter) {
        let (recording, weak) = (Arc::clone(self), filter.downgrade());
        if let Some(pad) = filter.static_pad("src") {
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                if let (Some(buffer), Some(filter)) = (info.buffer(), weak.upgrade()) {
                    let time = running_time(pad, buffer).map(gst::ClockTime::nseconds);
                    recording.frame(time, buffer, &filter);
                }
                gst::PadProbeReturn::Ok
            });
        }
        let recording = Arc::clone(self);
        // On whatever thread posts it, so no more is done than to remember the clip.
        bus.set_sync_handler(move |_, message| {
            let clip = message.structure();
            match clip.and_then(|clip| ClipRecord::from_message(clip, recording.timings)) {
                Some(clip) => {
                    lock(&recording.clips).push(clip);
                    gst::BusSyncReply::Drop
                }
                None => gst::BusSyncReply::Pass,
            }
        });
    }

    /// Has the crops of clips kept that are scored.
    pub fn keep_crops(&self, crops: Arc<Crops>) {
        lock(&self.recorder).keep_crops(crops);
    }

    fn frame(&self, time_ns: Option<u64>, buffer: &gst::BufferRef, filter: &M2sdFilter) {
        let mut recorder = lock(&self.recorder);
        self.take_clips(&mut recorder);
        let written = recorder.frame(time_ns, buffer, || stats(filter));
        drop(recorder);
        self.note_failure(written);
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.position_ns.fetch_max(time_ns.unwrap_or(0), Ordering::Relaxed);
        *lock(&self.newest) = Instant::now();
    }

    fn take_clips(&self, recorder: &mut Recorder) {
        let clips = std::mem::take(&mut *lock(&self.clips));
        clips.into_iter().for_each(|clip| recorder.clip(clip));
    }

    fn note_failure<T>(&self, written: io::Result<T>) -> Option<T> {
        written.inspect_err(|error| self.fail(error.kind(), format!("the records: {error}"))).ok()
    }

    /// Something cannot be written any more, which ends the scan. What was said first counts.
    pub fn fail(&self, kind: io::ErrorKind, text: String) {
        let _ = self.failure.set((kind, text));
    }

    /// Why records or clips could not be written, from when they could not.
    pub fn failure(&self) -> Option<&(io::ErrorKind, String)> {
        self.failure.get()
    }

    /// How many frames have left the element.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// The running time of the newest frame.
    pub fn position(&self) -> Duration {
        Duration::from_nanos(self.position_ns.load(Ordering::Relaxed))
    }

    /// How long no frame has left the element.
    pub fn quiet(&self) -> Duration {
        lock(&self.newest).elapsed()
    }

    /// Whether a frame was recorded; if not, none will be.
    pub fn has_frames_or_ends(&self) -> bool {
        lock(&self.recorder).has_frames_or_ends()
    }

    /// Writes what waits, and takes nothing more. What was recorded.
    pub fn close(&self, filter: &M2sdFilter) -> Totals {
        let mut recorder = lock(&self.recorder);
        self.take_clips(&mut recorder);
        let closed = recorder.close(|| stats(filter));
        self.note_failure(closed).unwrap_or_else(|| recorder.totals())
    }

    /// Writes the last record: whether it is there. Where another could not be written there may be
    /// room again.
    pub fn end(&self, footer: Footer) -> bool {
        let is_gone = |(kind, _): &(io::ErrorKind, String)| *kind == io::ErrorKind::BrokenPipe;
        if self.failure().is_some_and(is_gone) {
            return false;
        }
        let written = lock(&self.recorder).end(footer);
        self.note_failure(written).is_some()
    }
}
