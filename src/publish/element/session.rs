//! What is there between the start of the element and its stop: the spool and the sink, and what is
//! known of the stream.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::core::hex::hex;
use crate::core::redact::redact;
use crate::events::alert::AlertRule;
use crate::events::body::{Camera, CameraState, VideoFormat};
use crate::events::sinks::{self, SinkError, Sinks};
use crate::events::spool::{Limits, SpoolStats};
use crate::events::{
    Body, CameraId, Draft, EventMaker, InvalidCameraId, Spool, SpoolError, TimeSource, UtcTime,
};
use crate::models::folders::state_home;
use crate::publish::{Told, WallClock, translate};

/// How long what was told last may take to be on the disk.
const FLUSH: Duration = Duration::from_secs(2);

/// What the properties say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub uri: String,
    pub camera: Option<String>,
    pub spool_dir: Option<String>,
    pub instance: Option<String>,
}

/// Why the element cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the property uri is not set: expected where to, such as mqtt://host/topic")]
    NoUri,
    #[error("the property camera: {0}")]
    Camera(#[from] InvalidCameraId),
    #[error("this user has no folder for state: set the property spool-dir")]
    NoStateFolder,
    #[error("{0}. The property spool-dir names another folder")]
    Spool(#[from] SpoolError),
    #[error("the property uri: {0}")]
    Sink(#[from] SinkError),
}

/// See the file's text.
pub struct Session {
    camera: CameraId,
    spool: Arc<Spool>,
    sinks: Sinks,
    rule: AlertRule,
    clock: WallClock,
    segment: gst::FormattedSegment<gst::ClockTime>,
    video: Option<VideoFormat>,
}

impl Session {
    /// # Errors
    /// When a setting names nothing, or the spool cannot be used.
    pub fn start(settings: &Settings, element_name: &str) -> Result<Self, StartError> {
        if settings.uri.is_empty() {
            return Err(StartError::NoUri);
        }
        let camera = CameraId::new(settings.camera.as_deref().unwrap_or(element_name))?;
        let sink = sinks::parse(&settings.uri)?;
        let folder = match &settings.spool_dir {
            Some(folder) => PathBuf::from(folder),
            None => default_folder(&camera, &settings.uri).ok_or(StartError::NoStateFolder)?,
        };
        let instance = settings.instance.clone().unwrap_or_else(|| glib::host_name().to_string());
        let spool = Spool::open(&folder, EventMaker::new(instance), Limits::default())?;
        let sinks = Sinks::start(&spool, vec![sink])?;
        Ok(Self {
            camera,
            spool,
            sinks,
            rule: AlertRule::default(),
            clock: WallClock::default(),
            segment: gst::FormattedSegment::new(),
            video: None,
        })
    }

    /// How the spool and the sink do.
    pub fn stats(&self) -> SpoolStats {
        self.spool.stats()
    }

    /// A frame passes.
    pub fn frame(&mut self, buffer: &gst::BufferRef) {
        let time = buffer.pts().and_then(|pts| self.segment.to_running_time(pts));
        if let Some(time) = time {
            self.clock.observe(buffer, time);
        }
    }

    /// An event passes, downstream.
    pub fn event(&mut self, event: &gst::EventRef, element: &gst::Element) {
        match event.view() {
            gst::EventView::CustomDownstream(custom) => {
                if let Some(told) = custom.structure().and_then(translate) {
                    self.tell(told, element);
                }
            }
            gst::EventView::Segment(segment) => {
                if let Ok(segment) = segment.segment().clone().downcast::<gst::ClockTime>() {
                    self.segment = segment;
                }
            }
            gst::EventView::Caps(caps) => self.caps(caps.caps()),
            gst::EventView::Eos(_) => {
                self.stream_ended();
                self.camera(CameraState::Ended);
            }
            _ => {}
        }
    }

    fn tell(&mut self, Told { body, running_time }: Told, element: &gst::Element) {
        let time = self.clock.utc(running_time, element);
        let alert = self.rule.take(&body, running_time, time.0);
        self.record(body, running_time, time);
        if let Some(alert) = alert {
            self.record(Body::Alert(Box::new(alert)), running_time, time);
        }
    }

    /// Frames come, or other frames than before.
    fn caps(&mut self, caps: &gst::CapsRef) {
        let info = gst_video::VideoInfo::from_caps(caps).ok();
        let video = info.map(|info| VideoFormat {
            width: info.width(),
            height: info.height(),
            frame_rate: f64::from(info.fps().numer()) / f64::from(info.fps().denom().max(1)),
            codec: None,
        });
        if self.video != video {
            self.video = video;
            self.camera(CameraState::Online);
        }
    }

    fn camera(&self, state: CameraState) {
        let video = self.video.clone();
        let body = Body::Camera(Camera { state, reason: None, video, reconnects: 0 });
        self.record(body, None, (UtcTime::now(), TimeSource::Clock));
    }

    fn stream_ended(&mut self) {
        let now = UtcTime::now();
        for alert in self.rule.stream_ended(now) {
            self.record(Body::Alert(Box::new(alert)), None, (now, TimeSource::Clock));
        }
    }

    fn record(&self, body: Body, running_time: Option<u64>, time: (UtcTime, TimeSource)) {
        let (time, time_source) = time;
        let camera = Some(self.camera.clone());
        // One that is refused is counted, and told by the spool.
        let _ = self.spool.record(Draft { camera, time, time_source, running_time, body });
    }

    /// Writes what was told, and delivers for so long at most. What is left is delivered after the next
    /// start.
    pub fn stop(mut self, grace: Duration) {
        self.stream_ended();
        self.spool.flush(FLUSH);
        self.sinks.stop(grace);
    }
}

/// One for each camera and receiver, so that elements do not share one.
fn default_folder(camera: &CameraId, uri: &str) -> Option<PathBuf> {
    let hash = hex(&Sha256::digest(redact(uri).as_bytes())[..4]);
    Some(state_home()?.join("publish").join(format!("{camera}-{hash}")))
}
