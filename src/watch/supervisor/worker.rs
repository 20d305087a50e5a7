//! The thread that runs a camera: it feeds the state machine, and does what that says.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::faces::Faces;
use super::machine::{Change, End, Failure, Limits, Machine, Order, Seen, Step};
use super::record::CameraRecord;
use super::{Command, Context};
use crate::core::redact::redact;
use crate::events::Draft;
use crate::events::alert::Alerted;
use crate::events::body::{Body, Camera, CameraState, Health, HealthStatus, VideoFormat};
use crate::watch::config::{CameraSettings, Credentials};
use crate::watch::pipeline::address::Source;
use crate::watch::pipeline::{CameraPipeline, Recipe, failure};

/// How often a camera is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a pipeline may take to stop, before it is left alone.
const TEARDOWN_TIME: Duration = Duration::from_secs(3);
/// Frames that stay away for so long after their sender has said that they end do not come.
const TRAILING_TIME: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    context: Arc<Context>,
    record: Arc<CameraRecord>,
    commands: Receiver<Command>,
    settings: Arc<CameraSettings>,
    machine: Machine,
    began: Instant,
    running: Option<Running>,
    /// Whether this process is the one that watches it.
    is_held: bool,
    faces: Faces,
    /// The format that was told last.
    video: Option<VideoFormat>,
    warned: HashSet<String>,
}

/// A pipeline that plays.
struct Running {
    pipeline: CameraPipeline,
    source: Source,
    credentials: Credentials,
    /// Frames when they came last, and when that was.
    frames: (u64, Instant),
}

fn machine(settings: &CameraSettings) -> Machine {
    let limits = Limits { connect: settings.connect_timeout, stall: settings.stall_timeout };
    Machine::new(limits, fastrand::u64(..))
}

impl Worker {
    pub(super) fn new(
        context: Arc<Context>,
        record: Arc<CameraRecord>,
        commands: Receiver<Command>,
        is_held: bool,
    ) -> Self {
        let settings = record.settings();
        let view = Arc::clone(&record.view);
        let mut faces = Faces::new(settings.id.clone(), Arc::clone(&context), view);
        faces.set_recorded(settings.record);
        Self {
            machine: machine(&settings),
            faces,
            settings,
            context,
            record,
            commands,
            began: Instant::now(),
            running: None,
            is_held,
            video: None,
            warned: HashSet::new(),
        }
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        if !self.is_held {
            self.record.set_state(&elsewhere());
        }
        loop {
            self.record.turn();
            match self.command() {
                Some(Command::Stop) => break,
                Some(Command::Change(settings)) => self.change(settings),
                Some(Command::Hold(held)) => self.hold(held),
                None => {}
            }
            if self.is_held {
                self.look();
            }
        }
        self.stop_pipeline();
    }

