//! One stream's way into a pool, and out of it.

use std::sync::{Arc, PoisonError};

use super::{ClipJob, Pool, Refused, Shared, State, Ticket};

/// One stream's place in a pool. Dropping it discards its jobs.
pub struct Submitter {
    pool: Arc<Pool>,
    canceller: Canceller,
}

/// Flushes and closes a [`Submitter`] from any thread, at any time; also while another one waits in
/// [`Submitter::submit`], and after the submitter or the pool is gone. Never waits itself, and keeps
/// no pool alive.
#[derive(Clone)]
pub struct Canceller {
    shared: Arc<Shared>,
    lane: u64,
}

impl Submitter {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        let mut state = pool.shared.state();
        state.next_id += 1;
        let lane = state.next_id;
        state.lanes.insert(lane, super::Lane::default());
        drop(state);
        let canceller = Canceller { shared: Arc::clone(&pool.shared), lane };
        Self { pool, canceller }
    }

    /// Where its clips go.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// A handle for the threads that stop and flush.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    fn shared(&self) -> &Shared {
        &self.canceller.shared
    }

    /// How many of this submitter's clips wait, the one in flight not counted.
    pub fn waiting(&self) -> usize {
        let lane = self.canceller.lane;
        self.shared().state().lanes.get(&lane).map_or(0, |lane| lane.waiting.len())
    }

    /// Queues a job if there is room.
    ///
    /// # Errors
    /// [`Refused::Full`] with the job, [`Refused::Closed`].
    pub fn try_submit(&self, job: ClipJob) -> Result<(), Refused> {
        let shared = self.shared();
        let mut state = shared.state();
        if state.ended {
            return Err(Refused::Closed);
        }
        match state.lanes.get_mut(&self.canceller.lane) {
            Some(lane) if !lane.is_full(shared.options) => {
                lane.push(job);
                shared.work.notify_one();
                Ok(())
            }
            _ => Err(Refused::Full(Box::new(job))),
        }
    }

    /// What jobs are submitted with until the next flush: whoever makes them may learn of the flush
    /// later than whoever flushes.
    pub fn ticket(&self) -> Ticket {
        let state = self.shared().state();
        Ticket(state.lanes.get(&self.canceller.lane).map_or(0, |lane| lane.generation))
    }

    /// Queues a job, waiting for room.
    ///
    /// # Errors
    /// [`Refused::Flushed`] when this submitter was flushed since the ticket was taken, or is
    /// meanwhile; [`Refused::Closed`].
    pub fn submit(&self, job: ClipJob, ticket: Ticket) -> Result<(), Refused> {
        let (shared, id) = (self.shared(), self.canceller.lane);
        let no_room = |state: &mut State| {
            !state.ended
                && state
                    .lanes
                    .get(&id)
                    .is_some_and(|lane| lane.generation == ticket.0 && lane.is_full(shared.options))
        };
        let state = shared.room.wait_while(shared.state(), no_room);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.ended {
            return Err(Refused::Closed);
        }
        match state.lanes.get_mut(&id) {
            Some(lane) if lane.generation == ticket.0 => {
                lane.push(job);
                shared.work.notify_one();
                Ok(())
            }
            _ => Err(Refused::Flushed),
        }
    }

    /// As [`Canceller::flush`].
    pub fn flush(&self) {
        self.canceller.flush();
    }
}

impl Canceller {
    /// Begins a new generation: discards what waits, cancels what runs, wakes who waits for room.
    /// Never waits itself. A reply that is being called at this moment may still be running when
    /// this returns; none of the old generation starts later.
    pub fn flush(&self) {
        self.shared.discard(self.lane, |state, id| {
            let lane = state.lanes.get_mut(&id)?;
            lane.generation = lane.generation.wrapping_add(1);
            Some(std::mem::take(&mut lane.waiting))
        });
    }
}

impl Drop for Submitter {
    fn drop(&mut self) {
        self.shared().discard(self.canceller.lane, |state, id| state.lanes.remove(&id));
    }
}
