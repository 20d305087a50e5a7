//! Which face of a frame is which face of the frame before: greedy overlap, online
//! (docs/method.md, "Tracks").

use std::fmt;

use super::detect::Face;
use super::geometry::BBox;

/// One person's stay in front of the camera. A number is never given twice by one [`Tracker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When faces make tracks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackParams {
    /// The lowest score of a face that starts a track. One that continues a track may score less.
    pub start_score: f32,
    /// The least overlap of a track's boxes in two frames that follow one another.
    pub min_iou: f64,
}

impl Default for TrackParams {
    fn default() -> Self {
        Self { start_score: 0.8, min_iou: 0.5 }
    }
}

/// What a frame's faces did to the tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackUpdate {
    /// For each face, in the order given, its track; `None` for one too uncertain to start one.
    pub tracks: Vec<Option<TrackId>>,
    /// Those of `tracks` that are new.
    pub started: Vec<TrackId>,
    /// Tracks that had no face in this frame: they will not come back.
    pub ended: Vec<TrackId>,
}

/// Follows faces from frame to frame.
///
/// ```
/// use gstm2sd::core::detect::Face;
/// use gstm2sd::core::geometry::{BBox, Point};
/// use gstm2sd::core::track::{TrackId, TrackParams, Tracker};
///
/// let face = |x: f32| {
///     let bbox = BBox::new(x, 10.0, x + 100.0, 110.0).unwrap();
///     Box::new(Face { bbox, score: 0.9, points: [Point { x, y: 10.0 }; 5] })
/// };
/// let mut tracker = Tracker::new(TrackParams::default());
/// assert_eq!(tracker.update(&[face(10.0)]).started, [TrackId(0)]);
/// // A little to the right it is the same face, far away another one.
/// assert_eq!(tracker.update(&[face(20.0)]).tracks, [Some(TrackId(0))]);
/// let update = tracker.update(&[face(300.0)]);
/// assert_eq!((update.started, update.ended), (vec![TrackId(1)], vec![TrackId(0)]));
/// ```
#[derive(Clone, Debug)]
pub struct Tracker {
    params: TrackParams,
    next_id: u64,
    /// The tracks and their boxes in the frame before, oldest track first.
    live: Vec<(TrackId, BBox)>,
}

impl Tracker {
    /// Without a track; the first will have number 0.
    pub fn new(params: TrackParams) -> Self {
        Self { params, next_id: 0, live: Vec::new() }
    }

    /// Takes the faces of the next frame.
    ///
    /// The pair of track and face that overlap most is joined first, and so on down to `min_iou`;
    /// of equal pairs the older track, then the earlier face. No face is in two tracks.
    pub fn update<F: AsRef<Face>>(&mut self, faces: &[F]) -> TrackUpdate {
        let mut update = TrackUpdate { tracks: vec![None; faces.len()], ..Default::default() };
        let mut continued = vec![None; self.live.len()];
        for Pair { track, face, .. } in self.pairs(faces) {
            let free = (continued.get_mut(track), update.tracks.get_mut(face));
            if let (Some(next @ None), Some(owner @ None)) = free {
                *next = faces.get(face).map(|f| f.as_ref().bbox);
                *owner = self.live.get(track).map(|(id, _)| *id);
            }
        }

        for ((id, _), next) in std::mem::take(&mut self.live).into_iter().zip(continued) {
            match next {
                Some(bbox) => self.live.push((id, bbox)),
                None => update.ended.push(id),
            }
        }
        for (face, owner) in faces.iter().map(F::as_ref).zip(&mut update.tracks) {
            if owner.is_none() && face.score >= self.params.start_score {
                let id = TrackId(self.next_id);
                self.next_id += 1;
                self.live.push((id, face.bbox));
                update.started.push(id);
                *owner = Some(id);
            }
        }
        update
    }

    /// Has the next frame's faces compared with boxes of another picture: `to_next` tells where in
    /// that a box of the frame before is. For pictures of another size, or turned.
    pub fn map_boxes(&mut self, to_next: impl Fn(&BBox) -> BBox) {
        for (_, bbox) in &mut self.live {
            *bbox = to_next(bbox);
        }
    }

    /// The tracks that are on.
    pub fn live(&self) -> impl Iterator<Item = TrackId> {
        self.live.iter().map(|(id, _)| *id)
    }

    /// Ends every track, as a cut, a gap or the end of the stream does, and says which there were.
    pub fn end_all(&mut self) -> Vec<TrackId> {
        std::mem::take(&mut self.live).into_iter().map(|(id, _)| id).collect()
    }

    /// Every track and face that overlap enough, best first.
    fn pairs<F: AsRef<Face>>(&self, faces: &[F]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (track, (_, before)) in self.live.iter().enumerate() {
            for (face, now) in faces.iter().map(F::as_ref).enumerate() {
                let iou = before.iou(&now.bbox);
                if iou > 0.0 && iou >= self.params.min_iou {
                    pairs.push(Pair { iou, track, face });
                }
            }
        }
        // Stable: equal pairs stay in the order of tracks, then faces.
        pairs.sort_by(|a, b| b.iou.total_cmp(&a.iou));
        pairs
    }
}

