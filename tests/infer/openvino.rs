//! OpenVINO beside ONNX Runtime: the same scores, the precision that it tells, whatever sizes come.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use gstm2sd::infer::{
    CancelToken, Clip, EngineOptions, InferError, Outputs, PoolOptions, Precision, Provider,
    TensorIn, load_aligner, load_classifier, load_detector, load_engine, shared_classifier,
};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{Synth, TransformerShape, product, write};
use ndarray::{Array2, Array3, Array4, Array5, ArrayView5};

use crate::common::{on, shared, texture};

fn in_precision(provider: Provider, precision: Precision) -> EngineOptions {
    EngineOptions { precision, ..on(provider) }
}

/// A transformer of M2SD's making, small.
fn transformer(dir: &Path) -> PathBuf {
    let shape =
        TransformerShape { width: 128, blocks: 2, heads: 2, frames: 4, ..TransformerShape::BASE };
    write(&Synth::Transformer { shape, seed: 7, tuning: Tuning::Cpu }, dir).unwrap()
}

/// The score of a picture, and the precision that was told.
fn score(model: &Path, options: &EngineOptions) -> (f64, Precision) {
    let mut classifier = load_classifier(model, options, &CancelToken::new()).unwrap();
    let spec = classifier.spec().clone();
    let clip = texture((3, spec.frames, spec.size_px, spec.size_px));
    let clips = [Clip { frames: clip.view().into(), audio: None }];
    (classifier.run(&clips, &CancelToken::new()).unwrap()[0].fake, spec.info.precision)
}

/// How far a score of 16-bit floats may be from the CPU provider's.
const BF16_TOLERANCE: f64 = 5e-3;

#[test]
fn golden_scores_are_the_cpu_provider_s() {
    let dir = tempfile::tempdir().unwrap();
    let options = ImportOptions { bytes_in: false, ..ImportOptions::default() };
    let m2sd = import(&shared("models/m2sd_tiny.pt"), dir.path(), &options).unwrap().model;
    for model in [m2sd, shared("models/meso4_df.onnx"), transformer(dir.path())] {
        let (expected, told) = score(&model, &on(Provider::Cpu));
        assert_eq!(told, Precision::Fp32);
        let (single, told) = score(&model, &in_precision(Provider::OpenVino, Precision::Fp32));
        assert_eq!(told, Precision::Fp32);
        assert!((single - expected).abs() < 1e-4, "{}: {single} {expected}", model.display());
        let (best, told) = score(&model, &on(Provider::OpenVino));
        println!("{}: {expected} fp32 {single} {told} {best}", model.display());
        let tolerance = if told == Precision::Bf16 { BF16_TOLERANCE } else { 1e-4 };
        assert!((best - expected).abs() < tolerance, "{}: {best} {expected}", model.display());
    }
}

#[test]
fn the_precision_that_is_told_is_one_that_the_processor_has() {
    let dir = tempfile::tempdir().unwrap();
    let model = transformer(dir.path());
    let (_, best) = score(&model, &on(Provider::OpenVino));
    for asked in [Precision::Bf16, Precision::Fp16] {
        let options = in_precision(Provider::OpenVino, asked);
        match load_engine(&model, &options, &CancelToken::new()) {
            Ok(engine) => assert_eq!(engine.info().precision, asked),
            Err(error) => {
                assert_ne!(best, asked, "{error}");
                assert!(matches!(error, InferError::PrecisionUnsupported { .. }), "{error}");
            }
        }
    }
    assert!(matches!(best, Precision::Fp32 | Precision::Bf16), "{best}");
    let has_bf16 = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_bf16 = ["avx512_bf16", "amx_bf16"].iter().any(|flag| has_bf16.contains(flag));
    if has_bf16 {
        assert_eq!(best, Precision::Bf16);
    }
}

#[test]
fn a_device_that_is_not_there_is_named_with_those_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let model = write(&Synth::Aligner, dir.path()).unwrap();
    for device in ["gpu:7", "npu:3", "cpu:1"] {
        let options = EngineOptions { device: device.parse().unwrap(), ..on(Provider::OpenVino) };
        let error = load_engine(&model, &options, &CancelToken::new()).err().unwrap().to_string();
        let begin = format!("provider openvino has no device {device}; it has cpu");
        assert!(error.starts_with(&begin), "{error}");
    }
}

