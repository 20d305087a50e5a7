//! Networks as Triton loads them.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::models::repository::{Backend, ExportOptions, RepositoryError, export};
use gstm2sd::models::sha256;
use gstm2sd::models::synth::{ClipShape, Synth, write};

const OPTIONS: ExportOptions = ExportOptions {
    backend: Backend::OnnxRuntime,
    largest_batch: NonZeroU32::new(8).unwrap(),
    instances: NonZeroU32::MIN,
};

fn classifier(dir: &Path, frames: usize) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    write(&Synth::Classifier(ClipShape { frames, ..ClipShape::default() }), dir).unwrap()
}

fn config(repository: &Path, name: &str) -> String {
    std::fs::read_to_string(repository.join(name).join("config.pbtxt")).unwrap()
}

#[test]
fn a_network_goes_with_its_sidecar_and_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let (engines, repository) = (dir.path().join("engines"), dir.path().join("repository"));
    let model = classifier(&engines, 4);
    let exported = export(&model, &repository, &OPTIONS).unwrap();
    let hash = sha256(&model).unwrap();
    let copy = repository.join(&exported.name).join("1/model.onnx");
    assert_eq!(sha256(&copy).unwrap(), hash);
    let text = config(&repository, &exported.name);
    for line in [
        format!("name: \"{}\"", exported.name),
        "backend: \"onnxruntime\"".to_owned(),
        "max_batch_size: 8".to_owned(),
        "input { name: \"clip\" data_type: TYPE_FP32 dims: [ 3, 4, 224, 224 ] }".to_owned(),
        "output { name: \"logits\" data_type: TYPE_FP32 dims: [ 2 ] }".to_owned(),
        "instance_group { count: 1 kind: KIND_AUTO }".to_owned(),
        format!("parameters {{ key: \"sha256\" value {{ string_value: \"{hash}\" }} }}"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("key: \"modelinfo\""), "{text}");
    assert!(text.contains("role=classifier\\n"), "{text}");
}

#[test]
fn a_sidecar_goes_along_whichever_of_its_names_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let (engines, repository) = (dir.path().join("engines"), dir.path().join("repository"));
    let model = classifier(&engines, 1);
    let [written, other] = ModelInfo::places(&model);
    std::fs::rename(written, other).unwrap();
    let exported = export(&model, &repository, &OPTIONS).unwrap();
    assert!(config(&repository, &exported.name).contains("role=classifier\\n"));
}

#[test]
fn what_has_changed_is_the_next_version_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let (engines, repository) = (dir.path().join("engines"), dir.path().join("repository"));
    let model = classifier(&engines, 4);
    let first = export(&model, &repository, &OPTIONS).unwrap();
    let again = export(&model, &repository, &OPTIONS).unwrap();
    assert_eq!((again.version, again.was_there), (1, true));
    classifier(&engines, 2);
    let changed = export(&model, &repository, &OPTIONS).unwrap();
    assert_eq!((changed.version, changed.was_there), (2, false));
    let folder = repository.join(&first.name);
    assert!(folder.join("1/model.onnx").is_file() && folder.join("2/model.onnx").is_file());
    assert!(config(&repository, &first.name).contains("dims: [ 3, 2, 224, 224 ]"));
}

#[test]
fn what_somebody_else_has_written_stays() {
    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("repository");
    let model = classifier(&dir.path().join("engines"), 1);
    let name = model.file_stem().unwrap().to_str().unwrap();
    let folder = repository.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let theirs = folder.join("config.pbtxt");
    std::fs::write(&theirs, "name: \"theirs\"\n").unwrap();
    let error = export(&model, &repository, &OPTIONS).unwrap_err();
    assert!(matches!(error, RepositoryError::NotOurs { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "name: \"theirs\"\n");
    // A folder without a configuration is somebody's, too.
    std::fs::remove_file(&theirs).unwrap();
    assert!(export(&model, &repository, &OPTIONS).is_err());
    let nothing = dir.path().join("no.onnx");
    std::fs::write(&nothing, "no network").unwrap();
    let error = export(&nothing, &repository, &OPTIONS).unwrap_err();
    assert!(matches!(error, RepositoryError::Onnx { .. }), "{error}");
    assert!(!repository.join("no").exists(), "half of it was written");
}

#[test]
fn each_back_end_is_told_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let engines = dir.path().join("engines");
    std::fs::create_dir_all(&engines).unwrap();
    let detector = write(&Synth::Detector, &engines).unwrap();
    let text = |backend| {
        let repository = dir.path().join(format!("{backend:?}"));
        let exported =
            export(&detector, &repository, &ExportOptions { backend, ..OPTIONS }).unwrap();
        config(&repository, &exported.name)
    };
    let onnxruntime = text(Backend::OnnxRuntime);
    assert!(onnxruntime.contains("dims: [ 3, -1, -1 ]"), "{onnxruntime}");
    assert!(onnxruntime.contains("dims: [ 3, 640, 640 ] zero_data: true"), "{onnxruntime}");
    let tensorrt = text(Backend::TensorRt);
    assert!(
        tensorrt.contains("\"trt_profile_max_shapes\" value: \"image:8x3x2560x2560\""),
        "{tensorrt}"
    );
    assert!(tensorrt.contains("kind: KIND_GPU"), "{tensorrt}");
    // Its batching takes no batch but the largest.
    let openvino = text(Backend::OpenVino);
    assert!(openvino.contains("max_batch_size: 0"), "{openvino}");
    assert!(openvino.contains("dims: [ -1, 3, -1, -1 ]"), "{openvino}");
    assert!(!openvino.contains("dynamic_batching"), "{openvino}");
}
