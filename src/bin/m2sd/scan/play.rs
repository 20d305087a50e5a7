//! Runs the pipeline of a scan until something ends it, within limits.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;

use super::address;
use super::failure;
use super::input::Input;
use super::pipeline::ScanPipeline;
use super::progress::Progress;
use super::recording::{RecordFile, Recording};
use crate::bounded;
use crate::error::CliError;
use crate::signals::Signals;
use crate::terminal::escape_name;

/// How long what is under way may still be scored after a signal. `m2sd scan --help` says so.
const STOP_TIME: Duration = Duration::from_secs(5);
/// How long the encoders may then take to finish the annotated video.
const VIDEO_TIME: Duration = Duration::from_secs(3);
/// How long streams may be silent when others, or their senders, have ended.
const TRAILING_TIME: Duration = Duration::from_secs(2);
/// How long a file that was found to be unreadable may be silent. GStreamer 1.22 loses the error of a
/// demuxer that fails while decodebin starts it.
const LOST_ERROR_TIME: Duration = Duration::from_secs(2);
/// How often conditions are looked at of which no message tells.
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Why a scan ended.
#[derive(Debug)]
pub enum Cause {
    /// The input is at its end.
    End,
    Signal(i32),
    /// The source brought nothing for so long; what is known of its format.
    SourceSilent(Duration, String),
    /// Nobody reads the records any more.
    ReaderGone,
    /// Results cannot be written any more.
    CannotWrite(String),
    /// An address failed after something had come; what GStreamer says, and what it means where no picture
    /// comes of that.
    BrokenOff(String, Option<CliError>),
    Failed(CliError),
}

/// A scan that runs.
pub struct Play<'a> {
    pub scan: &'a ScanPipeline,
    pub filter: &'a M2sdFilter,
    pub input: &'a Input,
    pub records: &'a RecordFile,
    pub recording: &'a Arc<Recording>,
    pub signals: &'a Signals,
    /// How long the source may bring nothing.
    pub timeout: Duration,
    pub quiet: bool,
}

/// What is done about a cause until the scan is over.
struct Stopping {
    cause: Cause,
    /// `None`: as long as frames leave.
    until: Option<Instant>,
    /// The source failed, and more of what it brought before may come of it.
    drains: bool,
    /// What is under way is not waited for any more, only the video's encoder.
    abandoned: bool,
}

impl Stopping {
    /// What is under way is scored for as long as frames leave.
    fn of(cause: Cause) -> Self {
        Self { cause, until: None, drains: false, abandoned: false }
    }
}

