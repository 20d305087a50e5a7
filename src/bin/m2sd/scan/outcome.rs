//! How a scan ended: what its last record, its table and its exit code say.

use std::time::Duration;

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;
use serde_json::{Value, json};

use super::play::Cause;
use super::record::{Totals, seconds};
use super::source::Truncated;
use crate::error::CliError;

/// What the element counted, and the frames that it did not look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unscored {
    pub clips_scored: u64,
    pub clips_failed: u64,
    pub clips_skipped: u64,
    pub frames_not_analysed: u64,
}

impl Unscored {
    /// Reads the element's counters. Frames that do not say themselves whether they were analysed
    /// are counted by the detections that are missing.
    pub fn of(filter: &M2sdFilter, totals: &Totals, detect_interval: u32) -> Self {
        let stats: gst::Structure = filter.property("stats");
        let count = |name: &str| stats.get::<u64>(name).unwrap_or(0);
        let interval = u64::from(detect_interval.max(1));
        let wanted = totals.frames.div_ceil(interval);
        let missing = wanted.saturating_sub(count("frames-analysed")).saturating_mul(interval);
        Self {
            clips_scored: count("clips-scored"),
            clips_failed: count("clips-failed"),
            clips_skipped: count("clips-skipped"),
            frames_not_analysed: totals.not_analysed.max(missing.min(totals.frames)),
        }
    }

    fn clips_lost(&self) -> u64 {
        self.clips_failed + self.clips_skipped
    }

    /// What is missing in the results, in words; `None`: nothing.
    pub fn in_words(&self) -> Option<String> {
        let lost = self.clips_lost();
        if lost == 0 && self.frames_not_analysed == 0 {
            return None;
        }
        let all = lost + self.clips_scored;
        Some(format!(
            "{lost} of {all} clips have no score, {} frames were not analysed",
            self.frames_not_analysed
        ))
    }
}

/// The end of a scan.
pub struct Outcome {
    status: Status,
    error: Option<CliError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Complete,
    Interrupted,
    TruncatedInput,
    Failed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::TruncatedInput => "truncated-input",
            Self::Failed => "failed",
        }
    }
}

impl Outcome {
    pub fn of(
        cause: Cause,
        truncated: Option<Truncated>,
        frames: u64,
        unscored: &Unscored,
        input: &str,
    ) -> Self {
        let failed = |error| Self { status: Status::Failed, error: Some(error) };
        match cause {
            Cause::Signal(signal) => {
                Self { status: Status::Interrupted, error: Some(CliError::Signal(signal)) }
            }
            Cause::ReaderGone => {
                Self { status: Status::Interrupted, error: Some(CliError::Closed) }
            }
            Cause::Failed(error) => failed(error),
            Cause::CannotWrite(text) => failed(cannot_write(&text)),
            Cause::SourceSilent(time, advice) => failed(silent(time, input, &advice)),
            Cause::End if frames == 0 => failed(CliError::Input(format!(
                "{input}: not one frame could be decoded: it is empty, cut short or damaged"
            ))),
            Cause::End => Self::at_end(truncated, unscored, input),
        }
    }

    fn at_end(truncated: Option<Truncated>, unscored: &Unscored, input: &str) -> Self {
        let words = unscored.in_words();
        if unscored.clips_scored == 0 && unscored.clips_lost() > 0 {
            let words = words.unwrap_or_default();
            let text = format!(
                "no clip could be scored: {words}. The classifier fails, or answers what is no \
                 probability: see the warnings, or run with GST_DEBUG=m2sdfilter:2. Try another \
                 classifier or provider"
            );
            return Self { status: Status::Failed, error: Some(CliError::Runtime(text)) };
        }
        let short = truncated.map(|Truncated { end, duration }| {
            let [end, duration] = [end, duration].map(|t| seconds(t.nseconds()));
            format!("{input} ends after {end:.2} s of {duration:.2} s: it is cut short")
        });
        let status = if short.is_some() { Status::TruncatedInput } else { Status::Complete };
        let missing: Vec<_> = short.into_iter().chain(words).collect();
        let error = (!missing.is_empty()).then(|| CliError::Unscored(missing.join("; ")));
        Self { status, error }
    }

    /// The last record.
    pub fn record(&self, totals: &Totals, unscored: &Unscored) -> Value {
        json!({
            "type": "end",
            "status": self.status.as_str(),
            "reason": self.error.as_ref().map(|e| gstm2sd::core::redact::redact(&e.to_string()).into_owned()),
            "time": totals.time_ns.map(seconds),
            "frames": totals.frames,
            "frames-not-analysed": unscored.frames_not_analysed,
            "faces": totals.faces.len(),
            "clips": totals.clips,
            "clips-failed": unscored.clips_failed,
            "clips-skipped": unscored.clips_skipped,
        })
    }

    /// What the command returns. `failure` tells that results could not be written, in the end or
    /// before.
    pub fn result(self, failure: Option<&str>) -> Result<(), CliError> {
        match (self.error, failure) {
            (None | Some(CliError::Unscored(_)), Some(text)) => Err(cannot_write(text)),
            (error, _) => error.map_or(Ok(()), Err),
        }
    }
}

fn cannot_write(text: &str) -> CliError {
    CliError::Input(format!("not all results could be written: {text}"))
}

fn silent(time: Duration, input: &str, advice: &str) -> CliError {
    let seconds = time.as_secs();
    CliError::Input(format!(
        "{input}: the source brought nothing for {seconds} s; --timeout waits longer for one that \
         is slow{advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_its_status_and_its_exit_code() {
        let fine = Unscored { clips_scored: 5, ..Unscored::default() };
        let lost = Unscored { clips_failed: 1, ..fine };
        let blind = Unscored { frames_not_analysed: 1, ..fine };
        let none = Unscored { clips_failed: 1, ..Unscored::default() };
        let time = gst::ClockTime::from_seconds;
        let short = Some(Truncated { end: time(1), duration: time(9) });
        for (cause, truncated, unscored, status, code) in [
            (Cause::End, None, fine, "complete", 0),
            (Cause::End, None, Unscored::default(), "complete", 0),
            (Cause::End, None, lost, "complete", 5),
            (Cause::End, None, blind, "complete", 5),
            (Cause::End, short, fine, "truncated-input", 5),
            (Cause::End, None, none, "failed", 4),
            (Cause::Signal(2), short, none, "interrupted", 130),
            (Cause::Signal(15), None, fine, "interrupted", 143),
            (Cause::ReaderGone, None, fine, "interrupted", 141),
            (Cause::SourceSilent(Duration::from_secs(3), String::new()), None, fine, "failed", 3),
            (Cause::CannotWrite("full".into()), None, fine, "failed", 3),
            (Cause::Failed(CliError::runtime("x")), None, fine, "failed", 4),
        ] {
            let name = format!("{cause:?} {unscored:?}");
            let frames = 9;
            let outcome = Outcome::of(cause, truncated, frames, &unscored, "clip.mp4");
            assert_eq!(outcome.record(&Totals::default(), &unscored)["status"], status, "{name}");
            assert_eq!(outcome.result(None).map_or_else(|e| e.exit_code(), |()| 0), code, "{name}");
        }
        let empty = Outcome::of(Cause::End, None, 0, &Unscored::default(), "clip.mp4");
        assert_eq!(empty.result(None).unwrap_err().exit_code(), 3);
    }
}
