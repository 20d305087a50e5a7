//! Two scans' records against each other, line by line.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::bounds::Bounds;
use crate::evidence::provenance::State;
use crate::evidence::records::{
    Edge, End, Footer, Header, InputKind, ModelFile, fault, without_wall,
};

/// Fields that differ from run to run.
const OF_THE_RUN: [&str; 1] = ["milliseconds"];

/// The first place where the records of a face, or of frames, are not as they were.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordDifference {
    /// Of the records that are reproduced, from 1.
    pub line: usize,
    /// The face's track; `None` for what is of no face.
    pub track: Option<u64>,
    /// What differs, in words: field, was, is.
    pub what: String,
}

/// How two scans compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// How far apart two values may be.
    pub bounds: Bounds,
    /// Records of frames and clips that were compared.
    pub records: usize,
    /// Those that are equal in every bit.
    pub equal: usize,
    /// The most by which two scores differ.
    pub largest_score_difference: f64,
    /// Beyond the bounds, the first of each face.
    pub differences: Vec<RecordDifference>,
    /// All records with a difference beyond the bounds.
    pub records_beyond: usize,
    /// What is otherwise and need not matter: versions, the machine, what ran the networks.
    pub environment: Vec<String>,
    /// The earlier scan did not reach its end: records after its last were not compared.
    pub partial: bool,
}

impl Comparison {
    /// Whether nothing is beyond the bounds.
    pub fn is_reproduced(&self) -> bool {
        self.records_beyond == 0
    }
}

/// Records of a scan: header, what follows, and how it ended.
struct Records {
    header: Header,
    /// Without header and footer.
    body: Vec<Value>,
    footer: Option<Footer>,
}

fn records(text: &str) -> Result<Records, String> {
    let mut header = None;
    let (mut body, mut footer) = (Vec::new(), None);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let whole = line.ends_with('\n');
        let record: Value = match serde_json::from_str(line) {
            Ok(record) => record,
            // A line that a killed scan did not finish.
            Err(_) if !whole => break,
            Err(e) => return Err(format!("line {number}: {}", fault(&e))),
        };
        match record["type"].as_str() {
            Some("header" | "footer") => match Edge::parse(line) {
                Ok(Edge::Header(_)) if header.is_some() => {
                    return Err(format!("line {number} is a second header"));
                }
                Ok(_) if footer.is_some() => {
                    return Err(format!("line {number} is behind the footer"));
                }
                Ok(Edge::Header(found)) => header = Some(*found),
                Ok(Edge::Footer(found)) => footer = Some(*found),
                Err(e) => return Err(format!("line {number}: {}", fault(&e))),
            },
            Some(_) if footer.is_some() => {
                return Err(format!("line {number} is behind the footer"));
            }
            Some(_) => body.push(without_wall(record)),
            None => return Err(format!("line {number} is no record: it has no type")),
        }
    }
    let header: Header = header.ok_or("there is no header")?;
    header.check_format().map_err(|newer| newer.to_string())?;
    Ok(Records { header, body, footer })
}

/// Compares the records of a scan (JSON lines) with those of another that ran later.
///
/// # Errors
/// In words, when one of them is no scan's.
pub fn compare(earlier: &str, later: &str) -> Result<Comparison, String> {
    let mut earlier = records(earlier).map_err(|e| format!("the earlier records: {e}"))?;
    let later = records(later).map_err(|e| format!("the new records: {e}"))?;
    let bounds = Bounds::between(&earlier.header, &later.header);
    let partial = is_partial(earlier.footer.as_ref());
    if partial {
        leave_out_open(&mut earlier.body);
    }
    let mut comparison = Comparison {
        environment: environment(&earlier.header, &later.header),
        bounds,
        records: 0,
        equal: 0,
        largest_score_difference: 0.0,
        differences: Vec::new(),
        records_beyond: 0,
        partial,
    };
    comparison.edges(&earlier, &later);
    let mut told = BTreeSet::new();
    for (at, (was, is)) in earlier.body.iter().zip(&later.body).enumerate() {
        comparison.record(at + 2, was, is, &mut told);
    }
    let (was, is) = (earlier.body.len(), later.body.len());
    if was > is || (is > was && !partial) {
        comparison.records_beyond += was.abs_diff(is);
        comparison.differences.push(RecordDifference {
            line: was.min(is) + 2,
            track: None,
            what: format!("there were {was} records of frames and clips, and are {is}"),
        });
    }
    Ok(comparison)
}

