//! The class: properties, pads, state changes.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use glib::Properties;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::filter::analysis;
use crate::filter::audio::AudioPads;
use crate::filter::debug::CAT;
use crate::filter::engines::error::SessionError;
use crate::filter::engines::finding::{self, ModelFiles};
use crate::filter::input::negotiation;
use crate::filter::settings::{
    ChannelOrderSource, DEFAULT_BATCH_TIMEOUT, DEFAULT_DETECT_THRESHOLD, DEFAULT_MAX_FACES,
    DEFAULT_MAX_LATENCY, LandmarkSource, MODEL_THRESHOLD, Mode, OnError, OrientationSource,
    Precision, Provider, Settings,
};
use crate::filter::shared::Shared;

const STATS: &str = "stats";

/**
 * SECTION:element-m2sdfilter
 *
 * Tells, live, whether the faces in a video stream are forged.
 *
 * Every face is detected, followed, gathered into clips of consecutive frames and scored by a
 * video classifier. Frames leave unchanged but for their metadata (`GstVideoRegionOfInterestMeta`
 * of type `face`) and, with #m2sdfilter:draw, a box; scores are posted on the bus as element
 * messages `m2sd-clip`, `m2sd-verdict` and `m2sd-track-end`.
 *
 * Without a classifier, because #m2sdfilter:classifier is `none` or none is there, faces are
 * followed and not judged: their label is `unscored`. Scores of a classifier that is not known to be
 * trained are told, and make no verdict.
 *
 * Audio may go along through the request pad `audio_sink`. It leaves unchanged on `audio_src`,
 * each clip tells how loud it was, and classifiers that listen hear it. M2SD itself only sees.
 *
 * ## Example
 *
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! m2sdfilter ! videoconvert ! autovideosink
 * ]|
 */
