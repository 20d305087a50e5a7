//! Real networks on the providers that this machine has.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use gstm2sd::infer::{
    CancelToken, Clip, Engine, EngineOptions, InferError, Outputs, Precision, Provider,
    load_aligner, load_classifier, load_detector, load_engine,
};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::synth::{self, ClipShape, Synth, TransformerShape};
use ndarray::{Array4, Array5};

use crate::common::{on, providers, shared, texture};

const MESO4: &str = "models/meso4_df.onnx";
const PFLD: &str = "models/pfld_112.onnx";

fn load(path: &Path, options: &EngineOptions) -> Result<Box<dyn Engine>, InferError> {
    load_engine(path, options, &CancelToken::new())
}

#[test]
fn golden_cpu_is_the_cpu_with_openvino_in_the_process() {
    let meso4 = shared(MESO4);
    let clip = texture((3, 1, 256, 256));
    let mut fakes = Vec::new();
    // The CPU last, when the other has been there.
    for provider in providers().into_iter().rev() {
        let (runtime, assigned) = match provider {
            Provider::OpenVino => ("OpenVINO 20", "CPU"),
            _ => ("ONNX Runtime 1.", "CPUExecutionProvider"),
        };
        let options = EngineOptions { precision: Precision::Fp32, ..on(provider) };
        let mut classifier = load_classifier(&meso4, &options, &CancelToken::new()).unwrap();
        let info = &classifier.spec().info;
        assert_eq!(info.provider, provider);
        assert_eq!(info.assigned, [assigned]);
        assert!(info.runtime.starts_with(runtime), "{}", info.runtime);
        let clips = [Clip { frames: clip.view().into(), audio: None }];
        fakes.push(classifier.run(&clips, &CancelToken::new()).unwrap()[0].fake);
    }
    assert!(fakes.iter().all(|fake| (fake - fakes[0]).abs() < 1e-3), "{fakes:?}");
}

#[test]
fn a_transformer_computes_the_same_however_it_is_tuned() {
    let shape =
        TransformerShape { width: 128, blocks: 2, heads: 2, frames: 4, ..TransformerShape::BASE };
    let clip = texture((3, 4, 224, 224));
    let fakes = [Tuning::Cpu, Tuning::Gpu].map(|tuning| {
        let dir = tempfile::tempdir().unwrap();
        let network = Synth::Transformer { shape, seed: 7, tuning };
        let file = synth::write(&network, dir.path()).unwrap();
        let options = EngineOptions { precision: Precision::Fp32, ..on(Provider::Cpu) };
        let mut classifier = load_classifier(&file, &options, &CancelToken::new()).unwrap();
        let clips = [Clip { frames: clip.view().into(), audio: None }; 2];
        classifier.run(&clips, &CancelToken::new()).unwrap()[1].fake
    });
    assert!((fakes[0] - fakes[1]).abs() < 1e-6, "{fakes:?}");
    assert!((0.01..0.99).contains(&fakes[0]), "{fakes:?}");
}

#[test]
fn golden_auto_takes_the_best_and_says_what_it_passed_over() {
    let pfld = shared(PFLD);
    let engine = load(&pfld, &EngineOptions::default()).unwrap();
    let info = engine.info();
    let taken = Provider::PREFERENCE.iter().position(|p| *p == info.provider);
    assert_eq!(Some(info.passed_over.len()), taken, "{info:?}");
}

#[test]
fn golden_a_provider_that_is_not_there_is_an_error_that_says_what_to_install() {
    let pfld = shared(PFLD);
    let engine = load(&pfld, &EngineOptions::default()).unwrap();
    let needed = [
        (Provider::Cuda, ["CUDA", "M2SD_RUNTIME"]),
        (Provider::TensorRt, ["TensorRT", "M2SD_RUNTIME"]),
        (Provider::TensorRtRtx, ["NVIDIA driver", "setup GPU=1"]),
    ];
    for (provider, needed) in needed {
        if engine.info().provider == provider {
            continue;
        }
        let error = load(&pfld, &on(provider)).map(|_| ()).unwrap_err();
        assert!(matches!(error, InferError::ProviderMissing { .. }), "{error}");
        for needed in needed {
            assert!(error.to_string().contains(needed), "{error}");
        }
    }
}