impl Play<'_> {
    /// Runs until the end, an error, a signal, or a source or reader that is gone. Returns within
    /// the limits above; what is not done then goes on inside the pipeline. This thread asks
    /// nothing of the pipeline that could wait for one of its threads.
    pub fn run(&self) -> Result<Cause, CliError> {
        let bus = self.scan.pipeline.bus();
        let bus = bus.ok_or_else(|| CliError::runtime("the pipeline has no bus"))?;
        let mut progress = Progress::new(self.quiet);
        let mut missing = Vec::new();
        let mut warnings = HashSet::new();
        let mut stopping = None::<Stopping>;
        self.start(&bus);
        self.scan.watch.mark_busy();
        loop {
            let message = bus.timed_pop(GLANCE);
            match message.as_ref().map(|message| message.view()) {
                Some(gst::MessageView::Eos(_)) => {
                    return Ok(stopping.map_or(Cause::End, |stopping| stopping.cause));
                }
                Some(gst::MessageView::Error(error)) => {
                    stopping = Some(self.fail(stopping, error, &missing, &mut progress));
                }
                // What goes on all the same, such as unscored after a model failed.
                Some(gst::MessageView::Warning(warning)) => {
                    let text = warning.error().to_string();
                    if warnings.insert(text.clone()) {
                        progress.note(&format!("m2sd: warning: {text}"));
                    }
                }
                Some(gst::MessageView::Element(_)) => {
                    missing.extend(message.as_ref().and_then(failure::missing_plugin));
                }
                _ => {}
            }
            stopping = self.look(stopping, &mut progress);
            if let Some(over) = stopping.take_if(|stopping| self.is_over(stopping)) {
                return Ok(over.cause);
            }
            progress.show(&self.scan.watch, self.recording);
        }
    }

    /// Starts the pipeline. Not on this thread: opening an input may take for ever.
    fn start(&self, bus: &gst::Bus) {
        let (pipeline, bus) = (self.scan.pipeline.clone(), bus.clone());
        bounded::start(move || {
            if pipeline.set_state(gst::State::Playing).is_err() {
                // Behind the error that explains itself, if there is one.
                let text = "an element cannot be started";
                let error = gst::message::Error::builder(gst::CoreError::StateChange, text);
                // Nobody listens when the scan is over.
                let _ = bus.post(error.src(&pipeline).build());
            }
        });
    }

    /// What an error ends. What the source brought before it failed is scored: it ends its streams itself,
    /// or brings nothing more.
    fn fail(
        &self,
        stopping: Option<Stopping>,
        error: &gst::message::Error,
        missing: &[String],
        progress: &mut Progress,
    ) -> Stopping {
        let of_source = failure::is_of(error, &self.scan.source);
        if !of_source && error.src() != Some(self.filter.upcast_ref()) {
            self.scan.mark_broken();
        }
        match stopping {
            // Several elements say so when one fails.
            Some(stopping) if stopping.abandoned || of_source => stopping,
            Some(Stopping { cause: Cause::End, .. }) => {
                self.abandon(Cause::Failed(self.explain(error, missing)))
            }
            Some(stopping) => self.abandon(stopping.cause),
            None => self.fail_first(error, missing, of_source, progress),
        }
    }

    /// The first error. A source that has brought nothing yet has failed altogether.
    fn fail_first(
        &self,
        error: &gst::message::Error,
        missing: &[String],
        of_source: bool,
        progress: &mut Progress,
    ) -> Stopping {
        let has_pictures = self.scan.watch.has_pictures();
        let opens = failure::opens(error);
        // What came may not be decoded yet.
        let brought = has_pictures || (opens && failure::format(&self.scan.source).is_some());
        if brought {
            self.scan.play_behind_source();
        }
        if !(of_source && brought) {
            return self.abandon(Cause::Failed(self.explain(error, missing)));
        }
        let explained = || self.explain(error, missing);
        let cause = if opens && self.input.address().is_some() {
            Cause::BrokenOff(failure::said(error), (!has_pictures).then(explained))
        } else {
            Cause::Failed(explained())
        };
        if has_pictures {
            progress.note(&tell(&cause));
        }
        self.scan.watch.mark_busy();
        Stopping { drains: true, ..Stopping::of(cause) }
    }

    fn explain(&self, error: &gst::message::Error, missing: &[String]) -> CliError {
        let filter = self.filter.upcast_ref();
        let explained = failure::explain(error, &self.scan.source, filter, self.input);
        match (explained, missing) {
            (CliError::Input(text), [_, ..]) => {
                let missing = missing.join(", ");
                CliError::Input(format!("{text}. Missing in this GStreamer: {missing}"))
            }
            (explained, _) => explained,
        }
    }

    /// Looks for a cause to stop, and at how far stopping is.
    fn look(&self, stopping: Option<Stopping>, progress: &mut Progress) -> Option<Stopping> {
        let Some(mut stopping) = stopping else {
            if self.scan.watch.is_satisfied() {
                self.scan.watch.mark_busy();
                self.scan.end_streams();
                return Some(Stopping::of(Cause::End));
            }
            let watch = &self.scan.watch;
            self.end_trailing_streams(watch.video_ended() || watch.network_ended());
            let cause = self.cause()?;
            if matches!(cause, Cause::Failed(_)) {
                return Some(self.abandon(cause));
            }
            progress.note(&tell(&cause));
            return Some(self.stop(cause));
        };
        if let Some(signal) = self.signals.received()
            && stopping.until.is_none()
        {
            // Whoever waited for the last clips does not want to any more.
            stopping.cause = Cause::Signal(signal);
            stopping.until = Some(Instant::now() + STOP_TIME);
            progress.note(&tell(&stopping.cause));
            if std::mem::take(&mut stopping.drains) {
                self.scan.end_streams();
            }
        }
        if stopping.drains {
            if self.scan.watch.has_no_stream() && self.scan.watch.quiet() > TRAILING_TIME {
                return Some(self.abandon(stopping.cause));
            }
            stopping.drains = !self.end_trailing_streams(true);
        }
        let patient = match stopping.until {
            Some(until) => Instant::now() < until,
            // All that was asked for has come: it is scored, however long that takes.
            None if matches!(stopping.cause, Cause::End) => true,
            None => self.recording.quiet().min(self.scan.watch.quiet()) < self.timeout,
        };
        if patient || stopping.abandoned {
            return Some(stopping);
        }
        progress.note("m2sd: what is under way is abandoned");
        Some(self.abandon(stopping.cause))
    }

    /// Ends the streams that will bring nothing more where what brings them is `over`: sound behind a video
    /// that has ended, what the network has ended, and what comes from a source that failed. Whether it did.
    fn end_trailing_streams(&self, over: bool) -> bool {
        let watch = &self.scan.watch;
        if self.scan.has_frames_waiting() {
            watch.mark_busy();
        }
        let ends = over && !watch.all_ended() && watch.quiet() > TRAILING_TIME;
        if ends {
            self.scan.end_streams();
            watch.mark_busy();
        }
        ends
    }

    fn cause(&self) -> Option<Cause> {
        if let Some(signal) = self.signals.received() {
            return Some(Cause::Signal(signal));
        }
        match self.recording.failure() {
            Some((io::ErrorKind::BrokenPipe, _)) => return Some(Cause::ReaderGone),
            Some((_, text)) => return Some(Cause::CannotWrite(text.clone())),
            None if self.records.reader_is_gone() => return Some(Cause::ReaderGone),
            None => {}
        }
        let watch = &self.scan.watch;
        if let Some(fault) = &self.input.fault
            && watch.has_no_stream()
            && watch.quiet() > LOST_ERROR_TIME
        {
            let advice = failure::advice(&self.scan.source, self.input);
            let text = format!(
                "{}: {}{advice}",
                escape_name(&self.input.name),
                fault.trim_end_matches('.')
            );
            return Some(Cause::Failed(CliError::Input(text)));
        }
        let ends = watch.video_ended() || watch.network_ended();
        let silent = !ends && watch.quiet() > self.timeout;
        silent.then(|| {
            let advice = match self.input.address() {
                // That it can be read is known.
                Some(_) if watch.has_pictures() => String::new(),
                Some(address) => failure::what_came(&self.scan.source)
                    .unwrap_or_else(|| address::silence(address)),
                None => failure::advice(&self.scan.source, self.input),
            };
            Cause::SourceSilent(self.timeout, advice)
        })
    }

    fn stop(&self, cause: Cause) -> Stopping {
        let soon = Instant::now() + STOP_TIME;
        // Nobody is in a hurry where the source is silent and frames are under way.
        let waits = matches!(cause, Cause::SourceSilent(..)) && self.recording.frames() > 0;
        let until = (!waits).then_some(soon);
        self.scan.watch.mark_busy();
        self.scan.end_streams();
        Stopping { until, ..Stopping::of(cause) }
    }

    /// Waits for the annotated video alone.
    fn abandon(&self, cause: Cause) -> Stopping {
        let time = if self.scan.end_video() { VIDEO_TIME } else { Duration::ZERO };
        let until = Some(Instant::now() + time);
        Stopping { until, abandoned: true, ..Stopping::of(cause) }
    }

    fn is_over(&self, stopping: &Stopping) -> bool {
        let late = stopping.until.is_some_and(|until| Instant::now() >= until);
        self.scan.has_ended() || (stopping.abandoned && late)
    }
}

/// What is said when a cause comes up.
fn tell(cause: &Cause) -> String {
    match cause {
        Cause::Signal(_) => format!(
            "Interrupted: finishing the files, for {} s at most. Again: ends at once.",
            (STOP_TIME + VIDEO_TIME).as_secs()
        ),
        Cause::SourceSilent(time, _) => {
            format!("m2sd: the source brought nothing for {} s: ending the scan", time.as_secs())
        }
        Cause::ReaderGone => "m2sd: nobody reads the records any more: ending the scan".to_owned(),
        Cause::CannotWrite(text) => {
            format!("m2sd: results cannot be written any more: {text}: ending the scan")
        }
        Cause::Failed(_) | Cause::BrokenOff(..) => {
            "m2sd: the input failed: what it brought before is scored".to_owned()
        }
        Cause::End => String::new(),
    }
}
