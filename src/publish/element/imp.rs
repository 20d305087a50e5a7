/**
 * SECTION:element-m2sdpublish
 *
 * Sends what `m2sdfilter` tells, upstream of it, as events: clips, verdicts, tracks and alerts, to a
 * file, a webhook, or a message broker. Frames pass untouched, and never wait for a receiver: events
 * lie in a durable spool until it has them.
 *
 * ## Example
 *
 * ```sh
 * gst-launch-1.0 videotestsrc num-buffers=60 ! m2sdfilter classifier=none ! \
 *   m2sdpublish uri=file:///tmp/events.jsonl camera=door ! fakesink
 * ```
 */
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glib::Properties;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::BaseTransformMode;
use gst_base::subclass::prelude::*;

use super::session::{Session, Settings, StartError};
use crate::events::sinks::shown;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("m2sdpublish", gst::DebugColorFlags::empty(), Some("m2sdpublish"))
});

const STATS: &str = "stats";

/// How long the stop waits for the receiver, where the property says nothing else.
const DEFAULT_GRACE_MS: u32 = 2000;

#[derive(Properties)]
#[properties(wrapper_type = super::M2sdPublish)]
pub struct M2sdPublish {
    #[property(name = "uri", set, get = Self::shown_uri, type = String, member = uri, nick = "URI",
        blurb = "Where events go: file:///…, http(s)://…, mqtt(s)://…, nats(s)://…, kafka://…; reads \
            back without passwords")]
    #[property(name = "camera", get, set, type = Option<String>, member = camera, nick = "Camera",
        blurb = "The camera's id in events; the element's name where it is not set")]
    #[property(name = "spool-dir", get, set, type = Option<String>, member = spool_dir,
        nick = "Spool folder",
        blurb = "Where events wait until the receiver has them; a folder in $XDG_STATE_HOME/m2sd \
            where it is not set")]
    #[property(name = "instance", get, set, type = Option<String>, member = instance,
        nick = "Instance",
        blurb = "The name of this process in events; the host's name where it is not set")]
    settings: Mutex<Settings>,
    #[property(name = "stop-timeout", get, set, minimum = 0, maximum = 600_000,
        default = DEFAULT_GRACE_MS, nick = "Stop time-out",
        blurb = "Milliseconds for which a stop waits for the receiver; what it has not got by then \
            is sent after the next start")]
    stop_timeout: Mutex<u32>,
    session: Mutex<Option<Session>>,
}

impl Default for M2sdPublish {
    fn default() -> Self {
        let stop_timeout = Mutex::new(DEFAULT_GRACE_MS);
        Self { settings: Mutex::default(), stop_timeout, session: Mutex::default() }
    }
}

impl M2sdPublish {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A leaf lock: nothing under it waits or calls out of the element, but for the clock's time.
    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown_uri(&self) -> String {
        shown(&self.settings().uri)
    }

    fn stats(&self) -> gst::Structure {
        let stats = self.session().as_ref().map(Session::stats).unwrap_or_default();
        let sink = stats.sinks.into_iter().next().unwrap_or_default();
        gst::Structure::builder("application/x-m2sdpublish-stats")
            .field("delivered", sink.delivered)
            .field("waiting", sink.depth + stats.queued as u64)
            .field("dropped", sink.dropped)
            .field("refused", stats.refused)
            .field("failures", sink.failures)
            .field("last-error", sink.last_error.unwrap_or_default())
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for M2sdPublish {
    const NAME: &'static str = "GstM2sdPublish";
    type Type = super::M2sdPublish;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for M2sdPublish {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let stats = glib::ParamSpecBoxed::builder::<gst::Structure>(STATS)
                .nick("Statistics")
                .blurb(
                    "Events: delivered, waiting, dropped, refused; of the receiver: failures, \
                     last-error",
                )
                .read_only()
                .build();
            M2sdPublish::derived_properties().iter().cloned().chain([stats]).collect()
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
}

impl GstObjectImpl for M2sdPublish {}

impl ElementImpl for M2sdPublish {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Events of forged faces",
                "Filter/Metadata/Network",
                "Sends what m2sdfilter tells, upstream of it, to a file, a webhook or a broker",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::new_any();
            let template = |name, direction| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
            };
            let pads = [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)];
            // Fails for unknown names of pads only.
            pads.into_iter()
                .filter_map(|(name, direction)| template(name, direction).ok())
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for M2sdPublish {
    const MODE: BaseTransformMode = BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings().clone();
        let session =
            Session::start(&settings, &self.obj().name()).map_err(|error| match error {
                StartError::NoUri | StartError::Camera(_) | StartError::Sink(_) => {
                    gst::error_msg!(gst::ResourceError::Settings, ("{error}"))
                }
                StartError::NoStateFolder | StartError::Spool(_) => {
                    gst::error_msg!(gst::ResourceError::OpenReadWrite, ("{error}"))
                }
            })?;
        gst::debug!(CAT, imp = self, "Sending to {}", shown(&settings.uri));
        *self.session() = Some(session);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let session = self.session().take();
        let grace = *self.stop_timeout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = session {
            session.stop(Duration::from_millis(u64::from(grace)));
        }
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if let Some(session) = self.session().as_mut() {
            session.event(&event, self.obj().upcast_ref());
        }
        self.parent_sink_event(event)
    }

    fn transform_ip_passthrough(
        &self,
        buffer: &gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Some(session) = self.session().as_mut() {
            session.frame(buffer);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}
