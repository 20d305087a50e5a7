//! Stretches of a video that were not there or could not be decoded.

use gstm2sd::evidence::records::Damage;

/// Frames whose neighbour is further away than this, and than several of their durations, have lost
/// others between them.
const GAP: gst::ClockTime = gst::ClockTime::from_mseconds(500);
const GAP_FRAMES: u64 = 3;
/// More say no more.
const TOLD: usize = 1000;

const BROKEN: &str = "decoded with errors";
const LOST: &str = "no frames";

/// Looks at decoded frames, in order.
#[derive(Debug, Default)]
pub struct DamageLog {
    pub stretches: Vec<Damage>,
    /// Frames that were decoded with errors.
    pub broken: u64,
    /// Where the last frame ended.
    end: Option<gst::ClockTime>,
    /// The last frame was broken.
    in_broken: bool,
}

impl DamageLog {
    /// A frame from `start` to `end` of the input's own time.
    pub fn frame(&mut self, start: gst::ClockTime, end: gst::ClockTime, is_broken: bool) {
        let duration = end.saturating_sub(start);
        let before = self.end.unwrap_or(start);
        // One without a duration does not tell how long it lasts.
        if !duration.is_zero() && start > before + GAP.max(duration * GAP_FRAMES) {
            self.add(before, start, LOST);
        }
        if is_broken {
            self.broken += 1;
            match self.stretches.last_mut().filter(|_| self.in_broken) {
                Some(last) if last.why == BROKEN => last.end = Some(end.seconds_f64()),
                _ => self.add(start, end, BROKEN),
            }
        }
        self.in_broken = is_broken;
        self.end = self.end.max(Some(end));
    }

    fn add(&mut self, start: gst::ClockTime, end: gst::ClockTime, why: &str) {
        if self.stretches.len() < TOLD {
            let [start, end] = [start, end].map(gst::ClockTime::seconds_f64);
            self.stretches.push(Damage { start, end: Some(end), why: why.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_broken_frames_are_told_as_stretches() {
        let mut log = DamageLog::default();
        let ms = gst::ClockTime::from_mseconds;
        for (start, is_broken) in
            [(0, false), (40, true), (80, true), (120, false), (2000, false), (2040, true)]
        {
            log.frame(ms(start), ms(start + 40), is_broken);
        }
        let told: Vec<_> =
            log.stretches.iter().map(|d| (d.start, d.end.unwrap(), d.why.as_str())).collect();
        assert_eq!(told, [(0.04, 0.12, BROKEN), (0.16, 2.0, LOST), (2.04, 2.08, BROKEN)]);
        assert_eq!(log.broken, 3);
        let mut steady = DamageLog::default();
        (0..100).for_each(|n| steady.frame(ms(n * 1000), ms((n + 1) * 1000), false));
        assert!(steady.stretches.is_empty(), "a frame a second is no gap");
    }
}
