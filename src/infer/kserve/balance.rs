//! Which endpoint is asked next: a state machine without clocks and connections.

use std::time::{Duration, Instant};

use crate::core::backoff::Backoff;

/// How a request to an endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer, or with an error that is the request's own.
    Answered,
    /// Nobody wants the answer any more, which says nothing of the endpoint.
    Dropped,
    /// The endpoint is to blame.
    Failed,
}

/// The endpoints of one network.
#[derive(Debug)]
pub(super) struct Balance(Vec<State>);

#[derive(Clone, Debug, Default)]
struct State {
    outstanding: usize,
    backoff: Backoff,
    /// Out until then, and then until a look at it finds it ready.
    out_until: Option<Instant>,
    looked_at: bool,
    /// Another one, asked later, answered before it.
    outrun: bool,
}

impl Balance {
    /// Of so many endpoints, all of which are healthy until told otherwise.
    pub(super) fn new(endpoints: usize) -> Self {
        Self(vec![State::default(); endpoints])
    }

    /// The healthy endpoint with the fewest requests, but for those in `tried`, which gets one more. Among
    /// equals one that was outrun is the last.
    pub(super) fn choose(&mut self, tried: &[usize]) -> Option<usize> {
        let healthy = self.0.iter().enumerate().filter(|(_, state)| state.out_until.is_none());
        let free = healthy.filter(|(place, _)| !tried.contains(place));
        let (place, _) = free.min_by_key(|(_, state)| (state.outstanding, state.outrun))?;
        self.0.get_mut(place)?.outstanding += 1;
        Some(place)
    }

    /// As [`Self::choose`], among those that have fewer than `most` requests.
    pub(super) fn choose_idle(&mut self, tried: &[usize], most: usize) -> Option<usize> {
        let busy = self.0.iter().enumerate().filter(|(_, state)| state.outstanding >= most);
        let passed_over: Vec<_> =
            busy.map(|(place, _)| place).chain(tried.iter().copied()).collect();
        self.choose(&passed_over)
    }

    /// A request that [`Self::choose`] gave out has ended. `random` is from 0 to 1.
    pub(super) fn ended(&mut self, place: usize, how: Ended, now: Instant, random: f64) {
        let Some(state) = self.0.get_mut(place) else { return };
        state.outstanding = state.outstanding.saturating_sub(1);
        match how {
            Ended::Answered => {
                state.backoff.succeeded();
                state.outrun = false;
            }
            Ended::Dropped => {}
            // Several requests that fail together are one failure.
            Ended::Failed if state.out_until.is_none() => state.put_out(now, random),
            Ended::Failed => {}
        }
    }

    /// One that was asked after it answered first. Until it answers itself, others are asked before it.
    pub(super) fn outrun(&mut self, place: usize) {
        if let Some(state) = self.0.get_mut(place) {
            state.outrun = true;
        }
    }

    /// An endpoint was found out of order without a request.
    pub(super) fn put_out(&mut self, place: usize, now: Instant, random: f64) {
        if let Some(state) = self.0.get_mut(place) {
            state.put_out(now, random);
        }
    }

    /// The endpoints that have been out for long enough: they are to be looked at, once each.
    pub(super) fn due(&mut self, now: Instant) -> Vec<usize> {
        let is_due = |state: &State| state.out_until.is_some_and(|until| until <= now);
        let due = self.0.iter_mut().enumerate();
        let due = due.filter(|(_, state)| is_due(state) && !state.looked_at);
        due.map(|(place, state)| {
            state.looked_at = true;
            place
        })
        .collect()
    }

    /// What a look at an endpoint found.
    pub(super) fn looked(&mut self, place: usize, is_ready: bool, now: Instant, random: f64) {
        let Some(state) = self.0.get_mut(place) else { return };
        state.looked_at = false;
        if is_ready {
            // Its back-off ends with its first answer: it may be ready and answer nothing.
            state.out_until = None;
        } else {
            state.put_out(now, random);
        }
    }
}

impl State {
    fn put_out(&mut self, now: Instant, random: f64) {
        let wait: Duration = Backoff::jittered(self.backoff.failed(), random);
        self.out_until = Some(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_healthy_endpoint_with_the_fewest_requests_is_next() {
        let now = Instant::now();
        let mut balance = Balance::new(2);
        let chosen: Vec<_> = (0..3).map(|_| balance.choose(&[])).collect();
        assert_eq!(chosen, [Some(0), Some(1), Some(0)]);
        balance.ended(0, Ended::Answered, now, 1.0);
        balance.ended(0, Ended::Dropped, now, 1.0);
        assert_eq!(balance.choose(&[]), Some(0));
        assert_eq!(balance.choose_idle(&[0], 1), None, "the other one has a request");
        assert_eq!(balance.choose_idle(&[0], 2), Some(1));
        balance.ended(1, Ended::Dropped, now, 1.0);
        // Each is tried once.
        assert_eq!(balance.choose(&[0]), Some(1));
        assert_eq!(balance.choose(&[0, 1]), None);
    }

    #[test]
    fn one_that_fails_is_out_until_it_is_found_ready() {
        let now = Instant::now();
        let mut balance = Balance::new(2);
        for _ in 0..4 {
            balance.choose(&[]);
        }
        // Two that fail together are one failure: the next wait is the second, not the third.
        balance.ended(0, Ended::Failed, now, 1.0);
        balance.ended(0, Ended::Failed, now, 1.0);
        assert_eq!(balance.choose(&[]), Some(1));
        assert!(balance.due(now + SECOND / 2).is_empty());
        assert_eq!(balance.due(now + SECOND), [0]);
        assert!(balance.due(now + SECOND).is_empty(), "it is being looked at");
        balance.looked(0, false, now + SECOND, 1.0);
        assert!(balance.due(now + 2 * SECOND).is_empty());
        assert_eq!(balance.due(now + 3 * SECOND), [0]);
        balance.looked(0, true, now + 3 * SECOND, 1.0);
        assert_eq!(balance.choose(&[1]), Some(0));
        // Ready, and yet it fails: the waits go on growing until it answers.
        balance.ended(0, Ended::Failed, now + 3 * SECOND, 1.0);
        assert!(balance.due(now + 6 * SECOND).is_empty());
        assert_eq!(balance.due(now + 7 * SECOND), [0]);
        balance.looked(0, true, now + 7 * SECOND, 1.0);
        balance.choose(&[1]);
        balance.ended(0, Ended::Answered, now, 1.0);
        balance.choose(&[1]);
        balance.ended(0, Ended::Failed, now, 1.0);
        assert_eq!(balance.due(now + SECOND), [0]);
    }

    #[test]
    fn one_that_was_outrun_is_asked_last_until_it_answers() {
        let now = Instant::now();
        let mut balance = Balance::new(2);
        assert_eq!(balance.choose(&[]), Some(0));
        balance.ended(0, Ended::Dropped, now, 1.0);
        balance.outrun(0);
        assert_eq!(balance.choose(&[]), Some(1));
        // The other one has a request by now.
        assert_eq!(balance.choose(&[]), Some(0));
        for place in [0, 1] {
            balance.ended(place, Ended::Answered, now, 1.0);
        }
        assert_eq!(balance.choose(&[]), Some(0));
    }

    #[test]
    fn when_all_are_out_nobody_is_asked() {
        let now = Instant::now();
        let mut balance = Balance::new(1);
        balance.put_out(0, now, 0.0);
        assert_eq!(balance.choose(&[]), None);
        // Jitter: half of the wait at least.
        assert!(balance.due(now + SECOND / 4).is_empty());
        assert_eq!(balance.due(now + SECOND / 2), [0]);
    }
}