#[test]
fn golden_what_a_provider_cannot_do_is_refused() {
    let pfld = shared(PFLD);
    let half = EngineOptions { precision: Precision::Fp16, ..on(Provider::Cpu) };
    let error = load(&pfld, &half).map(|_| ()).unwrap_err();
    assert!(matches!(error, InferError::PrecisionUnsupported { .. }), "{error}");

    for device in ["gpu", "cpu:7"] {
        let options = EngineOptions { device: device.parse().unwrap(), ..on(Provider::Cpu) };
        let error = load(&pfld, &options).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), format!("provider cpu has no device {device}; it has cpu"));
    }
}

#[test]
fn where_no_provider_can_do_it_each_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let model = analytic(dir.path(), false);
    let npu = EngineOptions { device: "npu".parse().unwrap(), ..EngineOptions::default() };
    let error = load(&model, &npu).map(|_| ()).unwrap_err().to_string();
    for part in ["device=npu", "provider openvino", "provider cpu", "provider cuda"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // The control: one that is named speaks for itself.
    let named = EngineOptions { provider: Provider::Cpu, ..npu };
    let error = load(&model, &named).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("provider cpu has no device npu") && !error.contains("openvino"));
}

/// An analytic classifier of clips `[3,1,8,8]`.
fn analytic(dir: &Path, quantised: bool) -> PathBuf {
    let shape = ClipShape { frames: 1, size_px: 8, quantised, ..ClipShape::default() };
    synth::write(&Synth::Classifier(shape), dir).unwrap()
}

#[test]
fn a_quantised_network_computes_in_eight_bits_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let model = analytic(dir.path(), true);
    // ImageNet's normalisation of a redness between two of 255 levels.
    let redness = 100.3 / 255.0;
    let clip = Array4::from_elem((3, 1, 8, 8), (redness - 0.485) / 0.229);
    for provider in providers() {
        for precision in [Precision::Auto, Precision::Int8] {
            let options = EngineOptions { precision, ..on(provider) };
            let mut classifier = load_classifier(&model, &options, &CancelToken::new()).unwrap();
            assert_eq!(classifier.spec().info.precision, Precision::Int8);
            let clips = [Clip { frames: clip.view().into(), audio: None }];
            let fake = classifier.run(&clips, &CancelToken::new()).unwrap()[0].fake;
            // bf16, in which OpenVINO may compute the logarithm, has eight bits itself.
            let tolerance = if provider == Provider::Cpu { 1e-6 } else { 4e-3 };
            assert!((fake - 100.0 / 255.0).abs() < tolerance, "{provider} {precision}: {fake}");
        }
    }
}

#[test]
fn a_precision_that_is_not_the_file_s_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let int8 = EngineOptions { precision: Precision::Int8, ..on(Provider::Cpu) };
    let fp32 = EngineOptions { precision: Precision::Fp32, ..on(Provider::Cpu) };

    let model = analytic(dir.path(), false);
    let error = load(&model, &int8).map(|_| ()).unwrap_err();
    assert!(matches!(error, InferError::NotQuantised { .. }), "{error}");
    assert!(error.to_string().contains("precision=auto"), "{error}");
    assert_eq!(load(&model, &fp32).unwrap().info().precision, Precision::Fp32);

    let model = analytic(dir.path(), true);
    let error = load(&model, &fp32).map(|_| ()).unwrap_err();
    assert!(matches!(error, InferError::Quantised { .. }), "{error}");

    std::fs::write(&model, "no network").unwrap();
    let error = load(&model, &int8).map(|_| ()).unwrap_err();
    assert!(matches!(error, InferError::ModelUnreadable { .. }), "{error}");
}

