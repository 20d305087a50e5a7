//! The pair of audio pads: request and release, chain, events, queries, the task.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::ingest::AudioIngest;
use super::queue::{AudioQueue, Item};
use crate::filter::debug::CAT;
use crate::filter::imp::M2sdFilter;
use crate::filter::input::negotiation;
use crate::filter::input::queue::PendingQuery;
use crate::filter::pad_task;

/// What the queue holds beyond the latency of the video: a demuxer may push the audio of as much
/// video in one go.
const SLACK: Duration = Duration::from_secs(1);

/// `audio_sink` and `audio_src`, from their request to their release.
pub struct AudioPads {
    pub sink: gst::Pad,
    pub src: gst::Pad,
    queue: AudioQueue,
    /// Used in upstream's thread only.
    ///
    /// Lock order: before [`super::AudioHistory`], which the ingest fills; nothing is pushed while it is held.
    ingest: Mutex<AudioIngest>,
}

impl AudioPads {
    /// `None` if there are no templates, which registering has ruled out.
    fn new() -> Option<Self> {
        Some(Self {
            sink: sink_pad(negotiation::audio_sink_template()?),
            src: src_pad(negotiation::audio_src_template()?),
            queue: AudioQueue::default(),
            ingest: Mutex::default(),
        })
    }

