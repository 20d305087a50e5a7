//! What `scan` writes down: one JSON record a line, and what the summary needs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use gst::meta::CustomMeta;
use gst_video::VideoRegionOfInterestMeta;
use gstm2sd::core::evidence::Probability;
use gstm2sd::core::span::Span;
use gstm2sd::evidence::records::{Edge, Footer, Header, Said};
use serde_json::{Value, json};

use super::clip::ClipRecord;
use super::crops::Crops;
use super::notes::Sightings;
use super::summary::Face;
use super::values::{quality_json, seconds};
use crate::terminal::json_line;

/// The custom metadata on frames in which the element did not look for faces; its field `reason`
/// says why.
const UNANALYSED: &str = "m2sd-unanalysed";

/// The records of a scan: `header`, then `frame` and `clip` records, then `footer`.
///
/// A clip's record comes before that of the first frame that begins when the clip has ended, clips
/// that end together in order of their start and track: the order says nothing of when a clip was
/// scored.
pub struct Recorder {
    out: Box<dyn Write + Send>,
    header: Option<Header>,
    /// Several classifiers score together.
    ensemble: bool,
    faces: BTreeMap<u64, Face>,
    /// Scored clips whose turn has not come, in no order.
    waiting: Vec<ClipRecord>,
    frames: u64,
    /// Frames that say that they were not analysed.
    not_analysed: u64,
    clips: u64,
    sightings: Sightings,
    /// The running time of the newest frame.
    time_ns: Option<u64>,
    ended: bool,
    /// What the classifier saw of clips, where it is kept.
    crops: Option<Arc<Crops>>,
}

/// What a scan has recorded.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub faces: BTreeMap<u64, Face>,
    pub frames: u64,
    pub not_analysed: u64,
    pub clips: u64,
    pub sightings: Sightings,
    pub time_ns: Option<u64>,
}

impl Recorder {
    /// `header` is written before the first record, completed with the provider.
    pub fn new(out: Box<dyn Write + Send>, header: Header) -> Self {
        Self {
            out,
            ensemble: header.classifiers.len() > 1,
            header: Some(header),
            faces: BTreeMap::new(),
            waiting: Vec::new(),
            frames: 0,
            not_analysed: 0,
            clips: 0,
            sightings: Sightings::default(),
            time_ns: None,
            ended: false,
            crops: None,
        }
    }

    /// Has the crops of clips kept that are scored.
    pub fn keep_crops(&mut self, crops: Arc<Crops>) {
        self.crops = Some(crops);
    }

    /// Each record is written at once, so that a reader sees it, and a failure is seen.
    fn write(&mut self, record: &Value) -> io::Result<()> {
        self.out.write_all(json_line(record).as_bytes())?;
        self.out.flush()
    }

    /// Takes a clip that was scored; it is written when its turn comes.
    pub fn clip(&mut self, clip: ClipRecord) {
        self.waiting.push(clip);
    }

