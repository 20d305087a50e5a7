use super::*;

const LIMITS: Limits = Limits { connect: Duration::from_secs(10), stall: Duration::from_secs(3) };

/// A camera with a clock of its own, looked at ten times a second.
struct Trial {
    machine: Machine,
    now: Duration,
    seen: Seen,
    changes: Vec<(u64, CameraState, String)>,
    orders: Vec<(u64, Order)>,
}

impl Trial {
    fn new() -> Self {
        let machine = Machine::new(LIMITS, 1);
        Self {
            machine,
            now: Duration::ZERO,
            seen: Seen::default(),
            changes: vec![],
            orders: vec![],
        }
    }

    fn take(&mut self, step: Step) {
        let second = self.now.as_secs();
        if step.order == Some(Order::Start) {
            self.seen = Seen::default();
        }
        self.orders.extend(step.order.map(|order| (second, order)));
        if let Some(change) = step.change.filter(|change| change.is_news) {
            self.changes.push((second, change.state, change.reason.unwrap_or_default()));
        }
    }

    /// So many seconds, in each of which this much comes.
    fn run(&mut self, seconds: u64, bytes: u64, frames: u64) {
        for tenth in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            if tenth % 10 == 0 && self.machine.is_running() {
                self.seen.bytes += bytes;
                self.seen.frames += frames;
            }
            let step = self.machine.look(self.now, self.seen);
            self.take(step);
        }
    }

    fn fail(&mut self, reason: &str) {
        let failure = Failure { reason: reason.to_owned(), is_refused: false };
        let step = self.machine.failed(self.now, failure);
        self.take(step);
    }

    fn states(&self) -> Vec<CameraState> {
        self.changes.iter().map(|(_, state, _)| *state).collect()
    }
}

use CameraState::*;

#[test]
fn a_camera_that_sends_is_online_and_nothing_more_is_said() {
    let mut trial = Trial::new();
    trial.run(100, 1000, 25);
    assert_eq!(trial.states(), [Connecting, Online]);
    assert_eq!(trial.orders, [(0, Order::Start)]);
}

#[test]
fn a_stall_is_told_with_what_comes_and_ends_when_frames_come() {
    let mut trial = Trial::new();
    trial.run(10, 1000, 25);
    trial.run(5, 1000, 0);
    let (second, state, reason) = trial.changes.last().cloned().unwrap();
    assert_eq!(state, Stalled);
    assert!((12..=14).contains(&second), "{second}");
    assert!(reason.contains("3000 bytes have come, and no frame for 3 s"), "{reason}");
    trial.run(10, 1000, 25);
    assert_eq!(trial.states(), [Connecting, Online, Stalled, Online]);
    assert_eq!(trial.machine.reconnects(), 0);

    trial.run(5, 0, 0);
    let reason = &trial.changes.last().unwrap().2;
    assert!(reason.contains("no frame and no byte for 3 s"), "{reason}");
}

#[test]
fn a_stall_that_lasts_ends_in_a_new_connection() {
    let mut trial = Trial::new();
    trial.run(10, 1000, 25);
    trial.run(12, 0, 0);
    assert_eq!(trial.states(), [Connecting, Online, Stalled, Offline]);
    let orders: Vec<_> = trial.orders.iter().map(|(_, order)| *order).collect();
    assert_eq!(orders, [Order::Start, Order::Stop, Order::Start]);
    assert_eq!(trial.machine.reconnects(), 1);
    trial.run(3, 1000, 25);
    assert_eq!(trial.states().last(), Some(&Online));
}