#[derive(Properties)]
#[properties(wrapper_type = crate::filter::M2sdFilter)]
pub struct M2sdFilter {
    #[property(name = "engines-dir", get, set, type = Option<String>, member = engines_dir,
        nick = "Engines directory", mutable_ready,
        blurb = "Folder with the models. Unset: $M2SD_ENGINES, ./engines, \
                 $XDG_DATA_HOME/m2sd/engines, /usr/share/m2sd/engines")]
    #[property(name = "detector", get, set, type = Option<String>, member = detector,
        nick = "Detector", mutable_ready,
        blurb = "Face detection model (RetinaFace, ONNX): a path, or a file name in the engines \
                 directory. Unset: the best one there")]
    #[property(name = "aligner", get, set, type = Option<String>, member = aligner,
        nick = "Aligner", mutable_ready,
        blurb = "68-point landmark model (ONNX): a path, a file name in the engines directory, \
                 or \"none\". Unset: the best one there, if any")]
    #[property(name = "classifier", get, set, type = Option<String>, member = classifier,
        nick = "Classifier", mutable_ready,
        blurb = "Forgery classification model (M2SD, ONNX): a path, a file name in the engines \
                 directory, several of either separated by commas, which judge together, or \
                 \"none\": faces are followed and not judged. Unset: the best one there, if any")]
    #[property(name = "provider", get, set, type = Provider, member = provider, mutable_ready,
        nick = "Provider",
        blurb = "What runs the models. One that is named and missing is an error",
        builder(Provider::default()))]
    #[property(name = "device", get, set, type = Option<String>, member = device, mutable_ready,
        nick = "Device",
        blurb = "Which of the provider's devices: a number, cpu, gpu or npu, or gpu:1. \
                 Unset: the first")]
    #[property(name = "precision", get, set, type = Precision, member = precision, mutable_ready,
        nick = "Precision",
        blurb = "Arithmetic of the models",
        builder(Precision::default()))]
    #[property(name = "threads", get, set, type = u32, member = threads, mutable_ready,
        maximum = 1024, nick = "Threads",
        blurb = "CPU threads of one run of a model (0 = one for each core)")]
    #[property(name = "detect-interval", get, set, type = u32, member = detect_interval,
        maximum = 1000, mutable_ready, nick = "Detection interval",
        blurb = "Detect faces on every n-th frame (0 = automatic: 1 in complete mode, \
                 2 in live mode)")]
    #[property(name = "detect-size", get, set, type = u32, member = detect_size,
        maximum = 16384, mutable_ready, nick = "Detection size",
        blurb = "Longer side of the detector's input in pixels; larger frames are scaled down \
                 for it (0 = automatic: no limit in complete mode, 640 in live mode)")]
    #[property(name = "detect-threshold", get, set, type = f64, member = detect_threshold,
        minimum = 0.0, maximum = 1.0, default = DEFAULT_DETECT_THRESHOLD, mutable_ready,
        nick = "Detection threshold", blurb = "Lowest detection confidence of a face")]
    #[property(name = "channel-order", get, set, type = ChannelOrderSource, member = channel_order,
         mutable_ready, nick = "Detector channel order",
        blurb = "Order of the colour channels in the detector's input",
        builder(ChannelOrderSource::default()))]
    #[property(name = "max-faces", get, set, type = u32, member = max_faces,
        minimum = 1, maximum = 750, default = DEFAULT_MAX_FACES, mutable_ready,
        nick = "Most faces", blurb = "Most faces followed on one frame, best detections first")]
    #[property(name = "min-face", get, set, type = u32, member = min_face, maximum = 16384,
        mutable_ready, nick = "Smallest face",
        blurb = "Shorter side of the smallest face box that counts, in pixels of the frame \
                 (0 = no limit)")]
    #[property(name = "clip-stride", get, set, type = u32, member = clip_stride, maximum = 10000,
        mutable_ready, nick = "Clip stride",
        blurb = "Frames from the start of one clip to the start of the next, of those that clips \
                 are made of (0 = automatic: 1 in complete mode, half a clip in live mode)")]
    #[property(name = "clip-fps", get, set, type = Option<String>, member = clip_fps,
        mutable_ready, nick = "Frame rate of clips",
        blurb = "Frames a second of which clips are made, of streams that have more: a number; \
                 native: the stream's own, as published; unset or auto: those that the classifier \
                 was trained on, where its .modelinfo says (fps), else native")]
    #[property(name = "batch-size", get, set, type = u32, member = batch_size, mutable_ready,
        minimum = 1, maximum = 64, default = 1, nick = "Batch size",
        blurb = "Most clips, of all faces and of all elements that share the classifier, in one \
                 run; more than 1 pays on a GPU")]
    #[property(name = "batch-timeout", get, set, type = u64, member = batch_timeout,
        maximum = 10_000_000_000, default = DEFAULT_BATCH_TIMEOUT.nseconds(), mutable_ready,
        nick = "Batch timeout",
        blurb = "How long a clip waits for others to share its run, in nanoseconds")]
    #[property(name = "threshold", get, set, type = f64, member = threshold,
        minimum = -1.0, maximum = 1.0, default = MODEL_THRESHOLD, mutable_ready,
        nick = "Threshold",
        blurb = "P(fake) above which a face is called fake (below 0 = that of operating-point)")]
    #[property(name = "operating-point", get, set, type = Option<String>,
        member = operating_point, mutable_ready, nick = "Operating point",
        blurb = "Which of the classifier's thresholds counts: the name of one that m2sd calibrate \
                 has measured, such as fpr-1e-2, or published (unset = the first that was measured, \
                 else the published one, else none, and no verdicts)")]
    #[property(name = "mode", get, set, type = Mode, member = mode, mutable_ready,
        nick = "Delivery mode", blurb = "When a frame leaves",
        builder(Mode::default()))]
    #[property(name = "max-latency", get, set, type = u64, member = max_latency, mutable_ready,
        maximum = 10_000_000_000, default = DEFAULT_MAX_LATENCY.nseconds(),
        nick = "Largest latency",
        blurb = "Time for detection and drawing that the element declares as its latency, in \
                 nanoseconds; complete mode adds one clip")]
    #[property(name = "orientation", get, set, type = OrientationSource, member = orientation,
        mutable_ready, nick = "Orientation",
        blurb = "How frames are turned to be seen upright, for the models only: frames and places \
                 that leave are the stream's own",
        builder(OrientationSource::default()))]
    #[property(name = "landmark-source", get, set, type = LandmarkSource, member = landmark_source,
         mutable_ready, nick = "Alignment points",
        blurb = "Where the five points come from by which clips are aligned",
        builder(LandmarkSource::default()))]
    #[property(name = "on-error", get, set, type = OnError, member = on_error, mutable_ready,
        nick = "On error", blurb = "What happens when a model fails while running",
        builder(OnError::default()))]
    #[property(name = "draw", get, set, type = bool, member = draw, default = true,
        mutable_playing, nick = "Draw",
        blurb = "Draw a box and a label for each face: yellow is fake, cyan real, orange \
                 uncertain, white not to be judged, grey not scored")]
    #[property(name = "post-messages", get, set, type = bool, member = post_messages,
        default = true, mutable_playing, nick = "Post messages",
        blurb = "Tell clips, verdicts and tracks as messages on the bus and as events downstream")]
    /// Lock order: a leaf, held for a copy, a look or a property's assignment.
    settings: Mutex<Settings>,
    pub(super) sinkpad: gst::Pad,
    pub(super) srcpad: gst::Pad,
    pub(super) shared: Arc<Shared>,
    /// The analysis thread, while the element is PAUSED or PLAYING.
    ///
    /// Lock order: held for a swap, and over a cancellation, which waits for nobody.
    worker: Mutex<Option<analysis::Worker>>,
    /// The audio pads, while they are requested.
    ///
    /// Lock order: held for a copy or a swap only.
    audio: Mutex<Option<Arc<AudioPads>>>,
}

