//! The graphs of detectors that are built from a checkpoint compute the figures of detectors.py.

use std::collections::BTreeMap;
use std::fs::File;

use gstm2sd::core::detect::FamilyOutputs;
use gstm2sd::core::image::PixelValues;
use gstm2sd::infer::{CancelToken, EngineOptions, Provider, load_detector};
use gstm2sd::models::arch::retinaface::{self, Variant};
use gstm2sd::models::arch::{ArchError, Tensors, Weights, slim};
use gstm2sd::models::checkpoint::CheckpointError;
use gstm2sd::models::graph::Graph;
use ndarray::{Array3, ArrayView2};
use serde_json::Value;

use crate::detector_checkpoints::{figures, shapes};

/// As detectors.py: numbers from -0.5 to 0.5 that depend on a name and their places.
fn seeded(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    (1..=count as u64).map(move |n| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24) - 0.5
    })
}

/// Weights of these shapes, as detectors.py makes them.
struct Seeded(BTreeMap<String, Vec<usize>>);

impl Weights for Seeded {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let shape = &self.0[name];
        let filter: usize = shape.iter().skip(1).product();
        let scale = 2.0 / (filter as f64 / 3.0).sqrt();
        let value = |u: f64| match shape.len() {
            1 if name.ends_with("running_var") => 1.0 + u,
            1 => u * 0.2 + if name.ends_with(".weight") { 1.0 } else { 0.0 },
            _ => u * scale,
        };
        Ok(seeded(name, shape.iter().product()).map(|u| value(u) as f32).collect())
    }
}

type Build = fn(&mut Tensors<'_>) -> Result<Graph, ArchError>;

/// The graph, run on the CPU, gives the figures.
fn assert_computes(name: &str, build: Build) {
    let figures = figures(name);
    let shapes = shapes(&figures);
    let mut weights = Seeded(shapes.clone());
    let mut tensors = Tensors::new(&mut weights);
    let graph = build(&mut tensors).unwrap();
    let unused: Vec<_> = shapes.keys().filter(|name| !tensors.used().contains(*name)).collect();
    assert!(unused.is_empty(), "{name}: {unused:?}");
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("detector.onnx");
    graph.write(&mut Tensors::new(&mut weights), File::create(&model).unwrap()).unwrap();

    let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
    let mut detector = load_detector(&model, &options, &CancelToken::new()).unwrap();
    assert!(matches!(detector.values(), PixelValues::Normalized(_)));
    let [width, height] = [0, 1].map(|n| figures["size"][n].as_u64().unwrap() as usize);
    let picture: Vec<_> =
        seeded("picture", 3 * width * height).map(|u| (u * 200.0) as f32).collect();
    let picture = Array3::from_shape_vec((3, height, width), picture).unwrap();
    let outputs = detector.run_family(picture.view(), &CancelToken::new()).unwrap();
    let FamilyOutputs::RetinaFace { outputs, .. } = outputs else { panic!("{outputs:?}") };
    assert_near(name, "boxes", outputs.boxes, &figures["outputs"]);
    assert_near(name, "classes", outputs.classes, &figures["outputs"]);
    assert_near(name, "landmarks", outputs.landmarks, &figures["outputs"]);
}

fn assert_near(network: &str, output: &str, found: ArrayView2<'_, f32>, all: &Value) {
    let wanted = &all[output];
    assert_eq!(found.nrows() as u64, wanted["rows"].as_u64().unwrap(), "{network} {output}");
    let largest = wanted["largest"].as_f64().unwrap();
    let step = wanted["step"].as_u64().unwrap() as usize;
    let some = found.iter().step_by(step).zip(wanted["some"].as_array().unwrap());
    let off = some.map(|(f, w)| (f64::from(*f) - w.as_f64().unwrap()).abs()).fold(0.0, f64::max);
    assert!(off < 1e-4 * largest, "{network}: {output} are {off} off, of {largest}");
    let sum: f64 = found.iter().map(|v| f64::from(*v)).sum();
    let difference = (sum - wanted["sum"].as_f64().unwrap()).abs() / found.len() as f64;
    assert!(difference < 1e-4 * largest, "{network}: {output} are {difference} off on average");
}

#[test]
fn graphs_compute_what_numpy_does() {
    assert_computes("retinaface", |tensors| retinaface::build(tensors, Variant::Published));
    assert_computes("one_mb", |tensors| retinaface::build(tensors, Variant::OneMb));
    assert_computes("slim", |tensors| slim::build(tensors, false));
    assert_computes("rfb", |tensors| slim::build(tensors, true));
    assert_computes("resnet50", |tensors| retinaface::build(tensors, Variant::ResNet50));
}
