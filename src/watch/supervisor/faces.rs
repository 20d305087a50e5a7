//! What a camera's element tells of faces, as events; and the alerts that follow from it.

use std::sync::Arc;

use super::Context;
use crate::events::alert::AlertRule;
use crate::events::body::Alert;
use crate::events::{Body, CameraId, Draft, TimeSource, UtcTime};
use crate::publish::translate;
use crate::watch::pipeline::CameraPipeline;

/// Makes events of one camera's messages.
pub(super) struct Faces {
    camera: CameraId,
    context: Arc<Context>,
    rule: AlertRule,
}

impl Faces {
    pub fn new(camera: CameraId, context: Arc<Context>) -> Self {
        Self { camera, context, rule: AlertRule::default() }
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
        count as u64
    }

    fn alert(&self, alert: Alert, running_time: Option<u64>, time: (UtcTime, TimeSource)) {
        self.context
            .log(&format!("camera {}: ALERT: face {} is judged fake", self.camera, alert.track));
        self.record(Body::Alert(Box::new(alert)), running_time, time);
    }

    fn record(&self, body: Body, running_time: Option<u64>, time: (UtcTime, TimeSource)) {
        let camera = Some(self.camera.clone());
        let (time, time_source) = time;
        self.context.record(Draft { camera, time, time_source, running_time, body });
    }
}
