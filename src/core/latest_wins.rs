//! Which clip is scored next when there are more clips than time (live streams).
//!
//! Every track keeps only its newest clip waiting: an older one that nobody had time for is
//! replaced, since a live score is about now. The track that was served longest ago comes first,
//! one that was never served before all others, so that a crowd shares the classifier evenly and
//! a newcomer is judged soon. The stride of each face thereby adapts to what the machine can do.
//! Clips that can count for a verdict come before those that cannot, of faces that are too small, say:
//! an audience in the background does not keep a speaker waiting.

use std::collections::BTreeMap;

use super::track::TrackId;

/// See the module's text. `C` is a clip.
#[derive(Debug)]
pub struct LatestWinsQueue<C> {
    /// Each with whether it can count for a verdict.
    waiting: BTreeMap<TrackId, (bool, C)>,
    /// The turn in which each track was last served.
    served: BTreeMap<TrackId, u64>,
    turn: u64,
}

impl<C> Default for LatestWinsQueue<C> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), served: BTreeMap::new(), turn: 0 }
    }
}

impl<C> LatestWinsQueue<C> {
    /// Puts a track's newest clip in line, which counts for a verdict or cannot; returns the one that
    /// it replaces.
    pub fn offer(&mut self, track: TrackId, counts: bool, clip: C) -> Option<C> {
        self.waiting.insert(track, (counts, clip)).map(|(_, replaced)| replaced)
    }

    /// The clip whose track has waited longest, of those that count if there is one.
    pub fn serve(&mut self) -> Option<C> {
        // `None`, never served, orders before every turn.
        let turn =
            |(track, (counts, _)): &(&TrackId, &(bool, C))| (!*counts, self.served.get(track));
        let (track, _) = self.waiting.iter().min_by_key(turn)?;
        let track = *track;
        self.turn += 1;
        self.served.insert(track, self.turn);
        self.waiting.remove(&track).map(|(_, clip)| clip)
    }

    /// The track has ended; returns the clip that nobody had time for.
    pub fn forget(&mut self, track: TrackId) -> Option<C> {
        self.served.remove(&track);
        self.waiting.remove(&track).map(|(_, clip)| clip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TrackId = TrackId(1);
    const B: TrackId = TrackId(2);
    const C: TrackId = TrackId(3);

    #[test]
    fn a_newer_clip_replaces_the_waiting_one() {
        let mut line = LatestWinsQueue::default();
        assert_eq!(line.offer(A, true, 1), None);
        assert_eq!(line.offer(A, true, 2), Some(1));
        assert_eq!((line.serve(), line.serve()), (Some(2), None));
        line.offer(A, true, 3);
        assert_eq!(line.forget(A), Some(3));
        assert_eq!(line.serve(), None);
    }

    #[test]
    fn newcomers_come_first_and_then_whoever_waited_longest() {
        let mut line = LatestWinsQueue::default();
        line.offer(A, true, "a1");
        line.offer(B, true, "b1");
        assert_eq!(line.serve(), Some("a1"));
        line.offer(A, true, "a2");
        line.offer(C, true, "c1");
        let order: Vec<_> = std::iter::from_fn(|| line.serve()).collect();
        assert_eq!(order, ["b1", "c1", "a2"]);
    }

    proptest::proptest! {
        /// However many tracks offer clips all the time, their shares differ by one at most.
        #[test]
        fn shares_are_even(tracks in 1u64..20, rounds in 0usize..100) {
            let mut line = LatestWinsQueue::default();
            let mut shares = vec![0usize; tracks as usize];
            for _ in 0..rounds {
                (0..tracks).for_each(|track| { line.offer(TrackId(track), true, track); });
                if let Some(track) = line.serve() {
                    shares[track as usize] += 1;
                }
            }
            let (least, most) = (shares.iter().min(), shares.iter().max());
            proptest::prop_assert!(most.unwrap() - least.unwrap() <= 1);
        }
    }

    #[test]
    fn clips_that_cannot_count_wait_for_those_that_can() {
        let mut line = LatestWinsQueue::default();
        line.offer(A, false, "small");
        line.offer(B, true, "b1");
        assert_eq!(line.serve(), Some("b1"));
        // Served just now, and first again all the same.
        line.offer(B, true, "b2");
        assert_eq!(line.serve(), Some("b2"));
        assert_eq!(line.serve(), Some("small"), "nobody else waits");
        // It comes nearer.
        line.offer(A, true, "near");
        line.offer(B, true, "b3");
        assert_eq!(line.serve(), Some("b3"));
        assert_eq!(line.serve(), Some("near"));
    }
}
