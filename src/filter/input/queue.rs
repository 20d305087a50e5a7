//! The queue from upstream's thread to the analysis thread: buffers, events and queries in order.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::filter::generation::Generation;

/// A serialised query's place in the stream. Upstream's thread holds the query itself and goes on
/// when it hears its turn; if this is dropped unheard (a flush), it gives up.
pub struct PendingQuery {
    pub turn: SyncSender<()>,
    /// It waits for all frames ahead, so these must not wait for frames behind; without this, it
    /// waits for the caps ahead only.
    pub closes_windows: bool,
}

pub enum Input {
    Frame {
        buffer: gst::Buffer,
        /// When upstream handed it over.
        arrived: Instant,
    },
    Event(gst::Event),
    Query(PendingQuery),
}

/// Buffers that may wait for the analysis thread. Few: upstream's pool may be small.
pub const MAX_BUFFERS: usize = 2;

#[derive(Default)]
struct State {
    items: VecDeque<(Generation, Input)>,
    buffers: usize,
    /// Set between FLUSH_START and FLUSH_STOP: nothing is taken in.
    flushing: bool,
    /// Set while the element is stopped: the analysis thread ends.
    stopped: bool,
}

/// See the module's text.
///
/// Lock order: `InputQueue` is a leaf. No other lock is taken, nothing is pushed, and no query, message
/// or engine runs while it is held.
#[derive(Default)]
pub struct InputQueue {
    state: Mutex<State>,
    changed: Condvar,
}

impl InputQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is a plain queue, whole at every instruction that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, waiting while too many buffers are in. An error means flushing or stopped.
    pub fn push(&self, generation: Generation, item: Input) -> Result<(), gst::FlowError> {
        let is_buffer = matches!(item, Input::Frame { .. });
        let full =
            |s: &mut State| is_buffer && s.buffers >= MAX_BUFFERS && !s.flushing && !s.stopped;
        let waited = self.changed.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.flushing || state.stopped {
            return Err(gst::FlowError::Flushing);
        }
        state.buffers += usize::from(is_buffer);
        state.items.push_back((generation, item));
        self.changed.notify_all();
        Ok(())
    }

    /// The next item, waiting for one. `None`: the element stops.
    pub fn pop(&self) -> Option<(Generation, Input)> {
        let empty = |s: &mut State| s.items.is_empty() && !s.stopped;
        let waited = self.changed.wait_while(self.lock(), empty);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        let (generation, item) = state.items.pop_front()?;
        state.buffers -= usize::from(matches!(item, Input::Frame { .. }));
        self.changed.notify_all();
        Some((generation, item))
    }

    /// Buffers that wait.
    pub fn depth(&self) -> usize {
        self.lock().buffers
    }

    /// Drops everything and refuses more until [`Self::flush_stop`].
    pub fn flush_start(&self) {
        self.clear(|state| state.flushing = true);
    }

    pub fn flush_stop(&self) {
        self.clear(|state| state.flushing = false);
    }

    /// Lets items in after [`Self::stop`].
    pub fn start(&self) {
        self.clear(|state| *state = State::default());
    }

    /// Drops everything, refuses more and ends the analysis thread.
    pub fn stop(&self) {
        self.clear(|state| state.stopped = true);
    }

    fn clear(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let dropped = std::mem::take(&mut state.items);
        state.buffers = 0;
        change(&mut state);
        drop(state);
        self.changed.notify_all();
        // Releasing a buffer may call into its pool: not under the lock.
        drop(dropped);
    }
}
