//! The queue from upstream's audio thread to the audio source pad's task, bounded in time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::filter::input::queue::PendingQuery;

pub enum Item {
    /// With the time that it plays.
    Buffer(gst::Buffer, Duration),
    /// With the time that it stands for, if it is a gap.
    Event(gst::Event, Duration),
    Query(PendingQuery),
}

impl Item {
    fn duration(&self) -> Duration {
        match self {
            Self::Buffer(_, duration) | Self::Event(_, duration) => *duration,
            Self::Query(_) => Duration::ZERO,
        }
    }
}

impl Item {
    /// The event, if it is one that a flush leaves in force.
    fn outlives_flush(&self) -> Option<&gst::Event> {
        let Self::Event(event, _) = self else { return None };
        let ended = [gst::EventType::Segment, gst::EventType::Eos].contains(&event.type_());
        (event.is_sticky() && !ended).then_some(event)
    }
}

/// Also buffers and gaps of no duration must not pile up without end.
const MAX_ITEMS: usize = 1 << 16;

struct State {
    items: VecDeque<Item>,
    queued: Duration,
    /// Nothing is taken in, and nothing waits. Holds from the start, until the pad is activated.
    closed: bool,
    /// Why downstream takes nothing more.
    failed: Option<gst::FlowError>,
    /// Sticky events that a flush found here, in order.
    kept: Vec<gst::Event>,
}

/// Lock order: a leaf, like [`crate::filter::input::queue::InputQueue`].
pub struct AudioQueue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for AudioQueue {
    fn default() -> Self {
        let state = State {
            items: VecDeque::new(),
            queued: Duration::ZERO,
            closed: true,
            failed: None,
            kept: Vec::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl AudioQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is a plain queue, whole at every instruction that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item; one that plays waits while `capacity` or more is in.
    pub fn push(&self, item: Item, capacity: Duration) -> Result<(), gst::FlowError> {
        let duration = item.duration();
        let waits = matches!(item, Item::Buffer(..)) || !duration.is_zero();
        let full = |s: &mut State| {
            let is_full = s.queued >= capacity || s.items.len() >= MAX_ITEMS;
            waits && is_full && !s.closed && s.failed.is_none()
        };
        let waited = self.changed.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = state.failed {
            return Err(failed);
        }
        if state.closed {
            return Err(gst::FlowError::Flushing);
        }
        state.queued += duration;
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The next item, waiting for one. `None`: closed, or downstream takes nothing more.
    pub fn pop(&self) -> Option<Item> {
        let empty = |s: &mut State| s.items.is_empty() && !s.closed && s.failed.is_none();
        let waited = self.changed.wait_while(self.lock(), empty);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.failed.is_some() {
            return None;
        }
        let item = state.items.pop_front()?;
        state.queued = state.queued.saturating_sub(item.duration());
        drop(state);
        self.changed.notify_all();
        Some(item)
    }

    /// Takes items. Returns the events that flushes found in the queue and that describe the
    /// stream beyond them: upstream does not send them again.
    pub fn open(&self) -> Vec<gst::Event> {
        let mut kept = Vec::new();
        self.clear(|s| {
            (s.closed, s.failed) = (false, None);
            kept = std::mem::take(&mut s.kept);
        });
        kept
    }

    /// Drops everything and wakes everyone, until [`Self::open`].
    pub fn close(&self) {
        self.clear(|s| s.closed = true);
    }

    /// Downstream takes nothing more: upstream hears it with its next item.
    pub fn fail(&self, error: gst::FlowError) {
        self.clear(|s| s.failed = Some(error));
    }

    /// Forgets what flushes found.
    pub fn forget(&self) {
        self.lock().kept.clear();
    }

    fn clear(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let dropped = std::mem::take(&mut state.items);
        state.kept.extend(dropped.iter().filter_map(Item::outlives_flush).cloned());
        state.queued = Duration::ZERO;
        change(&mut state);
        drop(state);
        self.changed.notify_all();
        // Releasing a buffer may call into its pool: not under the lock.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn buffer() -> Item {
        Item::Buffer(gst::Buffer::new(), SECOND)
    }

    fn eos() -> Item {
        Item::Event(gst::event::Eos::new(), Duration::ZERO)
    }

    #[test]
    fn events_never_wait_and_a_buffer_waits_for_room() {
        gst::init().unwrap();
        let queue = AudioQueue::default();
        assert_eq!(queue.push(buffer(), SECOND), Err(gst::FlowError::Flushing), "not open");
        queue.open();
        queue.push(buffer(), SECOND).unwrap();
        queue.push(eos(), SECOND).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.push(buffer(), SECOND));
            assert!(matches!(queue.pop(), Some(Item::Buffer(..))));
            waiting.join().unwrap().unwrap();
        });
        assert!(matches!(queue.pop(), Some(Item::Event(..))));
        assert!(matches!(queue.pop(), Some(Item::Buffer(..))));
    }

    #[test]
    fn closing_and_failing_wake_everyone() {
        gst::init().unwrap();
        let queue = AudioQueue::default();
        queue.open();
        std::thread::scope(|scope| {
            let popping = scope.spawn(|| queue.pop());
            queue.close();
            assert!(popping.join().unwrap().is_none());
        });
        queue.open();
        queue.push(buffer(), SECOND).unwrap();
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| queue.push(buffer(), SECOND));
            queue.fail(gst::FlowError::Eos);
            assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Eos));
        });
        assert!(queue.pop().is_none());
    }
}