#[test]
fn golden_bytes_of_any_size_and_any_number_of_faces_run_on_one_engine() {
    let dir = tempfile::tempdir().unwrap();
    let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
    let retinaface = shared("models/retinaface_mobilenet0.25.pth");
    let detector = import(&retinaface, dir.path(), &options).unwrap().model;
    let aligner = write(&Synth::Aligner, dir.path()).unwrap();
    let cancel = CancelToken::new();
    let [mut expected, mut found] = [Provider::Cpu, Provider::OpenVino].map(|provider| {
        let options = in_precision(provider, Precision::Fp32);
        let detector = load_detector(&detector, &options, &cancel).unwrap();
        (detector, load_aligner(&aligner, &options, &cancel).unwrap())
    });
    // A size again, and a smaller one after a larger one.
    for (height, width) in [(96, 128), (192, 256), (96, 128), (64, 64)] {
        let picture = Array3::from_shape_fn((3, height, width), |(c, y, x)| {
            ((x * 3 + y * 5 + c * 80) % 256) as u8
        });
        let faces = Array4::from_shape_fn((height / 32, 3, 112, 112), |(n, c, y, x)| {
            ((n + c + y + x) as f32 * 0.1).sin() * 0.5 + 0.5
        });
        let [a, b] = [&mut expected, &mut found].map(|(detector, aligner)| {
            let found = detector.run(picture.view(), &cancel).unwrap();
            let parts = [found.boxes, found.classes, found.landmarks];
            let mut all: Vec<f32> = parts.iter().flatten().copied().collect();
            all.extend(aligner.run(faces.view(), &cancel).unwrap());
            all
        });
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 2e-3), "{height}x{width}");
    }
}

#[test]
fn inputs_that_do_not_lie_in_rows_are_read_right() {
    let dir = tempfile::tempdir().unwrap();
    let model = transformer(dir.path());
    let options = in_precision(Provider::OpenVino, Precision::Fp32);
    let mut engine = load_engine(&model, &options, &CancelToken::new()).unwrap();
    let clips = Array5::from_shape_fn((1, 3, 4, 224, 224), |(_, c, t, y, x)| {
        ((c + t) as f32).sin() + y as f32 * 0.01 - (x as f32 * 0.03).cos()
    });
    let turned = clips.view().permuted_axes([0, 1, 2, 4, 3]);
    let mut run = |clips: ArrayView5<'_, f32>| {
        let mut outputs = Outputs::default();
        engine.run(&[clips.into_dyn().into()], &mut outputs, &CancelToken::new()).unwrap();
        outputs
    };
    assert_eq!(run(turned), run(turned.as_standard_layout().view()));
    assert_ne!(run(turned), run(clips.view()));
}

#[test]
fn a_single_number_is_an_output_without_dimensions() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("products.onnx");
    product::write(&model).unwrap();
    let x = Array2::from_shape_fn(product::INPUT, |(i, j)| ((i * 7 + j) as f32 * 0.7).sin());
    let [a, b] = [Provider::Cpu, Provider::OpenVino].map(|provider| {
        let options = in_precision(provider, Precision::Fp32);
        let mut engine = load_engine(&model, &options, &CancelToken::new()).unwrap();
        let mut outputs = Outputs::default();
        engine.run(&[x.view().into_dyn().into()], &mut outputs, &CancelToken::new()).unwrap();
        outputs.get(0).unwrap().to_owned()
    });
    assert_eq!((a.ndim(), b.ndim()), (0, 0));
    assert!((a.sum() - b.sum()).abs() <= a.sum().abs() * 1e-3, "{a} {b}");
}

#[test]
fn a_run_is_cancelled_before_and_during_and_the_next_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let shape = TransformerShape { width: 384, heads: 6, ..TransformerShape::BASE };
    let model =
        write(&Synth::Transformer { shape, seed: 1, tuning: Tuning::Cpu }, dir.path()).unwrap();
    let options = EngineOptions { threads: 1, ..on(Provider::OpenVino) };
    let mut engine = load_engine(&model, &options, &CancelToken::new()).unwrap();
    let clip = Array5::<f32>::zeros((1, 3, shape.frames, 224, 224));
    let mut outputs = Outputs::default();
    let mut run = |outputs: &mut Outputs, token: &CancelToken| {
        let started = Instant::now();
        let ended = engine.run(&[clip.view().into_dyn().into()], outputs, token);
        (ended, started.elapsed())
    };
    run(&mut outputs, &CancelToken::new()).0.unwrap();
    let (whole, took) = run(&mut outputs, &CancelToken::new());
    whole.unwrap();
    for part in [0, 1, 4] {
        let token = CancelToken::new();
        let (ended, cancelled_after) = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(took * part / 16);
                token.cancel();
            });
            run(&mut outputs, &token)
        });
        assert!(matches!(ended, Err(InferError::Cancelled)), "{ended:?}");
        assert!(cancelled_after < took * 3 / 4, "{cancelled_after:?} of {took:?}");
        let (before, _) = run(&mut outputs, &token);
        assert!(matches!(before, Err(InferError::Cancelled)), "{before:?}");
    }
    let mut again = Outputs::default();
    run(&mut again, &CancelToken::new()).0.unwrap();
    assert_eq!(again.get(0).unwrap().shape(), [1, 2]);
}