#[test]
fn a_network_with_weights_in_another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = analytic(dir.path(), false);
    assert!(load(&model, &on(Provider::Cpu)).is_ok());
    // A second graph of a model is merged into the first: one initializer, `w`, a float of 4 bytes
    // that lie in the file `weights`.
    let location = b"\x0a\x08location\x12\x07weights";
    let mut tensor = b"\x08\x01\x10\x01\x42\x01w\x6a".to_vec();
    tensor.push(location.len() as u8);
    tensor.extend(location);
    tensor.extend(b"\x70\x01");
    let mut file = std::fs::read(&model).unwrap();
    file.extend([0x3a, tensor.len() as u8 + 2, 0x2a, tensor.len() as u8]);
    file.extend(tensor);
    std::fs::write(&model, file).unwrap();
    std::fs::write(dir.path().join("weights"), [0; 4]).unwrap();
    let error = load(&model, &on(Provider::Cpu)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the weight w is kept in another file"), "{error}");
}

#[test]
fn golden_landmarks_of_the_real_network() {
    let pfld = shared(PFLD);
    for provider in providers() {
        let mut aligner = load_aligner(&pfld, &on(provider), &CancelToken::new()).unwrap();
        assert_eq!(aligner.size_px(), 112);
        let faces = Array4::from_elem((3, 3, 112, 112), 0.5);
        let points = aligner.run(faces.view(), &CancelToken::new()).unwrap();
        assert_eq!(points.dim(), (3, 136));
        assert_eq!(points.row(0), points.row(2));
        let none = aligner.run(Array4::<f32>::zeros((0, 3, 112, 112)).view(), &CancelToken::new());
        assert_eq!(none.unwrap().nrows(), 0);
        let wrong = aligner.run(Array4::<f32>::zeros((1, 3, 64, 64)).view(), &CancelToken::new());
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "the aligner's faces: expected shape [?, 3, 112, 112], found [1, 3, 64, 64]"
        );
    }
}

#[test]
fn golden_a_network_in_the_wrong_role_is_named_with_its_signature() {
    let (pfld, meso4) = (shared(PFLD), shared(MESO4));
    let cpu = on(Provider::Cpu);
    let error =
        load_classifier(&pfld, &cpu, &CancelToken::new()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("as classifier: expected clip f32 or u8[N,3,T,S,S]"), "{error}");
    assert!(error.contains("found input f32[") && error.contains(",136]"), "{error}");
    let as_detector = load_detector(&meso4, &cpu, &CancelToken::new()).map(|_| ()).unwrap_err();
    assert!(matches!(as_detector, InferError::WrongSignature { .. }), "{as_detector}");
}

#[test]
fn golden_a_sidecar_of_another_role_or_with_faults_is_refused() {
    let meso4 = shared(MESO4);
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("net.onnx");
    std::fs::copy(meso4, &model).unwrap();
    let sidecar = dir.path().join("net.onnx.modelinfo");
    std::fs::write(&sidecar, "[modelinfo]\nrole=aligner").unwrap();
    let error =
        load_classifier(&model, &on(Provider::Cpu), &CancelToken::new()).map(|_| ()).unwrap_err();
    assert!(matches!(error, InferError::WrongRole { .. }), "{error}");
    std::fs::write(&sidecar, "[modelinfo]\nthreshold=9").unwrap();
    let error =
        load_classifier(&model, &on(Provider::Cpu), &CancelToken::new()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("expected a probability"), "{error}");
}

