//! The newest frame of a camera: its faces, and a picture where somebody looks.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta;
use tokio::sync::watch;

use crate::events::UtcTime;
use crate::watch::jpeg;
use crate::watch::status::{FaceStatus, Jpeg};

/// Between two pictures for those who look.
const PICTURE_INTERVAL: Duration = Duration::from_millis(200);
/// Wider pictures are made smaller.
const WIDEST_PX: i32 = 960;
/// How long one picture may take.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// What is known of a camera's newest frame; it outlives pipelines.
pub struct View {
    /// Lock order: leaves.
    newest: Mutex<Newest>,
    pictures: Arc<watch::Sender<Option<Jpeg>>>,
    encoder: Mutex<Encoder>,
    /// Who wants the next frame itself.
    wanted: Mutex<Vec<FrameTaker>>,
}

/// Takes a frame; it must not wait.
type FrameTaker = Box<dyn FnOnce(gst::Sample) + Send>;

#[derive(Default)]
struct Newest {
    faces: Vec<FaceStatus>,
    time: Option<UtcTime>,
}

#[derive(Default)]
struct Encoder {
    /// To the thread that makes pictures, which is there where somebody looks.
    frames: Option<SyncSender<gst::Sample>>,
    newest: Option<Instant>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            newest: Mutex::default(),
            pictures: Arc::new(watch::Sender::new(None)),
            encoder: Mutex::default(),
            wanted: Mutex::default(),
        }
    }
}

impl View {
    /// The faces of the newest frame, and when it came.
    pub fn newest(&self) -> (Vec<FaceStatus>, Option<UtcTime>) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        (newest.faces.clone(), newest.time)
    }

    /// Nobody is seen any more.
    pub fn forget_faces(&self) {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).faces.clear();
    }

    /// Pictures, while this is held.
    pub fn pictures(&self) -> watch::Receiver<Option<Jpeg>> {
        self.pictures.subscribe()
    }

    /// Hands the next frame with what is drawn on it to `take`, on the thread that brings it.
    pub fn with_next_frame(&self, take: impl FnOnce(gst::Sample) + Send + 'static) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(take));
    }

    /// Looks at every frame that leaves a pad.
    pub fn follow(self: &Arc<Self>, pad: &gst::Pad) {
        let this = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer() {
                this.see(pad, buffer);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn see(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let faces = buffer.iter_meta::<VideoRegionOfInterestMeta>().filter_map(|m| face(&m));
        let faces = faces.collect();
        let newest = Newest { faces, time: Some(UtcTime::now()) };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        let wanted =
            std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        if !wanted.is_empty()
            && let Some(sample) = sample(pad, buffer)
        {
            wanted.into_iter().for_each(|take| take(sample.clone()));
        }
        if self.pictures.receiver_count() > 0 {
            self.encode(pad, buffer);
        }
    }

    /// Hands a frame to the thread that makes pictures, unless it is busy or it is too early.
    fn encode(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let mut encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner);
        if encoder.newest.is_some_and(|newest| newest.elapsed() < PICTURE_INTERVAL) {
            return;
        }
        let Some(sample) = sample(pad, buffer) else { return };
        encoder.newest = Some(Instant::now());
        let sent = match &encoder.frames {
            Some(frames) => frames.try_send(sample),
            None => Err(TrySendError::Disconnected(sample)),
        };
        if let Err(TrySendError::Disconnected(sample)) = sent {
            let (frames, received) = sync_channel(1);
            // The channel is empty.
            let _ = frames.try_send(sample);
            let pictures = Arc::clone(&self.pictures);
            let thread = std::thread::Builder::new().name("m2sd-picture".to_owned());
            // Without memory for a thread there are no pictures.
            let started = thread.spawn(move || make_pictures(&received, &pictures));
            encoder.frames = started.is_ok().then_some(frames);
        }
    }
}

/// A frame with its caps, whose memory is shared, not copied.
fn sample(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::Sample> {
    let caps = pad.current_caps()?;
    let frame = buffer.copy_region(gst::BufferCopyFlags::all(), ..).ok()?;
    Some(gst::Sample::builder().buffer(&frame).caps(&caps).build())
}

/// Makes pictures of frames until nobody looks any more.
fn make_pictures(frames: &Receiver<gst::Sample>, pictures: &watch::Sender<Option<Jpeg>>) {
    while let Ok(frame) = frames.recv_timeout(Duration::from_secs(10)) {
        if pictures.receiver_count() == 0 {
            continue;
        }
        if let Some(picture) = picture(&frame) {
            pictures.send_replace(Some(picture));
        }
    }
}

/// A frame as JPEG, no wider than pages show it.
fn picture(frame: &gst::Sample) -> Option<Jpeg> {
    let caps = frame.caps()?.structure(0)?;
    let [width, height] = ["width", "height"].map(|name| caps.get::<i32>(name));
    let (mut width, mut height) = (width.ok()?, height.ok()?);
    if width > WIDEST_PX {
        height = (i64::from(height) * i64::from(WIDEST_PX) / i64::from(width)).max(1) as i32;
        width = WIDEST_PX;
    }
    let caps = gst::Caps::builder("image/jpeg").field("width", width).field("height", height);
    jpeg::encode(frame, &caps.build(), PATIENCE).ok()
}

/// What a region of interest says of a face: `docs/metadata.md`.
fn face(meta: &VideoRegionOfInterestMeta) -> Option<FaceStatus> {
    if meta.roi_type() != "face" {
        return None;
    }
    let (x, y, width, height) = meta.rect();
    let mut face = FaceStatus {
        track: None,
        label: String::new(),
        reason: None,
        reason_text: None,
        score: None,
        llr: None,
        calibrated: false,
        training: String::new(),
        rect: [x, y, width, height],
    };
    for said in meta.params() {
        let text = |name| said.get::<String>(name).ok();
        match said.name().as_str() {
            "object_id" => {
                face.track = said.get::<i32>("id").ok().and_then(|id| u64::try_from(id).ok());
            }
            "m2sd" => {
                face.label = text("label").unwrap_or_default();
                face.reason = text("reason");
                face.reason_text = text("reason-text");
                face.score = said.get("score").ok();
                face.llr = said.get("llr").ok();
                face.calibrated = said.get("calibrated").unwrap_or(false);
                face.training = text("training").unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(face)
}
