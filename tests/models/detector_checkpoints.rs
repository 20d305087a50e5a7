//! Detectors that are built from a checkpoint: the figures of detectors.py, and which is which.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use gstm2sd::core::detect::FamilyOutputs;
use gstm2sd::core::image::PixelValues;
use gstm2sd::core::modelinfo::{ModelInfo, Role, Training};
use gstm2sd::infer::{CancelToken, EngineOptions, Provider, load_detector};
use gstm2sd::models::arch::retinaface::{self, Variant};
use gstm2sd::models::arch::{ArchError, Tensors, Weights, slim};
use gstm2sd::models::checkpoint::{Checkpoint, CheckpointError};
use gstm2sd::models::graph::Graph;
use gstm2sd::models::import::{ImportOptions, Problem, import};
use gstm2sd::models::sha256;
use ndarray::{Array3, ArrayView2};
use serde_json::Value;

use crate::forge::{Forge, Tensor, bytes};
use crate::support::shared_dir;

const FIGURES: &str = include_str!("detectors.json");

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

fn shapes(figures: &Value) -> BTreeMap<String, Vec<usize>> {
    serde_json::from_value(figures["tensors"].clone()).unwrap()
}

fn figures(name: &str) -> Value {
    serde_json::from_str::<Value>(FIGURES).unwrap()[name].take()
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

#[test]
fn tensors_that_only_one_network_has_tell_which_it_is() {
    let signatures =
        [retinaface::SIGNATURE, retinaface::RESNET_SIGNATURE, slim::SIGNATURE, slim::RFB_SIGNATURE];
    for (place, name) in ["retinaface", "resnet50", "slim", "rfb"].into_iter().enumerate() {
        let shapes = shapes(&figures(name));
        let fits = signatures.map(|names| names.iter().all(|name| shapes.contains_key(*name)));
        assert_eq!(fits.iter().position(|fits| *fits), Some(place), "{name}");
        assert_eq!(fits.iter().filter(|fits| **fits).count(), 1, "{name}");
    }
}

/// A checkpoint of a network of the figures, all zeros, as training leaves names.
fn checkpoint(dir: &Path, file: &str, network: &str) -> std::path::PathBuf {
    let shapes = shapes(&figures(network));
    let mut forge = Forge::default();
    for (name, shape) in &shapes {
        let shape: Vec<i64> = shape.iter().map(|side| *side as i64).collect();
        let tensor = Tensor::float(&format!("module.{name}"), name, &shape);
        forge.storages.push((name.clone(), bytes(&vec![0.0; tensor.numel as usize])));
        forge.tensors.push(tensor);
    }
    let path = dir.join(file);
    std::fs::write(&path, forge.zip()).unwrap();
    path
}

fn anchors(info: &ModelInfo) -> Option<Vec<Vec<f32>>> {
    info.anchors.as_ref().map(|sides| sides.0.clone())
}

#[test]
fn a_small_detector_does_not_take_the_place_of_the_one_with_its_name() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = checkpoint(dir.path(), "mobilenet0.25_Final.pth", "retinaface");
    let with = |retinaface| {
        let options = ImportOptions { retinaface, ..ImportOptions::default() };
        import(&source, out.path(), &options)
    };
    let error = with(None).unwrap_err();
    assert!(matches!(*error.problem, Problem::WhichRetinaFace), "{error}");
    assert!(error.to_string().contains("--retinaface published or --retinaface 1mb"), "{error}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "nothing is written");

    let published = with(Some(Variant::Published)).unwrap();
    // Not even that one takes the place of the file that is known by its hash.
    assert!(published.model.ends_with("mobilenet0.25_Final.onnx"), "{:?}", published.model);
    assert_eq!(anchors(&published.info), None);
    let small = with(Some(Variant::OneMb)).unwrap();
    assert!(small.model.ends_with("face_detector_1mb.onnx"), "{:?}", small.model);
    let sides = vec![vec![10.0, 20.0], vec![32.0, 64.0], vec![128.0, 256.0]];
    let info = ModelInfo::beside(&small.model).unwrap();
    assert_eq!((info.role, anchors(&info)), (Some(Role::Detector), Some(sides)));
    assert_eq!(info.training, Training::Unknown);
    assert_eq!(info.title.as_deref(), Some("Face-Detector-1MB MobileNet-0.25"));
    assert_eq!(sha256(&published.model).unwrap(), published.sha256, "it is as it was");
    assert_ne!(published.sha256, small.sha256);
}

#[test]
fn slim_and_rfb_are_known_by_their_tensors() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (file, network, title) in [
        ("slim_Final.pth", "slim", "Face-Detector-1MB Slim"),
        ("RBF_Final.pth", "rfb", "Face-Detector-1MB RFB"),
    ] {
        let source = checkpoint(dir.path(), file, network);
        let report = import(&source, out.path(), &ImportOptions::default()).unwrap();
        assert_eq!(report.info.title.as_deref(), Some(title));
        let sides = vec![
            vec![10.0, 16.0, 24.0],
            vec![32.0, 48.0],
            vec![64.0, 96.0],
            vec![128.0, 192.0, 256.0],
        ];
        assert_eq!(anchors(&ModelInfo::beside(&report.model).unwrap()), Some(sides));
    }
}

/// Wrapped and saved again it has another hash, and the same numbers.
#[test]
fn golden_the_published_weights_are_known_in_any_file() {
    let path = shared_dir().join("models/retinaface_mobilenet0.25.pth");
    let mut original = Checkpoint::new(File::open(&path).unwrap()).unwrap();
    let names: Vec<_> = original.names().map(str::to_owned).collect();
    let mut forge = Forge::default();
    for name in names.iter().filter(|name| !name.ends_with("num_batches_tracked")) {
        let shape: Vec<i64> =
            original.shape(name).unwrap().iter().map(|side| *side as i64).collect();
        forge.storages.push((name.clone(), bytes(&original.read(name).unwrap())));
        forge.tensors.push(Tensor::float(&format!("module.{name}"), name, &shape));
    }
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = dir.path().join("mobilenet0.25_Final.pth");
    std::fs::write(&source, forge.zip()).unwrap();
    let report = import(&source, out.path(), &ImportOptions::default()).unwrap();
    assert_eq!(report.info.title.as_deref(), Some("RetinaFace MobileNet-0.25"));
    assert_eq!(anchors(&report.info), None);
    let options = ImportOptions { retinaface: Some(Variant::OneMb), ..ImportOptions::default() };
    let error = import(&source, out.path(), &options).unwrap_err();
    assert!(matches!(*error.problem, Problem::PublishedRetinaFace), "{error}");
    assert!(import(&path, out.path(), &ImportOptions::default()).is_ok());
}
