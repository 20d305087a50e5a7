//! How late the element's own work makes a live stream's frames, and when to detect.
//!
//! A queue in front of the analysis also fills when somebody behind it waits: a sink for the clock,
//! an encoder for its turn. Its depth says nothing of detection. [`Pressure`] counts instead what
//! the analysis itself takes, against the stream's own time: frames that are shown 33 ms apart may
//! take 33 ms each. This is the waiting time of a queue with one server (Lindley's recursion,
//! `W' = max(0, W + service - interval)`), with the service time as measured and the intervals as
//! the stream's timestamps have them, so nothing that happens downstream enters it.

/// The wait that the analysis' own work has built up. See the module's text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    late_ns: u64,
}

impl Pressure {
    /// The next frame comes, so much after the one before in the stream's time.
    pub fn frame_after(&mut self, interval_ns: u64) {
        self.late_ns = self.late_ns.saturating_sub(interval_ns);
    }

    /// The analysis worked for so long.
    pub fn worked(&mut self, ns: u64) {
        self.late_ns = self.late_ns.saturating_add(ns);
    }

    /// How late the present frame is through the work on those before it.
    pub fn late_ns(&self) -> u64 {
        self.late_ns
    }
}

/// The longest stretch of a stream in which detection is skipped because it is late.
pub const LONGEST_SKIP_NS: u64 = 500_000_000;

/// On which frames faces are detected.
///
/// Every `interval`-th frame, as long as detection fits the time. When it does not, the frame that
/// was due is skipped, the next one is due in its place, and so on until the work of before is
/// made up for: detections stay evenly spread. After [`LONGEST_SKIP_NS`] one takes place anyhow.
#[derive(Clone, Copy, Debug)]
pub struct DetectionSchedule {
    interval: u32,
    countdown: u32,
    newest_ns: Option<u64>,
}

impl DetectionSchedule {
    /// `interval` in frames, at least 1.
    pub fn new(interval: u32) -> Self {
        Self { interval: interval.max(1), countdown: 0, newest_ns: None }
    }

    /// Whether to detect on the next frame. It is shown at `time_ns`; work of before makes it
    /// `late_ns` late, of which `tolerance_ns` matter to nobody.
    pub fn is_due(&mut self, time_ns: u64, late_ns: u64, tolerance_ns: u64) -> bool {
        self.countdown = self.countdown.saturating_sub(1);
        let skipped_ns = self.newest_ns.map_or(u64::MAX, |newest| time_ns.abs_diff(newest));
        self.countdown == 0 && (late_ns <= tolerance_ns || skipped_ns >= LONGEST_SKIP_NS)
    }

    /// Detection has begun on the frame shown at `time_ns`.
    pub fn begun(&mut self, time_ns: u64) {
        self.countdown = self.interval;
        self.newest_ns = Some(time_ns);
    }

    /// Detection is due at once.
    pub fn reset(&mut self) {
        self.countdown = 0;
        self.newest_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_NS: u64 = 33_333_333;

    /// The frames, of `count` at 30 a second, on which a detection of `cost_ns` takes place.
    fn detected(count: u64, interval: u32, cost_ns: u64, tolerance_ns: u64) -> Vec<u64> {
        let mut pressure = Pressure::default();
        let mut schedule = DetectionSchedule::new(interval);
        let mut frames = Vec::new();
        for frame in 0..count {
            pressure.frame_after(FRAME_NS);
            let time_ns = frame * FRAME_NS;
            if schedule.is_due(time_ns, pressure.late_ns(), tolerance_ns) {
                schedule.begun(time_ns);
                pressure.worked(cost_ns);
                frames.push(frame);
            }
        }
        frames
    }

    fn steps(frames: &[u64]) -> Vec<u64> {
        frames.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn detection_that_fits_takes_place_on_every_nth_frame() {
        for (interval, cost_ns) in [(1, FRAME_NS), (2, 2 * FRAME_NS), (5, 150_000_000)] {
            let found = steps(&detected(300, interval, cost_ns, 0));
            assert!(found.iter().all(|step| *step == u64::from(interval)), "{interval}: {found:?}");
            assert!(found.len() > 50);
        }
    }

    #[test]
    fn detection_that_does_not_fit_is_skipped_evenly() {
        for tolerance_ns in [0, 50_000_000] {
            let found = steps(&detected(300, 2, 4 * FRAME_NS, tolerance_ns));
            let (least, most) = (found[8..].iter().min(), found[8..].iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{found:?}");
            assert!((73..=77).contains(&found.len()), "a quarter of all: {}", found.len());
        }
    }

    #[test]
    fn detection_that_is_hopelessly_late_takes_place_twice_a_second() {
        let found = steps(&detected(600, 1, 2_000_000_000, 0));
        assert!(found.iter().all(|step| (15..=16).contains(step)), "{found:?}");
        assert!(found.len() > 30);
    }

    #[test]
    fn half_a_second_without_a_detection_is_the_most() {
        let mut schedule = DetectionSchedule::new(1);
        schedule.begun(1_000);
        assert!(!schedule.is_due(500_000_999, 1, 0));
        assert!(schedule.is_due(500_001_000, 1, 0));
        assert!(schedule.is_due(1_001, 1, 1), "what is tolerated is no lateness");
    }

    #[test]
    fn one_slow_detection_is_made_up_for() {
        let mut pressure = Pressure::default();
        pressure.worked(100);
        pressure.frame_after(60);
        assert_eq!(pressure.late_ns(), 40);
        pressure.frame_after(60);
        assert_eq!(pressure.late_ns(), 0);
        pressure.worked(u64::MAX);
        pressure.worked(1);
        assert_eq!(pressure.late_ns(), u64::MAX);
    }

    #[test]
    fn a_reset_makes_detection_due() {
        let mut schedule = DetectionSchedule::new(10);
        schedule.begun(0);
        assert!(!schedule.is_due(1, 0, 0));
        schedule.reset();
        assert!(schedule.is_due(2, 0, 0));
    }
}
