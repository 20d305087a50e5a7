//! How a scan ended: what its last record, its table and its exit code say.

use std::time::Duration;

use gst::prelude::*;
use gstm2sd::core::counted::counted;
use gstm2sd::core::redact::redact;
use gstm2sd::evidence::records::{Counts, End, Footer};
use gstm2sd::filter::M2sdFilter;

use super::play::Cause;
use super::record::Totals;
use super::source::{Seen, Truncated};
use super::values::seconds;
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
    pub fn of(filter: &M2sdFilter, totals: &Totals) -> Self {
        let stats: gst::Structure = filter.property("stats");
        let count = |name: &str| stats.get::<u64>(name).unwrap_or(0);
        let interval = u64::from(filter.property::<u32>("detect-interval").max(1));
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
            "no score for {lost} of {}, {} not analysed",
            counted(all, "clip"),
            counted(self.frames_not_analysed, "frame")
        ))
    }
}

/// The end of a scan.
pub struct Outcome {
    end: End,
    error: Option<CliError>,
}

impl Outcome {
    pub fn of(cause: Cause, seen: &Seen, frames: u64, unscored: &Unscored, input: &str) -> Self {
        let failed = |error| Self { end: End::Failed, error: Some(error) };
        match cause {
            Cause::Signal(signal) => {
                Self { end: End::Interrupted, error: Some(CliError::Signal(signal)) }
            }
            Cause::ReaderGone => Self { end: End::Interrupted, error: Some(CliError::Closed) },
            Cause::Failed(error) => failed(error),
            Cause::CannotWrite(text) => failed(cannot_write(&text)),
            Cause::BrokenOff(_, Some(error)) if frames == 0 => failed(error),
            Cause::BrokenOff(said, _) => failed(CliError::Input(format!(
                "{input} breaks off after {:.2} s: try again, or get the whole file first and scan \
                 that [{said}]",
                seen.end.unwrap_or_default().seconds_f64()
            ))),
            Cause::SourceSilent(time, advice) => failed(silent(time, input, &advice)),
            Cause::End if frames == 0 && seen.is_before_range => failed(CliError::Input(format!(
                "{input} ends before --start, after {:.2} s: there is nothing to scan",
                seen.end.unwrap_or_default().seconds_f64()
            ))),
            Cause::End if frames == 0 && seen.behind_range.is_some() => {
                let next = seen.behind_range.unwrap_or_default().seconds_f64();
                failed(CliError::Input(format!(
                    "{input} shows no picture in the part that was asked for: the next one is at \
                     {next:.2} s. Let --start or --duration reach it"
                )))
            }
            Cause::End if frames == 0 => failed(CliError::Input(format!(
                "{input}: not one frame could be decoded: it is empty, cut short or damaged"
            ))),
            Cause::End => Self::at_end(seen, unscored, input),
        }
    }

    fn at_end(seen: &Seen, unscored: &Unscored, input: &str) -> Self {
        let words = unscored.in_words();
        if unscored.clips_scored == 0 && unscored.clips_lost() > 0 {
            let words = words.unwrap_or_default();
            let text = format!(
                "no clip could be scored: {words}. The classifier fails, or answers what is no \
                 probability: see the warnings, or run with GST_DEBUG=m2sdfilter:2. Try another \
                 classifier or provider"
            );
            return Self { end: End::Failed, error: Some(CliError::Runtime(text)) };
        }
        let short = seen.truncated.map(|Truncated { end, duration }| {
            let [end, duration] = [end, duration].map(|t| seconds(t.nseconds()));
            format!("{input} ends after {end:.2} s of {duration:.2} s: it is cut short")
        });
        let broken = seen.is_damaged.then(|| damaged(seen, input));
        let is_damaged = short.is_some() || broken.is_some();
        let end = if is_damaged { End::TruncatedInput } else { End::Complete };
        let missing: Vec<_> = short.into_iter().chain(broken).chain(words).collect();
        let error = (!missing.is_empty()).then(|| CliError::Unscored(missing.join("; ")));
        Self { end, error }
    }

    /// The last record, but for what clocks say.
    pub fn footer(&self, totals: &Totals, unscored: &Unscored, seen: Seen) -> Footer {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Footer {
            end: self.end,
            reason: self.error.as_ref().map(|e| redact(&e.to_string()).into_owned()),
            counts: Counts {
                frames: totals.frames,
                frames_analysed: totals.frames.saturating_sub(unscored.frames_not_analysed),
                frames_not_analysed: unscored.frames_not_analysed,
                faces: count(totals.faces.len()),
                clips: totals.clips,
                clips_scored: unscored.clips_scored,
                clips_failed: unscored.clips_failed,
                clips_skipped: unscored.clips_skipped,
            },
            time: totals.time_ns.map(seconds),
            input_end: seen.end.map(gst::ClockTime::seconds_f64),
            input_duration: seen.duration.map(gst::ClockTime::seconds_f64),
            damage: seen.damage,
            ..Footer::default()
        }
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

/// What is missing or broken before the end.
fn damaged(seen: &Seen, input: &str) -> String {
    let mut parts = Vec::new();
    if let Some(first) = seen.damage.first() {
        parts.push(format!(
            "the first of {} is at {:.2} s",
            counted(seen.damage.len(), "damaged place"),
            first.start
        ));
    }
    if seen.broken_frames > 0 {
        parts.push(format!("{} decoded with errors", counted(seen.broken_frames, "frame")));
    }
    format!("{input} is damaged: {}", parts.join(", "))
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
    fn every_way_to_end_has_its_name_and_its_exit_code() {
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
            (Cause::Failed(CliError::input("x")), short, fine, "failed", 3),
            (Cause::Signal(2), short, none, "interrupted", 130),
            (Cause::Signal(15), None, fine, "interrupted", 143),
            (Cause::ReaderGone, None, fine, "interrupted", 141),
            (Cause::SourceSilent(Duration::from_secs(3), String::new()), None, fine, "failed", 3),
            (Cause::BrokenOff("souphttpsrc: reset".into(), None), short, fine, "failed", 3),
            (Cause::CannotWrite("full".into()), None, fine, "failed", 3),
            (Cause::Failed(CliError::runtime("x")), None, fine, "failed", 4),
        ] {
            let name = format!("{cause:?} {unscored:?}");
            let frames = 9;
            let seen = Seen { truncated, ..Seen::default() };
            let outcome = Outcome::of(cause, &seen, frames, &unscored, "clip.mp4");
            let footer = outcome.footer(&Totals::default(), &unscored, seen);
            assert_eq!(footer.end.as_str(), status, "{name}");
            assert_eq!(outcome.result(None).map_or_else(|e| e.exit_code(), |()| 0), code, "{name}");
        }
        let late = Seen { behind_range: Some(gst::ClockTime::SECOND), ..Seen::default() };
        let late = Outcome::of(Cause::End, &late, 0, &Unscored::default(), "clip.mp4");
        let error = late.result(None).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("is at 1.00 s"), "{error}");
        let nothing = Seen::default();
        let empty = Outcome::of(Cause::End, &nothing, 0, &Unscored::default(), "clip.mp4");
        assert_eq!(empty.result(None).unwrap_err().exit_code(), 3);
    }
}