struct Pair {
    iou: f64,
    track: usize,
    face: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn face(x: f32, width: f32, score: f32) -> Face {
        let bbox = BBox::new(x, 0.0, x + width, 10.0).unwrap();
        Face { bbox, score, points: Default::default() }
    }

    fn tracker() -> Tracker {
        Tracker::new(TrackParams::default())
    }

    #[test]
    fn a_sure_face_starts_a_track_and_an_unsure_one_continues_it() {
        let mut tracker = tracker();
        let weak = tracker.update(&[face(0.0, 10.0, 0.79)]);
        assert_eq!(weak, TrackUpdate { tracks: vec![None], ..Default::default() });
        let first = tracker.update(&[face(0.0, 10.0, 0.8)]);
        assert_eq!(first.started, [TrackId(0)]);
        let next = tracker.update(&[face(1.0, 10.0, 0.1)]);
        assert_eq!(next, TrackUpdate { tracks: vec![Some(TrackId(0))], ..Default::default() });
    }

    #[test]
    fn overlap_of_exactly_the_minimum_continues_and_less_ends() {
        let mut tracker = tracker();
        tracker.update(&[face(0.0, 10.0, 0.9)]);
        let half = tracker.update(&[face(0.0, 5.0, 0.9)]);
        assert_eq!(half.tracks, [Some(TrackId(0))]);
        let jumped = tracker.update(&[face(3.0, 5.0, 0.9)]);
        assert_eq!(jumped.ended, [TrackId(0)]);
        assert_eq!(jumped.tracks, [Some(TrackId(1))]);
    }

    #[test]
    fn two_tracks_that_want_one_face_do_not_share_it() {
        let mut tracker = tracker();
        tracker.update(&[face(0.0, 10.0, 0.9), face(6.0, 10.0, 0.9)]);
        let merged = tracker.update(&[face(4.0, 10.0, 0.9)]);
        assert_eq!(merged.tracks, [Some(TrackId(1))]);
        assert_eq!(merged.ended, [TrackId(0)]);
    }

    #[test]
    fn a_track_lives_on_in_a_picture_of_another_size() {
        let mut tracker = tracker();
        tracker.update(&[face(10.0, 10.0, 0.9)]);
        let doubled = |b: &BBox| BBox::new(b.x1() * 2.0, b.y1(), b.x2() * 2.0, b.y2()).unwrap();
        tracker.map_boxes(doubled);
        assert_eq!(tracker.live().collect::<Vec<_>>(), [TrackId(0)]);
        assert_eq!(tracker.update(&[face(20.0, 20.0, 0.9)]).tracks, [Some(TrackId(0))]);
        assert_eq!(tracker.update(&[face(10.0, 10.0, 0.9)]).ended, [TrackId(0)]);
    }

    #[test]
    fn a_face_that_overlaps_a_little_less_than_the_minimum_is_another() {
        let mut tracker = tracker();
        tracker.update(&[face(0.0, 100.0, 0.9)]);
        // 48 of 100 px: the method wants half.
        assert_eq!(tracker.update(&[face(0.0, 48.0, 0.9)]).tracks, [Some(TrackId(1))]);
    }

    #[test]
    fn ending_all_forgets_boxes_but_not_numbers() {
        let mut tracker = tracker();
        tracker.update(&[face(0.0, 10.0, 0.9), face(50.0, 10.0, 0.9)]);
        assert_eq!(tracker.end_all(), [TrackId(0), TrackId(1)]);
        assert_eq!(tracker.end_all(), []);
        assert_eq!(tracker.update(&[face(0.0, 10.0, 0.9)]).started, [TrackId(2)]);
    }

    proptest! {
        #[test]
        fn no_number_is_in_two_places_or_comes_back(
            frames in prop::collection::vec(
                prop::collection::vec((0f32..60.0, 5f32..20.0, 0f32..1.0), 0..6),
                1..12,
            ),
        ) {
            let mut tracker = tracker();
            let mut ended = std::collections::HashSet::new();
            for faces in frames {
                let faces: Vec<_> = faces.into_iter().map(|(x, w, s)| face(x, w, s)).collect();
                let update = tracker.update(&faces);
                prop_assert_eq!(update.tracks.len(), faces.len());
                let mut seen = std::collections::HashSet::new();
                for id in update.tracks.iter().flatten() {
                    prop_assert!(seen.insert(*id) && !ended.contains(id));
                }
                prop_assert!(update.started.iter().all(|id| seen.contains(id)));
                prop_assert!(update.ended.iter().all(|id| !seen.contains(id)));
                ended.extend(update.ended);
            }
        }
    }
}
