//! What `m2sdfilter` tells of faces, as bodies of events.

use crate::events::Body;
use crate::events::body::{
    Classifier, Clip, FaceBox, Judgement, Quality, TrackEnd, TrackStart, Verdict,
};

/// What became of a structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What happened.
    pub body: Body,
    /// The running time of the frame that it happened on, nanoseconds: of a clip its last frame's end.
    pub running_time: Option<u64>,
}

/// The event of a structure that `m2sdfilter` posts on the bus and sends downstream. `None` for others,
/// and where a field is missing that each of its kind has.
///
/// # Examples
///
/// ```
/// use gstm2sd::events::Body;
///
/// gst::init().unwrap();
/// let structure = gst::Structure::builder("m2sd-track-start")
///     .field("track", 3u64)
///     .field("running-time", 40_000_000u64)
///     .field("x", 10.0)
///     .field("y", 20.0)
///     .field("width", 30.0)
///     .field("height", 40.0)
///     .build();
/// let told = gstm2sd::publish::translate(&structure).unwrap();
/// assert!(matches!(told.body, Body::TrackStart(start) if start.track == 3));
/// assert_eq!(told.running_time, Some(40_000_000));
/// ```
pub fn translate(structure: &gst::StructureRef) -> Option<Told> {
    let fields = Fields(structure);
    match structure.name().as_str() {
        "m2sd-clip" => {
            let clip = clip(&fields)?;
            let running_time = Some(clip.end);
            Some(Told { body: Body::Clip(Box::new(clip)), running_time })
        }
        "m2sd-verdict" => {
            let body = Body::Verdict(Box::new(verdict(&fields)?));
            Some(Told { body, running_time: fields.number("running-time") })
        }
        "m2sd-track-start" => {
            let start = TrackStart { track: fields.number("track")?, face: fields.face()? };
            let running_time = fields.number("running-time");
            Some(Told { body: Body::TrackStart(start), running_time })
        }
        "m2sd-track-end" => {
            let end = track_end(&fields)?;
            let running_time = end.last_seen;
            Some(Told { body: Body::TrackEnd(end), running_time })
        }
        _ => None,
    }
}

fn clip(fields: &Fields<'_>) -> Option<Clip> {
    Some(Clip {
        track: fields.number("track")?,
        start: fields.number("start")?,
        end: fields.number("end")?,
        frames: fields.count("frames")?,
        face: fields.face()?,
        score: fields.real("score")?,
        fused_score: fields.real("fused-score"),
        llr: fields.real("llr"),
        sufficient: fields.0.get("sufficient").ok(),
        reason: fields.text("reason"),
        reason_text: fields.text("reason-text"),
        quality: fields.quality(),
        logit_fake: fields.real("logit-fake")?,
        logit_real: fields.real("logit-real")?,
        provider: fields.text("provider").unwrap_or_default(),
        precision: fields.text("precision").unwrap_or_default(),
        provider_ms: fields.real("provider-ms")?,
        audio_level_db: fields.real("audio-level-db"),
        audio_coverage: fields.real("audio-coverage"),
        audio_gaps: fields.count("audio-gaps"),
        classifier: fields.classifier()?,
    })
}

fn verdict(fields: &Fields<'_>) -> Option<Verdict> {
    Some(Verdict {
        track: fields.number("track")?,
        label_before: fields.text("label-before")?,
        judgement: Judgement {
            label: fields.text("label")?,
            confidence: fields.real("confidence")?,
            reason: fields.text("reason"),
            reason_text: fields.text("reason-text"),
            score: fields.real("score"),
            frame_score: fields.real("frame-score"),
            frame_clips: fields.count("frame-clips"),
            llr: fields.real("llr"),
            clips: fields.count("clips"),
            start: fields.number("start"),
            end: fields.number("end"),
        },
        face: fields.face()?,
        classifier: fields.classifier(),
    })
}

fn track_end(fields: &Fields<'_>) -> Option<TrackEnd> {
    Some(TrackEnd {
        track: fields.number("track")?,
        reason: fields.text("reason")?,
        first_seen: fields.number("first-seen"),
        last_seen: fields.number("last-seen"),
        label: fields.text("label"),
        label_reason: fields.text("label-reason"),
        score: fields.real("score"),
        llr: fields.real("llr"),
        clips: fields.count("clips"),
    })
}

/// The fields of a structure, as events need them.
struct Fields<'a>(&'a gst::StructureRef);

impl Fields<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).ok()
    }

    fn count(&self, name: &str) -> Option<u32> {
        self.0.get(name).ok()
    }

    /// JSON has no numbers but finite ones.
    fn real(&self, name: &str) -> Option<f64> {
        self.0.get(name).ok().filter(|number: &f64| number.is_finite())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).ok()
    }

    fn face(&self) -> Option<FaceBox> {
        Some(FaceBox {
            x: self.real("x")?,
            y: self.real("y")?,
            width: self.real("width")?,
            height: self.real("height")?,
        })
    }

    fn classifier(&self) -> Option<Classifier> {
        Some(Classifier {
            model_name: self.text("model-name")?,
            model_sha256: self.text("model-sha256"),
            training: self.text("training")?,
            trained: self.0.get("trained").ok()?,
            calibrated: self.0.get("calibrated").ok()?,
            threshold: self.real("threshold"),
            operating_point: self.text("operating-point"),
            threshold_source: self.text("threshold-source"),
        })
    }

    fn quality(&self) -> Option<Quality> {
        let structure = self.0.get::<gst::Structure>("quality").ok()?;
        let fields = Fields(&structure);
        let failed = structure.get::<gst::Array>("failed").ok();
        let failed = failed.iter().flat_map(|failed| failed.iter());
        Some(Quality {
            eye_distance: fields.real("eye-distance")?,
            sharpness: fields.real("sharpness")?,
            brightness: fields.real("brightness")?,
            contrast: fields.real("contrast")?,
            pose: fields.real("pose")?,
            outside: fields.real("outside")?,
            blockiness: fields.real("blockiness")?,
            failed: failed.filter_map(|what| what.get::<String>().ok()).collect(),
        })
    }
}
