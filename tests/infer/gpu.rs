//! The GPU providers: against the CPU where there is a GPU (ignored, `make gpu-check` runs these),
//! and what they say where there is none.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use gstm2sd::infer::{
    CancelToken, Clip, ClipJob, EngineOptions, InferError, LoadStep, Loading, PoolOptions,
    Precision, Provider, Shapes, Tensor, load_aligner, load_classifier, load_detector, load_engine,
    shared_classifier,
};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{Synth, TransformerShape, write};
use ndarray::{Array3, Array4, Ix4};

use crate::common::{on, providers};
use crate::data::shared_dir_if_there;

/// What fp16 may do to a probability.
const HALF: f64 = 5e-3;
const SMALL: TransformerShape =
    TransformerShape { width: 192, blocks: 2, heads: 3, ..TransformerShape::BASE };

/// Networks of the three roles that need no download, reading floats, and again reading bytes.
struct Networks {
    dir: tempfile::TempDir,
}

impl Networks {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let transformer = Synth::Transformer { shape: SMALL, seed: 1, tuning: Tuning::Gpu };
        for network in [Synth::Detector, Synth::Aligner, transformer] {
            let model = write(&network, dir.path()).unwrap();
            let bytes = ImportOptions { bytes_in: true, ..ImportOptions::default() };
            import(&model, &dir.path().join("bytes"), &bytes).unwrap();
        }
        Self { dir }
    }

    /// The networks whose file's name begins so.
    fn of(&self, prefix: &str) -> Vec<PathBuf> {
        let dirs = [self.dir.path().to_owned(), self.dir.path().join("bytes")];
        let files = dirs.iter().flat_map(|dir| gstm2sd::models::onnx_files(dir));
        let named =
            |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().contains(prefix));
        files.filter(named).collect()
    }
}

fn level(seed: usize, index: usize) -> u8 {
    (index.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 7) as u8
}

/// A clip as the network at `path` reads it; each seed another.
fn clip(path: &Path, seed: usize, (frames, side): (usize, usize)) -> Tensor<Ix4> {
    let mut index = 0;
    let levels = Array4::from_shape_simple_fn((3, frames, side, side), || {
        index += 1;
        level(seed, index)
    });
    let reads_bytes = path.parent().is_some_and(|dir| dir.ends_with("bytes"));
    if reads_bytes { levels.into() } else { levels.mapv(|l| f32::from(l) / 127.5 - 1.0).into() }
}

fn fakes(model: &Path, options: &EngineOptions, together: usize) -> Vec<f64> {
    let mut classifier = load_classifier(model, options, &CancelToken::new()).unwrap();
    println!("{:?}", classifier.spec().info);
    let size = (classifier.spec().frames, classifier.spec().size_px);
    let clips: Vec<_> = (0..6).map(|seed| clip(model, seed, size)).collect();
    let clips: Vec<_> =
        clips.iter().map(|frames| Clip { frames: frames.view(), audio: None }).collect();
    // Several runs: the second would replay a graph that was recorded in the first.
    let runs = clips.chunks(together).map(|clips| classifier.run(clips, &CancelToken::new()));
    runs.flat_map(Result::unwrap).map(|score| score.fake).collect()
}

fn classifiers_like_the_cpu(provider: Provider, precision: Precision, tolerance: f64) {
    let networks = Networks::new();
    let mut models = networks.of("transformer");
    assert_eq!(models.len(), 2, "one of floats, one of bytes");
    models.extend(shared_dir_if_there().map(|shared| shared.join("models/meso4_df.onnx")));
    for model in models {
        let cpu = fakes(&model, &on(Provider::Cpu), 1);
        // A batch of one has fixed shapes, which are recorded; one of up to four has not.
        for batch in [1, 4] {
            let cache_dir = Some(networks.dir.path().join("cache"));
            let shapes = Shapes { batch, ..Shapes::default() };
            let options = EngineOptions { precision, cache_dir, shapes, ..on(provider) };
            let gpu = fakes(&model, &options, batch);
            for (cpu, gpu) in cpu.iter().zip(gpu) {
                assert!((cpu - gpu).abs() <= tolerance, "{provider} {batch}: {gpu}, cpu {cpu}");
            }
        }
    }
}

