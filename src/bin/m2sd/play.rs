//! Runs a pipeline to its end, with a progress bar.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::CliError;
use crate::pipeline;
use crate::terminal::note;

fn progress(pipeline: &gst::Pipeline, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let duration = pipeline.query_duration::<gst::ClockTime>();
    match duration {
        None => ProgressBar::new_spinner(),
        Some(duration) => {
            let style = ProgressStyle::with_template(
                "{elapsed_precise} {wide_bar} {percent:>3} % of the video, {eta} left",
            );
            let bar = ProgressBar::new(duration.mseconds());
            style.map_or(bar.clone(), |style| bar.with_style(style))
        }
    }
}

/// Runs until the end, an error, or an interrupt, which ends the files properly.
/// `input` is what the user called the video.
pub fn play(
    pipeline: &gst::Pipeline,
    filter: &M2sdFilter,
    input: &str,
    quiet: bool,
) -> Result<(), CliError> {
    let bus = pipeline.bus().ok_or_else(|| CliError::runtime("the pipeline has no bus"))?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let on_interrupt = move || {
        // Whoever presses Ctrl-C twice does not want to wait.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(on_interrupt).map_err(CliError::runtime)?;
    let mut bar = None::<ProgressBar>;
    let mut warnings = HashSet::new();
    let mut ending = false;
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_mseconds(200));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => break,
            Some(gst::MessageView::Error(error)) => {
                let text = error.error().to_string();
                let detail = error.debug().filter(|_| text.is_empty());
                let text = detail.map_or(text, |d| d.to_string());
                let from_filter =
                    error.src().is_some_and(|src| src == filter.upcast_ref::<gst::Object>());
                return Err(if from_filter {
                    CliError::Runtime(text)
                } else {
                    CliError::Input(format!("{input}: {text}"))
                });
            }
            // What goes on all the same, such as unscored after a network failed.
            Some(gst::MessageView::Warning(warning)) => {
                let text = warning.error().to_string();
                if warnings.insert(text.clone()) {
                    let say = || note(&format!("m2sd: warning: {text}"));
                    bar.as_ref().map_or_else(say, |bar| bar.suspend(say));
                }
            }
            _ => {}
        }
        if interrupted.load(Ordering::Relaxed) && !ending {
            ending = true;
            note("Interrupted: finishing the files.");
            pipeline::end(pipeline);
        }
        let position = pipeline.query_position::<gst::ClockTime>();
        if let Some(position) = position {
            let bar = bar.get_or_insert_with(|| progress(pipeline, quiet));
            bar.set_position(position.mseconds());
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(())
}
