//! What is known of each face, as metadata on its frame.
//!
//! One `GstVideoRegionOfInterestMeta` of type `face` for each face, with parameters in the form
//! that DL Streamer's elements write and read (`detection`, `object_id`), and ours (`m2sd`,
//! `landmarks`, `quality`). The names and types are a public contract: `docs/metadata.md`.

use gst_video::VideoRegionOfInterestMeta;

use crate::core::evidence::Judgement;
use crate::core::geometry::{BBox, Point};
use crate::filter::output::frame::FrameFace;
use crate::filter::output::metadata::classifier_name::ClassifierName;

/// The box in whole pixels inside a frame: x, y, width, height.
pub fn pixel_rect(bbox: &BBox, frame_width: u32, frame_height: u32) -> (u32, u32, u32, u32) {
    let clamp = |v: f32, limit: u32| v.round().clamp(0.0, limit as f32) as u32;
    let (x, y) = (clamp(bbox.x1(), frame_width), clamp(bbox.y1(), frame_height));
    let (right, bottom) = (clamp(bbox.x2(), frame_width), clamp(bbox.y2(), frame_height));
    (x, y, right.saturating_sub(x), bottom.saturating_sub(y))
}

/// Attaches one face to a frame of this size.
pub fn attach(
    buffer: &mut gst::BufferRef,
    (width, height): (u32, u32),
    face: &FrameFace,
    judgement: &Judgement,
    classifier: Option<&ClassifierName>,
) {
    let rect = pixel_rect(&face.face.bbox, width, height);
    let mut meta = VideoRegionOfInterestMeta::add(buffer, "face", rect);
    meta.add_param(detection(face, width, height));
    if let Some(track) = face.track {
        // DL Streamer's type is a 32-bit int; ids count up from 0 within a stream.
        let id = i32::try_from(track.0).unwrap_or(i32::MAX);
        meta.add_param(gst::Structure::builder("object_id").field("id", id).build());
    }
    meta.add_param(judgement_structure(judgement, classifier));
    meta.add_param(landmarks(face, width, height));
    if let Some(quality) = &face.quality {
        meta.add_param(super::judgement::quality(quality, classifier));
    }
}

fn detection(face: &FrameFace, width: u32, height: u32) -> gst::Structure {
    let (w, h) = (f64::from(width), f64::from(height));
    let bbox = &face.face.bbox;
    gst::Structure::builder("detection")
        .field("x_min", f64::from(bbox.x1()) / w)
        .field("x_max", f64::from(bbox.x2()) / w)
        .field("y_min", f64::from(bbox.y1()) / h)
        .field("y_max", f64::from(bbox.y2()) / h)
        .field("confidence", f64::from(face.face.score))
        .field("label_id", 0i32)
        .build()
}

fn judgement_structure(
    judgement: &Judgement,
    classifier: Option<&ClassifierName>,
) -> gst::Structure {
    let mut structure = gst::Structure::builder("m2sd")
        .field("label-id", judgement.label.id())
        .field("clips", judgement.score.map_or(0, |s| s.clips))
        .build();
    super::judgement::write_into(&mut structure, judgement);
    if let Some(classifier) = classifier {
        classifier.write_into(&mut structure);
    }
    if let Some(score) = judgement.score {
        structure.set("clip-start", score.span.start_ns);
        structure.set("clip-end", score.span.end_ns);
    }
    if let Some(loudness) = judgement.loudness {
        structure.set("audio-level-db", loudness.level_db);
        structure.set("audio-coverage", loudness.coverage);
    }
    structure
}

/// x and y of the 68 points, or of the detector's five where no aligner is loaded, one after the
/// other, as fractions of the frame's width and height.
fn landmarks(face: &FrameFace, width: u32, height: u32) -> gst::Structure {
    let points: &[Point] = match &face.landmarks {
        Some(all) => all.as_slice(),
        None => &face.face.points,
    };
    let (w, h) = (f64::from(width), f64::from(height));
    let flat = points.iter().flat_map(|p| [f64::from(p.x) / w, f64::from(p.y) / h]);
    gst::Structure::builder("landmarks").field("points", gst::Array::new(flat)).build()
}
