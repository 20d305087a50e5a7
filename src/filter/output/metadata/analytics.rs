//! What is known of each face, as GstAnalytics metadata.
//!
//! The parameters of a region of interest are lost where a frame is converted or scaled; these
//! survive. A frame has one `GstAnalyticsRelationMeta`, which upstream may have begun. Each face
//! adds to it:
//!
//! | entry | holds |
//! | --- | --- |
//! | object detection | type `face`, the box in pixels, the detection's confidence |
//! | classification | the label that holds first: `fake` and `real` with their confidences; `uncertain`, then P(fake) and P(real); `insufficient` or `unscored` alone |
//! | tracking | the track, the running times at which it was first and last seen |
//!
//! The detection contains and relates to its classification, which is part of it, and relates to
//! its tracking. A face without a track has no tracking, nor has one on a frame without a
//! timestamp: there is no time at which it was seen. The names and types are a public contract:
//! `docs/metadata.md`.

use std::collections::HashMap;

use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsRelationMeta, AnalyticsTrackingMtd, RelTypes};

use crate::core::evidence::Judgement;
use crate::core::evidence::Label;
use crate::core::track::TrackId;
use crate::filter::output::frame::FrameFace;
use crate::filter::output::metadata::roi::pixel_rect;
use crate::filter::output::queue::Judged;

/// Attaches the faces of one stream's frames.
#[derive(Default)]
pub struct Analytics {
    /// Since when each track of the frame before has been seen, in running time.
    first_seen: HashMap<TrackId, gst::ClockTime>,
}

/// A track and the running times at which it was seen.
#[derive(Clone, Copy)]
struct Sighting {
    track: TrackId,
    first: gst::ClockTime,
    last: gst::ClockTime,
}

impl Analytics {
    /// Attaches the faces of the next frame, which has this size, to it.
    pub fn attach(
        &mut self,
        judged: &mut Judged,
        size: (u32, u32),
        running_time: Option<gst::ClockTime>,
    ) -> Result<(), glib::BoolError> {
        self.update(&judged.frame.faces, running_time);
        let buffer = judged.frame.buffer.make_mut();
        for (face, judgement) in judged.frame.faces.iter().zip(&judged.judgements) {
            let sighting = face.track.zip(running_time).and_then(|(track, last)| {
                let first = *self.first_seen.get(&track)?;
                Some(Sighting { track, first, last })
            });
            attach_face(buffer, size, face, judgement, sighting)?;
        }
        Ok(())
    }

    /// A track is on every frame from its first to its last, so one that is missing has ended.
    fn update(&mut self, faces: &[FrameFace], now: Option<gst::ClockTime>) {
        let before = std::mem::take(&mut self.first_seen);
        let since = |track| Some((track, before.get(&track).copied().or(now)?));
        self.first_seen = faces.iter().filter_map(|face| face.track).filter_map(since).collect();
    }

    /// Forgets all tracks: those to come are others, even under the same numbers.
    pub fn forget_tracks(&mut self) {
        self.first_seen.clear();
    }
}

fn attach_face(
    buffer: &mut gst::BufferRef,
    (width, height): (u32, u32),
    face: &FrameFace,
    judgement: &Judgement,
    sighting: Option<Sighting>,
) -> Result<(), glib::BoolError> {
    // Gives the one that the frame has, if it has one.
    let mut meta = AnalyticsRelationMeta::add(buffer);

    // The rectangle lies inside the frame, whose sides are of type int.
    let (x, y, w, h) = pixel_rect(&face.face.bbox, width, height);
    let kind = glib::Quark::from_str("face");
    let object =
        meta.add_od_mtd(kind, x as i32, y as i32, w as i32, h as i32, face.face.score)?.id();

    let (labels, levels): (Vec<_>, Vec<_>) = classes(judgement).into_iter().unzip();
    let class = meta.add_cls_mtd(&levels, &labels)?.id();
    // One call: a second one would replace the relation.
    meta.set_relation(RelTypes::CONTAIN | RelTypes::RELATE_TO, object, class)?;
    meta.set_relation(RelTypes::IS_PART_OF, class, object)?;

    let Some(Sighting { track, first, last }) = sighting else { return Ok(()) };
    let tracking = meta.add_tracking_mtd(track.0, first)?.id();
    meta.set_relation(RelTypes::RELATE_TO, object, tracking)?;
    match meta.mtd_mut::<AnalyticsTrackingMtd>(tracking) {
        Some(mut entry) => entry.update_last_seen(last),
        None => Err(glib::bool_error!("Lost the tracking just added")),
    }
}

/// Labels with their confidences, the one that holds first. A verdict's two add to 1; where there is
/// none, the scores' own go beside `uncertain`, and nothing beside labels that say nothing.
fn classes(judgement: &Judgement) -> Vec<(glib::Quark, f32)> {
    let confidence = judgement.confidence;
    let classes = match (judgement.label, judgement.score) {
        (Label::Fake, _) => vec![(Label::Fake, confidence), (Label::Real, 1.0 - confidence)],
        (Label::Real, _) => vec![(Label::Real, confidence), (Label::Fake, 1.0 - confidence)],
        (label @ Label::Uncertain(_), Some(score)) => {
            let fake = score.fake.get();
            vec![(label, confidence), (Label::Fake, fake), (Label::Real, 1.0 - fake)]
        }
        (label, _) => vec![(label, confidence)],
    };
    let entry =
        |(label, level): (Label, f64)| (glib::Quark::from_str(label.as_str()), level as f32);
    classes.into_iter().map(entry).collect()
}
