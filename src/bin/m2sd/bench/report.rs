//! All figures of a run, as text and as JSON.

use std::fmt::Write;

use gstm2sd::models::ModelSource;
use serde::Serialize;

use super::case::{Case, Sweep};
use super::input::Input;
use super::limits::Limits;
use super::networks::Networks;
use super::process::Machine;
use super::run::Measured;
use super::{BenchArgs, Mode};
use crate::error::CliError;
use crate::scan::told;

#[derive(Debug, Serialize)]
pub struct Report {
    version: &'static str,
    runtime: String,
    machine: Machine,
    settings: Settings,
    limits: Limits,
    pub results: Vec<Entry>,
}

/// What all cases have in common.
#[derive(Debug, Serialize)]
struct Settings {
    mode: &'static str,
    format: String,
    fps: u32,
    /// As they were asked for.
    provider: String,
    precision: String,
    threads: u32,
    detector: String,
    aligner: Option<String>,
    classifier: String,
    video: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Entry {
    pub sweep: Option<Sweep>,
    pub case: Case,
    /// The frames in memory, which count in the peak.
    input_mb: f64,
    /// A plain videoconvert of the same frames, which come at the same pace.
    videoconvert_ms_per_frame: f64,
    own_by_videoconvert: f64,
    clips_by_bare_classifier: f64,
    pub measured: Measured,
}

impl Report {
    /// Measures what the machine can do, to which all cases are compared.
    pub fn new(args: &BenchArgs, networks: &Networks) -> Result<Self, CliError> {
        let machine = Machine::look();
        crate::terminal::note("m2sd: measuring matrix products and the classifier alone");
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            runtime: gstm2sd::infer::runtimes().join(", "),
            machine,
            settings: Settings {
                mode: match args.mode {
                    Mode::Complete => "complete",
                    Mode::Live => "live",
                },
                format: args.format.clone(),
                fps: args.fps,
                provider: args.networks.provider.to_string(),
                precision: args.networks.precision.to_string(),
                threads: args.networks.threads,
                detector: networks.files.detector.file_name(),
                aligner: networks.files.aligner.as_ref().map(ModelSource::file_name),
                classifier: networks.classifier.file_name(),
                video: args.video.as_deref().map(told),
            },
            limits: Limits::measure(networks)?,
            results: Vec::new(),
        })
    }

    pub fn add(
        &mut self,
        sweep: Option<Sweep>,
        case: &Case,
        input: &Input,
        videoconvert_ms_per_frame: f64,
        measured: Measured,
    ) {
        self.results.push(Entry {
            sweep,
            case: case.clone(),
            input_mb: input.megabytes(),
            videoconvert_ms_per_frame,
            own_by_videoconvert: measured.own_ms_per_frame / videoconvert_ms_per_frame,
            clips_by_bare_classifier: measured.clips_per_s / self.limits.clips_per_s,
            measured,
        });
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { machine, settings, limits, .. } = self;
        writeln!(
            out,
            "{}, {} cores, load {:.1} before the run; {} {}, {}",
            machine.cpu, machine.cores, machine.load, settings.mode, settings.format, self.runtime
        )?;
        writeln!(
            out,
            "{} on {} in {}: {:.1} ms a clip alone (least {:.1}), {:.2} clips/s, {:.1} ms of CPU time",
            settings.classifier,
            limits.provider,
            limits.precision,
            limits.clip_ms,
            limits.clip_least_ms,
            limits.clips_per_s,
            limits.clip_cpu_ms
        )?;
        writeln!(
            out,
            "matrix products: {:.3} TFLOP/s, {:.3} for each second of CPU time",
            limits.tflop_per_s, limits.tflop_per_cpu_s
        )?;
        if let (Some(wall), Some(cpu)) = (limits.clip_by_products, limits.clip_by_products_cpu) {
            writeln!(
                out,
                "a clip takes {wall:.2} times its arithmetic at that rate, {cpu:.2} in CPU time"
            )?;
        }
        self.results.iter().try_for_each(|entry| entry.write(out, settings))
    }
}

impl Entry {
    fn write(&self, out: &mut String, settings: &Settings) -> std::fmt::Result {
        let m = &self.measured;
        writeln!(out, "\n{}: {:.1} faces found, {}", self.case, m.faces_per_detection, m.provider)?;
        let headline = m.headline().map(|(value, unit)| format!("{value:.2} {unit}"));
        writeln!(out, "  {} ({:.0} MB of it input)", headline.join(", "), self.input_mb)?;
        writeln!(
            out,
            "  classifier busy {:.2} % of the time, clips/s {:.3} of the classifier alone; \
             clips failed {}; detections a frame {:.2}",
            100.0 * m.classifier_busy,
            self.clips_by_bare_classifier,
            m.clips_failed,
            m.detections_per_frame
        )?;
        writeln!(
            out,
            "  all but networks {:.3} ms a frame, {:.2} of a plain videoconvert ({:.3} ms), \
             {:.2} % of the time",
            m.own_ms_per_frame,
            self.own_by_videoconvert,
            self.videoconvert_ms_per_frame,
            100.0 * m.own_share_of_wall
        )?;
        if settings.mode == "live" {
            writeln!(
                out,
                "  latency {:.2} ms, 95 % within {:.2} ms; clips skipped {}",
                m.latency_p50_ms, m.latency_p95_ms, m.clips_skipped
            )?;
        }
        writeln!(out, "  {:<14} {:>7} {:>10} {:>10} {:>8}", "", "runs", "p50 ms", "p95 ms", "%")?;
        for (name, stage) in &m.stages {
            let share = stage.total_ms / (10.0 * m.wall_s);
            writeln!(
                out,
                "  {name:<14} {:>7} {:>10.4} {:>10.4} {share:>8.2}",
                stage.count, stage.p50_ms, stage.p95_ms
            )?;
        }
        Ok(())
    }
}