fn finders_like_the_cpu(provider: Provider, precision: Precision, tolerance: f32) {
    let networks = Networks::new();
    let cache_dir = Some(networks.dir.path().join("cache"));
    let options = EngineOptions { precision, cache_dir, ..on(provider) };
    let [cpu, gpu] = [on(Provider::Cpu), options].map(|options| {
        let cancel = CancelToken::new();
        let mut numbers = Vec::<f32>::new();
        for model in networks.of("detector") {
            let mut detector = load_detector(&model, &options, &cancel).unwrap();
            // Two sizes, and back to the first.
            for (height, width) in [(360, 640), (270, 480), (360, 640)] {
                let picture = Array3::from_elem((3, height, width), 40u8);
                let bytes = model.parent().is_some_and(|dir| dir.ends_with("bytes"));
                let raw = match bytes {
                    true => detector.run(picture.view(), &cancel),
                    false => detector.run(picture.mapv(f32::from).view(), &cancel),
                };
                numbers.extend(raw.unwrap().classes.iter());
            }
        }
        for model in networks.of("aligner") {
            let mut aligner = load_aligner(&model, &options, &cancel).unwrap();
            let faces = clip(&model, 3, (3, aligner.size_px()));
            numbers.extend(aligner.run(faces.view(), &cancel).unwrap().iter());
        }
        numbers
    });
    assert_eq!(cpu.len(), gpu.len());
    assert!(cpu.iter().zip(&gpu).all(|(a, b)| (a - b).abs() <= tolerance));
}

/// Clips through the pool, where they are copied ahead.
fn pool_like_the_cpu(provider: Provider, tolerance: f64) {
    let networks = Networks::new();
    let model = &networks.of("transformer")[1];
    let cache_dir = Some(networks.dir.path().join("cache"));
    let [cpu, gpu] = [Provider::Cpu, provider].map(|provider| {
        let options = EngineOptions { cache_dir: cache_dir.clone(), ..on(provider) };
        let queue = PoolOptions { queue: 16, ..PoolOptions::default() };
        let pool = shared_classifier(model, &options, queue, &CancelToken::new()).unwrap();
        let submitter = pool.submitter();
        let size = (pool.spec().frames, pool.spec().size_px);
        let scored = (0..12).map(|seed| {
            let (reply, scored) = channel();
            let reply = Box::new(move |s| reply.send(s).unwrap());
            let job = ClipJob { frames: clip(model, seed, size), audio: None, reply };
            assert!(submitter.submit(job, submitter.ticket()).is_ok());
            scored
        });
        let scored: Vec<_> = scored.collect();
        let fake = |s: std::sync::mpsc::Receiver<gstm2sd::infer::Scored>| {
            s.recv().unwrap().result.unwrap().fake
        };
        scored.into_iter().map(fake).collect::<Vec<_>>()
    });
    assert!(cpu.iter().zip(&gpu).all(|(a, b)| (a - b).abs() <= tolerance), "{cpu:?} {gpu:?}");
}

