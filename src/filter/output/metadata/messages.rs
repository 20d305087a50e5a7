//! What is told beside the frames, as a message on the bus and as an event downstream: `m2sd-clip` for
//! each scored window, `m2sd-verdict` when a face's label changes, the start and end of tracks. The
//! fields are a public contract: `docs/metadata.md`.

use std::sync::Arc;
use std::time::Duration;

use super::classifier_name::ClassifierName;
use crate::core::audio::Loudness;
use crate::core::evidence::{Insufficiency, Judgement, Label, Probability};
use crate::core::geometry::BBox;
use crate::core::quality::FaceQuality;
use crate::core::span::Span;
use crate::core::track::TrackId;

/// A scored window.
#[derive(Debug)]
pub struct ClipReport {
    pub track: TrackId,
    pub fake: Probability,
    /// What it says together with those of other classifiers; of several, the first one's has it.
    pub fused: Option<Probability>,
    /// The model's two numbers, fake first.
    pub outputs: [f32; 2],
    pub span: Span,
    /// The face in the window's last frame.
    pub bbox: BBox,
    pub took: Duration,
    pub provider: &'static str,
    /// `int8` for a quantised classifier, else what was asked for.
    pub precision: &'static str,
    pub classifier: Arc<ClassifierName>,
    pub frames: usize,
    /// The median over its frames; `None` where it was not measured.
    pub quality: Option<FaceQuality>,
    /// `None` without an audio pad.
    pub loudness: Option<Loudness>,
}

/// When a face was on frames, running time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub first: gst::ClockTime,
    pub last: gst::ClockTime,
}

fn with_box(structure: &mut gst::Structure, bbox: &BBox) {
    structure.set("x", f64::from(bbox.x1()));
    structure.set("y", f64::from(bbox.y1()));
    structure.set("width", f64::from(bbox.width()));
    structure.set("height", f64::from(bbox.height()));
}

pub fn clip(report: &ClipReport) -> gst::Structure {
    let mut structure = gst::Structure::builder("m2sd-clip")
        .field("track", report.track.0)
        .field("score", report.fake.get())
        .field("logit-fake", f64::from(report.outputs[0]))
        .field("logit-real", f64::from(report.outputs[1]))
        .field("start", report.span.start_ns)
        .field("end", report.span.end_ns)
        .field("frames", report.frames as u32)
        .field("provider", report.provider)
        .field("precision", report.precision)
        .field("provider-ms", report.took.as_secs_f64() * 1e3)
        .field_if_some("fused-score", report.fused.map(Probability::get))
        .field_if_some("llr", report.classifier.criteria.llr(report.fake))
        .build();
    report.classifier.write_into(&mut structure);
    if let Some(quality) = &report.quality {
        let shortfall = report.classifier.criteria.sufficiency.check(quality).err();
        structure.set("sufficient", shortfall.is_none());
        if let Some(shortfall) = shortfall {
            structure.set("reason", Insufficiency::as_str(shortfall.what));
            structure.set("reason-text", shortfall.to_string());
        }
        structure.set("quality", super::judgement::quality(quality, Some(&report.classifier)));
    }
    if let Some(loudness) = report.loudness {
        structure.set("audio-level-db", loudness.level_db);
        structure.set("audio-coverage", loudness.coverage);
        structure.set("audio-gaps", loudness.gaps);
    }
    with_box(&mut structure, &report.bbox);
    structure
}

/// A face is followed: this frame is the first that shows it.
pub fn track_start(track: TrackId, bbox: &BBox, running_time: gst::ClockTime) -> gst::Structure {
    let mut structure = gst::Structure::builder("m2sd-track-start")
        .field("track", track.0)
        .field("running-time", running_time.nseconds())
        .build();
    with_box(&mut structure, bbox);
    structure
}

/// A track has ended, for this reason; no later frame holds it. `seen` are the running times of the
/// first and the last frame that did, and `last` is what held last, as far as it is known.
pub fn track_end(
    track: TrackId,
    reason: &str,
    seen: Option<Seen>,
    last: Option<&Judgement>,
) -> gst::Structure {
    let label = last.map(|last| last.label);
    let score = last.and_then(|last| last.score);
    gst::Structure::builder("m2sd-track-end")
        .field("track", track.0)
        .field("reason", reason)
        .field_if_some("first-seen", seen.map(|seen| seen.first.nseconds()))
        .field_if_some("last-seen", seen.map(|seen| seen.last.nseconds()))
        .field_if_some("label", label.map(Label::as_str))
        .field_if_some("label-reason", label.and_then(Label::reason))
        .field_if_some("score", score.map(|score| score.fake.get()))
        .field_if_some("llr", last.and_then(|last| last.llr))
        .field_if_some("clips", score.map(|score| score.clips))
        .build()
}

/// `running_time` is that of the first frame that carries the new label.
pub fn verdict(
    track: TrackId,
    bbox: &BBox,
    judgement: &Judgement,
    before: Label,
    running_time: Option<gst::ClockTime>,
    classifier: Option<&ClassifierName>,
) -> gst::Structure {
    let mut structure = gst::Structure::builder("m2sd-verdict")
        .field("track", track.0)
        .field("label-before", before.as_str())
        .build();
    super::judgement::write_into(&mut structure, judgement);
    if let Some(classifier) = classifier {
        classifier.write_into(&mut structure);
    }
    if let Some(time) = running_time {
        structure.set("running-time", time.nseconds());
    }
    if let Some(score) = judgement.score {
        structure.set("start", score.span.start_ns);
        structure.set("end", score.span.end_ns);
        structure.set("clips", score.clips);
    }
    with_box(&mut structure, bbox);
    structure
}
