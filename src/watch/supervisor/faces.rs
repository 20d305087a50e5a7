//! What a camera's element tells of faces, as events; and the alerts that follow from it.

use std::sync::Arc;

use super::Context;
use crate::events::alert::{AlertRule, Alerted, DEFAULT_REPEAT_AFTER};
use crate::events::body::{Alert, FaceBox};
use crate::events::{Body, CameraId, Draft, EventId, TimeSource, UtcTime};
use crate::publish::translate;
use crate::watch::bounded;
use crate::watch::pipeline::CameraPipeline;
use crate::watch::pipeline::view::View;
use crate::watch::recording::{Recordings, Ring};

/// Makes events of one camera's messages.
pub(super) struct Faces {
    camera: CameraId,
    context: Arc<Context>,
    rule: AlertRule,
    view: Arc<View>,
    /// Its newest encoded frames, where alerts are recorded.
    ring: Option<Arc<Ring>>,
}

impl Faces {
    pub fn new(camera: CameraId, context: Arc<Context>, view: Arc<View>) -> Self {
        Self { camera, context, rule: AlertRule::default(), view, ring: None }
    }

    /// From now on alerts are recorded, or not.
    pub fn set_recorded(&mut self, is_recorded: bool) {
        let recordings = self.context.recordings().filter(|_| is_recorded);
        self.ring = recordings.map(|recordings| Ring::new(self.camera.clone(), recordings));
    }

    /// Whether encoded frames are wanted.
    pub fn is_recorded(&self) -> bool {
        self.ring.is_some()
    }

    /// What another worker has alerted of this camera is not alerted again.
    pub fn continue_after(&mut self, alerted: Vec<Alerted>) {
        self.rule = AlertRule::new(DEFAULT_REPEAT_AFTER, alerted);
    }

    /// A pipeline begins.
    pub fn begin(&self, pipeline: &CameraPipeline) {
        if let (Some(ring), Some(pad)) = (&self.ring, pipeline.encoded()) {
            ring.follow(pad);
        }
    }

    /// Takes a structure from the bus; returns how many alerts it made.
    pub fn hear(&mut self, structure: &gst::StructureRef, pipeline: &CameraPipeline) -> u64 {
        let Some(told) = translate(structure) else { return 0 };
        let (time, source) = pipeline.utc(told.running_time);
        let alert = self.rule.take(&told.body, told.running_time, time);
        self.record(told.body, told.running_time, (time, source));
        let alerts = u64::from(alert.is_some());
        if let Some(alert) = alert {
            self.alert(alert, told.running_time, (time, source));
        }
        alerts
    }

    /// The stream is over; returns how many alerts that made.
    pub fn end(&mut self) -> u64 {
        let time = UtcTime::now();
        let alerts = self.rule.stream_ended(time);
        let count = alerts.len();
        for alert in alerts {
            self.alert(alert, None, (time, TimeSource::Clock));
        }
        if let Some(ring) = &self.ring {
            ring.stream_ended();
        }
        count as u64
    }

    fn alert(&self, mut alert: Alert, running_time: Option<u64>, time: (UtcTime, TimeSource)) {
        self.context
            .log(&format!("camera {}: ALERT: face {} is judged fake", self.camera, alert.track));
        alert.recording = self.record_video(&alert);
        self.record(Body::Alert(Box::new(alert)), running_time, time);
        self.context.keep(&self.camera, self.rule.alerted());
    }

    /// Begins to record an alert, or prolongs the recording that is being made.
    fn record_video(&self, alert: &Alert) -> Option<EventId> {
        let (ring, recordings) = self.ring.as_ref().zip(self.context.recordings())?;
        match ring.alert(self.context.next_id()) {
            Ok(id) => {
                self.add_stills(id, alert.face, Arc::clone(recordings));
                Some(id)
            }
            Err(error) => {
                self.context.log(&format!("camera {}: no recording: {error}", self.camera));
                None
            }
        }
    }

    /// Adds pictures of the next frame, which are made on a thread of their own.
    fn add_stills(&self, id: EventId, face: FaceBox, recordings: Arc<Recordings>) {
        let (context, camera) = (Arc::clone(&self.context), self.camera.clone());
        self.view.with_next_frame(move |frame| {
            bounded::start(move || {
                if let Err(error) = recordings.add_stills(id, &frame, face) {
                    context.log(&format!("camera {camera}: no still of recording {id}: {error}"));
                }
            });
        });
    }

    fn record(&self, body: Body, running_time: Option<u64>, time: (UtcTime, TimeSource)) {
        let camera = Some(self.camera.clone());
        let (time, time_source) = time;
        self.context.record(Draft { camera, time, time_source, running_time, body });
    }
}
