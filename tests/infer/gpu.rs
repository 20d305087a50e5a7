//! The GPU providers against the CPU. Ignored: `make gpu-check` runs them where there is a GPU.

use gstm2sd::infer::{CancelToken, Clip, EngineOptions, Precision, Provider, load_classifier};

use crate::common::{on, shared, texture};

/// P(fake) of two clips, scored together.
fn fakes(options: &EngineOptions) -> Option<[f64; 2]> {
    let meso4 = shared("models/meso4_df.onnx")?;
    let mut classifier = load_classifier(&meso4, options, &CancelToken::new()).unwrap();
    println!("{:?}", classifier.spec().info);
    let pictures = [texture((3, 1, 256, 256)), texture((3, 1, 256, 256)) * -0.5];
    let clips = pictures.each_ref().map(|p| Clip { frames: p.view().into(), audio: None });
    let scores = classifier.run(&clips, &CancelToken::new()).unwrap();
    Some([scores[0].fake, scores[1].fake])
}

fn like_the_cpu(provider: Provider, precision: Precision, tolerance: f64) {
    let cache = tempfile::tempdir().unwrap();
    let cache_dir = Some(cache.path().to_owned());
    let options = EngineOptions { precision, cache_dir, ..on(provider) };
    let (Some(cpu), Some(gpu)) = (fakes(&on(Provider::Cpu)), fakes(&options)) else { return };
    for (cpu, gpu) in cpu.into_iter().zip(gpu) {
        assert!((cpu - gpu).abs() <= tolerance, "{provider} {gpu}, cpu {cpu}");
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU: make gpu-check"]
fn gpu_cuda() {
    like_the_cpu(Provider::Cuda, Precision::Fp32, 1e-4);
}

#[test]
#[ignore = "needs an NVIDIA GPU: make gpu-check"]
fn gpu_tensorrt() {
    like_the_cpu(Provider::TensorRt, Precision::Fp32, 1e-3);
    like_the_cpu(Provider::TensorRt, Precision::Fp16, 5e-3);
}