    /// A frame that leaves the element at this running time. `provider` is asked once.
    ///
    /// # Errors
    /// When the records cannot be written.
    pub fn frame(
        &mut self,
        time_ns: Option<u64>,
        buffer: &gst::BufferRef,
        stats: impl FnOnce() -> gst::Structure,
    ) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        self.begin(stats)?;
        if let Some(time_ns) = time_ns {
            self.write_clips(|clip| clip.end_ns <= time_ns)?;
            self.time_ns = Some(time_ns);
        }
        let number = self.frames;
        self.frames += 1;
        let faces = self.faces_of(buffer, time_ns.map(seconds));
        self.sightings.add(&faces);
        let score = mean(faces.iter().filter_map(|face| face["frame-score"].as_f64()));
        let mut record = json!({
            "type": "frame", "frame": number, "time": time_ns.map(seconds), "analysed": true,
            "score": score, "faces": faces,
        });
        if let Some(reason) = unanalysed(buffer) {
            record["analysed"] = false.into();
            record["reason"] = reason.into();
            self.not_analysed += 1;
        }
        self.write(&record)
    }

    /// Writes the header, if it has not been.
    fn begin(&mut self, stats: impl FnOnce() -> gst::Structure) -> io::Result<()> {
        let Some(mut header) = self.header.take() else { return Ok(()) };
        let stats = stats();
        for (name, field) in [
            ("provider", &mut header.provider),
            ("precision", &mut header.precision),
            ("detect-provider", &mut header.detect_provider),
            ("detect-precision", &mut header.detect_precision),
        ] {
            *field = stats.get::<String>(name).unwrap_or_default();
        }
        self.write_edge(Edge::Header(Box::new(header)))
    }

    fn faces_of(&mut self, buffer: &gst::BufferRef, time: Option<f64>) -> Vec<Value> {
        let mut faces = Vec::new();
        for roi in buffer.iter_meta::<VideoRegionOfInterestMeta>() {
            if roi.roi_type() != "face" {
                continue;
            }
            let Some(judged) = roi.param("m2sd") else { continue };
            let track = roi.param("object_id").and_then(|s| s.get::<i32>("id").ok());
            let (x, y, width, height) = roi.rect();
            let confidence = roi.param("detection").and_then(|s| s.get::<f64>("confidence").ok());
            let mut face = json!({
                "track": track,
                "box": [x, y, width, height],
                "detection": confidence,
                "score": judged.get::<f64>("score").ok(),
                "frame-score": judged.get::<f64>("frame-score").ok(),
                "clips": judged.get::<u32>("clips").unwrap_or(0),
                "label": judged.get::<&str>("label").unwrap_or_default(),
            });
            for key in ["reason", "reason-text"] {
                if let Ok(text) = judged.get::<&str>(key) {
                    face[key] = text.into();
                }
            }
            if let Ok(llr) = judged.get::<f64>("llr") {
                face["llr"] = llr.into();
            }
            if let Some(quality) = roi.param("quality") {
                face["quality"] = quality_json(quality);
            }
            faces.push(face);
            if let Some(track) = track.and_then(|t| u64::try_from(t).ok()) {
                self.faces.entry(track).or_default().seen(time, said(judged));
            }
        }
        faces
    }

    /// Writes the clips that wait and are `due`, in order.
    fn write_clips(&mut self, due: impl Fn(&ClipRecord) -> bool) -> io::Result<()> {
        let (mut now, later): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(due);
        self.waiting = later;
        now.sort_by(|a, b| a.turn().cmp(&b.turn()));
        // All are counted, whether they can be written or not: the table tells of what was scored.
        let mut written = Ok(());
        for clip in now {
            self.clips += 1;
            // Of several classifiers, what they say together is counted.
            let score = if self.ensemble { clip.fused } else { clip.score };
            if let Some(fake) = score.and_then(|score| Probability::new(score).ok()) {
                let span = Span { start_ns: clip.start_ns, end_ns: clip.end_ns };
                self.faces.entry(clip.track).or_default().scored(fake, span);
                if let Some(crops) = &self.crops {
                    crops.scored(&clip, fake.get());
                }
            }
            written = written.and_then(|()| self.write(&clip.json(self.ensemble)));
        }
        written
    }

    /// Writes the clips that wait; no frame comes any more. What was recorded.
    ///
    /// # Errors
    /// When the records cannot be written.
    pub fn close(&mut self, stats: impl FnOnce() -> gst::Structure) -> io::Result<Totals> {
        let written = self.begin(stats).and_then(|()| self.write_clips(|_| true));
        self.ended = true;
        written.map(|()| self.totals())
    }

    /// Whether there is a frame; if not, none will be recorded any more, so that what has no footer
    /// has no other record.
    pub fn has_frames_or_ends(&mut self) -> bool {
        self.ended |= self.frames == 0;
        self.frames > 0
    }

    /// What was recorded so far.
    pub fn totals(&self) -> Totals {
        Totals {
            faces: self.faces.clone(),
            frames: self.frames,
            not_analysed: self.not_analysed,
            clips: self.clips,
            sightings: self.sightings.clone(),
            time_ns: self.time_ns,
        }
    }

    /// Writes the last record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(&mut self, footer: Footer) -> io::Result<()> {
        self.write_edge(Edge::Footer(Box::new(footer)))
    }

    fn write_edge(&mut self, edge: Edge) -> io::Result<()> {
        self.write(&edge.to_value()?)
    }
}

