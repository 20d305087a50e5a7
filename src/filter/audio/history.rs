//! What was heard, by running time, for those who make clips.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::core::audio::{ClipAudio, Loudness, SampleRing};
use crate::core::span::Span;

/// How much sound is remembered: the longest clips, and what audio may be ahead of video. 3.8 MB,
/// once there is sound.
const HISTORY: Duration = Duration::from_secs(60);

/// How long a clip waits for its sound.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub most: Duration,
    /// Begin anew whenever sound comes: for streams that nobody watches live, whose audio may be
    /// any time behind, as long as it does come.
    pub from_newest: bool,
}

/// Changes with every [`AudioHistory::interrupt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

struct State {
    ring: SampleRing,
    /// The audio sink pad, from its request to its release.
    pad: Option<glib::WeakRef<gst::Pad>>,
    /// Nothing more comes: EOS.
    ended: bool,
    /// When sound came last.
    newest: Option<Instant>,
    epoch: Epoch,
}

/// See the module's text.
///
/// Lock order: `AudioHistory` is a leaf, like [`crate::filter::input::queue::InputQueue`]: held for copying samples.
pub struct AudioHistory {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for AudioHistory {
    fn default() -> Self {
        let state = State {
            ring: SampleRing::new(HISTORY),
            pad: None,
            ended: false,
            newest: None,
            epoch: Epoch(0),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl AudioHistory {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while samples are copied leaves wrong samples at worst.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// There is an audio pad from now on.
    pub fn attach(&self, pad: &gst::Pad) {
        let pad = pad.downgrade();
        self.change(|s| s.pad = Some(pad));
        self.restart();
    }

    pub fn detach(&self) {
        self.change(|s| s.pad = None);
        self.restart();
    }

    pub fn is_attached(&self) -> bool {
        self.lock().pad.is_some()
    }

    /// Forgets everything: a flush, or another run.
    pub fn restart(&self) {
        self.change(|s| {
            s.ring.clear();
            s.ended = false;
            s.newest = None;
        });
    }

    /// Sound that begins at this running time.
    pub fn hear(&self, time_ns: u64, samples: &[f32]) {
        self.change(|s| {
            s.ring.push(time_ns, samples);
            s.ended = false;
            s.newest = Some(Instant::now());
        });
    }

    /// There is no sound up to this running time.
    pub fn skip(&self, time_ns: u64) {
        self.change(|s| {
            s.ring.advance(time_ns);
            s.newest = Some(Instant::now());
        });
    }

    /// Nothing more comes.
    pub fn end(&self) {
        self.change(|s| s.ended = true);
    }

    /// The sound of an interval, as far as it was heard; `None` without an audio pad.
    pub fn clip(&self, span: Span) -> Option<ClipAudio> {
        let state = self.lock();
        state.pad.as_ref()?;
        Some(state.ring.clip(span))
    }

    /// How loud an interval was; `None` without an audio pad.
    pub fn loudness(&self, span: Span) -> Option<Loudness> {
        let state = self.lock();
        state.pad.as_ref()?;
        Some(state.ring.loudness(span))
    }

    /// The present epoch, for [`Self::await_sound`].
    pub fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    /// Ends all waiting for sound that began in the present epoch.
    pub fn interrupt(&self) {
        self.change(|s| s.epoch.0 += 1);
    }

    /// Waits until everything before `until_ns` was heard, nothing more can come, `since` plus the
    /// patience has passed, or the epoch is over.
    pub fn await_sound(&self, until_ns: u64, since: Instant, patience: Patience, epoch: Epoch) {
        loop {
            let pad = self.lock().pad.as_ref().and_then(glib::WeakRef::upgrade);
            // Asking the pad takes its lock, so ours is not held.
            let linked = pad.is_some_and(|pad| pad.is_linked());
            let state = self.lock();
            if !linked || state.ended || state.epoch != epoch || state.ring.reaches(until_ns) {
                return;
            }
            let start = match state.newest {
                Some(newest) if patience.from_newest => newest.max(since),
                _ => since,
            };
            let left = (start + patience.most).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // Poisoned or timed out: the next round finds out what holds.
            drop(self.changed.wait_timeout(state, left));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    const FOREVER: Patience = Patience { most: Duration::from_secs(3600), from_newest: false };

    /// A history with a linked pad. The second pad must be kept.
    fn history() -> (Arc<AudioHistory>, gst::Pad, gst::Pad) {
        gst::init().unwrap();
        let (src, sink) =
            (gst::Pad::new(gst::PadDirection::Src), gst::Pad::new(gst::PadDirection::Sink));
        src.link(&sink).unwrap();
        let history = Arc::new(AudioHistory::default());
        history.attach(&sink);
        (history, src, sink)
    }

    /// Whether waiting for the first millisecond ends after `event`, and not before.
    fn ends_with(event: impl FnOnce(&AudioHistory)) {
        let (history, _src, _sink) = history();
        let (begun, begin) = channel();
        let (done, end) = channel();
        let waiter = {
            let history = Arc::clone(&history);
            let epoch = history.epoch();
            std::thread::spawn(move || {
                begun.send(()).unwrap();
                history.await_sound(1_000_000, Instant::now(), FOREVER, epoch);
                done.send(()).unwrap();
            })
        };
        begin.recv().unwrap();
        assert!(end.try_recv().is_err(), "nothing has happened yet");
        event(&history);
        end.recv_timeout(Duration::from_secs(60)).expect("still waiting");
        waiter.join().unwrap();
    }

    #[test]
    fn waiting_ends_with_the_sound_its_end_or_an_interruption() {
        ends_with(|history| history.hear(0, &[0.0; 16]));
        ends_with(AudioHistory::end);
        ends_with(AudioHistory::interrupt);
        ends_with(AudioHistory::detach);
    }

    #[test]
    fn nobody_waits_where_nothing_can_come_or_time_is_up() {
        let (history, src, sink) = history();
        let none = Patience { most: Duration::ZERO, from_newest: true };
        history.await_sound(1, Instant::now(), none, history.epoch());
        src.unlink(&sink).unwrap();
        history.await_sound(1, Instant::now(), FOREVER, history.epoch());
        history.detach();
        assert!(!history.is_attached());
        history.await_sound(1, Instant::now(), FOREVER, history.epoch());
        let span = Span { start_ns: 0, end_ns: 1_000_000 };
        assert!(history.clip(span).is_none() && history.loudness(span).is_none());
    }
}
