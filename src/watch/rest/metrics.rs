//! The figures of cameras, networks, spool and process, in Prometheus' text format.

use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::problem::{Answer, Problem};
use super::process::ProcessStatus;
use super::routes::App;
use crate::core::histogram::Histogram;
use crate::events::body::CameraState;
use crate::events::sinks::shown;
use crate::events::spool::SpoolStats;
use crate::watch::status::{CameraFigures, CameraStatus, ModelStatus};

/// Figures of cameras, networks, spool and process, in Prometheus' text format 0.0.4.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses((status = 200, description = "The figures", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(app): State<App>) -> Answer<Response> {
    let figures = app.blocking(|app| Figures {
        cameras: app.control.cameras(),
        models: app.control.models(),
        ready: app.control.ready(),
        spool: app.spool.stats(),
        process: ProcessStatus::read(),
        uptime: app.since.elapsed(),
    });
    let text =
        write(figures.await?).map_err(|_| Problem::unavailable("figures cannot be written"))?;
    Ok(([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response())
}

fn write(figures: Figures) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("m2sd");
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// Everything that is told, as it was at one moment.
#[derive(Debug)]
struct Figures {
    cameras: Vec<CameraStatus>,
    models: Vec<ModelStatus>,
    ready: bool,
    spool: SpoolStats,
    process: ProcessStatus,
    uptime: Duration,
}

/// Names and values of labels.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes families one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn counter<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples)
    }

    fn gauge<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples)
    }

    fn histogram<'s>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s>, &'s Histogram)>,
    ) -> fmt::Result {
        let kind = MetricType::Histogram;
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, of) in samples {
            let buckets: Vec<_> = of.buckets().collect();
            let mut sample = family.encode_family(&labels)?;
            let sum = of.sum().as_secs_f64();
            sample.encode_histogram::<NoLabelSet>(sum, of.count(), &buckets, None)?;
        }
        Ok(())
    }

    fn family<'s>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'s>, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            let sample = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => ConstCounter::new(value).encode(sample)?,
                _ => ConstGauge::new(value).encode(sample)?,
            }
        }
        Ok(())
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut families = Families(encoder);
        self.counts_of_cameras(&mut families)?;
        self.times_of_cameras(&mut families)?;
        self.states_of_cameras(&mut families)?;
        self.networks(&mut families)?;
        self.events(&mut families)?;
        self.process(&mut families)
    }
}