fn said(judged: &gst::StructureRef) -> Said {
    let text = |name| judged.get::<&str>(name).ok().map(str::to_owned);
    Said {
        label: text("label").unwrap_or_default(),
        reason: text("reason-text").or_else(|| text("reason")),
        score: judged.get("score").ok(),
        llr: judged.get("llr").ok(),
    }
}

/// Why nobody looked for faces in a frame; `None`: somebody did.
fn unanalysed(buffer: &gst::BufferRef) -> Option<String> {
    let meta = CustomMeta::from_buffer(buffer, UNANALYSED).ok()?;
    Some(meta.structure().get("reason").unwrap_or_else(|_| "unknown".to_owned()))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn no_stats() -> gst::Structure {
        gst::Structure::new_empty("stats")
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn records(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            let lines = std::str::from_utf8(&bytes).unwrap().lines();
            lines.map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn clip(track: u64, start_ns: u64, end_ns: u64) -> ClipRecord {
        ClipRecord { track, start_ns, end_ns, score: Some(0.5), ..ClipRecord::default() }
    }

    #[test]
    fn the_order_of_records_is_that_of_their_times() {
        gst::init().unwrap();
        let written = |arrivals: &[usize]| {
            let lines = Lines::default();
            let mut recorder = Recorder::new(Box::new(lines.clone()), Header::default());
            let clips = [clip(1, 0, 20), clip(0, 0, 20), clip(0, 10, 30), clip(0, 20, 90)];
            arrivals.iter().for_each(|n| recorder.clip(clips[*n].clone()));
            for time in [0, 10, 20, 30] {
                recorder.frame(Some(time), &gst::Buffer::new(), no_stats).unwrap();
            }
            assert_eq!(recorder.close(no_stats).unwrap().clips, 4);
            lines.records()
        };
        let records = written(&[0, 1, 2, 3]);
        assert_eq!(records, written(&[3, 2, 1, 0]));
        assert_eq!(records, written(&[2, 0, 3, 1]));
        let kinds: Vec<_> = records.iter().map(|r| r["type"].as_str().unwrap()).collect();
        let expected =
            ["header", "frame", "frame", "clip", "clip", "frame", "clip", "frame", "clip"];
        assert_eq!(kinds, expected);
        assert_eq!((&records[3]["track"], &records[4]["track"]), (&0.into(), &1.into()));
    }

    #[test]
    fn a_scan_that_is_over_before_its_first_frame_records_nothing_later() {
        gst::init().unwrap();
        let lines = Lines::default();
        let recorder = || Recorder::new(Box::new(lines.clone()), Header::default());
        let mut over = recorder();
        assert!(!over.has_frames_or_ends());
        over.frame(Some(0), &gst::Buffer::new(), no_stats).unwrap();
        assert!(lines.records().is_empty());
        let mut running = recorder();
        running.frame(Some(0), &gst::Buffer::new(), no_stats).unwrap();
        assert!(running.has_frames_or_ends());
        running.frame(Some(1), &gst::Buffer::new(), no_stats).unwrap();
        assert_eq!(lines.records().len(), 3);
    }

    #[test]
    fn a_frame_says_whether_it_was_analysed() {
        gst::init().unwrap();
        if !CustomMeta::is_registered(UNANALYSED) {
            CustomMeta::register(UNANALYSED, &[]);
        }
        let lines = Lines::default();
        let mut recorder = Recorder::new(Box::new(lines.clone()), Header::default());
        recorder.frame(None, &gst::Buffer::new(), no_stats).unwrap();
        let mut buffer = gst::Buffer::new();
        let mut meta = CustomMeta::add(buffer.get_mut().unwrap(), UNANALYSED).unwrap();
        meta.mut_structure().set("reason", "no-models");
        recorder.frame(None, &buffer, no_stats).unwrap();
        let records = lines.records();
        assert_eq!((&records[1]["analysed"], records[1].get("reason")), (&true.into(), None));
        assert_eq!(records[2]["analysed"], false);
        assert_eq!(records[2]["reason"], "no-models");
        assert_eq!(recorder.totals().not_analysed, 1);
    }
}
