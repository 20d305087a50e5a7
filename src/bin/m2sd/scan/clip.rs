//! A scored clip, as the element's message tells of it.

use serde_json::{Value, json};

use super::values::{quality_json, seconds};

/// What an `m2sd-clip` message says.
#[derive(Clone, Debug, Default)]
pub struct ClipRecord {
    pub track: u64,
    pub start_ns: u64,
    pub end_ns: u64,
    pub score: Option<f64>,
    /// Of several classifiers: who scored it, and on the clip of the first what they say together.
    pub classifier: Option<String>,
    pub fused: Option<f64>,
    /// x, y, width, height in pixels.
    pub bbox: [Option<f64>; 4],
    /// Of fake and of real.
    pub logits: [Option<f64>; 2],
    pub precision: Option<String>,
    pub llr: Option<f64>,
    /// As in the records.
    pub quality: Option<Value>,
    /// Why the clip counts for no verdict.
    pub reason: Option<String>,
    /// How long the classifier took; `None` where nobody wants to know, as it differs from run to
    /// run.
    pub milliseconds: Option<f64>,
}

impl ClipRecord {
    /// `None` for other messages.
    pub fn from_message(clip: &gst::StructureRef, timings: bool) -> Option<Self> {
        if clip.name() != "m2sd-clip" {
            return None;
        }
        let float = |name: &str| clip.get::<f64>(name).ok();
        Some(Self {
            track: clip.get("track").ok()?,
            start_ns: clip.get("start").ok()?,
            end_ns: clip.get("end").ok()?,
            score: float("score"),
            classifier: clip.get("model-name").ok(),
            fused: float("fused-score"),
            bbox: ["x", "y", "width", "height"].map(float),
            logits: ["logit-fake", "logit-real"].map(float),
            precision: clip.get("precision").ok(),
            llr: float("llr"),
            quality: clip.get::<gst::Structure>("quality").ok().map(|q| quality_json(&q)),
            reason: clip.get("reason").ok(),
            milliseconds: float("provider-ms").filter(|_| timings),
        })
    }

    /// By what records of clips are sorted.
    pub fn turn(&self) -> (u64, u64, u64, Option<&str>) {
        (self.end_ns, self.start_ns, self.track, self.classifier.as_deref())
    }

    /// Of an `ensemble`, with the classifier.
    pub fn json(&self, ensemble: bool) -> Value {
        let mut record = json!({
            "type": "clip",
            "track": self.track,
            "start": seconds(self.start_ns),
            "end": seconds(self.end_ns),
            "box": self.bbox,
            "score": self.score,
            "logits": self.logits,
            "precision": self.precision,
        });
        if let Some(classifier) = self.classifier.as_ref().filter(|_| ensemble) {
            record["classifier"] = classifier.as_str().into();
            record["fused-score"] = self.fused.into();
        }
        if let Some(llr) = self.llr {
            record["llr"] = llr.into();
        }
        if let Some(quality) = &self.quality {
            record["quality"] = quality.clone();
        }
        if let Some(reason) = &self.reason {
            record["reason"] = reason.as_str().into();
        }
        if let Some(milliseconds) = self.milliseconds {
            record["milliseconds"] = milliseconds.into();
        }
        record
    }
}
