//! What `scan` writes down: one JSON record a line, and what the summary needs.

use std::collections::BTreeMap;
use std::io::Write;

use gst_video::VideoRegionOfInterestMeta;
use serde_json::{Value, json};

use crate::summary::Face;
use crate::terminal::json_line;

/// The record file, and the faces so far.
///
/// `scores.jsonl` starts with a `header`; `frame` and `clip` records follow as they come.
pub struct Recorder {
    out: Box<dyn Write + Send>,
    header: Option<Value>,
    faces: BTreeMap<u64, Face>,
    frames: u64,
    failed: Option<std::io::Error>,
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

impl Recorder {
    /// `header` is written before the first record, completed with the provider.
    pub fn new(out: Box<dyn Write + Send>, header: Value) -> Self {
        let faces = BTreeMap::new();
        Self { out, header: Some(header), faces, frames: 0, failed: None }
    }

    fn write(&mut self, record: &Value) {
        let written = self.out.write_all(json_line(record).as_bytes());
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    /// Writes the header once; `provider` is known when the first frame leaves.
    pub fn header(&mut self, provider: impl FnOnce() -> String) {
        if let Some(mut header) = self.header.take() {
            header["provider"] = json!(provider());
            self.write(&header);
        }
    }

    /// A frame that leaves the element at this running time.
    pub fn frame(&mut self, time_ns: Option<u64>, buffer: &gst::BufferRef) {
        let number = self.frames;
        self.frames += 1;
        let time = time_ns.map(seconds);
        let mut faces = Vec::new();
        for roi in buffer.iter_meta::<VideoRegionOfInterestMeta>() {
            if roi.roi_type() != "face" {
                continue;
            }
            let Some(judged) = roi.param("m2sd") else { continue };
            let track = roi.param("object_id").and_then(|s| s.get::<i32>("id").ok());
            let score = judged.get::<f64>("score").ok();
            let label = judged.get::<String>("label").unwrap_or_default();
            let (x, y, width, height) = roi.rect();
            let confidence = roi.param("detection").and_then(|s| s.get::<f64>("confidence").ok());
            faces.push(json!({
                "track": track,
                "box": [x, y, width, height],
                "detection": confidence,
                "score": score,
                "clips": judged.get::<u32>("clips").unwrap_or(0),
                "label": label,
            }));
            if let Some(track) = track.and_then(|t| u64::try_from(t).ok()) {
                self.faces.entry(track).or_default().seen(time);
            }
        }
        let score = mean(faces.iter().filter_map(|face| face["score"].as_f64()));
        self.write(&json!({
            "type": "frame", "frame": number, "time": time, "score": score, "faces": faces,
        }));
    }

    /// An `m2sd-clip` message.
    pub fn clip(&mut self, clip: &gst::StructureRef) {
        let float = |name: &str| clip.get::<f64>(name).ok();
        let time = |name: &str| clip.get::<u64>(name).ok().map(seconds);
        let Ok(track) = clip.get::<u64>("track") else { return };
        let record = json!({
            "type": "clip",
            "track": track,
            "start": time("start"),
            "end": time("end"),
            "box": [float("x"), float("y"), float("width"), float("height")],
            "score": float("score"),
            "logits": [float("logit-fake"), float("logit-real")],
            "precision": clip.get::<&str>("precision").ok(),
            "milliseconds": float("provider-ms"),
        });
        self.write(&record);
        if let Some(score) = float("score") {
            self.faces.entry(track).or_default().scored(score);
        }
    }

    /// Flushes what was written; the faces, and the number of frames.
    pub fn finish(&mut self) -> std::io::Result<(BTreeMap<u64, Face>, u64)> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.out.flush()?;
        Ok((std::mem::take(&mut self.faces), self.frames))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
