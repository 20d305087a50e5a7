//! The header of a scan's records: all that decides what the records say.

use std::collections::BTreeMap;
use std::path::Path;

use gst::prelude::*;
use gstm2sd::core::modelinfo::{self, LlrMap, ModelInfo, SufficiencyKeys};
use gstm2sd::core::redact::redact;
use gstm2sd::evidence::records::{
    Calibration, FORMAT, Header, InputKind, Judging, ModelFile, Point, Population, Rate, Span,
    Versions, WallStart,
};
use gstm2sd::filter::{M2sdFilter, ModelFiles};
use gstm2sd::infer::{CancelToken, sha256_of};
use gstm2sd::models::ModelSource;
use serde_json::Value;

use super::host::host;
use super::input::Input;
use super::summary::Judged;
use crate::error::CliError;

/// The header, but for what is only known when the networks run.
///
/// # Errors
/// When the input or a model cannot be read.
pub fn header(
    input: &Input,
    span: Span,
    filter: &M2sdFilter,
    files: &ModelFiles,
    judged: Option<&Judged>,
) -> Result<Header, CliError> {
    let classifiers = files.classifiers.iter().map(|file| model(&file.source));
    Ok(Header {
        format: FORMAT,
        versions: Versions {
            m2sd: env!("CARGO_PKG_VERSION").to_owned(),
            gstreamer: gst::version_string().to_string(),
            runtimes: gstm2sd::infer::runtimes(),
        },
        input: input.record()?,
        span,
        host: host(),
        settings: settings(filter),
        detector: model(&files.detector)?,
        aligner: files.aligner.as_ref().map(model).transpose()?,
        classifiers: classifiers.collect::<Result<_, _>>()?,
        judging: judging(files, judged)?,
        wall: WallStart { start: now() },
        ..Header::default()
    })
}

/// UTC, to the millisecond.
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// The header as far as it tells whether two scans are the same one.
pub fn comparable(header: &Header) -> Value {
    let mut header = header.clone();
    header.wall = WallStart::default();
    if header.input.sha256.is_some() {
        // What it is, its bytes say, and not how it was named.
        header.input.name.clear();
        header.input.kind = InputKind::default();
    }
    // What was chosen, of what the settings leave open, once the networks ran.
    for field in [
        &mut header.provider,
        &mut header.precision,
        &mut header.detect_provider,
        &mut header.detect_precision,
    ] {
        field.clear();
    }
    serde_json::to_value(header).unwrap_or_default()
}

/// Every property that can be set, with what it is.
fn settings(filter: &M2sdFilter) -> BTreeMap<String, Value> {
    let own = |spec: &&glib::ParamSpec| {
        spec.owner_type() == M2sdFilter::static_type()
            && spec.flags().contains(glib::ParamFlags::READWRITE)
    };
    let specs = filter.list_properties();
    let setting = |spec: &glib::ParamSpec| {
        (spec.name().to_owned(), json_of(&filter.property_value(spec.name())))
    };
    specs.iter().filter(own).map(setting).collect()
}

/// A property as JSON: numbers as they are, enumerations by their nicks.
fn json_of(value: &glib::Value) -> Value {
    if let Ok(flag) = value.get::<bool>() {
        return flag.into();
    }
    if let Ok(number) = value.get::<u32>() {
        return number.into();
    }
    if let Ok(number) = value.get::<u64>() {
        return number.into();
    }
    if let Ok(number) = value.get::<i32>() {
        return number.into();
    }
    if let Ok(number) = value.get::<f64>() {
        return number.into();
    }
    if let Ok(text) = value.get::<Option<String>>() {
        return text.map(|text| redact(&text).into_owned()).into();
    }
    if let Some((_, of)) = glib::EnumValue::from_value(value) {
        return of.nick().into();
    }
    value.serialize().map_or(Value::Null, |text| text.to_string().into())
}

fn hash(path: &Path) -> Result<String, CliError> {
    // The element, too, says which files it has.
    gstm2sd::models::known_sha256(path)
        .map_err(|e| CliError::runtime(format!("cannot read {}: {e}", path.display())))
}

fn model(source: &ModelSource) -> Result<ModelFile, CliError> {
    let Some(path) = source.path() else {
        // By its server's word, if it gives it.
        let sha256 = sha256_of(source, &CancelToken::new()).unwrap_or_default();
        return Ok(ModelFile { file: source.file_name(), sha256, sidecar_sha256: None });
    };
    let sidecar = ModelInfo::places(path).into_iter().find(|path| path.is_file());
    Ok(ModelFile {
        file: source.file_name(),
        sha256: hash(path)?,
        sidecar_sha256: sidecar.map(|path| hash(&path)).transpose()?,
    })
}

fn judging(files: &ModelFiles, judged: Option<&Judged>) -> Result<Judging, CliError> {
    let point = judged.and_then(|judged| judged.point.as_ref());
    let mut calibrations = Vec::new();
    for classifier in &files.classifiers {
        calibrations.extend(calibration(classifier.source.file_name(), &classifier.info));
    }
    Ok(Judging {
        trained: judged.map(|judged| judged.training.is_trained()),
        training: judged.map(|judged| judged.training.as_str().to_owned()),
        calibrated: judged.map(Judged::is_calibrated),
        threshold: point.map(|point| point.threshold.get()),
        threshold_source: point.map(|point| point.source.as_str().to_owned()),
        operating_point: point.map(|point| point.source.name().to_owned()),
        calibrations,
    })
}

fn calibration(classifier: String, info: &ModelInfo) -> Option<Calibration> {
    let found = info.calibration.as_ref()?;
    let modelinfo::Population { name, real, fake, date, list_sha256 } = found.population.clone();
    let rate = |rate: modelinfo::Rate| Rate { value: rate.value, low: rate.low, high: rate.high };
    let points = info.points.iter().map(|point| Point {
        name: point.name.clone(),
        threshold: point.threshold,
        fpr: rate(point.fpr),
        tpr: rate(point.tpr),
    });
    let map = match found.map {
        LlrMap::Platt { .. } => "platt",
        LlrMap::Isotonic(_) => "isotonic",
    };
    Some(Calibration {
        classifier,
        map: map.to_owned(),
        population: Population { name, real, fake, date, list_sha256 },
        points: points.collect(),
        limits: limits(&info.sufficiency),
    })
}

/// What the sidecar asks of a face.
fn limits(keys: &SufficiencyKeys) -> BTreeMap<String, f64> {
    let brightness = keys.brightness.unzip();
    let all = [
        ("min-eye-distance-px", keys.eye_distance_px),
        ("min-sharpness", keys.sharpness),
        ("min-brightness", brightness.0),
        ("max-brightness", brightness.1),
        ("min-contrast", keys.contrast),
        ("max-pose-deg", keys.pose_deg),
        ("max-outside", keys.outside),
        ("min-clips", keys.clips.map(f64::from)),
        ("min-seconds", keys.seconds),
        ("spread", keys.spread),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