/// What a GPU is checked with works, and the networks that read bytes work on OpenVINO.
#[test]
fn the_other_providers_are_like_the_cpu() {
    for provider in providers() {
        classifiers_like_the_cpu(provider, Precision::Fp32, 1e-3);
        finders_like_the_cpu(provider, Precision::Fp32, 1e-3);
        pool_like_the_cpu(provider, 2e-2);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and TensorRT for RTX: make gpu-check"]
fn gpu_tensorrt_rtx() {
    classifiers_like_the_cpu(Provider::TensorRtRtx, Precision::Fp32, 1e-3);
    classifiers_like_the_cpu(Provider::TensorRtRtx, Precision::Auto, HALF);
    finders_like_the_cpu(Provider::TensorRtRtx, Precision::Auto, 5e-3);
    pool_like_the_cpu(Provider::TensorRtRtx, HALF);
}

#[test]
#[ignore = "needs an NVIDIA GPU: make gpu-check"]
fn gpu_cuda() {
    classifiers_like_the_cpu(Provider::Cuda, Precision::Fp32, 1e-4);
    classifiers_like_the_cpu(Provider::Cuda, Precision::Fp16, HALF);
    finders_like_the_cpu(Provider::Cuda, Precision::Fp32, 1e-4);
    pool_like_the_cpu(Provider::Cuda, HALF);
}

#[test]
#[ignore = "needs an NVIDIA GPU and TensorRT: make gpu-check"]
fn gpu_tensorrt() {
    classifiers_like_the_cpu(Provider::TensorRt, Precision::Fp32, 1e-3);
    classifiers_like_the_cpu(Provider::TensorRt, Precision::Auto, HALF);
    finders_like_the_cpu(Provider::TensorRt, Precision::Auto, 5e-3);
    pool_like_the_cpu(Provider::TensorRt, HALF);
}

#[test]
#[ignore = "needs an NVIDIA GPU and TensorRT: make gpu-check"]
fn gpu_tensorrt_builds_once() {
    let networks = Networks::new();
    let cache_dir = Some(networks.dir.path().join("cache"));
    let model = &networks.of("aligner")[0];
    let builds = |precision| {
        let options =
            EngineOptions { cache_dir: cache_dir.clone(), precision, ..on(Provider::TensorRt) };
        let built = Cell::new(0);
        let told = |LoadStep::Building { .. }: LoadStep<'_>| built.set(built.get() + 1);
        load_aligner(model, &options, Loading::new(&CancelToken::new(), &told)).unwrap();
        built.get()
    };
    assert_eq!([builds(Precision::Auto), builds(Precision::Fp16)], [1, 0]);
    assert_eq!([builds(Precision::Fp32), builds(Precision::Auto)], [1, 0]);
    // What is damaged on the disk is built again.
    for entry in std::fs::read_dir(networks.dir.path().join("cache")).unwrap().flatten() {
        for file in std::fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|e| e == "engine") {
                std::fs::write(file.path(), "rubbish").unwrap();
            }
        }
    }
    assert_eq!([builds(Precision::Auto), builds(Precision::Auto)], [1, 0]);
}

/// A bare engine and its sidecar. No GPU would take it.
fn bare_engine(sidecar: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let engine = dir.path().join("net.engine");
    std::fs::write(&engine, "rubbish").unwrap();
    std::fs::write(dir.path().join("net.engine.modelinfo"), sidecar).unwrap();
    (dir, engine)
}

const SIDECAR: &str = "[modelinfo]\nrole=classifier\n[clip]\ndir=input\ntype=uint8\n\
    dims=1,3,16,224,224\n[logits]\ndir=output\ntype=float32\ndims=1,2\n";

#[test]
fn an_engine_is_for_tensorrt_alone() {
    let (dir, engine) = bare_engine(SIDECAR);
    let imported = import(&engine, &dir.path().join("in"), &ImportOptions::default()).unwrap();
    for model in [&engine, &dir.path().join("net.engine.onnx"), &imported.model] {
        for provider in [Provider::Cpu, Provider::Cuda, Provider::OpenVino, Provider::TensorRtRtx] {
            let error = load_classifier(model, &on(provider), &CancelToken::new()).err().unwrap();
            assert!(matches!(error, InferError::Compiled { .. }), "{error}");
            assert!(error.to_string().contains("use provider=tensorrt"), "{error}");
        }
        // With TensorRT it is the rubbish that is wrong, without it that is missing. What it
        // computes in cannot be seen, so every precision is taken.
        for precision in [Precision::Auto, Precision::Int8, Precision::Bf16] {
            let options = EngineOptions { precision, ..on(Provider::Auto) };
            let error = load_classifier(model, &options, &CancelToken::new()).err().unwrap();
            assert!(
                matches!(
                    error,
                    InferError::ProviderMissing { provider: Provider::TensorRt, .. }
                        | InferError::ModelUnreadable { .. }
                ),
                "{precision}: {error}"
            );
        }
    }
}

#[test]
fn an_engine_that_is_not_described_says_what_to_write() {
    let (_dir, engine) = bare_engine("[modelinfo]\nrole=classifier");
    let error = load_engine(&engine, &on(Provider::TensorRt), &CancelToken::new());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("net.engine.modelinfo") && error.contains("dims="), "{error}");
}