#[test]
fn golden_missing_truncated_and_foreign_files() {
    let meso4 = shared(MESO4);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(meso4).unwrap();
    let broken = [
        file("half.onnx", &whole[..whole.len() / 2]),
        file("empty.onnx", b""),
        file("text.onnx", b"this is no network at all"),
        dir.path().to_owned(),
    ];
    for provider in providers().into_iter().chain([Provider::Auto]) {
        for path in &broken {
            let error = load(path, &on(provider)).map(|_| ()).unwrap_err();
            assert!(matches!(error, InferError::ModelUnreadable { .. }), "{provider}: {error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        let missing = load(&dir.path().join("none.onnx"), &on(provider)).map(|_| ());
        assert!(matches!(missing, Err(InferError::ModelMissing { .. })), "{missing:?}");
    }
}

#[test]
fn golden_a_batch_scores_like_its_clips() {
    let meso4 = shared(MESO4);
    let mut classifier = load_classifier(&meso4, &on(Provider::Cpu), &CancelToken::new()).unwrap();
    assert!(classifier.spec().batches);
    assert_eq!((classifier.spec().frames, classifier.spec().size_px), (1, 256));
    let pictures = [texture((3, 1, 256, 256)), Array4::zeros((3, 1, 256, 256))];
    let clips = pictures.each_ref().map(|p| Clip { frames: p.view().into(), audio: None });
    let together = classifier.run(&clips, &CancelToken::new()).unwrap();
    for (clip, batched) in clips.into_iter().zip(together) {
        let alone = classifier.run(&[clip], &CancelToken::new()).unwrap();
        assert!((alone[0].fake - batched.fake).abs() < 1e-5, "{alone:?} {batched:?}");
    }
}

#[test]
fn golden_a_run_is_cancelled_before_and_during() {
    let meso4 = shared(MESO4);
    let options = EngineOptions { threads: 1, ..on(Provider::Cpu) };
    let mut engine = load(&meso4, &options).unwrap();
    // About a second of work, in dozens of nodes.
    let clips = Array5::<f32>::zeros((96, 3, 1, 256, 256));
    let token = CancelToken::new();
    let canceller = thread::spawn({
        let token = token.clone();
        move || {
            thread::sleep(Duration::from_millis(30));
            token.cancel();
        }
    });
    let mut outputs = Outputs::default();
    let during = engine.run(&[clips.view().into_dyn().into()], &mut outputs, &token);
    canceller.join().unwrap();
    assert!(matches!(during, Err(InferError::Cancelled)), "{during:?}");
    let before = engine.run(&[clips.view().into_dyn().into()], &mut outputs, &token);
    assert!(matches!(before, Err(InferError::Cancelled)), "{before:?}");

    let one = clips.slice_axis(ndarray::Axis(0), (..1).into()).into_dyn();
    engine.run(&[one.into()], &mut outputs, &CancelToken::new()).unwrap();
    assert_eq!(outputs.get(0).unwrap().shape(), [1, 2]);
}

#[test]
fn golden_two_engines_run_side_by_side() {
    let (pfld, meso4) = (shared(PFLD), shared(MESO4));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut aligner = load_aligner(&pfld, &on(Provider::Cpu), &CancelToken::new()).unwrap();
            let faces = Array4::from_elem((1, 3, 112, 112), 0.3);
            let first = aligner.run(faces.view(), &CancelToken::new()).unwrap().to_owned();
            for _ in 0..20 {
                assert_eq!(aligner.run(faces.view(), &CancelToken::new()).unwrap(), first);
            }
        });
        scope.spawn(|| {
            let mut classifier =
                load_classifier(&meso4, &on(Provider::Auto), &CancelToken::new()).unwrap();
            let picture = texture((3, 1, 256, 256));
            let clip = [Clip { frames: picture.view().into(), audio: None }];
            let first = classifier.run(&clip, &CancelToken::new()).unwrap();
            for _ in 0..20 {
                assert_eq!(classifier.run(&clip, &CancelToken::new()).unwrap(), first);
            }
        });
    });
}

#[test]
fn golden_wrong_inputs_are_an_error_of_the_run() {
    let meso4 = shared(MESO4);
    let mut engine = load(&meso4, &on(Provider::Cpu)).unwrap();
    for wrong in [vec![], vec![ndarray::ArrayD::<f32>::zeros(vec![1, 3, 1, 8, 8])]] {
        let inputs: Vec<_> = wrong.iter().map(|array| array.view().into()).collect();
        let error = engine.run(&inputs, &mut Outputs::default(), &CancelToken::new()).unwrap_err();
        assert!(matches!(error, InferError::RunFailed { .. }), "{error}");
    }
}