    /// Waits for a command, or for something to happen, for a glance at most.
    fn command(&mut self) -> Option<Command> {
        let Some(running) = &self.running else {
            return match self.commands.recv_timeout(GLANCE) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Command::Stop),
            };
        };
        let bus = running.pipeline.bus().clone();
        let mut message = bus.timed_pop(gst::ClockTime::from_nseconds(GLANCE.as_nanos() as u64));
        while let Some(now) = message {
            self.hear(&now);
            message = bus.pop();
        }
        self.commands.try_recv().ok()
    }

    fn look(&mut self) {
        let seen = self.running.as_ref().map_or_else(Seen::default, |running| {
            let traffic = running.pipeline.traffic();
            Seen { bytes: traffic.bytes(), frames: traffic.frames() }
        });
        let now = self.began.elapsed();
        let step = self.machine.look(now, seen);
        self.take(step);
        self.look_for_end(seen);
        self.look_at_format();
    }

    /// An end that GStreamer 1.22's jitter buffer keeps to itself.
    fn look_for_end(&mut self, seen: Seen) {
        let Some(running) = &mut self.running else { return };
        if running.frames.0 != seen.frames {
            running.frames = (seen.frames, Instant::now());
        }
        if running.pipeline.network_ended() && running.frames.1.elapsed() > TRAILING_TIME {
            let step = self.machine.ended(self.began.elapsed(), End::Lost);
            self.take(step);
        }
    }

    /// Tells frames of another size or rate.
    fn look_at_format(&mut self) {
        let video = self.record.video();
        let is_online = self.record.state() == CameraState::Online;
        if is_online && video.is_some() && video != self.video {
            let reason = self.video.as_ref().zip(video.as_ref()).map(|(before, now)| {
                format!("frames are {} now, {} before", described(now), described(before))
            });
            if reason.is_some() {
                self.tell(CameraState::Online, reason);
            }
            self.video = self.record.video();
        }
    }

    fn take(&mut self, step: Step) {
        match step.order {
            Some(Order::Start) => self.start(),
            Some(Order::Stop) => self.stop_pipeline(),
            Some(Order::BeginAgain) => {
                if let Some(running) = &self.running {
                    running.pipeline.begin_again();
                }
            }
            None => {}
        }
        let Some(change) = step.change else { return };
        self.record.set_state(&change);
        let reconnects = self.machine.reconnects();
        self.record.count(|figures| figures.reconnects = figures.reconnects.max(reconnects));
        if change.is_news {
            let Change { state, reason, .. } = change;
            if state == CameraState::Online {
                self.video = self.record.video();
            }
            self.tell(state, reason);
        }
    }

    fn tell(&self, state: CameraState, reason: Option<String>) {
        let video = self.record.video().filter(|_| state == CameraState::Online);
        let word = state.as_str();
        let because = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let size =
            video.as_ref().map_or_else(String::new, |video| format!(" ({})", described(video)));
        self.context.log(&format!("camera {}: {word}{size}{because}", self.settings.id));
        let reconnects = self.record.reconnects();
        let body = Body::Camera(Camera { state, reason, video, reconnects });
        self.context.record(Draft::now(Some(self.settings.id.clone()), body));
    }

    fn start(&mut self) {
        match self.build() {
            Ok(running) => {
                self.record.begin(&running.pipeline);
                running.pipeline.start();
                self.running = Some(running);
            }
            Err(reason) => {
                // Behind the news that it is being connected.
                let failure = Failure { reason: redact(&reason).into_owned(), is_refused: false };
                let step = self.machine.failed(self.began.elapsed(), failure);
                self.take(step);
            }
        }
    }

    fn build(&self) -> Result<Running, String> {
        let settings = &self.settings;
        // Each time: the file that holds a password may have changed.
        let (credentials, uri) = Credentials::read(settings)?;
        let source = Source::parse(&uri)?;
        let engines = self.context.engines(settings, &source)?;
        let recipe = Recipe {
            settings,
            source: &source,
            credentials: &credentials,
            engines: engines.as_deref(),
            encoded: self.faces.is_recorded(),
            view: &self.record.view,
        };
        let pipeline = CameraPipeline::build(&recipe)?;
        self.faces.begin(&pipeline);
        Ok(Running { pipeline, source, credentials, frames: (0, Instant::now()) })
    }

    /// What an element says.
    fn hear(&mut self, message: &gst::Message) {
        let Some(running) = &self.running else { return };
        let now = self.began.elapsed();
        let step = match message.view() {
            gst::MessageView::Error(error) => {
                let reason = failure::explain(error, &running.credentials);
                let is_refused = failure::is_refused(error);
                self.record.set_analysis_fails(failure::is_of_filter(error));
                self.machine.failed(now, Failure { reason, is_refused })
            }
            gst::MessageView::Eos(_) => {
                let end = match (&running.source, self.settings.repeat) {
                    (Source::File(_), true) => End::Repeats,
                    (Source::File(_), false) => End::Finite,
                    (Source::Http(_), _) if running.pipeline.is_finite() => End::Finite,
                    _ => End::Lost,
                };
                self.machine.ended(now, end)
            }
            gst::MessageView::Latency(_) => {
                running.pipeline.update_latency();
                return;
            }
            gst::MessageView::Element(element) => {
                let alerts =
                    element.structure().map(|said| self.faces.hear(said, &running.pipeline));
                self.count_alerts(alerts.unwrap_or_default());
                return;
            }
            gst::MessageView::Warning(warning) => {
                let text = redact(warning.error().message()).into_owned();
                let is_filter = warning.src() == Some(running.pipeline.filter().upcast_ref());
                self.warn(text, is_filter);
                return;
            }
            _ => return,
        };
        self.take(step);
    }

    /// What goes on all the same, such as unscored after a model failed. Told once.
    fn warn(&mut self, text: String, is_filter: bool) {
        if !self.warned.insert(text.clone()) {
            return;
        }
        let camera = self.settings.id.clone();
        if is_filter {
            // Whoever hears of health logs it.
            let (component, status) = ("models".to_owned(), HealthStatus::Degraded);
            let health = Health { component, status, text, dropped: None };
            self.context.record(Draft::now(Some(camera), Body::Health(health)));
        } else {
            self.context.log(&format!("camera {camera}: warning: {text}"));
        }
    }

    fn count_alerts(&self, alerts: u64) {
        if alerts > 0 {
            self.record.count(|figures| figures.alerts += alerts);
        }
    }

    fn change(&mut self, settings: Arc<CameraSettings>) {
        self.stop_pipeline();
        self.record.set_settings(Arc::clone(&settings));
        self.machine = machine(&settings);
        self.faces.set_recorded(settings.record);
        self.settings = settings;
        self.video = None;
        self.warned.clear();
    }

    /// Begins or ends to watch, as another process has ended or begun.
    fn hold(&mut self, held: Option<Vec<Alerted>>) {
        match held {
            Some(_) if self.is_held => {}
            Some(alerted) => {
                self.is_held = true;
                self.faces.continue_after(alerted);
            }
            None => {
                self.is_held = false;
                self.stop_pipeline();
                self.machine = machine(&self.settings);
                self.record.set_state(&elsewhere());
            }
        }
    }

    fn stop_pipeline(&mut self) {
        let Some(running) = self.running.take() else { return };
        // What it has said by now counts.
        while let Some(message) = running.pipeline.bus().pop() {
            if let Some(said) = message.structure() {
                let alerts = self.faces.hear(said, &running.pipeline);
                self.count_alerts(alerts);
            }
        }
        let alerts = self.faces.end();
        self.count_alerts(alerts);
        self.record.end();
        if !running.pipeline.tear_down(TEARDOWN_TIME) {
            self.record.count(|figures| figures.abandoned += 1);
            let id = &self.settings.id;
            self.context.log(&format!("camera {id}: its pipeline does not stop: left alone"));
        }
    }
}

/// What is said of a camera that this process does not watch. It is no event: the other tells.
fn elsewhere() -> Change {
    let reason = Some("another worker watches it, or will".to_owned());
    Change { state: CameraState::Offline, reason, is_news: false }
}

/// A format in words.
fn described(video: &VideoFormat) -> String {
    let codec = video.codec.as_deref().unwrap_or("raw");
    let VideoFormat { width, height, frame_rate, .. } = video;
    match *frame_rate > 0.0 {
        true => format!("{width}x{height} {codec} {frame_rate:.4} frames/s", codec = codec),
        false => format!("{width}x{height} {codec}"),
    }
}