    fn with_ingest<R>(&self, listen: impl FnOnce(&mut AudioIngest) -> R) -> R {
        // A panic leaves wrong samples at worst.
        listen(&mut self.ingest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes all who wait in these pads, and lets nothing in until the source pad is activated.
    pub fn close(&self) {
        self.queue.close();
    }

    /// The pad on the other side of the element.
    pub fn other(&self, pad: &gst::Pad) -> Option<&gst::Pad> {
        match pad {
            pad if *pad == self.sink => Some(&self.src),
            pad if *pad == self.src => Some(&self.sink),
            _ => None,
        }
    }
}

fn sink_pad(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .name(negotiation::AUDIO_SINK)
        .chain_function(|_, parent, buffer| {
            let failed = || Err(gst::FlowError::Error);
            M2sdFilter::catch_panic_pad_function(parent, failed, |this| this.audio_chain(buffer))
        })
        .event_function(|_, parent, event| {
            M2sdFilter::catch_panic_pad_function(
                parent,
                || false,
                |this| this.audio_sink_event(event),
            )
        })
        .query_function(|_, parent, query| {
            M2sdFilter::catch_panic_pad_function(
                parent,
                || false,
                |this| this.audio_sink_query(query),
            )
        })
        .iterate_internal_links_function(M2sdFilter::internal_links)
        .flags(gst::PadFlags::PROXY_CAPS)
        .build()
}

fn src_pad(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .name(negotiation::AUDIO_SRC)
        .event_function(|_, parent, event| {
            M2sdFilter::catch_panic_pad_function(
                parent,
                || false,
                |this| this.audio().is_some_and(|audio| audio.sink.push_event(event)),
            )
        })
        .query_function(|_, parent, query| {
            M2sdFilter::catch_panic_pad_function(
                parent,
                || false,
                |this| this.audio_src_query(query),
            )
        })
        .activatemode_function(|_, parent, mode, active| {
            // Without a parent it is being added to a running element, which starts the task.
            if parent.is_none() {
                return Ok(());
            }
            let failed = || Err(gst::loggable_error!(CAT, "Panic while activating"));
            M2sdFilter::catch_panic_pad_function(parent, failed, |this| {
                this.audio_src_activate_mode(mode, active)
            })
        })
        .iterate_internal_links_function(M2sdFilter::internal_links)
        .flags(gst::PadFlags::PROXY_CAPS)
        .build()
}

impl M2sdFilter {
    /// Which pads events and queries of `pad` may reach: that of the same medium.
    pub(in crate::filter) fn internal_links(
        pad: &gst::Pad,
        parent: Option<&gst::Object>,
    ) -> gst::Iterator<gst::Pad> {
        let other = M2sdFilter::catch_panic_pad_function(
            parent,
            || None,
            |this| match pad {
                pad if *pad == this.sinkpad => Some(this.srcpad.clone()),
                pad if *pad == this.srcpad => Some(this.sinkpad.clone()),
                pad => this.audio()?.other(pad).cloned(),
            },
        );
        gst::Iterator::from_vec(other.into_iter().collect())
    }

    /// Adds the pair of audio pads. `None`: they are there already.
    pub(in crate::filter) fn request_audio(&self) -> Option<gst::Pad> {
        let audio = Arc::new(AudioPads::new()?);
        {
            let mut slot = self.audio_slot();
            if slot.is_some() {
                gst::warning!(CAT, imp = self, "There is one {} already", negotiation::AUDIO_SINK);
                return None;
            }
            *slot = Some(Arc::clone(&audio));
        }
        self.shared.audio.attach(&audio.sink);
        let obj = self.obj();
        let running = obj.current_state().max(obj.pending_state()) >= gst::State::Paused;
        for pad in [&audio.src, &audio.sink] {
            if running && let Err(error) = pad.set_active(true) {
                gst::error!(CAT, imp = self, "Cannot activate {}: {error}", pad.name());
            }
            if let Err(error) = obj.add_pad(pad) {
                gst::error!(CAT, imp = self, "Cannot add pad {}: {error}", pad.name());
            }
        }
        if running && let Err(error) = self.start_audio(&audio) {
            gst::error!(CAT, imp = self, "Cannot start the audio task: {error}");
        }
        Some(audio.sink.clone())
    }

    /// Removes the pair of audio pads, also while data flows. What is in the queue is dropped; a
    /// buffer that downstream is taking at this moment is waited for.
    pub(in crate::filter) fn release_audio(&self, pad: &gst::Pad) {
        let released = self.audio_slot().take_if(|audio| audio.sink == *pad);
        let Some(audio) = released else { return };
        self.shared.audio.detach();
        audio.close();
        // The chain function has no more to wait for; what it is asked next is answered "flushing".
        let stopped = [audio.sink.set_active(false), audio.src.set_active(false)];
        // The pads' functions do not find each other any more, so the task is stopped here.
        if stopped.iter().any(Result::is_err) || audio.src.stop_task().is_err() {
            gst::warning!(CAT, imp = self, "The audio pads could not be stopped");
        }
        for pad in [&audio.sink, &audio.src] {
            if let Err(error) = self.obj().remove_pad(pad) {
                gst::warning!(CAT, imp = self, "Cannot remove pad {}: {error}", pad.name());
            }
        }
    }

    /// How much audio may wait: what plays while video takes its declared time, and slack.
    fn audio_capacity(&self) -> Duration {
        let max_latency = self.with_settings(|settings| settings.max_latency);
        let budget = gst::ClockTime::from_nseconds(max_latency);
        Duration::from(self.shared.latency_params().latency(budget)) + SLACK
    }

    fn audio_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let audio = self.audio().ok_or(gst::FlowError::Flushing)?;
        let plays = audio.with_ingest(|ingest| {
            ingest.hear(&buffer, &self.shared.audio);
            ingest.duration(&buffer)
        });
        audio.queue.push(Item::Buffer(buffer, plays), self.audio_capacity())?;
        Ok(gst::FlowSuccess::Ok)
    }

    fn audio_sink_event(&self, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "Audio event {event:?}");
        let Some(audio) = self.audio() else { return false };
        match event.view() {
            gst::EventView::FlushStart(_) => {
                audio.queue.close();
                let pushed = audio.src.push_event(event);
                // Fails only when the task is not there, which is what is wanted.
                let _ = audio.src.pause_task();
                pushed
            }
            gst::EventView::FlushStop(_) => {
                let pushed = audio.src.push_event(event);
                audio.with_ingest(AudioIngest::flush);
                self.shared.audio.restart();
                self.start_audio(&audio).is_ok() && pushed
            }
            _ if event.is_serialized() => {
                let plays = self.hear_event(&audio, &event);
                audio.queue.push(Item::Event(event, plays), self.audio_capacity()).is_ok()
            }
            _ => audio.src.push_event(event),
        }
    }

    /// Takes what the ingest must know from an event; returns the time for which the event stands.
    fn hear_event(&self, audio: &AudioPads, event: &gst::Event) -> Duration {
        let history = &self.shared.audio;
        audio.with_ingest(|ingest| match event.view() {
            gst::EventView::Caps(caps) => ingest.set_caps(caps.caps(), history),
            gst::EventView::Segment(segment) => ingest.set_segment(segment.segment()),
            gst::EventView::Gap(gap) => ingest.gap(gap, history),
            gst::EventView::Eos(_) => {
                ingest.end_run(history);
                history.end();
            }
            _ => {}
        });
        match event.view() {
            gst::EventView::Gap(gap) => gap.get().1.map_or(Duration::ZERO, Duration::from),
            _ => Duration::ZERO,
        }
    }