/// Takes away the frames of a scan that did not reach its end which more clips would have contained: what was
/// said of them is not what a scan of the whole says. Clips that ended are left.
fn leave_out_open(body: &mut Vec<Value>) {
    let (last, longest) = (last_frame(body), longest_clip(body));
    let is_open = |record: &Value| {
        let time = seconds(record, "time").or_else(|| seconds(record, "end"));
        time.is_none_or(|time| time > last - longest)
    };
    let whole = body.iter().position(is_open).unwrap_or(body.len());
    body.truncate(whole);
}

fn seconds(record: &Value, name: &str) -> Option<f64> {
    record[name].as_f64()
}

/// The time of the last frame, in seconds.
fn last_frame(body: &[Value]) -> f64 {
    body.iter().filter_map(|record| seconds(record, "time")).fold(0.0, f64::max)
}

/// How long the longest clip is, in seconds.
fn longest_clip(body: &[Value]) -> f64 {
    let clips = body.iter().filter(|record| record["type"] == "clip");
    let lengths = clips.filter_map(|clip| Some(seconds(clip, "end")? - seconds(clip, "start")?));
    lengths.fold(0.0, f64::max)
}

/// Up to where the input is to be scanned again, in seconds of its own time, so that all that is compared is
/// as in a scan of the whole: behind the last frame by what any clip that holds one takes, and a second. `None`:
/// to its end, as records tell nothing else.
pub(super) fn scanned_until(text: &str) -> Option<f64> {
    let Records { body, footer, .. } = records(text).ok()?;
    let is_partial = is_partial(footer.as_ref()) && !body.is_empty();
    is_partial.then(|| last_frame(&body) + longest_clip(&body) + 1.0)
}

/// Whether a scan did not reach the end of what was asked for.
fn is_partial(footer: Option<&Footer>) -> bool {
    !matches!(footer.map(|footer| footer.end), Some(End::Complete | End::TruncatedInput))
}

/// What headers say of input and classifier, which does not depend on who runs them.
///
/// How much was asked for does not count where less was scanned: only that is scanned again.
fn claims(header: &Header, partial: bool) -> Value {
    let mut input = header.input.clone();
    input.name.clear();
    // What came by a pipe can only be read again from a file.
    if input.kind == InputKind::StandardInput {
        input.kind = InputKind::File;
    }
    // Whom somebody believes is another's business.
    if let Some(provenance) = &mut input.provenance {
        if provenance.state == State::Trusted {
            provenance.state = State::Valid;
        }
        if let Some(signer) = &mut provenance.signer {
            signer.trusted = None;
        }
    }
    let mut span = header.span.clone();
    span.duration = span.duration.filter(|_| !partial);
    serde_json::json!({ "input": input, "span": span, "judging": header.judging })
}

impl Comparison {
    /// What is said before and after frames and clips.
    fn edges(&mut self, earlier: &Records, later: &Records) {
        let [was, is] = [earlier, later].map(|records| claims(&records.header, self.partial));
        self.edge(1, &was, &is);
        if self.partial {
            return;
        }
        let counts = |records: &Records| {
            records.footer.as_ref().map_or(Value::Null, |footer| {
                let counts = &footer.counts;
                serde_json::json!({
                    "end": footer.end.as_str(), "frames": counts.frames, "faces": counts.faces,
                    "clips": counts.clips, "clips-scored": counts.clips_scored,
                })
            })
        };
        self.edge(earlier.body.len() + 2, &counts(earlier), &counts(later));
    }

    fn edge(&mut self, line: usize, was: &Value, is: &Value) {
        let mut walk = Walk { bounds: &self.bounds, largest: 0.0, found: Vec::new() };
        walk.value("", "", None, was, is);
        self.records_beyond += usize::from(!walk.found.is_empty());
        let found = walk.found.into_iter();
        self.differences.extend(found.map(|(track, what)| RecordDifference { line, track, what }));
    }

