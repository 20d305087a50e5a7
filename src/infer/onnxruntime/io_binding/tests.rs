//! IoBinding runs in the host's memory, against runs that are given their inputs.

use ndarray::{Array5, ArrayD};

use super::*;
use crate::infer::onnxruntime::engine::OnnxEngine;
use crate::infer::onnxruntime::load::load;
use crate::infer::request::Request;
use crate::infer::{Engine, EngineOptions};
use crate::models::synth::{ClipShape, Synth, write};

/// An engine on the CPU, for comparison and for its session.
fn engine(network: Synth) -> (OnnxEngine, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let model = write(&network, dir.path()).unwrap();
    let options = EngineOptions { provider: Provider::Cpu, ..Default::default() };
    let cancel = CancelToken::new();
    let request = Request::new(&model, &options, (&cancel).into()).unwrap();
    let engine = load(&request, Provider::Cpu).unwrap();
    (engine, dir)
}

fn clips(count: usize, value: f32) -> ArrayD<f32> {
    let clips = Array5::from_shape_fn((count, 3, 2, 32, 32), |(n, c, _, _, x)| {
        value + n as f32 * 0.3 + c as f32 * 0.1 + x as f32 * 0.01
    });
    clips.into_dyn()
}

fn whole(clips: &ArrayD<f32>) -> Pieces<'_> {
    TensorIn::from(clips.view()).into()
}

/// A binding of an engine's session, in the host's memory.
fn bound(engine: &OnnxEngine, fixed: Option<&FixedShapes>) -> IoBinding {
    IoBinding::new(&engine.session, MemoryLocation::Host, Provider::Cpu, fixed).unwrap()
}

fn answer(engine: &mut OnnxEngine, clips: &ArrayD<f32>) -> Outputs {
    let mut outputs = Outputs::default();
    engine.run(&[clips.view().into()], &mut outputs, &CancelToken::new()).unwrap();
    outputs
}

const CLIP: ClipShape = ClipShape { frames: 2, size_px: 32, audio: None, quantised: false };

#[test]
fn what_is_bound_gives_what_is_passed_gives_whatever_the_shapes() {
    let (mut plain, _dir) = engine(Synth::Classifier(CLIP));
    let (mut other, _dir) = engine(Synth::Classifier(CLIP));
    let mut bound = bound(&other, None);
    let (options, mut found) = (RunOptions::new().unwrap(), Outputs::default());
    // The same shape again, a larger one, and the first again.
    for (count, value) in [(1, 0.0), (1, 0.5), (3, 0.2), (1, 0.9)] {
        let clips = clips(count, value);
        let expected = answer(&mut plain, &clips);
        let inputs = [clips.view().into()];
        bound.run(&mut other.session, &inputs, &mut found, &options, &CancelToken::new()).unwrap();
        assert_eq!(found, expected);
    }
    let none = bound.run(&mut other.session, &[], &mut found, &options, &CancelToken::new());
    assert!(none.unwrap_err().to_string().contains("0 inputs for a network of 1"));
}

#[test]
fn memory_is_kept_while_the_shape_is() {
    let (mut other, _dir) = engine(Synth::Classifier(CLIP));
    let mut bound = bound(&other, None);
    let options = RunOptions::new().unwrap();
    let mut address = |count| {
        bound
            .run(
                &mut other.session,
                &[clips(count, 0.1).view().into()],
                &mut Outputs::default(),
                &options,
                &CancelToken::new(),
            )
            .unwrap();
        let slot = bound.slots[0].lock().unwrap();
        slot.buffers[0].device.data_ptr() as usize
    };
    let first = address(1);
    assert_eq!(address(1), first);
    assert_ne!(address(2), 0);
}

#[test]
fn the_next_inputs_are_staged_beside_those_that_wait() {
    let (mut plain, _dir) = engine(Synth::Classifier(CLIP));
    let (mut other, _dir) = engine(Synth::Classifier(CLIP));
    let mut bound = bound(&other, None);
    let mut stager = bound.stager(&other.session).unwrap();
    let (options, mut found) = (RunOptions::new().unwrap(), Outputs::default());
    let inputs = [clips(1, 0.0), clips(2, 0.4), clips(1, 0.8)];
    let mut waiting = stager.stage(&[whole(&inputs[0])]).unwrap();
    for (n, input) in inputs.iter().enumerate() {
        let next = inputs.get(n + 1).map(|i| stager.stage(&[whole(i)]).unwrap());
        bound
            .run_staged(&mut other.session, &waiting, &mut found, &options, &CancelToken::new())
            .unwrap();
        let expected = answer(&mut plain, input);
        assert_eq!(found, expected);
        if let Some(next) = next {
            assert_ne!(next, waiting);
            waiting = next;
        }
    }
}

#[test]
fn clips_that_lie_apart_are_one_batch_where_they_are_staged() {
    let (mut plain, _dir) = engine(Synth::Classifier(CLIP));
    let (mut other, _dir) = engine(Synth::Classifier(CLIP));
    let mut bound = bound(&other, None);
    let mut stager = bound.stager(&other.session).unwrap();
    let (options, mut found) = (RunOptions::new().unwrap(), Outputs::default());
    let batch = clips(4, 0.2);
    let apart: Vec<_> = batch.axis_chunks_iter(ndarray::Axis(0), 1).map(|c| c.to_owned()).collect();
    // As they came, and the other way round: each in its own place.
    let mut reversed = batch.clone();
    reversed.invert_axis(ndarray::Axis(0));
    let forwards: Vec<_> = apart.iter().collect();
    let backwards: Vec<_> = apart.iter().rev().collect();
    for (pieces, expected) in [(forwards, &batch), (backwards, &reversed)] {
        let pieces = Pieces::new(pieces.into_iter().map(|clip| clip.view().into())).unwrap();
        let staged = stager.stage(&[pieces]).unwrap();
        bound
            .run_staged(&mut other.session, &staged, &mut found, &options, &CancelToken::new())
            .unwrap();
        assert_eq!(found, answer(&mut plain, expected));
    }
}

#[test]
fn runs_of_fixed_shapes_keep_every_address() {
    let (mut plain, _dir) = engine(Synth::Classifier(CLIP));
    let (mut other, _dir) = engine(Synth::Classifier(CLIP));
    let fixed = FixedShapes {
        inputs: vec![(TensorElementType::Float32, vec![1, 3, 2, 32, 32])],
        outputs: vec![vec![1, 2]],
    };
    let mut bound = bound(&other, Some(&fixed));
    let (options, mut found) = (RunOptions::new().unwrap(), Outputs::default());
    for value in [0.0, 0.5, 1.0] {
        let clip = clips(1, value);
        let expected = answer(&mut plain, &clip);
        let inputs = [clip.view().into()];
        bound.run(&mut other.session, &inputs, &mut found, &options, &CancelToken::new()).unwrap();
        assert_eq!(found, expected);
        assert!(bound.recorded.as_ref().unwrap().ran);
    }
    // Another shape than the fixed one is an error, not a copy of a part.
    let two = bound.run(
        &mut other.session,
        &[clips(2, 0.0).view().into()],
        &mut found,
        &options,
        &CancelToken::new(),
    );
    assert!(two.is_err());
}
