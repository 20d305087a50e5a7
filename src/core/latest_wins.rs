//! Which clip is scored next when there are more clips than time (live streams).
//!
//! Every track keeps only its newest clip waiting: an older one that nobody had time for is
//! replaced, since a live score is about now. The track that was served longest ago comes first,
//! one that was never served before all others, so that a crowd shares the classifier evenly and
//! a newcomer is judged soon. The stride of each face thereby adapts to what the machine can do.

use std::collections::BTreeMap;

use super::track::TrackId;

/// See the module's text. `C` is a clip.
#[derive(Debug)]
pub struct LatestWinsQueue<C> {
    waiting: BTreeMap<TrackId, C>,
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
    /// Puts a track's newest clip in line; returns the one that it replaces.
    pub fn offer(&mut self, track: TrackId, clip: C) -> Option<C> {
        self.waiting.insert(track, clip)
    }

    /// The clip whose track has waited longest.
    pub fn serve(&mut self) -> Option<C> {
        // `None`, never served, orders before every turn.
        let track = *self.waiting.keys().min_by_key(|track| self.served.get(track))?;
        self.turn += 1;
        self.served.insert(track, self.turn);
        self.waiting.remove(&track)
    }

    /// The track has ended; returns the clip that nobody had time for.
    pub fn forget(&mut self, track: TrackId) -> Option<C> {
        self.served.remove(&track);
        self.waiting.remove(&track)
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
        assert_eq!(line.offer(A, 1), None);
        assert_eq!(line.offer(A, 2), Some(1));
        assert_eq!((line.serve(), line.serve()), (Some(2), None));
        line.offer(A, 3);
        assert_eq!(line.forget(A), Some(3));
        assert_eq!(line.serve(), None);
    }

    #[test]
    fn newcomers_come_first_and_then_whoever_waited_longest() {
        let mut line = LatestWinsQueue::default();
        line.offer(A, "a1");
        line.offer(B, "b1");
        assert_eq!(line.serve(), Some("a1"));
        line.offer(A, "a2");
        line.offer(C, "c1");
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
                (0..tracks).for_each(|track| { line.offer(TrackId(track), track); });
                if let Some(track) = line.serve() {
                    shares[track as usize] += 1;
                }
            }
            let (least, most) = (shares.iter().min(), shares.iter().max());
            proptest::prop_assert!(most.unwrap() - least.unwrap() <= 1);
        }
    }
}
