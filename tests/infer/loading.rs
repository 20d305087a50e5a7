//! Loading is cancelled, and who waits for another's load is not held up by it.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gstm2sd::infer::{
    Aligner, CancelToken, EngineOptions, InferError, PoolOptions, Provider, load_aligner,
    load_engine, shared_classifier,
};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::synth::{Synth, TransformerShape, write};

use crate::common::{on, shared, texture};

/// A transformer that takes a moment to load: 90 MB.
fn slow_to_load(dir: &Path) -> PathBuf {
    let shape = TransformerShape { width: 384, heads: 6, ..TransformerShape::BASE };
    write(&Synth::Transformer { shape, seed: 1, tuning: Tuning::Cpu }, dir).unwrap()
}

fn load_time(model: &Path, options: &EngineOptions) -> Duration {
    let started = Instant::now();
    load_engine(model, options, &CancelToken::new()).unwrap();
    started.elapsed()
}

#[test]
fn a_load_is_cancelled_before_and_during() {
    let dir = tempfile::tempdir().unwrap();
    let model = slow_to_load(dir.path());
    let options = on(Provider::Cpu);
    let whole = load_time(&model, &options);

    let cancel = CancelToken::new();
    cancel.cancel();
    let early = load_engine(&model, &options, &cancel);
    assert!(matches!(early, Err(InferError::Cancelled)));

    // At whichever moment it comes, it is the answer, and no provider is tried after it.
    for options in [options, on(Provider::Auto)] {
        for part in 1..4 {
            let cancel = CancelToken::new();
            thread::scope(|scope| {
                let load = scope.spawn(|| load_engine(&model, &options, &cancel));
                thread::sleep(whole * part / 16);
                cancel.cancel();
                assert!(matches!(load.join().unwrap(), Err(InferError::Cancelled)));
            });
        }
    }
}

#[test]
fn who_waits_for_a_cancelled_load_loads_and_who_is_cancelled_waits_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let model = slow_to_load(dir.path());
    let options = on(Provider::Cpu);
    let whole = load_time(&model, &options);
    let ask =
        |cancel: &CancelToken| shared_classifier(&model, &options, PoolOptions::default(), cancel);
    let [first, second, third] = [(); 3].map(|()| CancelToken::new());
    thread::scope(|scope| {
        let loads = scope.spawn(|| ask(&first));
        thread::sleep(whole / 16);
        let [waits, gives_up] = [&second, &third].map(|cancel| scope.spawn(move || ask(cancel)));
        third.cancel();
        let given_up = gives_up.join().unwrap();
        assert!(matches!(given_up, Err(InferError::Cancelled)));
        first.cancel();
        assert!(matches!(loads.join().unwrap(), Err(InferError::Cancelled)));
        assert!(waits.join().unwrap().is_ok());
    });
}

#[test]
fn golden_detectors_of_the_same_file_share_an_engine_and_answer_each() {
    let pfld = shared("models/pfld_112.onnx");
    let options = on(Provider::Cpu);
    let load = || load_aligner(&pfld, &options, &CancelToken::new()).unwrap();
    let alone = points(&mut load(), 0.3);
    let mut aligners = [load(), load(), load()];
    thread::scope(|scope| {
        let runs = aligners.each_mut().map(|aligner| {
            scope.spawn(|| (0..20).map(|_| points(aligner, 0.3)).collect::<Vec<_>>())
        });
        for run in runs {
            assert!(run.join().unwrap().iter().all(|found| *found == alone));
        }
    });
    // A run that is given up, or wrong, is its stream's own.
    let [first, second, _] = &mut aligners;
    let cancel = CancelToken::new();
    cancel.cancel();
    let faces = texture((1, 3, 112, 112));
    assert!(matches!(first.run(faces.view(), &cancel), Err(InferError::Cancelled)));
    assert_eq!(points(second, 0.3), alone);
}

/// The first of the 68 points that are found in a texture.
fn points(aligner: &mut Aligner, contrast: f32) -> [f32; 2] {
    let faces = texture((1, 3, 112, 112)) * contrast;
    let points = aligner.run(faces.view(), &CancelToken::new()).unwrap();
    [points[[0, 0]], points[[0, 1]]]
}