impl M2sdFilter {
    /// A copy of all settings, to work with for long.
    pub(in crate::filter) fn settings(&self) -> Settings {
        self.with_settings(Settings::clone)
    }

    /// Reads a setting or two under the lock, for what happens at every frame.
    pub(in crate::filter) fn with_settings<R>(&self, read: impl FnOnce(&Settings) -> R) -> R {
        read(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stats(&self) -> gst::Structure {
        let (frames, clips) = self.shared.output.depths();
        self.shared.stats.structure(frames + self.shared.input.depth(), clips)
    }

    fn worker(&self) -> MutexGuard<'_, Option<analysis::Worker>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::filter) fn audio_slot(&self) -> MutexGuard<'_, Option<Arc<AudioPads>>> {
        self.audio.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::filter) fn audio(&self) -> Option<Arc<AudioPads>> {
        self.audio_slot().clone()
    }

    /// Posts an element error. `error` says what to do.
    pub(in crate::filter) fn post_session_error(&self, error: &SessionError) {
        let text = error.to_string();
        let obj = self.obj();
        match error {
            SessionError::Models(_) => {
                gst::element_error!(obj, gst::ResourceError::NotFound, ("{text}"));
            }
            SessionError::Device(_) | SessionError::ClipFps(_) => {
                gst::element_error!(obj, gst::ResourceError::Settings, ("{text}"));
            }
            _ => gst::element_error!(obj, gst::ResourceError::OpenRead, ("{text}")),
        }
    }

    /// Says early, before any thread starts, what cannot work.
    fn check(&self) -> Result<(), gst::StateChangeError> {
        ModelFiles::check(&self.settings()).map_err(|error| {
            self.post_session_error(&error);
            gst::StateChangeError
        })
    }

    fn start(&self) -> Result<(), gst::StateChangeError> {
        self.shared.start();
        let settings = self.settings();
        if !finding::has_classifier(&settings) {
            // Whoever asks for the latency before a frame has come shall not wait for clips.
            self.shared.change_latency_params(|params| params.clip_frames = 0);
        }
        match analysis::Worker::start(&self.obj(), settings) {
            Ok(worker) => {
                *self.worker() = Some(worker);
                Ok(())
            }
            Err(error) => {
                self.shared.stop();
                gst::element_imp_error!(
                    self,
                    gst::ResourceError::Failed,
                    ("The analysis thread could not be started: {error}")
                );
                Err(gst::StateChangeError)
            }
        }
    }
}

/// The element's two pads with their functions; a panic in one becomes an element error.
fn pads() -> (gst::Pad, gst::Pad) {
    let sink = gst::Pad::builder_from_template(negotiation::sink_template())
        .chain_function(|_, parent, buffer| {
            let failed = || Err(gst::FlowError::Error);
            M2sdFilter::catch_panic_pad_function(parent, failed, |this| this.sink_chain(buffer))
        })
        .event_function(|_, parent, event| {
            M2sdFilter::catch_panic_pad_function(parent, || false, |this| this.sink_event(event))
        })
        .query_function(|_, parent, query| {
            M2sdFilter::catch_panic_pad_function(parent, || false, |this| this.sink_query(query))
        })
        .iterate_internal_links_function(M2sdFilter::internal_links)
        .flags(gst::PadFlags::PROXY_CAPS)
        .build();
    let src = gst::Pad::builder_from_template(negotiation::src_template())
        .event_function(|_, parent, event| {
            M2sdFilter::catch_panic_pad_function(parent, || false, |this| this.src_event(event))
        })
        .query_function(|_, parent, query| {
            M2sdFilter::catch_panic_pad_function(parent, || false, |this| this.src_query(query))
        })
        .activatemode_function(|_, parent, mode, active| {
            let failed = || Err(gst::loggable_error!(CAT, "Panic while activating"));
            M2sdFilter::catch_panic_pad_function(parent, failed, |this| {
                this.src_activate_mode(mode, active)
            })
        })
        .iterate_internal_links_function(M2sdFilter::internal_links)
        .flags(gst::PadFlags::PROXY_CAPS)
        .build();
    (sink, src)
}

#[glib::object_subclass]
impl ObjectSubclass for M2sdFilter {
    const NAME: &'static str = "GstM2sdFilter";
    type Type = crate::filter::M2sdFilter;
    type ParentType = gst::Element;

    fn new() -> Self {
        let (sinkpad, srcpad) = pads();
        Self {
            settings: Mutex::default(),
            sinkpad,
            srcpad,
            shared: Arc::default(),
            worker: Mutex::default(),
            audio: Mutex::default(),
        }
    }
}

impl ObjectImpl for M2sdFilter {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            // Boxed structures are beyond the derive.
            let stats = glib::ParamSpecBoxed::builder::<gst::Structure>(STATS)
                .nick("Statistics")
                .blurb("Counters since the element left READY, queue depths and latencies")
                .read_only()
                .build();
            M2sdFilter::derived_properties().iter().cloned().chain([stats]).collect()
        });
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.derived_set_property(id, value, pspec);
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == STATS {
            return self.stats().to_value();
        }
        self.derived_property(id, pspec)
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        for pad in [&self.sinkpad, &self.srcpad] {
            if let Err(error) = obj.add_pad(pad) {
                gst::error!(CAT, imp = self, "Cannot add pad {}: {error}", pad.name());
            }
        }
    }
}

impl GstObjectImpl for M2sdFilter {}

impl ElementImpl for M2sdFilter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Forged face detector",
                "Filter/Analyzer/Video",
                "Follows the faces in a video and tells whether they are forged (M2SD)",
                "The m2sdfilter authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        negotiation::pad_templates()
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        // The only one that can be requested.
        if template.presence() == gst::PadPresence::Request { self.request_audio() } else { None }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.release_audio(pad);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => self.check()?,
            gst::StateChange::ReadyToPaused => self.start()?,
            // Wakes every thread that waits, so that the pads can be deactivated.
            gst::StateChange::PausedToReady => {
                self.shared.stop();
                if let Some(worker) = &*self.worker() {
                    worker.cancel();
                }
                if let Some(audio) = self.audio() {
                    audio.close();
                }
            }
            _ => {}
        }
        let result = self.parent_change_state(transition);
        let stopped = transition == gst::StateChange::PausedToReady
            || (transition == gst::StateChange::ReadyToPaused && result.is_err());
        if stopped {
            self.shared.stop();
            let worker = self.worker().take();
            // Joins outside the lock.
            drop(worker);
        }
        result
    }
}