    fn audio_sink_query(&self, query: &mut gst::QueryRef) -> bool {
        let Some(audio) = self.audio() else { return false };
        if !query.is_serialized() {
            return gst::Pad::query_default(&audio.sink, Some(&*self.obj()), query);
        }
        // As for video: the task gives the turn, upstream's thread asks.
        let (turn, wait) = sync_channel(1);
        let item = Item::Query(PendingQuery { turn, closes_windows: false });
        let in_turn = audio.queue.push(item, Duration::ZERO).is_ok() && wait.recv().is_ok();
        in_turn && audio.src.peer_query(query)
    }

    fn audio_src_query(&self, query: &mut gst::QueryRef) -> bool {
        let Some(audio) = self.audio() else { return false };
        let gst::QueryViewMut::Latency(latency) = query.view_mut() else {
            return gst::Pad::query_default(&audio.src, Some(&*self.obj()), query);
        };
        let mut upstream = gst::query::Latency::new();
        if !audio.sink.peer_query(&mut upstream) {
            return false;
        }
        // Nothing is added, and much can be kept back: for as long as the video is.
        let (live, min, max) = upstream.result();
        let capacity = gst::ClockTime::try_from(self.audio_capacity()).unwrap_or_default();
        latency.set(live, min, max.map(|max| max.saturating_add(capacity)));
        true
    }

    fn audio_src_activate_mode(
        &self,
        mode: gst::PadMode,
        active: bool,
    ) -> Result<(), gst::LoggableError> {
        if mode != gst::PadMode::Push {
            return Err(gst::loggable_error!(CAT, "Only push mode is supported"));
        }
        // A pad that is being released has nothing to start or stop here.
        let Some(audio) = self.audio() else { return Ok(()) };
        if active {
            audio.with_ingest(|ingest| *ingest = AudioIngest::default());
            audio.queue.forget();
            self.shared.audio.restart();
            return self.start_audio(&audio).map_err(|e| gst::loggable_error!(CAT, "{e}"));
        }
        audio.queue.close();
        audio.src.stop_task().map_err(|e| gst::loggable_error!(CAT, "{e}"))
    }

    /// Lets data in, and starts, or resumes after a flush, the task of the audio source pad.
    fn start_audio(&self, audio: &Arc<AudioPads>) -> Result<(), glib::BoolError> {
        for event in audio.queue.open() {
            // The pad sends it before the next buffer. Fails while the pad is not active.
            let _ = audio.src.store_sticky_event(&event);
        }
        pad_task::start_or_resume(&audio.src, || {
            let element = self.obj().downgrade();
            let weak = Arc::downgrade(audio);
            move || {
                let upgraded = (element.upgrade(), weak.upgrade());
                let (Some(element), Some(audio)) = upgraded else { return };
                let deliver = |this: &Self| this.deliver_audio(&audio);
                if !element.imp().catch_panic(|| false, deliver) {
                    // Fails only when the pad is being deactivated, which ends the task as well.
                    let _ = audio.src.pause_task();
                }
            }
        })
    }

    /// Waits for the next item and sends it on. `false`: there is nothing more to do.
    fn deliver_audio(&self, audio: &AudioPads) -> bool {
        match audio.queue.pop() {
            None => return false,
            Some(Item::Event(event, _)) => {
                audio.src.push_event(event);
            }
            Some(Item::Query(query)) => {
                // Upstream may have given up waiting.
                let _ = query.turn.send(());
            }
            Some(Item::Buffer(buffer, _)) => match audio.src.push(buffer) {
                // Nobody plays it, but the clips still have their sound.
                Ok(_) | Err(gst::FlowError::NotLinked) => {}
                Err(error) => {
                    gst::debug!(CAT, imp = self, "Downstream of the audio returned {error}");
                    if error != gst::FlowError::Flushing {
                        audio.queue.fail(error);
                    }
                    return false;
                }
            },
        }
        true
    }
}