#[test]
fn one_that_never_answers_is_told_within_five_seconds_and_given_up_later() {
    let mut trial = Trial::new();
    trial.run(5, 0, 0);
    let told = trial.changes.last().unwrap();
    assert_eq!((told.0, told.1), (3, Connecting));
    assert!(told.2.contains("nothing has come for 3 s"), "{}", told.2);
    trial.run(6, 0, 0);
    assert_eq!(trial.states(), [Connecting, Connecting, Offline]);

    let mut trial = Trial::new();
    trial.run(15, 1000, 0);
    let told = trial.changes.last().unwrap();
    assert!(told.2.contains("bytes have come, and no picture for 3 s"), "{}", told.2);
    trial.run(1, 1000, 25);
    assert_eq!(trial.states(), [Connecting, Connecting, Online], "a key frame was far");
}

#[test]
fn tries_grow_apart_and_repeat_no_news() {
    let mut trial = Trial::new();
    let mut starts = vec![];
    for _ in 0..200_000 {
        trial.now += Duration::from_millis(10);
        let step = trial.machine.look(trial.now, Seen::default());
        let started = step.order == Some(Order::Start);
        trial.take(step);
        if started {
            starts.push(trial.now.as_secs_f64());
            trial.fail("connection refused");
        }
    }
    let waits: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (number, wait) in waits.iter().enumerate() {
        let full = 2f64.powi(number.min(6) as i32).min(60.0);
        assert!((full * 0.5..=full + 0.02).contains(wait), "{number}: {waits:?}");
    }
    assert!(waits.len() > 20, "{waits:?}");
    assert_eq!(trial.states(), [Connecting, Offline]);
    assert_eq!(trial.machine.reconnects(), 0, "there was no connection");

    // Long enough online, the next loss is the first again.
    while !trial.machine.is_running() {
        trial.run(1, 0, 0);
    }
    trial.run(40, 1000, 25);
    trial.fail("gone");
    let before = trial.now;
    while !trial.machine.is_running() {
        trial.run(1, 0, 0);
    }
    assert!(trial.now - before <= Duration::from_secs(2));
}

#[test]
fn a_camera_that_refuses_is_not_asked_at_once_again() {
    let mut trial = Trial::new();
    trial.run(1, 0, 0);
    let failure = Failure { reason: "refused".to_owned(), is_refused: true };
    let step = trial.machine.failed(trial.now, failure);
    trial.take(step);
    trial.run(7, 0, 0);
    assert!(!trial.machine.is_running());
    trial.run(9, 0, 0);
    assert!(trial.machine.is_running());
}

#[test]
fn ends_of_files_are_no_losses() {
    let mut trial = Trial::new();
    trial.run(5, 1000, 25);
    let step = trial.machine.ended(trial.now, End::Repeats);
    trial.take(step);
    trial.run(5, 1000, 25);
    assert_eq!(trial.states(), [Connecting, Online]);
    assert_eq!(trial.orders.last().unwrap().1, Order::BeginAgain);
    let step = trial.machine.ended(trial.now, End::Finite);
    trial.take(step);
    trial.run(100, 0, 0);
    assert_eq!(trial.states(), [Connecting, Online, Ended]);
    assert_eq!(trial.orders.last().unwrap().1, Order::Stop);
    assert_eq!(trial.machine.reconnects(), 0);

    let mut trial = Trial::new();
    trial.run(5, 1000, 25);
    let step = trial.machine.ended(trial.now, End::Lost);
    trial.take(step);
    assert_eq!(trial.states(), [Connecting, Online, Offline]);
}

#[test]
fn what_nobody_looked_at_is_no_stall() {
    let mut trial = Trial::new();
    trial.run(5, 1000, 25);
    trial.now += Duration::from_secs(60);
    trial.run(1, 1000, 25);
    assert_eq!(trial.states(), [Connecting, Online]);
}

#[test]
fn a_pipeline_that_is_gone_cannot_fail() {
    let mut trial = Trial::new();
    trial.run(1, 1000, 25);
    trial.fail("gone");
    let before = trial.changes.len();
    trial.fail("and another word of it");
    let step = trial.machine.ended(trial.now, End::Lost);
    trial.take(step);
    assert_eq!(trial.changes.len(), before);
}