    fn record(&mut self, line: usize, was: &Value, is: &Value, told: &mut BTreeSet<Option<u64>>) {
        self.records += 1;
        if without_run(was) == without_run(is) {
            self.equal += 1;
            return;
        }
        let mut walk = Walk { bounds: &self.bounds, largest: 0.0, found: Vec::new() };
        walk.value("", "", was["track"].as_u64(), was, is);
        self.largest_score_difference = self.largest_score_difference.max(walk.largest);
        self.records_beyond += usize::from(!walk.found.is_empty());
        for (track, what) in walk.found {
            if told.insert(track) {
                self.differences.push(RecordDifference { line, track, what });
            }
        }
    }
}

fn without_run(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(fields) = record.as_object_mut() {
        OF_THE_RUN.iter().for_each(|name| drop(fields.remove(*name)));
    }
    record
}

/// What differs beyond the bounds between two records, each with the face that it is of.
struct Walk<'a> {
    bounds: &'a Bounds,
    largest: f64,
    found: Vec<(Option<u64>, String)>,
}

impl Walk<'_> {
    /// `path` is where it is, `name` the field that it is of.
    fn value(&mut self, path: &str, name: &str, track: Option<u64>, was: &Value, is: &Value) {
        match (was, is) {
            (Value::Object(a), Value::Object(b)) => {
                let track = a.get("track").and_then(Value::as_u64).or(track);
                let bounds = self.bounds;
                let names: BTreeSet<_> = a.keys().chain(b.keys()).collect();
                for name in names.into_iter().filter(|name| !is_left_out(bounds, name)) {
                    let field = |of: &serde_json::Map<_, _>| of.get(name).cloned();
                    let (a, b) = (field(a).unwrap_or_default(), field(b).unwrap_or_default());
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.value(&path, name, track, &a, &b);
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (at, (a, b)) in a.iter().zip(b).enumerate() {
                    self.value(&format!("{path}[{at}]"), name, track, a, b);
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                self.found
                    .push((track, format!("{path}: {} were there, {} are", a.len(), b.len())));
            }
            (Value::Number(a), Value::Number(b)) => {
                let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { return };
                if matches!(name, "score" | "frame-score" | "fused-score") {
                    self.largest = self.largest.max((x - y).abs());
                }
                if !self.bounds.allow(name, x, y) {
                    self.found.push((track, format!("{path} was {a} and is {b}")));
                }
            }
            (a, b) if a == b => {}
            (a, b) => self.found.push((track, format!("{path} was {a} and is {b}"))),
        }
    }
}

/// Whether a field says how it ran, which the environment tells where it need not be the same.
fn is_left_out(bounds: &Bounds, name: &str) -> bool {
    OF_THE_RUN.contains(&name) || (name == "precision" && bounds.score > 0.0)
}

/// What is otherwise, field by field.
fn environment(was: &Header, is: &Header) -> Vec<String> {
    let list = |all: &[String]| all.join(", ");
    let pairs = [
        ("m2sd", was.versions.m2sd.clone(), is.versions.m2sd.clone()),
        ("GStreamer", was.versions.gstreamer.clone(), is.versions.gstreamer.clone()),
        ("runtimes", list(&was.versions.runtimes), list(&is.versions.runtimes)),
        ("processor", was.host.cpu.clone(), is.host.cpu.clone()),
        ("system", was.host.os.clone(), is.host.os.clone()),
        ("provider", was.provider.clone(), is.provider.clone()),
        ("precision", was.precision.clone(), is.precision.clone()),
        ("provider of the detector", was.detect_provider.clone(), is.detect_provider.clone()),
        ("precision of the detector", was.detect_precision.clone(), is.detect_precision.clone()),
    ];
    let sidecars = models(was)
        .zip(models(is))
        .filter(|(was, is)| was.file == is.file && was.sidecar_sha256 != is.sidecar_sha256);
    let sidecars = sidecars.map(|(was, _)| format!("the sidecar of {} is another", was.file));
    let differ = pairs.into_iter().filter(|(_, was, is)| was != is);
    let differ = differ.map(|(name, was, is)| format!("{name}: was {was:?}, is {is:?}"));
    differ.chain(sidecars).collect()
}

fn models(header: &Header) -> impl Iterator<Item = &ModelFile> {
    [&header.detector].into_iter().chain(&header.aligner).chain(&header.classifiers)
}
