//! The progress bar of a scan. It is drawn from what has come by, since a pipeline that is asked
//! may not answer.

use std::sync::Arc;

use gst::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

use super::recording::Recording;
use super::source::SourceWatch;
use crate::{bounded, terminal};

pub struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bar: None }
    }

    /// Says something without disturbing the bar.
    pub fn note(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::note(text)),
            None => terminal::note(text),
        }
    }

    pub fn show(&mut self, watch: &SourceWatch, recording: &Recording) {
        if self.quiet || recording.frames() == 0 {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| terminal::bar(None));
        if bar.length().is_none()
            && let Some(duration) = watch.duration()
        {
            let style = "{elapsed_precise} {wide_bar} {percent:>3} % of the video, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_length(duration.mseconds());
        }
        let milliseconds = recording.position().as_millis();
        bar.set_position(u64::try_from(milliseconds).unwrap_or(u64::MAX));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Asks the decoded streams how long they are, once they flow, on a thread for whose end nobody
/// waits.
pub fn ask_duration(pad: &gst::Pad, watch: &Arc<SourceWatch>) {
    let watch = Arc::clone(watch);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        let (pad, watch) = (pad.clone(), Arc::clone(&watch));
        bounded::start(move || {
            if let Some(duration) = pad.query_duration::<gst::ClockTime>() {
                watch.set_duration(duration);
            }
        });
        gst::PadProbeReturn::Remove
    });
}