#[test]
fn streams_share_a_pool_and_engines_run_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let model = transformer(dir.path());
    let options = in_precision(Provider::OpenVino, Precision::Fp32);
    let cancel = CancelToken::new();
    let pools = [(); 2]
        .map(|()| shared_classifier(&model, &options, PoolOptions::default(), &cancel).unwrap());
    assert!(Arc::ptr_eq(&pools[0], &pools[1]));

    let (expected, _) = score(&model, &options);
    let aligner = write(&Synth::Aligner, dir.path()).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(score(&model, &options).0, expected)));
        }
        // Two streams that run one engine in turn.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut aligner = load_aligner(&aligner, &options, &cancel).unwrap();
                let faces = Array4::from_elem((1, 3, 112, 112), 0.3);
                let first = aligner.run(faces.view(), &cancel).unwrap().to_owned();
                for _ in 0..50 {
                    assert_eq!(aligner.run(faces.view(), &cancel).unwrap(), first);
                }
            });
        }
    });
}

#[test]
fn wrong_inputs_are_an_error_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let model = write(&Synth::Aligner, dir.path()).unwrap();
    let mut engine = load_engine(&model, &on(Provider::OpenVino), &CancelToken::new()).unwrap();
    let wrong_shape = Array4::<f32>::zeros((1, 3, 8, 8)).into_dyn();
    let wrong_kind = Array4::<u8>::zeros((1, 3, 112, 112)).into_dyn();
    let wrong: [Vec<TensorIn<'_>>; 3] =
        [vec![], vec![wrong_shape.view().into()], vec![wrong_kind.view().into()]];
    for inputs in wrong {
        let error = engine.run(&inputs, &mut Outputs::default(), &CancelToken::new()).unwrap_err();
        assert!(matches!(error, InferError::RunFailed { .. }), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

/// The compiled networks beside a model, with when each was written.
fn compiled(model: &Path) -> Vec<(PathBuf, SystemTime)> {
    let cache = model.parent().unwrap().join("cache/openvino");
    let dirs = std::fs::read_dir(cache).into_iter().flatten().flatten().map(|dir| dir.path());
    let files = dirs.filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    let blobs = files.filter(|file| file.path().extension().is_some_and(|e| e == "blob"));
    blobs.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect()
}

#[test]
fn what_was_compiled_is_read_at_the_second_start_and_damage_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = transformer(dir.path());
    let options = on(Provider::OpenVino);
    let first = score(&model, &options);
    let [(blob, written)] = &compiled(&model)[..] else { panic!("{:?}", compiled(&model)) };
    assert_eq!(score(&model, &options), first);
    // On another number of threads it is the same one.
    score(&model, &EngineOptions { threads: 1, ..options.clone() });
    assert_eq!(compiled(&model), [(blob.clone(), *written)]);

    let whole = std::fs::read(blob).unwrap();
    // Among others, a number in the middle.
    let mut changed = whole.clone();
    changed[whole.len() / 2..][..4].copy_from_slice(&[0x55; 4]);
    for damaged in [&whole[..whole.len() / 2], b"", &vec![7; whole.len()], &changed] {
        std::fs::remove_file(blob).unwrap();
        std::fs::write(blob, damaged).unwrap();
        assert_eq!(score(&model, &options), first);
        // Written again, and read from then on. OpenVINO's own notes in it need not be the same.
        let again = std::fs::read(blob).unwrap();
        assert_ne!(again, damaged);
        assert_eq!(score(&model, &options), first);
        assert_eq!(std::fs::read(blob).unwrap(), again);
    }
    // Another precision is another file.
    score(&model, &in_precision(Provider::OpenVino, Precision::Fp32));
    let both = if first.1 == Precision::Fp32 { 1 } else { 2 };
    assert_eq!(compiled(&model).len(), both);
}

#[test]
fn a_folder_that_nobody_writes_to_has_no_cache_and_the_network_runs() {
    let dir = tempfile::tempdir().unwrap();
    let model = write(&Synth::Aligner, dir.path()).unwrap();
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(dir.path(), mode).unwrap();
    };
    mode(0o555);
    let loaded = load_engine(&model, &on(Provider::OpenVino), &CancelToken::new());
    mode(0o755);
    loaded.unwrap();
    assert!(!dir.path().join("cache").exists());
}

#[test]
fn faces_are_found_in_fp32_and_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let model = write(&Synth::Detector, dir.path()).unwrap();
    let precision = |asked| {
        let options = in_precision(Provider::OpenVino, asked);
        let detector = gstm2sd::infer::load_detector(&model, &options, &CancelToken::new());
        detector.map(|detector| detector.info().precision)
    };
    assert_eq!(precision(Precision::Auto).unwrap(), Precision::Fp32);
    // The control: whoever asks for bf16 gets it, where the processor has it.
    if let Ok(asked) = precision(Precision::Bf16) {
        assert_eq!(asked, Precision::Bf16);
    }
}