impl Figures {
    fn of_cameras<'s>(
        &'s self,
        value: impl Fn(&CameraFigures) -> f64 + 's,
    ) -> impl Iterator<Item = (Labels<'s>, f64)> {
        let labelled = move |camera: &'s CameraStatus| {
            (vec![("camera", camera.id.as_str())], value(&camera.figures))
        };
        self.cameras.iter().map(labelled)
    }

    fn counts_of_cameras(&self, families: &mut Families) -> fmt::Result {
        type Count = fn(&CameraFigures) -> u64;
        let counters: [(&str, &str, Count); 10] = [
            ("frames", "Frames that came", |of| of.frames_in),
            ("frames_sent", "Frames that left", |of| of.frames_out),
            ("frames_analysed", "Frames on which faces were looked for", |of| of.frames_analysed),
            ("received_bytes", "Bytes that came from the source", |of| of.bytes_in),
            ("clips", "Clips that were scored", |of| of.clips_scored),
            ("clips_skipped", "Clips for which there was no time", |of| of.clips_skipped),
            ("clips_failed", "Clips that failed", |of| of.clips_failed),
            ("reconnects", "Connections that were lost", |of| of.reconnects),
            ("abandoned", "Pipelines that did not stop in time", |of| of.abandoned),
            ("alerts", "Verdicts of fake that held", |of| of.alerts),
        ];
        for (name, help, count) in counters {
            families.counter(name, help, self.of_cameras(move |of| count(of) as f64))?;
        }
        let gauges: [(&str, &str, Count); 2] = [
            ("frames_waiting", "Frames that wait inside", |of| of.frames_waiting),
            ("clips_waiting", "Clips that wait for a classifier", |of| of.clips_waiting),
        ];
        for (name, help, count) in gauges {
            families.gauge(name, help, self.of_cameras(move |of| count(of) as f64))?;
        }
        Ok(())
    }

    fn times_of_cameras(&self, families: &mut Families) -> fmt::Result {
        type Times = fn(&CameraFigures) -> &Histogram;
        let histograms: [(&str, &str, Times); 3] = [
            ("frame_latency_seconds", "Frames from arrival to push", |of| &of.latency),
            ("detect_seconds", "Runs of the detector", |of| &of.detect),
            ("classify_seconds", "Clips in the classifier", |of| &of.classify),
        ];
        for (name, help, times) in histograms {
            let of_camera = |camera| -> (Labels<'_>, &Histogram) {
                let CameraStatus { id, figures, .. }: &CameraStatus = camera;
                (vec![("camera", id.as_str())], times(figures))
            };
            families.histogram(name, help, self.cameras.iter().map(of_camera))?;
        }
        Ok(())
    }

    fn states_of_cameras(&self, families: &mut Families) -> fmt::Result {
        let states = self.cameras.iter().flat_map(|camera| {
            CameraState::ALL.iter().map(|state| {
                let labels = vec![("camera", camera.id.as_str()), ("state", state.as_str())];
                (labels, f64::from(u8::from(camera.state == *state)))
            })
        });
        families.gauge("camera_state", "1 for what the camera does, 0 for the rest", states)?;
        let faces = self
            .cameras
            .iter()
            .map(|camera| (vec![("camera", camera.id.as_str())], camera.faces.len() as f64));
        families.gauge("faces", "Faces on the newest frame", faces)?;
        let last = self.cameras.iter().filter_map(|camera| {
            let last = camera.last_frame?.0.as_millisecond() as f64 / 1000.0;
            Some((vec![("camera", camera.id.as_str())], last))
        });
        families.gauge("last_frame_timestamp_seconds", "When the newest frame came", last)
    }

    fn networks(&self, families: &mut Families) -> fmt::Result {
        let labels = |model| -> Labels<'_> {
            let ModelStatus { role, name, provider, .. }: &ModelStatus = model;
            vec![("role", role), ("model", name), ("provider", provider)]
        };
        let busy = self.models.iter().filter_map(|model| Some((labels(model), model.busy?)));
        families.gauge("engine_busy_ratio", "Part of the last minute that engines ran", busy)?;
        let known = self.models.iter().map(|model| {
            let mut labels = labels(model);
            labels.extend([
                ("precision", model.precision.as_str()),
                ("training", model.training.as_str()),
                (
                    "calibrated",
                    match model.calibrated {
                        Some(true) => "yes",
                        Some(false) => "no",
                        None => "",
                    },
                ),
            ]);
            (labels, 1.0)
        });
        families.gauge("model_info", "The networks", known)
    }

    fn events(&self, families: &mut Families) -> fmt::Result {
        let spool = &self.spool;
        let one = |value: f64| [(Labels::new(), value)];
        families.gauge("spool_events", "Events on the disk", one(spool.events as f64))?;
        families.gauge("spool_bytes", "Bytes of events on the disk", one(spool.bytes as f64))?;
        families.gauge("spool_queue", "Events that wait for the disk", one(spool.queued as f64))?;
        families.counter(
            "spool_refused",
            "Events that could not be kept",
            one(spool.refused as f64),
        )?;
        let failed = f64::from(u8::from(spool.failure.is_some()));
        families.gauge("spool_failed", "1 where the disk takes no events", one(failed))?;
        let names: Vec<_> = spool.sinks.iter().map(|sink| shown(&sink.name)).collect();
        let of_sinks = |value: fn(&crate::events::spool::SinkStats) -> u64| {
            let sinks = names.iter().zip(&spool.sinks);
            sinks.map(move |(name, sink)| (vec![("sink", name.as_str())], value(sink) as f64))
        };
        families.gauge("sink_depth", "Events that wait for a sink", of_sinks(|sink| sink.depth))?;
        families.counter(
            "sink_delivered",
            "Events that a sink has",
            of_sinks(|sink| sink.delivered),
        )?;
        families.counter(
            "sink_dropped",
            "Events that made room for newer ones before a sink had them",
            of_sinks(|sink| sink.dropped),
        )?;
        families.counter("sink_failures", "Tries that failed", of_sinks(|sink| sink.failures))
    }

    fn process(&self, families: &mut Families) -> fmt::Result {
        let one = |value: Option<f64>| value.map(|value| (Labels::new(), value));
        let count = |value: Option<u64>| one(value.map(|value| value as f64));
        let ready = Some(f64::from(u8::from(self.ready)));
        families.gauge("ready", "1 once every camera has been started", one(ready))?;
        let uptime = Some(self.uptime.as_secs_f64());
        families.gauge("uptime_seconds", "Since the server began", one(uptime))?;
        let process = &self.process;
        families.gauge(
            "process_resident_memory_bytes",
            "Memory of the process",
            count(process.resident_bytes),
        )?;
        families.gauge("process_threads", "Threads of the process", count(process.threads))?;
        families.gauge("process_open_fds", "Open file descriptors", count(process.open_files))?;
        families.counter("process_cpu_seconds", "Processor time", one(process.cpu_seconds))
    }
}
