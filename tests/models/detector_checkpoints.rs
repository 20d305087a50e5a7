//! Detectors that are built from a checkpoint: which is which.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use gstm2sd::core::modelinfo::{ModelInfo, Role, Training};
use gstm2sd::models::arch::retinaface::{self, Variant};
use gstm2sd::models::arch::slim;
use gstm2sd::models::checkpoint::Checkpoint;
use gstm2sd::models::import::{ImportOptions, Problem, import};
use gstm2sd::models::sha256;
use serde_json::Value;

use crate::forge::{Forge, Tensor, bytes};
use crate::support::shared_dir;

const FIGURES: &str = include_str!("detectors.json");

/// The tensors' shapes by name.
pub fn shapes(figures: &Value) -> BTreeMap<String, Vec<usize>> {
    serde_json::from_value(figures["tensors"].clone()).unwrap()
}

/// Of a network of detectors.py.
pub fn figures(name: &str) -> Value {
    serde_json::from_str::<Value>(FIGURES).unwrap()[name].take()
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
